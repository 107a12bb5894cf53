// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <string.h>

#include "base/ensure.h"
#include "ledger/sqlite_tables.h"
#include "port/files.h"

#define BUSY_MS 250
// Booking waits for what is copied after a commit, so 8 MiB; and for what the thread leaves.
static const struct checkpoint_pages PAGES = {.little = 512, .much = 2048, .last = 128};
_Static_assert(LEDGER_PAGE_SIZE == 16384, "as the ledger is made with below");
#define STEPS_TO_LISTEN 10000 // of SQLite's machine: a millisecond or less

void migration_sha256(const struct migration *m, struct text *out) {
    uint8_t hash[SHA256_SIZE];
    bytes sql = bytes_of(m->sql);
    digest_sha256(&sql, 1, hash);
    text_add_hex(out, bytes_from(hash, sizeof hash));
}

static void drop_file(struct file **f) { files_real.close(*f); }

static result refused(result r, sqlite3 *db, const char *path, struct text *why) {
    if (failed_as(r, FAIL_FULL))
        text_addf(why, "%s: the disk is full; make room and start again", path);
    else if (failed_as(r, FAIL_BUSY))
        text_addf(why,
                  "%s: another program writes to the ledger; end its transaction and start again",
                  path);
    else if (failed_as(r, FAIL_CORRUPT))
        text_addf(why,
                  "%s: the file is damaged or no SQLite database (%s); restore a backup with "
                  "`hookkeep ledger restore FILE`, or name another path",
                  path, sqlite3_errmsg(db));
    else
        text_addf(why, "%s: %s (SQLite says: %s)", path, r->text, sqlite3_errmsg(db));
    return r;
}

result ledger_lock(const char *path, struct file **out, struct text *why) {
    OWN(text_drop)
    struct text name = {0};
    text_addf(&name, "%s.lock", path);
    struct file *f = NULL;
    result failed = files_real.open(&files_real, text_str(&name), FILE_WRITE, &f);
    if (failed_as(failed, FAIL_ABSENT))
        failed = files_real.open(&files_real, text_str(&name), FILE_CREATE, &f);
    if (failed_as(failed, FAIL_EXISTS)) // made by another meanwhile
        failed = files_real.open(&files_real, text_str(&name), FILE_WRITE, &f);
    if (failed != OK) {
        text_addf(why, "%s: %s; the gateway must be able to write its ledger's folder",
                  text_str(&name), failed->text);
        return failed;
    }
    failed = files_real.lock(f);
    if (failed == OK) {
        *out = f;
        return OK;
    }
    files_real.close(f);
    if (failed_as(failed, FAIL_LOCKED))
        text_addf(why,
                  "%s: another gateway holds this ledger (the lock is %s); stop it, or give this "
                  "one a ledger of its own",
                  path, text_str(&name));
    else
        text_addf(why, "%s: %s", text_str(&name), failed->text);
    return failed;
}

// Nothing was ever made in it.
static result is_blank(sqlite3 *db, bool *blank) {
    int64_t tables = 0, id = 0, version = 0;
    TRY(sqlite_number(db, "SELECT count(*) FROM sqlite_schema", &tables));
    TRY(sqlite_number(db, "PRAGMA application_id", &id));
    TRY(sqlite_number(db, "PRAGMA user_version", &version));
    *blank = tables == 0 && id == 0 && version == 0;
    return OK;
}

static result check_checksums(sqlite3 *db, const char *path, const struct migration *migrations,
                              size_t n, struct text *why) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(sqlite_failed(sqlite3_prepare_v2(
        db, "SELECT version, sha256 FROM migrations ORDER BY version", -1, &q, NULL)));
    int code = SQLITE_DONE;
    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        int version = sqlite3_column_int(q, 0);
        OWN(text_drop)
        struct text ours = {0};
        for (size_t i = 0; i < n; i++)
            if (migrations[i].version == version)
                migration_sha256(&migrations[i], &ours);
        if (bytes_equal(text_bytes(&ours), sqlite_bytes(q, 1)))
            continue;
        text_addf(why,
                  "%s: its migration %d has the checksum %.16s…, this program's has %.16s…; the "
                  "ledger was made by a changed program: use that one, or restore a backup",
                  path, version, (const char *)sqlite3_column_text(q, 1), text_str(&ours));
        FAIL(MISMATCH, "a migration of the ledger is not ours");
    }
    return sqlite_failed(code);
}

result ledger_check(sqlite3 *db, const char *path, const struct migration *migrations, size_t n,
                    struct text *why) {
    int64_t id = 0, version = 0, known = migrations[n - 1].version;
    result failed = sqlite_number(db, "PRAGMA application_id", &id);
    if (failed == OK)
        failed = sqlite_number(db, "PRAGMA user_version", &version);
    if (failed != OK)
        return refused(failed, db, path, why);
    if (id != LEDGER_APPLICATION_ID) {
        text_addf(
            why,
            "%s: an SQLite database, but no ledger of Hookkeep (application id %lld, expected "
            "%d); name another path",
            path, (long long)id, LEDGER_APPLICATION_ID);
        FAIL(FORMAT, "the file is no ledger");
    }
    if (version > known || version < 1) {
        text_addf(why,
                  "%s: the ledger has version %lld, this program knows 1 to %lld; use a newer "
                  "Hookkeep, or restore a backup of the older version",
                  path, (long long)version, (long long)known);
        FAIL(FORMAT, "the ledger is of a newer version");
    }
    size_t said = why->n;
    failed = check_checksums(db, path, migrations, n, why);
    return failed == OK || why->n > said ? failed : refused(failed, db, path, why);
}

static result apply(sqlite3 *db, const struct migration *m) {
    OWN(text_drop)
    struct text hash = {0}, sql = {0};
    migration_sha256(m, &hash);
    TRY(sqlite_run(db, "BEGIN IMMEDIATE"));
    TRY(sqlite_run(db, m->sql));
    text_addf(&sql,
              "INSERT INTO migrations VALUES (%d, '%s', '%s'); PRAGMA application_id = %d;"
              "PRAGMA user_version = %d; COMMIT",
              m->version, m->name, text_str(&hash), LEDGER_APPLICATION_ID, m->version);
    return sqlite_run(db, text_str(&sql));
}

// The copy of a ledger at `version`, replacing one that an earlier try left.
static result copy_before(const struct sqlite_options *o, sqlite3 *db, int64_t version,
                          const atomic_bool *stop, struct text *why) {
    OWN(text_drop)
    struct text name = {0};
    text_addf(&name, "%s.before-v%lld", o->path, (long long)version);
    if (files_real.exists(&files_real, text_str(&name)))
        TRY(files_real.remove(&files_real, text_str(&name)));
    return ledger_copy(db, text_str(&name), stop, why);
}

static result migrate_from(const struct sqlite_options *o, const struct migration *migrations,
                           size_t n, int64_t version, sqlite3 *db, const atomic_bool *stop,
                           struct text *why) {
    int64_t newest = migrations[n - 1].version;
    if (version > 0 && o->backup_before_migration)
        TRY(copy_before(o, db, newest, stop, why));
    // What a migration sorts may be as much as all events: in a file, not in memory.
    TRY(sqlite_run(db, "PRAGMA temp_store = FILE"));
    for (size_t i = 0; i < n; i++) {
        if (migrations[i].version <= version)
            continue;
        result failed = apply(db, &migrations[i]);
        if (failed == OK)
            continue;
        text_addf(why,
                  "%s: the migration to version %d failed (%s); the ledger is as it was before it",
                  o->path, migrations[i].version, sqlite3_errmsg(db));
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return failed;
    }
    return sqlite_run(db, "PRAGMA temp_store = MEMORY");
}

static int is_stopped(void *ctx) { return ctx != NULL && atomic_load((const atomic_bool *)ctx); }

result ledger_migrate(const struct sqlite_options *o, const struct migration *migrations, size_t n,
                      sqlite3 *db, const atomic_bool *stop, struct text *why) {
    int64_t version = 0;
    result failed = sqlite_number(db, "PRAGMA user_version", &version);
    sqlite3_progress_handler(db, STEPS_TO_LISTEN, is_stopped, (void *)(uintptr_t)stop);
    if (failed == OK && version < migrations[n - 1].version)
        failed = migrate_from(o, migrations, n, version, db, stop, why);
    if (failed == OK)
        failed = tables_grow(db, stop);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    return failed == OK || why->n > 0 ? failed : refused(failed, db, o->path, why);
}

static result prepare_file(const struct sqlite_options *o, const struct migration *migrations,
                           size_t n, struct ledger_file *f, struct text *why) {
    sqlite3 *db = f->db;
    bool blank = false;
    result failed = is_blank(db, &blank);
    if (failed != OK)
        return refused(failed, db, o->path, why);
    if (sqlite3_db_readonly(db, "main") == 1) {
        text_addf(why, "%s: the ledger cannot be written; give the gateway's user the right to",
                  o->path);
        FAIL(REFUSED, "the ledger cannot be written");
    }
    if (blank && !o->create) {
        text_addf(why, "%s: the file is empty, no ledger; start the gateway to make one", o->path);
        FAIL(FORMAT, "the file is empty");
    }
    if (!blank)
        TRY(ledger_check(db, o->path, migrations, n, why));
    // The page size must come before anything is written.
    failed = sqlite_run(db, "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL;"
                            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;"
                            "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -4096;"
                            "PRAGMA journal_size_limit = 67108864; PRAGMA trusted_schema = OFF");
    // SQLite reads on where it could not open the WAL or its index to write, and never tries again.
    if (failed == OK)
        failed = sqlite_run(db, "BEGIN IMMEDIATE; ROLLBACK");
    if (failed != OK)
        return refused(failed, db, o->path, why);
    int64_t version = 0;
    failed = sqlite_number(db, "PRAGMA user_version", &version);
    if (failed != OK)
        return refused(failed, db, o->path, why);
    bool outdated = false;
    failed = tables_outdated(db, &outdated);
    if (failed != OK)
        return refused(failed, db, o->path, why);
    f->waits = o->migrate_later && !blank && (version < migrations[n - 1].version || outdated);
    return f->waits ? OK : ledger_migrate(o, migrations, n, db, NULL, why);
}

// Made before SQLite opens it: with the right permissions, its name durable.
static result make_file(const struct sqlite_options *o, struct text *why) {
    if (files_real.exists(&files_real, o->path))
        return OK;
    if (!o->create) {
        text_addf(why, "%s: there is no ledger", o->path);
        FAIL(ABSENT, "there is no ledger");
    }
    OWN(drop_file)
    struct file *f = NULL;
    result failed = files_real.open(&files_real, o->path, FILE_CREATE, &f);
    if (failed != OK)
        text_addf(why, "%s: the ledger cannot be made: %s", o->path, failed->text);
    return failed;
}

result ledger_file_open(const struct sqlite_options *o, const struct migration *migrations,
                        size_t n, struct ledger_file *out, struct text *why) {
    *out = (struct ledger_file){0};
    // Heard before SQLite's first use alone. Nobody asks how much memory it takes, and counting it
    // costs a lock for each allocation; pages are taken when they are needed, not 20 for each
    // connection at once.
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    if (o->create || files_real.exists(&files_real, o->path))
        TRY(ledger_lock(o->path, &out->lock, why));
    result failed = make_file(o, why);
    if (failed == OK) {
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        failed = sqlite_failed(sqlite3_open_v2(o->path, &out->db, flags, paced_files()));
        if (failed != OK)
            refused(failed, out->db, o->path, why);
    }
    if (failed == OK) {
        sqlite3_busy_timeout(out->db, BUSY_MS);
        out->checkpoint = checkpoint_open(out->db, o->path, &PAGES);
        failed = prepare_file(o, migrations, n, out, why);
    }
    if (failed != OK)
        ledger_file_close(out);
    return failed;
}

void ledger_file_close(struct ledger_file *f) {
    checkpoint_close(f->checkpoint);
    int code = sqlite3_close(f->db);
    ensure(code == SQLITE_OK);
    files_real.close(f->lock);
    *f = (struct ledger_file){0};
}
