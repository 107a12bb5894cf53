// SPDX-License-Identifier: MIT
#define OPENSSL_SUPPRESS_DEPRECATED // base/hmac.h says why
#include "base/hmac.h"

#include <openssl/sha.h>
#include <string.h>

#define BLOCK 64

_Static_assert(sizeof(struct sha256) == sizeof(SHA256_CTX), "libcrypto's state under our name");

static SHA256_CTX *context(struct sha256 *s) { return (SHA256_CTX *)s->words; }

static void begin(struct sha256 *s, const uint8_t key[BLOCK], uint8_t pad) {
    uint8_t block[BLOCK];
    for (size_t i = 0; i < BLOCK; i++)
        block[i] = key[i] ^ pad;
    SHA256_Init(context(s));
    SHA256_Update(context(s), block, BLOCK);
    explicit_bzero(block, BLOCK);
}

void hmac_key_init(struct hmac_key *k, bytes key) {
    uint8_t block[BLOCK] = {0};
    if (key.n > BLOCK) {
        SHA256_Init(context(&k->inner));
        SHA256_Update(context(&k->inner), key.p, key.n);
        SHA256_Final(block, context(&k->inner));
    } else if (key.n > 0) {
        memcpy(block, key.p, key.n);
    }
    begin(&k->inner, block, 0x36);
    begin(&k->outer, block, 0x5c);
    explicit_bzero(block, BLOCK);
}

void hmac_key_wipe(struct hmac_key *k) { explicit_bzero(k, sizeof *k); }

void hmac_start(struct hmac *h, const struct hmac_key *key) {
    h->key = key;
    h->now = key->inner;
}

void hmac_add(struct hmac *h, bytes b) {
    if (b.n > 0)
        SHA256_Update(context(&h->now), b.p, b.n);
}

void hmac_finish(struct hmac *h, uint8_t out[SHA256_SIZE]) {
    SHA256_Final(out, context(&h->now));
    h->now = h->key->outer;
    SHA256_Update(context(&h->now), out, SHA256_SIZE);
    SHA256_Final(out, context(&h->now));
}
