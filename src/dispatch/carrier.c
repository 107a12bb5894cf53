// SPDX-License-Identifier: MIT
#include "dispatch/carrier.h"

#include "dispatch/attempt.h"

void channel_init(struct channel *c, const struct carrier *carrier, struct dispatch *d) {
    c->carrier = carrier;
    c->dispatch = d;
    c->users = 1;
    list_push(&d->channels, &c->link);
}

void channel_join(struct channel *c) { c->users++; }

void channel_leave(struct channel *c) {
    if (--c->users > 0)
        return;
    list_remove(&c->link);
    c->carrier->drop(c);
}

void channel_retire(struct channel *c) {
    if (c == NULL)
        return;
    if (c->carrier->retire != NULL)
        c->carrier->retire(c);
    channel_leave(c);
}
