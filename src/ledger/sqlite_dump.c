// SPDX-License-Identifier: MIT
#include <stddef.h>

#include "base/ensure.h"
#include "ledger/sqlite_links.h"
#include "ledger/sqlite_tables.h"

static result dump_table(sqlite3 *db, const struct shape *shape, const char *order,
                         struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    OWN(text_drop)
    struct text sql = {0};
    text_addf(&sql, "SELECT {%s} FROM %s ORDER BY %s", shape->table, shape->table, order);
    TRY(sqlite_prepare(db, text_str(&sql), &q));
    _Alignas(max_align_t) char row[1024];
    ensure(shape->size <= sizeof row);
    struct arena a;
    arena_init(&a, 64 << 20);
    int code = SQLITE_DONE;
    result failed = OK;
    while (failed == OK && (code = sqlite3_step(q)) == SQLITE_ROW) {
        failed = sqlite_row(q, 0, shape, &a, row);
        if (failed == OK)
            row_dump(shape, row, out);
        arena_drop(&a);
    }
    arena_drop(&a);
    return failed != OK ? failed : sqlite_failed(code);
}

result sqlite_dump(sqlite3 *db, struct text *out) {
    static const struct {
        const struct shape *shape;
        const char *order;
    } tables[] = {
        {&shape_state, "one"},
        {&shape_plan, "generation"},
        {&shape_event, "seq"},
        {&shape_receipt, "seq"},
        {&shape_body, "receipt_seq"},
        {&shape_delivery, "seq"},
        {&shape_lane, "destination, lane, delivery"},
        {&shape_attempt, "delivery, number"},
        {&shape_listen_attempt, "event_seq, number"},
        {&shape_destination, "number"},
        {&shape_endpoint, "destination"},
        {&shape_suspense, "position"},
        {&shape_key, "id"},
        {&shape_answer, "position"},
        {&shape_sighting, "kind, whose, what, livemode"},
        {&shape_site, "number"},
        {&shape_object, "number"},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        TRY(dump_table(db, tables[i].shape, tables[i].order, out));
    TRY(links_dump(db, out));
    TRY(dump_table(db, &shape_rebuild, "one", out));
    TRY(tables_dump(db, out));
    NEED(!out->failed, MEMORY, "the dump is larger than its text may be");
    return OK;
}
