// SPDX-License-Identifier: MIT
#include "stripe/signature.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/text.h"

#define SPARE_MAX 64 // checks kept for the next request

struct signature_check {
    struct signature_ring *ring;
    struct signature_check *next; // among the spare ones
    int64_t time;
    size_t candidate_count;
    uint8_t candidates[SIGNATURE_CANDIDATES_MAX][SHA256_SIZE];
    struct hmac *keys[];
};

struct signature_ring {
    struct signature_check *spare;
    size_t spare_count;
    size_t count;
    struct hmac *keys[];
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
        r->keys[i] = hmac_open(secrets[i]);
    return r;
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
        hmac_close(r->keys[i]);
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
    for (size_t i = 0; i < r->count; i++)
        c->keys[i] = hmac_copy(r->keys[i]);
    return c;
}

struct signature_check *signature_check_open(struct signature_ring *r, const struct signature *s) {
    struct signature_check *c = take_check(r);
    c->time = s->time;
    c->candidate_count = s->candidate_count;
    for (size_t i = 0; i < s->candidate_count; i++)
        for (size_t j = 0; j < SHA256_SIZE; j++)
            c->candidates[i][j] = s->candidates[i][j];
    for (size_t i = 0; i < r->count; i++) {
        hmac_start(c->keys[i]);
        hmac_add(c->keys[i], s->time_text);
        hmac_add(c->keys[i], B("."));
    }
    return c;
}

void signature_check_add(struct signature_check *c, bytes piece) {
    for (size_t i = 0; i < c->ring->count; i++)
        hmac_add(c->keys[i], piece);
}

// Every secret is compared with every candidate, whichever matches.
static bool find_match(struct signature_check *c, size_t *which) {
    bool found = false;
    for (size_t i = 0; i < c->ring->count; i++) {
        uint8_t mac[SHA256_SIZE];
        hmac_finish(c->keys[i], mac);
        for (size_t j = 0; j < c->candidate_count; j++) {
            bool same = bytes_equal_secret(bytes_from(mac, sizeof mac),
                                           bytes_from(c->candidates[j], SHA256_SIZE));
            if (same && !found) {
                found = true;
                *which = i;
            }
        }
    }
    return found;
}

static enum signature_verdict judge_age(int64_t time, int64_t now, int64_t tolerance) {
    int64_t age;
    if (__builtin_sub_overflow(now, time, &age))
        return now > time ? SIGNATURE_TOO_OLD : SIGNATURE_IN_FUTURE;
    if (age > tolerance)
        return SIGNATURE_TOO_OLD;
    return age < -tolerance ? SIGNATURE_IN_FUTURE : SIGNATURE_HOLDS;
}

enum signature_verdict signature_check_finish(struct signature_check *c, int64_t now_s,
                                              int64_t tolerance_s, size_t *which) {
    ensure(tolerance_s >= 0);
    enum signature_verdict verdict = SIGNATURE_NO_MATCH;
    if (find_match(c, which))
        verdict = judge_age(c->time, now_s, tolerance_s);
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

void signature_sign(struct hmac *key, int64_t time_s, bytes body, struct text *out) {
    ensure(time_s >= 0);
    text_adds(out, "t=");
    size_t from = out->n;
    text_add_i64(out, time_s);
    hmac_start(key);
    hmac_add(key, bytes_slice(text_bytes(out), from, out->n));
    hmac_add(key, B("."));
    hmac_add(key, body);
    uint8_t mac[SHA256_SIZE];
    hmac_finish(key, mac);
    text_adds(out, ",v1=");
    text_add_hex(out, bytes_from(mac, sizeof mac));
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
    }
    unreachable_code();
}
