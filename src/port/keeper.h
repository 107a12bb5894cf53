// SPDX-License-Identifier: MIT
// The keeper: the process between the gateway and a program that it runs (port/process.h says why).
//
// It is our own binary, executed again: what lives on beside a program has none of the gateway's
// memory and secrets. (libuv forks to execute it; that copy, page tables and all, lasts until
// execve.) A fork of a process with threads may do little more than execute; so set-up that no
// spawning library knows (limits, user, umask, the tie to a parent's life) is plain code of a
// process with one thread.
//
// As child subreaper it is the parent of whatever of the program's processes loses its own; they
// end with the program: SIGTERM, after the grace SIGKILL, until none is left. It holds a socket to
// the gateway, a packet a message. To the gateway: "P" and the program's pid; "X" and its exit
// status; "S" and the signal that killed it; "F" and why it could not be run. From it: one byte of
// enum process_stop. When the socket closes, the gateway is gone or has forgotten the program: all
// is killed at once, so that a gateway that starts again does not meet it.
//
// If the keeper itself is killed, the program goes with it (PR_SET_PDEATHSIG); its children then
// are anybody's.
#ifndef PORT_KEEPER_H
#define PORT_KEEPER_H

#include <stdbool.h>

#define KEEPER_NAME "hookkeep-keeper" // argv[0]
#define KEEPER_SOCKET 3               // its descriptor

// Before each variable of the program's environment, until it is executed: what the dynamic linker
// or a library obeys (LD_PRELOAD) is the program's, and must not reach us, who may be root.
#define KEEPER_VEIL "-"

// argv behind the name; empty text: none. Then the program's own argv.
enum keeper_argument {
    KEEPER_GRACE_MS = 1,
    KEEPER_MEMORY,
    KEEPER_CPU,
    KEEPER_FILES,
    KEEPER_USER,
    KEEPER_DIRECTORY,
    KEEPER_PROGRAM,
};

// Called first by a main that may start programs: returns at once if this process is no keeper,
// else never.
void keeper_main(int argc, char **argv);
// Is there such a user as a keeper could run a program as? One thread at a time.
bool keeper_knows(const char *user);

#endif
