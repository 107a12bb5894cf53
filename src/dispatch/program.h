// SPDX-License-Identifier: MIT
// Inside of dispatch: the program of a command destination, or of a plugin's, ready to be started
// any number of times.
#ifndef DISPATCH_PROGRAM_H
#define DISPATCH_PROGRAM_H

#include "dispatch/dispatch.h"
#include "dispatch/output.h"
#include "port/process.h"

struct program {
    struct processes *processes;
    struct process_spec spec; // without the environment
    const char **environment;
    size_t environment_count;
    struct arena memory; // where all of it lies
    struct voice voice;
};

// Copies what it needs of the target.
void program_init(struct program *p, const struct dispatch_options *o, const struct target *t);
void program_drop(struct program *p); // wipes the environment

// Starts it with these facts, texts NAME=value, beside its environment.
struct process *program_start(struct program *p, const struct text *facts, size_t n,
                              const struct process_owner *owner, void *ctx);

#endif
