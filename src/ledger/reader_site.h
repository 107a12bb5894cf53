// SPDX-License-Identifier: MIT
// How a reader finds the site of an object: the walk of rules/site.h over what the ledger keeps,
// under the plan in force. Private to the readers.
#ifndef LEDGER_READER_SITE_H
#define LEDGER_READER_SITE_H

#include "base/map.h"
#include "ledger/reader_internal.h"
#include "rules/plan.h"
#include "rules/site.h"

struct site_reading {
    struct reader *reader;
    struct plan *plan; // null: none was adopted
    struct site_claims *claims;
    struct site_row *sites; // all there ever were, by number
    size_t site_count;
    struct site_world world;
    struct map nodes; // 8 bytes of the number: struct site_node
    sqlite3_stmt *object;
    struct arena memory;
};

// Between reader_begin and reader_end. Zero-initialised may be closed.
must result site_reading_open(struct reader *r, struct site_reading *s);
void site_reading_close(struct site_reading *s); // usable with OWN

must result site_node_read(struct site_reading *s, uint64_t number, struct site_node **out);
bytes site_named(const struct site_reading *s, int64_t number); // of any time; empty: none such

// Appends "number":…,"id":…,"type":….
void site_add_object(const struct site_object *o, struct text *out);
// The same, and "site": its name or null.
must result site_add_found(struct site_reading *s, uint64_t number, struct text *out);
// Appends [{object,"why":…,"claim":…},…]: how the site was found, the object itself first; what
// follows is what gave it, at last by claim or by hand. Empty when it has none.
must result site_add_chain(struct site_reading *s, uint64_t number, struct text *out);
// Appends [{"site":…,object,"claim":…},…]: who says what, where claims contradict; at most 20.
must result site_add_sayings(struct site_reading *s, uint64_t number, struct text *out);

#endif
