// SPDX-License-Identifier: MIT
#include "cli/where.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "config/config.h"
#include "port/files.h"

#define KEY_FILE_MAX 1024
// Stands for a variable that is not set: long enough for a secret, and a URL.
#define UNSET "http://unset.invalid/variable"

static const char *env_or_unset(void *ctx, const char *name) {
    const char *value = getenv(name);
    return value != NULL ? value : UNSET;
}

static result no_file(void *ctx, const char *path, size_t max, struct text *out) {
    text_adds(out, UNSET);
    return OK;
}

static bool host_is(bytes rest, const char *host) {
    bytes h = bytes_of(host);
    return bytes_starts(rest, h) && (rest.n == h.n || rest.p[h.n] == ':' || rest.p[h.n] == '/');
}

result where_parse(bytes address, struct where *out) {
    static const char *const any[][2] = {{"0.0.0.0", "127.0.0.1"}, {"[::]", "[::1]"}};
    bytes scheme = B("http://");
    text_add(&out->address, address);
    if (bytes_starts(address, B("unix:"))) {
        NEED(address.n > 5, INVALID, "a unix address without a path");
        text_add(&out->unix_path, bytes_slice(address, 5, address.n));
        text_adds(&out->base, "http://localhost");
        return OK;
    }
    if (bytes_starts(address, B("https://")))
        scheme = B("https://");
    NEED(bytes_starts(address, scheme), INVALID, "an address of no kind that is known");
    bytes rest = bytes_slice(address, scheme.n, address.n);
    while (bytes_ends(rest, B("/")))
        rest.n--;
    NEED(rest.n > 0 && bytes_find(rest, '@') == rest.n && bytes_find(rest, '?') == rest.n, INVALID,
         "an address without a host, or with more than one");
    text_add(&out->base, scheme);
    for (size_t i = 0; i < 2; i++)
        if (host_is(rest, any[i][0])) {
            text_adds(&out->base, any[i][1]);
            rest = bytes_slice(rest, bytes_of(any[i][0]).n, rest.n);
        }
    text_add(&out->base, rest);
    return OK;
}

bool where_local(const struct where *w) {
    static const char *const hosts[] = {"127.0.0.1", "[::1]", "localhost"};
    bytes rest = text_bytes(&w->base);
    size_t host = bytes_search(rest, B("://"));
    rest = bytes_slice(rest, host + 3, rest.n);
    for (size_t i = 0; i < 3 && w->unix_path.n == 0; i++)
        if (host_is(rest, hosts[i]))
            return true;
    return w->unix_path.n > 0;
}

static enum cli_exit load(const struct cli_call *c, struct config **out) {
    OWN(text_drop)
    struct text errors = {0};
    OWN(text_drop)
    struct text warnings = {0};
    // A handler, which has HOOKKEEP_ variables of its own, may ask too.
    const struct config_outside lenient = {.env = env_or_unset,
                                           .variables = (const char *const *)environ,
                                           .others_pass = true,
                                           .file = no_file};
    result loaded = config_load_with(c->config_path, &lenient, out, &errors, &warnings);
    if (loaded == OK)
        return CLI_DONE;
    text_adds(&errors, "without the configuration, set HOOKKEEP_API to the desk's address and "
                       "HOOKKEEP_KEY to a key");
    cli_say("%s", text_str(&errors));
    return CLI_CONFIG;
}

static bool is_unset(bytes b) { return bytes_search(b, B(UNSET)) < b.n; }

// The first address on this machine, else the first.
static enum cli_exit find_address(const struct config *c, struct where *w) {
    bytes chosen = NO_BYTES;
    for (size_t i = 0; i < c->desk_listen_count; i++) {
        struct where one = {0};
        bool good = where_parse(c->desk_listen[i], &one) == OK;
        bool local = good && where_local(&one);
        where_drop(&one);
        if (local || (good && chosen.n == 0))
            chosen = c->desk_listen[i];
        if (local)
            break;
    }
    if (chosen.n == 0 || is_unset(chosen) || where_parse(chosen, w) != OK) {
        cli_say("the configuration's desk.listen names no address that could be asked; set "
                "HOOKKEEP_API to the desk's address");
        return CLI_CONFIG;
    }
    return CLI_DONE;
}

static void find_key_file(const struct config *c, struct where *w) {
    OWN(text_drop)
    struct text path = {0};
    OWN(text_drop)
    struct text content = {0};
    text_add(&path, c->ledger_path);
    text_adds(&path, ".key");
    if (is_unset(c->ledger_path)) {
        text_adds(&w->key_why, "the ledger's path holds a variable that is not set here; set it, "
                               "or set HOOKKEEP_KEY to a key");
        return;
    }
    result loaded = file_load(text_str(&path), KEY_FILE_MAX, &content);
    if (loaded != OK) {
        bool absent = failed_as(loaded, FAIL_ABSENT);
        text_addf(&w->key_why, "the operator's key in %s %s; %s, or set HOOKKEEP_KEY to a key",
                  text_str(&path), absent ? "is not there" : "cannot be read",
                  absent ? "the gateway makes it at its first start (run this in its folder)"
                         : "run this as the gateway's user");
        return;
    }
    bytes rest = text_bytes(&content);
    text_add(&w->key, bytes_trim(bytes_cut(&rest, '\n')));
    text_addf(&w->key_from, "%s", text_str(&path));
    memory_wipe(content.p, content.cap);
}

static const char *env_said(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool may_be_header(bytes key) {
    for (size_t i = 0; i < key.n; i++)
        if (key.p[i] <= ' ' || key.p[i] >= 0x7f)
            return false;
    return true;
}

static enum cli_exit find_key(const struct cli_call *c, struct config *config, struct where *w) {
    const char *key = env_said("HOOKKEEP_KEY");
    if (key != NULL) {
        text_adds(&w->key, key);
        text_adds(&w->key_from, "HOOKKEEP_KEY");
    } else if (!where_local(w)) {
        text_adds(&w->key_why, "the address is on another machine, where the key beside the ledger "
                               "here is not sent; set HOOKKEEP_KEY to a key of that gateway");
    } else if (config != NULL) {
        find_key_file(config, w);
    }
    if (!may_be_header(text_bytes(&w->key))) {
        cli_say("the key from %s holds white space or bytes that no key has; expected hk_…, "
                "nothing around it",
                text_str(&w->key_from));
        return CLI_USAGE;
    }
    return CLI_DONE;
}

enum cli_exit where_find(const struct cli_call *c, struct where *out) {
    const char *api = c->api != NULL ? c->api : env_said("HOOKKEEP_API");
    struct config *config = NULL;
    *out = (struct where){.asked_for = api != NULL};
    if (api != NULL && where_parse(bytes_of(api), out) != OK) {
        cli_say("%s `%s` is no address of a desk; expected unix:PATH, http://HOST:PORT or "
                "https://HOST:PORT",
                c->api != NULL ? "--api" : "HOOKKEEP_API", api);
        return CLI_USAGE;
    }
    // The configuration is read for what is not said otherwise.
    bool needs = api == NULL || (env_said("HOOKKEEP_KEY") == NULL && where_local(out));
    enum cli_exit code = needs ? load(c, &config) : CLI_DONE;
    if (code == CLI_DONE && api == NULL)
        code = find_address(config, out);
    if (code == CLI_DONE)
        code = find_key(c, config, out);
    config_free(config);
    return code;
}

void where_drop(struct where *w) {
    if (w->key.p != NULL)
        memory_wipe(w->key.p, w->key.cap);
    text_drop(&w->address);
    text_drop(&w->base);
    text_drop(&w->unix_path);
    text_drop(&w->key);
    text_drop(&w->key_from);
    text_drop(&w->key_why);
    *w = (struct where){0};
}
