// SPDX-License-Identifier: MIT
// Inside of dispatch: how each kind of destination brings an attempt there. attempt.c keeps credit,
// outcome and journal, whatever the kind; a carrier keeps what the kind needs.
#ifndef DISPATCH_CARRIER_H
#define DISPATCH_CARRIER_H

#include "base/list.h"
#include "dispatch/dispatch.h"

struct attempt;
struct channel;

struct carrier {
    // What a destination is reached by, as its target says; it copies what it needs. A reload opens
    // a new one, and attempts end on that on which they began.
    struct channel *(*open)(struct dispatch *d, const struct target *t);
    // May an attempt begin now? Null: always. When it turns true again, due_at says it or
    // destination_freed is called.
    bool (*ready)(const struct channel *c);
    // Brings it: attempt_ended is called once, later, never from inside.
    void (*begin)(struct channel *c, struct attempt *a);
    // Cuts what is under way; attempt_ended is not called.
    void (*cancel)(struct channel *c, struct attempt *a);
    // due_at has come; sets it anew, to later. Null: it never does.
    void (*tick)(struct channel *c);
    // Nothing begins on it any more. May be called again. Null: nothing to do.
    void (*retire)(struct channel *c);
    // Ends at once what still stays after its last attempt. Null: nothing ever does.
    void (*cut)(struct channel *c);
    // Ends what works for it on another thread; what that had is in dispatch's mailbox then. Null:
    // nothing does.
    void (*halt)(struct channel *c);
    void (*drop)(struct channel *c); // nobody uses it any more
};

// The head of each carrier's own.
struct channel {
    const struct carrier *carrier;
    struct list link; // in dispatch.channels
    struct dispatch *dispatch;
    size_t users;   // its destination, its attempts, and what its carrier keeps alive
    int64_t due_at; // monotonic µs of its tick; 0: never
};

extern const struct carrier carrier_http, carrier_oneshot, carrier_stream, carrier_tables,
    carrier_queued;

// `c` is zeroed, but for what its carrier has set. One user: the destination.
void channel_init(struct channel *c, const struct carrier *carrier, struct dispatch *d);
void channel_join(struct channel *c);
void channel_leave(struct channel *c);  // the last one drops it
void channel_retire(struct channel *c); // its destination leaves; null is allowed

#endif
