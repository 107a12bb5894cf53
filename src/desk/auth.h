// SPDX-License-Identifier: MIT
// Who asks: the key of a request, and what the books know of it. The text of a key is hashed as
// soon as it was read and never kept.
#ifndef DESK_AUTH_H
#define DESK_AUTH_H

#include "base/digest.h"
#include "http/request.h"
#include "ledger/ledger.h"
#include "rules/key_mode.h"

#define AUTH_CACHE_SIZE 32
#define AUTH_CACHE_US 3000000  // how long a key is taken as known
#define AUTH_FIRST_US 60000000 // and one that was just made, before it is booked
#define KEY_ID_KEPT 64

struct caller {
    bool has_key; // one that has a key's form
    uint8_t hash[SHA256_SIZE];
    bool revoked;        // as the books say
    const char *foreign; // how a key begins that is none of ours, if Stripe's begin so; constant
    enum key_mode mode;
    char id[KEY_ID_KEPT]; // NUL-terminated, once known
};

struct auth_cache {
    struct auth_entry {
        int64_t until_us; // 0: empty
        struct caller caller;
    } entries[AUTH_CACHE_SIZE];
    size_t next;
    uint64_t epoch; // rises when it is emptied
};

// Reads the Authorization header: Bearer, or Basic with the key as user.
void auth_read(const struct http_request *r, struct caller *out);
// Completes the caller if his key is known since less than AUTH_CACHE_US.
bool auth_known(const struct auth_cache *c, struct caller *caller, int64_t now_us);
// Is this row, found by the hash, a key that is valid? Then the caller is completed.
bool auth_check(const struct key_row *row, struct caller *caller);
// Unless the cache was emptied since `epoch`.
void auth_remember(struct auth_cache *c, uint64_t epoch, const struct caller *caller,
                   int64_t now_us);
// A key whose record is durable and about to be booked.
void auth_expect(struct auth_cache *c, enum key_mode mode, const uint8_t hash[SHA256_SIZE],
                 int64_t now_us);
void auth_forget(struct auth_cache *c); // all

#endif
