// SPDX-License-Identifier: MIT
#include "config/bind.h"

static void need(struct reading *r, struct node *map, enum destination_kind kind, enum key key,
                 const char *example) {
    const struct node *n = tree_get(map, key);
    bytes name = key_name(&keys[key]);
    if (n == NULL)
        complain(r, map, "%.*s is missing; a destination of kind %s needs one, as %s",
                 BYTES_ARG(name), kind_name(kind), example);
}

static void check_url(struct reading *r, struct node *map, enum destination_kind kind) {
    struct node *url = tree_get(map, KEY_DESTINATION_URL);
    struct redis_place at;
    need(r, map, kind, KEY_DESTINATION_URL, "redis://127.0.0.1:6379");
    if (url == NULL || url->bad)
        return;
    const char *fault = redis_place_read(url->text, &at);
    if (fault != NULL)
        complain(r, url, "this is no URL of a Redis: %s", fault);
    else if (at.user.n > 0 && tree_get(map, KEY_DESTINATION_PASSWORD) == NULL)
        complain(r, url, "it names a user, whose password is missing; say password: \"${VAR}\"");
}

static void check_redis(struct reading *r, struct node *map) {
    const struct node *stream = tree_get(map, KEY_DESTINATION_STREAM);
    struct node *list = tree_get(map, KEY_DESTINATION_LIST);
    struct node *maxlen = tree_get(map, KEY_DESTINATION_MAXLEN);
    if (stream == NULL && list == NULL)
        complain(r, map,
                 "stream is missing; a destination of kind redis needs one, as stripe, or a list");
    if (stream != NULL && list != NULL)
        complain(r, list, "there is a stream already; remove one");
    if (stream == NULL && maxlen != NULL)
        complain(r, maxlen, "says nothing to a list; remove it, or name a stream");
}

// Names become parts of keys.
static void check_name(struct reading *r, struct node *n) {
    if (n == NULL || n->bad)
        return;
    if (n->text.n == 0 || n->text.n > 200)
        complain(r, n, "expected 1 to 200 bytes");
    else if (bytes_find(n->text, ':') < n->text.n && n->row == &keys[KEY_DESTINATION_QUEUE])
        complain(r, n, "a queue's name has no colon");
}

static result bind_server(struct binding *b, struct node *map, struct queue_target *t) {
    const struct node *job = tree_get(map, KEY_DESTINATION_JOB);
    const struct node *backoff = tree_get(job, KEY_DESTINATION_JOB_BACKOFF);
    check_url(b->r, map, t->kind);
    if (t->kind == KIND_REDIS)
        check_redis(b->r, map);
    else
        need(b->r, map, t->kind, KEY_DESTINATION_QUEUE, "stripe");
    check_name(b->r, tree_get(map, KEY_DESTINATION_STREAM));
    check_name(b->r, tree_get(map, KEY_DESTINATION_LIST));
    check_name(b->r, tree_get(map, KEY_DESTINATION_QUEUE));
    check_name(b->r, tree_get(map, KEY_DESTINATION_PREFIX));
    TRY(bind_text(b, map, KEY_DESTINATION_URL, &t->url));
    TRY(bind_text(b, map, KEY_DESTINATION_PASSWORD, &t->password));
    TRY(bind_text(b, map, KEY_DESTINATION_STREAM, &t->stream));
    TRY(bind_text(b, map, KEY_DESTINATION_LIST, &t->list));
    TRY(bind_text(b, map, KEY_DESTINATION_QUEUE, &t->queue));
    TRY(bind_text(b, map, KEY_DESTINATION_PREFIX, &t->prefix));
    t->maxlen = (uint64_t)bind_number(map, KEY_DESTINATION_MAXLEN);
    t->attempts = (uint32_t)bind_number(job, KEY_DESTINATION_JOB_ATTEMPTS);
    t->backoff_ms = bind_number(job, KEY_DESTINATION_JOB_DELAY);
    t->priority = (uint32_t)bind_number(job, KEY_DESTINATION_JOB_PRIORITY);
    t->exponential = backoff == NULL || !bytes_equal(backoff->text, B("fixed"));
    return OK;
}

static result bind_file(struct binding *b, struct node *map, struct queue_target *t,
                        struct plan_destination *plan) {
    const struct node *rotate = tree_get(map, KEY_DESTINATION_ROTATE);
    const struct node *path = tree_get(map, KEY_DESTINATION_PATH);
    need(b->r, map, t->kind, KEY_DESTINATION_PATH, "events.ndjson");
    TRY(bind_text(b, map, KEY_DESTINATION_PATH, &t->path));
    t->rotate_bytes = (uint64_t)bind_number(rotate, KEY_DESTINATION_ROTATE_SIZE);
    t->rotate_ms = bind_number(rotate, KEY_DESTINATION_ROTATE_AFTER);
    return path == NULL || path->bad ? OK : bind_copy(b, path->raw, &plan->path);
}

// So many go in one round trip; a server that takes them at once needs no fewer.
#define QUEUE_CONCURRENCY 256

result bind_queue(struct binding *b, struct node *map, struct config_destination *out,
                  struct plan_destination *plan) {
    struct queue_target *t = &out->queue;
    const struct node *places = tree_get(map, KEY_DESTINATION_CONCURRENCY);
    t->kind = plan->kind;
    if (places == NULL || places->defaulted)
        plan->pace.min = plan->pace.max = QUEUE_CONCURRENCY;
    return t->kind == KIND_FILE ? bind_file(b, map, t, plan) : bind_server(b, map, t);
}
