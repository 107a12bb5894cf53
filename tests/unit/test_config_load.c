// SPDX-License-Identifier: MIT
#include "config_fixture.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/files.h"

#define SMALL "sources: [{path: /%s, secrets: [{label: main, key: 'file:secret'}]}]\n"

static char folder[] = "/tmp/hookkeep-config-XXXXXX";

static int enter_folder(void **state) { return mkdtemp(folder) == NULL || chdir(folder) != 0; }

static int leave_folder(void **state) {
    static const char *const names[] = {"hookkeep.yaml", "a.yaml", "bad.yaml",
                                        "large.yaml",    "secret", "folder"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        remove(names[i]);
    return chdir("/") != 0 || rmdir(folder) != 0;
}

static int clean_environment(void **state) {
    unsetenv("HOOKKEEP_CONFIG");
    unsetenv("STRIPE_WEBHOOK_SECRET");
    unsetenv("HOOKKEEP_LOG_LEVEL");
    unsetenv("HOOKKEEP_SOURCES_0_PATH");
    return 0;
}

static void save(const char *name, const char *content) {
    remove(name);
    assert_null(file_save(name, bytes_of(content), 0600));
}

// What each load says.
static struct text errors, warnings;

static result load(const char *path, struct config **out) {
    text_reset(&errors);
    text_reset(&warnings);
    return config_load(path, out, &errors, &warnings);
}

static void without_any_file_the_environment_is_enough(void **state) {
    OWN(fixture_drop)
    struct config *c = NULL;
    assert_true(failed_as(load(NULL, &c), FAIL_INVALID));
    assert_non_null(strstr(text_str(&errors), "set STRIPE_WEBHOOK_SECRET"));
    setenv("STRIPE_WEBHOOK_SECRET", "whsec_Canary", 1);
    assert_true(failed_as(load(NULL, &c), FAIL_INVALID));
    assert_non_null(strstr(text_str(&errors), "fewer than 16"));
    assert_null(strstr(text_str(&errors), "Canary"));
    setenv("STRIPE_WEBHOOK_SECRET", "", 1);
    assert_true(failed_as(load(NULL, &c), FAIL_INVALID));
    setenv("STRIPE_WEBHOOK_SECRET", CANARY_A, 1);
    assert_null(load(NULL, &c));
    assert_int_equal(c->file.n, 0);
    assert_true(bytes_equal(c->sources[0].path, B("/webhook")));
    assert_true(bytes_equal(c->sources[0].secrets[0].key, B(CANARY_A)));
    assert_int_equal(c->destination_count, 0);
}

static void with_variables_the_environment_says_the_rest(void **state) {
    OWN(fixture_drop)
    struct config *c = NULL, *own = NULL;
    setenv("HOOKKEEP_LOG_LEVEL", "debug", 1);
    assert_true(failed_as(load(NULL, &c), FAIL_INVALID));
    assert_non_null(strstr(text_str(&errors), "environment: sources is missing"));
    setenv("STRIPE_WEBHOOK_SECRET", CANARY_A, 1);
    assert_null(load(NULL, &c));
    assert_true(bytes_equal(c->log_level, B("debug")));
    assert_true(bytes_equal(c->sources[0].path, B("/webhook")));
    // Who writes sources writes all of them.
    setenv("HOOKKEEP_SOURCES_0_PATH", "/mine", 1);
    assert_true(failed_as(load(NULL, &own), FAIL_INVALID));
    assert_non_null(
        strstr(text_str(&errors), "HOOKKEEP_SOURCES_0: sources[0]: secrets is missing"));
}

static void expect(const char *asked, const char *path, const char *file) {
    OWN(fixture_drop)
    struct config *c = NULL;
    if (load(asked, &c) != OK)
        fail_msg("%s", text_str(&errors));
    assert_true(bytes_equal(c->sources[0].path, bytes_of(path)));
    assert_true(bytes_equal(c->file, bytes_of(file)));
}

static void a_file_that_is_asked_for_comes_first(void **state) {
    save("secret", CANARY_A "\n");
    OWN(text_drop)
    struct text yaml = {0};
    text_addf(&yaml, SMALL, "here");
    save("hookkeep.yaml", text_str(&yaml));
    text_reset(&yaml);
    text_addf(&yaml, SMALL, "a");
    save("a.yaml", text_str(&yaml));
    setenv("STRIPE_WEBHOOK_SECRET", CANARY_B, 1);
    expect(NULL, "/here", "hookkeep.yaml");
    setenv("HOOKKEEP_CONFIG", "a.yaml", 1);
    expect(NULL, "/a", "a.yaml");
    expect("hookkeep.yaml", "/here", "hookkeep.yaml");
}

static void a_file_that_is_asked_for_must_be_there(void **state) {
    struct config *c;
    setenv("STRIPE_WEBHOOK_SECRET", CANARY_A, 1);
    assert_non_null(load("none.yaml", &c));
    assert_null(c);
    assert_string_equal(text_str(&errors), "none.yaml: there is no such file\n");
    setenv("HOOKKEEP_CONFIG", "gone.yaml", 1);
    assert_non_null(load(NULL, &c));
    assert_string_equal(text_str(&errors), "gone.yaml: there is no such file\n");
}

static void a_bad_file_is_not_passed_over(void **state) {
    struct config *c;
    setenv("STRIPE_WEBHOOK_SECRET", CANARY_A, 1);
    save("hookkeep.yaml", "sources: 1\n");
    assert_non_null(load(NULL, &c));
    assert_non_null(strstr(text_str(&errors), "hookkeep.yaml:1: sources: found `1`"));
    mkdir("folder", 0700);
    assert_non_null(load("folder", &c));
    assert_non_null(strstr(text_str(&errors), "folder: cannot be read"));
    OWN(text_drop)
    struct text large = {0};
    for (int i = 0; i <= 1 << 17; i++)
        text_adds(&large, "#.......\n");
    save("large.yaml", text_str(&large));
    assert_non_null(load("large.yaml", &c));
    assert_non_null(strstr(text_str(&errors), "large.yaml: more than 1048576 bytes"));
    assert_null(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_any_file_the_environment_is_enough, clean_environment),
        cmocka_unit_test_setup(with_variables_the_environment_says_the_rest, clean_environment),
        cmocka_unit_test_setup(a_file_that_is_asked_for_comes_first, clean_environment),
        cmocka_unit_test_setup(a_file_that_is_asked_for_must_be_there, clean_environment),
        cmocka_unit_test_setup(a_bad_file_is_not_passed_over, clean_environment),
    };
    int failed = cmocka_run_group_tests(tests, enter_folder, leave_folder);
    text_drop(&errors);
    text_drop(&warnings);
    return failed;
}
