// SPDX-License-Identifier: MIT
#include "dispatch/attempt.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "base/random.h"
#include "rules/record.h"

void haul_leave(struct haul *h) {
    if (--h->users > 0)
        return;
    arena_drop(&h->take.memory);
    free(h);
}

struct attempt *attempt_new(struct dispatch *d, struct destination *to, struct haul *haul,
                            const struct job *job) {
    struct attempt *a = NEW(struct attempt);
    a->dispatch = d;
    a->to = to;
    a->haul = haul;
    a->job = job;
    haul->users++;
    d->attempts++;
    list_push(&to->waiting, &a->link);
    to->waiting_count++;
    return a;
}

static void move(struct attempt *a, enum attempt_stage stage) {
    struct destination *to = a->to;
    list_remove(&a->link);
    if (a->stage == ATTEMPT_WAITING)
        to->waiting_count--;
    if (a->stage == ATTEMPT_SENDING)
        to->sending_count--;
    a->stage = stage;
    if (stage == ATTEMPT_SENDING) {
        list_push(&to->sending, &a->link);
        to->sending_count++;
    }
}

// It leaves its destination: what was sent is needed no more.
static void leave_job(struct attempt *a) {
    if (a->channel != NULL)
        channel_leave(a->channel);
    a->channel = NULL;
    haul_leave(a->haul);
    a->haul = NULL;
    a->job = NULL;
    a->to = NULL;
}

void attempt_free(struct attempt *a) {
    if (a->to != NULL) {
        move(a, ATTEMPT_POSTING);
        leave_job(a);
    } else {
        list_remove(&a->link);
    }
    a->dispatch->attempts--;
    text_drop(&a->record);
    free(a);
}

void attempt_give_back(struct attempt *a) {
    struct give_back *g = NEW(struct give_back);
    g->delivery = a->job->delivery;
    ledger_give_back(a->dispatch->o.ledger, g);
    attempt_free(a);
}

static void post(struct attempt *a) {
    struct dispatch *d = a->dispatch;
    a->stage = ATTEMPT_POSTING;
    a->append = (struct append){
        .mail.kind = DISPATCH_OUTCOME,
        .kind = RECORD_OUTCOME,
        .generation = d->generation,
        .seed = random_next(&d->random),
        .payload = text_bytes(&a->record),
        .credit = a->credit,
        .reply = d->o.mailbox,
    };
    a->credit = 0;
    d->posting++;
    journal_post(d->o.journal, &a->append);
}

static enum metric metric_of(enum outcome outcome) {
    switch (outcome) {
    case OUTCOME_DONE: return METRIC_ATTEMPT_OK;
    case OUTCOME_FAILED: return METRIC_ATTEMPT_FAILED;
    case OUTCOME_NOT_YET: return METRIC_ATTEMPT_NOT_YET;
    }
    unreachable_code();
}

// What remains of it is its record, on the way to the journal.
static void record(struct attempt *a, struct outcome_record *o) {
    o->delivery = a->job->delivery;
    o->attempt = a->job->attempt;
    o->started_at = a->started_at;
    outcome_encode(o, &a->record);
    ensure(!a->record.failed && a->record.n <= OUTCOME_RECORD_MAX);
    metric_add(metric_of(o->outcome), 1);
    move(a, ATTEMPT_POSTING);
    leave_job(a);
    post(a);
}

void attempt_ended(struct attempt *a, struct outcome_record *o) {
    struct dispatch *d = a->dispatch;
    struct destination *to = a->to;
    ensure(a->stage == ATTEMPT_SENDING);
    metric_time(METRIC_ATTEMPT_TIME, o->micros);
    struct pace_end e = {
        .word = pace_word_of(o->outcome, o->status),
        .began_us = a->began_us,
        .took_us = o->micros,
        .retry_after_ms = o->retry_after_ms,
        .under_way = to->sending_count,
    };
    record(a, o);
    destination_ended(d, to, &e, o->error);
    destination_freed(d, to);
}

void attempt_begin(struct attempt *a) {
    struct dispatch *d = a->dispatch;
    ensure(a->stage == ATTEMPT_WAITING && a->credit > 0);
    a->started_at = clock_wall_ms(d->o.clock);
    move(a, ATTEMPT_SENDING);
    if (!mode_fits(a->to->livemode, a->job->livemode)) {
        record(a, &(struct outcome_record){
                      .outcome = OUTCOME_FAILED,
                      .error = a->job->livemode
                                   ? B("not sent: a live event, and the destination is test only")
                                   : B("not sent: a test event, and the destination is live only"),
                  });
        return;
    }
    a->began_us = clock_mono_us(d->o.clock);
    pace_begun(&a->to->pace, a->began_us);
    a->channel = a->to->channel;
    channel_join(a->channel);
    a->channel->carrier->begin(a->channel, a);
}

void attempt_posted(struct attempt *a) {
    struct dispatch *d = a->dispatch;
    ensure(a->stage == ATTEMPT_POSTING);
    d->posting--;
    if (failed_as(a->append.failed, FAIL_FULL)) {
        a->stage = ATTEMPT_UNPOSTED;
        dispatch_unposted(d, a);
        return;
    }
    attempt_free(a);
}

bool attempt_repost(struct attempt *a) {
    struct journal *j = a->dispatch->o.journal;
    if (journal_failed(j)) {
        attempt_free(a);
        return true;
    }
    if (!journal_credit_take(j, CREDIT_INNER, a->record.n, &a->credit))
        return false;
    list_remove(&a->link);
    post(a);
    return true;
}
