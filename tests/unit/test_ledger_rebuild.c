// SPDX-License-Identifier: MIT
// Rebuilding tables, on both stores: it ends in the rows that were there.
#include "book_story.h"
#include "ledger/sqlite_internal.h"
#include "object_history.h"
#include "rules/command.h"

#define OBJECTS 6
#define EVENTS_MAX 400

// Lives of customers and subscriptions, all their events as bodies.
struct lives {
    char *bodies[EVENTS_MAX];
    size_t n;
};

static void lives_drop(struct lives *l) {
    for (size_t i = 0; i < l->n; i++)
        free(l->bodies[i]);
}

static void add_body(struct lives *l, const struct life_event *e, size_t object) {
    static const char *const kinds[] = {"created", "updated", "updated", "deleted"};
    bool subscription = object % 2 == 1;
    const char *type = subscription ? "customer.subscription" : "customer";
    struct text t = {0};
    text_addf(&t,
              "{\"id\":\"%s_%zu\",\"object\":\"event\",\"created\":%ld,\"livemode\":true,\"type\":"
              "\"%s.%s\",\"data\":{\"object\":{\"id\":\"obj_%zu\",\"object\":\"%s\",%s}",
              e->id, object, e->second, type, kinds[e->kind], object,
              subscription ? "subscription" : "customer", e->object);
    if (e->previous != NULL)
        text_addf(&t, ",\"previous_attributes\":{%s}", e->previous);
    text_adds(&t, "}}");
    assert_true(l->n < EVENTS_MAX);
    l->bodies[l->n++] = text_give(&t);
}

static void make_lives(struct lives *l, uint64_t seed) {
    *l = (struct lives){0};
    for (size_t i = 0; i < OBJECTS; i++) {
        struct life life;
        life_make(&life, seed * 100 + i);
        for (size_t k = 0; k < life.n; k++)
            add_body(l, &life.at[k], i);
        life_drop(&life);
    }
}

static void shuffle(struct lives *l, uint64_t *random) {
    for (size_t i = l->n; i > 1; i--) {
        size_t k = (size_t)random_below(random, i);
        char *swapped = l->bodies[i - 1];
        l->bodies[i - 1] = l->bodies[k];
        l->bodies[k] = swapped;
    }
}

// --- booking without a word

// As the ledger does it: what cannot be applied is booked again, and refused then.
static void book_quietly(struct teller *t, const struct record *r) {
    struct store *st = t->world.store;
    assert_ok(st->begin(st));
    for (int tries = 0;; tries++) {
        assert_ok(st->mark(st));
        struct store_state before = t->book.state;
        result booked = book_record(&t->book, r);
        if (booked == OK) {
            assert_ok(st->unmark(st));
            break;
        }
        assert_false(book_waits(booked));
        assert_ok(st->undo(st));
        assert_ok(book_undone(&t->book, &before));
        if (tries > 0 || (t->book.unapplied == NULL && t->book.beside.failed == OK)) {
            assert_ok(book_suspend(&t->book, r, booked->text));
            break;
        }
    }
    assert_ok(book_commit(&t->book));
}

static void say(struct story *s, uint8_t kind, bytes payload) {
    struct record r = {
        .position = ++s->position,
        .time_ms = STORY_START_MS + (int64_t)s->position,
        .generation = s->generation,
        .kind = kind,
        .payload = payload,
    };
    EACH_TELLER(t, s) book_quietly(t, &r);
}

static void event_by(struct story *s, enum mode livemode, const char *body) {
    OWN(text_drop)
    struct text payload = {0};
    receipt_encode(&(struct receipt_record){.source = B("/a"),
                                            .owner = B("main"),
                                            .secret_label = B("ring"),
                                            .livemode = livemode,
                                            .body = bytes_of(body)},
                   &payload);
    say(s, RECORD_EVENT, text_bytes(&payload));
}

static void event(struct story *s, const char *body) { event_by(s, MODE_BOTH, body); }

static void events(struct story *s, const struct lives *l, size_t from, size_t to) {
    for (size_t i = from; i < to; i++)
        event(s, l->bodies[i]);
}

#define TABLES(except_)                                                                            \
    "{\"sources\":[],\"destinations\":[{\"name\":\"tables\",\"kind\":\"tables\","                  \
    "\"except\":[" except_ "],\"livemode\":\"both\",\"match\":null,\"timeout_ms\":1000,"           \
    "\"retry_ms\":[],\"concurrency\":4}]}"

static void adopt_plan(struct story *s, const char *plan) {
    say(s, RECORD_PLAN, bytes_of(plan));
    s->generation = s->position;
}

// The answer to a command, which both stores give.
static const char *answer(struct story *s, const char *command) {
    static char kept[2048];
    say(s, RECORD_COMMAND, bytes_of(command));
    EACH_TELLER(t, s) {
        struct answer_row row;
        arena_drop(&t->world.arena);
        assert_ok(t->world.store->answer_get(t->world.store, s->position, &t->world.arena, &row));
        if (t != s->tellers)
            assert_true(bytes_equal(row.json, bytes_of(kept)));
        snprintf(kept, sizeof kept, "%.*s", BYTES_ARG(row.json));
    }
    return kept;
}

static void assert_answer(struct story *s, const char *command, const char *says) {
    const char *said = answer(s, command);
    if (strstr(said, says) == NULL)
        fail_msg("%s\nexpected %s\nanswered %s", command, says, said);
}

#define START "{\"do\":\"tables_rebuild\",\"tables\":null}"
#define STEP "{\"do\":\"tables_step\",\"count\":5}"
#define SHORT_STEP "{\"do\":\"tables_step\",\"count\":3}"
#define LONG_STEP "{\"do\":\"tables_step\",\"count\":2000}"

// The rows of all tables, which both stores have; those beside them too.
static void rows_of(struct story *s, struct text *out) {
    OWN(text_drop)
    struct text other = {0};
    EACH_TELLER(t, s) {
        OWN(text_drop)
        struct text all = {0};
        struct text *rows = t == s->tellers ? out : &other;
        assert_ok(t->world.store->dump(t->world.store, &all));
        for (bytes rest = text_bytes(&all); rest.n > 0;) {
            bytes line = bytes_cut(&rest, '\n');
            if (bytes_starts(line, B("stripe_")))
                text_addf(rows, "%.*s\n", BYTES_ARG(line));
        }
    }
    assert_string_equal(text_str(out), text_str(&other));
}

// What people read, lists' members too.
static void columns_of(struct story *s, struct text *out) {
    static const char *const queries[] = {
        "SELECT * FROM stripe_customers ORDER BY id",
        "SELECT * FROM stripe_subscriptions ORDER BY id",
        "SELECT * FROM stripe_subscription_items ORDER BY subscription, id",
    };
    sqlite3 *db = store_sqlite_db(s->tellers[1].world.store);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        sqlite3_stmt *q = NULL;
        assert_int_equal(sqlite3_prepare_v2(db, queries[i], -1, &q, NULL), SQLITE_OK);
        while (sqlite3_step(q) == SQLITE_ROW) {
            for (int k = 0; k < sqlite3_column_count(q); k++) {
                const char *v = (const char *)sqlite3_column_text(q, k);
                text_addf(out, "%s|", v == NULL ? "null" : v);
            }
            text_addc(out, '\n');
        }
        sqlite3_finalize(q);
    }
}

static void assert_sound(struct story *s) {
    sqlite3 *db = store_sqlite_db(s->tellers[1].world.store);
    sqlite3_stmt *q = NULL;
    int64_t beside = 1;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(q, 0), "ok");
    sqlite3_finalize(q);
    assert_ok(sqlite_number(db, "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%beside%'",
                            &beside));
    assert_int_equal(beside, 0);
}

static void sql(struct story *s, const char *statement) {
    assert_ok(sqlite_run(store_sqlite_db(s->tellers[1].world.store), statement));
}

static void finish(struct story *s) {
    for (int i = 0; strstr(answer(s, STEP), "\"done\":true") == NULL; i++)
        assert_true(i < 1000);
}

// --- what is promised

// In any order, in steps of any size, with events coming meanwhile.
static void a_rebuild_ends_in_the_rows_that_were_there(void **state) {
    struct story *s = *state;
    uint64_t random = 7;
    adopt_plan(s, TABLES(""));
    for (uint64_t seed = 1; seed <= 12; seed++) {
        OWN(lives_drop)
        struct lives l;
        OWN(text_drop)
        struct text before = {0}, after = {0};
        OWN(text_drop)
        struct text read_before = {0}, read_after = {0};
        make_lives(&l, seed);
        shuffle(&l, &random);
        size_t half = l.n / 2, at = half;
        events(s, &l, 0, half);
        assert_answer(s, START, "\"ok\":true,\"resumed\":false,\"after\":0");
        bool swapped = false;
        while (!swapped) {
            char step[64];
            snprintf(step, sizeof step, "{\"do\":\"tables_step\",\"count\":%d}",
                     1 + (int)random_below(&random, 9));
            swapped = strstr(answer(s, step), "\"reads\":false") != NULL;
            size_t some = at + (size_t)random_below(&random, 3);
            some = some < l.n ? some : l.n;
            events(s, &l, at, some);
            at = some;
        }
        events(s, &l, at, l.n);
        finish(s);
        // The other lives of before stand there too.
        rows_of(s, &before);
        columns_of(s, &read_before);
        assert_answer(s, START, "\"resumed\":false");
        finish(s);
        rows_of(s, &after);
        columns_of(s, &read_after);
        assert_string_equal(text_str(&before), text_str(&after));
        assert_string_equal(text_str(&read_before), text_str(&read_after));
        assert_true(before.n > 0 && read_before.n > 0);
        text_drop(&after);
        text_drop(&read_after);
    }
    assert_sound(s);
}

// A ledger to which the same events came in another order, and which never was rebuilt.
static void assert_as_booked_anew(struct story *s, const struct lives *l, const char *plan) {
    void *other = NULL;
    OWN(text_drop)
    struct text rows = {0};
    OWN(text_drop)
    struct text expected = {0};
    assert_int_equal(story_setup(&other), 0);
    adopt_plan(other, plan);
    for (size_t i = l->n; i-- > 0;)
        event(other, l->bodies[i]);
    rows_of(other, &expected);
    rows_of(s, &rows);
    assert_string_equal(text_str(&rows), text_str(&expected));
    story_teardown(&other);
}

static void what_hands_did_to_rows_is_mended(void **state) {
    struct story *s = *state;
    OWN(lives_drop)
    struct lives l;
    OWN(text_drop)
    struct text before = {0};
    OWN(text_drop)
    struct text after = {0};
    make_lives(&l, 3);
    adopt_plan(s, TABLES(""));
    events(s, &l, 0, l.n);
    columns_of(s, &before);
    sql(s,
        "DELETE FROM stripe_customers; UPDATE stripe_subscriptions SET data = '{}', versions = "
        "'nonsense'; DROP TABLE stripe_subscription_items; CREATE INDEX mine ON stripe_customers "
        "(email); CREATE VIEW seen AS SELECT id FROM stripe_customers");
    assert_answer(s, START, "\"ok\":true");
    finish(s);
    columns_of(s, &after);
    assert_string_equal(text_str(&before), text_str(&after));
    assert_as_booked_anew(s, &l, TABLES(""));
    assert_sound(s);
    int64_t n = 0;
    sqlite3 *db = store_sqlite_db(s->tellers[1].world.store);
    assert_ok(sqlite_number(db, "SELECT count(*) FROM seen", &n));
    assert_true(n > 0);
    assert_ok(sqlite_number(db,
                            "SELECT count(*) FROM sqlite_schema WHERE name = 'mine' AND tbl_name "
                            "= 'stripe_customers'",
                            &n));
    assert_int_equal(n, 1);
}

static void only_the_tables_named_are_made_anew(void **state) {
    struct story *s = *state;
    OWN(lives_drop)
    struct lives l;
    int64_t left = 1;
    make_lives(&l, 4);
    adopt_plan(s, TABLES(""));
    events(s, &l, 0, l.n);
    sql(s, "DELETE FROM stripe_customers; DELETE FROM stripe_subscriptions");
    sqlite3 *db = store_sqlite_db(s->tellers[1].world.store);
    assert_answer(s, "{\"do\":\"tables_rebuild\",\"tables\":[\"stripe_customers\"]}",
                  "\"ok\":true");
    (void)answer(s, LONG_STEP);
    assert_ok(sqlite_number(db,
                            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name LIKE "
                            "'% beside' AND name <> 'stripe_customers beside'",
                            &left));
    assert_int_equal(left, 0);
    finish(s);
    assert_ok(sqlite_number(db, "SELECT count(*) FROM stripe_subscriptions", &left));
    assert_int_equal(left, 0);
    assert_ok(sqlite_number(db, "SELECT count(*) FROM stripe_customers", &left));
    assert_true(left > 0);
    // A list goes with what it is in.
    assert_answer(s, "{\"do\":\"tables_rebuild\",\"tables\":[\"subscription_items\"]}",
                  "\"ok\":true");
    finish(s);
    assert_as_booked_anew(s, &l, TABLES(""));
    assert_sound(s);
}

static void it_is_refused_with_what_is_wrong(void **state) {
    struct story *s = *state;
    assert_answer(s, STEP, "no rebuild is under way");
    assert_answer(s, START, "no destination of kind tables is in the configuration");
    adopt_plan(s, TABLES(""));
    assert_answer(s, "{\"do\":\"tables_rebuild\",\"tables\":[\"custmers\"]}",
                  "there is no table custmers; did you mean customers?");
    assert_answer(s, "{\"do\":\"tables_rebuild\",\"tables\":[\"\\u0007qqqqqqqqqqqqqqqqqqqq\"]}",
                  "`hookkeep tables status` lists them");
    static const char *const counts[] = {"0", "2001", "-1", "\"5\"", "null"};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        char step[64];
        snprintf(step, sizeof step, "{\"do\":\"tables_step\",\"count\":%s}", counts[i]);
        assert_answer(s, step, "count must be a number of events from 1 to 2000");
    }
    event(s, EVENT("evt_1", "customer.created", ""));
    assert_answer(s, "{\"do\":\"tables_rebuild\",\"tables\":[\"customers\"]}", "\"ok\":true");
    assert_answer(s, "{\"do\":\"tables_rebuild\",\"tables\":[\"prices\",\"customers\"]}",
                  "a rebuild of other tables is under way");
    assert_answer(s, "{\"do\":\"tables_rebuild\",\"tables\":[\"customers\"]}", "\"resumed\":true");
    assert_answer(s, START, "\"resumed\":true");
    assert_answer(s, "{\"do\":\"hold\",\"destination\":\"tables\",\"reason\":\"\"}", "\"ok\":true");
    assert_answer(s, STEP, "tables is held");
    assert_answer(s, START, "tables is held");
    assert_answer(s, "{\"do\":\"release\",\"destination\":\"tables\"}", "\"ok\":true");
    finish(s);
    assert_answer(s, STEP, "no rebuild is under way");
}

static void it_begins_again_under_other_rules(void **state) {
    struct story *s = *state;
    OWN(lives_drop)
    struct lives l;
    make_lives(&l, 5);
    adopt_plan(s, TABLES(""));
    events(s, &l, 0, l.n);
    assert_answer(s, START, "\"ok\":true");
    assert_answer(s, SHORT_STEP, "\"read\":3");
    adopt_plan(s, TABLES("")); // says the same
    assert_answer(s, SHORT_STEP, "\"read\":3");
    adopt_plan(s, TABLES("\"customer\""));
    assert_answer(s, STEP, "\"reads\":false,\"read\":0");
    assert_answer(s, STEP, "\"reads\":true,\"read\":0,\"applied\":0,\"failed\":0,\"after\":0");
    finish(s);
    assert_as_booked_anew(s, &l, TABLES("\"customer\""));
    assert_sound(s);
}

static void what_no_source_takes_and_what_is_thin_stays_out(void **state) {
    struct story *s = *state;
    adopt_plan(s, TABLES(""));
    event_by(s, MODE_TEST, SIGNED_UP); // live
    event_by(s, MODE_TEST, PAID);
    event_by(s, MODE_LIVE, PAID); // by another source it comes in
    event(s, THIN);
    assert_answer(s, START, "\"ok\":true");
    assert_answer(s, LONG_STEP, "\"read\":3,\"applied\":1");
    finish(s);
}

// An object known by an event of its own comes along alone, once such events are matched no more.
static void what_was_read_under_other_rules_is_forgotten(void **state) {
    static const char invoices[] =
        "{\"sources\":[],\"destinations\":[{\"name\":\"tables\",\"kind\":\"tables\",\"except\":[],"
        "\"livemode\":\"both\",\"match\":[{\"types\":[\"invoice.*\"],\"accounts\":[],\"sources\":"
        "[],\"secrets\":[],\"scope\":\"any\",\"where\":[]}],\"timeout_ms\":1000,\"retry_ms\":[],"
        "\"concurrency\":4}]}";
    struct story *s = *state;
    sqlite3 *db = store_sqlite_db(s->tellers[1].world.store);
    int64_t n = 0;
    adopt_plan(s, TABLES(""));
    event(s, "{\"id\":\"evt_1\",\"object\":\"event\",\"created\":1,\"livemode\":true,\"type\":"
             "\"customer.created\",\"data\":{\"object\":{\"id\":\"cus_1\",\"object\":"
             "\"customer\"}}}");
    event(s, "{\"id\":\"evt_2\",\"object\":\"event\",\"created\":2,\"livemode\":true,\"type\":"
             "\"invoice.paid\",\"data\":{\"object\":{\"id\":\"in_1\",\"object\":\"invoice\","
             "\"customer\":{\"id\":\"cus_1\",\"object\":\"customer\"}}}}");
    assert_answer(s, START, "\"ok\":true");
    assert_answer(s, "{\"do\":\"tables_step\",\"count\":1}", "\"applied\":1");
    adopt_plan(s, invoices);
    finish(s);
    assert_ok(sqlite_number(db, "SELECT count(*) FROM stripe_customers WHERE embedded", &n));
    assert_int_equal(n, 1);
}

static void odd_events(struct story *s, bool backwards) {
    static const char *const objects[] = {
        "{\"id\":\"cus_\\u0000a\",\"object\":\"customer\",\"name\":\"a\\u0000b\"}",
        "{\"id\":\"cus_\\u0000b\",\"object\":\"customer\",\"balance\":1e400,\"name\":7}",
        "{\"id\":\"cus_3\",\"id\":\"cus_4\",\"object\":\"customer\",\"object\":\"charge\","
        "\"balance\":123456789012345678901234567890,\"email\":{\"a\":[]}}",
        "{\"id\":\"x_1\",\"object\":\"x\\u0000'\\\"; --\",\"metadata\":{\"a\":{\"id\":\"cus_9\","
        "\"object\":\"customer\"}}}",
        "{\"id\":\"x_1\",\"object\":\"\",\"has_more\":true}",
        "{\"id\":\"sub_1\",\"object\":\"subscription\",\"items\":{\"data\":[{\"id\":\"si_1\"},"
        "{\"id\":\"si_1\",\"quantity\":2},7,null,[],{\"id\":\"si_\\u0000\",\"quantity\":\"3\"},"
        "{\"id\":7}]}}",
        "{\"id\":\"sub_2\",\"object\":\"subscription\",\"items\":[{\"id\":\"si_1\"}],"
        "\"created\":-1e3}",
        "{\"id\":\"\",\"object\":\"customer\",\"a\":{\"id\":\"cus_5\",\"object\":\"customer\"}}",
        "{\"id\":7,\"object\":\"customer\",\"a\":[[[{\"id\":\"cus_5\",\"object\":\"customer\"}]]]}",
        "{\"object\":\"list\",\"data\":[{\"id\":\"cus_6\",\"object\":\"customer\"},"
        "{\"id\":\"cus_6\",\"object\":\"customer\",\"name\":\"other\"}]}",
        "[{\"id\":\"cus_7\",\"object\":\"customer\"}]",
        "\"cus_8\"",
        "null",
    };
    enum { N = sizeof objects / sizeof objects[0] };
    for (size_t i = 0; i < 2 * N; i++) {
        OWN(text_drop)
        struct text body = {0};
        size_t k = backwards ? 2 * N - 1 - i : i;
        text_addf(&body,
                  "{\"id\":\"evt_%zu\",\"object\":\"event\",\"created\":5,\"livemode\":true,"
                  "\"type\":\"a.updated\",\"data\":{\"object\":%s,\"previous_attributes\":%s}}",
                  k, objects[k % N], k < N ? "null" : "{\"name\":\"\\u0000\"}");
        event(s, text_str(&body));
    }
}

static void odd_objects_are_the_same_rows_again(void **state) {
    struct story *s = *state;
    void *other = NULL;
    OWN(text_drop)
    struct text before = {0}, after = {0}, backwards = {0};
    OWN(text_drop)
    struct text read_before = {0}, read_after = {0};
    adopt_plan(s, TABLES(""));
    odd_events(s, false);
    rows_of(s, &before);
    columns_of(s, &read_before);
    assert_answer(s, START, "\"ok\":true");
    finish(s);
    rows_of(s, &after);
    columns_of(s, &read_after);
    assert_string_equal(text_str(&before), text_str(&after));
    assert_string_equal(text_str(&read_before), text_str(&read_after));
    assert_int_equal(story_setup(&other), 0);
    adopt_plan(other, TABLES(""));
    odd_events(other, true);
    rows_of(other, &backwards);
    assert_string_equal(text_str(&before), text_str(&backwards));
    story_teardown(&other);
    text_drop(&after);
    text_drop(&backwards);
    text_drop(&read_after);
}

// Four changes of one second, of 2 to 24 MiB, for an account.
static char *large_change(int which, int account) {
    static const char names[] = "abcde";
    static const size_t sizes[] = {2, 20, 20, 24};
    struct text t = {.max = 64u << 20}, padding = {.max = 64u << 20};
    while (padding.n < sizes[which] << 20)
        text_adds(&padding, "________________________________________________________________");
    text_addf(&t,
              "{\"id\":\"evt_%d\",\"object\":\"event\",\"created\":6,\"livemode\":true,\"account\":"
              "\"acct_%d\",\"type\":\"customer.updated\",\"padding\":\"%s\",\"data\":{\"object\":{"
              "\"id\":\"cus_1\",\"object\":\"customer\",\"name\":\"%c\"},\"previous_attributes\":{"
              "\"name\":\"%c\"}}}",
              which, account, text_str(&padding), names[which + 1], names[which]);
    text_drop(&padding);
    return text_give(&t);
}

// Which of them came last does not tell how much is compared.
static void what_is_too_large_to_be_compared_is_so_in_any_order(void **state) {
    static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {3, 0, 1, 2}};
    OWN(text_drop)
    struct text rows = {0};
    size_t lines = 0;
    struct story *s = *state;
    adopt_plan(s, TABLES(""));
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 4; k++) {
            char *body = large_change(orders[i][k], i);
            event(s, body);
            free(body);
        }
    }
    rows_of(s, &rows);
    for (bytes rest = text_bytes(&rows); rest.n > 0; lines++) {
        bytes line = bytes_cut(&rest, '\n');
        assert_true(bytes_search(line, B(" undecided=1 ")) < line.n);
        assert_true(bytes_search(line, B(" event_id=\"evt_3\"")) < line.n);
    }
    assert_int_equal(lines, 3);
}

// What the one before left is taken away first.
static void one_that_was_left_at_its_end_is_followed_by_the_next(void **state) {
    struct story *s = *state;
    OWN(lives_drop)
    struct lives l;
    make_lives(&l, 6);
    adopt_plan(s, TABLES(""));
    events(s, &l, 0, l.n);
    assert_answer(s, START, "\"ok\":true");
    while (strstr(answer(s, STEP), "\"reads\":true") != NULL)
        continue;
    OWN(text_drop)
    struct text rows = {0};
    rows_of(s, &rows);
    assert_true(bytes_search(text_bytes(&rows), B("(beside)")) < rows.n);
    assert_answer(s, "{\"do\":\"tables_rebuild\",\"tables\":[\"customers\"]}",
                  "\"resumed\":false,\"after\":0");
    finish(s);
    assert_as_booked_anew(s, &l, TABLES(""));
    assert_sound(s);
}

// It comes to its own position, behind which the rebuild has gone.
static void what_is_applied_behind_it_is_in_the_new_rows_too(void **state) {
    struct story *s = *state;
    OWN(lives_drop)
    struct lives l;
    make_lives(&l, 8);
    adopt_plan(s, TABLES(""));
    uint64_t known = s->generation, at = s->position + 1;
    s->generation = 4711;
    event(s, l.bodies[0]); // in suspense: nobody knows its plan
    s->generation = known;
    events(s, &l, 1, l.n);
    assert_answer(s, START, "\"ok\":true");
    assert_answer(s, STEP, "\"read\":5");
    EACH_TELLER(t, s) {
        struct store *st = t->world.store;
        assert_ok(st->begin(st));
        assert_ok(st->plan_put(st, 4711, B(TABLES(""))));
        assert_ok(st->commit(st));
    }
    char command[64];
    snprintf(command, sizeof command, "{\"do\":\"suspense_book\",\"position\":%llu}",
             (unsigned long long)at);
    assert_answer(s, command, "\"ok\":true");
    finish(s);
    assert_as_booked_anew(s, &l, TABLES(""));
}

static void what_cannot_be_applied_is_counted_and_holds_nothing_up(void **state) {
    struct story *s = *state;
    struct teller *sqlite = &s->tellers[1];
    adopt_plan(s, TABLES(""));
    for (int i = 0; i < 8; i++) {
        char body[512];
        snprintf(
            body, sizeof body,
            "{\"id\":\"evt_%d\",\"object\":\"event\",\"created\":%d,\"livemode\":true,\"type\":"
            "\"customer.created\",\"data\":{\"object\":{\"id\":\"cus_%d\",\"object\":"
            "\"customer\"}}}",
            i, 1000 + i, i);
        event(s, body);
    }
    assert_answer(s, START, "\"ok\":true");
    assert_answer(s, "{\"do\":\"tables_step\",\"count\":2}", "\"read\":2,\"applied\":2");
    sql(s,
        "CREATE TRIGGER no BEFORE INSERT ON \"stripe_customers beside\" WHEN new.id IN ('cus_4', "
        "'cus_6') BEGIN SELECT RAISE(ABORT, 'no'); END");
    // The stores part here.
    struct record r = {.position = ++s->position,
                       .time_ms = STORY_START_MS + 60000,
                       .generation = s->generation,
                       .kind = RECORD_COMMAND,
                       .payload = B(LONG_STEP)};
    static const char *const said[] = {"\"read\":3,\"applied\":2,\"failed\":1",
                                       "\"read\":2,\"applied\":1,\"failed\":1"};
    for (size_t i = 0; i < 2; i++, r.position = ++s->position) {
        struct answer_row row;
        book_quietly(sqlite, &r);
        assert_ok(sqlite->world.store->answer_get(sqlite->world.store, r.position,
                                                  &sqlite->world.arena, &row));
        assert_true(bytes_search(row.json, bytes_of(said[i])) < row.json.n);
    }
    sql(s, "DROP TRIGGER no");
    book_quietly(sqlite, &r);
    int64_t n = 0;
    assert_ok(sqlite_number(store_sqlite_db(sqlite->world.store),
                            "SELECT count(*) FROM stripe_customers", &n));
    assert_int_equal(n, 6);
}

int main(void) {
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, story_setup, story_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_rebuild_ends_in_the_rows_that_were_there),
        TEST(what_hands_did_to_rows_is_mended),
        TEST(only_the_tables_named_are_made_anew),
        TEST(it_is_refused_with_what_is_wrong),
        TEST(it_begins_again_under_other_rules),
        TEST(what_was_read_under_other_rules_is_forgotten),
        TEST(odd_objects_are_the_same_rows_again),
        TEST(what_is_too_large_to_be_compared_is_so_in_any_order),
        TEST(what_no_source_takes_and_what_is_thin_stays_out),
        TEST(one_that_was_left_at_its_end_is_followed_by_the_next),
        TEST(what_is_applied_behind_it_is_in_the_new_rows_too),
        TEST(what_cannot_be_applied_is_counted_and_holds_nothing_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
