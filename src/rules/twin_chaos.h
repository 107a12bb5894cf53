// SPDX-License-Identifier: MIT
// What goes wrong between a stand-in for Stripe and an endpoint (rules/twin_faults.def), as it is
// asked for by the configuration, by a command, or by one request: how often each, how it is
// written, what is drawn for an event, and in which order that comes. Pure; the same seed draws the
// same.
//
//   duplicate=10, drop=5, delay=30s    of a hundred events; a duration is how long, and of all
//   huge_body                          of all events
//   none
#ifndef RULES_TWIN_CHAOS_H
#define RULES_TWIN_CHAOS_H

#include "base/text.h"

enum twin_fault {
#define TWIN_FAULT(id, name, meaning) TWIN_FAULT_##id,
#include "rules/twin_faults.def"
#undef TWIN_FAULT
    TWIN_FAULTS
};

#define TWIN_DELAY_MS 5000 // unless it is said
#define TWIN_CHAOS_MAX 1024

struct twin_chaos {
    uint8_t percent[TWIN_FAULTS];
    int64_t delay_ms;
};

const char *twin_fault_name(enum twin_fault f);
// INVALID with a sentence in `why`. Nothing said: nothing goes wrong.
must result twin_chaos_read(bytes said, struct twin_chaos *out, struct text *why);
void twin_chaos_write(const struct twin_chaos *c, struct text *out); // "none", or what reads so

// What goes wrong with one event: a bit for each fault.
unsigned twin_chaos_draw(const struct twin_chaos *c, uint64_t *random);
static inline bool twin_has(unsigned faults, enum twin_fault f) { return (faults >> f & 1) != 0; }

// What is sent next of an event whose time has come, and taken off its faults: one of those that an
// endpoint has to refuse, or DROP: nothing, which has failed. TWIN_FAULTS: the event itself.
enum twin_fault twin_chaos_next(unsigned *faults);
// What an endpoint has to answer to it.
int twin_chaos_status(enum twin_fault f);

#endif
