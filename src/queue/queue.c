// SPDX-License-Identifier: MIT
#include "queue/queue.h"

#include "base/ensure.h"

// A row a kind.
static const struct queue_kind *kind_of(enum destination_kind kind) {
    switch (kind) {
    case KIND_REDIS: return &queue_redis;
    case KIND_BULL: return &queue_bull;
    case KIND_BULLMQ: return &queue_bullmq;
    case KIND_FILE: return &queue_file;
    case KIND_HTTP:
    case KIND_COMMAND:
    case KIND_TABLES:
    case KIND_PLUGIN: break;
    }
    unreachable_code();
}

struct queue *queue_open(const struct queue_options *o) {
    const struct queue_kind *kind = kind_of(o->target->kind);
    struct queue *q = kind->open();
    q->kind = kind;
    q->o = *o;
    return q;
}

void queue_push(struct queue *q, struct queue_job *const *jobs, size_t n) {
    q->kind->push(q, jobs, n);
}

bool queue_check(struct queue *q, struct text *why) { return q->kind->check(q, why); }

void queue_close(struct queue *q) {
    if (q != NULL)
        q->kind->close(q);
}
