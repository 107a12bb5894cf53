// SPDX-License-Identifier: MIT
#include "ledger/store_sqlite_internal.h"

static result lane_put(struct store *s, const struct lane_row *row) {
    return sqlite_put(s, LANE_PUT, &shape_lane, row);
}

static result lane_get(struct store *s, uint64_t delivery, struct lane_row *out) {
    OWN(arena_drop)
    struct arena none;
    arena_init(&none, 0); // the row has numbers alone
    return sqlite_get(s, LANE_GET, delivery, &shape_lane, &none, out);
}

static result lane_drop(struct store *s, const struct lane_row *row) {
    TRY(sqlite_put(s, LANE_DROP, &shape_lane, row));
    NEED(sqlite3_changes(sqlite_store_of(s)->file.db) > 0, ABSENT, "the delivery is in no lane");
    return OK;
}

static result lane_first(struct store *s, uint32_t destination, int64_t lane, uint64_t *delivery) {
    STATEMENT(q, s, LANE_FIRST);
    sqlite3_bind_int64(q, 1, destination);
    sqlite3_bind_int64(q, 2, lane);
    int code = sqlite3_step(q);
    TRY(sqlite_failed(code));
    NEED(code == SQLITE_ROW, ABSENT, "the lane is empty");
    *delivery = (uint64_t)sqlite3_column_int64(q, 0);
    return OK;
}

void sqlite_lane_operations(struct store *s) {
    s->lane_put = lane_put;
    s->lane_get = lane_get;
    s->lane_drop = lane_drop;
    s->lane_first = lane_first;
}
