// SPDX-License-Identifier: MIT
#include "ledger/serve.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"

#define TAKE_MEMORY_MAX (96u << 20)
#define DESTINATIONS_MEMORY_MAX (16u << 20)
#define RETRY_STORE_US 200000
// A wait is never longer than this, since the wall clock may be set forward meanwhile.
#define LOOK_AGAIN_US 60000000

// An open take and when its destination has something due.
struct waiter {
    struct list link;
    struct take *take;
    uint32_t destination;
    int64_t due_us; // monotonic; when to look again
};

struct serve {
    struct store *store;
    struct clock *clock;
    struct list waiters;
    struct map taken; // delivery number -> its destination's
    bool destinations_changed;
    struct arena rows_memory;
    struct destination_row *rows;
    size_t row_count;
    int64_t base_ms, base_us;
    uint64_t recalls;             // as of this step
    struct priority_turns *turns; // by a destination's number
    size_t turn_count;
};

struct serve *serve_open(struct store *s, struct clock *c) {
    struct serve *v = NEW(struct serve);
    v->store = s;
    v->clock = c;
    v->destinations_changed = true;
    list_init(&v->waiters);
    arena_init(&v->rows_memory, DESTINATIONS_MEMORY_MAX);
    return v;
}

static void answer(struct waiter *w, result failed) {
    list_remove(&w->link);
    w->take->failed = failed;
    mailbox_post(w->take->reply, &w->take->mail);
    free(w);
}

void serve_close(struct serve *v) {
    if (v == NULL)
        return;
    LIST_EACH_SAFE(it, &v->waiters)
    answer(CONTAINER(it, struct waiter, link), PLACE(CLOSED, "the ledger is closing"));
    map_drop(&v->taken);
    free(v->turns);
    arena_drop(&v->rows_memory);
    free(v);
}

static bytes delivery_key(const uint64_t *delivery) {
    return bytes_from(delivery, sizeof *delivery);
}

static bool is_taken(void *ctx, uint64_t delivery) {
    const struct serve *v = ctx;
    return map_get(&v->taken, delivery_key(&delivery)) != NULL;
}

static int64_t book_now_ms(const struct serve *v) {
    int64_t wall = clock_wall_ms(v->clock);
    int64_t books = v->base_ms + (clock_mono_us(v->clock) - v->base_us) / 1000;
    return wall > books ? wall : books;
}

void serve_rebase(struct serve *v, int64_t time_ms) {
    if (time_ms <= book_now_ms(v))
        return;
    v->base_ms = time_ms;
    v->base_us = clock_mono_us(v->clock);
}

void serve_add(struct serve *v, struct take *t) {
    t->jobs = NULL;
    t->count = 0;
    t->failed = OK;
    struct waiter *w = NEW(struct waiter);
    w->take = t;
    LIST_EACH(it, &v->waiters)
    if (bytes_equal(CONTAINER(it, struct waiter, link)->take->destination, t->destination)) {
        list_push(&v->waiters, &w->link);
        answer(w, PLACE(EXISTS, "this destination has an open take already"));
        return;
    }
    list_push(&v->waiters, &w->link);
}

static void look_now(struct serve *v, uint32_t destination) {
    LIST_EACH(it, &v->waiters) {
        struct waiter *w = CONTAINER(it, struct waiter, link);
        if (w->destination == destination || w->destination == 0)
            w->due_us = 0;
    }
}

void serve_touch(struct serve *v, uint32_t destination) {
    v->destinations_changed = true;
    look_now(v, destination);
}

void serve_give_back(struct serve *v, uint64_t delivery) {
    uint32_t destination = (uint32_t)(uintptr_t)map_remove(&v->taken, delivery_key(&delivery));
    if (destination != 0)
        look_now(v, destination);
}

static result load_destinations(struct serve *v) {
    if (!v->destinations_changed)
        return OK;
    arena_drop(&v->rows_memory);
    v->row_count = 0;
    TRY(v->store->destinations(v->store, &v->rows_memory, &v->rows, &v->row_count));
    v->destinations_changed = false;
    return OK;
}

static const struct destination_row *find_destination(const struct serve *v, bytes name) {
    for (size_t i = 0; i < v->row_count; i++)
        if (bytes_equal(v->rows[i].name, name))
            return &v->rows[i];
    return NULL;
}

// Whose event it is, for Stripe-Account: the connected account's, else the owner's if he is one.
static bytes account_of(const struct due_row *row) {
    bool owner = row->account.n == 0 && bytes_starts(row->owner, B("acct_"));
    return owner ? row->owner : row->account;
}

// Turns the rows into jobs; from here on they are taken.
static void hand_out(struct serve *v, struct take *t, const struct due_row *rows, size_t n) {
    t->jobs = arena_take(&t->memory, n * sizeof *t->jobs);
    if (t->jobs == NULL)
        return;
    for (size_t i = 0; i < n; i++) {
        const struct delivery_row *d = &rows[i].delivery;
        t->jobs[i] = (struct job){
            .delivery = d->seq,
            .attempt = d->attempts + 1,
            .event_id = rows[i].event_id,
            .type = rows[i].type,
            .account = account_of(&rows[i]),
            .site = rows[i].site,
            .livemode = rows[i].livemode,
            .replay = d->replay,
            .body = rows[i].body,
        };
        map_put(&v->taken, delivery_key(&d->seq), (void *)(uintptr_t)d->destination);
    }
    t->count = n;
    t->recalls = v->recalls;
}

static result look_again(struct serve *v, struct waiter *w, int64_t now_ms) {
    int64_t next = INT64_MAX;
    TRY(v->store->next_due(v->store, w->destination, is_taken, v, &next));
    int64_t wait_us = LOOK_AGAIN_US;
    if (next != INT64_MAX && (next - now_ms) * 1000 < wait_us)
        wait_us = next <= now_ms ? 0 : (next - now_ms) * 1000;
    w->due_us = next == INT64_MAX ? INT64_MAX : clock_mono_us(v->clock) + wait_us;
    return OK;
}

// Whose turn it is at a destination. Nothing of it is kept over a restart: it decides what is
// handed out first, not what.
static struct priority_turns *turns_of(struct serve *v, uint32_t destination) {
    if (destination >= v->turn_count) {
        size_t n = (size_t)destination * 2;
        v->turns = memory_grow(v->turns, n, sizeof *v->turns);
        memset(&v->turns[v->turn_count], 0, (n - v->turn_count) * sizeof *v->turns);
        v->turn_count = n;
    }
    return &v->turns[destination];
}

static result serve_one(struct serve *v, struct waiter *w, bool *answered) {
    struct take *t = w->take;
    const struct destination_row *d = find_destination(v, t->destination);
    if (d == NULL || !d->present) {
        *answered = true;
        answer(w, PLACE(ABSENT, "the plan in force has no such destination"));
        return OK;
    }
    w->destination = d->number;
    if (d->held) {
        w->due_us = INT64_MAX;
        return OK;
    }
    int64_t now_ms = book_now_ms(v);
    arena_drop(&t->memory);
    arena_init(&t->memory, TAKE_MEMORY_MAX);
    struct due_row *rows = NULL;
    size_t n = 0;
    TRY(v->store->due(v->store, d->number, now_ms, t->max, t->max_bytes, is_taken, v,
                      turns_of(v, d->number), &t->memory, &rows, &n));
    if (n == 0)
        return look_again(v, w, now_ms);
    hand_out(v, t, rows, n);
    *answered = true;
    answer(w, t->count > 0 ? OK : PLACE(MEMORY, "the jobs do not fit a take's memory"));
    return OK;
}

bool serve_step(struct serve *v, uint64_t recalls) {
    v->recalls = recalls;
    int64_t now = clock_mono_us(v->clock);
    bool any = false;
    if (list_empty(&v->waiters))
        return false;
    result loaded = load_destinations(v);
    LIST_EACH_SAFE(it, &v->waiters) {
        struct waiter *w = CONTAINER(it, struct waiter, link);
        if (w->due_us > now)
            continue;
        result served = loaded != OK ? loaded : serve_one(v, w, &any);
        if (served != OK) // the store cannot be read now
            w->due_us = now + RETRY_STORE_US;
    }
    return any;
}

bool serve_is_busy(const struct serve *v) { return !list_empty(&v->waiters) || v->taken.n > 0; }

int64_t serve_due_us(const struct serve *v) {
    int64_t due = INT64_MAX;
    LIST_EACH(it, &v->waiters) {
        const struct waiter *w = CONTAINER(it, struct waiter, link);
        if (w->due_us < due)
            due = w->due_us;
    }
    return due;
}
