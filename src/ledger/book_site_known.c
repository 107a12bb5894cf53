// SPDX-License-Identifier: MIT
// The objects at hand, found by number and by key. They are linked into their slots, so that one
// more costs no allocation of its own.
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/memory.h"
#include "ledger/book_site_internal.h"

#define SLOTS_FIRST 8192
#define KNOWN_MAX 16384
#define KNOWN_BYTES_MAX (8u << 20)

static uint64_t hash_of(bytes key) {
    uint8_t digest[XXH3_SIZE];
    uint64_t hash;
    digest_xxh3(key, 0, digest);
    memcpy(&hash, digest, sizeof hash);
    return hash;
}

static struct known **numbered(const struct knowns_at_hand *h, uint64_t number) {
    return &h->by_number[number & (h->slots - 1)];
}

static struct known **named(const struct knowns_at_hand *h, uint64_t hash) {
    return &h->by_key[hash & (h->slots - 1)];
}

static void link_in(struct knowns_at_hand *h, struct known *k) {
    struct known **number = numbered(h, k->row->number), **key = named(h, k->hash);
    k->next_number = *number;
    *number = k;
    k->next_key = *key;
    *key = k;
}

static void widen(struct knowns_at_hand *h) {
    struct knowns_at_hand old = *h;
    h->slots = old.slots > 0 ? old.slots * 2 : SLOTS_FIRST;
    h->by_number = memory_new(h->slots, sizeof(struct known *));
    h->by_key = memory_new(h->slots, sizeof(struct known *));
    for (size_t i = 0; i < old.slots; i++)
        for (struct known *k = old.by_number[i], *next; k != NULL; k = next) {
            next = k->next_number;
            link_in(h, k);
        }
    free(old.by_number);
    free(old.by_key);
}

void at_hand_add(struct knowns_at_hand *h, struct known *k) {
    if (h->n >= h->slots)
        widen(h);
    k->hash = hash_of(k->row->key);
    link_in(h, k);
    h->n++;
}

struct known *at_hand_numbered(const struct knowns_at_hand *h, uint64_t number) {
    struct known *k = h->slots > 0 ? *numbered(h, number) : NULL;
    while (k != NULL && k->row->number != number)
        k = k->next_number;
    return k;
}

struct known *at_hand_named(const struct knowns_at_hand *h, const struct site_object *o) {
    uint64_t hash = hash_of(o->key);
    struct known *k = h->slots > 0 ? *named(h, hash) : NULL;
    while (k != NULL &&
           (k->hash != hash || k->row->livemode != o->livemode ||
            !bytes_equal(k->row->key, o->key) || !bytes_equal(k->row->owner, o->owner)))
        k = k->next_key;
    return k;
}

bool at_hand_many(const struct knowns_at_hand *h) {
    return h->n > KNOWN_MAX || h->memory.used > KNOWN_BYTES_MAX;
}

// What a large spreading took is given back; the usual is filled again at once.
void at_hand_forget(struct knowns_at_hand *h) {
    if (h->n > 2 * KNOWN_MAX || h->memory.used > 2 * KNOWN_BYTES_MAX) {
        at_hand_drop(h);
        return;
    }
    h->n = 0;
    arena_reset(&h->memory);
    if (h->slots > 0) {
        memset(h->by_number, 0, h->slots * sizeof(struct known *));
        memset(h->by_key, 0, h->slots * sizeof(struct known *));
    }
}

void at_hand_drop(struct knowns_at_hand *h) {
    free(h->by_number);
    free(h->by_key);
    arena_drop(&h->memory);
    *h = (struct knowns_at_hand){0};
    arena_init(&h->memory, SIZE_MAX);
}
