// SPDX-License-Identifier: MIT
// Endpoints as people ask the books for them: lists with both cursors, against all of them one by
// one; none of the other livemode, none that was deleted, no secret.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"
#include "ledger/reader_internal.h"
#include "ledger_world.h"
#include "rules/endpoint.h"

#define ENDPOINTS 60
#define QUESTIONS 2000

struct told {
    char id[16];
    bool livemode, deleted;
};

struct desk {
    struct world world; // first: ledger_world.h's teardown
    struct reader *reader;
    struct told told[ENDPOINTS]; // as they were made
    uint32_t seed;
    struct text out;
};

static uint32_t draw(struct desk *d, uint32_t below) {
    d->seed = d->seed * 1664525u + 1013904223u;
    return (d->seed >> 8) % below;
}

static void make(struct store *s, const struct told *t, uint32_t number) {
    OWN(text_drop)
    struct text in = {0};
    bytes types[] = {B("invoice.paid"), B("charge.failed")};
    struct endpoint e = {.id = bytes_of(t->id),
                         .livemode = t->livemode,
                         .enabled = number % 3 > 0,
                         .because = number % 6 == 0 ? B("failed") : NO_BYTES,
                         .url = B("https://shop.example/hook?key=one"),
                         .types = types,
                         .type_count = 2,
                         .scope = SCOPE_CONNECT,
                         .payload = PAYLOAD_SNAPSHOT,
                         .metadata = B("{\"a\":\"\\u00e4\"}"),
                         .created_s = 1700000000,
                         .sealed = B("00ff5ec1e7")};
    endpoint_write(&e, &in);
    struct endpoint_row row = {.destination = number,
                               .id = e.id,
                               .livemode = e.livemode,
                               .json = text_bytes(&in),
                               .failing_since = number % 6 == 0 ? 7 : 0,
                               .deleted_at = t->deleted ? 5 : 0};
    assert_ok(s->endpoint_put(s, &row));
}

// Between their numbers stand those of the file's destinations.
static void fill(struct desk *d) {
    struct store *s = d->world.store;
    assert_ok(s->begin(s));
    for (uint32_t i = 0; i < ENDPOINTS; i++) {
        struct told *t = &d->told[i];
        snprintf(t->id, sizeof t->id, "%s_%05u", draw(d, 4) == 0 ? "ed" : "we", draw(d, 99999));
        t->livemode = draw(d, 3) > 0;
        t->deleted = draw(d, 4) == 0;
        make(s, t, 1 + i + i / 5);
    }
    assert_ok(s->commit(s));
}

static int setup(void **state) {
    struct desk *d = NEW(struct desk);
    *state = d;
    d->seed = 11;
    if (world_sqlite(&d->world) != 0)
        return -1;
    fill(d);
    OWN(text_drop)
    struct text why = {0};
    return reader_open(d->world.path, &d->reader, &why) != OK ? -1 : 0;
}

static int teardown(void **state) {
    struct desk *d = *state;
    reader_close(d->reader);
    text_drop(&d->out);
    return world_teardown(state);
}

static bool is_seen(const struct told *t, const struct endpoint_query *q) {
    return !t->deleted && t->livemode == q->livemode && bytes_starts(bytes_of(t->id), q->prefix);
}

static void expect(const struct desk *d, const struct endpoint_query *q, int cursor,
                   struct text *out) {
    int found[ENDPOINTS];
    size_t n = 0;
    bool up = q->before.n > 0;
    int from = cursor < 0 ? ENDPOINTS - 1 : up ? cursor + 1 : cursor - 1;
    for (int i = from; i >= 0 && i < ENDPOINTS && n <= q->limit; i += up ? 1 : -1)
        if (is_seen(&d->told[i], q))
            found[n++] = i;
    size_t shown = n < q->limit ? n : q->limit;
    for (size_t i = 0; i < shown; i++)
        text_addf(out, "%s ", d->told[found[up ? shown - 1 - i : i]].id);
    text_adds(out, n > q->limit ? "+" : "");
}

static void ids_of(const struct text *list, struct text *out) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    assert_ok(json_parse(text_bytes(list), &doc));
    json row;
    for (size_t at = 0; json_element(json_root(doc), &at, &row);)
        text_addf(out, "%.*s ", BYTES_ARG(json_string(json_get(row, "id"))));
}

static void ask_any(struct desk *d) {
    static const char *const prefixes[] = {"", "we_", "ed_"};
    struct endpoint_query q = {.livemode = draw(d, 2) == 0,
                               .prefix = bytes_of(prefixes[draw(d, 3)]),
                               .limit = 1 + draw(d, 9)};
    int cursor = draw(d, 3) == 0 ? -1 : (int)draw(d, ENDPOINTS);
    if (cursor >= 0)
        *(draw(d, 2) == 0 ? &q.before : &q.after) = bytes_of(d->told[cursor].id);
    bool more = false;
    text_reset(&d->out);
    result failed = reader_endpoints(d->reader, &q, &d->out, &more);
    if (cursor >= 0 && !is_seen(&d->told[cursor], &q)) {
        assert_code(failed, ABSENT);
        return;
    }
    OWN(text_drop)
    struct text got = {0};
    OWN(text_drop)
    struct text want = {0};
    assert_ok(failed);
    ids_of(&d->out, &got);
    text_adds(&got, more ? "+" : "");
    expect(d, &q, cursor, &want);
    assert_string_equal(text_str(&got), text_str(&want));
}

static void test_lists(void **state) {
    struct desk *d = *state;
    for (int i = 0; i < QUESTIONS; i++)
        ask_any(d);
    bool more = false;
    struct endpoint_query q = {.after = B("we_never"), .limit = 3};
    assert_code(reader_endpoints(d->reader, &q, &d->out, &more), ABSENT);
}

static void test_one(void **state) {
    struct desk *d = *state;
    for (size_t i = 0; i < ENDPOINTS; i++) {
        const struct told *t = &d->told[i];
        text_reset(&d->out);
        assert_code(reader_endpoint(d->reader, !t->livemode, bytes_of(t->id), &d->out), ABSENT);
        result failed = reader_endpoint(d->reader, t->livemode, bytes_of(t->id), &d->out);
        if (t->deleted)
            assert_code(failed, ABSENT);
        else
            assert_ok(failed);
        assert_null(strstr(text_str(&d->out), "5ec1e7"));
    }
    assert_code(reader_endpoint(d->reader, true, B("we_"), &d->out), ABSENT);
    assert_code(reader_endpoint(d->reader, true, NO_BYTES, &d->out), ABSENT);
}

static void test_shown_whole(void **state) {
    struct desk *d = *state;
    struct store *s = d->world.store;
    struct told t = {.id = "we_whole", .livemode = true};
    assert_ok(s->begin(s));
    make(s, &t, 600);
    assert_ok(s->commit(s));
    assert_ok(reader_endpoint(d->reader, true, B("we_whole"), &d->out));
    assert_string_equal(
        text_str(&d->out),
        "{\"id\":\"we_whole\",\"livemode\":true,\"enabled\":false,\"because\":\"failed\",\"url\":"
        "\"https://shop.example/hook?key=one\",\"types\":[\"invoice.paid\",\"charge.failed\"],"
        "\"scope\":\"connect\",\"payload\":\"snapshot\",\"name\":\"\",\"description\":\"\","
        "\"api_version\":\"\",\"application\":\"\",\"metadata\":{\"a\":\"\\u00e4\"},"
        "\"created_s\":1700000000,\"updated_ms\":0,\"sealed\":\"\"}");
}

static void test_known(void **state) {
    struct desk *d = *state;
    struct endpoint_known *all = NULL;
    size_t n = 0, at = 0;
    assert_ok(reader_endpoints_known(d->reader, &d->world.arena, &all, &n));
    for (size_t i = 0; i < ENDPOINTS; i++) {
        if (d->told[i].deleted)
            continue;
        assert_true(at < n);
        const struct endpoint_known *e = &all[at++];
        assert_true(bytes_equal(e->as.name, bytes_of(d->told[i].id)));
        assert_int_equal(e->as.livemode, d->told[i].livemode ? MODE_LIVE : MODE_TEST);
        assert_int_equal(e->as.rules[0].type_count, 2);
        assert_int_equal(e->failing_since, e->because.n > 0 ? 7 : 0);
        assert_int_equal(e->created_s, 1700000000);
    }
    assert_int_equal(at, n);
    struct arena small;
    arena_init(&small, 1000);
    assert_code(reader_endpoints_known(d->reader, &small, &all, &n), MEMORY);
    arena_drop(&small);
}

static void deliver(struct store *s, uint64_t seq, uint32_t destination, const char *name) {
    struct destination_row d = {.number = destination, .name = bytes_of(name), .present = true};
    struct delivery_row done = a_delivery(seq, 1, destination, 0);
    done.state = DELIVERY_DONE;
    assert_ok(s->begin(s));
    if (seq == 1)
        book_event(s, 1, B("evt_1"), B("{}"));
    assert_ok(s->destination_put(s, &d));
    assert_ok(s->delivery_insert(s, &done));
    assert_ok(s->commit(s));
}

static void assert_done(struct desk *d, const char *name, int64_t done) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    int64_t n = -1;
    text_reset(&d->out);
    assert_ok(reader_destination(d->reader, bytes_of(name), &d->out));
    assert_ok(json_parse(text_bytes(&d->out), &doc));
    assert_ok(json_i64(json_path(json_root(doc), B("deliveries.done")), &n));
    assert_int_equal(n, done);
}

// What was done is counted of each, whatever its number and whenever it came.
static void test_done_of_many(void **state) {
    struct desk *d = *state;
    deliver(d->world.store, 1, 700, "shop");
    assert_done(d, "shop", 1);
    deliver(d->world.store, 2, 3000, "late");
    assert_done(d, "late", 1);
    deliver(d->world.store, 3, 3000, "late");
    assert_done(d, "late", 2);
    assert_done(d, "shop", 1);
    assert_code(reader_destination(d->reader, B("nobody"), &d->out), ABSENT);
    assert_code(reader_destination(d->reader, NO_BYTES, &d->out), ABSENT);
}

#define HERE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {HERE(test_lists), HERE(test_one), HERE(test_shown_whole),
                                       HERE(test_known), HERE(test_done_of_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
