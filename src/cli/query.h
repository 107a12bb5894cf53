// SPDX-License-Identifier: MIT
// Paths of the desk's API with their parameters, and what people write into them.
#ifndef CLI_QUERY_H
#define CLI_QUERY_H

#include <stdint.h>

#include "base/text.h"

// Appends a segment or value, all but RFC 3986's unreserved characters as %XX.
void query_escape(struct text *path, bytes value);
// Appends ?name=value or &name=value; nothing when the value is null.
void query_add(struct text *path, const char *name, const char *value);
void query_add_number(struct text *path, const char *name, uint64_t value);

// A moment: Unix milliseconds, RFC 3339 (2026-11-23, 2026-11-23T18:00:00Z), or how long ago (2h,
// 7d). INVALID otherwise.
must result query_when(const char *said, int64_t now_ms, int64_t *out_ms);
// For signatures: Unix seconds or RFC 3339. INVALID otherwise.
must result query_seconds(const char *said, int64_t *out_s);
// Adds it as a parameter in milliseconds, nothing when `said` is null.
must result query_add_when(struct text *path, const char *name, const char *said, int64_t now_ms);

#endif
