// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "base/memory.h"
#include "config/check.h"

#define EXPANDED_MAX (64u << 10) // bytes of one scalar

static bool is_name_byte(uint8_t c, bool first) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (c >= '0' && c <= '9' && !first);
}

static size_t name_length(bytes b) {
    size_t n = 0;
    while (n < b.n && is_name_byte(b.p[n], n == 0))
        n++;
    return n;
}

// A variable's name is shown unless it may be a secret that someone put between the braces.
static void show_variable(bytes name, struct text *out) {
    bool plain = true;
    for (size_t i = 0; i < name.n && plain; i++)
        plain = name.n < SECRET_MIN || !(name.p[i] >= 'a' && name.p[i] <= 'z');
    if (plain && !bytes_starts(name, B("whsec_")))
        text_add(out, name);
    else
        text_addf(out, "the variable (%zu characters)", name.n);
}

static void complain_unset(struct reading *r, struct node *n, bytes name) {
    OWN(text_drop)
    struct text shown = {0};
    show_variable(name, &shown);
    complain(r, n, "%s is not set in the environment; set it, or write ${VAR:-default}",
             text_str(&shown));
}

// What stands between the braces.
static void expand_one(struct reading *r, struct node *n, bytes inside, struct text *out) {
    bytes name = bytes_slice(inside, 0, name_length(inside));
    bytes rest = bytes_slice(inside, name.n, inside.n);
    bool has_default = bytes_starts(rest, B(":-"));
    if (name.n == 0 || (rest.n > 0 && !has_default)) {
        complain(r, n,
                 "what stands between ${ and } is neither VAR nor VAR:-default; write $${ "
                 "for a plain ${");
        return;
    }
    char *z = bytes_strdup(name);
    const char *value = r->outside->env(r->outside->ctx, z);
    free(z);
    if (value == NULL && !has_default)
        complain_unset(r, n, name);
    else if (value == NULL || (value[0] == '\0' && has_default))
        text_add(out, bytes_slice(rest, 2, rest.n));
    else
        text_adds(out, value);
}

static void expand_all(struct reading *r, struct node *n, struct text *out) {
    bytes rest = n->raw;
    while (rest.n > 0 && !n->bad) {
        if (bytes_starts(rest, B("$${"))) {
            text_adds(out, "${");
            rest = bytes_slice(rest, 3, rest.n);
        } else if (bytes_starts(rest, B("${"))) {
            size_t end = bytes_find(rest, '}');
            if (end == rest.n)
                complain(r, n, "a ${ without its }; write $${ for a plain ${");
            else
                expand_one(r, n, bytes_slice(rest, 2, end), out);
            rest = bytes_slice(rest, end + 1, rest.n);
        } else {
            text_add(out, bytes_slice(rest, 0, 1));
            rest = bytes_slice(rest, 1, rest.n);
        }
    }
}

result check_expand(struct reading *r, struct node *n) {
    n->text = n->raw;
    if (bytes_search(n->raw, B("${")) == n->raw.n)
        return OK;
    struct text out = {.max = EXPANDED_MAX};
    expand_all(r, n, &out);
    if (out.failed)
        complain(r, n, "its variables make it longer than %u bytes", EXPANDED_MAX);
    n->text = n->bad ? NO_BYTES : arena_copy(r->memory, text_bytes(&out));
    if (out.p != NULL)
        memory_wipe(out.p, out.cap);
    text_drop(&out);
    NEED(n->bad || n->text.p != NULL, MEMORY, "the configuration is too large");
    return OK;
}
