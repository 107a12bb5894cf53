// SPDX-License-Identifier: MIT
// LD_PRELOAD: lets one call fail, as told by the environment; tests/faults/faults.py uses it.
//
//   FAULT_CALL  memory | open | write | full | short | sync | statement; crash and hang, at a sync,
//               show that these would be noticed
//   FAULT_AT    memory: a place (see below), hexadecimal; else the number of the call, from 1;
//               absent: none fails
//   FAULT_NOTE  a file: "fired" is written to it when the call failed, and from where; at the
//   process's end "calls N",
//               and for memory "place HASH" for each place that was met
//
// The calls of a run are counted over all of its threads. Allocations are too many, and in another
// order each time; so memory fails by place: the first call with the same FRAMES callers (addresses
// must not be random: setarch -R). Writes are those to regular files; `full` is ENOSPC, `short` has
// half of it written, and the next one say ENOSPC.
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FRAMES 8
#define PLACES 65536 // a power of two
#define REAL(name_) (__extension__((__typeof__(&name_))real(#name_)))

enum call { NONE, MEMORY, OPEN, WRITE, SYNC, STATEMENT };

static enum call which;
static bool full, shortened, crashes, hangs;
static uint64_t at;
static char note_path[512];
static _Atomic uint64_t calls;
static _Atomic bool fired, armed;
static _Atomic int spent_fd = -1; // where a short write was: the next one finds the disk full
static _Atomic uint64_t places[PLACES];
static __thread bool inside, inside_sql;
static int owner; // the process that is meant, not its children

static void *real(const char *name) {
    void *p = dlsym(RTLD_NEXT, name);
    if (p == NULL)
        abort();
    return p;
}

static void note(const char *format, ...) {
    char line[64];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    int fd = REAL(open)(note_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)!REAL(write)(fd, line, (size_t)n);
        close(fd);
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *call = getenv("FAULT_CALL"), *number = getenv("FAULT_AT");
    const char *path = getenv("FAULT_NOTE");
    void *frames[FRAMES];
    if (call == NULL || path == NULL)
        return;
    inside = true;
    snprintf(note_path, sizeof note_path, "%s", path);
    full = strcmp(call, "full") == 0;
    shortened = strcmp(call, "short") == 0;
    crashes = strcmp(call, "crash") == 0;
    hangs = strcmp(call, "hang") == 0;
    which = strcmp(call, "memory") == 0                       ? MEMORY
            : strcmp(call, "open") == 0                       ? OPEN
            : strcmp(call, "sync") == 0 || crashes || hangs   ? SYNC
            : strcmp(call, "statement") == 0                  ? STATEMENT
            : full || shortened || strcmp(call, "write") == 0 ? WRITE
                                                              : NONE;
    at = number == NULL ? 0 : strtoull(number, NULL, which == MEMORY ? 16 : 10);
    owner = getpid();
    backtrace(frames, FRAMES); // loads what it needs now
    inside = false;
    armed = true;
}

__attribute__((destructor)) static void end(void) {
    if (!armed || getpid() != owner)
        return;
    inside = true;
    note("calls %llu\n", (unsigned long long)calls);
    for (size_t i = 0; i < PLACES; i++)
        if (places[i] != 0)
            note("place %llx\n", (unsigned long long)places[i]);
    inside = false;
}

static bool fire(void) {
    void *frames[24];
    if (atomic_exchange(&fired, true))
        return false;
    inside = true;
    int kept = errno;
    note("fired\n");
    int fd = REAL(open)(note_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    backtrace_symbols_fd(frames, backtrace(frames, 24), fd);
    close(fd);
    errno = kept;
    inside = false;
    return true;
}

static bool fails(enum call c) {
    if (!armed || c != which || inside || getpid() != owner || (c == STATEMENT && inside_sql))
        return false;
    return atomic_fetch_add(&calls, 1) + 1 == at && fire();
}

static void keep_place(uint64_t place) {
    for (size_t i = place % PLACES, n = 0; n < PLACES; i = (i + 1) % PLACES, n++) {
        uint64_t none = 0;
        if (places[i] == place || atomic_compare_exchange_strong(&places[i], &none, place) ||
            none == place)
            return;
    }
}

static bool memory_fails(void) {
    if (!armed || which != MEMORY || inside || getpid() != owner)
        return false;
    void *frames[FRAMES + 2];
    inside = true;
    int n = backtrace(frames, FRAMES + 2);
    uint64_t place = 0xcbf29ce484222325u;
    for (int i = 2; i < n; i++)
        place = (place ^ (uintptr_t)frames[i]) * 0x100000001b3u;
    atomic_fetch_add(&calls, 1);
    keep_place(place);
    inside = false;
    return place == at && fire();
}

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t alignment, size_t n);

void *malloc(size_t n) {
    if (!memory_fails())
        return __libc_malloc(n);
    errno = ENOMEM;
    return NULL;
}

void *calloc(size_t count, size_t n) {
    if (!memory_fails())
        return __libc_calloc(count, n);
    errno = ENOMEM;
    return NULL;
}

void *realloc(void *p, size_t n) {
    if (!memory_fails())
        return __libc_realloc(p, n);
    errno = ENOMEM;
    return NULL;
}

int posix_memalign(void **out, size_t alignment, size_t n) {
    if (memory_fails())
        return ENOMEM;
    *out = __libc_memalign(alignment, n);
    return *out == NULL ? ENOMEM : 0;
}

void *aligned_alloc(size_t alignment, size_t n) {
    if (!memory_fails())
        return __libc_memalign(alignment, n);
    errno = ENOMEM;
    return NULL;
}

static bool open_fails(void) {
    if (!fails(OPEN))
        return false;
    errno = EMFILE;
    return true;
}

#define MODE(flags_, mode_)                                                                        \
    mode_t mode_ = 0;                                                                              \
    if ((flags_) & (O_CREAT | __O_TMPFILE)) {                                                      \
        va_list args_;                                                                             \
        va_start(args_, flags_);                                                                   \
        mode_ = va_arg(args_, mode_t);                                                             \
        va_end(args_);                                                                             \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_fails() ? -1 : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_fails() ? -1 : REAL(open64)(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_fails() ? -1 : REAL(openat)(folder, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode) {
    return open_fails() ? NULL : REAL(fopen)(path, mode);
}

FILE *fopen64(const char *path, const char *mode) {
    return open_fails() ? NULL : REAL(fopen64)(path, mode);
}

// How many of n bytes are written; -1: it fails.
static ssize_t written(int fd, size_t n) {
    struct stat s;
    if (which != WRITE || inside || fstat(fd, &s) != 0 || !S_ISREG(s.st_mode))
        return (ssize_t)n;
    errno = full || shortened ? ENOSPC : EIO;
    int spent = fd;
    if (shortened && atomic_compare_exchange_strong(&spent_fd, &spent, -1))
        return -1;
    if (!fails(WRITE))
        return (ssize_t)n;
    if (!shortened || n < 2)
        return -1;
    spent_fd = fd;
    return (ssize_t)n / 2;
}

ssize_t write(int fd, const void *p, size_t n) {
    ssize_t w = written(fd, n);
    return w < 0 ? -1 : REAL(write)(fd, p, (size_t)w);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t to) {
    ssize_t w = written(fd, n);
    return w < 0 ? -1 : REAL(pwrite)(fd, p, (size_t)w, to);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t to) {
    ssize_t w = written(fd, n);
    return w < 0 ? -1 : REAL(pwrite64)(fd, p, (size_t)w, to);
}

ssize_t writev(int fd, const struct iovec *v, int n) {
    return written(fd, 1) < 0 ? -1 : REAL(writev)(fd, v, n);
}

ssize_t pwritev(int fd, const struct iovec *v, int n, off_t to) {
    return written(fd, 1) < 0 ? -1 : REAL(pwritev)(fd, v, n, to);
}

int ftruncate(int fd, off_t n) { return written(fd, 1) < 0 ? -1 : REAL(ftruncate)(fd, n); }

int ftruncate64(int fd, off64_t n) { return written(fd, 1) < 0 ? -1 : REAL(ftruncate64)(fd, n); }

static bool sync_fails(void) {
    if (!fails(SYNC))
        return false;
    if (crashes)
        abort();
    while (hangs)
        pause();
    errno = EIO;
    return true;
}

int fsync(int fd) { return sync_fails() ? -1 : REAL(fsync)(fd); }

int fdatasync(int fd) { return sync_fails() ? -1 : REAL(fdatasync)(fd); }

int sync_file_range(int fd, off64_t from, off64_t n, unsigned flags) {
    return sync_fails() ? -1 : REAL(sync_file_range)(fd, from, n, flags);
}

// As sqlite3.h has them; the test is of the library's border, not of its types.
#define SQLITE_IOERR 10

// SQLite calls these of its own too, where a failure that is none of its would be lost.
#define ONCE(call_)                                                                                \
    (__extension__({                                                                               \
        bool was_ = inside_sql;                                                                    \
        inside_sql = true;                                                                         \
        int code_ = call_;                                                                         \
        inside_sql = was_;                                                                         \
        code_;                                                                                     \
    }))

int sqlite3_step(void *statement);
int sqlite3_step(void *statement) {
    return fails(STATEMENT) ? SQLITE_IOERR : ONCE(REAL(sqlite3_step)(statement));
}

int sqlite3_prepare_v3(void *db, const char *sql, int n, unsigned flags, void **out,
                       const char **tail);
int sqlite3_prepare_v3(void *db, const char *sql, int n, unsigned flags, void **out,
                       const char **tail) {
    if (!fails(STATEMENT))
        return ONCE(REAL(sqlite3_prepare_v3)(db, sql, n, flags, out, tail));
    *out = NULL;
    return SQLITE_IOERR;
}

int sqlite3_prepare_v2(void *db, const char *sql, int n, void **out, const char **tail);
int sqlite3_prepare_v2(void *db, const char *sql, int n, void **out, const char **tail) {
    if (!fails(STATEMENT))
        return ONCE(REAL(sqlite3_prepare_v2)(db, sql, n, out, tail));
    *out = NULL;
    return SQLITE_IOERR;
}

int sqlite3_exec(void *db, const char *sql, void *callback, void *ctx, char **error);
int sqlite3_exec(void *db, const char *sql, void *callback, void *ctx, char **error) {
    if (!fails(STATEMENT))
        return ONCE(REAL(sqlite3_exec)(db, sql, callback, ctx, error));
    if (error != NULL)
        *error = NULL;
    return SQLITE_IOERR;
}

int sqlite3_wal_checkpoint_v2(void *db, const char *name, int mode, int *log, int *done);
int sqlite3_wal_checkpoint_v2(void *db, const char *name, int mode, int *log, int *done) {
    if (!fails(STATEMENT))
        return ONCE(REAL(sqlite3_wal_checkpoint_v2)(db, name, mode, log, done));
    return SQLITE_IOERR;
}
