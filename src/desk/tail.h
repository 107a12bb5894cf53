// SPDX-License-Identifier: MIT
// Streams of events as they are booked. A timer runs only while there are any.
#ifndef DESK_TAIL_H
#define DESK_TAIL_H

#include "desk/ask.h"

void tails_open(struct desk *d);
void tails_end(struct desk *d, bytes key_id); // those opened with this key; empty: all

#endif
