// SPDX-License-Identifier: MIT
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/random.h"

#define FIRST_SLOTS 16

// Open addressing, linear probing, deletion by moving back, so that there are no tombstones. No
// value: free.
struct map_slot {
    uint64_t hash;
    uint8_t *key;
    size_t key_n;
    void *value;
};

static uint64_t turn(uint64_t v, unsigned by) { return v << by | v >> (64 - by); }

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = turn(v[1], 13) ^ v[0];
    v[3] = turn(v[3], 16) ^ v[2];
    v[0] = turn(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = turn(v[3], 21) ^ v[0];
    v[1] = turn(v[1], 17) ^ v[2];
    v[2] = turn(v[2], 32);
}

// SipHash-1-3 (Aumasson, Bernstein): with a secret seed nobody can aim keys at one slot.
static uint64_t hash_of(uint64_t seed, bytes key) {
    uint64_t k0 = random_next(&seed), k1 = random_next(&seed);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                     k1 ^ 0x7465646279746573u};
    uint64_t word;
    size_t at = 0;
    for (; key.n - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, key.p + at, sizeof(word));
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)key.n << 56;
    for (unsigned shift = 0; at < key.n; at++, shift += 8)
        word |= (uint64_t)key.p[at] << shift;
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

// The slot of this key, or the free one where it belongs. There is always a free slot.
static size_t slot_of(const struct map *m, uint64_t hash, bytes key) {
    size_t at = hash & (m->cap - 1);
    for (; m->slots[at].value != NULL; at = (at + 1) & (m->cap - 1)) {
        const struct map_slot *s = &m->slots[at];
        if (s->hash == hash && bytes_equal(bytes_from(s->key, s->key_n), key))
            break;
    }
    return at;
}

static void widen(struct map *m) {
    struct map old = *m;
    m->cap = old.cap == 0 ? FIRST_SLOTS : old.cap * 2;
    m->slots = NEW_ARRAY(struct map_slot, m->cap);
    for (size_t i = 0; i < old.cap; i++) {
        const struct map_slot *s = &old.slots[i];
        if (s->value != NULL)
            m->slots[slot_of(m, s->hash, bytes_from(s->key, s->key_n))] = *s;
    }
    free(old.slots);
}

void map_drop(struct map *m) {
    for (size_t i = 0; i < m->cap; i++)
        free(m->slots[i].key);
    free(m->slots);
    *m = (struct map){.seed = m->seed};
}

void *map_get(const struct map *m, bytes key) {
    return m->n == 0 ? NULL : m->slots[slot_of(m, hash_of(m->seed, key), key)].value;
}

void *map_put(struct map *m, bytes key, void *value) {
    ensure(value != NULL);
    if (m->n + 1 > m->cap / 4 * 3)
        widen(m);
    uint64_t hash = hash_of(m->seed, key);
    struct map_slot *s = &m->slots[slot_of(m, hash, key)];
    void *before = s->value;
    if (before == NULL) {
        s->hash = hash;
        s->key = (uint8_t *)bytes_strdup(key);
        s->key_n = key.n;
        m->n++;
    }
    s->value = value;
    return before;
}

void *map_remove(struct map *m, bytes key) {
    if (m->n == 0)
        return NULL;
    size_t mask = m->cap - 1, hole = slot_of(m, hash_of(m->seed, key), key);
    void *before = m->slots[hole].value;
    if (before == NULL)
        return NULL;
    free(m->slots[hole].key);
    for (size_t at = (hole + 1) & mask; m->slots[at].value != NULL; at = (at + 1) & mask) {
        // It may move back to the hole unless its home lies between them.
        size_t home = m->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            m->slots[hole] = m->slots[at];
            hole = at;
        }
    }
    m->slots[hole] = (struct map_slot){0};
    m->n--;
    return before;
}

bool map_next(const struct map *m, size_t *at, bytes *key, void **value) {
    for (; *at < m->cap; ++*at) {
        const struct map_slot *s = &m->slots[*at];
        if (s->value == NULL)
            continue;
        *key = bytes_from(s->key, s->key_n);
        *value = s->value;
        ++*at;
        return true;
    }
    return false;
}
