// SPDX-License-Identifier: MIT
// What people ask the books, checked against a small ledger, against its query plans, and beside a
// writer at work.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/list.h"
#include "ledger/ledger.h"
#include "ledger/reader_internal.h"
#include "ledger_world.h"

#define EVENTS 30

// Events 1 to 30, a second apart; even ones live; three destinations, the third held.
static void fill(struct store *s) {
    static const char *const names[] = {"books", "shop", "late"};
    assert_ok(s->begin(s));
    for (uint32_t i = 0; i < 3; i++) {
        struct destination_row d = {
            .number = i + 1, .name = bytes_of(names[i]), .present = true, .held = i == 2};
        assert_ok(s->destination_put(s, &d));
    }
    assert_ok(s->plan_put(s, 1, B("{\"sources\":[],\"destinations\":[]}")));
    uint64_t delivery = 1;
    for (uint64_t i = 1; i <= EVENTS; i++) {
        char id[32], body[64];
        struct event_row e =
            an_event(i, bytes_from(id, (size_t)snprintf(id, 32, "evt_%d", (int)i)));
        bytes b = bytes_from(body, (size_t)snprintf(body, 64, "{\"n\":%d}", (int)i));
        struct receipt_row r = a_receipt(i, i, 0);
        digest_sha256(&b, 1, r.sha256);
        e.received_at = (int64_t)i * 1000;
        e.livemode = i % 2 == 0;
        e.type = i % 3 == 0 ? B("charge.refunded") : B("customer.created");
        e.object_id = i % 5 == 0 ? B("cus_5") : B("");
        e.status = i % 3 == 0 ? EVENT_FAILED : i % 3 == 1 ? EVENT_PENDING : EVENT_DONE;
        assert_ok(s->event_insert(s, &e));
        assert_ok(s->receipt_insert(s, &r, b));
        struct delivery_row d = a_delivery(delivery++, i, 1 + (uint32_t)(i % 3), (int64_t)i * 1000);
        d.created_at = (int64_t)i * 1000;
        d.state = i % 3 == 0 ? DELIVERY_DEAD : i % 3 == 1 ? DELIVERY_WAITING : DELIVERY_DONE;
        if (i % 3 == 2) // owed to the held one besides
            d.state = DELIVERY_DONE;
        assert_ok(s->delivery_insert(s, &d));
    }
    struct delivery_row held = a_delivery(delivery++, 1, 3, 500);
    assert_ok(s->delivery_insert(s, &held));
    struct attempt_row t = {.delivery = 3,
                            .number = 1,
                            .started_at = 5,
                            .micros = 6,
                            .outcome = OUTCOME_FAILED,
                            .status = 500,
                            .error = B("answered 500"),
                            .answer = B("oh \"no\"\n\xff")};
    assert_ok(s->attempt_insert(s, &t));
    for (int i = 0; i < 5; i++) {
        struct sighting_row seen = {
            .kind = i < 4 ? SIGHTING_ACCOUNT : SIGHTING_TYPE,
            .whose = i % 2 == 0 ? B("main") : B("other"),
            .what = i < 2   ? B("acct_1")
                    : i < 4 ? B("acct_2")
                            : B("invoice.paid"),
            .livemode = i < 2,
            .first_at = i,
            .last_at = i + 10,
            .count = 3,
            .deauthorized = i == 2 ? 7 : 0,
            .created = 7,
        };
        assert_ok(s->sighting_insert(s, &seen));
    }
    struct suspense_row u = {.position = 77, .kind = 1, .payload = B("\1\2"), .reason = B("bad")};
    assert_ok(s->suspense_put(s, &u));
    struct key_row k = {.id = B("key_1"), .name = B("me"), .mode = B("viewer"), .hash = B("aa11")};
    assert_ok(s->key_put(s, &k));
    struct store_state st = {.booked = 90,
                             .generation = 1,
                             .next_delivery = delivery,
                             .time_ms = 31000,
                             .journal_id = {9}};
    assert_ok(s->state_put(s, &st));
    assert_ok(s->commit(s));
}

struct library {
    struct world world; // first: ledger_world.h's teardown
    struct reader *reader;
    struct text out;
};

static int setup(void **state) {
    struct library *l = NEW(struct library);
    *state = l;
    if (world_sqlite(&l->world) != 0)
        return -1;
    fill(l->world.store);
    OWN(text_drop)
    struct text why = {0};
    return reader_open(l->world.path, &l->reader, &why) != OK ? -1 : 0;
}

static int teardown(void **state) {
    struct library *l = *state;
    reader_close(l->reader);
    text_drop(&l->out);
    return world_teardown(state);
}

// The rows' seqs, "3 2 1", a "+" behind them if there are more.
static void assert_list(struct library *l, result failed, const char *want) {
    assert_ok(failed);
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text seqs = {0};
    assert_ok(json_parse(text_bytes(&l->out), &doc));
    json row;
    size_t at = 0;
    while (json_element(json_get(json_root(doc), "data"), &at, &row))
        text_addf(&seqs, "%s%.*s", seqs.n > 0 ? " " : "",
                  BYTES_ARG(json_number(json_get(row, "seq"))));
    if (json_true(json_get(json_root(doc), "has_more")))
        text_addc(&seqs, '+');
    assert_string_equal(text_str(&seqs), want);
    text_reset(&l->out);
}

#define assert_events(want_, ...)                                                                  \
    assert_list(l, reader_events(l->reader, &(struct list_filter){__VA_ARGS__}, &l->out), want_)
#define assert_deliveries(want_, ...)                                                              \
    assert_list(l, reader_deliveries(l->reader, &(struct list_filter){__VA_ARGS__}, &l->out), want_)

static void assert_sightings(struct library *l, const struct list_filter *f, const char *numbers) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text got = {0};
    assert_ok(reader_sightings(l->reader, SIGHTING_ACCOUNT, f, &l->out));
    assert_ok(json_parse(text_bytes(&l->out), &doc));
    json row;
    size_t at = 0;
    while (json_element(json_get(json_root(doc), "data"), &at, &row))
        text_addf(&got, " %.*s", BYTES_ARG(json_number(json_get(row, "number"))));
    if (json_true(json_get(json_root(doc), "has_more")))
        text_addc(&got, '+');
    assert_string_equal(text_str(&got), numbers);
    text_reset(&l->out);
}

static void test_sightings(void **state) {
    struct library *l = *state;
    struct list_filter none = {0};
    assert_sightings(l, &none, " 4 3 2 1");
    assert_sightings(l, &(struct list_filter){.limit = 2, .before = 4}, " 3 2+");
    assert_sightings(l, &(struct list_filter){.oldest_first = true, .after = 2}, " 3 4");
    assert_sightings(l, &(struct list_filter){.account = B("acct_1")}, " 2 1");
    assert_sightings(l, &(struct list_filter){.account = B("acct_1"), .owner = B("other")}, " 2");
    assert_sightings(l, &(struct list_filter){.livemode = B("false")}, " 4 3");
    assert_sightings(l, &(struct list_filter){.account = B("acct_2"), .limit = 1}, " 4+");
    assert_ok(reader_sightings(l->reader, SIGHTING_ACCOUNT,
                               &(struct list_filter){.after = 2, .before = 4}, &l->out));
    assert_string_equal(text_str(&l->out),
                        "{\"data\":[{\"number\":3,\"owner\":\"main\",\"account\":\"acct_2\","
                        "\"livemode\":false,\"first_at\":2,\"last_at\":12,\"events\":3,"
                        "\"deauthorized\":7}],\"has_more\":false}");
    text_reset(&l->out);
    assert_ok(reader_sightings(l->reader, SIGHTING_TYPE, &none, &l->out));
    assert_string_equal(text_str(&l->out),
                        "{\"data\":[{\"number\":5,\"source\":\"main\",\"type\":\"invoice.paid\","
                        "\"livemode\":false,\"first_at\":4,\"last_at\":14,\"receipts\":3}],"
                        "\"has_more\":false}");
    assert_code(reader_sightings(l->reader, SIGHTING_TYPE,
                                 &(struct list_filter){.account = B("acct_1")}, &l->out),
                INVALID);
}

static void test_events(void **state) {
    struct library *l = *state;
    assert_events("30 29 28+", .limit = 3);
    assert_events("1 2 3+", .limit = 3, .oldest_first = true);
    assert_events("2 1", .before = 3);
    assert_events("29 30", .after = 28, .oldest_first = true);
    assert_events("7", .id = B("evt_7"));
    assert_events("", .id = B("evt_"));
    assert_events("30 27 24+", .limit = 3, .type = B("charge.*"));
    assert_events("", .type = B("charg.*"));
    assert_events("30 27+", .limit = 2, .type = B("charge.refunded"));
    assert_events("30 25 20 15 10 5", .object_id = B("cus_5"));
    assert_events("25 20+", .limit = 2, .object_id = B("cus_5"), .before = 30);
    assert_events("5 10+", .limit = 2, .object_id = B("cus_5"), .oldest_first = true);
    assert_events("", .object_id = B("cus_5"), .id = B("evt_1"));
    assert_events("5", .object_id = B("cus_5"), .id = B("evt_5"));
    assert_events("30 24+", .limit = 2, .status = B("failed"), .livemode = B("true"));
    assert_events("29 26+", .limit = 2, .status = B("done"));
    assert_events("29 27+", .limit = 2, .livemode = B("false"));
    assert_events("", .account = B("platform"));
    assert_events("30+", .limit = 1, .account = B("acct_1"), .owner = B("acct_own"));
    assert_events("12 11 10", .since_ms = 10000, .until_ms = 12001);
    assert_events("", .since_ms = 30001);
    assert_events("2 1", .until_ms = 2500);
    assert_code(reader_events(l->reader, &(struct list_filter){.status = B("x")}, &l->out),
                INVALID);
    assert_code(reader_events(l->reader, &(struct list_filter){.livemode = B("x")}, &l->out),
                INVALID);
    text_reset(&l->out);
    assert_ok(reader_events(l->reader, &(struct list_filter){.id = B("evt_6")}, &l->out));
    assert_string_equal(
        text_str(&l->out),
        "{\"data\":[{\"seq\":6,\"id\":\"evt_6\",\"type\":\"charge.refunded\","
        "\"owner\":\"acct_own\",\"account\":\"acct_1\",\"livemode\":true,"
        "\"api_version\":\"2024-06-20\","
        "\"created\":1700000000,\"received_at\":6000,\"object_id\":\"\",\"status\":\"failed\","
        "\"error\":\"\",\"site\":null}],\"has_more\":false}");
}

// Objects are indexed by blocks of positions.
static void test_object_over_blocks(void **state) {
    struct library *l = *state;
    struct store *s = l->world.store;
    assert_ok(s->begin(s));
    for (uint64_t seq = 4095; seq < 20000; seq += 4096) { // the last and first of blocks
        char id[32];
        for (uint64_t i = seq; i < seq + 2; i++) {
            struct event_row e =
                an_event(i, bytes_from(id, (size_t)snprintf(id, 32, "evt_%d", (int)i)));
            e.object_id = B("cus_spread");
            assert_ok(s->event_insert(s, &e));
        }
    }
    assert_ok(s->commit(s));
    assert_events("16384 16383 12288 12287 8192 8191 4096 4095", .object_id = B("cus_spread"));
    assert_events("8191 8192 12287+", .object_id = B("cus_spread"), .after = 4096, .limit = 3,
                  .oldest_first = true);
}

static void test_deliveries(void **state) {
    struct library *l = *state;
    assert_deliveries("31 30 29+", .limit = 3);
    assert_deliveries("31", .state = B("held"));
    assert_deliveries("28 25+", .limit = 2, .state = B("waiting"));
    assert_deliveries("", .state = B("due"));
    assert_deliveries("", .state = B("taken"));
    assert_deliveries("30 27+", .limit = 2, .state = B("dead"));
    assert_deliveries("30 27+", .limit = 2, .state = B("dead"), .destination = B("books"));
    assert_deliveries("", .state = B("dead"), .destination = B("shop"));
    assert_deliveries("28 25+", .limit = 2, .destination = B("shop"));
    assert_deliveries("1 4+", .limit = 2, .destination = B("shop"), .oldest_first = true);
    assert_deliveries("", .destination = B("nowhere"));
    assert_deliveries("31 1", .event_id = B("evt_1"));
    assert_deliveries("31 1", .event_id = B("1"));
    assert_deliveries("12 11 10", .since_ms = 10000, .until_ms = 12001);
    assert_deliveries("29 26+", .limit = 2, .state = B("done"));
    assert_code(reader_deliveries(l->reader, &(struct list_filter){.state = B("x")}, &l->out),
                INVALID);
    text_reset(&l->out);
    assert_ok(reader_delivery(l->reader, 3, &l->out));
    assert_non_null(strstr(text_str(&l->out), "\"destination\":\"books\",\"state\":\"dead\""));
    assert_non_null(strstr(text_str(&l->out),
                           "\"attempts_made\":[{\"number\":1,\"started_at\":5,\"micros\":6,"
                           "\"outcome\":\"failed\",\"status\":500,\"error\":\"answered 500\","
                           "\"answer\":\"oh \\\"no\\\"\\n\xef\xbf\xbd\"}]"));
    assert_code(reader_delivery(l->reader, 99, &l->out), ABSENT);
}

static void test_one_event(void **state) {
    struct library *l = *state;
    struct store *s = l->world.store;
    struct event_row thin = an_event(41, B("evt_thin"));
    thin.thin = true, thin.snapshot_id = B("evt_4"), thin.status = EVENT_DONE;
    struct receipt_row r = a_receipt(42, 41, 1);
    assert_ok(s->begin(s));
    assert_ok(s->event_insert(s, &thin));
    assert_ok(s->receipt_insert(s, &r, B("thin body")));
    r = a_receipt(43, 4, 2);
    assert_ok(s->receipt_insert(s, &r, B("later body")));
    assert_ok(s->commit(s));
    assert_code(reader_event(l->reader, B("evt_nowhere"), &l->out), ABSENT);
    assert_code(reader_event(l->reader, B("4000"), &l->out), ABSENT);
    assert_code(reader_event(l->reader, B(""), &l->out), ABSENT);
    text_reset(&l->out);
    // The thin one was live, as events with an even number are.
    assert_ok(reader_event(l->reader, B("evt_4"), &l->out));
    assert_non_null(strstr(text_str(&l->out), "\"twin\":{\"seq\":41,\"id\":\"evt_thin\",\"type\":"
                                              "\"customer.created\",\"thin\":true}}"));
    assert_non_null(strstr(text_str(&l->out), "\"receipts\":[{\"seq\":4,\"source\":\"/webhook\""));
    assert_non_null(strstr(text_str(&l->out), "},{\"seq\":43,\"source\""));
    assert_non_null(strstr(text_str(&l->out), "\"sha256\":\"0202020202"));
    assert_non_null(strstr(text_str(&l->out), "\"deliveries\":[{\"seq\":4,\"event_seq\":4"));
    text_reset(&l->out);
    assert_ok(reader_event(l->reader, B("41"), &l->out));
    assert_non_null(strstr(text_str(&l->out), "\"twin\":{\"seq\":4,\"id\":\"evt_4\""));
    assert_non_null(strstr(text_str(&l->out), "\"deliveries\":[]"));
    text_reset(&l->out);
    assert_ok(reader_event(l->reader, B("5"), &l->out));
    assert_non_null(strstr(text_str(&l->out), "\"twin\":null"));

    struct {
        bytes id;
        uint64_t receipt;
        const char *want;
    } bodies[] = {{B("evt_4"), 0, "{\"n\":4}"},
                  {B("evt_4"), 43, "later body"},
                  {B("evt_thin"), 0, "thin body"}};
    for (size_t i = 0; i < 3; i++) {
        text_reset(&l->out);
        assert_ok(reader_body(l->reader, bodies[i].id, bodies[i].receipt, &l->out));
        assert_string_equal(text_str(&l->out), bodies[i].want);
    }
    assert_code(reader_body(l->reader, B("evt_4"), 42, &l->out), ABSENT);
}

static void test_small_lists(void **state) {
    struct library *l = *state;
    struct key_row k;
    assert_ok(reader_destinations(l->reader, &l->out));
    assert_non_null(
        strstr(text_str(&l->out),
               "{\"name\":\"books\",\"present\":true,\"held\":false,\"hold_reason\":\"\","
               "\"held_at\":0,\"failing_since\":0,\"oldest_due_at\":0,"
               "\"lanes\":0,\"lanes_blocked\":0,\"deliveries\":{\"due\":0,"
               "\"waiting\":0,\"done\":0,\"dead\":10,\"held\":0,"));
    assert_non_null(strstr(text_str(&l->out),
                           "\"oldest_due_at\":500,"
                           "\"lanes\":0,\"lanes_blocked\":0,\"deliveries\":{\"due\":0,"
                           "\"waiting\":0,\"done\":10,\"dead\":0,\"held\":1,"));
    assert_non_null(strstr(text_str(&l->out),
                           "\"oldest_due_at\":1000,"
                           "\"lanes\":0,\"lanes_blocked\":0,\"deliveries\":{\"due\":0,"
                           "\"waiting\":10,\"done\":0,\"dead\":0,\"held\":0,"));
    text_reset(&l->out);
    assert_ok(reader_suspense(l->reader, &(struct list_filter){.state = B("waiting")}, &l->out));
    assert_non_null(strstr(text_str(&l->out), "\"position\":77,\"kind\":\"event\""));
    text_reset(&l->out);
    assert_ok(reader_suspended(l->reader, 77, &l->out));
    assert_non_null(strstr(text_str(&l->out), "\"payload\":\"0102\""));
    assert_code(reader_suspended(l->reader, 78, &l->out), ABSENT);
    text_reset(&l->out);
    assert_ok(reader_keys(l->reader, &l->out));
    assert_non_null(strstr(text_str(&l->out), "\"id\":\"key_1\""));
    assert_null(strstr(text_str(&l->out), "aa11"));
    assert_ok(reader_key(l->reader, B("aa11"), &l->world.arena, &k));
    assert_true(bytes_equal(k.mode, B("viewer")));
    assert_code(reader_key(l->reader, B("aa12"), &l->world.arena, &k), ABSENT);
    text_reset(&l->out);
    assert_ok(reader_plan(l->reader, 1, &l->out));
    assert_string_equal(text_str(&l->out), "{\"sources\":[],\"destinations\":[]}");
    assert_code(reader_plan(l->reader, 2, &l->out), ABSENT);
    text_reset(&l->out);
    for (int i = 0; i < 2; i++) { // the second time from what was counted before
        text_reset(&l->out);
        assert_ok(reader_metrics(l->reader, 3500, 3, 0, &l->out));
        assert_non_null(strstr(text_str(&l->out), "backlog_deliveries{destination=\"shop\"} 10\n"));
        assert_non_null(strstr(text_str(&l->out), "due_seconds{destination=\"shop\"} 2.500\n"));
        assert_non_null(strstr(text_str(&l->out), "due_seconds{destination=\"books\"} 0.000\n"));
        assert_non_null(strstr(text_str(&l->out), "destination_held{destination=\"late\"} 1\n"));
        assert_non_null(strstr(text_str(&l->out), "dead_deliveries{destination=\"books\"} 10\n"));
        assert_non_null(strstr(text_str(&l->out), "\nhookkeep_ledger_events 30\n"));
        assert_non_null(strstr(text_str(&l->out), "\nhookkeep_suspended_records 1\n"));
#define ACCOUNT(owner_, account_, mode_)                                                           \
    "hookkeep_account_events_total{owner=\"" owner_ "\",account=\"" account_                       \
    "\",livemode=\"" mode_ "\"} "
        assert_non_null(strstr(text_str(&l->out), ACCOUNT("main", "acct_1", "true") "3\n" //
                               ACCOUNT("other", "acct_1", "true") "3\n"                   //
                               ACCOUNT("main", "acct_2", "false") "3\n"                   //
                               ACCOUNT("", "other", "false") "3\n"                        //
                               ACCOUNT("", "other", "true") "0\n"));
    }
}

// Every step of the plan goes by an index or by seq.
static void assert_indexed(struct library *l, struct text *sql) {
    OWN(text_drop)
    struct text explain = {0};
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    assert_false(sql->failed);
    text_addf(&explain, "EXPLAIN QUERY PLAN %s", text_str(sql));
    assert_ok(reader_prepare(l->reader, text_str(&explain), &q));
    while (sqlite3_step(q) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(q, 3);
        if (strncmp(detail, "SCAN ", 5) == 0 && strstr(detail, "SCAN destination") == NULL &&
            strcmp(detail, "SCAN block") != 0)
            fail_msg("%s\nin %s", detail, text_str(sql));
    }
    text_reset(sql);
}

static void test_plans(void **state) {
    struct library *l = *state;
    OWN(text_drop)
    struct text sql = {0};
    const struct list_filter events[] = {
        {.limit = 5},
        {.id = B("x")},
        {.type = B("a.*")},
        {.object_id = B("x")},
        {.object_id = B("x"), .id = B("y")},
        {.status = B("failed")},
        {.status = B("pending"), .type = B("b")},
        {.site = B("unclaimed")},
        {.site = B("shop"), .type = B("a.*")},
        {.status = B("pending"), .account = B("x"), .livemode = B("true")},
    };
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        assert_ok(reader_events_sql(&events[i], &sql));
        assert_indexed(l, &sql);
    }
    const struct event_query histories[] = {
        {.limit = 5},
        {.limit = 5, .before = B("x"), .delivered = UNDELIVERED},
        {.types = {B("a.*"), B("b")}, .type_count = 2, .delivered = DELIVERED},
    };
    for (size_t i = 0; i < sizeof histories / sizeof histories[0]; i++) {
        for (int how = 0; how < 4; how++) {
            struct history_view v = {.account = how % 2 > 0 ? B("acct_1") : NO_BYTES,
                                     .object = how / 2 > 0 ? B("cus_1") : NO_BYTES};
            reader_history_sql(&v, &histories[i], &sql);
            assert_indexed(l, &sql);
            reader_history_blocks_sql(&v, &histories[i], &sql);
            assert_indexed(l, &sql);
        }
    }
    const char *states[] = {"",     "due",  "waiting",   "taken",  "held",
                            "done", "dead", "cancelled", "parked", "superseded"};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        for (int how = 0; how < 6; how++) {
            struct list_filter f = {.state = bytes_of(states[i]), .oldest_first = how % 2};
            f.destination = how / 2 == 1 ? B("shop") : NO_BYTES;
            f.event_id = how / 2 == 2 ? B("evt_1") : NO_BYTES;
            assert_ok(reader_deliveries_sql(&f, &sql));
            assert_indexed(l, &sql);
        }
    text_adds(&sql, "SELECT * FROM events WHERE id = 'evt_1'");
    assert_indexed(l, &sql);
    text_adds(&sql, "SELECT * FROM deliveries WHERE seq = 4");
    assert_indexed(l, &sql);
}

static void test_verify_finds(void **state) {
    struct library *l = *state;
    sqlite3 *db = store_sqlite_db(l->world.store);
    assert_ok(reader_verify(l->reader, &l->out));
    assert_string_equal(text_str(&l->out), "ledger: sound; booked up to 90, 30 events, 30 receipts,"
                                           " 30 bodies, 31 deliveries, 1 attempts, 0 problems\n");
    static const struct {
        const char *harm, *mend, *said;
    } cases[] = {
        {"UPDATE body SET payload = 'x' WHERE receipt_seq = 9",
         "UPDATE body SET payload = '{\"n\":9}' WHERE receipt_seq = 9",
         "receipt 9: its body is not what arrived (SHA-256 differs)\n"},
        {"UPDATE receipt SET body_seq = 99 WHERE seq = 9",
         "UPDATE receipt SET body_seq = 9 WHERE seq = 9", "receipt 9 has no body\n"},
        {"UPDATE event SET status = 1 WHERE seq = 3", "UPDATE event SET status = 2 WHERE seq = 3",
         "event 3 has a status that does not follow from its deliveries\n"},
        {"UPDATE event SET status = 3 WHERE seq = 2", "UPDATE event SET status = 1 WHERE seq = 2",
         "event 2 has a status"},
        {"INSERT INTO event_block VALUES (0, 0, 0, 'x', 0, 0)", "DELETE FROM event_block",
         "event 1 is of a type, a time or an account that is not noted of its block\n"},
        {"UPDATE delivery SET event_seq = 99 WHERE seq = 2",
         "UPDATE delivery SET event_seq = 2 WHERE seq = 2", "delivery 2 has no event"},
        {"UPDATE delivery SET receipt_seq = 3 WHERE seq = 2",
         "UPDATE delivery SET receipt_seq = 2 WHERE seq = 2", "delivery 2 has no event"},
        {"UPDATE delivery SET next_at = 0 WHERE seq = 1",
         "UPDATE delivery SET next_at = 1000 WHERE seq = 1", "delivery 1 is open, but has no time"},
        {"UPDATE state SET next_delivery = 31", "UPDATE state SET next_delivery = 32",
         "delivery 31 is not among"},
        {"UPDATE state SET booked = 29", "UPDATE state SET booked = 90", "receipt 30 lies behind"},
        {"UPDATE attempt SET delivery = 300", "UPDATE attempt SET delivery = 3",
         "attempt of delivery 300"},
        {"UPDATE plan SET generation = 5", "UPDATE plan SET generation = 1", "… and 10 more"},
        {"UPDATE receipt SET event_seq = 300 WHERE seq = 30",
         "UPDATE receipt SET event_seq = 30 WHERE seq = 30", "event 30 has no receipt\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        text_reset(&l->out);
        assert_ok(sqlite_run(db, cases[i].harm));
        assert_code(reader_verify(l->reader, &l->out), CORRUPT);
        if (strstr(text_str(&l->out), cases[i].said) == NULL)
            fail_msg("%s\nsaid %s", cases[i].harm, text_str(&l->out));
        assert_non_null(strstr(text_str(&l->out), "NOT SOUND"));
        assert_ok(sqlite_run(db, cases[i].mend));
    }
    assert_ok(reader_verify(l->reader, &l->out));
}

// Customers' data: nobody else may read a copy either.
static void assert_private(const char *path) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_backup_and_restore(void **state) {
    struct library *l = *state;
    struct world *w = &l->world;
    char backup[160];
    OWN(text_drop)
    struct text why = {0}, report = {0}, before = {0};
    snprintf(backup, sizeof backup, "%s/copy.db", w->folder);
    assert_ok(w->store->begin(w->store)); // a writer under way does not hinder it, nor get into it
    book_event(w->store, 50, B("evt_50"), B("body"));
    assert_ok(reader_backup(l->reader, backup, &why));
    assert_non_null(strstr(text_str(&why), "up to position 90"));
    assert_private(backup);
    assert_code(reader_backup(l->reader, backup, &why), EXISTS);
    w->store->rollback(w->store);
    assert_ok(w->store->dump(w->store, &before));
    assert_ok(w->store->begin(w->store));
    book_event(w->store, 51, B("evt_51"), B("body"));
    assert_ok(w->store->commit(w->store));

    assert_code(sqlite_restore(w->path, backup, &report), LOCKED);
    assert_code(sqlite_restore(w->path, "/nowhere/x", &report), ABSENT);
    reader_close(l->reader);
    l->reader = NULL;
    w->store->close(w->store);
    w->store = NULL;
    text_reset(&report);
    assert_ok(sqlite_restore(w->path, backup, &report));
    assert_private(w->path);
    assert_non_null(strstr(text_str(&report), "set aside as"));
    assert_int_equal(world_open_sqlite(w), 0);
    struct store_state st;
    assert_ok(w->store->state_get(w->store, &st));
    assert_int_equal(st.booked, 90);
    assert_int_equal(st.journal_id[0], 0);
    struct event_row e;
    assert_ok(w->store->event_get(w->store, 30, &w->arena, &e));
    assert_code(w->store->event_get(w->store, 51, &w->arena, &e), ABSENT);
    struct destination_row *rows;
    size_t n;
    assert_ok(w->store->destinations(w->store, &w->arena, &rows, &n));
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        assert_true(rows[i].held);
        assert_true(bytes_equal(rows[i].hold_reason, B("restored from a backup")));
    }
    assert_ok(reader_open(w->path, &l->reader, &why));
    assert_deliveries("31 28+", .limit = 2, .state = B("held"));
}

static void test_restore_refuses(void **state) {
    struct library *l = *state;
    struct world *w = &l->world;
    char backup[160];
    OWN(text_drop)
    struct text why = {0}, report = {0};
    assert_ok(sqlite_run(store_sqlite_db(w->store), "UPDATE body SET payload = 'x'"));
    snprintf(backup, sizeof backup, "%s/copy.db", w->folder);
    assert_ok(reader_backup(l->reader, backup, &why));
    w->store->close(w->store);
    w->store = NULL;
    assert_code(sqlite_restore(w->path, backup, &report), CORRUPT);
    assert_non_null(strstr(text_str(&report), "nothing was changed"));
    assert_int_equal(world_open_sqlite(w), 0);
}

struct asked {
    struct query query;
    struct list_filter filter;
    struct text out;
    result failed;
};

static void ask_events(struct query *q, struct reader *r) {
    struct asked *a = CONTAINER(q, struct asked, query);
    a->failed = reader_events(r, &a->filter, &a->out);
}

static void *run_queries(void *q) {
    queries_run(q);
    return NULL;
}

static void test_queries(void **state) {
    struct library *l = *state;
    struct queries *q;
    pthread_t thread;
    OWN(text_drop)
    struct text why = {0};
    assert_code(queries_open("/nowhere/ledger.db", &q, &why), IO);
    assert_ok(queries_open(l->world.path, &q, &why));
    assert_int_equal(pthread_create(&thread, NULL, run_queries, q), 0);
    struct mailbox *reply = mailbox_open(NULL, NULL);
    struct asked asked[3] = {0};
    for (int i = 0; i < 3; i++) {
        asked[i].query = (struct query){.mail.kind = 40 + i, .run = ask_events, .reply = reply};
        asked[i].filter.limit = 1;
        queries_post(q, &asked[i].query);
    }
    int next = 0; // they come in order
    while (next < 3) {
        assert_true(mailbox_wait(reply, 10000000));
        for (struct mail *m = mailbox_drain(reply); m != NULL; m = m->next) {
            assert_int_equal(m->kind, 40 + next);
            assert_ptr_equal(m, &asked[next].query.mail);
            assert_ok(asked[next].failed);
            assert_non_null(strstr(text_str(&asked[next].out), "evt_30"));
            text_drop(&asked[next].out);
            next++;
        }
    }
    queries_stop(q);
    pthread_join(thread, NULL);
    queries_close(q);
    mailbox_close(reply);
}

static void *interrupt(void *l) {
    struct library *library = l;
    // Until the query ends: an interrupt before it begins is forgotten.
    while (!atomic_load(&library->world.over))
        reader_interrupt(library->reader);
    return NULL;
}

static void test_interrupt(void **state) {
    struct library *l = *state;
    pthread_t thread;
    assert_ok(reader_begin(l->reader, true));
    assert_int_equal(pthread_create(&thread, NULL, interrupt, l), 0);
    int64_t n;
    assert_code(sqlite_number(l->reader->db,
                              "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x +"
                              " 1 FROM c) SELECT count(*) FROM c",
                              &n),
                TIMEOUT);
    atomic_store(&l->world.over, true);
    pthread_join(thread, NULL);
    reader_end(l->reader);
    // The same by the clock.
    assert_ok(reader_begin(l->reader, true));
    l->reader->deadline_us = 1;
    assert_code(sqlite_number(l->reader->db,
                              "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x +"
                              " 1 FROM c) SELECT count(*) FROM c",
                              &n),
                TIMEOUT);
    reader_end(l->reader);
    assert_events("30+", .limit = 1);
}

static void *write_on(void *library) {
    struct library *l = library;
    struct store *s = l->world.store;
    for (uint64_t seq = 100; !atomic_load(&l->world.over);) {
        assert_ok(s->begin(s));
        for (int i = 0; i < 20; i++, seq++) {
            char id[32];
            book_event(s, seq, bytes_from(id, (size_t)snprintf(id, 32, "evt_%d", (int)seq)),
                       B("body"));
            assert_ok(s->event_status(s, seq, EVENT_DONE, NO_BYTES));
        }
        struct store_state st = {.booked = seq, .next_delivery = 32, .generation = 1};
        assert_ok(s->state_put(s, &st));
        assert_ok(s->commit(s));
    }
    return NULL;
}

// Readers beside a writer see whole commits, backups too, and the writer is never refused.
static void test_beside_writer(void **state) {
    struct library *l = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_on, l), 0);
    for (int i = 0; i < 200; i++) {
        text_reset(&l->out);
        assert_ok(reader_events(l->reader, &(struct list_filter){.limit = 50}, &l->out));
        assert_ok(reader_destinations(l->reader, &l->out));
        assert_ok(reader_metrics(l->reader, 1, 5, 5, &l->out));
    }
    for (int i = 0; i < 3; i++) {
        char backup[160];
        OWN(text_drop)
        struct text why = {0};
        struct reader *r;
        snprintf(backup, sizeof backup, "%s/copy-%d.db", l->world.folder, i);
        assert_ok(reader_backup(l->reader, backup, &why));
        assert_ok(reader_open(backup, &r, &why));
        int64_t split;
        assert_ok(sqlite_number(r->db, "SELECT (SELECT count(*) FROM event WHERE seq >= 100) % 20",
                                &split));
        assert_int_equal(split, 0);
        assert_ok(sqlite_number(r->db,
                                "SELECT count(*) FROM pragma_integrity_check WHERE"
                                " integrity_check <> 'ok'",
                                &split));
        assert_int_equal(split, 0);
        reader_close(r);
    }
    atomic_store(&l->world.over, true);
    pthread_join(thread, NULL);
}

#define HERE(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        HERE(test_sightings),    HERE(test_object_over_blocks), HERE(test_deliveries),
        HERE(test_events),       HERE(test_object_over_blocks), HERE(test_deliveries),
        HERE(test_one_event),    HERE(test_small_lists),        HERE(test_plans),
        HERE(test_verify_finds), HERE(test_backup_and_restore), HERE(test_restore_refuses),
        HERE(test_queries),      HERE(test_interrupt),          HERE(test_beside_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
