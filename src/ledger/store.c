// SPDX-License-Identifier: MIT
#include "ledger/store.h"

#include "base/ensure.h"

static const struct {
    const char *name;
    bool open;
} delivery_states[] = {
#define DELIVERY_STATE(id, name, open, meaning) {name, open},
#include "ledger/delivery_states.def"
#undef DELIVERY_STATE
};

const char *delivery_state_name(enum delivery_state s) {
    ensure(s < DELIVERY_STATES);
    return delivery_states[s].name;
}

bool delivery_state_open(enum delivery_state s) {
    ensure(s < DELIVERY_STATES);
    return delivery_states[s].open;
}

const char *event_status_name(enum event_status s) {
    static const char *const names[] = {"pending", "done", "failed", "ignored"};
    ensure(s < sizeof names / sizeof names[0]);
    return names[s];
}

const char *sighting_name(enum sighting kind) {
    static const char *const names[SIGHTING_KINDS] = {
#define SIGHTING(id, number, name, whose, what, max, doc) [SIGHTING_##id] = (name),
#include "ledger/sightings.def"
#undef SIGHTING
    };
    ensure(kind < SIGHTING_KINDS && names[kind] != NULL);
    return names[kind];
}

void sighting_merge(struct sighting_row *into, const struct sighting_row *more) {
    if (more->first_at < into->first_at)
        into->first_at = more->first_at;
    if (more->last_at > into->last_at)
        into->last_at = more->last_at;
    if (more->deauthorized > into->deauthorized)
        into->deauthorized = more->deauthorized;
    if (more->created > into->created)
        into->created = more->created;
    into->count += more->count;
}
