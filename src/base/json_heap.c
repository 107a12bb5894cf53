// SPDX-License-Identifier: MIT
// What of JSON takes memory by the program's policy (base/memory.h).
#include <stdlib.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"

static void *take(void *ctx, size_t n) { return memory_take(n); }

static void *resize(void *ctx, void *p, size_t old_n, size_t n) { return memory_grow(p, n, 1); }

static void give(void *ctx, void *p) { free(p); }

result json_parse(bytes in, struct json_doc **out) {
    static const struct json_memory heap = {take, resize, give, NULL};
    return json_parse_in(&heap, in, out);
}

// Calls itself at most JSON_DEPTH_MAX deep.
void json_write(json v, struct text *out) {
    enum json_type type = json_type(v);
    size_t at = 0;
    bytes key;
    json member;
    if (type == JSON_STRING) {
        text_add_json(out, json_string(v));
    } else if (type == JSON_ARRAY) {
        text_addc(out, '[');
        for (bool first = true; json_element(v, &at, &member); first = false) {
            if (!first)
                text_addc(out, ',');
            json_write(member, out);
        }
        text_addc(out, ']');
    } else if (type == JSON_OBJECT) {
        text_addc(out, '{');
        for (bool first = true; json_member(v, &at, &key, &member); first = false) {
            if (!first)
                text_addc(out, ',');
            text_add_json(out, key);
            text_addc(out, ':');
            json_write(member, out);
        }
        text_addc(out, '}');
    } else {
        text_add(out, json_literal(v));
    }
}
