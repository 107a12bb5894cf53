// SPDX-License-Identifier: MIT
#include "cli/query.h"

static bool unreserved(uint8_t c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void query_escape(struct text *path, bytes value) {
    for (size_t i = 0; i < value.n; i++) {
        if (unreserved(value.p[i]))
            text_addc(path, (char)value.p[i]);
        else
            text_addf(path, "%%%02X", value.p[i]);
    }
}

static void add_name(struct text *path, const char *name) {
    bool first = bytes_find(text_bytes(path), '?') == path->n;
    text_addf(path, "%c%s=", first ? '?' : '&', name);
}

void query_add(struct text *path, const char *name, const char *value) {
    if (value == NULL)
        return;
    add_name(path, name);
    query_escape(path, bytes_of(value));
}

void query_add_number(struct text *path, const char *name, uint64_t value) {
    add_name(path, name);
    text_add_u64(path, value);
}

result query_when(const char *said, int64_t now_ms, int64_t *out_ms) {
    bytes b = bytes_of(said);
    uint64_t plain;
    int64_t ago;
    if (bytes_to_u64(b, &plain) == OK) {
        NEED(plain <= INT64_MAX, INVALID, "a time beyond all calendars");
        *out_ms = (int64_t)plain;
        return OK;
    }
    if (text_parse_duration(b, &ago) == OK) {
        *out_ms = now_ms > ago ? now_ms - ago : 0;
        return OK;
    }
    TRY(text_parse_time(b, out_ms));
    NEED(*out_ms >= 0, INVALID, "a time before 1970");
    return OK;
}

result query_seconds(const char *said, int64_t *out_s) {
    uint64_t plain;
    if (bytes_to_u64(bytes_of(said), &plain) == OK) {
        NEED(plain <= INT64_MAX / 1000, INVALID, "a time beyond all calendars");
        *out_s = (int64_t)plain;
        return OK;
    }
    int64_t ms;
    TRY(text_parse_time(bytes_of(said), &ms));
    *out_s = ms / 1000;
    return OK;
}

result query_add_when(struct text *path, const char *name, const char *said, int64_t now_ms) {
    int64_t ms;
    if (said == NULL)
        return OK;
    TRY(query_when(said, now_ms, &ms));
    query_add_number(path, name, (uint64_t)ms);
    return OK;
}
