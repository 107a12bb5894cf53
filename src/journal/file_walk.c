// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "journal/file_store.h"

// Read at once in the hope that it holds the whole batch.
#define READ_AHEAD ((size_t)16 << 10)
#define SEARCH_WINDOW ((size_t)256 << 10)

void batch_in_drop(struct batch_in *in) {
    free(in->p);
    in->p = NULL;
    in->cap = 0;
}

static void batch_in_grow(struct batch_in *in, size_t n) {
    if (n <= in->cap)
        return;
    in->p = memory_grow(in->p, n, 1);
    in->cap = n;
}

result batch_read(struct file_store *s, uint32_t segment, uint64_t at, struct batch_in *in,
                  bool *found) {
    *found = false;
    uint64_t room = s->head.segment_size - at;
    if (room < SECTOR)
        return OK;
    in->at = segment_start(s, segment) + at;
    size_t n = room < READ_AHEAD ? (size_t)room : READ_AHEAD;
    batch_in_grow(in, n);
    TRY(s->files->read(s->file, in->at, in->p, n));
    if (!batch_head_decode(in->p, room, &in->head))
        return OK;
    size_t size = batch_size(in->head.length);
    if (size > n) {
        batch_in_grow(in, size);
        TRY(s->files->read(s->file, in->at + n, in->p + n, size - n));
    }
    *found = batch_whole(in->p, &in->head, in->at, &s->head);
    return OK;
}

static bool fits(const struct spot *spot, const struct batch_head *b) {
    return b->first == spot->next &&
           (spot->any_before || memcmp(b->before, spot->before, DIGEST_SIZE) == 0);
}

static void move_behind(struct spot *spot, uint32_t segment, uint64_t at,
                        const struct batch_head *b) {
    spot->segment = segment;
    spot->at = at + batch_size(b->length);
    spot->next = batch_last(b) + 1;
    spot->any_before = false;
    memcpy(spot->before, b->digest, DIGEST_SIZE);
}

result walk_next(struct file_store *s, struct spot *spot, struct batch_in *in, bool *found) {
    uint32_t segment = spot->segment;
    uint64_t at = spot->at;
    TRY(batch_read(s, segment, at, in, found));
    *found = *found && fits(spot, &in->head);
    // A segment is never left empty.
    if (!*found && at > 0) {
        segment = next_segment(s, segment);
        at = 0;
        TRY(batch_read(s, segment, at, in, found));
        *found = *found && fits(spot, &in->head);
    }
    if (*found)
        move_behind(spot, segment, at, &in->head);
    return OK;
}

result walk_start(struct file_store *s, uint64_t position, struct spot *spot,
                  struct batch_head *lowest, bool *found) {
    OWN(batch_in_drop)
    struct batch_in in = {0};
    *lowest = (struct batch_head){0};
    *found = false;
    for (uint32_t i = 0; i < s->head.segments; i++) {
        bool whole = false;
        TRY(batch_read(s, i, 0, &in, &whole));
        uint64_t first = in.head.first;
        if (whole && (lowest->first == 0 || first < lowest->first))
            *lowest = in.head;
        if (!whole || first > position || (*found && first < spot->next))
            continue;
        *found = true;
        *spot = (struct spot){.segment = i, .next = first, .any_before = true};
    }
    return OK;
}

result erase_batch(struct file_store *s, uint32_t segment, uint64_t at) {
    static const uint8_t ZEROS[SECTOR];
    return s->files->write(s->file, segment_start(s, segment) + at, bytes_from(ZEROS, SECTOR));
}

static result look(struct file_store *s, uint32_t segment, uint64_t at, const uint8_t *p,
                   struct batch_in *in, struct search *search) {
    struct batch_head b;
    if (!batch_head_decode(p, s->head.segment_size - at, &b))
        return OK;
    search->later = search->later || b.first >= search->later_from;
    if (b.first >= search->first_below || batch_last(&b) < search->last_from ||
        b.mark < search->mark_from)
        return OK;
    bool whole = false;
    TRY(batch_read(s, segment, at, in, &whole));
    if (!whole || search->found)
        return OK;
    search->found = true;
    search->hit = in->head;
    search->hit_at = in->at;
    return OK;
}

result search_segment(struct file_store *s, uint32_t segment, uint64_t at, struct search *search) {
    OWN(batch_in_drop)
    struct batch_in in = {0}, window = {0};
    batch_in_grow(&window, SEARCH_WINDOW);
    while (at < s->head.segment_size) {
        uint64_t rest = s->head.segment_size - at;
        size_t n = rest < SEARCH_WINDOW ? (size_t)rest : SEARCH_WINDOW;
        TRY(s->files->read(s->file, segment_start(s, segment) + at, window.p, n));
        for (size_t i = 0; i < n; i += SECTOR)
            TRY(look(s, segment, at + i, window.p + i, &in, search));
        at += n;
    }
    return OK;
}
