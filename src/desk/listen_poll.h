// SPDX-License-Identifier: MIT
// Events for `hookkeep listen`, a page at a time: a question that finds none waits for some, so who
// listens takes as much as he can carry, and a connection that died is noticed by its silence.
#ifndef DESK_LISTEN_POLL_H
#define DESK_LISTEN_POLL_H

#include "desk/ask.h"

#define POLL_WAIT_MAX_S 30

void polls_open(struct desk *d);
// Those asked with this key, or, if it is empty, all that wait: they are refused.
void polls_end(struct desk *d, bytes key_id);

#endif
