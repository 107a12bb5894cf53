// SPDX-License-Identifier: MIT
#include "queue/redis.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "port/clock.h"

#define REPLY_SHOWN_MAX 200
#define WORDS(...)                                                                                 \
    (const bytes[]){__VA_ARGS__}, sizeof((const bytes[]){__VA_ARGS__}) / sizeof(bytes)

static struct redis *redis_of(struct queue *q) { return CONTAINER(q, struct redis, queue); }

struct queue *redis_open(void) {
    return &NEW(struct redis)->queue;
}

static void hang_up(struct redis *r) {
    dial_close(r->dial);
    r->dial = NULL;
    text_reset(&r->in);
    r->script[0] = '\0';
}

void redis_close(struct queue *q) {
    struct redis *r = redis_of(q);
    hang_up(r);
    text_drop(&r->sent);
    text_drop(&r->in);
    free(r);
}

static int64_t deadline(const struct redis *r) {
    return clock_mono_us(&clock_real) + r->queue.o.timeout_ms * 1000;
}

// The next reply; *used bytes at the front of r->in are its own.
static result read_reply(struct redis *r, size_t from, int64_t until, struct resp *out,
                         size_t *used) {
    for (;;) {
        bytes b = bytes_slice(text_bytes(&r->in), from, r->in.n);
        TRY(resp_read(b, out, used));
        if (*used > 0)
            return OK;
        TRY(dial_read(r->dial, until, &r->in));
    }
}

// One command and its reply, which holds until the next one.
static result ask(struct redis *r, const bytes *words, size_t n, int64_t until, struct resp *out) {
    size_t used;
    text_reset(&r->sent);
    text_reset(&r->in);
    resp_write(&r->sent, words, n);
    result sent = dial_write(r->dial, text_bytes(&r->sent), until, &r->in);
    memory_wipe(r->sent.p, r->sent.n); // it may be the password
    TRY(sent);
    return read_reply(r, 0, until, out, &used);
}

// What the server said, as a sentence; of what it repeats of our words nothing is secret.
static void say_reply(struct text *why, const char *what, bytes reply) {
    text_addf(why, "%s: ", what);
    text_add_printable(why, reply, REPLY_SHOWN_MAX);
}

// Asks for what has to go well before anything else does.
static bool greet(struct redis *r, const char *what, const bytes *words, size_t n, int64_t until,
                  struct resp *reply, struct text *why) {
    result asked = ask(r, words, n, until, reply);
    if (asked != OK)
        text_addf(why, "%s: %s", what, asked->text);
    else if (reply->type == RESP_ERROR)
        say_reply(why, what, reply->text);
    return asked == OK && reply->type != RESP_ERROR;
}

static bool authenticate(struct redis *r, const struct redis_place *at, int64_t until,
                         struct text *why) {
    const struct queue_target *t = r->queue.o.target;
    const char *what = "the server refuses the password";
    struct resp reply;
    if (t->password.n == 0)
        return true;
    if (at->user.n > 0)
        return greet(r, what, WORDS(B("AUTH"), at->user, t->password), until, &reply, why);
    return greet(r, what, WORDS(B("AUTH"), t->password), until, &reply, why);
}

static bool prepare(struct redis *r, const struct redis_kind *k, const struct redis_place *at,
                    int64_t until, struct text *why) {
    struct resp reply;
    char number[21];
    bytes database = bytes_from(number, bytes_print_u64(at->database, number));
    if (!authenticate(r, at, until, why))
        return false;
    if (at->database > 0 && !greet(r, "the server refuses the database",
                                   WORDS(B("SELECT"), database), until, &reply, why))
        return false;
    if (k->script == NULL)
        return greet(r, "the server does not take orders", WORDS(B("PING")), until, &reply, why);
    if (!greet(r, "the server does not take our script",
               WORDS(B("SCRIPT"), B("LOAD"), bytes_of(k->script)), until, &reply, why))
        return false;
    if (reply.type != RESP_BULK || reply.text.n != sizeof r->script - 1) {
        text_adds(why, "the server answers SCRIPT LOAD with what is no SHA-1");
        return false;
    }
    for (size_t i = 0; i < reply.text.n; i++)
        r->script[i] = (char)reply.text.p[i];
    return true;
}

static bool reach(struct redis *r, const struct redis_kind *k, int64_t until, struct text *why) {
    const struct queue_options *o = &r->queue.o;
    if (r->dial != NULL && !dial_stale(r->dial))
        return true;
    hang_up(r);
    struct redis_place at;
    ensure(redis_place_read(o->target->url, &at) == NULL);
    char *host = at.path.n > 0 ? NULL : bytes_strdup(at.host), *path = bytes_strdup(at.path);
    OWN(text_drop)
    struct text said = {0};
    result opened = dial_open(&(struct dial_options){.host = host,
                                                     .path = path,
                                                     .port = at.port,
                                                     .tls = at.tls,
                                                     .ca_file = o->ca_file,
                                                     .stop = o->stop},
                              until, &r->dial, &said);
    free(host);
    free(path);
    if (opened != OK) {
        text_addf(why, "cannot connect: %s", text_str(&said));
        return false;
    }
    metric_add(METRIC_QUEUE_CONNECTED, 1);
    if (prepare(r, k, &at, until, why))
        return true;
    hang_up(r);
    return false;
}

// The server has moved, restarts or was told to be another's replica: the next try is a new one.
static bool leave_after(bytes error) {
    static const char *const words[] = {"READONLY", "LOADING", "MASTERDOWN", "NOSCRIPT", "NOAUTH"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (bytes_starts(error, bytes_of(words[i])))
            return true;
    return false;
}

// Of each job that has no error yet, the reply to its command, in order.
static result read_replies(struct redis *r, struct queue_job *const *jobs, size_t n, int64_t until,
                           size_t *answered) {
    size_t at = 0;
    bool leave = false;
    for (*answered = 0; *answered < n; ++*answered) {
        struct queue_job *job = jobs[*answered];
        if (job->error.n > 0)
            continue;
        struct resp reply;
        size_t used;
        TRY(read_reply(r, at, until, &reply, &used));
        at += used;
        if (reply.type != RESP_ERROR)
            continue;
        leave = leave || leave_after(reply.text);
        say_reply(&job->error, "the server refuses it", reply.text);
    }
    if (leave)
        hang_up(r);
    return OK;
}

void redis_push(struct queue *q, const struct redis_kind *k, struct queue_job *const *jobs,
                size_t n) {
    struct redis *r = redis_of(q);
    int64_t until = deadline(r);
    OWN(text_drop)
    struct text why = {0};
    size_t answered = 0, written = 0;
    if (reach(r, k, until, &why)) {
        text_reset(&r->sent);
        text_reset(&r->in);
        for (size_t i = 0; i < n; i++)
            written += k->write(r, jobs[i], &r->sent);
        result done = dial_write(r->dial, text_bytes(&r->sent), until, &r->in);
        if (done == OK)
            done = read_replies(r, jobs, n, until, &answered);
        metric_add(METRIC_QUEUE_ROUND, written > 0);
        if (done == OK)
            return;
        hang_up(r);
        text_addf(&why, "no answer from the server: %s", done->text);
    }
    for (size_t i = answered; i < n; i++)
        if (jobs[i]->error.n == 0)
            text_add(&jobs[i]->error, text_bytes(&why));
}

static bool check_role(struct redis *r, int64_t until, struct text *why) {
    struct resp reply;
    // A user's rights may not include it, which says nothing.
    if (ask(r, WORDS(B("ROLE")), until, &reply) != OK) {
        text_adds(why, "no answer from the server to ROLE");
        return false;
    }
    if (reply.type == RESP_ARRAY && bytes_equal(reply.text, B("slave"))) {
        text_adds(why, "the server is a replica, which takes nothing in; name the primary");
        return false;
    }
    return true;
}

bool redis_check(struct queue *q, const struct redis_kind *k, struct text *why) {
    struct redis *r = redis_of(q);
    int64_t until = deadline(r);
    const char *type;
    OWN(text_drop)
    struct text key = {0};
    struct resp reply;
    k->key(r, &key, &type);
    if (!reach(r, k, until, why) || !check_role(r, until, why) ||
        !greet(r, "the server does not tell a key's type", WORDS(B("TYPE"), text_bytes(&key)),
               until, &reply, why))
        return false;
    if (bytes_equal(reply.text, B("none")) || bytes_equal(reply.text, bytes_of(type)))
        return true;
    text_adds(why, "the key ");
    text_add_printable(why, text_bytes(&key), REPLY_SHOWN_MAX);
    text_addf(why, " is there already and is a %.*s, not a %s", BYTES_ARG(reply.text), type);
    return false;
}
