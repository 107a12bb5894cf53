// SPDX-License-Identifier: MIT
// The carrier of kind http: a POST of the stored bytes, signed afresh, as Stripe would send it.
#include <stdlib.h>

#include "base/ensure.h"
#include "base/hmac.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "dispatch/answer.h"
#include "dispatch/attempt.h"
#include "rules/url_names.h"
#include "stripe/delivery.h"
#include "stripe/signature.h"

struct http_channel {
    struct channel channel;
    char *url;
    bool guarded;
    int64_t timeout_ms;
    struct hmac_key key;
    size_t older_count;
    struct older_key {
        struct hmac_key key;
        int64_t not_after_s;
    } older[];
};

static struct http_channel *http_of(struct channel *c) {
    return CONTAINER(c, struct http_channel, channel);
}

static struct channel *http_open(struct dispatch *d, const struct target *t) {
    struct http_channel *h = memory_new(1, sizeof *h + t->older_count * sizeof h->older[0]);
    channel_init(&h->channel, &carrier_http, d);
    h->url = bytes_strdup(t->url);
    h->guarded = t->guarded;
    hmac_key_init(&h->key, t->secret);
    h->older_count = t->older_count;
    for (size_t i = 0; i < t->older_count; i++) {
        hmac_key_init(&h->older[i].key, t->older[i].key);
        h->older[i].not_after_s = t->older[i].not_after_s;
    }
    h->timeout_ms = t->timeout_ms;
    return &h->channel;
}

static void http_drop(struct channel *c) {
    struct http_channel *h = http_of(c);
    hmac_key_wipe(&h->key);
    for (size_t i = 0; i < h->older_count; i++)
        hmac_key_wipe(&h->older[i].key);
    free(h->url);
    free(h);
}

static void on_answer(void *ctx, const struct fetch_answer *answer) {
    struct attempt *a = ctx;
    ensure(a->stage == ATTEMPT_SENDING);
    struct outcome_record o = {0};
    OWN(text_drop)
    struct text sentence = {0};
    if (failed_as(answer->failed, FAIL_INVALID))
        metric_add(METRIC_GUARD_REFUSED, 1);
    answer_judge(answer, a->http.request.timeout_ms, clock_wall_ms(a->dispatch->o.clock), &o,
                 &sentence);
    text_drop(&a->http.memory);
    attempt_ended(a, &o);
}

// NUL-terminated strings, one behind the other: the url, then the headers that differ from attempt
// to attempt. Returns how many headers.
static size_t write_strings(const struct http_channel *h, const struct attempt *a, struct text *t) {
    const struct job *job = a->job;
    int64_t now_s = a->started_at > 0 ? a->started_at / 1000 : 0;
    if (h->guarded)
        text_adds(t, h->url);
    else
        url_names_fill(bytes_of(h->url), job->account, job->site, t);
    text_add(t, B("\0Stripe-Signature: "));
    signature_sign(&h->key, now_s, job->body, t);
    for (size_t i = 0; i < h->older_count; i++)
        if (now_s < h->older[i].not_after_s)
            signature_sign_also(&h->older[i].key, now_s, job->body, t);
    text_add(t, B("\0Hookkeep-Event: "));
    text_add(t, job->event_id);
    text_addf(t, "%cHookkeep-Attempt: %u", '\0', job->attempt);
    if (job->account.n == 0)
        return 3;
    text_add(t, B("\0Stripe-Account: "));
    text_add(t, job->account);
    return 4;
}

static const char *judge(void *ctx, bytes address) {
    const struct attempt *a = ctx;
    const struct dispatch *d = a->dispatch;
    const char *refused = guard_refuses(address, d->allowed, d->allowed_count);
    bool plain = bytes_starts(bytes_of(a->http.request.url), B("http://"));
    // A live endpoint by http was made into a network that is an exception, and leads elsewhere
    // now.
    if (refused == NULL && plain && a->job->livemode && guard_refuses(address, NULL, 0) == NULL)
        return "public, and live events go there by https alone";
    return refused;
}

static void compose(const struct http_channel *h, struct attempt *a) {
    const struct dispatch_options *o = &a->dispatch->o;
    struct http_attempt *own = &a->http;
    size_t more = write_strings(h, a, &own->memory);
    const char *at = text_str(&own->memory);
    size_t n = 0;
    for (; n < DELIVERY_HEADERS; n++)
        own->headers[n] = delivery_headers[n];
    own->request = (struct fetch_request){
        .method = "POST",
        .url = at,
        .headers = own->headers,
        .header_count = n + more,
        .body = a->job->body,
        .timeout_ms = h->timeout_ms,
        .answer_max = o->answer_max,
        .answer_keep = o->answer_keep,
        .judge = h->guarded ? judge : NULL,
    };
    ensure(n + more <= ATTEMPT_HEADERS_MAX);
    for (size_t i = 0; i < more; i++) {
        at += bytes_of(at).n + 1;
        own->headers[n + i] = at;
    }
}

static void http_begin(struct channel *c, struct attempt *a) {
    struct fetcher *f = a->dispatch->o.fetcher;
    compose(http_of(c), a);
    a->http.fetch = f->start(f, &a->http.request, on_answer, a);
}

static void http_cancel(struct channel *c, struct attempt *a) {
    struct fetcher *f = a->dispatch->o.fetcher;
    f->cancel(f, a->http.fetch);
    text_drop(&a->http.memory);
}

const struct carrier carrier_http = {
    .open = http_open,
    .begin = http_begin,
    .cancel = http_cancel,
    .drop = http_drop,
};
