// SPDX-License-Identifier: MIT
// Who answers what: a function a route, in the file of its family (events_list in events.c).
#ifndef DESK_ANSWERS_H
#define DESK_ANSWERS_H

#include "desk/ask.h"

void status_health(struct ask *a);
void status_ready(struct ask *a);
void status_metrics(struct ask *a);
void status_show(struct ask *a);

void events_list(struct ask *a);
void events_show(struct ask *a);
void events_body(struct ask *a);
void events_replay(struct ask *a);
void events_replay_plan(struct ask *a);
void events_explain(struct ask *a); // explain.c
// The plan in force, null before the first; and, appended to a->out, what a replay of an event
// under it would do: to `to`, or, if that is empty, to all that match. ABSENT.
must result explain_plan(struct ask *a, struct reader *r, struct plan **now);
must result explain_replay(struct ask *a, struct reader *r, struct plan *now, uint64_t seq,
                           bytes to);
void events_tail(struct ask *a); // tail.c

void deliveries_list(struct ask *a);
void deliveries_show(struct ask *a);
void deliveries_retry(struct ask *a);
void deliveries_cancel(struct ask *a);

void destinations_list(struct ask *a);
void destinations_show(struct ask *a);
void destinations_hold(struct ask *a);
void destinations_release(struct ask *a);
void destinations_roll(struct ask *a);

void doctor_show(struct ask *a);
void sightings_list(struct ask *a);
void types_list(struct ask *a);

void match_diff(struct ask *a);

void sites_list(struct ask *a);
void sites_unclaimed(struct ask *a);
void sites_contradictions(struct ask *a);
void sites_learn(struct ask *a);
void objects_show(struct ask *a); // sites.c
void objects_assign(struct ask *a);

void tables_status(struct ask *a);
void tables_rebuild(struct ask *a);
void tables_step(struct ask *a);

void suspense_list(struct ask *a);
void suspense_show(struct ask *a);
void suspense_book(struct ask *a);
void suspense_drop(struct ask *a);

void keys_list(struct ask *a);
void keys_create(struct ask *a);
void keys_revoke(struct ask *a);

void secrets_list(struct ask *a);

void signing_sign(struct ask *a);

void v1_events_list(struct ask *a); // desk/v1.h
void v1_events_show(struct ask *a);
void v1_events_retry(struct ask *a);

void v1_endpoints_list(struct ask *a); // v1_endpoints.c
void v1_endpoints_create(struct ask *a);
void v1_endpoints_show(struct ask *a);
void v1_endpoints_update(struct ask *a);
void v1_endpoints_delete(struct ask *a);

void v2_events_list(struct ask *a); // v2_events.c
void v2_events_show(struct ask *a);
void v2_destinations_list(struct ask *a); // v2_destinations.c
void v2_destinations_create(struct ask *a);
void v2_destinations_show(struct ask *a);
void v2_destinations_update(struct ask *a);
void v2_destinations_delete(struct ask *a);
void v2_destinations_enable(struct ask *a);
void v2_destinations_disable(struct ask *a);
void v2_destinations_ping(struct ask *a);

void listen_events(struct ask *a); // listen_poll.c
void listen_secret_show(struct ask *a);
void listen_attempts(struct ask *a); // listen_attempts.c
void listen_show(struct ask *a);     // listen_session.c
void v1_sessions_create(struct ask *a);

void twin_status(struct ask *a); // twin_api.c
void twin_reset_all(struct ask *a);
void twin_snapshot(struct ask *a);
void twin_load_all(struct ask *a);
void twin_set_clock(struct ask *a);
void twin_set_chaos(struct ask *a);

void ledger_backup(struct ask *a);
void ledger_verify(struct ask *a);

#endif
