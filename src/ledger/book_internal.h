// SPDX-License-Identifier: MIT
// What the files of booking share: book.c (dispatching, receipts, outcomes, plans), book_delivery.c
// (deliveries and what follows from their states), book_tables.c (tables of Stripe's objects),
// book_command.c (commands), book_listen.c (what those who
// listen answered).
#ifndef LEDGER_BOOK_INTERNAL_H
#define LEDGER_BOOK_INTERNAL_H

#include "ledger/book.h"
#include "rules/endpoint.h"
#include "rules/match.h"
#include "stripe/event.h"

#define BOOK_SCRATCH_MAX (256u << 20)

// The plan of a generation: in force, or an older one read again. ABSENT.
must result book_plan(struct book *b, uint64_t generation, const struct plan **out);

// May an event of this livemode go to this destination under the plan in force? False with the
// reason: whatever was promised or asked for, a destination gets only what it takes today.
bool book_may_deliver(const struct book *b, bytes destination, bool livemode, const char **why);

// A booked event as its first receipt's bytes say it; its document outlives the arena.
must result book_event_read(struct book *b, uint64_t seq, struct arena *a, struct event *out);
// What a receipt's matching looks at.
struct match_facts book_facts(const struct event *e, bytes source, bytes secret, bytes site);

// What an event may owe: to destinations of a plan that match and have no delivery of it yet.
struct owing {
    const struct plan *plan;
    const struct event_row *event;
    uint64_t receipt;
    int64_t now_ms;
    const struct match_facts *facts;
    const struct match_facts *except; // not to those that match under these; null: no exception
    const struct event *parsed; // of an event that is booked just now: to be applied to tables at
                                // once, where there are any; else null, and it is due there
    bool is_new;                // there cannot be deliveries yet
};
must result book_owe_matching(struct book *b, const struct owing *o, struct arena *a, bool *owed);

// Sites (book_site.c), under the plan in force. What an event says of objects goes into the books;
// events that waited for it are routed. *object is the number of the one it speaks of, *site the
// number of its site, or EVENT_UNCLAIMED; both 0 where there are no sites.
must result book_site_learn(struct book *b, const struct event *e, bytes owner, int64_t now_ms,
                            uint64_t *object, int64_t *site);
// The name of event_row.site; empty when it has none.
must result book_site_name(struct book *b, int64_t site, struct arena *a, bytes *out);
// The event has got this site, if it is one of the plan in force: that is seen.
void book_site_note(struct book *b, const struct event_row *e);
// A plan has come into force (b->plan) after another (null: the first): where it says something
// else of sites, all that was learnt is weighed anew, and unclaimed events are read again.
must result book_sites_adopt(struct book *b, const struct plan *before, int64_t now_ms,
                             struct arena *a);
// An object's site by hand; NO_BYTES takes it back, and what it taught is forgotten. Events that
// have a site by it now are routed. *refused: why it cannot be, else null.
must result book_site_assign(struct book *b, uint64_t object, bytes site, int64_t now_ms,
                             const char **refused);
must result book_sites_write(struct book *b); // what the store has not been told yet
void book_sites_forget(struct book *b);       // what is kept in memory

// Endpoints (book_endpoint.c), which are in memory while a record is booked. What one is, deleted
// ones excepted; null: there is none of this name.
const struct plan_destination *book_endpoint_as(const struct book *b, bytes name, bool *enabled);
// To those that are enabled, as book_owe_matching.
must result book_endpoints_owe(struct book *b, const struct owing *o, struct arena *a, bool *owed);
// The commands (rules/commands.def), as book_rebuild_start.
must result book_endpoint_create(struct book *b, json endpoint, struct arena *a,
                                 struct text *answer, struct text *why);
must result book_endpoint_update(struct book *b, json fields, int64_t now_ms, struct arena *a,
                                 struct text *answer, struct text *why);
must result book_endpoint_delete(struct book *b, json fields, int64_t now_ms, struct arena *a,
                                 struct text *answer, struct text *why);
// An attempt at a destination of this name has ended: an endpoint that does nothing but fail is
// disabled. What book_endpoint_as gave is gone.
must result book_endpoint_ended(struct book *b, bytes name, enum outcome outcome, int64_t now_ms,
                                struct arena *a);
void book_endpoints_forget(struct book *b); // what is kept in memory

// Inserts a delivery that is over: done, or dead for this reason.
must result book_over(struct book *b, const struct event_row *e, uint64_t receipt,
                      const struct destination_row *d, int64_t now_ms, const char *dead);
// Inserts a delivery that is due at once, or cancelled with a reason when it may not go out.
must result book_owe(struct book *b, const struct event_row *e, uint64_t receipt,
                     const struct destination_row *d, int64_t now_ms, bool replay, uint64_t *seq);
// Lanes (book_lane.c). A delivery that is about to be put in, or open again, joins its lane: due at
// LANE_BEHIND where another is there.
must result book_lane_join(struct book *b, const struct event_row *e, bytes destination,
                           struct delivery_row *d);
// One that has ended, or goes on beside its lane, leaves it: the next one is due. Harmless on one
// that is in none.
must result book_lane_leave(struct book *b, const struct delivery_row *d, int64_t now_ms,
                            struct arena *a);
// An open one failed: it may be parked by that. *leaves: it shall leave its lane.
must result book_lane_failed(struct book *b, const struct lane_rule *rule, struct delivery_row *d,
                             int64_t now_ms, bool *leaves);
// Tables (book_tables.c). What an event says of objects goes into their rows, as rules/version.h
// has it; in the tables beside if `shadow`. *changed: it was something new.
must result book_tables_apply(struct book *b, const struct event_row *booked, const struct event *e,
                              const struct plan_destination *to, bool shadow, struct arena *a,
                              bool *changed);
// The same for a delivery. *refused: why it cannot be applied, else null. What is found out now
// fails the record, whose rows are half written, and stands in book.unapplied.
must result book_tables_try(struct book *b, const struct event_row *booked, const struct event *e,
                            const struct plan_destination *to, struct arena *a,
                            const char **refused);
void book_tables_forget(struct book *b); // what is kept in memory

// Nobody got it, as no source through which it came takes its livemode: it says nothing.
must result book_event_misfit(struct book *b, const struct event_row *e, struct arena *a,
                              bool *out);
// Ends a delivery that is open, and sets its event's status anew.
must result book_cancel(struct book *b, struct delivery_row *d, const char *why, int64_t now_ms,
                        struct arena *a);
// All open deliveries of a destination that may not go out any more.
must result book_cancel_misfits(struct book *b, const struct destination_row *d, int64_t now_ms);
// Ignored where nobody ever got it; pending while a delivery is open, failed if the last one to
// some destination died, else done.
must result book_settle(struct book *b, uint64_t event, struct arena *a);

// A rebuild of tables (book_rebuild.c): start it, or go on with the one that is under way, and its
// next step. `tables`: names, or null for all. Each appends the command's answer, or to `why` why
// it is refused.
must result book_rebuild_start(struct book *b, json tables, int64_t now_ms, struct arena *a,
                               struct text *answer, struct text *why);
must result book_rebuild_step(struct book *b, size_t count, struct arena *a, struct text *answer,
                              struct text *why);
// An event was applied to tables: if the rebuild has gone past it, it belongs into the new ones
// too.
must result book_rebuild_follow(struct book *b, const struct event_row *booked,
                                const struct event *e, const struct plan_destination *to,
                                struct arena *a);
// Is this table made anew by the rebuild under way?
bool book_rebuild_wants(const struct book *b, const struct object_table *t);
void book_rebuild_forget(struct book *b); // what is kept in memory of it

// What sites of those who listen answered (book_listen.c), rules/commands.def LISTEN_ATTEMPTS; it
// changes nothing of what events owe. Appends the command's answer, or to `why` why it is refused.
must result book_listen_attempts(struct book *b, json attempts, struct text *answer,
                                 struct text *why);

// Carries a command out, or finds that it was before (rules/command.h), and keeps its answer.
must result book_command(struct book *b, const struct record *r, struct arena *a);
// Books what the record says, without advancing the state.
must result book_apply(struct book *b, const struct record *r, struct arena *a);

// The name of a destination, which its number keeps for ever; valid until the next record. ABSENT.
must result book_destination_name(struct book *b, uint32_t number, bytes *out);
void book_forget_names(struct book *b); // a destination was changed, or a change was undone
// An attempt at one of the plan's has ended so. It is held after nothing but failures for as long
// as the plan in force says (hold_after_ms): what it is owed waits until it is released.
must result book_destination_ended(struct book *b, uint32_t number, enum outcome outcome,
                                   int64_t now_ms);

#endif
