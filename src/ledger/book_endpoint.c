// SPDX-License-Identifier: MIT
// Endpoints in the books (rules/endpoint.h): made, changed and deleted by commands, disabled by
// what their outcomes say, and owed events.
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "ledger/book_internal.h"

#define ENDPOINTS_MEMORY_MAX (512u << 20)
#define CANCEL_PAGE 500

// All that are not deleted, by number of their destinations.
struct book_endpoints {
    struct arena memory;
    struct endpoint_row *rows;
    struct endpoint *says;
    struct plan_destination *as;
    size_t n;
    struct map by_id; // the index plus one
};

void book_endpoints_forget(struct book *b) {
    struct book_endpoints *e = b->endpoints;
    if (e == NULL)
        return;
    map_drop(&e->by_id);
    arena_drop(&e->memory);
    free(e);
    b->endpoints = NULL;
}

static result parse(const struct endpoint_row *row, struct arena *a, struct endpoint *out) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    TRY(json_parse(row->json, &doc));
    return endpoint_read(json_root(doc), a, out);
}

static result read_all(struct book *b, struct book_endpoints *e) {
    TRY(b->store->endpoints(b->store, &e->memory, &e->rows, &e->n));
    e->says = arena_take(&e->memory, (e->n + 1) * sizeof *e->says);
    e->as = arena_take(&e->memory, (e->n + 1) * sizeof *e->as);
    NEED(e->says != NULL && e->as != NULL, MEMORY, "the endpoints do not fit their memory");
    for (size_t i = 0; i < e->n; i++) {
        result read = parse(&e->rows[i], &e->memory, &e->says[i]);
        NEED(!failed_as(read, FAIL_INVALID), CORRUPT, "an endpoint in the books has another form");
        TRY(read);
        TRY(endpoint_destination(&e->says[i], &e->memory, &e->as[i]));
        map_put(&e->by_id, e->says[i].id, (void *)(uintptr_t)(i + 1));
    }
    return OK;
}

result book_endpoints_ready(struct book *b) {
    if (b->endpoints != NULL)
        return OK;
    b->endpoints = NEW(struct book_endpoints);
    arena_init(&b->endpoints->memory, ENDPOINTS_MEMORY_MAX);
    result read = read_all(b, b->endpoints);
    if (read != OK)
        book_endpoints_forget(b);
    return read;
}

size_t book_endpoint_rows(const struct book *b, const struct endpoint_row **rows) {
    *rows = b->endpoints->rows;
    return b->endpoints->n;
}

static bool find(const struct book *b, bytes id, size_t *at) {
    const struct book_endpoints *e = b->endpoints;
    size_t found = e->n == 0 ? 0 : (size_t)(uintptr_t)map_get(&e->by_id, id);
    *at = found - 1;
    return found > 0;
}

const struct plan_destination *book_endpoint_as(const struct book *b, bytes name, bool *enabled) {
    size_t at;
    if (!find(b, name, &at))
        return NULL;
    *enabled = b->endpoints->says[at].enabled;
    return &b->endpoints->as[at];
}

// Was this event booked before this receipt, by one that counts? Then those that were enabled at
// that time have it.
static result came_before(struct book *b, const struct owing *o, struct arena *a, bool *out) {
    uint64_t *later = NULL;
    size_t n = 0;
    struct receipt_row row;
    *out = false;
    if (o->is_new)
        return OK;
    TRY(b->store->receipts_later(b->store, o->event->seq, a, &later, &n));
    for (size_t i = 0; i <= n && !*out; i++) {
        uint64_t seq = i == 0 ? o->event->seq : later[i - 1];
        if (seq == o->receipt)
            continue;
        TRY(b->store->receipt_get(b->store, seq, a, &row));
        *out = !row.livemode_misfit;
    }
    return OK;
}

result book_endpoints_owe(struct book *b, const struct owing *o, struct arena *a, bool *owed) {
    const struct book_endpoints *e = b->endpoints;
    bool before = e->n == 0 || o->except != NULL; // they look at no site
    if (!before)
        TRY(came_before(b, o, a, &before));
    for (size_t i = 0; i < e->n && !before; i++) {
        struct destination_row d = {.number = e->rows[i].destination, .name = e->as[i].name};
        uint64_t seq;
        if (!e->says[i].enabled || !match_destination(&e->as[i], o->facts, NULL))
            continue;
        *owed = true;
        TRY(book_owe(b, o->event, o->receipt, &d, o->now_ms, false, &seq));
    }
    return OK;
}

// What is open of it, and next at this time or before, is cancelled.
static result cancel_open(struct book *b, uint32_t destination, int64_t until_ms, const char *why,
                          int64_t now_ms) {
    size_t n = CANCEL_PAGE;
    for (uint64_t after = 0; n == CANCEL_PAGE;) {
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, BOOK_SCRATCH_MAX);
        struct delivery_row *open = NULL;
        TRY(b->store->deliveries_open(b->store, destination, after, CANCEL_PAGE, &a, &open, &n));
        for (size_t i = 0; i < n; i++) {
            after = open[i].seq;
            if (open[i].next_at <= until_ms)
                TRY(book_cancel(b, &open[i], why, now_ms, &a));
        }
    }
    return OK;
}

// Writes it, with its row among the destinations: nothing is handed out of one that is disabled.
static result put(struct book *b, struct endpoint_row *row, const struct endpoint *e,
                  struct arena *a) {
    OWN(text_drop)
    struct text in = {0};
    struct destination_row d;
    endpoint_write(e, &in);
    row->json = arena_copy(a, text_bytes(&in));
    NEED(row->json.n == in.n, MEMORY, "an endpoint does not fit its memory");
    result found = b->store->destination_find(b->store, e->id, a, &d);
    if (failed_as(found, FAIL_ABSENT))
        d = (struct destination_row){.number = row->destination, .name = e->id};
    else
        TRY(found);
    d.present = e->enabled && row->deleted_at == 0;
    TRY(b->store->destination_put(b->store, &d));
    TRY(b->store->endpoint_put(b->store, row));
    b->tally.recalls += !d.present;
    b->tally.endpoints_changed++;
    b->touched(b->ctx, row->destination);
    book_forget_names(b);
    book_endpoints_forget(b);
    return book_endpoints_ready(b);
}

static result next_number(struct book *b, struct arena *a, uint32_t *out) {
    struct destination_row *rows = NULL;
    size_t n = 0;
    TRY(b->store->destinations(b->store, a, &rows, &n));
    *out = n == 0 ? 1 : rows[n - 1].number + 1;
    return OK;
}

static void answer_with(const struct endpoint *e, struct text *answer) {
    text_adds(answer, "{\"ok\":true,\"endpoint\":");
    endpoint_write(e, answer);
    text_addc(answer, '}');
}

static size_t count_of(const struct book *b, bool livemode) {
    size_t n = 0;
    for (size_t i = 0; i < b->endpoints->n; i++)
        n += b->endpoints->rows[i].livemode == livemode;
    return n;
}

result book_endpoint_create(struct book *b, json in, struct arena *a, struct text *answer,
                            struct text *why) {
    struct endpoint e;
    struct destination_row taken;
    result read = endpoint_read(in, a, &e);
    if (failed_as(read, FAIL_INVALID)) {
        text_adds(why, read->text);
        return OK;
    }
    TRY(read);
    uint32_t max = b->plan == NULL ? PLAN_ENDPOINTS_MAX : b->plan->endpoints.max;
    if (count_of(b, e.livemode) >= max) {
        text_addf(why, "there are as many endpoints as desk.endpoints_max allows, %u", max);
        return OK;
    }
    result found = b->store->destination_find(b->store, e.id, a, &taken);
    if (found == OK) {
        text_adds(why, "this id is taken");
        return OK;
    }
    if (!failed_as(found, FAIL_ABSENT))
        return found;
    struct endpoint_row row = {.id = e.id, .livemode = e.livemode};
    TRY(next_number(b, a, &row.destination));
    TRY(put(b, &row, &e, a));
    answer_with(&e, answer);
    return OK;
}

// The endpoint that a command names, copied into `a`. False: refused already.
static result named(struct book *b, json fields, struct arena *a, struct endpoint_row *row,
                    struct endpoint *e, struct text *why, bool *there) {
    size_t at;
    bool livemode = json_true(json_get(fields, "livemode"));
    *there = find(b, json_string(json_get(fields, "id")), &at) &&
             b->endpoints->rows[at].livemode == livemode;
    if (!*there) {
        text_adds(why, "there is no such endpoint");
        return OK;
    }
    *row = b->endpoints->rows[at];
    TRY(parse(row, a, e)); // the row's own memory goes with the next change
    row->id = e->id;
    return OK;
}

static result set_types(struct endpoint *e, json list, struct arena *a) {
    json one;
    size_t n = json_size(list);
    NEED(json_type(list) == JSON_ARRAY && n > 0 && n <= ENDPOINT_TYPES_MAX, INVALID,
         "types must be a list of event types");
    e->types = arena_take(a, n * sizeof *e->types);
    NEED(e->types != NULL, MEMORY, "an endpoint does not fit its memory");
    e->type_count = n;
    for (size_t i = 0, at = 0; json_element(list, &at, &one); i++)
        e->types[i] = arena_copy(a, json_string(one));
    return OK;
}

static bool kept(json changes, bytes key) {
    return json_type(json_getb(changes, key)) == JSON_ABSENT;
}

// Null as a whole clears; a member of null is left out.
static result set_metadata(struct endpoint *e, json changes, struct arena *a) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text merged = {0};
    bytes key;
    json v;
    TRY(json_parse(e->metadata, &doc));
    text_addc(&merged, '{');
    for (int pass = 0; pass < 2 && json_type(changes) == JSON_OBJECT; pass++) {
        json from = pass == 0 ? json_root(doc) : changes;
        for (size_t at = 0; json_member(from, &at, &key, &v);) {
            if ((pass == 0 && !kept(changes, key)) || json_type(v) == JSON_NULL)
                continue;
            text_adds(&merged, merged.n > 1 ? "," : "");
            text_add_json(&merged, key);
            text_addc(&merged, ':');
            json_write(v, &merged);
        }
    }
    text_addc(&merged, '}');
    e->metadata = arena_copy(a, text_bytes(&merged));
    NEED(e->metadata.n == merged.n, MEMORY, "an endpoint does not fit its memory");
    return OK;
}

static result set_text(json set, const char *key, struct arena *a, bytes *out) {
    json v = json_get(set, key);
    if (json_type(v) == JSON_ABSENT)
        return OK;
    NEED(json_type(v) == JSON_STRING, INVALID, "a field of an endpoint must be a text");
    *out = arena_copy(a, json_string(v));
    NEED(out->n == json_string(v).n, MEMORY, "an endpoint does not fit its memory");
    return OK;
}

static result set_fields(struct endpoint *e, json set, struct arena *a) {
    json types = json_get(set, "types"), metadata = json_get(set, "metadata"),
         enabled = json_get(set, "enabled");
    TRY(set_text(set, "url", a, &e->url));
    TRY(set_text(set, "description", a, &e->description));
    TRY(set_text(set, "name", a, &e->name));
    if (json_type(types) != JSON_ABSENT)
        TRY(set_types(e, types, a));
    if (json_type(metadata) != JSON_ABSENT)
        TRY(set_metadata(e, metadata, a));
    if (json_type(enabled) != JSON_ABSENT) {
        e->enabled = json_true(enabled);
        e->because = NO_BYTES;
    }
    return OK;
}

// As it would be read again: what it may not be is found here.
static result check(const struct endpoint *e) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, BOOK_SCRATCH_MAX);
    OWN(text_drop)
    struct text in = {0};
    struct endpoint again;
    endpoint_write(e, &in);
    struct endpoint_row row = {.json = text_bytes(&in)};
    return parse(&row, &a, &again);
}

result book_endpoint_update(struct book *b, json fields, int64_t now_ms, struct arena *a,
                            struct text *answer, struct text *why) {
    struct endpoint e;
    struct endpoint_row row;
    bool there;
    TRY(named(b, fields, a, &row, &e, why, &there));
    if (!there)
        return OK;
    bool was = e.enabled;
    result set = set_fields(&e, json_get(fields, "set"), a);
    if (set == OK)
        set = check(&e);
    if (failed_as(set, FAIL_INVALID)) {
        text_adds(why, set->text);
        return OK;
    }
    TRY(set);
    e.updated_ms = now_ms;
    if (e.enabled && !was) {
        row.failing_since = 0;
        TRY(cancel_open(b, row.destination, now_ms,
                        "its endpoint was disabled when its next attempt was due", now_ms));
    }
    TRY(put(b, &row, &e, a));
    answer_with(&e, answer);
    return OK;
}

result book_endpoint_delete(struct book *b, json fields, int64_t now_ms, struct arena *a,
                            struct text *answer, struct text *why) {
    struct endpoint e;
    struct endpoint_row row;
    bool there;
    TRY(named(b, fields, a, &row, &e, why, &there));
    if (!there)
        return OK;
    TRY(cancel_open(b, row.destination, INT64_MAX, "its endpoint was deleted", now_ms));
    e.updated_ms = row.deleted_at = now_ms;
    e.sealed = NO_BYTES;
    TRY(put(b, &row, &e, a));
    answer_with(&e, answer);
    return OK;
}

result book_endpoint_ended(struct book *b, bytes name, enum outcome outcome, int64_t now_ms,
                           struct arena *a) {
    size_t at;
    if (!find(b, name, &at) || outcome == OUTCOME_NOT_YET)
        return OK;
    struct endpoint_row *row = &b->endpoints->rows[at];
    bool failed = outcome == OUTCOME_FAILED, since = row->failing_since != 0;
    if (failed != since) {
        row->failing_since = failed ? now_ms : 0;
        return b->store->endpoint_put(b->store, row);
    }
    int64_t limit_ms =
        b->plan == NULL ? PLAN_ENDPOINTS_DISABLE_MS : b->plan->endpoints.disable_after_ms;
    if (!failed || now_ms - row->failing_since < limit_ms || !b->endpoints->says[at].enabled)
        return OK;
    struct endpoint e;
    struct endpoint_row changed = *row;
    TRY(parse(row, a, &e));
    changed.id = e.id;
    e.enabled = false;
    e.because = B("failed");
    e.updated_ms = now_ms;
    b->tally.endpoints_disabled++;
    return put(b, &changed, &e, a);
}
