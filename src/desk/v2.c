// SPDX-License-Identifier: MIT
#include "desk/v2.h"

#include "desk/v1.h"
#include "stripe/form.h"

#define MARK_MAX 4096

void v2_lists_read(struct ask *a) {
    OWN(text_drop)
    struct text t = {0};
    for (bytes rest = a->query_text; rest.n > 0;) {
        bytes value = bytes_cut(&rest, '&'), name = bytes_cut(&value, '=');
        bool list = bytes_equal(name, B("include")) || bytes_equal(name, B("types"));
        text_add(&t, name);
        text_adds(&t, list ? "[]=" : "=");
        text_add(&t, value);
        text_adds(&t, rest.n > 0 ? "&" : "");
    }
    a->query_text = arena_copy(&a->memory, text_bytes(&t));
    if (a->query_text.n != t.n)
        v1_fail(a, API_ERROR_INTERNAL, NULL, "The parameters take more memory than they may.");
}

static bool fail_mark(struct ask *a) {
    v1_fail(
        a, API_ERROR_INVALID, "page",
        "page is none that this gateway gave; begin the list anew, and go on by next_page_url.");
    return false;
}

// Hexadecimal of ID?PARAMETERS.
static bool take_mark(struct ask *a, bytes mark, bytes *after) {
    uint8_t raw[MARK_MAX];
    if (mark.n % 2 != 0 || mark.n / 2 > sizeof raw || bytes_from_hex(mark, raw, mark.n / 2) != OK)
        return fail_mark(a);
    bytes rest = arena_copy(&a->memory, bytes_from(raw, mark.n / 2));
    *after = bytes_cut(&rest, '?');
    OWN(text_drop)
    struct text read = {0}, why = {0};
    struct json_doc *doc = NULL;
    if (after->n == 0 || form_read(rest, &read, &why) != OK ||
        json_parse(text_bytes(&read), &doc) != OK)
        return fail_mark(a);
    json_close(&a->doc);
    a->doc = doc;
    a->query_text = rest;
    return true;
}

bool v2_page_read(struct ask *a, bytes *after) {
    json page = json_get(json_root(a->doc), "page");
    *after = NO_BYTES;
    if (json_type(page) == JSON_ABSENT)
        return true;
    return take_mark(a, json_string(page), after);
}

void v2_page_write(struct ask *a, const char *path, bytes last) {
    text_adds(&a->out, ",\"next_page_url\":");
    if (last.n == 0) {
        text_adds(&a->out, "null");
    } else {
        OWN(text_drop)
        struct text mark = {0};
        text_add(&mark, last);
        text_addc(&mark, '?');
        text_add(&mark, a->query_text);
        text_addf(&a->out, "\"%s?page=", path);
        text_add_hex(&a->out, text_bytes(&mark));
        text_addc(&a->out, '"');
    }
    text_adds(&a->out, ",\"previous_page_url\":null}");
}
