// SPDX-License-Identifier: MIT
// The process that a plugin lives in (include/hookkeep/handler.h): a worker of a destination of
// kind plugin, or who only looks at it. The gateway starts it as any other handler, in a keeper's
// hands, and it is our own binary. One thread; a plugin may have more.
#ifndef PLUGIN_HOST_H
#define PLUGIN_HOST_H

#include <stdbool.h>

#define HOST_BROKEN 78 // its exit status where the plugin cannot be used (EX_CONFIG)

// Serves events by the frames of rules/frame.h, from standard input to standard output, one after
// the other, until the input ends: 0. What the plugin prints goes to standard error. HOST_BROKEN
// after a line there that says what is wrong with the plugin, 1 where nobody hears the answers.
int host_run(const char *path);

// Prints the table as JSON, on one line
//   {"version":1,"handlers":[{"name":"accounting","description":"…","types":["invoice.paid"]}]}
// HOST_BROKEN likewise.
int host_show(const char *path);

#endif
