// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "base/memory.h"
#include "config/bind.h"

// The name of an environment's entry, NAME or NAME=value.
static bytes name_of(bytes entry) { return bytes_cut(&entry, '='); }

static bool is_name(bytes b) {
    for (size_t i = 0; i < b.n; i++) {
        uint8_t c = b.p[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
              (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return b.n > 0;
}

static const struct node *twin_of(struct node *of, const struct node *entry) {
    for (const struct node *n = bind_first(of); n != NULL && n != entry; n = bind_next(of, n))
        if (bytes_equal(name_of(n->text), name_of(entry->text)))
            return n;
    return NULL;
}

static void check_entry(struct reading *r, struct node *of, struct node *entry) {
    bytes name = name_of(entry->text);
    const struct node *twin = twin_of(of, entry);
    if (!is_name(name))
        complain(r, entry, "is no variable; expected NAME or NAME=value, of letters, digits and _");
    else if (bytes_starts(name, B("HOOKKEEP_")))
        complain(r, entry, "variables that begin with HOOKKEEP_ are set by the gateway itself");
    else if (twin != NULL)
        complain(r, entry, "stands twice, first in %s; remove one", tree_place(r, twin));
}

// A line of a shell where a list belongs. What stands there may be a secret and is not repeated.
static void check_run(struct reading *r, struct node *run) {
    struct node *only = bind_first(run);
    if (only == NULL || only->bad || bind_count(run) > 1)
        return;
    bytes rest = only->text, word = bytes_cut(&rest, ' ');
    if (word.n < only->text.n && bytes_find(word, '/') == word.n)
        complain(r, only,
                 "is one program's name, blanks included; write its arguments as a list, as "
                 "[python3, handler.py, --all]");
}

// Copies what an entry stands for; nothing if it names a variable that we do not have.
static result bind_entry(struct binding *b, const struct node *entry, struct handler *out) {
    const struct config_outside *outside = b->r->outside;
    OWN(text_drop)
    struct text t = {0};
    text_add(&t, entry->text);
    if (name_of(entry->text).n == entry->text.n) {
        const char *value = outside->env(outside->ctx, text_str(&t));
        if (value == NULL)
            return OK;
        text_addc(&t, '=');
        text_adds(&t, value);
    }
    bytes kept = arena_copy(&b->c->memory, text_bytes(&t));
    memory_wipe(t.p, t.n);
    NEED(kept.p != NULL, MEMORY, "the configuration is too large");
    out->environment[out->environment_count++] = kept;
    return OK;
}

static result bind_environment(struct binding *b, const struct node *map, struct handler *out) {
    struct node *of = tree_get(map, KEY_DESTINATION_ENVIRONMENT);
    TRY(bind_take(b, bind_count(of), sizeof *out->environment, &out->environment));
    for (struct node *n = bind_first(of); n != NULL; n = bind_next(of, n)) {
        if (!n->bad)
            check_entry(b->r, of, n);
        if (n->bad)
            continue;
        size_t before = out->environment_count;
        TRY(bind_entry(b, n, out));
        if (out->environment_count == before && !of->defaulted)
            warn(b->r, n, "this variable is not set here; the handler will not have it either");
    }
    return OK;
}

// As written: what a variable stands for may be a secret, which the plan must not carry.
static result bind_written(struct binding *b, struct node *run, struct plan_destination *plan) {
    TRY(bind_take(b, bind_count(run), sizeof *plan->run, &plan->run));
    for (struct node *n = bind_first(run); n != NULL; n = bind_next(run, n)) {
        plan->run[plan->run_count] = arena_copy(&b->c->memory, n->raw);
        NEED(plan->run[plan->run_count++].p != NULL || n->raw.n == 0, MEMORY,
             "the configuration is too large");
    }
    return OK;
}

// It may come before the first event does: no error.
static void doubt(struct binding *b, const struct node *n, bool (*is_there)(void *, const char *),
                  const char *why) {
    if (n == NULL || n->bad || n->text.n == 0 || is_there == NULL)
        return;
    char *name = bytes_strdup(n->text);
    if (!is_there(b->r->outside->ctx, name))
        warn(b->r, n, "%s", why);
    free(name);
}

// What commands and plugins have in common: what they run as, in and with.
static result bind_process(struct binding *b, struct node *map, struct handler *out) {
    const struct node *limits = tree_get(map, KEY_DESTINATION_LIMITS);
    struct node *restart = tree_get(map, KEY_DESTINATION_RESTART);
    if (restart != NULL && !restart->bad && bind_count(restart) == 0)
        complain(b->r, restart, "found an empty list; expected at least one wait");
    TRY(bind_environment(b, map, out));
    TRY(bind_text(b, map, KEY_DESTINATION_DIRECTORY, &out->directory));
    TRY(bind_text(b, map, KEY_DESTINATION_USER, &out->user));
    doubt(b, tree_get(map, KEY_DESTINATION_DIRECTORY), b->r->outside->folder,
          "there is no such folder here; the handler will not start");
    doubt(b, tree_get(map, KEY_DESTINATION_USER), b->r->outside->user,
          "there is no such user here; the handler will not start");
    TRY(bind_waits(b, map, KEY_DESTINATION_RESTART, &out->restart_ms, &out->restart_count));
    out->workers = (uint32_t)bind_number(map, KEY_DESTINATION_WORKERS);
    out->grace_ms = bind_number(map, KEY_DESTINATION_GRACE);
    out->log_rate = (uint32_t)bind_number(map, KEY_DESTINATION_LOG_RATE);
    out->memory_max = (uint64_t)bind_number(limits, KEY_DESTINATION_LIMITS_MEMORY);
    out->cpu_s = (uint64_t)bind_number(limits, KEY_DESTINATION_LIMITS_CPU) / 1000;
    out->files_max = (uint64_t)bind_number(limits, KEY_DESTINATION_LIMITS_FILES);
    return OK;
}

result bind_handler(struct binding *b, struct node *map, struct handler *out,
                    struct plan_destination *plan) {
    struct node *run = tree_get(map, KEY_DESTINATION_RUN);
    TRY(bind_process(b, map, out));
    if (plan->kind == KIND_PLUGIN)
        return bind_plugin(b, map, out, plan);
    if (run == NULL)
        complain(b->r, map,
                 "run is missing; a destination of kind command needs a program, as "
                 "[python3, handler.py]");
    TRY(bind_texts(b, map, KEY_DESTINATION_RUN, &out->run, &out->run_count));
    check_run(b->r, run);
    return bind_written(b, run, plan);
}
