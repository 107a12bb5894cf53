// SPDX-License-Identifier: MIT
#include "rules/doctor.h"

#include "rules/doctor_internal.h"
#include "rules/endpoint.h"

#define LATE_MS INT64_C(300000)
#define REASON_MAX 200

enum severity { ERROR, WARNING, ADVICE };

static const struct {
    const char *name;
    enum severity severity;
    void (*look)(const struct doctor_facts *f, struct doctor_report *r);
} checks[DOCTOR_CHECKS] = {
#define CHECK(id, name, severity, meaning) {#name, severity, check_##name},
#include "rules/doctor_checks.def"
#undef CHECK
};

static void add_count(struct text *out, uint64_t n, const char *one, const char *many) {
    text_addf(out, "%llu %s", (unsigned long long)n, n == 1 ? one : many);
}

void doctor_find(struct doctor_report *r) {
    static const char *const words[] = {"error", "warning", "advice"};
    text_addf(r->out, "%s{\"check\":\"%s\",\"severity\":\"%s\",\"about\":", r->count > 0 ? "," : "",
              checks[r->check].name, words[checks[r->check].severity]);
    text_add_json(r->out, text_bytes(&r->about));
    text_adds(r->out, ",\"found\":");
    text_add_json(r->out, text_bytes(&r->found));
    text_adds(r->out, ",\"mend\":");
    text_add_json(r->out, text_bytes(&r->mend));
    text_addc(r->out, '}');
    r->count++;
    text_reset(&r->about);
    text_reset(&r->found);
    text_reset(&r->mend);
}

void doctor_list(struct text *out, size_t n, bytes name) {
    if (n >= DOCTOR_LISTED)
        return;
    text_adds(out, n > 0 ? ", " : "");
    text_add_printable(out, name, 80);
}

void doctor_list_end(struct text *out, size_t n) {
    if (n > DOCTOR_LISTED)
        text_addf(out, " and %zu more", n - DOCTOR_LISTED);
}

void doctor_look(const struct doctor_facts *f, struct text *out) {
    struct doctor_report r = {.out = out};
    text_adds(out, "{\"findings\":[");
    for (r.check = 0; r.check < DOCTOR_CHECKS; r.check++)
        checks[r.check].look(f, &r);
    text_addf(out, "],\"checks\":%d}", DOCTOR_CHECKS);
    text_drop(&r.about);
    text_drop(&r.found);
    text_drop(&r.mend);
}

void check_deliveries_dead(const struct doctor_facts *f, struct doctor_report *r) {
    for (size_t i = 0; i < f->destination_count; i++) {
        const struct doctor_destination *d = &f->destinations[i];
        if (d->dead == 0)
            continue;
        text_add(&r->about, d->name);
        add_count(&r->found, d->dead, "delivery", "deliveries");
        text_adds(&r->found, " given up, as the schedule ran out");
        text_addf(&r->mend,
                  "`hookkeep deliveries list --destination %.*s --state dead` says why; once it is "
                  "mended there, `hookkeep deliveries retry N` sends one again",
                  BYTES_ARG(d->name));
        doctor_find(r);
    }
}

void check_booking_waits(const struct doctor_facts *f, struct doctor_report *r) {
    if (!f->booking_waits)
        return;
    text_adds(&r->found, "the ledger cannot be written: nothing is booked or delivered, and what "
                         "comes waits in the journal");
    text_adds(&r->mend, "`booking_waits` in the log says why: make room on the ledger's disk, or "
                        "end what holds the ledger; it goes on by itself");
    doctor_find(r);
}

void check_destination_late(const struct doctor_facts *f, struct doctor_report *r) {
    for (size_t i = 0; i < f->destination_count; i++) {
        const struct doctor_destination *d = &f->destinations[i];
        if (d->held || d->oldest_due_at == 0 || f->now_ms - d->oldest_due_at <= LATE_MS)
            continue;
        text_add(&r->about, d->name);
        text_adds(&r->found, "its oldest delivery has been due for ");
        text_add_duration(&r->found, (f->now_ms - d->oldest_due_at) / 60000 * 60000);
        text_addf(&r->found, ", %llu wait", (unsigned long long)(d->due + d->waiting));
        text_addf(&r->mend,
                  "it is down, or takes less than comes: `hookkeep destinations show %.*s` says "
                  "which; %s",
                  BYTES_ARG(d->name),
                  endpoint_id(d->name) ? "have it answer sooner"
                                       : "make it answer sooner, or raise its `concurrency`");
        doctor_find(r);
    }
}

void check_destination_fails(const struct doctor_facts *f, struct doctor_report *r) {
    for (size_t i = 0; i < f->destination_count; i++) {
        const struct doctor_destination *d = &f->destinations[i];
        if (d->waiting == 0)
            continue;
        text_add(&r->about, d->name);
        add_count(&r->found, d->waiting, "delivery", "deliveries");
        text_adds(&r->found, " failed and to be tried again");
        text_addf(&r->mend,
                  "`hookkeep deliveries list --destination %.*s --state waiting` says why; they "
                  "are tried again by themselves, `hookkeep deliveries retry N` does it now",
                  BYTES_ARG(d->name));
        doctor_find(r);
    }
}

void check_destination_held(const struct doctor_facts *f, struct doctor_report *r) {
    for (size_t i = 0; i < f->destination_count; i++) {
        const struct doctor_destination *d = &f->destinations[i];
        if (!d->held || d->held_open == 0)
            continue;
        text_add(&r->about, d->name);
        text_adds(&r->found, "it is held");
        if (d->hold_reason.n > 0) {
            text_adds(&r->found, " (");
            text_add_printable(&r->found, d->hold_reason, REASON_MAX);
            text_adds(&r->found, ")");
        }
        text_adds(&r->found, ", and owed ");
        add_count(&r->found, d->held_open, "delivery", "deliveries");
        text_addf(&r->mend, "`hookkeep destinations release %.*s`", BYTES_ARG(d->name));
        doctor_find(r);
    }
}

void check_endpoints_disabled(const struct doctor_facts *f, struct doctor_report *r) {
    size_t n = 0;
    for (size_t i = 0; i < f->endpoint_count; i++)
        if (!f->endpoints[i].enabled && f->endpoints[i].because.n > 0)
            doctor_list(&r->found, n++, f->endpoints[i].as->name);
    doctor_list_end(&r->found, n);
    if (n == 0)
        return;
    text_adds(&r->found,
              ": disabled, as attempts did nothing but fail for as long as "
              "desk.endpoints_disable_after says; events that come are not owed to them");
    text_adds(&r->mend,
              "`hookkeep destinations show ID` has the URL: tell who made it, who enables "
              "it again through the API (`disabled=false`), or deletes it");
    doctor_find(r);
}

void check_endpoints_sealed(const struct doctor_facts *f, struct doctor_report *r) {
    if (f->endpoints_sealed == 0)
        return;
    text_adds(&r->found, "nothing goes to ");
    add_count(&r->found, f->endpoints_sealed, "endpoint", "endpoints");
    text_adds(&r->found, " made by the API: what their secrets are sealed with is not the key in "
                         "LEDGER.sealing-key");
    text_adds(&r->mend, "put the file of when they were made back and start again, or have them "
                        "made anew");
    doctor_find(r);
}

void check_twin_on(const struct doctor_facts *f, struct doctor_report *r) {
    if (!f->twin)
        return;
    text_adds(&r->found, "the twin is on: requests to Stripe's API are answered from made-up "
                         "objects, and their events come in like Stripe's");
    text_adds(&r->mend, "nothing, where people develop; in production take `twin` out of the "
                        "configuration and restart");
    doctor_find(r);
}

void check_suspense(const struct doctor_facts *f, struct doctor_report *r) {
    if (f->suspended == 0)
        return;
    add_count(&r->found, f->suspended, "record", "records");
    text_adds(&r->found, " could not be booked");
    text_adds(&r->mend,
              "`hookkeep suspense list` says why; `hookkeep suspense book N` tries again");
    doctor_find(r);
}

void check_no_destination(const struct doctor_facts *f, struct doctor_report *r) {
    if (f->plan == NULL || f->plan->destination_count > 0 || f->endpoint_count > 0)
        return;
    text_adds(&r->found, "no destination is configured: events are kept and go nowhere");
    text_adds(&r->mend, "name one under `destinations:` (man hookkeep.yaml), and send what came "
                        "before with `hookkeep events replay --to NAME`");
    doctor_find(r);
}
