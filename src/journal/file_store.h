// SPDX-License-Identifier: MIT
// What the sources of the file journal share; nobody else includes it. file_walk.c follows the
// chain of batches, file_recover.c opens and mends, file_create.c makes a new file, file_cursor.c
// reads beside the writer, store_file.c writes.
#ifndef JOURNAL_FILE_STORE_H
#define JOURNAL_FILE_STORE_H

#include <stdatomic.h>

#include "journal/file_format.h"
#include "port/clock.h"
#include "port/files.h"

// A segment that cannot be written over yet.
struct segment {
    _Atomic uint64_t first; // position of its first record; 0: free
    uint64_t last;
    uint64_t bytes; // taken from its start
};

// A place in the chain: where the batch with position `next` is expected, or in the next segment.
struct spot {
    uint32_t segment;
    uint64_t at; // from the segment's start
    uint64_t next;
    uint8_t before[DIGEST_SIZE]; // of the batch before
    bool any_before;             // not known, as nothing before was read
};

// A batch read from the file.
struct batch_in {
    uint8_t *p;
    size_t cap;
    struct batch_head head;
    uint64_t at; // in the file
};

// A batch to be written, within the store's buffer.
struct part {
    struct batch_head head;
    uint32_t segment;
    uint64_t at;   // from the segment's start
    size_t offset; // in the buffer
};

struct file_store {
    struct journal_store door;
    struct files *files;
    struct clock *clock;
    struct file *file;
    struct file_head head;
    char *path;
    size_t payload_max; // what was asked for; 0: as much as fits
    bool read_only, broken, torn;

    struct segment *segments; // live ones from `tail` to end.segment, around the ring
    uint32_t tail;
    struct spot end; // of the chain: where the next batch goes
    int64_t time_ms;
    uint64_t used;
    // What readers on other threads go by. `first` moves on before a segment may be written over.
    _Atomic uint64_t first, last;

    uint8_t *buffer;
    size_t buffer_cap;
    struct part *parts;
    size_t parts_n, parts_cap;
};

extern const struct journal_store FILE_STORE;
struct file_store *file_store_of(struct journal_store *s);
void file_store_close(struct file_store *s); // null is allowed
// Enters a batch of the chain in the table of segments.
void file_store_enter(struct file_store *s, uint32_t segment, uint64_t at,
                      const struct batch_head *b);
void file_store_release(struct file_store *s, uint64_t position);

static inline uint32_t next_segment(const struct file_store *s, uint32_t segment) {
    return segment + 1 == s->head.segments ? 0 : segment + 1;
}
static inline uint64_t segment_start(const struct file_store *s, uint32_t segment) {
    return FILE_HEAD_SIZE + segment * s->head.segment_size;
}

void batch_in_drop(struct batch_in *in);
// Reads the batch at a place, if a whole one is there.
must result batch_read(struct file_store *s, uint32_t segment, uint64_t at, struct batch_in *in,
                       bool *found);
// Reads the next batch of the chain and moves the spot behind it. Not found: the chain ends here.
must result walk_next(struct file_store *s, struct spot *spot, struct batch_in *in, bool *found);
// Where to begin so that the walk meets `position`, at most one above what is booked: the start of
// the segment that holds it. Not found: every segment begins above it; *lowest is the lowest of
// these, 0 if no segment begins with a whole batch.
//
// A segment may also begin with a batch that is not of the chain: a later part of an append that
// was torn, or found the disk full. One of the last append begins above what is booked + 1, and
// those of earlier ones were erased.
must result walk_start(struct file_store *s, uint64_t position, struct spot *spot,
                       struct batch_head *lowest, bool *found);

// Makes what begins at this place no batch. Not synced.
must result erase_batch(struct file_store *s, uint32_t segment, uint64_t at);

// A search of the segments for batches outside the chain, in steps of a sector.
struct search {
    uint64_t first_below; // a hit begins below this
    uint64_t last_from;   // and ends here or above
    uint64_t mark_from;   // and has such a mark
    bool found;
    struct batch_head hit;
    uint64_t hit_at; // in the file
    bool later;      // met a head, whole or not, with a position of `later_from` or above
    uint64_t later_from;
};
must result search_segment(struct file_store *s, uint32_t segment, uint64_t at,
                           struct search *search);

// file_create.c, file_cursor.c
must result journal_file_create(const struct journal_file_options *o, struct text *why);
must result file_cursor_open(struct journal_store *s, uint64_t after, struct journal_cursor **out);
must result file_cursor_read(struct journal_cursor *c, size_t max_bytes, struct arena *a,
                             struct record **out, size_t *n);
void file_cursor_close(struct journal_cursor *c);
must result file_verify(struct journal_store *s, struct text *out);

#endif
