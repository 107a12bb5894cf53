// SPDX-License-Identifier: MIT
#include "stripe/api_error.h"

#include "base/ensure.h"

static const struct {
    int status;
    const char *type, *code;
} errors[] = {
#define API_ERROR(id, status, type, code, when) {status, type, code},
#include "stripe/api_errors.def"
#undef API_ERROR
};

static void add(struct text *out, const char *name, bytes value) {
    if (value.n == 0)
        return;
    text_addf(out, "\"%s\":", name);
    text_add_json(out, value);
    text_addc(out, ',');
}

static void envelope(const char *type, bytes code, bytes param, bytes message, struct text *out) {
    text_adds(out, "{\"error\":{");
    add(out, "code", code);
    add(out, "message", message);
    add(out, "param", param);
    text_addf(out, "\"type\":\"%s\"}}", type);
}

int api_error_status(enum api_error e) {
    ensure(e < API_ERRORS);
    return errors[e].status;
}

void api_error_write(enum api_error e, bytes param, bytes message, struct text *out) {
    ensure(e < API_ERRORS);
    envelope(errors[e].type, bytes_of(errors[e].code), param, message, out);
}

void api_error_write_status(int status, bytes message, struct text *out) {
    envelope(status < 500 ? "invalid_request_error" : "api_error", NO_BYTES, NO_BYTES, message,
             out);
}
