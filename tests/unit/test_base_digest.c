// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/digest.h"

static const char *hex_of(const uint8_t digest[SHA256_SIZE]) {
    static char hex[2 * SHA256_SIZE + 1];
    bytes_to_hex(digest, SHA256_SIZE, hex);
    return hex;
}

// FIPS 180-4's examples.
static void sha256_of_known_texts(void **state) {
    uint8_t out[SHA256_SIZE];
    digest_sha256(NULL, 0, out);
    assert_string_equal(hex_of(out),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digest_sha256((bytes[]){B("a"), NO_BYTES, B("bc")}, 3, out);
    assert_string_equal(hex_of(out),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256((bytes[]){B("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")}, 1, out);
    assert_string_equal(hex_of(out),
                        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

// FIPS 180-4's example, and nothing at all.
static void sha1_of_known_texts(void **state) {
    uint8_t out[SHA1_SIZE];
    char hex[2 * SHA1_SIZE + 1] = {0};
    digest_sha1(B("abc"), out);
    bytes_to_hex(out, sizeof out, hex);
    assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
    digest_sha1(NO_BYTES, out);
    bytes_to_hex(out, sizeof out, hex);
    assert_string_equal(hex, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

// The empty input's XXH3, as its specification lists it; another seed, another digest.
static void xxh3_of_known_texts(void **state) {
    uint8_t out[XXH3_SIZE], other[XXH3_SIZE];
    char hex[2 * XXH3_SIZE + 1] = {0};
    digest_xxh3(NO_BYTES, 0, out);
    bytes_to_hex(out, sizeof out, hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    digest_xxh3(B("a batch"), 1, out);
    digest_xxh3(B("a batch"), 2, other);
    assert_memory_not_equal(out, other, sizeof out);
    digest_xxh3(B("a batch"), 1, other);
    assert_memory_equal(out, other, sizeof out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_of_known_texts),
        cmocka_unit_test(sha1_of_known_texts),
        cmocka_unit_test(xxh3_of_known_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
