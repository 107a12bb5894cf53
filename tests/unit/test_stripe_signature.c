// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "stripe/signature.h"

#define HEX_OF_V1 "d95c6b7477fbd7e9f90b1b0ef5f9c7ac25abca5382460e0d988c2b2a5b71b990"
#define BODY_OF_V1 "{\"id\":\"evt_test_webhook\",\"object\":\"event\"}"
#define V1 "v1=" HEX_OF_V1
#define KEYS_50 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"

struct vector {
    int64_t time;
    const char *secret;
    const char *body; // null: made by the test
    const char *hex;
};

static const struct vector vectors[] = {
    {1700000000, "whsec_test_secret", BODY_OF_V1, HEX_OF_V1},
    {1700000001, "whsec_5f3c1d", "",
     "9f588adc2d093c70eb401db0a686c97a052bd54bccd2b8789b0440a29ae16774"},
    {1893456000, "whsec_9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d",
     "{\n  \"id\": \"evt_1\",\n  \"object\": \"event\",\n  \"data\": {\n    \"object\": {\n"
     "      \"name\": \"Zo\xc3\xab \xe2\x98\x83 \xf0\x9f\x9a\x80\"\n    }\n  }\n}",
     "0a5bfb2bbfc8f9bbc4da7e79cf4452379f99867cb39ef0ded86b74fb4adefebe"},
    {1, "not-a-whsec", "{\"a\":1}\n",
     "ef147ef3585805e1d3b073694c369d5e9930af44d74b07e9e8af4f4c4ced2388"},
    {1700000000, "whsec_" KEYS_50 KEYS_50, NULL,
     "7c3bbbd61c611c5958f3a8dfa28365ebd51bbc6defe1f8f25d8b75080c8efa49"},
    {1700000000, "whsec_trailing_newline\n", "{\"id\":\"evt_2\"}",
     "3dbe95267a5644b29cbff5804e800f816a47cf9c72750ed310308f4a867f87f8"},
};
#define VECTORS (sizeof vectors / sizeof vectors[0])

static void body_of(const struct vector *v, struct text *out) {
    text_reset(out);
    if (v->body != NULL) {
        text_adds(out, v->body);
        return;
    }
    text_adds(out, "{\"pad\":\"");
    for (int i = 0; i < 5000; i++)
        text_addc(out, 'x');
    text_adds(out, "\"}");
}

static enum signature_verdict verify(struct signature_ring *r, bytes header, bytes body,
                                     int64_t now, int64_t tolerance, size_t *which) {
    struct signature s;
    enum signature_verdict v = signature_parse(header, &s);
    if (v != SIGNATURE_HOLDS)
        return v;
    struct signature_check *c = signature_check_open(r, &s);
    signature_check_add(c, body);
    return signature_check_finish(c, body, now, tolerance, which);
}

static enum signature_verdict verify_v1(const char *header, int64_t now, int64_t tolerance) {
    bytes secret = B("whsec_test_secret");
    struct signature_ring *r = signature_ring_open(&secret, 1);
    size_t which;
    enum signature_verdict v = verify(r, bytes_of(header), B(BODY_OF_V1), now, tolerance, &which);
    signature_ring_close(r);
    return v;
}

static void test_vectors(void **state) {
    struct text body = {0}, header = {0}, made = {0};
    for (size_t i = 0; i < VECTORS; i++) {
        const struct vector *v = &vectors[i];
        bytes secret = bytes_of(v->secret);
        body_of(v, &body);
        text_reset(&header);
        text_addf(&header, "t=%lld,v1=%s", (long long)v->time, v->hex);

        struct signature_ring *r = signature_ring_open(&secret, 1);
        size_t which = 9;
        assert_int_equal(SIGNATURE_HOLDS,
                         verify(r, text_bytes(&header), text_bytes(&body), v->time, 0, &which));
        assert_int_equal(0, which);
        text_addc(&body, ' ');
        assert_int_equal(SIGNATURE_NO_MATCH,
                         verify(r, text_bytes(&header), text_bytes(&body), v->time, 0, &which));
        signature_ring_close(r);

        body_of(v, &body);
        struct hmac_key key;
        hmac_key_init(&key, secret);
        for (int again = 0; again < 2; again++) {
            text_reset(&made);
            text_adds(&made, "Stripe-Signature: ");
            signature_sign(&key, v->time, text_bytes(&body), &made);
            assert_string_equal(text_str(&header), text_str(&made) + 18);
        }
    }
    text_drop(&body);
    text_drop(&header);
    text_drop(&made);
}

static void test_every_split(void **state) {
    bytes secret = B("whsec_test_secret"), body = B(BODY_OF_V1);
    struct signature_ring *r = signature_ring_open(&secret, 1);
    struct signature s;
    size_t which;
    assert_int_equal(SIGNATURE_HOLDS, signature_parse(B("t=1700000000," V1), &s));
    for (size_t i = 0; i <= body.n; i++)
        for (size_t j = i; j <= body.n; j++) {
            struct signature_check *c = signature_check_open(r, &s);
            signature_check_add(c, bytes_slice(body, 0, i));
            signature_check_add(c, bytes_slice(body, i, j));
            signature_check_add(c, bytes_slice(body, j, body.n));
            assert_int_equal(SIGNATURE_HOLDS,
                             signature_check_finish(c, body, 1700000000, 0, &which));
        }
    signature_ring_close(r);
}

static void test_checks_side_by_side(void **state) {
    bytes secret = B("whsec_test_secret"), body = B(BODY_OF_V1);
    struct signature_ring *r = signature_ring_open(&secret, 1);
    struct signature s;
    struct signature_check *checks[100];
    size_t which;
    assert_int_equal(SIGNATURE_HOLDS, signature_parse(B("t=1700000000," V1), &s));
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 100; i++)
            checks[i] = signature_check_open(r, &s);
        for (size_t at = 0; at < body.n; at++)
            for (size_t i = 0; i < 100; i++)
                signature_check_add(checks[i], bytes_slice(body, at, at + 1));
        signature_check_add(checks[50], B("!"));
        signature_check_close(checks[51]); // given up in the middle
        for (size_t i = 0; i < 100; i++)
            if (i != 51)
                assert_int_equal(i == 50 ? SIGNATURE_NO_MATCH : SIGNATURE_HOLDS,
                                 signature_check_finish(checks[i], body, 1700000000, 0, &which));
    }
    signature_check_close(NULL);
    signature_ring_close(r);
}

static void test_ring(void **state) {
    bytes secrets[SECRETS_MAX];
    for (size_t i = 0; i < SECRETS_MAX; i++)
        secrets[i] = i % 2 == 0 ? B("whsec_another_secret") : B("whsec_yet_another_one");
    for (size_t at = 0; at < SECRETS_MAX; at++) {
        bytes kept = secrets[at];
        secrets[at] = B("whsec_test_secret");
        struct signature_ring *r = signature_ring_open(secrets, SECRETS_MAX);
        size_t which = 99;
        bytes header = B("t=1700000000,v1="
                         "0000000000000000000000000000000000000000000000000000000000000000," V1);
        assert_int_equal(SIGNATURE_HOLDS,
                         verify(r, header, B(BODY_OF_V1), 1700000000, 300, &which));
        assert_int_equal(at, which);
        signature_ring_close(r);
        secrets[at] = kept;
    }
    struct signature_ring *r = signature_ring_open(secrets, SECRETS_MAX);
    size_t which;
    assert_int_equal(SIGNATURE_NO_MATCH,
                     verify(r, B("t=1700000000," V1), B(BODY_OF_V1), 1700000000, 300, &which));
    signature_ring_close(r);
    signature_ring_close(NULL);
}

// The one that matched last is tried first; whichever signs, it is found.
static void test_secrets_in_turn(void **state) {
    const bytes secrets[] = {B("whsec_of_the_platform"), B("whsec_test_secret"), B("whsec_third")};
    struct signature_ring *r = signature_ring_open(secrets, 3);
    struct hmac_key keys[3];
    for (size_t i = 0; i < 3; i++)
        hmac_key_init(&keys[i], secrets[i]);
    for (size_t round = 0; round < 30; round++) {
        size_t signer = (round * round + round / 3) % 3, which = 9;
        OWN(text_drop)
        struct text header = {0};
        signature_sign(&keys[signer], 1700000000, B(BODY_OF_V1), &header);
        assert_int_equal(SIGNATURE_HOLDS,
                         verify(r, text_bytes(&header), B(BODY_OF_V1), 1700000000, 300, &which));
        assert_int_equal(signer, which);
        assert_int_equal(SIGNATURE_NO_MATCH,
                         verify(r, text_bytes(&header), B("{}"), 1700000000, 300, &which));
    }
    signature_ring_close(r);
}

static void test_in_force(void **state) {
    const bytes secrets[] = {B("whsec_of_old"), B("whsec_test_secret"), B("whsec_to_come")};
    const char *h = "t=1700000000," V1;
    struct signature_ring *r = signature_ring_open(secrets, 3);
    size_t which = 9;
    for (int favourite = 0; favourite < 2; favourite++) { // at first it is not
        static const struct {
            int64_t from, until;
            enum signature_verdict verdict;
        } rows[] = {
            {0, 1700000000, SIGNATURE_RETIRED}, {0, 1700000001, SIGNATURE_HOLDS},
            {1700000000, 0, SIGNATURE_HOLDS},   {1700000001, 0, SIGNATURE_RETIRED},
            {1, 2, SIGNATURE_RETIRED},          {0, 0, SIGNATURE_HOLDS},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            signature_ring_limit(r, 1, rows[i].from, rows[i].until);
            assert_int_equal(rows[i].verdict,
                             verify(r, bytes_of(h), B(BODY_OF_V1), 1700000000, 300, &which));
            assert_int_equal(1, which);
        }
    }
    // What is old is that first; and a wrong signature is no retired secret's.
    signature_ring_limit(r, 1, 0, 1);
    assert_int_equal(SIGNATURE_TOO_OLD,
                     verify(r, bytes_of(h), B(BODY_OF_V1), 1700000301, 300, &which));
    assert_int_equal(SIGNATURE_NO_MATCH, verify(r, bytes_of(h), B("{}"), 1700000000, 300, &which));
    // Two secrets in one header, as while one is rolled: the one in force decides.
    OWN(text_drop)
    struct text both = {0};
    struct hmac_key third, second;
    hmac_key_init(&third, secrets[2]);
    hmac_key_init(&second, secrets[1]);
    signature_sign(&second, 1700000000, B(BODY_OF_V1), &both);
    signature_sign_also(&third, 1700000000, B(BODY_OF_V1), &both);
    assert_int_equal(SIGNATURE_HOLDS,
                     verify(r, text_bytes(&both), B(BODY_OF_V1), 1700000000, 0, &which));
    assert_int_equal(2, which);
    signature_ring_close(r);
}

static void test_tolerance(void **state) {
    const char *h = "t=1700000000," V1;
    assert_int_equal(SIGNATURE_HOLDS, verify_v1(h, 1700000300, 300));
    assert_int_equal(SIGNATURE_TOO_OLD, verify_v1(h, 1700000301, 300));
    assert_int_equal(SIGNATURE_HOLDS, verify_v1(h, 1699999700, 300));
    assert_int_equal(SIGNATURE_IN_FUTURE, verify_v1(h, 1699999699, 300));
    assert_int_equal(SIGNATURE_HOLDS, verify_v1(h, 1700000000, 0));
    assert_int_equal(SIGNATURE_TOO_OLD, verify_v1(h, 1700000001, 0));
    assert_int_equal(SIGNATURE_IN_FUTURE, verify_v1(h, 1699999999, 0));
    assert_int_equal(SIGNATURE_TOO_OLD, verify_v1(h, INT64_MAX, 300));
    assert_int_equal(SIGNATURE_IN_FUTURE, verify_v1(h, INT64_MIN, 300));
    assert_int_equal(SIGNATURE_HOLDS, verify_v1(h, 0, INT64_MAX));
    // A wrong signature is told before the age.
    assert_int_equal(SIGNATURE_NO_MATCH, verify_v1("t=1700000001," V1, 0, 300));
}

static enum signature_verdict parse(const char *header) {
    struct signature s;
    return signature_parse(bytes_of(header), &s);
}

static void test_well_formed(void **state) {
    static const char *const good[] = {
        "t=1," V1,
        "t=0," V1,
        V1 ",t=1700000000",
        "t=1," V1 "," V1,
        "t=1," V1 ",v0=ffff",
        "t=1,v0=," V1,
        "t=1,v2==," V1,
        "t=1,v11=x," V1,
        "t=9223372036854775807," V1,
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(SIGNATURE_HOLDS, parse(good[i]));

    struct signature s;
    assert_int_equal(SIGNATURE_HOLDS, signature_parse(B("v0=aa," V1 ",t=17," V1), &s));
    assert_int_equal(17, s.time);
    assert_int_equal(2, s.candidate_count);
    assert_true(bytes_equal(s.time_text, B("17")));
    assert_int_equal(0xd9, s.candidates[1][0]);
    assert_int_equal(0x90, s.candidates[1][31]);
}

static void test_malformed(void **state) {
    static const char *const bad[] = {
        " ",
        ",",
        "t=1",
        V1,
        "t=1,v0=" HEX_OF_V1,
        "t=1,t=1," V1,
        "t=1," V1 ",t=2",
        "t=," V1,
        "t=01," V1,
        "t=00," V1,
        "t=+1," V1,
        "t=-1," V1,
        "t=1abc," V1,
        "t=1.0," V1,
        "t=0x10," V1,
        "t=9223372036854775808," V1,
        "t=99999999999999999999999," V1,
        "t = 1," V1,
        "t=1, " V1,
        " t=1," V1,
        "t=1," V1 " ",
        "t=1,\t" V1,
        "t=1,v0=a b," V1,
        "t=1,," V1,
        ",t=1," V1,
        "t=1," V1 ",",
        "t=1,foo," V1,
        "t=1,=x," V1,
        "t=1,v1," V1,
        "t=1,v1=",
        "t=1,v1=," V1,
        "t=1," V1 "0",
        "t=1,v1=d95c6b7477fbd7e9f90b1b0ef5f9c7ac25abca5382460e0d988c2b2a5b71b99",
        "t=1,v1=d95c6b7477fbd7e9f90b1b0ef5f9c7ac25abca5382460e0d988c2b2a5b71b99g",
        "t=1,v1=D95C6B7477FBD7E9F90B1B0EF5F9C7AC25ABCA5382460E0D988C2B2A5B71B990",
        "t=1," V1 ",v1=D95C6B7477FBD7E9F90B1B0EF5F9C7AC25ABCA5382460E0D988C2B2A5B71B990",
        "t=1;" V1,
        "T=1," V1,
        "t=1,V1=" HEX_OF_V1,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse(bad[i]) != SIGNATURE_MALFORMED)
            fail_msg("not malformed: %s", bad[i]);
    struct signature s;
    assert_int_equal(SIGNATURE_MISSING, signature_parse(NO_BYTES, &s));
    assert_int_equal(SIGNATURE_MISSING, signature_parse(B(""), &s));
    assert_int_equal(SIGNATURE_MALFORMED, signature_parse(B("t=1\0," V1), &s));
    assert_int_equal(SIGNATURE_MALFORMED, signature_parse(B("t=1," V1 ",v0=\0"), &s));
}

static void test_what_a_malformed_header_lacks(void **state) {
    static const struct {
        const char *header;
        enum signature_lack lack;
    } rows[] = {
        {"garbage", SIGNATURE_NO_TIME},
        {" t=1," V1, SIGNATURE_NO_TIME},
        {V1, SIGNATURE_NO_TIME},
        {"t," V1, SIGNATURE_NO_TIME},
        {"t=1", SIGNATURE_NO_V1},
        {"t=1,v0=" HEX_OF_V1, SIGNATURE_NO_V1},
        {"t=1, " V1, SIGNATURE_NO_V1},
        {"t=1,v1", SIGNATURE_NO_V1},
        {"t=1,v1=", SIGNATURE_BAD_ITEM},
        {"t=abc," V1, SIGNATURE_BAD_ITEM},
        {"t=1,t=1," V1, SIGNATURE_BAD_ITEM},
        {"t=1," V1 ",", SIGNATURE_BAD_ITEM},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(SIGNATURE_MALFORMED, parse(rows[i].header));
        assert_int_equal(rows[i].lack, signature_lack(bytes_of(rows[i].header)));
    }
}

static void test_floods(void **state) {
    struct text header = {0};
    struct signature s;
    text_adds(&header, "t=1");
    for (int i = 0; i < SIGNATURE_CANDIDATES_MAX; i++)
        text_adds(&header, "," V1);
    assert_int_equal(SIGNATURE_HOLDS, signature_parse(text_bytes(&header), &s));
    assert_int_equal(SIGNATURE_CANDIDATES_MAX, s.candidate_count);
    text_adds(&header, "," V1);
    assert_int_equal(SIGNATURE_MALFORMED, signature_parse(text_bytes(&header), &s));
    for (int i = 0; i < 5000; i++)
        text_adds(&header, "," V1);
    assert_int_equal(SIGNATURE_MALFORMED, signature_parse(text_bytes(&header), &s));

    text_reset(&header);
    text_adds(&header, "t=1," V1 ",v0=");
    while (header.n < SIGNATURE_HEADER_MAX)
        text_addc(&header, 'f');
    assert_int_equal(SIGNATURE_HOLDS, signature_parse(text_bytes(&header), &s));
    text_addc(&header, 'f');
    assert_int_equal(SIGNATURE_MALFORMED, signature_parse(text_bytes(&header), &s));
    text_drop(&header);
}

static void test_time_is_used_as_written(void **state) {
    struct signature s;
    bytes header = B("t=1700000000," V1);
    assert_int_equal(SIGNATURE_HOLDS, signature_parse(header, &s));
    assert_ptr_equal(header.p + 2, s.time_text.p);
    for (int v = SIGNATURE_HOLDS; v <= SIGNATURE_IN_FUTURE; v++)
        assert_non_null(signature_verdict_text(v));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),   cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_ring),      cmocka_unit_test(test_secrets_in_turn),
        cmocka_unit_test(test_in_force),  cmocka_unit_test(test_checks_side_by_side),
        cmocka_unit_test(test_tolerance), cmocka_unit_test(test_well_formed),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_what_a_malformed_header_lacks),
        cmocka_unit_test(test_floods),    cmocka_unit_test(test_time_is_used_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
