// SPDX-License-Identifier: MIT
// What an embedder can do with hookkeep/signature.h alone; each status, with what Stripe's Node SDK
// says to the same.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hookkeep/signature.h"

#define HEX_OF_V1 "d95c6b7477fbd7e9f90b1b0ef5f9c7ac25abca5382460e0d988c2b2a5b71b990"
#define V1 "v1=" HEX_OF_V1
#define KEYS_50 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"

static const char body[] = "{\"id\":\"evt_test_webhook\",\"object\":\"event\"}";
static const hk_secret secrets[] = {{"whsec_old_secret", 16}, {"whsec_test_secret", 17}};

static hk_receipt receipt_of(const char *header) {
    hk_receipt r = HK_RECEIPT_INIT;
    r.body = body;
    r.body_size = strlen(body);
    r.header = header;
    r.header_size = header == NULL ? 0 : strlen(header);
    r.secrets = secrets;
    r.secret_count = 2;
    r.now = 1700000000;
    return r;
}

// Made by Stripe's own generateTestHeaderString.
static void test_vectors(void **state) {
    static char padded[5011];
    const struct {
        time_t at;
        const char *secret, *body, *hex;
    } rows[] = {
        {1700000000, "whsec_test_secret", body, HEX_OF_V1},
        {1700000001, "whsec_5f3c1d", "",
         "9f588adc2d093c70eb401db0a686c97a052bd54bccd2b8789b0440a29ae16774"},
        {1893456000, "whsec_9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d",
         "{\n  \"id\": \"evt_1\",\n  \"object\": \"event\",\n  \"data\": {\n    \"object\": {\n"
         "      \"name\": \"Zo\xc3\xab \xe2\x98\x83 \xf0\x9f\x9a\x80\"\n    }\n  }\n}",
         "0a5bfb2bbfc8f9bbc4da7e79cf4452379f99867cb39ef0ded86b74fb4adefebe"},
        {1, "not-a-whsec", "{\"a\":1}\n",
         "ef147ef3585805e1d3b073694c369d5e9930af44d74b07e9e8af4f4c4ced2388"},
        {1700000000, "whsec_" KEYS_50 KEYS_50, padded,
         "7c3bbbd61c611c5958f3a8dfa28365ebd51bbc6defe1f8f25d8b75080c8efa49"},
        {1700000000, "whsec_trailing_newline\n", "{\"id\":\"evt_2\"}",
         "3dbe95267a5644b29cbff5804e800f816a47cf9c72750ed310308f4a867f87f8"},
    };
    memset(padded, 'x', sizeof padded - 1);
    memcpy(padded, "{\"pad\":\"", 8);
    memcpy(padded + 5008, "\"}", 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char header[HK_SIGNATURE_SIZE];
        const hk_secret secret = {rows[i].secret, strlen(rows[i].secret)};
        size_t n = strlen(rows[i].body), which = 9;
        size_t signed_n = hk_sign(secret, rows[i].at, rows[i].body, n, header, sizeof header);
        assert_int_equal(strlen(header), signed_n);
        assert_string_equal(rows[i].hex, strstr(header, ",v1=") + 4);
        hk_receipt r = receipt_of(header);
        r.secrets = &secret;
        r.secret_count = 1;
        r.body = rows[i].body;
        r.body_size = n;
        r.now = rows[i].at;
        r.tolerance = 0;
        assert_int_equal(HK_OK, hk_verify(&r, &which));
        assert_int_equal(0, which);
        r.body = "something else";
        r.body_size = 14;
        assert_int_equal(i == 5 ? HK_NO_MATCH_SPACE : HK_NO_MATCH, hk_verify(&r, NULL));
    }
}

static void test_each_refusal(void **state) {
    static const struct {
        const char *header;
        hk_status status;
    } rows[] = {
        {"t=1700000000," V1, HK_OK},
        {"t=1700000000,v1=" KEYS_50 "," V1, HK_MALFORMED},
        // "No stripe-signature header value was provided."
        {NULL, HK_NO_HEADER},
        {"", HK_NO_HEADER},
        // "Unable to extract timestamp and signatures from header"
        {"garbage", HK_NO_TIMESTAMP},
        {" t=1700000000," V1, HK_NO_TIMESTAMP},
        {V1, HK_NO_TIMESTAMP},
        // "No signatures found with expected scheme"
        {"t=1700000000", HK_NO_SIGNATURES},
        {"t=1700000000,v0=" HEX_OF_V1, HK_NO_SIGNATURES},
        {"t=1700000000, " V1, HK_NO_SIGNATURES},
        // "No signatures found matching the expected signature for payload. …"
        {"t=1700000001," V1, HK_NO_MATCH},
        // "secureCompare must receive two arguments"; and what we alone refuse
        {"t=1700000000,v1=", HK_MALFORMED},
        {"t=1700000000abc," V1, HK_MALFORMED},
        {"t=1700000000,t=1700000000," V1, HK_MALFORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hk_receipt r = receipt_of(rows[i].header);
        size_t which = 9;
        assert_int_equal(rows[i].status, hk_verify(&r, &which));
        assert_int_equal(rows[i].status == HK_OK ? 1 : 9, which);
        assert_int_equal(rows[i].status, hk_verify(&r, NULL));
    }
}

// "Timestamp outside the tolerance zone", for us in both directions.
static void test_age(void **state) {
    static const struct {
        time_t now;
        long tolerance;
        hk_status status;
    } rows[] = {
        {1700000300, HK_TOLERANCE, HK_OK},
        {1700000301, HK_TOLERANCE, HK_TOO_OLD},
        {1699999700, HK_TOLERANCE, HK_OK},
        {1699999699, HK_TOLERANCE, HK_IN_FUTURE},
        {1700000000, 0, HK_OK},
        {1700000001, 0, HK_TOO_OLD},
        {1699999999, 0, HK_IN_FUTURE},
        {1800000000, HK_ANY_AGE, HK_OK},
        {0, HK_ANY_AGE, HK_OK},
        {0, -300, HK_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hk_receipt r = receipt_of("t=1700000000," V1);
        size_t which = 9;
        r.now = rows[i].now;
        r.tolerance = rows[i].tolerance;
        assert_int_equal(rows[i].status, hk_verify(&r, &which));
        assert_int_equal(1, which);
    }
}

// "No webhook secret value was provided. …", and the note about white space.
static void test_secrets(void **state) {
    hk_receipt r = receipt_of("t=1700000000," V1);
    static const hk_secret blank[] = {{"whsec_test_secret", 17}, {" \t\r\n", 4}};
    static const hk_secret empty[] = {{"whsec_test_secret", 17}, {NULL, 0}};
    static const hk_secret spaced[] = {{"whsec_test_secret\n", 18}, {"whsec_another", 13}};
    r.secret_count = 0;
    assert_int_equal(HK_NO_SECRET, hk_verify(&r, NULL));
    r.secrets = NULL;
    assert_int_equal(HK_NO_SECRET, hk_verify(&r, NULL));
    r.secret_count = 2;
    r.secrets = blank;
    assert_int_equal(HK_NO_SECRET, hk_verify(&r, NULL));
    r.secrets = empty;
    assert_int_equal(HK_NO_SECRET, hk_verify(&r, NULL));
    r.secrets = spaced;
    assert_int_equal(HK_NO_MATCH_SPACE, hk_verify(&r, NULL));

    hk_secret many[HK_SECRETS_MAX + 1];
    for (size_t i = 0; i <= HK_SECRETS_MAX; i++)
        many[i] = secrets[0];
    many[HK_SECRETS_MAX - 1] = secrets[1];
    r.secrets = many;
    r.secret_count = HK_SECRETS_MAX;
    size_t which = 0;
    assert_int_equal(HK_OK, hk_verify(&r, &which));
    assert_int_equal(HK_SECRETS_MAX - 1, which);
    r.secret_count++;
    assert_int_equal(HK_USAGE, hk_verify(&r, NULL));
}

// A program that knows more of the struct, or less, than the library.
static void test_versions_of_the_receipt(void **state) {
    struct {
        hk_receipt known;
        void *more;
    } later = {receipt_of("t=1700000000," V1), NULL};
    later.known.size = sizeof later;
    assert_int_equal(HK_OK, hk_verify(&later.known, NULL));
    later.more = &later;
    assert_int_equal(HK_USAGE, hk_verify(&later.known, NULL));
    later.known.size = sizeof later.known - 1;
    assert_int_equal(HK_USAGE, hk_verify(&later.known, NULL));
    later.known.size = 0;
    assert_int_equal(HK_USAGE, hk_verify(&later.known, NULL));
    assert_int_equal(HK_USAGE, hk_verify(NULL, NULL));
}

static void test_null_with_a_size(void **state) {
    hk_receipt r = receipt_of("t=1700000000," V1);
    r.body = NULL;
    assert_int_equal(HK_USAGE, hk_verify(&r, NULL));
    r = receipt_of("t=1700000000," V1);
    r.secrets = NULL;
    assert_int_equal(HK_USAGE, hk_verify(&r, NULL));
    r = receipt_of("t=1700000000," V1);
    r.secrets = (const hk_secret[]){{NULL, 4}, {NULL, 4}};
    assert_int_equal(HK_USAGE, hk_verify(&r, NULL));
}

static void test_sign(void **state) {
    const char header[] = "t=1700000000," V1;
    char out[HK_SIGNATURE_SIZE];
    size_t n = hk_sign(secrets[1], 1700000000, body, strlen(body), out, sizeof out);
    assert_int_equal(strlen(header), n);
    assert_string_equal(header, out);
    assert_int_equal(n, hk_sign(secrets[1], 1700000000, body, strlen(body), out, n + 1));

    memset(out, '#', sizeof out);
    assert_int_equal(0, hk_sign(secrets[1], 1700000000, body, strlen(body), out, n));
    assert_int_equal(0, hk_sign(secrets[1], -1, body, strlen(body), out, sizeof out));
    assert_int_equal(0, hk_sign((hk_secret){"", 0}, 1, body, 2, out, sizeof out));
    assert_int_equal(0, hk_sign((hk_secret){" \n", 2}, 1, body, 2, out, sizeof out));
    assert_int_equal(0, hk_sign((hk_secret){NULL, 2}, 1, body, 2, out, sizeof out));
    assert_int_equal(0, hk_sign(secrets[1], 1, NULL, 2, out, sizeof out));
    assert_int_equal(0, hk_sign(secrets[1], 1, body, 2, NULL, sizeof out));
    assert_int_equal('#', out[0]);
    assert_true(hk_sign(secrets[1], INT64_MAX, NULL, 0, out, sizeof out) > 0);
    assert_true(strlen(out) < HK_SIGNATURE_SIZE);
}

static void test_texts(void **state) {
    for (int s = HK_OK; s <= HK_SNAPSHOT_EVENT; s++) {
        const char *text = hk_status_text((hk_status)s);
        assert_true(strlen(text) > 10 && strcmp(text, "no such status") != 0);
        for (int other = HK_OK; other < s; other++)
            assert_string_not_equal(text, hk_status_text((hk_status)other));
    }
    assert_string_equal("no such status", hk_status_text((hk_status)99));
    assert_string_equal("no such status", hk_status_text((hk_status)-1));
    assert_string_equal(HOOKKEEP_VERSION, hk_version());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_each_refusal),
        cmocka_unit_test(test_age),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_versions_of_the_receipt),
        cmocka_unit_test(test_null_with_a_size),
        cmocka_unit_test(test_sign),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
