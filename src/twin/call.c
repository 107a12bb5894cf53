// SPDX-License-Identifier: MIT
// Refusals, parameters and references: what effects are written with.
#include <string.h>

#include "stripe/api_error.h"
#include "stripe/sample_print.h"
#include "twin/call.h"
#include "twin/tokens.h"

#define SHOWN_MAX 64

static void refused(struct twin_call *c, int status, bytes envelope) {
    c->status = status;
    text_reset(&c->refusal);
    text_add(&c->refusal, envelope);
}

bool twin_refuse(struct twin_call *c, enum api_error e, const char *param, const char *format,
                 ...) {
    OWN(text_drop)
    struct text sentence = {0};
    OWN(text_drop)
    struct text out = {0};
    va_list args;
    va_start(args, format);
    text_addv(&sentence, format, args);
    va_end(args);
    api_error_write(e, bytes_of(param), text_bytes(&sentence), &out);
    refused(c, api_error_status(e), text_bytes(&out));
    return false;
}

static void add_member(struct text *out, const char *key, bytes v) {
    if (v.n == 0)
        return;
    text_addf(out, ",\"%s\":", key);
    text_add_json(out, v);
}

bool twin_refuse_as(struct twin_call *c, int status, const char *type, const char *code,
                    const char *param, bytes more, const char *format, ...) {
    OWN(text_drop)
    struct text sentence = {0};
    OWN(text_drop)
    struct text out = {0};
    va_list args;
    va_start(args, format);
    text_addv(&sentence, format, args);
    va_end(args);
    text_addf(&out, "{\"error\":{\"type\":\"%s\"", type);
    add_member(&out, "code", bytes_of(code));
    add_member(&out, "param", bytes_of(param));
    add_member(&out, "message", text_bytes(&sentence));
    text_add(&out, more);
    text_adds(&out, "}}");
    refused(c, status, text_bytes(&out));
    return false;
}

// --- parameters

json twin_param(const struct twin_call *c, const char *path) {
    return json_path(c->params, bytes_of(path));
}

static bytes scalar(json v) {
    return json_type(v) == JSON_STRING ? json_string(v) : json_literal(v);
}

bytes twin_param_text(const struct twin_call *c, const char *path) {
    return scalar(twin_param(c, path));
}

bool twin_param_true(const struct twin_call *c, const char *path) {
    return bytes_equal(twin_param_text(c, path), B("true"));
}

bool twin_given(const struct twin_call *c, const char *path) {
    return json_type(twin_param(c, path)) != JSON_ABSENT;
}

result twin_number(json v, int64_t *out) {
    int64_t n;
    TRY(bytes_to_i64(scalar(v), &n));
    NEED(n >= -TWIN_NUMBER_MAX && n <= TWIN_NUMBER_MAX, INVALID, "it has more than twelve digits");
    *out = n;
    return OK;
}

bool twin_param_int(struct twin_call *c, const char *path, int64_t *out) {
    if (!twin_given(c, path) || twin_number(twin_param(c, path), out) == OK)
        return true;
    OWN(text_drop)
    struct text shown = {0};
    text_add_printable(&shown, twin_param_text(c, path), SHOWN_MAX);
    return twin_refuse(c, API_ERROR_PARAMETER_INTEGER, path, "Invalid integer: %s",
                       text_str(&shown));
}

// --- references

struct twin_object *twin_ref(struct twin_call *c, const char *param, bytes id, const char *kinds) {
    struct twin_object *o = twin_get(c, id);
    if (o == NULL)
        o = twin_standing(c, id, kinds);
    if ((o == NULL && c->status == 0) || (o != NULL && twin_is(o, "token") && !twin_is(o, kinds)))
        o = twin_token(c, id, kinds); // it becomes what it stands for
    if (o != NULL && twin_is(o, kinds))
        return o;
    if (c->status != 0) // the token said why
        return NULL;
    OWN(text_drop)
    struct text shown = {0};
    bytes rest = bytes_of(kinds);
    bytes first = bytes_cut(&rest, '|');
    text_add_printable(&shown, id, SHOWN_MAX);
    // Stripe's words, which programs look at; a word of two parts has a space there.
    OWN(text_drop)
    struct text noun = {0};
    for (size_t i = 0; i < first.n; i++)
        text_addc(&noun, first.p[i] == '_' || first.p[i] == '.' ? ' ' : (char)first.p[i]);
    bool own = param == NULL || strcmp(param, "id") == 0;
    twin_refuse(c, own ? API_ERROR_MISSING : API_ERROR_CURSOR_MISSING, param, "No such %s: '%s'",
                bytes_equal(first, B("payment_method")) ? "PaymentMethod" : text_str(&noun),
                text_str(&shown));
    return NULL;
}
