// SPDX-License-Identifier: MIT
// What dispatch knows of its destinations' pace, for people.
#include "dispatch/attempt.h"

static void add_or_null(struct text *out, const char *key, bool there, int64_t v) {
    if (there)
        text_addf(out, ",\"%s\":%lld", key, (long long)v);
    else
        text_addf(out, ",\"%s\":null", key);
}

static void add_rate(struct text *out, const char *key, int64_t milli) {
    if (milli == 0)
        text_addf(out, ",\"%s\":null", key);
    else
        text_addf(out, ",\"%s\":%lld.%03lld", key, (long long)(milli / 1000),
                  (long long)(milli % 1000));
}

static void add_breaker(const struct destination *to, int64_t mono_to_ms, struct text *out) {
    const struct breaker *b = &to->pace.breaker;
    text_addf(out, ",\"breaker\":\"%s\"", !b->open ? "closed" : b->probing ? "probing" : "open");
    add_or_null(out, "breaker_since", b->open, to->opened_ms);
    text_adds(out, ",\"breaker_why\":");
    if (b->open)
        text_add_json(out, bytes_of(to->why));
    else
        text_adds(out, "null");
    add_or_null(out, "next_probe_at", b->open && !b->probing, b->next_us / 1000 + mono_to_ms);
}

static void add(const struct dispatch *d, const struct destination *to, struct text *out) {
    const struct pace *p = &to->pace;
    int64_t now_us = clock_mono_us(d->o.clock);
    int64_t mono_to_ms = clock_wall_ms(d->o.clock) - now_us / 1000;
    struct pace only = {.limits = p->limits};
    text_adds(out, out->n > 1 ? "," : "");
    text_add_json(out, to->name);
    text_addf(out, ":{\"under_way\":%zu,\"level\":%u,\"level_least\":%u,\"level_most\":%u",
              to->sending_count, pace_level(p), p->limits.min, p->limits.max);
    add_rate(out, "rate", pace_rate_milli(&only));
    add_rate(out, "rate_learnt", p->learnt_milli);
    add_or_null(out, "paused_until", p->paused_until_us > now_us,
                p->paused_until_us / 1000 + mono_to_ms);
    add_breaker(to, mono_to_ms, out);
    text_addc(out, '}');
}

void dispatch_looked(const struct dispatch *d, struct dispatch_look *l) {
    text_addc(&l->out, '{');
    for (const struct list *it = d == NULL ? NULL : d->destinations.next;
         it != NULL && it != &d->destinations; it = it->next) {
        const struct destination *to = CONTAINER(it, struct destination, link);
        bool asked = l->destination.n == 0 || bytes_equal(to->name, l->destination);
        if (!to->retired && asked && (!l->configured || to->set == TARGETS_CONFIGURED))
            add(d, to, &l->out);
    }
    text_addc(&l->out, '}');
    l->mail.kind = l->back;
    mailbox_post(l->reply, &l->mail);
}
