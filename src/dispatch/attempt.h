// SPDX-License-Identifier: MIT
// Inside of dispatch: destinations, and the attempts that are under way to them.
#ifndef DISPATCH_ATTEMPT_H
#define DISPATCH_ATTEMPT_H

#include "dispatch/carrier.h"
#include "dispatch/pool.h"
#include "queue/queue.h"
#include "rules/pace.h"
#include "rules/record.h"

#define ATTEMPT_HEADERS_MAX 10
#define BREAKER_WHY_MAX 160

// What one take brought. Freed when the last of its jobs is through.
struct haul {
    struct take take;
    struct destination *to;
    size_t users;
};

struct destination {
    struct list link;        // in dispatch.destinations
    enum target_set set;     // it is replaced with
    bytes name;              // owned
    struct channel *channel; // as it is configured now
    enum mode livemode;
    struct pace pace;
    int64_t begin_at;  // monotonic µs at which one more may begin; 0: when something happens
    int64_t opened_ms; // Unix ms of its breaker's opening; 0: it is closed
    char why[BREAKER_WHY_MAX + 1]; // and why: the error of the last failure
    bool retired;      // no longer among the targets; goes when nothing of it is under way
    struct haul *open; // its take at the ledger
    int64_t ask_at;    // monotonic µs, not before it is asked again; 0: now
    struct list waiting, sending; // attempts
    size_t waiting_count, sending_count;
    size_t ended_meanwhile; // attempts, while its take was out
};

enum attempt_stage { ATTEMPT_WAITING, ATTEMPT_SENDING, ATTEMPT_POSTING, ATTEMPT_UNPOSTED };

// carrier_http's part of an attempt.
struct http_attempt {
    struct fetch *fetch;
    struct fetch_request request;
    struct text memory; // url and headers of the request
    const char *headers[ATTEMPT_HEADERS_MAX];
};

// carrier_queued's: what its channel's thread gets and sends back.
struct queued_attempt {
    struct mail mail;
    struct queue_job job;
};

struct attempt {
    struct append append;
    struct list link; // in its destination's list of that stage, or dispatch.unposted
    struct dispatch *dispatch;
    enum attempt_stage stage;
    size_t credit; // for the outcome
    // Until the outcome is known:
    struct destination *to;
    struct haul *haul;
    const struct job *job;
    struct channel *channel; // once it was begun
    union {                  // its carrier's
        struct http_attempt http;
        struct oneshot_attempt *oneshot;
        struct flight flight;
        struct list asked; // carrier_tables': in its channel's list
        struct queued_attempt queued;
    };
    int64_t started_at; // Unix ms
    int64_t began_us;   // monotonic
    // From then on:
    struct text record;
};

struct dispatch {
    struct dispatch_options o;
    struct list destinations, channels;
    struct list unposted; // attempts whose outcome found the journal full
    uint64_t generation;
    struct guard_range *allowed; // the guard's exceptions; owned
    size_t allowed_count;
    uint64_t random; // seeds of records
    size_t attempts; // in any stage
    size_t staying;  // processes of handlers that stay
    size_t breakers_open;
    size_t posting, asking;  // messages at the journal, at the ledger
    size_t pushing;          // attempts at queues' threads, or on their way back
    int64_t credit_at;       // monotonic µs of the next try for credit; 0: there was enough
    int64_t short_until;     // a shortage of credit before this belongs to the one before
    unsigned unposted_tries; // while draining
    int64_t unposted_at;     // of the next try to post what was not posted
    int64_t wake_at;         // what wake_at was last told
    bool told_idle;          // woke its caller to see that it is idle
    bool halted;             // no thread of ours works any more
    bool draining, closed;   // closed: the ledger hands out nothing any more
};

struct attempt *attempt_new(struct dispatch *d, struct destination *to, struct haul *haul,
                            const struct job *job);
void attempt_free(struct attempt *a); // out of its list, too
// Gives the job back to the ledger, unattempted.
void attempt_give_back(struct attempt *a);
// With a->credit taken: sends, or fails at once if the target's livemode forbids it.
void attempt_begin(struct attempt *a);
// For its carrier: it has ended so. `o` has outcome, status, micros, retry_after_ms, error and
// answer; nothing of the attempt may be used afterwards.
void attempt_ended(struct attempt *a, struct outcome_record *o);
// The journal's answer.
void attempt_posted(struct attempt *a);
// Tries again to post an outcome; false: still no room.
bool attempt_repost(struct attempt *a);
void haul_leave(struct haul *h); // one job is through

// pacing.c: one of its attempts has ended so, with this error.
void destination_ended(struct dispatch *d, struct destination *to, const struct pace_end *e,
                       bytes error);
// A destination begins to be, or is configured anew.
void destination_paced(struct dispatch *d, struct destination *to, const struct pace_limits *p);
void destination_unpaced(struct dispatch *d, struct destination *to); // it goes
// queued.c: one came back from its channel's thread.
void queued_pushed(struct dispatch *d, struct mail *m);
// dispatch.c: a place has become free.
void destination_freed(struct dispatch *d, struct destination *to);
void dispatch_wish_wake(struct dispatch *d);        // due_at or staying has changed
void destination_give_back(struct destination *to); // all that waits
void dispatch_unposted(struct dispatch *d, struct attempt *a);

#endif
