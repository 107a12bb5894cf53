// SPDX-License-Identifier: MIT
#include "desk/leads.h"

#include "base/metrics.h"
#include "desk/v1.h"

struct leads {
    struct ask *ask;
    struct fetch_request request;
    const char *param;
    void (*then)(struct ask *a);
    const char *refused; // by the guard, the last address of those; null: none
    bool leads;          // an address is none of those: it is the one that attempts connect to
    bool elsewhere;      // an address is not one of desk.allow_private's
    size_t addresses;
};

static const char *judge(void *ctx, bytes address) {
    struct leads *l = ctx;
    const struct desk *d = l->ask->desk;
    const char *refused = guard_refuses(address, d->allowed, d->allowed_count);
    l->addresses++;
    l->refused = refused == NULL ? l->refused : refused;
    l->leads = l->leads || refused == NULL;
    l->elsewhere = l->elsewhere || guard_refuses(address, NULL, 0) == NULL;
    return "it was only asked for";
}

static void looked(void *ctx, const struct fetch_answer *answer) {
    struct leads *l = ctx;
    struct ask *a = l->ask;
    bool plain = bytes_starts(bytes_of(l->request.url), B("http://"));
    bool inside = l->addresses > 0 && !l->elsewhere;
    a->desk->leading--;
    if (l->refused != NULL && !l->leads)
        v1_fail(a, API_ERROR_URL, l->param,
                "Invalid URL: it leads to an address that is %s, where endpoints may not lead. "
                "Take one that is reached from the internet; who runs this gateway can list "
                "exceptions under desk.allow_private.",
                l->refused);
    else if (plain && key_mode_live(a->caller.mode) && !inside)
        v1_fail(a, API_ERROR_URL, l->param,
                "Invalid URL: a live endpoint is reached by https. Give it a certificate; who runs "
                "this gateway can list a network of its own under desk.allow_private, for http "
                "too.");
    l->then(a);
    ask_release(a);
}

void leads_check(struct ask *a, bytes url, const char *param, void (*then)(struct ask *a)) {
    struct fetcher *f = a->desk->fetcher;
    struct leads *l = arena_take(&a->memory, sizeof *l);
    bytes copy = arena_copy(&a->memory, url);
    if (l == NULL || copy.p == NULL) {
        v1_fail(a, API_ERROR_INTERNAL, NULL, "The request takes more memory than it may.");
        then(a);
        return;
    }
    if (a->desk->leading == LEADS_MAX) {
        metric_add(METRIC_DESK_LEADS_REFUSED, 1);
        v1_fail(a, API_ERROR_RATE, param,
                "%d names of URLs are being looked up for others, and no more are at once. Ask "
                "again in a moment.",
                LEADS_MAX);
        then(a);
        return;
    }
    a->desk->leading++;
    *l = (struct leads){.ask = a, .param = param, .then = then};
    l->request = (struct fetch_request){
        .method = "GET",
        .url = (const char *)copy.p,
        .timeout_ms = LEADS_MS,
        .judge = judge,
    };
    ask_hold(a);
    (void)f->start(f, &l->request, looked, l);
}
