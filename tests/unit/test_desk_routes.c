// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "desk/routes.h"

static const char *const paths[] = {
#define ROUTE(id, method, path, access, doc) path,
#include "desk/routes.def"
#undef ROUTE
};
static const char *const methods[] = {
#define ROUTE(id, method, path, access, doc) method,
#include "desk/routes.def"
#undef ROUTE
};

// Each row is found by its own path, with its argument, and has someone who answers.
static void test_each(void **state) {
    for (size_t i = 0; i < ROUTES; i++) {
        char path[128] = "";
        const char *open = strchr(paths[i], '{'), *shut = strchr(paths[i], '}');
        if (open != NULL)
            snprintf(path, sizeof path, "%.*sx1%s", (int)(open - paths[i]), paths[i], shut + 1);
        else
            snprintf(path, sizeof path, "%s", paths[i]);
        const struct route *r = NULL;
        bytes arg = NO_BYTES;
        assert_int_equal(route_find(bytes_of(methods[i]), bytes_of(path), &r, &arg), 200);
        assert_string_equal(r->path, paths[i]);
        assert_string_equal(r->method, methods[i]);
        assert_true(r->work->run != NULL || r->work->head != NULL);
        assert_true(bytes_equal(arg, open == NULL ? NO_BYTES : B("x1")));
        assert_int_equal(route_find(B("PATCH"), bytes_of(path), &r, &arg), 405);
    }
}

static void test_none(void **state) {
    static const char *const none[] = {"",
                                       "/",
                                       "/api",
                                       "/api/events/",
                                       "/api/events//body",
                                       "/api/events/x/bodyy",
                                       "*",
                                       "//",
                                       "/healthz/",
                                       "/HEALTHZ",
                                       "api/events",
                                       "/api/events/a/b/c",
                                       "/api/",
                                       "/api//events",
                                       "/api/keys/x/revoke/y"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        const struct route *r = NULL;
        bytes arg;
        if (route_find(B("GET"), bytes_of(none[i]), &r, &arg) != 0)
            fail_msg("%s was found", none[i]);
    }
}

static void test_methods(void **state) {
    OWN(text_drop)
    struct text t = {0};
    route_methods(B("/api/keys"), &t);
    assert_string_equal(text_str(&t), "GET, POST");
    text_reset(&t);
    route_methods(B("/api/events/tail"), &t);
    assert_string_equal(text_str(&t), "GET");
}

static void test_near(void **state) {
    static const char *const list[] = {"status", "state", "limit", NULL};
    assert_string_equal(route_nearest(B("/api/event")), "/api/events");
    assert_null(route_nearest(B("/wp-admin/login.php")));
    assert_string_equal(word_nearest(B("limt"), list), "limit");
    assert_null(word_nearest(B("colour"), list));
    assert_null(word_nearest(B("x"), NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
