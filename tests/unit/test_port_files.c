// SPDX-License-Identifier: MIT
#include "port_helpers.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/files.h"

static int setup(void **state) {
    folder_make();
    return 0;
}

static int teardown(void **state) {
    folder_remove();
    return 0;
}

static struct files *fs = &files_real;

static struct file *created(const char *name) {
    struct file *f = NULL;
    assert_ok(fs->open(fs, in_folder(name), FILE_CREATE, &f));
    return f;
}

static void what_was_written_is_read(void **state) {
    struct file *f = created("a");
    struct stat st;
    assert_int_equal(stat(in_folder("a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_ok(fs->write(f, 0, B("hello")));
    assert_ok(fs->write(f, 1000000, B("far")));
    assert_ok(fs->sync(f));
    fs->close(f);
    assert_ok(fs->open(fs, in_folder("a"), FILE_READ, &f));
    uint64_t size = 0;
    assert_ok(fs->size(f, &size));
    assert_int_equal(size, 1000003);
    char got[5];
    assert_ok(fs->read(f, 0, got, 5));
    assert_memory_equal(got, "hello", 5);
    assert_ok(fs->read(f, 999999, got, 4));
    assert_memory_equal(got, "\0far", 4);
    assert_failed(ABSENT, fs->read(f, 999999, got, 5));
    assert_failed(ABSENT, fs->read(f, 5000000, got, 1));
    assert_failed(IO, fs->write(f, 0, B("no")));
    fs->close(f);
    fs->close(NULL);
}

static void modes_are_kept(void **state) {
    struct file *f = (struct file *)1;
    assert_failed(ABSENT, fs->open(fs, in_folder("a"), FILE_READ, &f));
    assert_null(f);
    assert_failed(ABSENT, fs->open(fs, in_folder("a"), FILE_WRITE, &f));
    assert_failed(ABSENT, fs->open(fs, in_folder("no/a"), FILE_CREATE, &f));
    fs->close(created("a"));
    assert_failed(EXISTS, fs->open(fs, in_folder("a"), FILE_CREATE, &f));
    assert_ok(fs->open(fs, in_folder("a"), FILE_WRITE, &f));
    assert_ok(fs->write(f, 0, B("x")));
    fs->close(f);
}

// The lock holds against another opening, of this process too, until the file is closed.
static void a_lock_is_exclusive(void **state) {
    struct file *a = created("a"), *b = NULL;
    assert_ok(fs->lock(a));
    assert_ok(fs->open(fs, in_folder("a"), FILE_WRITE, &b));
    assert_failed(LOCKED, fs->lock(b));
    fs->close(a);
    assert_ok(fs->lock(b));
    fs->close(b);
}

static void names_move_and_go(void **state) {
    struct file *f = created("a");
    assert_ok(fs->write(f, 0, B("new")));
    fs->close(f);
    fs->close(created("b"));
    assert_ok(fs->rename(fs, in_folder("a"), in_folder("b")));
    assert_false(fs->exists(fs, in_folder("a")));
    assert_true(fs->exists(fs, in_folder("b")));
    struct text t = {0};
    assert_ok(file_load(in_folder("b"), 3, &t));
    assert_string_equal(text_str(&t), "new");
    assert_failed(ABSENT, fs->rename(fs, in_folder("a"), in_folder("c")));
    assert_ok(fs->remove(fs, in_folder("b")));
    assert_failed(ABSENT, fs->remove(fs, in_folder("b")));
    text_drop(&t);
}

static uint64_t size_of(struct file *f) {
    uint64_t size = 0;
    assert_ok(fs->size(f, &size));
    return size;
}

// Who has it open sees that little was left of it when its name went.
static void a_large_file_goes_in_pieces(void **state) {
    const uint64_t n = 100 << 20;
    struct file *f = created("large");
    assert_ok(fs->write(f, n - 1, B("x")));
    assert_ok(fs->remove(fs, in_folder("large")));
    assert_false(fs->exists(fs, in_folder("large")));
    assert_in_range(size_of(f), 1, n / 3);
    fs->close(f);
}

static void what_has_another_name_stays_whole(void **state) {
    const uint64_t n = 100 << 20;
    struct file *f = created("large");
    assert_ok(fs->write(f, n - 1, B("x")));
    assert_int_equal(link(in_folder("large"), in_folder("kept")), 0);
    assert_ok(fs->remove(fs, in_folder("large")));
    assert_true(fs->exists(fs, in_folder("kept")));
    assert_int_equal(size_of(f), n);
    assert_int_equal(symlink("kept", in_folder("link")), 0);
    assert_ok(fs->remove(fs, in_folder("link")));
    assert_int_equal(size_of(f), n);
    fs->close(f);
}

static void a_full_disk_is_told(void **state) {
    struct file *f = NULL;
    if (fs->open(fs, "/dev/full", FILE_WRITE, &f) != OK)
        skip();
    assert_failed(FULL, fs->write(f, 0, B("x")));
    fs->close(f);
}

static void small_files_are_whole(void **state) {
    struct text t = {0};
    text_adds(&t, "old");
    assert_failed(ABSENT, file_load(in_folder("a"), 10, &t));
    assert_ok(file_save(in_folder("a"), B("0123456789"), 0640));
    struct stat st;
    assert_int_equal(stat(in_folder("a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_failed(EXISTS, file_save(in_folder("a"), B("x"), 0600));
    assert_ok(file_load(in_folder("a"), 10, &t));
    assert_string_equal(text_str(&t), "0123456789");
    assert_failed(FULL, file_load(in_folder("a"), 9, &t));
    struct text small = {.max = 5};
    assert_failed(FULL, file_load(in_folder("a"), 10, &small));
    assert_failed(IO, file_load(test_folder, 10, &t));
    text_drop(&t);
    text_drop(&small);
}

// Its owner and its group may read it, nobody else, not even write it.
static void a_private_file_is_not_for_everybody(void **state) {
    static const struct {
        mode_t mode;
        bool good;
    } rows[] = {{0600, true},  {0400, true},  {0640, true},  {0660, true},
                {0604, false}, {0644, false}, {0602, false}, {0601, false}};
    struct text t = {0};
    assert_failed(ABSENT, file_load_private(in_folder("a"), 10, &t));
    assert_ok(file_save(in_folder("a"), B("key"), 0600));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(chmod(in_folder("a"), rows[i].mode), 0);
        text_reset(&t);
        if (rows[i].good) {
            assert_ok(file_load_private(in_folder("a"), 10, &t));
            assert_string_equal(text_str(&t), "key");
        } else {
            assert_failed(REFUSED, file_load_private(in_folder("a"), 10, &t));
            assert_int_equal(t.n, 0);
        }
    }
    assert_int_equal(chmod(in_folder("a"), 0600), 0);
    assert_failed(FULL, file_load_private(in_folder("a"), 2, &t));
    text_drop(&t);
}

static void more_files_are_allowed_where_the_system_does(void **state) {
    struct rlimit before, now = {.rlim_cur = 64};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(files_allow(32), 64); // never fewer
    assert_int_equal(files_allow(65), 65);
    assert_int_equal(files_allow(UINT64_MAX), before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(modes_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lock_is_exclusive, setup, teardown),
        cmocka_unit_test_setup_teardown(names_move_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_file_goes_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_another_name_stays_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(small_files_are_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_private_file_is_not_for_everybody, setup, teardown),
        cmocka_unit_test(more_files_are_allowed_where_the_system_does),
    };
    return cmocka_run_group_tests_name("port_files", tests, NULL, NULL);
}
