// SPDX-License-Identifier: MIT
#include "rules/doctor_internal.h"
#include "rules/match.h"

#define CLOCK_OFF_MS INT64_C(30000)

static bool recent(const struct doctor_facts *f, const struct doctor_sighting *s) {
    return f->now_ms - s->last_at <= DOCTOR_RECENT_MS;
}

static void add_refused(struct text *out, uint64_t n, const char *what) {
    if (n > 0)
        text_addf(out, "%s%llu %s", out->n > 0 ? ", " : "", (unsigned long long)n, what);
}

static void add_mend(struct text *out, bool needed, const char *what) {
    if (needed)
        text_addf(out, "%s%s", out->n > 0 ? "; " : "", what);
}

void check_signatures_fail(const struct doctor_facts *f, struct doctor_report *r) {
    for (size_t i = 0; i < f->source_count; i++) {
        const struct doctor_source *s = &f->sources[i];
        const struct doctor_refused *n = &s->refused;
        add_refused(&r->found, n->no_match, "match no secret");
        add_refused(&r->found, n->retired, "by a secret that is not in force");
        add_refused(&r->found, n->too_old, "too old");
        add_refused(&r->found, n->in_future, "in the future");
        add_refused(&r->found, n->malformed, "with a malformed header");
        add_refused(&r->found, n->no_signature, "without a signature");
        add_refused(&r->found, n->not_an_event, "signed but no event");
        if (r->found.n == 0)
            continue;
        text_add(&r->about, s->path);
        text_addf(&r->found, "; %llu held", (unsigned long long)s->received);
        add_mend(&r->mend, n->no_match > 0,
                 "the endpoint signs with a secret that is not in the source's ring (`hookkeep "
                 "secrets`): add it under `secrets:` and reload by `kill -HUP`");
        add_mend(&r->mend, n->retired > 0,
                 "Stripe still signs with a secret outside of its `not_before` and `not_after`: "
                 "move them, or roll the secret in Stripe");
        add_mend(&r->mend, n->too_old + n->in_future > 0,
                 "set the clock (`timedatectl set-ntp true`), unless somebody sends old requests "
                 "again");
        add_mend(&r->mend, n->malformed + n->no_signature + n->not_an_event > 0,
                 "something that is not Stripe posts there: a probe, a scanner, or a proxy that "
                 "drops or changes `Stripe-Signature`");
        doctor_find(r);
    }
}

void check_clock_off(const struct doctor_facts *f, struct doctor_report *r) {
    for (size_t i = 0; i < f->source_count; i++) {
        const struct doctor_source *s = &f->sources[i];
        int64_t apart = s->clock_ms < 0 ? -s->clock_ms : s->clock_ms;
        if (s->received == 0 || apart <= CLOCK_OFF_MS)
            continue;
        text_add(&r->about, s->path);
        text_addf(&r->found, "our clock is %lld s %s the times in its signatures",
                  (long long)(apart / 1000), s->clock_ms < 0 ? "behind" : "ahead of");
        text_adds(&r->mend, "`timedatectl set-ntp true`; at the source's `tolerance` everything "
                            "is refused");
        doctor_find(r);
    }
}

static const struct doctor_sighting *last_use(const struct doctor_facts *f, bytes source,
                                              bytes label) {
    const struct doctor_sighting *last = NULL;
    for (size_t i = 0; i < f->secrets.n; i++) {
        const struct doctor_sighting *s = &f->secrets.rows[i];
        if (bytes_equal(s->whose, source) && bytes_equal(s->what, label) &&
            (last == NULL || s->last_at > last->last_at))
            last = s;
    }
    return last;
}

void check_secret_expires(const struct doctor_facts *f, struct doctor_report *r) {
    for (size_t i = 0; f->plan != NULL && i < f->plan->source_count; i++) {
        const struct plan_source *source = &f->plan->sources[i];
        for (size_t k = 0; k < source->secret_count; k++) {
            const struct plan_secret *s = &source->secrets[k];
            int64_t left_ms = s->not_after_s * 1000 - f->now_ms;
            if (s->not_after_s == 0 || left_ms <= 0 || left_ms > DOCTOR_RECENT_MS)
                continue;
            const struct doctor_sighting *use = last_use(f, source->path, s->label);
            if (use == NULL || !recent(f, use))
                continue;
            text_add(&r->about, source->path);
            text_addf(&r->found, "events are signed with the secret %.*s, which ends at ",
                      BYTES_ARG(s->label));
            text_add_time(&r->found, s->not_after_s * 1000);
            text_addf(&r->mend,
                      "roll the endpoint's secret in Stripe and add the new one to the source, or "
                      "set a later `not_after` of %.*s; then `kill -HUP`",
                      BYTES_ARG(s->label));
            doctor_find(r);
        }
    }
}

static bool awaited(const struct doctor_facts *f, const struct plan_secret *s) {
    return s->not_before_s * 1000 <= f->now_ms &&
           (s->not_after_s == 0 || s->not_after_s * 1000 > f->now_ms);
}

void check_secret_unused(const struct doctor_facts *f, struct doctor_report *r) {
    if (f->plan == NULL || f->secrets.n == 0)
        return;
    for (size_t i = 0; i < f->plan->source_count; i++) {
        const struct plan_source *source = &f->plan->sources[i];
        for (size_t k = 0; k < source->secret_count; k++) {
            const struct plan_secret *s = &source->secrets[k];
            if (!awaited(f, s) || last_use(f, source->path, s->label) != NULL)
                continue;
            text_add(&r->about, source->path);
            text_addf(&r->found, "the secret %.*s (scope %s) never matched", BYTES_ARG(s->label),
                      scope_name(s->scope));
            text_addf(&r->mend,
                      "make an endpoint in Stripe that posts here%s and signs with it, or remove "
                      "the line `label: %.*s`",
                      s->scope == SCOPE_CONNECT   ? ", for events on connected accounts,"
                      : s->scope == SCOPE_ACCOUNT ? ", for events on your account,"
                                                  : "",
                      BYTES_ARG(s->label));
            doctor_find(r);
        }
    }
}

static bool names_account(const struct plan_destination *d, bytes account) {
    for (size_t i = 0; i < d->rule_count; i++)
        for (size_t k = 0; k < d->rules[i].account_count; k++)
            if (bytes_equal(d->rules[i].accounts[k], account))
                return true;
    return false;
}

void check_account_deauthorized(const struct doctor_facts *f, struct doctor_report *r) {
    for (size_t i = 0; i < f->account_count; i++) {
        const struct doctor_account *a = &f->accounts[i];
        if (a->deauthorized == 0)
            continue;
        text_add(&r->about, a->account);
        text_addf(&r->found, "deauthorized (%s) since ", a->livemode ? "live" : "test");
        text_add_time(&r->found, a->deauthorized * 1000);
        text_adds(&r->found, ", and named by rules of ");
        size_t n = 0;
        for (size_t k = 0; f->plan != NULL && k < f->plan->destination_count; k++)
            if (names_account(&f->plan->destinations[k], a->account))
                doctor_list(&r->found, n++, f->plan->destinations[k].name);
        doctor_list_end(&r->found, n);
        text_addf(&r->mend, "remove it from `accounts:`, or have it connect again; `hookkeep "
                            "accounts` lists what was seen of it");
        doctor_find(r);
    }
}

void check_versions_differ(const struct doctor_facts *f, struct doctor_report *r) {
    bytes first = NO_BYTES;
    bool differ = false;
    size_t n = 0;
    for (size_t i = 0; i < f->versions.n; i++) {
        const struct doctor_sighting *s = &f->versions.rows[i];
        if (!recent(f, s))
            continue;
        differ = differ || (first.n > 0 && !bytes_equal(first, s->what));
        first = s->what;
        OWN(text_drop)
        struct text one = {0};
        text_addf(&one, "%.*s at %.*s (%s)", BYTES_ARG(s->what), BYTES_ARG(s->whose),
                  s->livemode ? "live" : "test");
        doctor_list(&r->found, n++, text_bytes(&one));
    }
    doctor_list_end(&r->found, n);
    if (differ) {
        text_adds(&r->mend,
                  "give the endpoints one API version in Stripe (a new endpoint takes "
                  "`api_version`), the one that your sites expect; while both are needed, "
                  "tell them apart by `sources:` in `match`");
        doctor_find(r);
    }
    text_reset(&r->found);
}

// Might the destination get more of what was seen?
static bool may_take(const struct plan_destination *d, const struct doctor_sighting *t) {
    return mode_fits(d->livemode, t->livemode) && match_may_get(d, t->what, t->whose);
}

void check_livemodes_mix(const struct doctor_facts *f, struct doctor_report *r) {
    for (size_t i = 0; f->plan != NULL && i < f->plan->destination_count; i++) {
        const struct plan_destination *d = &f->plan->destinations[i];
        bool takes[2] = {false, false};
        for (size_t k = 0; k < f->types.n; k++) {
            const struct doctor_sighting *t = &f->types.rows[k];
            if (recent(f, t) && may_take(d, t))
                takes[t->livemode] = true;
        }
        if (!takes[0] || !takes[1])
            continue;
        text_add(&r->about, d->name);
        text_adds(&r->found, "it takes live and test events, and both came in the last seven days");
        text_adds(&r->mend, "`livemode: live` in this destination, and another with `livemode: "
                            "test` for the rest");
        doctor_find(r);
    }
}

void check_source_mixes(const struct doctor_facts *f, struct doctor_report *r) {
    for (size_t i = 0; f->plan != NULL && i < f->plan->source_count; i++) {
        bytes path = f->plan->sources[i].path;
        uint64_t came[2] = {0, 0};
        for (size_t k = 0; k < f->secrets.n; k++)
            if (bytes_equal(f->secrets.rows[k].whose, path) && recent(f, &f->secrets.rows[k]))
                came[f->secrets.rows[k].livemode] += f->secrets.rows[k].count;
        if (f->plan->sources[i].livemode != MODE_BOTH || came[0] == 0 || came[1] == 0)
            continue;
        text_add(&r->about, path);
        text_addf(&r->found, "live events (%llu) and test events (%llu) arrive here",
                  (unsigned long long)came[1], (unsigned long long)came[0]);
        text_adds(&r->mend, "a source of its own for each, with `livemode: live` and `livemode: "
                            "test`; a live Connect endpoint gets test events too, which `livemode: "
                            "live` keeps but ignores");
        doctor_find(r);
    }
}

static bool anybody_takes(const struct doctor_facts *f, const struct doctor_sighting *t) {
    for (size_t i = 0; i < f->plan->destination_count; i++)
        if (may_take(&f->plan->destinations[i], t))
            return true;
    for (size_t i = 0; i < f->endpoint_count; i++)
        if (f->endpoints[i].enabled && may_take(f->endpoints[i].as, t))
            return true;
    return false;
}

// A type with the livemode of which nobody takes it, if somebody takes it with the other one.
static void add_untaken(const struct doctor_facts *f, size_t at, bytes path, size_t *n,
                        struct text *out) {
    const struct doctor_sighting *t = &f->types.rows[at];
    struct doctor_sighting other = *t;
    other.livemode = !t->livemode;
    if (!bytes_equal(t->whose, path) || !recent(f, t) || anybody_takes(f, t))
        return;
    if (anybody_takes(f, &other)) {
        OWN(text_drop)
        struct text one = {0};
        text_addf(&one, "%.*s (%s)", BYTES_ARG(t->what), t->livemode ? "live" : "test");
        doctor_list(out, (*n)++, text_bytes(&one));
        return;
    }
    for (size_t i = 0; i < at; i++) {
        const struct doctor_sighting *before = &f->types.rows[i];
        if (bytes_equal(before->whose, path) && bytes_equal(before->what, t->what) &&
            recent(f, before))
            return;
    }
    doctor_list(out, (*n)++, t->what);
}

void check_types_unmatched(const struct doctor_facts *f, struct doctor_report *r) {
    if (f->plan == NULL || (f->plan->destination_count == 0 && f->endpoint_count == 0))
        return;
    for (size_t i = 0; i < f->plan->source_count; i++) {
        bytes path = f->plan->sources[i].path;
        size_t n = 0;
        for (size_t k = 0; k < f->types.n; k++)
            add_untaken(f, k, path, &n, &r->found);
        doctor_list_end(&r->found, n);
        if (n == 0)
            continue;
        text_add(&r->about, path);
        text_adds(&r->found, n == 1 ? " arrives and no destination takes it"
                                    : " arrive and no destination takes them");
        text_adds(&r->mend, "unsubscribe the endpoint from them in Stripe (its `enabled_events`), "
                            "or name them in `match: [{types: […]}]` of a destination");
        doctor_find(r);
    }
}

static bool was_seen(const struct doctor_facts *f, bytes pattern) {
    for (size_t i = 0; i < f->types.n; i++)
        if (match_type(pattern, f->types.rows[i].what))
            return true;
    return false;
}

void check_types_unseen(const struct doctor_facts *f, struct doctor_report *r) {
    if (f->plan == NULL || f->types.n == 0)
        return;
    for (size_t i = 0; i < f->plan->destination_count; i++) {
        const struct plan_destination *d = &f->plan->destinations[i];
        size_t n = 0;
        for (size_t k = 0; k < d->rule_count; k++)
            for (size_t j = 0; j < d->rules[k].type_count; j++)
                if (!was_seen(f, d->rules[k].types[j]))
                    doctor_list(&r->found, n++, d->rules[k].types[j]);
        doctor_list_end(&r->found, n);
        if (n == 0)
            continue;
        text_add(&r->about, d->name);
        text_adds(&r->found, " never arrived, though its rules name it");
        text_adds(&r->mend, "subscribe the endpoint to them in Stripe (its `enabled_events`), or "
                            "remove them from `types:`; `hookkeep trigger TYPE` makes one to try");
        doctor_find(r);
    }
}

void check_nothing_came(const struct doctor_facts *f, struct doctor_report *r) {
    if (f->secrets.n > 0)
        return;
    text_adds(&r->found, "no event has ever arrived");
    text_adds(&r->mend, "point the endpoint in Stripe at ");
    size_t n = 0;
    for (size_t i = 0; f->plan != NULL && i < f->plan->source_count; i++)
        doctor_list(&r->mend, n++, f->plan->sources[i].path);
    doctor_list_end(&r->mend, n);
    text_adds(&r->mend, n > 0 ? " of this gateway" : "a source of this gateway");
    text_adds(&r->mend, "; `hookkeep trigger customer.created` makes an event to try");
    doctor_find(r);
}
