// SPDX-License-Identifier: MIT
// Reading JSON (RFC 8259) through yyjson: parsed whole, numbers kept as their text so that none
// loses precision. Writing JSON is `text` with text_add_json. Depth and size are limited: a
// document over the limits is INVALID.
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define JSON_DEPTH_MAX 128

enum json_type {
    JSON_ABSENT,
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

// A parsed document. It copies what it needs: the input may be freed.
struct json_doc;
// A value in a document; valid as long as the document. {NULL} is absent, and every getter accepts
// it.
typedef struct json {
    void *val;
} json;

// Where a document takes its memory: as malloc, realloc and free do, and null where there is none.
// `old_n` is what p was asked for with.
struct json_memory {
    void *(*take)(void *ctx, size_t n);
    void *(*resize)(void *ctx, void *p, size_t old_n, size_t n);
    void (*give)(void *ctx, void *p);
    void *ctx;
};

// INVALID: not JSON, not UTF-8, a lone surrogate escape, containers nested deeper than
// JSON_DEPTH_MAX, or followed by other text; *out is null then.
must result json_parse(bytes in, struct json_doc **out);
// The same in that memory, which must stay as long as the document. MEMORY: it has none; what was
// taken by then is given back.
must result json_parse_in(const struct json_memory *memory, bytes in, struct json_doc **out);
void json_close(struct json_doc **doc); // null is allowed; usable with OWN
json json_root(const struct json_doc *doc);

enum json_type json_type(json v);
// Absent if it is no object or has no such key; the first of equal keys.
json json_get(json object, const char *key);
json json_getb(json object, bytes key);
// a.b.0.c : keys and array indexes separated by dots; v itself if the path is empty. No way to keys
// with dots.
json json_path(json v, bytes path);
bool json_has_twice(json object, const char *key); // the key stands there more than once
#define JSON_PICK_MAX 32
// Several members in one walk: out[i] is the first of names[i], or absent. At most JSON_PICK_MAX.
// Returns those that stand there more than once, as bits.
uint32_t json_pick(json object, const bytes *names, size_t n, json *out);
size_t json_size(json v);           // members of an array or object, else 0
json json_at(json array, size_t i); // takes time in i; walk with json_element instead
// Walks an object's members in the document's order, start with *at = 0; false at the end.
bool json_member(json object, size_t *at, bytes *key, json *value);
// The same for an array's elements.
bool json_element(json array, size_t *at, json *value);

bytes json_string(json v); // its bytes, unescaped; NO_BYTES if it is no string
bytes json_number(json v); // the number's text as written; NO_BYTES if it is no number
bool json_true(json v);
bytes json_literal(json v); // how null, true, false or a number is written; else NO_BYTES
// An integer as written (no fraction, no exponent) that fits; INVALID otherwise.
must result json_i64(json v, int64_t *out);
// Is the scalar equal to this text: string's bytes, number's text, true, false, null?
bool json_equals_text(json v, bytes text);

struct text;
// Appends the value as compact JSON, numbers as they were written; nothing if absent.
void json_write(json v, struct text *out);

#endif
