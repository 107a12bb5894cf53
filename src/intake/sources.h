// SPDX-License-Identifier: MIT
// Inside of intake: the sources in force on one loop, as receptions see them.
#ifndef INTAKE_SOURCES_H
#define INTAKE_SOURCES_H

#include "intake/receive.h"

struct source {
    const struct plan_source *plan;
    struct signature_ring *ring;
    struct secret_use **uses; // of each secret
    struct source_use *use;
    size_t head_room; // the most bytes that come before the body in its encoded receipts
};

struct sources {
    struct plan *plan;
    struct source *list;
    size_t count;
    size_t holds;        // the loop's and one for each reception that reads
    struct text scratch; // for encoding heads
};

// Null when there is none on this path.
const struct source *sources_find(const struct sources *s, bytes path);
struct sources *sources_hold(struct sources *s); // sources_drop ends it
// What comes before the body in the receipt's record; holds until the next call.
bytes sources_encode_head(struct sources *s, const struct source *source, size_t secret,
                          int64_t signed_at, bytes body);

#endif
