// SPDX-License-Identifier: MIT
// Books with a destination of kind tables, in memory or in SQLite, and what stands in the tables.
#ifndef TESTS_UNIT_TABLES_HOUSE_H
#define TESTS_UNIT_TABLES_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "ledger/book.h"
#include "ledger_world.h"
#include "rules/record.h"

#define HOUSE_START_MS INT64_C(1700000000000)

struct tables_house {
    struct world world;
    struct book book;
    uint64_t position, generation;
    sqlite3 *reader; // beside the store; null: none yet
};

static inline void house_touched(void *ctx, uint32_t destination) {}
static inline void house_released(void *ctx, uint64_t delivery) {}

static inline void house_tell(struct tables_house *h, uint8_t kind, bytes payload) {
    struct record r = {
        .position = ++h->position,
        .time_ms = HOUSE_START_MS + (int64_t)h->position,
        .generation = h->generation,
        .kind = kind,
        .payload = payload,
    };
    assert_ok(book_record(&h->book, &r));
}

static inline void house_begin(struct tables_house *h) {
    assert_ok(h->world.store->begin(h->world.store));
}

static inline void house_commit(struct tables_house *h) { assert_ok(book_commit(&h->book)); }

// `except`: JSON of the types of objects that somebody else keeps, without brackets.
static inline void house_open(struct tables_house *h, bool sqlite, const char *except) {
    OWN(text_drop)
    struct text plan = {0};
    *h = (struct tables_house){0};
    if (sqlite) {
        assert_int_equal(world_sqlite(&h->world), 0);
    } else {
        h->world.store = store_memory();
        arena_init(&h->world.arena, 64 << 20);
    }
    h->book.touched = house_touched;
    h->book.released = house_released;
    assert_ok(book_open(&h->book, h->world.store));
    text_addf(&plan,
              "{\"sources\":[],\"destinations\":[{\"name\":\"tables\",\"kind\":\"tables\","
              "\"except\":[%s],\"livemode\":\"both\",\"match\":null,\"timeout_ms\":1000,"
              "\"retry_ms\":[1000],\"concurrency\":1}]}",
              except);
    house_begin(h);
    house_tell(h, RECORD_PLAN, text_bytes(&plan));
    h->generation = h->position;
    house_commit(h);
}

static inline void house_close(struct tables_house *h) {
    sqlite3_close(h->reader);
    book_close(&h->book);
    world_close(&h->world);
}

// Between begin and commit.
static inline void house_receive(struct tables_house *h, bytes body) {
    OWN(text_drop)
    struct text payload = {0};
    receipt_encode(&(struct receipt_record){.source = B("/webhook"),
                                            .owner = B("main"),
                                            .secret_label = B("ring"),
                                            .secret_scope = SCOPE_ANY,
                                            .livemode = MODE_BOTH,
                                            .body = body},
                   &payload);
    house_tell(h, RECORD_EVENT, text_bytes(&payload));
}

static inline void house_ask(struct tables_house *h, const char *command) {
    house_tell(h, RECORD_COMMAND, bytes_of(command));
}

// All that is due to the tables is done, as dispatch says, the newest first if `backwards`.
static inline void house_deliver(struct tables_house *h, bool backwards) {
    struct delivery_row *open = NULL;
    size_t n = 0;
    struct store *s = h->world.store;
    assert_ok(s->deliveries_open(s, 1, 0, 1 << 20, &h->world.arena, &open, &n));
    for (size_t i = 0; i < n; i++) {
        OWN(text_drop)
        struct text payload = {0};
        const struct delivery_row *d = &open[backwards ? n - 1 - i : i];
        outcome_encode(&(struct outcome_record){.delivery = d->seq,
                                                .attempt = d->attempts + 1,
                                                .outcome = OUTCOME_DONE,
                                                .started_at = HOUSE_START_MS},
                       &payload);
        house_tell(h, RECORD_OUTCOME, text_bytes(&payload));
    }
    arena_drop(&h->world.arena);
}

// The rows of an answer, a line each, columns parted by |, null as -.
static inline void house_select(struct tables_house *h, const char *sql, struct text *out) {
    sqlite3_stmt *q = NULL;
    int code;
    if (h->reader == NULL)
        assert_int_equal(sqlite3_open_v2(h->world.path, &h->reader, SQLITE_OPEN_READONLY, NULL),
                         SQLITE_OK);
    if (sqlite3_prepare_v2(h->reader, sql, -1, &q, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(h->reader));
    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(q); i++) {
            const void *p = sqlite3_column_text(q, i);
            text_adds(out, i > 0 ? "|" : "");
            text_add(out, p == NULL ? B("-") : bytes_from(p, (size_t)sqlite3_column_bytes(q, i)));
        }
        text_addc(out, '\n');
    }
    assert_int_equal(code, SQLITE_DONE);
    sqlite3_finalize(q);
}

// All tables with all their columns, in the order of their names and rows.
static inline void house_tables(struct tables_house *h, struct text *out) {
    OWN(text_drop)
    struct text names = {0};
    house_select(h,
                 "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'stripe\\_%' "
                 "ESCAPE '\\' ORDER BY 1",
                 &names);
    for (bytes rest = text_bytes(&names); rest.n > 0;) {
        OWN(text_drop)
        struct text sql = {0}, columns = {0};
        bytes name = bytes_cut(&rest, '\n');
        text_addf(&sql,
                  "SELECT group_concat('\"' || name || '\"', ', ') FROM pragma_table_info('%.*s')",
                  BYTES_ARG(name));
        house_select(h, text_str(&sql), &columns);
        text_reset(&sql);
        text_addf(&sql, "SELECT %s FROM \"%.*s\" ORDER BY %s", text_str(&columns), BYTES_ARG(name),
                  text_str(&columns));
        text_addf(out, "%.*s\n", BYTES_ARG(name));
        house_select(h, text_str(&sql), out);
    }
}

// The dump's lines about tables: what every kind of store has to say of them.
static inline void house_dump(struct tables_house *h, struct text *out) {
    OWN(text_drop)
    struct text all = {.max = 1u << 30};
    assert_ok(h->world.store->dump(h->world.store, &all));
    for (bytes rest = text_bytes(&all); rest.n > 0;) {
        bytes line = bytes_cut(&rest, '\n');
        if (!bytes_starts(line, B("stripe_")))
            continue;
        text_add(out, line);
        text_addc(out, '\n');
    }
}

#endif
