// SPDX-License-Identifier: MIT
// A job as a line of JSON, for kinds whose places hold texts:
// {"delivery","attempt","event","type","account" (or null),"livemode","created","payload"}, with
// the payload as a text, whose bytes are those that Stripe signed.
#ifndef QUEUE_LINES_H
#define QUEUE_LINES_H

#include "queue/queue.h"

void line_write(const struct queue_job *job, struct text *out); // without its end

#endif
