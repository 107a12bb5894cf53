// SPDX-License-Identifier: MIT
#include <string.h>

#include "desk/answers.h"
#include "desk/which.h"
#include "rules/endpoint.h"
#include "rules/match.h"
#include "rules/site.h"
#include "stripe/event.h"

#define RECEIPTS_MAX 100
#define ENDPOINTS_MEMORY_MAX ((size_t)512 << 20) // as booking has it

// An event being explained, on the query thread.
struct explained {
    struct ask *ask;
    struct reader *reader;
    bytes name; // its seq as digits
    json row;   // with receipts and deliveries
    struct plan *now;
    struct plan *then; // of the receipt at hand; may be `now`
    struct arena memory;
    struct endpoint_known *endpoints; // in memory
    size_t endpoint_count;
    bool endpoints_said; // with the first receipt that counts
};

static result plan_load(struct reader *r, uint64_t generation, struct plan **out) {
    OWN(text_drop)
    struct text text = {0};
    TRY(reader_plan(r, generation, &text));
    return plan_read(text_bytes(&text), generation, out);
}

static void then_drop(struct explained *x) {
    if (x->then != x->now)
        plan_free(x->then);
    x->then = NULL;
}

// The plan under which this receipt was taken; the one before is kept while it is the same.
static result then_load(struct explained *x, uint64_t generation) {
    if (x->then != NULL && x->then->generation == generation)
        return OK;
    then_drop(x);
    if (x->now != NULL && x->now->generation == generation) {
        x->then = x->now;
        return OK;
    }
    result loaded = generation == 0 ? OK : plan_load(x->reader, generation, &x->then);
    return failed_as(loaded, FAIL_ABSENT) ? OK : loaded;
}

struct decision {
    bool gets;
    struct text why;
};

// What of its queue it goes out with, where the destination says something of it.
static void say_priority(const struct plan_destination *d, bytes type, struct text *why) {
    bytes by;
    enum priority is = priority_of(&d->priority, type, &by);
    if (d->priority.count[PRIORITY_HIGH] + d->priority.count[PRIORITY_LOW] == 0)
        return;
    text_addf(why, "; its priority is %s", priority_name(is));
    if (by.n > 0)
        text_addf(why, " by %.*s", BYTES_ARG(by));
}

static void decide(const struct plan *p, bytes name, const struct match_facts *f, bool misfit,
                   struct decision *out) {
    const struct plan_destination *d = p == NULL ? NULL : plan_destination_find(p, name);
    out->gets = false;
    text_reset(&out->why);
    if (d == NULL)
        text_adds(&out->why, "the configuration has no such destination");
    else if (misfit)
        text_adds(&out->why, "the source does not take this livemode: the receipt is ignored");
    else
        out->gets = match_destination(d, f, &out->why);
    if (out->gets)
        say_priority(d, f->type, &out->why);
}

static void add_decision(struct text *out, const struct decision *d) {
    text_addf(out, "\"gets\":%s,\"why\":", d->gets ? "true" : "false");
    text_add_json(out, text_bytes(&d->why));
}

static void add_deliveries(const struct explained *x, bytes destination) {
    struct text *out = &x->ask->out;
    size_t at = 0, n = 0;
    json row;
    text_adds(out, ",\"deliveries\":[");
    while (json_element(json_get(x->row, "deliveries"), &at, &row)) {
        if (!bytes_equal(json_string(json_get(row, "destination")), destination))
            continue;
        text_adds(out, n++ > 0 ? ",{\"seq\":" : "{\"seq\":");
        json_write(json_get(row, "seq"), out);
        text_adds(out, ",\"state\":");
        json_write(json_get(row, "state"), out);
        text_adds(out, ",\"replay\":");
        json_write(json_get(row, "replay"), out);
        text_addc(out, '}');
    }
    text_adds(out, "]}");
}

static void add_destination(const struct explained *x, bytes name, const struct match_facts *f,
                            bool misfit, bool first) {
    struct text *out = &x->ask->out;
    struct decision now = {0}, then = {0};
    decide(x->now, name, f, misfit, &now);
    decide(x->then, name, f, misfit, &then);
    text_adds(out, first ? "{\"name\":" : ",{\"name\":");
    text_add_json(out, name);
    text_addc(out, ',');
    add_decision(out, &now);
    if (x->then != x->now && now.gets != then.gets) {
        text_adds(out, ",\"then\":{");
        add_decision(out, &then);
        text_addc(out, '}');
    } else {
        text_adds(out, ",\"then\":null");
    }
    add_deliveries(x, name);
    text_drop(&now.why);
    text_drop(&then.why);
}

// Those in force, then those that were when the receipt came and are no more. False: there are
// none.
static bool add_destinations(const struct explained *x, const struct match_facts *f, bool misfit) {
    bool first = true;
    for (size_t i = 0; x->now != NULL && i < x->now->destination_count; i++, first = false)
        add_destination(x, x->now->destinations[i].name, f, misfit, first);
    for (size_t i = 0; x->then != NULL && x->then != x->now && i < x->then->destination_count;
         i++) {
        bytes name = x->then->destinations[i].name;
        if (x->now != NULL && plan_destination_find(x->now, name) != NULL)
            continue;
        add_destination(x, name, f, misfit, first);
        first = false;
    }
    return !first;
}

static bool is_owed(const struct explained *x, bytes destination) {
    json row;
    for (size_t at = 0; json_element(json_get(x->row, "deliveries"), &at, &row);)
        if (bytes_equal(json_string(json_get(row, "destination")), destination))
            return true;
    return false;
}

// An endpoint gets what was owed to it when the event came, whatever it is now.
static void decide_endpoint(const struct explained *x, const struct endpoint_known *e,
                            const struct match_facts *f, int64_t received_at,
                            struct decision *out) {
    bool owed = is_owed(x, e->as.name), matches = match_destination(&e->as, f, &out->why);
    out->gets = owed && e->enabled;
    if (!e->enabled) {
        text_reset(&out->why);
        text_addf(&out->why, "the endpoint is disabled%s%s",
                  e->because.n > 0 ? ", as it did nothing but fail" : "",
                  owed ? ": what it is owed waits until it is enabled" : "");
    } else if (!owed && matches && e->created_s * 1000 > received_at) {
        text_reset(&out->why);
        text_adds(&out->why, "the endpoint was made after the event came; a replay to it sends it");
    } else if (!owed && matches) {
        text_adds(&out->why, ", but when the event came the endpoint was not there, disabled, or "
                             "asked for others; a replay to it sends it");
    } else if (owed && !matches) {
        text_reset(&out->why);
        text_adds(&out->why, "it was owed to the endpoint; it asks for others since, or somebody "
                             "replayed it");
    }
}

static void add_endpoint(const struct explained *x, bytes name, const struct decision *d,
                         bool first) {
    struct text *out = &x->ask->out;
    text_adds(out, first ? "{\"name\":" : ",{\"name\":");
    text_add_json(out, name);
    text_addc(out, ',');
    add_decision(out, d);
    text_adds(out, ",\"then\":null");
    add_deliveries(x, name);
}

static const struct endpoint_known *known(const struct explained *x, bytes id) {
    for (size_t i = 0; i < x->endpoint_count; i++)
        if (bytes_equal(x->endpoints[i].as.name, id))
            return &x->endpoints[i];
    return NULL;
}

// Those that were deleted and had a delivery, each once.
static void add_deleted(const struct explained *x, bool first) {
    json list = json_get(x->row, "deliveries"), row, before;
    size_t n = 0;
    for (size_t at = 0; json_element(list, &at, &row); n++) {
        bytes name = json_string(json_get(row, "destination"));
        bool again = false;
        size_t k = 0;
        for (size_t from = 0; k < n && json_element(list, &from, &before); k++)
            again = again || bytes_equal(json_string(json_get(before, "destination")), name);
        if (again || !endpoint_id(name) || known(x, name) != NULL)
            continue;
        struct decision d = {0};
        text_adds(&d.why, "the endpoint was deleted");
        add_endpoint(x, name, &d, first);
        text_drop(&d.why);
        first = false;
    }
}

// Those of the event's livemode.
static void add_endpoints(struct explained *x, const struct match_facts *f, int64_t received_at,
                          bool first) {
    for (size_t i = 0; i < x->endpoint_count; i++) {
        const struct endpoint_known *e = &x->endpoints[i];
        if (!mode_fits(e->as.livemode, f->livemode))
            continue;
        struct decision d = {0};
        decide_endpoint(x, e, f, received_at, &d);
        add_endpoint(x, e->as.name, &d, first);
        text_drop(&d.why);
        first = false;
    }
    add_deleted(x, first);
    x->endpoints_said = true;
}

static uint64_t number_of(json row, const char *key) {
    uint64_t n = 0;
    return bytes_to_u64(json_number(json_get(row, key)), &n) == OK ? n : 0;
}

static void copy_members(json row, const char *const *names, struct text *out) {
    for (size_t i = 0; names[i] != NULL; i++) {
        text_addf(out, "%s\"%s\":", i > 0 ? "," : "", names[i]);
        if (json_type(json_get(row, names[i])) == JSON_ABSENT)
            text_adds(out, "null");
        else
            json_write(json_get(row, names[i]), out);
    }
}

static result event_of(const struct explained *x, json receipt, struct text *body,
                       struct event *out) {
    TRY(reader_body(x->reader, x->name, number_of(receipt, "seq"), body));
    return event_parse(text_bytes(body), out, NULL);
}

static struct match_facts facts_of(const struct explained *x, const struct event *e, json receipt) {
    bytes site = json_string(json_get(x->row, "site"));
    return (struct match_facts){
        .type = e->type,
        .account = e->account,
        .livemode = e->livemode,
        .source = json_string(json_get(receipt, "source")),
        .secret = json_string(json_get(receipt, "secret_label")),
        .site = bytes_equal(site, B(SITE_UNCLAIMED)) ? NO_BYTES : site,
        .event = json_root(e->doc),
    };
}

static result add_receipt(struct explained *x, json receipt) {
    static const char *const names[] = {
        "seq", "source", "secret_label", "received_at", "generation", "livemode_misfit", NULL};
    OWN(text_drop)
    struct text body = {0};
    OWN(event_drop)
    struct event e = {0};
    TRY(event_of(x, receipt, &body, &e));
    TRY(then_load(x, number_of(receipt, "generation")));
    struct match_facts facts = facts_of(x, &e, receipt);
    struct text *out = &x->ask->out;
    text_addc(out, '{');
    copy_members(receipt, names, out);
    text_adds(out, ",\"destinations\":[");
    bool misfit = json_true(json_get(receipt, "livemode_misfit"));
    bool any = add_destinations(x, &facts, misfit);
    if (!misfit && !x->endpoints_said)
        add_endpoints(x, &facts, (int64_t)number_of(receipt, "received_at"), !any);
    text_adds(out, "]}");
    return OK;
}

static result add_receipts(struct explained *x) {
    json receipts = json_get(x->row, "receipts"), receipt;
    struct text *out = &x->ask->out;
    size_t n = 0, at = 0;
    text_adds(out, ",\"receipts\":[");
    while (n < RECEIPTS_MAX && json_element(receipts, &at, &receipt)) {
        if (n++ > 0)
            text_addc(out, ',');
        TRY(add_receipt(x, receipt));
    }
    text_addf(out, "],\"receipts_left_out\":%zu}", json_size(receipts) - n);
    return OK;
}

static result explain(struct explained *x, uint64_t seq) {
    struct text *out = &x->ask->out;
    TRY(explain_plan(x->ask, x->reader, &x->now));
    TRY(reader_endpoints_known(x->reader, &x->memory, &x->endpoints, &x->endpoint_count));
    uint64_t generation = x->now == NULL ? 0 : x->now->generation;
    text_adds(out, "{\"event\":");
    text_add(out, x->name);
    text_adds(out, ",");
    copy_members(x->row, (const char *const[]){"id", "type", NULL}, out);
    text_addf(out, ",\"generation\":%llu,\"site\":", (unsigned long long)generation);
    TRY(reader_event_site(x->reader, seq, out));
    return add_receipts(x);
}

// As booking replays it, under the plan in force: to who is reached by one of its receipts.
static result add_reached(const struct explained *x, json receipt, bool *reached, size_t *n) {
    if (json_true(json_get(receipt, "livemode_misfit")))
        return OK;
    OWN(text_drop)
    struct text body = {0};
    OWN(event_drop)
    struct event e = {0};
    TRY(event_of(x, receipt, &body, &e));
    struct match_facts facts = facts_of(x, &e, receipt);
    for (size_t i = 0; i < x->now->destination_count; i++) {
        if (reached[i] || !match_destination(&x->now->destinations[i], &facts, NULL))
            continue;
        reached[i] = true;
        text_adds(&x->ask->out, (*n)++ > 0 ? "," : "");
        text_add_json(&x->ask->out, x->now->destinations[i].name);
    }
    return OK;
}

// Endpoints: what was owed to them when it came.
static result add_owed(const struct explained *x, size_t *n) {
    json list = json_get(x->row, "deliveries"), row, before;
    bool livemode = json_true(json_get(x->row, "livemode"));
    size_t i = 0;
    for (size_t at = 0; json_element(list, &at, &row); i++) {
        bytes name = json_string(json_get(row, "destination"));
        bool again = !endpoint_id(name);
        size_t k = 0;
        for (size_t from = 0; !again && k < i && json_element(list, &from, &before); k++)
            again = bytes_equal(json_string(json_get(before, "destination")), name);
        OWN(text_drop)
        struct text text = {0};
        OWN(json_close)
        struct json_doc *doc = NULL;
        result read = again ? OK : reader_endpoint(x->reader, livemode, name, &text);
        if (again || failed_as(read, FAIL_ABSENT))
            continue;
        TRY(read);
        TRY(json_parse(text_bytes(&text), &doc));
        if (!json_true(json_get(json_root(doc), "enabled")))
            continue;
        text_adds(&x->ask->out, (*n)++ > 0 ? "," : "");
        text_add_json(&x->ask->out, name);
    }
    return OK;
}

static result add_matching(const struct explained *x) {
    json receipts = json_get(x->row, "receipts"), receipt;
    size_t n = 0, count = x->now == NULL ? 0 : x->now->destination_count;
    bool *reached = arena_take(&x->ask->memory, count + 1);
    NEED(reached != NULL, MEMORY, "a replay's destinations do not fit the arena");
    memset(reached, 0, count);
    for (size_t at = 0; count > 0 && json_element(receipts, &at, &receipt);)
        TRY(add_reached(x, receipt, reached, &n));
    return add_owed(x, &n);
}

result explain_plan(struct ask *a, struct reader *r, struct plan **now) {
    uint64_t generation = ledger_generation(a->desk->o.ledger);
    *now = NULL;
    return generation == 0 ? OK : plan_load(r, generation, now);
}

result explain_replay(struct ask *a, struct reader *r, struct plan *now, uint64_t seq, bytes to) {
    OWN(text_drop)
    struct text digits = {0}, whole = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    text_add_u64(&digits, seq);
    TRY(reader_event(r, text_bytes(&digits), &whole));
    TRY(json_parse(text_bytes(&whole), &doc));
    struct explained x = {
        .ask = a, .reader = r, .name = text_bytes(&digits), .row = json_root(doc), .now = now};
    text_addf(&a->out, "{\"event\":%llu,", (unsigned long long)seq);
    copy_members(x.row, (const char *const[]){"id", "type", "received_at", NULL}, &a->out);
    text_adds(&a->out, ",\"to\":[");
    if (to.n > 0)
        text_add_json(&a->out, to);
    else
        TRY(add_matching(&x));
    text_adds(&a->out, "]}");
    return OK;
}

static void explain_work(struct ask *a, struct reader *r) {
    struct which w;
    uint64_t seq = 0;
    OWN(text_drop)
    struct text digits = {0};
    OWN(text_drop)
    struct text whole = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (!which_asked(a, &w) || !which_seq(a, r, &w, &seq))
        return;
    text_add_u64(&digits, seq);
    result done = reader_event(r, text_bytes(&digits), &whole);
    if (done == OK)
        done = json_parse(text_bytes(&whole), &doc);
    struct explained x = {
        .ask = a, .reader = r, .name = text_bytes(&digits), .row = json_root(doc)};
    arena_init(&x.memory, ENDPOINTS_MEMORY_MAX);
    if (done == OK)
        done = explain(&x, seq);
    arena_drop(&x.memory);
    then_drop(&x);
    plan_free(x.now);
    if (done != OK)
        ask_fail_read(a, done, "no event has this number; /api/events lists what is there");
}

void events_explain(struct ask *a) { ask_query(a, explain_work, ask_send); }
