// SPDX-License-Identifier: MIT
// Posting events to where they are received, with the headers of Stripe's deliveries. One at a
// time.
#ifndef CLI_POST_H
#define CLI_POST_H

#include "cli/client.h"

struct poster;

// On failure it has been said, and *out is null.
enum cli_exit poster_open(struct poster **out);
void poster_close(struct poster **p); // null is allowed; usable with OWN

// Where to: `unix_path` null: by the url's host.
struct post_to {
    const char *url, *unix_path;
};
// Sends and waits, half a minute at most. Silent. `signature` is the value of Stripe-Signature.
void poster_send(struct poster *p, const struct post_to *to, bytes signature, bytes body,
                 struct reply *out);
void poster_sleep(struct poster *p, int64_t ms);

#endif
