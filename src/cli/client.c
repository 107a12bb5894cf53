// SPDX-License-Identifier: MIT
#include "cli/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/query.h"
#include "cli/where.h"
#include "port/clock.h"
#include "port/fetch.h"
#include "port/loop.h"

#define ANSWER_MAX (64u << 20)
#define TIMEOUT_MS 3600000 // verify and backup of a large ledger take their time
#define PAGE_MAX 1000
#define PAUSE_MS 500          // between two questions to a gateway that is away
#define ONCE_TIMEOUT_MS 60000 // of what is asked again when it gets no answer

struct client {
    struct where where;
    struct loop *loop;
    struct fetcher *fetcher;
    struct text authorization; // the header's line
    int64_t patience_ms;
    bool answered; // once at least
    bool in_doubt;
    unsigned interrupts;
};

enum cli_exit client_open(const struct cli_call *call, struct client **out) {
    *out = NULL;
    struct client *c = NEW(struct client);
    enum cli_exit code = where_find(call, &c->where);
    const struct fetch_options options = {.connections_kept = 1,
                                          .user_agent = "hookkeep/" HOOKKEEP_VERSION};
    if (code == CLI_DONE &&
        (loop_open(&c->loop) != OK || fetcher_open(c->loop, &options, &c->fetcher) != OK)) {
        cli_say("the network could not be set up; too few open files are allowed, or too little "
                "memory is left");
        code = CLI_FAILED;
    }
    text_addf(&c->authorization, "Authorization: Bearer %s", text_str(&c->where.key));
    if (code == CLI_DONE)
        *out = c;
    else
        client_close(&c);
    return code;
}

void client_close(struct client **out) {
    struct client *c = *out;
    if (c == NULL)
        return;
    fetcher_close(c->fetcher);
    loop_close(c->loop);
    if (c->authorization.p != NULL)
        memory_wipe(c->authorization.p, c->authorization.cap);
    text_drop(&c->authorization);
    where_drop(&c->where);
    free(c);
    *out = NULL;
}

const char *client_address(const struct client *c) { return text_str(&c->where.address); }
bool client_asked_for(const struct client *c) { return c->where.asked_for; }
bool client_has_key(const struct client *c) { return c->where.key.n > 0; }

void reply_drop(struct reply *r) {
    text_drop(&r->body);
    text_drop(&r->error);
}

struct exchange {
    struct client *client;
    struct fetch *fetch;
    struct reply *reply;
    bool over;
    bool (*piece)(void *ctx, bytes b);
    void *ctx;
};

static void on_done(void *ctx, const struct fetch_answer *a) {
    struct exchange *x = ctx;
    x->reply->failed = a->failed;
    x->reply->status = a->status;
    text_add(&x->reply->body, a->body);
    text_adds(&x->reply->error, a->error);
    x->over = true;
    loop_stop(x->client->loop);
}

static void on_piece(void *ctx, bytes b) {
    struct exchange *x = ctx;
    if (x->piece(x->ctx, b))
        return;
    x->client->fetcher->cancel(x->client->fetcher, x->fetch);
    x->over = true;
    loop_stop(x->client->loop);
}

// A stop that was asked for while the loop ended by itself ends its next run at once.
// `interrupts`: so many end it too.
static void run_until(struct client *c, const bool *over, unsigned interrupts) {
    while (!*over && c->interrupts < interrupts)
        loop_run(c->loop);
}

static void on_interrupt(void *ctx, int signum) {
    struct client *c = ctx;
    c->interrupts++;
    loop_stop(c->loop);
}

void client_catch_interrupts(struct client *c) {
    if (loop_interrupts(c->loop, on_interrupt, c) != OK)
        cli_say("Ctrl-C cannot be caught here: it ends without saying how to go on");
}

void client_name_run(char run[CLIENT_RUN_SIZE]) {
    uint8_t random[CLIENT_RUN_SIZE / 2];
    clock_real.entropy(&clock_real, random, sizeof random);
    bytes_to_hex(random, sizeof random, run);
}

bool client_interrupted(const struct client *c) { return c->interrupts > 0; }
bool client_in_doubt(const struct client *c) { return c->in_doubt; }
void client_be_patient(struct client *c, int64_t wait_ms) { c->patience_ms = wait_ms; }

static void exchange(struct client *c, struct fetch_request *q, const char *path, const char *key,
                     struct exchange *x) {
    OWN(text_drop)
    struct text key_line = {0};
    OWN(text_drop)
    struct text url = {0};
    const char *headers[4] = {"Accept: application/json"};
    text_add(&url, text_bytes(&c->where.base));
    text_adds(&url, path);
    q->url = text_str(&url);
    q->unix_path = c->where.unix_path.n > 0 ? text_str(&c->where.unix_path) : NULL;
    q->headers = headers;
    q->header_count = 1;
    if (c->where.key.n > 0)
        headers[q->header_count++] = text_str(&c->authorization);
    if (q->body.n > 0)
        headers[q->header_count++] = "Content-Type: application/json";
    if (key != NULL) {
        text_addf(&key_line, "Idempotency-Key: %s", key);
        headers[q->header_count++] = text_str(&key_line);
    }
    q->answer_keep = ANSWER_MAX;
    *x->reply = (struct reply){0};
    x->client = c;
    x->fetch = c->fetcher->start(c->fetcher, q, on_done, x);
    run_until(c, &x->over, 2);
    if (x->over)
        return;
    c->fetcher->cancel(c->fetcher, x->fetch);
    x->reply->failed = PLACE(CLOSED, "interrupted");
}

static void send_with(struct client *c, const char *method, const char *path, bytes body,
                      const char *key, struct reply *out) {
    struct fetch_request q = {.method = method,
                              .body = body,
                              .timeout_ms = key == NULL ? TIMEOUT_MS : ONCE_TIMEOUT_MS,
                              .answer_max = ANSWER_MAX};
    struct exchange x = {.reply = out};
    exchange(c, &q, path, key, &x);
}

void client_send(struct client *c, const char *method, const char *path, bytes body,
                 struct reply *out) {
    send_with(c, method, path, body, NULL, out);
}

void client_stream(struct client *c, const char *path, bool (*piece)(void *ctx, bytes b), void *ctx,
                   struct reply *r) {
    struct fetch_request q = {.method = "GET", .answer_max = SIZE_MAX, .piece = on_piece};
    struct exchange x = {.reply = r, .piece = piece, .ctx = ctx};
    exchange(c, &q, path, NULL, &x);
}

struct nap {
    struct loop *loop;
    bool over;
};

static void on_awake(void *ctx) {
    struct nap *n = ctx;
    n->over = true;
    loop_stop(n->loop);
}

void client_sleep(struct client *c, int64_t ms) {
    struct nap n = {.loop = c->loop};
    struct timer *t = timer_open(c->loop, on_awake, &n);
    timer_set(t, ms);
    run_until(c, &n.over, 1);
    timer_close(t);
}

static enum cli_exit say_unreachable(const struct client *c, const struct reply *r) {
    if (failed_as(r->failed, FAIL_TIMEOUT))
        cli_say("the gateway at %s took longer than an hour to answer; look at its log",
                client_address(c));
    else if (failed_as(r->failed, FAIL_REFUSED))
        cli_say("%s: %s (%s); the desk's certificate must be one that this system trusts, or ask "
                "it by unix:PATH",
                client_address(c), r->failed->text, text_str(&r->error));
    else
        cli_say(
            "no gateway answers at %s (%s); is `hookkeep serve` running? Another address: --api "
            "URL or HOOKKEEP_API; another configuration: -c FILE",
            client_address(c), text_str(&r->error));
    return CLI_FAILED;
}

static void say_unauthorized(const struct client *c) {
    if (c->where.key.n > 0)
        cli_say("the desk at %s does not know the key from %s, or it was revoked; set HOOKKEEP_KEY "
                "to a key that is in force",
                client_address(c), text_str(&c->where.key_from));
    else
        cli_say("the desk at %s wants a key, and %s", client_address(c),
                text_str(&c->where.key_why));
}

// The events that one id stands for.
static void say_choices(json events) {
    json row;
    for (size_t at = 0; json_element(events, &at, &row);) {
        OWN(text_drop)
        struct text account = {0};
        text_add(&account, json_string(json_get(row, "account")));
        if (account.n == 0)
            text_adds(&account, "platform");
        cli_say("%.*s: owner %.*s, account %s, %s", BYTES_ARG(json_number(json_get(row, "seq"))),
                BYTES_ARG(json_string(json_get(row, "owner"))), text_str(&account),
                json_true(json_get(row, "livemode")) ? "live" : "test");
    }
}

static void say_objects(json objects) {
    json row;
    for (size_t at = 0; json_element(objects, &at, &row);)
        cli_say("%.*s: %.*s %.*s, owner %.*s, %s", BYTES_ARG(json_number(json_get(row, "number"))),
                BYTES_ARG(json_string(json_get(row, "type"))),
                BYTES_ARG(json_string(json_get(row, "key"))),
                BYTES_ARG(json_string(json_get(row, "owner"))),
                json_true(json_get(row, "livemode")) ? "live" : "test");
}

enum cli_exit client_judge(const struct client *c, const struct reply *r) {
    if (r->failed != OK)
        return say_unreachable(c, r);
    if (r->status >= 200 && r->status < 300)
        return CLI_DONE;
    if (r->status == 401) {
        say_unauthorized(c);
        return CLI_FAILED;
    }
    OWN(json_close)
    struct json_doc *doc = NULL;
    bytes error = NO_BYTES;
    if (json_parse(text_bytes(&r->body), &doc) == OK)
        error = json_string(json_get(json_root(doc), "error"));
    if (error.n == 0) {
        cli_say("%s answered %d, and not as a desk does; is it the desk's address (desk.listen), "
                "not that of the sources?",
                client_address(c), r->status);
        return CLI_FAILED;
    }
    cli_say("%.*s", BYTES_ARG(error));
    say_choices(json_get(json_root(doc), "events"));
    say_objects(json_get(json_root(doc), "objects"));
    return CLI_FAILED;
}

static bool is_away(const struct reply *r) { return r->failed != OK || r->status == 503; }

// Asks again while the gateway is away.
static void send_patiently(struct client *c, const char *method, const char *path, bytes body,
                           const char *key, struct reply *out) {
    int64_t until_us = 0;
    for (;;) {
        send_with(c, method, path, body, key, out);
        bool away = is_away(out), patient = c->answered && c->patience_ms > 0;
        int64_t now_us = clock_mono_us(&clock_real);
        if (!away && until_us > 0)
            cli_say("the gateway at %s is back", client_address(c));
        c->answered = c->answered || !away;
        if (!away || !patient || c->interrupts > 0 || (until_us > 0 && now_us >= until_us))
            return;
        if (until_us == 0) {
            until_us = now_us + c->patience_ms * 1000;
            cli_say("the gateway at %s went away (%s); waiting for it, at most %lld s",
                    client_address(c),
                    out->failed != OK ? text_str(&out->error) : "it is stopping or has no room",
                    (long long)((c->patience_ms + 999) / 1000));
        }
        client_sleep(c, PAUSE_MS);
        if (c->interrupts > 0)
            return;
        reply_drop(out);
    }
}

static enum cli_exit ask(struct client *c, const char *method, const char *path, bytes body,
                         const char *key, struct json_doc **doc) {
    OWN(reply_drop)
    struct reply r = {0};
    *doc = NULL;
    if (key != NULL || strcmp(method, "GET") == 0)
        send_patiently(c, method, path, body, key, &r);
    else
        client_send(c, method, path, body, &r);
    c->in_doubt = is_away(&r);
    if (c->in_doubt && c->interrupts > 0)
        return CLI_FAILED;
    enum cli_exit code = client_judge(c, &r);
    if (code == CLI_DONE && (r.body.failed || json_parse(text_bytes(&r.body), doc) != OK)) {
        cli_say("%s answered %d with something that is no JSON; is it the desk's address "
                "(desk.listen), not that of the sources?",
                client_address(c), r.status);
        return CLI_FAILED;
    }
    return code;
}

enum cli_exit client_ask(struct client *c, const char *method, const char *path, bytes body,
                         struct json_doc **doc) {
    return ask(c, method, path, body, NULL, doc);
}

enum cli_exit client_ask_once(struct client *c, const char *path, bytes body, const char *key,
                              struct json_doc **doc) {
    return ask(c, "POST", path, body, key, doc);
}

// One page; *again: there is a next one, to be asked for.
static enum cli_exit list_page(struct client *c, struct listing *l, uint64_t *left, bool *again) {
    OWN(text_drop)
    struct text path = {0};
    text_adds(&path, l->path);
    if (l->cursor != NULL) {
        query_add_number(&path, "limit", *left < PAGE_MAX ? *left : PAGE_MAX);
        if (l->oldest_first)
            query_add(&path, "order", "oldest");
        if (l->last > 0)
            query_add_number(&path, l->oldest_first ? "after" : "before", l->last);
    }
    OWN(json_close)
    struct json_doc *doc = NULL;
    enum cli_exit code = client_ask(c, "GET", text_str(&path), NO_BYTES, &doc);
    if (code != CLI_DONE)
        return code;
    json data = json_get(json_root(doc), "data"), row;
    size_t rows = 0;
    for (size_t at = 0; code == CLI_DONE && json_element(data, &at, &row); rows++) {
        int64_t number = 0;
        if (l->cursor != NULL && json_i64(json_get(row, l->cursor), &number) == OK)
            l->last = (uint64_t)number;
        code = l->row(l->ctx, row);
    }
    l->more = l->cursor != NULL && json_true(json_get(json_root(doc), "has_more"));
    *left -= rows < *left ? rows : *left;
    *again = l->more && rows > 0 && *left > 0;
    return code;
}

enum cli_exit client_list(struct client *c, struct listing *l) {
    uint64_t left = l->limit;
    bool again = true;
    enum cli_exit code = CLI_DONE;
    while (again && code == CLI_DONE)
        code = list_page(c, l, &left, &again);
    return code;
}
