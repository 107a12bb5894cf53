// SPDX-License-Identifier: MIT
// How the WAL comes into the file: by the writer as long as it is little, beside it when it is
// much.
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/metrics.h"
#include "ledger/sqlite_internal.h"
#include "ledger_world.h"
#include "port/thread.h"

#define LITTLE 8
#define MUCH 32
#define A_COMMIT 5    // pages of it, and some more
#define PATIENCE 5000 // times, a ms each at least

// In the way of libc's, for SQLite: pages that are written to the file, by whom, and a disk that
// is slow for all but the test's own thread.
static _Thread_local bool test_thread;
static _Atomic ino_t watched;
static atomic_int by_writer, by_others, slow_us;

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) {
    struct stat st;
    if (n == LEDGER_PAGE_SIZE && fstat(fd, &st) == 0 && st.st_ino == watched)
        atomic_fetch_add(test_thread ? &by_writer : &by_others, 1);
    return syscall(SYS_pwrite64, fd, p, n, at);
}

int fdatasync(int fd) {
    if (!test_thread)
        thread_rest(slow_us);
    return (int)syscall(SYS_fdatasync, fd);
}

static const struct checkpoint_pages PAGES = {.little = LITTLE, .much = MUCH, .last = 4};

struct books {
    struct world world; // the folder alone
    char wal[140];
    sqlite3 *db, *reader;
    struct checkpoint *checkpoint;
    int commits;
};

static int setup(void **state) {
    struct books *b = NEW(struct books);
    world_folder(&b->world);
    snprintf(b->wal, sizeof b->wal, "%s-wal", b->world.path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    assert_int_equal(sqlite3_open_v2(b->world.path, &b->db, flags, paced_files()), SQLITE_OK);
    assert_ok(sqlite_run(b->db, "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL;"
                                "PRAGMA journal_size_limit = 0; CREATE TABLE t (x)"));
    b->checkpoint = checkpoint_open(b->db, b->world.path, &PAGES);
    struct stat st;
    assert_int_equal(stat(b->world.path, &st), 0);
    watched = st.st_ino;
    test_thread = true;
    by_writer = by_others = slow_us = 0;
    *state = b;
    return 0;
}

static int teardown(void **state) {
    struct books *b = *state;
    checkpoint_close(b->checkpoint);
    assert_int_equal(sqlite3_close(b->reader), SQLITE_OK);
    assert_int_equal(sqlite3_close(b->db), SQLITE_OK);
    world_close(&b->world);
    free(b);
    return 0;
}

static void read_on(struct books *b) {
    assert_int_equal(sqlite3_open(b->world.path, &b->reader), SQLITE_OK);
    assert_ok(sqlite_run(b->reader, "BEGIN; SELECT count(*) FROM t"));
}

static void read_no_more(struct books *b) {
    assert_int_equal(sqlite3_close(b->reader), SQLITE_OK);
    b->reader = NULL;
}

// How many pages the writer itself wrote into the file.
static int commit(struct books *b, int pages) {
    char sql[100];
    int before = by_writer;
    snprintf(sql, sizeof sql, "INSERT INTO t VALUES (zeroblob(%d))", pages * LEDGER_PAGE_SIZE);
    assert_ok(sqlite_run(b->db, sql));
    b->commits++;
    return by_writer - before;
}

static int64_t left(void) { return (int64_t)metric_get(METRIC_WAL_LEFT) / LEDGER_PAGE_SIZE; }

static off_t wal_size(struct books *b) {
    struct stat st;
    assert_int_equal(stat(b->wal, &st), 0);
    return st.st_size;
}

static void assert_whole(struct books *b) {
    int64_t n = 0, good = 0;
    assert_ok(sqlite_number(b->db, "SELECT count(*) FROM t", &n));
    assert_int_equal(n, b->commits);
    assert_ok(
        sqlite_number(b->db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check", &good));
    assert_int_equal(good, 1);
}

static void test_little(void **state) {
    struct books *b = *state;
    for (int i = 0; i < 100; i++) {
        assert_in_range(commit(b, A_COMMIT), 0, MUCH);
        assert_in_range(left(), 0, MUCH);
        assert_in_range(wal_size(b), 1, MUCH * (LEDGER_PAGE_SIZE + 100));
    }
    assert_in_range(by_writer, 100 * A_COMMIT, 1000 * A_COMMIT);
    assert_int_equal(by_others, 0);
    assert_whole(b);
}

// A reader holds the WAL up: the commits after it are as short as those before.
static void test_much(void **state) {
    struct books *b = *state;
    commit(b, A_COMMIT);
    read_on(b);
    for (int i = 0; i < 100; i++)
        assert_in_range(commit(b, A_COMMIT), 0, MUCH);
    off_t held = wal_size(b);
    assert_in_range(held, 100 * A_COMMIT * LEDGER_PAGE_SIZE, INT64_MAX);
    assert_in_range(left(), 90 * A_COMMIT, INT64_MAX);
    read_no_more(b);
    for (int i = 0; wal_size(b) >= held; i++) {
        assert_in_range(i, 0, PATIENCE);
        assert_in_range(commit(b, A_COMMIT), 0, MUCH + A_COMMIT);
        thread_rest(1000);
    }
    assert_in_range(by_others, 90 * A_COMMIT, INT64_MAX);
    assert_in_range(left(), 0, MUCH);
    assert_whole(b);
    // Nothing is left of the helper: the writer copies by itself again.
    int others = by_others;
    for (int i = 0; i < 20; i++)
        commit(b, A_COMMIT);
    assert_int_equal(by_others, others);
    assert_in_range(left(), 0, MUCH);
}

// Freed a piece each time the WAL begins anew.
static void test_large_wal(void **state) {
    struct books *b = *state;
    commit(b, A_COMMIT);
    read_on(b);
    while (wal_size(b) < 80 << 20)
        commit(b, 64);
    read_no_more(b);
    off_t size = wal_size(b);
    for (int i = 0, cuts = 0; size > 1 << 20; i++) {
        assert_in_range(i, 0, PATIENCE);
        commit(b, A_COMMIT);
        off_t now = wal_size(b);
        assert_true(size - now <= 32 << 20);
        cuts += now < size;
        assert_true(cuts > 2 || now > 1 << 20);
        size = now;
        thread_rest(1000);
    }
    assert_whole(b);
}

static void test_closed_meanwhile(void **state) {
    struct books *b = *state;
    commit(b, A_COMMIT);
    read_on(b);
    for (int i = 0; i < 20; i++)
        commit(b, A_COMMIT);
    assert_in_range(left(), MUCH, INT64_MAX);
    checkpoint_close(b->checkpoint); // while it waits for the reader
    b->checkpoint = NULL;
    assert_whole(b);
}

// The disk takes less than what comes: the writer has to let the helper catch up.
static void test_slow_disk(void **state) {
    struct books *b = *state;
    commit(b, A_COMMIT);
    read_on(b);
    while (left() < 200)
        commit(b, 64);
    slow_us = 30000;
    read_no_more(b);
    for (int i = 0; by_others == 0; i++) {
        assert_in_range(i, 0, PATIENCE);
        thread_rest(1000);
    }
    do
        commit(b, 64);
    while (left() > MUCH && wal_size(b) < 1 << 30); // the helper may begin late
    assert_in_range(left(), 0, MUCH + 70);
    assert_whole(b);
}

// Who catches up waits for the copying of little; the thread begins as soon as that is there.
static void test_catching_up(void **state) {
    struct books *b = *state;
    struct checkpoint_pages pages = {.little = 40, .much = 200, .last = 4};
    checkpoint_close(b->checkpoint);
    b->checkpoint = checkpoint_open(b->db, b->world.path, &pages);
    checkpoint_catch_up(b->checkpoint, true);
    for (int i = 0; i < 20; i++) {
        while (left() < pages.little)
            assert_in_range(commit(b, A_COMMIT), 0, pages.last + 4 * A_COMMIT);
        for (int waits = 0; left() > pages.last; waits++) {
            assert_in_range(waits, 0, PATIENCE);
            thread_rest(1000);
        }
    }
    assert_in_range(by_others, 20 * (pages.little - pages.last), INT64_MAX);
    // Then it does by itself again.
    checkpoint_catch_up(b->checkpoint, false);
    commit(b, A_COMMIT);
    int others = by_others, own = by_writer;
    for (int i = 0; i < 50; i++)
        assert_in_range(commit(b, A_COMMIT), 0, pages.little + 2 * A_COMMIT);
    assert_in_range(by_others, others, others + pages.last);
    assert_in_range(by_writer, own + 20 * A_COMMIT, INT64_MAX);
    assert_whole(b);
}

// The thread copies about as much as comes, so that there is never much and never little left.
static void test_never_caught_up(void **state) {
    struct books *b = *state;
    struct checkpoint_pages pages = {.little = 40, .much = 150, .last = 4};
    checkpoint_close(b->checkpoint);
    b->checkpoint = checkpoint_open(b->db, b->world.path, &pages);
    checkpoint_catch_up(b->checkpoint, true);
    slow_us = 1000;
    off_t longest = 0;
    for (int i = 0; i < 250; i++) {
        commit(b, 2 * A_COMMIT);
        // As somebody who takes as long as the copying.
        while (left() > pages.much / 2)
            thread_rest(200);
        longest = wal_size(b) > longest ? wal_size(b) : longest;
    }
    assert_in_range(longest, 1, (off_t)5 * pages.much * LEDGER_PAGE_SIZE);
    assert_whole(b);
}

#define HERE(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        HERE(test_little),           HERE(test_much),      HERE(test_large_wal),
        HERE(test_closed_meanwhile), HERE(test_slow_disk), HERE(test_catching_up),
        HERE(test_never_caught_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
