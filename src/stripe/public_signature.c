// SPDX-License-Identifier: MIT
#include "hookkeep/signature.h"

#include <string.h>

#include "stripe/public.h"
#include "stripe/signature.h"

_Static_assert(HK_SECRETS_MAX == SECRETS_MAX, "the public limit is the room's");
_Static_assert(HK_SIGNATURE_SIZE == SIGNATURE_SIZE, "likewise");

const char *hk_version(void) { return HOOKKEEP_VERSION; }

const char *hk_status_text(hk_status status) {
    static const char *const texts[] = {
        [HK_OK] = "the signature holds",
        [HK_USAGE] = "the library was called in a way that its header forbids",
        [HK_MEMORY] = "there is no memory to read the event",
        [HK_NO_SECRET] = "there is no secret, or an empty one; expected whsec_…",
        [HK_NO_HEADER] = "no Stripe-Signature header",
        [HK_NO_TIMESTAMP] = "the Stripe-Signature header has no timestamp: expected "
                            "t=<seconds>,v1=<64 hex digits>",
        [HK_NO_SIGNATURES] = "the Stripe-Signature header has no v1 item: expected "
                             "t=<seconds>,v1=<64 hex digits>",
        [HK_MALFORMED] = "the Stripe-Signature header is malformed: expected "
                         "t=<seconds>,v1=<64 hex digits>",
        [HK_NO_MATCH] = "no v1 item matches a secret: this is another endpoint's secret, or not "
                        "the raw body",
        [HK_NO_MATCH_SPACE] = "no v1 item matches a secret, and a secret has white space in it, "
                              "perhaps a line's end too many",
        [HK_TOO_OLD] = "the timestamp is older than the tolerance",
        [HK_IN_FUTURE] = "the timestamp lies further in the future than the tolerance",
        [HK_NO_BODY] = "the body is empty",
        [HK_NOT_JSON] = "the body is no JSON, or nested deeper than 128 levels",
        [HK_NOT_EVENT] = "the body is no Stripe event",
        [HK_THIN_EVENT] = "this is a thin event, and a snapshot event is expected",
        [HK_SNAPSHOT_EVENT] = "this is a snapshot event, and a thin event is expected",
    };
    size_t i = (size_t)status;
    return i < sizeof texts / sizeof texts[0] ? texts[i] : "no such status";
}

bool public_take(const void *given, size_t least, void *own, size_t own_size) {
    size_t size;
    if (given == NULL)
        return false;
    memcpy(&size, given, sizeof size);
    if (size < least)
        return false;
    const unsigned char *tail = given;
    for (size_t i = own_size; i < size; i++)
        if (tail[i] != 0)
            return false;
    memset(own, 0, own_size);
    memcpy(own, given, size < own_size ? size : own_size);
    return true;
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static bool has_space(hk_secret s) {
    for (size_t i = 0; i < s.size; i++)
        if (is_space(s.bytes[i]))
            return true;
    return false;
}

static bool is_blank(hk_secret s) {
    for (size_t i = 0; i < s.size; i++)
        if (!is_space(s.bytes[i]))
            return false;
    return true;
}

// Its size, and that a null pointer has no bytes.
static bool take(const hk_receipt *given, hk_receipt *r) {
    if (!public_take(given, sizeof *given, r, sizeof *r) || r->secret_count > HK_SECRETS_MAX)
        return false;
    if ((r->body == NULL && r->body_size > 0) || (r->secrets == NULL && r->secret_count > 0))
        return false;
    for (size_t i = 0; i < r->secret_count; i++)
        if (r->secrets[i].bytes == NULL && r->secrets[i].size > 0)
            return false;
    return true;
}

static hk_status judge_secrets(const hk_receipt *r) {
    for (size_t i = 0; i < r->secret_count; i++)
        if (is_blank(r->secrets[i]))
            return HK_NO_SECRET;
    return r->secret_count > 0 ? HK_OK : HK_NO_SECRET;
}

static hk_status parse(const hk_receipt *r, struct signature *out) {
    bytes header = r->header == NULL ? NO_BYTES : bytes_from(r->header, r->header_size);
    switch (signature_parse(header, out)) {
    case SIGNATURE_HOLDS: return HK_OK;
    case SIGNATURE_MISSING: return HK_NO_HEADER;
    default: break;
    }
    switch (signature_lack(header)) {
    case SIGNATURE_NO_TIME: return HK_NO_TIMESTAMP;
    case SIGNATURE_NO_V1: return HK_NO_SIGNATURES;
    case SIGNATURE_BAD_ITEM: break;
    }
    return HK_MALFORMED;
}

static hk_status judge_age(const hk_receipt *r, int64_t time) {
    if (r->tolerance < 0)
        return HK_OK;
    switch (signature_age(time, r->now, r->tolerance)) {
    case SIGNATURE_TOO_OLD: return HK_TOO_OLD;
    case SIGNATURE_IN_FUTURE: return HK_IN_FUTURE;
    default: return HK_OK;
    }
}

static bool made_with(hk_secret secret, const struct signature *s, bytes body) {
    struct hmac_key key;
    struct hmac message;
    hmac_key_init(&key, bytes_from(secret.bytes, secret.size));
    signature_start(&message, &key, s->time_text);
    hmac_add(&message, body);
    bool found = signature_matches(&message, s->candidates[0], s->candidate_count);
    hmac_key_wipe(&key);
    return found;
}

hk_status hk_verify(const hk_receipt *receipt, size_t *which) {
    hk_receipt r;
    struct signature s;
    bool space = false;
    if (!take(receipt, &r))
        return HK_USAGE;
    hk_status status = judge_secrets(&r);
    if (status == HK_OK)
        status = parse(&r, &s);
    if (status != HK_OK)
        return status;
    for (size_t i = 0; i < r.secret_count; i++) {
        if (made_with(r.secrets[i], &s, bytes_from(r.body, r.body_size))) {
            if (which != NULL)
                *which = i;
            return judge_age(&r, s.time);
        }
        space |= has_space(r.secrets[i]);
    }
    return space ? HK_NO_MATCH_SPACE : HK_NO_MATCH;
}

size_t hk_sign(hk_secret secret, time_t at, const void *body, size_t body_size, char *out,
               size_t out_size) {
    char made[SIGNATURE_SIZE];
    struct hmac_key key;
    if (at < 0 || secret.bytes == NULL || is_blank(secret) || out == NULL ||
        (body == NULL && body_size > 0))
        return 0;
    hmac_key_init(&key, bytes_from(secret.bytes, secret.size));
    size_t n = signature_write(&key, at, bytes_from(body, body_size), made);
    hmac_key_wipe(&key);
    if (n >= out_size)
        return 0;
    memcpy(out, made, n + 1);
    return n;
}
