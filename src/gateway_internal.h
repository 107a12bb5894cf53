// SPDX-License-Identifier: MIT
// What the files of assembly share: gateway.c (starting and stopping), gateway_plan.c (the
// configuration in force). The main thread's, where nothing else is said.
#ifndef GATEWAY_INTERNAL_H
#define GATEWAY_INTERNAL_H

#include "base/list.h"
#include "base/seal.h"
#include "config/config.h"
#include "config/rolls.h"
#include "desk/desk.h"
#include "dispatch/dispatch.h"
#include "gateway_books.h"
#include "intake/intake.h"
#include "port/log.h"
#include "rules/record.h"

#define GATEWAY_CONNECTIONS_KEPT 64 // idle ones, to destinations

struct gateway {
    const char *config_path;
    struct config *config;
    struct rolls *rolls; // applied to it
    struct plan *plan;   // adopted, with its generation
    struct books books;
    struct journal *journal;
    struct ledger *ledger;
    _Atomic(struct ledger *) woken;         // told of what is durable; null until booking can begin
    struct queries *queries, *slow_queries; // nobody waits behind a backup
    struct intake *intake;
    struct desk *desk;
    uint8_t first_key[SHA256_SIZE]; // of the operator's key that this start made
    bool first_key_made;
    uint8_t test_key[SHA256_SIZE]; // the same of twin.key
    bool test_key_made;
    uint8_t sealing_key[SEAL_KEY_SIZE];
    struct thread *journal_thread, *ledger_thread, *dispatch_thread;
    struct thread *queries_thread, *slow_thread;

    struct loop *main_loop;
    struct mailbox *main_mailbox; // the loop's: wishes of the desk
    struct secret_uses uses;

    struct loop *dispatch_loop;
    struct mailbox *dispatch_mailbox;
    char *dispatch_ca_file;
    struct timer *dispatch_timer, *dispatch_deadline;
    struct fetcher *fetcher;
    struct processes *processes;
    struct dispatch *dispatch;
    struct mail dispatch_stop;
    size_t endpoints_sealed; // of the ledger's thread: that could not be opened when last told of
    bool dispatch_ending;    // of dispatch's thread: it heard of the stop

    uint64_t connections_max; // of Stripe's side; what files there are allow
    uint64_t tail;            // the journal's last position at start; ready once it is booked
    bool answering;           // intake runs
    bool interrupted;         // a signal came that ends us, before all had started
    bool reload_later;        // SIGHUP came before that
    atomic_bool stop_migrating;
    result migrated;      // of the thread that migrates
    bool serving, ending; // ending: signals are heard no more
    struct text why;      // of the step that failed
};

// Each source's keys, pointing into the configuration.
struct source_secrets *gateway_secrets(const struct config *c);
void gateway_secrets_free(struct source_secrets *all, size_t n);
// The same for the desk.
struct desk_source *gateway_desk_sources(const struct config *c);
void gateway_desk_sources_free(struct desk_source *all, size_t n);
// A message for dispatch, to be given away.
struct retarget *gateway_targets(const struct config *c, uint64_t generation);
// Deliveries (gateway_dispatch.c). Their mailbox stands before the ledger can book, which tells of
// endpoints.
must result gateway_open_dispatch_loop(struct gateway *g);
must result gateway_start_dispatch(struct gateway *g);
// What the ledger tells of endpoints, on its thread.
void gateway_endpoints(void *ctx, const struct endpoint_row *rows, size_t n);
void gateway_stop_dispatch(struct gateway *g);  // what is under way ends, or is cut after drain_ms
void gateway_drain_dispatch(struct gateway *g); // what came back after its loop ended
void gateway_close_dispatch(struct gateway *g);
// Null for an empty path; `t` owns the text.
const char *gateway_path(struct text *t, bytes path);

// Appends a record of our own: through the journal's thread, or, before that runs, directly,
// booking until there is room. FULL.
must result gateway_append(struct gateway *g, enum record_kind kind, bytes payload, uint64_t *at);
// The plan in force becomes the configuration's: known already, or adopted by a record.
must result gateway_adopt(struct gateway *g, const struct config *c);
// Adopted, it is given to the rooms that work by it.
must result gateway_in_force(struct gateway *g, const struct config *c);
// The rolled secrets as they lie beside the ledger in use, applied to this configuration.
must result gateway_load_rolls(struct gateway *g, struct config *c, struct rolls **out);
// Logs those that the plan before knew and this one lacks: the file is gone, or an old one.
void gateway_tell_rolls_gone(const struct plan *before, const struct plan *now);
void gateway_desk_mail(void *ctx, struct mail *m); // a wish of the desk
void gateway_drain_desk_mail(struct gateway *g);   // when the loop has ended
// Reads the configuration again; a wrong one is refused, and the old one goes on.
void gateway_reload(struct gateway *g);
void gateway_log_lines(enum log_event event, const struct text *lines);

#endif
