// SPDX-License-Identifier: MIT
#include "cli/post.h"

#include <stdlib.h>

#include "base/memory.h"
#include "port/fetch.h"
#include "port/loop.h"

#define TIMEOUT_MS 30000
#define ANSWER_MAX 65536

struct poster {
    struct loop *loop;
    struct fetcher *fetcher;
    struct reply *reply;
    bool over; // the request, or the sleep
};

enum cli_exit poster_open(struct poster **out) {
    struct poster *p = NEW(struct poster);
    const struct fetch_options options = {.connections_kept = 1};
    *out = p;
    if (loop_open(&p->loop) == OK && fetcher_open(p->loop, &options, &p->fetcher) == OK)
        return CLI_DONE;
    poster_close(out);
    cli_say("the network could not be set up; too few open files are allowed, or too little memory "
            "is left");
    return CLI_FAILED;
}

void poster_close(struct poster **out) {
    struct poster *p = *out;
    if (p == NULL)
        return;
    fetcher_close(p->fetcher);
    loop_close(p->loop);
    free(p);
    *out = NULL;
}

static void on_done(void *ctx, const struct fetch_answer *a) {
    struct poster *p = ctx;
    p->reply->failed = a->failed;
    p->reply->status = a->status;
    text_add(&p->reply->body, a->body);
    text_adds(&p->reply->error, a->error);
    p->over = true;
    loop_stop(p->loop);
}

static void run_until_over(struct poster *p) {
    while (!p->over)
        loop_run(p->loop);
    p->over = false;
}

void poster_send(struct poster *p, const struct post_to *to, bytes signature, bytes body,
                 struct reply *out) {
    OWN(text_drop)
    struct text signed_by = {0};
    text_addf(&signed_by, "Stripe-Signature: %.*s", BYTES_ARG(signature));
    const char *headers[] = {
        "Content-Type: application/json; charset=utf-8",
        "Cache-Control: no-cache",
        "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Accept: */*; q=0.5, application/xml",
        text_str(&signed_by),
    };
    const struct fetch_request q = {
        .method = "POST",
        .url = to->url,
        .unix_path = to->unix_path,
        .headers = headers,
        .header_count = sizeof headers / sizeof *headers,
        .body = body,
        .timeout_ms = TIMEOUT_MS,
        .answer_max = ANSWER_MAX,
        .answer_keep = ANSWER_MAX,
    };
    *out = (struct reply){0};
    p->reply = out;
    (void)p->fetcher->start(p->fetcher, &q, on_done, p);
    run_until_over(p);
}

static void on_awake(void *ctx) {
    struct poster *p = ctx;
    p->over = true;
    loop_stop(p->loop);
}

void poster_sleep(struct poster *p, int64_t ms) {
    struct timer *t = timer_open(p->loop, on_awake, p);
    timer_set(t, ms);
    run_until_over(p);
    timer_close(t);
}
