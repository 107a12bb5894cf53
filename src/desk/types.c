// SPDX-License-Identifier: MIT
// The catalogue of event types: what Stripe documents, what came, and who takes it.
#include <stdlib.h>

#include "desk/answers.h"
#include "desk/params.h"
#include "rules/match.h"
#include "stripe/catalogue.h"

#define SEEN_MEMORY_MAX ((size_t)16 << 20)
#define ENDPOINTS_MEMORY_MAX ((size_t)512 << 20) // as booking has it
#define PAGE 1000
#define ENDPOINTS_NAMED 20 // that take a type

// A type that came, through whatever source and in whatever livemode.
struct seen {
    bytes type;
    int64_t first_at, last_at, receipts;
};

// The catalogue being written, on the query thread.
struct listing {
    struct ask *ask;
    struct plan *plan; // in force; null before the first
    struct endpoint_known *endpoints;
    size_t endpoint_count;
    struct arena memory;
    struct seen *seen; // sorted by type
    size_t seen_count, rows;
    bytes prefix;
    bool only_seen, only_taken;
};

static int64_t number(json row, const char *key) {
    int64_t v = 0;
    return json_i64(json_get(row, key), &v) == OK ? v : 0;
}

static int by_type(const void *a, const void *b) {
    return bytes_compare(((const struct seen *)a)->type, ((const struct seen *)b)->type);
}

static result add_page(struct listing *l, json page, uint64_t *last) {
    size_t at = 0, more = json_size(page);
    struct seen *all = arena_take(&l->memory, (l->seen_count + more + 1) * sizeof *all);
    json row;
    NEED(all != NULL, MEMORY, "what was seen does not fit its memory");
    for (size_t i = 0; i < l->seen_count; i++)
        all[i] = l->seen[i];
    l->seen = all;
    while (json_element(page, &at, &row)) {
        bytes type = json_string(json_get(row, "type"));
        struct seen *s = &all[l->seen_count++];
        *s = (struct seen){arena_copy(&l->memory, type), number(row, "first_at"),
                           number(row, "last_at"), number(row, "receipts")};
        NEED(s->type.n == type.n, MEMORY, "what was seen does not fit its memory");
        *last = (uint64_t)number(row, "number");
    }
    return OK;
}

// Of each type one, and sorted.
static void merge(struct listing *l) {
    size_t n = 0;
    if (l->seen_count > 0)
        qsort(l->seen, l->seen_count, sizeof *l->seen, by_type);
    for (size_t i = 0; i < l->seen_count; i++) {
        const struct seen *s = &l->seen[i];
        struct seen *last = n > 0 ? &l->seen[n - 1] : NULL;
        if (last == NULL || !bytes_equal(last->type, s->type)) {
            l->seen[n++] = *s;
            continue;
        }
        last->first_at = s->first_at < last->first_at ? s->first_at : last->first_at;
        last->last_at = s->last_at > last->last_at ? s->last_at : last->last_at;
        last->receipts += s->receipts;
    }
    l->seen_count = n;
}

static result read_seen(struct listing *l, struct reader *r) {
    struct list_filter f = {.limit = PAGE};
    for (bool more = true; more;) {
        OWN(text_drop)
        struct text text = {0};
        OWN(json_close)
        struct json_doc *doc = NULL;
        TRY(reader_sightings(r, SIGHTING_TYPE, &f, &text));
        TRY(json_parse(text_bytes(&text), &doc));
        TRY(add_page(l, json_get(json_root(doc), "data"), &f.before));
        more = json_true(json_get(json_root(doc), "has_more"));
    }
    merge(l);
    return OK;
}

static void add_taker(const struct plan_destination *d, bytes type, struct text *out) {
    const struct plan_handler *h = match_handler(d, type);
    // Without a match of its own a plugin gets nothing that no handler takes; with one it may.
    bytes description = h != NULL ? h->description : d->description;
    OWN(text_drop)
    struct text name = {0};
    text_add(&name, d->name);
    if (h != NULL)
        text_addf(&name, "/%.*s", BYTES_ARG(h->name));
    text_adds(out, out->n > 0 ? ",{\"name\":" : "{\"name\":");
    text_add_json(out, text_bytes(&name));
    text_adds(out, ",\"destination\":");
    text_add_json(out, d->name);
    text_adds(out, ",\"handler\":");
    if (h != NULL)
        text_add_json(out, h->name);
    else
        text_adds(out, "null");
    text_adds(out, ",\"description\":");
    text_add_json(out, description);
    text_addc(out, '}');
}

// Endpoints may be many: how many more there are is said instead of which.
static size_t add_takers(const struct listing *l, bytes type, struct text *out) {
    size_t n = 0;
    for (size_t i = 0; l->plan != NULL && i < l->plan->destination_count; i++)
        if (match_may_get(&l->plan->destinations[i], type, NO_BYTES))
            add_taker(&l->plan->destinations[i], type, out);
    for (size_t i = 0; i < l->endpoint_count; i++) {
        const struct endpoint_known *e = &l->endpoints[i];
        if (e->enabled && match_may_get(&e->as, type, NO_BYTES) && n++ < ENDPOINTS_NAMED)
            add_taker(&e->as, type, out);
    }
    return n > ENDPOINTS_NAMED ? n - ENDPOINTS_NAMED : 0;
}

// `known` is null for a type that Stripe does not document, `seen` for one that never came.
static void add_row(struct listing *l, bytes type, const struct event_type *known,
                    const struct seen *seen) {
    struct text *out = &l->ask->out;
    OWN(text_drop)
    struct text takers = {0};
    size_t more = add_takers(l, type, &takers);
    if (!bytes_starts(type, l->prefix) || (l->only_seen && seen == NULL) ||
        (l->only_taken && takers.n == 0))
        return;
    text_adds(out, l->rows++ > 0 ? ",{" : "{");
    if (known != NULL) {
        catalogue_write(known, out);
    } else {
        text_adds(out, "\"type\":");
        text_add_json(out, type);
        text_adds(out, ",\"object\":null,\"description\":null,\"tables\":[]");
    }
    text_addf(out, ",\"receipts\":%lld,\"first_at\":%lld,\"last_at\":%lld,\"takers\":[",
              seen == NULL ? 0 : (long long)seen->receipts,
              seen == NULL ? 0 : (long long)seen->first_at,
              seen == NULL ? 0 : (long long)seen->last_at);
    text_add(out, text_bytes(&takers));
    text_addf(out, "],\"takers_more\":%zu}", more);
}

// Both lists are sorted: one walk over the two.
static void add_rows(struct listing *l) {
    size_t k = 0, s = 0;
    while (k < event_type_count || s < l->seen_count) {
        bytes known = k < event_type_count ? bytes_of(event_types[k].name) : NO_BYTES;
        const struct seen *seen = s < l->seen_count ? &l->seen[s] : NULL;
        int order = k == event_type_count ? 1
                    : seen == NULL        ? -1
                                          : bytes_compare(known, seen->type);
        if (order <= 0)
            add_row(l, known, &event_types[k], order == 0 ? seen : NULL);
        else
            add_row(l, seen->type, NULL, seen);
        k += order <= 0;
        s += order >= 0;
    }
}

static void list_work(struct ask *a, struct reader *r) {
    struct listing l = {.ask = a,
                        .prefix = param(a, "type"),
                        .only_seen = bytes_equal(param(a, "seen"), B("true")),
                        .only_taken = bytes_equal(param(a, "taken"), B("true"))};
    if (bytes_ends(l.prefix, B("*")))
        l.prefix.n--;
    struct arena endpoints;
    arena_init(&l.memory, SEEN_MEMORY_MAX);
    arena_init(&endpoints, ENDPOINTS_MEMORY_MAX);
    result done = explain_plan(a, r, &l.plan);
    if (done == OK)
        done = reader_endpoints_known(r, &endpoints, &l.endpoints, &l.endpoint_count);
    if (done == OK)
        done = read_seen(&l, r);
    if (done == OK) {
        text_adds(&a->out, "{\"data\":[");
        add_rows(&l);
        text_adds(&a->out, "],\"has_more\":false}");
    } else {
        ask_fail_read(a, done, "the plan in force is not in the ledger");
    }
    plan_free(l.plan);
    arena_drop(&l.memory);
    arena_drop(&endpoints);
}

static bool is_true_or_absent(struct ask *a, const char *name) {
    bytes said = param(a, name);
    if (said.n == 0 || bytes_equal(said, B("true")))
        return true;
    ask_fail(a, 400, "`%s` is %.*s; true is expected, or leave it out", name,
             BYTES_ARG(ask_short(said)));
    return false;
}

void types_list(struct ask *a) {
    if (is_true_or_absent(a, "seen") && is_true_or_absent(a, "taken"))
        ask_query(a, list_work, ask_send);
    else
        ask_send(a);
}
