// SPDX-License-Identifier: MIT
// What if another configuration were in force: who would get stored events under either plan, and
// whose they would be. Pure; fed with what the books know, in this order:
//   1. sites and objects, 2. what events say of objects, 3. weigh, 4. each event with its receipts.
//
// Both sides are worked out anew, that in force too: a delivery that is in the books may come from
// an older plan, a replay or a site that was unknown then, and was perhaps never owed by the plan
// that is in force. So what differs, differs because of the two plans alone, and a plan compared
// with itself differs in nothing.
//
// Sites are those that follow, under each plan's claims, from all that is known in the end: every
// object of the books with its links and the claims it met, and what the given events say, in
// whatever order (rules/site.h). So an event that came before what teaches its site counts for the
// site, as if it were routed late, whatever `late` says.
//
// A receipt counts under a plan that has its source, with a secret that is the same by fingerprint
// or else by label, for the event's livemode; its match rules see that secret's label there. Times
// of secrets are not looked at, and an event stays of the owner under whom it was booked.
#ifndef RULES_WHATIF_H
#define RULES_WHATIF_H

#include "rules/plan.h"
#include "rules/site_object.h"
#include "stripe/event.h"

struct whatif;

#define WHATIF_EXAMPLES 3 // ids of events named for each type

// What one may hold: so that a gateway that is asked keeps its memory.
struct whatif_limits {
    size_t objects; // some 250 bytes each
    size_t counted; // bytes for counts by destination and type, and examples
};

// `before` may be null: nothing is in force. The plans must live as long.
struct whatif *whatif_open(const struct plan *before, const struct plan *after,
                           const struct whatif_limits *limits); // never null
void whatif_close(struct whatif *w);                            // null is allowed

// Would a plan give some event a site? If not, objects and what events say need not be told.
bool whatif_has_sites(const struct whatif *w);
// Do they differ in what they say of sites, so that adopting `after` would look at unclaimed events
// again?
bool whatif_claims_again(const struct whatif *w);

// A site's number in the books.
void whatif_site(struct whatif *w, int64_t number, bytes name);
// Objects in any order. FULL: more than the limit.
must result whatif_object(struct whatif *w, const struct site_object *row);

struct whatif_receipt {
    bytes source, secret_label;
    bytes fingerprint; // of that secret under the plan of the time; empty: unknown
    const struct event *event;
};
// What an event says of objects, if either plan would take this receipt of it. FULL, MEMORY.
must result whatif_learn(struct whatif *w, bytes owner, const struct whatif_receipt *r);
must result whatif_weigh(struct whatif *w); // CORRUPT: objects are missing

// One event, with each of its receipts between begin and end, until which `owner` lives. FULL: more
// was counted than the limit.
void whatif_event_begin(struct whatif *w, bytes owner);
must result whatif_event_receipt(struct whatif *w, const struct whatif_receipt *r);
must result whatif_event_end(struct whatif *w);
// An event that is unclaimed in the books: adopting `after` would route it at once if that gives it
// a site, or leave it if the site says so.
must result whatif_unclaimed(struct whatif *w, bytes owner, const struct event *e);

// Appends members of a JSON object:
// "events":N,"same":bool,
// "destinations":[{"name","change":"none|appears|goes","gains":TALLY,"loses":TALLY}],
// "sites":[{"from":name or null,"to":name or null, …TALLY's}], null where a plan has no sites,
// "received":{"gains":TALLY,"loses":TALLY,"neither":N}, "routed":TALLY, "left":TALLY, "unasked":N
// where a TALLY is {"events":N,"types":[{"type","events":N,"examples":[id,…]}]}, most events first;
// "left" are the unclaimed of `late: leave`, and "unasked" is how many claims stored events meet
// here, but in the books only once they were read again (site_claims_unasked).
// Destinations are in the order of `before`, then that of `after`.
void whatif_write(const struct whatif *w, struct text *out);

#endif
