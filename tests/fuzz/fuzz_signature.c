// SPDX-License-Identifier: MIT
// The Stripe-Signature header: the input's first line is the header, what follows the body. What
// nobody signed never holds; what we sign holds among whatever else stands in the header, in any
// pieces, within the tolerance, and not with a byte changed; the public header says the same.
#include <string.h>

#include "fuzz.h"
#include "hookkeep/signature.h"
#include "stripe/signature.h"

#define TOLERANCE 300
#define BODY_MAX ((size_t)1 << 16)

const struct fuzz_plant fuzz_plants[] = {
    {"any", PLANT_FUZZED, "a header with three candidates holds"},
    {"first", PLANT_FUZZED, "only the first candidate is looked at"},
    {"piece", PLANT_FUZZED, "a piece of one byte is left out"},
    {"old", PLANT_FUZZED, "a signature of the 1970s is never too old"},
    {"loose", PLANT_FUZZED, "the public header takes an item without a key"},
    {0},
};

static const char SECRET[] = "whsec_a_secret_that_no_input_knows";
static const char OTHER[] = "whsec_another_secret_of_the_ring";

static enum signature_verdict check(struct signature_ring *ring, const struct signature *s,
                                    bytes body, size_t cut, int64_t now, size_t *which) {
    struct signature one = *s;
    if (fuzz_planted("first"))
        one.candidate_count = 1;
    struct signature_check *c = signature_check_open(ring, &one);
    if (cut != 1 || !fuzz_planted("piece"))
        signature_check_add(c, bytes_slice(body, 0, cut));
    signature_check_add(c, bytes_slice(body, cut, body.n));
    enum signature_verdict v = signature_check_finish(c, body, now, TOLERANCE, which);
    if (fuzz_planted("any") && s->candidate_count == 3)
        v = SIGNATURE_HOLDS;
    if (fuzz_planted("old") && v == SIGNATURE_TOO_OLD && s->time < 300000000)
        v = SIGNATURE_HOLDS;
    return v;
}

static enum signature_verdict verdict_of(hk_status status) {
    switch (status) {
    case HK_OK: return SIGNATURE_HOLDS;
    case HK_NO_HEADER: return SIGNATURE_MISSING;
    case HK_NO_TIMESTAMP:
    case HK_NO_SIGNATURES:
    case HK_MALFORMED: return SIGNATURE_MALFORMED;
    case HK_TOO_OLD: return SIGNATURE_TOO_OLD;
    case HK_IN_FUTURE: return SIGNATURE_IN_FUTURE;
    default: ensure(status == HK_NO_MATCH); return SIGNATURE_NO_MATCH;
    }
}

static void check_public(bytes header, bytes body, int64_t now, enum signature_verdict expected) {
    const hk_secret secrets[] = {{OTHER, sizeof OTHER - 1}, {SECRET, sizeof SECRET - 1}};
    const hk_receipt r = {sizeof r, body.p, body.n,   (const char *)header.p, header.n, secrets,
                          2,        now,    TOLERANCE};
    enum signature_verdict v = verdict_of(hk_verify(&r, NULL));
    if (fuzz_planted("loose") && bytes_starts(header, B("=x")))
        v = SIGNATURE_NO_MATCH;
    ensure(v == expected);
}

// A header of ours: what the input's has besides, then the item that fits.
static void check_signed(struct signature_ring *ring, const struct signature *given, bytes header,
                         bytes body, size_t cut) {
    struct signature s;
    size_t which = 9;
    OWN(text_drop)
    struct text own = {0};
    OWN(text_drop)
    struct text all = {0};
    struct hmac_key key;
    hmac_key_init(&key, bytes_of(SECRET));
    signature_sign(&key, given->time, body, &own);
    bytes item = text_bytes(&own);
    (void)bytes_cut(&item, ',');
    text_add(&all, header);
    text_addc(&all, ',');
    text_add(&all, item);
    bool fits = given->candidate_count < SIGNATURE_CANDIDATES_MAX && all.n <= SIGNATURE_HEADER_MAX;
    ensure((signature_parse(text_bytes(&all), &s) == SIGNATURE_HOLDS) == fits);
    if (!fits)
        return;
    int64_t t = s.time, far = TOLERANCE + 1;
    ensure(check(ring, &s, body, cut, t, &which) == SIGNATURE_HOLDS && which == 1);
    check_public(text_bytes(&all), body, t, SIGNATURE_HOLDS);
    if (t < INT64_MAX - far)
        ensure(check(ring, &s, body, cut, t + far, &which) == SIGNATURE_TOO_OLD);
    if (t > far)
        ensure(check(ring, &s, body, cut, t - far, &which) == SIGNATURE_IN_FUTURE);
    if (body.n > 0 && body.n <= BODY_MAX) {
        static uint8_t changed[BODY_MAX];
        memcpy(changed, body.p, body.n);
        changed[cut % body.n] ^= 1;
        bytes other = bytes_from(changed, body.n);
        ensure(check(ring, &s, other, cut, t, &which) == SIGNATURE_NO_MATCH);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static struct signature_ring *ring;
    if (ring == NULL)
        ring = signature_ring_open((const bytes[]){bytes_of(OTHER), bytes_of(SECRET)}, 2);
    bytes body = bytes_from(p, n), header = bytes_cut(&body, '\n');
    size_t which = 9, cut = n % (body.n + 1);
    struct signature s;
    enum signature_verdict v = signature_parse(header, &s);
    if (v != SIGNATURE_HOLDS) {
        check_public(header, body, 0, v);
        return 0;
    }
    ensure(s.candidate_count > 0 && s.candidate_count <= SIGNATURE_CANDIDATES_MAX);
    ensure(s.time >= 0 && s.time_text.p > header.p);
    ensure(check(ring, &s, body, cut, s.time, &which) == SIGNATURE_NO_MATCH && which == 9);
    check_public(header, body, 0, SIGNATURE_NO_MATCH);
    check_signed(ring, &s, header, body, cut);
    return 0;
}
