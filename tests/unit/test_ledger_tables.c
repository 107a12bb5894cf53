// SPDX-License-Identifier: MIT
// What booking makes of events in the tables of Stripe's objects (book_story.h). Rows are shown as
// "TABLE ID: EVENT at SECOND, what is special: DATA".
#include "book_story.h"

#include "base/ensure.h"
#include "ledger/sqlite_internal.h"

#define TABLES_ALL                                                                                 \
    { "tables", "both", NULL, "1000", "[]" }

#define OF(id_, type_, second_, envelope_, object_, more_)                                         \
    "{\"id\":\"" id_ "\",\"object\":\"event\",\"created\":" second_ ",\"livemode\":true,\"type\":" \
    "\"" type_ "\"," envelope_ "\"data\":{\"object\":" object_ more_ "}}"
#define HAPPENS(id_, type_, second_, object_) OF(id_, type_, second_, "", object_, "")
#define CHANGES(id_, second_, object_, previous_)                                                  \
    OF(id_, "customer.updated", second_, "", object_, ",\"previous_attributes\":" previous_)
#define CUSTOMER(name_) "{\"id\":\"cus_1\",\"object\":\"customer\",\"name\":\"" name_ "\"}"

// --- rows

// What stands behind ` name=` in a line of a dump.
static bytes value_of(bytes line, const char *name) {
    OWN(text_drop)
    struct text key = {0};
    text_addf(&key, " %s=", name);
    bytes b = bytes_slice(line, bytes_search(line, text_bytes(&key)) + key.n, line.n);
    if (b.n > 0 && b.p[0] == '"') {
        b = bytes_slice(b, 1, b.n);
        return bytes_cut(&b, '"');
    }
    return bytes_cut(&b, ' ');
}

static void add_plain(struct text *out, bytes escaped) {
    for (bytes rest = escaped; rest.n > 0;) {
        size_t n = bytes_search(rest, B("\\x22"));
        text_add(out, bytes_slice(rest, 0, n));
        text_adds(out, n < rest.n ? "\"" : "");
        rest = bytes_slice(rest, n + 4, rest.n);
    }
}

static void show_row(bytes line, struct text *out) {
    bytes table = line, account = value_of(line, "account");
    text_adds(out, "  ");
    text_add(out, bytes_slice(bytes_cut(&table, ' '), 7, SIZE_MAX));
    if (bytes_starts(table, B("(beside)")))
        text_adds(out, " (beside)");
    text_addc(out, ' ');
    text_add(out, value_of(line, "id"));
    text_adds(out, account.n > 0 ? " of " : "");
    text_add(out, account);
    text_adds(out, bytes_equal(value_of(line, "livemode"), B("1")) ? ": " : ", test: ");
    text_add(out, value_of(line, "event_id"));
    text_adds(out, " at ");
    text_add(out, value_of(line, "event_created"));
    const char *special[] = {"deleted", "undecided", "incomplete", "embedded"};
    for (size_t i = 0; i < 4; i++)
        if (bytes_equal(value_of(line, special[i]), B("1")))
            text_addf(out, ", %s", special[i]);
    text_adds(out, ": ");
    add_plain(out, value_of(line, "data"));
    text_addc(out, '\n');
}

static void show_rows(struct store *st, struct text *out) {
    OWN(text_drop)
    struct text all = {0};
    assert_ok(st->dump(st, &all));
    for (bytes rest = text_bytes(&all); rest.n > 0;) {
        bytes line = bytes_cut(&rest, '\n');
        if (bytes_starts(line, B("stripe_")))
            show_row(line, out);
    }
}

// Of both stores; the story so far is forgotten.
static void assert_rows(struct story *s, const char *expected) {
    EACH_TELLER(t, s) {
        OWN(text_drop)
        struct text rows = {0};
        show_rows(t->world.store, &rows);
        assert_string_equal(text_str(&rows), expected);
        text_reset(&t->trace);
    }
}

static void an_event_is_applied_where_it_is_booked(void **state) {
    ADOPT(*state, "tables", TABLES_ALL);
    receive(*state, "a customer comes", HAPPENS("evt_1", "customer.created", "5", CUSTOMER("a")));
    receive(*state, "and changes", HAPPENS("evt_2", "customer.updated", "6", CUSTOMER("b")));
    receive(*state, "again", HAPPENS("evt_2", "customer.updated", "6", CUSTOMER("b")));
    assert_story(*state,
                 "1 tables\n"
                 "  in force: plan 1\n"
                 "  destination 1: tables\n"
                 "2 a customer comes\n"
                 "  delivery 1: event 2 to 1: done, at 2.0 s\n"
                 "  event 2: evt_1 customer.created live: done\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 149 bytes of its own\n"
                 "3 and changes\n"
                 "  delivery 2: event 3 to 1: done, at 3.0 s\n"
                 "  event 3: evt_2 customer.updated live: done\n"
                 "  receipt 3: event 3 by /a, secret ring, generation 1, 149 bytes of its own\n"
                 "4 again\n"
                 "  receipt 4: event 3 by /a, secret ring, generation 1, the bytes of 3\n");
    assert_rows(*state, "  customers cus_1: evt_2 at 6: " CUSTOMER("b") "\n");
}

// Orders of five events of one object, each order an account of its own: created, A to B and back
// to A and to C in one second, deleted or not.
static void any_order_gives_the_same_rows(void **state) {
    static const char *const told[] = {
        OF("evt_1", "customer.created", "5", "%s", CUSTOMER("a"), ""),
        OF("evt_4", "customer.updated", "6", "%s", CUSTOMER("b"),
           ",\"previous_attributes\":{\"name\":\"a\"}"),
        OF("evt_3", "customer.updated", "6", "%s", CUSTOMER("a"),
           ",\"previous_attributes\":{\"name\":\"b\"}"),
        OF("evt_2", "customer.updated", "6", "%s", CUSTOMER("c"),
           ",\"previous_attributes\":{\"name\":\"a\"}"),
    };
    enum { N = sizeof told / sizeof told[0] };
    OWN(text_drop)
    struct text expected = {0}, body = {0}, account = {0};
    ADOPT(*state, "tables", TABLES_ALL);
    for (int order = 0; order < 48; order++) {
        bool deleted = order >= 24, done[N] = {false};
        text_reset(&account);
        text_addf(&account, "\"account\":\"acct_%02d\",", order);
        for (int i = 0, rest = order % 24; i < N; rest /= N - i, i++) {
            int skip = rest % (N - i), k = 0;
            while (done[k] || skip-- > 0)
                k++;
            done[k] = true;
            if (deleted && i == 2) {
                text_reset(&body);
                text_addf(&body, OF("evt_0", "customer.deleted", "6", "%s", CUSTOMER("d"), ""),
                          text_str(&account));
                receive(*state, "deleted", text_str(&body));
            }
            text_reset(&body);
            text_addf(&body, told[k], text_str(&account));
            receive(*state, "one of them", text_str(&body));
            if (order % 5 == 0)
                receive(*state, "again", text_str(&body));
        }
        text_addf(&expected, "  customers cus_1 of acct_%02d: %s at 6%s: %s\n", order,
                  deleted ? "evt_0" : "evt_2", deleted ? ", deleted" : "",
                  deleted ? CUSTOMER("d") : CUSTOMER("c"));
    }
    assert_rows(*state, text_str(&expected));
    text_drop(&body);
    text_drop(&account);
}

static void what_events_do_not_tell_is_marked(void **state) {
    ADOPT(*state, "tables", TABLES_ALL);
    receive(*state, "one", HAPPENS("evt_1", "customer.updated", "6", CUSTOMER("a")));
    assert_rows(*state, "  customers cus_1: evt_1 at 6: " CUSTOMER("a") "\n");
    receive(*state, "two", HAPPENS("evt_2", "customer.updated", "6", CUSTOMER("b")));
    assert_rows(*state, "  customers cus_1: evt_2 at 6, undecided: " CUSTOMER("b") "\n");
    EACH_TELLER(t, (struct story *)*state) {
        assert_int_equal(t->book.tally.tables_undecided, 1);
        assert_int_equal(t->book.tally.tables_applied, 2);
    }
    receive(*state, "what was before decides it",
            CHANGES("evt_0", "6", CUSTOMER("b"), "{\"name\":\"c\"}"));
    receive(*state, "or a later second", HAPPENS("evt_3", "customer.updated", "7", CUSTOMER("z")));
    receive(*state, "an older one", HAPPENS("evt_9", "customer.updated", "5", CUSTOMER("y")));
    assert_rows(*state, "  customers cus_1: evt_3 at 7: " CUSTOMER("z") "\n");
    EACH_TELLER(t, (struct story *)*state) assert_int_equal(t->book.tally.tables_known, 1);
}

// --- stores that cannot give or take

static struct store given[2]; // the stores as they were
static const char *gone = ""; // ids of events that are there no more

static const struct store *as_given(struct store *s) {
    return &given[s->table_get == given[1].table_get];
}

static result some_event_find(struct store *s, bytes owner, bytes account, bool livemode, bytes id,
                              struct arena *a, struct event_row *out) {
    NEED(bytes_search(bytes_of(gone), id) == strlen(gone), ABSENT, "there is no such event");
    return as_given(s)->event_find(s, owner, account, livemode, id, a, out);
}

// A user's rule for his tables: none of them takes "bad".
static result some_table_put(struct store *s, const struct table_row *row) {
    NEED(bytes_search(row->data, B("bad")) == row->data.n, EXISTS, "somebody's index forbids it");
    return as_given(s)->table_put(s, row);
}

static void intervene(struct story *s) {
    int i = 0;
    EACH_TELLER(t, s) given[i++] = *t->world.store;
    EACH_TELLER(t, s) {
        t->world.store->event_find = some_event_find;
        t->world.store->table_put = some_table_put;
    }
}

static void relent(struct story *s) {
    EACH_TELLER(t, s) {
        t->world.store->event_find = as_given(t->world.store)->event_find;
        t->world.store->table_put = as_given(t->world.store)->table_put;
    }
}

static void what_is_gone_leaves_a_row_undecided(void **state) {
    ADOPT(*state, "tables", TABLES_ALL);
    intervene(*state);
    receive(*state, "one", CHANGES("evt_1", "6", CUSTOMER("a"), "{\"name\":\"b\"}"));
    gone = "evt_1";
    receive(*state, "before it", CHANGES("evt_2", "6", CUSTOMER("b"), "{\"name\":\"c\"}"));
    assert_rows(*state, "  customers cus_1: evt_2 at 6, undecided: " CUSTOMER("b") "\n");
    gone = "";
    receive(*state, "between them: all is known",
            CHANGES("evt_3", "6", CUSTOMER("c"), "{\"name\":\"d\"}"));
    assert_rows(*state, "  customers cus_1: evt_1 at 6: " CUSTOMER("a") "\n");
    relent(*state);
}

static void none_left_to_compare_changes_nothing(void **state) {
    ADOPT(*state, "tables", TABLES_ALL);
    intervene(*state);
    receive(*state, "a", CHANGES("evt_1", "6", CUSTOMER("b"), "{\"name\":\"a\"}"));
    receive(*state, "a second without order, and what was before it comes late",
            CHANGES("evt_2", "6", CUSTOMER("a"), "{\"name\":\"b\"}"));
    assert_rows(*state, "  customers cus_1: evt_2 at 6, undecided: " CUSTOMER("a") "\n");
    gone = "evt_1 evt_2";
    receive(*state, "before", HAPPENS("evt_3", "customer.updated", "5", CUSTOMER("a")));
    assert_rows(*state, "  customers cus_1: evt_2 at 6, undecided: " CUSTOMER("a") "\n");
    gone = "";
    receive(*state, "later", HAPPENS("evt_4", "customer.updated", "7", CUSTOMER("c")));
    assert_rows(*state, "  customers cus_1: evt_4 at 7: " CUSTOMER("c") "\n");
    relent(*state);
}

#define CHARGE(id_, customer_)                                                                     \
    "{\"id\":\"" id_ "\",\"object\":\"charge\",\"customer\":" customer_ "}"

static void what_comes_along_fills_what_nobody_told(void **state) {
    ADOPT(*state, "tables", TABLES_ALL);
    receive(*state, "a charge with its customer",
            HAPPENS("evt_1", "charge.succeeded", "7", CHARGE("ch_1", CUSTOMER("b"))));
    assert_rows(
        *state,
        "  charges ch_1: evt_1 at 7: " CHARGE(
            "ch_1", CUSTOMER("b")) "\n"
                                   "  customers cus_1: evt_1 at 7, embedded: " CUSTOMER("b") "\n");
    receive(*state, "an older one",
            HAPPENS("evt_2", "charge.succeeded", "6", CHARGE("ch_1", CUSTOMER("a"))));
    receive(*state, "a later one of another charge",
            HAPPENS("evt_3", "charge.succeeded", "8", CHARGE("ch_2", CUSTOMER("c"))));
    assert_rows(
        *state,
        "  charges ch_1: evt_1 at 7: " CHARGE(
            "ch_1",
            CUSTOMER("b")) "\n"
                           "  charges ch_2: evt_3 at 8: " CHARGE(
                               "ch_2",
                               CUSTOMER("c")) "\n"
                                              "  customers cus_1: evt_3 at 8, embedded: " CUSTOMER(
                                                  "c") "\n");
    receive(*state, "its own, older", HAPPENS("evt_4", "customer.created", "5", CUSTOMER("d")));
    receive(*state, "once more along",
            HAPPENS("evt_5", "charge.succeeded", "9", CHARGE("ch_2", CUSTOMER("e"))));
    assert_rows(
        *state,
        "  charges ch_1: evt_1 at 7: " CHARGE(
            "ch_1",
            CUSTOMER("b")) "\n"
                           "  charges ch_2: evt_5 at 9: " CHARGE(
                               "ch_2",
                               CUSTOMER("e")) "\n"
                                              "  customers cus_1: evt_4 at 5: " CUSTOMER("d") "\n");
}

static void keys_are_whole(void **state) {
    ADOPT(*state, "tables", TABLES_ALL);
    receive(*state, "live", HAPPENS("evt_1", "customer.created", "5", CUSTOMER("a")));
    receive(*state, "of an account",
            OF("evt_1", "customer.created", "5", "\"account\":\"acct_1\",", CUSTOMER("b"), ""));
    receive(*state, "test",
            "{\"id\":\"evt_1\",\"object\":\"event\",\"created\":5,\"livemode\":false,\"type\":"
            "\"customer.created\",\"data\":{\"object\":" CUSTOMER("c") "}}");
    assert_rows(*state,
                "  customers cus_1, test: evt_1 at 5: " CUSTOMER(
                    "c") "\n"
                         "  customers cus_1: evt_1 at 5: " CUSTOMER(
                             "a") "\n"
                                  "  customers cus_1 of acct_1: evt_1 at 5: " CUSTOMER("b") "\n");
}

static void what_tables_do_not_take_is_no_delivery(void **state) {
    ADOPT(*state, "all but charges", {"tables", "both", NULL, "1000", "[\"charge\"]"});
    receive(*state, "thin", THIN);
    receive(*state, "a charge", HAPPENS("evt_1", "charge.failed", "5", CHARGE("ch_1", "null")));
    assert_story(
        *state,
        "1 all but charges\n"
        "  in force: plan 1\n"
        "  destination 1: tables\n"
        "2 thin\n"
        "  event 2: evt_thin v1.customer.created live, thin, its snapshot is evt_1: ignored\n"
        "  receipt 2: event 2 by /a, secret ring, generation 1, 195 bytes of its own\n"
        "3 a charge\n"
        "  event 3: evt_1 charge.failed live: ignored\n"
        "  receipt 3: event 3 by /a, secret ring, generation 1, 148 bytes of its own\n");
    receive(*state, "a customer with one inside",
            HAPPENS("evt_2", "customer.created", "5",
                    "{\"id\":\"cus_1\",\"object\":\"customer\",\"c\":" CHARGE("ch_1", "0") "}"));
    assert_rows(*state, "  customers cus_1: evt_2 at 5: {\"id\":\"cus_1\",\"object\":\"customer\","
                        "\"c\":" CHARGE("ch_1", "0") "}\n");
}

static void what_is_held_is_applied_when_it_goes_out(void **state) {
    ADOPT(*state, "tables", TABLES_ALL);
    ask(*state, "{\"do\":\"hold\",\"destination\":\"tables\",\"reason\":\"a look\"}");
    receive(*state, "an event", HAPPENS("evt_1", "customer.created", "5", CUSTOMER("a")));
    assert_rows(*state, "");
    ask(*state, "{\"do\":\"release\",\"destination\":\"tables\"}");
    receive(*state, "a later one", HAPPENS("evt_2", "customer.updated", "6", CUSTOMER("b")));
    assert_rows(*state, "  customers cus_1: evt_2 at 6: " CUSTOMER("b") "\n");
    ends(*state, "the first goes out", 1, 1, OUTCOME_DONE, 0);
    assert_story(*state, "6 the first goes out\n"
                         "  taken no more: delivery 1\n"
                         "  delivery 1: event 3 to 1: done, tried 1 (failures 0, not yet 0), at 6.0"
                         " s\n"
                         "  event 3: evt_1 customer.created live: done\n");
    assert_rows(*state, "  customers cus_1: evt_2 at 6: " CUSTOMER("b") "\n");
    EACH_TELLER(t, (struct story *)*state) assert_int_equal(t->book.tally.tables_known, 0);

    ask(*state, "{\"do\":\"hold\",\"destination\":\"tables\",\"reason\":\"a look\"}");
    receive(*state, "another", HAPPENS("evt_3", "customer.updated", "7", CUSTOMER("c")));
    ends(*state, "goes out all the same", 3, 1, OUTCOME_DONE, 0);
    assert_rows(*state, "  customers cus_1: evt_3 at 7: " CUSTOMER("c") "\n");
}

static void a_replay_says_nothing_new(void **state) {
    ADOPT(*state, "tables", TABLES_ALL);
    receive(*state, "an event", HAPPENS("evt_1", "customer.created", "5", CUSTOMER("a")));
    ask(*state, "{\"do\":\"replay\",\"events\":[2],\"to\":\"tables\"}");
    ends(*state, "it is done", 2, 1, OUTCOME_DONE, 0);
    assert_rows(*state, "  customers cus_1: evt_1 at 5: " CUSTOMER("a") "\n");
    EACH_TELLER(t, (struct story *)*state) assert_int_equal(t->book.tally.tables_known, 1);
}

static void what_was_before_the_tables_comes_by_replay(void **state) {
    ADOPT(*state, "no tables", SHOP);
    receive(*state, "an event", HAPPENS("evt_1", "customer.created", "5", CUSTOMER("a")));
    ADOPT(*state, "tables", SHOP, TABLES_ALL);
    ask(*state, "{\"do\":\"replay\",\"events\":[2],\"to\":\"tables\"}");
    assert_rows(*state, "");
    ends(*state, "applied", 2, 1, OUTCOME_DONE, 0);
    assert_rows(*state, "  customers cus_1: evt_1 at 5: " CUSTOMER("a") "\n");
    receive(*state, "the same again: it is applied anew, by its first bytes",
            HAPPENS("evt_1", "customer.created", "5", CUSTOMER("a")));
    ADOPT(*state, "no tables any more", SHOP);
    receive(*state, "another", HAPPENS("evt_2", "customer.updated", "6", CUSTOMER("b")));
    assert_rows(*state, "  customers cus_1: evt_1 at 5: " CUSTOMER("a") "\n");
}

static void what_cannot_be_applied_is_dead_and_leaves_nothing(void **state) {
    ADOPT(*state, "tables", TABLES_ALL, SHOP);
    intervene(*state);
    receive(*state, "a charge, whose customer is refused",
            HAPPENS("evt_1", "charge.failed", "5", CHARGE("ch_1", CUSTOMER("bad"))));
    assert_story(*state,
                 "1 tables\n"
                 "  in force: plan 1\n"
                 "  destination 1: tables\n"
                 "  destination 2: shop\n"
                 "2 a charge, whose customer is refused\n"
                 "  delivery 1: event 2 to 1: dead, at 2.0 s (somebody's index forbids it)\n"
                 "  event 2: evt_1 charge.failed live: pending\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 191 bytes of its own\n"
                 "  delivery 2: event 2 to 2: due, at 2.0 s\n");
    receive(*state, "another", HAPPENS("evt_2", "charge.failed", "5", CHARGE("ch_2", "0")));
    assert_rows(*state, "  charges ch_2: evt_2 at 5: " CHARGE("ch_2", "0") "\n");
    EACH_TELLER(t, (struct story *)*state) {
        assert_int_equal(t->book.tally.tables_failed, 1);
        assert_int_equal(t->book.tally.dead, 1);
        assert_int_equal(t->book.tally.last_dead, 1);
        assert_int_equal(t->book.tally.tables_applied, 1);
    }
    ends(*state, "shop has it", 2, 1, OUTCOME_DONE, 200);
    ask(*state, "{\"do\":\"retry\",\"delivery\":1}");
    ends(*state, "still refused", 1, 1, OUTCOME_DONE, 0);
    EACH_TELLER(t, (struct story *)*state) text_reset(&t->trace);
    ask(*state, "{\"do\":\"retry\",\"delivery\":1}");
    relent(*state);
    ends(*state, "mended", 1, 2, OUTCOME_DONE, 0);
    assert_story(*state,
                 "7 {\"do\":\"retry\",\"delivery\":1}\n"
                 "  delivery 1: event 2 to 1: due, tried 1 (failures 0, not yet 0), at 7.0 s"
                 " (somebody's index forbids it)\n"
                 "  event 2: evt_1 charge.failed live: pending\n"
                 "  answer 7: {\"ok\":true}\n"
                 "8 mended\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: done, tried 2 (failures 0, not yet 0), at 8.0 s\n"
                 "  event 2: evt_1 charge.failed live: done\n");
    assert_rows(
        *state,
        "  charges ch_1: evt_1 at 5: " CHARGE(
            "ch_1", CUSTOMER("bad")) "\n"
                                     "  charges ch_2: evt_2 at 5: " CHARGE(
                                         "ch_2",
                                         "0") "\n"
                                              "  customers cus_1: evt_1 at 5, embedded: " CUSTOMER(
                                                  "bad") "\n");
}

static void an_event_whose_only_delivery_is_dead_has_failed(void **state) {
    ADOPT(*state, "tables", TABLES_ALL);
    intervene(*state);
    EACH_TELLER(t, (struct story *)*state) text_reset(&t->trace);
    receive(*state, "refused", HAPPENS("evt_1", "customer.created", "5", CUSTOMER("bad")));
    assert_story(*state,
                 "2 refused\n"
                 "  delivery 1: event 2 to 1: dead, at 2.0 s (somebody's index forbids it)\n"
                 "  event 2: evt_1 customer.created live: failed (somebody's index forbids it)\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 151 bytes of its own\n");
    relent(*state);
}

static void the_first_receipts_bytes_count(void **state) {
    ADOPT(*state, "no tables", SHOP);
    receive(*state, "an event", HAPPENS("evt_1", "customer.created", "5", CUSTOMER("a")));
    ADOPT(*state, "tables", TABLES_ALL);
    EACH_TELLER(t, (struct story *)*state) text_reset(&t->trace);
    receive(*state, "as another API version says it",
            HAPPENS("evt_1", "customer.created", "5", CUSTOMER("other")));
    assert_story(*state,
                 "4 as another API version says it\n"
                 "  event 2: evt_1 customer.created live: pending\n"
                 "  delivery 2: event 2 to 2: due, owed by receipt 4, at 4.0 s\n"
                 "  receipt 4: event 2 by /a, secret ring, generation 3, 153 bytes of its own\n");
    ends(*state, "it goes out", 2, 1, OUTCOME_DONE, 0);
    assert_rows(*state, "  customers cus_1: evt_1 at 5: " CUSTOMER("a") "\n");
}

#define CUT                                                                                        \
    "{\"id\":\"sub_1\",\"object\":\"subscription\",\"items\":{\"object\":\"list\",\"data\":"       \
    "[{\"id\":\"si_1\",\"object\":\"subscription_item\"}],\"has_more\":true}}"

static void a_list_that_was_cut_is_marked(void **state) {
    ADOPT(*state, "tables", TABLES_ALL);
    receive(*state, "cut", HAPPENS("evt_1", "customer.subscription.created", "5", CUT));
    assert_rows(*state, "  subscriptions sub_1: evt_1 at 5, incomplete: " CUT "\n");
}

static void an_outcome_that_cannot_be_applied_is_dead(void **state) {
    ADOPT(*state, "tables", TABLES_ALL);
    ask(*state, "{\"do\":\"hold\",\"destination\":\"tables\",\"reason\":\"a look\"}");
    receive(*state, "an event", HAPPENS("evt_1", "customer.created", "5", CUSTOMER("bad")));
    intervene(*state);
    EACH_TELLER(t, (struct story *)*state) text_reset(&t->trace);
    ends(*state, "it goes out", 1, 1, OUTCOME_DONE, 0);
    assert_story(*state, "4 it goes out\n"
                         "  taken no more: delivery 1\n"
                         "  taken no more: delivery 1\n"
                         "  delivery 1: event 3 to 1: dead, tried 1 (failures 1, not yet 0), at 4.0"
                         " s (somebody's index forbids it)\n"
                         "  event 3: evt_1 customer.created live: failed (somebody's index forbids"
                         " it)\n");
    relent(*state);
    assert_rows(*state, "");
}

static void what_was_cancelled_is_not_applied(void **state) {
    ADOPT(*state, "tables", TABLES_ALL);
    ask(*state, "{\"do\":\"hold\",\"destination\":\"tables\",\"reason\":\"a look\"}");
    receive(*state, "an event", HAPPENS("evt_1", "customer.created", "5", CUSTOMER("a")));
    ask(*state, "{\"do\":\"cancel\",\"delivery\":1}");
    EACH_TELLER(t, (struct story *)*state) text_reset(&t->trace);
    ends(*state, "it was under way", 1, 1, OUTCOME_DONE, 0);
    assert_story(*state,
                 "5 it was under way\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 3 to 1: cancelled, tried 1 (failures 0, not yet 0), at"
                 " 4.0 s (cancelled by hand)\n");
    assert_rows(*state, "");
}

static void suspense_keeps_no_rows(void **state) {
    struct story *s = *state;
    ADOPT(s, "tables", TABLES_ALL);
    s->generation = 99;
    receive(s, "of a configuration that there is not",
            HAPPENS("evt_1", "customer.created", "5", CUSTOMER("a")));
    assert_rows(s, "");
    s->generation = 1;
    receive(s, "a charge with the customer",
            HAPPENS("evt_2", "charge.failed", "6", CHARGE("ch_1", CUSTOMER("b"))));
    assert_rows(s, "  charges ch_1: evt_2 at 6: " CHARGE(
                       "ch_1", CUSTOMER("b")) "\n"
                                              "  customers cus_1: evt_2 at 6, embedded: " CUSTOMER(
                                                  "b") "\n");
}

// What is rolled back, or undone, is not remembered as a row that there is.
static void what_is_undone_leaves_no_trace(void **state) {
    struct story *s = *state;
    ADOPT(s, "tables", TABLES_ALL);
    OWN(text_drop)
    struct text payload = {0};
    receipt_encode(&(struct receipt_record){.source = B("/a"),
                                            .owner = B("main"),
                                            .body = B(HAPPENS("evt_1", "customer.created", "5",
                                                              CUSTOMER("a")))},
                   &payload);
    struct record r = {.position = 2,
                       .time_ms = STORY_START_MS,
                       .generation = 1,
                       .kind = RECORD_EVENT,
                       .payload = text_bytes(&payload)};
    EACH_TELLER(t, s) {
        struct store *st = t->world.store;
        assert_ok(st->begin(st));
        assert_ok(book_record(&t->book, &r));
        st->rollback(st);
        assert_ok(book_reload(&t->book));
        assert_ok(st->begin(st));
        assert_ok(st->mark(st));
        struct store_state before = t->book.state;
        assert_ok(book_record(&t->book, &r));
        assert_ok(st->undo(st));
        assert_ok(book_undone(&t->book, &before));
        assert_ok(book_commit(&t->book));
    }
    assert_rows(s, "");
    receive(s, "a charge with the customer",
            HAPPENS("evt_2", "charge.failed", "6", CHARGE("ch_1", CUSTOMER("b"))));
    assert_rows(s, "  charges ch_1: evt_2 at 6: " CHARGE(
                       "ch_1", CUSTOMER("b")) "\n"
                                              "  customers cus_1: evt_2 at 6, embedded: " CUSTOMER(
                                                  "b") "\n");
}

static void ledgers_without_tables_have_none(void **state) {
    struct story *s = *state;
    sqlite3 *db = store_sqlite_db(s->tellers[1].world.store);
    int64_t n = 0;
    const char *count = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'stripe%'";
    ADOPT(s, "no tables", SHOP);
    receive(s, "an event", HAPPENS("evt_1", "customer.created", "5", CUSTOMER("a")));
    assert_ok(sqlite_number(db, count, &n));
    assert_int_equal(n, 0);
    ADOPT(s, "tables", SHOP, TABLES_ALL);
    assert_ok(sqlite_number(db, count, &n));
    assert_true(n > 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define STORY(name_) cmocka_unit_test_setup_teardown(name_, story_setup, story_teardown)
        STORY(an_event_is_applied_where_it_is_booked),
        STORY(any_order_gives_the_same_rows),
        STORY(what_events_do_not_tell_is_marked),
        STORY(what_is_gone_leaves_a_row_undecided),
        STORY(none_left_to_compare_changes_nothing),
        STORY(what_comes_along_fills_what_nobody_told),
        STORY(keys_are_whole),
        STORY(what_tables_do_not_take_is_no_delivery),
        STORY(what_is_held_is_applied_when_it_goes_out),
        STORY(a_replay_says_nothing_new),
        STORY(what_was_before_the_tables_comes_by_replay),
        STORY(what_cannot_be_applied_is_dead_and_leaves_nothing),
        STORY(an_event_whose_only_delivery_is_dead_has_failed),
        STORY(the_first_receipts_bytes_count),
        STORY(a_list_that_was_cut_is_marked),
        STORY(an_outcome_that_cannot_be_applied_is_dead),
        STORY(what_was_cancelled_is_not_applied),
        STORY(suspense_keeps_no_rows),
        STORY(what_is_undone_leaves_no_trace),
        STORY(ledgers_without_tables_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
