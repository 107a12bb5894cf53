// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "base/memory.h"
#include "ledger/reader_site.h"
#include "ledger/sqlite_links.h"

#define CONTRADICTIONS_COUNTED 1000
#define CONTRADICTIONS_LOOKED 20000 // that stand below another one
#define NEWEST_TYPES 10000          // unclaimed events that are told by type
#define NEWEST_OBJECTS 2000         // … and by what they belong to
#define TYPES_MAX 50
#define OBJECTS_MAX 20
#define PARTS_MAX 50 // shown of what stands above or below an object
#define CANDIDATES_MAX 100
#define CLIMB_MAX 16
#define LIST_DEFAULT 100
#define LIST_MAX 1000

// --- sites

static result add_counts(struct site_reading *s, bytes name, struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    TRY(reader_prepare(s->reader,
                       "SELECT ifnull(sum(count), 0) AS events, ifnull(min(first_at), 0) AS"
                       " first_at, ifnull(max(last_at), 0) AS last_at FROM sighting WHERE kind = ?1"
                       " AND what = ?2",
                       &q));
    sqlite3_bind_int64(q, 1, SIGHTING_SITE);
    sqlite_bind_bytes(q, 2, name);
    TRY(reader_step(q, &row));
    text_addc(out, ',');
    reader_row(q, 0, 3, out);
    return OK;
}

static void add_claims(const struct plan_site *site, struct text *out) {
    text_addf(out, ",\"late\":\"%s\",\"claims\":[", site->late_left ? "leave" : "route");
    for (size_t i = 0; i < site->claim_count; i++) {
        OWN(text_drop)
        struct text words = {0};
        site_claim_words(&site->claims[i], &words);
        text_adds(out, i > 0 ? "," : "");
        text_add_json(out, text_bytes(&words));
    }
    text_addc(out, ']');
}

static result add_site(struct site_reading *s, bytes name, const struct plan_site *site,
                       struct text *out) {
    text_adds(out, bytes_ends(text_bytes(out), B("[")) ? "{\"name\":" : ",{\"name\":");
    text_add_json(out, name);
    text_addf(out, ",\"configured\":%s", site != NULL ? "true" : "false");
    if (site != NULL)
        add_claims(site, out);
    else
        text_adds(out, ",\"late\":\"\",\"claims\":[]");
    TRY(add_counts(s, name, out));
    text_addc(out, '}');
    return OK;
}

static result add_waiting(struct site_reading *s, struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    TRY(reader_prepare(
        s->reader,
        "SELECT n AS events, ifnull((SELECT received_at FROM event WHERE seq = low), 0) AS since,"
        " ifnull((SELECT received_at FROM event WHERE seq = high), 0) AS last_at FROM (SELECT"
        " count(*) AS n, min(seq) AS low, max(seq) AS high FROM event INDEXED BY event_unclaimed"
        " WHERE site = -1)",
        &q));
    TRY(reader_step(q, &row));
    reader_row(q, 0, 3, out);
    return OK;
}

// Calls `each` for every object that contradicts itself while nothing above it does, in the order
// of `sql`, which selects their numbers; until it says stop.
static result each_contradiction(struct site_reading *s, sqlite3_stmt *q, size_t looked_max,
                                 result (*each)(void *ctx, const struct site_object *o, bool *stop),
                                 void *ctx) {
    bool row = false, stop = false;
    for (size_t looked = 0; !stop && looked < looked_max; looked++) {
        struct site_node *n, *above;
        uint64_t number;
        bool torn_above = false;
        TRY(reader_step(q, &row));
        if (!row)
            return OK;
        TRY(site_node_read(s, (uint64_t)sqlite3_column_int64(q, 0), &n));
        for (bytes rest = n->object->above; !torn_above && site_numbers_next(&rest, &number);) {
            TRY(site_node_read(s, number, &above));
            torn_above = above->object->evidence == SITE_MANY;
        }
        if (!torn_above)
            TRY(each(ctx, n->object, &stop));
    }
    return OK;
}

static result count_one(void *ctx, const struct site_object *o, bool *stop) {
    size_t *n = ctx;
    *stop = ++*n >= CONTRADICTIONS_COUNTED;
    return OK;
}

static result count_contradictions(struct site_reading *s, size_t *n) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(s->reader,
                       "SELECT number FROM object INDEXED BY object_contradicts WHERE evidence = -1"
                       " ORDER BY number",
                       &q));
    return each_contradiction(s, q, CONTRADICTIONS_LOOKED, count_one, n);
}

static result list_sites(struct site_reading *s, struct text *out) {
    size_t n = s->plan == NULL ? 0 : s->plan->site_count, contradictions = 0;
    text_adds(out, "{\"data\":[");
    for (size_t i = 0; i < n; i++)
        TRY(add_site(s, s->plan->sites[i].name, &s->plan->sites[i], out));
    for (size_t i = 0; i < s->site_count; i++)
        if (s->plan == NULL || plan_site_find(s->plan, s->sites[i].name) == SIZE_MAX)
            TRY(add_site(s, s->sites[i].name, NULL, out));
    text_adds(out, "],\"has_more\":false,\"unclaimed\":{");
    TRY(add_waiting(s, out));
    TRY(count_contradictions(s, &contradictions));
    text_addf(out, "},\"contradictions\":%zu}", contradictions);
    return reader_said(out);
}

// --- what waits

struct heap_of { // unclaimed events below one object
    uint64_t number, events;
    int64_t since;
};

// The highest of what it belongs to that sites do not share: who assigns it, claims all below.
static result climb(struct site_reading *s, uint64_t number, uint64_t *out) {
    *out = number;
    for (size_t i = 0; i < CLIMB_MAX; i++) {
        struct site_node *n;
        uint64_t above, next = 0;
        TRY(site_node_read(s, *out, &n));
        int rank = 0;
        for (bytes rest = n->object->above; site_numbers_next(&rest, &above);) {
            struct site_node *a;
            TRY(site_node_read(s, above, &a));
            if (!a->shared && a->rank > rank) {
                rank = a->rank;
                next = above;
            }
        }
        if (next == 0)
            return OK;
        *out = next;
    }
    return OK;
}

static int by_events(const void *x, const void *y) {
    const struct heap_of *a = *(struct heap_of *const *)x, *b = *(struct heap_of *const *)y;
    if (a->events != b->events)
        return a->events > b->events ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

struct heaps {
    struct map by_number;
    struct heap_of **all;
    size_t n, cap;
};

static void heaps_drop(struct heaps *h) {
    map_drop(&h->by_number);
    free(h->all);
}

static result gather(struct site_reading *s, struct heaps *h) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(s->reader,
                       "SELECT object, received_at FROM event INDEXED BY event_unclaimed WHERE site"
                       " = -1 ORDER BY seq DESC LIMIT ?1",
                       &q));
    sqlite3_bind_int64(q, 1, NEWEST_OBJECTS);
    for (bool row = false;;) {
        uint64_t number;
        TRY(reader_step(q, &row));
        if (!row)
            return OK;
        TRY(climb(s, (uint64_t)sqlite3_column_int64(q, 0), &number));
        struct heap_of *one = map_get(&h->by_number, bytes_from(&number, sizeof number));
        if (one == NULL) {
            one = arena_take(&s->memory, sizeof *one);
            NEED(one != NULL, MEMORY, "more objects are asked for than a query may hold");
            *one = (struct heap_of){.number = number};
            map_put(&h->by_number, bytes_from(&number, sizeof number), one);
            if (h->n == h->cap) {
                h->cap = h->cap > 0 ? h->cap * 2 : 64;
                h->all = memory_grow(h->all, h->cap, sizeof(struct heap_of *));
            }
            h->all[h->n++] = one;
        }
        one->events++;
        one->since = sqlite3_column_int64(q, 1); // the newest came first
    }
}

static result add_heaps(struct site_reading *s, struct text *out) {
    OWN(heaps_drop)
    struct heaps h = {0};
    TRY(gather(s, &h));
    if (h.n > 0)
        qsort(h.all, h.n, sizeof(struct heap_of *), by_events);
    text_adds(out, ",\"objects\":[");
    for (size_t i = 0; i < h.n && i < OBJECTS_MAX; i++) {
        struct site_node *n;
        TRY(site_node_read(s, h.all[i]->number, &n));
        text_adds(out, i > 0 ? ",{" : "{");
        site_add_object(n->object, out);
        text_adds(out, ",\"key\":");
        text_add_json(out, n->object->key);
        text_addf(out, ",\"events\":%llu,\"since\":%lld}", (unsigned long long)h.all[i]->events,
                  (long long)h.all[i]->since);
    }
    text_addf(out, "],\"objects_more\":%s", h.n > OBJECTS_MAX ? "true" : "false");
    return OK;
}

static result list_unclaimed(struct site_reading *s, struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    text_addc(out, '{');
    TRY(add_waiting(s, out));
    TRY(reader_prepare(s->reader,
                       "SELECT type, count(*) AS events, min(received_at) AS since,"
                       " max(received_at) AS last_at FROM (SELECT type, received_at FROM event"
                       " INDEXED BY event_unclaimed WHERE site = -1 ORDER BY seq DESC LIMIT ?1)"
                       " GROUP BY type ORDER BY events DESC, type LIMIT ?2",
                       &q));
    sqlite3_bind_int64(q, 1, NEWEST_TYPES);
    sqlite3_bind_int64(q, 2, TYPES_MAX);
    text_adds(out, ",\"types\":");
    TRY(reader_rows(q, TYPES_MAX, out, NULL));
    TRY(add_heaps(s, out));
    text_addc(out, '}');
    return reader_said(out);
}

// --- what contradicts itself

struct contradictions {
    struct site_reading *reading;
    struct text *out;
    size_t n, limit;
    bool more;
};

static result add_contradiction(void *ctx, const struct site_object *o, bool *stop) {
    struct contradictions *c = ctx;
    struct text *out = c->out;
    c->more = *stop = c->n == c->limit;
    if (*stop)
        return OK;
    text_adds(out, c->n++ > 0 ? ",{" : "{");
    TRY(site_add_found(c->reading, o->number, out));
    text_adds(out, ",\"owner\":");
    text_add_json(out, o->owner);
    text_addf(out, ",\"livemode\":%s,\"claims\":", o->livemode ? "true" : "false");
    TRY(site_add_sayings(c->reading, o->number, out));
    text_addc(out, '}');
    return OK;
}

static result list_contradictions(struct site_reading *s, const struct list_filter *f,
                                  struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    struct contradictions c = {.reading = s, .out = out, .limit = f->limit};
    if (c.limit == 0 || c.limit > LIST_MAX)
        c.limit = c.limit == 0 ? LIST_DEFAULT : LIST_MAX;
    TRY(reader_prepare(s->reader,
                       f->oldest_first
                           ? "SELECT number FROM object INDEXED BY object_contradicts WHERE"
                             " evidence = -1 AND number > ?1 AND number < ?2 ORDER BY number"
                           : "SELECT number FROM object INDEXED BY object_contradicts WHERE"
                             " evidence = -1 AND number > ?1 AND number < ?2 ORDER BY number DESC",
                       &q));
    sqlite3_bind_int64(q, 1, f->after < INT64_MAX ? (int64_t)f->after : INT64_MAX);
    sqlite3_bind_int64(q, 2,
                       f->before > 0 && f->before < INT64_MAX ? (int64_t)f->before : INT64_MAX);
    text_adds(out, "{\"data\":[");
    TRY(each_contradiction(s, q, SIZE_MAX, add_contradiction, &c));
    text_addf(out, "],\"has_more\":%s}", c.more ? "true" : "false");
    return reader_said(out);
}

// --- one object

static result add_above(struct site_reading *s, const struct site_object *o, struct text *out) {
    uint64_t number;
    size_t n = 0;
    text_adds(out, ",\"above\":[");
    for (bytes rest = o->above; n < PARTS_MAX && site_numbers_next(&rest, &number);) {
        text_adds(out, n++ > 0 ? ",{" : "{");
        TRY(site_add_found(s, number, out));
        text_addc(out, '}');
    }
    text_addc(out, ']');
    return OK;
}

static result add_below(struct site_reading *s, const struct site_object *o, struct text *out) {
    uint64_t *below;
    size_t count;
    TRY(links_below_read(s->reader->db, o->number, PARTS_MAX + 1, &s->memory, &below, &count));
    text_adds(out, ",\"below\":[");
    for (size_t i = 0; i < count && i < PARTS_MAX; i++) {
        text_adds(out, i > 0 ? ",{" : "{");
        TRY(site_add_found(s, below[i], out));
        text_addc(out, '}');
    }
    text_addf(out, "],\"below_more\":%s", count > PARTS_MAX ? "true" : "false");
    return OK;
}

static result add_events_waiting(struct site_reading *s, uint64_t number, struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    TRY(reader_prepare(s->reader,
                       "SELECT count(*) AS unclaimed FROM event INDEXED BY event_waiting WHERE"
                       " object = ?1 AND site = -1",
                       &q));
    sqlite3_bind_int64(q, 1, (int64_t)number);
    TRY(reader_step(q, &row));
    text_addc(out, ',');
    reader_row(q, 0, 1, out);
    return OK;
}

static result add_object(struct site_reading *s, uint64_t number, struct text *out) {
    struct site_node *n;
    TRY(site_node_read(s, number, &n));
    const struct site_object *o = n->object;
    text_addc(out, '{');
    TRY(site_add_found(s, number, out));
    text_adds(out, ",\"key\":");
    text_add_json(out, o->key);
    text_adds(out, ",\"owner\":");
    text_add_json(out, o->owner);
    text_addf(out, ",\"livemode\":%s,\"assigned\":", o->livemode ? "true" : "false");
    if (o->assigned == SITE_NONE)
        text_adds(out, "null");
    else
        text_add_json(out, site_named(s, o->assigned));
    text_addf(out, ",\"many_below\":%s,\"chain\":", o->below == SITE_MANY ? "true" : "false");
    TRY(site_add_chain(s, number, out));
    text_adds(out, ",\"contradiction\":");
    if (o->evidence == SITE_MANY)
        TRY(site_add_sayings(s, number, out));
    else
        text_adds(out, "[]");
    TRY(add_above(s, o, out));
    TRY(add_below(s, o, out));
    TRY(add_events_waiting(s, number, out));
    text_addc(out, '}');
    return reader_said(out);
}

static result add_event_site(struct site_reading *s, uint64_t seq, struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    TRY(reader_prepare(s->reader, "SELECT object, site FROM event WHERE seq = ?1", &q));
    sqlite3_bind_int64(q, 1, (int64_t)seq);
    TRY(reader_step(q, &row));
    NEED(row, ABSENT, "there is no such event");
    int64_t site = sqlite3_column_int64(q, 1);
    text_adds(out, "{\"name\":");
    if (site > 0)
        text_add_json(out, site_named(s, site));
    else
        text_adds(out, site == 0 ? "null" : "\"" SITE_UNCLAIMED "\"");
    text_adds(out, ",\"object\":");
    if (sqlite3_column_int64(q, 0) > 0)
        TRY(add_object(s, (uint64_t)sqlite3_column_int64(q, 0), out));
    else
        text_adds(out, "null");
    text_addc(out, '}');
    return OK;
}

// --- objects of an id

// Its key as it stands, or of a type whose ids users choose, in the platform or an account. Ids
// that Stripe makes are keys, and stand once: then no account is looked through. Digits may be an
// id that a user chose, and are a number.
static result list_objects(struct reader *r, const struct list_filter *f, struct text *out) {
    OWN(text_drop)
    struct text sql = {0};
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bytes kind;
    uint64_t number = 0;
    if (bytes_to_u64(f->object_id, &number) != OK)
        number = 0;
    text_adds(&sql, "WITH kind (name) AS (VALUES ");
    for (size_t at = 0, n = 0; site_key_kind(&at, &kind); n++)
        text_addf(&sql, "%s('%.*s:')", n > 0 ? ", " : "", BYTES_ARG(kind));
    bool platform = bytes_equal(f->account, B("platform"));
    text_adds(&sql, "), named (key) AS (SELECT ?1");
    if (f->account.n == 0 || platform)
        text_adds(&sql, " UNION SELECT kind.name || ?1 FROM kind");
    if (!platform)
        text_adds(&sql, " UNION SELECT sighting.what || '/' || kind.name || ?1 FROM sighting, kind"
                        " WHERE sighting.kind = 2 AND (?2 = '' OR sighting.what = ?2) AND NOT"
                        " EXISTS (SELECT 1 FROM object WHERE object.key = ?1)");
    text_adds(&sql, ") SELECT number, object.key AS key, type, owner, livemode FROM named CROSS"
                    " JOIN object ON object.key = named.key WHERE"
                    " (?3 = '' OR owner = ?3)");
    if (f->livemode.n > 0)
        text_addf(&sql, " AND livemode = %d", bytes_equal(f->livemode, B("true")));
    text_addf(&sql,
              " UNION SELECT number, key, type, owner, livemode FROM object WHERE number = %lld",
              (long long)number);
    text_addf(&sql, " ORDER BY number LIMIT %d", CANDIDATES_MAX + 1);
    TRY(reader_prepare(r, text_str(&sql), &q));
    sqlite_bind_bytes(q, 1, f->object_id);
    sqlite_bind_bytes(q, 2, f->account);
    sqlite_bind_bytes(q, 3, f->owner);
    bool more = false;
    text_adds(out, "{\"data\":");
    TRY(reader_rows(q, CANDIDATES_MAX, out, &more));
    text_addf(out, ",\"has_more\":%s}", more ? "true" : "false");
    return reader_said(out);
}

result reader_objects(struct reader *r, const struct list_filter *f, struct text *out) {
    TRY(reader_begin(r, true));
    result failed = list_objects(r, f, out);
    reader_end(r);
    return failed;
}

// --- each in a snapshot of its own

static result begin(struct reader *r, struct site_reading *s) {
    *s = (struct site_reading){0};
    TRY(reader_begin(r, true));
    return site_reading_open(r, s);
}

static result end(struct site_reading *s, struct reader *r, result failed) {
    site_reading_close(s);
    reader_end(r);
    return failed;
}

result reader_sites(struct reader *r, struct text *out) {
    struct site_reading s;
    result failed = begin(r, &s);
    return end(&s, r, failed == OK ? list_sites(&s, out) : failed);
}

result reader_unclaimed(struct reader *r, struct text *out) {
    struct site_reading s;
    result failed = begin(r, &s);
    return end(&s, r, failed == OK ? list_unclaimed(&s, out) : failed);
}

result reader_contradictions(struct reader *r, const struct list_filter *f, struct text *out) {
    struct site_reading s;
    result failed = begin(r, &s);
    return end(&s, r, failed == OK ? list_contradictions(&s, f, out) : failed);
}

result reader_object(struct reader *r, uint64_t number, struct text *out) {
    struct site_reading s;
    result failed = begin(r, &s);
    return end(&s, r, failed == OK ? add_object(&s, number, out) : failed);
}

result reader_event_site(struct reader *r, uint64_t seq, struct text *out) {
    struct site_reading s;
    result failed = begin(r, &s);
    return end(&s, r, failed == OK ? add_event_site(&s, seq, out) : failed);
}
