// SPDX-License-Identifier: MIT
// Seeds of appends, releases, faults, crashes and recoveries of a file journal on the simulated
// disk. Oracles: what was acknowledged is there, byte for byte; nothing is there that nobody wrote;
// recovery never calls a crash corruption. At the end the same oracles meet disks that lie, and
// must notice.
//
// HOOKKEEP_SEED=n runs that seed alone, HOOKKEEP_SEEDS=n so many.
#include "journal_helpers.h"

#define SEEDS 500
#define STEPS 60
#define ATTEMPTS_MAX 4096

// One record that was handed to append, acknowledged or not.
struct attempt {
    uint64_t number, position;
};

struct run {
    uint64_t seed, random;
    struct disk *disk;
    struct journal_store *s;
    uint64_t number; // of the next record
    uint64_t acked;  // last position that append or a recovery stood for
    uint64_t booked; // what the ledger would have committed
    struct attempt attempts[ATTEMPTS_MAX];
    size_t attempts_n;
    uint64_t truth[ATTEMPTS_MAX]; // number by position, for positions up to `acked`
    size_t max;
    size_t torn, crashes;
    char said[256]; // what an oracle found; empty: nothing
};

#define SAY(run_, ...)                                                                             \
    do {                                                                                           \
        if ((run_)->said[0] == '\0')                                                               \
            snprintf((run_)->said, sizeof(run_)->said, __VA_ARGS__);                               \
    } while (0)

static void go_open(struct run *r) {
    struct journal_file_options o = file_options(r->disk);
    struct text why = {0};
    o.booked = r->booked;
    result failed = journal_store_file(&o, &r->s, &why);
    if (failed != OK) {
        SAY(r, "recovery refused: %.200s", why.n > 0 ? text_str(&why) : failed->text);
        r->s = NULL;
    } else {
        r->max = r->s->payload_max(r->s);
        r->torn += journal_file_torn(r->s);
    }
    text_drop(&why);
}

// The number that was once handed in for this position and makes this record; 0: nobody wrote it.
static uint64_t number_of(struct run *r, const struct record *record) {
    for (size_t i = r->attempts_n; i-- > 0;)
        if (r->attempts[i].position == record->position &&
            is_number(record, r->attempts[i].number, r->max))
            return r->attempts[i].number;
    return 0;
}

static void check_record(struct run *r, const struct record *record) {
    uint64_t number = number_of(r, record);
    if (number == 0)
        SAY(r, "position %llu holds what nobody wrote", (unsigned long long)record->position);
    else if (record->position <= r->acked && number != r->truth[record->position])
        SAY(r, "position %llu was acknowledged with another record",
            (unsigned long long)record->position);
    r->truth[record->position] = number;
}

// Reads everything not booked. What recovery brought back counts as acknowledged from then on: the
// ledger books it.
static void check_all(struct run *r) {
    struct journal_cursor *c = NULL;
    if (r->s == NULL)
        return;
    if (r->s->last(r->s) < r->acked)
        SAY(r, "positions %llu to %llu are lost", (unsigned long long)r->s->last(r->s) + 1,
            (unsigned long long)r->acked);
    result failed = r->s->cursor_open(r->s, r->booked, &c);
    uint64_t next = r->booked + 1;
    for (size_t n = 1; failed == OK && n > 0;) {
        struct arena a;
        struct record *records;
        arena_init(&a, 8 << 20);
        failed = r->s->read(c, 1 << 18, &a, &records, &n);
        for (size_t i = 0; failed == OK && i < n; i++, next++)
            check_record(r, &records[i]);
        arena_drop(&a);
    }
    r->s->cursor_close(c);
    if (failed != OK)
        SAY(r, "reading: %s", failed->text);
    else if (next != r->s->last(r->s) + 1)
        SAY(r, "reading ended early");
    r->acked = r->s->last(r->s);
}

static void crash(struct run *r, bool power) {
    if (r->s != NULL)
        r->s->close(r->s);
    r->s = NULL;
    r->crashes++;
    if (power)
        disk_crash(r->disk, random_next(&r->random));
    else
        disk_kill(r->disk);
    struct disk_faults *f = disk_faults(r->disk), kept = *f;
    *f = (struct disk_faults){.sync_lies = kept.sync_lies, .skip_equal = kept.skip_equal};
    go_open(r);
    check_all(r);
    *f = kept;
}

// A recovery in the middle of which the machine dies again.
static void crash_twice(struct run *r) {
    r->s->close(r->s);
    r->s = NULL;
    disk_kill(r->disk);
    disk_fuse(r->disk, 1 + random_below(&r->random, 4));
    struct journal_file_options o = file_options(r->disk);
    struct text why = {0};
    o.booked = r->booked;
    struct journal_store *s = NULL;
    if (journal_store_file(&o, &s, &why) == OK)
        s->close(s);
    text_drop(&why);
    crash(r, true);
}

static void go_append(struct run *r) {
    struct record records[24];
    size_t n = 1 + random_below(&r->random, 24);
    size_t max = random_below(&r->random, 3) == 0 ? r->max : 300;
    uint8_t *payloads = NULL;
    size_t fits = 0;
    uint64_t cost = 0;
    if (r->attempts_n + n > ATTEMPTS_MAX || r->acked + n >= ATTEMPTS_MAX)
        return;
    // Every record is of the run's one measure, so that its number alone says what it is.
    payloads = make_records(records, n, r->number, r->max);
    for (; fits < n; fits++) {
        cost += r->s->cost(r->s, records[fits].payload.n);
        if (r->s->used(r->s) + cost > r->s->room(r->s) ||
            (fits > 0 && records[fits].payload.n > max))
            break;
    }
    n = fits;
    for (size_t i = 0; i < n; i++)
        r->attempts[r->attempts_n++] = (struct attempt){r->number + i, r->s->last(r->s) + 1 + i};
    result failed = n == 0 ? OK : r->s->append(r->s, records, n, 1);
    if (failed == OK) {
        for (size_t i = 0; i < n; i++)
            r->truth[r->acked + 1 + i] = r->number + i;
        r->acked += n;
    } else if (failed_as(failed, FAIL_FULL)) {
        // Nothing of it may ever come back.
        r->attempts_n -= n;
    }
    r->number += n;
    free(payloads);
    if (failed != OK && !failed_as(failed, FAIL_FULL))
        crash(r, random_below(&r->random, 2) == 0);
}

static void go_book(struct run *r) {
    r->booked += random_below(&r->random, r->acked - r->booked + 1);
    r->s->release(r->s, r->booked);
}

static void step(struct run *r) {
    switch (random_below(&r->random, 12)) {
    case 0: crash(r, true); break;
    case 1: crash(r, false); break;
    case 2: disk_fuse(r->disk, 1 + random_below(&r->random, 5)); break;
    case 3:
    case 4:
    case 5: go_book(r); break;
    case 6: crash_twice(r); break;
    default: go_append(r);
    }
}

// Runs one seed; r->said tells what the oracles found.
static void run_seed(struct run *r, uint64_t seed, struct disk_faults faults) {
    memset(r, 0, sizeof *r);
    r->seed = r->random = seed;
    r->number = 1 + (seed << 20);
    r->disk = disk_open(seed);
    go_open(r);
    *disk_faults(r->disk) = faults;
    for (int i = 0; i < STEPS && r->said[0] == '\0'; i++)
        step(r);
    if (r->said[0] == '\0')
        crash(r, true);
    if (r->s != NULL)
        r->s->close(r->s);
    disk_close(r->disk);
}

static const struct disk_faults ROUGH = {
    .write_io = 10000, .write_full = 60000, .sync_io = 20000, .sync_lost = 60000};

static void everything_acknowledged_survives(void **state) {
    struct run *r = NEW(struct run);
    const char *only = getenv("HOOKKEEP_SEED");
    const char *many = getenv("HOOKKEEP_SEEDS");
    uint64_t seeds = many != NULL ? strtoull(many, NULL, 10) : SEEDS;
    size_t torn = 0, crashes = 0, acked = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        if (only != NULL)
            seed = strtoull(only, NULL, 10);
        run_seed(r, seed, seed % 2 ? ROUGH : (struct disk_faults){0});
        if (r->said[0] != '\0')
            fail_msg("HOOKKEEP_SEED=%llu: %s", (unsigned long long)seed, r->said);
        torn += r->torn;
        crashes += r->crashes;
        acked += r->acked;
        if (only != NULL)
            break;
    }
    // Else the seeds prove nothing.
    if (only == NULL) {
        assert_true(torn > crashes / 100);
        assert_true(acked > 50 * seeds);
    }
    print_message("%zu crashes, %zu torn tails, %zu records\n", crashes, torn, acked);
    free(r);
}

static size_t caught(struct disk_faults faults) {
    struct run *r = NEW(struct run);
    size_t n = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        run_seed(r, seed, faults);
        n += r->said[0] != '\0';
    }
    free(r);
    return n;
}

static void answering_before_the_sync_is_noticed(void **state) {
    assert_true(caught((struct disk_faults){.sync_lies = true}) > 150);
}

// A disk that ignores the rewriting of the tail stands for a recovery that leaves it out.
static void trusting_the_cache_after_a_failed_sync_is_noticed(void **state) {
    struct disk_faults faults = ROUGH;
    faults.sync_lost = 200000;
    assert_int_equal(caught(faults), 0);
    faults.skip_equal = true;
    assert_true(caught(faults) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_acknowledged_survives),
        cmocka_unit_test(answering_before_the_sync_is_noticed),
        cmocka_unit_test(trusting_the_cache_after_a_failed_sync_is_noticed),
    };
    return cmocka_run_group_tests_name("journal crashes", tests, NULL, NULL);
}
