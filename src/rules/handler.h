// SPDX-License-Identifier: MIT
// A handler: the program of a destination of kind command or plugin, and what it is run with. Not
// part of the plan, since it decides nothing about events and its environment may hold secrets.
#ifndef RULES_HANDLER_H
#define RULES_HANDLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct handler {
    bytes *run; // the program and its arguments
    size_t run_count;
    bool stream;        // it stays, and gets a line an event; else a process an attempt
    uint32_t workers;   // processes of a stream
    bytes *environment; // NAME=value
    size_t environment_count;
    bytes directory, user;                 // empty: as the gateway
    uint64_t memory_max, cpu_s, files_max; // 0: no limit of ours
    int64_t grace_ms;                      // from SIGTERM to SIGKILL
    int64_t *restart_ms;                   // waits before a dead worker is started again
    size_t restart_count;                  // of a stream: at least 1
    uint32_t log_rate;                     // lines a second
};

#endif
