// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rules/endpoint.h"
#include "rules/match.h"

#define assert_ok(call_) assert_null(call_)

#define GOOD                                                                                       \
    "{\"id\":\"we_1\",\"livemode\":true,\"enabled\":false,\"because\":\"failed\","                 \
    "\"url\":\"https://a.example/?k=\\\"\",\"types\":[\"invoice.paid\",\"charge.failed\"],"        \
    "\"scope\":\"connect\",\"payload\":\"thin\",\"name\":\"n\",\"description\":\"d\","             \
    "\"api_version\":\"2026-10-28.endive\",\"application\":\"ca_1\",\"metadata\":{\"a\":\"1\"},"   \
    "\"created_s\":17000,\"updated_ms\":17001,\"sealed\":\"00ff\"}"

static result read_one(const char *in, struct arena *a, struct endpoint *out) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    assert_ok(json_parse(bytes_of(in), &doc));
    return endpoint_read(json_root(doc), a, out); // outlives the document
}

static void read_and_written(void **state) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    OWN(text_drop)
    struct text again = {0};
    struct endpoint e;
    assert_ok(read_one(GOOD, &a, &e));
    endpoint_write(&e, &again);
    assert_string_equal(text_str(&again), GOOD);
}

// Each replaced by what it may not be.
static void refused(void **state) {
    static const char *const changes[][2] = {
        {"\"we_1\"", "\"xx_1\""},
        {"\"livemode\":true", "\"livemode\":1"},
        {"\"enabled\":false", "\"enabled\":\"false\""},
        {"\"failed\"", "null"},
        {"\"https://a.example/?k=\\\"\"", "\"\""},
        {"[\"invoice.paid\",\"charge.failed\"]", "[]"},
        {"[\"invoice.paid\",\"charge.failed\"]", "\"*\""},
        {"\"charge.failed\"]", "1]"},
        {"\"connect\"", "\"both\""},
        {"\"thin\"", "\"any\""},
        {"\"thin\"", "\"fat\""},
        {"{\"a\":\"1\"}", "{\"a\":1}"},
        {"{\"a\":\"1\"}", "[]"},
        {"{\"a\":\"1\"}", "{\"\":\"1\"}"},
        {"{\"a\":\"1\"}", "{\"01234567890123456789012345678901234567890\":\"1\"}"},
        {"17000", "1.5"},
        {"\"sealed\":\"00ff\"", "\"sealed\":0"},
        {",\"sealed\":\"00ff\"", ""},
        {"\"00ff\"", "\"00ff\",\"more\":1"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, 1 << 20);
        OWN(text_drop)
        struct text in = {0};
        const char *at = strstr(GOOD, changes[i][0]);
        assert_non_null(at);
        text_add(&in, bytes_from(GOOD, (size_t)(at - GOOD)));
        text_adds(&in, changes[i][1]);
        text_adds(&in, at + strlen(changes[i][0]));
        struct endpoint e;
        result read = read_one(text_str(&in), &a, &e);
        if (!failed_as(read, FAIL_INVALID))
            fail_msg("taken: %s", text_str(&in));
    }
}

#define THIN_EVENT "{\"object\":\"v2.core.event\"}"
#define SNAPSHOT_EVENT "{\"object\":\"event\"}"

static bool is_for(const struct endpoint *e, const char *type, const char *account, bool live,
                   const char *event) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    OWN(json_close)
    struct json_doc *doc = NULL;
    struct plan_destination d;
    assert_ok(endpoint_destination(e, &a, &d));
    assert_ok(json_parse(bytes_of(event), &doc));
    struct match_facts f = {.type = bytes_of(type),
                            .account = bytes_of(account),
                            .livemode = live,
                            .event = json_root(doc)};
    return match_destination(&d, &f, NULL);
}

static void what_it_gets(void **state) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct endpoint e;
    assert_ok(read_one(GOOD, &a, &e));
    assert_true(is_for(&e, "invoice.paid", "acct_1", true, THIN_EVENT));
    assert_false(is_for(&e, "invoice.paid", "acct_1", true, SNAPSHOT_EVENT));
    assert_false(is_for(&e, "invoice.paid", "acct_1", false, THIN_EVENT));
    assert_false(is_for(&e, "invoice.paid", "", true, THIN_EVENT));
    assert_false(is_for(&e, "invoice.voided", "acct_1", true, THIN_EVENT));
    e.payload = PAYLOAD_SNAPSHOT;
    e.scope = SCOPE_ANY;
    assert_true(is_for(&e, "invoice.paid", "", true, SNAPSHOT_EVENT));
    assert_false(is_for(&e, "invoice.paid", "", true, THIN_EVENT));
}

static void how_often_it_is_tried(void **state) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct endpoint e;
    struct plan_destination d;
    int64_t sum = 0;
    assert_ok(read_one(GOOD, &a, &e));
    assert_ok(endpoint_destination(&e, &a, &d));
    for (size_t i = 0; i < d.retry_count; i++)
        sum += d.retry_ms[i];
    assert_in_range(sum / 3600000, 66, 78); // about three days
    assert_int_equal(d.livemode, MODE_LIVE);
    e.livemode = false;
    assert_ok(endpoint_destination(&e, &a, &d));
    assert_int_equal(d.retry_count, 3);
    assert_int_equal(d.livemode, MODE_TEST);
    assert_true(endpoint_id(B("we_")) && endpoint_id(B("ed_1")) && !endpoint_id(B("web")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_and_written),
        cmocka_unit_test(refused),
        cmocka_unit_test(what_it_gets),
        cmocka_unit_test(how_often_it_is_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
