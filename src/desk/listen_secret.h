// SPDX-License-Identifier: MIT
// What events are signed with for who listens: a secret that follows from the gateway's sealing key
// and the caller's own, so that it is the same at each of his sessions and nothing is kept of it.
// Another sealing key makes other secrets. Pure.
#ifndef DESK_LISTEN_SECRET_H
#define DESK_LISTEN_SECRET_H

#include "base/hmac.h"
#include "base/seal.h"

#define LISTEN_SECRET_MAX 39 // "whsec_", 32 letters and digits, NUL

// `caller`: SHA-256 of his key (struct caller). The secret is the caller's to wipe.
void listen_secret(const uint8_t sealing_key[SEAL_KEY_SIZE], const uint8_t caller[SHA256_SIZE],
                   char out[LISTEN_SECRET_MAX]);

#endif
