// SPDX-License-Identifier: MIT
#include "base/bytes.h"

#include <string.h>

bytes bytes_of(const char *s) { return s == NULL ? NO_BYTES : bytes_from(s, strlen(s)); }

bool bytes_equal(bytes a, bytes b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c; }

bool bytes_equal_nocase(bytes a, bytes b) {
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool bytes_equal_secret(bytes a, bytes b) {
    if (a.n != b.n)
        return false;
    // volatile, so that no compiler leaves the loop at the first difference
    const volatile uint8_t *p = a.p, *q = b.p;
    uint8_t differs = 0;
    for (size_t i = 0; i < a.n; i++)
        differs |= p[i] ^ q[i];
    return differs == 0;
}

int bytes_compare(bytes a, bytes b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

bool bytes_starts(bytes b, bytes prefix) {
    return b.n >= prefix.n && bytes_equal(bytes_from(b.p, prefix.n), prefix);
}

bool bytes_ends(bytes b, bytes suffix) {
    return b.n >= suffix.n && bytes_equal(bytes_slice(b, b.n - suffix.n, b.n), suffix);
}

size_t bytes_find(bytes b, uint8_t c) {
    const uint8_t *at = b.n == 0 ? NULL : memchr(b.p, c, b.n);
    return at == NULL ? b.n : (size_t)(at - b.p);
}

size_t bytes_search(bytes b, bytes needle) {
    if (needle.n == 0)
        return 0;
    const uint8_t *at = b.n < needle.n ? NULL : memmem(b.p, b.n, needle.p, needle.n);
    return at == NULL ? b.n : (size_t)(at - b.p);
}

bytes bytes_slice(bytes b, size_t from, size_t to) {
    to = to > b.n ? b.n : to;
    from = from > to ? to : from;
    return b.p == NULL ? NO_BYTES : bytes_from(b.p + from, to - from);
}

static bool blank(uint8_t c) { return c == ' ' || c == '\t'; }

bytes bytes_trim(bytes b) {
    size_t from = 0, to = b.n;
    while (from < to && blank(b.p[from]))
        from++;
    while (to > from && blank(b.p[to - 1]))
        to--;
    return bytes_slice(b, from, to);
}

bytes bytes_cut(bytes *rest, uint8_t c) {
    bytes all = *rest;
    size_t at = bytes_find(all, c);
    *rest = at == all.n ? bytes_slice(all, at, at) : bytes_slice(all, at + 1, all.n);
    return bytes_slice(all, 0, at);
}

result bytes_to_u64(bytes b, uint64_t *out) {
    uint64_t v = 0;
    NEED(b.n > 0, INVALID, "a number is empty");
    for (size_t i = 0; i < b.n; i++) {
        NEED(b.p[i] >= '0' && b.p[i] <= '9', INVALID, "a number has something other than digits");
        NEED(!__builtin_mul_overflow(v, 10, &v) && !__builtin_add_overflow(v, b.p[i] - '0', &v),
             INVALID, "a number is too large");
    }
    *out = v;
    return OK;
}

result bytes_to_i64(bytes b, int64_t *out) {
    bool negative = b.n > 0 && b.p[0] == '-';
    uint64_t size;
    TRY(bytes_to_u64(negative ? bytes_slice(b, 1, b.n) : b, &size));
    NEED(size <= (uint64_t)INT64_MAX + negative, INVALID, "a number is too large");
    *out = (int64_t)(negative ? 0 - size : size);
    return OK;
}

size_t bytes_print_u64(uint64_t v, char *out) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    memcpy(out, digits + at, sizeof digits - at);
    return sizeof digits - at;
}

static int hex_value(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

result bytes_from_hex(bytes hex, uint8_t *out, size_t n) {
    NEED(hex.n % 2 == 0 && hex.n / 2 == n, INVALID, "hexadecimal text has the wrong length");
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(hex.p[2 * i]), low = hex_value(hex.p[2 * i + 1]);
        NEED(high >= 0 && low >= 0, INVALID, "hexadecimal text has something other than 0-9a-f");
        out[i] = (uint8_t)(high << 4 | low);
    }
    return OK;
}

void bytes_to_hex(const uint8_t *p, size_t n, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void bytes_to_base64(bytes b, char *out) {
    for (size_t i = 0; i < b.n; i += 3) {
        uint32_t three = 0;
        for (size_t k = 0; k < 3; k++)
            three = three << 8 | (i + k < b.n ? b.p[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            *out++ = i + k > b.n ? '=' : base64_digits[three >> (18 - 6 * k) & 63];
    }
}

static int base64_value(uint8_t c) {
    const char *at = c == 0 ? NULL : strchr(base64_digits, c);
    return at == NULL ? -1 : (int)(at - base64_digits);
}

size_t bytes_from_base64(bytes in, uint8_t *out, size_t max) {
    while (in.n > 0 && in.p[in.n - 1] == '=')
        in.n--;
    if (in.n * 3 / 4 > max)
        return 0;
    uint32_t gathered = 0;
    unsigned bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        int value = base64_value(in.p[i]);
        if (value < 0)
            return 0;
        gathered = gathered << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (uint8_t)(gathered >> bits);
        }
    }
    return n;
}

size_t bytes_utf8_at(bytes b, size_t at) {
    if (at >= b.n)
        return 0;
    const uint8_t *p = b.p + at;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    size_t n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n > b.n - at)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    // The second byte tells overlong forms, surrogates and what lies over U+10FFFF (RFC 3629 §4).
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
        return 0;
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

bool bytes_utf8(bytes b) {
    size_t at = 0;
    while (at < b.n) {
        uint64_t eight;
        while (b.n - at >= sizeof(eight)) {
            memcpy(&eight, b.p + at, sizeof(eight));
            if ((eight & 0x8080808080808080u) != 0)
                break;
            at += sizeof(eight);
        }
        if (at == b.n)
            break;
        size_t n = bytes_utf8_at(b, at);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}
