// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/text.h"
#include "stripe/signature.h"

#define TIME_TEXT_MAX 20 // digits of an int64

struct signature_check {
    struct signature_ring *ring;
    int64_t time;
    uint8_t time_text[TIME_TEXT_MAX];
    size_t time_size;
    size_t candidate_count;
    uint8_t candidates[SIGNATURE_CANDIDATES_MAX][SHA256_SIZE];
    size_t favourite; // the ring's when it was opened
    struct hmac message;
};

struct ring_key {
    struct hmac_key key;
    int64_t not_before_s, not_after_s; // 0: no limit
};

struct signature_ring {
    size_t favourite; // matched last
    size_t count;
    struct ring_key keys[];
};

struct signature_ring *signature_ring_open(const bytes *secrets, size_t count) {
    ensure(count > 0 && count <= SECRETS_MAX);
    struct signature_ring *r = memory_new(1, sizeof *r + count * sizeof r->keys[0]);
    r->count = count;
    for (size_t i = 0; i < count; i++)
        hmac_key_init(&r->keys[i].key, secrets[i]);
    return r;
}

void signature_ring_limit(struct signature_ring *r, size_t secret, int64_t not_before_s,
                          int64_t not_after_s) {
    ensure(secret < r->count);
    r->keys[secret].not_before_s = not_before_s;
    r->keys[secret].not_after_s = not_after_s;
}

void signature_ring_close(struct signature_ring *r) {
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++)
        hmac_key_wipe(&r->keys[i].key);
    free(r);
}

static bytes time_text(const struct signature_check *c) {
    return bytes_from(c->time_text, c->time_size);
}

struct signature_check *signature_check_open(struct signature_ring *r, const struct signature *s) {
    struct signature_check *c = NEW(struct signature_check);
    c->ring = r;
    c->time = s->time;
    c->candidate_count = s->candidate_count;
    memcpy(c->candidates, s->candidates, s->candidate_count * SHA256_SIZE);
    ensure(s->time_text.n <= TIME_TEXT_MAX);
    memcpy(c->time_text, s->time_text.p, s->time_text.n);
    c->time_size = s->time_text.n;
    c->favourite = r->favourite;
    signature_start(&c->message, &r->keys[c->favourite].key, time_text(c));
    return c;
}

void signature_check_add(struct signature_check *c, bytes piece) { hmac_add(&c->message, piece); }

static bool matches(struct signature_check *c) {
    return signature_matches(&c->message, c->candidates[0], c->candidate_count);
}

static bool in_force(const struct ring_key *k, int64_t now_s) {
    return now_s >= k->not_before_s && (k->not_after_s == 0 || now_s < k->not_after_s);
}

// Those in force before those that are not, so that a header with both is not refused.
static bool find_match(struct signature_check *c, bytes body, int64_t now_s, size_t *which) {
    struct signature_ring *r = c->ring;
    bool by_favourite = matches(c);
    if (by_favourite)
        *which = c->favourite;
    if (by_favourite && in_force(&r->keys[c->favourite], now_s))
        return true;
    for (int wanted = 1; wanted >= 0; wanted--)
        for (size_t i = 0; i < r->count; i++) {
            if (i == c->favourite || in_force(&r->keys[i], now_s) != wanted)
                continue;
            signature_start(&c->message, &r->keys[i].key, time_text(c));
            hmac_add(&c->message, body);
            if (matches(c)) {
                *which = i;
                return true;
            }
        }
    return by_favourite;
}

enum signature_verdict signature_check_finish(struct signature_check *c, bytes body, int64_t now_s,
                                              int64_t tolerance_s, size_t *which) {
    ensure(tolerance_s >= 0);
    struct signature_ring *r = c->ring;
    enum signature_verdict verdict = SIGNATURE_NO_MATCH;
    if (find_match(c, body, now_s, which))
        verdict = signature_age(c->time, now_s, tolerance_s);
    if (verdict == SIGNATURE_HOLDS && !in_force(&r->keys[*which], now_s))
        verdict = SIGNATURE_RETIRED;
    if (verdict == SIGNATURE_HOLDS)
        r->favourite = *which;
    signature_check_close(c);
    return verdict;
}

void signature_check_close(struct signature_check *c) { free(c); }

void signature_sign(const struct hmac_key *key, int64_t time_s, bytes body, struct text *out) {
    char made[SIGNATURE_SIZE];
    ensure(time_s >= 0);
    text_add(out, bytes_from(made, signature_write(key, time_s, body, made)));
}

void signature_sign_also(const struct hmac_key *key, int64_t time_s, bytes body, struct text *out) {
    char made[SIGNATURE_SIZE];
    ensure(time_s >= 0);
    bytes all = bytes_from(made, signature_write(key, time_s, body, made));
    text_add(out, bytes_slice(all, bytes_find(all, ','), all.n));
}

const char *signature_verdict_text(enum signature_verdict v) {
    switch (v) {
    case SIGNATURE_HOLDS: return "the signature holds";
    case SIGNATURE_MISSING: return "no Stripe-Signature header";
    case SIGNATURE_MALFORMED:
        return "the Stripe-Signature header is malformed: expected t=<seconds>,v1=<64 hex digits>";
    case SIGNATURE_NO_MATCH: return "no v1 item matches a secret of this source";
    case SIGNATURE_TOO_OLD: return "the timestamp is older than the tolerance";
    case SIGNATURE_IN_FUTURE: return "the timestamp lies further in the future than the tolerance";
    case SIGNATURE_RETIRED: return "the secret that it matches is not in force";
    }
    unreachable_code();
}
