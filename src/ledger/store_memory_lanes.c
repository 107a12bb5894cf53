// SPDX-License-Identifier: MIT
#include "ledger/memory_internal.h"

static struct row_key key_of(const struct lane_row *row) {
    return (struct row_key){row->destination, (uint64_t)row->lane, row->delivery};
}

static result lane_put(struct store *s, const struct lane_row *row) {
    struct memory *m = memory_of(s);
    NEED(table_get(&m->lane_of, key1(row->delivery)) == NULL, EXISTS,
         "the delivery is in a lane already");
    memory_change(m, LANES, key_of(row), row);
    return OK;
}

static result lane_get(struct store *s, uint64_t delivery, struct lane_row *out) {
    const struct lane_row *row = table_get(&memory_of(s)->lane_of, key1(delivery));
    NEED(row != NULL, ABSENT, "the delivery is in no lane");
    *out = *row;
    return OK;
}

static result lane_drop(struct store *s, const struct lane_row *row) {
    NEED(memory_row(memory_of(s), LANES, key_of(row)) != NULL, ABSENT,
         "the delivery is in no lane");
    memory_change(memory_of(s), LANES, key_of(row), NULL);
    return OK;
}

static result lane_first(struct store *s, uint32_t destination, int64_t lane, uint64_t *delivery) {
    const struct table *t = &memory_of(s)->tables[LANES];
    size_t i = table_from(t, (struct row_key){destination, (uint64_t)lane, 0});
    NEED(i < t->n && t->at[i].key.a == destination && t->at[i].key.b == (uint64_t)lane, ABSENT,
         "the lane is empty");
    *delivery = t->at[i].key.c;
    return OK;
}

void memory_lane_operations(struct store *s) {
    s->lane_put = lane_put;
    s->lane_get = lane_get;
    s->lane_drop = lane_drop;
    s->lane_first = lane_first;
}
