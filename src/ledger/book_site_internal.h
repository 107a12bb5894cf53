// SPDX-License-Identifier: MIT
// What the files of sites in the books share: book_site.c (what an event teaches, and who is routed
// for it), book_site_known.c (the objects at hand), book_site_adopt.c (a configuration's claims,
// and a site by hand).
#ifndef LEDGER_BOOK_SITE_INTERNAL_H
#define LEDGER_BOOK_SITE_INTERNAL_H

#include "base/arena.h"
#include "ledger/book_internal.h"
#include "rules/site.h"

// An object at hand: as it is stored, or will be once what is under way is settled.
struct known {
    struct known *next_number, *next_key; // in their slots
    uint64_t hash;                        // of the key
    struct site_node node;                // node.object is `row`
    struct site_object *row;
    int64_t own;        // evidence of the claims on itself
    uint64_t visit;     // of the search for waiting events that saw it last
    uint64_t told;      // the telling that came by last
    bool stored, dirty; // in the store; as it is here
    // Of the learning under way:
    bool fresh;  // named for the first time
    bool holds;  // something was put below it
    bool linked; // it was put below something, who has not heard of it yet
    bool queued, stirred;
};

// All that is at hand.
struct knowns_at_hand {
    struct known **by_number, **by_key; // slots: chains
    size_t slots, n;
    struct arena memory; // owns them and their rows
};

struct knowns {
    struct known **at;
    size_t n, cap;
};

struct late {
    uint64_t seq;
    size_t site;
};

struct book_sites {
    struct site_claims *claims;
    int64_t *numbers; // of the plan's sites
    struct site_world world;
    struct knowns_at_hand at_hand;
    uint64_t last; // number of the newest object
    uint64_t visits, tellings;
    int depth;           // of a telling
    bool any_unclaimed;  // may there be unclaimed events?
    bool any_left;       // does a site of the plan leave what is late?
    struct knowns dirty; // until book_sites_write
    struct knowns fresh, queue, stirred, search;
    struct arena scratch; // of a learning
    struct late *late;
    size_t late_count, late_cap;
};

// book_site_known.c. A zero-initialised one is valid after at_hand_drop.
void at_hand_add(struct knowns_at_hand *h, struct known *k);
struct known *at_hand_numbered(const struct knowns_at_hand *h, uint64_t number); // null: none
// By owner, livemode and key; null: none.
struct known *at_hand_named(const struct knowns_at_hand *h, const struct site_object *o);
bool at_hand_many(const struct knowns_at_hand *h); // so many that they are better forgotten
void at_hand_forget(struct knowns_at_hand *h);     // keeps memory for as many again
void at_hand_drop(struct knowns_at_hand *h);

// Makes b->sites ready for the plan in force, which has sites.
must result site_ready(struct book *b);
size_t site_plan_index(void *book, int64_t number); // SIZE_MAX: no site of the plan in force
// What the claims of the plan in force say of the object itself.
void site_ask_claims(struct book *b, struct known *k);
must result site_known(struct book *b, uint64_t number, struct known **out); // ABSENT

// Learning: start, changes, settle. Between start and settle no object at hand is forgotten.
must result site_start(struct book *b);
// Takes a row with changed bytes in place of the one that is there; what follows is set going.
must result site_replace(struct book *b, struct known *k, const struct site_object *row);
// What was set going is carried to its end, and who waited for it is routed.
must result site_settle(struct book *b, int64_t now_ms);

// All of it for one event; the object that it speaks of comes out.
must result site_learn(struct book *b, const struct event *e, bytes owner, int64_t now_ms,
                       struct known **out);
// What an unclaimed event owes now that its site is known: to destinations that the site adds.
must result site_route(struct book *b, uint64_t seq, size_t site, int64_t now_ms);

#endif
