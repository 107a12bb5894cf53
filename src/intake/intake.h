// SPDX-License-Identifier: MIT
// Intake: where Stripe posts. N loops, each with its own thread, listeners (SO_REUSEPORT), sessions
// and receiver; they share nothing but the budget for unverified memory.
#ifndef INTAKE_INTAKE_H
#define INTAKE_INTAKE_H

#include "http/server.h"
#include "intake/receive.h"

struct intake;

struct intake_options {
    struct clock *clock;
    struct journal *journal;
    const struct net_address *listen; // a unix path is served by the first loop alone
    size_t listen_count;
    const char *certificate, *key; // null: no https address is among them
    uint32_t loops;
    struct server_limits limits; // connections of the process; divided among the loops, rounded up
    int64_t unverified_max;      // bytes that strangers may hold
    int64_t drain_ms;
    const struct plan *plan; // adopted: with its generation and JSON
    const struct source_secrets *secrets;
    size_t secret_count;
    struct secret_uses *uses; // outlives intake
};

// Opens the listeners; nothing is accepted before intake_start. `why` gets the sentence for people.
must result intake_open(const struct intake_options *o, struct intake **out, struct text *why);
// Starts the threads. After a failure some may run: intake_close ends them.
must result intake_start(struct intake *i);
// A new configuration, from any thread until intake_close, once its plan's record is durable:
// copies are made and mailed to each loop. If it fails nothing has changed.
must result intake_set_sources(struct intake *i, const struct plan *plan,
                               const struct source_secrets *secrets, size_t n);
must result intake_set_tls(struct intake *i, const char *certificate, const char *key,
                           struct text *why);
// Accepts no more, answers what is under way, ends the threads. What is not answered after drain_ms
// is cut; then it still waits for records that lie at the journal, which must run meanwhile.
void intake_stop(struct intake *i);
void intake_close(struct intake *i);                         // stops first; null is allowed
uint16_t intake_port(const struct intake *i, size_t listen); // the real one, when 0 was asked for

#endif
