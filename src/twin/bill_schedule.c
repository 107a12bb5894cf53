// SPDX-License-Identifier: MIT
// Subscription schedules (https://docs.stripe.com/billing/subscriptions/subscription-schedules):
// phases, one after the other, each with its items and its end.
#include "twin/bill.h"
#include "twin/effects.h"

#define PHASES_MAX 10
// How long before its end Stripe says so: it names seven days, and its own CLI waits for nine.
#define TOLD_BEFORE_S (10 * DAY_S)

static bool is_status(struct twin_object *o, const char *status) {
    return bytes_equal(twin_text(o, "status"), bytes_of(status));
}

static bytes scalar(json v) {
    return json_type(v) == JSON_STRING ? json_string(v) : json_literal(v);
}

static int64_t number_of(json v, int64_t otherwise) {
    int64_t n;
    return twin_number(v, &n) == OK ? n : otherwise;
}

// --- phases

// One item of a phase as it is shown; false: refused.
static bool add_item(struct twin_call *c, json item, size_t phase, struct text *out,
                     struct twin_object **price) {
    OWN(text_drop)
    struct text param = {0};
    text_addf(&param, "phases[%zu][items][price]", phase);
    bytes id = scalar(json_get(item, "price"));
    if (id.n == 0)
        id = scalar(json_get(item, "plan"));
    *price = twin_ref(c, text_str(&param), id, "price");
    if (*price == NULL)
        return false;
    text_adds(out, "{\"billing_thresholds\":null,\"discounts\":[],\"metadata\":{},\"plan\":");
    text_add_json(out, id);
    text_adds(out, ",\"price\":");
    text_add_json(out, id);
    text_addf(out, ",\"quantity\":%lld,\"tax_rates\":[]}",
              (long long)number_of(json_get(item, "quantity"), 1));
    return true;
}

static bool phase_end(struct twin_call *c, json phase, size_t n, int64_t start,
                      struct twin_object *price, int64_t *end) {
    int64_t iterations = number_of(json_get(phase, "iterations"), 0);
    bytes interval = twin_text(price, "recurring.interval");
    *end = number_of(json_get(phase, "end_date"), 0);
    json duration = json_get(phase, "duration");
    if (json_type(duration) == JSON_OBJECT)
        *end = bill_period(start, 1, scalar(json_get(duration, "interval")),
                           number_of(json_get(duration, "interval_count"), 1));
    if (*end == 0)
        *end = bill_period(start, iterations < 1 ? 1 : iterations, interval,
                           twin_int(price, "recurring.interval_count"));
    if (*end > start)
        return true;
    OWN(text_drop)
    struct text param = {0};
    text_addf(&param, "phases[%zu][end_date]", n);
    return twin_refuse(c, API_ERROR_INVALID, text_str(&param),
                       "The phase ends at %lld and begins at %lld.", (long long)*end,
                       (long long)start);
}

// Appends a phase that begins then; *at is its end.
static bool add_phase(struct twin_call *c, json phase, size_t n, int64_t *at, struct text *out) {
    OWN(text_drop)
    struct text items = {0};
    struct twin_object *price = NULL;
    json one;
    int64_t start = *at;
    for (size_t i = 0; json_element(json_get(phase, "items"), &i, &one);) {
        text_adds(&items, items.n > 0 ? "," : "");
        if (!add_item(c, one, n, &items, &price))
            return false;
    }
    if (price == NULL)
        return twin_refuse(c, API_ERROR_PARAMETER_MISSING, "phases[items]",
                           "Missing required param: phases[%zu][items].", n);
    if (!phase_end(c, phase, n, start, price, at))
        return false;
    text_adds(
        out, "{\"add_invoice_items\":[],\"application_fee_percent\":null,\"automatic_tax\":{"
             "\"disabled_reason\":null,\"enabled\":false,\"liability\":null},"
             "\"billing_cycle_anchor\":null,\"billing_thresholds\":null,\"collection_method\":null,"
             "\"currency\":");
    text_add_json(out, twin_text(price, "currency"));
    text_addf(out,
              ",\"default_payment_method\":null,\"default_tax_rates\":[],\"description\":null,"
              "\"discounts\":[],\"end_date\":%lld,\"invoice_settings\":null,\"items\":[%.*s],"
              "\"metadata\":{},\"on_behalf_of\":null,\"proration_behavior\":\"create_prorations\","
              "\"start_date\":%lld,\"transfer_data\":null,\"trial_end\":null}",
              (long long)*at, BYTES_ARG(text_bytes(&items)), (long long)start);
    return true;
}

static bool put_phases(struct twin_call *c, json phases, int64_t start) {
    OWN(text_drop)
    struct text list = {0};
    json one;
    size_t n = 0;
    text_addc(&list, '[');
    for (size_t at = 0; json_element(phases, &at, &one); n++) {
        text_adds(&list, n > 0 ? "," : "");
        if (n == PHASES_MAX)
            return twin_refuse(c, API_ERROR_INVALID, "phases", "A schedule has at most %d phases.",
                               PHASES_MAX);
        if (!add_phase(c, one, n, &start, &list))
            return false;
    }
    text_addc(&list, ']');
    if (n == 0)
        return twin_refuse(c, API_ERROR_PARAMETER_MISSING, "phases",
                           "Missing required param: phases.");
    twin_set_json(c, c->self, "phases", text_bytes(&list));
    return true;
}

static int64_t phase_int(struct twin_object *o, size_t n, const char *what) {
    OWN(text_drop)
    struct text path = {0};
    text_addf(&path, "phases.%zu.%s", n, what);
    return twin_int(o, text_str(&path));
}

static json phase_items(struct twin_object *o, size_t n) {
    OWN(text_drop)
    struct text path = {0};
    text_addf(&path, "phases.%zu.items", n);
    return twin_at(o, text_str(&path));
}

static size_t phases_of(struct twin_object *o) { return json_size(twin_at(o, "phases")); }

// --- in time

static void enter(struct twin_call *c, struct twin_object *o, size_t n) {
    int64_t end = phase_int(o, n, "end_date");
    twin_set_json(c, o, "current_phase", B("{}"));
    twin_set_int(c, o, "current_phase.start_date", phase_int(o, n, "start_date"));
    twin_set_int(c, o, "current_phase.end_date", end);
    twin_when(c, o, end, effect_schedule_phase_end);
    if (n + 1 < phases_of(o))
        return;
    int64_t told = end - TOLD_BEFORE_S, now = twin_time(c, o);
    twin_when(c, o, told < now ? now : told, effect_schedule_expiring);
}

// Its subscription comes to be; null: refused.
static struct twin_object *start_it(struct twin_call *c, struct twin_object *o) {
    struct twin_object *customer = twin_get(c, twin_text(o, "customer"));
    struct twin_object *sub = bill_subscribe(c, customer, phase_items(o, 0), "phases[0][items]");
    if (sub == NULL)
        return NULL;
    twin_set_str(c, sub, "schedule", o->id);
    twin_set_str(c, o, "subscription", sub->id);
    twin_set_str(c, o, "status", "active");
    enter(c, o, 0);
    return sub;
}

bool effect_schedule_create(struct twin_call *c) {
    int64_t now = twin_time(c, c->self), start = now;
    bytes from = twin_param_text(c, "from_subscription");
    if (from.n > 0)
        return twin_refuse(
            c, API_ERROR_PARAMETER_UNKNOWN, "from_subscription",
            "Received unknown parameter: from_subscription. The twin makes schedules "
            "of phases alone.");
    if (!bytes_equal(twin_param_text(c, "start_date"), B("now")) &&
        !twin_param_int(c, "start_date", &start))
        return false;
    if (c->self->clock != NULL)
        twin_set_str(c, c->self, "test_clock", c->self->clock->id);
    if (!put_phases(c, twin_param(c, "phases"), start))
        return false;
    if (start <= now)
        return start_it(c, c->self) != NULL;
    twin_set_str(c, c->self, "status", "not_started");
    twin_when(c, c->self, start, effect_schedule_start);
    return true;
}

bool effect_schedule_created(struct twin_call *c) {
    struct twin_object *sub = twin_get(c, twin_text(c->self, "subscription"));
    if (sub != NULL)
        bill_subscribe_told(c, sub);
    return true;
}

bool effect_schedule_start(struct twin_call *c) {
    struct twin_object *sub = start_it(c, c->self);
    if (sub == NULL)
        return false;
    twin_emit(c, c->self, "subscription_schedule.updated");
    bill_subscribe_told(c, sub);
    return true;
}

bool effect_schedule_expiring(struct twin_call *c) {
    if (is_status(c->self, "active"))
        twin_emit(c, c->self, "subscription_schedule.expiring");
    return true;
}

static void complete(struct twin_call *c, struct twin_object *o, struct twin_object *sub) {
    bool cancels = bytes_equal(twin_text(o, "end_behavior"), B("cancel"));
    twin_set_null(c, o, "current_phase");
    twin_set_str(c, o, "status", cancels ? "completed" : "released");
    if (!cancels)
        twin_set_int(c, o, "released_at", twin_time(c, o));
    twin_set_int(c, o, "completed_at", twin_time(c, o));
    if (!cancels && sub != NULL)
        twin_set_str(c, o, "released_subscription", sub->id);
    twin_emit(c, o, "subscription_schedule.updated");
    twin_emit(c, o, "subscription_schedule.completed");
    if (!cancels)
        twin_emit(c, o, "subscription_schedule.released");
    if (sub == NULL)
        return;
    twin_set_null(c, sub, "schedule");
    if (cancels)
        bill_end(c, sub, "cancellation_requested");
    else
        twin_emit(c, sub, "customer.subscription.updated");
}

bool effect_schedule_phase_end(struct twin_call *c) {
    struct twin_object *o = c->self, *sub = twin_get(c, twin_text(o, "subscription"));
    int64_t now = twin_int(o, "current_phase.end_date");
    size_t n = 0;
    if (!is_status(o, "active"))
        return true;
    while (n < phases_of(o) && phase_int(o, n, "start_date") < now)
        n++;
    if (n == phases_of(o)) {
        complete(c, o, sub);
        return true;
    }
    enter(c, o, n);
    if (sub != NULL && !bill_exchange(c, sub, phase_items(o, n)))
        return false;
    twin_emit(c, o, "subscription_schedule.updated");
    if (sub != NULL)
        twin_emit(c, sub, "customer.subscription.updated");
    return true;
}

// --- moves

bool effect_schedule_update(struct twin_call *c) {
    if (!twin_given(c, "phases"))
        return true;
    int64_t start = phase_int(c->self, 0, "start_date");
    if (!put_phases(c, twin_param(c, "phases"), start))
        return false;
    if (!is_status(c->self, "active"))
        return true;
    twin_when_not(c, c->self, NULL);
    enter(c, c->self, 0);
    return true;
}

bool effect_schedule_cancel(struct twin_call *c) {
    struct twin_object *o = c->self, *sub = twin_get(c, twin_text(o, "subscription"));
    bool waits = is_status(o, "not_started");
    twin_when_not(c, o, NULL);
    twin_set_str(c, o, "status", "canceled");
    twin_set_int(c, o, "canceled_at", twin_time(c, o));
    twin_set_null(c, o, "current_phase");
    // One that never began is told as broken off too: the CLI's trigger of that name does this.
    if (waits)
        twin_emit(c, o, "subscription_schedule.aborted|subscription_schedule.updated");
    else
        twin_emit(c, o, "subscription_schedule.updated");
    twin_emit(c, o, "subscription_schedule.canceled");
    if (sub != NULL && !is_status(sub, "canceled"))
        bill_end(c, sub, "cancellation_requested");
    return true;
}

bool effect_schedule_release(struct twin_call *c) {
    struct twin_object *o = c->self, *sub = twin_get(c, twin_text(o, "subscription"));
    twin_when_not(c, o, NULL);
    twin_set_str(c, o, "status", "released");
    twin_set_int(c, o, "released_at", twin_time(c, o));
    twin_set_null(c, o, "current_phase");
    twin_set_null(c, o, "subscription");
    if (sub != NULL)
        twin_set_str(c, o, "released_subscription", sub->id);
    twin_emit(c, o, "subscription_schedule.updated");
    twin_emit(c, o, "subscription_schedule.released");
    if (sub == NULL)
        return true;
    twin_set_null(c, sub, "schedule");
    twin_emit(c, sub, "customer.subscription.updated");
    return true;
}
