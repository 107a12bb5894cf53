// SPDX-License-Identifier: MIT
#include "port/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

#define LOCK_NAME "lock"

struct folder {
    char *path;
    int lock;
};

static const char *place(void) {
    const char *said = getenv("TMPDIR");
    return said != NULL && said[0] == '/' ? said : "/tmp";
}

static bool dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

// The lock goes last: until then nobody else takes the folder for one that was left.
static void empty(DIR *d) {
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (!dots(e->d_name) && strcmp(e->d_name, LOCK_NAME) != 0)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    (void)unlinkat(dirfd(d), LOCK_NAME, 0);
}

// Never through a link, as others may make names where ours are; takes over the descriptor.
static void remove_at(int fd, const char *path) {
    DIR *d = fdopendir(fd);
    if (d == NULL) {
        close(fd);
        return;
    }
    empty(d);
    closedir(d);
    (void)rmdir(path);
}

static bool is_ours(int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

static void sweep_one(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    int lock = is_ours(fd) ? openat(fd, LOCK_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
        remove_at(fd, path);
    else
        close(fd);
    if (lock >= 0)
        close(lock);
}

static void sweep(const char *prefix) {
    DIR *d = opendir(place());
    if (d == NULL)
        return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        OWN(text_drop)
        struct text path = {0};
        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
            continue;
        text_addf(&path, "%s/%s", place(), e->d_name);
        sweep_one(text_str(&path));
    }
    closedir(d);
}

static result make(char *path, int *lock) {
    OWN(text_drop)
    struct text name = {0};
    if (mkdtemp(path) == NULL) {
        NEED(errno != ENOSPC && errno != EDQUOT, FULL, "there is no room for a temporary folder");
        NEED(errno != EACCES && errno != EROFS && errno != ENOENT, REFUSED,
             "no temporary folder may be made there");
        FAIL(IO, "no temporary folder can be made");
    }
    text_addf(&name, "%s/" LOCK_NAME, path);
    *lock = open(text_str(&name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*lock < 0 || flock(*lock, LOCK_EX | LOCK_NB) != 0) {
        if (*lock >= 0)
            close(*lock);
        (void)unlink(text_str(&name));
        (void)rmdir(path);
        FAIL(IO, "no file can be made in a temporary folder");
    }
    return OK;
}

result folder_open(const char *prefix, struct folder **out) {
    OWN(text_drop)
    struct text path = {0};
    int lock = -1;
    *out = NULL;
    sweep(prefix);
    text_addf(&path, "%s/%sXXXXXX", place(), prefix);
    TRY(make(path.p, &lock));
    struct folder *f = NEW(struct folder);
    *f = (struct folder){text_give(&path), lock};
    *out = f;
    return OK;
}

const char *folder_path(const struct folder *f) { return f->path; }

void folder_close(struct folder **out) {
    struct folder *f = *out;
    if (f == NULL)
        return;
    int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        remove_at(fd, f->path);
    close(f->lock);
    free(f->path);
    free(f);
    *out = NULL;
}
