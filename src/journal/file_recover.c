// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "journal/file_store.h"

#define ULL(v_) ((unsigned long long)(v_))
// How often a reader beside a running gateway begins again when the ring was written over under it.
#define TRIES 8

struct recovery {
    struct file_store *s;
    const struct journal_file_options *o;
    struct text *why;
    struct spot start, spot; // where the walk began, and where it is
    bool any;                // the walk found something
    struct batch_in in;
};

static const char WHAT_TO_DO[] =
    "Stop; keep this file; `hookkeep ledger verify` says more; restore a backup of the ledger "
    "(`hookkeep ledger restore`), which sets this journal aside";

static result read_head(struct recovery *r) {
    struct file_store *s = r->s;
    uint8_t head[FILE_HEAD_SIZE];
    uint64_t size = 0;
    TRY(s->files->size(s->file, &size));
    if (size < sizeof head) {
        text_addf(r->why, "%s: not a journal: it has %llu bytes", s->path, ULL(size));
        FAIL(FORMAT, "the file is too short for a journal");
    }
    TRY(s->files->read(s->file, 0, head, sizeof head));
    result failed = file_head_decode(head, &s->head);
    if (failed_as(failed, FAIL_CORRUPT))
        text_addf(r->why, "%s: %s (offset 0). %s", s->path, failed->text, WHAT_TO_DO);
    else if (failed != OK && s->head.format > 0)
        text_addf(r->why,
                  "%s: it has format %u, this program knows formats %d to %d; use a newer "
                  "Hookkeep",
                  s->path, s->head.format, JOURNAL_FORMAT_OLDEST, JOURNAL_FORMAT);
    else if (failed != OK)
        text_addf(r->why, "%s: %s; name another path", s->path, failed->text);
    TRY(failed);
    uint64_t want = FILE_HEAD_SIZE + s->head.segments * s->head.segment_size;
    if (size < want) {
        text_addf(r->why, "%s: cut short: it has %llu bytes of %llu. %s", s->path, ULL(size),
                  ULL(want), WHAT_TO_DO);
        FAIL(CORRUPT, "the journal's file is cut short");
    }
    return OK;
}

static result check_id(struct recovery *r) {
    static const uint8_t ANY[JOURNAL_ID_SIZE];
    const uint8_t *want = r->o->expect_id, *is = r->s->head.id;
    if (memcmp(want, ANY, JOURNAL_ID_SIZE) == 0 || memcmp(want, is, JOURNAL_ID_SIZE) == 0)
        return OK;
    text_addf(r->why, "%s: this journal (", r->s->path);
    text_add_hex(r->why, bytes_from(is, JOURNAL_ID_SIZE));
    text_adds(r->why, ") belongs to another ledger; this ledger's is ");
    text_add_hex(r->why, bytes_from(want, JOURNAL_ID_SIZE));
    text_adds(r->why, ". Put the two that belong together side by side");
    FAIL(MISMATCH, "the journal belongs to another ledger");
}

static result corrupt(struct recovery *r, uint64_t at, uint64_t position) {
    text_addf(r->why,
              "%s: damaged at offset %llu: position %llu was durable and cannot be read. %s",
              r->s->path, ULL(at), ULL(position), WHAT_TO_DO);
    FAIL(CORRUPT, "the journal is damaged below what was known durable");
}

// No segment begins at or below what the ledger needs next. If a segment without a sound start has
// some of it, then that start is damaged.
static result begins_behind(struct recovery *r, uint64_t lowest) {
    struct file_store *s = r->s;
    uint64_t need = r->o->booked + 1;
    struct search search = {.first_below = lowest, .last_from = need};
    for (uint32_t i = 0; i < s->head.segments; i++) {
        bool whole = false;
        TRY(batch_read(s, i, 0, &r->in, &whole));
        if (!whole)
            TRY(search_segment(s, i, SECTOR, &search));
        if (search.found)
            return corrupt(r, segment_start(s, i), need);
    }
    text_addf(r->why,
              "%s: begins at position %llu, but the ledger is booked to %llu: the records between "
              "are gone. The ledger is older than the journal (an old copy?), or the start of the "
              "journal is damaged. %s",
              s->path, ULL(lowest), ULL(r->o->booked), WHAT_TO_DO);
    FAIL(MISMATCH, "the journal begins behind what the ledger needs");
}

static result find_start(struct recovery *r) {
    struct file_store *s = r->s;
    struct batch_head lowest;
    bool found = false;
    TRY(walk_start(s, r->o->booked + 1, &r->start, &lowest, &found));
    // All that is there was written when nothing was durable yet: the first append ever.
    bool fresh = !found && lowest.mark < s->head.first;
    if (fresh)
        r->start = (struct spot){.next = s->head.first};
    if (!found && !s->read_only && (!fresh || s->head.first > r->o->booked + 1))
        return begins_behind(r, fresh ? s->head.first : lowest.first);
    if (!found && !fresh)
        TRY(walk_start(s, lowest.first, &r->start, &lowest, &found));
    r->spot = r->start;
    return OK;
}

static result note_batch(struct recovery *r) {
    struct file_store *s = r->s;
    const struct batch_head *b = &r->in.head;
    uint64_t in_ring = r->in.at - FILE_HEAD_SIZE;
    if (!r->any)
        atomic_store(&s->first, b->first);
    r->any = true;
    file_store_enter(s, r->spot.segment, in_ring % s->head.segment_size, b);
    bytes rest = bytes_from(r->in.p + BATCH_HEAD_SIZE, b->length);
    struct record record = {0};
    for (uint32_t i = 0; i < b->count; i++)
        TRY(record_decode(&rest, &record));
    s->time_ms = record.time_ms > s->time_ms ? record.time_ms : s->time_ms;
    return OK;
}

static result walk(struct recovery *r) {
    for (bool found = true; found;) {
        TRY(walk_next(r->s, &r->spot, &r->in, &found));
        if (found)
            TRY(note_batch(r));
    }
    return OK;
}

// Behind the end of the chain: a batch that knew the position there as durable?
static result search_proof(struct recovery *r, struct search *search) {
    struct file_store *s = r->s;
    *search = (struct search){
        .first_below = UINT64_MAX, .mark_from = r->spot.next, .later_from = r->spot.next};
    uint32_t segment = r->spot.segment;
    uint64_t at = r->spot.at;
    do {
        TRY(search_segment(s, segment, at, search));
        segment = next_segment(s, segment);
        at = 0;
    } while (segment != r->start.segment && !search->found);
    return OK;
}

// Beside a running gateway the tail moves on and old segments are written over while we look.
static result moved_meanwhile(struct recovery *r, bool *end, bool *again) {
    bool found = false;
    struct spot spot = r->spot;
    TRY(walk_next(r->s, &spot, &r->in, end));
    TRY(batch_read(r->s, r->start.segment, 0, &r->in, &found));
    *again = !found || r->in.head.first != r->start.next;
    return OK;
}

static result find_end(struct recovery *r, bool *again) {
    struct file_store *s = r->s;
    struct search search;
    *again = false;
    TRY(find_start(r));
    s->tail = r->start.segment;
    TRY(walk(r));
    TRY(search_proof(r, &search));
    bool end = false;
    if (search.found && s->read_only)
        TRY(moved_meanwhile(r, &end, again));
    if (search.found && !end && !*again)
        return corrupt(r, segment_start(s, r->spot.segment) + r->spot.at, r->spot.next);
    s->torn = search.later;
    s->end = r->spot;
    atomic_store(&s->last, r->spot.next - 1);
    if (!r->any)
        atomic_store(&s->first, r->spot.next);
    return OK;
}

// A sync that failed before the last stop may have left the tail in memory only, where it looks
// sound.
static result write_again(struct recovery *r) {
    struct file_store *s = r->s;
    struct spot spot = r->start;
    while (spot.next < s->end.next) {
        bool found = false;
        TRY(walk_next(s, &spot, &r->in, &found));
        NEED(found, CORRUPT, "the journal changed while it was recovered");
        if (batch_last(&r->in.head) <= r->o->booked)
            continue;
        bytes b = bytes_from(r->in.p, batch_size(r->in.head.length));
        TRY(s->files->write(s->file, r->in.at, b));
    }
    return OK;
}

// What was set aside must not look like the start of a segment to a later recovery (see
// walk_start).
static result erase_torn(struct recovery *r) {
    struct file_store *s = r->s;
    for (uint32_t i = 0; i < s->head.segments; i++) {
        bool whole = false;
        if (atomic_load(&s->segments[i].first) == 0)
            TRY(batch_read(s, i, 0, &r->in, &whole));
        if (whole && r->in.head.first >= s->end.next)
            TRY(erase_batch(s, i, 0));
    }
    return OK;
}

static void forget(struct file_store *s) {
    for (uint32_t i = 0; i < s->head.segments; i++)
        atomic_store(&s->segments[i].first, 0);
    s->used = 0;
}

static result recover(struct recovery *r) {
    struct file_store *s = r->s;
    TRY(read_head(r));
    TRY(check_id(r));
    s->segments = NEW_ARRAY(struct segment, s->head.segments);
    s->time_ms = r->o->last_time_ms;
    bool again = true;
    for (int i = 0; i < TRIES && again; i++) {
        forget(s);
        r->any = false;
        TRY(find_end(r, &again));
    }
    NEED(!again, BUSY, "the journal is written over faster than it can be read");
    if (r->o->booked >= s->end.next) {
        text_addf(r->why,
                  "%s: ends at position %llu, but the ledger is booked to %llu: this is an older "
                  "copy of the journal, or its end was lost. Restore journal and ledger together",
                  s->path, ULL(s->end.next - 1), ULL(r->o->booked));
        FAIL(MISMATCH, "the journal ends before what the ledger has booked");
    }
    if (s->read_only)
        return OK;
    TRY(write_again(r));
    TRY(erase_torn(r));
    // Also with nothing written: from here on the disk holds what was looked at, and nothing older.
    TRY(s->files->sync(s->file));
    file_store_release(s, r->o->booked);
    return OK;
}

static result open_file(struct file_store *s, const struct journal_file_options *o,
                        struct text *why) {
    if (!o->files->exists(o->files, o->path)) {
        if (!o->create) {
            text_addf(why, "%s: there is no journal", o->path);
            FAIL(ABSENT, "there is no journal");
        }
        TRY(journal_file_create(o, why));
    }
    TRY(o->files->open(o->files, o->path, o->read_only ? FILE_READ : FILE_WRITE, &s->file));
    if (o->read_only)
        return OK;
    result failed = o->files->lock(s->file);
    if (failed_as(failed, FAIL_LOCKED))
        text_addf(why, "%s: another gateway holds this journal; stop that one first", o->path);
    return failed;
}

result journal_store_file(const struct journal_file_options *o, struct journal_store **out,
                          struct text *why) {
    struct file_store *s = NEW(struct file_store);
    s->door = FILE_STORE;
    s->files = o->files;
    s->clock = o->clock;
    s->path = bytes_strdup(bytes_of(o->path));
    s->payload_max = o->payload_max;
    s->read_only = o->read_only;
    struct recovery r = {.s = s, .o = o, .why = why};
    result failed = open_file(s, o, why);
    if (failed == OK)
        failed = recover(&r);
    batch_in_drop(&r.in);
    if (failed != OK) {
        if (why->n == 0)
            text_addf(why, "%s: %s", o->path, failed->text);
        file_store_close(s);
        return failed;
    }
    *out = &s->door;
    return OK;
}

void journal_file_id(const struct journal_store *s, uint8_t out[JOURNAL_ID_SIZE]) {
    const struct file_store *f = file_store_of((struct journal_store *)(uintptr_t)s);
    memcpy(out, f->head.id, JOURNAL_ID_SIZE);
}

bool journal_file_torn(const struct journal_store *s) {
    return file_store_of((struct journal_store *)(uintptr_t)s)->torn;
}
