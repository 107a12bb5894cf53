// SPDX-License-Identifier: MIT
// The door to disks for what must be durable: one vtable, the system behind the real one, a disk
// that tears, loses, fills up and fails behind the simulation's. Calls block; used by the thread
// that owns the file.
#ifndef PORT_FILES_H
#define PORT_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/text.h"

struct file;

enum file_mode {
    FILE_READ,   // must exist
    FILE_WRITE,  // read and write; must exist
    FILE_CREATE, // read and write; must not exist
};

struct files {
    // Modes as above; created files are 0600, their names durable. ABSENT, EXISTS, REFUSED
    // (permission), FULL (no room for the name), IO.
    must result (*open)(struct files *fs, const char *path, enum file_mode mode, struct file **out);
    // Takes the exclusive lock of a gateway on it; LOCKED if another process holds it. Ends with
    // close.
    must result (*lock)(struct file *f);
    void (*close)(struct file *f); // null is allowed
    must result (*size)(struct file *f, uint64_t *out);
    // Reads exactly n bytes; ABSENT when the file ends before that.
    must result (*read)(struct file *f, uint64_t at, void *p, size_t n);
    // Writes all of it, maybe not durably. FULL: no space, nothing is known of the range; IO.
    must result (*write)(struct file *f, uint64_t at, bytes b);
    // Everything written before is durable afterwards. After a failure nothing is known and a
    // second call proves nothing (Linux drops the dirty pages).
    must result (*sync)(struct file *f);
    must result (*rename)(struct files *fs, const char *from,
                          const char *to); // durable; replaces `to`
    // ABSENT is a failure too. A large file goes a piece at a time, so that nobody else's sync has
    // to wait for all of it.
    must result (*remove)(struct files *fs, const char *path);
    bool (*exists)(struct files *fs, const char *path);
};

extern struct files files_real;

// Lets the process have `wanted` files and sockets open at once, as far as the system does; returns
// how many it may have.
uint64_t files_allow(uint64_t wanted);

// Of files_real alone. Ends it there, durably: FULL, IO.
must result file_cut(struct file *f, uint64_t size);
// Is it still the file of that name?
bool file_is_at(const struct file *f, const char *path);
// May it be written, or made where it is absent? Does neither.
must result file_may_write(const char *path);

// Whole small files, on the real system.
must result file_load(const char *path, size_t max, struct text *out); // FULL if larger than max
// The same of a file that holds a key: REFUSED if every user of the machine may read or write it.
must result file_load_private(const char *path, size_t max, struct text *out);
// Creates with this mode, fails with EXISTS; synced.
must result file_save(const char *path, bytes content, unsigned mode);

#endif
