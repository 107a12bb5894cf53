// SPDX-License-Identifier: MIT
// The generated life of one of Stripe's objects, in the order in which it happened: a creation,
// changes, several of them in one second, there and back, events that say nothing of before, a
// deletion, perhaps another creation. Each event has the object as it was then and, if it is an
// update, the old values of what has changed, as Stripe writes them. Ids do not tell the order.
#ifndef TESTS_UNIT_OBJECT_HISTORY_H
#define TESTS_UNIT_OBJECT_HISTORY_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"

enum life_field {
    LIFE_NAME,     // null, or one of two
    LIFE_BALANCE,  // a number
    LIFE_META_A,   // absent, or one of two
    LIFE_META_B,   // the same
    LIFE_SHIPPING, // null, or a map of the next two
    LIFE_CITY,
    LIFE_PHONE,
    LIFE_ITEMS, // a list of none, one or two
    LIFE_FIELDS
};

static const int life_values[LIFE_FIELDS] = {3, 4, 3, 3, 2, 2, 2, 3};

struct life_state {
    int v[LIFE_FIELDS];
};

enum life_kind { LIFE_CREATED, LIFE_UPDATED, LIFE_TOLD, LIFE_DELETED };

struct life_event {
    char id[24];
    enum life_kind kind; // LIFE_TOLD: it says nothing of before
    long second;
    struct life_state state;
    char *object;   // without the members that are the same all its life, and without braces
    char *previous; // data.previous_attributes; null: none
};

struct life {
    struct life_event *at;
    size_t n, cap;
    uint64_t seed;
    long second;
    struct life_state state;
    size_t prints;
    bool doubled; // one change is told by two events
};

static inline void life_drop(struct life *l) {
    for (size_t i = 0; i < l->n; i++) {
        free(l->at[i].object);
        free(l->at[i].previous);
    }
    free(l->at);
}

static inline void life_metadata(struct text *t, const struct life_state *s) {
    text_adds(t, "\"metadata\":{");
    if (s->v[LIFE_META_A] > 0)
        text_addf(t, "\"a\":\"%d\"%s", s->v[LIFE_META_A], s->v[LIFE_META_B] > 0 ? "," : "");
    if (s->v[LIFE_META_B] > 0)
        text_addf(t, "\"b\":\"%d\"", s->v[LIFE_META_B]);
    text_addc(t, '}');
}

static inline void life_shipping(struct text *t, const struct life_state *s) {
    if (s->v[LIFE_SHIPPING] == 0)
        text_adds(t, "\"shipping\":null");
    else
        text_addf(t,
                  "\"shipping\":{\"address\":{\"city\":\"City %d\",\"line1\":\"1 Elm\"},"
                  "\"phone\":\"%d\"}",
                  s->v[LIFE_CITY], s->v[LIFE_PHONE]);
}

static inline void life_items(struct text *t, const struct life_state *s) {
    text_adds(t, "\"items\":{\"object\":\"list\",\"data\":[");
    for (int i = 0; i < s->v[LIFE_ITEMS]; i++)
        text_addf(t, "%s{\"id\":\"si_%d\",\"object\":\"subscription_item\",\"quantity\":%d}",
                  i > 0 ? "," : "", i, s->v[LIFE_ITEMS]);
    text_adds(t, "],\"has_more\":false}");
}

static inline void life_name(struct text *t, const struct life_state *s) {
    text_adds(t, s->v[LIFE_NAME] == 0   ? "\"name\":null"
                 : s->v[LIFE_NAME] == 1 ? "\"name\":\"Ada\""
                                        : "\"name\":\"Bob\"");
}

// A link to a page of Stripe's is another each time.
static inline char *life_object(struct life *l, const struct life_state *s) {
    struct text t = {0};
    life_name(&t, s);
    text_addf(&t, ",\"balance\":%d,", s->v[LIFE_BALANCE]);
    life_metadata(&t, s);
    text_addc(&t, ',');
    life_shipping(&t, s);
    text_addc(&t, ',');
    life_items(&t, s);
    text_addf(&t, ",\"url\":\"https://pay.stripe.com/%zu\"", l->prints++);
    return text_give(&t);
}

static inline void life_comma(struct text *t) {
    if (t->p[t->n - 1] != '{')
        text_addc(t, ',');
}

static inline void life_old_metadata(struct text *t, const struct life_state *was,
                                     const struct life_state *is) {
    if (was->v[LIFE_META_A] == is->v[LIFE_META_A] && was->v[LIFE_META_B] == is->v[LIFE_META_B])
        return;
    life_comma(t);
    text_adds(t, "\"metadata\":{");
    for (int f = LIFE_META_A; f <= LIFE_META_B; f++) {
        if (was->v[f] == is->v[f])
            continue;
        life_comma(t);
        text_addf(t, was->v[f] == 0 ? "\"%c\":null" : "\"%c\":\"%d\"", f == LIFE_META_A ? 'a' : 'b',
                  was->v[f]);
    }
    text_addc(t, '}');
}

static inline void life_old_shipping(struct text *t, const struct life_state *was,
                                     const struct life_state *is) {
    bool there = was->v[LIFE_SHIPPING] != 0 && is->v[LIFE_SHIPPING] != 0;
    bool city = there && was->v[LIFE_CITY] != is->v[LIFE_CITY];
    bool phone = there && was->v[LIFE_PHONE] != is->v[LIFE_PHONE];
    if (was->v[LIFE_SHIPPING] != is->v[LIFE_SHIPPING]) {
        life_comma(t);
        life_shipping(t, was);
    } else if (city || phone) {
        life_comma(t);
        text_adds(t, "\"shipping\":{");
        if (city)
            text_addf(t, "\"address\":{\"city\":\"City %d\"}", was->v[LIFE_CITY]);
        if (city && phone)
            text_addc(t, ',');
        if (phone)
            text_addf(t, "\"phone\":\"%d\"", was->v[LIFE_PHONE]);
        text_addc(t, '}');
    }
}

static inline char *life_previous(const struct life_state *was, const struct life_state *is) {
    struct text t = {0};
    text_addc(&t, '{');
    if (was->v[LIFE_NAME] != is->v[LIFE_NAME])
        life_name(&t, was);
    if (was->v[LIFE_BALANCE] != is->v[LIFE_BALANCE]) {
        life_comma(&t);
        text_addf(&t, "\"balance\":%d", was->v[LIFE_BALANCE]);
    }
    life_old_metadata(&t, was, is);
    life_old_shipping(&t, was, is);
    if (was->v[LIFE_ITEMS] != is->v[LIFE_ITEMS]) {
        struct text list = {0};
        life_comma(&t);
        life_items(&list, was);
        // Of the list's own members only `data` has changed.
        bytes all = text_bytes(&list);
        size_t data = bytes_search(all, B("\"data\":")),
               end = bytes_search(all, B(",\"has_more\""));
        text_adds(&t, "\"items\":{");
        text_add(&t, bytes_slice(all, data, end));
        text_addc(&t, '}');
        text_drop(&list);
    }
    text_addc(&t, '}');
    return text_give(&t);
}

static inline struct life_event *life_add(struct life *l, enum life_kind kind) {
    if (l->n == l->cap) {
        l->cap = l->cap > 0 ? 2 * l->cap : 32;
        l->at = memory_grow(l->at, l->cap, sizeof *l->at);
    }
    struct life_event *e = &l->at[l->n++];
    *e = (struct life_event){.kind = kind, .second = l->second, .state = l->state};
    snprintf(e->id, sizeof e->id, "evt_%016llx", (unsigned long long)random_next(&l->seed));
    e->object = life_object(l, &l->state);
    return e;
}

static inline bool life_chance(struct life *l, unsigned percent) {
    return random_below(&l->seed, 100) < percent;
}

static inline bool life_same(const struct life_state *a, const struct life_state *b) {
    // What stands in a map that is not there is nothing.
    struct life_state x = *a, y = *b;
    if (x.v[LIFE_SHIPPING] == 0)
        x.v[LIFE_CITY] = x.v[LIFE_PHONE] = 0;
    if (y.v[LIFE_SHIPPING] == 0)
        y.v[LIFE_CITY] = y.v[LIFE_PHONE] = 0;
    return memcmp(&x, &y, sizeof x) == 0;
}

// One change; every third one takes back the one before.
static inline void life_change(struct life *l) {
    struct life_state was = l->state;
    const struct life_event *last = l->n > 1 ? &l->at[l->n - 2] : NULL;
    if (last != NULL && life_chance(l, 30))
        l->state = last->state;
    while (life_same(&l->state, &was))
        for (unsigned i = 0; i < 1 + random_below(&l->seed, 3); i++) {
            size_t f = random_below(&l->seed, LIFE_FIELDS);
            l->state.v[f] = (int)random_below(&l->seed, (uint64_t)life_values[f]);
        }
    struct life_event *e = life_add(l, LIFE_UPDATED);
    e->previous = life_previous(&was, &l->state);
}

// Stripe tells the last change by another event, too.
static inline void life_double(struct life *l) {
    struct life_event last = l->at[l->n - 1];
    struct life_event *e = life_add(l, LIFE_UPDATED);
    free(e->object);
    e->object = bytes_strdup(bytes_of(last.object));
    e->previous = bytes_strdup(bytes_of(last.previous));
    l->doubled = true;
}

// Changes of one second: one, some, or many.
static inline void life_second(struct life *l) {
    uint64_t dice = random_below(&l->seed, 1000);
    size_t n = dice < 450   ? 1
               : dice < 900 ? 2 + random_below(&l->seed, 3)
               : dice < 997 ? 5 + random_below(&l->seed, 6)
                            : 13 + random_below(&l->seed, dice < 999 ? 8 : 60);
    if (life_chance(l, 15) && (l->n == 0 || l->at[l->n - 1].second != l->second))
        life_add(l, LIFE_TOLD);
    for (size_t i = 0; i < n; i++) {
        life_change(l);
        if (life_chance(l, 10))
            life_add(l, LIFE_TOLD);
        else if (life_chance(l, 1))
            life_double(l);
    }
}

static inline void life_seconds(struct life *l, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!life_chance(l, 30) || i > 0)
            l->second += 1 + (long)random_below(&l->seed, 3);
        life_second(l);
    }
}

static inline void life_draw(struct life *l) {
    for (size_t f = 0; f < LIFE_FIELDS; f++)
        l->state.v[f] = (int)random_below(&l->seed, (uint64_t)life_values[f]);
}

// A whole life; some begin before the first event that we know, and some of those that end begin
// again, with the same id, as coupons may.
static inline void life_make(struct life *l, uint64_t seed) {
    *l = (struct life){.seed = seed, .second = 1700000000};
    life_draw(l);
    if (!life_chance(l, 20))
        life_add(l, LIFE_CREATED);
    life_seconds(l, random_below(&l->seed, 5) + (l->n == 0));
    if (!life_chance(l, 20))
        return;
    l->second += life_chance(l, 50);
    life_add(l, LIFE_DELETED);
    if (!life_chance(l, 20))
        return;
    l->second++;
    life_draw(l);
    life_add(l, LIFE_CREATED);
    life_seconds(l, random_below(&l->seed, 3));
}

#endif
