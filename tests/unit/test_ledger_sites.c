// SPDX-License-Identifier: MIT
// Many sites on one account: whatever the order of events, each is its own site's in the end, and
// the same is known.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "ledger/book.h"
#include "ledger_world.h"
#include "rules/record.h"
#include "site_history.h"

#define SITES 50
#define CUSTOMERS 3 // of each site
#define ORDERS 4
#define BATCH 64

struct house {
    struct world world;
    struct book book;
    uint64_t position, generation;
    bool begun;
    bool reopen; // the books, now and then
};

static void touched(void *ctx, uint32_t destination) {}

static void open_books(struct house *h) {
    h->book = (struct book){.touched = touched};
    assert_ok(book_open(&h->book, h->world.store));
}

static void commit(struct house *h) {
    if (h->begun)
        assert_ok(book_commit(&h->book));
    h->begun = false;
    h->book.tally = (struct book_tally){0};
}

static void book_now(struct house *h, uint8_t kind, bytes payload) {
    struct record r = {
        .position = ++h->position,
        .time_ms = (int64_t)h->position,
        .generation = h->generation,
        .kind = kind,
        .payload = payload,
    };
    if (!h->begun)
        assert_ok(h->world.store->begin(h->world.store));
    h->begun = true;
    assert_ok(book_record(&h->book, &r));
    if (h->position % BATCH == 0)
        commit(h);
    if (h->reopen && h->position % 97 == 0) {
        commit(h);
        book_close(&h->book);
        open_books(h);
    }
}

static void book_body(struct house *h, const char *body) {
    OWN(text_drop)
    struct text payload = {0};
    struct receipt_record r = {.source = B("/a"),
                               .owner = B("main"),
                               .secret_label = B("ring"),
                               .livemode = MODE_BOTH,
                               .body = bytes_of(body)};
    receipt_encode(&r, &payload);
    book_now(h, RECORD_EVENT, text_bytes(&payload));
}

static void add_site(struct text *t, int i, const char *claim) {
    text_addf(t, "%s{\"name\":\"s%d\",\"late\":\"route\",\"claims\":[", i > 0 ? "," : "", i);
    if (claim != NULL)
        text_addf(t, claim, i);
    text_adds(t, "]}");
}

#define BY_METADATA "{\"where\":[{\"path\":\"data.object.metadata.site\",\"values\":[\"s%d\"]}]}"
#define BY_PRICE "{\"prices\":[\"price_%d\"]}"

// A destination for each site, and one for what has none; claim: of each site, by its number.
static void adopt_claims(struct house *h, const char *claim) {
    OWN(text_drop)
    struct text t = {0};
    text_adds(
        &t,
        "{\"sources\":[{\"path\":\"/a\",\"owner\":\"main\",\"livemode\":\"both\",\"tolerance_s\""
        ":300,\"secrets\":[{\"label\":\"ring\",\"scope\":\"any\",\"fingerprint\":"
        "\"0000000000aa\"}]}],\"destinations\":[");
    for (int i = 0; i <= SITES; i++) {
        char name[20];
        snprintf(name, sizeof name, i < SITES ? "s%d" : "unclaimed", i);
        text_addf(&t,
                  "%s{\"name\":\"to_%s\",\"kind\":\"http\",\"url\":\"http://h/\",\"fingerprint\":"
                  "\"\",\"livemode\":\"both\",\"match\":[{\"types\":[],\"accounts\":[],"
                  "\"sources\":[],\"secrets\":[],\"scope\":\"any\",\"where\":[],\"sites\":"
                  "[\"%s\"]}],\"timeout_ms\":1000,\"retry_ms\":[1],\"concurrency\":4}",
                  i > 0 ? "," : "", name, name);
    }
    text_adds(&t, "],\"sites\":[");
    for (int i = 0; i < SITES; i++)
        add_site(&t, i, claim);
    text_adds(&t, "]}");
    book_now(h, RECORD_PLAN, text_bytes(&t));
    h->generation = h->position;
}

static struct house *house_open(bool sqlite) {
    struct house *h = NEW(struct house);
    if (sqlite) {
        assert_int_equal(world_sqlite(&h->world), 0);
    } else {
        h->world.store = store_memory();
        arena_init(&h->world.arena, 64 << 20);
    }
    open_books(h);
    return h;
}

static void house_close(struct house *h) {
    book_close(&h->book);
    world_close(&h->world);
    free(h);
}

static void event_of(struct house *h, const struct told *told, struct event_row *out) {
    bytes id = bytes_slice(bytes_of(told->body), sizeof "{\"id\":\"" - 1, SIZE_MAX);
    struct store *s = h->world.store;
    id = bytes_cut(&id, '"');
    assert_ok(s->event_find(s, B("main"), NO_BYTES, true, id, &h->world.arena, out));
}

// The event's site, and who was owed it: its site once, nobody else but those who get the
// unclaimed.
static void assert_its_own(struct house *h, const struct told *told) {
    struct event_row e;
    struct delivery_row *d;
    size_t n;
    struct store *s = h->world.store;
    event_of(h, told, &e);
    if (e.site != told->site + 1)
        fail_msg("site %lld instead of %d: %s", (long long)e.site, told->site + 1, told->body);
    assert_ok(s->deliveries_of(s, e.seq, &h->world.arena, &d, &n));
    int own = 0;
    for (size_t i = 0; i < n; i++) {
        own += d[i].destination == (uint32_t)told->site + 1;
        assert_true(d[i].destination == (uint32_t)told->site + 1 || d[i].destination == SITES + 1);
    }
    assert_int_equal(own, 1);
    assert_true(n <= 2);
}

static int by_text(const void *x, const void *y) {
    return strcmp(*(char *const *)x, *(char *const *)y);
}

// What is known of objects, without the numbers that the order of arrival gave them.
static char *known_to(struct house *h) {
    struct store *s = h->world.store;
    struct site_object *rows;
    size_t n;
    OWN(text_drop)
    struct text all = {0};
    arena_drop(&h->world.arena);
    uint64_t last;
    assert_ok(s->object_last(s, &last));
    n = last;
    rows = arena_take(&h->world.arena, n * sizeof *rows);
    for (size_t i = 0; i < n; i++)
        assert_ok(s->object_get(s, i + 1, &h->world.arena, &rows[i]));
    char **lines = memory_new(n, sizeof *lines);
    for (size_t i = 0; i < n; i++) {
        char *above[64];
        size_t count = 0;
        uint64_t number;
        struct text line = {0};
        for (bytes rest = rows[i].above; site_numbers_next(&rest, &number);)
            above[count++] = bytes_strdup(rows[number - 1].key);
        qsort(above, count, sizeof *above, by_text);
        text_addf(&line, "%.*s evidence %lld below %lld claims ", (int)rows[i].key.n, rows[i].key.p,
                  (long long)rows[i].evidence, (long long)rows[i].below);
        text_add_hex(&line, rows[i].claims);
        for (size_t k = 0; k < count; k++) {
            text_addf(&line, " under %s", above[k]);
            free(above[k]);
        }
        text_addc(&line, '\n');
        lines[i] = text_give(&line);
    }
    qsort(lines, n, sizeof *lines, by_text);
    for (size_t i = 0; i < n; i++) {
        text_adds(&all, lines[i]);
        free(lines[i]);
    }
    free(lines);
    return text_give(&all);
}

enum when { CLAIMS_FIRST, CLAIMS_LAST, CLAIMS_BETWEEN };

static char *live_through(struct history *history, const char *claim, enum when when, bool sqlite) {
    struct house *h = house_open(sqlite);
    h->reopen = when == CLAIMS_BETWEEN;
    adopt_claims(h, when == CLAIMS_FIRST ? claim : NULL);
    for (size_t i = 0; i < history->n; i++) {
        if (when == CLAIMS_BETWEEN && i == history->n / 2)
            adopt_claims(h, claim);
        book_body(h, history->at[i].body);
    }
    if (when == CLAIMS_LAST)
        adopt_claims(h, claim);
    for (size_t i = 0; i < history->n; i++) {
        arena_drop(&h->world.arena);
        if (history->at[i].site >= 0)
            assert_its_own(h, &history->at[i]);
    }
    commit(h);
    char *known = known_to(h);
    house_close(h);
    return known;
}

static void in_any_order(bool metadata, bool prices, const char *claim) {
    struct history h = history_of(SITES, CUSTOMERS, metadata, prices);
    char *first = live_through(&h, claim, CLAIMS_FIRST, false);
    for (uint64_t seed = 1; seed <= ORDERS; seed++) {
        history_shuffle(&h, seed);
        char *known = live_through(&h, claim, CLAIMS_FIRST, seed == 1);
        assert_string_equal(known, first);
        free(known);
    }
    static const enum when whens[] = {CLAIMS_LAST, CLAIMS_BETWEEN};
    for (size_t i = 0; i < 2; i++) {
        char *known = live_through(&h, claim, whens[i], false);
        assert_string_equal(known, first);
        free(known);
    }
    free(first);
    history_drop(&h);
}

// --- what the what-if foretells is what adopting then does

static struct plan *plan_in_force(struct house *h) {
    struct plan *p;
    bytes stored;
    struct store *s = h->world.store;
    assert_ok(s->plan_get(s, h->generation, &h->world.arena, &stored));
    assert_ok(plan_read(stored, 0, &p));
    return p;
}

static struct json_doc *ask_whatif(struct house *h, struct whatif_question *asked) {
    struct reader *r;
    struct json_doc *doc;
    OWN(text_drop)
    struct text out = {0};
    OWN(text_drop)
    struct text why = {0};
    OWN(text_drop)
    struct text before = {0};
    OWN(text_drop)
    struct text after = {0};
    struct store *s = h->world.store;
    commit(h);
    assert_ok(s->dump(s, &before));
    assert_ok(reader_open(h->world.path, &r, &why));
    assert_ok(reader_whatif(r, asked, &out, &why));
    reader_close(r);
    assert_ok(s->dump(s, &after));
    assert_string_equal(text_str(&before), text_str(&after));
    assert_ok(json_parse(text_bytes(&out), &doc));
    return doc;
}

static int64_t count_of(json tally) {
    int64_t n;
    assert_ok(json_i64(json_get(tally, "events"), &n));
    return n;
}

// What a destination of the answer gains and loses.
static void assert_change(json whole, int site, int64_t gains, int64_t loses) {
    json d = json_at(json_get(whole, "destinations"), (size_t)site);
    if (count_of(json_get(d, "gains")) != gains || count_of(json_get(d, "loses")) != loses)
        fail_msg("destination %d: %lld and %lld instead of %lld and %lld", site,
                 (long long)count_of(json_get(d, "gains")),
                 (long long)count_of(json_get(d, "loses")), (long long)gains, (long long)loses);
}

static size_t told_of(const struct history *history, int site) {
    size_t n = 0;
    for (size_t i = 0; i < history->n; i++)
        n += history->at[i].site == site;
    return n;
}

static void foretold(bool metadata, const char *claim) {
    struct history history = history_of(SITES, CUSTOMERS, metadata, !metadata);
    struct house *h = house_open(true);
    struct whatif_question asked = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    adopt_claims(h, claim); // to have its plan; nothing came yet
    struct plan *after = plan_in_force(h);
    adopt_claims(h, NULL);
    for (size_t i = 0; i < history.n; i++)
        book_body(h, history.at[i].body);
    asked.plan = after;
    doc = ask_whatif(h, &asked);
    int64_t all = (int64_t)(history.n - told_of(&history, -1));
    for (int i = 0; i < SITES; i++)
        assert_change(json_root(doc), i, (int64_t)told_of(&history, i), 0);
    assert_change(json_root(doc), SITES, 0, all);
    assert_int_equal(count_of(json_get(json_root(doc), "routed")), all);
    assert_int_equal(json_size(json_get(json_root(doc), "sites")), SITES);
    assert_int_equal(count_of(json_root(doc)), history.n);
    adopt_claims(h, claim);
    for (size_t i = 0; i < history.n; i++)
        if (history.at[i].site >= 0)
            assert_its_own(h, &history.at[i]);
    OWN(json_close)
    struct json_doc *again = ask_whatif(h, &asked);
    assert_true(json_true(json_get(json_root(again), "same")));
    plan_free(after);
    house_close(h);
    history_drop(&history);
}

static void metadata_is_foretold(void **state) { foretold(true, BY_METADATA); }
static void prices_are_foretold(void **state) { foretold(false, BY_PRICE); }

static void assert_refused(struct house *h, const struct whatif_question *asked, const char *says) {
    struct reader *r;
    OWN(text_drop)
    struct text out = {0};
    OWN(text_drop)
    struct text why = {0};
    commit(h);
    assert_ok(reader_open(h->world.path, &r, &why));
    assert_code(reader_whatif(r, asked, &out, &why), FULL);
    if (bytes_search(text_bytes(&why), bytes_of(says)) == why.n)
        fail_msg("without `%s`: %s", says, text_str(&why));
    reader_close(r);
}

// A time, received_at from 1 on, holds its events alone; what is unclaimed elsewhere teaches all
// the same, as it would be read again.
static void a_time_of_it(void **state) {
    struct history history = history_of(SITES, 1, true, false);
    struct house *h = house_open(true);
    adopt_claims(h, BY_METADATA);
    struct plan *after = plan_in_force(h);
    adopt_claims(h, NULL);
    for (size_t i = 0; i < history.n; i++)
        book_body(h, history.at[i].body);
    int64_t first = (int64_t)h->generation + 1, end = first + (int64_t)history.n;
    struct whatif_question asked = {.plan = after, .since_ms = end - 1};
    struct json_doc *doc = ask_whatif(h, &asked); // of the last customer, who came before
    assert_int_equal(count_of(json_root(doc)), 1);
    assert_change(json_root(doc), history.at[history.n - 1].site, 1, 0);
    json_close(&doc);
    asked = (struct whatif_question){.plan = after, .since_ms = first, .until_ms = first + 3};
    doc = ask_whatif(h, &asked);
    assert_int_equal(count_of(json_root(doc)), 3);
    json_close(&doc);
    asked = (struct whatif_question){.plan = after, .since_ms = end};
    doc = ask_whatif(h, &asked);
    assert_int_equal(count_of(json_root(doc)), 0);
    json_close(&doc);
    asked = (struct whatif_question){.plan = after, .events_max = history.n - 1};
    assert_refused(h, &asked, "more than");
    assert_refused(h, &asked, "shorter time");
    asked.since_ms = end - 1; // but the unclaimed ones are read too
    assert_refused(h, &asked, "more events than may be read");
    asked = (struct whatif_question){.plan = after, .objects_max = 100};
    assert_refused(h, &asked, "more than 100 objects");
    plan_free(after);
    house_close(h);
    history_drop(&history);
}

static void customers_carry_metadata(void **state) { in_any_order(true, false, BY_METADATA); }
static void prices_are_claimed(void **state) { in_any_order(false, true, BY_PRICE); }

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(customers_carry_metadata),
        cmocka_unit_test(prices_are_claimed),
        cmocka_unit_test(metadata_is_foretold),
        cmocka_unit_test(prices_are_foretold),
        cmocka_unit_test(a_time_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
