// SPDX-License-Identifier: MIT
// The system's files as SQLite's writer sees them, but what is written to the database itself is
// synced a MiB at a time. A checkpoint copies all that stands in the WAL, hundreds of MiB when
// somebody's long transaction held it up; written in one go that fills the disk's queue, and the
// journal's next sync, for which Stripe waits, comes behind it. And a WAL that grew large is cut a
// piece each time that it begins anew: freeing a GiB at once holds up every other file as well.
#include <stdint.h>

#include "base/memory.h"
#include "ledger/sqlite_internal.h"
#include "port/clock.h"
#include "port/thread.h"

#define SYNC_EACH (1 << 20)
#define CUT_EACH (32 << 20)

// Stands behind the system's own part of each open file.
struct behind {
    const sqlite3_io_methods *plain;
    // The same, but for xWrite and xFileControl or, of a WAL, xTruncate.
    sqlite3_io_methods paced;
    sqlite3_int64 unsynced;
    bool rests;
};

static sqlite3_vfs paced; // the system's, but for its name, xOpen and the size of a file

static const sqlite3_vfs *plain(void) { return paced.pAppData; }

static size_t own_size(void) {
    size_t n = (size_t)plain()->szOsFile, a = _Alignof(struct behind);
    return (n + a - 1) / a * a;
}

static struct behind *behind(sqlite3_file *f) {
    return (struct behind *)(void *)((char *)f + own_size());
}

static int write_paced(sqlite3_file *f, const void *p, int n, sqlite3_int64 at) {
    struct behind *b = behind(f);
    int code = b->plain->xWrite(f, p, n, at);
    b->unsynced += n;
    if (code != SQLITE_OK || b->unsynced < SYNC_EACH)
        return code;
    b->unsynced = 0;
    int64_t began_us = clock_mono_us(&clock_real);
    code = b->plain->xSync(f, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    if (b->rests)
        thread_rest(clock_mono_us(&clock_real) - began_us);
    return code;
}

static int control_paced(sqlite3_file *f, int what, void *arg) {
    struct behind *b = behind(f);
    if (what != PACED_RESTS)
        return b->plain->xFileControl(f, what, arg);
    b->rests = *(const bool *)arg;
    return SQLITE_OK;
}

// SQLite asks for it after the first commit in a WAL begun anew, for as long as that is larger than
// journal_size_limit; what is behind the commit says nothing any more, however long it stays.
static int cut_paced(sqlite3_file *f, sqlite3_int64 size) {
    struct behind *b = behind(f);
    sqlite3_int64 now = 0;
    int code = b->plain->xFileSize(f, &now);
    if (code != SQLITE_OK)
        return code;
    return b->plain->xTruncate(f, now - size > CUT_EACH ? now - CUT_EACH : size);
}

// The system's functions look for what is theirs in the VFS that they are called with.
static int open_paced(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *got) {
    sqlite3_vfs *system = v->pAppData;
    int code = system->xOpen(system, name, f, flags, got);
    if (code != SQLITE_OK || (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0)
        return code;
    struct behind *b = behind(f);
    *b = (struct behind){.plain = f->pMethods, .paced = *f->pMethods};
    if ((flags & SQLITE_OPEN_WAL) != 0) {
        b->paced.xTruncate = cut_paced;
    } else {
        b->paced.xWrite = write_paced;
        b->paced.xFileControl = control_paced;
    }
    f->pMethods = &b->paced;
    return SQLITE_OK;
}

const char *paced_files(void) {
    if (paced.zName != NULL)
        return paced.zName;
    sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    if (system == NULL)
        memory_none(0); // SQLite had none to begin with
    paced = *system;
    paced.pNext = NULL;
    paced.pAppData = system;
    paced.szOsFile = (int)(own_size() + sizeof(struct behind));
    paced.xOpen = open_paced;
    paced.zName = "hookkeep-paced";
    if (sqlite3_vfs_register(&paced, 0) != SQLITE_OK)
        memory_none(0);
    return paced.zName;
}
