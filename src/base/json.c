// SPDX-License-Identifier: MIT
#include "base/json.h"

#include <string.h>
#include <yyjson.h>

// `struct json_doc` is yyjson's document under our name, and `json.val` its value.
static yyjson_val *value_of(json v) { return v.val; }

static json json_of(yyjson_val *v) { return (json){v}; }

static bool too_deep(yyjson_doc *doc) {
    // Values lie one behind the other, a container right before its members: `ends` are those of
    // the open ones.
    const yyjson_val *ends[JSON_DEPTH_MAX];
    size_t depth = 0;
    yyjson_val *v = yyjson_doc_get_root(doc);
    for (size_t left = yyjson_doc_get_val_count(doc); left > 0; left--, v++) {
        while (depth > 0 && v >= ends[depth - 1])
            depth--;
        if (!yyjson_is_ctn(v))
            continue;
        if (depth == JSON_DEPTH_MAX)
            return true;
        ends[depth++] = unsafe_yyjson_get_next(v);
    }
    return false;
}

result json_parse_in(const struct json_memory *memory, bytes in, struct json_doc **out) {
    yyjson_alc alc = {memory->take, memory->resize, memory->give, memory->ctx};
    yyjson_read_err error = {0};
    // Without YYJSON_READ_INSITU the input is copied first and stays as it is.
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)in.p, in.n, YYJSON_READ_NUMBER_AS_RAW, &alc, &error);
    *out = NULL;
    NEED(doc != NULL || error.code != YYJSON_READ_ERROR_MEMORY_ALLOCATION, MEMORY,
         "there is no memory to read the JSON");
    NEED(doc != NULL, INVALID, "this is not JSON");
    if (too_deep(doc)) {
        yyjson_doc_free(doc);
        FAIL(INVALID, "the JSON is nested too deep");
    }
    *out = (struct json_doc *)doc;
    return OK;
}

void json_close(struct json_doc **doc) {
    yyjson_doc_free((yyjson_doc *)*doc);
    *doc = NULL;
}

json json_root(const struct json_doc *doc) {
    return json_of(yyjson_doc_get_root((yyjson_doc *)(uintptr_t)doc));
}

enum json_type json_type(json v) {
    switch (yyjson_get_type(value_of(v))) {
    case YYJSON_TYPE_NULL: return JSON_NULL;
    case YYJSON_TYPE_BOOL: return JSON_BOOL;
    case YYJSON_TYPE_RAW: return JSON_NUMBER;
    case YYJSON_TYPE_STR: return JSON_STRING;
    case YYJSON_TYPE_ARR: return JSON_ARRAY;
    case YYJSON_TYPE_OBJ: return JSON_OBJECT;
    default: return JSON_ABSENT;
    }
}

json json_get(json object, const char *key) { return json_getb(object, bytes_of(key)); }

json json_getb(json object, bytes key) {
    const char *name = key.n > 0 ? (const char *)key.p : "";
    return json_of(yyjson_obj_getn(value_of(object), name, key.n));
}

json json_path(json v, bytes path) {
    while (path.n > 0 && v.val != NULL) {
        uint64_t index;
        size_t end = bytes_find(path, '.');
        bytes step = bytes_slice(path, 0, end);
        if (json_type(v) == JSON_ARRAY)
            v = bytes_to_u64(step, &index) == OK ? json_at(v, index) : (json){NULL};
        else
            v = json_getb(v, step);
        path = bytes_slice(path, end + 1, path.n);
    }
    return v;
}

bool json_has_twice(json object, const char *key) {
    json first;
    return json_pick(object, &(bytes){(const uint8_t *)key, strlen(key)}, 1, &first) != 0;
}

uint32_t json_pick(json object, const bytes *names, size_t n, json *out) {
    uint32_t twice = 0;
    size_t at = 0;
    bytes name;
    json value;
    memset(out, 0, n * sizeof *out);
    while (json_member(object, &at, &name, &value))
        for (size_t i = 0; i < n; i++) {
            if (name.n != names[i].n || !bytes_equal(name, names[i]))
                continue;
            if (out[i].val != NULL)
                twice |= UINT32_C(1) << i;
            else
                out[i] = value;
            break;
        }
    return twice;
}

size_t json_size(json v) {
    return yyjson_is_ctn(value_of(v)) ? unsafe_yyjson_get_len(value_of(v)) : 0;
}

json json_at(json array, size_t i) { return json_of(yyjson_arr_get(value_of(array), i)); }

// Both walks keep in *at how many values lie between the container and its next member.
static yyjson_val *next_value(yyjson_val *container, size_t *at) {
    size_t from = *at == 0 ? 1 : *at;
    yyjson_val *v = container + from;
    if (v >= unsafe_yyjson_get_next(container))
        return NULL;
    *at = (size_t)(unsafe_yyjson_get_next(v) - container);
    return v;
}

bool json_member(json object, size_t *at, bytes *key, json *value) {
    if (!yyjson_is_obj(value_of(object)))
        return false;
    yyjson_val *name = next_value(value_of(object), at);
    if (name == NULL)
        return false;
    *key = bytes_from(unsafe_yyjson_get_str(name), unsafe_yyjson_get_len(name));
    *value = json_of(next_value(value_of(object), at));
    return true;
}

bool json_element(json array, size_t *at, json *value) {
    if (!yyjson_is_arr(value_of(array)))
        return false;
    yyjson_val *v = next_value(value_of(array), at);
    *value = json_of(v);
    return v != NULL;
}

bytes json_string(json v) {
    return yyjson_is_str(value_of(v))
               ? bytes_from(yyjson_get_str(value_of(v)), yyjson_get_len(value_of(v)))
               : NO_BYTES;
}

bytes json_number(json v) {
    return yyjson_is_raw(value_of(v))
               ? bytes_from(yyjson_get_raw(value_of(v)), yyjson_get_len(value_of(v)))
               : NO_BYTES;
}

bool json_true(json v) { return yyjson_is_true(value_of(v)); }

result json_i64(json v, int64_t *out) {
    NEED(json_type(v) == JSON_NUMBER, INVALID, "a JSON value is not a number");
    return bytes_to_i64(json_number(v), out);
}

bytes json_literal(json v) {
    switch (json_type(v)) {
    case JSON_NULL: return B("null");
    case JSON_BOOL: return json_true(v) ? B("true") : B("false");
    case JSON_NUMBER: return json_number(v);
    default: return NO_BYTES;
    }
}

bool json_equals_text(json v, bytes text) {
    if (json_type(v) == JSON_STRING)
        return bytes_equal(json_string(v), text);
    bytes own = json_literal(v);
    return own.n > 0 && bytes_equal(own, text);
}
