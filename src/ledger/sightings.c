// SPDX-License-Identifier: MIT
#include "ledger/sightings.h"

#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"

#define BATCH_MEMORY_MAX (64u << 20) // 512 records note at most 4 of 1 KiB, and sites

static const uint64_t limits[SIGHTING_KINDS] = {
#define SIGHTING(id, number, name, whose, what, max, doc) [SIGHTING_##id] = (max),
#include "ledger/sightings.def"
#undef SIGHTING
};

static void forget_batch(struct sightings *s) {
    if (s->count == 0)
        return;
    map_drop(&s->by_key);
    arena_drop(&s->memory);
    s->count = 0;
    memset(s->latest, 0, sizeof s->latest);
}

void sightings_drop(struct sightings *s) {
    forget_batch(s);
    text_drop(&s->key);
    free(s->rows);
    free(s->noted);
    *s = (struct sightings){0};
}

void sightings_forget_record(struct sightings *s) { s->noted_count = 0; }

static bool same(const struct sighting_row *a, const struct sighting_row *b) {
    return a->livemode == b->livemode && bytes_equal(a->what, b->what) &&
           bytes_equal(a->whose, b->whose);
}

void sightings_note(struct sightings *s, const struct sighting_row *row) {
    for (size_t i = 0; i < s->noted_count; i++)
        if (s->noted[i].kind == row->kind && same(&s->noted[i], row)) {
            sighting_merge(&s->noted[i], row);
            return;
        }
    if (s->noted_count == s->noted_cap) {
        s->noted_cap = s->noted_cap > 0 ? s->noted_cap * 2 : 8;
        s->noted = memory_grow(s->noted, s->noted_cap, sizeof *s->noted);
    }
    s->noted[s->noted_count++] = *row;
}

// The batch's row of this key; a new one counts nothing yet.
static struct sighting_row *row_of(struct sightings *s, const struct sighting_row *like) {
    text_reset(&s->key);
    text_addc(&s->key, (char)like->kind);
    text_addc(&s->key, like->livemode ? '1' : '0');
    text_add_u64(&s->key, like->whose.n);
    text_addc(&s->key, ' ');
    text_add(&s->key, like->whose);
    text_add(&s->key, like->what);
    ensure(!s->key.failed);
    struct sighting_row *row = map_get(&s->by_key, text_bytes(&s->key));
    if (row != NULL)
        return row;
    if (s->count == 0)
        arena_init(&s->memory, BATCH_MEMORY_MAX);
    if (s->count == s->cap) {
        s->cap = s->cap > 0 ? s->cap * 2 : 64;
        s->rows = memory_grow(s->rows, s->cap, sizeof(struct sighting_row *));
    }
    row = arena_take(&s->memory, sizeof *row);
    ensure(row != NULL);
    *row = *like;
    row->whose = arena_copy(&s->memory, like->whose);
    row->what = arena_copy(&s->memory, like->what);
    ensure(row->whose.n == like->whose.n && row->what.n == like->what.n);
    row->count = 0;
    map_put(&s->by_key, text_bytes(&s->key), row);
    s->rows[s->count++] = row;
    return row;
}

void sightings_keep_record(struct sightings *s) {
    for (size_t i = 0; i < s->noted_count; i++) {
        const struct sighting_row *seen = &s->noted[i];
        struct sighting_row **latest = &s->latest[seen->kind];
        if (*latest == NULL || !same(*latest, seen))
            *latest = row_of(s, seen);
        sighting_merge(*latest, seen);
    }
    s->noted_count = 0;
}

result sightings_write(struct sightings *s, struct store *to, uint32_t left_out[SIGHTING_KINDS]) {
    for (size_t i = 0; i < s->count; i++) {
        const struct sighting_row *row = s->rows[i];
        result added = to->sighting_add(to, row);
        if (!failed_as(added, FAIL_ABSENT)) {
            TRY(added);
            continue;
        }
        enum sighting kind = row->kind;
        if (!s->asked[kind])
            TRY(to->sighting_count(to, kind, &s->stored[kind]));
        s->asked[kind] = true;
        if (s->stored[kind] >= limits[kind]) {
            left_out[kind] += (uint32_t)row->count;
            continue;
        }
        TRY(to->sighting_insert(to, row));
        s->stored[kind]++;
    }
    return OK;
}

void sightings_written(struct sightings *s) { forget_batch(s); }
