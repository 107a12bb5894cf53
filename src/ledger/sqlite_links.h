// SPDX-License-Identifier: MIT
// Links of the SQLite store. Objects below one another come in the order of time, but are asked for
// by what is above: written where they belong, each would change a page of its own. So they are
// gathered in memory and, a row a transaction, in link_new; when they are many they are sorted into
// `link`, where a page is then written once for all its links. A row there has several that are
// below one object: the lowest number, and in `more` how much each next one is higher. Rows of one
// object may overlap, as old objects can be put below it late. Private to the store.
#ifndef LEDGER_SQLITE_LINKS_H
#define LEDGER_SQLITE_LINKS_H

#include "ledger/sqlite_internal.h"

#define LINKS_GATHERED_MAX 65536 // then they are sorted in
#define LINKS_ROW_MAX 500        // in one row

struct gathered {
    struct link_row link;
    size_t before; // the one before it in its slot, as index + 1; 0: none
};

struct links {
    struct gathered *at;
    size_t n, cap;
    size_t stored;  // that many are in link_new
    size_t *newest; // cap slots by `above`: index + 1 of the newest there
    bool loaded;
};

// Zero-initialised is valid: what is in link_new is read when it is first needed. `read` is the
// statement LINKS_NEW.
must result links_load(struct links *l, sqlite3_stmt *read);
void links_add(struct links *l, const struct link_row *link);
// Below `above`, by number; all that are gathered. MEMORY.
must result links_gathered(const struct links *l, uint64_t above, struct arena *a, uint64_t **out,
                           size_t *n);
void links_back_to(struct links *l, size_t n); // forgets what was added since there were n
void links_drop(struct links *l);              // as zero-initialised

// What is new since `stored`, as a row of link_new says it, and back.
void links_pack(const struct links *l, struct text *out);
bool links_next(bytes *pairs, struct link_row *out); // false at the end
void links_sort(struct links *l);                    // by above and below; `newest` is void then

// Of sorted links: `more` of the row that begins at an index; where the next row begins.
size_t links_pack_row(const struct links *l, size_t at, struct text *more);

// Numbers on the heap.
struct numbers {
    uint64_t *at;
    size_t n, cap;
};
void numbers_add(struct numbers *list, uint64_t number);
void numbers_drop(struct numbers *list);
must result numbers_take(const struct numbers *list, struct arena *a, uint64_t **out,
                         size_t *n); // a copy: null when there are none. MEMORY
// Adds those of a row (below, more). CORRUPT.
must result links_unpack_row(sqlite3_stmt *row, struct numbers *out);

// Below an object, about max of those sorted in and all that are gathered, for readers; in no
// order.
must result links_below_read(sqlite3 *db, uint64_t above, size_t max, struct arena *a,
                             uint64_t **out, size_t *n);
// As store.dump.
must result links_dump(sqlite3 *db, struct text *out);

#endif
