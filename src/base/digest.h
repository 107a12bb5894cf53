// SPDX-License-Identifier: MIT
// SHA-256 and HMAC-SHA256 (RFC 2104, FIPS 180-4) by libcrypto, with the set-up of keys kept: one
// EVP_MAC context a secret and thread is initialised once and duplicated or re-used per message.
// And XXH3 by libxxhash, for damage alone: much faster, and no defence against who forges.
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdint.h>

#include "base/bytes.h"

#define SHA256_SIZE 32

// One pass over the concatenation of `n` parts.
void digest_sha256(const bytes *parts, size_t n, uint8_t out[SHA256_SIZE]);

#define XXH3_SIZE 16
// XXH3, 128 bits, of b under a seed; in its canonical order of bytes.
void digest_xxh3(bytes b, uint64_t seed, uint8_t out[XXH3_SIZE]);

// A keyed HMAC. One thread at a time.
struct hmac;
struct hmac *hmac_open(bytes key); // copies the key into libcrypto; never null
// Another with the same key, for a message beside this one; cheaper than to set the key up anew.
struct hmac *hmac_copy(struct hmac *h);
void hmac_close(struct hmac *h); // null is allowed
void hmac_start(struct hmac *h); // begins a message, dropping an unfinished one
void hmac_add(struct hmac *h, bytes b);
void hmac_finish(struct hmac *h, uint8_t out[SHA256_SIZE]);

#endif
