// SPDX-License-Identifier: MIT
#include "journal/journal.h"

#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "port/log.h"
#include "port/thread.h"

#define BATCH_MAX ((size_t)4 << 20)
// What receipts leave to outcomes and commands: one part in so many of the room.
#define RESERVE_SHARE 4
// Above three of four parts of receipts' room answers are paced.
#define PACED_SHARE 4

// A message that the journal's users send without owning one: posted at most once at a time.
struct note {
    struct mail mail;
    atomic_bool posted;
};

struct journal {
    struct clock *clock;
    struct journal_store *store;
    struct mailbox *mailbox;
    void (*durable_call)(void *ctx, uint64_t position);
    void *durable_ctx;
    void (*failed_call)(void *ctx);
    void *failed_ctx;
    size_t batch_max, payload_max;
    uint64_t room, receipt_room;

    struct note booked, stop;
    _Atomic uint64_t booked_position;
    // Bytes used and promised in one number: two of them could be seen in between.
    _Atomic uint64_t taken;
    _Atomic uint64_t durable;
    atomic_bool has_failed;

    // Of the journal's thread.
    bool stopping;
    result failure;            // the first that nothing survives
    int64_t time_ms, time_us;  // of the last record, and the monotonic time when it was that late
    struct mail *first, **end; // appends that wait, oldest first
    struct append **batch;     // those of the batch at hand
    struct record *records;    // the same, as the store wants them
    size_t n, cap;
};

static struct append *append_of(struct mail *m) { return CONTAINER(m, struct append, mail); }

static void show_room(struct journal *j) {
    metric_set(METRIC_JOURNAL_USED, (int64_t)atomic_load(&j->taken));
}

result journal_open(const struct journal_options *o, struct journal **out) {
    struct journal *j = NEW(struct journal);
    struct journal_store *s = o->store;
    j->clock = o->clock;
    j->store = s;
    j->mailbox = mailbox_open(NULL, NULL);
    j->durable_call = o->durable;
    j->durable_ctx = o->durable_ctx;
    j->failed_call = o->failed;
    j->failed_ctx = o->failed_ctx;
    j->batch_max = o->batch_max == 0 ? BATCH_MAX : o->batch_max;
    j->payload_max = s->payload_max(s);
    j->room = s->room(s);
    j->receipt_room = j->room - j->room / RESERVE_SHARE;
    j->taken = s->used(s);
    j->durable = s->last(s);
    j->time_ms = s->time_ms(s);
    j->time_us = clock_mono_us(j->clock);
    j->end = &j->first;
    metric_set(METRIC_JOURNAL_SIZE, (int64_t)j->room);
    show_room(j);
    *out = j;
    return OK;
}

static void answer(struct append *a) {
    if (a->reply != NULL)
        mailbox_post(a->reply, &a->mail);
}

void journal_close(struct journal *j) {
    if (j == NULL)
        return;
    *j->end = mailbox_drain(j->mailbox);
    for (struct mail *m = j->first, *next; m != NULL; m = next) {
        next = m->next;
        if (m == &j->booked.mail || m == &j->stop.mail)
            continue;
        append_of(m)->failed =
            PLACE(CLOSED, "the journal was closed before the record was written");
        answer(append_of(m));
    }
    mailbox_close(j->mailbox);
    free(j->batch);
    free(j->records);
    free(j);
}

bool journal_credit_take(struct journal *j, enum credit_class class, size_t n, size_t *credit) {
    *credit = 0;
    if (journal_failed(j) || n > j->payload_max)
        return false;
    size_t cost = j->store->cost(j->store, n);
    uint64_t limit = class == CREDIT_RECEIPT ? j->receipt_room : j->room;
    uint64_t taken = atomic_load(&j->taken);
    do {
        if (taken > limit || cost > limit - taken)
            return false;
    } while (!atomic_compare_exchange_weak(&j->taken, &taken, taken + cost));
    *credit = cost;
    return true;
}

void journal_credit_give(struct journal *j, size_t credit) {
    uint64_t before = atomic_fetch_sub(&j->taken, credit);
    ensure(before >= credit);
}

void journal_post(struct journal *j, struct append *a) {
    ensure(a->credit >= j->store->cost(j->store, a->payload.n));
    a->posted_us = clock_mono_us(j->clock);
    mailbox_post(j->mailbox, &a->mail);
}

static void post_note(struct journal *j, struct note *note) {
    if (!atomic_exchange(&note->posted, true))
        mailbox_post(j->mailbox, &note->mail);
}

void journal_booked(struct journal *j, uint64_t position) {
    uint64_t known = atomic_load(&j->booked_position);
    while (known < position && !atomic_compare_exchange_weak(&j->booked_position, &known, position))
        continue;
    post_note(j, &j->booked);
}

void journal_stop(struct journal *j) { post_note(j, &j->stop); }
uint64_t journal_durable(const struct journal *j) { return atomic_load(&j->durable); }
bool journal_failed(const struct journal *j) { return atomic_load(&j->has_failed); }

void journal_room(const struct journal *j, uint64_t *used, uint64_t *size) {
    *used = atomic_load(&j->taken);
    *size = j->room;
}

static void recycle(struct journal *j) {
    uint64_t before = j->store->used(j->store);
    j->store->release(j->store, atomic_load(&j->booked_position));
    journal_credit_give(j, (size_t)(before - j->store->used(j->store)));
    show_room(j);
}

static void take_mail(struct journal *j, struct mail *m) {
    if (m == &j->booked.mail) {
        // Cleared before the position is read: a later one posts again.
        atomic_store(&j->booked.posted, false);
        recycle(j);
    } else if (m == &j->stop.mail) {
        j->stopping = true;
    } else {
        m->next = NULL;
        *j->end = m;
        j->end = &m->next;
    }
}

static void batch_add(struct journal *j, struct append *a) {
    if (j->n == j->cap) {
        j->cap = j->cap == 0 ? 64 : j->cap * 2;
        j->batch = memory_grow(j->batch, j->cap, sizeof *j->batch);
        j->records = memory_grow(j->records, j->cap, sizeof *j->records);
    }
    j->batch[j->n] = a;
    j->records[j->n++] = (struct record){
        .seed = a->seed, .generation = a->generation, .kind = a->kind, .payload = a->payload};
}

static void batch_collect(struct journal *j) {
    j->n = 0;
    for (size_t bytes_in = 0; j->first != NULL;) {
        struct append *a = append_of(j->first);
        if (j->n > 0 && bytes_in + a->credit > j->batch_max)
            return;
        bytes_in += a->credit;
        j->first = a->mail.next;
        if (j->first == NULL)
            j->end = &j->first;
        batch_add(j, a);
    }
}

// A full disk passes; anything else leaves behind what nobody knows, so nothing more is promised.
static void batch_failed(struct journal *j, result failed) {
    metric_add(METRIC_JOURNAL_FAILED, j->n);
    if (failed->code == FAIL_FULL || j->failure != OK)
        return;
    j->failure = failed;
    atomic_store(&j->has_failed, true);
    log_event(LOG_JOURNAL_FAILED, log_r(failed));
    if (j->failed_call != NULL)
        j->failed_call(j->failed_ctx);
}

// Behind a clock that was set back time goes on from the last record: were it to stand still, what
// is to happen later would be due at once, by the ledger's time.
static int64_t time_now_ms(struct journal *j) {
    int64_t wall = clock_wall_ms(j->clock), mono = clock_mono_us(j->clock);
    int64_t on = j->time_ms + (mono - j->time_us) / 1000;
    if (wall <= on)
        return on;
    j->time_ms = wall;
    j->time_us = mono;
    return wall;
}

static result batch_append(struct journal *j) {
    if (j->failure != OK)
        return j->failure;
    struct journal_store *s = j->store;
    return s->append(s, j->records, j->n, time_now_ms(j));
}

// Appends the batch at hand, turns credit into use, and fills in what became of each.
static result batch_write(struct journal *j) {
    uint64_t before = j->store->used(j->store);
    result failed = batch_append(j);
    uint64_t credit = 0, grown = j->store->used(j->store) - before;
    for (size_t i = 0; i < j->n; i++) {
        struct append *a = j->batch[i];
        credit += a->credit;
        a->credit = 0;
        a->failed = failed;
        a->position = failed == OK ? j->records[i].position : 0;
        a->time_ms = failed == OK ? j->records[i].time_ms : 0;
    }
    ensure(grown <= credit);
    journal_credit_give(j, (size_t)(credit - grown));
    show_room(j);
    if (failed != OK) {
        batch_failed(j, failed);
        return failed;
    }
    atomic_store(&j->durable, j->store->last(j->store));
    metric_add(METRIC_JOURNAL_RECORDS, j->n);
    metric_add(METRIC_JOURNAL_BATCHES, 1);
    return OK;
}

static void tell_durable(struct journal *j) {
    if (j->durable_call != NULL)
        j->durable_call(j->durable_ctx, journal_durable(j));
}

// One append, one sync, and then everyone is answered.
static void step_batch(struct journal *j) {
    batch_collect(j);
    result failed = batch_write(j);
    int64_t now = clock_mono_us(j->clock);
    for (size_t i = 0; i < j->n; i++) {
        if (failed == OK)
            metric_time(METRIC_APPEND_TIME, now - j->batch[i]->posted_us);
        answer(j->batch[i]);
    }
    if (failed == OK)
        tell_durable(j);
}

bool journal_step(struct journal *j) {
    struct mail *m = mailbox_drain(j->mailbox);
    bool did = m != NULL;
    for (struct mail *next; m != NULL; m = next) {
        next = m->next;
        take_mail(j, m);
    }
    if (j->first == NULL)
        return did;
    step_batch(j);
    return true;
}

int64_t journal_rest_us(const struct journal *j) {
    uint64_t taken = atomic_load(&j->taken), part = j->receipt_room / PACED_SHARE;
    uint64_t from = j->receipt_room - part;
    if (taken <= from || part == 0)
        return 0;
    uint64_t over = taken - from < part ? taken - from : part;
    return (int64_t)(over * JOURNAL_REST_MAX_US / part);
}

static void rest(struct journal *j) {
    int64_t us = j->stopping ? 0 : journal_rest_us(j);
    if (us == 0)
        return;
    metric_add(METRIC_JOURNAL_RESTS, 1);
    thread_rest(us);
}

void journal_run(void *journal) {
    struct journal *j = journal;
    thread_prompt(); // all answers wait for it
    while (!j->stopping || j->first != NULL) {
        uint64_t before = journal_durable(j);
        if (!journal_step(j))
            mailbox_wait(j->mailbox, -1);
        else if (journal_durable(j) > before)
            rest(j);
    }
}

result journal_append(struct journal *j, struct append *a) {
    if (a->credit == 0 && !journal_credit_take(j, CREDIT_INNER, a->payload.n, &a->credit)) {
        a->failed = j->failure != OK ? j->failure : PLACE(FULL, "the journal has no room");
        return a->failed;
    }
    j->n = 0;
    batch_add(j, a);
    TRY(batch_write(j));
    tell_durable(j);
    return OK;
}
