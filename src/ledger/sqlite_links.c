// SPDX-License-Identifier: MIT
#include "ledger/sqlite_links.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

// Objects are numbered one after the other, so that their numbers spread by themselves.
static size_t *newest_at(const struct links *l, uint64_t above) {
    return &l->newest[above & (l->cap - 1)];
}

static void link_in(struct links *l, size_t i) {
    size_t *newest = newest_at(l, l->at[i].link.above);
    l->at[i].before = *newest;
    *newest = i + 1;
}

static void widen(struct links *l) {
    l->cap = l->cap > 0 ? l->cap * 2 : 1024;
    l->at = memory_grow(l->at, l->cap, sizeof *l->at);
    free(l->newest);
    l->newest = memory_new(l->cap, sizeof *l->newest);
    for (size_t i = 0; i < l->n; i++)
        link_in(l, i);
}

void links_add(struct links *l, const struct link_row *link) {
    if (l->n == l->cap)
        widen(l);
    l->at[l->n].link = *link;
    link_in(l, l->n++);
}

bool links_next(bytes *pairs, struct link_row *out) {
    return site_numbers_next(pairs, &out->above) && site_numbers_next(pairs, &out->below);
}

result links_load(struct links *l, sqlite3_stmt *read) {
    if (l->loaded)
        return OK;
    int code;
    struct link_row link;
    while ((code = sqlite3_step(read)) == SQLITE_ROW)
        for (bytes rest = sqlite_bytes(read, 0); links_next(&rest, &link);)
            links_add(l, &link);
    if (code != SQLITE_DONE) {
        links_drop(l);
        return sqlite_failed(code);
    }
    l->stored = l->n;
    l->loaded = true;
    return OK;
}

static int by_number(const void *x, const void *y) {
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return (a > b) - (a < b);
}

result links_gathered(const struct links *l, uint64_t above, struct arena *a, uint64_t **out,
                      size_t *n) {
    size_t newest = l->n > 0 ? *newest_at(l, above) : 0, count = 0;
    for (size_t i = newest; i != 0; i = l->at[i - 1].before)
        count += l->at[i - 1].link.above == above;
    *n = 0;
    *out = count > 0 ? arena_take(a, count * sizeof **out) : NULL;
    NEED(count == 0 || *out != NULL, MEMORY, "numbers are larger than the arena");
    for (size_t i = newest; i != 0; i = l->at[i - 1].before)
        if (l->at[i - 1].link.above == above)
            (*out)[(*n)++] = l->at[i - 1].link.below;
    if (count > 0)
        qsort(*out, count, sizeof **out, by_number);
    return OK;
}

void links_back_to(struct links *l, size_t n) {
    for (; l->n > n; l->n--) // the last one is the newest of its slot
        *newest_at(l, l->at[l->n - 1].link.above) = l->at[l->n - 1].before;
}

void links_drop(struct links *l) {
    free(l->newest);
    free(l->at);
    *l = (struct links){0};
}

void links_pack(const struct links *l, struct text *out) {
    for (size_t i = l->stored; i < l->n; i++) {
        site_numbers_add(out, l->at[i].link.above);
        site_numbers_add(out, l->at[i].link.below);
    }
}

static int by_link(const void *x, const void *y) {
    const struct link_row *a = &((const struct gathered *)x)->link;
    const struct link_row *b = &((const struct gathered *)y)->link;
    if (a->above != b->above)
        return a->above < b->above ? -1 : 1;
    return (a->below > b->below) - (a->below < b->below);
}

void links_sort(struct links *l) {
    if (l->n > 0)
        qsort(l->at, l->n, sizeof *l->at, by_link);
}

size_t links_pack_row(const struct links *l, size_t at, struct text *more) {
    const struct link_row *last = &l->at[at].link;
    size_t end = at + 1;
    while (end < l->n && end - at < LINKS_ROW_MAX && l->at[end].link.above == last->above) {
        site_numbers_add(more, l->at[end].link.below - last->below);
        last = &l->at[end++].link;
    }
    return end;
}

void numbers_add(struct numbers *list, uint64_t number) {
    if (list->n == list->cap) {
        list->cap = list->cap > 0 ? list->cap * 2 : 16;
        list->at = memory_grow(list->at, list->cap, sizeof *list->at);
    }
    list->at[list->n++] = number;
}

void numbers_drop(struct numbers *list) {
    free(list->at);
    *list = (struct numbers){0};
}

result numbers_take(const struct numbers *list, struct arena *a, uint64_t **out, size_t *n) {
    *n = 0;
    *out = list->n > 0 ? arena_take(a, list->n * sizeof **out) : NULL;
    NEED(list->n == 0 || *out != NULL, MEMORY,
         "numbers are larger than the arena they were asked into");
    if (list->n > 0)
        memcpy(*out, list->at, list->n * sizeof **out);
    *n = list->n;
    return OK;
}

result links_unpack_row(sqlite3_stmt *row, struct numbers *out) {
    uint64_t number = (uint64_t)sqlite3_column_int64(row, 0), higher;
    numbers_add(out, number);
    bytes rest = sqlite_bytes(row, 1);
    while (site_numbers_next(&rest, &higher))
        numbers_add(out, number += higher);
    NEED(rest.n == 0, CORRUPT, "a row of links is damaged");
    return OK;
}

// Of link_new, or all.
static result read_new(sqlite3 *db, struct links *l) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(sqlite_prepare(db, "SELECT pairs FROM link_new ORDER BY number", &q));
    return links_load(l, q);
}

// Sorted ones, below one object each; about max.
static result add_sorted(struct links *l, sqlite3_stmt *q, size_t max) {
    OWN(numbers_drop)
    struct numbers below = {0};
    int code = SQLITE_DONE;
    for (size_t n = 0; n < max && (code = sqlite3_step(q)) == SQLITE_ROW; n += below.n) {
        below.n = 0;
        TRY(links_unpack_row(q, &below));
        for (size_t i = 0; i < below.n; i++)
            links_add(l, &(struct link_row){(uint64_t)sqlite3_column_int64(q, 2), below.at[i]});
    }
    return sqlite_failed(code);
}

result links_below_read(sqlite3 *db, uint64_t above, size_t max, struct arena *a, uint64_t **out,
                        size_t *n) {
    OWN(links_drop)
    struct links l = {0};
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    *n = 0;
    TRY(read_new(db, &l));
    TRY(sqlite_prepare(db, "SELECT below, more, above FROM link WHERE above = ?1 ORDER BY below",
                       &q));
    sqlite3_bind_int64(q, 1, (int64_t)above);
    TRY(add_sorted(&l, q, max));
    return links_gathered(&l, above, a, out, n);
}

result links_dump(sqlite3 *db, struct text *out) {
    OWN(links_drop)
    struct links l = {0};
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(read_new(db, &l));
    TRY(sqlite_prepare(db, "SELECT below, more, above FROM link", &q));
    TRY(add_sorted(&l, q, SIZE_MAX));
    links_sort(&l);
    for (size_t i = 0; i < l.n; i++)
        row_dump(&shape_link, &l.at[i].link, out);
    return OK;
}
