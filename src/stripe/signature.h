// SPDX-License-Identifier: MIT
// Stripe's signature scheme v1 (https://docs.stripe.com/webhooks#verify-manually): a header
// `t=<unix seconds>,v1=<64 hex>[,v1=…][,v0=…]`, where v1 is the HMAC-SHA256 of `t`, a dot and the
// raw body under the whole secret string, "whsec_" included. Pure; the body may arrive in pieces.
//
// We are as strict as the strictest SDK: no spaces, `t` exactly once, digits only and used as
// written (a leading zero or a sign is malformed), v1 exactly 64 lower-case digits, compared in
// constant time. Schemes other than v1 are ignored.
//
// Of a ring's secrets the one that matched last is tried first, while the body arrives; the others
// only if it does not match. So a ring costs one HMAC for each event as long as one secret signs,
// and how long a check takes may tell which of our secrets signed, never anything of a secret. A
// forged signature costs an HMAC for each secret (2 µs for 3 KB): that is what limits a ring.
#ifndef STRIPE_SIGNATURE_H
#define STRIPE_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/hmac.h"

#define SIGNATURE_CANDIDATES_MAX 16 // v1 items looked at; a header with more is malformed
#define SIGNATURE_HEADER_MAX 4096   // bytes of a header looked at; a longer one is malformed
#define SECRETS_MAX 64              // secrets in a ring

struct signature {
    int64_t time;    // t, seconds
    bytes time_text; // t as written, inside the parsed header
    uint8_t candidates[SIGNATURE_CANDIDATES_MAX][SHA256_SIZE];
    size_t candidate_count;
};

enum signature_verdict {
    SIGNATURE_HOLDS,
    SIGNATURE_MISSING,   // no header, or an empty one
    SIGNATURE_MALFORMED, // no t, two t, no v1, an item that is none
    SIGNATURE_NO_MATCH,
    SIGNATURE_TOO_OLD,
    SIGNATURE_IN_FUTURE,
    SIGNATURE_RETIRED, // it matches a secret that is not in force: not yet, or no more
};

// HOLDS here means: parsed. MISSING or MALFORMED otherwise.
enum signature_verdict signature_parse(bytes header, struct signature *out);
// What a malformed header lacks, in the order in which Stripe's SDKs look: no item is named t; none
// is named v1; else one of the items there are breaks a rule.
enum signature_lack { SIGNATURE_NO_TIME, SIGNATURE_NO_V1, SIGNATURE_BAD_ITEM };
enum signature_lack signature_lack(bytes header);

// A message begins with its time and a dot; the body's pieces follow.
void signature_start(struct hmac *message, const struct hmac_key *key, bytes time_text);
// Is one of the candidates, SHA256_SIZE bytes each, the message's? Ends the message.
bool signature_matches(struct hmac *message, const uint8_t *candidates, size_t count);
// HOLDS, TOO_OLD or IN_FUTURE: |now_s - time_s| > tolerance_s, which is not negative.
enum signature_verdict signature_age(int64_t time_s, int64_t now_s, int64_t tolerance_s);

#define SIGNATURE_SIZE 96 // bytes of "t=…,v1=…" at most, its NUL counted
// Writes it, ended by NUL, and returns its length; time_s is not negative.
size_t signature_write(const struct hmac_key *key, int64_t time_s, bytes body,
                       char out[SIGNATURE_SIZE]);

// What follows takes memory (signature_ring.c).

// The keys of a ring of secrets; one thread. The secrets themselves are not kept.
struct signature_ring;
struct signature_ring *signature_ring_open(const bytes *secrets, size_t count); // 1 to SECRETS_MAX
void signature_ring_close(struct signature_ring *r);                            // null is allowed
// The secret is in force from not_before_s on and until not_after_s, which is no longer in it
// (Unix seconds; 0: no limit).
void signature_ring_limit(struct signature_ring *r, size_t secret, int64_t not_before_s,
                          int64_t not_after_s);

// One verification under way: start with a parsed header, add the body's pieces, finish. A ring may
// have any number of them, and outlasts them.
struct signature_check;
struct signature_check *signature_check_open(struct signature_ring *r, const struct signature *s);
void signature_check_add(struct signature_check *c, bytes piece);
// `body` is all that was added, in one. `which` gets the index of the secret that matched. First
// the signature, then the age: |now - t| > tolerance_s is TOO_OLD or IN_FUTURE; then whether the
// secret is in force at now_s, else RETIRED. Frees the check.
enum signature_verdict signature_check_finish(struct signature_check *c, bytes body, int64_t now_s,
                                              int64_t tolerance_s, size_t *which);
void signature_check_close(struct signature_check *c); // given up; null is allowed

// Signs for a destination: appends "t=…,v1=…" (77 bytes or so) for the body.
struct text;
void signature_sign(const struct hmac_key *key, int64_t time_s, bytes body, struct text *out);
// Appends another secret's ",v1=…" to it, as Stripe does while a secret is rolled.
void signature_sign_also(const struct hmac_key *key, int64_t time_s, bytes body, struct text *out);

// "no v1 item" and the like, for an operator; tells nothing about secrets.
const char *signature_verdict_text(enum signature_verdict v);

#endif
