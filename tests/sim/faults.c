// SPDX-License-Identifier: MIT
#include "sim.h"

// Operations of the memory store are replaced in place by ones that may fail first.
struct sim *sim_now;
static struct store real; // the operations as they were

static result broken_store(void) {
    struct sim *s = sim_now;
    if (s->calm || !s->trouble.store)
        return OK;
    if (s->world.mono_us < s->full_until_us)
        return PLACE(FULL, "simulated: disk full for a while");
    if (!world_chance(&s->world, 60))
        return OK;
    switch (world_below(&s->world, 4)) {
    case 0: return PLACE(FULL, "simulated: disk full");
    case 1: return PLACE(BUSY, "simulated: locked");
    case 2: return PLACE(MEMORY, "simulated: no memory");
    default: return PLACE(IO, "simulated: I/O error");
    }
}

// A process that is to die here writes nothing more.
static result dying(void) {
    NEED(!sim_now->die, IO, "simulated: the process is gone");
    return OK;
}

static result begin(struct store *s) {
    TRY(dying());
    TRY(broken_store());
    return real.begin(s);
}

static result commit(struct store *s) {
    result broken = dying();
    if (broken == OK)
        broken = broken_store();
    // Where the ring is small, what was told too early costs a segment soon.
    bool often = sim_now->trouble.narrow && sim_now->trouble.store && !sim_now->calm;
    if (broken == OK && often && world_chance(&sim_now->world, 3))
        broken = PLACE(FULL, "simulated: disk full at the commit");
    if (broken == OK)
        return real.commit(s);
    real.rollback(s);
    return broken;
}

static result delivery_insert(struct store *s, const struct delivery_row *row) {
    TRY(broken_store());
    oracle_priority(sim_now, s, row);
    return real.delivery_insert(s, row);
}

static bool is_held(struct store *s, uint32_t destination) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct destination_row *rows = NULL;
    size_t n = 0;
    result got = real.destinations(s, &a, &rows, &n);
    for (size_t i = 0; got == OK && i < n; i++)
        if (rows[i].number == destination)
            return rows[i].held;
    return false;
}

static result due(struct store *s, uint32_t destination, int64_t now_ms, size_t max,
                  size_t max_bytes, bool (*skip)(void *, uint64_t), void *ctx,
                  struct priority_turns *turns, struct arena *a, struct due_row **out, size_t *n) {
    if (is_held(s, destination))
        world_broken(&sim_now->world, "a hold holds", "destination %u was served", destination);
    TRY(broken_store());
    TRY(real.due(s, destination, now_ms, max, max_bytes, skip, ctx, turns, a, out, n));
    oracle_handed(sim_now, s, &(struct due_asked){destination, now_ms, skip, ctx}, *out, *n);
    return OK;
}

// What booking reads again after a rollback fails more often, so that failures follow each other.
static result broken_again(void) {
    struct sim *s = sim_now;
    if (s->calm || !s->trouble.store || !s->node.booking || !world_chance(&s->world, 3))
        return OK;
    return PLACE(IO, "simulated: I/O error while reading");
}

static result state_get(struct store *s, struct store_state *out) {
    TRY(broken_again());
    return real.state_get(s, out);
}

static result plan_get(struct store *s, uint64_t generation, struct arena *a, bytes *json) {
    TRY(broken_again());
    return real.plan_get(s, generation, a, json);
}

static result (*insert_event)(struct store *s, const struct event_row *row);

static result event_insert(struct store *s, const struct event_row *row) {
    if (bytes_starts(row->id, B("evt_poison")))
        FAIL(INVALID, "simulated: a record that cannot be booked");
    if (bytes_starts(row->id, B("evt_killer"))) {
        sim_now->die = true;
        FAIL(IO, "simulated: the process dies here");
    }
    return insert_event(s, row);
}

void faults_poison(struct store *s) {
    insert_event = s->event_insert;
    s->event_insert = event_insert;
}

void faults_arm(struct sim *s) {
    struct store *books = s->node.books;
    faults_poison(books);
    real = *books;
    books->begin = begin;
    books->commit = commit;
    books->delivery_insert = delivery_insert;
    books->due = due;
    books->state_get = state_get;
    books->plan_get = plan_get;
}
