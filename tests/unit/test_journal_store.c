// SPDX-License-Identifier: MIT
// What every journal store must do; the same tests over each of them.
#include "journal_helpers.h"

struct world {
    const char *name;
    bool on_disk;
    struct disk *disk;
    struct journal_store *s;
};

static int set_up(void **state) {
    struct world *w = *state;
    if (w->on_disk) {
        w->disk = disk_open(1);
        struct journal_file_options o = file_options(w->disk);
        w->s = open_store(&o);
    } else {
        w->s = journal_store_memory(4 * SEGMENT);
    }
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    w->s->close(w->s);
    disk_close(w->disk);
    w->disk = NULL;
    return 0;
}

static size_t payload_max(struct journal_store *s) { return s->payload_max(s); }

// Appends the records of these numbers as one batch.
static result append(struct journal_store *s, uint64_t number, size_t n, int64_t wall, size_t max) {
    struct record records[64];
    uint8_t *payloads = make_records(records, n, number, max);
    result failed = s->append(s, records, n, wall);
    for (size_t i = 0; i < n && failed == OK; i++)
        assert_int_equal(records[i].position, s->last(s) - n + 1 + i);
    free(payloads);
    return failed;
}

// Reads on and compares: the record at a position is of that number. How many were read.
static size_t read_and_compare(struct journal_cursor *c, struct journal_store *s, uint64_t *next,
                               size_t max_bytes, size_t max) {
    struct arena a;
    arena_init(&a, 8 << 20);
    struct record *records = NULL;
    size_t n = 0, payloads = 0;
    assert_ok(s->read(c, max_bytes, &a, &records, &n));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(records[i].position, *next + i);
        assert_true(is_number(&records[i], *next + i, max));
        payloads += records[i].payload.n;
    }
    if (n > 1)
        assert_true(payloads <= max_bytes);
    *next += n;
    arena_drop(&a);
    return n;
}

static void an_empty_store_has_nothing(void **state) {
    struct journal_store *s = ((struct world *)*state)->s;
    assert_int_equal(s->last(s), 0);
    assert_int_equal(s->first(s), 1);
    assert_int_equal(s->used(s), 0);
    struct journal_cursor *c = NULL;
    uint64_t next = 1;
    assert_ok(s->cursor_open(s, 0, &c));
    assert_int_equal(read_and_compare(c, s, &next, 1000, 10), 0);
    // The same cursor meets what comes later.
    assert_ok(append(s, 1, 3, 7, 10));
    assert_int_equal(read_and_compare(c, s, &next, 1000, 10), 3);
    s->cursor_close(c);
    s->cursor_close(NULL);
}

static void records_come_out_as_they_went_in(void **state) {
    struct journal_store *s = ((struct world *)*state)->s;
    size_t max = payload_max(s);
    assert_true(max >= 1000);
    uint8_t *largest = memory_new(1, max);
    memset(largest, 0xEE, max);
    struct record in[3] = {
        {.seed = UINT64_MAX, .generation = 5, .kind = 255, .payload = bytes_from(largest, max)},
        {.kind = 1, .payload = NO_BYTES},
        {.seed = 1, .generation = UINT64_MAX, .kind = 0, .payload = B("a\0b")},
    };
    assert_ok(s->append(s, in, 3, 1234567890123));
    struct arena a;
    arena_init(&a, 4 << 20);
    struct journal_cursor *c = NULL;
    struct record *out;
    size_t n;
    assert_ok(s->cursor_open(s, 0, &c));
    assert_ok(s->read(c, SIZE_MAX, &a, &out, &n));
    assert_int_equal(n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(same_record(&in[i], &out[i]));
        assert_int_equal(out[i].position, i + 1);
        assert_int_equal(out[i].time_ms, 1234567890123);
    }
    s->cursor_close(c);
    arena_drop(&a);
    free(largest);
}

static void time_never_runs_back(void **state) {
    struct journal_store *s = ((struct world *)*state)->s;
    static const int64_t wall[] = {1000, 500, 1000, 2000, -1, 2001};
    static const int64_t want[] = {1000, 1000, 1000, 2000, 2000, 2001};
    for (size_t i = 0; i < 6; i++) {
        struct record r = {.kind = 1};
        assert_ok(s->append(s, &r, 1, wall[i]));
        assert_int_equal(r.time_ms, want[i]);
    }
}

static void reading_takes_what_fits_and_at_least_one(void **state) {
    struct journal_store *s = ((struct world *)*state)->s;
    for (uint64_t i = 1; i <= 40; i += 4)
        assert_ok(append(s, i, 4, 1, 900));
    struct journal_cursor *c = NULL;
    assert_ok(s->cursor_open(s, 0, &c));
    uint64_t next = 1;
    for (uint64_t i = 1; i <= 10; i++)
        assert_int_equal(read_and_compare(c, s, &next, 0, 900), 1);
    // More than one batch at once.
    assert_int_equal(read_and_compare(c, s, &next, 1 << 20, 900), 30);
    assert_int_equal(read_and_compare(c, s, &next, 1 << 20, 900), 0);
    s->cursor_close(c);
}

static void cursors_know_nothing_of_each_other(void **state) {
    struct journal_store *s = ((struct world *)*state)->s;
    assert_ok(append(s, 1, 50, 1, 100));
    struct journal_cursor *c = NULL, *d = NULL;
    assert_ok(s->cursor_open(s, 0, &c));
    assert_ok(s->cursor_open(s, 17, &d));
    uint64_t next_c = 1, next_d = 18;
    while (next_c <= 50 || next_d <= 50) {
        read_and_compare(d, s, &next_d, 300, 100);
        read_and_compare(c, s, &next_c, 200, 100);
    }
    s->cursor_close(c);
    s->cursor_close(d);
}

static void a_small_arena_moves_nothing(void **state) {
    struct journal_store *s = ((struct world *)*state)->s;
    struct record in = {.payload = B("0123456789012345678901234567890123456789")};
    assert_ok(s->append(s, &in, 1, 1));
    struct journal_cursor *c = NULL;
    assert_ok(s->cursor_open(s, 0, &c));
    for (size_t cap = 0; cap < 400; cap += 8) {
        struct arena a;
        arena_init(&a, cap);
        struct record *out;
        size_t n = 0;
        result failed = s->read(c, 1000, &a, &out, &n);
        if (failed == OK) {
            assert_int_equal(n, 1);
            assert_true(same_record(out, &in));
        } else {
            assert_int_equal(failed->code, FAIL_MEMORY);
        }
        arena_drop(&a);
        if (failed == OK) {
            assert_true(cap > 0);
            s->cursor_close(c);
            return;
        }
    }
    fail_msg("400 bytes should do");
}

// Within the room nothing fails, whatever the sizes and batches, for many laps.
static void the_ring_turns_and_loses_nothing(void **state) {
    struct journal_store *s = ((struct world *)*state)->s;
    uint64_t random = 42, next = 1, written = 0;
    size_t max = payload_max(s);
    struct journal_cursor *c = NULL;
    assert_ok(s->cursor_open(s, 0, &c));
    while (written < 6000) {
        size_t n = 1 + random_below(&random, 12), cost = 0;
        struct record records[12];
        uint8_t *payloads = make_records(records, n, written + 1, max);
        for (size_t i = 0; i < n; i++)
            cost += s->cost(s, records[i].payload.n);
        uint64_t used = s->used(s);
        if (used + cost <= s->room(s)) {
            assert_ok(s->append(s, records, n, 1));
            assert_true(s->used(s) <= used + cost);
            written += n;
        } else {
            // Everything booked leaves room for more than the largest.
            while (read_and_compare(c, s, &next, 1 << 16, max) > 0)
                continue;
            s->release(s, next - 1);
            assert_true(s->used(s) + s->cost(s, max) <= s->room(s));
            assert_true(s->used(s) <= s->room(s) / 2);
        }
        if (random_below(&random, 4) == 0) {
            read_and_compare(c, s, &next, random_below(&random, 1 << 16), max);
            s->release(s, random_below(&random, next));
        }
        free(payloads);
    }
    struct text out = {0};
    assert_ok(s->verify(s, &out));
    assert_true(out.n > 0);
    text_drop(&out);
    s->cursor_close(c);
}

// No release at all: up to the room nothing fails; beyond it FULL keeps nothing and passes.
static void full_passes(void **state) {
    struct journal_store *s = ((struct world *)*state)->s;
    for (size_t max = 10; max <= payload_max(s); max *= 7) {
        uint64_t from = s->last(s) + 1;
        result failed = OK;
        while (failed == OK) {
            struct record records[3];
            uint8_t *payloads = make_records(records, 3, s->last(s) + 1, max);
            uint64_t cost = 0, used = s->used(s), last = s->last(s);
            for (size_t i = 0; i < 3; i++)
                cost += s->cost(s, records[i].payload.n);
            failed = s->append(s, records, 3, 1);
            if (used + cost <= s->room(s))
                assert_ok(failed);
            if (failed != OK) {
                assert_int_equal(failed->code, FAIL_FULL);
                assert_int_equal(s->last(s), last);
                assert_int_equal(s->used(s), used);
            }
            free(payloads);
        }
        struct journal_cursor *c = NULL;
        assert_ok(s->cursor_open(s, from - 1, &c));
        uint64_t next = from;
        while (read_and_compare(c, s, &next, 1 << 20, max) > 0)
            continue;
        assert_int_equal(next, s->last(s) + 1);
        s->cursor_close(c);
        s->release(s, next - 1);
    }
}

static void recycled_positions_are_absent(void **state) {
    struct journal_store *s = ((struct world *)*state)->s;
    struct journal_cursor *late = NULL, *none = NULL;
    uint64_t next = 1;
    assert_ok(append(s, 1, 10, 1, 100));
    assert_ok(s->cursor_open(s, 0, &late));
    for (int i = 0; i < 300; i++) {
        assert_ok(append(s, s->last(s) + 1, 10, 1, 1000));
        s->release(s, s->last(s));
    }
    assert_true(s->first(s) > 1);
    struct arena a;
    arena_init(&a, 1 << 20);
    struct record *out;
    size_t n;
    assert_fails(s->read(late, 1000, &a, &out, &n), ABSENT);
    assert_fails(s->cursor_open(s, 0, &none), ABSENT);
    assert_fails(s->cursor_open(s, s->first(s) - 2, &none), ABSENT);
    assert_ok(s->cursor_open(s, s->first(s) - 1, &none));
    next = s->first(s);
    while (read_and_compare(none, s, &next, 10000, 1000) > 0)
        continue;
    assert_int_equal(next, s->last(s) + 1);
    s->cursor_close(none);
    s->cursor_close(late);
    arena_drop(&a);
}

#define OVER(test_, world_)                                                                        \
    { world_ ": " #test_, test_, set_up, tear_down, NULL }
#define TESTS(world_)                                                                              \
    OVER(an_empty_store_has_nothing, world_), OVER(records_come_out_as_they_went_in, world_),      \
        OVER(time_never_runs_back, world_),                                                        \
        OVER(reading_takes_what_fits_and_at_least_one, world_),                                    \
        OVER(cursors_know_nothing_of_each_other, world_),                                          \
        OVER(a_small_arena_moves_nothing, world_), OVER(the_ring_turns_and_loses_nothing, world_), \
        OVER(full_passes, world_), OVER(recycled_positions_are_absent, world_)

int main(void) {
    static struct world worlds[] = {{.name = "memory"}, {.name = "file", .on_disk = true}};
    struct CMUnitTest tests[] = {TESTS("memory"), TESTS("file")};
    size_t n = sizeof tests / sizeof *tests;
    for (size_t i = 0; i < n; i++)
        tests[i].initial_state = &worlds[i < n / 2 ? 0 : 1];
    return cmocka_run_group_tests_name("journal store", tests, NULL, NULL);
}
