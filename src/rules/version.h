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
// second.
// 4. Among the changes of one second, by `previous_attributes`. A change comes directly after a
// state
//    if each value that it names as previous stands in that state; the state it leaves is its own
//    data.object. If there are orders in which every change of the second comes directly after the
//    one before, and all of them end in the same state, that is the present one. The first of them
//    has to come after what was before that second (the created event, else the state of the second
//    before it that is known), if any order does.
// 5. Where previous_attributes says nothing, a change after which nothing of its kind follows
//    (version_ends: a payment intent that succeeded) comes last, if there is one alone.
// 6. Else it is undecided: the row shows the event that no other surely follows, of several that
// with the
//    greatest id, and is marked. Another event may decide it later, so all events of the two newest
//    seconds stay known.
//
// Why two seconds: changes that go back and forth within one second (A to B, B to A) are a circle,
// and only what was before tells where it was entered. Older seconds never matter.
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

// By the event's type: "….created", "….deleted", anything else is a change.
enum version_kind version_kind_of(bytes type);
// Nothing that changes the object's `status` comes after it (rules/version_ends.def).
bool version_ends(bytes type);
// Has Stripe dropped the object itself with this event? "….deleted", but for a subscription, which
// stays with the status canceled.
bool version_drops(bytes type);

// What is known of an object: the events of the two newest seconds, as text, a line an event in one
// order. Kept with the row, opaque to everyone else. At most VERSIONS_MAX of one second stay, those
// with the greatest ids; a second that had more stays undecided unless rules 3 or 5 decide.
#define VERSIONS_MAX 64

enum version_news {
    VERSION_KNOWN,   // it is there already, or older than what matters: nothing changes
    VERSION_NOTED,   // what is known changes, the shown state does not
    VERSION_NEWEST,  // it alone is of the newest second: show it
    VERSION_COMPARE, // the newest second has several: version_choose
};

// Adds an event to what is known (empty: nothing); `out` becomes what is known then, unless it is
// VERSION_KNOWN. FORMAT: `known` is not of this form.
must result versions_add(bytes known, const struct version *v, struct text *out,
                         enum version_news *news);

// Reads what is known: the newest second's events, and those of the one before. They point into
// `known`. Each array has room for VERSIONS_MAX.
struct versions {
    struct version newest[VERSIONS_MAX], before[VERSIONS_MAX];
    size_t newest_count, before_count;
    bool cut; // the newest second had more
};
must result versions_read(bytes known, struct versions *out);

// An event with what it says, for comparing.
struct version_state {
    struct version version;
    bytes type;
    json data;     // data.object
    json previous; // data.previous_attributes; absent: it says nothing
};

struct version_choice {
    size_t shown; // index into newest
    bool undecided;
};

// Rules 3 to 6 over the events of the newest second; `before`: those of the second before, perhaps
// none. n > 0.
struct version_choice version_choose(const struct version_state *newest, size_t n,
                                     const struct version_state *before, size_t before_count,
                                     bool cut);

#endif
