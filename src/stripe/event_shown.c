// SPDX-License-Identifier: MIT
#include "stripe/event_shown.h"

#include "base/json.h"

#define NAME "pending_webhooks"

static bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static size_t skip_space(bytes b, size_t at) {
    while (at < b.n && is_space(b.p[at]))
        at++;
    return at;
}

// From a quote to behind its counterpart, or to the end.
static size_t skip_string(bytes b, size_t at) {
    for (at++; at < b.n && b.p[at] != '"'; at++)
        if (b.p[at] == '\\')
            at++;
    return at < b.n ? at + 1 : b.n;
}

// Behind the value that begins here, or to the end.
static size_t skip_value(bytes b, size_t at) {
    size_t depth = 0;
    while (at < b.n) {
        uint8_t c = b.p[at];
        if (depth == 0 && (c == ',' || c == '}' || is_space(c)))
            return at;
        at = c == '"' ? skip_string(b, at) : at + 1;
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        if (depth == 0 && (c == '"' || c == '}' || c == ']'))
            return at;
    }
    return at;
}

// A key with its quotes. Escapes are seldom, but allowed.
static bool is_name(bytes key) {
    if (bytes_find(key, '\\') == key.n)
        return bytes_equal(key, B("\"" NAME "\""));
    OWN(json_close)
    struct json_doc *doc = NULL;
    return json_parse(key, &doc) == OK && json_equals_text(json_root(doc), B(NAME));
}

result event_show(bytes body, uint64_t pending, struct text *out) {
    size_t open = skip_space(body, 0), shown = 0, found = 0;
    NEED(open < body.n && body.p[open] == '{', INVALID, "an event is an object");
    for (size_t at = skip_space(body, open + 1); at < body.n && body.p[at] == '"';) {
        size_t key_end = skip_string(body, at);
        size_t value = skip_space(body, skip_space(body, key_end) + 1); // behind the colon
        size_t end = skip_value(body, value);
        NEED(end > value && end < body.n, INVALID, "an event ends within a member");
        if (is_name(bytes_slice(body, at, key_end))) {
            text_add(out, bytes_slice(body, shown, value));
            text_add_u64(out, pending);
            shown = end;
            found++;
        }
        at = skip_space(body, end);
        if (at < body.n && body.p[at] == ',')
            at = skip_space(body, at + 1);
    }
    if (found == 0) {
        text_add(out, bytes_slice(body, 0, open + 1));
        text_addf(out, "\"" NAME "\":%llu,", (unsigned long long)pending);
        shown = open + 1;
    }
    text_add(out, bytes_slice(body, shown, body.n));
    NEED(!out->failed, MEMORY, "an event is larger than its text may be");
    return OK;
}
