// SPDX-License-Identifier: MIT
// A row is never changed: another one takes its place, and the log keeps the one that was there
// until the commit. Indexes follow from the rows.
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/map.h"
#include "base/memory.h"
#include "ledger/memory_internal.h"

static const struct shape *const shapes[TABLES] = {
    &shape_state,    &shape_plan,     &shape_event,   &shape_receipt,        &shape_body,
    &shape_delivery, &shape_lane,     &shape_attempt, &shape_listen_attempt, &shape_destination,
    &shape_endpoint, &shape_suspense, &shape_key,     &shape_answer,         &shape_sighting,
    &shape_site,     &shape_object,   &shape_link,    &shape_rebuild,        &shape_table_row,
};

// next_at may be negative; the order stays.
static uint64_t ordered(int64_t v) { return (uint64_t)v + (UINT64_C(1) << 63); }

static void event_key(struct text *t, bytes owner, bytes account, bool livemode, bytes id) {
    text_addf(t, "%zu,%zu,%d,", owner.n, account.n, livemode);
    text_add(t, owner);
    text_add(t, account);
    text_add(t, id);
    ensure(!t->failed);
}

static void place_unclaimed(struct memory *m, const struct event_row *row, void *as) {
    if (row == NULL || row->site != EVENT_UNCLAIMED)
        return;
    table_set(&m->waiting, key2(row->object, row->seq), as);
    table_set(&m->unclaimed, key1(row->seq), as);
}

static void index_event(struct memory *m, const struct event_row *before, struct event_row *after) {
    place_unclaimed(m, before, NULL);
    place_unclaimed(m, after, after);
    const struct event_row *row = after != NULL ? after : before;
    OWN(text_drop)
    struct text key = {0};
    event_key(&key, row->owner, row->account, row->livemode, row->id);
    if (after != NULL)
        map_put(&m->event_keys, text_bytes(&key), after);
    else
        map_remove(&m->event_keys, text_bytes(&key));
}

void *memory_object(struct memory *m, bytes owner, bool livemode, bytes key, void *as, bool put) {
    OWN(text_drop)
    struct text name = {0};
    event_key(&name, owner, NO_BYTES, livemode, key);
    if (!put)
        return map_get(&m->object_keys, text_bytes(&name));
    return as != NULL ? map_put(&m->object_keys, text_bytes(&name), as)
                      : map_remove(&m->object_keys, text_bytes(&name));
}

static void index_delivery(struct memory *m, struct delivery_row *row, bool add) {
    table_set(&m->deliveries_of, key2(row->event_seq, row->seq), add ? row : NULL);
    if (delivery_state_open(row->state))
        table_set(&m->open,
                  (struct row_key){memory_open_of(row->destination, row->priority),
                                   ordered(row->next_at), row->seq},
                  add ? row : NULL);
}

// Puts the row in place, indexes included, without a word in the log.
static void *place_row(struct memory *m, enum table_id id, struct row_key key, void *row) {
    void *before = table_set(&m->tables[id], key, row);
    if (id == EVENTS) {
        index_event(m, before, row);
    } else if (id == RECEIPTS) {
        const struct receipt_row *r = row != NULL ? row : before;
        table_set(&m->receipts_of, key2(r->event_seq, r->seq), row);
    } else if (id == OBJECTS) {
        const struct site_object *o = row != NULL ? row : before;
        memory_object(m, o->owner, o->livemode, o->key, row, true);
    } else if (id == TABLE_ROWS) {
        const struct table_row *o = row != NULL ? row : before;
        memory_table_row(m, &o->key, row, true);
    } else if (id == LANES) {
        table_set(&m->lane_of, key1(key.c), row);
    } else if (id == DELIVERIES) {
        if (before != NULL)
            index_delivery(m, before, false);
        if (row != NULL)
            index_delivery(m, row, true);
    }
    return before;
}

void memory_change(struct memory *m, enum table_id id, struct row_key key, const void *row) {
    ensure(m->begun);
    if (m->log_n == m->log_cap) {
        m->log_cap = m->log_cap > 0 ? m->log_cap * 2 : 64;
        m->log = memory_grow(m->log, m->log_cap, sizeof *m->log);
    }
    void *after = row != NULL ? row_new(shapes[id], row) : NULL;
    m->log[m->log_n++] = (struct change){id, key, place_row(m, id, key, after), after};
}

static void back_to(struct memory *m, size_t n) {
    while (m->log_n > n) {
        const struct change *c = &m->log[--m->log_n];
        place_row(m, c->table, c->key, c->before);
        free(c->after);
    }
}

void *memory_row(struct memory *m, enum table_id id, struct row_key key) {
    return table_get(&m->tables[id], key);
}

static result insert(struct memory *m, enum table_id id, struct row_key key, const void *row) {
    NEED(memory_row(m, id, key) == NULL, EXISTS, "a row with this number is there already");
    memory_change(m, id, key, row);
    return OK;
}

result memory_copy(struct memory *m, enum table_id id, struct row_key key, struct arena *a,
                   void *out) {
    const void *row = memory_row(m, id, key);
    NEED(row != NULL, ABSENT, "there is no such row");
    return row_copy(shapes[id], row, a, out);
}

static result begin(struct store *s) {
    struct memory *m = memory_of(s);
    ensure(!m->begun);
    m->begun = true;
    return OK;
}

static result commit(struct store *s) {
    struct memory *m = memory_of(s);
    ensure(m->begun && !m->marked);
    for (size_t i = 0; i < m->log_n; i++)
        free(m->log[i].before);
    m->log_n = 0;
    m->begun = false;
    return OK;
}

static void catch_up(struct store *s, bool does) {}

static void rollback(struct store *s) {
    struct memory *m = memory_of(s);
    back_to(m, 0);
    m->begun = m->marked = false;
}

static result mark(struct store *s) {
    struct memory *m = memory_of(s);
    ensure(m->begun && !m->marked);
    m->mark = m->log_n;
    m->marked = true;
    return OK;
}

static result unmark(struct store *s) {
    ensure(memory_of(s)->marked);
    memory_of(s)->marked = false;
    return OK;
}

static result undo(struct store *s) {
    struct memory *m = memory_of(s);
    ensure(m->marked);
    back_to(m, m->mark);
    m->marked = false;
    return OK;
}

static result state_get(struct store *s, struct store_state *out) {
    const struct store_state *row = memory_row(memory_of(s), STATE, key1(0));
    *out = row != NULL ? *row : (struct store_state){.next_delivery = 1};
    return OK;
}

static result state_put(struct store *s, const struct store_state *in) {
    memory_change(memory_of(s), STATE, key1(0), in);
    return OK;
}

static result blob_get(struct memory *m, enum table_id id, uint64_t key, struct arena *a,
                       bytes *out) {
    struct blob_row row;
    TRY(memory_copy(m, id, key1(key), a, &row));
    *out = row.value;
    return OK;
}

static result plan_put(struct store *s, uint64_t generation, bytes json) {
    memory_change(memory_of(s), PLANS, key1(generation), &(struct blob_row){generation, json});
    return OK;
}

static result plan_get(struct store *s, uint64_t generation, struct arena *a, bytes *json) {
    return blob_get(memory_of(s), PLANS, generation, a, json);
}

static const struct event_row *event_by_key(struct memory *m, bytes owner, bytes account,
                                            bool livemode, bytes id) {
    OWN(text_drop)
    struct text key = {0};
    event_key(&key, owner, account, livemode, id);
    return map_get(&m->event_keys, text_bytes(&key));
}

static result event_find(struct store *s, bytes owner, bytes account, bool livemode, bytes id,
                         struct arena *a, struct event_row *out) {
    const struct event_row *row = event_by_key(memory_of(s), owner, account, livemode, id);
    NEED(row != NULL, ABSENT, "there is no such event");
    return row_copy(&shape_event, row, a, out);
}

static result event_get(struct store *s, uint64_t seq, struct arena *a, struct event_row *out) {
    return memory_copy(memory_of(s), EVENTS, key1(seq), a, out);
}

static result event_insert(struct store *s, const struct event_row *row) {
    NEED(event_by_key(memory_of(s), row->owner, row->account, row->livemode, row->id) == NULL,
         EXISTS, "the event is there already");
    return insert(memory_of(s), EVENTS, key1(row->seq), row);
}

static result event_status(struct store *s, uint64_t seq, enum event_status status, bytes error) {
    const struct event_row *there = memory_row(memory_of(s), EVENTS, key1(seq));
    NEED(there != NULL, ABSENT, "there is no such event");
    struct event_row row = *there;
    row.status = status;
    row.error = error;
    memory_change(memory_of(s), EVENTS, key1(seq), &row);
    return OK;
}

static result event_site(struct store *s, uint64_t seq, uint64_t object, int64_t site) {
    const struct event_row *there = memory_row(memory_of(s), EVENTS, key1(seq));
    NEED(there != NULL, ABSENT, "there is no such event");
    struct event_row row = *there;
    row.object = object;
    row.site = site;
    memory_change(memory_of(s), EVENTS, key1(seq), &row);
    return OK;
}

static result unclaimed_of(struct store *s, uint64_t object, uint64_t after, size_t max,
                           struct arena *a, uint64_t **out, size_t *n) {
    return table_numbers(&memory_of(s)->waiting, key2(object, after + 1), true, max, a, out, n);
}

static result unclaimed(struct store *s, uint64_t after, size_t max, struct arena *a,
                        uint64_t **out, size_t *n) {
    return table_numbers(&memory_of(s)->unclaimed, key1(after + 1), false, max, a, out, n);
}

static result receipt_insert(struct store *s, const struct receipt_row *row, bytes body) {
    TRY(insert(memory_of(s), RECEIPTS, key1(row->seq), row));
    if (row->body_seq == row->seq)
        memory_change(memory_of(s), BODIES, key1(row->seq), &(struct blob_row){row->seq, body});
    return OK;
}

static result receipt_get(struct store *s, uint64_t seq, struct arena *a, struct receipt_row *out) {
    return memory_copy(memory_of(s), RECEIPTS, key1(seq), a, out);
}

static result receipt_same(struct store *s, uint64_t event_seq, const uint8_t sha256[SHA256_SIZE],
                           struct arena *a, struct receipt_row *out) {
    const struct table *t = &memory_of(s)->receipts_of;
    for (size_t i = table_from(t, key1(event_seq)); i < t->n && t->at[i].key.a == event_seq; i++) {
        const struct receipt_row *row = t->at[i].row;
        if (memcmp(row->sha256, sha256, SHA256_SIZE) == 0)
            return row_copy(&shape_receipt, row, a, out);
    }
    FAIL(ABSENT, "the event has no receipt with these bytes");
}

static result receipts_later(struct store *s, uint64_t event_seq, struct arena *a, uint64_t **out,
                             size_t *n) {
    return table_numbers(&memory_of(s)->receipts_of, key2(event_seq, event_seq + 1), true, SIZE_MAX,
                         a, out, n);
}

static result body_get(struct store *s, uint64_t receipt_seq, struct arena *a, bytes *out) {
    const struct receipt_row *receipt = memory_row(memory_of(s), RECEIPTS, key1(receipt_seq));
    NEED(receipt != NULL, ABSENT, "there is no such receipt");
    return blob_get(memory_of(s), BODIES, receipt->body_seq, a, out);
}

static result delivery_insert(struct store *s, const struct delivery_row *row) {
    NEED(delivery_state_stored(row->state), INVALID, "a delivery's state is not one that is kept");
    NEED(row->priority < PRIORITIES, INVALID, "a delivery's priority is none");
    return insert(memory_of(s), DELIVERIES, key1(row->seq), row);
}

static result delivery_update(struct store *s, const struct delivery_row *row) {
    NEED(delivery_state_stored(row->state), INVALID, "a delivery's state is not one that is kept");
    const struct delivery_row *there = memory_row(memory_of(s), DELIVERIES, key1(row->seq));
    NEED(there != NULL, ABSENT, "there is no such delivery");
    NEED(there->event_seq == row->event_seq && there->receipt_seq == row->receipt_seq &&
             there->destination == row->destination && there->created_at == row->created_at &&
             there->replay == row->replay && there->priority == row->priority,
         INVALID, "what a delivery is of never changes");
    memory_change(memory_of(s), DELIVERIES, key1(row->seq), row);
    return OK;
}

static result delivery_get(struct store *s, uint64_t seq, struct arena *a,
                           struct delivery_row *out) {
    return memory_copy(memory_of(s), DELIVERIES, key1(seq), a, out);
}

result memory_gather(const struct shape *shape, const void **rows, size_t n, struct arena *a,
                     void **out) {
    *out = n > 0 ? arena_take(a, n * shape->size) : NULL;
    NEED(n == 0 || *out != NULL, MEMORY, "rows are larger than the arena they were asked into");
    for (size_t i = 0; i < n; i++)
        TRY(row_copy(shape, rows[i], a, (char *)*out + i * shape->size));
    return OK;
}

static result deliveries_of(struct store *s, uint64_t event_seq, struct arena *a,
                            struct delivery_row **out, size_t *n) {
    const struct table *t = &memory_of(s)->deliveries_of;
    size_t from = table_from(t, key1(event_seq)), to = from;
    while (to < t->n && t->at[to].key.a == event_seq)
        to++;
    const void **rows = memory_new(to - from, sizeof *rows);
    for (*n = 0; *n < to - from; ++*n)
        rows[*n] = t->at[from + *n].row;
    result failed = memory_gather(&shape_delivery, rows, *n, a, (void **)out);
    *n = failed == OK ? *n : 0;
    free(rows);
    return failed;
}

static result deliveries_open(struct store *s, uint32_t destination, uint64_t after, size_t max,
                              struct arena *a, struct delivery_row **out, size_t *n) {
    const struct table *t = &memory_of(s)->tables[DELIVERIES];
    const void **rows = memory_new(max < t->n ? max : t->n, sizeof *rows);
    *n = 0;
    for (size_t i = table_from(t, key1(after)); i < t->n && *n < max; i++) {
        const struct delivery_row *row = t->at[i].row;
        if (row->seq > after && row->destination == destination && delivery_state_open(row->state))
            rows[(*n)++] = row;
    }
    result failed = memory_gather(&shape_delivery, rows, *n, a, (void **)out);
    *n = failed == OK ? *n : 0;
    free(rows);
    return failed;
}

static result attempt_insert(struct store *s, const struct attempt_row *row) {
    return insert(memory_of(s), ATTEMPTS, key2(row->delivery, row->number), row);
}

static result listen_attempt_insert(struct store *s, const struct listen_attempt_row *row) {
    return insert(memory_of(s), LISTEN_ATTEMPTS, key2(row->event_seq, row->number), row);
}

static result listen_attempt_last(struct store *s, uint64_t event_seq, uint32_t *number) {
    const struct table *t = &memory_of(s)->tables[LISTEN_ATTEMPTS];
    size_t end = table_from(t, key2(event_seq, UINT64_MAX));
    bool any = end > 0 && t->at[end - 1].key.a == event_seq;
    *number = any ? (uint32_t)t->at[end - 1].key.b : 0;
    return OK;
}

static result destination_find(struct store *s, bytes name, struct arena *a,
                               struct destination_row *out) {
    const struct table *t = &memory_of(s)->tables[DESTINATIONS];
    for (size_t i = 0; i < t->n; i++) {
        const struct destination_row *row = t->at[i].row;
        if (bytes_equal(row->name, name))
            return row_copy(&shape_destination, row, a, out);
    }
    FAIL(ABSENT, "there is no such destination");
}

static result destination_put(struct store *s, const struct destination_row *row) {
    const struct table *t = &memory_of(s)->tables[DESTINATIONS];
    for (size_t i = 0; i < t->n; i++) {
        const struct destination_row *other = t->at[i].row;
        NEED(other->number == row->number || !bytes_equal(other->name, row->name), EXISTS,
             "another destination has this name");
    }
    memory_change(memory_of(s), DESTINATIONS, key1(row->number), row);
    return OK;
}

static result destinations(struct store *s, struct arena *a, struct destination_row **out,
                           size_t *n) {
    const struct table *t = &memory_of(s)->tables[DESTINATIONS];
    struct destination_row *rows = t->n > 0 ? arena_take(a, t->n * sizeof *rows) : NULL;
    *out = NULL;
    *n = 0;
    NEED(t->n == 0 || rows != NULL, MEMORY, "destinations are larger than the arena");
    for (size_t i = 0; i < t->n; i++)
        TRY(row_copy(&shape_destination, t->at[i].row, a, &rows[i]));
    *out = rows;
    *n = t->n;
    return OK;
}

static result suspense_put(struct store *s, const struct suspense_row *row) {
    memory_change(memory_of(s), SUSPENDED, key1(row->position), row);
    return OK;
}

static result suspense_get(struct store *s, uint64_t position, struct arena *a,
                           struct suspense_row *out) {
    return memory_copy(memory_of(s), SUSPENDED, key1(position), a, out);
}

// Keys are few: their number in the table is the order in which they came.
static const struct entry *key_entry(struct memory *m, bytes id) {
    const struct table *t = &m->tables[KEYS];
    for (size_t i = 0; i < t->n; i++)
        if (bytes_equal(((const struct key_row *)t->at[i].row)->id, id))
            return &t->at[i];
    return NULL;
}

static result key_put(struct store *s, const struct key_row *row) {
    const struct entry *there = key_entry(memory_of(s), row->id);
    memory_change(memory_of(s), KEYS,
                  there != NULL ? there->key : key1(memory_of(s)->tables[KEYS].n), row);
    return OK;
}

static result key_get(struct store *s, bytes id, struct arena *a, struct key_row *out) {
    const struct entry *there = key_entry(memory_of(s), id);
    NEED(there != NULL, ABSENT, "there is no such key");
    return row_copy(&shape_key, there->row, a, out);
}

static result answer_put(struct store *s, const struct answer_row *row) {
    memory_change(memory_of(s), ANSWERS, key1(row->position), row);
    return OK;
}

static result answer_get(struct store *s, uint64_t position, struct arena *a,
                         struct answer_row *out) {
    return memory_copy(memory_of(s), ANSWERS, key1(position), a, out);
}

static result answer_find(struct store *s, bytes idempotency_key, struct arena *a,
                          struct answer_row *out) {
    const struct table *t = &memory_of(s)->tables[ANSWERS];
    for (size_t i = t->n; i-- > 0;) {
        const struct answer_row *row = t->at[i].row;
        if (bytes_equal(row->idempotency_key, idempotency_key))
            return row_copy(&shape_answer, row, a, out);
    }
    FAIL(ABSENT, "no command came with this key");
}

static result answers_drop(struct store *s, int64_t before_ms, size_t max) {
    const struct table *t = &memory_of(s)->tables[ANSWERS];
    size_t kept = 0;
    for (size_t seen = 0; seen < max && kept < t->n; seen++) {
        const struct answer_row *row = t->at[kept].row;
        if (row->time_ms < before_ms)
            memory_change(memory_of(s), ANSWERS, t->at[kept].key, NULL);
        else
            kept++;
    }
    return OK;
}

// Their number in the table is the order in which they came.
static const struct entry *sighting_entry(struct memory *m, const struct sighting_row *like) {
    const struct table *t = &m->tables[SIGHTINGS];
    for (size_t i = 0; i < t->n; i++) {
        const struct sighting_row *row = t->at[i].row;
        if (row->kind == like->kind && row->livemode == like->livemode &&
            bytes_equal(row->what, like->what) && bytes_equal(row->whose, like->whose))
            return &t->at[i];
    }
    return NULL;
}

static result sighting_add(struct store *s, const struct sighting_row *more) {
    const struct entry *there = sighting_entry(memory_of(s), more);
    NEED(there != NULL, ABSENT, "this was not seen before");
    struct sighting_row row = *(const struct sighting_row *)there->row;
    sighting_merge(&row, more);
    memory_change(memory_of(s), SIGHTINGS, there->key, &row);
    return OK;
}

static result sighting_insert(struct store *s, const struct sighting_row *row) {
    NEED(sighting_entry(memory_of(s), row) == NULL, EXISTS, "this was seen before");
    memory_change(memory_of(s), SIGHTINGS, key1(memory_of(s)->tables[SIGHTINGS].n), row);
    return OK;
}

static result sighting_count(struct store *s, enum sighting kind, uint64_t *out) {
    const struct table *t = &memory_of(s)->tables[SIGHTINGS];
    *out = 0;
    for (size_t i = 0; i < t->n; i++)
        *out += ((const struct sighting_row *)t->at[i].row)->kind == kind;
    return OK;
}

static int by_sighting(const void *x, const void *y) {
    const struct sighting_row *a = ((const struct entry *)x)->row,
                              *b = ((const struct entry *)y)->row;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    int whose = bytes_compare(a->whose, b->whose), what = bytes_compare(a->what, b->what);
    return whose != 0 ? whose : what != 0 ? what : (int)a->livemode - (int)b->livemode;
}

static int by_key_id(const void *x, const void *y) {
    const struct key_row *a = ((const struct entry *)x)->row, *b = ((const struct entry *)y)->row;
    return bytes_compare(a->id, b->id);
}

static result dump(struct store *s, struct text *out) {
    struct memory *m = memory_of(s);
    for (unsigned id = 0; id < TABLES; id++) {
        struct table t = m->tables[id];
        if (t.n == 0 || id == TABLE_ROWS)
            continue;
        t.at = memory_new(t.n, sizeof *t.at);
        memcpy(t.at, m->tables[id].at, t.n * sizeof *t.at);
        if (id == KEYS)
            qsort(t.at, t.n, sizeof *t.at, by_key_id);
        if (id == SIGHTINGS)
            qsort(t.at, t.n, sizeof *t.at, by_sighting);
        for (size_t i = 0; i < t.n; i++)
            row_dump(shapes[id], t.at[i].row, out);
        free(t.at);
    }
    memory_tables_dump(m, out);
    NEED(!out->failed, MEMORY, "the dump is larger than its text may be");
    return OK;
}

static const char *message(struct store *s) { return ""; }

static void close_memory(struct store *s) {
    struct memory *m = memory_of(s);
    if (m == NULL)
        return;
    rollback(s);
    for (unsigned id = 0; id < TABLES; id++) {
        for (size_t i = 0; i < m->tables[id].n; i++)
            free(m->tables[id].at[i].row);
        free(m->tables[id].at);
    }
    free(m->receipts_of.at);
    free(m->deliveries_of.at);
    free(m->open.at);
    free(m->lane_of.at);
    free(m->waiting.at);
    free(m->unclaimed.at);
    map_drop(&m->event_keys);
    map_drop(&m->object_keys);
    map_drop(&m->table_keys);
    free(m->log);
    free(m);
}

void store_memory_crash(struct store *s) { rollback(s); }

struct store *store_memory(void) {
    struct memory *m = NEW(struct memory);
    m->store = (struct store){
        .begin = begin,
        .commit = commit,
        .catch_up = catch_up,
        .rollback = rollback,
        .mark = mark,
        .unmark = unmark,
        .undo = undo,
        .state_get = state_get,
        .state_put = state_put,
        .plan_put = plan_put,
        .plan_get = plan_get,
        .event_find = event_find,
        .event_get = event_get,
        .event_insert = event_insert,
        .event_status = event_status,
        .event_site = event_site,
        .unclaimed_of = unclaimed_of,
        .unclaimed = unclaimed,
        .receipt_insert = receipt_insert,
        .receipt_get = receipt_get,
        .receipt_same = receipt_same,
        .receipts_later = receipts_later,
        .body_get = body_get,
        .delivery_insert = delivery_insert,
        .delivery_update = delivery_update,
        .delivery_get = delivery_get,
        .deliveries_of = deliveries_of,
        .deliveries_open = deliveries_open,
        .attempt_insert = attempt_insert,
        .listen_attempt_insert = listen_attempt_insert,
        .listen_attempt_last = listen_attempt_last,
        .destination_find = destination_find,
        .destination_put = destination_put,
        .destinations = destinations,
        .suspense_put = suspense_put,
        .suspense_get = suspense_get,
        .key_put = key_put,
        .key_get = key_get,
        .answer_put = answer_put,
        .answer_get = answer_get,
        .answer_find = answer_find,
        .answers_drop = answers_drop,
        .sighting_add = sighting_add,
        .sighting_insert = sighting_insert,
        .sighting_count = sighting_count,
        .dump = dump,
        .message = message,
        .close = close_memory,
    };
    memory_due_operations(&m->store);
    memory_site_operations(&m->store);
    memory_endpoint_operations(&m->store);
    memory_lane_operations(&m->store);
    memory_table_operations(&m->store);
    memory_rebuild_operations(&m->store);
    return &m->store;
}
