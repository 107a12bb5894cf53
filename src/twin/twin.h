// SPDX-License-Identifier: MIT
// The twin: a stand-in for Stripe, for development without it. A world of objects, changed by
// requests to Stripe's API (https://docs.stripe.com/api) and by time, and the events that follow.
// What the world is made of is data (twin/resource.h); docs/twin.md lists it, and what is not
// imitated.
//
// Pure: requests and the time go in, answers and events come out, and the same seed gives the same
// ids. One thread. Who holds it serves it over HTTP, sends its events as Stripe would, and says
// what time it is: the twin's time, in ms since 1970, which may run faster than the real one and
// never runs back. Everything is in test mode.
//
// Objects belong to the platform or, with Stripe-Account, to a connected account, whose id may be
// any, as an account needs no creation; one sees nothing of another.
#ifndef TWIN_TWIN_H
#define TWIN_TWIN_H

#include "base/json.h"
#include "base/list.h"
#include "base/text.h"

#define TWIN_OBJECTS_MAX 1000000 // unless another number is set
#define TWIN_KEYS_MAX 100000     // Idempotency-Keys remembered; the oldest go first

struct twin;

struct twin *twin_open(uint64_t seed, int64_t now_ms);
// How many objects it may hold: then creations are refused, and snapshots with more.
void twin_set_max(struct twin *w, size_t objects);
void twin_close(struct twin **w); // null is allowed; usable with OWN

struct twin_request {
    bytes method, path; // "/v1/customers/cus_1", without a query
    json params;        // of query and body together (stripe/form.h), or the JSON body under /v2
    bytes account;      // Stripe-Account; empty: the platform
    bytes caller;       // whose Idempotency-Keys these are: any text that tells keys apart
    bytes request_id, idempotency_key;
};

struct twin_answer {
    int status;
    bool replayed;    // the same request came before, with this Idempotency-Key
    struct text body; // laid out as Stripe does
};

// Is this a path of the twin's, with whatever method? Others are somebody else's.
bool twin_has_path(bytes path);
// Fills *out, which is empty before.
void twin_ask(struct twin *w, const struct twin_request *r, int64_t now_ms,
              struct twin_answer *out);

// When something happens by itself next; INT64_MAX: nothing will. (What hangs on a test clock
// happens as that is advanced.)
int64_t twin_next_ms(const struct twin *w);
// Does what is due by then.
void twin_run(struct twin *w, int64_t now_ms);

struct twin_event {
    struct list link;
    struct text id, type, account; // account: empty for the platform's own
    struct text object;            // data.object's id, for who looks; empty: it has none
    struct text body; // one JSON document without layout; a thin event has no api_version
    bool thin;
};

// The next event that came to be, in order; null: none. The caller frees it.
struct twin_event *twin_event_take(struct twin *w);
void twin_event_free(struct twin_event *e);
// Its bytes as Stripe sends them to an endpoint of this API version.
void twin_event_print(const struct twin_event *e, bytes api_version, struct text *out);

struct twin_counts {
    size_t objects, due, keys;
    uint64_t events; // made since the start or the last reset
};
struct twin_counts twin_counts(const struct twin *w);

// All of it as one JSON document, events not yet taken among it, and Idempotency-Keys not. Load
// takes the place of what there was; INVALID with a sentence in `why`, and nothing changed.
void twin_save(const struct twin *w, struct text *out);
must result twin_load(struct twin *w, bytes in, struct text *why);
void twin_reset(struct twin *w); // an empty world

#endif
