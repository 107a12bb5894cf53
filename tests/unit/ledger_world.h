// SPDX-License-Identifier: MIT
// A store for a test, in memory or in a folder of its own, with an arena for what is read from it.
#ifndef TESTS_UNIT_LEDGER_WORLD_H
#define TESTS_UNIT_LEDGER_WORLD_H

#include <ftw.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "ledger/sqlite.h"
#include "ledger/store.h"

struct world {
    struct store *store;
    struct arena arena;
    char folder[64], path[128];
    atomic_bool over; // for threads of a test
};

static inline int world_unlink(const char *path, const struct stat *st, int type, struct FTW *at) {
    return remove(path);
}

static inline void world_folder(struct world *w) {
    snprintf(w->folder, sizeof w->folder, "/tmp/hookkeep-ledger-XXXXXX");
    if (mkdtemp(w->folder) == NULL)
        abort();
    snprintf(w->path, sizeof w->path, "%s/ledger.db", w->folder);
    arena_init(&w->arena, 64 << 20);
}

static inline void world_close(struct world *w) {
    if (w->store != NULL)
        w->store->close(w->store);
    w->store = NULL;
    arena_drop(&w->arena);
    if (w->folder[0] != '\0')
        nftw(w->folder, world_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

// 0, or -1 with the reason on standard error.
static inline int world_open_sqlite(struct world *w) {
    OWN(text_drop)
    struct text why = {0};
    struct sqlite_options o = {.path = w->path, .create = true};
    result failed = store_sqlite(&o, &w->store, &why);
    if (failed != OK)
        fprintf(stderr, "%s: %s\n", failed->text, text_str(&why));
    return failed != OK ? -1 : 0;
}

static inline int world_sqlite(struct world *w) {
    world_folder(w);
    return world_open_sqlite(w);
}

static inline int world_memory_setup(void **state) {
    struct world *w = NEW(struct world);
    w->store = store_memory();
    arena_init(&w->arena, 64 << 20);
    *state = w;
    return 0;
}

static inline int world_sqlite_setup(void **state) {
    struct world *w = NEW(struct world);
    *state = w;
    return world_sqlite(w);
}

static inline int world_teardown(void **state) {
    world_close(*state);
    free(*state);
    return 0;
}

// What a process that died leaves of the store.
static inline void world_crash(struct world *w) {
    if (w->folder[0] == '\0') {
        store_memory_crash(w->store);
        return;
    }
    w->store->close(w->store);
    w->store = NULL;
    if (world_open_sqlite(w) != 0)
        abort();
}

// Behind cmocka.h.
#define assert_ok(call_)                                                                           \
    do {                                                                                           \
        result failed_ = (call_);                                                                  \
        if (failed_ != OK)                                                                         \
            fail_msg("%s: %s (%s:%d)", #call_, failed_->text, failed_->file, failed_->line);       \
    } while (0)
#define assert_code(call_, code_)                                                                  \
    do {                                                                                           \
        result failed_ = (call_);                                                                  \
        if (!failed_as(failed_, FAIL_##code_))                                                     \
            fail_msg("%s: expected " #code_ ", got %s", #call_,                                    \
                     failed_ != OK ? failed_->text : "OK");                                        \
    } while (0)

#define assert_bytes(b_, literal_) assert_true(bytes_equal(b_, B(literal_)))

static inline struct event_row an_event(uint64_t seq, bytes id) {
    return (struct event_row){.seq = seq,
                              .id = id,
                              .type = B("customer.created"),
                              .owner = B("acct_own"),
                              .account = B("acct_1"),
                              .livemode = true,
                              .created = 1700000000,
                              .received_at = 1700000000123,
                              .api_version = B("2024-06-20"),
                              .object_id = B("cus_1"),
                              .object_type = B("customer"),
                              .status = EVENT_PENDING};
}

static inline struct receipt_row a_receipt(uint64_t seq, uint64_t event_seq, uint8_t hash) {
    struct receipt_row r = {.seq = seq,
                            .event_seq = event_seq,
                            .source = B("/webhook"),
                            .secret_label = B("main"),
                            .received_at = 1700000000123,
                            .api_version = B("2024-06-20"),
                            .generation = 1,
                            .body_seq = seq};
    memset(r.sha256, hash, sizeof r.sha256);
    return r;
}

static inline struct delivery_row a_delivery(uint64_t seq, uint64_t event_seq, uint32_t destination,
                                             int64_t next_at) {
    return (struct delivery_row){.seq = seq,
                                 .event_seq = event_seq,
                                 .receipt_seq = event_seq,
                                 .destination = destination,
                                 .state = DELIVERY_DUE,
                                 .created_at = 1700000000123,
                                 .next_at = next_at};
}

// An event with its receipt and these bytes.
static inline void book_event(struct store *s, uint64_t seq, bytes id, bytes body) {
    struct event_row e = an_event(seq, id);
    struct receipt_row r = a_receipt(seq, seq, (uint8_t)seq);
    assert_ok(s->event_insert(s, &e));
    assert_ok(s->receipt_insert(s, &r, body));
}

#endif
