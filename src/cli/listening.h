// SPDX-License-Identifier: MIT
// What `hookkeep listen` does: asks the desk for events, brings each to a site on this machine as
// Stripe would, and reports what it answered. A loop of its own. The desk is asked for more only
// while there is room here, so a slow site costs no memory; where it cannot be reached it is asked
// again, from the last event on, until somebody interrupts.
#ifndef CLI_LISTENING_H
#define CLI_LISTENING_H

#include "cli/cli.h"
#include "cli/where.h"
#include "port/loop.h"

struct listening_options {
    const struct where *where;
    const char *forward_to, *forward_connect_to; // URLs; null: events are only shown
    const char *types, *sites;                   // with commas between; null: all
    const char *livemode;                        // "true", "false"; null: as the key sees
    const char *ca_file;                         // instead of the system's roots, for the desk
    int64_t since_ms;                            // received then or later; 0: from now on
    const char *const *headers;                  // "Name: value", added to what Stripe sends
    size_t header_count;
    unsigned long retries; // of what a site refuses
    bool as_json;          // a line of JSON for each event, instead of words
    bool print_secret;     // prints the secret alone, and ends
    // Not null: it lives on this loop, whose owner ends it by loop_stop and hears of signals
    // himself.
    struct loop *loop;
    // Not null: called once it is ready, instead of saying so.
    void (*ready)(void *ctx, const char *secret);
    void *ready_ctx;
};

// A URL from how people write it: 4242, 4242/hook, /hook, localhost:4242/hook; null adds nothing.
// False: it has been said what is wrong.
bool listening_url(const char *said, struct text *out);
// Returns when it was interrupted (CLI_DONE), or could not begin; what failed has been said.
enum cli_exit listening_run(const struct listening_options *o);

#endif
