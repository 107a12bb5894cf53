// SPDX-License-Identifier: MIT
#include "config/look.h"

#include "base/arena.h"
#include "base/ensure.h"
#include "base/memory.h"
#include "port/once.h"

#define TABLE_MAX ((size_t)1 << 20)
#define SAID_MAX ((size_t)64 << 10)
#define SHOWN_MAX 400
#define MEMORY_MAX (64u << 20)

static const char *copy(struct arena *a, bytes b) {
    bytes kept = arena_copy(a, b);
    ensure(kept.p != NULL); // it was part of a configuration, which is smaller
    return (const char *)kept.p;
}

static const char *copy_if_any(struct arena *a, bytes b) { return b.n > 0 ? copy(a, b) : NULL; }

// Of what was written there, the last line that says something.
static bytes last_line(const struct text *said) {
    bytes rest = text_bytes(said), last = NO_BYTES;
    while (rest.n > 0) {
        bytes line = bytes_cut(&rest, '\n');
        last = line.n > 0 ? line : last;
    }
    return last;
}

static void explain(const struct text *said, const struct text *how, struct text *why) {
    bytes line = last_line(said), rest = line;
    // Our own sentence says it all; the path stands with the key.
    if (bytes_starts(line, B("hookkeep: the plugin "))) {
        (void)bytes_cut(&rest, ':');
        (void)bytes_cut(&rest, ':');
        text_add_printable(why, bytes_trim(rest), SHOWN_MAX);
        return;
    }
    text_adds(why, "loading it ended so: ");
    text_add(why, text_bytes(how));
    if (line.n == 0)
        return;
    text_adds(why, "; it said: ");
    text_add_printable(why, line, SHOWN_MAX);
}

result plugin_look(const struct handler *h, bytes path, struct text *json, struct text *why) {
    OWN(arena_drop)
    struct arena a;
    OWN(text_drop)
    struct text said = {.max = SAID_MAX}, how = {0};
    arena_init(&a, MEMORY_MAX);
    const char **env = arena_take(&a, (h->environment_count + 1) * sizeof *env);
    ensure(env != NULL);
    for (size_t i = 0; i < h->environment_count; i++)
        env[i] = copy(&a, h->environment[i]);
    const char *argv[] = {PROCESS_SELF, "plugin", "show", "--json", copy(&a, path), NULL};
    const struct process_spec spec = {
        .argv = argv,
        .env = env,
        .directory = copy_if_any(&a, h->directory),
        .user = copy_if_any(&a, h->user),
        .memory_max = h->memory_max,
        .cpu_s = h->cpu_s,
        .files_max = h->files_max,
        .grace_ms = h->grace_ms,
    };
    json->max = TABLE_MAX;
    result ran = process_once(&spec, LOOK_MS, json, &said, &how);
    for (size_t i = 0; i < h->environment_count; i++)
        memory_wipe((void *)(uintptr_t)env[i], h->environment[i].n); // secrets may be among them
    if (ran == OK && json->n > 0)
        return OK;
    if (ran == OK)
        text_adds(&how, "exited with 0"); // before we could look
    explain(&said, &how, why);
    FAIL(INVALID, "the plugin cannot be used");
}
