// SPDX-License-Identifier: MIT
#include "plugin/plugin.h"

#include <dlfcn.h>

#include "port/files.h"
#include "rules/match.h"

#define SYMBOL "hk_handlers"
#define SHOWN_MAX 80 // bytes of what it says itself

static void *load(const char *path, struct text *why) {
    OWN(text_drop)
    struct text here = {0};
    // The linker would look for a bare name among the system's libraries.
    if (bytes_find(bytes_of(path), '/') == bytes_of(path).n)
        text_adds(&here, "./");
    text_adds(&here, path);
    if (!files_real.exists(&files_real, text_str(&here))) {
        text_adds(why, "there is no such file; a path that does not begin with / is one in "
                       "`directory`, or where the gateway runs");
        return NULL;
    }
    void *object = dlopen(text_str(&here), RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        text_adds(why, "it cannot be loaded: ");
        text_add_printable(why, bytes_of(dlerror()), 300);
        text_adds(why,
                  "; build it for this machine with -shared -fPIC, and link all that it needs");
    }
    return object;
}

static bool is_name(bytes b) {
    bool fits = b.n > 0 && b.n <= 64;
    for (size_t i = 0; i < b.n && fits; i++) {
        uint8_t c = b.p[i];
        fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    }
    return fits;
}

static bool is_line(bytes b) {
    bool fits = b.n > 0 && b.n <= PLUGIN_DESCRIPTION_MAX && bytes_utf8(b);
    for (size_t i = 0; i < b.n && fits; i++)
        fits = b.p[i] >= ' ' && b.p[i] != 0x7f;
    return fits;
}

static bool takes(const hk_handler *h, bytes type) {
    for (const char *const *t = h->types; *t != NULL; t++)
        if (match_type(bytes_of(*t), type))
            return true;
    return false;
}

static bool types_fault(const hk_handler *h, struct text *why) {
    size_t n = 0;
    for (; h->types != NULL && h->types[n] != NULL && n <= PLUGIN_TYPES_MAX; n++) {
        if (match_is_pattern(bytes_of(h->types[n])))
            continue;
        text_adds(why, " names `");
        text_add_printable(why, bytes_of(h->types[n]), SHOWN_MAX);
        text_adds(why, "`, which is no pattern of event types; expected a type as "
                       "customer.created, a family as customer.*, or *");
        return true;
    }
    if (n > 0 && n <= PLUGIN_TYPES_MAX)
        return false;
    text_addf(why, " has %s types; expected 1 to %d, ended by NULL", n == 0 ? "no" : "more",
              PLUGIN_TYPES_MAX);
    return true;
}

// A handler that never gets anything is no handler: whoever wrote it meant something else. A
// pattern that stands for several is one of them to match_type.
static bool is_hidden(const hk_handler_table *t, size_t at, struct text *why) {
    const hk_handler *h = &t->handlers[at];
    for (const char *const *type = h->types; *type != NULL; type++) {
        bool taken = false;
        for (size_t i = 0; i < at && !taken; i++)
            taken = takes(&t->handlers[i], bytes_of(*type));
        if (!taken)
            return false;
    }
    text_adds(why, " never gets an event, as handlers before it take all of its types; put it "
                   "before them, or into a plugin and destination of its own");
    return true;
}

static bool handler_fault(const hk_handler_table *t, size_t at, struct text *why) {
    const hk_handler *h = &t->handlers[at];
    bytes name = bytes_of(h->name);
    text_addf(why, "handler %zu of its table", at);
    if (!is_name(name)) {
        text_adds(why, " has no proper name; expected 1 to 64 of a-z 0-9 _ -");
        return true;
    }
    text_addf(why, ", %.*s,", BYTES_ARG(name));
    for (size_t i = 0; i < at; i++)
        if (bytes_equal(bytes_of(t->handlers[i].name), name)) {
            text_adds(why, " has the name of one before it; give each its own");
            return true;
        }
    if (!is_line(bytes_of(h->description))) {
        text_addf(why, " has no proper description; expected one line of 1 to %d bytes of UTF-8",
                  PLUGIN_DESCRIPTION_MAX);
        return true;
    }
    if (h->process == NULL) {
        text_adds(why, " has no process; expected a function");
        return true;
    }
    if (types_fault(h, why) || is_hidden(t, at, why))
        return true;
    text_reset(why);
    return false;
}

static result judge(const hk_handler_table *t, struct text *why) {
    if (t == NULL) {
        text_adds(why, "it exports no " SYMBOL "; define one by HK_HANDLER_TABLE of "
                       "hookkeep/handler.h, in C or as extern \"C\", and do not hide it");
        FAIL(INVALID, "the plugin has no table");
    }
    if (t->version == 0 || t->version > HK_HANDLER_VERSION) {
        text_addf(why,
                  "its table says version %u, and this Hookkeep knows %s%d; build it with this "
                  "Hookkeep's hookkeep/handler.h, or run a newer Hookkeep",
                  t->version, HK_HANDLER_VERSION > 1 ? "1 to " : "", HK_HANDLER_VERSION);
        FAIL(INVALID, "the plugin is of another version");
    }
    if (t->count == 0 || t->count > PLUGIN_HANDLERS_MAX || t->handlers == NULL) {
        text_addf(why, "its table has %zu handlers; expected 1 to %d", t->count,
                  PLUGIN_HANDLERS_MAX);
        FAIL(INVALID, "the plugin has no handlers");
    }
    for (size_t i = 0; i < t->count; i++)
        NEED(!handler_fault(t, i, why), INVALID, "a handler of the plugin is wrong");
    return OK;
}

result plugin_open(const char *path, struct plugin *out, struct text *why) {
    *out = (struct plugin){.object = load(path, why)};
    NEED(out->object != NULL, INVALID, "the plugin cannot be loaded");
    out->table = dlsym(out->object, SYMBOL);
    return judge(out->table, why);
}

void plugin_close(struct plugin *p) {
    if (p->object != NULL)
        dlclose(p->object);
    *p = (struct plugin){0};
}

const hk_handler *plugin_find(const struct plugin *p, bytes type) {
    for (size_t i = 0; i < p->table->count; i++)
        if (takes(&p->table->handlers[i], type))
            return &p->table->handlers[i];
    return NULL;
}
