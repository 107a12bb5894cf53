// SPDX-License-Identifier: MIT
#include "stripe/signature.h"

#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/text.h"

#define SPARE_MAX 64 // checks kept for the next request

#define TIME_TEXT_MAX 20 // digits of an int64

struct signature_check {
    struct signature_ring *ring;
    struct signature_check *next; // among the spare ones
    int64_t time;
    uint8_t time_text[TIME_TEXT_MAX];
    size_t time_size;
    size_t candidate_count;
    uint8_t candidates[SIGNATURE_CANDIDATES_MAX][SHA256_SIZE];
    size_t favourite;    // the ring's when it was opened
    struct hmac *keys[]; // null until the secret was a favourite
};

struct ring_key {
    struct hmac *hmac;
    int64_t not_before_s, not_after_s; // 0: no limit
};

struct signature_ring {
    struct signature_check *spare;
    size_t spare_count;
    size_t favourite; // matched last
    size_t count;
    struct ring_key keys[];
};

static bool has_space_or_control(bytes b) {
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] <= ' ' || b.p[i] == 0x7f)
            return true;
    return false;
}

static bool parse_time(bytes value, struct signature *out) {
    if (out->time_text.n > 0)
        return false;
    if (value.n == 0 || value.p[0] == '-' || (value.p[0] == '0' && value.n > 1))
        return false;
    out->time_text = value;
    return bytes_to_i64(value, &out->time) == OK;
}

static bool parse_candidate(bytes value, struct signature *out) {
    if (out->candidate_count == SIGNATURE_CANDIDATES_MAX)
        return false;
    uint8_t *to = out->candidates[out->candidate_count++];
    return bytes_from_hex(value, to, SHA256_SIZE) == OK;
}

static bool parse_item(bytes item, struct signature *out) {
    size_t at = bytes_find(item, '=');
    if (at == 0 || at == item.n)
        return false;
    bytes key = bytes_slice(item, 0, at), value = bytes_slice(item, at + 1, item.n);
    if (bytes_equal(key, B("t")))
        return parse_time(value, out);
    if (bytes_equal(key, B("v1")))
        return parse_candidate(value, out);
    return true;
}

enum signature_verdict signature_parse(bytes header, struct signature *out) {
    out->time = 0;
    out->time_text = NO_BYTES;
    out->candidate_count = 0;
    if (header.n == 0)
        return SIGNATURE_MISSING;
    if (header.n > SIGNATURE_HEADER_MAX || has_space_or_control(header))
        return SIGNATURE_MALFORMED;
    for (size_t at = 0; at <= header.n;) {
        bytes rest = bytes_slice(header, at, header.n);
        size_t end = bytes_find(rest, ',');
        if (!parse_item(bytes_slice(rest, 0, end), out))
            return SIGNATURE_MALFORMED;
        at += end + 1;
    }
    bool whole = out->time_text.n > 0 && out->candidate_count > 0;
    return whole ? SIGNATURE_HOLDS : SIGNATURE_MALFORMED;
}

struct signature_ring *signature_ring_open(const bytes *secrets, size_t count) {
    ensure(count > 0 && count <= SECRETS_MAX);
    struct signature_ring *r = memory_new(1, sizeof *r + count * sizeof r->keys[0]);
    r->count = count;
    for (size_t i = 0; i < count; i++)
        r->keys[i].hmac = hmac_open(secrets[i]);
    return r;
}

void signature_ring_limit(struct signature_ring *r, size_t secret, int64_t not_before_s,
                          int64_t not_after_s) {
    ensure(secret < r->count);
    r->keys[secret].not_before_s = not_before_s;
    r->keys[secret].not_after_s = not_after_s;
}

static void check_free(struct signature_check *c) {
    for (size_t i = 0; i < c->ring->count; i++)
        hmac_close(c->keys[i]);
    free(c);
}

void signature_ring_close(struct signature_ring *r) {
    if (r == NULL)
        return;
    while (r->spare != NULL) {
        struct signature_check *c = r->spare;
        r->spare = c->next;
        check_free(c);
    }
    for (size_t i = 0; i < r->count; i++)
        hmac_close(r->keys[i].hmac);
    free(r);
}

static struct signature_check *take_check(struct signature_ring *r) {
    struct signature_check *c = r->spare;
    if (c != NULL) {
        r->spare = c->next;
        r->spare_count--;
        return c;
    }
    c = memory_new(1, sizeof *c + r->count * sizeof c->keys[0]);
    c->ring = r;
    return c;
}

static bytes time_text(const struct signature_check *c) {
    return bytes_from(c->time_text, c->time_size);
}

// A message begins with its time and a dot.
static void start(struct hmac *key, bytes time) {
    hmac_start(key);
    hmac_add(key, time);
    hmac_add(key, B("."));
}

struct signature_check *signature_check_open(struct signature_ring *r, const struct signature *s) {
    struct signature_check *c = take_check(r);
    c->time = s->time;
    c->candidate_count = s->candidate_count;
    for (size_t i = 0; i < s->candidate_count; i++)
        for (size_t j = 0; j < SHA256_SIZE; j++)
            c->candidates[i][j] = s->candidates[i][j];
    ensure(s->time_text.n <= TIME_TEXT_MAX);
    memcpy(c->time_text, s->time_text.p, s->time_text.n);
    c->time_size = s->time_text.n;
    c->favourite = r->favourite;
    struct hmac **key = &c->keys[c->favourite];
    if (*key == NULL)
        *key = hmac_copy(r->keys[c->favourite].hmac);
    start(*key, time_text(c));
    return c;
}

void signature_check_add(struct signature_check *c, bytes piece) {
    hmac_add(c->keys[c->favourite], piece);
}

// Every candidate is compared, whichever matches.
static bool matches(const struct signature_check *c, struct hmac *key) {
    uint8_t mac[SHA256_SIZE];
    bool found = false;
    hmac_finish(key, mac);
    for (size_t j = 0; j < c->candidate_count; j++)
        found |= bytes_equal_secret(bytes_from(mac, sizeof mac),
                                    bytes_from(c->candidates[j], SHA256_SIZE));
    return found;
}

static bool in_force(const struct ring_key *k, int64_t now_s) {
    return now_s >= k->not_before_s && (k->not_after_s == 0 || now_s < k->not_after_s);
}

// Those in force before those that are not, so that a header with both is not refused.
static bool find_match(struct signature_check *c, bytes body, int64_t now_s, size_t *which) {
    struct signature_ring *r = c->ring;
    bool by_favourite = matches(c, c->keys[c->favourite]);
    if (by_favourite)
        *which = c->favourite;
    if (by_favourite && in_force(&r->keys[c->favourite], now_s))
        return true;
    for (int wanted = 1; wanted >= 0; wanted--)
        for (size_t i = 0; i < r->count; i++) {
            if (i == c->favourite || in_force(&r->keys[i], now_s) != wanted)
                continue;
            start(r->keys[i].hmac, time_text(c));
            hmac_add(r->keys[i].hmac, body);
            if (matches(c, r->keys[i].hmac)) {
                *which = i;
                return true;
            }
        }
    return by_favourite;
}

static enum signature_verdict judge_age(int64_t time, int64_t now, int64_t tolerance) {
    int64_t age;
    if (__builtin_sub_overflow(now, time, &age))
        return now > time ? SIGNATURE_TOO_OLD : SIGNATURE_IN_FUTURE;
    if (age > tolerance)
        return SIGNATURE_TOO_OLD;
    return age < -tolerance ? SIGNATURE_IN_FUTURE : SIGNATURE_HOLDS;
}

enum signature_verdict signature_check_finish(struct signature_check *c, bytes body, int64_t now_s,
                                              int64_t tolerance_s, size_t *which) {
    ensure(tolerance_s >= 0);
    struct signature_ring *r = c->ring;
    enum signature_verdict verdict = SIGNATURE_NO_MATCH;
    if (find_match(c, body, now_s, which))
        verdict = judge_age(c->time, now_s, tolerance_s);
    if (verdict == SIGNATURE_HOLDS && !in_force(&r->keys[*which], now_s))
        verdict = SIGNATURE_RETIRED;
    if (verdict == SIGNATURE_HOLDS)
        r->favourite = *which;
    signature_check_close(c);
    return verdict;
}

void signature_check_close(struct signature_check *c) {
    if (c == NULL)
        return;
    if (c->ring->spare_count == SPARE_MAX) {
        check_free(c);
        return;
    }
    c->next = c->ring->spare;
    c->ring->spare = c;
    c->ring->spare_count++;
}

void signature_sign_also(struct hmac *key, int64_t time_s, bytes body, struct text *out) {
    OWN(text_drop)
    struct text time = {0};
    ensure(time_s >= 0);
    text_add_i64(&time, time_s);
    start(key, text_bytes(&time));
    hmac_add(key, body);
    uint8_t mac[SHA256_SIZE];
    hmac_finish(key, mac);
    text_adds(out, ",v1=");
    text_add_hex(out, bytes_from(mac, sizeof mac));
}

void signature_sign(struct hmac *key, int64_t time_s, bytes body, struct text *out) {
    text_adds(out, "t=");
    text_add_i64(out, time_s);
    signature_sign_also(key, time_s, body, out);
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
