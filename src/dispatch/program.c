// SPDX-License-Identifier: MIT
#include "dispatch/program.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/metrics.h"

// More than any configuration holds.
#define PROGRAM_MEMORY_MAX (128u << 20)

static const char *copy(struct arena *a, bytes b) {
    bytes kept = arena_copy(a, b);
    ensure(kept.p != NULL); // it was part of a message of the same size
    return (const char *)kept.p;
}

// NUL-terminated texts, null-ended.
static const char **copy_all(struct arena *a, const bytes *list, size_t n) {
    const char **all = arena_take(a, (n + 1) * sizeof *all);
    ensure(all != NULL);
    for (size_t i = 0; i < n; i++)
        all[i] = copy(a, list[i]);
    return all;
}

void program_init(struct program *p, const struct dispatch_options *o, const struct target *t) {
    const struct handler *h = &t->handler;
    arena_init(&p->memory, PROGRAM_MEMORY_MAX);
    p->processes = o->processes;
    p->environment = copy_all(&p->memory, h->environment, h->environment_count);
    p->environment_count = h->environment_count;
    p->spec = (struct process_spec){
        .argv = copy_all(&p->memory, h->run, h->run_count),
        .directory = h->directory.n > 0 ? copy(&p->memory, h->directory) : NULL,
        .user = h->user.n > 0 ? copy(&p->memory, h->user) : NULL,
        .memory_max = h->memory_max,
        .cpu_s = h->cpu_s,
        .files_max = h->files_max,
        .grace_ms = h->grace_ms,
    };
    p->voice = (struct voice){
        .clock = o->clock,
        .destination = arena_copy(&p->memory, t->name),
        .rate = h->log_rate,
    };
}

void program_drop(struct program *p) {
    for (size_t i = 0; i < p->environment_count; i++)
        memory_wipe((void *)(uintptr_t)p->environment[i], bytes_of(p->environment[i]).n);
    arena_drop(&p->memory);
}

struct process *program_start(struct program *p, const struct text *facts, size_t n,
                              const struct process_owner *owner, void *ctx) {
    struct process_spec spec = p->spec;
    const char **env = NEW_ARRAY(const char *, p->environment_count + n + 1);
    for (size_t i = 0; i < p->environment_count; i++)
        env[i] = p->environment[i];
    for (size_t i = 0; i < n; i++)
        env[p->environment_count + i] = text_str(&facts[i]);
    spec.env = env;
    metric_add(METRIC_HANDLER_STARTED, 1);
    struct process *started = p->processes->start(p->processes, &spec, owner, ctx);
    free(env);
    return started;
}
