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

struct vector {
    uint8_t key_byte;
    size_t key_n;
    bytes key, message;
    const char *hex;
};

// RFC 4231, test cases 1, 2, 6 and 7; a key of one byte repeated is given by key_byte.
static const struct vector vectors[] = {
    {0x0b,
     20,
     {NULL, 0},
     BYTES_INIT("Hi There"),
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {0, 0, BYTES_INIT("Jefe"), BYTES_INIT("what do ya want for nothing?"),
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {0xaa,
     131,
     {NULL, 0},
     BYTES_INIT("Test Using Larger Than Block-Size Key - Hash Key First"),
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {0xaa,
     131,
     {NULL, 0},
     BYTES_INIT(
         "This is a test using a larger than block-size key and a larger than block-size data. "
         "The key "
         "needs to be hashed before being used by the HMAC algorithm."),
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

static bytes key_of(const struct vector *v, uint8_t room[131]) {
    memset(room, v->key_byte, 131);
    return v->key_n > 0 ? bytes_from(room, v->key_n) : v->key;
}

static void hmac_of_known_messages(void **state) {
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint8_t room[131], out[SHA256_SIZE];
        struct hmac *h = hmac_open(key_of(&vectors[i], room));
        memset(room, 0, sizeof(room)); // the key was copied
        for (int again = 0; again < 3; again++) {
            hmac_start(h);
            hmac_add(h, bytes_slice(vectors[i].message, 0, 5));
            hmac_add(h, NO_BYTES);
            hmac_add(h, bytes_slice(vectors[i].message, 5, SIZE_MAX));
            hmac_finish(h, out);
            assert_string_equal(hex_of(out), vectors[i].hex);
        }
        hmac_close(h);
    }
}

static void start_drops_an_unfinished_message(void **state) {
    uint8_t out[SHA256_SIZE];
    struct hmac *h = hmac_open(B("Jefe"));
    hmac_start(h);
    hmac_add(h, B("something else"));
    hmac_start(h);
    hmac_add(h, B("what do ya want for nothing?"));
    hmac_finish(h, out);
    assert_string_equal(hex_of(out), vectors[1].hex);
    hmac_close(h);
    hmac_close(NULL);
}

// The value is from Python's hmac module.
static void hmac_with_an_empty_key(void **state) {
    uint8_t out[SHA256_SIZE];
    struct hmac *h = hmac_open(NO_BYTES);
    for (int again = 0; again < 2; again++) {
        hmac_start(h);
        hmac_finish(h, out);
        assert_string_equal(hex_of(out),
                            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    }
    hmac_close(h);
}

static void keyed_ones_are_apart(void **state) {
    uint8_t one[SHA256_SIZE], two[SHA256_SIZE];
    struct hmac *a = hmac_open(B("Jefe")), *b = hmac_open(B("Jefd"));
    hmac_start(a);
    hmac_start(b);
    hmac_add(a, B("what do ya want for nothing?"));
    hmac_add(b, B("what do ya want for nothing?"));
    hmac_finish(b, two);
    hmac_finish(a, one);
    assert_string_equal(hex_of(one), vectors[1].hex);
    assert_memory_not_equal(one, two, SHA256_SIZE);
    hmac_close(a);
    hmac_close(b);
}

static void a_copy_has_the_key_and_a_message_of_its_own(void **state) {
    uint8_t out[SHA256_SIZE];
    struct hmac *h = hmac_open(B("Jefe"));
    hmac_start(h);
    hmac_add(h, B("what do ya want "));
    struct hmac *copy = hmac_copy(h);
    hmac_start(copy);
    hmac_add(copy, B("another"));
    hmac_finish(copy, out);
    hmac_add(h, B("for nothing?"));
    hmac_finish(h, out);
    assert_string_equal(hex_of(out), vectors[1].hex);
    hmac_close(h);
    hmac_start(copy);
    hmac_add(copy, B("what do ya want for nothing?"));
    hmac_finish(copy, out);
    assert_string_equal(hex_of(out), vectors[1].hex);
    hmac_close(copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_of_known_texts),
        cmocka_unit_test(xxh3_of_known_texts),
        cmocka_unit_test(hmac_of_known_messages),
        cmocka_unit_test(start_drops_an_unfinished_message),
        cmocka_unit_test(hmac_with_an_empty_key),
        cmocka_unit_test(keyed_ones_are_apart),
        cmocka_unit_test(a_copy_has_the_key_and_a_message_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
