// SPDX-License-Identifier: MIT
// What every store must do with the tables of Stripe's objects, and how they lie in SQLite.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/ensure.h"
#include "ledger/sqlite_tables.h"
#include "ledger_world.h"

static struct store *of(void **state) { return ((struct world *)*state)->store; }
static struct arena *arena_of(void **state) { return &((struct world *)*state)->arena; }

static const struct object_table *table(const char *name) {
    const struct object_table *t = object_table_named(bytes_of(name));
    assert_non_null(t);
    return t;
}

static struct table_row a_row(const char *name, bytes id, bytes data) {
    return (struct table_row){
        .key = {.table = table(name),
                .owner = B("acct_own"),
                .account = B("acct_1"),
                .id = id,
                .livemode = true},
        .event_id = B("evt_1"),
        .event_created = 1700000000,
        .versions = B("1700000000 u evt_1\n"),
        .data = data,
    };
}

static void put(struct store *s, const struct table_row *row) {
    assert_ok(s->begin(s));
    assert_ok(s->table_put(s, row));
    assert_ok(s->commit(s));
}

static void ready(struct store *s) {
    assert_ok(s->begin(s));
    assert_ok(s->tables_ready(s));
    assert_ok(s->commit(s));
}

// The dump's lines about tables.
static void dumped(struct store *s, struct text *out) {
    OWN(text_drop)
    struct text all = {0};
    assert_ok(s->dump(s, &all));
    for (bytes rest = text_bytes(&all); rest.n > 0;) {
        bytes line = bytes_cut(&rest, '\n');
        if (!bytes_starts(line, B("stripe_")))
            continue;
        text_add(out, line);
        text_addc(out, '\n');
    }
}

#define assert_dump(s_, literal_)                                                                  \
    do {                                                                                           \
        OWN(text_drop)                                                                             \
        struct text dump_ = {0};                                                                   \
        dumped(s_, &dump_);                                                                        \
        assert_string_equal(text_str(&dump_), literal_);                                           \
    } while (0)

#define LINE_OF(table_, owner_, account_, id_, data_)                                              \
    "stripe_" table_ " owner=\"" owner_ "\" account=\"" account_ "\" livemode=1 id=\"" id_         \
    "\" deleted=0 undecided=0 incomplete=0 embedded=0 event_id=\"evt_1\" "                         \
    "event_created=1700000000 versions=\"1700000000 u evt_1\\x0a\" data=\"" data_ "\"\n"
#define LINE(table_, id_, data_) LINE_OF(table_, "acct_own", "acct_1", id_, data_)

static void test_put_and_get(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    ready(s);
    struct table_row row = a_row("customers", B("cus_1"), B("{\"id\":\"cus_1\"}")), got;
    assert_code(s->table_get(s, &row.key, a, &got), ABSENT);
    put(s, &row);
    assert_ok(s->table_get(s, &row.key, a, &got));
    assert_bytes(got.event_id, "evt_1");
    assert_int_equal(got.event_created, 1700000000);
    assert_bytes(got.versions, "1700000000 u evt_1\n");
    assert_false(got.deleted || got.undecided || got.incomplete || got.embedded);
    assert_int_equal(got.data.n, 0);
    assert_true(got.handle != 0);

    // By its number, and again without it.
    got.data = B("{\"id\":\"cus_1\",\"name\":\"b\"}");
    got.event_id = B("evt_2");
    got.deleted = got.incomplete = true;
    put(s, &got);
    assert_ok(s->table_get(s, &row.key, a, &got));
    assert_bytes(got.event_id, "evt_2");
    assert_true(got.deleted && got.incomplete);
    assert_false(got.undecided || got.embedded);
    row.undecided = row.embedded = true;
    put(s, &row);
    assert_ok(s->table_get(s, &row.key, a, &got));
    assert_true(got.undecided && got.embedded);
    assert_false(got.deleted || got.incomplete);
    assert_bytes(got.event_id, "evt_1");
}

static void test_key(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    ready(s);
    static char longest[5000];
    memset(longest, 'x', sizeof longest);
    struct table_row rows[] = {
        a_row("customers", B("cus_1"), B("{}")),
        a_row("customers", B("cus_2"), B("{}")),
        a_row("customers", B("cus_1"), B("{}")),
        a_row("customers", B("cus_1"), B("{}")),
        a_row("customers", B("cus_1"), B("{}")),
        a_row("products", B("cus_1"), B("{}")),
        a_row("objects", B("cus_1"), B("{}")),
        a_row("customers", bytes_from(longest, sizeof longest), B("{}")),
        a_row("customers", B("cus_\0_1"), B("{}")),
    };
    rows[2].key.account = NO_BYTES;
    rows[3].key.owner = B("");
    rows[4].key.livemode = false;
    const size_t n = sizeof rows / sizeof rows[0];
    for (size_t i = 0; i < n; i++) {
        struct table_row got;
        assert_code(s->table_get(s, &rows[i].key, a, &got), ABSENT);
        rows[i].event_created = (int64_t)i;
        put(s, &rows[i]);
    }
    for (size_t i = 0; i < n; i++) {
        struct table_row got;
        assert_ok(s->table_get(s, &rows[i].key, a, &got));
        assert_int_equal(got.event_created, i);
    }
}

static void test_note(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    ready(s);
    struct table_row row = a_row("customers", B("cus_1"), B("{\"id\":\"cus_1\"}")), got;
    put(s, &row);
    assert_ok(s->begin(s));
    assert_ok(s->table_get(s, &row.key, a, &got));
    got.versions = B("1699999999 u evt_0\n");
    got.undecided = true;
    got.event_id = B("evt_9");
    assert_ok(s->table_note(s, &got));
    assert_ok(s->commit(s));
    assert_dump(s, "stripe_customers owner=\"acct_own\" account=\"acct_1\" livemode=1 id=\"cus_1\""
                   " deleted=0 undecided=1 incomplete=0 embedded=0 event_id=\"evt_1\""
                   " event_created=1700000000 versions=\"1699999999 u evt_0\\x0a\""
                   " data=\"{\\x22id\\x22:\\x22cus_1\\x22}\"\n");
}

static void test_dump(void **state) {
    struct store *s = of(state);
    ready(s);
    const char *names[] = {"products", "customers", "objects"};
    const char *ids[] = {"b", "a", "ab"};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            struct table_row row = a_row(names[i], bytes_of(ids[k]), B("1"));
            put(s, &row);
        }
    struct table_row more = a_row("products", B("a"), B("2"));
    more.key.account = NO_BYTES;
    put(s, &more);
    more.key.owner = NO_BYTES;
    more.data = B("3");
    put(s, &more);
    assert_dump(s,
                LINE("objects", "a", "1") LINE("objects", "ab", "1") LINE("objects", "b", "1")
                    LINE("customers", "a", "1") LINE("customers", "ab", "1")
                        LINE("customers", "b", "1") LINE_OF("products", "", "", "a", "3")
                            LINE_OF("products", "acct_own", "", "a", "2") LINE("products", "a", "1")
                                LINE("products", "ab", "1") LINE("products", "b", "1"));
}

static void test_undo(void **state) {
    struct store *s = of(state);
    ready(s);
    struct table_row row =
        a_row("subscriptions", B("sub_1"), B("{\"items\":{\"data\":[{\"id\":\"si_1\"}]}}"));
    put(s, &row);
    OWN(text_drop)
    struct text before = {0};
    dumped(s, &before);
    assert_ok(s->begin(s));
    assert_ok(s->mark(s));
    row.data = B("{\"items\":{\"data\":[{\"id\":\"si_2\"},{\"id\":\"si_3\"}]}}");
    assert_ok(s->table_put(s, &row));
    struct table_row other = a_row("subscriptions", B("sub_2"), B("{}"));
    assert_ok(s->table_put(s, &other));
    assert_ok(s->undo(s));
    other.key.id = B("sub_3");
    assert_ok(s->table_put(s, &other));
    assert_ok(s->commit(s));
    struct table_row got;
    assert_code(s->table_get(s,
                             &(struct table_key){.table = other.key.table,
                                                 .owner = other.key.owner,
                                                 .account = other.key.account,
                                                 .livemode = true,
                                                 .id = B("sub_2")},
                             arena_of(state), &got),
                ABSENT);
    assert_ok(s->table_get(s, &other.key, arena_of(state), &got));

    assert_ok(s->begin(s));
    assert_ok(s->table_put(s, &row));
    row.key.shadow = true;
    assert_ok(s->table_put(s, &row));
    s->rollback(s);
    assert_code(s->table_get(s, &row.key, arena_of(state), &got), ABSENT);
    OWN(text_drop)
    struct text after = {0};
    dumped(s, &after);
    assert_true(bytes_starts(text_bytes(&after), text_bytes(&before)));
    assert_int_equal(bytes_search(text_bytes(&after), B("si_2")), after.n);
}

static void swap(struct store *s, const char *name) {
    const struct object_table *t[] = {table(name)};
    assert_ok(s->begin(s));
    assert_ok(s->tables_swap(s, t, 1));
    assert_ok(s->commit(s));
}

static void clear(struct store *s, const char *name, size_t max, size_t expected) {
    size_t n = 0;
    assert_ok(s->begin(s));
    assert_ok(s->table_clear(s, table(name), max, &n));
    assert_ok(s->commit(s));
    assert_int_equal(n, expected);
}

#define ITEMS "{\"items\":{\"data\":[{\"id\":\"si_1\"},{\"id\":\"si_2\"}]}}"

static void test_beside(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    ready(s);
    struct table_row row = a_row("customers", B("cus_1"), B("1")), got;
    put(s, &row);
    struct table_row gone = a_row("customers", B("cus_2"), B("1"));
    put(s, &gone);
    struct table_row product = a_row("products", B("cus_1"), B("1"));
    put(s, &product);
    row.key.shadow = true;
    assert_code(s->table_get(s, &row.key, a, &got), ABSENT);
    row.data = B("2");
    put(s, &row);
    assert_ok(s->table_get(s, &row.key, a, &got));
    assert_true(got.key.shadow);
    row.key.id = B("cus_3");
    put(s, &row);
    assert_dump(s, LINE("customers", "cus_1", "1") LINE("customers", "cus_2", "1")
                       LINE("customers (beside)", "cus_1", "2")
                           LINE("customers (beside)", "cus_3", "2") LINE("products", "cus_1", "1"));
    swap(s, "customers");
    const char *swapped = LINE("customers", "cus_1", "2") LINE("customers", "cus_3", "2");
    const char *rest = LINE("products", "cus_1", "1");
    const char *was =
        LINE("customers (beside)", "cus_1", "1") LINE("customers (beside)", "cus_2", "1");
    OWN(text_drop)
    struct text expected = {0};
    text_addf(&expected, "%s%s%s", swapped, was, rest);
    assert_dump(s, text_str(&expected));
    clear(s, "customers", 1, 1);
    clear(s, "customers", 5, 1);
    clear(s, "customers", 5, 0);
    text_reset(&expected);
    text_addf(&expected, "%s%s", swapped, rest);
    assert_dump(s, text_str(&expected));
    // What is put afterwards finds the row that came in.
    row.key.shadow = false;
    row.data = B("3");
    put(s, &row);
    assert_dump(s, LINE("customers", "cus_1", "2") LINE("customers", "cus_3", "3")
                       LINE("products", "cus_1", "1"));
    swap(s, "customers");
    clear(s, "customers", 2, 2);
    clear(s, "customers", 2, 0);
    assert_dump(s, LINE("products", "cus_1", "1"));
}

static void test_swap_undone(void **state) {
    struct store *s = of(state);
    ready(s);
    struct table_row row = a_row("subscriptions", B("sub_1"), B(ITEMS)), beside = row;
    put(s, &row);
    beside.key.shadow = true;
    beside.data = B("{\"items\":{\"data\":[{\"id\":\"si_9\"}]}}");
    put(s, &beside);
    OWN(text_drop)
    struct text before = {0};
    OWN(text_drop)
    struct text after = {0};
    dumped(s, &before);
    const struct object_table *t[] = {row.key.table};
    assert_ok(s->begin(s));
    assert_ok(s->mark(s));
    assert_ok(s->tables_swap(s, t, 1));
    assert_ok(s->table_put(s, &beside));
    assert_ok(s->undo(s));
    assert_ok(s->table_put(s, &beside));
    assert_ok(s->commit(s));
    assert_ok(s->begin(s));
    size_t n;
    assert_ok(s->tables_swap(s, t, 1));
    assert_ok(s->table_clear(s, t[0], 10, &n));
    s->rollback(s);
    put(s, &beside);
    dumped(s, &after);
    assert_string_equal(text_str(&before), text_str(&after));
}

static void test_rebuild(void **state) {
    struct store *s = of(state);
    struct rebuild_row row = {.tables = B("customers prices"),
                              .reads = true,
                              .after = 7,
                              .generation = 3,
                              .began_at = 1700000000123},
                       got;
    uint64_t *seqs = NULL;
    size_t n = 0;
    assert_code(s->rebuild_get(s, arena_of(state), &got), ABSENT);
    assert_ok(s->begin(s));
    assert_ok(s->rebuild_put(s, NULL));
    assert_ok(s->rebuild_put(s, &row));
    assert_ok(s->commit(s));
    assert_ok(s->rebuild_get(s, arena_of(state), &got));
    assert_bytes(got.tables, "customers prices");
    assert_true(got.reads && !got.swapped);
    assert_int_equal(got.after, 7);
    assert_ok(s->begin(s));
    assert_ok(s->rebuild_put(s, NULL));
    for (uint64_t seq = 3; seq < 12; seq += 4) {
        char id[8];
        snprintf(id, sizeof id, "evt_%d", (int)seq);
        book_event(s, seq, bytes_of(id), B("{}"));
    }
    assert_ok(s->commit(s));
    assert_code(s->rebuild_get(s, arena_of(state), &got), ABSENT);
    assert_ok(s->events_after(s, 0, 2, arena_of(state), &seqs, &n));
    assert_int_equal(n, 2);
    assert_int_equal(seqs[1], 7);
    assert_ok(s->events_after(s, 7, 2, arena_of(state), &seqs, &n));
    assert_int_equal(n, 1);
    assert_int_equal(seqs[0], 11);
    assert_ok(s->events_after(s, 11, 2, arena_of(state), &seqs, &n));
    assert_int_equal(n, 0);
}

static void test_crash(void **state) {
    struct world *w = *state;
    ready(w->store);
    struct table_row row = a_row("customers", B("cus_1"), B("1"));
    put(w->store, &row);
    assert_ok(w->store->begin(w->store));
    row.data = B("2");
    assert_ok(w->store->table_put(w->store, &row));
    world_crash(w);
    assert_dump(w->store, LINE("customers", "cus_1", "1"));
    put(w->store, &row);
    assert_dump(w->store, LINE("customers", "cus_1", "2"));
}

// --- SQLite alone

// The rows of a statement: values by '|', a line each.
static void ask(struct store *s, const char *sql, struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    sqlite3 *db = store_sqlite_db(s);
    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int code;
    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(q); i++) {
            text_adds(out, i > 0 ? "|" : "");
            if (sqlite3_column_type(q, i) == SQLITE_NULL)
                text_adds(out, "-");
            else
                text_add(out, sqlite_bytes(q, i));
        }
        text_addc(out, '\n');
    }
    if (code != SQLITE_DONE)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

#define assert_rows(s_, sql_, literal_)                                                            \
    do {                                                                                           \
        OWN(text_drop)                                                                             \
        struct text rows_ = {0};                                                                   \
        ask(s_, sql_, &rows_);                                                                     \
        assert_string_equal(text_str(&rows_), literal_);                                           \
    } while (0)

static void run(struct store *s, const char *sql) {
    OWN(text_drop)
    struct text none = {0};
    ask(s, sql, &none);
}

static void reopen(struct world *w) {
    w->store->close(w->store);
    w->store = NULL;
    assert_int_equal(world_open_sqlite(w), 0);
}

static const char subscription[] =
    "{\"id\":\"sub_1\",\"object\":\"subscription\",\"created\":1690000000,"
    "\"cancel_at_period_end\":true,\"customer\":{\"id\":\"cus_1\",\"object\":\"customer\"},"
    "\"status\":\"odd_new_status\",\"metadata\":{\"k\":\"v\"},\"items\":{\"object\":\"list\","
    "\"data\":[{\"id\":\"si_2\",\"object\":\"subscription_item\",\"quantity\":3},{\"id\":\"si_1\","
    "\"object\":\"subscription_item\",\"quantity\":4},{\"id\":\"si_2\",\"quantity\":9},"
    "{\"object\":\"no id\"},7]}}";

static void test_nothing_before(void **state) {
    struct store *s = of(state);
    struct table_row row = a_row("customers", B("cus_1"), B("{}")), got;
    assert_rows(s,
                "SELECT name FROM sqlite_schema WHERE name LIKE 'stripe%' OR name = "
                "'object_table'",
                "");
    assert_ok(s->begin(s));
    assert_code(s->table_get(s, &row.key, arena_of(state), &got), MISMATCH);
    assert_code(s->table_put(s, &row), MISMATCH);
    s->rollback(s);
    // Made in a transaction that is taken back.
    assert_ok(s->begin(s));
    assert_ok(s->tables_ready(s));
    assert_ok(s->table_put(s, &row));
    s->rollback(s);
    assert_ok(s->begin(s));
    assert_code(s->table_put(s, &row), MISMATCH);
    assert_ok(s->tables_ready(s));
    assert_ok(s->table_put(s, &row));
    assert_ok(s->tables_ready(s));
    assert_ok(s->commit(s));
    assert_rows(s, "SELECT id FROM stripe_customers", "cus_1\n");
    OWN(text_drop)
    struct text count = {0};
    text_addf(&count, "%zu\n", object_table_count);
    OWN(text_drop)
    struct text made = {0};
    ask(s,
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name LIKE 'stripe\\_%' "
        "ESCAPE '\\'",
        &made);
    assert_string_equal(text_str(&made), text_str(&count));
}

static void test_columns(void **state) {
    struct store *s = of(state);
    ready(s);
    struct table_row row = a_row("subscriptions", B("sub_1"), bytes_of(subscription));
    put(s, &row);
    assert_rows(s,
                "SELECT id, account, livemode, owner, created, deleted, status, customer, metadata,"
                " cancel_at_period_end, canceled_at, event_id, event_created, undecided,"
                " incomplete, embedded FROM stripe_subscriptions",
                "sub_1|acct_1|1|acct_own|1690000000|0|odd_new_status|cus_1|{\"k\":\"v\"}|1|-|evt_1|"
                "1700000000|0|0|0\n");
    assert_rows(s,
                "SELECT subscription, id, account, livemode, owner, position, quantity, data FROM"
                " stripe_subscription_items ORDER BY position",
                "sub_1|si_2|acct_1|1|acct_own|0|3|{\"id\":\"si_2\",\"object\":"
                "\"subscription_item\",\"quantity\":3}\n"
                "sub_1|si_1|acct_1|1|acct_own|1|4|{\"id\":\"si_1\",\"object\":"
                "\"subscription_item\",\"quantity\":4}\n");
    // Another subscription's items, and another account's, are their own.
    struct table_row other = a_row("subscriptions", B("sub_2"), bytes_of(subscription));
    put(s, &other);
    other.key.id = B("sub_1");
    other.key.account = NO_BYTES;
    put(s, &other);
    row.data = B("{\"created\":\"yesterday\",\"status\":{\"a\":[1]},\"items\":{\"data\":[{\"id\":"
                 "\"si_9\"}]}}");
    put(s, &row);
    assert_rows(s,
                "SELECT created, status, customer FROM stripe_subscriptions WHERE id = 'sub_1'"
                " AND account = 'acct_1'",
                "-|{\"a\":[1]}|-\n");
    assert_rows(s,
                "SELECT subscription, account, id FROM stripe_subscription_items ORDER BY 1, 2, 3",
                "sub_1||si_1\nsub_1||si_2\nsub_1|acct_1|si_9\nsub_2|acct_1|si_1\n"
                "sub_2|acct_1|si_2\n");
    row.data = B("{\"items\":{\"data\":[]}}");
    put(s, &row);
    assert_rows(s,
                "SELECT count(*) FROM stripe_subscription_items WHERE subscription = 'sub_1' AND"
                " account = 'acct_1'",
                "0\n");
}

// No column stands twice in a table, whatever the case of its letters.
static void test_names(void **state) {
    struct store *s = of(state);
    ready(s);
    assert_rows(s,
                "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c"
                " WHERE t.name LIKE 'stripe%' AND t.type = 'table' GROUP BY t.name, lower(c.name)"
                " HAVING count(*) > 1",
                "");
    for (size_t i = 0; i < object_table_count; i++) {
        const struct object_table *t = &object_tables[i];
        struct table_row row = a_row(t->parent != NULL ? t->parent->name : t->name, B("id"),
                                     B("{\"id\":\"id\",\"object\":\"x\"}"));
        put(s, &row);
    }
}

static void test_object_at_hand(void **state) {
    struct store *s = of(state);
    ready(s);
    OWN(json_close)
    struct json_doc *doc = NULL;
    assert_ok(json_parse(bytes_of(subscription), &doc));
    struct json root = json_root(doc);
    struct table_row row = a_row("subscriptions", B("sub_1"), B("not read"));
    row.object = &root;
    put(s, &row);
    assert_rows(s, "SELECT status, data FROM stripe_subscriptions", "odd_new_status|not read\n");
}

// What this program makes anew of a table is what it would have made at once.
static void all_columns(struct store *s, struct text *out) {
    ask(s, "SELECT * FROM stripe_subscriptions ORDER BY id, account", out);
    ask(s, "SELECT * FROM stripe_subscription_items ORDER BY subscription, account, id", out);
    ask(s, "SELECT * FROM stripe_customers ORDER BY id", out);
    ask(s, "SELECT * FROM stripe_objects ORDER BY id", out);
}

static void fill_some(struct store *s) {
    ready(s);
    struct table_row row = a_row("subscriptions", B("sub_1"), bytes_of(subscription));
    put(s, &row);
    row = a_row("subscriptions", B("sub_2"), bytes_of(subscription));
    row.deleted = row.undecided = true;
    put(s, &row);
    row = a_row("customers", B("cus_1"),
                B("{\"object\":\"customer\",\"created\":5,\"email\":\"a@example.com\"}"));
    put(s, &row);
    row = a_row("objects", B("new_1"), B("{\"object\":\"new_thing\",\"created\":5}"));
    put(s, &row);
}

static void test_growth(void **state) {
    struct world *w = *state;
    fill_some(w->store);
    run(w->store, "ALTER TABLE stripe_subscriptions RENAME COLUMN status TO old_status");
    run(w->store, "UPDATE stripe_subscriptions SET old_status = 'x'");
    run(w->store, "UPDATE object_table SET sha256 = 'an older one' WHERE name = 'subscriptions'");
    reopen(w);
    assert_rows(w->store, "SELECT id, status, old_status, customer FROM stripe_subscriptions",
                "sub_1|odd_new_status|x|cus_1\nsub_2|odd_new_status|x|cus_1\n");
    assert_rows(w->store, "SELECT deleted, undecided, event_id FROM stripe_subscriptions",
                "0|0|evt_1\n1|1|evt_1\n");
    // And goes on being written; what is there no more stays empty.
    struct table_row row = a_row("subscriptions", B("sub_3"), B("{\"status\":\"active\"}"));
    put(w->store, &row);
    assert_rows(w->store, "SELECT status, old_status FROM stripe_subscriptions WHERE id = 'sub_3'",
                "active|-\n");
    run(w->store, "UPDATE stripe_subscriptions SET status = 'mine'");
    reopen(w); // it is up to date: nothing is done
    assert_rows(w->store, "SELECT DISTINCT status FROM stripe_subscriptions", "mine\n");
}

static void test_new_tables(void **state) {
    struct world *w = *state;
    fill_some(w->store);
    OWN(text_drop)
    struct text want = {0};
    all_columns(w->store, &want);
    // As a program left it that knew neither customers nor items.
    run(w->store, "INSERT INTO stripe_objects (id, account, livemode, owner, created, deleted,"
                  " event_id, event_created, undecided, incomplete, embedded, versions, data,"
                  " object) SELECT id, account, livemode, owner, created, deleted, event_id,"
                  " event_created, undecided, incomplete, embedded, versions, data, 'customer' FROM"
                  " stripe_customers");
    run(w->store, "DROP TABLE stripe_customers");
    run(w->store, "DROP TABLE stripe_subscription_items");
    run(w->store, "DELETE FROM object_table WHERE name IN ('customers', 'subscription_items')");
    reopen(w);
    OWN(text_drop)
    struct text got = {0};
    all_columns(w->store, &got);
    assert_string_equal(text_str(&got), text_str(&want));
}

static void test_growth_waits(void **state) {
    struct world *w = *state;
    fill_some(w->store);
    run(w->store, "UPDATE object_table SET sha256 = 'an older one' WHERE name = 'subscriptions'");
    run(w->store, "UPDATE stripe_subscriptions SET status = 'x',"
                  " data = iif(id = 'sub_2', 'no', data)");
    w->store->close(w->store);
    OWN(text_drop)
    struct text why = {0};
    struct sqlite_options o = {.path = w->path, .migrate_later = true};
    assert_ok(store_sqlite(&o, &w->store, &why));
    assert_true(store_sqlite_waits(w->store));
    struct store_state st;
    assert_ok(w->store->state_get(w->store, &st));
    atomic_bool stop = true;
    assert_code(store_sqlite_migrate(w->store, &stop, &why), TIMEOUT);
    w->store->close(w->store);
    text_reset(&why);
    assert_ok(store_sqlite(&o, &w->store, &why));
    assert_true(store_sqlite_waits(w->store));
    assert_ok(store_sqlite_migrate(w->store, NULL, &why));
    assert_false(store_sqlite_waits(w->store));
    // A row that somebody broke stays as it is.
    assert_rows(w->store, "SELECT status FROM stripe_subscriptions", "odd_new_status\nx\n");
    reopen(w);
    assert_false(store_sqlite_waits(w->store));
}

// A rebuild that an older program began is begun again, unless its end was reached.
static void test_beside_of_an_older_program(void **state) {
    struct world *w = *state;
    for (int swapped = 0; swapped < 2; swapped++) {
        struct store *s = w->store;
        struct rebuild_row row = {
            .tables = B("customers"), .reads = !swapped, .swapped = swapped, .after = 7};
        struct table_row beside = a_row("customers", B("cus_2"), B("{}")), got;
        beside.key.shadow = true;
        ready(s);
        put(s, &beside);
        assert_ok(s->begin(s));
        assert_ok(s->rebuild_put(s, &row));
        assert_ok(s->commit(s));
        run(s, "UPDATE object_table SET sha256 = 'an older one' WHERE name = 'customers'");
        reopen(w);
        s = w->store;
        assert_code(s->table_get(s, &beside.key, arena_of(state), &got), ABSENT);
        assert_ok(s->rebuild_get(s, arena_of(state), &row));
        assert_false(row.reads);
        assert_int_equal(row.swapped, swapped);
    }
}

// Users may put indexes, triggers and views on the tables.
static void test_swap_keeps_what_users_made(void **state) {
    struct world *w = *state;
    struct store *s = w->store;
    fill_some(s);
    run(s, "CREATE INDEX mine ON stripe_customers (email)");
    run(s, "CREATE TABLE log (id TEXT)");
    run(s, "CREATE TRIGGER told AFTER UPDATE ON stripe_customers BEGIN INSERT INTO log VALUES "
           "(new.id); END");
    run(s, "CREATE VIEW emails AS SELECT email FROM stripe_customers");
    struct table_row row = a_row("customers", B("cus_2"), B("{\"email\":\"b@example.com\"}"));
    row.key.shadow = true;
    put(s, &row);
    swap(s, "customers");
    assert_rows(s, "SELECT email FROM emails", "b@example.com\n");
    row.key.shadow = false;
    put(s, &row);
    assert_rows(s, "SELECT id FROM log", "cus_2\n");
    assert_rows(s,
                "SELECT name FROM sqlite_schema WHERE tbl_name = 'stripe_customers' AND type ="
                " 'index' AND sql IS NOT NULL",
                "mine\n");
    // What they forbid is the row's failure, not the store's.
    run(s, "CREATE UNIQUE INDEX one_email ON stripe_customers (email)");
    row.key.id = B("cus_3");
    assert_ok(s->begin(s));
    assert_code(s->table_put(s, &row), EXISTS);
    s->rollback(s);
    run(s, "DROP TABLE stripe_customers");
    assert_ok(s->begin(s));
    assert_code(s->table_put(s, &row), MISMATCH);
    s->rollback(s);
}

#define ON_BOTH(test_)                                                                             \
    {#test_ " on memory", test_, world_memory_setup, world_teardown, NULL}, {                      \
#test_ " on sqlite", test_, world_sqlite_setup, world_teardown, NULL                       \
    }
#define ON_SQLITE(test_) cmocka_unit_test_setup_teardown(test_, world_sqlite_setup, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_put_and_get),
        ON_BOTH(test_key),
        ON_BOTH(test_note),
        ON_BOTH(test_dump),
        ON_BOTH(test_undo),
        ON_BOTH(test_beside),
        ON_BOTH(test_swap_undone),
        ON_BOTH(test_rebuild),
        ON_BOTH(test_crash),
        ON_SQLITE(test_nothing_before),
        ON_SQLITE(test_columns),
        ON_SQLITE(test_names),
        ON_SQLITE(test_object_at_hand),
        ON_SQLITE(test_growth),
        ON_SQLITE(test_new_tables),
        ON_SQLITE(test_growth_waits),
        ON_SQLITE(test_swap_keeps_what_users_made),
        ON_SQLITE(test_beside_of_an_older_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
