// SPDX-License-Identifier: MIT
#include "stripe/signature.h"

#include <string.h>

static bool has_space_or_control(bytes b) {
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] <= ' ' || b.p[i] == 0x7f)
            return true;
    return false;
}

static bool parse_time(bytes value, struct signature *out) {
    if (out->time_text.n > 0)
        return false;
    if (value.n == 0 || value.p[0] == '-' || (value.p[0] == '0' && value.n > 1))
        return false;
    out->time_text = value;
    return bytes_to_i64(value, &out->time) == OK;
}

static bool parse_candidate(bytes value, struct signature *out) {
    if (out->candidate_count == SIGNATURE_CANDIDATES_MAX)
        return false;
    uint8_t *to = out->candidates[out->candidate_count++];
    return bytes_from_hex(value, to, SHA256_SIZE) == OK;
}

static bool parse_item(bytes item, struct signature *out) {
    size_t at = bytes_find(item, '=');
    if (at == 0 || at == item.n)
        return false;
    bytes key = bytes_slice(item, 0, at), value = bytes_slice(item, at + 1, item.n);
    if (bytes_equal(key, B("t")))
        return parse_time(value, out);
    if (bytes_equal(key, B("v1")))
        return parse_candidate(value, out);
    return true;
}

enum signature_verdict signature_parse(bytes header, struct signature *out) {
    out->time = 0;
    out->time_text = NO_BYTES;
    out->candidate_count = 0;
    if (header.n == 0)
        return SIGNATURE_MISSING;
    if (header.n > SIGNATURE_HEADER_MAX || has_space_or_control(header))
        return SIGNATURE_MALFORMED;
    for (size_t at = 0; at <= header.n;) {
        bytes rest = bytes_slice(header, at, header.n);
        size_t end = bytes_find(rest, ',');
        if (!parse_item(bytes_slice(rest, 0, end), out))
            return SIGNATURE_MALFORMED;
        at += end + 1;
    }
    bool whole = out->time_text.n > 0 && out->candidate_count > 0;
    return whole ? SIGNATURE_HOLDS : SIGNATURE_MALFORMED;
}

enum signature_lack signature_lack(bytes header) {
    bool time = false, v1 = false;
    while (header.n > 0) {
        bytes item = bytes_cut(&header, ',');
        bytes name = bytes_slice(item, 0, bytes_find(item, '='));
        time |= name.n < item.n && bytes_equal(name, B("t"));
        v1 |= name.n < item.n && bytes_equal(name, B("v1"));
    }
    return !time ? SIGNATURE_NO_TIME : !v1 ? SIGNATURE_NO_V1 : SIGNATURE_BAD_ITEM;
}

void signature_start(struct hmac *message, const struct hmac_key *key, bytes time_text) {
    hmac_start(message, key);
    hmac_add(message, time_text);
    hmac_add(message, B("."));
}

// Every candidate is compared, whichever matches.
bool signature_matches(struct hmac *message, const uint8_t *candidates, size_t count) {
    uint8_t mac[SHA256_SIZE];
    bool found = false;
    hmac_finish(message, mac);
    for (size_t i = 0; i < count; i++)
        found |= bytes_equal_secret(bytes_from(mac, sizeof mac),
                                    bytes_from(candidates + i * SHA256_SIZE, SHA256_SIZE));
    return found;
}

enum signature_verdict signature_age(int64_t time_s, int64_t now_s, int64_t tolerance_s) {
    int64_t age;
    if (__builtin_sub_overflow(now_s, time_s, &age))
        return now_s > time_s ? SIGNATURE_TOO_OLD : SIGNATURE_IN_FUTURE;
    if (age > tolerance_s)
        return SIGNATURE_TOO_OLD;
    return age < -tolerance_s ? SIGNATURE_IN_FUTURE : SIGNATURE_HOLDS;
}

size_t signature_write(const struct hmac_key *key, int64_t time_s, bytes body,
                       char out[SIGNATURE_SIZE]) {
    uint8_t mac[SHA256_SIZE];
    struct hmac message;
    memcpy(out, "t=", 2);
    size_t n = 2 + bytes_print_u64((uint64_t)time_s, out + 2);
    signature_start(&message, key, bytes_from(out + 2, n - 2));
    hmac_add(&message, body);
    hmac_finish(&message, mac);
    memcpy(out + n, ",v1=", 4);
    bytes_to_hex(mac, sizeof mac, out + n + 4);
    n += 4 + 2 * sizeof mac;
    out[n] = '\0';
    return n;
}
