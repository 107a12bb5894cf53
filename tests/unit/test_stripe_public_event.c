// SPDX-License-Identifier: MIT
// What an embedder can do with hookkeep/event.h; each status that it adds, and an allocator that
// fails at each of its calls.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hookkeep/event.h"

static const char snapshot[] =
    "{\n  \"id\": \"evt_1\",\n  \"object\": \"event\",\n  \"account\": \"acct_9\",\n"
    "  \"api_version\": \"2025-03-31.basil\",\n  \"created\": 1700000000,\n  \"data\": {\n"
    "    \"object\": {\"id\": \"in_1\", \"object\": \"invoice\", \"amount_paid\": 1999,\n"
    "      \"big\": 123456789012345678901234567890, \"rate\": 0.10, \"paid\": true,\n"
    "      \"note\": null, \"odd\": \"a\\u0000b\", \"empty\": \"\",\n"
    "      \"metadata\": {\"site\": \"shop\", \"plan\": \"7\"},\n"
    "      \"lines\": {\"data\": [{\"price\": \"price_1\"}, {\"price\": \"price_2\"}]}}},\n"
    "  \"livemode\": true, \"type\": \"invoice.paid\"}";
static const char thin[] =
    "{\"id\":\"evt_test_2\",\"object\":\"v2.core.event\",\"type\":\"v1.billing.meter.no_match\","
    "\"created\":\"2026-11-23T18:57:26.123Z\",\"livemode\":false,\"context\":\"org_1/acct_2/ws_3\","
    "\"related_object\":{\"id\":\"mtr_1\",\"type\":\"billing.meter\",\"url\":\"/v1/x\"}}";
static const hk_secret secrets[] = {{"whsec_test_secret", 17}};

// --- an allocator that counts, and may fail

struct meter {
    size_t calls, fail_at; // from 1; 0: never
    size_t live, size, peak;
    size_t ended; // calls that gave memory back
};

struct block {
    size_t size;
    size_t pad;
    unsigned char data[];
};

static int refuses(struct meter *m) { return ++m->calls == m->fail_at; }

static void *take(void *ctx, size_t size) {
    struct meter *m = ctx;
    struct block *b = refuses(m) ? NULL : malloc(sizeof *b + size);
    if (b == NULL)
        return NULL;
    b->size = size;
    m->live++;
    m->size += size;
    m->peak = m->size > m->peak ? m->size : m->peak;
    return b->data;
}

static struct block *block_of(void *p) {
    return (struct block *)((unsigned char *)p - offsetof(struct block, data));
}

static void give(void *ctx, void *p) {
    struct meter *m = ctx;
    assert_non_null(p);
    m->live--;
    m->ended++;
    m->size -= block_of(p)->size;
    free(block_of(p));
}

// Always moves, so that whoever kept the old place is found out.
static void *resize(void *ctx, void *p, size_t old_size, size_t size) {
    assert_int_equal(old_size, block_of(p)->size);
    void *moved = take(ctx, size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, p, old_size < size ? old_size : size);
    give(ctx, p);
    return moved;
}

// --- the calls

static hk_receipt receipt_of(const char *body, char header[HK_SIGNATURE_SIZE]) {
    hk_receipt r = HK_RECEIPT_INIT;
    r.body = body;
    r.body_size = strlen(body);
    r.header = header;
    r.header_size = hk_sign(secrets[0], 1700000000, body, strlen(body), header, HK_SIGNATURE_SIZE);
    r.secrets = secrets;
    r.secret_count = 1;
    r.now = 1700000000;
    return r;
}

// By way of the signature, and without it: both say the same.
static hk_status construct(const char *body, const hk_event_options *o, hk_event **out) {
    char header[HK_SIGNATURE_SIZE];
    hk_receipt r = receipt_of(body, header);
    hk_event *parsed = NULL;
    hk_status status = hk_event_construct(&r, o, out);
    assert_int_equal(status, hk_event_parse(body, strlen(body), o, &parsed));
    assert_int_equal(status == HK_OK, *out != NULL);
    assert_int_equal(status == HK_OK, parsed != NULL);
    hk_event_close(parsed);
    return status;
}

static void test_a_snapshot(void **state) {
    hk_event *e;
    assert_int_equal(HK_OK, construct(snapshot, NULL, &e));
    assert_string_equal("evt_1", hk_event_id(e));
    assert_string_equal("invoice.paid", hk_event_type(e));
    assert_string_equal("acct_9", hk_event_account(e));
    assert_string_equal("2025-03-31.basil", hk_event_api_version(e));
    assert_string_equal("in_1", hk_event_object_id(e));
    assert_string_equal("invoice", hk_event_object_type(e));
    assert_int_equal(1700000000, hk_event_created(e));
    assert_int_equal(1, hk_event_livemode(e));
    assert_int_equal(0, hk_event_thin(e));
    hk_event_close(e);
    hk_event_close(NULL);
}

static void test_a_thin_event(void **state) {
    hk_event_options o = HK_EVENT_OPTIONS_INIT;
    hk_event *e;
    o.accept = HK_ACCEPT_THIN;
    assert_int_equal(HK_OK, construct(thin, &o, &e));
    assert_string_equal("evt_test_2", hk_event_id(e));
    assert_string_equal("acct_2", hk_event_account(e)); // in the middle of the context
    assert_string_equal("", hk_event_api_version(e));
    assert_string_equal("mtr_1", hk_event_object_id(e));
    assert_string_equal("billing.meter", hk_event_object_type(e));
    assert_int_equal(1795460246, hk_event_created(e));
    assert_int_equal(0, hk_event_livemode(e));
    assert_int_equal(1, hk_event_thin(e));
    hk_event_close(e);
    o.accept = HK_ACCEPT_BOTH;
    assert_int_equal(HK_OK, construct(thin, &o, &e));
    hk_event_close(e);
    assert_int_equal(HK_OK, construct(snapshot, &o, &e));
    hk_event_close(e);
}

static void test_fields(void **state) {
    hk_event *e;
    size_t n = 99;
    long value = 7;
    assert_int_equal(HK_OK, construct(snapshot, NULL, &e));
    assert_string_equal("shop", hk_event_text(e, "data.object.metadata.site", &n));
    assert_int_equal(4, n);
    assert_string_equal("price_2", hk_event_text(e, "data.object.lines.data.1.price", NULL));
    assert_memory_equal("a\0b", hk_event_text(e, "data.object.odd", &n), 4);
    assert_int_equal(3, n);
    assert_string_equal("", hk_event_text(e, "data.object.empty", &n));
    assert_int_equal(0, n);
    static const char *const no_text[] = {"data.object.amount_paid",
                                          "data.object.paid",
                                          "data.object.note",
                                          "data.object.lines",
                                          "nothing",
                                          "data.object.lines.data.2.price",
                                          NULL};
    n = 99;
    for (size_t i = 0; i < sizeof no_text / sizeof no_text[0]; i++)
        assert_null(hk_event_text(e, no_text[i], &n));
    assert_null(hk_event_number(e, "id", &n));
    assert_int_equal(99, n);
    assert_string_equal("123456789012345678901234567890",
                        hk_event_number(e, "data.object.big", &n));
    assert_int_equal(30, n);
    assert_string_equal("0.10", hk_event_number(e, "data.object.rate", NULL));
    assert_int_equal(1, hk_event_integer(e, "data.object.amount_paid", &value));
    assert_int_equal(1999, value);
    assert_int_equal(0, hk_event_integer(e, "data.object.big", &value));
    assert_int_equal(0, hk_event_integer(e, "data.object.rate", &value));
    assert_int_equal(0, hk_event_integer(e, "data.object.metadata.plan", &value));
    assert_int_equal(0, hk_event_integer(e, NULL, &value));
    assert_int_equal(1999, value);
    assert_int_equal(1, hk_event_is_true(e, "data.object.paid"));
    assert_int_equal(0, hk_event_is_true(e, "data.object.note"));
    assert_int_equal(2, hk_event_count(e, "data.object.lines.data"));
    assert_int_equal(2, hk_event_count(e, "data.object.metadata"));
    assert_int_equal(0, hk_event_count(e, "id"));
    hk_event_close(e);
}

static void test_kinds_and_equality(void **state) {
    static const struct {
        const char *path;
        hk_kind kind;
        const char *equals, *differs;
    } rows[] = {
        {"nothing", HK_ABSENT, NULL, "null"},
        {"data.object.note", HK_NULL, "null", ""},
        {"data.object.paid", HK_BOOL, "true", "false"},
        {"data.object.rate", HK_NUMBER, "0.10", "0.1"},
        {"data.object.metadata.plan", HK_TEXT, "7", "8"},
        {"data.object.lines.data", HK_LIST, NULL, ""},
        {"data", HK_OBJECT, NULL, ""},
        {"", HK_OBJECT, NULL, ""},
        {NULL, HK_ABSENT, NULL, ""},
    };
    hk_event *e;
    assert_int_equal(HK_OK, construct(snapshot, NULL, &e));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(rows[i].kind, hk_event_kind(e, rows[i].path));
        assert_int_equal(rows[i].equals != NULL, hk_event_equals(e, rows[i].path, rows[i].equals));
        assert_int_equal(0, hk_event_equals(e, rows[i].path, rows[i].differs));
    }
    hk_event_close(e);
}

static void test_each_refusal(void **state) {
    static const struct {
        const char *body;
        hk_accept accept;
        hk_status status;
        const char *field, *problem;
    } rows[] = {
        // "No webhook payload was provided."
        {"", HK_ACCEPT_SNAPSHOT, HK_NO_BODY, NULL, NULL},
        // SyntaxError
        {"not JSON", HK_ACCEPT_SNAPSHOT, HK_NOT_JSON, NULL, NULL},
        {"{\"id\":\"evt_1\"", HK_ACCEPT_SNAPSHOT, HK_NOT_JSON, NULL, NULL},
        // "You passed a thin event notification to a function that expects a webhook. …"
        {thin, HK_ACCEPT_SNAPSHOT, HK_THIN_EVENT, NULL, NULL},
        // "You passed a v1 Event to a method that expects a thin event notification. …"
        {snapshot, HK_ACCEPT_THIN, HK_SNAPSHOT_EVENT, NULL, NULL},
        // what the SDKs let pass
        {"null", HK_ACCEPT_SNAPSHOT, HK_NOT_EVENT, "the body", "is not a JSON object"},
        {"{\"object\":\"event\"}", HK_ACCEPT_BOTH, HK_NOT_EVENT, "id", "is not a string"},
        {"{\"object\":\"event\",\"id\":\"evt_1\",\"type\":\"a.b\",\"created\":\"1\"}",
         HK_ACCEPT_SNAPSHOT, HK_NOT_EVENT, "created", "is not an integer"},
        {"{\"object\":\"event\",\"object\":\"event\"}", HK_ACCEPT_SNAPSHOT, HK_NOT_EVENT, "object",
         "stands there twice"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hk_fault fault = {NULL, NULL};
        hk_event_options o = {sizeof o, rows[i].accept, NULL, &fault};
        hk_event *e = (hk_event *)&o;
        assert_int_equal(rows[i].status, construct(rows[i].body, &o, &e));
        assert_null(e);
        if (rows[i].field != NULL) {
            assert_string_equal(rows[i].field, fault.field);
            assert_string_equal(rows[i].problem, fault.problem);
        } else {
            assert_null(fault.field);
        }
        o.fault = NULL;
        assert_int_equal(rows[i].status, construct(rows[i].body, &o, &e));
    }
}

static void test_nothing_is_read_before_the_signature_holds(void **state) {
    struct meter m = {0};
    const hk_allocator counting = {&m, take, resize, give};
    const hk_event_options o = {sizeof o, HK_ACCEPT_SNAPSHOT, &counting, NULL};
    char header[HK_SIGNATURE_SIZE];
    hk_event *e;
    hk_receipt r = receipt_of(snapshot, header);
    r.body = thin;
    r.body_size = strlen(thin);
    assert_int_equal(HK_NO_MATCH, hk_event_construct(&r, &o, &e));
    assert_null(e);
    r = receipt_of(snapshot, header);
    r.now += 301;
    assert_int_equal(HK_TOO_OLD, hk_event_construct(&r, &o, &e));
    r.header = NULL;
    assert_int_equal(HK_NO_HEADER, hk_event_construct(&r, &o, &e));
    r.body_size = 0; // is told before what is wrong with the header, as by Stripe's SDKs
    assert_int_equal(HK_NO_BODY, hk_event_construct(&r, &o, &e));
    assert_int_equal(0, m.calls);
}

static void test_misuse(void **state) {
    char header[HK_SIGNATURE_SIZE];
    hk_receipt r = receipt_of(snapshot, header);
    hk_event *e = (hk_event *)&r;
    hk_allocator a = {NULL, take, resize, NULL};
    hk_event_options o = {sizeof o, HK_ACCEPT_SNAPSHOT, &a, NULL};
    assert_int_equal(HK_USAGE, hk_event_construct(&r, &o, &e));
    assert_null(e);
    o.allocator = NULL;
    o.accept = (hk_accept)3;
    assert_int_equal(HK_USAGE, hk_event_construct(&r, &o, &e));
    o.accept = HK_ACCEPT_SNAPSHOT;
    o.size--;
    assert_int_equal(HK_USAGE, hk_event_construct(&r, &o, &e));
    assert_int_equal(HK_USAGE, hk_event_parse(snapshot, 9, &o, &e));
    assert_int_equal(HK_USAGE, hk_event_construct(&r, NULL, NULL));
    assert_int_equal(HK_USAGE, hk_event_construct(NULL, NULL, &e));
    assert_int_equal(HK_USAGE, hk_event_parse(snapshot, 9, NULL, NULL));
    assert_int_equal(HK_USAGE, hk_event_parse(NULL, 9, NULL, &e));
    r.size = 0;
    assert_int_equal(HK_USAGE, hk_event_construct(&r, NULL, &e));
}

// --- without memory

// Bodies that take their memory in different ways: few values, more than were expected at first,
// and what is refused after it was read.
static const char *body_of(size_t i, char *room, size_t size) {
    static const char head[] =
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"a.b\",\"created\":1,"
        "\"livemode\":false,\"data\":[";
    if (i < 2)
        return i == 0 ? snapshot : "{\"object\":\"event\"}";
    size_t n = sizeof head - 1;
    memcpy(room, head, n);
    while (n < size - 8) {
        room[n++] = i == 2 ? '1' : '[';
        room[n++] = i == 2 ? ',' : '[';
    }
    memcpy(room + n, "1]}", 4);
    return room;
}

static void test_each_allocation_may_fail(void **state) {
    static char room[20000];
    static const hk_status ends[] = {HK_OK, HK_NOT_EVENT, HK_OK, HK_NOT_JSON};
    for (size_t i = 0; i < 4; i++) {
        char header[HK_SIGNATURE_SIZE];
        hk_receipt r = receipt_of(body_of(i, room, sizeof room), header);
        struct meter m = {0};
        hk_status status = HK_MEMORY;
        for (size_t at = 1; status == HK_MEMORY; at++) {
            m = (struct meter){.fail_at = at};
            const hk_allocator failing = {&m, take, resize, give};
            const hk_event_options o = {sizeof o, HK_ACCEPT_SNAPSHOT, &failing, NULL};
            hk_event *e;
            status = hk_event_construct(&r, &o, &e);
            if (status == HK_MEMORY) {
                assert_null(e);
                assert_int_equal(at, m.calls); // nobody went on without
            }
            hk_event_close(e);
            assert_int_equal(0, m.live);
            assert_int_equal(0, m.size);
        }
        assert_int_equal(ends[i], status);
        assert_true(m.calls > 0 && m.ended <= m.calls);
        print_message("body %zu: %zu bytes, peak %zu, %zu calls\n", i, r.body_size, m.peak,
                      m.calls);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_snapshot),
        cmocka_unit_test(test_a_thin_event),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_kinds_and_equality),
        cmocka_unit_test(test_each_refusal),
        cmocka_unit_test(test_nothing_is_read_before_the_signature_holds),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
