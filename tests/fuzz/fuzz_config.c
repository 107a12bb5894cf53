// SPDX-License-Identifier: MIT
// The configuration's text: refused with at least one sentence, or read; never a secret in what is
// said.
#include <string.h>

#include "config/config.h"
#include "fuzz.h"

#define CANARY "whsec_canary0123456789abcdef"

static const char *get_env(void *ctx, const char *name) {
    return strcmp(name, "SECRET") == 0 ? CANARY : strcmp(name, "NAME") == 0 ? "shop" : NULL;
}

static result get_file(void *ctx, const char *path, size_t max, struct text *out) {
    NEED(strcmp(path, "secret") == 0, ABSENT, "there is no such file");
    text_adds(out, CANARY "\n");
    return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const struct config_outside outside = {.env = get_env, .file = get_file};
    OWN(text_drop)
    struct text errors = {0};
    OWN(text_drop)
    struct text warnings = {0};
    struct config *c = NULL;
    result r = config_read(bytes_from(p, n), "f.yaml", &outside, &c, &errors, &warnings);
    ensure((r == OK) == (c != NULL) && (r == OK) == (errors.n == 0));
    // Unless the input wrote it there itself.
    if (bytes_search(bytes_from(p, n), B("canary")) == n) {
        ensure(bytes_search(text_bytes(&errors), B("canary")) == errors.n);
        ensure(bytes_search(text_bytes(&warnings), B("canary")) == warnings.n);
    }
    config_free(c);
    return 0;
}
