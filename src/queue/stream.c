// SPDX-License-Identifier: MIT
// Kind redis: an entry of a stream, or a text at the end of a list.
#include "queue/lines.h"
#include "queue/redis.h"

#define NUMBER_MAX 21

static bytes print_i64(int64_t v, char *out) {
    return bytes_from(out, bytes_print_u64(v < 0 ? 0 : (uint64_t)v, out));
}

static bool write_entry(const struct queue_target *t, const struct queue_job *job,
                        struct text *out) {
    char most[NUMBER_MAX], created[NUMBER_MAX], attempt[NUMBER_MAX], delivery[NUMBER_MAX];
    bytes words[24];
    size_t n = 0;
    words[n++] = B("XADD");
    words[n++] = t->stream;
    if (t->maxlen > 0) {
        words[n++] = B("MAXLEN");
        words[n++] = B("~");
        words[n++] = print_i64((int64_t)t->maxlen, most);
    }
    const bytes fields[] = {
        B("*"),
        B("event"),
        job->event,
        B("type"),
        job->type,
        B("account"),
        job->account,
        B("livemode"),
        job->livemode ? B("true") : B("false"),
        B("created"),
        print_i64(job->created, created),
        B("attempt"),
        print_i64(job->attempt, attempt),
        B("delivery"),
        print_i64((int64_t)job->delivery, delivery),
        B("payload"),
        job->payload,
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        words[n++] = fields[i];
    resp_write(out, words, n);
    return true;
}

static bool write_event(struct redis *r, struct queue_job *job, struct text *out) {
    const struct queue_target *t = r->queue.o.target;
    if (t->stream.n > 0)
        return write_entry(t, job, out);
    OWN(text_drop)
    struct text line = {0};
    line_write(job, &line);
    resp_write(out, (const bytes[]){B("RPUSH"), t->list, text_bytes(&line)}, 3);
    return true;
}

static void key_of(const struct redis *r, struct text *key, const char **type) {
    const struct queue_target *t = r->queue.o.target;
    text_add(key, t->stream.n > 0 ? t->stream : t->list);
    *type = t->stream.n > 0 ? "stream" : "list";
}

static const struct redis_kind kind = {.write = write_event, .key = key_of};

static void push(struct queue *q, struct queue_job *const *jobs, size_t n) {
    redis_push(q, &kind, jobs, n);
}

static bool check(struct queue *q, struct text *why) { return redis_check(q, &kind, why); }

const struct queue_kind queue_redis = {redis_open, push, check, redis_close};
