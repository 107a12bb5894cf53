// SPDX-License-Identifier: MIT
#include "hookkeep/signature.h"

#include <string.h>

#include "base/text.h"
#include "stripe/signature.h"

_Static_assert(HOOKKEEP_SECRETS_MAX == SECRETS_MAX, "the public limit is the room's");
_Static_assert((int)HOOKKEEP_HOLDS == (int)SIGNATURE_HOLDS, "verdicts are passed on by number");
_Static_assert((int)HOOKKEEP_MISSING == (int)SIGNATURE_MISSING, "likewise");
_Static_assert((int)HOOKKEEP_MALFORMED == (int)SIGNATURE_MALFORMED, "likewise");
_Static_assert((int)HOOKKEEP_NO_MATCH == (int)SIGNATURE_NO_MATCH, "likewise");
_Static_assert((int)HOOKKEEP_TOO_OLD == (int)SIGNATURE_TOO_OLD, "likewise");
_Static_assert((int)HOOKKEEP_IN_FUTURE == (int)SIGNATURE_IN_FUTURE, "likewise");

// `struct hookkeep_verifier` is the ring under its public name.
static struct signature_ring *ring_of(hookkeep_verifier *v) { return (struct signature_ring *)v; }

hookkeep_verifier *hookkeep_verifier_open(const hookkeep_secret *secrets, size_t count) {
    bytes ring[SECRETS_MAX];
    if (count == 0 || count > SECRETS_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (secrets[i].size == 0)
            return NULL;
        ring[i] = bytes_from(secrets[i].bytes, secrets[i].size);
    }
    return (hookkeep_verifier *)signature_ring_open(ring, count);
}

void hookkeep_verifier_close(hookkeep_verifier *v) { signature_ring_close(ring_of(v)); }

hookkeep_verdict hookkeep_verify(hookkeep_verifier *v, const char *header, size_t header_size,
                                 const void *body, size_t body_size, time_t now, long tolerance,
                                 size_t *which) {
    struct signature s;
    size_t matched = 0;
    bytes value = header == NULL ? NO_BYTES : bytes_from(header, header_size);
    enum signature_verdict verdict = signature_parse(value, &s);
    if (verdict != SIGNATURE_HOLDS)
        return (hookkeep_verdict)verdict;
    struct signature_check *c = signature_check_open(ring_of(v), &s);
    signature_check_add(c, bytes_from(body, body_size));
    verdict = signature_check_finish(c, bytes_from(body, body_size), now,
                                     tolerance < 0 ? 0 : tolerance, &matched);
    if (which != NULL && verdict != SIGNATURE_NO_MATCH)
        *which = matched;
    return (hookkeep_verdict)verdict;
}

size_t hookkeep_sign(hookkeep_secret secret, time_t at, const void *body, size_t body_size,
                     char *out, size_t out_size) {
    if (at < 0 || secret.size == 0)
        return 0;
    OWN(text_drop)
    struct text t = {0};
    struct hmac_key key;
    hmac_key_init(&key, bytes_from(secret.bytes, secret.size));
    signature_sign(&key, at, bytes_from(body, body_size), &t);
    hmac_key_wipe(&key);
    if (t.failed || t.n >= out_size)
        return 0;
    memcpy(out, text_str(&t), t.n + 1);
    return t.n;
}

const char *hookkeep_verdict_text(hookkeep_verdict verdict) {
    if (verdict < HOOKKEEP_HOLDS || verdict > HOOKKEEP_IN_FUTURE)
        return "no such verdict";
    return signature_verdict_text((enum signature_verdict)verdict);
}
