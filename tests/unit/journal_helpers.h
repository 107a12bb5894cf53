// SPDX-License-Identifier: MIT
// What the journal's tests share: records that can be told from their position alone, file journals
// on a simulated disk.
#ifndef JOURNAL_HELPERS_H
#define JOURNAL_HELPERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../sim/disk.h"
#include "base/memory.h"
#include "base/random.h"
#include "journal/store.h"
#include "port/clock.h"

#define assert_ok(call_)                                                                           \
    do {                                                                                           \
        result ok_ = (call_);                                                                      \
        if (ok_ != OK)                                                                             \
            fail_msg("%s: %s (%s:%d)", #call_, ok_->text, ok_->file, ok_->line);                   \
    } while (0)
#define assert_fails(call_, code_)                                                                 \
    do {                                                                                           \
        result bad_ = (call_);                                                                     \
        if (!failed_as(bad_, FAIL_##code_))                                                        \
            fail_msg("%s: %s instead of " #code_, #call_, bad_ == OK ? "OK" : bad_->text);         \
    } while (0)

#define PATH "journal"
#define SEGMENT ((uint64_t)64 << 10)

static inline int64_t test_wall(struct clock *c) { return 1000; }
static inline int64_t test_mono(struct clock *c) { return 0; }
static inline void test_entropy(struct clock *c, void *p, size_t n) { memset(p, 0xA5, n); }
static inline struct clock *test_clock(void) {
    static struct clock c = {test_wall, test_mono, test_entropy};
    return &c;
}

static inline struct journal_file_options file_options(struct disk *d) {
    return (struct journal_file_options){
        .files = disk_files(d),
        .clock = test_clock(),
        .path = PATH,
        .size = 4 * SEGMENT,
        .create = true,
        .first = 1,
    };
}

static inline struct journal_store *open_store(const struct journal_file_options *o) {
    struct text why = {0};
    struct journal_store *s = NULL;
    result failed = journal_store_file(o, &s, &why);
    if (failed != OK)
        fail_msg("%s: %s", failed->text, text_str(&why));
    text_drop(&why);
    return s;
}

// Fills n records from consecutive numbers of a run; lengths up to `max`. free(payloads).
static inline uint8_t *make_records(struct record *records, size_t n, uint64_t number, size_t max) {
    uint8_t *payloads = malloc(n * (max + 1));
    for (size_t i = 0; i < n; i++) {
        uint64_t random = number + i, size = random_next(&random) % (max + 1);
        // Most are small, some empty, some as large as may be.
        uint64_t kind = random_next(&random) % 8;
        size = kind == 0 ? 0 : kind == 1 ? max : kind < 6 ? size % 700 % (max + 1) : size;
        uint8_t *p = payloads + i * (max + 1);
        for (size_t k = 0; k < size; k++)
            p[k] = (uint8_t)random_next(&random);
        records[i] = (struct record){.seed = random_next(&random),
                                     .generation = random_next(&random) % 100,
                                     .kind = (uint8_t)(random_next(&random) % 5),
                                     .payload = {p, size}};
    }
    return payloads;
}

static inline bool same_record(const struct record *a, const struct record *b) {
    return a->seed == b->seed && a->generation == b->generation && a->kind == b->kind &&
           bytes_equal(a->payload, b->payload);
}

// Is it the record that make_records makes of this number?
static inline bool is_number(const struct record *r, uint64_t number, size_t max) {
    struct record want;
    uint8_t *payload = make_records(&want, 1, number, max);
    bool same = same_record(r, &want);
    free(payload);
    return same;
}

#endif
