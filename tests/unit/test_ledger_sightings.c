// SPDX-License-Identifier: MIT
// What booking notes of what comes in: from records alone, once for each that is booked, whatever
// was undone, wherever batches were cut, and from a ledger of before as from a new one.
#include "book_story.h"
#include "ledger/sqlite_internal.h"

// What stands behind name= in a line of a dump, without quotes.
static bytes column(bytes line, const char *name) {
    size_t at = bytes_search(line, bytes_of(name));
    assert_true(at < line.n);
    bytes rest = bytes_slice(line, at, line.n);
    (void)bytes_cut(&rest, '=');
    bytes value = bytes_cut(&rest, ' ');
    return bytes_starts(value, B("\"")) ? bytes_slice(value, 1, value.n - 1) : value;
}

static int64_t number(bytes line, const char *name) {
    int64_t v = 0;
    assert_ok(bytes_to_i64(column(line, name), &v));
    return v;
}

// A line each: "kind whose what live|test first-last count[ gone when]"; first and last are seconds
// from the start.
static void sightings_of(struct store *s, struct text *out) {
    OWN(text_drop)
    struct text dump = {0};
    assert_ok(s->dump(s, &dump));
    for (bytes rest = text_bytes(&dump); rest.n > 0;) {
        bytes line = bytes_cut(&rest, '\n');
        if (!bytes_starts(line, B("sighting ")))
            continue;
        int64_t gone = number(line, " deauthorized=");
        text_addf(out, "%.*s %.*s %.*s %s %d-%d %.*s", BYTES_ARG(column(line, " kind=")),
                  BYTES_ARG(column(line, " whose=")), BYTES_ARG(column(line, " what=")),
                  number(line, " livemode=") ? "live" : "test",
                  (int)(number(line, " first_at=") - STORY_START_MS) / 1000,
                  (int)(number(line, " last_at=") - STORY_START_MS) / 1000,
                  BYTES_ARG(column(line, " count=")));
        if (gone > 0 && gone >= number(line, " created="))
            text_addf(out, " gone %d", (int)gone);
        text_addc(out, '\n');
    }
}

static void assert_seen(struct story *s, const char *expected) {
    EACH_TELLER(t, s) {
        OWN(text_drop)
        struct text seen = {0};
        sightings_of(t->world.store, &seen);
        assert_string_equal(text_str(&seen), expected);
    }
}

#define NAMES(id_, type_, account_, created_)                                                      \
    "{\"id\":\"" id_ "\",\"object\":\"event\",\"api_version\":\"2024-06-20\",\"created\":"         \
    "" created_ ",\"livemode\":true,\"type\":\"" type_ "\",\"account\":\"" account_ "\","          \
    "\"data\":{\"object\":{\"id\":\"obj_1\"}}}"

static void each_receipt_and_each_new_event_is_seen(void **state) {
    ADOPT(*state, "shop", SHOP);
    assert_seen(*state, "");
    receive(*state, "an event", SIGNED_UP);
    receive(*state, "again", SIGNED_UP);
    receive_by(*state, "by another source, ignored", "/t", SCOPE_ANY, MODE_TEST, SIGNED_UP);
    receive(*state, "a test event without a version", TEST_PAID);
    receive(*state, "a thin one", THIN);
    receive(*state, "of an account", NAMES("evt_a", "invoice.paid", "acct_1", "5"));
    receive(*state, "the same again", NAMES("evt_a", "invoice.paid", "acct_1", "5"));
    receive(*state, "another of it", NAMES("evt_b", "invoice.paid", "acct_1", "4"));
    assert_seen(*state, "1 /a ring test 5-5 1\n"
                        "1 /a ring live 2-9 6\n"
                        "1 /t ring live 4-4 1\n"
                        "2 main acct_1 live 7-9 2\n"
                        "3 /a customer.created live 2-3 2\n"
                        "3 /a invoice.paid test 5-5 1\n"
                        "3 /a invoice.paid live 7-9 3\n"
                        "3 /a v1.customer.created live 6-6 1\n"
                        "3 /t customer.created live 4-4 1\n"
                        "4 /a 2024-06-20 live 2-9 5\n"
                        "4 /t 2024-06-20 live 4-4 1\n");
}

#define GONE(id_, created_) NAMES(id_, "account.application.deauthorized", "acct_1", created_)
#define BACK(id_, created_) NAMES(id_, "account.application.authorized", "acct_1", created_)

static void assert_account(struct story *s, const char *expected) {
    EACH_TELLER(t, s) {
        OWN(text_drop)
        struct text seen = {0};
        sightings_of(t->world.store, &seen);
        for (bytes rest = text_bytes(&seen); rest.n > 0;) {
            bytes line = bytes_cut(&rest, '\n');
            if (bytes_starts(line, B("2 ")) && !bytes_equal(line, bytes_of(expected)))
                fail_msg("expected %s, got %.*s", expected, BYTES_ARG(line));
        }
    }
}

// By Stripe's time of the events, not by that of their arrival.
static void an_account_leaves_and_comes_back(void **state) {
    ADOPT(*state, "shop", SHOP);
    receive(*state, "it works", NAMES("evt_1", "invoice.paid", "acct_1", "100"));
    assert_account(*state, "2 main acct_1 live 2-2 1");
    receive(*state, "it leaves", GONE("evt_2", "200"));
    assert_account(*state, "2 main acct_1 live 2-3 2 gone 200");
    receive(*state, "an older event comes late", NAMES("evt_3", "invoice.paid", "acct_1", "150"));
    receive(*state, "one of the same second", NAMES("evt_4", "invoice.paid", "acct_1", "200"));
    assert_account(*state, "2 main acct_1 live 2-5 4 gone 200");
    receive(*state, "it comes back", BACK("evt_5", "300"));
    assert_account(*state, "2 main acct_1 live 2-6 5");
    receive(*state, "that it left comes once more", GONE("evt_2", "200"));
    receive(*state, "and an earlier time that it left", GONE("evt_6", "90"));
    assert_account(*state, "2 main acct_1 live 2-8 6");
    receive(*state, "it leaves again", GONE("evt_7", "400"));
    assert_account(*state, "2 main acct_1 live 2-9 7 gone 400");
    receive(*state, "any event says that it is back", NAMES("evt_8", "a.b", "acct_1", "401"));
    assert_account(*state, "2 main acct_1 live 2-10 8");
}

static void what_is_not_booked_was_not_seen(void **state) {
    struct story *s = *state;
    receive(s, "before any configuration", SIGNED_UP);
    assert_seen(s, "");
    ADOPT(s, "shop", SHOP);
    ask(s, "{\"do\":\"suspense_book\",\"position\":1}");
    assert_seen(s, "");
    receive(s, "the same", SIGNED_UP);
    assert_seen(s, "1 /a ring live 4-4 1\n"
                   "3 /a customer.created live 4-4 1\n"
                   "4 /a 2024-06-20 live 4-4 1\n");
}

// It counts with its own time, which is before that of what was booked meanwhile.
static void what_waited_in_suspense_is_seen_when_it_is_booked(void **state) {
    struct story *s = *state;
    s->generation = 2;
    receive(s, "of a configuration that comes next", SIGNED_UP);
    ADOPT(s, "shop", SHOP);
    receive(s, "another event", PAID);
    assert_seen(s, "1 /a ring live 3-3 1\n"
                   "3 /a invoice.paid live 3-3 1\n"
                   "4 /a 2024-06-20 live 3-3 1\n");
    ask(s, "{\"do\":\"suspense_book\",\"position\":1}");
    assert_seen(s, "1 /a ring live 1-3 2\n"
                   "3 /a customer.created live 1-1 1\n"
                   "3 /a invoice.paid live 3-3 1\n"
                   "4 /a 2024-06-20 live 1-3 2\n");
}

// The store could not commit: the records are booked once more, and were seen once.
static void what_was_rolled_back_was_not_seen(void **state) {
    struct story *s = *state;
    ADOPT(s, "shop", SHOP);
    EACH_TELLER(t, s) {
        OWN(text_drop)
        struct text payload = {0};
        receipt_encode(&(struct receipt_record){.source = B("/a"), .body = B(PAID)}, &payload);
        struct record r = {.position = s->position + 1,
                           .generation = s->generation,
                           .kind = RECORD_EVENT,
                           .payload = text_bytes(&payload)};
        assert_ok(t->world.store->begin(t->world.store));
        assert_ok(book_record(&t->book, &r));
        t->world.store->rollback(t->world.store);
        assert_ok(book_reload(&t->book));
    }
    receive(s, "an event", PAID);
    assert_seen(s, "1 /a ring live 2-2 1\n"
                   "3 /a invoice.paid live 2-2 1\n"
                   "4 /a 2024-06-20 live 2-2 1\n");
}

static void see(struct sightings *s, int number) {
    char label[32];
    sightings_note(s, &(struct sighting_row){
                          .kind = SIGHTING_SECRET,
                          .whose = B("/a"),
                          .what = bytes_from(label, (size_t)snprintf(label, 32, "s%d", number)),
                          .first_at = number + 1,
                          .last_at = number + 1,
                          .count = 1,
                      });
    sightings_keep_record(s);
}

// 0 to 1,009 twice, in batches of this size, and every third batch fails at first.
static void see_many(struct store *store, int batch, uint32_t *left_out, struct text *dump) {
    struct sightings s = {0};
    for (int from = 0, i = 0; from < 2020; from += batch, i++) {
        bool fails = i % 3 == 0;
        for (int again = fails; again >= 0; again--) {
            uint32_t out[SIGHTING_KINDS] = {0};
            for (int n = from; n < from + batch && n < 2020; n++)
                see(&s, n % 1010);
            assert_ok(store->begin(store));
            assert_ok(sightings_write(&s, store, out));
            if (again) {
                store->rollback(store);
                sightings_drop(&s);
            } else {
                assert_ok(store->commit(store));
                sightings_written(&s);
                *left_out += out[SIGHTING_SECRET];
            }
        }
    }
    sightings_drop(&s);
    assert_ok(store->dump(store, dump));
}

static void so_many_are_noted_and_the_same_however_batches_are_cut(void **state) {
    OWN(text_drop)
    struct text first = {0};
    static const int batches[] = {1, 7, 500, 1003, 2020};
    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
        OWN(text_drop)
        struct text dump = {0};
        uint32_t left_out = 0;
        uint64_t n = 0;
        struct store *s = store_memory();
        see_many(s, batches[i], &left_out, &dump);
        assert_int_equal(left_out, 20);
        assert_ok(s->sighting_count(s, SIGHTING_SECRET, &n));
        assert_int_equal(n, 1000);
        s->close(s);
        if (i == 0)
            text_add(&first, text_bytes(&dump));
        assert_string_equal(text_str(&first), text_str(&dump));
    }
}

// A ledger of before sightings were kept, with what is in its events and receipts.
static void a_migration_looks_back(void **state) {
    struct story *s = *state;
    struct teller *t = &s->tellers[1];
    OWN(text_drop)
    struct text before = {0}, after = {0};
    each_receipt_and_each_new_event_is_seen(state);
    receive(s, "it leaves", GONE("evt_c", "200"));
    receive(s, "a test account",
            "{\"id\":\"evt_d\",\"object\":\"event\",\"created\":6,"
            "\"livemode\":false,\"type\":\"a.b\",\"account\":\"acct_2\"}");
    receive(s, "the same account, live",
            "{\"id\":\"evt_e\",\"object\":\"event\",\"created\":7,"
            "\"livemode\":true,\"type\":\"a.b\",\"account\":\"acct_2\"}");
    assert_ok(t->world.store->dump(t->world.store, &before));
    assert_ok(sqlite_run(store_sqlite_db(t->world.store),
                         "DROP VIEW accounts; DROP VIEW secret_uses; DROP VIEW event_types;"
                         "DROP VIEW api_versions; DROP TABLE sighting;"));
    for (size_t i = 0; i < ledger_migration_count; i++)
        if (strcmp(ledger_migrations[i].name, "what was seen") == 0)
            assert_ok(sqlite_run(store_sqlite_db(t->world.store), ledger_migrations[i].sql));
    assert_ok(t->world.store->dump(t->world.store, &after));
    assert_string_equal(text_str(&before), text_str(&after));
    receive(s, "and it goes on", SIGNED_UP);
    OWN(text_drop)
    struct text memory = {0};
    text_reset(&after);
    sightings_of(s->tellers[0].world.store, &memory);
    sightings_of(t->world.store, &after);
    assert_string_equal(text_str(&memory), text_str(&after));
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define STORY(test_) cmocka_unit_test_setup_teardown(test_, story_setup, story_teardown)
        STORY(each_receipt_and_each_new_event_is_seen),
        STORY(an_account_leaves_and_comes_back),
        STORY(what_is_not_booked_was_not_seen),
        STORY(what_waited_in_suspense_is_seen_when_it_is_booked),
        STORY(what_was_rolled_back_was_not_seen),
        cmocka_unit_test(so_many_are_noted_and_the_same_however_batches_are_cut),
        STORY(a_migration_looks_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
