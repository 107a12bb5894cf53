// SPDX-License-Identifier: MIT
#include "rules/guard.h"

#include <string.h>

enum kind {
#define KIND(id, words) KIND_##id,
#include "rules/guard_kinds.def"
#undef KIND
    KINDS
};

static const char *const kind_words[KINDS] = {
#define KIND(id, words) words,
#include "rules/guard_kinds.def"
#undef KIND
};

struct block {
    struct guard_range range;
    enum kind kind;
    uint8_t inner; // where an IPv4 address begins; 0: there is none
};

#define PAIR(group) ((group) >> 8) & 0xff, (group)&0xff
#define ADDRESS_6(a, b, c, d, e, f, g, h)                                                          \
    { PAIR(a), PAIR(b), PAIR(c), PAIR(d), PAIR(e), PAIR(f), PAIR(g), PAIR(h) }

static const struct block blocks[] = {
#define FOUR(a, b, c, d, bits, kind, reason) {{{a, b, c, d}, 4, bits}, KIND_##kind, 0},
#define INNER(a, b, c, d, e, f, g, h, bits, kind, inner, reason)                                   \
    {{ADDRESS_6(a, b, c, d, e, f, g, h), 16, bits}, KIND_##kind, inner},
#define SIX(a, b, c, d, e, f, g, h, bits, kind, reason)                                            \
    INNER(a, b, c, d, e, f, g, h, bits, kind, 0, reason)
#include "rules/guard.def"
#undef FOUR
#undef SIX
#undef INNER
};
#define BLOCKS (sizeof blocks / sizeof blocks[0])

static bool range_has(const struct guard_range *r, bytes address) {
    size_t whole = r->bits / 8;
    if (address.n != r->n || memcmp(address.p, r->address, whole) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xff00u >> (r->bits % 8));
    return r->bits % 8 == 0 || ((address.p[whole] ^ r->address[whole]) & mask) == 0;
}

// Is it in a range of at least so many bits?
static bool is_allowed(bytes address, const struct guard_range *allowed, size_t n, uint8_t bits) {
    for (size_t i = 0; i < n; i++)
        if (allowed[i].bits >= bits && range_has(&allowed[i], address))
            return true;
    return false;
}

const char *guard_refuses(bytes address, const struct guard_range *allowed, size_t allowed_count) {
    if (address.n != 4 && address.n != 16)
        return kind_words[KIND_UNKNOWN];
    for (size_t i = 0; i < BLOCKS; i++) {
        const struct block *b = &blocks[i];
        if (!range_has(&b->range, address))
            continue;
        uint8_t bits = b->kind == KIND_METADATA ? b->range.bits : 0;
        if (!is_allowed(address, allowed, allowed_count, bits))
            return kind_words[b->kind];
        bytes inner = bytes_slice(address, b->inner, b->inner + 4u);
        return b->inner == 0 ? NULL : guard_refuses(inner, allowed, allowed_count);
    }
    bool in_use = address.n == 4 || address.p[0] >> 5 == 1;
    return in_use || is_allowed(address, allowed, allowed_count, 0) ? NULL
                                                                    : kind_words[KIND_UNALLOCATED];
}

static result parse_v4(bytes in, uint8_t out[16]) {
    bytes rest = in;
    for (size_t i = 0; i < 4; i++) {
        uint64_t n;
        bytes part = i < 3 ? bytes_cut(&rest, '.') : rest;
        bool good = bytes_to_u64(part, &n) == OK && n <= 255 && part.n <= 3 &&
                    (part.n == 1 || part.p[0] != '0');
        NEED(good, INVALID, "an IPv4 network has four numbers from 0 to 255, as 10.1.0.0/16");
        out[i] = (uint8_t)n;
    }
    return OK;
}

static bool parse_group(bytes part, uint8_t out[2]) {
    unsigned v = 0;
    for (size_t i = 0; i < part.n; i++) {
        uint8_t c = part.p[i], low = c | 0x20;
        bool letter = low >= 'a' && low <= 'f';
        if (!letter && (c < '0' || c > '9'))
            return false;
        v = v << 4 | (letter ? low - 'a' + 10u : c - '0' + 0u);
    }
    out[0] = (uint8_t)(v >> 8);
    out[1] = (uint8_t)v;
    return part.n >= 1 && part.n <= 4;
}

// Groups between colons; how many, 9 if one is none.
static size_t parse_groups(bytes in, uint8_t out[16]) {
    size_t n = 0;
    for (bytes rest = in; in.n > 0 && n < 8; n++) {
        size_t colon = bytes_find(rest, ':');
        bool last = colon == rest.n;
        if (!parse_group(bytes_slice(rest, 0, colon), &out[2 * n]))
            return 9;
        if (last)
            return n + 1;
        rest = bytes_slice(rest, colon + 1, rest.n);
    }
    return in.n == 0 ? 0 : 9;
}

static result parse_v6(bytes in, uint8_t out[16]) {
    uint8_t tail[16] = {0};
    size_t gap = bytes_search(in, B("::")), head_n, tail_n = 0;
    bool has_gap = gap < in.n;
    head_n = parse_groups(bytes_slice(in, 0, gap), out);
    if (has_gap)
        tail_n = parse_groups(bytes_slice(in, gap + 2, in.n), tail);
    size_t n = head_n + tail_n;
    NEED(has_gap ? n <= 7 : n == 8, INVALID,
         "an IPv6 network has eight groups of hexadecimal digits, or fewer and ::, as fd00:1::/32");
    memcpy(&out[16 - 2 * tail_n], tail, 2 * tail_n);
    return OK;
}

result guard_range_parse(bytes in, struct guard_range *out) {
    bytes bits = in, address = bytes_cut(&bits, '/');
    uint64_t n = 0;
    *out = (struct guard_range){.n = bytes_find(in, ':') < in.n ? 16 : 4};
    TRY(out->n == 4 ? parse_v4(address, out->address) : parse_v6(address, out->address));
    bool good = bits.n >= 1 && bits.n <= 3 && bytes_to_u64(bits, &n) == OK && n <= out->n * 8u;
    NEED(good, INVALID, "a network ends in / and how many bits count: at most 32, of IPv6 128");
    out->bits = (uint8_t)n;
    for (size_t i = out->bits; i < out->n * 8u; i++)
        NEED((out->address[i / 8] & 0x80 >> i % 8) == 0, INVALID,
             "bits are set behind those that count: name the network's first address");
    return OK;
}
