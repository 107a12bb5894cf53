/* SPDX-License-Identifier: MIT */
/*
 * Stripe's webhook signatures for programs that embed them: verify a Stripe-Signature header, or
 * make one. C89 and C++ compatible; link with the static libraries of the rooms stripe and base,
 * and libcrypto.
 *
 * The rules are the gateway's own, as strict as the strictest SDK: one `t` of decimal digits
 * without sign or leading zero, no white space, at most 16 `v1` items of 64 lower-case hexadecimal
 * digits, a header of at most 4096 bytes; other schemes are ignored. Comparison takes constant
 * time. Nothing here reads a clock or prints.
 */
#ifndef HOOKKEEP_SIGNATURE_H
#define HOOKKEEP_SIGNATURE_H

#include <stddef.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HOOKKEEP_SECRETS_MAX 64
#define HOOKKEEP_SIGNATURE_SIZE 96 /* bytes that hookkeep_sign needs at most, its NUL counted */
#define HOOKKEEP_TOLERANCE 300L    /* seconds; what the official SDKs use */

typedef enum hookkeep_verdict {
    HOOKKEEP_HOLDS = 0,
    HOOKKEEP_MISSING = 1,   /* no header, or an empty one */
    HOOKKEEP_MALFORMED = 2, /* the header breaks the rules above, or has no t or no v1 */
    HOOKKEEP_NO_MATCH = 3,  /* no v1 was made with one of the secrets over this body */
    HOOKKEEP_TOO_OLD = 4,   /* a v1 matches; t lies more than the tolerance before now */
    HOOKKEEP_IN_FUTURE = 5  /* a v1 matches; t lies more than the tolerance after now */
} hookkeep_verdict;

/* A secret as it stands in Stripe's dashboard, "whsec_" included. */
typedef struct hookkeep_secret {
    const char *bytes;
    size_t size;
} hookkeep_secret;

/*
 * Verifies under up to HOOKKEEP_SECRETS_MAX secrets, any of which may match (a secret being rolled
 * is two). One thread at a time may use a verifier. The secrets are copied into libcrypto; yours
 * may be wiped afterwards.
 */
typedef struct hookkeep_verifier hookkeep_verifier;

/* Null if count is 0 or over HOOKKEEP_SECRETS_MAX, or a secret is empty. Running out of memory
   aborts the program. */
hookkeep_verifier *hookkeep_verifier_open(const hookkeep_secret *secrets, size_t count);
void hookkeep_verifier_close(hookkeep_verifier *v); /* null is allowed */

/*
 * `header` need not end in NUL and may be null (HOOKKEEP_MISSING); `body` is the raw body and may
 * be null when its size is 0. `tolerance` is in seconds, a negative one counts as 0. `which` gets
 * the index of the secret that matched, unless it is null or none did. The signature is judged
 * before the age.
 */
hookkeep_verdict hookkeep_verify(hookkeep_verifier *v, const char *header, size_t header_size,
                                 const void *body, size_t body_size, time_t now, long tolerance,
                                 size_t *which);

/*
 * Writes the value of a Stripe-Signature header, ended by NUL, and returns its length without the
 * NUL; 0, and nothing is written, if `out_size` is too small, `at` is before 1970 or the secret is
 * empty.
 */
size_t hookkeep_sign(hookkeep_secret secret, time_t at, const void *body, size_t body_size,
                     char *out, size_t out_size);

/* One clause in English for an operator; tells nothing about secrets. Never null. */
const char *hookkeep_verdict_text(hookkeep_verdict verdict);

#ifdef __cplusplus
}
#endif

#endif
