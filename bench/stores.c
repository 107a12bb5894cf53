// SPDX-License-Identifier: MIT
// Appends events to a journal, group by group, while another thread books them into an SQLite
// ledger, and tells how long each took until it was durable. The journal is Hookkeep's file, or a
// table in an SQLite database of its own, synchronous=FULL: the plainest that keeps the promise.
//
//     bench_stores file|table FOLDER RATE SECONDS
//
// Event i is meant to come at i/RATE; its time counts from then. Prints JSON.
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal/store.h"
#include "port/clock.h"
#include "port/files.h"

#define BODY 3300
#define GROUP_MAX 1024
#define JOURNAL_SIZE ((uint64_t)1 << 30)
#define REST_US 3000 // between commits of the ledger, as Hookkeep's does

static char body[BODY];
static _Atomic uint64_t durable; // events
static atomic_bool over;

static _Noreturn void die(const char *what, const char *why) {
    fprintf(stderr, "stores: %s: %s\n", what, why);
    exit(1);
}

static void need(result r, const char *what) {
    if (r != OK)
        die(what, r->text);
}

static int64_t now_us(void) { return clock_mono_us(&clock_real); }

static void nap(int64_t us) {
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    if (us > 0)
        nanosleep(&t, NULL);
}

static void run(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sql, sqlite3_errmsg(db));
}

static sqlite3 *database(const char *folder, const char *name) {
    char path[512];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (sqlite3_open(path, &db) != SQLITE_OK)
        die(path, sqlite3_errmsg(db));
    run(db, "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        die(sql, sqlite3_errmsg(db));
    return s;
}

static void insert(sqlite3_stmt *s, uint64_t n) {
    sqlite3_bind_int64(s, 1, (int64_t)n);
    sqlite3_bind_text(s, 2, body, BODY, SQLITE_STATIC);
    if (sqlite3_step(s) != SQLITE_DONE)
        die("insert", "refused");
    sqlite3_reset(s);
}

// Books what is durable, as much as there is in one transaction.
static void *book(void *folder) {
    sqlite3 *db = database(folder, "ledger.db");
    run(db, "CREATE TABLE body (seq INTEGER PRIMARY KEY, payload TEXT NOT NULL)");
    sqlite3_stmt *s = prepare(db, "INSERT INTO body VALUES (?1, ?2)");
    for (uint64_t booked = 0; !atomic_load(&over);) {
        uint64_t to = atomic_load(&durable);
        if (to > booked) {
            run(db, "BEGIN");
            while (booked < to)
                insert(s, ++booked);
            run(db, "COMMIT");
        }
        nap(REST_US);
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return NULL;
}

struct journal {
    struct journal_store *file;
    sqlite3 *table;
    sqlite3_stmt *into;
};

static void open_journal(struct journal *j, const char *kind, const char *folder) {
    static char path[512];
    struct text why = {0};
    if (strcmp(kind, "file") == 0) {
        snprintf(path, sizeof path, "%s/journal", folder);
        struct journal_file_options o = {.files = &files_real,
                                         .clock = &clock_real,
                                         .path = path,
                                         .size = JOURNAL_SIZE,
                                         .create = true,
                                         .first = 1};
        need(journal_store_file(&o, &j->file, &why), "the file");
        return;
    }
    j->table = database(folder, "journal.db");
    run(j->table, "CREATE TABLE journal (position INTEGER PRIMARY KEY, payload BLOB NOT NULL)");
    j->into = prepare(j->table, "INSERT INTO journal VALUES (?1, ?2)");
}

static void append(struct journal *j, uint64_t first, size_t n) {
    static struct record records[GROUP_MAX];
    if (j->file != NULL) {
        for (size_t i = 0; i < n; i++)
            records[i] = (struct record){.kind = 1, .payload = bytes_from(body, BODY)};
        need(j->file->append(j->file, records, n, clock_wall_ms(&clock_real)), "append");
        return;
    }
    run(j->table, "BEGIN");
    for (size_t i = 0; i < n; i++)
        insert(j->into, first + i);
    run(j->table, "COMMIT");
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
    if (argc != 5)
        die("usage", "bench_stores file|table FOLDER RATE SECONDS");
    double rate = strtod(argv[3], NULL);
    size_t all = (size_t)(rate * strtod(argv[4], NULL)), done = 0;
    uint32_t *took = calloc(all + 1, sizeof *took);
    struct journal j = {0};
    pthread_t booker;
    memset(body, 'x', sizeof body);
    open_journal(&j, argv[1], argv[2]);
    if (took == NULL || pthread_create(&booker, NULL, book, argv[2]) != 0)
        die("start", "no memory");
    for (int64_t start = now_us(); done < all;) {
        size_t due = (size_t)((double)(now_us() - start) * rate / 1e6) + 1;
        size_t n = (due < all ? due : all) - done;
        if (n == 0) {
            nap((int64_t)((double)done * 1e6 / rate) - (now_us() - start));
            continue;
        }
        n = n < GROUP_MAX ? n : GROUP_MAX;
        append(&j, done + 1, n);
        int64_t now = now_us() - start;
        for (size_t i = 0; i < n; i++, done++)
            took[done] = (uint32_t)(now - (int64_t)((double)done * 1e6 / rate));
        atomic_store(&durable, done);
    }
    atomic_store(&over, true);
    pthread_join(booker, NULL);
    qsort(took, all, sizeof *took, by_value);
    printf("{\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"max_ms\":%.3f}\n",
           took[all / 2] / 1e3, took[all * 99 / 100] / 1e3, took[all * 999 / 1000] / 1e3,
           took[all - 1] / 1e3);
    return 0;
}
