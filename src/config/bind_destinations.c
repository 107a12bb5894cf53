// SPDX-License-Identifier: MIT
#include "base/ensure.h"
#include "base/url.h"
#include "config/bind.h"
#include "rules/endpoint.h"
#include "rules/lane.h"
#include "rules/pace.h"
#include "rules/url_names.h"
#include "stripe/types.h"

static void check_http(struct reading *r, struct node *map) {
    const struct node *kind = tree_get(map, KEY_DESTINATION_KIND);
    struct node *url = tree_get(map, KEY_DESTINATION_URL);
    if (kind == NULL || kind->bad)
        return;
    if (url == NULL)
        complain(r, map,
                 "url is missing; a destination of kind http needs one, as "
                 "http://127.0.0.1:5001/stripe");
    if (tree_get(map, KEY_DESTINATION_SECRET) == NULL)
        complain(r, map,
                 "secret is missing; a destination of kind http needs one, the same that "
                 "its site verifies with");
    if (url == NULL || url->bad)
        return;
    const char *fault = url_names_fault(url->text);
    if (fault == NULL)
        fault = url_fault(url->text);
    if (fault != NULL)
        complain(r, url, "this is no URL to deliver to: %s", fault);
}

// Which keys say something to which kind, and mode.
enum fit {
    FIT_HTTP = 1,
    FIT_ONESHOT = 2,
    FIT_STREAM = 4,
    FIT_TABLES = 8,
    FIT_PLUGIN = 16,
    FIT_REDIS = 32,
    FIT_BULL = 64,
    FIT_FILE = 128,
};
#define FIT_COMMAND (FIT_ONESHOT | FIT_STREAM)
#define FIT_HANDLER (FIT_COMMAND | FIT_PLUGIN)
#define FIT_SERVER (FIT_REDIS | FIT_BULL)
#define FIT_QUEUE (FIT_SERVER | FIT_FILE)
static const struct {
    enum key key;
    unsigned fit;
} fits[] = {
    {KEY_DESTINATION_URL, FIT_HTTP | FIT_SERVER},
    {KEY_DESTINATION_SECRET, FIT_HTTP},
    {KEY_DESTINATION_TIMEOUT, FIT_HTTP | FIT_HANDLER | FIT_QUEUE},
    {KEY_DESTINATION_RETRY, FIT_HTTP | FIT_HANDLER | FIT_QUEUE},
    {KEY_DESTINATION_RUN, FIT_COMMAND},
    {KEY_DESTINATION_MODE, FIT_COMMAND},
    {KEY_DESTINATION_PATH, FIT_PLUGIN | FIT_FILE},
    {KEY_DESTINATION_ORDER, FIT_HTTP | FIT_HANDLER | FIT_QUEUE},
    {KEY_DESTINATION_ON_FAILURE, FIT_HTTP | FIT_HANDLER | FIT_QUEUE},
    {KEY_DESTINATION_PARK_AFTER, FIT_HTTP | FIT_HANDLER | FIT_QUEUE},
    {KEY_DESTINATION_CONCURRENCY, FIT_HTTP | FIT_COMMAND | FIT_TABLES | FIT_QUEUE},
    {KEY_DESTINATION_WORKERS, FIT_STREAM | FIT_PLUGIN},
    {KEY_DESTINATION_ENVIRONMENT, FIT_HANDLER},
    {KEY_DESTINATION_DIRECTORY, FIT_HANDLER},
    {KEY_DESTINATION_USER, FIT_HANDLER},
    {KEY_DESTINATION_LIMITS, FIT_HANDLER},
    {KEY_DESTINATION_GRACE, FIT_HANDLER},
    {KEY_DESTINATION_RESTART, FIT_STREAM | FIT_PLUGIN},
    {KEY_DESTINATION_LOG_RATE, FIT_HANDLER},
    {KEY_DESTINATION_TABLES, FIT_TABLES},
    {KEY_DESTINATION_PRIORITY, FIT_HTTP | FIT_HANDLER | FIT_QUEUE},
    {KEY_DESTINATION_PASSWORD, FIT_SERVER},
    {KEY_DESTINATION_STREAM, FIT_REDIS},
    {KEY_DESTINATION_MAXLEN, FIT_REDIS},
    {KEY_DESTINATION_LIST, FIT_REDIS},
    {KEY_DESTINATION_QUEUE, FIT_BULL},
    {KEY_DESTINATION_PREFIX, FIT_BULL},
    {KEY_DESTINATION_JOB, FIT_BULL},
    {KEY_DESTINATION_ROTATE, FIT_FILE},
};

static const struct {
    enum destination_kind kind;
    unsigned fit;
} kind_fits[] = {
    {KIND_HTTP, FIT_HTTP},     {KIND_COMMAND, FIT_COMMAND}, {KIND_TABLES, FIT_TABLES},
    {KIND_PLUGIN, FIT_PLUGIN}, {KIND_REDIS, FIT_REDIS},     {KIND_BULLMQ, FIT_BULL},
    {KIND_BULL, FIT_BULL},     {KIND_FILE, FIT_FILE},
};

// "http or command": the kinds to which a key says something.
static void say_kinds(unsigned fit, struct text *out) {
    for (size_t i = 0; i < sizeof kind_fits / sizeof kind_fits[0]; i++)
        if ((kind_fits[i].fit & fit) != 0)
            text_addf(out, "%s%s", out->n > 0 ? " or " : "", kind_name(kind_fits[i].kind));
}

static void check_fits(struct reading *r, const struct node *map, enum destination_kind kind,
                       bool stream) {
    for (size_t i = 0; i < sizeof fits / sizeof fits[0]; i++) {
        struct node *n = tree_get(map, fits[i].key);
        if (n == NULL || n->defaulted)
            continue;
        OWN(text_drop)
        struct text kinds = {0};
        say_kinds(fits[i].fit, &kinds);
        if ((fits[i].fit & kind_fits[kind].fit) == 0)
            complain(r, n, "says nothing to kind %s; remove it, or say kind: %s", kind_name(kind),
                     text_str(&kinds));
        else if (kind == KIND_COMMAND && !stream && (fits[i].fit & FIT_ONESHOT) == 0)
            complain(r, n, "says nothing to mode oneshot; remove it, or say mode: stream");
    }
}

static bool is_choice(const struct node *map, enum key key, const char *word) {
    const struct node *n = tree_get(map, key);
    return n != NULL && !n->bad && bytes_equal(n->text, bytes_of(word));
}

// There is one set of tables.
static void check_alone(struct reading *r, struct node *map) {
    for (const struct node *other = map->parent->first; other != map; other = other->next)
        if (is_choice(other, KEY_DESTINATION_KIND, "tables")) {
            complain(r, tree_get(map, KEY_DESTINATION_KIND),
                     "the destination in %s keeps the tables already; there is one set of them, "
                     "so have one destination of kind tables",
                     tree_place(r, other));
            return;
        }
}

static void check_object(struct reading *r, struct node *n) {
    if (n->bad || object_type_known(n->text))
        return;
    bytes nearest = object_type_nearest(n->text);
    if (nearest.n > 0)
        complain(r, n, "Stripe has no such type of object; did you mean `%.*s`?",
                 BYTES_ARG(nearest));
    else
        complain(r, n,
                 "Stripe has no such type of object; expected what stands in an object's "
                 "`object`, as product or checkout.session");
}

static result bind_tables(struct binding *b, struct node *map, struct plan_destination *plan) {
    const struct node *tables = tree_get(map, KEY_DESTINATION_TABLES);
    check_alone(b->r, map);
    struct node *of = tree_get(tables, KEY_DESTINATION_TABLES_EXCEPT);
    for (struct node *n = bind_first(of); n != NULL; n = bind_next(of, n))
        check_object(b->r, n);
    return bind_texts(b, tables, KEY_DESTINATION_TABLES_EXCEPT, &plan->except, &plan->except_count);
}

static enum destination_kind kind_of(const struct node *map) {
    const struct node *n = tree_get(map, KEY_DESTINATION_KIND);
    enum destination_kind kind = KIND_HTTP;
    return n != NULL && !n->bad && kind_parse(n->text, &kind) == OK ? kind : KIND_HTTP;
}

// As written: what a variable stands for may be a secret, which the plan must not carry.
static result bind_description(struct binding *b, const struct node *map,
                               struct plan_destination *plan) {
    const struct node *n = tree_get(map, KEY_DESTINATION_DESCRIPTION);
    return n == NULL || n->bad ? OK : bind_copy(b, n->raw, &plan->description);
}

static void bind_pace(const struct node *map, struct pace_limits *out) {
    const struct node *places = tree_get(map, KEY_DESTINATION_CONCURRENCY);
    const struct node *rate = tree_get(map, KEY_DESTINATION_RATE);
    int64_t least = 0, most = 0;
    if (places != NULL && !places->bad && check_span(places, &least, &most)) {
        out->min = (uint32_t)least;
        out->max = (uint32_t)most;
    }
    if (rate != NULL && !rate->bad && pace_rate_parse(rate->text, out) != OK)
        out->rate = 0; // it was complained of
}

// One pattern cannot be both.
static void check_priority_once(struct reading *r, struct node *high, struct node *low) {
    for (struct node *l = bind_first(low); l != NULL; l = bind_next(low, l)) {
        if (!l->bad)
            bind_type_pattern(r, l);
        for (struct node *h = bind_first(high); h != NULL; h = bind_next(high, h))
            if (!l->bad && !h->bad && bytes_equal(h->text, l->text))
                complain(r, l, "it stands in `high` too; leave it in one of the two lists");
    }
    for (struct node *h = bind_first(high); h != NULL; h = bind_next(high, h))
        if (!h->bad)
            bind_type_pattern(r, h);
}

static result bind_priority(struct binding *b, const struct node *map,
                            struct plan_destination *plan) {
    struct node *of = tree_get(map, KEY_DESTINATION_PRIORITY);
    if (of == NULL || of->bad || of->shape != NODE_MAP)
        return OK;
    struct node *high = tree_get(of, KEY_DESTINATION_PRIORITY_HIGH),
                *low = tree_get(of, KEY_DESTINATION_PRIORITY_LOW);
    check_priority_once(b->r, high, low);
    if (!of->defaulted && of->first == NULL)
        complain(b->r, of, "it orders nothing; name types in `high` or `low`, or leave it out");
    TRY(bind_texts(b, of, KEY_DESTINATION_PRIORITY_HIGH, &plan->priority.types[PRIORITY_HIGH],
                   &plan->priority.count[PRIORITY_HIGH]));
    return bind_texts(b, of, KEY_DESTINATION_PRIORITY_LOW, &plan->priority.types[PRIORITY_LOW],
                      &plan->priority.count[PRIORITY_LOW]);
}

static void bind_lanes(struct binding *b, const struct node *map, struct lane_rule *out) {
    const struct node *order = tree_get(map, KEY_DESTINATION_ORDER);
    struct node *failure = tree_get(map, KEY_DESTINATION_ON_FAILURE);
    struct node *after = tree_get(map, KEY_DESTINATION_PARK_AFTER);
    *out = (struct lane_rule){.park_after = LANE_PARK_AFTER};
    if (order != NULL && !order->bad && lane_order_parse(order->text, &out->order) != OK)
        out->order = LANE_NONE; // it was complained of
    if (failure != NULL && !failure->bad &&
        lane_failure_parse(failure->text, &out->on_failure) != OK)
        out->on_failure = LANE_BLOCK;
    if (after != NULL && !after->bad)
        out->park_after = (uint32_t)bind_number(map, KEY_DESTINATION_PARK_AFTER);
    if (failure != NULL && !failure->defaulted && out->order == LANE_NONE)
        complain(b->r, failure,
                 "on_failure says what a lane does, and the destination has none; give it an "
                 "`order`, as object");
    if (after != NULL && !after->defaulted && out->on_failure != LANE_PARK)
        complain(b->r, after, "park_after goes with on_failure: park alone; remove one of them");
}

static result bind_destination(struct binding *b, struct node *map, struct config_destination *out,
                               struct plan_destination *plan) {
    const struct node *twin = bind_same(map, KEY_DESTINATION_NAME);
    if (twin != NULL)
        complain(b->r, tree_get(map, KEY_DESTINATION_NAME),
                 "the destination in %s has the same name; give each its own",
                 tree_place(b->r, twin));
    enum destination_kind kind = kind_of(map);
    out->handler.stream = is_choice(map, KEY_DESTINATION_MODE, "stream");
    check_fits(b->r, map, kind, out->handler.stream);
    if (kind == KIND_HTTP)
        check_http(b->r, map);
    TRY(bind_text(b, map, KEY_DESTINATION_NAME, &out->name));
    if (endpoint_id(out->name))
        complain(b->r, tree_get(map, KEY_DESTINATION_NAME),
                 "it begins as the ids of endpoints do that are made through the API; give it a "
                 "name that begins with neither we_ nor ed_");
    TRY(bind_text(b, map, KEY_DESTINATION_URL, &out->url));
    TRY(bind_text(b, map, KEY_DESTINATION_SECRET, &out->secret));
    *plan = (struct plan_destination){
        .name = out->name,
        .kind = kind,
        .url = out->url,
        .fingerprint = bind_fingerprint(b, out->secret),
        .livemode = bind_mode(map, KEY_DESTINATION_LIVEMODE),
        .timeout_ms = bind_number(map, KEY_DESTINATION_TIMEOUT),
    };
    bind_pace(map, &plan->pace);
    plan->hold_after_ms = bind_number(map, KEY_DESTINATION_HOLD_AFTER);
    bind_lanes(b, map, &plan->lanes);
    TRY(bind_waits(b, map, KEY_DESTINATION_RETRY, &plan->retry_ms, &plan->retry_count));
    TRY(bind_description(b, map, plan));
    TRY(bind_priority(b, map, plan));
    TRY(bind_rules(b, tree_get(map, KEY_DESTINATION_MATCH), plan));
    switch (kind) {
    case KIND_HTTP: return OK;
    case KIND_COMMAND:
    case KIND_PLUGIN: return bind_handler(b, map, &out->handler, plan);
    case KIND_TABLES: return bind_tables(b, map, plan);
    case KIND_REDIS:
    case KIND_BULLMQ:
    case KIND_BULL:
    case KIND_FILE: return bind_queue(b, map, out, plan);
    }
    unreachable_code();
}

result bind_destinations(struct binding *b) {
    struct node *list = tree_get(b->root, KEY_DESTINATIONS);
    if (list == NULL || list->shape != NODE_LIST)
        return OK;
    struct config *c = b->c;
    c->destination_count = b->plan.destination_count = list->count;
    TRY(bind_take(b, list->count, sizeof(*c->destinations), &c->destinations));
    TRY(bind_take(b, list->count, sizeof(*b->plan.destinations), &b->plan.destinations));
    for (struct node *n = list->first; n != NULL; n = n->next)
        TRY(bind_destination(b, n, &c->destinations[n->index], &b->plan.destinations[n->index]));
    return OK;
}
