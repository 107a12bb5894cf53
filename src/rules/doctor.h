// SPDX-License-Identifier: MIT
// The doctor: findings from what was seen, each with what mends it. Pure: facts in, findings out;
// who asks gathers the facts (desk/doctor.c). The checks are rules/doctor_checks.def.
#ifndef RULES_DOCTOR_H
#define RULES_DOCTOR_H

#include "rules/plan.h"

enum doctor_check {
#define CHECK(id, name, severity, meaning) DOCTOR_##id,
#include "rules/doctor_checks.def"
#undef CHECK
    DOCTOR_CHECKS
};

struct doctor_refused { // requests, by how their signature failed
    uint64_t no_signature, malformed, no_match, retired, too_old, in_future, not_an_event;
};

struct doctor_source { // since the gateway started
    bytes path;
    uint64_t received;
    int64_t clock_ms; // our clock less Stripe's; means something when received > 0
    struct doctor_refused refused;
};

struct doctor_sighting { // ledger/sightings.def
    bytes whose, what;
    bool livemode;
    int64_t last_at; // ms
    uint64_t count;
};
struct doctor_sightings {
    struct doctor_sighting *rows;
    size_t n;
};

struct doctor_destination {
    bytes name;
    bool held;
    bytes hold_reason; // may be empty
    uint64_t due, waiting, dead, held_open;
    int64_t oldest_due_at; // ms; 0: nothing is owed
};

struct doctor_endpoint { // made through the API, of either livemode
    const struct plan_destination *as;
    bool enabled;
    bytes because; // why it is not, other than by its owner
};

struct doctor_account { // that a rule names and that was seen
    bytes account;
    bool livemode;
    int64_t deauthorized; // seconds; 0: it is not
};

struct doctor_facts {
    int64_t now_ms;
    bool booking_waits;
    const struct plan *plan;       // in force; null before the first
    struct doctor_source *sources; // those of the plan of which something is known
    size_t source_count;
    struct doctor_sightings secrets, types, versions;
    struct doctor_account *accounts;
    size_t account_count;
    struct doctor_destination *destinations; // those of the plan, and enabled endpoints
    size_t destination_count;
    struct doctor_endpoint *endpoints;
    size_t endpoint_count;
    uint64_t endpoints_sealed; // whose secret the sealing key does not open
    uint64_t suspended;
    bool twin; // a stand-in for Stripe is on
};

// Appends {"findings":[{"check","severity":"error|warning|advice","about","found","mend"},…],
// "checks":n}; `about` names a source, a destination or an account, or is empty.
void doctor_look(const struct doctor_facts *f, struct text *out);

#endif
