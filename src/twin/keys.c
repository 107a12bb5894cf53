// SPDX-License-Identifier: MIT
// Idempotency-Keys (https://docs.stripe.com/api/idempotent_requests): the first answer is given
// again for a day; one with other parameters is refused.
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/memory.h"
#include "stripe/api_error.h"
#include "stripe/sample_print.h"
#include "twin/call.h"

#define KEPT_MS ((int64_t)24 * 60 * 60 * 1000)

struct key {
    struct list link; // the oldest first
    struct text name; // caller, account and key
    uint8_t asked[SHA256_SIZE];
    int64_t since_ms;
    int status;
    struct text body;
};

static void drop(struct twin *w, struct key *k) {
    map_remove(&w->keys, text_bytes(&k->name));
    list_remove(&k->link);
    text_drop(&k->name);
    text_drop(&k->body);
    free(k);
    w->key_count--;
}

void twin_keys_drop(struct twin *w) {
    LIST_EACH_SAFE(at, &w->keys_by_age)
    drop(w, CONTAINER(at, struct key, link));
}

static void drop_old(struct twin *w) {
    LIST_EACH_SAFE(at, &w->keys_by_age) {
        struct key *k = CONTAINER(at, struct key, link);
        if (k->since_ms > w->now_ms - KEPT_MS && w->key_count < TWIN_KEYS_MAX)
            return;
        drop(w, k);
    }
}

static void name_of(const struct twin_request *r, struct text *out) {
    text_add(out, r->caller);
    text_addc(out, '\n');
    text_add(out, r->account);
    text_addc(out, '\n');
    text_add(out, r->idempotency_key);
}

static void asked_of(const struct twin_request *r, uint8_t out[SHA256_SIZE]) {
    OWN(text_drop)
    struct text params = {0};
    sample_print(r->params, &params); // in one order, whichever the client's
    bytes parts[] = {r->path, B("\n"), text_bytes(&params)};
    digest_sha256(parts, 3, out);
}

bool twin_key_known(struct twin *w, const struct twin_request *r, struct twin_answer *out) {
    OWN(text_drop)
    struct text name = {0};
    OWN(text_drop)
    struct text why = {0};
    uint8_t asked[SHA256_SIZE];
    drop_old(w);
    name_of(r, &name);
    struct key *k = map_get(&w->keys, text_bytes(&name));
    if (k == NULL)
        return false;
    asked_of(r, asked);
    if (memcmp(asked, k->asked, sizeof asked) == 0) {
        out->status = k->status;
        out->replayed = true;
        text_add(&out->body, text_bytes(&k->body));
        return true;
    }
    text_adds(&why, "Keys for idempotent requests can only be used with the same parameters they "
                    "were first used with. Try using a key other than '");
    text_add_printable(&why, r->idempotency_key, 64);
    text_adds(&why, "' if you meant to execute a different request.");
    out->status = api_error_status(API_ERROR_IDEMPOTENCY);
    api_error_write(API_ERROR_IDEMPOTENCY, NO_BYTES, text_bytes(&why), &out->body);
    return true;
}

void twin_key_keep(struct twin *w, const struct twin_request *r, const struct twin_answer *a) {
    struct key *k = NEW(struct key);
    name_of(r, &k->name);
    asked_of(r, k->asked);
    k->since_ms = w->now_ms;
    k->status = a->status;
    text_add(&k->body, text_bytes(&a->body));
    map_put(&w->keys, text_bytes(&k->name), k);
    list_push(&w->keys_by_age, &k->link);
    w->key_count++;
}
