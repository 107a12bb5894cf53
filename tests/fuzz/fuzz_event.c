// SPDX-License-Identifier: MIT
// The envelope of an event: what is taken for one keeps the promises of stripe/event.h, and says
// the same when it is written anew; half of one is none. The library says the same of it, and in
// memory that fails at some call that there is none, with all given back. Shown as Stripe's API
// shows it, it is the same event with our count.
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hookkeep/event.h"
#include "stripe/event.h"
#include "stripe/event_shown.h"

const struct fuzz_plant fuzz_plants[] = {
    {"control", PLANT_FUZZED, "an account with control characters passes"},
    {"created", PLANT_FUZZED, "a moment before 1970 is read as another"},
    {"livemode", PLANT_FUZZED, "livemode is read as its opposite from what was written anew"},
    {"half", PLANT_FUZZED, "the last byte need not be there"},
    {"account", PLANT_FUZZED, "the library's account is the whole context"},
    {"kept", PLANT_FUZZED, "the library keeps some memory where it got too little"},
    {"count", PLANT_FUZZED, "an event without a count is shown without one"},
    {0},
};

static void check_name(bytes b) {
    ensure(b.n <= EVENT_ID_MAX && bytes_utf8(b));
    for (size_t i = 0; i < b.n; i++)
        ensure(b.p[i] >= ' ' && b.p[i] != 0x7f);
}

static void check_half(bytes body) {
    OWN(event_drop)
    struct event half = {0};
    while (body.n > 0 && body.p[body.n - 1] != '}')
        body.n--;
    bool taken = event_parse(bytes_slice(body, 0, body.n - 1), &half, NULL) == OK;
    ensure(!taken && !(fuzz_planted("half") && body.n % 7 == 0));
}

struct meter {
    size_t left; // calls that get memory
    size_t live;
};

static void *take(void *ctx, size_t size) {
    struct meter *m = ctx;
    if (m->left == 0)
        return NULL;
    m->left--;
    m->live++;
    return malloc(size);
}

static void give(void *ctx, void *p) {
    struct meter *m = ctx;
    m->live--;
    free(p);
}

static void *resize(void *ctx, void *p, size_t old_size, size_t size) {
    void *moved = take(ctx, size);
    if (moved != NULL) {
        memcpy(moved, p, old_size < size ? old_size : size);
        give(ctx, p);
    }
    return moved;
}

static bool says(const char *said, bytes b) {
    return strlen(said) == b.n && bytes_equal(bytes_of(said), b);
}

// `e` is null if it was refused.
static void check_public(bytes body, const struct event *e) {
    struct meter m = {.left = body.n % 7 == 6 ? SIZE_MAX : body.n % 7};
    const hk_allocator memory = {&m, take, resize, give};
    const hk_event_options o = {sizeof o, HK_ACCEPT_BOTH, &memory, NULL};
    hk_event *event;
    hk_status status = hk_event_parse(body.p, body.n, &o, &event);
    if (status == HK_MEMORY) {
        ensure(m.left == 0 && event == NULL);
        m.live += fuzz_planted("kept");
    } else if (e == NULL) {
        ensure(event == NULL && (status == HK_NO_BODY) == (body.n == 0));
        ensure(status == HK_NO_BODY || status == HK_NOT_JSON || status == HK_NOT_EVENT);
    } else {
        ensure(status == HK_OK && says(hk_event_id(event), e->id));
        ensure(says(hk_event_type(event), e->type));
        const char *account = hk_event_account(event);
        ensure(says(account, fuzz_planted("account") && e->thin ? e->context : e->account));
        ensure(hk_event_created(event) == e->created && hk_event_livemode(event) == e->livemode);
        ensure(hk_event_thin(event) == e->thin && hk_event_kind(event, "") == HK_OBJECT);
        const char *id = hk_event_text(event, "id", NULL);
        ensure(id != NULL && says(id, e->id));
    }
    hk_event_close(event);
    ensure(m.live == 0);
}

static void check_shown(bytes body, const struct event *e) {
    OWN(text_drop)
    struct text shown = {0};
    OWN(text_drop)
    struct text twice = {0};
    OWN(event_drop)
    struct event again = {0};
    int64_t count = 0;
    bool none = json_type(json_get(json_root(e->doc), "pending_webhooks")) == JSON_ABSENT;
    ensure(event_show(body, 7, &shown) == OK);
    if (none && fuzz_planted("count")) {
        text_reset(&shown);
        text_add(&shown, body);
    }
    ensure(event_parse(text_bytes(&shown), &again, NULL) == OK);
    ensure(json_i64(json_get(json_root(again.doc), "pending_webhooks"), &count) == OK);
    ensure(count == 7 && !json_has_twice(json_root(e->doc), "id"));
    ensure(bytes_equal(e->id, again.id) && bytes_equal(e->type, again.type));
    ensure(e->created == again.created && bytes_equal(e->object_id, again.object_id));
    ensure(json_size(json_root(again.doc)) == json_size(json_root(e->doc)) + none);
    ensure(event_show(text_bytes(&shown), 7, &twice) == OK);
    ensure(bytes_equal(text_bytes(&shown), text_bytes(&twice)));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    OWN(event_drop)
    struct event e = {0};
    OWN(text_drop)
    struct text why = {0};
    if (event_parse(bytes_from(p, n), &e, &why) != OK) {
        ensure(e.doc == NULL && why.n > 0 && bytes_utf8(text_bytes(&why)));
        check_public(bytes_from(p, n), NULL);
        return 0;
    }
    ensure(e.id.n > 0 && e.type.n > 0);
    check_public(bytes_from(p, n), &e);
    check_shown(bytes_from(p, n), &e);
    if (fuzz_planted("control") && e.account.n > 0)
        e.account = B("acct\r\n");
    check_name(e.id);
    check_name(e.type);
    check_name(e.account);
    check_name(e.context);
    ensure(!e.thin || e.api_version.n == 0);
    OWN(text_drop)
    struct text anew = {0};
    json_write(json_root(e.doc), &anew);
    OWN(event_drop)
    struct event again = {0};
    ensure(event_parse(text_bytes(&anew), &again, NULL) == OK);
    if (fuzz_planted("created") && again.created < 0)
        again.created++;
    if (fuzz_planted("livemode") && again.livemode)
        again.livemode = false;
    ensure(bytes_equal(e.id, again.id) && bytes_equal(e.type, again.type));
    ensure(e.created == again.created && e.livemode == again.livemode && e.thin == again.thin);
    ensure(bytes_equal(e.account, again.account) && bytes_equal(e.context, again.context));
    ensure(bytes_equal(e.object_id, again.object_id));
    ensure(bytes_equal(e.object_type, again.object_type));
    ensure(bytes_equal(e.snapshot_id, again.snapshot_id));
    ensure(bytes_equal(e.request_id, again.request_id));
    check_half(bytes_from(p, n));
    return 0;
}
