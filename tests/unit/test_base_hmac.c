// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/hmac.h"

static const char *hex_of(const uint8_t digest[SHA256_SIZE]) {
    static char hex[2 * SHA256_SIZE + 1];
    bytes_to_hex(digest, SHA256_SIZE, hex);
    return hex;
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

static void of_known_messages(void **state) {
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint8_t room[131], out[SHA256_SIZE];
        struct hmac_key key;
        struct hmac h;
        hmac_key_init(&key, key_of(&vectors[i], room));
        memset(room, 0, sizeof(room)); // the key was copied
        for (int again = 0; again < 3; again++) {
            hmac_start(&h, &key);
            hmac_add(&h, bytes_slice(vectors[i].message, 0, 5));
            hmac_add(&h, NO_BYTES);
            hmac_add(&h, bytes_slice(vectors[i].message, 5, SIZE_MAX));
            hmac_finish(&h, out);
            assert_string_equal(hex_of(out), vectors[i].hex);
        }
    }
}

// A key that fills a block, and its neighbours; the values are from Python's hmac module.
static void of_keys_about_a_block(void **state) {
    static const char *const expected[] = {
        "e27efa30bcbfbc25b4d936ffd8553392f398eb2edada1dac2423a961af0c305b",
        "890f3a16e0ca0aaa3bf180f70fa8e3970b3fd6505e98fde157988dcc19d1685c",
        "0c256505306af48015530c139bb7add5ad7a6a9291cd511278a067e765816fbd",
    };
    for (size_t i = 0; i < 3; i++) {
        uint8_t room[65], out[SHA256_SIZE];
        struct hmac_key key;
        struct hmac h;
        memset(room, 'k', sizeof room);
        hmac_key_init(&key, bytes_from(room, 63 + i));
        hmac_start(&h, &key);
        hmac_add(&h, B("message"));
        hmac_finish(&h, out);
        assert_string_equal(hex_of(out), expected[i]);
    }
}

static void start_drops_an_unfinished_message(void **state) {
    uint8_t out[SHA256_SIZE];
    struct hmac_key key;
    struct hmac h;
    hmac_key_init(&key, B("Jefe"));
    hmac_start(&h, &key);
    hmac_add(&h, B("something else"));
    hmac_start(&h, &key);
    hmac_add(&h, B("what do ya want for nothing?"));
    hmac_finish(&h, out);
    assert_string_equal(hex_of(out), vectors[1].hex);
}

// The value is from Python's hmac module.
static void with_an_empty_key(void **state) {
    uint8_t out[SHA256_SIZE];
    struct hmac_key key;
    struct hmac h;
    hmac_key_init(&key, NO_BYTES);
    for (int again = 0; again < 2; again++) {
        hmac_start(&h, &key);
        hmac_finish(&h, out);
        assert_string_equal(hex_of(out),
                            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    }
}

static void messages_are_apart(void **state) {
    uint8_t one[SHA256_SIZE], two[SHA256_SIZE];
    struct hmac_key keys[2];
    struct hmac a, b, c;
    hmac_key_init(&keys[0], B("Jefe"));
    hmac_key_init(&keys[1], B("Jefd"));
    hmac_start(&a, &keys[0]);
    hmac_start(&b, &keys[1]);
    hmac_start(&c, &keys[0]);
    hmac_add(&a, B("what do ya want "));
    hmac_add(&b, B("what do ya want for nothing?"));
    hmac_add(&c, B("another"));
    hmac_add(&a, B("for nothing?"));
    hmac_finish(&b, two);
    hmac_finish(&a, one);
    assert_string_equal(hex_of(one), vectors[1].hex);
    assert_memory_not_equal(one, two, SHA256_SIZE);
}

static void a_wiped_key_has_nothing_left(void **state) {
    static const struct hmac_key zeros;
    struct hmac_key key;
    hmac_key_init(&key, B("Jefe"));
    hmac_key_wipe(&key);
    assert_memory_equal(&key, &zeros, sizeof key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_known_messages),
        cmocka_unit_test(of_keys_about_a_block),
        cmocka_unit_test(start_drops_an_unfinished_message),
        cmocka_unit_test(with_an_empty_key),
        cmocka_unit_test(messages_are_apart),
        cmocka_unit_test(a_wiped_key_has_nothing_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
