// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "disk.h"
#include "ledger/book.h"
#include "rules/record.h"
#include "sim.h"
#include "stripe/event.h"

#define UNTRIED "the process died twice while booking this record"

// The platter alone, not the page cache, must hold the event at this moment.
void oracle_ack(struct sim *s, const struct post *p) {
    bytes platter = disk_platter(s->node.disk, "journal");
    bytes body = bytes_of(p->event->body[p->version]);
    if (bytes_search(platter, body) == platter.n)
        world_broken(&s->world, "a 2xx means durable", "%s was answered 2xx and is not on disk",
                     p->event->id);
}

static bool same_record(const struct record *a, const struct record *b) {
    return a->position == b->position && a->time_ms == b->time_ms && a->seed == b->seed &&
           a->generation == b->generation && a->kind == b->kind &&
           bytes_equal(a->payload, b->payload);
}

static void keep_record(struct sim *s, const struct record *r) {
    if (s->history_count == s->history_cap) {
        s->history_cap = s->history_cap == 0 ? 256 : s->history_cap * 2;
        s->history = memory_grow(s->history, s->history_cap, sizeof *s->history);
    }
    struct record *kept = &s->history[s->history_count++];
    *kept = *r;
    kept->payload = bytes_from(bytes_strdup(r->payload), r->payload.n);
}

static struct distance *distance_of(struct sim *s, uint64_t delivery) {
    if (delivery >= s->distance_count) {
        size_t n = (size_t)delivery + 64;
        s->distances = memory_grow(s->distances, n, sizeof *s->distances);
        memset(s->distances + s->distance_count, 0, (n - s->distance_count) * sizeof *s->distances);
        s->distance_count = n;
    }
    return &s->distances[delivery];
}

// The schedule of every plan here, less the jitter of a fifth. It counts from when the outcome was
// appended, which may be a life before it is read. Nothing is known where a person asked for a
// retry, or the wall clock was set forward meanwhile.
static void check_pace(struct sim *s, const struct record *r) {
    static const int64_t schedule[] = {1000, 5000, 30000, 60000, 60000, 60000, 120000};
    struct outcome_record in;
    if (r->kind != RECORD_OUTCOME || outcome_decode(r->payload, &in) != OK)
        return;
    struct distance *p = distance_of(s, in.delivery);
    int64_t ended_us = s->node.appended_us, began_us = ended_us - in.micros;
    if (p->attempt != 0 && in.attempt == p->attempt + 1 && s->forwarded_us < p->ended_us &&
        s->retries == 0 && began_us < p->not_before_us)
        world_broken(&s->world, "a retry keeps its distance",
                     "delivery %llu: attempt %u began %lld us too early",
                     (unsigned long long)in.delivery, in.attempt,
                     (long long)(p->not_before_us - began_us));
    p->attempt = in.attempt;
    p->ended_us = ended_us;
    p->not_before_us = 0;
    if (in.outcome == OUTCOME_FAILED && p->failures < sizeof schedule / sizeof *schedule)
        p->not_before_us = ended_us + schedule[p->failures++] * 800 - 2000;
    int64_t asked_us = ended_us + in.retry_after_ms * 1000 - 2000;
    if (in.retry_after_ms > 0 && asked_us > p->not_before_us)
        p->not_before_us = asked_us;
}

// Of what a site accepted, this outcome is durable: it must not come again.
static void note_done(struct sim *s, const struct record *r) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct store *books = s->node.books;
    struct outcome_record in;
    struct delivery_row d;
    struct event_row e;
    if (r->kind != RECORD_OUTCOME || outcome_decode(r->payload, &in) != OK ||
        in.outcome != OUTCOME_DONE)
        return;
    struct destination_row *rows = NULL;
    size_t n = 0;
    if (books->delivery_get(books, in.delivery, &a, &d) != OK ||
        books->event_get(books, d.event_seq, &a, &e) != OK ||
        books->destinations(books, &a, &rows, &n) != OK)
        return;
    const struct event_sent *sent = stripe_event(s, e.id, bytes_equal(e.owner, B("other")));
    for (size_t i = 0; i < n && sent != NULL; i++) {
        struct got *g = rows[i].number == d.destination ? site_got(s, rows[i].name, sent) : NULL;
        if (g != NULL && g->unrecorded > 0)
            g->unrecorded--;
    }
}

void oracle_record(void *sim, const struct record *r) {
    struct sim *s = sim;
    if (r->position <= s->history_count) {
        if (!same_record(r, &s->history[r->position - 1]))
            world_broken(&s->world, "what is durable stays", "record %llu changed",
                         (unsigned long long)r->position);
        return;
    }
    if (r->position != s->history_count + 1)
        world_broken(&s->world, "the journal has no gaps", "%llu follows %zu",
                     (unsigned long long)r->position, s->history_count);
    if (s->history_count > 0 && r->time_ms < s->history[s->history_count - 1].time_ms)
        world_broken(&s->world, "time never runs back", "at record %llu",
                     (unsigned long long)r->position);
    keep_record(s, r);
    check_pace(s, r);
    note_done(s, r);
}

void oracle_step(struct sim *s) {
    if (!s->node.up)
        return;
    oracle_rows(s);
    oracle_disabled(s);
    int64_t held = atomic_load(&s->node.budget.used);
    if (held < 0 || held > s->node.budget.max)
        world_broken(&s->world, "memory stays within its caps", "strangers hold %lld bytes",
                     (long long)held);
    uint64_t used, size;
    journal_room(s->node.journal, &used, &size);
    if (used > size)
        world_broken(&s->world, "memory stays within its caps", "the journal promised %llu of %llu",
                     (unsigned long long)used, (unsigned long long)size);
    uint64_t first = s->node.journal_store->first(s->node.journal_store);
    if (first > ledger_booked(s->node.ledger) + 1)
        world_broken(&s->world, "what is not committed is not recycled",
                     "the journal begins at %llu, booked is %llu", (unsigned long long)first,
                     (unsigned long long)ledger_booked(s->node.ledger));
    if (ledger_booked(s->node.ledger) > s->history_count)
        world_broken(&s->world, "nothing is true until it is in the journal",
                     "booked %llu of %zu durable records",
                     (unsigned long long)ledger_booked(s->node.ledger), s->history_count);
}

static void ignore_touched(void *ctx, uint32_t destination) {
    (void)ctx;
    (void)destination;
}

static bool was_untried(struct sim *s, uint64_t position) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct suspense_row row;
    struct answer_row answer;
    struct store *books = s->node.books;
    if (books->suspense_get(books, position, &a, &row) == OK)
        return bytes_equal(row.reason, B(UNTRIED));
    return books->answer_get(books, position, &a, &answer) == OK &&
           bytes_search(answer.json, B(UNTRIED)) < answer.json.n;
}

// One record as the ledger does it when all goes well: under a mark, suspended if it must be.
static result model_book(struct sim *s, struct book *b, const struct record *r) {
    if (was_untried(s, r->position))
        return book_suspend(b, r, UNTRIED);
    TRY(b->store->mark(b->store));
    struct store_state before = b->state;
    result booked = book_record(b, r);
    if (booked == OK)
        booked = book_write(b);
    if (booked == OK)
        return b->store->unmark(b->store);
    TRY(b->store->undo(b->store));
    TRY(book_undone(b, &before));
    return book_suspend(b, r, booked->text);
}

static result model_books(struct sim *s, struct store *model, uint64_t booked) {
    static const uint8_t none[JOURNAL_ID_SIZE];
    struct store_state state;
    TRY(s->node.books->state_get(s->node.books, &state));
    if (memcmp(state.journal_id, none, sizeof none) == 0)
        return OK; // nothing was ever committed, so the model commits nothing
    struct book b = {.touched = ignore_touched};
    TRY(book_open(&b, model));
    TRY(model->begin(model));
    for (uint64_t i = 0; i < booked; i++)
        TRY(model_book(s, &b, &s->history[i]));
    // The journal's id is no record's.
    memcpy(b.state.journal_id, state.journal_id, sizeof state.journal_id);
    TRY(book_commit(&b));
    book_close(&b);
    return OK;
}

static void show_difference(struct sim *s, const struct text *real, const struct text *model) {
    bytes a = text_bytes(real), b = text_bytes(model);
    while (a.n > 0 || b.n > 0) {
        bytes x = bytes_cut(&a, '\n'), y = bytes_cut(&b, '\n');
        if (bytes_equal(x, y))
            continue;
        world_broken(&s->world, "the ledger equals its journal", "\n  books: %.*s\n  model: %.*s",
                     BYTES_ARG(x), BYTES_ARG(y));
        return;
    }
}

void oracle_books(struct sim *s) {
    struct store_state state;
    if (s->node.books->state_get(s->node.books, &state) != OK)
        return;
    struct store *model = store_memory();
    faults_poison(model);
    if (s->sabotage != NULL && s->sabotage->books != NULL)
        s->sabotage->books(model);
    OWN(text_drop)
    struct text real = {0}, copy = {0};
    result r = model_books(s, model, state.booked);
    if (r != OK)
        world_broken(&s->world, "the ledger equals its journal", "the model: %s", r->text);
    else if (s->node.books->dump(s->node.books, &real) == OK && model->dump(model, &copy) == OK)
        show_difference(s, &real, &copy);
    model->close(model);
}

bool oracle_ended(struct sim *s) {
    if (!s->node.up || !stripe_done(s) || s->fetches > 0 || s->node.posted > 0 || !operator_done(s))
        return false;
    if (ledger_booked(s->node.ledger) < s->history_count || !dispatch_idle(s->node.dispatch))
        return false;
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 16 << 20);
    struct store *books = s->node.books;
    struct destination_row *rows = NULL;
    size_t n = 0;
    if (books->destinations(books, &a, &rows, &n) != OK)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct delivery_row *open = NULL;
        size_t count = 0;
        if (books->deliveries_open(books, rows[i].number, 0, 1, &a, &open, &count) != OK ||
            count > 0)
            return false;
    }
    return true;
}

static bool ended_with_reason(struct sim *s, const struct event_row *e, uint32_t destination,
                              struct arena *a) {
    struct delivery_row *all = NULL;
    size_t n = 0;
    struct store *books = s->node.books;
    if (books->deliveries_of(books, e->seq, a, &all, &n) != OK)
        return false;
    for (size_t i = 0; i < n; i++)
        if (all[i].destination == destination &&
            (all[i].state == DELIVERY_DEAD || all[i].state == DELIVERY_CANCELLED) &&
            all[i].last_error.n > 0)
            return true;
    return false;
}

bool oracle_gave_up(struct sim *s, uint64_t event_seq, bytes destination) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 16 << 20);
    struct event_row e;
    struct destination_row d;
    struct store *books = s->node.books;
    return books->event_get(books, event_seq, &a, &e) == OK &&
           books->destination_find(books, destination, &a, &d) == OK &&
           ended_with_reason(s, &e, d.number, &a);
}

// Does the receipt of this record owe its event to that destination, under its own generation?
static bool receipt_owes(const struct sim *s, const struct record *r, bytes to,
                         const struct event_row *e) {
    struct receipt_record in;
    return receipt_decode(r->payload, &in) == OK &&
           plan_expects(s->sited[r->generation - 1].variant, to, e->type, e->account, e->livemode,
                        in.source, s->sited[r->position - 1].site);
}

// What is owed goes out with the bytes of a receipt that owes it.
static void check_bytes(struct sim *s, const struct delivery_row *d, struct arena *a) {
    struct store *books = s->node.books;
    struct destination_row *rows = NULL;
    size_t n = 0;
    struct event_row e;
    if (d->replay || books->event_get(books, d->event_seq, a, &e) != OK ||
        books->destinations(books, a, &rows, &n) != OK || d->destination > n)
        return;
    const struct record *r = &s->history[d->receipt_seq - 1];
    bytes to = rows[d->destination - 1].name;
    if (bytes_starts(to, B("we_")))
        return; // oracle_endpoints has those
    if (!receipt_owes(s, r, to, &e) && !sites_explain(s, r->position, to))
        world_broken(&s->world, "a delivery carries the bytes of its receipt",
                     "delivery %llu to %.*s: record %llu does not owe it",
                     (unsigned long long)d->seq, BYTES_ARG(to), (unsigned long long)r->position);
}

// How often it may fail: seven retries after the first attempt; an endpoint has Stripe's.
static uint32_t failures_most(struct sim *s, const struct delivery_row *d, struct arena *a) {
    struct store *books = s->node.books;
    struct destination_row *rows = NULL;
    struct event_row e;
    size_t n = 0;
    if (books->destinations(books, a, &rows, &n) != OK || d->destination > n ||
        books->event_get(books, d->event_seq, a, &e) != OK ||
        !bytes_starts(rows[d->destination - 1].name, B("we_")))
        return 8;
    return e.livemode ? 10 : 4;
}

// It dies of its schedule only.
static void check_deliveries(struct sim *s) {
    struct delivery_row d;
    for (uint64_t seq = 1;; seq++) {
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, 1 << 20);
        if (s->node.books->delivery_get(s->node.books, seq, &a, &d) != OK)
            return;
        check_bytes(s, &d, &a);
        if (d.state == DELIVERY_DEAD && d.failures != failures_most(s, &d, &a))
            world_broken(&s->world, "a delivery dies of its schedule", "%llu after %u failures",
                         (unsigned long long)seq, d.failures);
    }
}

// It died twice and waits: whether it may is check_suspense's to say, and it owes nothing yet.
static bool waits_untried(struct sim *s, uint64_t position, struct arena *a) {
    struct suspense_row row;
    return s->node.books->suspense_get(s->node.books, position, a, &row) == OK &&
           row.state == SUSPENSE_WAITING && bytes_equal(row.reason, B(UNTRIED));
}

// This receipt's record owes the event to every destination that its generation expects.
static void check_receipt(struct sim *s, const struct record *r) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 16 << 20);
    struct receipt_record in;
    OWN(event_drop)
    struct event e = {0};
    struct event_row row;
    struct store *books = s->node.books;
    if (receipt_decode(r->payload, &in) != OK || event_parse(in.body, &e, NULL) != OK)
        return;
    const struct event_sent *sent = stripe_event(s, e.id, bytes_equal(in.owner, B("other")));
    if (sent == NULL || sent->poison || sent->killer || waits_untried(s, r->position, &a))
        return;
    if (books->event_find(books, in.owner, e.account, e.livemode, e.id, &a, &row) != OK) {
        world_broken(&s->world, "a durable event is booked", "record %llu, %s",
                     (unsigned long long)r->position, sent->id);
        return;
    }
    for (size_t i = 0; i < plan_destination_names; i++) {
        bytes to = bytes_of(plan_destinations[i]);
        struct destination_row d;
        if (!receipt_owes(s, r, to, &row))
            continue;
        bool known = books->destination_find(books, to, &a, &d) == OK;
        if (site_got(s, to, sent)->accepted > 0 ||
            (bytes_equal(to, B("tables")) && tables_applied(s, sent)))
            continue;
        if (!known || !ended_with_reason(s, &row, d.number, &a))
            world_broken(&s->world, "every matching destination gets it", "%s never came to %s",
                         sent->id, plan_destinations[i]);
    }
}

// Was this event carried by some record? Poisoned ones too: suspense keeps their bytes.
static bool in_history(const struct sim *s, const struct event_sent *e) {
    for (size_t i = 0; i < s->history_count; i++) {
        struct receipt_record in;
        if (s->history[i].kind != RECORD_EVENT || receipt_decode(s->history[i].payload, &in) != OK)
            continue;
        if (bytes_equal(in.body, bytes_of(e->body[0])) ||
            bytes_equal(in.body, bytes_of(e->body[1])))
            return true;
    }
    return false;
}

// Outcomes of this event's deliveries there that died twice and wait: the books never heard of
// them, so it was sent again.
static uint32_t outcomes_untried(struct sim *s, const struct event_sent *sent, bytes to) {
    uint32_t count = 0;
    for (size_t i = 0; i < s->history_count; i++) {
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, 1 << 20);
        struct store *books = s->node.books;
        struct outcome_record in;
        struct delivery_row d;
        struct event_row e;
        struct destination_row there;
        if (s->history[i].kind == RECORD_OUTCOME && waits_untried(s, s->history[i].position, &a) &&
            outcome_decode(s->history[i].payload, &in) == OK &&
            books->delivery_get(books, in.delivery, &a, &d) == OK &&
            books->event_get(books, d.event_seq, &a, &e) == OK &&
            books->destination_find(books, to, &a, &there) == OK && there.number == d.destination)
            count += stripe_event(s, e.id, bytes_equal(e.owner, B("other"))) == sent;
    }
    return count;
}

static void check_once_at(struct sim *s, const struct event_sent *e, const char *to) {
    const struct got *g = site_got(s, bytes_of(to), e);
    uint32_t allowed = 1 + g->excused + e->replays + s->retries;
    if (g->accepted > allowed)
        allowed += outcomes_untried(s, e, bytes_of(to));
    if (g->accepted > allowed)
        world_broken(&s->world, "once per event", "%s came to %s %u times, %u can be explained",
                     e->id, to, g->accepted, allowed);
}

static void check_once(struct sim *s, const struct event_sent *e) {
    for (size_t i = 0; i < plan_destination_names; i++)
        check_once_at(s, e, plan_destinations[i]);
    for (size_t i = 0; i < s->endpoint_count; i++) {
        char id[ENDPOINT_NAME_SIZE];
        endpoint_name(i, id);
        check_once_at(s, e, id);
    }
}

static size_t deaths_at(const struct sim *s, uint64_t position) {
    return (size_t)map_get(&s->deaths, bytes_from(&position, sizeof position));
}

void oracle_death(struct sim *s) {
    struct store_state state;
    if (s->node.books->state_get(s->node.books, &state) != OK || state.start_count == 0 ||
        state.start_booked != state.booked)
        return;
    uint64_t position = state.booked + 1;
    map_put(&s->deaths, bytes_from(&position, sizeof position),
            (void *)(deaths_at(s, position) + 1));
}

// Poison, what kills, and what two deaths from outside make look like it: the ledger cannot tell
// why a process died that had begun with a record and was kept from booking it by its store.
static void check_suspense(struct sim *s) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 16 << 20);
    for (size_t i = 0; i < s->history_count; i++) {
        struct suspense_row row;
        struct store *books = s->node.books;
        if (books->suspense_get(books, s->history[i].position, &a, &row) != OK)
            continue;
        bool poison = bytes_search(row.payload, B("evt_poison")) < row.payload.n ||
                      bytes_search(row.payload, B("evt_killer")) < row.payload.n;
        bool died_twice = bytes_equal(row.reason, B(UNTRIED)) && deaths_at(s, row.position) >= 2;
        if (!poison && !died_twice)
            world_broken(&s->world, "only poison is suspended", "record %llu: %.*s",
                         (unsigned long long)row.position, BYTES_ARG(row.reason));
    }
}

// Whatever is asked under one key is answered as it was the first time. (That it did its work once
// shows in what came to the sites: check_once.)
static void check_key(struct sim *s, bytes command) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 16 << 20);
    uint64_t first = 0;
    struct answer_row was, is;
    for (size_t i = 0; i < s->history_count; i++) {
        const struct record *r = &s->history[i];
        struct store *books = s->node.books;
        if (r->kind != RECORD_COMMAND || !bytes_equal(r->payload, command) ||
            books->answer_get(books, r->position, &a, &is) != OK ||
            bytes_search(is.json, B(UNTRIED)) < is.json.n)
            continue;
        if (first != 0 && !bytes_equal(was.json, is.json))
            world_broken(&s->world, "a key is carried out once", "%.*s: %.*s at %llu, %.*s at %llu",
                         BYTES_ARG(command), BYTES_ARG(was.json), (unsigned long long)first,
                         BYTES_ARG(is.json), (unsigned long long)r->position);
        if (first == 0)
            was = is;
        first = first == 0 ? r->position : first;
    }
    if (first == 0)
        world_broken(&s->world, "a key is carried out once", "%.*s was never answered",
                     BYTES_ARG(command));
}

void oracle_end(struct sim *s) {
    for (size_t i = 0; i < s->asked_count; i++)
        check_key(s, bytes_of(s->asked[i]));
    sites_read(s);
    oracle_sites(s);
    oracle_tables(s);
    oracle_endpoints(s);
    oracle_lanes(s);
    check_deliveries(s);
    oracle_books(s);
    check_suspense(s);
    for (size_t i = 0; i < s->history_count; i++)
        if (s->history[i].kind == RECORD_EVENT)
            check_receipt(s, &s->history[i]);
    for (size_t i = 0; i < s->post_count; i++)
        if (s->posts[i].ever_acked && !in_history(s, s->posts[i].event))
            world_broken(&s->world, "nothing acknowledged is lost", "%s", s->posts[i].event->id);
    for (size_t i = 0; i < s->event_count; i++)
        check_once(s, &s->events[i]);
    uint64_t used, size;
    journal_room(s->node.journal, &used, &size);
    uint64_t stored = s->node.journal_store->used(s->node.journal_store);
    if (used != stored)
        world_broken(&s->world, "credits return", "%llu bytes promised, %llu used",
                     (unsigned long long)used, (unsigned long long)stored);
    if (atomic_load(&s->node.budget.used) != 0)
        world_broken(&s->world, "credits return", "strangers still hold %lld bytes",
                     (long long)atomic_load(&s->node.budget.used));
}

void oracle_close(struct sim *s) {
    for (size_t i = 0; i < s->history_count; i++)
        free((void *)(uintptr_t)s->history[i].payload.p);
    free(s->history);
    free(s->distances);
    sites_close(s);
    map_drop(&s->deaths);
}
