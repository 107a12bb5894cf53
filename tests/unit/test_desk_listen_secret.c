// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "base/digest.h"
#include "desk/listen_secret.h"

static void derive(uint8_t first_of_key, const char *caller, char out[LISTEN_SECRET_MAX]) {
    uint8_t key[SEAL_KEY_SIZE], hash[SHA256_SIZE];
    bytes text = bytes_of(caller);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    key[0] = first_of_key;
    digest_sha256(&text, 1, hash);
    memset(out, 'x', LISTEN_SECRET_MAX);
    listen_secret(key, hash, out);
}

// The value is from Python's hmac and hashlib.
static void it_follows_from_both_keys(void **state) {
    char one[LISTEN_SECRET_MAX], again[LISTEN_SECRET_MAX];
    derive(0, "sk_test_hk_one", one);
    assert_string_equal(one, "whsec_CIHA90ADIc4BAXPRLwALauS0ehbFWXCN");
    derive(0, "sk_test_hk_one", again);
    assert_string_equal(one, again);
    derive(1, "sk_test_hk_one", again);
    assert_string_not_equal(one, again);
    derive(0, "sk_test_hk_two", again);
    assert_string_not_equal(one, again);
}

static void it_is_of_stripes_form(void **state) {
    for (int i = 0; i < 256; i++) {
        char one[LISTEN_SECRET_MAX];
        derive((uint8_t)i, "key", one);
        assert_int_equal(strlen(one), LISTEN_SECRET_MAX - 1);
        assert_memory_equal(one, "whsec_", 6);
        for (const char *c = one + 6; *c != 0; c++)
            assert_true(isalnum((unsigned char)*c));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_follows_from_both_keys),
        cmocka_unit_test(it_is_of_stripes_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
