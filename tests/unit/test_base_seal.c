// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/seal.h"

#define SECRET B("whsec_abcdefghijklmnopqrstuvwxyz012345")
#define HEAD_DIGITS (2 * (1 + SEAL_NONCE_SIZE))
#define TAG_DIGITS 32

static const uint8_t key_one[SEAL_KEY_SIZE] = {1, 2, 3}, key_two[SEAL_KEY_SIZE] = {1, 2, 4};
static const uint8_t nonce_one[SEAL_NONCE_SIZE] = {9, 8, 7}, nonce_two[SEAL_NONCE_SIZE] = {9, 8, 6};

static void seal(bytes purpose, bytes plain, struct text *out) {
    seal_close(key_one, nonce_one, purpose, plain, out);
}

static void assert_opens(bytes purpose, bytes sealed, bytes expected) {
    OWN(text_drop)
    struct text plain = {0};
    assert_true(seal_open(key_one, purpose, sealed, &plain) == OK);
    assert_true(bytes_equal(text_bytes(&plain), expected));
}

// Nothing of what is refused is handed out.
static void assert_refused(const uint8_t *key, bytes purpose, bytes sealed) {
    OWN(text_drop)
    struct text plain = {0};
    assert_true(failed_as(seal_open(key, purpose, sealed, &plain), FAIL_INVALID));
    assert_int_equal(plain.n, 0);
}

static void add_from_hex(struct text *t, const char *hex) {
    uint8_t raw[64];
    size_t n = strlen(hex) / 2;
    assert_true(bytes_from_hex(bytes_of(hex), raw, n) == OK);
    text_add(t, bytes_from(raw, n));
}

// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16, as NIST's submission.
static void of_the_known_message(void **state) {
    OWN(text_drop)
    struct text key = {0}, nonce = {0}, purpose = {0}, plain = {0}, sealed = {0};
    add_from_hex(&key, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    add_from_hex(&nonce, "cafebabefacedbaddecaf888");
    add_from_hex(&purpose, "feedfacedeadbeeffeedfacedeadbeefabaddad2");
    add_from_hex(&plain, "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                         "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    seal_close((const uint8_t *)key.p, (const uint8_t *)nonce.p, text_bytes(&purpose),
               text_bytes(&plain), &sealed);
    assert_string_equal(text_str(&sealed),
                        "01"
                        "cafebabefacedbaddecaf888"
                        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                        "76fc6ece0f4e1768cddf8853bb2d551b");
}

static void what_is_closed_opens_again(void **state) {
    uint8_t long_one[5000];
    for (size_t i = 0; i < sizeof long_one; i++)
        long_one[i] = (uint8_t)(i * 7);
    const bytes texts[] = {NO_BYTES, B("a"), SECRET, bytes_from(long_one, sizeof long_one)};
    const bytes purposes[] = {NO_BYTES, B("we_1"), bytes_from(long_one, 300)};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t k = 0; k < sizeof purposes / sizeof *purposes; k++) {
            OWN(text_drop)
            struct text sealed = {0};
            text_adds(&sealed, "before:"); // both append
            seal(purposes[k], texts[i], &sealed);
            assert_int_equal(sealed.n, 7 + HEAD_DIGITS + 2 * texts[i].n + TAG_DIGITS);
            assert_opens(purposes[k], bytes_slice(text_bytes(&sealed), 7, SIZE_MAX), texts[i]);
        }
}

static void it_does_not_show_the_text(void **state) {
    OWN(text_drop)
    struct text sealed = {0}, other = {0}, hex = {0};
    seal(B("we_1"), SECRET, &sealed);
    seal_close(key_one, nonce_two, B("we_1"), SECRET, &other);
    text_add_hex(&hex, SECRET);
    assert_int_equal(bytes_search(text_bytes(&sealed), text_bytes(&hex)), sealed.n);
    bytes one = bytes_slice(text_bytes(&sealed), HEAD_DIGITS, SIZE_MAX);
    bytes two = bytes_slice(text_bytes(&other), HEAD_DIGITS, SIZE_MAX);
    assert_false(bytes_equal(one, two));
}

static void another_key_or_purpose_opens_nothing(void **state) {
    OWN(text_drop)
    struct text sealed = {0}, empty = {0};
    seal(B("we_1"), SECRET, &sealed);
    seal(NO_BYTES, NO_BYTES, &empty);
    assert_refused(key_two, B("we_1"), text_bytes(&sealed));
    assert_refused(key_one, B("we_2"), text_bytes(&sealed));
    assert_refused(key_one, B("we_1 "), text_bytes(&sealed));
    assert_refused(key_one, NO_BYTES, text_bytes(&sealed));
    assert_refused(key_two, NO_BYTES, text_bytes(&empty));
    assert_refused(key_one, B("we_1"), text_bytes(&empty));
}

// Each digit in turn becomes each other digit, and some that are none.
static void a_changed_digit_opens_nothing(void **state) {
    static const char digits[] = "0123456789abcdefABCDEFgG \n";
    OWN(text_drop)
    struct text sealed = {0};
    seal(B("we_1"), SECRET, &sealed);
    for (size_t i = 0; i < sealed.n; i++) {
        char was = sealed.p[i];
        for (const char *d = digits; d < digits + sizeof digits; d++) // its NUL too
            if (*d != was) {
                sealed.p[i] = *d;
                assert_refused(key_one, B("we_1"), text_bytes(&sealed));
            }
        sealed.p[i] = was;
    }
    assert_opens(B("we_1"), text_bytes(&sealed), SECRET);
}

static void another_length_opens_nothing(void **state) {
    OWN(text_drop)
    struct text sealed = {0};
    seal(B("we_1"), SECRET, &sealed);
    assert_refused(key_one, B("we_1"), NO_BYTES);
    for (size_t n = 0; n < sealed.n; n++) {
        assert_refused(key_one, B("we_1"), bytes_slice(text_bytes(&sealed), 0, n));
        assert_refused(key_one, B("we_1"), bytes_slice(text_bytes(&sealed), n + 1, SIZE_MAX));
    }
    for (size_t more = 0; more < 3; more++) {
        text_addc(&sealed, '0');
        assert_refused(key_one, B("we_1"), text_bytes(&sealed));
    }
}

// What is too short by one byte holds no text, but a version, a nonce and a tag.
static void the_shortest_is_an_empty_text(void **state) {
    OWN(text_drop)
    struct text sealed = {0};
    seal(B("we_1"), NO_BYTES, &sealed);
    assert_int_equal(sealed.n, HEAD_DIGITS + TAG_DIGITS);
    assert_opens(B("we_1"), text_bytes(&sealed), NO_BYTES);
    assert_refused(key_one, B("we_1"), bytes_slice(text_bytes(&sealed), 0, sealed.n - 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_the_known_message),
        cmocka_unit_test(what_is_closed_opens_again),
        cmocka_unit_test(it_does_not_show_the_text),
        cmocka_unit_test(another_key_or_purpose_opens_nothing),
        cmocka_unit_test(a_changed_digit_opens_nothing),
        cmocka_unit_test(another_length_opens_nothing),
        cmocka_unit_test(the_shortest_is_an_empty_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
