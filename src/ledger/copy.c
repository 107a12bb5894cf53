// SPDX-License-Identifier: MIT
// A copy of a ledger beside those who use it. As much is copied at once as the disk takes in a few
// milliseconds, then it is synced, then the copy rests as long as that took: a copy as fast as it
// goes fills the system's memory with unwritten pages, and then everyone who writes has to wait,
// the journal first of all.
#include "base/ensure.h"
#include "ledger/sqlite_internal.h"
#include "port/clock.h"
#include "port/files.h"
#include "port/thread.h"

#define PAGES_AT_ONCE 64

struct copying {
    sqlite3 *from, *to;
    sqlite3_backup *pages;
    struct file *file; // the same as `to`, to sync it
    const atomic_bool *stop;
    int code;         // SQLite's, of the step that failed
    bool in_snapshot; // ours, of `from`
};

static result step(struct copying *c, bool *more) {
    NEED(c->stop == NULL || !atomic_load(c->stop), TIMEOUT, "the copy was interrupted");
    int64_t began = clock_mono_us(&clock_real);
    int code = sqlite3_backup_step(c->pages, PAGES_AT_ONCE);
    *more = code == SQLITE_OK;
    c->code = code == SQLITE_DONE ? SQLITE_OK : code;
    TRY(sqlite_failed(code));
    TRY(files_real.sync(c->file));
    thread_rest(clock_mono_us(&clock_real) - began);
    return OK;
}

// One snapshot from the first page to the last: a copy without would begin anew at each commit.
static result hold_snapshot(struct copying *c) {
    int64_t tables;
    if (sqlite3_get_autocommit(c->from)) {
        TRY(sqlite_run(c->from, "BEGIN"));
        c->in_snapshot = true;
    }
    return sqlite_number(c->from, "SELECT count(*) FROM sqlite_schema", &tables);
}

static result copy_pages(struct copying *c, const char *part) {
    TRY(hold_snapshot(c));
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    TRY(sqlite_failed(sqlite3_open_v2(part, &c->to, flags, NULL)));
    // Who dies meanwhile leaves a part that nobody takes for a copy.
    TRY(sqlite_run(c->to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF"));
    c->pages = sqlite3_backup_init(c->to, "main", c->from, "main");
    NEED(c->pages != NULL, SYSTEM, "SQLite does not begin the copy");
    for (bool more = true; more;)
        TRY(step(c, &more));
    int code = sqlite3_backup_finish(c->pages);
    c->pages = NULL;
    TRY(sqlite_failed(code));
    // A file by itself: no WAL beside it that would have to be made to read it.
    return sqlite_run(c->to, "PRAGMA journal_mode = DELETE");
}

static void end_copying(struct copying *c) {
    if (c->pages != NULL)
        (void)sqlite3_backup_finish(c->pages);
    ensure(sqlite3_close(c->to) == SQLITE_OK);
    if (c->in_snapshot)
        (void)sqlite3_exec(c->from, "ROLLBACK", NULL, NULL, NULL);
}

static void drop_file(struct file **f) { files_real.close(*f); }

static result copy_to(sqlite3 *db, const char *part, const atomic_bool *stop, struct text *why) {
    if (files_real.exists(&files_real, part))
        TRY(files_real.remove(&files_real, part));
    OWN(drop_file)
    struct file *f = NULL;
    // An empty file is filled; a new one would get the umask's mode, readable to others.
    TRY(files_real.open(&files_real, part, FILE_CREATE, &f));
    struct copying c = {.from = db, .file = f, .stop = stop};
    result failed = copy_pages(&c, part);
    if (failed != OK && c.code != SQLITE_OK)
        text_addf(why, "%s: the copy cannot be written (%s)", part, sqlite3_errstr(c.code));
    end_copying(&c);
    return failed == OK ? files_real.sync(f) : failed;
}

result ledger_copy(sqlite3 *db, const char *file, const atomic_bool *stop, struct text *why) {
    if (files_real.exists(&files_real, file)) {
        text_addf(why, "%s: there is a file of this name; name another one", file);
        FAIL(EXISTS, "the copy's file is there already");
    }
    OWN(text_drop)
    struct text part = {0};
    text_addf(&part, "%s.part", file);
    result failed = copy_to(db, text_str(&part), stop, why);
    if (failed == OK)
        failed = files_real.rename(&files_real, text_str(&part), file);
    if (failed == OK)
        return OK;
    if (why->n == 0)
        text_addf(why, "%s: %s", file, failed->text);
    if (files_real.exists(&files_real, text_str(&part))) {
        result left = files_real.remove(&files_real, text_str(&part));
        (void)left;
    }
    return failed;
}
