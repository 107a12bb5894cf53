// SPDX-License-Identifier: MIT
// What each source was sent, and what each of its secrets was used for, since the process started:
// counted by all loops without locks, read by any thread. What was refused never reaches the books,
// so that this is all there is of it; what matched stands there too.
//
// Rows are added by one thread at a time (who opens sources) and stay until the end, so that a
// reload loses no count; there are as many as sources and labels were ever configured in one life.
#ifndef INTAKE_USES_H
#define INTAKE_USES_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"
#include "rules/plan.h"

struct secret_use {
    struct secret_use *next;
    bytes source, label;                    // owned
    _Atomic uint64_t matched, retired;      // events taken; signatures refused as not in force
    _Atomic int64_t matched_at, retired_at; // the last of them, Unix ms; 0: never
    _Atomic int64_t told_expiry_at, told_retired_at; // last logged, Unix ms
};

// How a signature failed, or a body with a good one: row of intake/refusals.def, name.
#define SOURCE_REFUSALS_LIST(X)                                                                    \
    X(NO_SIGNATURE, "no_signature")                                                                \
    X(BAD_HEADER, "malformed_signature")                                                           \
    X(NO_MATCH, "no_match")                                                                        \
    X(RETIRED, "retired")                                                                          \
    X(TOO_OLD, "too_old")                                                                          \
    X(IN_FUTURE, "in_future")                                                                      \
    X(NOT_EVENT, "not_an_event")

enum source_refusal {
#define X(id, name) SOURCE_REFUSAL_##id,
    SOURCE_REFUSALS_LIST(X)
#undef X
        SOURCE_REFUSALS
};

struct source_use {
    struct source_use *next;
    bytes path; // owned
    _Atomic uint64_t received, refused[SOURCE_REFUSALS];
    // Our clock less Stripe's, by the times in its signatures, of the last 8 or so; ms.
    _Atomic int64_t clock_ms;
};

struct secret_uses {
    struct secret_use *_Atomic first;
    struct source_use *_Atomic first_source;
};

// The row of this source, made if it is not there.
struct source_use *source_uses_take(struct secret_uses *u, bytes path);
// An event was signed at this time, and came.
void source_use_received(struct source_use *u, int64_t signed_at_s, int64_t now_ms);
void source_use_refused(struct source_use *u, enum source_refusal why);
// {"PATH":{"received":n,"clock_ms":n,"refused":{"no_signature":n,…}},…}
void source_uses_json(const struct secret_uses *u, struct text *out);

// The row of this secret, made if it is not there.
struct secret_use *secret_uses_take(struct secret_uses *u, bytes source, bytes label);
// Null: none was taken.
const struct secret_use *secret_uses_find(const struct secret_uses *u, bytes source, bytes label);
void secret_uses_drop(struct secret_uses *u); // nobody reads or counts any more

// An event came that this secret signed. Logs secret_expires when it ends within 7 days, once a
// day, in its last day once an hour.
void secret_use_matched(struct secret_use *u, const struct plan_secret *s, int64_t now_ms);
// A signature by it was refused, as it is not in force. Logs retired_secret, at most once a minute.
void secret_use_retired(struct secret_use *u, const struct plan_secret *s, int64_t now_ms);

// Both counters of each secret, in Prometheus's text format.
void secret_uses_metrics(const struct secret_uses *u, struct text *out);

#endif
