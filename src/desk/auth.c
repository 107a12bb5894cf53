// SPDX-License-Identifier: MIT
#include "desk/auth.h"

#include <string.h>

#include "base/memory.h"
#include "desk/desk.h"

// More than any credentials with a key as user and a short password.
#define CREDENTIALS_MAX 512

static const char *foreign_prefix(bytes key) {
    static const char *const prefixes[] = {"sk_live_", "sk_test_", "rk_live_",
                                           "rk_test_", "pk_live_", "pk_test_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (bytes_starts(key, bytes_of(prefixes[i])))
            return prefixes[i];
    return NULL;
}

static void take_key(bytes key, struct caller *out) {
    if (!desk_key_formed(key, &out->mode)) {
        out->foreign = foreign_prefix(key);
        return;
    }
    digest_sha256(&key, 1, out->hash);
    out->has_key = true;
}

void auth_read(const struct http_request *r, struct caller *out) {
    *out = (struct caller){0};
    bytes value;
    if (!http_header_get(r, "Authorization", &value, NULL))
        return;
    bytes scheme = bytes_cut(&value, ' ');
    value = bytes_trim(value);
    if (bytes_equal_nocase(scheme, B("Bearer"))) {
        take_key(value, out);
    } else if (bytes_equal_nocase(scheme, B("Basic"))) {
        uint8_t credentials[CREDENTIALS_MAX];
        bytes user =
            bytes_from(credentials, bytes_from_base64(value, credentials, CREDENTIALS_MAX));
        take_key(bytes_slice(user, 0, bytes_find(user, ':')), out);
        memory_wipe(credentials, sizeof credentials);
    }
}

bool auth_known(const struct auth_cache *c, struct caller *caller, int64_t now_us) {
    for (size_t i = 0; i < AUTH_CACHE_SIZE; i++) {
        const struct auth_entry *e = &c->entries[i];
        if (e->until_us <= now_us || !bytes_equal_secret(bytes_from(e->caller.hash, SHA256_SIZE),
                                                         bytes_from(caller->hash, SHA256_SIZE)))
            continue;
        *caller = e->caller;
        return true;
    }
    return false;
}

bool auth_check(const struct key_row *row, struct caller *caller) {
    char hex[2 * SHA256_SIZE];
    bytes_to_hex(caller->hash, SHA256_SIZE, hex);
    enum key_mode mode = key_mode_find(row->mode);
    if (row->id.n >= sizeof caller->id || mode == KEY_MODES ||
        !bytes_equal_secret(row->hash, bytes_from(hex, sizeof hex)))
        return false;
    caller->revoked = row->revoked_at != 0;
    if (caller->revoked)
        return false;
    caller->mode = mode;
    memcpy(caller->id, row->id.p, row->id.n);
    caller->id[row->id.n] = '\0';
    return true;
}

void auth_remember(struct auth_cache *c, uint64_t epoch, const struct caller *caller,
                   int64_t now_us) {
    if (epoch != c->epoch)
        return;
    c->entries[c->next] = (struct auth_entry){now_us + AUTH_CACHE_US, *caller};
    c->next = (c->next + 1) % AUTH_CACHE_SIZE;
}

void auth_expect(struct auth_cache *c, enum key_mode mode, const uint8_t hash[SHA256_SIZE],
                 int64_t now_us) {
    struct caller caller = {.has_key = true, .mode = mode};
    memcpy(caller.hash, hash, SHA256_SIZE);
    desk_key_id_of(hash, caller.id);
    c->entries[c->next] = (struct auth_entry){now_us + AUTH_FIRST_US, caller};
    c->next = (c->next + 1) % AUTH_CACHE_SIZE;
}

void auth_forget(struct auth_cache *c) {
    memset(c->entries, 0, sizeof c->entries);
    c->epoch++;
}
