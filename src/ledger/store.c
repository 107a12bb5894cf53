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
