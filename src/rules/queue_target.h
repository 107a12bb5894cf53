// SPDX-License-Identifier: MIT
// What a destination that is a queue says of itself (queue/queue.h). Pure.
#ifndef RULES_QUEUE_TARGET_H
#define RULES_QUEUE_TARGET_H

#include "rules/plan.h"

struct queue_target {
    enum destination_kind kind;
    // redis, bull, bullmq:
    bytes url, password; // password: may be empty
    bytes stream, list;  // redis: one of them
    uint64_t maxlen;     // of the stream, about; 0: no limit
    bytes queue, prefix; // bull, bullmq
    uint32_t attempts;   // of a worker at a job
    bool exponential;    // its backoff doubles; else it stays
    int64_t backoff_ms;  // the first; 0: at once
    uint32_t priority;   // 0: none; else 1 goes first
    // file:
    bytes path;
    uint64_t rotate_bytes; // 0: never
    int64_t rotate_ms;     // 0: never
};

// Where a Redis is: redis://[USER@]HOST[:PORT][/DATABASE], rediss:// with TLS, or unix:PATH.
struct redis_place {
    bool tls;
    bytes path;       // of unix:PATH; else empty
    bytes host, user; // host: an IPv6 address without its brackets; user: may be empty
    uint16_t port;
    uint32_t database;
};

// Points into `url`. Null, or what is wrong with it: a clause that repeats nothing of it.
const char *redis_place_read(bytes url, struct redis_place *out);

// The event's id as a job's, which becomes part of a key of Redis: letters, digits and _ behind
// evt_, so that it is no name of a key that a queue has anyway, and no integer.
bool queue_job_id(bytes id);

#endif
