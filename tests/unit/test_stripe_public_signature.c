// SPDX-License-Identifier: MIT
// What an embedder can do with the public header alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hookkeep/signature.h"

static const char body[] = "{\"id\":\"evt_test_webhook\",\"object\":\"event\"}";
static const char signed_v1[] =
    "t=1700000000,v1=d95c6b7477fbd7e9f90b1b0ef5f9c7ac25abca5382460e0d988c2b2a5b71b990";
static const hookkeep_secret secrets[] = {{"whsec_old_secret", 16}, {"whsec_test_secret", 17}};

static hookkeep_verdict verify(hookkeep_verifier *v, const char *header, time_t now,
                               size_t *which) {
    return hookkeep_verify(v, header, header == NULL ? 0 : strlen(header), body, strlen(body), now,
                           HOOKKEEP_TOLERANCE, which);
}

static void test_verify(void **state) {
    hookkeep_verifier *v = hookkeep_verifier_open(secrets, 2);
    size_t which = 9;
    assert_non_null(v);
    assert_int_equal(HOOKKEEP_HOLDS, verify(v, signed_v1, 1700000300, &which));
    assert_int_equal(1, which);
    assert_int_equal(HOOKKEEP_HOLDS, verify(v, signed_v1, 1700000000, NULL));
    assert_int_equal(HOOKKEEP_TOO_OLD, verify(v, signed_v1, 1700000301, &which));
    assert_int_equal(HOOKKEEP_IN_FUTURE, verify(v, signed_v1, 1699999699, &which));
    assert_int_equal(HOOKKEEP_MISSING, verify(v, NULL, 1700000000, &which));
    assert_int_equal(HOOKKEEP_MALFORMED, verify(v, "t=1", 1700000000, &which));
    which = 9;
    assert_int_equal(HOOKKEEP_NO_MATCH, hookkeep_verify(v, signed_v1, strlen(signed_v1), body, 3,
                                                        1700000000, 300, &which));
    assert_int_equal(9, which);
    assert_int_equal(HOOKKEEP_HOLDS, hookkeep_verify(v, signed_v1, strlen(signed_v1), body,
                                                     strlen(body), 1700000000, -5, &which));
    assert_int_equal(HOOKKEEP_TOO_OLD, hookkeep_verify(v, signed_v1, strlen(signed_v1), body,
                                                       strlen(body), 1700000001, -5, &which));
    hookkeep_verifier_close(v);
    hookkeep_verifier_close(NULL);
}

static void test_open_refuses(void **state) {
    hookkeep_secret many[HOOKKEEP_SECRETS_MAX + 1];
    for (size_t i = 0; i < HOOKKEEP_SECRETS_MAX + 1; i++)
        many[i] = secrets[0];
    assert_null(hookkeep_verifier_open(many, 0));
    assert_null(hookkeep_verifier_open(many, HOOKKEEP_SECRETS_MAX + 1));
    many[3].size = 0;
    assert_null(hookkeep_verifier_open(many, 4));
}

static void test_sign(void **state) {
    char out[HOOKKEEP_SIGNATURE_SIZE];
    size_t n = hookkeep_sign(secrets[1], 1700000000, body, strlen(body), out, sizeof out);
    assert_int_equal(strlen(signed_v1), n);
    assert_string_equal(signed_v1, out);
    assert_int_equal(n, hookkeep_sign(secrets[1], 1700000000, body, strlen(body), out, n + 1));

    memset(out, '#', sizeof out);
    assert_int_equal(0, hookkeep_sign(secrets[1], 1700000000, body, strlen(body), out, n));
    assert_int_equal(0, hookkeep_sign(secrets[1], -1, body, strlen(body), out, sizeof out));
    assert_int_equal(0, hookkeep_sign((hookkeep_secret){"", 0}, 1, body, 2, out, sizeof out));
    assert_int_equal('#', out[0]);
    assert_true(hookkeep_sign(secrets[1], INT64_MAX, NULL, 0, out, sizeof out) > 0);
}

static void test_texts(void **state) {
    for (int v = HOOKKEEP_HOLDS; v <= HOOKKEEP_IN_FUTURE; v++)
        assert_true(strlen(hookkeep_verdict_text((hookkeep_verdict)v)) > 0);
    assert_non_null(hookkeep_verdict_text((hookkeep_verdict)99));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_open_refuses),
        cmocka_unit_test(test_sign),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
