// SPDX-License-Identifier: MIT
// Invoices (https://docs.stripe.com/api/invoices): what they gather, what it comes to, and how they
// are paid.
#include "twin/bill.h"
#include "twin/effects.h"

// Of the twin's own (twin/call.h): a customer's next number, an invoice's PaymentIntent.
#define NUMBERS "$.next_number"
#define INTENT "$.intent"
#define SECRET "$.confirmation_secret" // shown where `expand` asks for it

// After a failed payment, days until the next attempt; after the last, the subscription ends
// (https://docs.stripe.com/billing/revenue-recovery/smart-retries has two months at most).
static const int64_t retry_days[] = {3, 5, 7};
#define RETRIES (sizeof retry_days / sizeof retry_days[0])

// --- what it is made of

static void copy(struct twin_call *c, struct twin_object *to, const char *path,
                 struct twin_object *from, const char *what) {
    twin_set(c, to, path, twin_at(from, what));
}

struct twin_object *bill_draft(struct twin_call *c, struct twin_object *customer,
                               struct twin_object *subscription, const char *reason) {
    struct twin_object *o = twin_make(c, "invoice");
    twin_set_str(c, o, "customer", customer->id);
    twin_set_str(c, o, "billing_reason", reason);
    if (subscription != NULL) {
        copy(c, o, "currency", subscription, "currency");
        copy(c, o, "collection_method", subscription, "collection_method");
        copy(c, o, "default_payment_method", subscription, "default_payment_method");
        copy(c, o, "discounts", subscription, "discounts");
        twin_set_json(c, o, "parent",
                      B("{\"quote_details\":null,\"subscription_details\":{\"metadata\":{},"
                        "\"subscription\":null},\"type\":\"subscription_details\"}"));
        copy(c, o, "parent.subscription_details.metadata", subscription, "metadata");
        twin_set_str(c, o, "parent.subscription_details.subscription", subscription->id);
        twin_set_bool(c, o, "auto_advance", true);
    }
    return o;
}

// As the customer is now.
static void describe_customer(struct twin_call *c, struct twin_object *o,
                              struct twin_object *customer) {
    copy(c, o, "customer_address", customer, "address");
    copy(c, o, "customer_email", customer, "email");
    copy(c, o, "customer_name", customer, "name");
    copy(c, o, "customer_phone", customer, "phone");
    copy(c, o, "customer_shipping", customer, "shipping");
    copy(c, o, "customer_tax_exempt", customer, "tax_exempt");
    if (customer->clock != NULL)
        twin_set_str(c, o, "test_clock", customer->clock->id);
}

static void add_id_or_null(struct text *out, const char *key, const struct twin_object *o) {
    text_addf(out, ",\"%s\":", key);
    if (o != NULL)
        text_add_json(out, bytes_of(o->id));
    else
        text_adds(out, "null");
}

static void add_parent(const struct bill_line *l, struct text *out) {
    text_adds(out, ",\"parent\":");
    if (l->item == NULL && l->invoice_item == NULL) {
        text_adds(out, "null");
        return;
    }
    bool own = l->item == NULL;
    text_addf(out, "{\"type\":\"%s\"", own ? "invoice_item_details" : "subscription_item_details");
    text_addf(out, ",\"invoice_item_details\":%s", own ? "{\"type\":\"invoice_item\"" : "null");
    if (own) {
        add_id_or_null(out, "invoice_item", l->invoice_item);
        add_id_or_null(out, "subscription", l->subscription);
        text_addf(out, ",\"proration\":%s,\"proration_details\":{\"credited_items\":null}}",
                  l->proration ? "true" : "false");
    }
    text_addf(out, ",\"subscription_item_details\":%s", own ? "null}" : "{\"proration\":");
    if (own)
        return;
    text_addf(out, "%s,\"proration_details\":{\"credited_items\":null}",
              l->proration ? "true" : "false");
    add_id_or_null(out, "invoice_item", l->invoice_item);
    add_id_or_null(out, "subscription", l->subscription);
    add_id_or_null(out, "subscription_item", l->item);
    text_adds(out, "}}");
}

static void add_pricing(const struct bill_line *l, struct text *out) {
    int64_t unit = l->quantity != 0 ? l->amount / l->quantity : l->amount;
    text_adds(out, ",\"pricing\":{");
    if (l->price != NULL) {
        text_adds(out, "\"price_details\":{\"price\":");
        text_add_json(out, bytes_of(l->price->id));
        text_adds(out, ",\"product\":");
        text_add_json(out, twin_text(l->price, "product"));
        text_adds(out, "},\"type\":\"price_details\",");
    } else {
        text_adds(out, "\"type\":\"price_details\",");
    }
    text_addf(out, "\"unit_amount_decimal\":\"%lld\"}", (long long)unit);
}

void bill_line(struct twin_call *c, struct twin_object *invoice, const struct bill_line *l) {
    OWN(text_drop)
    struct text line = {0};
    OWN(text_drop)
    struct text path = {0};
    text_adds(&line, "{\"id\":");
    OWN(text_drop)
    struct text id = {0};
    twin_id(c, "il_1", &id);
    text_add_json(&line, text_bytes(&id));
    text_addf(&line,
              ",\"object\":\"line_item\",\"amount\":%lld,\"currency\":", (long long)l->amount);
    text_add_json(&line, l->currency);
    text_adds(&line, ",\"description\":");
    if (l->description.n > 0)
        text_add_json(&line, l->description);
    else
        text_adds(&line, "null");
    text_adds(&line,
              ",\"discount_amounts\":[],\"discountable\":true,\"discounts\":[],\"invoice\":");
    text_add_json(&line, bytes_of(invoice->id));
    text_adds(&line, ",\"livemode\":false,\"metadata\":{}");
    add_parent(l, &line);
    text_addf(&line, ",\"period\":{\"end\":%lld,\"start\":%lld},\"pretax_credit_amounts\":[]",
              (long long)l->end_s, (long long)l->start_s);
    add_pricing(l, &line);
    text_addf(&line, ",\"quantity\":%lld,\"quantity_decimal\":\"%lld\"", (long long)l->quantity,
              (long long)l->quantity);
    add_id_or_null(&line, "subscription", l->item != NULL ? l->subscription : NULL);
    text_addf(&line, ",\"subtotal\":%lld,\"taxes\":[]}", (long long)l->amount);
    text_addf(&path, "lines.data.%zu", json_size(twin_at(invoice, "lines.data")));
    twin_set_json(c, invoice, text_str(&path), text_bytes(&line));
}

void bill_gather(struct twin_call *c, struct twin_object *invoice, bytes subscription) {
    struct twin_object *found[100], *item = NULL;
    size_t n = 0;
    bytes customer = twin_text(invoice, "customer"), currency = twin_text(invoice, "currency");
    while (n < 100 && (item = twin_next_of(c, "invoiceitem", "customer", customer, item)) != NULL) {
        bytes of = twin_text(item, "parent.subscription_details.subscription");
        bool fits = twin_null(item, "invoice") &&
                    bytes_equal(twin_text(item, "currency"), currency) &&
                    (of.n == 0 || bytes_equal(of, subscription));
        if (fits)
            found[n++] = item;
    }
    while (n > 0) { // the oldest first
        item = found[--n];
        struct bill_line l = {
            .amount = twin_int(item, "amount"),
            .quantity = twin_int(item, "quantity"),
            .currency = twin_text(item, "currency"),
            .description = twin_text(item, "description"),
            .start_s = twin_int(item, "period.start"),
            .end_s = twin_int(item, "period.end"),
            .price = twin_get(c, twin_text(item, "pricing.price_details.price")),
            .invoice_item = item,
            .subscription = twin_get(c, subscription),
            .proration = twin_true(item, "proration"),
        };
        bill_line(c, invoice, &l);
        twin_set_str(c, item, "invoice", invoice->id);
    }
}

// --- what it comes to

// Each discount off what those before it left; told of the whole invoice.
static int64_t discounted(struct twin_call *c, struct twin_object *o, int64_t subtotal) {
    OWN(text_drop)
    struct text told = {0};
    int64_t left = subtotal;
    text_addc(&told, '[');
    for (size_t i = 0; i < json_size(twin_at(o, "discounts")); i++) {
        struct twin_object *d = twin_get(c, json_string(json_at(twin_at(o, "discounts"), i)));
        int64_t off = d == NULL ? 0 : bill_discount_of(c, d, left);
        if (off == 0)
            continue;
        text_adds(&told, told.n > 1 ? "," : "");
        text_addf(&told, "{\"amount\":%lld,\"discount\":", (long long)off);
        text_add_json(&told, bytes_of(d->id));
        text_addc(&told, '}');
        left -= off;
    }
    text_addc(&told, ']');
    twin_set_json(c, o, "total_discount_amounts", text_bytes(&told));
    return left;
}

void bill_totals(struct twin_call *c, struct twin_object *o) {
    int64_t subtotal = 0, amount;
    json line;
    for (size_t at = 0; json_element(twin_at(o, "lines.data"), &at, &line);)
        if (json_i64(json_get(line, "amount"), &amount) == OK)
            subtotal += amount;
    int64_t total = discounted(c, o, subtotal);
    int64_t credited = twin_int(o, "pre_payment_credit_notes_amount");
    int64_t due = total + twin_int(o, "starting_balance") - credited;
    due = due < 0 ? 0 : due;
    twin_set_int(c, o, "subtotal", subtotal);
    twin_set_int(c, o, "subtotal_excluding_tax", subtotal);
    twin_set_int(c, o, "total", total);
    twin_set_int(c, o, "total_excluding_tax", total);
    twin_set_int(c, o, "amount_due", due);
    twin_set_int(c, o, "amount_remaining", due - twin_int(o, "amount_paid"));
}

// Deleted ones too: what they owe is still owed.
static struct twin_object *customer_of(struct twin_call *c, struct twin_object *o) {
    return twin_find(c->w, bytes_of(o->account), twin_text(o, "customer"));
}

static struct twin_object *subscription_of(struct twin_call *c, struct twin_object *invoice) {
    return twin_get(c, twin_text(invoice, "parent.subscription_details.subscription"));
}

// --- open

static void number_it(struct twin_call *c, struct twin_object *o, struct twin_object *customer) {
    OWN(text_drop)
    struct text number = {0};
    int64_t n = twin_int(customer, NUMBERS);
    text_add(&number, twin_text(customer, "invoice_prefix"));
    text_addf(&number, "-%04lld", (long long)(n < 1 ? 1 : n));
    twin_set_text(c, o, "number", text_bytes(&number));
    twin_set_int(c, customer, NUMBERS, (n < 1 ? 1 : n) + 1);
}

static void set_link(struct twin_call *c, struct twin_object *o, const char *path,
                     const char *before, const char *behind) {
    OWN(text_drop)
    struct text url = {0};
    text_addf(&url, "%s%s%s", before, o->id, behind);
    twin_set_text(c, o, path, text_bytes(&url));
}

static void pay_in_full(struct twin_call *c, struct twin_object *o) {
    int64_t due = twin_int(o, "amount_due");
    twin_set_int(c, o, "amount_paid", due);
    twin_set_int(c, o, "amount_remaining", 0);
    twin_set_bool(c, o, "attempted", true);
    twin_set_bool(c, o, "auto_advance", false);
    twin_set_null(c, o, "next_payment_attempt");
    twin_set_str(c, o, "status", "paid");
    twin_set_int(c, o, "status_transitions.paid_at", twin_time(c, o));
    twin_when_not(c, o, NULL);
    twin_emit(c, o, "invoice.updated");
    twin_emit(c, o, "invoice.paid");
    twin_emit(c, o, "invoice.payment_succeeded");
    struct twin_object *sub = subscription_of(c, o);
    if (sub != NULL)
        bill_paid(c, sub);
}

void bill_finalize(struct twin_call *c, struct twin_object *o) {
    int64_t now = twin_time(c, o);
    struct twin_object *customer = customer_of(c, o);
    bill_totals(c, o);
    if (customer != NULL) {
        describe_customer(c, o, customer);
        number_it(c, o, customer);
    }
    twin_set_str(c, o, "status", "open");
    twin_set_int(c, o, "effective_at", now);
    twin_set_int(c, o, "ending_balance", 0);
    twin_set_int(c, o, "status_transitions.finalized_at", now);
    twin_set_null(c, o, "automatically_finalizes_at");
    set_link(c, o, "hosted_invoice_url", "https://invoice.stripe.com/i/twin/", "");
    set_link(c, o, "invoice_pdf", "https://pay.stripe.com/invoice/twin/", "/pdf");
    twin_emit(c, o, "invoice.finalized");
    if (twin_int(o, "amount_due") == 0)
        pay_in_full(c, o);
}

// --- paid

static bool can_pay(struct twin_call *c, bytes id, struct twin_object **out) {
    if (*out == NULL && id.n > 0)
        *out = twin_get(c, id);
    return *out != NULL;
}

struct twin_object *bill_method(struct twin_call *c, struct twin_object *customer,
                                struct twin_object *subscription, struct twin_object *invoice) {
    struct twin_object *m = NULL;
    if (invoice != NULL && can_pay(c, twin_text(invoice, "default_payment_method"), &m))
        return m;
    if (subscription != NULL && can_pay(c, twin_text(subscription, "default_payment_method"), &m))
        return m;
    if (can_pay(c, twin_text(customer, "invoice_settings.default_payment_method"), &m))
        return m;
    (void)can_pay(c, twin_text(customer, "default_source"), &m);
    return m;
}

// The attempt that failed for the nth time: when the next one is. Where there is nothing to pay
// with Stripe does not try again.
static void try_later(struct twin_call *c, struct twin_object *o, enum pay_end end) {
    int64_t n = twin_int(o, "attempt_count");
    bool tries =
        twin_true(o, "auto_advance") && n >= 1 && n <= (int64_t)RETRIES && end != PAY_NO_METHOD;
    twin_when_not(c, o, effect_invoice_retry);
    twin_set_null(c, o, "next_payment_attempt");
    if (!tries)
        return;
    int64_t at = twin_time(c, o) + retry_days[n - 1] * DAY_S;
    twin_set_int(c, o, "next_payment_attempt", at);
    twin_when(c, o, at, effect_invoice_retry);
}

static bool is_status(struct twin_object *o, bytes status) {
    return bytes_equal(twin_text(o, "status"), status);
}

void bill_attempted(struct twin_call *c, struct twin_object *o, struct twin_object *intent,
                    enum pay_end end) {
    struct twin_object *sub = subscription_of(c, o);
    twin_set_int(c, o, "attempt_count", twin_int(o, "attempt_count") + 1);
    twin_set_bool(c, o, "attempted", true);
    if (end == PAY_PAID) {
        bill_payment_paid(c, o, intent);
        pay_in_full(c, o);
    }
    if (end == PAY_PROCESSING)
        twin_emit(c, o, "invoice.updated");
    if (end == PAY_PAID || end == PAY_PROCESSING)
        return;
    try_later(c, o, end);
    bool last = twin_null(o, "next_payment_attempt") && twin_true(o, "auto_advance");
    twin_emit(c, o, "invoice.updated");
    twin_emit(c, o, "invoice.payment_failed");
    if (end == PAY_NEEDS_ACTION)
        twin_emit(c, o, "invoice.payment_action_required");
    if (sub != NULL)
        bill_failed(c, sub, last && end != PAY_NO_METHOD);
}

static void fill_order(struct twin_call *c, struct twin_object *o, struct pay_order *out) {
    *out = (struct pay_order){
        .amount = twin_int(o, "amount_remaining"),
        .currency = twin_text(o, "currency"),
        .customer = customer_of(c, o),
        .description = subscription_of(c, o) != NULL ? "Subscription update" : NULL,
        .invoice = o,
        .intent = twin_get(c, twin_text(o, INTENT)),
    };
}

static void keep_intent(struct twin_call *c, struct twin_object *o, struct twin_object *intent) {
    twin_set_str(c, o, INTENT, intent->id);
    twin_set_json(c, o, SECRET, B("{\"client_secret\":null,\"type\":\"payment_intent\"}"));
    twin_set(c, o, SECRET ".client_secret", twin_at(intent, "client_secret"));
    (void)bill_payment(c, o, intent);
}

enum pay_end bill_collect(struct twin_call *c, struct twin_object *o, struct twin_object *method,
                          bool off_session) {
    struct twin_object *intent = NULL;
    struct pay_order order;
    fill_order(c, o, &order);
    if (method == NULL && order.customer != NULL)
        method = bill_method(c, order.customer, subscription_of(c, o), o);
    order.method = method;
    order.off_session = off_session;
    enum pay_end end = twin_pay(c, &order, &intent);
    keep_intent(c, o, intent);
    bill_attempted(c, o, intent, end);
    return end;
}

void bill_prepare(struct twin_call *c, struct twin_object *o) {
    struct twin_object *intent = NULL;
    struct pay_order order;
    fill_order(c, o, &order);
    (void)twin_pay(c, &order, &intent); // without a method it waits for one
    twin_set_str(c, intent, "setup_future_usage", "off_session");
    keep_intent(c, o, intent);
}

// --- by itself

void bill_advance_later(struct twin_call *c, struct twin_object *o) {
    int64_t at = twin_time(c, o) + HOUR_S;
    twin_set_int(c, o, "automatically_finalizes_at", at);
    if (bytes_equal(twin_text(o, "collection_method"), B("charge_automatically")))
        twin_set_int(c, o, "next_payment_attempt", at);
    twin_when(c, o, at, effect_invoice_advance);
}

static bool charges(struct twin_object *o) {
    return bytes_equal(twin_text(o, "collection_method"), B("charge_automatically"));
}

bool effect_invoice_advance(struct twin_call *c) {
    if (is_status(c->self, B("draft")))
        bill_finalize(c, c->self);
    if (is_status(c->self, B("open")) && charges(c->self))
        (void)bill_collect(c, c->self, NULL, true);
    return true;
}

bool effect_invoice_retry(struct twin_call *c) {
    if (is_status(c->self, B("open")))
        (void)bill_collect(c, c->self, NULL, true);
    return true;
}

bool effect_invoice_overdue(struct twin_call *c) {
    if (!is_status(c->self, B("open")))
        return true;
    twin_emit(c, c->self, "invoice.overdue");
    return true;
}

// --- moves

bool effect_invoiceitem_price(struct twin_call *c) {
    struct twin_object *o = c->self;
    bytes id = twin_param_text(c, "pricing.price");
    int64_t quantity = twin_int(o, "quantity"), amount = twin_int(o, "amount"), unit = 0;
    if (twin_given(c, "quantity") && quantity < 0)
        return twin_refuse(c, API_ERROR_PARAMETER_INTEGER, "quantity",
                           "quantity is %lld; it is a number from 0.", (long long)quantity);
    if (id.n == 0 && !twin_given(c, "amount") && !twin_given(c, "unit_amount_decimal"))
        return twin_refuse(c, API_ERROR_PARAMETER_MISSING, "amount",
                           "Missing required param: amount, or pricing[price].");
    struct twin_object *price = id.n == 0 ? NULL : twin_ref(c, "pricing[price]", id, "price");
    if (id.n > 0 && price == NULL)
        return false;
    if (!twin_param_int(c, "unit_amount_decimal", &unit))
        return false;
    if (price != NULL) {
        amount = bill_amount(price, quantity);
        twin_set(c, o, "currency", twin_at(price, "currency"));
    } else if (twin_given(c, "unit_amount_decimal")) {
        amount = bill_times(unit, quantity);
    }
    OWN(text_drop)
    struct text pricing = {0};
    struct bill_line l = {.amount = amount, .quantity = quantity, .price = price};
    add_pricing(&l, &pricing);
    twin_set_json(c, o, "pricing", bytes_slice(text_bytes(&pricing), 11, pricing.n));
    twin_set_int(c, o, "quantity", quantity);
    twin_set_int(c, o, "amount", amount);
    twin_set_int(c, o, "net_amount", amount);
    if (twin_null(o, "period.start") || !twin_given(c, "period")) {
        twin_set_int(c, o, "period.start", twin_time(c, o));
        twin_set_int(c, o, "period.end", twin_time(c, o));
    }
    bytes sub = twin_param_text(c, "subscription");
    if (sub.n > 0) {
        twin_set_json(c, o, "parent",
                      B("{\"subscription_details\":{\"subscription\":null},"
                        "\"type\":\"subscription_details\"}"));
        twin_set_text(c, o, "parent.subscription_details.subscription", sub);
    }
    if (o->clock != NULL)
        twin_set_str(c, o, "test_clock", o->clock->id);
    return true;
}

// An item that is put on a draft right away.
bool effect_invoiceitem_put(struct twin_call *c) {
    struct twin_object *invoice = twin_get(c, twin_text(c->self, "invoice"));
    if (invoice == NULL)
        return true;
    if (!is_status(invoice, B("draft")))
        return twin_refuse(c, API_ERROR_INVALID, "invoice",
                           "The invoice %s is no draft any more; nothing can be added to it.",
                           invoice->id);
    twin_set_null(c, c->self, "invoice");
    bill_gather(c, invoice, twin_text(invoice, "parent.subscription_details.subscription"));
    bill_totals(c, invoice);
    return true;
}

bool effect_invoiceitem_put_told(struct twin_call *c) {
    struct twin_object *invoice = twin_get(c, twin_text(c->self, "invoice"));
    if (invoice != NULL)
        twin_emit(c, invoice, "invoice.updated");
    return true;
}

static bool take_discounts(struct twin_call *c, struct twin_object *o,
                           struct twin_object *customer) {
    json list = twin_param(c, "discounts"), one;
    if (json_size(list) > 0)
        twin_set_json(c, o, "discounts", B("[]"));
    for (size_t at = 0; json_element(list, &at, &one);) {
        struct twin_object *d =
            bill_discount(c, json_string(json_get(one, "coupon")),
                          json_string(json_get(one, "promotion_code")), customer, NULL);
        OWN(text_drop)
        struct text id = {0};
        OWN(json_close)
        struct json_doc *doc = NULL;
        if (d == NULL)
            return false;
        text_add_json(&id, bytes_of(d->id));
        if (json_parse(text_bytes(&id), &doc) == OK)
            twin_push(c, o, "discounts", json_root(doc));
    }
    // The customer's own, where none was named.
    if (!twin_given(c, "discounts") && !twin_null(customer, "discount.id")) {
        OWN(text_drop)
        struct text own = {0};
        text_addc(&own, '[');
        text_add_json(&own, twin_text(customer, "discount.id"));
        text_addc(&own, ']');
        twin_set_json(c, o, "discounts", text_bytes(&own));
    }
    return true;
}

static bool set_due_date(struct twin_call *c, struct twin_object *o) {
    int64_t days = -1;
    if (!twin_param_int(c, "days_until_due", &days))
        return false;
    bool sends = !charges(o);
    if (days >= 0 && !sends)
        return twin_refuse(c, API_ERROR_INVALID, "days_until_due",
                           "days_until_due goes with collection_method=send_invoice alone.");
    if (sends && days < 0 && twin_null(o, "due_date"))
        return twin_refuse(c, API_ERROR_PARAMETER_MISSING, "days_until_due",
                           "Missing required param: days_until_due, as the invoice is sent.");
    if (days >= 0)
        twin_set_int(c, o, "due_date", twin_time(c, o) + days * DAY_S);
    return true;
}

bool effect_invoice_create(struct twin_call *c) {
    struct twin_object *o = c->self, *customer = customer_of(c, o), *item = NULL;
    bytes sub = twin_param_text(c, "subscription");
    bool includes = bytes_equal(twin_param_text(c, "pending_invoice_items_behavior"), B("include"));
    // Its currency is that of what waits, where none was named.
    while (includes && !twin_given(c, "currency") &&
           (item = twin_next_of(c, "invoiceitem", "customer", bytes_of(customer->id), item)) !=
               NULL)
        if (twin_null(item, "invoice"))
            twin_set(c, o, "currency", twin_at(item, "currency"));
    describe_customer(c, o, customer);
    twin_set_int(c, o, "period_start", twin_time(c, o));
    twin_set_int(c, o, "period_end", twin_time(c, o));
    if (!take_discounts(c, o, customer) || !set_due_date(c, o))
        return false;
    if (sub.n > 0) {
        struct twin_object *s = twin_ref(c, "subscription", sub, "subscription");
        if (s == NULL)
            return false;
        twin_set_json(c, o, "parent",
                      B("{\"quote_details\":null,\"subscription_details\":{\"metadata\":{},"
                        "\"subscription\":null},\"type\":\"subscription_details\"}"));
        twin_set_str(c, o, "parent.subscription_details.subscription", s->id);
    }
    if (includes)
        bill_gather(c, o, sub);
    bill_totals(c, o);
    if (twin_true(o, "auto_advance"))
        bill_advance_later(c, o);
    return true;
}

bool effect_invoice_update(struct twin_call *c) {
    if (!take_discounts(c, c->self, customer_of(c, c->self)))
        return false;
    if (is_status(c->self, B("draft"))) {
        bill_totals(c, c->self);
        twin_when_not(c, c->self, effect_invoice_advance);
        twin_set_null(c, c->self, "automatically_finalizes_at");
        if (twin_true(c->self, "auto_advance"))
            bill_advance_later(c, c->self);
    }
    return true;
}

// Its items wait again.
bool effect_invoice_delete(struct twin_call *c) {
    struct twin_object *item = NULL;
    if (subscription_of(c, c->self) != NULL)
        return twin_refuse(c, API_ERROR_INVALID, NULL,
                           "You cannot delete an invoice of a subscription; void it.");
    while ((item = twin_next_of(c, "invoiceitem", "invoice", bytes_of(c->self->id), item)) != NULL)
        twin_set_null(c, item, "invoice");
    return true;
}

bool effect_invoice_finalize(struct twin_call *c) {
    twin_when_not(c, c->self, effect_invoice_advance);
    bill_finalize(c, c->self);
    if (twin_true(c->self, "auto_advance") && is_status(c->self, B("open")) && charges(c->self))
        twin_when(c, c->self, twin_time(c, c->self) + HOUR_S, effect_invoice_advance);
    if (!twin_null(c->self, "due_date"))
        twin_when(c, c->self, twin_int(c->self, "due_date"), effect_invoice_overdue);
    return true;
}

static bool refuse_action(struct twin_call *c) {
    c->keeps = true;
    return twin_refuse_as(c, 402, "card_error", "invoice_payment_intent_requires_action", NULL,
                          NO_BYTES,
                          "Payment for this invoice requires additional user action before it can "
                          "be completed successfully.");
}

bool effect_invoice_pay(struct twin_call *c) {
    struct twin_object *method = NULL, *o = c->self;
    bytes id = twin_param_text(c, "payment_method");
    if (id.n == 0)
        id = twin_param_text(c, "source");
    if (id.n > 0 &&
        (method = twin_ref(c, "payment_method", id, "payment_method|card|bank_account")) == NULL)
        return false;
    if (is_status(o, B("draft"))) {
        twin_when_not(c, o, effect_invoice_advance);
        bill_finalize(c, o);
    }
    if (is_status(o, B("paid"))) // it was over nothing
        return true;
    if (twin_param_true(c, "paid_out_of_band")) {
        pay_in_full(c, o);
        return true;
    }
    if (method == NULL && bill_method(c, customer_of(c, o), subscription_of(c, o), o) == NULL)
        return twin_refuse_as(c, 400, "invalid_request_error", "resource_missing", NULL, NO_BYTES,
                              "There is no `default_payment_method` set on this Customer or "
                              "Invoice; name one in payment_method.");
    enum pay_end end = bill_collect(c, o, method, twin_param_true(c, "off_session"));
    if (end == PAY_NEEDS_ACTION)
        return refuse_action(c);
    if (end == PAY_PAID || end == PAY_PROCESSING)
        return true;
    return twin_pay_refuse(c, twin_get(c, twin_text(o, INTENT)));
}

static void leave(struct twin_call *c, struct twin_object *o) {
    struct twin_object *intent = twin_get(c, twin_text(o, INTENT));
    twin_when_not(c, o, NULL);
    twin_set_bool(c, o, "auto_advance", false);
    twin_set_null(c, o, "next_payment_attempt");
    if (intent != NULL)
        twin_pay_cancel(c, intent);
}

void bill_void(struct twin_call *c, struct twin_object *o) {
    leave(c, o);
    twin_set_str(c, o, "status", "void");
    bill_payments_end(c, o);
    twin_set_int(c, o, "status_transitions.voided_at", twin_time(c, o));
    twin_emit(c, o, "invoice.updated");
    twin_emit(c, o, "invoice.voided");
}

bool effect_invoice_void(struct twin_call *c) {
    bill_void(c, c->self);
    return true;
}

bool effect_invoice_uncollectible(struct twin_call *c) {
    leave(c, c->self);
    twin_set_str(c, c->self, "status", "uncollectible");
    twin_set_int(c, c->self, "status_transitions.marked_uncollectible_at", twin_time(c, c->self));
    twin_emit(c, c->self, "invoice.updated");
    twin_emit(c, c->self, "invoice.marked_uncollectible");
    return true;
}

bool effect_invoice_send(struct twin_call *c) {
    if (charges(c->self))
        return twin_refuse(c, API_ERROR_INVALID, NULL,
                           "You can only send an invoice whose collection_method is send_invoice.");
    if (is_status(c->self, B("draft")))
        bill_finalize(c, c->self);
    twin_emit(c, c->self, "invoice.sent");
    return true;
}

bool effect_invoice_lines(struct twin_call *c) {
    json_write(twin_at(c->self, "lines"), &c->answer);
    return true;
}
