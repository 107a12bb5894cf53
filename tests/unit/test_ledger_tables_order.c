// SPDX-License-Identifier: MIT
// Thousands of generated lives of objects of several types, booked into stores in any order, with
// repetitions, late, and again by replays: every row of every table ends as it does in order, and
// shows the state that the object is in wherever it is not marked as undecided.
#include "object_history.h"
#include "tables_house.h"

#define LIVES 2000
#define ORDERS 3

// Types that lives are of; the last two have no table, and one of several types in it.
static const struct {
    const char *object, *id, *family, *told;
} types[] = {
    {"customer", "cus", "customer", "customer.looked_at"},
    {"subscription", "sub", "customer.subscription", "customer.subscription.trial_will_end"},
    {"product", "prod", "product", "product.looked_at"},
    {"invoice", "in", "invoice", "invoice.sent"},
    {"payment_method", "pm", "payment_method", "payment_method.attached"},
    {"garden.tree", "tree", "garden.tree", "garden.tree.seen"},
};
#define TYPES (sizeof types / sizeof types[0])
#define SUBSCRIPTION 1

// What happened, in order, and for each life how it ended.
struct history {
    struct text *events; // bodies
    size_t n, cap;
    struct life_state ends[LIVES];
    bool deleted[LIVES], doubled[LIVES], own[LIVES];
};

static struct text *history_add(struct history *h) {
    if (h->n == h->cap) {
        h->cap = h->cap > 0 ? 2 * h->cap : 4096;
        h->events = memory_grow(h->events, h->cap, sizeof *h->events);
    }
    h->events[h->n] = (struct text){0};
    return &h->events[h->n++];
}

static void add_head(struct text *t, const char *id, long second, size_t life) {
    text_addf(t,
              "{\"id\":\"%s\",\"object\":\"event\",%s\"api_version\":\"2025-03-31.basil\","
              "\"created\":%ld,\"livemode\":%s,",
              id, life % 5 == 0 ? "\"account\":\"acct_1\"," : "", second,
              life % 3 == 0 ? "true" : "false");
}

static void add_object(struct text *t, size_t life, const struct life_event *e) {
    size_t type = life % TYPES;
    text_addf(t, "{\"id\":\"%s_%zu\",\"object\":\"%s\",\"created\":1700000000,%s}", types[type].id,
              life, types[type].object, e->object);
}

static void add_own(struct history *h, size_t life, const struct life_event *e) {
    static const char *const names[] = {
        [LIFE_CREATED] = "created", [LIFE_UPDATED] = "updated", [LIFE_DELETED] = "deleted"};
    size_t type = life % TYPES;
    struct text *t = history_add(h);
    add_head(t, e->id, e->second, life);
    if (e->kind == LIFE_TOLD)
        text_addf(t, "\"type\":\"%s\",", types[type].told);
    else
        text_addf(t, "\"type\":\"%s.%s\",", types[type].family, names[e->kind]);
    text_adds(t, "\"data\":{\"object\":");
    add_object(t, life, e);
    if (e->previous != NULL)
        text_addf(t, ",\"previous_attributes\":%s", e->previous);
    text_adds(t, "}}");
}

// A charge that has the object whole inside of it, as it was then.
static void add_around(struct history *h, size_t life, const struct life_event *e, size_t n) {
    char id[48];
    struct text *t = history_add(h);
    snprintf(id, sizeof id, "evt_ch_%zu_%zu", life, n);
    add_head(t, id, e->second, life);
    text_addf(t,
              "\"type\":\"charge.succeeded\",\"data\":{\"object\":{\"id\":\"ch_%zu_%zu\","
              "\"object\":\"charge\",\"%s\":",
              life, n, types[life % TYPES].object);
    add_object(t, life, e);
    text_addf(t, ",\"refunds\":{\"object\":\"list\",\"data\":[],\"has_more\":%s}}}}",
              n % 3 == 0 ? "true" : "false");
}

// Every ninth is only known from others' events.
static void history_life(struct history *h, size_t life) {
    struct life l;
    life_make(&l, 77 + life);
    h->ends[life] = l.state;
    h->doubled[life] = l.doubled;
    h->own[life] = life % 9 != 0 && l.n > 0;
    for (size_t i = 0; i < l.n; i++) {
        if (h->own[life])
            add_own(h, life, &l.at[i]);
        if (!h->own[life] || life_chance(&l, 15))
            add_around(h, life, &l.at[i], i);
        // A subscription stays, with the status canceled.
        h->deleted[life] =
            h->own[life] && l.at[i].kind == LIFE_DELETED && life % TYPES != SUBSCRIPTION;
    }
    life_drop(&l);
}

static void history_drop(struct history *h) {
    for (size_t i = 0; i < h->n; i++)
        text_drop(&h->events[i]);
    free(h->events);
}

static void shuffle(uint64_t *seed, size_t *order, size_t n) {
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t k = random_below(seed, i), keep = order[k];
        order[k] = order[i - 1];
        order[i - 1] = keep;
    }
}

static void receive(struct tables_house *house, const struct history *h, size_t i) {
    house_receive(house, text_bytes(&h->events[i]));
}

static void replay_some(struct tables_house *house, uint64_t *seed, size_t n) {
    for (size_t i = 0; i < 200; i++) {
        char command[96];
        snprintf(command, sizeof command, "{\"do\":\"replay\",\"events\":[%zu],\"to\":\"tables\"}",
                 2 + (size_t)random_below(seed, n));
        house_ask(house, command);
    }
    house_deliver(house, true);
}

// A shuffled order with repetitions, in several transactions: a part of it comes while the tables
// are held, and is applied later, and some events are replayed.
static void book_shuffled(struct tables_house *house, const struct history *h, uint64_t seed) {
    size_t *order = NEW_ARRAY(size_t, h->n);
    shuffle(&seed, order, h->n);
    house_begin(house);
    for (size_t i = 0; i < h->n; i++) {
        if (i == h->n / 2)
            house_ask(house, "{\"do\":\"hold\",\"destination\":\"tables\",\"reason\":\"\"}");
        if (i == h->n * 3 / 5)
            house_ask(house, "{\"do\":\"release\",\"destination\":\"tables\"}");
        receive(house, h, order[i]);
        if (random_below(&seed, 4) == 0)
            receive(house, h, order[random_below(&seed, i + 1)]);
        if (i == h->n * 4 / 5)
            house_deliver(house, seed % 2 == 0);
        if (i % 1000 == 999) {
            house_commit(house);
            house_begin(house);
        }
    }
    replay_some(house, &seed, h->n / 2);
    house_commit(house);
    free(order);
}

static void assert_same(const struct text *a, const struct text *b, const char *what,
                        uint64_t seed) {
    bytes x = text_bytes(a), y = text_bytes(b);
    while (x.n > 0 || y.n > 0) {
        bytes one = bytes_cut(&x, '\n'), other = bytes_cut(&y, '\n');
        if (!bytes_equal(one, other))
            fail_msg("%s, order %zu:\n%.*s\n%.*s", what, (size_t)seed, BYTES_ARG(one),
                     BYTES_ARG(other));
    }
}

struct ends {
    struct text tables, dump;
};

static void book_all(const struct history *h, bool sqlite, uint64_t seed, struct ends *out,
                     struct tables_house *house) {
    *out = (struct ends){{.max = 1u << 30}, {.max = 1u << 30}};
    house_open(house, sqlite, "");
    if (seed == 0) {
        house_begin(house);
        for (size_t i = 0; i < h->n; i++)
            receive(house, h, i);
        house_commit(house);
    } else {
        book_shuffled(house, h, seed);
    }
    house_dump(house, &out->dump);
    if (sqlite)
        house_tables(house, &out->tables);
}

static void ends_drop(struct ends *e) {
    text_drop(&e->tables);
    text_drop(&e->dump);
}

// Rows of one life, in SQL: deleted, undecided, embedded and the object.
static void check_life(struct tables_house *house, const struct history *h, size_t life,
                       size_t *undecided, size_t *wrong) {
    static const char *const tables[TYPES] = {"customers", "subscriptions",   "products",
                                              "invoices",  "payment_methods", "objects"};
    OWN(text_drop)
    struct text sql = {0}, got = {0};
    const struct life_state *s = &h->ends[life];
    text_addf(&sql,
              "SELECT deleted, undecided, embedded, data ->> 'balance', data ->> 'name',"
              " data ->> '$.metadata.a', data ->> '$.metadata.b', data ->> '$.shipping.phone',"
              " json_array_length(data, '$.items.data') FROM stripe_%s WHERE id = '%s_%zu'",
              tables[life % TYPES], types[life % TYPES].id, life);
    house_select(house, text_str(&sql), &got);
    if (got.n == 0 && !h->own[life])
        return;
    bytes row = text_bytes(&got);
    row = bytes_cut(&row, '\n');
    bytes deleted = bytes_cut(&row, '|'), open = bytes_cut(&row, '|');
    bytes embedded = bytes_cut(&row, '|');
    assert_int_equal(bytes_equal(embedded, B("1")), !h->own[life]);
    assert_int_equal(bytes_equal(deleted, B("1")), h->deleted[life]);
    if (bytes_equal(open, B("1")) || !h->own[life]) {
        *undecided += h->own[life];
        return;
    }
    OWN(text_drop)
    struct text expected = {0};
    static const char *const names[] = {"-", "Ada", "Bob"};
    static const char *const meta[] = {"-", "1", "2"};
    text_addf(&expected, "%d|%s|%s|%s|", s->v[LIFE_BALANCE], names[s->v[LIFE_NAME]],
              meta[s->v[LIFE_META_A]], meta[s->v[LIFE_META_B]]);
    text_addf(&expected, s->v[LIFE_SHIPPING] == 0 ? "-|" : "%d|", s->v[LIFE_PHONE]);
    text_addf(&expected, "%d", s->v[LIFE_ITEMS]);
    if (bytes_equal(row, text_bytes(&expected)))
        return;
    if (!h->doubled[life])
        fail_msg("life %zu: %.*s, not %s", life, BYTES_ARG(row), text_str(&expected));
    ++*wrong;
}

static void check_truth(struct tables_house *house, const struct history *h) {
    size_t undecided = 0, wrong = 0;
    for (size_t life = 0; life < LIVES; life++)
        check_life(house, h, life, &undecided, &wrong);
    print_message("# %zu lives, %zu events, %zu undecided, %zu of a change told twice wrong\n",
                  (size_t)LIVES, h->n, undecided, wrong);
    assert_true(undecided < LIVES / 30);
    assert_true(wrong < 10);
}

static void any_order_ends_in_the_same_rows(void **state) {
    struct history *h = NEW(struct history);
    struct ends first, again;
    struct tables_house house;
    for (size_t life = 0; life < LIVES; life++)
        history_life(h, life);
    book_all(h, true, 0, &first, &house);
    check_truth(&house, h);
    house_close(&house);
    for (uint64_t seed = 0; seed <= ORDERS; seed++) {
        bool sqlite = seed % 2 == 1;
        book_all(h, sqlite, seed, &again, &house);
        house_close(&house);
        assert_same(&first.dump, &again.dump, sqlite ? "SQLite" : "memory", seed);
        if (sqlite)
            assert_same(&first.tables, &again.tables, "tables", seed);
        ends_drop(&again);
    }
    ends_drop(&first);
    history_drop(h);
    free(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_ends_in_the_same_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
