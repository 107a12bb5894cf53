// SPDX-License-Identifier: MIT
// The plan: what of a configuration decides about events. Sources, destinations and match rules,
// with fingerprints instead of secrets. It is adopted by a journal record that carries its JSON,
// and known afterwards by that record's position, its *generation*; booking uses the plan of the
// generation under which intake took the event. Immutable once read; any thread may read it.
#ifndef RULES_PLAN_H
#define RULES_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/text.h"
#include "rules/lane.h"
#include "rules/priority.h"

enum scope { SCOPE_ANY, SCOPE_ACCOUNT, SCOPE_CONNECT }; // ANY: not said
enum mode { MODE_BOTH, MODE_LIVE, MODE_TEST };
enum destination_kind {
    KIND_HTTP,
    KIND_COMMAND,
    KIND_TABLES,
    KIND_PLUGIN,
    KIND_REDIS, // from here on: queues (queue/queue.h)
    KIND_BULLMQ,
    KIND_BULL,
    KIND_FILE,
};
static inline bool kind_is_queue(enum destination_kind k) { return k >= KIND_REDIS; }

// What a claim goes by.
enum claim_kind {
#define CLAIM(id, name, type, meaning) CLAIM_##id,
#include "rules/claims.def"
#undef CLAIM
    CLAIM_KINDS
};

struct plan_secret {
    bytes label;
    enum scope scope;
    enum mode livemode; // never the other one than its source's
    // In force from the first second on and until the other, which is no longer in it; Unix
    // seconds, 0: no limit.
    int64_t not_before_s, not_after_s;
    bytes fingerprint; // 12 hex digits of a salted SHA-256
};

struct plan_source {
    bytes path, owner;
    enum mode livemode;
    int64_t tolerance_s;
    struct plan_secret *secrets;
    size_t secret_count;
};

struct plan_where {
    bytes path; // a.b.0.c into the event
    bytes *values;
    size_t value_count;
};

// One claim of a site: ids of one type, or (WHERE) paths that must all hold.
struct plan_claim {
    enum claim_kind kind;
    bytes *ids;
    struct plan_where *wheres;
    size_t id_count, where_count;
};

struct plan_site {
    bytes name;
    bool late_left; // events that came before their site was known are not routed afterwards
    struct plan_claim *claims;
    size_t claim_count;
};

// Which of Stripe's two kinds of events: those that hold the object, or the thin ones of its v2.
enum plan_payload { PAYLOAD_ANY, PAYLOAD_SNAPSHOT, PAYLOAD_THIN };

// One rule; every list that is given must contain the event's value, an empty list says nothing.
struct plan_rule {
    bytes *types;              // exact, "customer.*" (that prefix), or "*"
    bytes *accounts;           // "platform" stands for an event without an account
    bytes *sources;            // paths
    bytes *secrets;            // labels
    bytes *sites;              // names; "unclaimed" stands for an event without a site
    enum scope scope;          // connect: only events with an account; account: only those without
    enum plan_payload payload; // endpoints' alone (rules/endpoint.h): not in the JSON
    struct plan_where *wheres;
    size_t type_count, account_count, source_count, secret_count, site_count, where_count;
};

// Signs beside the newest until not_after_s (Unix seconds), which is no longer in it.
struct plan_older {
    bytes fingerprint;
    int64_t not_after_s;
};

// A function of a plugin. Here for people: what a destination gets is for its rules to say.
struct plan_handler {
    bytes name, description;
    bytes *types; // patterns
    size_t type_count;
};

// How fast, at most (rules/pace.h).
struct pace_limits {
    uint32_t min, max;   // attempts at once; the same: fixed. At least 1
    uint32_t rate;       // attempts …
    int64_t rate_per_ms; // … in so long; 0: no limit
};

struct plan_destination {
    bytes name, description; // description: may be empty
    enum destination_kind kind;
    bytes url;                // http's, and that of a queue at a Redis
    bytes fingerprint;        // of its secret, the newest; http's alone
    bool rolled;              // the configuration names an older one
    struct plan_older *older; // newest first
    size_t older_count;
    bytes *run; // command's alone: as written, variables not replaced; they may be secrets
    size_t run_count;
    bytes *except; // tables' alone: types of Stripe's objects that somebody else keeps
    size_t except_count;
    bytes path; // a plugin's or file's, as written
    // Of a plugin that was looked at when the configuration was read; none: it could not be.
    struct plan_handler *handlers;
    size_t handler_count;
    enum mode livemode;
    bool matches_all; // no match list
    struct plan_rule *rules;
    size_t rule_count;
    int64_t timeout_ms;
    int64_t *retry_ms; // the schedule: wait before the 2nd, 3rd, … attempt
    size_t retry_count;
    struct pace_limits pace;
    struct priority_rule priority;
    int64_t hold_after_ms; // of nothing but failures; 0: never
    struct lane_rule lanes;
};

// What endpoints made through the API may be (rules/endpoint.h).
struct plan_endpoints {
    uint32_t max; // of each livemode
    int64_t disable_after_ms;
};
#define PLAN_ENDPOINTS_MAX 100                            // unless the plan says another
#define PLAN_ENDPOINTS_DISABLE_MS (INT64_C(5) * 86400000) // the same

struct plan {
    uint64_t generation; // journal position of its record; 0: not adopted yet
    struct plan_source *sources;
    size_t source_count;
    struct plan_destination *destinations;
    size_t destination_count;
    struct plan_site *sites; // in the configuration's order, which decides between claims
    size_t site_count;
    struct plan_endpoints endpoints;
    bytes json;          // canonical: the same configuration gives the same text
    struct arena memory; // owns all of the above, this struct itself excepted
};

#define PLAN_HOLD_AFTER_MS (INT64_C(5) * 86400000) // unless a destination says another

#define PLAN_MEMORY_MAX (16u << 20)
#define PLAN_JSON_MAX (2u << 20) // what a record of the journal takes of one

// JSON:
// {"sources":[{"path","owner","livemode":"both|live|test","tolerance_s",
//   "secrets":[{"label","scope":"any|account|connect","livemode","not_before_s","not_after_s",
//     "fingerprint"}]}],
//  "destinations":[{"name","kind":"http","url","fingerprint","rolled":true,
//     "older":[{"fingerprint","not_after_s"}] or "kind":"command","run":[]
//     or "kind":"tables","except":[], which one destination may be,
//     or "kind":"plugin","path","handlers":[{"name","description","types":[]}],
//     or "kind":"redis|bullmq|bull","url" or "kind":"file","path", "description",
//   "livemode","match":[{"types":[],"accounts":[],"sources":[],"secrets":[],"scope",
//     "where":[{"path","values":[]}],"sites":[]}] or null,
//   "timeout_ms","retry_ms":[],"concurrency","concurrency_min","rate":{"count","per_ms"},
//   "hold_after_ms","priority":{"high":[],"low":[]},"order","on_failure","park_after"}],
//  "sites":[{"name","late":"route|leave",
//    "claims":[{"where":[{"path","values":[]}]} or {"prices":[]} or another of rules/claims.def]}],
//  "endpoints":{"max","disable_after_ms"}}
// A secret's livemode is left out where it is both, its times where there is no limit, "rolled"
// where it is false, "older" and "handlers" and a destination's "description" where there is none.
// "concurrency_min" is left out where it is the same as "concurrency", "rate" where there is none,
// "hold_after_ms" where it is the usual, "priority" where both lists are empty.
// The three of lanes are left out where they are none, block and 3.
// "endpoints" is left out where both numbers are the usual ones.
// "sites" stands in neither place where there are none, as in plans of before there were sites.
// INVALID when it is not of this form.
must result plan_read(bytes json, uint64_t generation, struct plan **out);
void plan_free(struct plan *p); // null is allowed
// The canonical JSON of the structs (p->json itself is not looked at).
void plan_write(const struct plan *p, struct text *out);

const struct plan_source *plan_source_find(const struct plan *p, bytes path);
const struct plan_destination *plan_destination_find(const struct plan *p, bytes name);
// The destination that keeps tables of Stripe's objects; null when none does.
const struct plan_destination *plan_tables(const struct plan *p);
// Index into p->sites; SIZE_MAX when there is none of this name.
size_t plan_site_find(const struct plan *p, bytes name);
// Do these two plans say the same of sites? And of a destination?
bool plan_sites_equal(const struct plan *a, const struct plan *b);
bool plan_destinations_equal(const struct plan_destination *a, const struct plan_destination *b);

// "both", "live", "test"; "any", "account", "connect"; "http", "command", and so on.
const char *mode_name(enum mode m);
const char *scope_name(enum scope s);
const char *kind_name(enum destination_kind k);
const char *claim_name(enum claim_kind k); // "prices"
const char *claim_type(enum claim_kind k); // "price"; "" for where
must result mode_parse(bytes b, enum mode *out);
must result scope_parse(bytes b, enum scope *out);
must result kind_parse(bytes b, enum destination_kind *out);
static inline bool secret_in_force(const struct plan_secret *s, int64_t now_s) {
    return now_s >= s->not_before_s && (s->not_after_s == 0 || now_s < s->not_after_s);
}
// What fits both of them; MODE_BOTH: everything. False: nothing does.
bool mode_narrow(enum mode a, enum mode b, enum mode *out);
static inline bool mode_fits(enum mode m, bool livemode) {
    return m == MODE_BOTH || (m == MODE_LIVE) == livemode;
}

#endif
