// SPDX-License-Identifier: MIT
// The Stripe-Signature header: the input's first line is the header, what follows the body. What
// nobody signed must never hold.
#include "fuzz.h"
#include "stripe/signature.h"

static const uint8_t secret[] = "whsec_a_secret_that_no_input_knows";

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static struct signature_ring *ring;
    bytes keys[2] = {B("whsec_another_secret_of_the_ring"), {secret, sizeof secret - 1}};
    if (ring == NULL)
        ring = signature_ring_open(keys, 2);
    bytes body = bytes_from(p, n), header = bytes_cut(&body, '\n');
    struct signature s;
    enum signature_verdict v = signature_parse(header, &s);
    if (v != SIGNATURE_HOLDS)
        return 0;
    ensure(s.candidate_count > 0 && s.candidate_count <= SIGNATURE_CANDIDATES_MAX);
    ensure(s.time >= 0 && s.time_text.p > header.p);
    size_t which = 9;
    struct signature_check *c = signature_check_open(ring, &s);
    signature_check_add(c, body);
    v = signature_check_finish(c, s.time, 0, &which);
    ensure(v == SIGNATURE_NO_MATCH && which == 9);
    // Signed by us, the same body holds, and only within the tolerance.
    OWN(text_drop)
    struct text own = {0};
    struct hmac *key = hmac_open(keys[1]);
    signature_sign(key, s.time, body, &own);
    hmac_close(key);
    ensure(signature_parse(text_bytes(&own), &s) == SIGNATURE_HOLDS);
    c = signature_check_open(ring, &s);
    signature_check_add(c, bytes_slice(body, 0, n / 2));
    signature_check_add(c, bytes_slice(body, n / 2, n));
    ensure(signature_check_finish(c, s.time, 0, &which) == SIGNATURE_HOLDS && which == 1);
    return 0;
}
