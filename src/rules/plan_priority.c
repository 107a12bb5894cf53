// SPDX-License-Identifier: MIT
#include "rules/plan_priority.h"

static const enum priority named[] = {PRIORITY_HIGH, PRIORITY_LOW};
#define NAMED (sizeof named / sizeof *named)

static bool has(json destination) {
    return json_type(json_get(destination, "priority")) != JSON_ABSENT;
}

size_t plan_priority_extra(json destination) { return has(destination); }

static result read_types(struct arena *a, json list, bytes **out, size_t *count) {
    json type;
    size_t n = 0;
    NEED(json_type(list) == JSON_ARRAY, INVALID, "a list of types in the plan is none");
    *count = json_size(list);
    *out = arena_take(a, *count * sizeof **out);
    NEED(*count == 0 || *out != NULL, MEMORY, "the plan does not fit its memory");
    for (size_t at = 0; json_element(list, &at, &type); n++) {
        bytes text = json_string(type);
        NEED(text.n > 0, INVALID, "a type in the plan is none");
        (*out)[n] = arena_copy(a, text);
        NEED((*out)[n].p != NULL, MEMORY, "the plan does not fit its memory");
    }
    return OK;
}

result plan_priority_read(struct arena *a, json destination, struct plan_destination *d) {
    json rule = json_get(destination, "priority");
    if (!has(destination))
        return OK;
    NEED(json_type(rule) == JSON_OBJECT && json_size(rule) == NAMED, INVALID,
         "a priority in the plan has another form");
    for (size_t i = 0; i < NAMED; i++)
        TRY(read_types(a, json_get(rule, priority_name(named[i])), &d->priority.types[named[i]],
                       &d->priority.count[named[i]]));
    NEED(d->priority.count[PRIORITY_HIGH] + d->priority.count[PRIORITY_LOW] > 0, INVALID,
         "a priority in the plan says nothing");
    return OK;
}

void plan_priority_write(const struct plan_destination *d, struct text *out) {
    if (d->priority.count[PRIORITY_HIGH] + d->priority.count[PRIORITY_LOW] == 0)
        return;
    text_adds(out, ",\"priority\":{");
    for (size_t i = 0; i < NAMED; i++) {
        text_addf(out, "%s\"%s\":[", i > 0 ? "," : "", priority_name(named[i]));
        for (size_t k = 0; k < d->priority.count[named[i]]; k++) {
            text_adds(out, k > 0 ? "," : "");
            text_add_json(out, d->priority.types[named[i]][k]);
        }
        text_addc(out, ']');
    }
    text_addc(out, '}');
}
