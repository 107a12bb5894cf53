// SPDX-License-Identifier: MIT
// What stands in the WAL is copied into the file, so that the WAL can begin anew. As long as it is
// little, the writer does that after a commit. Behind a reader that held it up for long it is much,
// and booking would stop for as long as it takes: then a thread copies beside the writer, again
// what came meanwhile, until next to nothing is left. The same with little where booking catches
// up: it waits for the processor and the disk at once then, not in turn. Else that would take the
// processor from answers and deliveries, for which somebody waits.
#include <stdatomic.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "ledger/sqlite_internal.h"
#include "port/clock.h"
#include "port/mailbox.h"
#include "port/thread.h"

#define AGAIN_US 1000000
#define REST_MAX_US 250000

struct checkpoint {
    char *path;
    struct checkpoint_pages pages;
    bool catches_up;
    atomic_int frames, copied; // in the WAL; of them
    struct thread *helper;
    struct mailbox *stops; // what the helper sleeps on
    struct mail stop;
    atomic_bool helped; // the helper has ended
    atomic_int us_each; // what a frame may cost the writer meanwhile, so that the helper catches up
    int64_t last_us;    // the commit before
};

static int left(struct checkpoint *c) {
    int frames = atomic_load(&c->frames), copied = atomic_load(&c->copied);
    return copied < frames ? frames - copied : 0;
}

static void tell(struct checkpoint *c) {
    metric_set(METRIC_WAL_LEFT, (int64_t)left(c) * LEDGER_PAGE_SIZE);
}

// As far as readers let it. False: nothing came of it.
static bool copy(struct checkpoint *c, sqlite3 *db) {
    int frames = 0, copied = 0;
    int code = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, &frames, &copied);
    if (code != SQLITE_OK || copied <= atomic_load(&c->copied))
        return false;
    atomic_store(&c->copied, copied);
    tell(c);
    return true;
}

// A checkpoint needs a connection that has looked into the file.
static bool connect_helper(const char *path, sqlite3 **db) {
    int64_t tables;
    if (*db != NULL)
        return true;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    result failed = sqlite_failed(sqlite3_open_v2(path, db, flags, paced_files()));
    if (failed == OK)
        failed = sqlite_run(*db, "PRAGMA synchronous = FULL");
    if (failed == OK)
        failed = sqlite_number(*db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (failed == OK)
        return true;
    (void)sqlite3_close(*db);
    *db = NULL;
    return false;
}

// The writer may add two frames in the time that three are copied in, once there is much or the WAL
// becomes long because it never catches up.
static bool help_once(struct checkpoint *c, sqlite3 *db) {
    int64_t began_us = clock_mono_us(&clock_real);
    int before = atomic_load(&c->copied);
    bool rests = left(c) >= c->pages.much;
    if (sqlite3_file_control(db, "main", PACED_RESTS, &rests) != SQLITE_OK || !copy(c, db))
        return false;
    int n = atomic_load(&c->copied) - before;
    bool is_long = atomic_load(&c->frames) >= 2 * c->pages.much;
    if (n >= c->pages.much || (is_long && n >= c->pages.last))
        atomic_store(&c->us_each, (int)((clock_mono_us(&clock_real) - began_us) * 3 / 2 / n));
    return true;
}

static void help(void *ctx) {
    struct checkpoint *c = ctx;
    sqlite3 *db = NULL;
    thread_background();
    for (bool stopped = false; !stopped && left(c) > c->pages.last;) {
        bool came = connect_helper(c->path, &db) && help_once(c, db);
        // A reader lets nothing be copied, or the disk does not.
        stopped = mailbox_wait(c->stops, came ? 0 : AGAIN_US);
    }
    ensure(sqlite3_close(db) == SQLITE_OK);
    atomic_store(&c->helped, true);
}

static bool start_helper(struct checkpoint *c) {
    atomic_store(&c->helped, false);
    atomic_store(&c->us_each, 0);
    result started = thread_start("checkpoint", help, c, &c->helper);
    return started == OK;
}

static void join_helper(struct checkpoint *c) {
    thread_join(c->helper);
    c->helper = NULL;
}

static void give_way(struct checkpoint *c, int frames) {
    int64_t took_us = clock_mono_us(&clock_real) - c->last_us;
    int64_t us = (int64_t)frames * atomic_load(&c->us_each) - took_us;
    thread_rest(us < REST_MAX_US ? us : REST_MAX_US);
}

static int committed(void *ctx, sqlite3 *db, const char *name, int frames) {
    struct checkpoint *c = ctx;
    int before = atomic_load(&c->frames);
    // Where all was copied the WAL begins anew, and the helper may tell of the old one after that.
    if (frames < before || frames < atomic_load(&c->copied))
        atomic_store(&c->copied, 0);
    atomic_store(&c->frames, frames);
    int least = c->pages.little;
    int aside = c->catches_up ? least : c->pages.much;
    if (c->helper != NULL && atomic_load(&c->helped)) {
        join_helper(c);
        least = 0; // what it left is little, and a WAL that is copied whole begins anew
        aside = c->pages.much;
    }
    bool helps = left(c) >= aside;
    if (c->helper == NULL && left(c) >= least && (!helps || !start_helper(c)))
        (void)copy(c, db); // what fails is tried again after the next commit
    if (c->helper != NULL && frames > before)
        give_way(c, frames - before);
    c->last_us = clock_mono_us(&clock_real);
    tell(c);
    return SQLITE_OK;
}

struct checkpoint *checkpoint_open(sqlite3 *db, const char *path,
                                   const struct checkpoint_pages *pages) {
    struct checkpoint *c = NEW(struct checkpoint);
    c->pages = *pages;
    c->path = bytes_strdup(bytes_of(path));
    c->stops = mailbox_open(NULL, NULL);
    sqlite3_wal_hook(db, committed, c);
    return c;
}

void checkpoint_catch_up(struct checkpoint *c, bool does) { c->catches_up = does; }

void checkpoint_close(struct checkpoint *c) {
    if (c == NULL)
        return;
    mailbox_post(c->stops, &c->stop);
    if (c->helper != NULL)
        join_helper(c);
    (void)mailbox_drain(c->stops);
    mailbox_close(c->stops);
    free(c->path);
    free(c);
}
