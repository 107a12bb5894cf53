// SPDX-License-Identifier: MIT
// Subscriptions (https://docs.stripe.com/billing/subscriptions/overview) from their first invoice
// to their end.
#include "twin/bill.h"
#include "twin/effects.h"

#define TOLD_BEFORE_S (3 * DAY_S) // that a trial ends
#define FIRST_PAYMENT_S (23 * HOUR_S)

static bool is_status(struct twin_object *o, const char *status) {
    return bytes_equal(twin_text(o, "status"), bytes_of(status));
}

// Deleted ones too: what they owe is still owed.
static struct twin_object *customer_of(struct twin_call *c, struct twin_object *sub) {
    return twin_find(c->w, bytes_of(sub->account), twin_text(sub, "customer"));
}

static bool charges(struct twin_object *sub) {
    return bytes_equal(twin_text(sub, "collection_method"), B("charge_automatically"));
}

static bool behaves(const struct twin_call *c, const char *behavior) {
    return bytes_equal(twin_param_text(c, "payment_behavior"), bytes_of(behavior));
}

// --- the time of it

static void due_next(struct twin_call *c, struct twin_object *sub) {
    twin_when_not(c, sub, effect_subscription_cycle);
    twin_when(c, sub, bill_period_end(sub), effect_subscription_cycle);
}

static void due_trial(struct twin_call *c, struct twin_object *sub) {
    int64_t end = twin_int(sub, "trial_end"), now = twin_time(c, sub);
    int64_t told = end - TOLD_BEFORE_S < now ? now : end - TOLD_BEFORE_S;
    twin_when_not(c, sub, effect_subscription_trial_told);
    twin_when_not(c, sub, effect_subscription_trial_end);
    twin_when(c, sub, told, effect_subscription_trial_told);
    twin_when(c, sub, end, effect_subscription_trial_end);
}

bool effect_subscription_trial_told(struct twin_call *c) {
    if (is_status(c->self, "trialing"))
        twin_emit(c, c->self, "customer.subscription.trial_will_end");
    return true;
}

// A trial's end from the parameters: 0: none; false: refused.
static bool read_trial(struct twin_call *c, struct twin_object *sub, int64_t *end) {
    int64_t days = 0, now = twin_time(c, sub);
    *end = 0;
    if (bytes_equal(twin_param_text(c, "trial_end"), B("now"))) {
        *end = now;
        return true;
    }
    if (!twin_param_int(c, "trial_end", end) || !twin_param_int(c, "trial_period_days", &days))
        return false;
    if (days < 0 || days > 730)
        return twin_refuse(c, API_ERROR_INVALID, "trial_period_days",
                           "A trial is at most 730 days long.");
    if (*end != 0 && *end <= now)
        return twin_refuse(c, API_ERROR_INVALID, "trial_end",
                           "trial_end is %lld, which is no time to come; `now` ends a trial.",
                           (long long)*end);
    if (*end == 0 && days > 0)
        *end = now + days * DAY_S;
    return true;
}

static void begin_trial(struct twin_call *c, struct twin_object *sub, int64_t end) {
    twin_set_int(c, sub, "trial_start", twin_time(c, sub));
    twin_set_int(c, sub, "trial_end", end);
    twin_set_int(c, sub, "billing_cycle_anchor", end);
    twin_set_str(c, sub, "status", "trialing");
    bill_period_set(c, sub, twin_time(c, sub), end);
}

// --- creation

static bool can_be_paid(struct twin_call *c, struct twin_object *sub, struct twin_object *invoice) {
    if (!charges(sub) || twin_int(invoice, "amount_due") == 0 || behaves(c, "default_incomplete") ||
        bill_method(c, customer_of(c, sub), sub, NULL) != NULL)
        return true;
    return twin_refuse_as(c, 400, "invalid_request_error", "resource_missing", NULL, NO_BYTES,
                          "This customer has no attached payment source or default payment method. "
                          "Please consider adding a default payment method.");
}

static struct twin_object *first_invoice(struct twin_call *c, struct twin_object *sub) {
    struct twin_object *o = bill_draft(c, customer_of(c, sub), sub, "subscription_create");
    twin_set_int(c, o, "period_start", twin_time(c, sub));
    twin_set_int(c, o, "period_end", twin_time(c, sub));
    bill_lines(c, sub, o, is_status(sub, "trialing"));
    bill_totals(c, o);
    twin_set_str(c, sub, "latest_invoice", o->id);
    return o;
}

static bool take_discount(struct twin_call *c, struct twin_object *sub) {
    bytes coupon = twin_param_text(c, "coupon"), code = twin_param_text(c, "promotion_code");
    json first = json_at(twin_param(c, "discounts"), 0);
    if (coupon.n == 0)
        coupon = json_string(json_get(first, "coupon"));
    if (code.n == 0)
        code = json_string(json_get(first, "promotion_code"));
    if (coupon.n == 0 && code.n == 0)
        return true;
    struct twin_object *d = bill_discount(c, coupon, code, customer_of(c, sub), sub);
    if (d == NULL)
        return false;
    OWN(text_drop)
    struct text list = {0};
    text_addc(&list, '[');
    text_add_json(&list, bytes_of(d->id));
    text_addc(&list, ']');
    twin_set_json(c, sub, "discounts", text_bytes(&list));
    return true;
}

static void tell_discount(struct twin_call *c, struct twin_object *sub) {
    struct twin_object *d = twin_get(c, json_string(json_at(twin_at(sub, "discounts"), 0)));
    if (d != NULL && d->fresh)
        twin_emit(c, d, "customer.discount.created");
}

static bool sent_has_days(struct twin_call *c, struct twin_object *sub) {
    if (charges(sub) || !twin_null(sub, "days_until_due"))
        return true;
    return twin_refuse(c, API_ERROR_PARAMETER_MISSING, "days_until_due",
                       "Missing required param: days_until_due, as its invoices are sent.");
}

static void end_with_period(struct twin_call *c, struct twin_object *sub) {
    if (twin_true(sub, "cancel_at_period_end"))
        twin_set_int(c, sub, "cancel_at", bill_period_end(sub));
}

// Items, periods, trial, discount and first invoice of one that was made.
static bool fill(struct twin_call *c, struct twin_object *sub, json items, const char *param) {
    struct bill_start start = {.items = items, .param = param};
    int64_t now = twin_time(c, sub), trial = 0;
    twin_set_int(c, sub, "start_date", now);
    twin_set_int(c, sub, "billing_cycle_anchor", now);
    twin_set_str(c, sub, "status", "incomplete");
    if (sub->clock != NULL)
        twin_set_str(c, sub, "test_clock", sub->clock->id);
    if (!bill_items(c, sub, &start) || !read_trial(c, sub, &trial) || !sent_has_days(c, sub) ||
        !take_discount(c, sub))
        return false;
    if (trial > now)
        begin_trial(c, sub, trial);
    else
        bill_period_set(c, sub, now, 0);
    end_with_period(c, sub);
    if (charges(sub) || is_status(sub, "trialing"))
        return can_be_paid(c, sub, first_invoice(c, sub));
    twin_set_str(c, sub, "status", "active");
    (void)first_invoice(c, sub);
    return true;
}

bool effect_subscription_create(struct twin_call *c) {
    return fill(c, c->self, twin_param(c, "items"), "items");
}

// Its first invoice, told and, where it can be, paid. A sent one goes out by itself later.
static bool pay_first(struct twin_call *c, struct twin_object *sub, struct twin_object *invoice) {
    twin_emit(c, invoice, "invoice.created");
    if (!charges(sub) && !is_status(sub, "trialing")) {
        bill_advance_later(c, invoice);
        twin_emit(c, invoice, "invoice.updated");
        return true;
    }
    bill_finalize(c, invoice);
    if (is_status(invoice, "paid"))
        return true;
    twin_when(c, sub, twin_time(c, sub) + FIRST_PAYMENT_S, effect_subscription_expire);
    bool waits = behaves(c, "default_incomplete");
    if (waits)
        bill_prepare(c, invoice);
    if (waits || bill_method(c, customer_of(c, sub), sub, NULL) == NULL)
        return true;
    enum pay_end end = bill_collect(c, invoice, NULL, twin_param_true(c, "off_session"));
    if (end == PAY_PAID || !behaves(c, "error_if_incomplete"))
        return true;
    bool refused = twin_pay_refuse(c, twin_get(c, twin_text(invoice, "$.intent")));
    c->keeps = false;
    return refused;
}

bool bill_begin(struct twin_call *c, struct twin_object *sub) {
    struct twin_object *invoice = twin_get(c, twin_text(sub, "latest_invoice"));
    tell_discount(c, sub);
    if (is_status(sub, "trialing"))
        due_trial(c, sub);
    else
        due_next(c, sub);
    return invoice == NULL || pay_first(c, sub, invoice);
}

bool effect_subscription_begin(struct twin_call *c) { return bill_begin(c, c->self); }

// Nobody paid the first invoice.
bool effect_subscription_expire(struct twin_call *c) {
    struct twin_object *sub = c->self, *invoice = twin_get(c, twin_text(sub, "latest_invoice"));
    if (!is_status(sub, "incomplete"))
        return true;
    twin_when_not(c, sub, NULL);
    twin_set_str(c, sub, "status", "incomplete_expired");
    twin_set_int(c, sub, "ended_at", twin_time(c, sub));
    if (invoice != NULL && is_status(invoice, "open"))
        bill_void(c, invoice);
    twin_emit(c, sub, "customer.subscription.updated");
    return true;
}

// --- what its invoices do to it

void bill_paid(struct twin_call *c, struct twin_object *sub) {
    bool waits =
        is_status(sub, "incomplete") || is_status(sub, "past_due") || is_status(sub, "unpaid");
    if (!waits)
        return;
    twin_when_not(c, sub, effect_subscription_expire);
    twin_set_str(c, sub, "status", "active");
    twin_emit(c, sub, "customer.subscription.updated");
}

void bill_failed(struct twin_call *c, struct twin_object *sub, bool last) {
    if (last && !is_status(sub, "incomplete") && !is_status(sub, "canceled")) {
        bill_end(c, sub, "payment_failed");
    } else if (is_status(sub, "active")) {
        twin_set_str(c, sub, "status", "past_due");
        twin_emit(c, sub, "customer.subscription.updated");
    }
}

// --- the next period

// What pause_collection says of an invoice: false: nothing.
static bool paused(struct twin_call *c, struct twin_object *sub, struct twin_object *invoice) {
    bytes behavior = twin_text(sub, "pause_collection.behavior");
    if (behavior.n == 0)
        return false;
    twin_set_bool(c, invoice, "auto_advance", false);
    twin_emit(c, invoice, "invoice.created");
    if (bytes_equal(behavior, B("void"))) {
        bill_finalize(c, invoice);
        if (is_status(invoice, "open"))
            bill_void(c, invoice);
    }
    return true;
}

static void next_invoice(struct twin_call *c, struct twin_object *sub, int64_t start_s) {
    struct twin_object *o = bill_draft(c, customer_of(c, sub), sub, "subscription_cycle");
    twin_set_int(c, o, "period_start", start_s);
    twin_set_int(c, o, "period_end", twin_time(c, sub));
    bill_lines(c, sub, o, false);
    bill_totals(c, o);
    twin_set_str(c, sub, "latest_invoice", o->id);
    twin_emit(c, sub, "customer.subscription.updated");
    if (paused(c, sub, o))
        return;
    int64_t days = twin_int(sub, "days_until_due");
    if (!charges(sub))
        twin_set_int(c, o, "due_date", twin_time(c, o) + days * DAY_S);
    bill_advance_later(c, o);
    twin_emit(c, o, "invoice.created");
}

static bool ends_now(struct twin_call *c, struct twin_object *sub) {
    int64_t at = twin_int(sub, "cancel_at");
    return at > 0 && at <= twin_time(c, sub);
}

static void go_on(struct twin_call *c, struct twin_object *sub, const char *status) {
    int64_t start = twin_int(sub, "items.data.0.current_period_start");
    if (status != NULL)
        twin_set_str(c, sub, "status", status);
    bill_period_set(c, sub, twin_time(c, sub), 0);
    end_with_period(c, sub);
    next_invoice(c, sub, start);
    due_next(c, sub);
}

bool effect_subscription_cycle(struct twin_call *c) {
    struct twin_object *sub = c->self;
    if (is_status(sub, "incomplete") || is_status(sub, "paused"))
        return true;
    if (ends_now(c, sub))
        bill_end(c, sub, "cancellation_requested");
    else
        go_on(c, sub, NULL);
    return true;
}

// What becomes of it without a method, as its trial ends: cancel or pause; empty: it goes on.
static bytes without_method(struct twin_call *c, struct twin_object *sub) {
    bytes missing = twin_text(sub, "trial_settings.end_behavior.missing_payment_method");
    bool payable = !charges(sub) || bill_method(c, customer_of(c, sub), sub, NULL) != NULL;
    return payable || bytes_equal(missing, B("create_invoice")) ? NO_BYTES : missing;
}

bool effect_subscription_trial_end(struct twin_call *c) {
    struct twin_object *sub = c->self;
    if (!is_status(sub, "trialing"))
        return true;
    bytes missing = without_method(c, sub);
    if (ends_now(c, sub)) {
        bill_end(c, sub, "cancellation_requested");
    } else if (bytes_equal(missing, B("cancel"))) {
        bill_end(c, sub, "payment_failed");
    } else if (bytes_equal(missing, B("pause"))) {
        twin_set_str(c, sub, "status", "paused");
        twin_emit(c, sub, "customer.subscription.paused|customer.subscription.updated");
    } else {
        go_on(c, sub, "active");
    }
    return true;
}

bool effect_subscription_resume(struct twin_call *c) {
    twin_set_str(c, c->self, "status", "active");
    twin_set_int(c, c->self, "billing_cycle_anchor", twin_time(c, c->self));
    bill_period_set(c, c->self, twin_time(c, c->self), 0);
    twin_emit(c, c->self, "customer.subscription.resumed|customer.subscription.updated");
    next_invoice(c, c->self, twin_time(c, c->self));
    due_next(c, c->self);
    return true;
}

// --- changes

static bool change_trial(struct twin_call *c, struct twin_object *sub) {
    int64_t end = 0, now = twin_time(c, sub);
    if (!twin_given(c, "trial_end") || !read_trial(c, sub, &end))
        return c->status == 0;
    if (end > now) {
        begin_trial(c, sub, end);
        due_trial(c, sub);
        return true;
    }
    if (!is_status(sub, "trialing"))
        return true;
    twin_set_int(c, sub, "trial_end", now);
    twin_set_int(c, sub, "billing_cycle_anchor", now);
    twin_when_not(c, sub, effect_subscription_trial_told);
    twin_when_not(c, sub, effect_subscription_trial_end);
    if (without_method(c, sub).n > 0) // effect_subscription_update_told
        return true;
    twin_set_str(c, sub, "status", "active");
    bill_period_set(c, sub, now, 0);
    due_next(c, sub);
    return true;
}

bool effect_subscription_update(struct twin_call *c) {
    struct twin_object *sub = c->self;
    if (!change_trial(c, sub) || !take_discount(c, sub))
        return false;
    if (twin_given(c, "items") && !bill_change_items(c, sub, twin_param(c, "items")))
        return false;
    if (twin_given(c, "cancel_at_period_end") && !twin_true(sub, "cancel_at_period_end"))
        twin_set_null(c, sub, "cancel_at");
    end_with_period(c, sub);
    bool ends = !twin_null(sub, "cancel_at");
    if (ends && twin_null(sub, "canceled_at"))
        twin_set_int(c, sub, "canceled_at", twin_time(c, sub));
    else if (!ends)
        twin_set_null(c, sub, "canceled_at");
    if (ends) {
        twin_set_str(c, sub, "cancellation_details.reason", "cancellation_requested");
        twin_when(c, sub, twin_int(sub, "cancel_at"), effect_subscription_cancel_at);
    } else {
        twin_set_null(c, sub, "cancellation_details.reason");
        twin_when_not(c, sub, effect_subscription_cancel_at);
    }
    return true;
}

bool effect_subscription_update_told(struct twin_call *c) {
    bool begins = is_status(c->self, "active") && // its trial has ended
                  bytes_equal(json_string(twin_before(c->self, "status")), B("trialing"));
    bool at_once = twin_given(c, "items") &&
                   bytes_equal(twin_param_text(c, "proration_behavior"), B("always_invoice"));
    tell_discount(c, c->self);
    if (twin_given(c, "trial_end") && twin_int(c->self, "trial_end") <= twin_time(c, c->self))
        (void)effect_subscription_trial_end(c); // if it has not
    if (!begins && !at_once)
        return true;
    struct twin_object *o = bill_draft(c, customer_of(c, c->self), c->self, "subscription_update");
    if (begins)
        bill_lines(c, c->self, o, false);
    else
        bill_gather(c, o, bytes_of(c->self->id));
    bill_totals(c, o);
    twin_set_str(c, c->self, "latest_invoice", o->id);
    twin_emit(c, c->self, "customer.subscription.updated");
    twin_emit(c, o, "invoice.created");
    bill_finalize(c, o);
    if (is_status(o, "open") && charges(c->self))
        (void)bill_collect(c, o, NULL, true);
    return true;
}

// --- its end

bool effect_subscription_cancel_at(struct twin_call *c) {
    if (ends_now(c, c->self) && !is_status(c->self, "canceled"))
        bill_end(c, c->self, "cancellation_requested");
    return true;
}

static void stop_collecting(struct twin_call *c, struct twin_object *sub) {
    struct twin_object *o = NULL;
    while ((o = twin_next_of(c, "invoice", "parent.subscription_details.subscription",
                             bytes_of(sub->id), o)) != NULL) {
        if (!is_status(o, "open") && !is_status(o, "draft"))
            continue;
        twin_when_not(c, o, NULL);
        twin_set_bool(c, o, "auto_advance", false);
        twin_set_null(c, o, "automatically_finalizes_at");
        twin_set_null(c, o, "next_payment_attempt");
        twin_emit(c, o, "invoice.updated");
    }
}

void bill_end(struct twin_call *c, struct twin_object *sub, const char *reason) {
    int64_t now = twin_time(c, sub);
    struct twin_object *schedule = twin_get(c, twin_text(sub, "schedule"));
    twin_when_not(c, sub, NULL);
    twin_set_str(c, sub, "status", "canceled");
    if (twin_null(sub, "canceled_at"))
        twin_set_int(c, sub, "canceled_at", now);
    twin_set_int(c, sub, "ended_at", now);
    twin_set_str(c, sub, "cancellation_details.reason", reason);
    twin_emit(c, sub, "customer.subscription.deleted");
    stop_collecting(c, sub);
    if (schedule != NULL && is_status(schedule, "active")) {
        twin_when_not(c, schedule, NULL);
        twin_set_str(c, schedule, "status", "canceled");
        twin_set_int(c, schedule, "canceled_at", now);
        twin_set_null(c, schedule, "current_phase");
        twin_emit(c, schedule,
                  bytes_equal(bytes_of(reason), B("payment_failed"))
                      ? "subscription_schedule.aborted|subscription_schedule.updated"
                      : "subscription_schedule.updated|subscription_schedule.canceled");
    }
}

bool effect_subscription_cancel(struct twin_call *c) {
    bill_end(c, c->self, "cancellation_requested");
    return true;
}

// As a schedule or a quote has one made: by its own means, with whatever can be paid.
struct twin_object *bill_subscribe(struct twin_call *c, struct twin_object *customer, json items,
                                   const char *param) {
    struct twin_object *sub = twin_make(c, "subscription");
    struct bill_start start = {.items = items, .param = param};
    int64_t now = twin_time(c, sub);
    twin_set_str(c, sub, "customer", customer->id);
    twin_set_int(c, sub, "start_date", now);
    twin_set_int(c, sub, "billing_cycle_anchor", now);
    if (sub->clock != NULL)
        twin_set_str(c, sub, "test_clock", sub->clock->id);
    if (!bill_items(c, sub, &start))
        return NULL;
    twin_set_str(c, sub, "status", "active");
    bill_period_set(c, sub, now, 0);
    struct twin_object *invoice = first_invoice(c, sub);
    bill_advance_later(c, invoice);
    return sub;
}

void bill_subscribe_told(struct twin_call *c, struct twin_object *sub) {
    struct twin_object *invoice = twin_get(c, twin_text(sub, "latest_invoice"));
    twin_emit(c, sub, "customer.subscription.created");
    if (invoice != NULL)
        twin_emit(c, invoice, "invoice.created");
    due_next(c, sub);
}

// A customer that is deleted: its subscriptions end with it, and nothing is collected any more.
bool effect_customer_delete(struct twin_call *c) {
    struct twin_object *o = NULL;
    while ((o = twin_next_of(c, "subscription", "customer", bytes_of(c->self->id), o)) != NULL)
        if (!is_status(o, "canceled") && !is_status(o, "incomplete_expired"))
            bill_end(c, o, "cancellation_requested");
    while ((o = twin_next_of(c, "invoice", "customer", bytes_of(c->self->id), o)) != NULL)
        twin_when_not(c, o, NULL);
    while ((o = twin_next_of(c, "subscription_schedule", "customer", bytes_of(c->self->id), o)) !=
           NULL)
        twin_when_not(c, o, NULL);
    return true;
}
