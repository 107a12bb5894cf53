// SPDX-License-Identifier: MIT
// Starting programs and talking with them. The real door (libuv) lives on a loop; tests and the
// simulation have their own.
//
// Between us and each program stands a keeper (port/keeper.h), a small process of its own: our
// binary, executed again. It sets the program up, and it alone sees every process that comes from
// it, also one that left its session or lost its parent; so it can end them all, whether the
// program hangs, ends and leaves children behind, or we are killed. (It kills what it finds among
// the machine's processes until there is nothing; what forks without end can outrun it.) Signals to
// a process group and PR_SET_PDEATHSIG in the program itself reach less: neither a child that
// called setsid, nor, after kill -9 of the gateway, any grandchild.
//
// A program gets: standard input, output and error, which are pipes, and no other descriptor; the
// environment given and nothing of ours; a session of its own; default signals, none blocked; umask
// 077; no core dumps.
#ifndef PORT_PROCESS_H
#define PORT_PROCESS_H

#include <stdint.h>

#include "base/text.h"
#include "port/loop.h"

// The program that this process executes, also where its file was replaced meanwhile.
#define PROCESS_SELF "/proc/self/exe"

// What to run. The caller keeps it alive until start returns.
struct process_spec {
    const char *const *argv; // null-ended; argv[0] without a '/' is looked for in the PATH of env
    const char *const *env;  // null-ended, NAME=value
    const char *directory;   // where it works; null: where we do
    const char *user;        // as whom, with his groups; null: as we. Needs root
    // Of each process of it, not of all together; 0: as we have it.
    uint64_t memory_max; // bytes of private, writable memory (RLIMIT_DATA): address space alone,
                         // which runtimes reserve generously, does not count
    uint64_t cpu_s;      // seconds of processor time
    uint64_t files_max;  // open descriptors
    int64_t grace_ms;    // from being asked to end to being killed
};

enum process_stream { PROCESS_OUT, PROCESS_ERR };

struct process_end {
    const char *failed;      // null: it ran. Else why not, or why nothing is known of its end
    int status;              // what it exited with
    int signal;              // not 0: what killed it
    const char *signal_name; // "KILL"
};

// Called on the loop, never from inside start. All functions of the door may be called from them.
struct process_owner {
    // It wrote this; empty: it has closed that stream. What it writes faster than 10 MiB/s has to
    // wait.
    void (*wrote)(void *ctx, enum process_stream stream, bytes piece);
    // The program itself has ended, once, after all that it wrote. What it leaves behind is being
    // ended, in its grace; where 64 others have left something, the first of them is killed. The
    // process is the door's again and must not be used.
    void (*ended)(void *ctx, const struct process_end *end);
};

// How it ended, for people: "exited with 3", "killed by SIGKILL", "not run: no such file".
void process_say_end(const struct process_end *end, struct text *out);

enum process_stop {
    PROCESS_WAIT, // its input was closed: it has its grace to end by itself, then as by ASK
    PROCESS_ASK,  // SIGTERM to it and all that came from it, after its grace SIGKILL
};

struct process; // one program under way

struct processes {
    struct process *(*start)(struct processes *ps, const struct process_spec *spec,
                             const struct process_owner *owner, void *ctx);
    int64_t (*pid)(struct process *p); // of the program; 0: not known yet
    // To its standard input; takes over the text's memory. Nobody hears that it cannot be written:
    // a program need not read.
    void (*write)(struct process *p, struct text *t);
    void (*close_input)(struct process *p); // after what was written
    // A later, harder one counts.
    void (*stop)(struct process *p, enum process_stop how);
    // Nobody hears of it any more; if it still runs, it is killed at once with all that came from
    // it.
    void (*forget)(struct process *p);
};

// The program that this is executes itself again as keeper: its main calls keeper_main first.
must result processes_open(struct loop *l, struct processes **out);
// Forgets what still runs. Null is allowed.
void processes_close(struct processes *ps);

#endif
