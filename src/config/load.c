// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "base/memory.h"
#include "config/config.h"
#include "config/look.h"
#include "config/tree.h"
#include "config/variables.h"
#include "port/clock.h"
#include "port/files.h"
#include "port/keeper.h"

extern char **environ;

static const char environment_alone[] =
    "sources: [{path: /webhook, secrets: [{label: main, key: \"${STRIPE_WEBHOOK_SECRET}\"}]}]\n";

static const char *read_env(void *ctx, const char *name) { return getenv(name); }

static result read_file(void *ctx, const char *path, size_t max, struct text *out) {
    return file_load(path, max, out);
}

static bool has_user(void *ctx, const char *name) { return keeper_knows(name); }

static bool has_folder(void *ctx, const char *path) { return files_real.exists(&files_real, path); }

static result look(void *ctx, const struct handler *h, bytes path, struct text *json,
                   struct text *why) {
    return plugin_look(h, path, json, why);
}

static result read_from(const char *path, struct text *yaml, const struct config_outside *o,
                        struct config **out, struct text *errors, struct text *warnings) {
    TRY(config_read(text_bytes(yaml), path, o, out, errors, warnings));
    (*out)->file = arena_copy(&(*out)->memory, bytes_of(path));
    return OK;
}

// ABSENT only when there is no such file.
static result load_file(const char *path, const struct config_outside *o, struct config **out,
                        struct text *errors, struct text *warnings) {
    struct text yaml = {.max = CONFIG_SIZE_MAX + 1};
    result loaded = file_load(path, CONFIG_SIZE_MAX, &yaml);
    if (failed_as(loaded, FAIL_FULL))
        text_addf(errors, "%s: more than %u bytes; a configuration is smaller\n", path,
                  CONFIG_SIZE_MAX);
    else if (loaded != OK && !failed_as(loaded, FAIL_ABSENT))
        text_addf(errors, "%s: cannot be read (%s); check its permissions\n", path, loaded->text);
    if (loaded == OK)
        loaded = read_from(path, &yaml, o, out, errors, warnings);
    if (yaml.p != NULL)
        memory_wipe(yaml.p, yaml.cap);
    text_drop(&yaml);
    return loaded;
}

static result load_environment(const struct config_outside *o, struct config **out,
                               struct text *errors, struct text *warnings) {
    bool sources = variables_say(o, "HOOKKEEP_SOURCES");
    bool secret = !sources && o->env(o->ctx, "STRIPE_WEBHOOK_SECRET") != NULL;
    if (!secret && !variables_say(o, NULL)) {
        text_adds(
            errors,
            "there is no configuration: neither -c FILE, nor $HOOKKEEP_CONFIG, nor "
            "hookkeep.yaml here, nor /etc/hookkeep/hookkeep.yaml; write one, or set "
            "STRIPE_WEBHOOK_SECRET to receive on /webhook without one, and HOOKKEEP_ variables for "
            "the rest (hookkeep.yaml(5))\n");
        FAIL(INVALID, "there is no configuration");
    }
    return config_read(secret ? bytes_of(environment_alone) : NO_BYTES, "environment", o, out,
                       errors, warnings);
}

result config_load_with(const char *path, const struct config_outside *o, struct config **out,
                        struct text *errors, struct text *warnings) {
    static const char *const places[] = {"hookkeep.yaml", "/etc/hookkeep/hookkeep.yaml"};
    *out = NULL;
    if (path == NULL)
        path = getenv("HOOKKEEP_CONFIG");
    if (path != NULL && path[0] != '\0') {
        result loaded = load_file(path, o, out, errors, warnings);
        if (failed_as(loaded, FAIL_ABSENT))
            text_addf(errors, "%s: there is no such file\n", path);
        return loaded;
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        result loaded = load_file(places[i], o, out, errors, warnings);
        if (!failed_as(loaded, FAIL_ABSENT))
            return loaded;
    }
    return load_environment(o, out, errors, warnings);
}

result config_load(const char *path, struct config **out, struct text *errors,
                   struct text *warnings) {
    const struct config_outside outside = {.env = read_env,
                                           .variables = (const char *const *)environ,
                                           .now_s = clock_wall_ms(&clock_real) / 1000,
                                           .file = read_file,
                                           .user = has_user,
                                           .folder = has_folder,
                                           .plugin = look};
    return config_load_with(path, &outside, out, errors, warnings);
}
