// SPDX-License-Identifier: MIT
#include "base/json_draft.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/text.h"

// `struct json_draft` is yyjson's mutable document under our name.
static yyjson_mut_doc *doc_of(const struct json_draft *d) { return (yyjson_mut_doc *)(uintptr_t)d; }

result json_draft_open(bytes in, struct json_draft **out) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    *out = NULL;
    TRY(json_parse(in, &doc));
    yyjson_mut_doc *copy = yyjson_doc_mut_copy((yyjson_doc *)doc, NULL);
    NEED(copy != NULL, MEMORY, "no memory for the JSON");
    *out = (struct json_draft *)copy;
    return OK;
}

void json_draft_close(struct json_draft **d) {
    yyjson_mut_doc_free(doc_of(*d));
    *d = NULL;
}

static yyjson_mut_val *member(yyjson_mut_val *object, bytes key) {
    return yyjson_mut_obj_getn(object, (const char *)key.p, key.n);
}

// Where a step leads to: `place` is the value that stands there, null if nothing does yet.
static result step_in(yyjson_mut_val *in, bytes step, yyjson_mut_val **place) {
    uint64_t index;
    NEED(step.n > 0, INVALID, "a step of the path is empty");
    if (yyjson_mut_is_obj(in)) {
        *place = member(in, step);
        return OK;
    }
    NEED(yyjson_mut_is_arr(in), INVALID, "it is neither an object nor an array");
    NEED(bytes_to_u64(step, &index) == OK && index <= yyjson_mut_arr_size(in), INVALID,
         "the array has no such element");
    *place = yyjson_mut_arr_get(in, index);
    return OK;
}

// Puts it where the step leads; step_in has judged the step.
static result put(yyjson_mut_doc *d, yyjson_mut_val *in, bytes step, yyjson_mut_val *value) {
    bool done;
    if (yyjson_mut_is_obj(in)) {
        yyjson_mut_val *key = yyjson_mut_strncpy(d, (const char *)step.p, step.n);
        done = member(in, step) != NULL ? yyjson_mut_obj_replace(in, key, value)
                                        : yyjson_mut_obj_add(in, key, value);
    } else {
        uint64_t index;
        TRY(bytes_to_u64(step, &index));
        done = index < yyjson_mut_arr_size(in) ? yyjson_mut_arr_replace(in, index, value) != NULL
                                               : yyjson_mut_arr_append(in, value);
    }
    NEED(done, MEMORY, "no memory for the JSON");
    return OK;
}

result json_draft_set(struct json_draft *draft, bytes path, json value, size_t *at) {
    yyjson_mut_doc *d = doc_of(draft);
    yyjson_mut_val *in = yyjson_mut_doc_get_root(d), *place = NULL;
    yyjson_mut_val *copy = yyjson_val_mut_copy(d, value.val);
    NEED(copy != NULL, MEMORY, "no memory for the JSON");
    for (*at = 0;;) {
        size_t end = *at + bytes_find(bytes_slice(path, *at, path.n), '.');
        bytes step = bytes_slice(path, *at, end);
        TRY(step_in(in, step, &place));
        if (end == path.n)
            return put(d, in, step, copy);
        if (place == NULL || yyjson_mut_is_null(place)) {
            // What is put in the place of another value is copied there.
            TRY(put(d, in, step, yyjson_mut_obj(d)));
            TRY(step_in(in, step, &place));
        }
        in = place;
        *at = end + 1;
    }
}

void json_draft_remove(struct json_draft *draft, bytes path) {
    yyjson_mut_val *in = yyjson_mut_doc_get_root(doc_of(draft)), *place = NULL;
    while (path.n > 0) {
        bytes step = bytes_cut(&path, '.');
        uint64_t index;
        if (step_in(in, step, &place) != OK || place == NULL)
            return;
        if (path.n > 0)
            in = place;
        else if (yyjson_mut_is_obj(in))
            yyjson_mut_obj_remove_keyn(in, (const char *)step.p, step.n);
        else if (bytes_to_u64(step, &index) == OK)
            yyjson_mut_arr_remove(in, index);
    }
}

result json_draft_finish(const struct json_draft *d, struct json_doc **out) {
    *out = NULL;
    size_t n;
    char *written = yyjson_mut_write(doc_of(d), YYJSON_WRITE_NOFLAG, &n);
    NEED(written != NULL, MEMORY, "no memory for the JSON");
    result parsed = json_parse(bytes_from(written, n), out);
    free(written);
    return parsed;
}
