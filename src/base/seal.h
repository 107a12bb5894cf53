// SPDX-License-Identifier: MIT
// Sealing: what is kept at rest so that only who has the key can read it (AES-256-GCM, NIST SP
// 800-38D). A sealed text is bound to what it is for: opened for something else it is none. Whoever
// copies books without the key's file has no secrets. Pure; nonces come in from the caller's clock.
#ifndef BASE_SEAL_H
#define BASE_SEAL_H

#include "base/text.h"

#define SEAL_KEY_SIZE 32
#define SEAL_NONCE_SIZE 12

// Appends the sealed form in hexadecimal: a version, the nonce, the text, its tag. A nonce is used
// once. `purpose`: what it is for, as "we_1"; it is not kept.
void seal_close(const uint8_t key[SEAL_KEY_SIZE], const uint8_t nonce[SEAL_NONCE_SIZE],
                bytes purpose, bytes plain, struct text *out);
// Appends the plain text. INVALID: not of this form, of another key or purpose, or changed.
must result seal_open(const uint8_t key[SEAL_KEY_SIZE], bytes purpose, bytes sealed,
                      struct text *out);

#endif
