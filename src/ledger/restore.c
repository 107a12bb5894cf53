// SPDX-License-Identifier: MIT
#include "ledger/sqlite_internal.h"
#include "port/clock.h"
#include "port/files.h"

static void drop_file(struct file **f) { files_real.close(*f); }
static void drop_db(sqlite3 **db) { sqlite3_close(*db); }

static result check_backup(const char *backup, struct text *report) {
    if (!files_real.exists(&files_real, backup)) {
        text_addf(report, "%s: there is no such backup\n", backup);
        FAIL(ABSENT, "there is no such backup");
    }
    struct reader *r = NULL;
    OWN(text_drop)
    struct text why = {0};
    result failed = reader_open(backup, &r, &why);
    if (failed != OK) {
        text_addf(report, "%s\nnothing was changed\n", text_str(&why));
        return failed;
    }
    text_addf(report, "checking %s\n", backup);
    failed = reader_verify(r, report);
    reader_close(r);
    if (failed != OK)
        text_adds(report, "the backup is not sound; nothing was changed. Use another one\n");
    return failed;
}

// A new epoch: of no journal yet, nothing delivered before a person says so.
static result begin_epoch(sqlite3 *db) {
    return sqlite_run(db, "PRAGMA synchronous = FULL; BEGIN IMMEDIATE;"
                          "UPDATE state SET journal_id = zeroblob(16), start_booked = booked,"
                          " start_count = 0;"
                          "UPDATE destination SET held = 1, hold_reason = 'restored from a backup',"
                          " held_at = ifnull((SELECT time_ms FROM state), 0);"
                          "COMMIT");
}

static result make_copy(const char *backup, const char *copy, struct text *report) {
    if (files_real.exists(&files_real, copy))
        TRY(files_real.remove(&files_real, copy));
    OWN(drop_db)
    sqlite3 *from = NULL;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_EXRESCODE;
    TRY(sqlite_failed(sqlite3_open_v2(backup, &from, flags, NULL)));
    OWN(text_drop)
    struct text why = {0};
    result failed = ledger_copy(from, copy, NULL, &why);
    if (failed != OK) {
        text_addf(report, "%s\nnothing was changed\n", text_str(&why));
        return failed;
    }
    OWN(drop_db)
    sqlite3 *db = NULL;
    flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE;
    failed = sqlite_failed(sqlite3_open_v2(copy, &db, flags, NULL));
    if (failed == OK)
        failed = begin_epoch(db);
    if (failed != OK)
        text_addf(report, "%s: %s; nothing was changed\n", copy, sqlite3_errmsg(db));
    return failed;
}

// So that the ledger stands in one file. If it cannot be done, its companions are set aside too.
static void fold_wal(const char *path) {
    OWN(drop_db)
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK)
        sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static result set_aside(const char *path, struct text *report) {
    // The companions first: a new file must never meet the WAL of another one.
    static const char *const companions[] = {"-wal", "-shm", ""};
    OWN(text_drop)
    struct text aside = {0};
    text_addf(&aside, "%s.before-restore-%lld", path,
              (long long)(clock_wall_ms(&clock_real) / 1000));
    if (files_real.exists(&files_real, text_str(&aside))) {
        text_addf(report, "%s: there is a file of this name; try again in a second\n",
                  text_str(&aside));
        FAIL(EXISTS, "another restore set its ledger aside just now");
    }
    bool any = false;
    for (size_t i = 0; i < sizeof companions / sizeof companions[0]; i++) {
        OWN(text_drop)
        struct text from = {0}, to = {0};
        text_addf(&from, "%s%s", path, companions[i]);
        text_addf(&to, "%s%s", text_str(&aside), companions[i]);
        if (!files_real.exists(&files_real, text_str(&from)))
            continue;
        TRY(files_real.rename(&files_real, text_str(&from), text_str(&to)));
        any = true;
    }
    if (any)
        text_addf(report, "the ledger there was is set aside as %s\n", text_str(&aside));
    return OK;
}

static result put_in_place(const char *path, const char *copy, struct text *report) {
    if (files_real.exists(&files_real, path))
        fold_wal(path);
    TRY(set_aside(path, report));
    TRY(files_real.rename(&files_real, copy, path));
    text_addf(
        report,
        "%s is restored; every destination is held (\"restored from a backup\"): look at what "
        "is owed, then release them\n",
        path);
    return OK;
}

result sqlite_restore(const char *path, const char *backup, struct text *report) {
    TRY(check_backup(backup, report));
    OWN(drop_file)
    struct file *lock = NULL;
    OWN(text_drop)
    struct text why = {0};
    result failed = ledger_lock(path, &lock, &why);
    if (failed != OK) {
        text_addf(report, "%s\nnothing was changed\n", text_str(&why));
        return failed;
    }
    OWN(text_drop)
    struct text copy = {0};
    text_addf(&copy, "%s.restoring", path);
    TRY(make_copy(backup, text_str(&copy), report));
    return put_in_place(path, text_str(&copy), report);
}
