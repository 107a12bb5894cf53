// SPDX-License-Identifier: MIT
#include "gateway_endpoints.h"

#include "base/ensure.h"
#include "base/json.h"
#include "base/memory.h"
#include "rules/endpoint.h"

#define ONE_MAX (1u << 20) // what is read of one endpoint

static void wipe_text(struct text *t) {
    if (t->p != NULL)
        memory_wipe(t->p, t->cap);
    text_drop(t);
}

// What is copied of a row is part of its JSON, or the secret, which is shorter than it is sealed.
static size_t room_for(const struct endpoint_row *rows, size_t n) {
    size_t room = 1 << 16;
    for (size_t i = 0; i < n; i++)
        room += 2 * (rows[i].json.n + sizeof(struct target) + 256);
    return room;
}

static void add(struct retarget *r, const struct plan_destination *p, bytes secret) {
    struct target *t = &r->targets.list[r->targets.count++];
    *t = (struct target){
        .name = arena_copy(&r->memory, p->name),
        .kind = p->kind,
        .url = arena_copy(&r->memory, p->url),
        .secret = arena_copy(&r->memory, secret),
        .guarded = true,
        .livemode = p->livemode,
        .timeout_ms = p->timeout_ms,
        .pace = p->pace,
    };
    ensure(t->name.p != NULL && t->url.p != NULL && t->secret.p != NULL);
}

static result make(const uint8_t *key, const struct endpoint_row *row, struct retarget *r) {
    OWN(arena_drop)
    struct arena memory;
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(wipe_text)
    struct text secret = {0};
    struct endpoint e;
    struct plan_destination p;
    arena_init(&memory, ONE_MAX);
    TRY(json_parse(row->json, &doc));
    TRY(endpoint_read(json_root(doc), &memory, &e));
    TRY(seal_open(key, e.id, e.sealed, &secret));
    TRY(endpoint_destination(&e, &memory, &p));
    NEED(secret.n > 0, INVALID, "an endpoint's secret is empty");
    if (e.enabled)
        add(r, &p, text_bytes(&secret));
    return OK;
}

struct retarget *endpoint_targets(const uint8_t key[SEAL_KEY_SIZE], const struct endpoint_row *rows,
                                  size_t n, size_t *sealed) {
    struct retarget *r = NEW(struct retarget);
    r->mail.kind = DISPATCH_RETARGET;
    r->targets.set = TARGETS_ENDPOINTS;
    arena_init(&r->memory, room_for(rows, n));
    r->targets.list = arena_take(&r->memory, (n + 1) * sizeof *r->targets.list);
    ensure(r->targets.list != NULL);
    *sealed = 0;
    for (size_t i = 0; i < n; i++)
        *sealed += make(key, &rows[i], r) != OK;
    return r;
}
