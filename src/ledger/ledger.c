// SPDX-License-Identifier: MIT
#include "ledger/ledger.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "ledger/book.h"
#include "ledger/serve.h"
#include "port/log.h"
#include "port/thread.h"
#include "rules/record.h"

#define BATCH_RECORDS 512
#define BATCH_BYTES (4u << 20)
// The rest after a batch that was not full: as long as the batch took, but between these; short
// while destinations are at work.
#define REST_MIN_US 3000
#define REST_MAX_US 10000
#define REST_BUSY_US 500
#define BATCH_MEMORY_MAX (128u << 20)
#define WAIT_FIRST_US 50000
#define WAIT_MAX_US 5000000
// After a start that died: so many records are booked one by one, since the one that kills is among
// them.
#define CAREFUL_RECORDS 512
#define LEAVE_TRIES 10
#define LEAVE_BOOKING_US 2000000

struct ledger {
    struct ledger_options o;
    struct mailbox *wakes, *takes, *gifts, *awaits; // wakes is the one the thread sleeps on
    struct mail wake_mail;
    atomic_bool wake_posted, stopping;
    atomic_ullong booked, generation, recalls;

    struct book book;
    struct journal_cursor *cursor;
    uint64_t tail; // the journal's last position at the start: outcomes may be up to there
    struct arena batch_memory; // of the records read and not booked yet
    struct record *records;
    size_t record_count, record_at;
    uint32_t careful;
    size_t alone; // records that get a transaction each; begun over by the first that ended its own
    bool ended;   // the one under way was ended by a record
    bool starting; // no batch committed yet since the start
    bool noted;    // this life has noted that it tries the record behind noted_at
    uint64_t noted_at;
    uint64_t behind; // records that were not booked when the last batch began
    bool ahead;      // the books in memory were rolled back and not read again yet

    uint64_t *released; // by the batch under way; taken no more once it is committed
    size_t released_count, released_cap;

    bool endpoints_due; // they are to be told

    int64_t wait_us, wait_until_us; // while the store cannot be written
    struct serve *serve;
    struct await *waiting; // chain by mail.next
};

static void on_touched(void *ctx, uint32_t destination) {
    struct ledger *l = ctx;
    serve_touch(l->serve, destination);
}

static void on_released(void *ctx, uint64_t delivery) {
    struct ledger *l = ctx;
    if (l->released_count == l->released_cap) {
        l->released_cap = l->released_cap == 0 ? 64 : l->released_cap * 2;
        l->released = memory_grow(l->released, l->released_cap, sizeof *l->released);
    }
    l->released[l->released_count++] = delivery;
}

static void publish(struct ledger *l) {
    atomic_store(&l->booked, l->book.state.booked);
    atomic_store(&l->generation, l->book.state.generation);
}

result ledger_open(const struct ledger_options *o, struct ledger **out) {
    struct ledger *l = NEW(struct ledger);
    l->o = *o;
    if (l->o.batch_max == 0)
        l->o.batch_max = BATCH_RECORDS;
    l->wakes = mailbox_open(NULL, NULL);
    l->takes = mailbox_open(NULL, NULL);
    l->gifts = mailbox_open(NULL, NULL);
    l->awaits = mailbox_open(NULL, NULL);
    l->starting = true;
    l->endpoints_due = o->endpoints != NULL;
    arena_init(&l->batch_memory, BATCH_MEMORY_MAX);
    l->serve = serve_open(o->store, o->clock);
    l->book.touched = on_touched;
    l->book.released = on_released;
    l->book.ctx = l;
    l->book.sealing_key = o->sealing_key;
    *out = l;
    l->tail = o->records->last(o->records);
    result opened = book_open(&l->book, o->store);
    if (opened == OK)
        opened = o->records->cursor_open(o->records, l->book.state.booked, &l->cursor);
    if (opened != OK) {
        ledger_close(l);
        *out = NULL;
        return opened;
    }
    if (l->book.state.start_booked == l->book.state.booked && l->book.state.start_count > 0)
        l->careful = CAREFUL_RECORDS;
    serve_rebase(l->serve, l->book.state.time_ms);
    publish(l);
    return OK;
}

// Everything in these boxes is told that we are closing.
static void answer_closed(struct ledger *l) {
    struct mail *m = mailbox_drain(l->takes);
    while (m != NULL) {
        struct take *t = CONTAINER(m, struct take, mail);
        m = m->next;
        t->failed = PLACE(CLOSED, "the ledger is closing");
        mailbox_post(t->reply, &t->mail);
    }
    m = mailbox_drain(l->awaits);
    while (m != NULL || l->waiting != NULL) {
        struct await *a = m != NULL ? CONTAINER(m, struct await, mail) : l->waiting;
        if (m != NULL)
            m = m->next;
        else
            l->waiting = a->mail.next == NULL ? NULL : CONTAINER(a->mail.next, struct await, mail);
        a->failed = PLACE(CLOSED, "the ledger is closing");
        mailbox_post(a->reply, &a->mail);
    }
    m = mailbox_drain(l->gifts);
    while (m != NULL) {
        struct give_back *g = CONTAINER(m, struct give_back, mail);
        m = m->next;
        free(g);
    }
}

void ledger_close(struct ledger *l) {
    if (l == NULL)
        return;
    answer_closed(l);
    serve_close(l->serve);
    (void)mailbox_drain(l->wakes);
    mailbox_close(l->wakes);
    mailbox_close(l->takes);
    mailbox_close(l->gifts);
    mailbox_close(l->awaits);
    if (l->cursor != NULL)
        l->o.records->cursor_close(l->cursor);
    arena_drop(&l->batch_memory);
    book_close(&l->book);
    free(l->released);
    free(l);
}

void ledger_wake(struct ledger *l) {
    if (!atomic_exchange(&l->wake_posted, true))
        mailbox_post(l->wakes, &l->wake_mail);
}

void ledger_take(struct ledger *l, struct take *t) {
    mailbox_post(l->takes, &t->mail);
    ledger_wake(l);
}

void ledger_give_back(struct ledger *l, struct give_back *g) {
    mailbox_post(l->gifts, &g->mail);
    ledger_wake(l);
}

void ledger_await(struct ledger *l, struct await *a) {
    mailbox_post(l->awaits, &a->mail);
    ledger_wake(l);
}

void ledger_stop(struct ledger *l) {
    atomic_store(&l->stopping, true);
    ledger_wake(l);
}

uint64_t ledger_booked(const struct ledger *l) { return atomic_load(&l->booked); }
uint64_t ledger_recalls(const struct ledger *l) { return atomic_load(&l->recalls); }
uint64_t ledger_generation(const struct ledger *l) { return atomic_load(&l->generation); }

result ledger_plan(struct ledger *l, struct text *out, uint64_t *generation) {
    *generation = l->book.state.generation;
    if (l->book.plan != NULL)
        text_add(out, l->book.plan->json);
    return OK;
}

static bool handle_mail(struct ledger *l) {
    // Before draining: what is posted from now on posts a wake of its own.
    bool any = mailbox_drain(l->wakes) != NULL;
    if (any)
        atomic_store(&l->wake_posted, false);
    struct mail *m = mailbox_drain(l->gifts);
    any = any || m != NULL;
    while (m != NULL) {
        struct give_back *g = CONTAINER(m, struct give_back, mail);
        m = m->next;
        serve_give_back(l->serve, g->delivery);
        free(g);
    }
    m = mailbox_drain(l->takes);
    any = any || m != NULL;
    while (m != NULL) {
        struct take *t = CONTAINER(m, struct take, mail);
        m = m->next;
        serve_add(l->serve, t);
    }
    m = mailbox_drain(l->awaits);
    any = any || m != NULL;
    while (m != NULL) {
        struct await *a = CONTAINER(m, struct await, mail);
        m = m->next;
        a->mail.next = l->waiting == NULL ? NULL : &l->waiting->mail;
        l->waiting = a;
    }
    return any;
}

static void answer_await(struct ledger *l, struct await *a) {
    OWN(arena_drop)
    struct arena memory;
    arena_init(&memory, BATCH_BYTES);
    struct answer_row answer = {0};
    result got = l->o.store->answer_get(l->o.store, a->position, &memory, &answer);
    if (got == OK)
        got = book_answer_open(&l->book, &answer, &a->answer);
    a->failed = failed_as(got, FAIL_ABSENT) ? OK : got;
    mailbox_post(a->reply, &a->mail);
}

static bool answer_awaits(struct ledger *l) {
    struct await *a = l->waiting;
    bool any = false;
    l->waiting = NULL;
    while (a != NULL) {
        struct mail *next = a->mail.next;
        if (a->position <= ledger_booked(l)) {
            answer_await(l, a);
            any = true;
        } else {
            a->mail.next = l->waiting == NULL ? NULL : &l->waiting->mail;
            l->waiting = a;
        }
        a = next == NULL ? NULL : CONTAINER(next, struct await, mail);
    }
    return any;
}

static result suspend(struct ledger *l, const struct record *r, const char *reason) {
    TRY(book_suspend(&l->book, r, reason));
    log_event(LOG_SUSPENDED, log_i("position", r->position), log_s("reason", reason));
    return OK;
}

// One record under a mark, or what it was before.
static result try_marked(struct ledger *l, const struct record *r) {
    struct store *s = l->o.store;
    TRY(s->mark(s));
    struct store_state before = l->book.state;
    struct book_tally tally = l->book.tally;
    size_t released = l->released_count;
    result booked = book_record(&l->book, r);
    if (booked == OK)
        booked = book_write(&l->book);
    if (booked == OK)
        return s->unmark(s);
    if (book_waits(booked))
        return booked;
    result undone = s->undo(s);
    l->ended = undone != OK; // a trigger of users' on tables may do that
    TRY(undone);
    TRY(book_undone(&l->book, &before));
    l->book.tally = tally;
    l->released_count = released;
    return booked;
}

// If it is its own fault that it cannot be booked, it is suspended. Where its event cannot be
// applied to tables alone, that is the delivery's end, not the record's.
static result book_marked(struct ledger *l, const struct record *r) {
    result booked = try_marked(l, r);
    bool tables = l->book.unapplied != NULL || l->book.beside.failed != OK;
    if (booked != OK && !book_waits(booked) && tables)
        booked = try_marked(l, r);
    return booked == OK || book_waits(booked) ? booked : suspend(l, r, booked->text);
}

static result book_each(struct ledger *l, const struct record *records, size_t n, bool marked) {
    TRY(l->o.store->begin(l->o.store));
    for (size_t i = 0; i < n; i++)
        TRY(marked ? book_marked(l, &records[i]) : book_record(&l->book, &records[i]));
    return book_commit(&l->book);
}

// The books in memory are the store's again. Until then nothing may be booked by them.
static result reload(struct ledger *l) {
    if (!l->ahead)
        return OK;
    TRY(book_reload(&l->book));
    l->ahead = false;
    return OK;
}

static void roll_back(struct ledger *l) {
    l->o.store->rollback(l->o.store);
    l->released_count = 0;
    l->ahead = true;
}

// A record in a transaction of its own, where one has ended that of its batch, and so undone what
// was booked before it.
static result book_alone(struct ledger *l, const struct record *r) {
    struct book *b = &l->book;
    result booked = OK;
    for (bool again = false;; again = true) {
        TRY(l->o.store->begin(l->o.store));
        booked = book_record(b, r);
        if (booked == OK)
            return book_commit(b);
        if (book_waits(booked))
            return booked;
        const char *unapplied = b->unapplied;
        result beside = b->beside.failed;
        uint64_t event = b->beside.event;
        roll_back(l);
        TRY(reload(l));
        if (again || (unapplied == NULL && beside == OK))
            break;
        b->unapplied = unapplied; // now it is known what to leave out
        b->beside.failed = beside;
        b->beside.event = event;
    }
    TRY(l->o.store->begin(l->o.store));
    TRY(suspend(l, r, booked->text));
    return book_commit(b);
}

// Before the first records after a start: a durable note that they are being tried.
static result note_start(struct ledger *l) {
    struct store *s = l->o.store;
    struct store_state *state = &l->book.state;
    if (l->noted && l->noted_at == state->booked)
        return OK; // tried before in this life, and the store failed
    state->start_count = state->start_booked == state->booked ? state->start_count + 1 : 1;
    state->start_booked = state->booked;
    TRY(s->begin(s));
    TRY(book_commit(&l->book));
    l->noted = true;
    l->noted_at = state->booked;
    return OK;
}

// This life has not died of the records that it noted: it stops, or the store failed. Where that
// cannot be written either, the note stays.
static void take_note_back(struct ledger *l) {
    struct store *s = l->o.store;
    struct store_state state = l->book.state;
    if (l->ahead || !l->noted || l->noted_at != state.booked || state.start_count == 0)
        return;
    state.start_count--;
    result put = s->begin(s);
    if (put == OK)
        put = s->state_put(s, &state);
    if (put == OK)
        put = s->commit(s);
    if (put != OK) {
        s->rollback(s);
        return;
    }
    l->book.state = state;
    l->noted = false;
}

// The store cannot be written now: later, with a growing pause; the records stay in the journal.
static void book_later(struct ledger *l, result failed) {
    roll_back(l);
    result reloaded = reload(l);
    metric_add(METRIC_BOOK_WAITS, 1);
    metric_set(METRIC_BOOK_WAITING, 1);
    if (l->wait_us == 0)
        log_event(LOG_BOOKING_WAITS, log_r(failed),
                  log_s("engine", l->o.store->message(l->o.store)));
    if (reloaded != OK && !book_waits(reloaded))
        log_event(LOG_BOOKING_WAITS, log_r(reloaded));
    if (reloaded == OK)
        take_note_back(l);
    l->wait_us = l->wait_us == 0 ? WAIT_FIRST_US
                                 : (l->wait_us * 2 > WAIT_MAX_US ? WAIT_MAX_US : l->wait_us * 2);
    l->wait_until_us = clock_mono_us(l->o.clock) + l->wait_us;
}

static result book_untried(struct ledger *l, const struct record *r) {
    TRY(l->o.store->begin(l->o.store));
    TRY(suspend(l, r, "the process died twice while booking this record"));
    return book_commit(&l->book);
}

static result book_some(struct ledger *l, const struct record *records, size_t *n) {
    bool died_twice = l->careful > 0 && l->book.state.start_count >= 2 &&
                      l->book.state.start_booked == l->book.state.booked &&
                      !(l->noted && l->noted_at == l->book.state.booked);
    if (l->careful > 0 || l->alone > 0)
        *n = 1;
    // A plan is tried for ever: without it nothing of its generation can be booked.
    if (died_twice && records->kind != RECORD_PLAN)
        return book_untried(l, records);
    if (l->starting || l->careful > 0)
        TRY(note_start(l));
    if (l->alone > 0)
        return book_alone(l, records);
    result booked = book_each(l, records, *n, false);
    if (booked == OK || book_waits(booked))
        return booked;
    roll_back(l);
    TRY(reload(l));
    booked = book_each(l, records, *n, true);
    if (booked == OK || !l->ended)
        return booked;
    l->ended = false;
    l->alone = *n;
    *n = 1;
    roll_back(l);
    TRY(reload(l));
    return book_alone(l, records);
}

static void count_sites(const struct book_tally *t) {
    metric_add(METRIC_UNCLAIMED, t->unclaimed);
    metric_add(METRIC_LATE_ROUTED, t->late_routed);
    metric_add(METRIC_CONTRADICTIONS, t->contradictions);
    metric_add(METRIC_SITES_CUT, t->sites_cut);
    if (t->late_routed > 0)
        log_event(LOG_LATE_ROUTED, log_i("events", t->late_routed));
    if (t->contradictions > 0)
        log_event(LOG_CONTRADICTION, log_i("objects", t->contradictions));
    if (t->sites_cut > 0)
        log_event(LOG_SITES_CUT, log_i("events", t->sites_cut));
}

static void count_tables(const struct book_tally *t) {
    metric_add(METRIC_TABLES_APPLIED, t->tables_applied);
    metric_add(METRIC_TABLES_KNOWN, t->tables_known);
    metric_add(METRIC_TABLES_FAILED, t->tables_failed);
    metric_add(METRIC_TABLES_CUT, t->tables_cut);
    metric_add(METRIC_TABLES_UNDECIDED, t->tables_undecided);
    if (t->tables_rebuilt > 0)
        log_event(LOG_TABLES_REBUILT);
}

static void count_batch(struct ledger *l, const struct record *last, int64_t began_us) {
    const struct book_tally *t = &l->book.tally;
    metric_add(METRIC_BOOKED, t->booked);
    metric_add(METRIC_SUSPENDED, t->suspended);
    metric_add(METRIC_EVENTS_NEW, t->events_new);
    metric_add(METRIC_EVENTS_DUPLICATE, t->events_duplicate);
    metric_add(METRIC_EVENTS_IGNORED, t->events_ignored);
    metric_add(METRIC_SCOPE_MISFIT, t->scope_misfits);
    metric_add(METRIC_LIVEMODE_MISFIT, t->livemode_misfits);
    metric_add(METRIC_DELIVERIES_DEAD, t->dead);
    metric_add(METRIC_DELIVERIES_PARKED, t->parked);
#define SIGHTING(id, number, name, whose, what, max, doc)                                          \
    metric_add(METRIC_LEFT_OUT_##id, t->left_out[SIGHTING_##id]);
#include "ledger/sightings.def"
#undef SIGHTING
    count_sites(t);
    count_tables(t);
    metric_add(METRIC_ENDPOINTS_DISABLED, t->endpoints_disabled);
    metric_add(METRIC_DESTINATIONS_HELD, t->held);
    if (t->held > 0)
        log_event(LOG_DESTINATION_HELD, log_i("destinations", t->held));
    if (t->endpoints_disabled > 0)
        log_event(LOG_ENDPOINT_DISABLED, log_i("endpoints", t->endpoints_disabled));
    l->endpoints_due = l->endpoints_due || (t->endpoints_changed > 0 && l->o.endpoints != NULL);
    atomic_fetch_add(&l->recalls, t->recalls);
    if (t->dead > 0)
        log_event(LOG_DELIVERY_DEAD, log_i("deliveries", t->dead), log_i("last", t->last_dead));
    l->book.tally = (struct book_tally){0};
    metric_time(METRIC_BOOK_TIME, clock_mono_us(l->o.clock) - began_us);
    int64_t lag_ms = clock_wall_ms(l->o.clock) - last->time_ms;
    metric_time(METRIC_LAG_TIME, lag_ms < 0 ? 0 : lag_ms * 1000);
}

static void batch_committed(struct ledger *l, const struct record *last, size_t n,
                            int64_t began_us) {
    count_batch(l, last, began_us);
    l->record_at += n;
    l->starting = false;
    if (l->careful > 0)
        l->careful--;
    if (l->alone > 0)
        l->alone--;
    for (size_t i = 0; i < l->released_count; i++)
        serve_give_back(l->serve, l->released[i]);
    l->released_count = 0;
    if (l->wait_us != 0)
        log_event(LOG_BOOKING_GOES_ON, log_i("position", l->book.state.booked));
    metric_set(METRIC_BOOK_WAITING, 0);
    l->wait_us = l->wait_until_us = 0;
    serve_rebase(l->serve, l->book.state.time_ms);
    publish(l);
    journal_booked(l->o.journal, l->book.state.booked);
}

// Reads more records when those in hand are booked. False: there is nothing to book.
static result have_records(struct ledger *l, bool *have) {
    if (l->record_at == l->record_count) {
        arena_reset(&l->batch_memory);
        l->record_at = l->record_count = 0;
        size_t n = 0;
        TRY(l->o.records->read(l->cursor, BATCH_BYTES, &l->batch_memory, &l->records, &n));
        l->record_count = n;
        if (n == 0)
            arena_drop(&l->batch_memory);
    }
    *have = l->record_at < l->record_count;
    return OK;
}

// Booking catches up where more than a batch waits, and the last one made that much less. Where
// more comes, it gives way to the answers.
static void tell_behind(struct ledger *l) {
    struct store *s = l->o.store;
    uint64_t behind = l->o.records->last(l->o.records) - l->book.state.booked;
    size_t batch = l->o.batch_max;
    s->catch_up(s, behind > batch && l->behind >= behind + batch / 2);
    l->behind = behind;
}

static bool book_batch(struct ledger *l) {
    int64_t now = clock_mono_us(l->o.clock);
    if (now < l->wait_until_us)
        return false;
    bool have = false;
    result ready = reload(l);
    if (ready == OK)
        ready = have_records(l, &have);
    if (ready != OK) {
        book_later(l, ready);
        return false;
    }
    if (!have)
        return false;
    const struct record *records = l->records + l->record_at;
    size_t n = l->record_count - l->record_at;
    if (n > l->o.batch_max)
        n = l->o.batch_max;
    ensure(records[0].position == l->book.state.booked + 1);
    tell_behind(l);
    result booked = book_some(l, records, &n);
    if (booked != OK) {
        book_later(l, booked);
        return false;
    }
    batch_committed(l, &records[n - 1], n, now);
    return true;
}

// What a dead process sent must not go out again while its outcome waits to be booked.
static bool may_serve(const struct ledger *l) { return ledger_booked(l) >= l->tail; }

// Before who waits for a command is answered: what it made is known to dispatch by then.
static bool tell_endpoints(struct ledger *l) {
    if (!l->endpoints_due || !may_serve(l) || reload(l) != OK ||
        book_endpoints_ready(&l->book) != OK)
        return false;
    const struct endpoint_row *rows;
    size_t n = book_endpoint_rows(&l->book, &rows);
    l->o.endpoints(l->o.endpoints_ctx, rows, n);
    l->endpoints_due = false;
    return true;
}

bool ledger_step(struct ledger *l) {
    bool any = handle_mail(l);
    any = book_batch(l) || any;
    any = tell_endpoints(l) || any;
    any = answer_awaits(l) || any;
    return (may_serve(l) && serve_step(l->serve, ledger_recalls(l))) || any;
}

int64_t ledger_due_us(const struct ledger *l) {
    int64_t due = may_serve(l) ? serve_due_us(l->serve) : INT64_MAX;
    if (l->wait_until_us != 0 && l->wait_until_us < due)
        due = l->wait_until_us;
    if (l->endpoints_due && may_serve(l) && due == INT64_MAX) // the store could not be read
        due = clock_mono_us(l->o.clock) + WAIT_FIRST_US;
    return due;
}

// After a batch the thread rests, so that the next commit carries more, and the disk has time for
// the journal's syncs between those of the ledger. Nobody waits for booking but commands, which are
// waited for here too; and when it is far behind it does not rest.
static void rest(struct ledger *l, uint64_t before, int64_t began_us) {
    uint64_t booked = l->book.state.booked - before;
    bool more = l->record_at < l->record_count;
    if (booked == 0 || booked >= l->o.batch_max || more || l->waiting != NULL)
        return;
    int64_t us = clock_mono_us(l->o.clock) - began_us;
    us = us < REST_MIN_US ? REST_MIN_US : us > REST_MAX_US ? REST_MAX_US : us;
    us = serve_is_busy(l->serve) ? REST_BUSY_US : us;
    thread_rest(us);
}

// The store that fails now and then may have refused what would have told of it, too.
void ledger_leave(struct ledger *l) {
    for (int i = 0; i < LEAVE_TRIES && l->noted; i++)
        if (reload(l) == OK)
            take_note_back(l);
}

void ledger_run(void *ctx) {
    struct ledger *l = ctx;
    thread_background(); // Stripe waits for the journal, nobody for booking
    while (!atomic_load(&l->stopping)) {
        uint64_t before = l->book.state.booked;
        int64_t began_us = clock_mono_us(l->o.clock);
        if (ledger_step(l)) {
            rest(l, before, began_us);
            continue;
        }
        int64_t due = ledger_due_us(l);
        int64_t wait = due == INT64_MAX ? -1 : due - clock_mono_us(l->o.clock);
        if (due == INT64_MAX || wait > 0)
            (void)mailbox_wait(l->wakes, wait);
    }
    // What came last is booked too: the next start would, but people look before.
    int64_t until_us = clock_mono_us(l->o.clock) + LEAVE_BOOKING_US;
    while (clock_mono_us(l->o.clock) < until_us && book_batch(l))
        continue;
    ledger_leave(l);
}
