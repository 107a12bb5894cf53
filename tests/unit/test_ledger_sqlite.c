// SPDX-License-Identifier: MIT
// What is the SQLite store's alone: its file, whom it refuses, migrations, crashes, full disks.
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ledger/sqlite_internal.h"
#include "ledger_world.h"
#include "port/files.h"

// In the way of libc's, for SQLite too.
static int syncs;
int fdatasync(int fd) {
    syncs++;
    return (int)syscall(SYS_fdatasync, fd);
}

static int setup(void **state) { return world_sqlite_setup(state); }

static int64_t number(sqlite3 *db, const char *sql) {
    int64_t n = -1;
    assert_ok(sqlite_number(db, sql, &n));
    return n;
}

static void shut(struct world *w) {
    w->store->close(w->store);
    w->store = NULL;
}

// Opening fails with this code and a sentence that has these words.
static void assert_refused(struct world *w, const struct migration *migrations, size_t n,
                           bool create, enum fail_code code, const char *words) {
    OWN(text_drop)
    struct text why = {0};
    struct store *s = NULL;
    struct sqlite_options o = {.path = w->path, .create = create};
    result failed = store_sqlite_with(&o, migrations, n, &s, &why);
    if (!failed_as(failed, code))
        fail_msg("expected %s, got %s: %s", fail_name(code),
                 failed != OK ? fail_name(failed->code) : "ok", text_str(&why));
    if (strstr(text_str(&why), words) == NULL || strstr(text_str(&why), w->path) == NULL)
        fail_msg("\"%s\" and the path are not in: %s", words, text_str(&why));
}

#define assert_refused_ours(w_, code_, words_)                                                     \
    assert_refused(w_, ledger_migrations, ledger_migration_count, true, FAIL_##code_, words_)

static void test_file(void **state) {
    struct world *w = *state;
    sqlite3 *db = store_sqlite_db(w->store);
    struct stat st;
    assert_int_equal(number(db, "PRAGMA page_size"), 16384);
    assert_int_equal(number(db, "PRAGMA application_id"), LEDGER_APPLICATION_ID);
    assert_int_equal(number(db, "PRAGMA user_version"), ledger_migration_count);
    assert_int_equal(number(db, "PRAGMA synchronous"), 2);
    assert_int_equal(number(db, "PRAGMA foreign_keys"), 0);
    assert_int_equal(
        number(db, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
    assert_int_equal(number(db, "SELECT count(*) FROM migrations"), ledger_migration_count);
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_statements_use_indexes(void **state) {
    struct world *w = *state;
    sqlite3 *db = store_sqlite_db(w->store);
    int seen = 0;
    for (sqlite3_stmt *s = sqlite3_next_stmt(db, NULL); s != NULL; s = sqlite3_next_stmt(db, s)) {
        OWN(text_drop)
        struct text sql = {0};
        OWN(sqlite_statement_drop)
        sqlite3_stmt *explain = NULL;
        if (strncmp(sqlite3_sql(s), "EXPLAIN", 7) == 0)
            continue;
        text_addf(&sql, "EXPLAIN QUERY PLAN %s", sqlite3_sql(s));
        assert_ok(sqlite_failed(sqlite3_prepare_v2(db, text_str(&sql), -1, &explain, NULL)));
        seen++;
        while (sqlite3_step(explain) == SQLITE_ROW) {
            const char *detail = (const char *)sqlite3_column_text(explain, 3);
            bool small = strcmp(detail, "SCAN state") == 0 ||
                         strcmp(detail, "SCAN destination") == 0 ||
                         strcmp(detail, "SCAN site") == 0 || strcmp(detail, "SCAN link_new") == 0;
            small = small || strcmp(detail, "SCAN object") == 0 || // all is what it is for
                    strcmp(detail, "SCAN endpoint") == 0;
            small =
                small || strcmp(detail, "SCAN 16 CONSTANT ROWS") == 0; // of the statement itself
            if (!small &&
                (strncmp(detail, "SCAN", 4) == 0 || strstr(detail, "TEMP B-TREE") != NULL))
                fail_msg("%s in %s", detail, sqlite3_sql(s));
        }
    }
    assert_true(seen > 30);
}

static int count_steps(void *ctx) {
    ++*(int *)ctx;
    return 0;
}

// Who changes an endpoint again and again must not have the writer read all deliveries each time.
static void test_few_open(void **state) {
    struct world *w = *state;
    sqlite3 *db = store_sqlite_db(w->store);
    int steps = 0;
    assert_ok(sqlite_run(db, "INSERT INTO delivery WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
                             " SELECT i + 1 FROM n WHERE i < 20000) SELECT i, 1, 1, 2, iif(i IN"
                             " (3, 9), 2, 3), 1, 0, 0, 7, 100 - i, 7, 0, '', 0 FROM n"));
    sqlite3_progress_handler(db, 100, count_steps, &steps);
    for (uint32_t destination = 1; destination <= 2; destination++) {
        struct delivery_row *rows = NULL;
        size_t n = 0;
        assert_ok(w->store->deliveries_open(w->store, destination, 0, 2, &w->arena, &rows, &n));
        assert_int_equal(n, destination == 2 ? 2 : 0);
        assert_int_equal(n == 2 ? rows[0].seq : 3, 3); // the order is not that of when it is due
    }
    sqlite3_progress_handler(db, 0, NULL, NULL);
    assert_true(steps < 20);
}

static void test_locked(void **state) {
    struct world *w = *state;
    assert_refused_ours(w, LOCKED, "another gateway holds this ledger");
    shut(w);
    assert_int_equal(world_open_sqlite(w), 0);
}

static void test_absent(void **state) {
    struct world w = {0};
    world_folder(&w);
    assert_refused(&w, ledger_migrations, ledger_migration_count, false, FAIL_ABSENT,
                   "there is no ledger");
    char lock[160];
    snprintf(lock, sizeof lock, "%s.lock", w.path);
    assert_int_equal(access(lock, F_OK), -1);
    FILE *f = fopen(w.path, "w");
    fclose(f);
    assert_refused(&w, ledger_migrations, ledger_migration_count, false, FAIL_FORMAT, "is empty");
    assert_int_equal(world_open_sqlite(&w), 0); // an empty file may become one
    world_close(&w);
    world_folder(&w);
    snprintf(w.path, sizeof w.path, "%s/no/folder", w.folder);
    assert_refused_ours(&w, ABSENT, "folder");
    world_close(&w);
}

static void test_newer(void **state) {
    struct world *w = *state;
    assert_ok(sqlite_run(store_sqlite_db(w->store), "PRAGMA user_version = 99"));
    shut(w);
    assert_refused_ours(w, FORMAT, "version 99, this program knows 1 to");
}

static void test_not_ours(void **state) {
    struct world *w = *state;
    assert_ok(sqlite_run(store_sqlite_db(w->store), "PRAGMA application_id = 7"));
    shut(w);
    assert_refused_ours(w, FORMAT, "no ledger of Hookkeep (application id 7");
}

static void write_at(const char *path, long at, const char *what, size_t n) {
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    assert_int_equal(fwrite(what, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void test_corrupt(void **state) {
    struct world *w = *state;
    shut(w);
    char junk[300];
    memset(junk, 'j', sizeof junk);
    write_at(w->path, 100, junk, sizeof junk); // the schema's page
    assert_refused_ours(w, CORRUPT, "ledger restore");
    write_at(w->path, 0, junk, sizeof junk);
    assert_refused_ours(w, CORRUPT, "no SQLite database");
}

static void test_not_writable(void **state) {
    struct world *w = *state;
    char lock[160];
    shut(w);
    snprintf(lock, sizeof lock, "%s.lock", w->path);
    assert_int_equal(chmod(w->path, 0400), 0);
    bool root = geteuid() == 0; // may write anything: as somebody else
    if (root) {
        assert_int_equal(chown(w->folder, 65534, 65534), 0);
        assert_int_equal(chown(w->path, 65534, 65534), 0);
        assert_int_equal(chown(lock, 65534, 65534), 0);
        assert_int_equal(seteuid(65534), 0);
    }
    assert_refused_ours(w, REFUSED, "cannot be written");
    if (root)
        assert_int_equal(seteuid(0), 0);
}

static const char add_table[] = "CREATE TABLE added (x); INSERT INTO added SELECT seq FROM event;";

static void test_migration(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text why = {0}, before = {0}, after = {0};
    size_t n = ledger_migration_count;
    struct migration more[16];
    memcpy(more, ledger_migrations, n * sizeof more[0]);
    more[n] = (struct migration){(int)n + 1, "more", add_table};
    struct sqlite_options o = {.path = w->path, .create = true, .backup_before_migration = true};

    assert_ok(w->store->begin(w->store));
    book_event(w->store, 1, B("evt_1"), B("body"));
    assert_ok(w->store->commit(w->store));
    assert_ok(w->store->dump(w->store, &before));
    shut(w);
    // A migration that fails changes nothing.
    more[n].sql = "CREATE TABLE added (x); INSERT INTO nowhere VALUES (1);";
    assert_refused(w, more, n + 1, true, FAIL_SYSTEM, "nowhere");
    assert_int_equal(world_open_sqlite(w), 0);
    assert_int_equal(number(store_sqlite_db(w->store),
                            "SELECT count(*) FROM sqlite_schema WHERE name"
                            " = 'added'"),
                     0);
    shut(w);

    more[n].sql = add_table;
    assert_ok(store_sqlite_with(&o, more, n + 1, &w->store, &why));
    assert_int_equal(number(store_sqlite_db(w->store), "SELECT x FROM added"), 1);
    assert_ok(w->store->dump(w->store, &after));
    assert_string_equal(text_str(&before), text_str(&after));
    shut(w);
    assert_ok(store_sqlite_with(&o, more, n + 1, &w->store, &why)); // once is enough
    assert_false(store_sqlite_waits(w->store));
    shut(w);
    assert_refused_ours(w, FORMAT, "this program knows 1 to");

    // The copy made before is a ledger of the older version.
    char copy[160];
    snprintf(copy, sizeof copy, "%s.before-v%zu", w->path, n + 1);
    assert_int_equal(rename(copy, w->path), 0);
    assert_int_equal(world_open_sqlite(w), 0);
    text_reset(&after);
    assert_ok(w->store->dump(w->store, &after));
    assert_string_equal(text_str(&before), text_str(&after));
    shut(w);

    memcpy(more, ledger_migrations, n * sizeof more[0]);
    more[0].sql = add_table;
    assert_refused(w, more, n, true, FAIL_MISMATCH, "migration 1 has the checksum");
}

static void copy_file(const char *from, const char *to, const char *end) {
    char a[200], b[200], buffer[8192];
    snprintf(a, sizeof a, "%s%s", from, end);
    snprintf(b, sizeof b, "%s%s", to, end);
    FILE *in = fopen(a, "r"), *out = fopen(b, "w");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, in)) > 0;)
        assert_int_equal(fwrite(buffer, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

static void test_died_while_open(void **state) {
    struct world *w = *state, left = {0};
    OWN(text_drop)
    struct text before = {0}, after = {0};
    world_folder(&left);
    for (uint64_t i = 1; i <= 50; i++) {
        char id[32];
        assert_ok(w->store->begin(w->store));
        book_event(w->store, i, bytes_from(id, (size_t)snprintf(id, 32, "evt_%d", (int)i)),
                   B("body"));
        assert_ok(w->store->commit(w->store));
    }
    assert_ok(w->store->dump(w->store, &before));
    assert_ok(w->store->begin(w->store));
    // So much that it is written to the WAL before the commit.
    static char large[200000];
    memset(large, 'x', sizeof large);
    for (uint64_t i = 51; i <= 80; i++) {
        char id[32];
        book_event(w->store, i, bytes_from(id, (size_t)snprintf(id, 32, "evt_%d", (int)i)),
                   bytes_from(large, sizeof large));
    }
    copy_file(w->path, left.path, "");
    copy_file(w->path, left.path, "-wal");
    w->store->rollback(w->store);
    assert_int_equal(world_open_sqlite(&left), 0);
    assert_ok(left.store->dump(left.store, &after));
    assert_string_equal(text_str(&before), text_str(&after));
    world_close(&left);
}

static result book_large(struct world *w, uint64_t from, uint64_t to) {
    static char large[100000];
    memset(large, 'x', sizeof large);
    TRY(w->store->begin(w->store));
    for (uint64_t i = from; i <= to; i++) {
        char id[32];
        struct event_row e =
            an_event(i, bytes_from(id, (size_t)snprintf(id, 32, "evt_%d", (int)i)));
        struct receipt_row r = a_receipt(i, i, 1);
        TRY(w->store->event_insert(w->store, &e));
        TRY(w->store->receipt_insert(w->store, &r, bytes_from(large, sizeof large)));
    }
    return w->store->commit(w->store);
}

static void test_full(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text before = {0}, after = {0};
    assert_ok(book_large(w, 1, 2));
    assert_ok(w->store->dump(w->store, &before));
    assert_ok(sqlite_run(store_sqlite_db(w->store), "PRAGMA max_page_count = 100"));
    for (int i = 0; i < 3; i++) {
        assert_code(book_large(w, 3, 40), FULL);
        assert_string_not_equal(w->store->message(w->store), "");
        struct event_row e = an_event(99, B("evt_99"));
        // What follows in the transaction that is gone may not stand alone.
        result after_it = w->store->event_insert(w->store, &e);
        assert_true(after_it == OK || failed_as(after_it, FAIL_IO));
        w->store->rollback(w->store);
        assert_ok(w->store->dump(w->store, &after));
        assert_string_equal(text_str(&before), text_str(&after));
        text_reset(&after);
    }
    assert_ok(sqlite_run(store_sqlite_db(w->store), "PRAGMA max_page_count = 100000"));
    assert_ok(book_large(w, 3, 40));
}

// The system refuses to write: files may not grow.
static void test_io_error(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text before = {0}, after = {0};
    struct rlimit was, low;
    assert_ok(book_large(w, 1, 2));
    assert_ok(w->store->dump(w->store, &before));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    low = was;
    low.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    result failed = book_large(w, 3, 40);
    w->store->rollback(w->store);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_code(failed, IO);
    assert_ok(w->store->dump(w->store, &after));
    assert_string_equal(text_str(&before), text_str(&after));
    assert_ok(book_large(w, 3, 40));
    world_crash(w);
    struct event_row got;
    assert_ok(w->store->event_get(w->store, 40, &w->arena, &got));
}

static void test_transaction_gone(void **state) {
    struct world *w = *state;
    struct event_row e = an_event(1, B("evt_1")), got;
    assert_ok(w->store->begin(w->store));
    assert_ok(w->store->mark(w->store));
    assert_ok(w->store->event_insert(w->store, &e));
    assert_ok(
        sqlite_run(store_sqlite_db(w->store), "ROLLBACK")); // as SQLite does after some errors
    e.seq = 2, e.id = B("evt_2");
    assert_code(w->store->event_insert(w->store, &e), IO);
    assert_code(w->store->undo(w->store), IO);
    assert_code(w->store->commit(w->store), IO);
    w->store->rollback(w->store);
    assert_code(w->store->event_get(w->store, 2, &w->arena, &got), ABSENT);
    assert_ok(w->store->begin(w->store));
    assert_ok(w->store->event_insert(w->store, &e));
    assert_ok(w->store->commit(w->store));
}

static void test_busy(void **state) {
    struct world *w = *state;
    sqlite3 *other;
    assert_int_equal(sqlite3_open(w->path, &other), SQLITE_OK);
    assert_ok(sqlite_run(other, "BEGIN IMMEDIATE"));
    assert_code(w->store->begin(w->store), BUSY);
    assert_ok(sqlite_run(other, "COMMIT"));
    // A reader that stays does not hold it up.
    assert_ok(sqlite_run(other, "BEGIN; SELECT count(*) FROM events"));
    for (uint64_t i = 0; i < 10; i++)
        assert_ok(book_large(w, 1 + i * 10, 10 + i * 10));
    assert_int_equal(number(other, "SELECT count(*) FROM events"), 0);
    assert_ok(sqlite_run(other, "COMMIT"));
    assert_int_equal(number(other, "SELECT count(*) FROM events"), 100);
    sqlite3_close(other);
}

// All that is below 1, in pages; how many pages.
static size_t below_one(struct world *w, size_t max, uint64_t *seen, size_t *n) {
    size_t pages = 0, some = 0;
    uint64_t *numbers;
    *n = 0;
    for (uint64_t after = 0; after != LINKS_END; pages++) {
        arena_drop(&w->arena);
        assert_ok(w->store->links_below(w->store, 1, &after, max, &w->arena, &numbers, &some));
        for (size_t i = 0; i < some; i++)
            seen[(*n)++] = numbers[i];
    }
    return pages;
}

// More than are gathered: sorted in, with what comes after still gathered, on top of an undo.
static void test_many_links(void **state) {
    struct world *w = *state;
    struct store *s = w->store;
    static uint64_t seen[20000];
    size_t n = 0;
    for (uint64_t round = 0; round < 3; round++) {
        assert_ok(s->begin(s));
        for (uint64_t i = 0; i < 30000; i++)
            assert_ok(s->link_put(s, &(struct link_row){1 + i % 7, 10 + round * 30000 + i}));
        assert_ok(s->mark(s));
        assert_ok(s->link_put(s, &(struct link_row){1, 5}));
        assert_ok(s->undo(s));
        assert_ok(s->commit(s));
        int64_t gathered = -1;
        assert_ok(sqlite_number(store_sqlite_db(s), "SELECT count(*) FROM link_new", &gathered));
        assert_int_equal(gathered, round < 2 ? (int64_t)round + 1 : 0);
    }
    assert_ok(s->begin(s));
    assert_ok(s->link_put(s, &(struct link_row){1, 3}));
    assert_ok(s->link_put(s, &(struct link_row){1, 500000}));
    assert_ok(s->commit(s));
    assert_ok(s->begin(s));
    assert_ok(s->link_put(s, &(struct link_row){1, 4}));
    s->rollback(s);
    for (int opened = 0; opened < 2; opened++) {
        assert_int_equal(below_one(w, SIZE_MAX, seen, &n), 1);
        assert_int_equal(n, 12860); // 3 × 4286 of the rounds, and 2
        for (size_t i = 0; i < n - 2; i++)
            assert_true(seen[i] == 10 + i / 4286 * 30000 + i % 4286 * 7);
        assert_true(seen[n - 2] == 3 && seen[n - 1] == 500000);
        assert_true(below_one(w, 3, seen, &n) > 20 && n == 12860);
        assert_int_equal(number(store_sqlite_db(s), "SELECT count(*) FROM link"), 7 * 26);
        s->close(s);
        w->store = NULL;
        assert_int_equal(world_open_sqlite(w), 0);
        s = w->store;
    }
}

static void test_refused_rows(void **state) {
    struct world *w = *state;
    sqlite3 *db = store_sqlite_db(w->store);
    assert_ok(w->store->begin(w->store));
    book_event(w->store, 1, B("evt_1"), B("body"));
    assert_ok(w->store->commit(w->store));
    assert_code(sqlite_run(db, "UPDATE event SET status = 9"), INVALID);
    assert_code(sqlite_run(db, "UPDATE event SET seq = 'x'"), INVALID);
    assert_code(sqlite_run(db, "UPDATE receipt SET sha256 = x'00'"), INVALID);
    assert_code(sqlite_run(db, "INSERT INTO event SELECT * FROM event"), EXISTS);
}

// False if there is no such program.
static bool ask_shell(char *path, const char *answer) {
    static char sql[] =
        "SELECT seq, id, type, owner, account, livemode, api_version, created, received_at,"
        " object_id, status, error, json_extract(payload, '$.id') FROM events;"
        "SELECT event_seq, source, secret_label, sha256 FROM receipts;"
        "SELECT seq, event_id, destination, state, attempts, next_at, ended_at FROM deliveries;"
        "SELECT delivery, number, outcome, status FROM attempts;"
        "SELECT position, kind, state, reason FROM suspense";
    char name[] = "sqlite3", option[] = "-readonly";
    char *argv[] = {name, option, path, sql, NULL};
    posix_spawn_file_actions_t out;
    pid_t pid = 0;
    int status = -1;
    posix_spawn_file_actions_init(&out);
    posix_spawn_file_actions_addopen(&out, 1, answer, O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_adddup2(&out, 1, 2);
    int failed = posix_spawnp(&pid, argv[0], &out, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&out);
    if (failed != 0)
        return false;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return true;
}

// What a person sees who asks with a client of his own while the gateway runs.
static void test_shell(void **state) {
    struct world *w = *state;
    struct destination_row shop = {.number = 1, .name = B("shop"), .present = true, .held = true};
    struct delivery_row d = a_delivery(1, 1, 1, 5);
    struct attempt_row t = {.delivery = 1, .number = 1, .outcome = OUTCOME_NOT_YET, .status = 425};
    struct suspense_row u = {.position = 9, .kind = 1, .reason = B("bad")};
    assert_ok(w->store->begin(w->store));
    book_event(w->store, 1, B("evt_1"), B("{\"id\":\"evt_1\"}"));
    assert_ok(w->store->destination_put(w->store, &shop));
    assert_ok(w->store->delivery_insert(w->store, &d));
    d.seq = 2, d.state = DELIVERY_CANCELLED, d.ended_at = 7;
    assert_ok(w->store->delivery_insert(w->store, &d));
    assert_ok(w->store->attempt_insert(w->store, &t));
    assert_ok(w->store->suspense_put(w->store, &u));
    assert_ok(w->store->commit(w->store));
    assert_ok(w->store->begin(w->store)); // booking goes on meanwhile

    char said[160];
    OWN(text_drop)
    struct text got = {0};
    snprintf(said, sizeof said, "%s/said", w->folder);
    if (!ask_shell(w->path, said))
        skip();
    assert_ok(file_load(said, 1 << 16, &got));
    assert_string_equal(
        text_str(&got),
        "1|evt_1|customer.created|acct_own|acct_1|1|2024-06-20|1700000000|1700000000123|cus_1|"
        "pending||evt_1\n"
        "1|/webhook|main|0101010101010101010101010101010101010101010101010101010101010101\n"
        "1|evt_1|shop|held|0|5|\n"
        "2|evt_1|shop|cancelled|0||7\n"
        "1|1|not_yet|425\n"
        "9|event|waiting|bad\n");
    w->store->rollback(w->store);
}

static void test_migration_later(void **state) {
    struct world *w = *state;
    struct migration more[16];
    size_t n = ledger_migration_count;
    OWN(text_drop)
    struct text why = {0}, before = {0}, after = {0};
    struct sqlite_options o = {.path = w->path, .create = true, .migrate_later = true};
    memcpy(more, ledger_migrations, n * sizeof *more);
    more[n] = (struct migration){(int)n + 1, "another", "CREATE TABLE added (x);"};
    struct store_state want = {.booked = 7, .next_delivery = 3}, state_got;
    assert_ok(w->store->begin(w->store));
    assert_ok(w->store->state_put(w->store, &want));
    assert_ok(w->store->commit(w->store));
    assert_ok(w->store->dump(w->store, &before));
    shut(w);
    for (int again = 0; again < 2; again++) { // the first one dies before it migrates
        assert_ok(store_sqlite_with(&o, more, n + 1, &w->store, &why));
        assert_true(store_sqlite_waits(w->store));
        assert_ok(w->store->state_get(w->store, &state_got));
        assert_int_equal(state_got.booked, 7);
        if (again == 0)
            shut(w);
    }
    assert_ok(store_sqlite_migrate(w->store, NULL, &why));
    assert_false(store_sqlite_waits(w->store));
    assert_int_equal(number(store_sqlite_db(w->store), "SELECT count(*) FROM added"), 0);
    assert_ok(w->store->dump(w->store, &after));
    assert_string_equal(text_str(&before), text_str(&after));
    shut(w);
    // What has no books yet has nothing to wait for.
    remove(w->path);
    assert_ok(store_sqlite_with(&o, more, n + 1, &w->store, &why));
    assert_false(store_sqlite_waits(w->store));
}

static void test_interrupted_copy(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text why = {0};
    char copy[160], part[170];
    snprintf(copy, sizeof copy, "%s/copy.db", w->folder);
    snprintf(part, sizeof part, "%s.part", copy);
    atomic_bool stop = true;
    assert_code(ledger_copy(store_sqlite_db(w->store), copy, &stop, &why), TIMEOUT);
    assert_int_equal(access(copy, F_OK) | access(part, F_OK), -1);
    // Nothing is left open: the writer goes on.
    assert_ok(w->store->begin(w->store));
    assert_ok(w->store->commit(w->store));
    stop = false;
    assert_ok(ledger_copy(store_sqlite_db(w->store), copy, &stop, &why));
    assert_int_equal(access(copy, F_OK), 0);
}

// Booking goes on while a reader holds the WAL up; the checkpoint of all that then stands in it
// reaches the disk in pieces, so that the journal's syncs find it free in between.
static void test_large_checkpoint(void **state) {
    struct world *w = *state;
    sqlite3 *reader;
    assert_ok(book_large(w, 1, 1));
    assert_int_equal(sqlite3_open(w->path, &reader), SQLITE_OK);
    assert_ok(sqlite_run(reader, "BEGIN; SELECT count(*) FROM event"));
    assert_ok(book_large(w, 2, 201)); // 20 MiB
    syncs = 0;
    assert_ok(book_large(w, 202, 202));
    assert_in_range(syncs, 1, 4);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    syncs = 0;
    assert_ok(book_large(w, 203, 203));
    assert_in_range(syncs, 19, 40);
    struct event_row got;
    assert_ok(w->store->event_get(w->store, 203, &w->arena, &got));
}

#define HERE(test_) cmocka_unit_test_setup_teardown(test_, setup, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        HERE(test_file),
        HERE(test_statements_use_indexes),
        HERE(test_few_open),
        HERE(test_locked),
        cmocka_unit_test(test_absent),
        HERE(test_newer),
        HERE(test_not_ours),
        HERE(test_corrupt),
        HERE(test_not_writable),
        HERE(test_migration),
        HERE(test_migration_later),
        HERE(test_interrupted_copy),
        HERE(test_large_checkpoint),
        HERE(test_died_while_open),
        HERE(test_full),
        HERE(test_io_error),
        HERE(test_transaction_gone),
        HERE(test_busy),
        HERE(test_refused_rows),
        HERE(test_many_links),
        HERE(test_shell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
