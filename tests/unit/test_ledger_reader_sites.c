// SPDX-License-Identifier: MIT
// What people ask the books about sites: how a site was found, what waits, what contradicts.
#include "base/json.h"
#include "book_story.h"
#include "ledger/sqlite_internal.h"

struct library {
    struct story *story;
    struct reader *reader;
    struct text out;
    struct json_doc *doc;
};

static int setup(void **state) {
    OWN(text_drop)
    struct text why = {0};
    struct library *l = NEW(struct library);
    *state = l;
    if (story_setup((void **)&l->story) != 0)
        return -1;
    return reader_open(l->story->tellers[1].world.path, &l->reader, &why) == OK ? 0 : -1;
}

static int teardown(void **state) {
    struct library *l = *state;
    reader_close(l->reader);
    text_drop(&l->out);
    json_close(&l->doc);
    int done = story_teardown((void **)&l->story);
    free(l);
    return done;
}

#define WHERE_SITE(site_)                                                                          \
    "{\"where\":[{\"path\":\"data.object.metadata.site\",\"values\":[" site_ "]}]}"
#define SITES_BEGIN "[{\"name\":\"shop\",\"late\":\"route\",\"claims\":["
#define TWO_SITES                                                                                  \
    SITES_BEGIN WHERE_SITE("\"shop\",\"outlet\"") ",{\"prices\":[\"price_shop\"]}]},"              \
                                                  "{\"name\":\"blog\",\"late\":\"leave\","         \
                                                  "\"claims\":[{\"customers\":[\"cus_blog\"]}]}]"

static void adopt_sites(struct library *l, const char *sites) {
    l->story->sites = sites;
    ADOPT(l->story, "sites", FOR_SITE("shop"), FOR_SITE("blog"));
}

// An event about an object; `account` null: the platform's.
static void tell_of(struct library *l, const char *type, const char *account, const char *object) {
    char body[1024];
    snprintf(body, sizeof body,
             "{\"id\":\"evt_%llu\",\"object\":\"event\",\"created\":%llu,\"livemode\":true,%s%s%s"
             "\"type\":\"%s\",\"data\":{\"object\":{%s}}}",
             (unsigned long long)l->story->position, (unsigned long long)l->story->position,
             account == NULL ? "" : "\"account\":\"", account == NULL ? "" : account,
             account == NULL ? "" : "\",", type, object);
    receive(l->story, type, body);
}

static void fill(struct library *l) {
    adopt_sites(l, TWO_SITES);
    tell_of(l, "customer.created", NULL,
            "\"id\":\"cus_1\",\"object\":\"customer\",\"metadata\":{\"site\":\"outlet\"}");
    tell_of(l, "charge.succeeded", NULL,
            "\"id\":\"ch_1\",\"object\":\"charge\",\"customer\":\"cus_1\"");
    tell_of(l, "charge.succeeded", NULL,
            "\"id\":\"ch_2\",\"object\":\"charge\",\"customer\":\"cus_2\"");
    tell_of(l, "charge.refunded", NULL,
            "\"id\":\"ch_2\",\"object\":\"charge\",\"customer\":\"cus_2\"");
    tell_of(l, "product.created", NULL, "\"id\":\"basic\",\"object\":\"product\"");
    tell_of(l, "product.created", "acct_1", "\"id\":\"basic\",\"object\":\"product\"");
    tell_of(l, "customer.subscription.created", NULL,
            "\"id\":\"sub_3\",\"object\":\"subscription\",\"customer\":\"cus_3\",\"items\":{"
            "\"data\":[{\"id\":\"si_1\",\"price\":{\"id\":\"price_shop\",\"object\":\"price\"}}]}");
    tell_of(l, "customer.updated", NULL, "\"id\":\"cus_3\",\"object\":\"customer\"");
    tell_of(l, "customer.updated", NULL,
            "\"id\":\"cus_blog\",\"object\":\"customer\",\"metadata\":{\"site\":\"shop\"}");
    tell_of(l, "charge.succeeded", NULL,
            "\"id\":\"ch_4\",\"object\":\"charge\",\"customer\":\"cus_blog\"");
}

static void parse(struct library *l, result asked) {
    assert_null(asked);
    json_close(&l->doc);
    assert_null(json_parse(text_bytes(&l->out), &l->doc));
    text_reset(&l->out);
}

// The value at a path as JSON.
static void has(struct library *l, const char *path, const char *expected) {
    OWN(text_drop)
    struct text got = {0};
    json_write(json_path(json_root(l->doc), bytes_of(path)), &got);
    if (strcmp(text_str(&got), expected) != 0)
        fail_msg("%s is %s, not %s", path, text_str(&got), expected);
}

static void the_sites(void **state) {
    struct library *l = *state;
    fill(l);
    parse(l, reader_sites(l->reader, &l->out));
    has(l, "data.0.name", "\"shop\"");
    has(l, "data.0.configured", "true");
    has(l, "data.0.claims",
        "[\"data.object.metadata.site is one of shop, outlet\",\"prices price_shop\"]");
    has(l, "data.0.events", "6");
    has(l, "data.0.last_at", "1700000011000");
    has(l, "data.1.late", "\"leave\"");
    has(l, "data.1.events", "0");
    has(l, "unclaimed", "{\"events\":4,\"since\":1700000004000,\"last_at\":1700000007000}");
    has(l, "contradictions", "1");
    adopt_sites(l, SITES_BEGIN "]}]");
    parse(l, reader_sites(l->reader, &l->out));
    has(l, "data.0.claims", "[]");
    has(l, "data.1.name", "\"blog\""); // it was one
    has(l, "data.1.configured", "false");
    has(l, "contradictions", "0");
}

static void find(struct library *l, const char *id, uint64_t *number) {
    struct list_filter f = {.object_id = bytes_of(id)};
    parse(l, reader_objects(l->reader, &f, &l->out));
    assert_int_equal(json_size(json_get(json_root(l->doc), "data")), 1);
    bytes n = json_number(json_path(json_root(l->doc), B("data.0.number")));
    assert_null(bytes_to_u64(n, number));
}

static void look_at(struct library *l, const char *id) {
    uint64_t number;
    find(l, id, &number);
    parse(l, reader_object(l->reader, number, &l->out));
}

static void how_a_site_was_found(void **state) {
    struct library *l = *state;
    fill(l);
    look_at(l, "ch_1");
    has(l, "site", "\"shop\"");
    has(l, "chain.0.why", "\"taught\"");
    has(l, "chain.1.id", "\"cus_1\"");
    has(l, "chain.1.why", "\"claimed\"");
    has(l, "chain.1.claim", "\"data.object.metadata.site is outlet\"");
    has(l, "above.0.id", "\"cus_1\"");
    has(l, "unclaimed", "0");
    sqlite3 *db = store_sqlite_db(l->story->tellers[1].world.store);
    assert_null(sqlite_run(
        db, "INSERT INTO link (above, below) VALUES (1, 4)")); // as one that was sorted in
    look_at(l, "cus_1");
    has(l, "below.0.id", "\"ch_1\"");
    has(l, "below.1.id", "\"cus_2\"");
    look_at(l, "cus_3"); // his subscription has a price of the shop
    has(l, "site", "\"shop\"");
    has(l, "chain.0.why", "\"learnt_below\"");
    has(l, "chain.1.id", "\"sub_3\"");
    has(l, "chain.2.id", "\"price_shop\"");
    has(l, "chain.2.claim", "\"prices price_shop\"");
    has(l, "below.0.id", "\"sub_3\"");
    look_at(l, "ch_2");
    has(l, "site", "null");
    has(l, "chain", "[]");
    has(l, "unclaimed", "2");
    ask(l->story, "{\"do\":\"site_assign\",\"object\":4,\"site\":\"blog\"}");
    look_at(l, "cus_2");
    has(l, "number", "4");
    has(l, "assigned", "\"blog\"");
    has(l, "chain.0.why", "\"by_hand\"");
    look_at(l, "ch_2"); // the blog leaves what came before
    has(l, "chain.1.why", "\"by_hand\"");
    has(l, "unclaimed", "2");
    parse(l, reader_event_site(l->reader, 4, &l->out));
    has(l, "name", "\"unclaimed\"");
    has(l, "object.site", "\"blog\"");
}

// Those of a circle end, and one whose site is gone has none.
static void chains_end(void **state) {
    struct library *l = *state;
    adopt_sites(l, TWO_SITES);
    tell_of(l, "charge.succeeded", NULL,
            "\"id\":\"ch_1\",\"object\":\"charge\",\"customer\":\"cus_1\",\"invoice\":\"in_1\"");
    tell_of(l, "invoice.paid", NULL,
            "\"id\":\"in_1\",\"object\":\"invoice\",\"from_invoice\":{\"invoice\":\"in_2\"}");
    tell_of(l, "invoice.paid", NULL,
            "\"id\":\"in_2\",\"object\":\"invoice\",\"from_invoice\":{\"invoice\":\"in_1\"},"
            "\"metadata\":{\"site\":\"shop\"}");
    look_at(l, "ch_1");
    has(l, "site", "\"shop\"");
    has(l, "chain.1.id", "\"in_1\"");
    has(l, "chain.2.claim", "\"data.object.metadata.site is shop\"");
    look_at(l, "cus_1"); // by what is below it, which is below others
    has(l, "chain.0.why", "\"learnt_below\"");
    has(l, "chain.1.id", "\"ch_1\"");
    uint64_t number;
    char command[80];
    find(l, "in_2", &number);
    snprintf(command, sizeof command, "{\"do\":\"site_assign\",\"object\":%llu,\"site\":\"blog\"}",
             (unsigned long long)number);
    ask(l->story, command);
    look_at(l, "in_2");
    has(l, "chain.0.why", "\"by_hand\"");
    adopt_sites(l, SITES_BEGIN WHERE_SITE("\"shop\"") "]}]");
    look_at(l, "in_2");
    has(l, "assigned", "\"blog\"");
    has(l, "site", "\"shop\"");
    has(l, "chain.0.why", "\"claimed\"");
}

static void who_contradicts_whom(void **state) {
    struct library *l = *state;
    struct list_filter all = {0};
    fill(l);
    parse(l, reader_contradictions(l->reader, &all, &l->out));
    has(l, "data.0.id", "\"cus_blog\"");
    has(l, "data.1.id", ""); // his charge does not count
    has(l, "data.0.site", "\"shop\"");
    has(l, "data.0.claims.0.claim", "\"customers cus_blog\"");
    has(l, "data.0.claims.0.site", "\"blog\"");
    has(l, "data.0.claims.1.claim", "\"data.object.metadata.site is shop\"");
    has(l, "has_more", "false");
    look_at(l, "ch_4");
    has(l, "contradiction.0.id", "\"cus_blog\"");
    has(l, "contradiction.2.site", "");
    look_at(l, "ch_1");
    has(l, "contradiction", "[]");
    tell_of(l, "customer.updated", NULL, "\"id\":\"cus_2\",\"object\":\"customer\"");
    ask(l->story, "{\"do\":\"site_assign\",\"object\":2,\"site\":\"blog\"}"); // ch_1
    struct list_filter one = {.limit = 1};
    parse(l, reader_contradictions(l->reader, &one, &l->out)); // newest first
    has(l, "data.0.id", "\"cus_blog\"");
    has(l, "has_more", "true");
    struct list_filter oldest = {.limit = 1, .oldest_first = true};
    parse(l, reader_contradictions(l->reader, &oldest, &l->out));
    has(l, "data.0.id", "\"ch_1\"");
    has(l, "data.0.site", "\"blog\"");
    has(l, "data.0.claims.0.claim", "\"assigned by hand\"");
    struct list_filter rest = {.oldest_first = true, .after = 2};
    parse(l, reader_contradictions(l->reader, &rest, &l->out));
    has(l, "data.0.id", "\"cus_blog\"");
}

static void what_waits(void **state) {
    struct library *l = *state;
    fill(l);
    parse(l, reader_unclaimed(l->reader, &l->out));
    has(l, "events", "4");
    has(l, "types.0",
        "{\"type\":\"product.created\",\"events\":2,\"since\":1700000006000,"
        "\"last_at\":1700000007000}");
    has(l, "types.2.type", "\"charge.succeeded\"");
    has(l, "objects.0",
        "{\"number\":4,\"id\":\"cus_2\",\"type\":\"customer\",\"key\":\"cus_2\","
        "\"events\":2,\"since\":1700000004000}");
    has(l, "objects.2.key", "\"acct_1/product:basic\"");
    OWN(text_drop)
    struct text gauges = {0};
    assert_null(reader_metrics(l->reader, 0, 0, 0, &gauges));
    assert_non_null(strstr(text_str(&gauges), "\nhookkeep_unclaimed_events 4\n"));
}

static void assert_seqs(struct library *l, const struct list_filter *f, const char *expected) {
    OWN(text_drop)
    struct text got = {0};
    json row;
    parse(l, reader_events(l->reader, f, &l->out));
    for (size_t at = 0; json_element(json_get(json_root(l->doc), "data"), &at, &row);) {
        json_write(json_get(row, "seq"), &got);
        text_adds(&got, " ");
        json_write(json_get(row, "site"), &got);
        text_adds(&got, "; ");
    }
    assert_string_equal(text_str(&got), expected);
}

static void events_of_a_site(void **state) {
    struct library *l = *state;
    ADOPT(l->story, "no sites yet", SHOP);
    tell_of(l, "customer.created", NULL, "\"id\":\"cus_0\",\"object\":\"customer\"");
    fill(l);
    assert_seqs(l, &(struct list_filter){.site = B("unclaimed"), .limit = 2},
                "9 \"unclaimed\"; 8 \"unclaimed\"; ");
    assert_seqs(l, &(struct list_filter){.site = B("unclaimed"), .oldest_first = true, .after = 7},
                "8 \"unclaimed\"; 9 \"unclaimed\"; ");
    assert_seqs(l, &(struct list_filter){.site = B("shop"), .type = B("charge.*")},
                "13 \"shop\"; 5 \"shop\"; ");
    assert_seqs(l, &(struct list_filter){.before = 5}, "4 \"shop\"; 2 null; ");
    result none = reader_events(l->reader, &(struct list_filter){.site = B("ship")}, &l->out);
    assert_non_null(none);
    assert_int_equal(none->code, FAIL_INVALID);
    parse(l, reader_event_site(l->reader, 2, &l->out));
    has(l, "name", "null");
    has(l, "object", "null");
}

static void an_id_that_stands_for_several(void **state) {
    struct library *l = *state;
    static const struct {
        const char *id, *account, *livemode, *owner, *keys;
    } rows[] = {
        {"basic", "", "", "", "product:basic acct_1/product:basic "},
        {"basic", "acct_1", "", "", "acct_1/product:basic "},
        {"basic", "platform", "true", "main", "product:basic "},
        {"basic", "acct_2", "", "", ""},
        {"basic", "", "false", "", ""},
        {"basic", "", "", "other", ""},
        {"acct_1/product:basic", "", "", "", "acct_1/product:basic "},
        {"price_shop", "", "", "", "price:price_shop "},
        {"cus_1", "", "", "", "cus_1 "},
    };
    fill(l);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        OWN(text_drop)
        struct text keys = {0};
        struct list_filter f = {.object_id = bytes_of(rows[i].id),
                                .account = bytes_of(rows[i].account),
                                .livemode = bytes_of(rows[i].livemode),
                                .owner = bytes_of(rows[i].owner)};
        json row;
        parse(l, reader_objects(l->reader, &f, &l->out));
        for (size_t at = 0; json_element(json_get(json_root(l->doc), "data"), &at, &row);)
            text_addf(&keys, "%.*s ", BYTES_ARG(json_string(json_get(row, "key"))));
        assert_string_equal(text_str(&keys), rows[i].keys);
    }
    result none = reader_object(l->reader, 999, &l->out);
    assert_int_equal(none->code, FAIL_ABSENT);
}

static void before_any_plan(void **state) {
    struct library *l = *state;
    parse(l, reader_sites(l->reader, &l->out));
    has(l, "data", "[]");
    parse(l, reader_unclaimed(l->reader, &l->out));
    has(l, "objects", "[]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define BOOKS_TEST(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)
        BOOKS_TEST(the_sites),       BOOKS_TEST(how_a_site_was_found),
        BOOKS_TEST(chains_end),      BOOKS_TEST(who_contradicts_whom),
        BOOKS_TEST(what_waits),      BOOKS_TEST(events_of_a_site),
        BOOKS_TEST(before_any_plan), BOOKS_TEST(an_id_that_stands_for_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
