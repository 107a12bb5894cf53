// SPDX-License-Identifier: MIT
#include "disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/random.h"

#define SECTOR ((size_t)512)
#define MILLION 1000000u

struct image {
    uint8_t *p;
    size_t n, cap;
};

struct pending {
    struct pending *next;
    uint64_t at;
    size_t n;
    uint8_t p[];
};

struct inode {
    struct inode *next;
    char *path;
    struct image platter, cache;
    struct pending *first, **end;
    bool synced; // once; else a power cut may take the file itself
    struct file *locked_by;
};

struct file {
    struct disk *disk;
    struct inode *inode;
    uint64_t life; // of the disk, when it was opened
    bool writable;
};

struct disk {
    struct files door;
    struct disk_faults faults;
    uint64_t random;
    uint64_t life;
    uint64_t fuse; // calls left + 1; 0: none
    bool blown;
    struct inode *inodes;
};

static struct disk *disk_of(struct files *fs) { return CONTAINER(fs, struct disk, door); }
struct files *disk_files(struct disk *d) {
    return &d->door;
}
struct disk_faults *disk_faults(struct disk *d) {
    return &d->faults;
}

static void image_size(struct image *i, size_t n) {
    if (n > i->cap) {
        i->cap = n > i->cap * 2 ? n : i->cap * 2;
        i->p = memory_grow(i->p, i->cap, 1);
    }
    if (n > i->n)
        memset(i->p + i->n, 0, n - i->n);
    i->n = n;
}

static void image_write(struct image *i, uint64_t at, const void *p, size_t n) {
    if (at + n > i->n)
        image_size(i, at + n);
    if (n > 0)
        memcpy(i->p + at, p, n);
}

static void image_copy(struct image *to, const struct image *from) {
    image_size(to, from->n);
    if (from->n > 0)
        memcpy(to->p, from->p, from->n);
}

static struct inode *find(struct disk *d, const char *path) {
    for (struct inode *i = d->inodes; i != NULL; i = i->next)
        if (strcmp(i->path, path) == 0)
            return i;
    return NULL;
}

static struct inode *find_sure(struct disk *d, const char *path) {
    struct inode *i = find(d, path);
    ensure(i != NULL);
    return i;
}

static void forget_pending(struct inode *i) {
    for (struct pending *w = i->first, *next; w != NULL; w = next) {
        next = w->next;
        free(w);
    }
    i->first = NULL;
    i->end = &i->first;
}

static void inode_remove(struct disk *d, struct inode *gone) {
    for (struct inode **i = &d->inodes; *i != NULL; i = &(*i)->next) {
        if (*i != gone)
            continue;
        *i = gone->next;
        break;
    }
    forget_pending(gone);
    free(gone->platter.p);
    free(gone->cache.p);
    free(gone->path);
    free(gone);
}

static bool chance(struct disk *d, uint32_t in_a_million) {
    return in_a_million > 0 && random_below(&d->random, MILLION) < in_a_million;
}

// One call nearer to the end; true when this one is the first that fails.
static bool burn(struct disk *d) {
    if (d->fuse == 0 || --d->fuse > 0)
        return false;
    d->blown = true;
    return true;
}

static result alive(const struct file *f) {
    NEED(f->life == f->disk->life && !f->disk->blown, IO, "simulated: the process is gone");
    return OK;
}

static result sim_open(struct files *fs, const char *path, enum file_mode mode, struct file **out) {
    struct disk *d = disk_of(fs);
    NEED(!d->blown, IO, "simulated: the process is gone");
    struct inode *i = find(d, path);
    NEED(mode == FILE_CREATE || i != NULL, ABSENT, "no such file");
    NEED(mode != FILE_CREATE || i == NULL, EXISTS, "the file exists");
    if (i == NULL) {
        i = NEW(struct inode);
        i->path = bytes_strdup(bytes_of(path));
        i->end = &i->first;
        i->next = d->inodes;
        d->inodes = i;
    }
    struct file *f = NEW(struct file);
    *f = (struct file){.disk = d, .inode = i, .life = d->life, .writable = mode != FILE_READ};
    *out = f;
    return OK;
}

static result sim_lock(struct file *f) {
    TRY(alive(f));
    NEED(f->inode->locked_by == NULL || f->inode->locked_by == f, LOCKED, "the file is locked");
    f->inode->locked_by = f;
    return OK;
}

static void sim_close(struct file *f) {
    if (f == NULL)
        return;
    if (f->life == f->disk->life && f->inode->locked_by == f)
        f->inode->locked_by = NULL;
    free(f);
}

static result sim_size(struct file *f, uint64_t *out) {
    TRY(alive(f));
    *out = f->inode->cache.n;
    return OK;
}

static result sim_read(struct file *f, uint64_t at, void *p, size_t n) {
    TRY(alive(f));
    const struct image *c = &f->inode->cache;
    NEED(at <= c->n && n <= c->n - at, ABSENT, "the file ends before that");
    if (n > 0)
        memcpy(p, c->p + at, n);
    return OK;
}

static void write_some(struct disk *d, struct inode *i, uint64_t at, bytes b) {
    if (b.n == 0)
        return;
    bool same = at + b.n <= i->cache.n && memcmp(i->cache.p + at, b.p, b.n) == 0;
    if (same && d->faults.skip_equal)
        return;
    image_write(&i->cache, at, b.p, b.n);
    struct pending *w = memory_new(1, sizeof *w + b.n);
    w->at = at;
    w->n = b.n;
    memcpy(w->p, b.p, b.n);
    *i->end = w;
    i->end = &w->next;
}

// Less than all of it, from the start; whole sectors of it, as systems cut writes short by blocks.
static bytes some_of(struct disk *d, bytes b) {
    return bytes_slice(
        b, 0, b.n == 0 ? 0 : random_below(&d->random, (b.n + SECTOR - 1) / SECTOR) * SECTOR);
}

static result sim_write(struct file *f, uint64_t at, bytes b) {
    TRY(alive(f));
    struct disk *d = f->disk;
    ensure(f->writable);
    if (burn(d)) {
        write_some(d, f->inode, at, some_of(d, b));
        FAIL(IO, "simulated: the process ended in a write");
    }
    if (d->faults.full || chance(d, d->faults.write_full)) {
        write_some(d, f->inode, at, some_of(d, b));
        FAIL(FULL, "simulated: the disk is full");
    }
    if (chance(d, d->faults.write_io)) {
        write_some(d, f->inode, at, some_of(d, b));
        FAIL(IO, "simulated: the disk does not write");
    }
    write_some(d, f->inode, at, b);
    return OK;
}

static result sim_sync(struct file *f) {
    TRY(alive(f));
    struct disk *d = f->disk;
    struct inode *i = f->inode;
    NEED(!burn(d), IO, "simulated: the process ended in a sync");
    if (d->faults.sync_lies)
        return OK;
    NEED(!chance(d, d->faults.sync_io), IO, "simulated: the disk does not sync");
    if (chance(d, d->faults.sync_lost)) {
        forget_pending(i);
        FAIL(IO, "simulated: the disk does not sync, and forgot");
    }
    for (const struct pending *w = i->first; w != NULL; w = w->next)
        image_write(&i->platter, w->at, w->p, w->n);
    forget_pending(i);
    i->synced = true;
    return OK;
}

static result sim_rename(struct files *fs, const char *from, const char *to) {
    struct disk *d = disk_of(fs);
    NEED(!d->blown, IO, "simulated: the process is gone");
    struct inode *i = find(d, from), *old = find(d, to);
    NEED(i != NULL, ABSENT, "no such file");
    if (old != NULL)
        inode_remove(d, old);
    free(i->path);
    i->path = bytes_strdup(bytes_of(to));
    return OK;
}

static result sim_remove(struct files *fs, const char *path) {
    struct disk *d = disk_of(fs);
    NEED(!d->blown, IO, "simulated: the process is gone");
    struct inode *i = find(d, path);
    NEED(i != NULL, ABSENT, "no such file");
    inode_remove(d, i);
    return OK;
}

static bool sim_exists(struct files *fs, const char *path) {
    return find(disk_of(fs), path) != NULL;
}

struct disk *disk_open(uint64_t seed) {
    struct disk *d = NEW(struct disk);
    d->door = (struct files){
        .open = sim_open,
        .lock = sim_lock,
        .close = sim_close,
        .size = sim_size,
        .read = sim_read,
        .write = sim_write,
        .sync = sim_sync,
        .rename = sim_rename,
        .remove = sim_remove,
        .exists = sim_exists,
    };
    d->random = seed;
    return d;
}

void disk_close(struct disk *d) {
    if (d == NULL)
        return;
    while (d->inodes != NULL)
        inode_remove(d, d->inodes);
    free(d);
}

void disk_fuse(struct disk *d, uint64_t n) { d->fuse = n; }
bool disk_blown(const struct disk *d) { return d->blown; }

void disk_kill(struct disk *d) {
    d->life++;
    d->fuse = 0;
    d->blown = false;
    for (struct inode *i = d->inodes; i != NULL; i = i->next)
        i->locked_by = NULL;
}

// One sector, or the piece of one that the write covers.
static void settle_sector(struct image *platter, uint64_t at, const uint8_t *p, size_t n,
                          uint64_t *random) {
    if (at + n <= platter->n && memcmp(platter->p + at, p, n) == 0)
        return;
    size_t kept = random_below(random, n);
    switch (random_below(random, 8)) {
    case 0: // the first bytes are new, the others old
        image_write(platter, at, p, kept);
        break;
    case 1: // the first bytes are new, the others noise
        image_write(platter, at, p, n);
        for (size_t i = kept; i < n; i++)
            platter->p[at + i] = (uint8_t)random_next(random);
        break;
    case 2:
    case 3:
    case 4: break;
    default: image_write(platter, at, p, n);
    }
}

static void settle(struct image *platter, const struct pending *w, uint64_t *random) {
    // Often all or nothing, so that whole batches and whole parts of them are met, too.
    uint64_t fate = random_below(random, 4);
    if (fate == 0)
        return;
    if (fate == 1) {
        image_write(platter, w->at, w->p, w->n);
        return;
    }
    for (size_t i = 0; i < w->n;) {
        size_t n = SECTOR - (w->at + i) % SECTOR;
        n = n < w->n - i ? n : w->n - i;
        settle_sector(platter, w->at + i, w->p + i, n, random);
        i += n;
    }
}

static void settle_all(struct inode *i, uint64_t *random) {
    size_t n = 0;
    for (struct pending *w = i->first; w != NULL; w = w->next)
        n++;
    struct pending **writes = NEW_ARRAY(struct pending *, n + 1);
    n = 0;
    for (struct pending *w = i->first; w != NULL; w = w->next)
        writes[n++] = w;
    while (n > 0) {
        size_t k = random_below(random, n);
        settle(&i->platter, writes[k], random);
        writes[k] = writes[--n];
    }
    free(writes);
    forget_pending(i);
    image_copy(&i->cache, &i->platter);
}

void disk_crash(struct disk *d, uint64_t seed) {
    disk_kill(d);
    for (struct inode *i = d->inodes, *next; i != NULL; i = next) {
        next = i->next;
        if (!i->synced && random_below(&seed, 2) == 0)
            inode_remove(d, i);
        else
            settle_all(i, &seed);
    }
}

uint64_t disk_size(struct disk *d, const char *path) { return find_sure(d, path)->cache.n; }

void disk_peek(struct disk *d, const char *path, uint64_t at, void *p, size_t n) {
    const struct inode *i = find_sure(d, path);
    ensure(at + n <= i->cache.n);
    memcpy(p, i->cache.p + at, n);
}

bytes disk_platter(struct disk *d, const char *path) {
    const struct inode *i = find_sure(d, path);
    return bytes_from(i->platter.p, i->platter.n);
}

void disk_poke(struct disk *d, const char *path, uint64_t at, const void *p, size_t n) {
    struct inode *i = find_sure(d, path);
    image_write(&i->cache, at, p, n);
    image_write(&i->platter, at, p, n);
}

void disk_flip(struct disk *d, const char *path, uint64_t at, uint8_t mask) {
    uint8_t b;
    disk_peek(d, path, at, &b, 1);
    b ^= mask;
    disk_poke(d, path, at, &b, 1);
}

void disk_cut(struct disk *d, const char *path, uint64_t size) {
    struct inode *i = find_sure(d, path);
    forget_pending(i);
    image_size(&i->cache, size);
    image_size(&i->platter, size);
}
