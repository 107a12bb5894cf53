// SPDX-License-Identifier: MIT
// How far events were pushed to one who listens: a place in the books, and the few events behind
// which not all is acknowledged yet. An event is pushed in flavours, each a message that is
// acknowledged by itself. A new connection begins again where the first one lies that is not
// acknowledged; what was, is not pushed again. Nothing of events is kept but their numbers, so that
// who does not read, or is away, costs nothing. Pure; the time comes in.
//
// Some messages nobody acknowledges, as those that the CLI cannot read. So that they stop nothing,
// a message is given up after PUSH_UNHEARD_US without a word on a connection that lives, or, where
// connections are shorter, after PUSH_TRIES of them over twice that time.
#ifndef DESK_PUSH_WINDOW_H
#define DESK_PUSH_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hmac.h"

#define PUSH_UNHEARD_US INT64_C(30000000)
#define PUSH_TRIES 5

enum push_flavour {
    PUSH_DEFAULT, // a snapshot event for who does not ask for --latest
    PUSH_LATEST,  // the same bytes for who does
    PUSH_THIN,
    PUSH_FLAVOURS
};

struct push_window {
    uint64_t read; // up to this event all were offered on this connection
    struct pushed {
        uint64_t event;
        uint8_t flavours, acked; // bits by enum push_flavour
        uint8_t tries;           // connections on which it was pushed
        int64_t first_us, at_us;
    } * events; // by number; the first is not acknowledged
    size_t n, max;
    bool full; // it was, and is not half empty again
};

// Begins behind the event `from`; at most `max` events wait for their acknowledgement.
void push_window_open(struct push_window *w, size_t max, uint64_t from);
void push_window_drop(struct push_window *w);
// May an event be offered, or does it have to wait for acknowledgements?
bool push_window_room(const struct push_window *w);
// The next event, in order. The flavours of it that are to be sent now: those that are not
// acknowledged; none where there are none, or it was all acknowledged before, or lies before
// w->read. False: there is no room.
bool push_window_offer(struct push_window *w, uint64_t event, uint8_t flavours, int64_t now_us,
                       uint8_t *send);
// All events up to this one were offered.
void push_window_reach(struct push_window *w, uint64_t upto);
// False: nothing waits for that.
bool push_window_ack(struct push_window *w, uint64_t event, enum push_flavour flavour);
void push_window_again(struct push_window *w); // another connection
// Gives up what nobody will acknowledge: how many events.
size_t push_window_give_up(struct push_window *w, int64_t now_us, bool connected);

// What a push is called in messages, so that acknowledgements and answers name it: when it was
// pushed, the event, its flavour, and a digest under the session's key, without which nobody can
// speak of other events. "1700000000123-wh_17_0_9f86d081884c7d65", where "wh" is the kind.
#define PUSH_NAME_MAX 80
struct push_name {
    int64_t at_ms;
    uint64_t event;
    enum push_flavour flavour;
};
void push_name_write(const struct hmac_key *key, const struct push_name *name, const char *kind,
                     char out[PUSH_NAME_MAX]);
// False: it is none of this key's.
bool push_name_read(const struct hmac_key *key, bytes text, struct push_name *out);

#endif
