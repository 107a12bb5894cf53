// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "stripe/event.h"

#define ID "\"id\":\"evt_1\""
#define OBJECT "\"object\":\"event\""
#define THIN "\"object\":\"v2.core.event\""
#define TYPE "\"type\":\"charge.refunded\""
#define CREATED "\"created\":1700000000"
#define LIVE "\"livemode\":true"
#define MINIMAL ID "," OBJECT "," TYPE "," CREATED "," LIVE
#define THIN_MINIMAL                                                                               \
    ID "," THIN                                                                                    \
       ",\"type\":\"v1.billing.meter.error\",\"created\":\"2024-09-26T17:46:22.134Z\"," LIVE

static void assert_bytes(const char *expected, bytes got) {
    if (!bytes_equal(bytes_of(expected), got))
        fail_msg("expected \"%s\", got \"%.*s\"", expected, BYTES_ARG(got));
}

// The input is freed before anything is read from the event.
static struct event parse(bytes body) {
    struct event e;
    struct text why = {0};
    char *copy = malloc(body.n);
    memcpy(copy, body.p, body.n);
    result r = event_parse(bytes_from(copy, body.n), &e, &why);
    free(copy);
    if (r != OK)
        fail_msg("refused: %s", text_str(&why));
    text_drop(&why);
    return e;
}

static void assert_refused(bytes body, const char *expected_why) {
    struct event e;
    struct text why = {0};
    result r = event_parse(body, &e, &why);
    if (!failed_as(r, FAIL_INVALID))
        fail_msg("not refused: %.*s", BYTES_ARG(body));
    if (strstr(text_str(&why), expected_why) == NULL)
        fail_msg("expected \"%s\" in \"%s\"", expected_why, text_str(&why));
    assert_null(e.doc);
    assert_true(failed_as(event_parse(body, &e, NULL), FAIL_INVALID));
    event_drop(&e);
    text_drop(&why);
}

static void test_snapshot(void **state) {
    struct event e = parse(
        B("{" ID "," OBJECT ",\"account\":\"acct_9\",\"api_version\":\"2026-10-28.endive\"," CREATED
          ",\"data\":{\"object\":{\"id\":\"ch_1\",\"object\":\"charge\",\"amount\":1e400},"
          "\"previous_attributes\":{}}," LIVE ",\"pending_webhooks\":2,"
          "\"request\":{\"id\":\"req_1\",\"idempotency_key\":\"key-1\"}," TYPE
          ",\"context\":\"acct_1/acct_2\",\"unheard_of\":[[]]}"));
    assert_false(e.thin);
    assert_true(e.livemode);
    assert_int_equal(1700000000, e.created);
    assert_bytes("evt_1", e.id);
    assert_bytes("charge.refunded", e.type);
    assert_bytes("acct_9", e.account);
    assert_bytes("acct_1/acct_2", e.context);
    assert_bytes("2026-10-28.endive", e.api_version);
    assert_bytes("ch_1", e.object_id);
    assert_bytes("charge", e.object_type);
    assert_bytes("req_1", e.request_id);
    assert_bytes("key-1", e.idempotency_key);
    assert_bytes("", e.snapshot_id);
    event_drop(&e);
    event_drop(&e);
}

static void test_minimal(void **state) {
    struct event e = parse(B("{" MINIMAL "}"));
    assert_bytes("", e.account);
    assert_bytes("", e.context);
    assert_bytes("", e.api_version);
    assert_bytes("", e.object_id);
    assert_bytes("", e.request_id);
    event_drop(&e);
    e = parse(B(" {" MINIMAL ",\"account\":null,\"context\":null,\"api_version\":null,"
                "\"data\":null,\"request\":null}\n"));
    assert_bytes("", e.account);
    assert_bytes("", e.api_version);
    event_drop(&e);
    e = parse(B("{" MINIMAL ",\"api_version\":7,\"data\":[1],\"request\":17}"));
    assert_bytes("", e.api_version);
    assert_bytes("", e.request_id);
    event_drop(&e);
}

static void test_old_request(void **state) {
    struct event e = parse(B("{" MINIMAL ",\"request\":\"req_old\"}"));
    assert_bytes("req_old", e.request_id);
    assert_bytes("", e.idempotency_key);
    event_drop(&e);
    e = parse(B("{" MINIMAL ",\"request\":{\"id\":null,\"idempotency_key\":null}}"));
    assert_bytes("", e.request_id);
    assert_bytes("", e.idempotency_key);
    event_drop(&e);
}

static void test_thin(void **state) {
    struct event e = parse(
        B("{" THIN_MINIMAL ",\"context\":\"org_1/acct_1/acct_2/ctx\",\"account\":\"acct_no\","
          "\"related_object\":{\"id\":\"mtr_1\",\"type\":\"billing.meter\",\"url\":\"/v1/x\"},"
          "\"reason\":{\"type\":\"request\",\"request\":{\"id\":\"req_2\","
          "\"idempotency_key\":\"k\"}},"
          "\"snapshot_event\":\"evt_twin\",\"api_version\":\"2026\"}"));
    assert_true(e.thin);
    assert_int_equal(1727372782, e.created);
    assert_bytes("acct_2", e.account);
    assert_bytes("org_1/acct_1/acct_2/ctx", e.context);
    assert_bytes("", e.api_version);
    assert_bytes("mtr_1", e.object_id);
    assert_bytes("billing.meter", e.object_type);
    assert_bytes("req_2", e.request_id);
    assert_bytes("k", e.idempotency_key);
    assert_bytes("evt_twin", e.snapshot_id);
    event_drop(&e);
}

static void test_context_segments(void **state) {
    static const char *const rows[][2] = {
        {"acct_1", "acct_1"},     {"acct_1/", "acct_1"}, {"/acct_1", "acct_1"},      {"org_1", ""},
        {"org_1/acct_", "acct_"}, {"xacct_1", ""},       {"acct_1/org_2", "acct_1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct text body = {0};
        text_addf(&body, "{" THIN_MINIMAL ",\"context\":\"%s\",\"related_object\":null}",
                  rows[i][0]);
        struct event e = parse(text_bytes(&body));
        assert_bytes(rows[i][1], e.account);
        event_drop(&e);
        text_drop(&body);
    }
}

static void test_created(void **state) {
    static const char *const bad[] = {
        "\"1700000000\"",
        "1700000000.0",
        "1.7e9",
        "9223372036854775808",
        "1e400",
        "null",
        "true",
        "\"2024-09-26T17:46:22Z\"",
        "[]",
        "{}",
    };
    static const char *const bad_thin[] = {
        "1727372782", "\"1727372782\"",           "\"2024-09-26\"", "\"2024-09-26T17:46:22\"",
        "null",       "\"2024-13-26T17:46:22Z\"", "\"\"",
    };
    struct text body = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        text_reset(&body);
        text_addf(&body, "{" ID "," OBJECT "," TYPE ",\"created\":%s," LIVE "}", bad[i]);
        assert_refused(text_bytes(&body), "created is not an integer");
    }
    for (size_t i = 0; i < sizeof bad_thin / sizeof bad_thin[0]; i++) {
        text_reset(&body);
        text_addf(&body, "{" ID "," THIN "," TYPE ",\"created\":%s," LIVE "}", bad_thin[i]);
        assert_refused(text_bytes(&body), "created is not an RFC 3339");
    }
    text_drop(&body);
    struct event e =
        parse(B("{" ID "," OBJECT "," TYPE ",\"created\":9223372036854775807," LIVE "}"));
    assert_true(e.created == INT64_MAX);
    event_drop(&e);
    e = parse(B("{" ID "," THIN "," TYPE ",\"created\":\"1969-12-31T23:59:59.5Z\"," LIVE "}"));
    assert_int_equal(-1, e.created);
    event_drop(&e);
    e = parse(B("{" ID "," THIN "," TYPE ",\"created\":\"2024-09-26T19:46:22+02:00\"," LIVE "}"));
    assert_int_equal(1727372782, e.created);
    event_drop(&e);
}

static void test_missing_and_mistyped(void **state) {
    assert_refused(B("{" OBJECT "," TYPE "," CREATED "," LIVE "}"), "id is not a string");
    assert_refused(B("{\"id\":17," OBJECT "," TYPE "," CREATED "," LIVE "}"), "id is not a string");
    assert_refused(B("{" ID "," TYPE "," CREATED "," LIVE "}"), "object is neither");
    assert_refused(B("{" ID ",\"object\":\"charge\"," TYPE "," CREATED "," LIVE "}"), "object");
    assert_refused(B("{" ID ",\"object\":[\"event\"]," TYPE "," CREATED "," LIVE "}"), "object");
    assert_refused(B("{" ID "," OBJECT "," CREATED "," LIVE "}"), "type is not a string");
    assert_refused(B("{" ID "," OBJECT ",\"type\":\"\"," CREATED "," LIVE "}"), "type is not 1");
    assert_refused(B("{" ID "," OBJECT "," TYPE "," LIVE "}"), "created");
    assert_refused(B("{" ID "," OBJECT "," TYPE "," CREATED "}"), "livemode");
    assert_refused(B("{" ID "," OBJECT "," TYPE "," CREATED ",\"livemode\":\"true\"}"), "livemode");
    assert_refused(B("{" ID "," OBJECT "," TYPE "," CREATED ",\"livemode\":1}"), "livemode");
    assert_refused(B("{" MINIMAL ",\"account\":1}"), "account is not a string");
    assert_refused(B("{" MINIMAL ",\"account\":\"acct_1\\r\\nX: y\"}"), "account holds control");
    assert_refused(B("{" THIN_MINIMAL ",\"context\":\"acct_1\\nX: y\"}"), "context holds control");
}

static void test_not_json(void **state) {
    static const char *const bad[] = {
        "",
        " ",
        "[]",
        "[{" MINIMAL "}]",
        "\"event\"",
        "null",
        "17",
        "true",
        "id=evt_1",
        "{" MINIMAL,
        "{" MINIMAL "}}",
        "{" MINIMAL "} x",
        "{" MINIMAL ",}",
        "{'id':'evt_1'}",
        "<html></html>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(bytes_of(bad[i]), "");
    assert_refused(B("{" MINIMAL ",\"x\":\"\xff\"}"), "");
    assert_refused(B("{" MINIMAL ",\"x\":\"\xc0\x80\"}"), "");
    assert_refused(B("{" MINIMAL ",\"x\":\"\xed\xa0\x80\"}"), "");
    assert_refused(B("{" MINIMAL ",\"x\":\"\0\"}"), "");
    assert_refused(B("{" MINIMAL "}\0"), "");
    assert_refused(B("\xef\xbb\xbf{" MINIMAL "}"), "");
}

// Whatever is cut off, it is refused.
static void test_cut_short(void **state) {
    bytes whole = B("{" MINIMAL ",\"data\":{\"object\":{\"id\":\"ch_1\"}}}");
    for (size_t n = 0; n < whole.n; n++)
        assert_refused(bytes_slice(whole, 0, n), "");
}

static void test_duplicate_keys(void **state) {
    assert_refused(B("{" MINIMAL "," ID "}"), "id stands there twice");
    assert_refused(B("{" MINIMAL ",\"i\\u0064\":\"evt_2\"}"), "id stands there twice");
    assert_refused(B("{" MINIMAL "," THIN "}"), "object stands there twice");
    assert_refused(B("{" MINIMAL "," TYPE "}"), "type stands there twice");
    assert_refused(B("{" MINIMAL ",\"created\":null}"), "created stands there twice");
    assert_refused(B("{" MINIMAL ",\"livemode\":false}"), "livemode stands there twice");
    struct event e = parse(B("{" MINIMAL ",\"x\":1,\"x\":2,\"data\":{\"id\":1,\"id\":2}}"));
    event_drop(&e);
}

static void test_control_characters(void **state) {
    assert_refused(B("{\"id\":\"evt\\u00001\"," OBJECT "," TYPE "," CREATED "," LIVE "}"),
                   "id holds control characters");
    assert_refused(B("{\"id\":\"evt\\n\"," OBJECT "," TYPE "," CREATED "," LIVE "}"), "id holds");
    assert_refused(B("{\"id\":\"evt\x7f\"," OBJECT "," TYPE "," CREATED "," LIVE "}"), "id holds");
    assert_refused(B("{" ID "," OBJECT ",\"type\":\"a\\u0000b\"," CREATED "," LIVE "}"), "type");
    // Elsewhere a NUL is text like any other.
    struct event e = parse(B("{" MINIMAL ",\"data\":{\"object\":{\"id\":\"a\\u0000b\"}}}"));
    assert_true(bytes_equal(e.object_id, B("a\0b")));
    event_drop(&e);
    e = parse(B("{\"id\":\"\\u00e9\xc3\xa9\"," OBJECT "," TYPE "," CREATED "," LIVE "}"));
    assert_bytes("\xc3\xa9\xc3\xa9", e.id);
    event_drop(&e);
}

static void test_lengths(void **state) {
    static const char *const fields[] = {"id", "type"};
    struct text body = {0};
    for (size_t f = 0; f < 2; f++)
        for (size_t n = 254; n <= 256; n++) {
            text_reset(&body);
            text_addf(&body, "{%s," OBJECT "," CREATED "," LIVE ",\"%s\":\"", f == 0 ? TYPE : ID,
                      fields[f]);
            for (size_t i = 0; i < n; i++)
                text_addc(&body, 'x');
            text_adds(&body, "\"}");
            if (n == 256) {
                assert_refused(text_bytes(&body), "is not 1 to 255 bytes long");
                continue;
            }
            struct event e = parse(text_bytes(&body));
            assert_int_equal(n, f == 0 ? e.id.n : e.type.n);
            event_drop(&e);
        }
    text_drop(&body);
}

static void add_nested(struct text *body, size_t depth) {
    text_reset(body);
    text_adds(body, "{" MINIMAL ",\"x\":");
    for (size_t i = 0; i < depth; i++)
        text_addc(body, '[');
    for (size_t i = 0; i < depth; i++)
        text_addc(body, ']');
    text_addc(body, '}');
}

static void test_nesting(void **state) {
    struct text body = {0};
    add_nested(&body, JSON_DEPTH_MAX - 1);
    struct event e = parse(text_bytes(&body));
    event_drop(&e);
    add_nested(&body, JSON_DEPTH_MAX);
    assert_refused(text_bytes(&body), "too deep");
    add_nested(&body, 500000);
    assert_refused(text_bytes(&body), "");
    text_drop(&body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_minimal),
        cmocka_unit_test(test_old_request),
        cmocka_unit_test(test_thin),
        cmocka_unit_test(test_context_segments),
        cmocka_unit_test(test_created),
        cmocka_unit_test(test_missing_and_mistyped),
        cmocka_unit_test(test_not_json),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_duplicate_keys),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
