// SPDX-License-Identifier: MIT
// Dispatch: brings due deliveries to their destinations, one loop for all of them.
//
// For each destination it keeps one open take at the ledger while it has free places,
// reserves room in the journal for the outcome before it sends anything, signs the stored bytes
// afresh, sends them, and posts the outcome to the journal. What becomes of the delivery is decided
// by booking, never here. How many attempts are under way to a destination, and when the next may
// begin, its pace says (rules/pace.h), of which a restart forgets what was learnt. A destination
// that is slow or dead uses up its own places and nobody else's; while its breaker is open what was
// handed out goes back to the ledger, but for the one that is its next probe.
//
// An actor: dispatch_step handles mail; the fetcher and the timer call back on the same thread. In
// production that thread runs the loop and the mailbox is the loop's; the simulation calls all by
// hand.
//
// Never sent: what does not fit the target's livemode. Booking makes no such delivery; if one comes
// all the same, its attempt fails with that reason. An outcome that finds the journal full is
// posted again after a pause; one that is lost with the journal leaves its delivery to be repeated
// after the restart.
#ifndef DISPATCH_DISPATCH_H
#define DISPATCH_DISPATCH_H

#include "journal/journal.h"
#include "ledger/ledger.h"
#include "port/clock.h"
#include "port/fetch.h"
#include "port/process.h"
#include "rules/guard.h"
#include "rules/handler.h"
#include "rules/queue_target.h"

struct dispatch;

// Where and how to bring events: what the plan must not carry (secrets) and what it does. Copied by
// dispatch.
struct target {
    bytes name;
    enum destination_kind kind;
    bytes url, secret; // of kind http
    // An endpoint's: its URL is somebody else's. The guard (rules/guard.h) judges each address
    // before it is connected to, and nothing is put into the URL.
    bool guarded;
    // Sign beside the secret until not_after_s (Unix seconds), which is no longer in it.
    struct target_older {
        bytes key;
        int64_t not_after_s;
    } * older;
    size_t older_count;
    struct handler handler;    // of kind command or plugin
    struct queue_target queue; // of a kind that is a queue
    enum mode livemode;
    int64_t timeout_ms;
    struct pace_limits pace;
};

struct dispatch_options {
    struct clock *clock;
    struct fetcher *fetcher;
    struct processes *processes;
    struct journal *journal;
    struct ledger *ledger;
    struct mailbox *mailbox; // where ledger and journal answer; its receiver calls dispatch_mail
    // Asks to be called by dispatch_tick at this monotonic µs (replaces the last wish).
    void (*wake_at)(void *ctx, int64_t mono_us);
    void *wake_ctx;
    const char *ca_file; // queues' servers are checked against it; null: the system's roots
    size_t answer_max;   // most bytes of an answer read; 0: 64 KiB
    size_t answer_keep;  // kept with the attempt; 0: 2 KiB
};

struct dispatch *dispatch_open(const struct dispatch_options *o);
// After dispatch_drain, once dispatch_out is 0: the ledger was closed (or never asked) and what it
// and the journal answered was handed to dispatch_mail. Requests under way are cut; their
// deliveries are due again at the next start. Calls neither ledger nor journal. Null is allowed.
void dispatch_close(struct dispatch *d);

// The targets in force come in two sets, each replaced by itself: those of the configuration, and
// the endpoints that the books tell of.
enum target_set { TARGETS_CONFIGURED, TARGETS_ENDPOINTS, TARGET_SETS };
struct targets {
    enum target_set set;
    struct target *list;
    size_t count;
    // With those of the configuration comes what else it says:
    uint64_t generation;
    struct guard_range *allowed; // the guard's exceptions, asked at each attempt
    size_t allowed_count;
};

// On dispatch's thread, taken over by copy. What is under way goes on as it was begun, though with
// the exceptions that hold when it connects.
void dispatch_set_targets(struct dispatch *d, const struct targets *t);
// The same from any thread, by mail. Takes over the message, which free() frees, and `memory`,
// where the targets and their bytes lie; the secrets in it are wiped.
struct retarget {
    struct mail mail; // kind DISPATCH_RETARGET
    struct targets targets;
    struct arena memory;
};
void retarget_free(struct retarget *r); // of one that was not given away; wipes as well
enum dispatch_mail {
    DISPATCH_TAKE = 1,
    DISPATCH_OUTCOME,
    DISPATCH_RETARGET,
    DISPATCH_LOOK,
    DISPATCH_PUSHED, // a queue's thread is through with an attempt
    DISPATCH_STOP,   // dispatch_drain, from any thread; the message stays its sender's
};

// How destinations are doing, asked from any thread by mail (kind DISPATCH_LOOK) and sent back to
// `reply` with `back` as its kind. The message stays its sender's, who drops `out`: JSON, an object
// with a member for each destination that there is a target of, all or the one named:
// {"under_way","level","level_least","level_most","rate","rate_learnt","paused_until","breaker":
//  "closed|open|probing","breaker_since","breaker_why","next_probe_at"}. Rates are attempts a
//  second,
// times Unix ms; null where there is none.
struct dispatch_look {
    struct mail mail;
    int back;
    struct mailbox *reply;
    bytes destination; // empty: all
    bool configured;   // without endpoints
    struct text out;
};
void dispatch_looked(const struct dispatch *d, struct dispatch_look *l); // null: there are none yet

void dispatch_mail(struct dispatch *d, struct mail *m);
void dispatch_tick(struct dispatch *d); // something wished by wake_at may be due
// Takes no more and gives back what was not begun; what is under way may end. Then idle says when
// each attempt has ended and its outcome is durable (or lost with the journal, or let go because
// the journal stayed full for 5 s), and handlers that stay have ended too.
void dispatch_drain(struct dispatch *d);
bool dispatch_idle(const struct dispatch *d);
// After dispatch_drain, when nobody waits any longer: ends the threads of queues, within a moment,
// before dispatch_close. What they had comes by mail once more.
void dispatch_halt(struct dispatch *d);
// Messages that ledger, journal and queues still hold. A take that is open when we drain comes back
// when the ledger closes.
size_t dispatch_out(const struct dispatch *d);
// Attempts under way to this destination.
size_t dispatch_under_way(const struct dispatch *d, bytes destination);

#endif
