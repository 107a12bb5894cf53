// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "port/folder.h"

static char place[] = "/tmp/hookkeep-test-XXXXXX";

static char *inside(const char *folder, const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void touch(const char *path) {
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static bool there(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0;
}

static void a_folder_is_made_and_taken_away(void **state) {
    struct folder *a = NULL, *b = NULL;
    struct stat st;
    assert_ptr_equal(folder_open("x-", &a), OK);
    assert_int_equal(stat(folder_path(a), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_ptr_equal(folder_open("x-", &b), OK); // the other one is somebody's
    char *path = strdup(folder_path(a));
    assert_true(there(path));
    touch(inside(path, "one"));
    folder_close(&a);
    assert_null(a);
    assert_false(there(path));
    assert_true(there(folder_path(b)));
    folder_close(&b);
    folder_close(&b);
    free(path);
}

static void what_others_left_is_swept_and_nothing_else(void **state) {
    char *left = strdup(inside(place, "x-left")), *other = strdup(inside(place, "y-left"));
    char *unlocked = strdup(inside(place, "x-begins")), *link = strdup(inside(place, "x-link"));
    struct folder *f = NULL;
    for (int i = 0; i < 3; i++) {
        const char *folder = i == 0 ? left : i == 1 ? other : unlocked;
        assert_int_equal(mkdir(folder, 0700), 0);
        touch(inside(folder, "content"));
        if (folder != unlocked) // it has only just been made
            touch(inside(folder, "lock"));
    }
    assert_int_equal(symlink(other, link), 0);
    assert_ptr_equal(folder_open("x-", &f), OK);
    assert_false(there(left));
    assert_true(there(inside(other, "content")));
    assert_true(there(inside(unlocked, "content")));
    assert_true(there(link));
    folder_close(&f);
    unlink(link);
    for (int i = 0; i < 2; i++) {
        const char *folder = i == 0 ? other : unlocked;
        unlink(inside(folder, "content"));
        unlink(inside(folder, "lock"));
        assert_int_equal(rmdir(folder), 0);
    }
    free(left);
    free(other);
    free(unlocked);
    free(link);
}

static void without_a_place_it_is_said(void **state) {
    struct folder *f = NULL;
    setenv("TMPDIR", "/absent/place", 1);
    assert_true(failed_as(folder_open("x-", &f), FAIL_REFUSED));
    assert_null(f);
    setenv("TMPDIR", place, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_made_and_taken_away),
        cmocka_unit_test(what_others_left_is_swept_and_nothing_else),
        cmocka_unit_test(without_a_place_it_is_said),
    };
    if (mkdtemp(place) == NULL)
        return 1;
    setenv("TMPDIR", place, 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(place) != 0 ? 1 : failed;
}
