// SPDX-License-Identifier: MIT
// Which of an object's events tells its present state. Pure, and a function of the set of events
// alone: any order of arrival, with repetitions, gives the same answer, which is what makes tables
// right in any order.
//
// 1. An event about the object itself beats any object that only came along inside of another event
//    (an expanded customer): that one fills a row nobody else has filled. Among those the later
//    second counts, then the greater event id.
// 2. The later second (`created`) counts. Stripe gives no finer time.
// 3. Inside one second, by kind: created before changed before deleted. So a deletion wins its
//    second.
// 4. Among several of the kind that wins, by `previous_attributes`: it holds the old values of what
//    has changed and nothing else. A change comes directly after a state if each value that it
//    names as previous stands in that state, and the rest is the same in both; the state it leaves
//    is its own data.object. Where that does not hold of a state and the change put behind it,
//    there is a gap: something between them is not known. An event that says nothing of before can
//    come directly after nothing but what is equal to it.
//      All orders of the second are weighed, and those with the fewest gaps count, a gap behind
//    what was before the second among them: the created event of the second, else what the second
//    before it ended with. If those have no gap inside the second and all end in the same state,
//    that is the present one. A gap before it is none inside: perhaps nothing came in between.
// 5. Else, where the status of one is an end (version_ends: a payment intent that succeeded), what
//    has another status came before, and the rest is weighed by rule 4, without anything before.
// 6. Else it is undecided: of those that rule 5 leaves the row shows one that none surely follows,
//    of several such the one with the greatest event id, and is marked. u surely follows v if u can
//    come directly after v, and v not after u. Another event may decide it later, so all events of
//    the two newest seconds stay known.
//
// Why two seconds: changes that go back and forth within one second (A to B, B to A) are a circle,
// and only what was before tells where it was entered. Older seconds never matter.
//
// What is the same: null equals absent, the order of an object's members does not matter, numbers
// count as they are written, and two links to Stripe's own pages are the same, as it makes them
// anew with each print, with the time in it (a receipt_url): only that orders end in the same state
// is not taken for granted where they differ. Between two changes only what some change of the
// second names is compared: two endpoints may print them in two versions of the API, where fields
// differ that never changed. In `previous_attributes` an object holds only its members that
// changed, null for one that was not there (metadata), and an array stands there whole.
// (https://docs.stripe.com/api/events/object)
//
// Two events with the same state and the same past are two changes if that gives an order without a
// gap (A to B, back, and to B again), else one that Stripe has told twice, which it sometimes does:
// https://docs.stripe.com/webhooks#handle-duplicate-events.
#ifndef RULES_VERSION_H
#define RULES_VERSION_H

#include "base/json.h"
#include "base/text.h"

enum version_kind { VERSION_EMBEDDED, VERSION_CREATED, VERSION_CHANGED, VERSION_DELETED };

struct version {
    int64_t second;
    enum version_kind kind;
    bytes event; // id
};

// By the event's type: "….created", "….deleted", anything else is a change. But what asks whether
// an authorization is to be approved (issuing_authorization.request) comes before its creation:
// like an object that came along it fills a row, no more.
// https://docs.stripe.com/issuing/controls/real-time-authorizations
enum version_kind version_kind_of(bytes type);
// Has an object of this type an end with this status (rules/version_ends.def)?
bool version_ends(bytes object, bytes status);
// Has Stripe dropped the object itself with this event? "….deleted", but for a subscription, which
// stays with the status canceled.
bool version_drops(bytes type);

// What is known of an object: the events of the two newest seconds, as text, a line an event in one
// order: the same text for the same set. Kept with the row, opaque to everyone else. At most
// VERSIONS_MAX of one second stay, the greatest by kind and then by id; a second that had more is
// cut: it stays undecided unless rule 3 leaves one alone, and nobody knows what it ended with.
#define VERSIONS_MAX 64

enum version_news {
    VERSION_KNOWN,   // it is there already, or older than what matters: nothing changes
    VERSION_NOTED,   // what is known changes, the shown state does not
    VERSION_NEWEST,  // it alone is of the winning kind in the newest second: show it, decided
    VERSION_COMPARE, // the newest second has several of that kind: version_choose
};

// Adds an event to what is known (empty: nothing); `out` becomes what is known then, unless it is
// VERSION_KNOWN. FORMAT: `known` is not of this form. INVALID: the event's id is empty or has a
// line end in it, which stripe/event.h refuses.
must result versions_add(bytes known, const struct version *v, struct text *out,
                         enum version_news *news);

// Reads what is known: the newest second's events, and those of the one before unless that was cut.
// They point into `known`. Each array has room for VERSIONS_MAX. FORMAT as above.
struct versions {
    struct version newest[VERSIONS_MAX], before[VERSIONS_MAX];
    size_t newest_count, before_count;
    bool cut; // the newest second had more
};
must result versions_read(bytes known, struct versions *out);

// An event with what it says, for comparing.
struct version_state {
    struct version version;
    json data;     // data.object
    json previous; // data.previous_attributes; absent, empty or no object: it says nothing
};

struct version_choice {
    size_t shown; // index into newest
    bool undecided;
};

// Rules 3 to 6 over the events of the newest second; `before`: those of the second before, perhaps
// none. Neither has embedded ones. n > 0, neither count is over VERSIONS_MAX. It takes as long as
// n * n comparisons, and up to 12 changes of one second are weighed in all their orders; of more
// than that an order is seen only where no step has a choice.
struct version_choice version_choose(const struct version_state *newest, size_t n,
                                     const struct version_state *before, size_t before_count,
                                     bool cut);

#endif
