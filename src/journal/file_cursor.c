// SPDX-License-Identifier: MIT
// Reads what is durable beside the writer, by the table of segments and two atomic positions.
// Nothing locks: the digest tells whether a batch was written over while it was read, and then
// `first` has moved on.
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "journal/file_store.h"
#include "journal/gather.h"

#define ULL(v_) ((unsigned long long)(v_))

struct journal_cursor {
    struct file_store *s;
    uint64_t next; // to be read
    bool located;  // `spot` is at or before it
    struct spot spot;
    struct batch_in in; // the batch read last
    bytes rest;         // its records not yet decoded
    uint64_t position;  // of the first of these
};

// The live segment that holds this position; false while it is being recycled.
static bool locate(struct file_store *s, uint64_t position, struct spot *spot) {
    bool found = false;
    for (uint32_t i = 0; i < s->head.segments; i++) {
        uint64_t first = atomic_load(&s->segments[i].first);
        if (first == 0 || first > position || (found && first < spot->next))
            continue;
        found = true;
        *spot = (struct spot){.segment = i, .next = first, .any_before = true};
    }
    return found;
}

result file_cursor_open(struct journal_store *door, uint64_t after, struct journal_cursor **out) {
    struct file_store *s = file_store_of(door);
    NEED(after + 1 >= atomic_load(&s->first), ABSENT, "the journal no longer has that position");
    struct journal_cursor *c = NEW(struct journal_cursor);
    c->s = s;
    c->next = after + 1;
    *out = c;
    return OK;
}

void file_cursor_close(struct journal_cursor *c) {
    if (c == NULL)
        return;
    batch_in_drop(&c->in);
    free(c);
}

static result next_batch(struct journal_cursor *c) {
    bool found = c->located || locate(c->s, c->next, &c->spot);
    c->located = found;
    if (found)
        TRY(walk_next(c->s, &c->spot, &c->in, &found));
    NEED(c->next >= atomic_load(&c->s->first), ABSENT, "the journal no longer has that position");
    NEED(found, CORRUPT, "a durable batch of the journal cannot be read");
    c->rest = bytes_from(c->in.p + BATCH_HEAD_SIZE, c->in.head.length);
    c->position = c->in.head.first;
    return OK;
}

// The next record, still in the batch's memory.
static result next_record(struct journal_cursor *c, struct record *r, bytes *behind) {
    for (;;) {
        while (c->rest.n == 0)
            TRY(next_batch(c));
        *behind = c->rest;
        TRY(record_decode(behind, r));
        r->position = c->position;
        if (r->position == c->next)
            return OK;
        c->rest = *behind;
        c->position++;
    }
}

static result collect(struct journal_cursor *c, struct gather *g, uint64_t last, uint64_t *next,
                      bool *full) {
    uint64_t first = c->next;
    while (c->next <= last && !*full) {
        struct record r;
        bytes behind;
        result failed = next_record(c, &r, &behind);
        // What was read so far is good; the failure will be met again.
        if (failed != OK && c->next > first)
            break;
        TRY(failed);
        *full = !gather_add(g, &r);
        if (*full)
            break;
        c->rest = behind;
        c->position++;
        c->next++;
    }
    *next = c->next;
    return OK;
}

result file_cursor_read(struct journal_cursor *c, size_t max_bytes, struct arena *a,
                        struct record **out, size_t *n) {
    uint64_t before = c->next, next = before;
    uint64_t last = atomic_load(&c->s->last);
    *n = 0;
    NEED(before >= atomic_load(&c->s->first), ABSENT, "the journal no longer has that position");
    OWN(gather_drop)
    struct gather g = {.arena = a, .left = max_bytes};
    bool full = false;
    result failed = collect(c, &g, last, &next, &full);
    if (failed == OK)
        failed = gather_finish(&g, full, out, n);
    if (failed != OK) {
        c->next = before;
        c->located = false;
        c->rest = NO_BYTES;
    }
    return failed;
}

struct check {
    struct file_store *s;
    struct text *out;
    struct spot spot;
    struct batch_in in;
    uint64_t batches, records, faults;
};

static result check_head(struct check *k) {
    struct file_store *s = k->s;
    uint8_t head[FILE_HEAD_SIZE];
    struct file_head h;
    TRY(s->files->read(s->file, 0, head, sizeof head));
    result failed = file_head_decode(head, &h);
    if (failed == OK && memcmp(h.id, s->head.id, sizeof h.id) == 0)
        return OK;
    k->faults++;
    text_addf(k->out, "%s: offset 0: the header is damaged\n", s->path);
    return OK;
}

// Was the segment that we are in written over since it was entered in the table?
static result gone(struct check *k, uint32_t segment, bool *is) {
    uint64_t first = atomic_load(&k->s->segments[segment].first);
    *is = k->spot.next < atomic_load(&k->s->first);
    if (*is || !k->s->read_only)
        return OK;
    bool whole = false;
    TRY(batch_read(k->s, segment, 0, &k->in, &whole));
    *is = whole && k->in.head.first != first;
    return OK;
}

// On to the next live segment that begins above a place that cannot be read; false if there is
// none.
static bool skip(struct check *k) {
    struct file_store *s = k->s;
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = 0; i < s->head.segments; i++) {
        uint64_t first = atomic_load(&s->segments[i].first);
        if (first > k->spot.next && first < lowest)
            lowest = first;
    }
    return lowest != UINT64_MAX && locate(s, lowest, &k->spot);
}

static result check_chain(struct check *k, uint64_t last) {
    struct file_store *s = k->s;
    bool going = locate(s, atomic_load(&s->first), &k->spot);
    while (going && k->spot.next <= last) {
        bool found = false, is_gone = false;
        uint64_t at = segment_start(s, k->spot.segment) + k->spot.at;
        TRY(walk_next(s, &k->spot, &k->in, &found));
        if (found) {
            k->batches++;
            k->records += k->in.head.count;
            continue;
        }
        TRY(gone(k, k->spot.segment, &is_gone));
        if (!is_gone) {
            k->faults++;
            text_addf(k->out, "%s: offset %llu: position %llu cannot be read: damaged\n", s->path,
                      ULL(at), ULL(k->spot.next));
        }
        going = skip(k);
    }
    return OK;
}

result file_verify(struct journal_store *door, struct text *out) {
    struct file_store *s = file_store_of(door);
    struct check k = {.s = s, .out = out};
    uint64_t last = atomic_load(&s->last);
    result failed = check_head(&k);
    if (failed == OK)
        failed = check_chain(&k, last);
    batch_in_drop(&k.in);
    TRY(failed);
    NEED(k.faults == 0, CORRUPT, "the journal is damaged");
    text_addf(out, "%s: %llu records in %llu batches are whole, the last at position %llu\n",
              s->path, ULL(k.records), ULL(k.batches), ULL(last));
    return OK;
}
