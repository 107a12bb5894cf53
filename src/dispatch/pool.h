// SPDX-License-Identifier: MIT
// Inside of dispatch: programs that stay. A pool keeps up to so many processes (workers) of one
// program, hands each event to the one that owes least, a line each way (frame.h), and starts anew
// what died. It knows nothing of attempts, so that whoever hosts a program that stays may use it.
//
// Workers are started when there is something for them. Of what a worker says:
//   an answer for an event in its hands      ends that event's flight, in any order
//   anything else (no answer, too long, for  is ignored, counted and logged; nothing else of it is
//   no event in its hands, given twice)      touched
// Of what it does:
//   no answer in time    the flight fails; the worker gets no further event, and is asked to end as
//                        soon as it owes nothing; another takes its place at once, or, when
//                        POOL_SPREAD times as many as may be are up, once one of them has ended
//   it ends              all that it owes fails with how it ended; it is started again after a
//   wait,
//                        a longer one each time in a row that it had answered nothing
//   it exits with 0 and  it wanted to be replaced: what it owes (sent before its end was seen) is
//   has answered         put off, no failure, and another takes its place without a wait. Each life
//                        has answered something, so none spins. (With one_each a failure: the
//                        event has ended it.)
//   it closes its output its input is closed too, and it has its grace to end; then as above
#ifndef DISPATCH_POOL_H
#define DISPATCH_POOL_H

#include "base/list.h"
#include "dispatch/program.h"
#include "rules/frame.h"

#define POOL_SPREAD 2 // times `workers`: the most processes of a pool

struct pool;
struct worker;

// An event in the hands of a worker; lies in its owner's memory from pool_send to its end.
struct flight {
    struct list link;
    struct worker *worker;
    uint64_t delivery;
    uint32_t attempt;
    int64_t began, due_at; // monotonic µs
};

// Called from the processes' callbacks and from pool_tick, never from inside pool_send. The flight
// is its owner's again; all functions may be called, pool_close from `changed` alone.
struct pool_owner {
    void (*answered)(void *ctx, struct flight *f, const struct frame_answer *answer);
    // `why` for people; `tail` of what the worker wrote to its standard error.
    void (*failed)(void *ctx, struct flight *f, bytes why, bytes tail);
    // Nothing was done with it: its worker wanted to be replaced. To be sent again soon.
    void (*put_off)(void *ctx, struct flight *f);
    void (*changed)(void *ctx); // pool_ready, pool_due or pool_size may say something new
};

struct pool_options {
    struct clock *clock;
    uint32_t workers;
    // Each worker has one event at a time, so that its end is nobody else's failure, and the time
    // that another takes not its own. However it ends: with an event in its hands that has failed.
    bool one_each;
    int64_t timeout_ms; // of an event
    const int64_t *restart_ms;
    size_t restart_count; // at least 1
    const struct pool_owner *owner;
    void *ctx;
};

// `program` stays its caller's and outlives the pool.
struct pool *pool_open(struct program *program, const struct pool_options *o);
void pool_close(struct pool *p); // kills what still runs; no flight may be left

bool pool_ready(const struct pool *p); // a worker is there, or may be started now
// Needs pool_ready. `e` is only read.
void pool_send(struct pool *p, struct flight *f, const struct frame_event *e);
void pool_cancel(struct pool *p, struct flight *f); // its answer will be ignored
// Nothing more is sent. Each worker's input is closed once it owes nothing, so that it ends.
void pool_retire(struct pool *p);
size_t pool_size(const struct pool *p); // processes that have not ended

int64_t pool_due(const struct pool *p); // monotonic µs of the next pool_tick; 0: none
void pool_tick(struct pool *p);

#endif
