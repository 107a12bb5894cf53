// SPDX-License-Identifier: MIT
// A disk for the simulation: `struct files` in memory, on which power can be cut. One thread.
//
// Each file has what the platter holds, what the page cache shows (reads see that), and the writes
// between the two. A sync brings the cache to the platter, in order. A power cut (disk_crash)
// decides from the seed, for each unsynced write and each 512-byte sector of it, in any order,
// whether it reached the platter whole, not at all, or torn: a mix of old and new bytes, or noise.
// A sector that already held the same bytes stays as it is: that is what databases assume of disks,
// and the journal too (journal/file_format.h). A killed process (disk_kill) loses nothing that it
// wrote.
//
// Faults come from the seed given to disk_open, at the rates in `faults`, or at a chosen moment by
// the fuse. A sync that fails with `sync_lost` does what Linux does: the unsynced writes are
// dropped from what will ever reach the platter, while reads go on showing them, and the next sync
// succeeds.
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "port/files.h"

// Chances in a million for each call.
struct disk_faults {
    uint32_t write_io;   // IO; a part of it may have been written
    uint32_t write_full; // FULL; a part of it may have been written, never all
    uint32_t sync_io;    // IO; nothing is dropped, nothing is synced
    uint32_t sync_lost;  // IO; see above
    bool full;           // every write is refused with FULL until cleared
    // Lies, with which a test shows that it would notice:
    bool sync_lies;  // says OK, syncs nothing
    bool skip_equal; // a write of the bytes that the cache shows already is not a write
};

struct disk;

struct disk *disk_open(uint64_t seed);
void disk_close(struct disk *d); // after all handles; null is allowed
struct files *disk_files(struct disk *d);
struct disk_faults *disk_faults(struct disk *d);

// After n more writes and syncs every call fails with IO, the one at hand included (a write may
// have happened in part), until disk_crash or disk_kill. 0 takes it out.
void disk_fuse(struct disk *d, uint64_t n);
bool disk_blown(const struct disk *d);

// Open handles fail with IO afterwards and are only good for close; locks are gone.
void disk_crash(struct disk *d, uint64_t seed);
void disk_kill(struct disk *d);

// What tests do to files, on the platter and in the cache. The file must exist.
uint64_t disk_size(struct disk *d, const char *path);
void disk_peek(struct disk *d, const char *path, uint64_t at, void *p, size_t n);
// What a power cut can no longer take away; valid until the next call.
bytes disk_platter(struct disk *d, const char *path);
void disk_poke(struct disk *d, const char *path, uint64_t at, const void *p, size_t n);
void disk_flip(struct disk *d, const char *path, uint64_t at, uint8_t mask);
void disk_cut(struct disk *d, const char *path, uint64_t size);

#endif
