// SPDX-License-Identifier: MIT
#include "ledger/reader_site.h"

#include <stdlib.h>

#include "base/memory.h"
#include "ledger/sqlite_links.h"

#define MEMORY_MAX (256u << 20)
#define CHAIN_MAX 32
#define ABOVE_MAX 1000 // objects looked at for what contradicts
#define SAYINGS_MAX 20
#define BELOW_LOOKED 500 // objects looked at for the one that taught what is above it

static result read_plan(struct site_reading *s) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    TRY(reader_prepare(s->reader,
                       "SELECT plan.json, plan.generation FROM state JOIN plan ON plan.generation ="
                       " state.generation",
                       &q));
    TRY(reader_step(q, &row));
    if (row)
        TRY(plan_read(sqlite_bytes(q, 0), (uint64_t)sqlite3_column_int64(q, 1), &s->plan));
    return OK;
}

static result read_sites(struct site_reading *s) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(sqlite_prepare(s->reader->db, "SELECT {site} FROM site ORDER BY number", &q));
    for (bool row = false;;) {
        TRY(reader_step(q, &row));
        if (!row)
            return OK;
        s->sites = memory_grow(s->sites, s->site_count + 1, sizeof *s->sites);
        TRY(sqlite_row(q, 0, &shape_site, &s->memory, &s->sites[s->site_count]));
        s->site_count++;
    }
}

bytes site_named(const struct site_reading *s, int64_t number) {
    for (size_t i = 0; i < s->site_count; i++)
        if (s->sites[i].number == number)
            return s->sites[i].name;
    return NO_BYTES;
}

static size_t world_site(void *ctx, int64_t number) {
    const struct site_reading *s = ctx;
    bytes name = site_named(s, number);
    return s->plan == NULL || name.n == 0 ? SIZE_MAX : plan_site_find(s->plan, name);
}

static result world_node(void *ctx, uint64_t number, struct site_node **out) {
    return site_node_read(ctx, number, out);
}

result site_reading_open(struct reader *r, struct site_reading *s) {
    *s = (struct site_reading){.reader = r};
    arena_init(&s->memory, MEMORY_MAX);
    s->world = (struct site_world){.node = world_node, .site = world_site, .ctx = s};
    TRY(read_plan(s));
    TRY(read_sites(s));
    if (s->plan != NULL)
        s->claims = site_claims_open(s->plan);
    return sqlite_prepare(r->db, "SELECT {object} FROM object WHERE number = ?1", &s->object);
}

void site_reading_close(struct site_reading *s) {
    sqlite_statement_drop(&s->object);
    map_drop(&s->nodes);
    site_claims_close(s->claims);
    plan_free(s->plan);
    free(s->sites);
    arena_drop(&s->memory);
}

static void claimed_by(void *ctx, size_t site) {}

result site_node_read(struct site_reading *s, uint64_t number, struct site_node **out) {
    bytes key = bytes_from(&number, sizeof number);
    *out = map_get(&s->nodes, key);
    if (*out != NULL)
        return OK;
    struct site_object *o = arena_take(&s->memory, sizeof *o);
    struct site_node *n = arena_take(&s->memory, sizeof *n);
    NEED(o != NULL && n != NULL, MEMORY, "more objects are asked for than a query may hold");
    bool row = false;
    sqlite3_reset(s->object);
    sqlite3_bind_int64(s->object, 1, (int64_t)number);
    TRY(reader_step(s->object, &row));
    NEED(row, ABSENT, "there is no such object");
    TRY(sqlite_row(s->object, 0, &shape_object, &s->memory, o));
    size_t own = o->assigned == SITE_NONE ? SIZE_MAX : world_site(s, o->assigned);
    if (own == SIZE_MAX && s->claims != NULL)
        own = site_claimed(s->claims, o, claimed_by, NULL);
    site_node_init(n, o, own);
    map_put(&s->nodes, key, n);
    *out = n;
    return OK;
}

void site_add_object(const struct site_object *o, struct text *out) {
    text_addf(out, "\"number\":%llu,\"id\":", (unsigned long long)o->number);
    text_add_json(out, site_key_id(o->key));
    text_adds(out, ",\"type\":");
    text_add_json(out, o->type);
}

static void add_name(const struct site_reading *s, size_t site, struct text *out) {
    if (site == SIZE_MAX)
        text_adds(out, "null");
    else
        text_add_json(out, s->plan->sites[site].name);
}

result site_add_found(struct site_reading *s, uint64_t number, struct text *out) {
    struct site_node *n;
    size_t site;
    TRY(site_node_read(s, number, &n));
    TRY(site_of(&s->world, n, &site));
    site_add_object(n->object, out);
    text_adds(out, ",\"site\":");
    add_name(s, site, out);
    return OK;
}

// The first object below that knows the site; 0 if none of those looked at does.
static result taught_from_below(struct site_reading *s, const struct site_object *o,
                                uint64_t *from) {
    uint64_t *below;
    size_t count;
    *from = 0;
    TRY(links_below_read(s->reader->db, o->number, BELOW_LOOKED, &s->memory, &below, &count));
    for (size_t i = 0; i < count && i < BELOW_LOOKED; i++) {
        struct site_node *n;
        TRY(site_node_read(s, below[i], &n));
        if (site_join(n->object->evidence, n->object->below) != o->below)
            continue;
        *from = below[i];
        return OK;
    }
    return OK;
}

static void add_step(const struct site_reading *s, const struct site_node *n, size_t site,
                     enum site_reason why, struct text *out) {
    text_adds(out, bytes_ends(text_bytes(out), B("[")) ? "{" : ",{");
    site_add_object(n->object, out);
    text_addf(out, ",\"why\":\"%s\",\"claim\":", site_reason_name(why));
    OWN(text_drop)
    struct text words = {0};
    if (why == SITE_CLAIMED)
        site_claimed_words(s->claims, n->object, site, &words);
    text_add_json(out, text_bytes(&words));
    text_addc(out, '}');
}

result site_add_chain(struct site_reading *s, uint64_t number, struct text *out) {
    uint64_t seen[CHAIN_MAX];
    text_addc(out, '[');
    for (size_t i = 0; i < CHAIN_MAX && number != 0; i++) {
        struct site_node *n;
        size_t site;
        enum site_reason why;
        uint64_t from;
        for (size_t k = 0; k < i; k++)
            if (seen[k] == number)
                number = 0; // what it was learnt from learnt it from here
        if (number == 0)
            break;
        seen[i] = number;
        TRY(site_node_read(s, number, &n));
        TRY(site_of_why(&s->world, n, &site, &why, &from));
        if (site == SIZE_MAX)
            break;
        add_step(s, n, site, why, out);
        if (why == SITE_LEARNT_BELOW)
            TRY(taught_from_below(s, n->object, &from));
        number = from;
    }
    text_addc(out, ']');
    return OK;
}

struct sayings {
    struct site_reading *reading;
    const struct site_object *object;
    struct text *out;
    size_t n;
    size_t told[SAYINGS_MAX]; // sites that the object at hand has said
    size_t told_count;
};

static void add_saying(void *ctx, size_t site) {
    struct sayings *l = ctx;
    OWN(text_drop)
    struct text words = {0};
    for (size_t i = 0; i < l->told_count; i++)
        if (l->told[i] == site)
            return;
    if (l->n >= SAYINGS_MAX)
        return;
    l->told[l->told_count++] = site;
    text_adds(l->out, l->n++ > 0 ? ",{\"site\":" : "{\"site\":");
    add_name(l->reading, site, l->out);
    text_addc(l->out, ',');
    site_add_object(l->object, l->out);
    site_claimed_words(l->reading->claims, l->object, site, &words);
    if (words.n == 0)
        text_adds(&words, "assigned by hand");
    text_adds(l->out, ",\"claim\":");
    text_add_json(l->out, text_bytes(&words));
    text_addc(l->out, '}');
}

static void add_all_sayings(struct sayings *l, const struct site_object *o) {
    struct site_reading *s = l->reading;
    size_t by_hand = o->assigned == SITE_NONE ? SIZE_MAX : world_site(s, o->assigned);
    l->object = o;
    l->told_count = 0;
    if (by_hand != SIZE_MAX)
        add_saying(l, by_hand);
    if (s->claims != NULL)
        (void)site_claimed(s->claims, o, add_saying, l);
}

static void add_above(const struct site_object *o, uint64_t *at, size_t *n) {
    uint64_t above;
    for (bytes rest = o->above; site_numbers_next(&rest, &above) && *n < ABOVE_MAX;) {
        bool known = false;
        for (size_t k = 0; k < *n; k++)
            known = known || at[k] == above;
        if (!known)
            at[(*n)++] = above;
    }
}

// Of the object and all above it, nearest first.
result site_add_sayings(struct site_reading *s, uint64_t number, struct text *out) {
    uint64_t at[ABOVE_MAX] = {number};
    struct sayings l = {.reading = s, .out = out};
    text_addc(out, '[');
    for (size_t i = 0, n = 1; i < n; i++) {
        struct site_node *node;
        TRY(site_node_read(s, at[i], &node));
        add_all_sayings(&l, node->object);
        add_above(node->object, at, &n);
    }
    text_addc(out, ']');
    return OK;
}
