// SPDX-License-Identifier: MIT
#include "http/head.h"

#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/metrics.h"

#define FIRST_CAP 2048 // most requests fit

static void give_one(struct http_budget *b, size_t n) {
    int64_t used = atomic_fetch_sub_explicit(&b->used, (int64_t)n, memory_order_relaxed);
    ensure(used >= (int64_t)n);
}

static bool take_one(struct http_budget *b, size_t n) {
    int64_t used = atomic_fetch_add_explicit(&b->used, (int64_t)n, memory_order_relaxed);
    if (used + (int64_t)n <= b->max)
        return true;
    give_one(b, n);
    return false;
}

bool http_budget_take(struct http_budget *b, size_t n) {
    if (!take_one(b, n))
        return false;
    if (b->whole != NULL && !take_one(b->whole, n)) {
        give_one(b, n);
        return false;
    }
    metric_add(METRIC_STRANGER_BYTES, n);
    return true;
}

void http_budget_give(struct http_budget *b, size_t n) {
    give_one(b, n);
    if (b->whole != NULL)
        give_one(b->whole, n);
    metric_add(METRIC_STRANGER_BYTES, 0 - (uint64_t)n);
}

static struct head *take_block(struct http_budget *b, size_t cap) {
    if (!http_budget_take(b, sizeof(struct head) + cap))
        return NULL;
    struct head *h = memory_grow(NULL, 1, sizeof *h + cap); // not zeroed: it is filled in order
    h->cap = cap;
    return h;
}

struct head *head_open(struct http_budget *b, size_t max) {
    struct head *h = take_block(b, max < FIRST_CAP ? max : FIRST_CAP);
    if (h == NULL)
        return NULL;
    h->n = 0;
    h->in_name = false;
    h->request.target = h->request.path = h->request.query = NO_BYTES;
    h->request.header_count = 0;
    h->request.old = h->request.has_length = false;
    h->request.length = 0;
    return h;
}

void head_close(struct head *h, struct http_budget *b) {
    if (h == NULL)
        return;
    http_budget_give(b, sizeof *h + h->cap);
    free(h);
}

static void rebase(bytes *b, const struct head *from, struct head *to) {
    if (b->n > 0)
        b->p = to->bytes + (b->p - from->bytes);
}

static bool grow(struct head **h, struct http_budget *b, size_t need, size_t max) {
    struct head *old = *h;
    size_t cap = old->cap;
    while (cap < need)
        cap *= 2;
    struct head *new = take_block(b, cap < max ? cap : max);
    if (new == NULL)
        return false;
    cap = new->cap;
    memcpy(new, old, sizeof *old + old->n);
    new->cap = cap;
    rebase(&new->request.target, old, new);
    for (size_t i = 0; i < new->request.header_count; i++) {
        rebase(&new->request.headers[i].name, old, new);
        rebase(&new->request.headers[i].value, old, new);
    }
    head_close(old, b);
    *h = new;
    return true;
}

// Appends to the text of the field at `offset` in the block, which is the last one begun.
static enum head_end append(struct head **h, struct http_budget *b, size_t max, size_t offset,
                            bytes piece) {
    if (piece.n == 0)
        return HEAD_FITS;
    size_t need = (*h)->n + piece.n;
    if (need > max)
        return HEAD_TOO_MANY;
    if (need > (*h)->cap && !grow(h, b, need, max))
        return HEAD_NO_MEMORY;
    struct head *now = *h;
    bytes *field = (bytes *)(void *)((char *)now + offset);
    if (field->n == 0)
        field->p = now->bytes + now->n;
    memcpy(now->bytes + now->n, piece.p, piece.n);
    field->n += piece.n;
    now->n = need;
    return HEAD_FITS;
}

static size_t offset_in(const struct head *h, const bytes *field) {
    return (size_t)((const char *)field - (const char *)h);
}

enum head_end head_add_target(struct head **h, struct http_budget *b, size_t max, bytes piece) {
    return append(h, b, max, offset_in(*h, &(*h)->request.target), piece);
}

enum head_end head_add_name(struct head **h, struct http_budget *b, size_t max, bytes piece) {
    struct http_request *r = &(*h)->request;
    if (!(*h)->in_name) {
        if (r->header_count == HTTP_HEADERS_MAX)
            return HEAD_TOO_MANY;
        r->headers[r->header_count++] = (struct http_header){NO_BYTES, NO_BYTES};
        (*h)->in_name = true;
    }
    return append(h, b, max, offset_in(*h, &r->headers[r->header_count - 1].name), piece);
}

void head_end_name(struct head *h) { h->in_name = false; }

enum head_end head_add_value(struct head **h, struct http_budget *b, size_t max, bytes piece) {
    struct http_request *r = &(*h)->request;
    ensure(r->header_count > 0);
    return append(h, b, max, offset_in(*h, &r->headers[r->header_count - 1].value), piece);
}

// RFC 9112 §3.2: origin form, absolute form, authority form (CONNECT) or "*".
bool head_finish(struct head *h) {
    struct http_request *r = &h->request;
    for (size_t i = 0; i < r->header_count; i++)
        r->headers[i].value = bytes_trim(r->headers[i].value);
    bytes t = r->target;
    if (bytes_find(t, '#') < t.n)
        return false;
    size_t scheme = bytes_search(t, B("://"));
    if (t.n > 0 && t.p[0] != '/' && scheme < bytes_find(t, '?')) {
        t = bytes_slice(t, scheme + 3, t.n);
        size_t slash = bytes_find(t, '/'), mark = bytes_find(t, '?');
        t = bytes_slice(t, slash < mark ? slash : mark, t.n);
    }
    size_t mark = bytes_find(t, '?');
    r->path = bytes_slice(t, 0, mark);
    r->query = bytes_slice(t, mark + 1, t.n);
    if (r->path.n == 0)
        r->path = B("/");
    return true;
}
