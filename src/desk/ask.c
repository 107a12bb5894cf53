// SPDX-License-Identifier: MIT
#include "desk/ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/metrics.h"
#include "desk/params.h"
#include "desk/twin.h"
#include "desk/v1.h"
#include "rules/record.h"

#define SHORT_MAX 64
#define RETRY_AFTER "Retry-After: 5"

void ask_hold(struct ask *a) { a->holds++; }

void ask_release(struct ask *a) {
    if (--a->holds > 0)
        return;
    if (a->gone != NULL)
        a->gone(a);
    list_remove(&a->link);
    list_remove(&a->tail.link);
    list_remove(&a->poll.link);
    arena_drop(&a->memory);
    json_close(&a->doc);
    if (a->body.p != NULL)
        memory_wipe(a->body.p, a->body.cap);
    text_drop(&a->body);
    http_budget_give(&a->desk->budget, a->body_taken);
    text_drop(&a->payload);
    if (a->out.p != NULL && a->tells_secret)
        memory_wipe(a->out.p, a->out.cap);
    text_drop(&a->out);
    text_drop(&a->allow);
    text_drop(&a->await.answer);
    text_drop(&a->look.out);
    memory_wipe(a->key, sizeof a->key);
    free(a);
}

bytes ask_short(bytes b) { return bytes_slice(b, 0, SHORT_MAX); }

void ask_fail(struct ask *a, int status, const char *format, ...) {
    OWN(text_drop)
    struct text sentence = {0};
    va_list args;
    va_start(args, format);
    text_addv(&sentence, format, args);
    va_end(args);
    a->status = status;
    a->type = NULL;
    text_reset(&a->out);
    if (a->v1) {
        api_error_write_status(status, text_bytes(&sentence), &a->out);
        return;
    }
    text_adds(&a->out, "{\"error\":");
    text_add_json(&a->out, text_bytes(&sentence));
    text_addc(&a->out, '}');
}

void ask_fail_read(struct ask *a, result failed, const char *what) {
    switch (failed->code) {
    case FAIL_ABSENT: ask_fail(a, 404, "%s", what); return;
    case FAIL_INVALID: ask_fail(a, 400, "%s", failed->text); return;
    case FAIL_TIMEOUT:
        ask_fail(a, 503, "the query took too long and was ended; ask for less, or again later");
        return;
    default:
        ask_fail(a, 500, "the ledger could not be read (%s: %s); the log may say more",
                 fail_name(failed->code), failed->text);
    }
}

static void count(int status) {
    metric_add(status == 401 || status == 403 ? METRIC_DESK_UNAUTHORIZED
               : status >= 400                ? METRIC_DESK_REFUSED
                                              : METRIC_DESK_REQUESTS,
               1);
}

void ask_send(struct ask *a) {
    struct session *s = a->session;
    if (s == NULL)
        return;
    if (a->out.failed)
        ask_fail(a, 500, "the answer is larger than the desk can give; ask for fewer rows");
    const char *headers[V1_HEADERS_MAX + 1];
    size_t n = a->v1 ? v1_headers(a, headers) : 0;
    OWN(text_drop)
    struct text allow = {0};
    if (a->status == 401)
        headers[n++] = "WWW-Authenticate: Bearer realm=\"hookkeep\"";
    if (a->status == 503)
        headers[n++] = RETRY_AFTER;
    if (a->status == 405) {
        text_addf(&allow, "Allow: %s", text_str(&a->allow));
        headers[n++] = text_str(&allow);
    }
    int status = a->status == 0 ? 200 : a->status;
    count(status);
    if (a->v1)
        listen_log(a);
    a->session = NULL;
    session_answer(s, status, bytes_of(a->type == NULL ? "application/json" : a->type), headers, n,
                   text_bytes(&a->out));
}

void ask_refuse(struct ask *a, int status, const char *text) {
    ask_fail(a, status, "%s", text);
    ask_send(a);
}

static void refuse_stopping(struct ask *a) {
    ask_refuse(a, 503, "the gateway is stopping; ask again when it runs");
}

static void query_run(struct query *q, struct reader *r) {
    struct ask *a = CONTAINER(q, struct ask, query);
    atomic_store(a->slow ? &a->desk->slow_reader : &a->desk->reader, r);
    if (atomic_load(&a->desk->interrupted))
        ask_fail(a, 503, "the gateway is stopping; ask again when it runs");
    else
        a->work(a, r);
}

static void query_post(struct ask *a, bool slow, void (*work)(struct ask *a, struct reader *r),
                       void (*then)(struct ask *a)) {
    const struct desk_options *o = &a->desk->o;
    if (a->desk->no_more) {
        refuse_stopping(a);
        return;
    }
    ask_hold(a);
    a->slow = slow && o->slow_queries != NULL;
    a->work = work;
    a->then = then;
    a->query = (struct query){
        .mail.kind = DESK_QUERY,
        .run = query_run,
        .reply = a->desk->mailbox,
    };
    queries_post(a->slow ? o->slow_queries : o->queries, &a->query);
}

void ask_query(struct ask *a, void (*work)(struct ask *a, struct reader *r),
               void (*then)(struct ask *a)) {
    query_post(a, false, work, then);
}

void ask_query_slow(struct ask *a, void (*work)(struct ask *a, struct reader *r),
                    void (*then)(struct ask *a)) {
    query_post(a, true, work, then);
}

void ask_await(struct ask *a, uint64_t position, void (*then)(struct ask *a)) {
    if (a->desk->no_more) {
        refuse_stopping(a);
        return;
    }
    ask_hold(a);
    a->then = then;
    a->await = (struct await){
        .mail.kind = DESK_AWAIT,
        .position = position,
        .reply = a->desk->mailbox,
    };
    ledger_await(a->desk->o.ledger, &a->await);
}

void ask_command_begin(struct ask *a, enum command c) {
    a->command = c;
    text_reset(&a->payload);
    text_addf(&a->payload, "{\"do\":\"%s\"", command_name(c));
}

void ask_command_post(struct ask *a, void (*then)(struct ask *a)) {
    text_adds(&a->payload, ",\"by\":");
    text_add_json(&a->payload, bytes_of(a->caller.id));
    if (a->idempotency_key.n > 0) {
        text_adds(&a->payload, ",\"idempotency_key\":");
        text_add_json(&a->payload, a->idempotency_key);
    }
    text_addc(&a->payload, '}');
    ask_payload_post(a, then);
}

void ask_payload_post(struct ask *a, void (*then)(struct ask *a)) {
    struct desk *d = a->desk;
    if (d->no_more) {
        refuse_stopping(a);
        return;
    }
    size_t credit = 0;
    if (!journal_credit_take(d->o.journal, CREDIT_INNER, a->payload.n, &credit)) {
        ask_refuse(a, 503,
                   journal_failed(d->o.journal)
                       ? "the journal failed and takes nothing more; see the log, mend the disk, "
                         "restart the gateway"
                       : "the journal has no room for the command; ask again when booking has "
                         "caught up");
        return;
    }
    ask_hold(a);
    a->then = then == NULL ? ask_send : then;
    a->append = (struct append){
        .mail.kind = DESK_APPEND,
        .kind = RECORD_COMMAND,
        .generation = atomic_load(&d->generation),
        .seed = clock_seed(d->o.clock),
        .payload = text_bytes(&a->payload),
        .credit = credit,
        .reply = d->mailbox,
    };
    journal_post(d->o.journal, &a->append);
}

void ask_roll(struct ask *a, int64_t overlap_s) {
    if (a->desk->no_more || a->desk->o.roller == NULL) {
        refuse_stopping(a);
        return;
    }
    ask_hold(a);
    a->tells_secret = true;
    a->roll = (struct desk_roll){
        .mail.kind = DESK_ROLLED,
        .reply = a->desk->mailbox,
        .destination = a->arg,
        .overlap_s = overlap_s,
        .by = bytes_of(a->caller.id),
    };
    mailbox_post(a->desk->o.roller, &a->roll.mail);
}

static void rolled(struct ask *a) {
    text_drop(&a->out);
    a->out = a->roll.answer;
    a->roll.answer = (struct text){0};
    a->status = a->roll.status;
    ask_send(a);
}

void ask_look(struct ask *a, bytes destination, bool configured, void (*then)(struct ask *a)) {
    a->then = then;
    a->look = (struct dispatch_look){
        .mail.kind = DISPATCH_LOOK,
        .back = DESK_LOOKED,
        .reply = a->desk->mailbox,
        .destination = destination,
        .configured = configured,
    };
    if (a->desk->no_more || a->desk->o.looker == NULL) {
        text_adds(&a->look.out, "{}");
        then(a);
        return;
    }
    ask_hold(a);
    mailbox_post(a->desk->o.looker, &a->look.mail);
}

static void appended(struct ask *a) {
    if (a->append.failed == OK)
        ask_await(a, a->append.position, a->then);
    else if (failed_as(a->append.failed, FAIL_FULL))
        ask_refuse(a, 503,
                   "the disk of the journal is full; nothing was changed; ask again when "
                   "there is room");
    else
        ask_refuse(a, 503,
                   "the command could not be made durable; see the log and whether it took "
                   "effect before asking again");
}

// What the books said to a command: a refusal is answered here.
static bool books_agree(struct ask *a) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (json_parse(text_bytes(&a->await.answer), &doc) != OK) {
        ask_fail(a, 500, "the books gave no answer to the command at position %llu",
                 (unsigned long long)a->append.position);
        return false;
    }
    json error = json_get(json_root(doc), "error");
    a->replayed = json_true(json_get(json_root(doc), "replayed"));
    if (json_type(error) == JSON_ABSENT)
        return true;
    bytes why = json_string(error);
    if (a->v1) {
        v1_fail_command(a, why);
        return false;
    }
    bool absent = bytes_starts(why, B("there is no ")) || bytes_starts(why, B("nothing is "));
    ask_fail(a, absent ? 404 : 409, "%.*s", BYTES_ARG(why));
    return false;
}

static void awaited(struct ask *a) {
    if (a->await.failed != OK) {
        ask_fail(a, 503,
                 "written down at position %llu, and booked at the next start at the latest",
                 (unsigned long long)a->await.position);
        ask_send(a);
    } else if (a->append.position == 0) { // no command, only waited for
        a->then(a);
    } else if (!books_agree(a)) {
        ask_send(a);
    } else {
        text_reset(&a->out);
        text_add(&a->out, text_bytes(&a->await.answer));
        a->then(a);
    }
}

void ask_mail(struct desk *d, struct mail *m) {
    struct ask *a = NULL;
    switch (m->kind) {
    case DESK_QUERY:
        a = CONTAINER(m, struct ask, query.mail);
        a->then(a);
        break;
    case DESK_APPEND:
        a = CONTAINER(m, struct ask, append.mail);
        appended(a);
        break;
    case DESK_LOOKED:
        a = CONTAINER(m, struct ask, look.mail);
        a->then(a);
        break;
    case DESK_ROLLED:
        a = CONTAINER(m, struct ask, roll.mail);
        rolled(a);
        break;
    default: a = CONTAINER(m, struct ask, await.mail); awaited(a);
    }
    ask_release(a);
}

static void begin(struct ask *a) {
    bool good = a->v1 ? v1_params(a) : params_read(a) && params_body(a);
    if (!good)
        ask_send(a);
    else
        a->route->work->run(a);
}

static void refuse_key(struct ask *a) {
    if (a->v1)
        v1_fail_key(a);
    else
        ask_fail(a, 401,
                 "no valid key came with the request; send `Authorization: Bearer KEY` with a key "
                 "that was not revoked (the operator's first key lies beside the ledger)");
    ask_send(a);
}

static bool may(enum key_mode mode, enum access access) {
    bool stripe = access == ACCESS_STRIPE_VIEWER || access == ACCESS_STRIPE_CHANGER;
    bool changes = access == ACCESS_OPERATOR || access == ACCESS_STRIPE_CHANGER;
    if (access == ACCESS_KEY)
        return true;
    return key_mode_stripe(mode) == stripe && (!changes || key_mode_changes(mode));
}

static bool has_pace(struct ask *a) {
    struct desk *d = a->desk;
    if (!a->v1 || pace_take(&d->pace, a->caller.hash, clock_mono_us(d->o.clock)))
        return true;
    metric_add(METRIC_DESK_PACED, 1);
    v1_fail(a, API_ERROR_RATE, NULL,
            "This key made more than %u requests within a second, which is what desk.rate allows. "
            "Ask again in a moment.",
            d->pace.rate);
    ask_send(a);
    return false;
}

static void authorize(struct ask *a) {
    if (!has_pace(a))
        return;
    if (may(a->caller.mode, a->route->access)) {
        begin(a);
        return;
    }
    if (a->v1)
        v1_fail_access(a);
    else if (key_mode_stripe(a->caller.mode))
        ask_fail(a, 403,
                 "this key is of mode %s, for Stripe's API under /v1; /api takes an operator's or "
                 "a viewer's",
                 key_mode_name(a->caller.mode));
    else
        ask_fail(a, 403, "this key is a viewer's; changing anything needs an operator's key");
    ask_send(a);
}

static void key_look(struct ask *a, struct reader *r) {
    char hex[2 * SHA256_SIZE];
    bytes_to_hex(a->caller.hash, SHA256_SIZE, hex);
    struct key_row row = {0};
    result found = reader_key(r, bytes_from(hex, sizeof hex), &a->memory, &row);
    if (found != OK)
        ask_fail_read(a, found, "no such key");
    else if (!auth_check(&row, &a->caller))
        a->status = 401;
}

static void key_looked(struct ask *a) {
    if (a->status == 401 || a->status == 404) {
        refuse_key(a);
    } else if (a->status != 0) {
        ask_send(a);
    } else {
        auth_remember(&a->desk->keys, a->epoch, &a->caller, clock_mono_us(a->desk->o.clock));
        authorize(a);
    }
}

static void ask_complete(void *request_ctx, struct session *s) {
    struct ask *a = request_ctx;
    ask_hold(a);
    a->epoch = a->desk->keys.epoch;
    if (a->status != 0)
        ask_send(a);
    else if (a->route->access == ACCESS_NOBODY)
        begin(a);
    else if (!a->caller.has_key)
        refuse_key(a);
    else if (auth_known(&a->desk->keys, &a->caller, clock_mono_us(a->desk->o.clock)))
        authorize(a);
    else
        ask_query(a, key_look, key_looked);
    ask_release(a);
}

static void refuse_path(struct ask *a, bytes path) {
    const char *near = route_nearest(path);
    if (near != NULL)
        ask_fail(a, 404, "there is no path %.*s; did you mean %s?", BYTES_ARG(ask_short(path)),
                 near);
    else
        ask_fail(a, 404, "there is no path %.*s; see hookkeep-api(7), or begin with /api/status",
                 BYTES_ARG(ask_short(path)));
}

static void read_idempotency_key(struct ask *a, const struct http_request *r) {
    bytes key = NO_BYTES;
    bool twice = false;
    bool good = http_header_get(r, "Idempotency-Key", &key, &twice);
    if (!good && !twice)
        return;
    good = good && key.n > 0 && key.n <= IDEMPOTENCY_KEY_MAX;
    for (size_t i = 0; i < key.n && good; i++)
        good = key.p[i] > ' ' && key.p[i] < 0x7f;
    if (good)
        a->idempotency_key = arena_copy(&a->memory, key);
    else
        ask_fail(a, 400, "Idempotency-Key is one text of 1 to %d visible ASCII characters",
                 IDEMPOTENCY_KEY_MAX);
}

struct ask *ask_inner(struct desk *d, void (*gone)(struct ask *a)) {
    struct ask *a = NEW(struct ask);
    a->desk = d;
    a->gone = gone;
    a->holds = 1;
    a->body.max = BODY_MAX;
    arena_init(&a->memory, ASK_MEMORY_MAX);
    list_init(&a->tail.link);
    list_init(&a->poll.link);
    list_push(&d->asks, &a->link);
    return a;
}

static enum http_verdict ask_head(void *ctx, struct session *s, const struct http_request *r,
                                  void **request_ctx) {
    struct desk *d = ctx;
    bytes arg = NO_BYTES;
    const struct route *route = NULL;
    int found = route_find(r->method, r->path, &route, &arg);
    if (found == 200 && route->work->head != NULL)
        return route->work->head(d, s, r);
    bool world = found == 0 && twin_takes(d, r->method, r->path, &route);
    found = world ? 200 : found;
    struct ask *a = ask_inner(d, NULL); // finished releases it
    a->session = s;
    a->route = route;
    *request_ctx = a;
    a->v1 = v1_path(r->path);
    if (a->v1)
        v1_note(a, r);
    if (a->v1 && found != 200) {
        v1_fail_path(a, r->method, r->path);
    } else if (found == 0) {
        refuse_path(a, r->path);
    } else if (found == 405) {
        route_methods(r->path, &a->allow);
        ask_fail(a, 405, "%.*s does not go with this path; it takes %s",
                 BYTES_ARG(ask_short(r->method)), text_str(&a->allow));
    } else {
        a->body.max = a->route->work->body_max > 0 ? a->route->work->body_max : BODY_MAX;
        auth_read(r, &a->caller);
        params_keep(a, arg, r->query);
        read_idempotency_key(a, r);
        if (a->v1 && v1_head(a, r) && world)
            (void)twin_head(a, r);
    }
    return HTTP_READ_BODY;
}

// Whether the key is one of ours is not known yet.
static bool body_has_room(struct ask *a, size_t n) {
    if (a->body.n + n <= BODY_MAX || a->body.n + n > a->body.max)
        return true;
    if (!http_budget_take(&a->desk->budget, n))
        return false;
    a->body_taken += n;
    return true;
}

static bool ask_body(void *request_ctx, struct session *s, bytes piece) {
    struct ask *a = request_ctx;
    // Of what is refused anyway nothing is kept.
    if (a->status != 0 || !a->caller.has_key)
        return true;
    if (!body_has_room(a, piece.n)) {
        ask_fail(a, 503, "too much is being sent to the desk at once; ask again");
        ask_send(a);
        return false;
    }
    text_add(&a->body, piece);
    if (!a->body.failed)
        return true;
    ask_fail(a, 413, "the body is over %zu bytes; send less at once", a->body.max);
    ask_send(a);
    return false;
}

static void ask_finished(void *request_ctx) {
    struct ask *a = request_ctx;
    a->session = NULL;
    list_remove(&a->tail.link);
    list_remove(&a->poll.link);
    ask_release(a);
}

static void ask_refused(void *ctx, enum http_refusal why) { metric_add(METRIC_DESK_REFUSED, 1); }

const struct http_handler ask_handler = {
    .head = ask_head,
    .body = ask_body,
    .complete = ask_complete,
    .finished = ask_finished,
    .refused = ask_refused,
};
