// SPDX-License-Identifier: MIT
#include "rules/record.h"

#include "base/ensure.h"

#define RECORD_VERSION 1

static void put(struct text *out, uint64_t v, size_t n) {
    uint8_t b[8];
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    text_add(out, bytes_from(b, n));
}

static void put_string(struct text *out, bytes b) {
    ensure(b.n <= UINT32_MAX);
    put(out, b.n, 4);
    text_add(out, b);
}

// What is left of a payload. After a value that was cut short, all that follows is zero and `cut`
// stays set.
struct rest {
    bytes b;
    bool cut;
};

static bytes get_bytes(struct rest *r, size_t n) {
    r->cut = r->cut || r->b.n < n;
    if (r->cut)
        return NO_BYTES;
    bytes got = bytes_slice(r->b, 0, n);
    r->b = bytes_slice(r->b, n, r->b.n);
    return got;
}

static uint64_t get(struct rest *r, size_t n) {
    bytes b = get_bytes(r, n);
    uint64_t v = 0;
    for (size_t i = 0; i < b.n; i++)
        v |= (uint64_t)b.p[i] << (8 * i);
    return v;
}

static bytes get_string(struct rest *r) {
    uint64_t n = get(r, 4);
    return get_bytes(r, (size_t)n);
}

static result get_version(struct rest *r) {
    uint64_t version = get(r, 1);
    NEED(version > 0, CORRUPT, "a record has no version");
    NEED(version <= RECORD_VERSION, FORMAT, "a record was written by a newer version");
    return OK;
}

static result need_end(const struct rest *r) {
    NEED(!r->cut, CORRUPT, "a record is cut short");
    NEED(r->b.n == 0, CORRUPT, "a record goes on behind its end");
    return OK;
}

void receipt_encode_head(const struct receipt_record *r, struct text *out) {
    ensure(r->body.n <= UINT32_MAX);
    put(out, RECORD_VERSION, 1);
    put_string(out, r->source);
    put_string(out, r->owner);
    put_string(out, r->secret_label);
    put(out, r->secret_scope, 1);
    put(out, r->livemode, 1);
    put(out, (uint64_t)r->signed_at, 8);
    put(out, r->body.n, 4);
}

void receipt_encode(const struct receipt_record *r, struct text *out) {
    receipt_encode_head(r, out);
    text_add(out, r->body);
}

result receipt_decode(bytes payload, struct receipt_record *out) {
    struct rest r = {.b = payload};
    TRY(get_version(&r));
    *out = (struct receipt_record){0};
    out->source = get_string(&r);
    out->owner = get_string(&r);
    out->secret_label = get_string(&r);
    uint64_t scope = get(&r, 1), mode = get(&r, 1);
    out->signed_at = (int64_t)get(&r, 8);
    out->body = get_string(&r);
    TRY(need_end(&r));
    NEED(scope <= SCOPE_CONNECT, CORRUPT, "a receipt's scope is none");
    NEED(mode <= MODE_TEST, CORRUPT, "a receipt's livemode is none");
    out->secret_scope = (enum scope)scope;
    out->livemode = (enum mode)mode;
    return OK;
}

// At most max bytes, cut before a character that does not fit.
static bytes clipped(bytes b, size_t max) {
    if (b.n <= max)
        return b;
    size_t n = max;
    while (n > 0 && max - n < 3 && (b.p[n] & 0xc0) == 0x80)
        n--;
    // No character is that long: the bytes are no UTF-8, any cut will do.
    return bytes_slice(b, 0, (b.p[n] & 0xc0) == 0x80 ? max : n);
}

static uint64_t never_negative(int64_t v) { return v > 0 ? (uint64_t)v : 0; }

void outcome_encode(const struct outcome_record *r, struct text *out) {
    ensure(r->attempt > 0);
    put(out, RECORD_VERSION, 1);
    put(out, r->delivery, 8);
    put(out, r->attempt, 4);
    put(out, r->outcome, 1);
    put(out, never_negative(r->status), 4);
    put(out, (uint64_t)r->started_at, 8);
    put(out, never_negative(r->micros), 8);
    put(out, never_negative(r->retry_after_ms), 8);
    put_string(out, clipped(r->error, OUTCOME_ERROR_MAX));
    put_string(out, clipped(r->answer, OUTCOME_ANSWER_MAX));
}

result outcome_decode(bytes payload, struct outcome_record *out) {
    struct rest r = {.b = payload};
    TRY(get_version(&r));
    *out = (struct outcome_record){0};
    out->delivery = get(&r, 8);
    out->attempt = (uint32_t)get(&r, 4);
    uint64_t outcome = get(&r, 1);
    out->status = (int32_t)(uint32_t)get(&r, 4);
    out->started_at = (int64_t)get(&r, 8);
    out->micros = (int64_t)get(&r, 8);
    out->retry_after_ms = (int64_t)get(&r, 8);
    out->error = get_string(&r);
    out->answer = get_string(&r);
    TRY(need_end(&r));
    NEED(outcome <= OUTCOME_NOT_YET, CORRUPT, "an attempt's outcome is none");
    NEED(out->attempt > 0, CORRUPT, "attempts are counted from 1");
    NEED(out->status >= 0 && out->micros >= 0 && out->retry_after_ms >= 0, CORRUPT,
         "an outcome has a negative number");
    NEED(out->error.n <= OUTCOME_ERROR_MAX && out->answer.n <= OUTCOME_ANSWER_MAX, CORRUPT,
         "an outcome's text is too long");
    out->outcome = (enum outcome)outcome;
    return OK;
}
