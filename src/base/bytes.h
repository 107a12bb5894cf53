// SPDX-License-Identifier: MIT
// `bytes`: pointer and length, the string used everywhere inside. It owns nothing and need not end
// in NUL.
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

typedef struct bytes {
    const uint8_t *p; // may be null when n is 0
    size_t n;
} bytes;

#define NO_BYTES ((bytes){NULL, 0})
// From a string literal. BYTES_INIT is for the rows of static tables, where a compound literal is
// no constant.
#define BYTES_INIT(literal_)                                                                       \
    { (const uint8_t *)("" literal_), sizeof(literal_) - 1 }
#define B(literal_) ((bytes)BYTES_INIT(literal_))
// For printf's "%.*s".
#define BYTES_ARG(b_) (int)(b_).n, (const char *)(b_).p

// From a NUL-terminated string; null gives NO_BYTES.
bytes bytes_of(const char *s);
static inline bytes bytes_from(const void *p, size_t n) { return (bytes){(const uint8_t *)p, n}; }

bool bytes_equal(bytes a, bytes b);
bool bytes_equal_nocase(bytes a, bytes b); // ASCII letters
// Takes as long for any content of the same length; false at once if the lengths differ.
bool bytes_equal_secret(bytes a, bytes b);
int bytes_compare(bytes a, bytes b); // <0, 0, >0; bytewise, shorter first
bool bytes_starts(bytes b, bytes prefix);
bool bytes_ends(bytes b, bytes suffix);
// Index of the first c, or b.n.
size_t bytes_find(bytes b, uint8_t c);
// Index of the first occurrence of needle, or b.n; 0 for an empty needle.
size_t bytes_search(bytes b, bytes needle);
// [from, to), both clamped to the length.
bytes bytes_slice(bytes b, size_t from, size_t to);
bytes bytes_trim(bytes b); // without ASCII space and tab at both ends
// Cuts at the first c: returns what stands before it and moves *rest behind it. Without c: all, and
// rest is empty.
bytes bytes_cut(bytes *rest, uint8_t c);

// Decimal digits only, no sign, no space, no overflow; leading zeros are allowed. INVALID
// otherwise.
must result bytes_to_u64(bytes b, uint64_t *out);
must result bytes_to_i64(bytes b, int64_t *out); // one leading '-' allowed
// Writes the decimal digits, at most 20, no NUL; returns how many.
size_t bytes_print_u64(uint64_t v, char *out);
// Exactly 2*n hexadecimal digits, lower case only (Stripe's form). INVALID otherwise.
must result bytes_from_hex(bytes hex, uint8_t *out, size_t n);
// Writes 2*n lower-case digits, no NUL.
void bytes_to_hex(const uint8_t *p, size_t n, char *out);

// RFC 4648 §4. Writes BASE64_SIZE(n) characters, no NUL.
#define BASE64_SIZE(n_) (((n_) + 2) / 3 * 4)
void bytes_to_base64(bytes b, char *out);
// The number of bytes, 0 if it is no base64 or more than `max`; padding is optional.
size_t bytes_from_base64(bytes in, uint8_t *out, size_t max);

// Well-formed UTF-8 (RFC 3629: no surrogates, nothing over U+10FFFF, no overlong forms)?
bool bytes_utf8(bytes b);
// The length, 1 to 4, of the well-formed sequence that starts at this index; 0 if none does.
size_t bytes_utf8_at(bytes b, size_t at);

// A NUL-terminated heap copy, for libc's border; the caller frees it. Never null (out of memory
// aborts).
char *bytes_strdup(bytes b);

#endif
