// SPDX-License-Identifier: MIT
// Lists of events as Stripe's API has them, against a reading of all events one by one: over
// several blocks of positions, with gaps between them, events that are booked late, transactions
// that fail, and starts.
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

#define BLOCKS 12
#define EVENTS_MAX 400
#define QUESTIONS 3000

static const char *const types[] = {"charge.failed", "charge.refunded", "invoice.paid",
                                    "payout.paid",   "radar.rare",      "topup.never"};
enum { TYPES = sizeof types / sizeof types[0] };

// The platform's own, and another owner's, who is asked for as an account too.
static const char *const accounts[] = {"", "", "acct_1", "acct_rare"};
static const char *const owners[] = {"main", "acct_own", "main", "main"};

struct told {
    uint64_t seq;
    const char *type;
    bool livemode, thin;
    uint8_t whose; // of accounts[]
    bool of_object;
    int64_t created;
    enum event_status status;
};

struct past {
    struct world world; // first: ledger_world.h's teardown
    struct reader *reader;
    struct told told[EVENTS_MAX]; // by seq, once filled
    size_t count;
    uint32_t seed;
    struct text out;
};

static uint32_t draw(struct past *p, uint32_t below) {
    p->seed = p->seed * 1664525u + 1013904223u;
    return (p->seed >> 8) % below;
}

static bytes id_of(uint64_t seq, char id[32]) {
    return bytes_from(id, (size_t)snprintf(id, 32, "evt_%06llu", (unsigned long long)seq));
}

static void book(struct store *s, const struct told *t) {
    char id[32], body[160];
    struct event_row e = an_event(t->seq, id_of(t->seq, id));
    struct receipt_row r = a_receipt(t->seq, t->seq, 1);
    e.type = bytes_of(t->type);
    e.livemode = t->livemode;
    e.account = bytes_of(accounts[t->whose]);
    e.object_id = t->of_object ? B("cus_1") : B("cus_2");
    e.owner = bytes_of(owners[t->whose]);
    e.thin = t->thin;
    e.created = t->created;
    e.status = t->status;
    snprintf(body, sizeof body, "{\"id\":\"%s\",\"pending_webhooks\":1}", id);
    assert_ok(s->event_insert(s, &e));
    assert_ok(s->receipt_insert(s, &r, bytes_of(body)));
}

static struct told an_other(struct past *p, uint64_t seq) {
    uint64_t block = seq >> EVENT_BLOCK_BITS;
    bool rare = block % 5 == 3 && draw(p, 4) == 0;
    return (struct told){
        .seq = seq,
        .type = rare ? "radar.rare" : types[draw(p, 4)],
        .livemode = draw(p, 3) > 0,
        .whose = block % 5 == 2 && draw(p, 6) == 0 ? 3 : draw(p, 3),
        .of_object = block % 4 == 1 && draw(p, 5) == 0,
        .thin = draw(p, 9) == 0,
        .created = 1000 * (int64_t)block + draw(p, 900) - (draw(p, 20) == 0 ? 3000 : 0),
        .status = draw(p, 12) == 0   ? EVENT_PENDING
                  : draw(p, 12) == 0 ? EVENT_FAILED
                                     : EVENT_DONE,
    };
}

static int by_seq(const void *a, const void *b) {
    uint64_t x = ((const struct told *)a)->seq, y = ((const struct told *)b)->seq;
    return x < y ? -1 : x > y;
}

// In transactions, of which some fail and are tried again, as each does that begins a block; a
// twentieth is suspended, and booked when all the others were. The eighth block has only such.
static void fill(struct past *p) {
    struct told late[EVENTS_MAX];
    size_t late_count = 0;
    static const uint32_t begins[] = {0, 9, 1, 9};
    for (uint64_t seq = 1; seq < (uint64_t)BLOCKS << EVENT_BLOCK_BITS; seq += 1 + draw(p, 250)) {
        struct told t = an_other(p, seq);
        struct store *s = p->world.store;
        uint64_t before = p->count > 0 ? p->told[p->count - 1].seq : 0;
        uint64_t block = seq >> EVENT_BLOCK_BITS;
        if (draw(p, 20) == 0 || block == 8) {
            late[late_count++] = t;
            continue;
        }
        uint32_t what = block > before >> EVENT_BLOCK_BITS ? begins[block % 4] : draw(p, 150);
        assert_ok(s->begin(s));
        if (what == 0) {
            book(s, &t);
            s->rollback(s);
            assert_ok(s->begin(s));
        } else if (what == 1) {
            assert_ok(s->mark(s));
            book(s, &t);
            assert_ok(s->undo(s));
        }
        book(s, &t);
        assert_ok(s->commit(s));
        p->told[p->count++] = t;
        if (what == 2)
            world_crash(&p->world);
    }
    for (size_t i = 0; i < late_count; i++) {
        struct store *s = p->world.store;
        assert_ok(s->begin(s));
        book(s, &late[i]);
        assert_ok(s->commit(s));
        p->told[p->count++] = late[i];
    }
    assert_true(late_count > 10 && p->count < EVENTS_MAX);
    qsort(p->told, p->count, sizeof *p->told, by_seq);
}

static int setup(void **state) {
    struct past *p = NEW(struct past);
    *state = p;
    p->seed = 7;
    return world_sqlite(&p->world);
}

static int teardown(void **state) {
    struct past *p = *state;
    reader_close(p->reader);
    text_drop(&p->out);
    return world_teardown(state);
}

static bool is_of(const char *type, bytes asked) {
    size_t star = bytes_find(asked, '*');
    if (star == asked.n)
        return bytes_equal(bytes_of(type), asked);
    return bytes_starts(bytes_of(type), bytes_slice(asked, 0, star)) &&
           bytes_ends(bytes_of(type), bytes_slice(asked, star + 1, asked.n));
}

static bool is_seen(const struct told *t, const struct history_view *v) {
    bytes account = bytes_of(accounts[t->whose]), owner = bytes_of(owners[t->whose]);
    return t->thin == v->thin && t->livemode == v->livemode &&
           (v->object.n == 0 || t->of_object == bytes_equal(v->object, B("cus_1"))) &&
           (bytes_equal(account, v->account) || (account.n == 0 && bytes_equal(owner, v->account)));
}

static bool passes(const struct told *t, const struct history_view *v,
                   const struct event_query *q) {
    bool undelivered = t->status == EVENT_PENDING || t->status == EVENT_FAILED;
    bool of_type = q->type_count == 0;
    for (size_t i = 0; i < q->type_count; i++)
        of_type = of_type || is_of(t->type, q->types[i]);
    return of_type && is_seen(t, v) && t->created >= q->created_min &&
           t->created <= q->created_max &&
           (q->delivered == DELIVERED_OR_NOT || (q->delivered == UNDELIVERED) == undelivered);
}

// The ids of the page, newest first, and whether there are more.
static void expect(const struct past *p, const struct history_view *v, const struct event_query *q,
                   size_t cursor, struct text *out) {
    size_t found[EVENT_QUERY_LIMIT_MAX + 1], n = 0;
    bool up = q->before.n > 0;
    char id[32];
    for (size_t i = 0; i < p->count && n <= q->limit; i++) {
        size_t at = up ? i : p->count - 1 - i;
        bool beyond = cursor == SIZE_MAX || (up ? at > cursor : at < cursor);
        if (beyond && passes(&p->told[at], v, q))
            found[n++] = at;
    }
    size_t shown = n < q->limit ? n : q->limit;
    for (size_t i = 0; i < shown; i++) {
        bytes one = id_of(p->told[found[up ? shown - 1 - i : i]].seq, id);
        text_addf(out, "%.*s ", BYTES_ARG(one));
    }
    text_adds(out, n > q->limit ? "+" : "");
}

static void say(const struct past *p, bool more, struct text *out) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    assert_ok(json_parse(text_bytes(&p->out), &doc));
    json row;
    for (size_t at = 0; json_element(json_root(doc), &at, &row);)
        text_addf(out, "%.*s ", BYTES_ARG(json_string(json_get(row, "id"))));
    text_adds(out, more ? "+" : "");
}

static size_t ask_any(struct past *p) {
    static const char *const asked[] = {"charge.*", "*.paid", "radar.rare", "topup.never", "*"};
    static const char *const whose[] = {"", "", "", "acct_1", "acct_rare", "acct_own", "acct_no"};
    struct history_view v = {.livemode = draw(p, 2) == 0,
                             .account = bytes_of(whose[draw(p, 7)]),
                             .thin = draw(p, 4) == 0,
                             .object = draw(p, 4) == 0 ? B("cus_1") : NO_BYTES};
    struct event_query q = {.created_min = INT64_MIN, .created_max = INT64_MAX};
    q.limit = 1 + draw(p, 12);
    q.type_count = draw(p, 3);
    for (size_t i = 0; i < q.type_count; i++) {
        uint32_t which = draw(p, TYPES + sizeof asked / sizeof asked[0]);
        q.types[i] = bytes_of(which < TYPES ? types[which] : asked[which - TYPES]);
    }
    if (draw(p, 3) == 0)
        q.created_min = draw(p, 1000 * BLOCKS);
    if (draw(p, 3) == 0)
        q.created_max = draw(p, 1000 * BLOCKS);
    q.delivered = draw(p, 3);
    size_t cursor = SIZE_MAX;
    char id[32];
    if (draw(p, 2) == 0) {
        cursor = draw(p, (uint32_t)p->count);
        const struct told *t = &p->told[cursor];
        if (!is_seen(t, &v))
            return 0;
        *(draw(p, 2) == 0 ? &q.before : &q.after) = id_of(t->seq, id);
    }
    OWN(text_drop)
    struct text want = {0};
    OWN(text_drop)
    struct text got = {0};
    bool more = false;
    text_reset(&p->out);
    assert_ok(reader_history(p->reader, &v, &q, &p->out, &more));
    say(p, more, &got);
    expect(p, &v, &q, cursor, &want);
    assert_string_equal(text_str(&got), text_str(&want));
    return want.n > 0 && q.type_count > 0;
}

static void test_as_one_by_one(void **state) {
    struct past *p = *state;
    fill(p);
    OWN(text_drop)
    struct text why = {0};
    assert_ok(reader_open(p->world.path, &p->reader, &why));
    size_t told = 0;
    for (int i = 0; i < QUESTIONS; i++)
        told += ask_any(p);
    assert_true(told > QUESTIONS / 10);
}

// What a block has nothing of is not looked for in it: so the time of a list is that of what it
// finds.
static void test_other_blocks_are_not_read(void **state) {
    struct past *p = *state;
    fill(p);
    OWN(text_drop)
    struct text why = {0};
    bool more = false;
    assert_ok(reader_open(p->world.path, &p->reader, &why));
    struct history_view v = {.livemode = true};
    struct event_query rare = {.types = {B("radar.rare")},
                               .type_count = 1,
                               .created_min = INT64_MIN,
                               .created_max = INT64_MAX,
                               .limit = 100};
    assert_ok(reader_history(p->reader, &v, &rare, &p->out, &more));
    assert_true(p->out.n > 2);
    text_reset(&p->out);
    sqlite3 *db = store_sqlite_db(p->world.store);
    assert_ok(sqlite_run(db, "DELETE FROM event_block WHERE type = 'radar.rare'"));
    assert_ok(reader_history(p->reader, &v, &rare, &p->out, &more));
    assert_string_equal(text_str(&p->out), "[]");
    struct history_view account = {.livemode = true, .account = B("acct_rare")};
    rare.type_count = 0;
    text_reset(&p->out);
    assert_ok(reader_history(p->reader, &account, &rare, &p->out, &more));
    assert_true(p->out.n > 2);
    text_reset(&p->out);
    assert_ok(sqlite_run(db, "DELETE FROM event_whose WHERE whose = 'acct_rare'"));
    assert_ok(reader_history(p->reader, &account, &rare, &p->out, &more));
    assert_string_equal(text_str(&p->out), "[]");
    int64_t rows = 0;
    assert_ok(sqlite_number(db, "SELECT count(*) FROM event_block WHERE block = 11", &rows));
    assert_int_equal(rows, 0); // it is not full
}

#define HERE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        HERE(test_as_one_by_one),
        HERE(test_other_blocks_are_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
