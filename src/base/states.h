// SPDX-License-Identifier: MIT
// A state machine as a table: a row per state with its name and the states that may follow. A move
// the table does not allow is a defect of the program, so it aborts; what outside data asks for is
// asked with states_may first.
#ifndef BASE_STATES_H
#define BASE_STATES_H

#include <stdbool.h>
#include <stdint.h>

#define STATES_MAX 32

// The bit of a state in `next`; rows without any are final.
#define STATE_BIT(state_) (UINT32_C(1) << (state_))

struct state_row {
    const char *name;
    uint32_t next;
};

// Static data. A state is its row's index, usually an enum that counts from 0.
struct states {
    const char *what; // whose states they are, for messages: "connection"
    const struct state_row *rows;
    unsigned n; // at most STATES_MAX
};

#define STATES(what_, rows_)                                                                       \
    { (what_), (rows_), sizeof(rows_) / sizeof((rows_)[0]) }

// May `to` follow `from`? A state may follow itself only where its row says so.
bool states_may(const struct states *table, unsigned from, unsigned to);
bool states_final(const struct states *table, unsigned state);
const char *states_name(const struct states *table, unsigned state); // "unknown" outside the table

// Sets *state_ (an unsigned or an enum) to next_. Aborts, naming both states and the caller, if the
// table forbids it.
#define states_move(table_, state_, next_)                                                         \
    (*(state_) = states_moved((table_), (unsigned)*(state_), (next_), __FILE__, __LINE__, __func__))

// For states_move: the next state.
unsigned states_moved(const struct states *table, unsigned from, unsigned to, const char *file,
                      int line, const char *func);

#endif
