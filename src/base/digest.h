// SPDX-License-Identifier: MIT
// SHA-256 (FIPS 180-4) by libcrypto, and SHA-1 for what a protocol wants it for alone. And XXH3 by
// libxxhash, for damage alone: much faster, and no defence against who forges. What is keyed is
// base/hmac.h.
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/hmac.h"

// One pass over the concatenation of `n` parts.
void digest_sha256(const bytes *parts, size_t n, uint8_t out[SHA256_SIZE]);

#define SHA1_SIZE 20
void digest_sha1(bytes b, uint8_t out[SHA1_SIZE]);

#define XXH3_SIZE 16
// XXH3, 128 bits, of b under a seed; in its canonical order of bytes.
void digest_xxh3(bytes b, uint64_t seed, uint8_t out[XXH3_SIZE]);

#endif
