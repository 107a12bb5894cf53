// SPDX-License-Identifier: MIT
// HMAC-SHA256 (RFC 2104, FIPS 180-4) by libcrypto's blocks, in memory of the caller's: nothing here
// allocates, fails, or touches what the process shares, so that libhookkeep can be anybody's guest.
//
// That is why it is written over SHA256_Init, _Update and _Final, which OpenSSL calls deprecated
// (and has, up to 4.1): EVP_MAC allocates for each message, reads OpenSSL's configuration when it
// is first asked, and is slower, 2.8 µs for 3.2 KB against 2.5.
#ifndef BASE_HMAC_H
#define BASE_HMAC_H

#include <stdint.h>

#include "base/bytes.h"

#define SHA256_SIZE 32

struct sha256 {
    uint64_t words[14]; // SHA256_CTX
};

// A key that is set up: who has it can sign. Read-only afterwards, so any thread may use it.
struct hmac_key {
    struct sha256 inner, outer;
};
void hmac_key_init(struct hmac_key *k, bytes key); // of any length; it is not kept
void hmac_key_wipe(struct hmac_key *k);            // zeros that the compiler keeps

// A message under a key, which must stay as long. Any number may be under way.
struct hmac {
    const struct hmac_key *key;
    struct sha256 now;
};
void hmac_start(struct hmac *h, const struct hmac_key *key);
void hmac_add(struct hmac *h, bytes b);
void hmac_finish(struct hmac *h, uint8_t out[SHA256_SIZE]); // start it again before more is added

#endif
