// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "rules/record.h"

static const struct receipt_record receipt = {
    .source = {(const uint8_t *)"/webhook", 8},
    .owner = {(const uint8_t *)"main", 4},
    .secret_label = {(const uint8_t *)"connect", 7},
    .secret_scope = SCOPE_CONNECT,
    .livemode = MODE_TEST,
    .signed_at = 0x0102030405060708,
    .body = {(const uint8_t *)"{\0}", 3},
};

static const struct outcome_record outcome = {
    .delivery = 0xf1f2f3f4f5f6f7f8,
    .attempt = 0xa1a2a3a4,
    .outcome = OUTCOME_NOT_YET,
    .status = 425,
    .started_at = -2,
    .micros = 77,
    .retry_after_ms = 5000,
    .error = {(const uint8_t *)"too early", 9},
    .answer = {(const uint8_t *)"\xff", 1},
};

// The formats are for ever: these bytes must decode in every version to come.
static const char receipt_hex[] = "01"
                                  "08000000"
                                  "2f776562686f6f6b"
                                  "04000000"
                                  "6d61696e"
                                  "07000000"
                                  "636f6e6e656374"
                                  "02"
                                  "02"
                                  "0807060504030201"
                                  "03000000"
                                  "7b007d";
static const char outcome_hex[] = "01"
                                  "f8f7f6f5f4f3f2f1"
                                  "a4a3a2a1"
                                  "02"
                                  "a9010000"
                                  "feffffffffffffff"
                                  "4d00000000000000"
                                  "8813000000000000"
                                  "09000000"
                                  "746f6f206561726c79"
                                  "01000000"
                                  "ff";

static void same_receipt(const struct receipt_record *a, const struct receipt_record *b) {
    assert_true(bytes_equal(a->source, b->source));
    assert_true(bytes_equal(a->owner, b->owner));
    assert_true(bytes_equal(a->secret_label, b->secret_label));
    assert_int_equal(a->secret_scope, b->secret_scope);
    assert_int_equal(a->livemode, b->livemode);
    assert_int_equal(a->signed_at, b->signed_at);
    assert_true(bytes_equal(a->body, b->body));
}

static void same_outcome(const struct outcome_record *a, const struct outcome_record *b) {
    assert_true(a->delivery == b->delivery);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->outcome, b->outcome);
    assert_int_equal(a->status, b->status);
    assert_true(a->started_at == b->started_at);
    assert_int_equal(a->micros, b->micros);
    assert_int_equal(a->retry_after_ms, b->retry_after_ms);
    assert_true(bytes_equal(a->error, b->error));
    assert_true(bytes_equal(a->answer, b->answer));
}

static void the_bytes_are_those_of_the_format(void **state) {
    OWN(text_drop)
    struct text t = {0};
    OWN(text_drop)
    struct text hex = {0};
    receipt_encode(&receipt, &t);
    text_add_hex(&hex, text_bytes(&t));
    assert_string_equal(text_str(&hex), receipt_hex);
    struct receipt_record r;
    assert_null(receipt_decode(text_bytes(&t), &r));
    same_receipt(&r, &receipt);
    assert_true(t.n <= RECEIPT_RECORD_EXTRA + r.source.n + r.owner.n + r.secret_label.n + r.body.n);

    text_reset(&t);
    text_reset(&hex);
    outcome_encode(&outcome, &t);
    text_add_hex(&hex, text_bytes(&t));
    assert_string_equal(text_str(&hex), outcome_hex);
    struct outcome_record o;
    assert_null(outcome_decode(text_bytes(&t), &o));
    same_outcome(&o, &outcome);
}

static void empty_fields_survive(void **state) {
    OWN(text_drop)
    struct text t = {0};
    struct receipt_record none = {0}, r;
    receipt_encode(&none, &t);
    assert_int_equal(t.n, 27);
    assert_null(receipt_decode(text_bytes(&t), &r));
    same_receipt(&r, &none);
    text_reset(&t);
    struct outcome_record first = {.attempt = 1}, o;
    outcome_encode(&first, &t);
    assert_null(outcome_decode(text_bytes(&t), &o));
    same_outcome(&o, &first);
}

static void an_outcome_never_outgrows_its_room(void **state) {
    OWN(text_drop)
    struct text t = {0};
    char huge[5000];
    // Characters of three bytes: neither limit is a multiple of three.
    for (size_t i = 0; i < sizeof(huge); i++)
        huge[i] = "\xe2\x82\xac"[i % 3];
    struct outcome_record big = outcome, o;
    big.error = big.answer = bytes_from(huge, sizeof(huge));
    big.micros = big.retry_after_ms = INT64_MIN;
    big.status = -7;
    outcome_encode(&big, &t);
    assert_true(t.n <= OUTCOME_RECORD_MAX);
    assert_null(outcome_decode(text_bytes(&t), &o));
    assert_int_equal(o.error.n, 510);
    assert_int_equal(o.answer.n, 2046);
    assert_true(bytes_utf8(o.error) && bytes_utf8(o.answer));
    assert_int_equal(o.micros, 0);
    assert_int_equal(o.retry_after_ms, 0);
    assert_int_equal(o.status, 0);
    memset(huge, 0x80, sizeof(huge));
    text_reset(&t);
    outcome_encode(&big, &t);
    assert_null(outcome_decode(text_bytes(&t), &o));
    assert_int_equal(o.error.n, OUTCOME_ERROR_MAX);
}

static result decode(bool is_receipt, bytes b) {
    struct receipt_record r;
    struct outcome_record o;
    return is_receipt ? receipt_decode(b, &r) : outcome_decode(b, &o);
}

static bool known_failure(result r) {
    return failed_as(r, FAIL_CORRUPT) || failed_as(r, FAIL_FORMAT);
}

static void encode(bool is_receipt, struct text *t) {
    text_reset(t);
    if (is_receipt)
        receipt_encode(&receipt, t);
    else
        outcome_encode(&outcome, t);
}

static void cut_short_or_too_long_is_corrupt(void **state) {
    OWN(text_drop)
    struct text t = {0};
    for (int kind = 0; kind < 2; kind++) {
        encode(kind, &t);
        for (size_t n = 0; n < t.n; n++) {
            // A block of exactly n bytes, so that a sanitizer sees a read behind its end.
            uint8_t *copy = malloc(n > 0 ? n : 1);
            memcpy(copy, t.p, n);
            assert_true(failed_as(decode(kind, bytes_from(copy, n)), FAIL_CORRUPT));
            free(copy);
        }
        text_addc(&t, 0);
        assert_true(failed_as(decode(kind, text_bytes(&t)), FAIL_CORRUPT));
        assert_true(failed_as(decode(kind, NO_BYTES), FAIL_CORRUPT));
    }
}

static void any_mutation_is_survived(void **state) {
    OWN(text_drop)
    struct text t = {0};
    uint64_t seed = 1;
    for (int round = 0; round < 40000; round++) {
        bool is_receipt = round % 2 == 0;
        encode(is_receipt, &t);
        size_t n = t.n - random_below(&seed, 4);
        uint8_t *copy = malloc(n);
        memcpy(copy, t.p, n);
        for (uint64_t k = random_below(&seed, 4); k > 0; k--)
            copy[random_below(&seed, n)] = (uint8_t)random_next(&seed);
        result r = decode(is_receipt, bytes_from(copy, n));
        assert_true(r == OK || known_failure(r));
        free(copy);
    }
    for (int round = 0; round < 40000; round++) {
        uint8_t any[96];
        size_t n = random_below(&seed, sizeof(any));
        for (size_t i = 0; i < n; i++)
            any[i] = random_below(&seed, 2) ? 0 : (uint8_t)random_next(&seed);
        result r = decode(round % 2, bytes_from(any, n));
        assert_true(r == OK || known_failure(r));
    }
}

// One byte of an encoded record changed.
static const struct {
    bool is_receipt;
    size_t at;
    uint8_t value;
    enum fail_code code;
} changed[] = {
    {true, 0, 0, FAIL_CORRUPT},     // version
    {true, 0, 2, FAIL_FORMAT},      //
    {true, 0, 255, FAIL_FORMAT},    //
    {true, 4, 255, FAIL_CORRUPT},   // the length of the source: 4 GiB
    {true, 32, 3, FAIL_CORRUPT},    // scope
    {true, 33, 3, FAIL_CORRUPT},    // livemode
    {true, 42, 2, FAIL_CORRUPT},    // the body's length: one byte is left over
    {true, 42, 4, FAIL_CORRUPT},    // one is missing
    {false, 0, 0, FAIL_CORRUPT},    // version
    {false, 0, 2, FAIL_FORMAT},     //
    {false, 13, 3, FAIL_CORRUPT},   // outcome
    {false, 17, 128, FAIL_CORRUPT}, // a negative status
    {false, 33, 255, FAIL_CORRUPT}, // a negative duration
    {false, 41, 255, FAIL_CORRUPT}, // a negative Retry-After
};

static void what_is_out_of_range_is_refused(void **state) {
    OWN(text_drop)
    struct text t = {0};
    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
        encode(changed[i].is_receipt, &t);
        assert_null(decode(changed[i].is_receipt, text_bytes(&t)));
        t.p[changed[i].at] = (char)changed[i].value;
        if (!failed_as(decode(changed[i].is_receipt, text_bytes(&t)), changed[i].code))
            fail_msg("case %zu was not refused as it should", i);
    }
    encode(false, &t);
    memset(t.p + 9, 0, 4);
    assert_true(failed_as(decode(false, text_bytes(&t)), FAIL_CORRUPT)); // attempt 0
}

static void texts_over_their_limit_are_corrupt(void **state) {
    OWN(text_drop)
    struct text t = {0};
    char error[OUTCOME_ERROR_MAX] = {0};
    struct outcome_record o = {.attempt = 1, .error = bytes_from(error, sizeof(error))};
    outcome_encode(&o, &t);
    assert_null(outcome_decode(text_bytes(&t), &o));
    OWN(text_drop)
    struct text longer = {0};
    text_add(&longer, bytes_slice(text_bytes(&t), 0, 42));
    text_add(&longer, bytes_from("\x01\x02\x00\x00x", 5));
    text_add(&longer, bytes_slice(text_bytes(&t), 46, t.n));
    assert_true(failed_as(outcome_decode(text_bytes(&longer), &o), FAIL_CORRUPT));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_those_of_the_format),
        cmocka_unit_test(empty_fields_survive),
        cmocka_unit_test(an_outcome_never_outgrows_its_room),
        cmocka_unit_test(cut_short_or_too_long_is_corrupt),
        cmocka_unit_test(any_mutation_is_survived),
        cmocka_unit_test(what_is_out_of_range_is_refused),
        cmocka_unit_test(texts_over_their_limit_are_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
