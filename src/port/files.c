// SPDX-License-Identifier: MIT
#include "port/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "port/clock.h"
#include "port/thread.h"

#define REMOVED_AT_ONCE (32 << 20)

struct file {
    int fd;
};

static result path_failure(int err) {
    switch (err) {
    case ENOENT:
    case ENOTDIR: FAIL(ABSENT, "there is no such file");
    case EEXIST: FAIL(EXISTS, "there is a file of this name already");
    case EACCES:
    case EPERM:
    case EROFS: FAIL(REFUSED, "the system does not permit it");
    case ENOSPC:
    case EDQUOT: FAIL(FULL, "the disk has no room for the name");
    default: FAIL(IO, "the system failed on the path");
    }
}

static result write_failure(int err) {
    if (err == ENOSPC || err == EDQUOT || err == EFBIG)
        FAIL(FULL, "the disk has no room");
    FAIL(IO, "writing failed");
}

// Makes what happened to the name `path` durable: it is an entry of its folder.
static result sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = NULL;
    if (slash == NULL)
        folder = bytes_strdup(B("."));
    else
        folder = bytes_strdup(bytes_from(path, slash > path ? (size_t)(slash - path) : 1));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    NEED(fd >= 0, IO, "the file's folder cannot be opened to sync it");
    int err = 0;
    do {
        err = fsync(fd);
    } while (err != 0 && errno == EINTR);
    close(fd);
    NEED(err == 0, IO, "the file's folder cannot be synced");
    return OK;
}

static result write_at(int fd, uint64_t at, bytes b) {
    while (b.n > 0) {
        ssize_t done = pwrite(fd, b.p, b.n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return write_failure(errno);
        NEED(done > 0, IO, "writing makes no progress");
        b = bytes_slice(b, (size_t)done, b.n);
        at += (uint64_t)done;
    }
    return OK;
}

static result sync_fd(int fd) {
    int err = 0;
    do {
        err = fdatasync(fd);
    } while (err != 0 && errno == EINTR);
    // Whatever the reason (no room, too): written pages may be lost, so that it is never less than
    // IO.
    NEED(err == 0, IO, "syncing failed");
    return OK;
}

static int open_path(const char *path, int flags, unsigned mode) {
    int fd = -1;
    do {
        fd = open(path, flags | O_CLOEXEC, (mode_t)mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static result real_open(struct files *fs, const char *path, enum file_mode mode,
                        struct file **out) {
    static const int flags[] = {
        [FILE_READ] = O_RDONLY,
        [FILE_WRITE] = O_RDWR,
        [FILE_CREATE] = O_RDWR | O_CREAT | O_EXCL,
    };
    *out = NULL;
    int fd = open_path(path, flags[mode], 0600);
    if (fd < 0)
        return path_failure(errno);
    if (mode == FILE_CREATE) {
        result failed = sync_folder(path);
        if (failed != OK) {
            close(fd);
            unlink(path);
            return failed;
        }
    }
    *out = NEW(struct file);
    (*out)->fd = fd;
    return OK;
}

static result real_lock(struct file *f) {
    int err = 0;
    do {
        err = flock(f->fd, LOCK_EX | LOCK_NB);
    } while (err != 0 && errno == EINTR);
    if (err == 0)
        return OK;
    if (errno == EWOULDBLOCK)
        FAIL(LOCKED, "another gateway holds the file");
    FAIL(IO, "the file cannot be locked");
}

static void real_close(struct file *f) {
    if (f == NULL)
        return;
    close(f->fd);
    free(f);
}

static result real_size(struct file *f, uint64_t *out) {
    struct stat st;
    NEED(fstat(f->fd, &st) == 0, IO, "the file's size cannot be read");
    *out = (uint64_t)st.st_size;
    return OK;
}

static result real_read(struct file *f, uint64_t at, void *p, size_t n) {
    uint8_t *to = p;
    while (n > 0) {
        ssize_t got = pread(f->fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        NEED(got >= 0, IO, "reading failed");
        NEED(got > 0, ABSENT, "the file ends before that");
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return OK;
}

static result real_write(struct file *f, uint64_t at, bytes b) { return write_at(f->fd, at, b); }

static result real_sync(struct file *f) { return sync_fd(f->fd); }

static result real_rename(struct files *fs, const char *from, const char *to) {
    if (rename(from, to) != 0)
        return path_failure(errno);
    return sync_folder(to);
}

// A disk that is mounted with `discard` gives up a file's blocks before it does anything else: a
// GiB at once holds up every sync for some 200 ms. So a large file is shortened first, with rests.
// Not one that has another name: it stays what it is there.
static void shorten(const char *path) {
    int fd = open_path(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1)
        for (off_t left = st.st_size - REMOVED_AT_ONCE; left > 0; left -= REMOVED_AT_ONCE) {
            int64_t began_us = clock_mono_us(&clock_real);
            if (ftruncate(fd, left) != 0)
                break;
            thread_rest(clock_mono_us(&clock_real) - began_us);
        }
    if (fd >= 0)
        close(fd);
}

static result real_remove(struct files *fs, const char *path) {
    shorten(path);
    if (unlink(path) != 0)
        return path_failure(errno);
    return OK;
}

static bool real_exists(struct files *fs, const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

struct files files_real = {
    .open = real_open,
    .lock = real_lock,
    .close = real_close,
    .size = real_size,
    .read = real_read,
    .write = real_write,
    .sync = real_sync,
    .rename = real_rename,
    .remove = real_remove,
    .exists = real_exists,
};

result file_cut(struct file *f, uint64_t size) {
    if (ftruncate(f->fd, (off_t)size) != 0)
        return write_failure(errno);
    return sync_fd(f->fd);
}

bool file_is_at(const struct file *f, const char *path) {
    struct stat ours, there;
    return fstat(f->fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

result file_may_write(const char *path) {
    struct stat st;
    if (stat(path, &st) == 0) {
        NEED(S_ISREG(st.st_mode), INVALID, "there is something that is no file");
        return access(path, R_OK | W_OK) == 0 ? OK : path_failure(errno);
    }
    if (errno != ENOENT)
        return path_failure(errno);
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? bytes_strdup(B("."))
                                 : bytes_strdup(bytes_from(path, (size_t)(slash - path) + 1));
    int err = access(folder, W_OK | X_OK) == 0 ? 0 : errno;
    free(folder);
    return err == 0 ? OK : path_failure(err);
}

static result load_fd(int fd, size_t max, struct text *out) {
    uint8_t piece[4096];
    result failed = OK;
    text_reset(out);
    for (;;) {
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            failed = PLACE(IO, "reading failed");
        else if ((size_t)got > max - out->n)
            failed = PLACE(FULL, "the file is larger than it may be");
        if (got <= 0 || failed != OK)
            break;
        text_add(out, bytes_from(piece, (size_t)got));
        if (out->failed) {
            failed = PLACE(FULL, "the file is larger than its text may be");
            break;
        }
    }
    memory_wipe(piece, sizeof piece); // it may have been a key
    return failed;
}

result file_load(const char *path, size_t max, struct text *out) {
    int fd = open_path(path, O_RDONLY, 0);
    if (fd < 0)
        return path_failure(errno);
    result failed = load_fd(fd, max, out);
    close(fd);
    return failed;
}

result file_load_private(const char *path, size_t max, struct text *out) {
    struct stat st;
    int fd = open_path(path, O_RDONLY, 0);
    if (fd < 0)
        return path_failure(errno);
    result failed = OK;
    if (fstat(fd, &st) != 0)
        failed = PLACE(IO, "the file's mode cannot be read");
    else if ((st.st_mode & S_IRWXO) != 0)
        failed = PLACE(REFUSED, "every user of this machine may open it");
    if (failed == OK)
        failed = load_fd(fd, max, out);
    close(fd);
    return failed;
}

static result save_fd(int fd, const char *path, bytes content, unsigned mode) {
    // The process's umask narrows what open() was asked for.
    NEED(fchmod(fd, (mode_t)mode) == 0, IO, "the file's mode cannot be set");
    TRY(write_at(fd, 0, content));
    TRY(sync_fd(fd));
    return sync_folder(path);
}

result file_save(const char *path, bytes content, unsigned mode) {
    int fd = open_path(path, O_WRONLY | O_CREAT | O_EXCL, mode & 0600);
    if (fd < 0)
        return path_failure(errno);
    result failed = save_fd(fd, path, content, mode);
    close(fd);
    if (failed != OK)
        unlink(path);
    return failed;
}

uint64_t files_allow(uint64_t wanted) {
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return 0;
    if (r.rlim_cur < wanted) {
        rlim_t before = r.rlim_cur;
        r.rlim_cur = r.rlim_max < wanted ? r.rlim_max : (rlim_t)wanted;
        if (setrlimit(RLIMIT_NOFILE, &r) != 0)
            r.rlim_cur = before;
    }
    return r.rlim_cur;
}
