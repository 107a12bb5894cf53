// SPDX-License-Identifier: MIT
// The desk: the operator's side. One loop serves a JSON API (desk/routes.def); looking runs on the
// ledger's query thread, changing is a command in the journal, answered once it is booked.
//
// Every request but /healthz and /readyz needs a key ("Authorization: Bearer …" or Basic with the
// key as user), on loopback too. Keys are kept as SHA-256; they are looked up in the ledger. Errors
// are {"error": sentence that says what was found, what was expected, what to do}.
#ifndef DESK_DESK_H
#define DESK_DESK_H

#include "http/server.h"
#include "journal/journal.h"
#include "ledger/ledger.h"
#include "port/clock.h"

struct desk;

struct desk_options {
    struct clock *clock;
    struct journal *journal;
    struct journal_store *records; // for verify
    struct ledger *ledger;
    struct queries *queries;
    const struct net_address *listen;
    size_t listen_count;
    struct tls_files {
        const char *certificate, *key;
    } tls; // null: no https address is among them
    struct server_limits limits;
    int64_t drain_ms;
    // Is the gateway ready? False with the reason for /readyz. Any thread.
    bool (*ready)(void *ctx, const char **why);
    void *ready_ctx;
};

// The tables of what an operator may ask. Opens the listeners; serves after desk_start.
must result desk_open(const struct desk_options *o, struct desk **out, struct text *why);
must result desk_start(struct desk *d);
// From now on requests work under this generation's plan (any thread).
void desk_set_generation(struct desk *d, uint64_t generation);
void desk_stop(struct desk *d);  // finishes what is under way, ends streams; returns when done
void desk_close(struct desk *d); // null is allowed
uint16_t desk_port(const struct desk *d, size_t listen);

#endif
