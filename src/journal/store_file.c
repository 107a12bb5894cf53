// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "journal/file_store.h"

struct file_store *file_store_of(struct journal_store *s) {
    return CONTAINER(s, struct file_store, door);
}

void file_store_close(struct file_store *s) {
    if (s == NULL)
        return;
    if (s->file != NULL)
        s->files->close(s->file);
    free(s->segments);
    free(s->buffer);
    free(s->parts);
    free(s->path);
    free(s);
}

// The size as a batch of its own. Records that share a batch take less, and each part of a batch
// holds at least one.
static size_t file_cost(struct journal_store *s, size_t payload) {
    return batch_size(RECORD_HEAD_SIZE + payload);
}

static size_t file_payload_max(struct journal_store *s) {
    size_t asked = file_store_of(s)->payload_max;
    uint64_t n = file_store_of(s)->head.segment_size / 4;
    n = n < BATCH_LENGTH_MAX / 2 ? n : BATCH_LENGTH_MAX / 2;
    return asked > 0 && asked < n ? asked : (size_t)n;
}

// Append finds no place only when no segment is free and the next record does not fit behind the
// newest. Then each segment was left because a record did not fit, so it is filled up to less than
// the largest cost, and used and planned bytes together exceed this. (Records of a time when larger
// ones were taken may have left more: then an append can find the journal full once, until they are
// booked.)
static uint64_t file_room(struct journal_store *s) {
    const struct file_head *h = &file_store_of(s)->head;
    return h->segments * (h->segment_size - file_cost(s, file_payload_max(s)));
}

static uint64_t file_used(struct journal_store *s) { return file_store_of(s)->used; }
static uint64_t file_last(struct journal_store *s) { return atomic_load(&file_store_of(s)->last); }
static int64_t file_time_ms(struct journal_store *s) { return file_store_of(s)->time_ms; }
static uint64_t file_first(struct journal_store *s) {
    return atomic_load(&file_store_of(s)->first);
}

void file_store_enter(struct file_store *s, uint32_t segment, uint64_t at,
                      const struct batch_head *b) {
    struct segment *g = &s->segments[segment];
    if (atomic_load(&g->first) == 0) {
        g->bytes = 0;
        atomic_store(&g->first, b->first);
    }
    uint64_t end = at + batch_size(b->length);
    s->used += end - g->bytes;
    g->bytes = end;
    g->last = batch_last(b);
}

void file_store_release(struct file_store *s, uint64_t position) {
    while (s->tail != s->end.segment && s->segments[s->tail].last <= position) {
        struct segment *g = &s->segments[s->tail];
        s->tail = next_segment(s, s->tail);
        // Readers learn that it is gone before anything is written over it.
        atomic_store(&s->first, g->last + 1);
        atomic_store(&g->first, 0);
        s->used -= g->bytes;
    }
}

static void file_release(struct journal_store *door, uint64_t position) {
    struct file_store *s = file_store_of(door);
    ensure(position <= atomic_load(&s->last));
    file_store_release(s, position);
}

static struct part *part_open(struct file_store *s, uint32_t segment, uint64_t at, size_t offset) {
    if (s->parts_n == s->parts_cap) {
        s->parts_cap = s->parts_cap == 0 ? 4 : s->parts_cap * 2;
        s->parts = memory_grow(s->parts, s->parts_cap, sizeof *s->parts);
    }
    struct part *p = &s->parts[s->parts_n++];
    *p = (struct part){.segment = segment, .at = at, .offset = offset};
    return p;
}

static void part_seal(struct file_store *s, struct part *p, struct spot *spot) {
    memcpy(p->head.before, spot->before, DIGEST_SIZE);
    batch_seal(s->buffer + p->offset, segment_start(s, p->segment) + p->at, &s->head, &p->head);
    memcpy(spot->before, p->head.digest, DIGEST_SIZE);
    spot->at = p->at + batch_size(p->head.length);
    spot->next = batch_last(&p->head) + 1;
}

// A place for a batch that begins with a record of this size: here, or in the next segment if that
// is free.
static result find_place(struct file_store *s, struct spot *spot, size_t size) {
    if (batch_size(size) <= s->head.segment_size - spot->at)
        return OK;
    spot->segment = next_segment(s, spot->segment);
    spot->at = 0;
    NEED(spot->segment != s->tail && atomic_load(&s->segments[spot->segment].first) == 0, FULL,
         "the journal has no free segment");
    return OK;
}

static bool part_takes(const struct file_store *s, const struct part *p, size_t size) {
    size_t length = p->head.length + size;
    return length <= BATCH_LENGTH_MAX && batch_size(length) <= s->head.segment_size - p->at;
}

// Puts the records into as few batches as the segments' ends allow, in the buffer. `spot` becomes
// the end behind them.
static result encode(struct file_store *s, struct record *records, size_t n, struct spot *spot) {
    s->parts_n = 0;
    struct part *p = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t size = RECORD_HEAD_SIZE + records[i].payload.n;
        if (p == NULL || !part_takes(s, p, size)) {
            size_t offset = p == NULL ? 0 : p->offset + batch_size(p->head.length);
            if (p != NULL)
                part_seal(s, p, spot);
            TRY(find_place(s, spot, size));
            p = part_open(s, spot->segment, spot->at, offset);
            p->head.first = records[i].position;
            p->head.mark = atomic_load(&s->last);
        }
        uint8_t *out = s->buffer + p->offset + BATCH_HEAD_SIZE + p->head.length;
        p->head.length += (uint32_t)record_encode(&records[i], out);
        p->head.count++;
    }
    part_seal(s, p, spot);
    return OK;
}

// The disk was full at part i. The parts behind it must not be met by a recovery after more was
// appended.
static result take_back(struct file_store *s, size_t i, result full) {
    for (size_t k = i + 1; k < s->parts_n; k++)
        if (erase_batch(s, s->parts[k].segment, s->parts[k].at) != OK) {
            s->broken = true;
            FAIL(IO, "a batch that the disk had no room for could not be taken back");
        }
    return full;
}

// The last part first: when the disk is full before the first one is written, nothing of the batch
// can be read.
static result write_parts(struct file_store *s) {
    for (size_t i = s->parts_n; i-- > 0;) {
        const struct part *p = &s->parts[i];
        bytes b = bytes_from(s->buffer + p->offset, batch_size(p->head.length));
        result failed = s->files->write(s->file, segment_start(s, p->segment) + p->at, b);
        if (failed_as(failed, FAIL_FULL))
            return take_back(s, i, failed);
        s->broken = failed != OK;
        TRY(failed);
    }
    int64_t start = clock_mono_us(s->clock);
    result failed = s->files->sync(s->file);
    metric_time(METRIC_SYNC_TIME, clock_mono_us(s->clock) - start);
    s->broken = failed != OK;
    NEED(!failed_as(failed, FAIL_FULL), IO,
         "the disk was found full only when the journal was synced");
    return failed;
}

static void number(struct file_store *s, struct record *records, size_t n, int64_t wall_ms) {
    size_t need = 0;
    if (wall_ms > s->time_ms)
        s->time_ms = wall_ms;
    for (size_t i = 0; i < n; i++) {
        ensure(records[i].payload.n <= file_payload_max(&s->door));
        need += file_cost(&s->door, records[i].payload.n);
        records[i].position = s->end.next + i;
        records[i].time_ms = s->time_ms;
    }
    if (need > s->buffer_cap) {
        s->buffer = memory_grow(s->buffer, need, 1);
        s->buffer_cap = need;
    }
}

static result file_append(struct journal_store *door, struct record *records, size_t n,
                          int64_t wall_ms) {
    struct file_store *s = file_store_of(door);
    ensure(!s->read_only && n > 0);
    NEED(!s->broken, IO, "the journal failed before and is not trusted until it is opened again");
    number(s, records, n, wall_ms);
    struct spot spot = s->end;
    TRY(encode(s, records, n, &spot));
    TRY(write_parts(s));
    for (size_t i = 0; i < s->parts_n; i++)
        file_store_enter(s, s->parts[i].segment, s->parts[i].at, &s->parts[i].head);
    s->end = spot;
    atomic_store(&s->last, spot.next - 1);
    return OK;
}

static void file_close(struct journal_store *s) {
    if (s != NULL)
        file_store_close(file_store_of(s));
}

const struct journal_store FILE_STORE = {
    .append = file_append,
    .release = file_release,
    .cost = file_cost,
    .room = file_room,
    .used = file_used,
    .payload_max = file_payload_max,
    .last = file_last,
    .time_ms = file_time_ms,
    .first = file_first,
    .cursor_open = file_cursor_open,
    .read = file_cursor_read,
    .cursor_close = file_cursor_close,
    .verify = file_verify,
    .close = file_close,
};
