// SPDX-License-Identifier: MIT
#include "port_helpers.h"

#include <sys/stat.h>

#include "gateway_sealing.h"
#include "port/files.h"

#define GOOD "00112233445566778899aabbccddeeff00112233445566778899aabbccddee0f"

static int setup(void **state) {
    folder_make();
    return 0;
}

static int teardown(void **state) {
    folder_remove();
    return 0;
}

static uint8_t key[SEAL_KEY_SIZE];
static bool created;

static const char *path(void) { return in_folder("books.db" SEALING_KEY_ENDING); }

static result load(struct text *why) {
    memset(key, 0, sizeof key);
    text_reset(why);
    return sealing_key_load(path(), &clock_real, key, &created, why);
}

static void it_is_made_once(void **state) {
    OWN(text_drop)
    struct text why = {0}, content = {0};
    uint8_t first[SEAL_KEY_SIZE], zero[SEAL_KEY_SIZE] = {0};
    assert_ok(file_save(in_folder("books.db" SEALING_KEY_ENDING ".new"), B("a crash's"), 0600));
    assert_ok(load(&why));
    assert_true(created);
    memcpy(first, key, sizeof key);
    assert_memory_not_equal(first, zero, sizeof zero);
    struct stat st;
    assert_int_equal(stat(path(), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_ok(file_load(path(), 4096, &content));
    assert_int_equal(content.n, 65);
    assert_int_equal(content.p[64], '\n');
    for (int again = 0; again < 2; again++) {
        assert_ok(load(&why));
        assert_false(created);
        assert_memory_equal(key, first, sizeof key);
    }
    assert_ok(files_real.remove(&files_real, path()));
    assert_ok(load(&why));
    assert_true(created);
    assert_memory_not_equal(key, first, sizeof key);
    assert_int_equal(why.n, 0);
}

static void a_file_by_hand_is_taken(void **state) {
    static const char *const good[] = {GOOD, GOOD "\n"};
    static const uint8_t start[] = {0x00, 0x11, 0x22, 0x33};
    for (size_t i = 0; i < 2; i++) {
        OWN(text_drop)
        struct text why = {0};
        (void)remove(path());
        assert_ok(file_save(path(), bytes_of(good[i]), 0600));
        assert_ok(load(&why));
        assert_memory_equal(key, start, sizeof start);
        assert_int_equal(key[31], 0x0f);
    }
}

// It is not replaced, and not told in the message.
static void what_is_none_is_refused(void **state) {
    static const char *const bad[] = {
        "",
        "\n",
        "short",
        GOOD "\n\n",
        GOOD "0",
        GOOD "\nmore",
        (" " GOOD),
        "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddee0f",
        "x0112233445566778899aabbccddeeff00112233445566778899aabbccddee0f",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        OWN(text_drop)
        struct text why = {0}, content = {0};
        (void)remove(path());
        assert_ok(file_save(path(), bytes_of(bad[i]), 0600));
        assert_failed(INVALID, load(&why));
        assert_true(strstr(text_str(&why), "64 hexadecimal digits") != NULL);
        assert_true(strstr(text_str(&why), path()) != NULL);
        assert_null(strstr(text_str(&why), "8899"));
        assert_ok(file_load(path(), 4096, &content));
        assert_string_equal(text_str(&content), bad[i]);
    }
    OWN(text_drop)
    struct text why = {0}, large = {0};
    while (large.n < 5000)
        text_addc(&large, '0');
    (void)remove(path());
    assert_ok(file_save(path(), text_bytes(&large), 0600));
    assert_failed(FULL, load(&why));
    assert_true(strstr(text_str(&why), "64 hexadecimal digits") != NULL);
}

static void one_for_everybody_is_refused(void **state) {
    OWN(text_drop)
    struct text why = {0};
    assert_ok(file_save(path(), B(GOOD "\n"), 0644));
    assert_failed(REFUSED, load(&why));
    assert_true(strstr(text_str(&why), "chmod 600") != NULL);
    assert_int_equal(chmod(path(), 0600), 0);
    assert_ok(load(&why));
}

static void without_its_folder_it_says_so(void **state) {
    OWN(text_drop)
    struct text why = {0};
    const char *nowhere = in_folder("none/books.db" SEALING_KEY_ENDING);
    assert_failed(ABSENT, sealing_key_load(nowhere, &clock_real, key, &created, &why));
    assert_true(strstr(text_str(&why), nowhere) != NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_made_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_by_hand_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_none_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(one_for_everybody_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(without_its_folder_it_says_so, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
