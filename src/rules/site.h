// SPDX-License-Identifier: MIT
// Sites: to which of several businesses behind one Stripe account an event belongs.
//
// An *object* is what events name: a customer, an invoice. A *claim* of the configuration teaches
// objects their site: by their ids, or by what an event says of them. *Links* say what belongs to
// what (rules/site_links.def): an object learns from those above it, and, when all that is known
// below it agrees, from those below.
//
// What is kept of an object only ever grows: the claims it met, the objects above it, and two sets
// of sites, `evidence` (of the claims on it and on all above it) and, where that is none, `below`
// (the evidence of all below it), each as none, one, or many. So the same events in any order leave
// the same knowledge. An object's site is a function of it (site_of):
//   1. assigned by hand; else the first site, in the configuration's order, of the claims on the
//      object itself. A later event's claims of the same kind take the place of an earlier's.
//   2. else that of an object above it, of the lowest rank that has one (rules/site_kinds.def); of
//      several the first in the configuration's order. This is *taught*: certain.
//   3. else the one site of all that is known below it. With many it is shared, and has none.
//   4. else what objects above it learnt by 3 or 4, unless they are of a kind that sites share.
// An object contradicts itself when its evidence is many: 1 and 2 decide, and people are told.
//
// Links may form a circle (broken data, or two types that name each other): within one walk an
// object under way counts as one without a site; so does what is SITE_DEPTH_MAX above, or behind
// SITE_STEPS_MAX others.
//
// Claims by `where` are met when an event is booked, and again by what is unclaimed when they come
// into a configuration; what came before and has a site is read again by the command site_learn
// (site_claims_unasked says when that is needed).
// Pure.
#ifndef RULES_SITE_H
#define RULES_SITE_H

#include "rules/plan.h"
#include "rules/site_object.h"
#include "stripe/event.h"

#define SITE_UNCLAIMED "unclaimed" // in rules and lists: of an event without a site
#define SITE_OBJECTS_MAX 256       // that one event may name; the rest is left out
#define SITE_LINKS_MAX 512
#define SITE_DEPTH_MAX 500
#define SITE_STEPS_MAX 100000
#define SITE_KEY_MAX 600 // bytes of an object's key; a longer one names nothing

// What one event says of objects; objects[0] is its own. In the arena.
struct site_facts {
    struct {
        bytes type, key;
    } * objects;
    struct {
        uint16_t above, below;
    } * links;
    struct {
        uint16_t object;
        uint64_t mark;
    } * met;
    size_t object_count, link_count, met_count;
    bool cut; // more than the limits allow
};

// The claims of a plan, made ready to be asked. Lives as long as the plan.
struct site_claims;
struct site_claims *site_claims_open(const struct plan *p); // never null
void site_claims_close(struct site_claims *c);              // null is allowed

// An event's objects, links and claims met. An event without an object's id (or with one above
// EVENT_ID_MAX) speaks of an object of its own, known by the event's id. MEMORY.
must result site_read(const struct site_claims *c, const struct event *e, struct arena *a,
                      struct site_facts *out);
// The key under which an object is kept; in the arena, NO_BYTES when it is too long.
bytes site_key(bytes type, bytes id, bytes account, struct arena *a);
// That of the object which an event speaks of.
bytes site_event_key(const struct event *e, struct arena *a);
// The id in a key.
bytes site_key_id(bytes key);
// Walks what stands before the colon in keys of objects whose ids users choose, as "price"; start
// with *at = 0; false at the end.
bool site_key_kind(size_t *at, bytes *out);

// The claims on an object itself, as indexes into plan.sites: the first site by the configuration's
// order (SIZE_MAX: none), and all that were ever met, told one by one.
size_t site_claimed(const struct site_claims *c, const struct site_object *o,
                    void (*each)(void *ctx, size_t site), void *ctx);

// How many claims of `after` no stored event was asked for under `before`: those by `where` that
// are not the same there, with a value more counting as one more; all, if `before` has no sites, as
// nothing was learnt then. Until the command site_learn they count for what comes, and for what is
// unclaimed. Claims by ids of objects need nothing.
size_t site_claims_unasked(const struct plan *before, const struct plan *after);

// A claim in words: "prices price_1, price_2", "data.object.metadata.site is shop".
void site_claim_words(const struct plan_claim *claim, struct text *out);
// The same of the claim by which that site has the object, with the value that was met; nothing if
// there is none.
void site_claimed_words(const struct site_claims *c, const struct site_object *o, size_t site,
                        struct text *out);
// All objects' sets at once, for objects numbered from 1 to n: `evidence` comes as that of the
// claims on each object itself, `below` as none.
struct site_scales {
    size_t n;
    int64_t *evidence, *below; // by number
    bytes (*above)(const void *ctx, size_t number);
    const void *ctx;
};
void site_weigh(const struct site_scales *s);

// An object as the walk of site_of sees it.
struct site_node {
    const struct site_object *object;
    size_t own; // index into plan.sites of the site by 1; SIZE_MAX: none
    int rank;
    bool shared;
    // Of the walk under way.
    uint64_t walk;
    bool under_way;
    size_t taught, learnt;
    bool taught_known, learnt_known;
};
// Fills rank and shared from the object's type.
void site_node_init(struct site_node *n, const struct site_object *o, size_t own);

// How the walk finds objects, and which site of the plan a number is (SIZE_MAX: none).
struct site_world {
    must result (*node)(void *ctx, uint64_t number, struct site_node **out);
    size_t (*site)(void *ctx, int64_t number);
    void *ctx;
    uint64_t walk; // counts
    uint64_t cut;  // how often a walk met an object under way, or went too deep
    int depth;
    uint32_t steps; // of this walk
};

enum site_reason { SITE_BY_HAND, SITE_CLAIMED, SITE_TAUGHT, SITE_LEARNT_BELOW, SITE_LEARNT_ABOVE };
const char *site_reason_name(enum site_reason r); // "by_hand", "claimed", "taught", …

// The site of an object, as an index into plan.sites; SIZE_MAX: none.
must result site_of(struct site_world *w, struct site_node *n, size_t *out);
// The same, with the next step of the chain: by which reason, and for TAUGHT and LEARNT_ABOVE from
// which object (else 0).
must result site_of_why(struct site_world *w, struct site_node *n, size_t *out,
                        enum site_reason *reason, uint64_t *from);

#endif
