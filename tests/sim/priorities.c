// SPDX-License-Identifier: MIT
// What of a queue goes first, told from what the ledger hands out and what it leaves, by the prose
// of rules/priority.h:
// - a delivery's priority is what the plan says of its event's type;
// - what is urgent goes first: of high, at most 2 others go by, of one priority the oldest goes;
// - nothing starves: normal goes after 10 others at the latest, low after 40.
#include <string.h>

#include "sim.h"

#define DESTINATIONS_SEEN 128
#define OPEN_MAX 4096

// Others that went by since it could have gone, in this life of the gateway.
static struct { uint32_t life, by[PRIORITIES]; } went[DESTINATIONS_SEEN];
static const struct sim *seen_of;

static const uint32_t most[PRIORITIES] = {
    [PRIORITY_NORMAL] = 10, [PRIORITY_HIGH] = 2, [PRIORITY_LOW] = 40};

static bytes name_of(struct store *s, uint32_t number, struct arena *a) {
    struct destination_row *rows = NULL;
    size_t n = 0;
    if (s->destinations(s, a, &rows, &n) != OK)
        return NO_BYTES;
    for (size_t i = 0; i < n; i++)
        if (rows[i].number == number)
            return rows[i].name;
    return NO_BYTES;
}

void oracle_priority(struct sim *s, struct store *books, const struct delivery_row *row) {
    OWN(arena_drop)
    struct arena a;
    struct event_row e;
    arena_init(&a, 4 << 20);
    if (books->event_get(books, row->event_seq, &a, &e) != OK)
        return;
    bytes to = name_of(books, row->destination, &a);
    const char *want = plan_priority(to, e.type);
    if (!delivery_state_open(row->state) || strcmp(want, priority_name(row->priority)) == 0)
        return;
    world_broken(&s->world, "a priority is its type's", "%.*s of %.*s is %s, not %s",
                 BYTES_ARG(e.type), BYTES_ARG(to), priority_name(row->priority), want);
}

// The oldest of a priority that could go now; null: there is none.
static const struct delivery_row *oldest(const struct delivery_row *open, size_t n,
                                         enum priority p) {
    const struct delivery_row *found = NULL;
    for (size_t i = 0; i < n; i++)
        if (open[i].seq != 0 && open[i].priority == p &&
            (found == NULL || open[i].next_at < found->next_at))
            found = &open[i]; // they stand by seq
    return found;
}

static void goes(struct sim *s, uint32_t destination, struct delivery_row *open, size_t n,
                 const struct delivery_row *gone) {
    uint32_t *by = went[destination].by;
    const struct delivery_row *first = oldest(open, n, gone->priority);
    if (first == NULL || first->seq != gone->seq)
        world_broken(&s->world, "what is urgent goes first", "%llu went before one as urgent",
                     (unsigned long long)gone->seq);
    for (int p = 0; p < PRIORITIES; p++) {
        bool waits = p != (int)gone->priority && oldest(open, n, (enum priority)p) != NULL;
        by[p] = waits ? by[p] + 1 : 0;
        if (by[p] > most[p])
            world_broken(&s->world,
                         p == PRIORITY_HIGH ? "what is urgent goes first" : "nothing starves",
                         "%u others went by what is %s", by[p], priority_name((enum priority)p));
    }
    for (size_t i = 0; i < n; i++)
        if (open[i].seq == gone->seq)
            open[i].seq = 0;
}

void oracle_handed(struct sim *s, struct store *books, const struct due_asked *q,
                   const struct due_row *rows, size_t n) {
    OWN(arena_drop)
    struct arena a;
    struct delivery_row *open = NULL;
    size_t count = 0, kept = 0;
    arena_init(&a, 64 << 20);
    if (seen_of != s)
        memset(went, 0, sizeof went);
    seen_of = s;
    if (q->destination >= DESTINATIONS_SEEN)
        return;
    if (went[q->destination].life != s->node.lives)
        memset(&went[q->destination], 0, sizeof went[0]);
    went[q->destination].life = s->node.lives;
    if (books->deliveries_open(books, q->destination, 0, OPEN_MAX, &a, &open, &count) != OK)
        return;
    for (size_t i = 0; i < count; i++)
        if (open[i].next_at <= q->now_ms && !q->skip(q->ctx, open[i].seq))
            open[kept++] = open[i];
    for (size_t i = 0; i < n; i++)
        goes(s, q->destination, open, kept, &rows[i].delivery);
}
