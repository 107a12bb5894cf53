// SPDX-License-Identifier: MIT
#include "stripe/catalogue.h"

#include "base/ensure.h"

// An object of this type that has no id yet.
static bool has_no_id(const struct event_type *t) {
    return bytes_equal(bytes_of(t->name), B("invoice.upcoming"));
}

size_t catalogue_tables(const struct event_type *t,
                        const struct object_table *out[CATALOGUE_TABLES_MAX]) {
    size_t n = 0, objects;
    for (bytes rest = bytes_of(t->object); rest.n > 0 && !has_no_id(t);) {
        const struct object_table *table = object_table_of(bytes_cut(&rest, '|'));
        // What has no table of its own, and is documented, has no id.
        if (table->object[0] == '\0')
            continue;
        ensure(n < CATALOGUE_TABLES_MAX);
        out[n++] = table;
    }
    objects = n;
    for (size_t i = 0; i < objects; i++) {
        size_t at = 0;
        for (const struct object_table *list; (list = object_table_list(out[i], &at)) != NULL;) {
            ensure(n < CATALOGUE_TABLES_MAX);
            out[n++] = list;
        }
    }
    return n;
}

static void write_member(const char *name, const char *value, struct text *out) {
    text_addf(out, "\"%s\":", name);
    text_add_json(out, bytes_of(value));
    text_addc(out, ',');
}

void catalogue_write(const struct event_type *t, struct text *out) {
    const struct object_table *tables[CATALOGUE_TABLES_MAX];
    size_t n = catalogue_tables(t, tables);
    write_member("type", t->name, out);
    write_member("object", t->object, out);
    write_member("description", t->description, out);
    text_adds(out, "\"tables\":[");
    for (size_t i = 0; i < n; i++)
        text_addf(out, "%s\"%s\"", i > 0 ? "," : "", tables[i]->name);
    text_addc(out, ']');
}
