// SPDX-License-Identifier: MIT
#include "config/bind.h"

result bind_take(struct binding *b, size_t count, size_t size, void *out) {
    size_t n;
    NEED(!__builtin_mul_overflow(count, size, &n), MEMORY, "the configuration is too large");
    void *p = n == 0 ? NULL : arena_take(&b->c->memory, n);
    NEED(n == 0 || p != NULL, MEMORY, "the configuration is too large");
    *(void **)out = p;
    return OK;
}

result bind_copy(struct binding *b, bytes text, bytes *out) {
    *out = arena_copy(&b->c->memory, text);
    NEED(out->p != NULL, MEMORY, "the configuration is too large");
    return OK;
}

result bind_text(struct binding *b, const struct node *map, enum key key, bytes *out) {
    const struct node *n = tree_get(map, key);
    return bind_copy(b, n == NULL || n->bad ? NO_BYTES : n->text, out);
}

struct node *bind_first(struct node *of) {
    if (of == NULL || of->bad || of->shape == NODE_MAP)
        return NULL;
    return of->shape == NODE_SCALAR ? of : of->first;
}

size_t bind_count(struct node *of) {
    if (bind_first(of) == NULL)
        return 0;
    return of->shape == NODE_SCALAR ? 1 : of->count;
}

struct node *bind_next(struct node *of, const struct node *n) {
    return of == n ? NULL : n->next;
}

result bind_texts(struct binding *b, const struct node *map, enum key key, bytes **out,
                  size_t *count) {
    struct node *of = tree_get(map, key);
    *count = bind_count(of);
    TRY(bind_take(b, *count, sizeof(bytes), out));
    size_t i = 0;
    for (struct node *n = bind_first(of); n != NULL; n = bind_next(of, n))
        TRY(bind_copy(b, n->text, &(*out)[i++]));
    return OK;
}

int64_t bind_number(const struct node *map, enum key key) {
    const struct node *n = tree_get(map, key);
    return n == NULL || n->bad ? 0 : n->number;
}

const struct node *bind_same(const struct node *map, enum key key) {
    const struct node *mine = tree_get(map, key);
    if (mine == NULL || mine->bad || mine->text.n == 0)
        return NULL;
    for (const struct node *other = map->parent->first; other != map; other = other->next) {
        const struct node *theirs = tree_get(other, key);
        if (theirs != NULL && !theirs->bad && bytes_equal(theirs->text, mine->text))
            return theirs;
    }
    return NULL;
}

enum mode bind_mode(const struct node *map, enum key key) {
    const struct node *n = tree_get(map, key);
    enum mode mode = MODE_BOTH;
    return n != NULL && !n->bad && mode_parse(n->text, &mode) == OK ? mode : MODE_BOTH;
}

enum scope bind_scope(const struct node *map, enum key key) {
    const struct node *n = tree_get(map, key);
    enum scope scope = SCOPE_ANY;
    return n != NULL && !n->bad && scope_parse(n->text, &scope) == OK ? scope : SCOPE_ANY;
}

result bind_waits(struct binding *b, const struct node *map, enum key key, int64_t **out,
                  size_t *count) {
    struct node *of = tree_get(map, key);
    *count = bind_count(of);
    if (*count > RETRIES_MAX)
        complain(b->r, of, "found %zu waits; at most %d are allowed", *count, RETRIES_MAX);
    TRY(bind_take(b, *count, sizeof(**out), out));
    size_t i = 0;
    for (struct node *n = bind_first(of); n != NULL; n = bind_next(of, n))
        (*out)[i++] = n->number;
    return OK;
}

bytes bind_fingerprint(struct binding *b, bytes secret) {
    char hex[13];
    if (secret.n == 0)
        return NO_BYTES;
    config_fingerprint(secret, hex);
    return arena_copy(&b->c->memory, bytes_of(hex));
}
