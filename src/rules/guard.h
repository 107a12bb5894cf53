// SPDX-License-Identifier: MIT
// The guard: may a URL that is somebody else's lead to this address? An endpoint made through the
// API is a stranger's wish to have our machine connect somewhere, which must not be a way into the
// networks that it stands in, nor to itself. The blocks are rules/guard.def.
//
// Judge addresses, never names or URLs: what is about to be connected to, after the name was
// resolved, since a name may mean something else a moment later, and 127.0.0.1 has a hundred
// spellings. port/fetch.h asks at the right time (fetch_request.judge).
//
// An address of IPv6 that carries one of IPv4 is refused whatever it carries: a network's gateway
// may lead it anywhere. Of IPv6 only 2000::/3 is let through. Pure.
#ifndef RULES_GUARD_H
#define RULES_GUARD_H

#include "base/text.h"

// A network that is an exception: "10.1.0.0/16", "fd00:1::/32".
struct guard_range {
    uint8_t address[16]; // the first n bytes count
    uint8_t n;           // 4 or 16
    uint8_t bits;
};

// INVALID: no network of this form, or one with bits set behind its prefix, which is not what
// somebody meant; the sentence says which.
must result guard_range_parse(bytes in, struct guard_range *out);

// An address of 4 or 16 bytes, in network order. Null: it may be connected to, being public or in
// one of these ranges. Else why not, in words that live for ever. A range that holds an IPv6
// address which carries one of IPv4 lets that through which would be let through by itself. A
// cloud's metadata is let through by a range of that one address alone.
const char *guard_refuses(bytes address, const struct guard_range *allowed, size_t allowed_count);

#endif
