// SPDX-License-Identifier: MIT
// The configuration's text: refused with at least one sentence, or read, and then the same each
// time, with a plan that survives being written down; never a secret in what is said.
#include <string.h>

#include "config/config.h"
#include "fuzz.h"

#define CANARY "whsec_canary0123456789abcdef"

const struct fuzz_plant fuzz_plants[] = {
    {"secret", PLANT_FUZZED, "a complaint about a secret quotes it"},
    {"silent", PLANT_FUZZED, "an alias is refused without a word"},
    {"where", PLANT_SEEDED, "the plan forgets `where` when it is written down"},
    {0},
};

static const char *get_env(void *ctx, const char *name) {
    return strcmp(name, "SECRET") == 0 ? CANARY : strcmp(name, "NAME") == 0 ? "shop" : NULL;
}

static result get_file(void *ctx, const char *path, size_t max, struct text *out) {
    NEED(strcmp(path, "secret") == 0, ABSENT, "there is no such file");
    text_adds(out, CANARY "\n");
    return OK;
}

static const struct config_outside outside = {.env = get_env, .file = get_file};

static void plant(struct text *errors) {
    if (fuzz_planted("secret") && bytes_search(text_bytes(errors), B("key")) < errors->n)
        text_adds(errors, CANARY "\n");
    if (fuzz_planted("silent") && bytes_search(text_bytes(errors), B("alias")) < errors->n)
        text_reset(errors);
}

// What is said is whole lines, each with the file's name, safe on a terminal.
static void check_said(const struct text *said) {
    bytes rest = text_bytes(said);
    ensure(bytes_utf8(rest) && (rest.n == 0 || rest.p[rest.n - 1] == '\n'));
    while (rest.n > 0) {
        bytes line = bytes_cut(&rest, '\n');
        ensure(bytes_starts(line, B("f.yaml")));
        for (size_t i = 0; i < line.n; i++)
            ensure(line.p[i] >= ' ' && line.p[i] != 0x7f);
    }
}

static void check_plan(const struct config *c, bytes yaml) {
    struct plan *plan = NULL;
    ensure(plan_read(c->plan->json, 0, &plan) == OK);
    if (fuzz_planted("where") && plan->destination_count > 0 &&
        plan->destinations[0].rule_count > 0)
        plan->destinations[0].rules[0].where_count = 0;
    OWN(text_drop)
    struct text written = {0};
    plan_write(plan, &written);
    ensure(bytes_equal(text_bytes(&written), c->plan->json));
    plan_free(plan);
    ensure(c->plan->source_count == c->source_count);
    ensure(c->plan->destination_count == c->destination_count);
    OWN(text_drop)
    struct text said = {0};
    struct config *again = NULL;
    ensure(config_read(yaml, "f.yaml", &outside, &again, &said, &said) == OK);
    ensure(bytes_equal(again->plan->json, c->plan->json));
    config_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    bytes yaml = bytes_from(p, n);
    OWN(text_drop)
    struct text errors = {0};
    OWN(text_drop)
    struct text warnings = {0};
    struct config *c = NULL;
    result r = config_read(yaml, "f.yaml", &outside, &c, &errors, &warnings);
    plant(&errors);
    ensure((r == OK) == (c != NULL) && (r == OK) == (errors.n == 0));
    check_said(&errors);
    check_said(&warnings);
    // Unless the input wrote it there itself.
    if (bytes_search(yaml, B("canary")) == n) {
        ensure(bytes_search(text_bytes(&errors), B("canary")) == errors.n);
        ensure(bytes_search(text_bytes(&warnings), B("canary")) == warnings.n);
    }
    if (c != NULL)
        check_plan(c, yaml);
    config_free(c);
    return 0;
}
