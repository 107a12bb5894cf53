// SPDX-License-Identifier: MIT
// Queues: places that take events in for workers that somebody else runs. A room of kinds, each a
// row of queue_kind and a file; this header is all that a new one (NATS, AMQP, Kafka) is written
// against.
//
// What a new kind does: a file here with a `struct queue_kind`, a row in queue.c; its name in
// rules/plan.h, its keys in config/keys.def and config/bind_queue.c. Retries, pacing, breaker,
// metrics, reload and stop come from dispatch (dispatch/queued.c), which gives each destination a
// thread of its own to call these functions on. So they may block, as clients' libraries do, but
// never longer than they are told, and they call no other room.
//
// The promise of `push`: a job's `error` is null only if the server has said that it has it, or the
// disk. Whatever is not known to have arrived has failed, and comes again: a queue is told
// everything at least once. A kind that can know a job by its id takes it in once.
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/text.h"
#include "rules/queue_target.h"

// One delivery. Its bytes hold until push returns.
struct queue_job {
    bytes destination, event, type, account; // account may be empty
    uint64_t delivery;
    uint32_t attempt;
    bool livemode;
    int64_t created; // Unix seconds, of the event
    bytes payload;   // the stored bytes; UTF-8 and JSON, but without a promise of more
    // The answer: empty, it is there; else why it is not, a sentence without secrets.
    struct text error;
};

struct queue_options {
    const struct queue_target *target; // stays the caller's and outlives the queue
    const char *ca_file;               // PEM; null: the system's roots
    int64_t timeout_ms;                // most that one call may take
    const atomic_bool
        *stop; // turns true when nobody waits any more: then within 0.2 s of it; may be null
};

// The head of each kind's own.
struct queue {
    const struct queue_kind *kind;
    struct queue_options o;
};

struct queue_kind {
    // Connects to nothing yet.
    struct queue *(*open)(void);
    // Brings all of them there, in as few round trips or syncs as there can be, and answers each.
    // Connects when it must, also after a failure: the next call is the next try.
    void (*push)(struct queue *q, struct queue_job *const *jobs, size_t n);
    // Connects, and says in `why` what is wrong with place, rights or what lies there already.
    // Pushes nothing.
    bool (*check)(struct queue *q, struct text *why);
    void (*close)(struct queue *q);
};

struct queue *queue_open(const struct queue_options *o);
void queue_push(struct queue *q, struct queue_job *const *jobs, size_t n);
bool queue_check(struct queue *q, struct text *why);
void queue_close(struct queue *q); // null is allowed

extern const struct queue_kind queue_redis, queue_bull, queue_bullmq, queue_file;

#endif
