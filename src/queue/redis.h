// SPDX-License-Identifier: MIT
// Inside of the room: a connection to a Redis, over which commands go in one round trip. What the
// kinds on it differ in is in struct redis_kind.
#ifndef QUEUE_REDIS_H
#define QUEUE_REDIS_H

#include "port/dial.h"
#include "queue/queue.h"
#include "queue/resp.h"

struct redis {
    struct queue queue;
    struct dial *dial; // null: not connected
    struct text sent, in;
    char script[41]; // SHA-1 by which the server knows the kind's script; empty: not yet
};

// A command of a key's type there must be, as `stream`; or the key does not exist yet.
struct redis_kind {
    const char *script; // Lua that each connection loads first; null: none
    // Appends one command for this job. False: it cannot be, for the reason in job->error.
    bool (*write)(struct redis *r, struct queue_job *job, struct text *out);
    // The key to look at, and the type that it may have beside none.
    void (*key)(const struct redis *r, struct text *key, const char **type);
};

struct queue *redis_open(void);
void redis_close(struct queue *q);
void redis_push(struct queue *q, const struct redis_kind *k, struct queue_job *const *jobs,
                size_t n);
bool redis_check(struct queue *q, const struct redis_kind *k, struct text *why);

#endif
