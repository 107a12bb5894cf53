// SPDX-License-Identifier: MIT
#include "moods.h"

#include <string.h>

#include "base/ensure.h"
#include "sim.h"

#define TURN_MAX_US 20000000
#define FAILURES_IN_A_ROW 8
#define PROBE_FIRST_US 1000000
#define PROBE_MAX_US 60000000

static const char *const lies[] = {
    "", "7", "-5", "soon", "99999999999999999999", "Wed, 21 Oct 2015 07:28:00 GMT", "86400"};

static void draw(struct sim *s, struct watch *w) {
    if (!s->trouble.moods)
        return;
    w->mood = (enum mood)world_below(&s->world, MOODS);
    w->ceiling = 1 + (uint32_t)world_below(&s->world, 4);
    w->dead_from_us = (int64_t)world_below(&s->world, 60000000);
    world_say(&s->world, "%s has mood %d", w->name, (int)w->mood);
}

static struct watch *watch_of(struct sim *s, bytes name) {
    size_t i = 0;
    while (i < s->watch_count && !bytes_equal(bytes_of(s->watches[i].name), name))
        i++;
    struct watch *w = &s->watches[i];
    if (i == s->watch_count) {
        ensure(++s->watch_count <= WATCHES_MAX && name.n < sizeof w->name);
        memcpy(w->name, name.p, name.n);
        draw(s, w);
    }
    // What a restart forgets, or another plan, or one that is read again asks anew.
    if (w->life != s->node.lives || w->targeted != s->node.targeted) {
        w->blind = w->life == s->node.lives || bytes_starts(name, B("we_"));
        w->life = s->node.lives;
        w->targeted = s->node.targeted;
        w->begin_count = w->under_way = w->row = 0;
        w->open = w->probing = w->failed = false;
        w->due_us = 0;
    }
    return w;
}

static bool is_bad(struct sim *s, struct watch *w) {
    int64_t now = s->world.mono_us;
    if (w->mood == MOOD_DEAD)
        return now >= w->dead_from_us && now < w->dead_from_us + DAY_US;
    if (s->calm || (w->mood != MOOD_STALLS && w->mood != MOOD_FLAPS))
        return false;
    while (now >= w->turns_us) {
        w->bad = !w->bad;
        w->turns_us += 1 + (int64_t)world_below(&s->world, TURN_MAX_US);
    }
    return w->bad;
}

static bool sheds(struct sim *s, struct watch *w) {
    int64_t second = s->world.mono_us / 1000000;
    w->taken = second == w->second ? w->taken + 1 : 1;
    w->second = second;
    return w->mood == MOOD_SHEDS && w->taken > w->ceiling;
}

bool moods_fate(struct sim *s, bytes destination, bool *arrives, bool *answers, int *status,
                const char **retry_after) {
    struct watch *w = watch_of(s, destination);
    if (sheds(s, w)) {
        *status = 429;
        if (!s->calm)
            *retry_after = lies[world_below(&s->world, sizeof lies / sizeof *lies)];
        return true;
    }
    if (!is_bad(s, w))
        return false;
    *status = 500;
    *arrives = w->mood != MOOD_DEAD;
    *answers = w->mood == MOOD_FLAPS;
    return true;
}

// In any t seconds at most rate × (t + 0.1) + 1.
static void check_rate(struct sim *s, struct watch *w) {
    uint32_t rate = plan_rate(bytes_of(w->name));
    int64_t now = s->world.mono_us;
    if (rate == 0 || w->begin_count == WATCHED_BEGINS_MAX)
        return;
    w->begins[w->begin_count++] = now;
    for (uint32_t i = 0; i < w->begin_count; i++) {
        double t = (double)(now - w->begins[i]) / 1e6;
        if (w->begin_count - i > rate * (t + 0.1) + 1.001)
            world_broken(&s->world, "a destination gets no more than its rate", "%s: %u in %.3f s",
                         w->name, w->begin_count - i, t);
    }
}

void moods_begins(struct sim *s, bytes destination) {
    struct watch *w = watch_of(s, destination);
    w->due_us = 0;
    w->under_way++;
    check_rate(s, w);
    if (!w->open || w->blind)
        return;
    if (w->probing || s->world.mono_us < w->next_us)
        world_broken(&s->world, "an open breaker sends only probes", "%s: %s", w->name,
                     w->probing ? "a second one" : "one too soon");
    w->probing = true;
}

void moods_heard(struct sim *s, bytes destination, int64_t began_us, int status) {
    struct watch *w = watch_of(s, destination);
    int64_t now = s->world.mono_us;
    w->under_way -= w->under_way > 0;
    world_say(&s->world, "heard %d of %s, begun at %.3f", status, w->name, (double)began_us / 1e6);
    w->failed = w->failed || status == 0 || status > 299;
    if (status != 0 && status < 500) {
        w->row = 0;
        w->open = w->probing = false;
        w->blind = bytes_starts(destination, B("we_")); // they come and go
    } else if (!w->open && ++w->row >= FAILURES_IN_A_ROW) {
        w->open = true;
        w->probing = false;
        w->wait_us = PROBE_FIRST_US;
        w->next_us = now + w->wait_us;
    } else if (w->probing && began_us >= w->next_us) {
        w->probing = false;
        w->row = 0;
        w->wait_us = 2 * w->wait_us < PROBE_MAX_US ? 2 * w->wait_us : PROBE_MAX_US;
        w->next_us = now + w->wait_us;
    }
}

static void check_due(struct sim *s, const struct destination_row *d) {
    struct watch *w = watch_of(s, d->name);
    int64_t now = s->world.mono_us, next = INT64_MAX;
    struct store *books = s->node.books;
    bool well = (s->calm || s->only_moods) && !is_bad(s, w);
    bool due = books->next_due(books, d->number, NULL, NULL, &next) == OK &&
               next <= s->world.clock.wall_ms(&s->world.clock);
    if (!d->present || d->held || !well || !due || w->under_way > 0) {
        w->due_us = 0;
        return;
    }
    if (w->due_us == 0)
        w->due_us = now;
    if (now - w->due_us > LATE_US)
        world_broken(&s->world, "what is due comes in time", "%s waits since %lld s", w->name,
                     (long long)((now - w->due_us) / 1000000));
    if (s->only_moods && !w->failed && now - w->due_us > FAIR_US)
        world_broken(&s->world, "a destination waits for no other", "%s waits since %lld s",
                     w->name, (long long)((now - w->due_us) / 1000000));
}

void moods_step(struct sim *s) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct destination_row *rows = NULL;
    size_t n = 0;
    if (!s->node.up || (!s->calm && !s->only_moods) ||
        s->node.books->destinations(s->node.books, &a, &rows, &n) != OK)
        return;
    for (size_t i = 0; i < n; i++)
        if (plan_is_http(rows[i].name))
            check_due(s, &rows[i]);
}
