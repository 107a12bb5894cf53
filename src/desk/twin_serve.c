// SPDX-License-Identifier: MIT
// Requests of Stripe's API that the twin's world answers.
#include "base/metrics.h"
#include "desk/answers.h"
#include "desk/twin_inner.h"
#include "desk/v1.h"
#include "stripe/form.h"

static void fail_live(struct ask *a) {
    v1_fail(a, API_ERROR_PERMISSION, NULL,
            "The twin is in test mode alone, and this key is for live events. Take one of mode "
            "test: `hookkeep keys create --mode test`, or twin.key in the configuration.");
}

static void ask_world(struct ask *a) {
    struct twin_desk *t = a->desk->twin;
    OWN(text_drop)
    struct text path = {0};
    struct twin_answer answer = {0};
    if (key_mode_live(a->caller.mode)) {
        fail_live(a);
        ask_send(a);
        return;
    }
    text_add_decoded(&path, a->path, false);
    const struct twin_request q = {
        .method = a->method,
        .path = text_bytes(&path),
        .params = json_root(a->doc),
        .account = a->account,
        .caller = bytes_of(a->caller.id),
        .request_id = bytes_of(a->request_id),
        .idempotency_key = a->told_idempotency_key,
    };
    twin_send(t, NULL); // what was due before is not this request's
    twin_ask(t->world, &q, twin_now(t), &answer);
    a->status = answer.status;
    a->replayed = answer.replayed;
    text_drop(&a->out);
    a->out = answer.body;
    metric_add(answer.status < 400 ? METRIC_TWIN_ANSWERED : METRIC_TWIN_REFUSED, 1);
    if (!bytes_equal(a->method, B("GET")))
        twin_changed(t);
    twin_session_keep(t, a);
    ask_hold(a);
    ask_send(a);
    twin_send(t, a->chaos);
    ask_release(a);
}

static const struct work world_work = {.run = ask_world, .body_max = TWIN_BODY_MAX};

// Looking needs a key that may look, anything else one that may change things. The path says how
// parameters come (desk/v2.h).
static const struct route world_routes[2][2] = {
    {{"GET", "/v1/", ACCESS_STRIPE_VIEWER, &world_work},
     {"POST", "/v1/", ACCESS_STRIPE_CHANGER, &world_work}},
    {{"GET", "/v2/", ACCESS_STRIPE_VIEWER, &world_work},
     {"POST", "/v2/", ACCESS_STRIPE_CHANGER, &world_work}},
};

bool twin_takes(const struct desk *d, bytes method, bytes path, const struct route **route) {
    if (d->twin == NULL || !twin_has_path(path))
        return false;
    *route = &world_routes[bytes_starts(path, B("/v2/"))][!bytes_equal(method, B("GET"))];
    return true;
}

bool twin_head(struct ask *a, const struct http_request *r) {
    bytes said;
    bool twice = false;
    twin_session_read(a->desk->twin, r, &a->caller);
    if (!http_header_get(r, TWIN_CHAOS_HEADER, &said, &twice) && !twice)
        return true;
    OWN(text_drop)
    struct text why = {0};
    struct twin_chaos read;
    struct twin_chaos *chaos = arena_take(&a->memory, sizeof *chaos);
    if (twice)
        text_adds(&why, "found twice; once is expected");
    if (!twice && chaos != NULL && twin_chaos_read(said, &read, &why) == OK) {
        *chaos = read;
        a->chaos = chaos;
        return true;
    }
    v1_fail(a, API_ERROR_INVALID, NULL, "%s: %s.", TWIN_CHAOS_HEADER, text_str(&why));
    return false;
}

const char *twin_hint(const struct desk *d, bytes path) {
    if (d->twin != NULL)
        return "docs/twin.md lists what the twin imitates; ";
    return twin_has_path(path) ? "the twin answers for this path, and is off: `twin: {enabled: "
                                 "true}` in the configuration turns it on; "
                               : "";
}
