// SPDX-License-Identifier: MIT
// A growing, capped string builder with sticky failure: append freely, look at `failed` once at the
// end where outside data may pass the cap. Where the system has no memory the process ends
// (base/memory.h).
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct text {
    char *p;     // always NUL-terminated once anything was added
    size_t n;    // without the NUL
    size_t cap;  // allocated
    size_t max;  // most bytes it may hold; 0: 64 MiB
    bool failed; // more than max was added: that and all after it is left out, and the content must
                 // not be used
};

// Zero-initialised is valid and empty.
void text_drop(struct text *t);  // frees; the text is empty again
void text_reset(struct text *t); // empties, keeps memory, clears `failed`

void text_add(struct text *t, bytes b);
void text_adds(struct text *t, const char *s);
void text_addc(struct text *t, char c);
void text_addf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_addv(struct text *t, const char *format, va_list args);
void text_add_u64(struct text *t, uint64_t v);
void text_add_i64(struct text *t, int64_t v);
void text_add_hex(struct text *t, bytes b);
// A JSON string with its quotes (RFC 8259 §7); bytes that are not UTF-8 become U+FFFD.
void text_add_json(struct text *t, bytes b);
// Percent-decoded (RFC 3986 §2.1), '+' as a space if `form`
// (https://url.spec.whatwg.org/#urlencoded-parsing); a '%' without two hexadecimal digits behind it
// stays as it is.
void text_add_decoded(struct text *t, bytes b, bool form);
// For a terminal or a log: control characters, those that turn a line's direction, and bytes that
// are not UTF-8 become \xNN. It appends at most max_n bytes, never half a character, and "…" behind
// them if that was not all.
void text_add_printable(struct text *t, bytes b, size_t max_n);
// 2026-11-23T18:57:26.123Z
void text_add_time(struct text *t, int64_t unix_ms);
// 200ms, 5s, 5m, 2h, 90d: the largest unit that is exact; 0s for none.
void text_add_duration(struct text *t, int64_t ms);

bytes text_bytes(const struct text *t);
const char *text_str(const struct text *t); // "" when empty
// Hands the memory over: the caller frees the returned string, never null; the text is empty again.
// `failed` stays.
char *text_give(struct text *t);

// The inverse directions, INVALID when the text is not of the form.
must result text_parse_duration(bytes b, int64_t *out_ms); // 0 needs a unit too
must result text_parse_size(bytes b, uint64_t *out);       // 64KiB, 1MiB, 2GiB, 500B
// RFC 3339 date or date-time with Z or offset; a bare date is its midnight, UTC. Digits behind the
// millisecond are dropped; a leap second is INVALID.
must result text_parse_time(bytes b, int64_t *out_unix_ms);

// The edit distance (insert, delete, replace, swap of neighbours), for "did you mean"; of the first
// 64 bytes of each.
size_t text_distance(bytes a, bytes b);

#endif
