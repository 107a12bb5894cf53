// SPDX-License-Identifier: MIT
#include "rules/doctor.h"

#include "base/memory.h"
#include "base/metrics.h"
#include "desk/answers.h"
#include "port/clock.h"

#define FACTS_MEMORY_MAX ((size_t)512 << 20) // endpoints are most of it
#define PAGE 1000

// Facts being gathered, on the query thread. What they point into is in `memory`.
struct gathering {
    struct ask *ask;
    struct reader *reader;
    struct arena memory;
    struct doctor_facts facts;
    struct plan *plan;
};

static result take(struct gathering *g, size_t n, size_t size, void *out) {
    *(void **)out = arena_take(&g->memory, n * size);
    NEED(n == 0 || *(void **)out != NULL, MEMORY, "the facts do not fit their memory");
    return OK;
}

static result keep(struct gathering *g, json v, bytes *out) {
    bytes b = json_string(v);
    *out = arena_copy(&g->memory, b);
    NEED(out->n == b.n, MEMORY, "the facts do not fit their memory");
    return OK;
}

static int64_t number(json object, const char *path) {
    int64_t v = 0;
    return json_i64(json_path(object, bytes_of(path)), &v) == OK ? v : 0;
}

static result gather_plan(struct gathering *g) {
    uint64_t generation = ledger_generation(g->ask->desk->o.ledger);
    if (generation == 0)
        return OK;
    OWN(text_drop)
    struct text text = {0};
    TRY(reader_plan(g->reader, generation, &text));
    TRY(plan_read(text_bytes(&text), generation, &g->plan));
    g->facts.plan = g->plan;
    return OK;
}

static result gather_sources(struct gathering *g) {
    const struct desk_options *o = &g->ask->desk->o;
    OWN(text_drop)
    struct text text = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (o->source_uses == NULL || g->plan == NULL)
        return OK;
    o->source_uses(o->secrets_ctx, &text);
    TRY(json_parse(text_bytes(&text), &doc));
    TRY(take(g, g->plan->source_count, sizeof(struct doctor_source), &g->facts.sources));
    for (size_t i = 0; i < g->plan->source_count; i++) {
        bytes path = g->plan->sources[i].path;
        json s = json_getb(json_root(doc), path), refused = json_get(s, "refused");
        if (json_type(s) != JSON_OBJECT)
            continue;
        g->facts.sources[g->facts.source_count++] = (struct doctor_source){
            .path = path,
            .received = (uint64_t)number(s, "received"),
            .clock_ms = number(s, "clock_ms"),
            .refused = {.no_signature = (uint64_t)number(refused, "no_signature"),
                        .malformed = (uint64_t)number(refused, "malformed_signature"),
                        .no_match = (uint64_t)number(refused, "no_match"),
                        .retired = (uint64_t)number(refused, "retired"),
                        .too_old = (uint64_t)number(refused, "too_old"),
                        .in_future = (uint64_t)number(refused, "in_future"),
                        .not_an_event = (uint64_t)number(refused, "not_an_event")},
        };
    }
    return OK;
}

static result add_sightings(struct gathering *g, json list, const char *whose, const char *what,
                            struct doctor_sightings *out, uint64_t *last) {
    struct doctor_sighting *rows = NULL;
    json row;
    size_t at = 0;
    // Behind the ones of before, which stay where they are when nothing was taken since.
    TRY(take(g, out->n + json_size(list), sizeof *rows, &rows));
    for (size_t i = 0; i < out->n; i++)
        rows[i] = out->rows[i];
    out->rows = rows;
    while (json_element(list, &at, &row)) {
        struct doctor_sighting *s = &rows[out->n++];
        TRY(keep(g, json_get(row, whose), &s->whose));
        TRY(keep(g, json_get(row, what), &s->what));
        s->livemode = json_true(json_get(row, "livemode"));
        s->last_at = number(row, "last_at");
        s->count = (uint64_t)number(row, "receipts");
        *last = (uint64_t)number(row, "number");
    }
    return OK;
}

static result gather_sightings(struct gathering *g, enum sighting kind, const char *what,
                               struct doctor_sightings *out) {
    struct list_filter f = {.limit = PAGE};
    for (bool more = true; more;) {
        OWN(text_drop)
        struct text text = {0};
        OWN(json_close)
        struct json_doc *doc = NULL;
        TRY(reader_sightings(g->reader, kind, &f, &text));
        TRY(json_parse(text_bytes(&text), &doc));
        TRY(add_sightings(g, json_get(json_root(doc), "data"), "source", what, out, &f.before));
        more = json_true(json_get(json_root(doc), "has_more"));
    }
    return OK;
}

static result gather_account(struct gathering *g, bytes account) {
    OWN(text_drop)
    struct text text = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    struct list_filter f = {.account = account, .limit = PAGE};
    json row;
    size_t at = 0;
    TRY(reader_sightings(g->reader, SIGHTING_ACCOUNT, &f, &text));
    TRY(json_parse(text_bytes(&text), &doc));
    json list = json_get(json_root(doc), "data");
    struct doctor_account *rows = NULL;
    TRY(take(g, g->facts.account_count + json_size(list), sizeof *rows, &rows));
    for (size_t i = 0; i < g->facts.account_count; i++)
        rows[i] = g->facts.accounts[i];
    g->facts.accounts = rows;
    while (json_element(list, &at, &row))
        rows[g->facts.account_count++] = (struct doctor_account){
            .account = account,
            .livemode = json_true(json_get(row, "livemode")),
            .deauthorized = number(row, "deauthorized"),
        };
    return OK;
}

static bool has_account(const struct gathering *g, bytes account) {
    for (size_t i = 0; i < g->facts.account_count; i++)
        if (bytes_equal(g->facts.accounts[i].account, account))
            return true;
    return bytes_equal(account, B("platform"));
}

static result gather_accounts(struct gathering *g) {
    for (size_t d = 0; g->plan != NULL && d < g->plan->destination_count; d++)
        for (size_t r = 0; r < g->plan->destinations[d].rule_count; r++) {
            const struct plan_rule *rule = &g->plan->destinations[d].rules[r];
            for (size_t i = 0; i < rule->account_count; i++)
                if (!has_account(g, rule->accounts[i]))
                    TRY(gather_account(g, rule->accounts[i]));
        }
    return OK;
}

static result gather_destinations(struct gathering *g) {
    OWN(text_drop)
    struct text text = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    json row;
    size_t at = 0;
    TRY(reader_destinations(g->reader, &text));
    TRY(json_parse(text_bytes(&text), &doc));
    json list = json_get(json_root(doc), "data");
    TRY(take(g, json_size(list), sizeof(struct doctor_destination), &g->facts.destinations));
    while (json_element(list, &at, &row)) {
        struct doctor_destination *d = &g->facts.destinations[g->facts.destination_count];
        if (!json_true(json_get(row, "present")))
            continue;
        TRY(keep(g, json_get(row, "name"), &d->name));
        d->held = json_true(json_get(row, "held"));
        TRY(keep(g, json_get(row, "hold_reason"), &d->hold_reason));
        d->due = (uint64_t)number(row, "deliveries.due");
        d->waiting = (uint64_t)number(row, "deliveries.waiting");
        d->dead = (uint64_t)number(row, "deliveries.dead");
        d->held_open = (uint64_t)number(row, "deliveries.held");
        d->oldest_due_at = number(row, "oldest_due_at");
        g->facts.destination_count++;
    }
    return OK;
}

static result gather_endpoints(struct gathering *g) {
    struct endpoint_known *known = NULL;
    size_t n = 0;
    TRY(reader_endpoints_known(g->reader, &g->memory, &known, &n));
    TRY(take(g, n, sizeof *g->facts.endpoints, &g->facts.endpoints));
    for (size_t i = 0; i < n; i++)
        g->facts.endpoints[i] =
            (struct doctor_endpoint){&known[i].as, known[i].enabled, known[i].because};
    g->facts.endpoint_count = n;
    return OK;
}

static result gather_suspense(struct gathering *g) {
    OWN(text_drop)
    struct text text = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    TRY(reader_suspense(g->reader, &(struct list_filter){.state = B("waiting"), .limit = PAGE},
                        &text));
    TRY(json_parse(text_bytes(&text), &doc));
    g->facts.suspended = json_size(json_get(json_root(doc), "data"));
    return OK;
}

static result gather(struct gathering *g) {
    struct doctor_facts *f = &g->facts;
    f->now_ms = clock_wall_ms(g->ask->desk->o.clock);
    f->booking_waits = metric_get(METRIC_BOOK_WAITING) > 0;
    TRY(gather_plan(g));
    TRY(gather_sources(g));
    TRY(gather_sightings(g, SIGHTING_SECRET, "secret_label", &f->secrets));
    TRY(gather_sightings(g, SIGHTING_TYPE, "type", &f->types));
    TRY(gather_sightings(g, SIGHTING_VERSION, "api_version", &f->versions));
    TRY(gather_accounts(g));
    TRY(gather_destinations(g));
    TRY(gather_endpoints(g));
    f->twin = g->ask->desk->twin != NULL;
    f->endpoints_sealed = (uint64_t)metric_get(METRIC_ENDPOINTS_SEALED);
    return gather_suspense(g);
}

static void look_work(struct ask *a, struct reader *r) {
    struct gathering g = {.ask = a, .reader = r};
    arena_init(&g.memory, FACTS_MEMORY_MAX);
    result done = gather(&g);
    if (done == OK)
        doctor_look(&g.facts, &a->out);
    else
        ask_fail_read(a, done, "the plan in force is not in the ledger");
    plan_free(g.plan);
    arena_drop(&g.memory);
}

void doctor_show(struct ask *a) { ask_query(a, look_work, ask_send); }
