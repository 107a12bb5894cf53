// SPDX-License-Identifier: MIT
// Quotes (https://docs.stripe.com/quotes/overview) and credit notes
// (https://docs.stripe.com/invoicing/dashboard/credit-notes).
#include "base/ensure.h"
#include "twin/bill.h"
#include "twin/effects.h"

#define LINES_MAX 20

static bytes scalar(json v) {
    return json_type(v) == JSON_STRING ? json_string(v) : json_literal(v);
}

static int64_t number_of(json v, int64_t otherwise) {
    int64_t n;
    return twin_number(v, &n) == OK ? n : otherwise;
}

// --- quotes

static void set_amounts(struct twin_call *c, const char *below, int64_t amount) {
    static const char *const names[] = {"amount_subtotal", "amount_total"};
    for (size_t i = 0; i < 2; i++) {
        OWN(text_drop)
        struct text path = {0};
        text_addf(&path, "%s%s", below, names[i]);
        twin_set_int(c, c->self, text_str(&path), amount);
    }
}

// The lines lie under "$": they are a list of their own in the API.
bool effect_quote_lines(struct twin_call *c) {
    json lines = twin_param(c, "line_items"), one;
    int64_t upfront = 0, recurring = 0;
    struct twin_object *o = c->self;
    size_t n = 0;
    if (!twin_given(c, "line_items"))
        return true;
    for (size_t at = 0; json_element(lines, &at, &one); n++) {
        struct twin_object *price =
            twin_ref(c, "line_items[price]", scalar(json_get(one, "price")), "price");
        if (price == NULL)
            return false;
        int64_t amount = bill_amount(price, number_of(json_get(one, "quantity"), 1));
        upfront += amount;
        twin_set(c, o, "currency", twin_at(price, "currency"));
        if (twin_null(price, "recurring"))
            continue;
        recurring += amount;
        if (twin_null(o, "computed.recurring"))
            twin_set_json(c, o, "computed.recurring",
                          B("{\"total_details\":{\"amount_discount\":0,\"amount_shipping\":0,"
                            "\"amount_tax\":0}}"));
        twin_set(c, o, "computed.recurring.interval", twin_at(price, "recurring.interval"));
        twin_set(c, o, "computed.recurring.interval_count",
                 twin_at(price, "recurring.interval_count"));
        set_amounts(c, "computed.recurring.", recurring);
    }
    if (n > LINES_MAX)
        return twin_refuse(c, API_ERROR_INVALID, "line_items", "A quote has at most %d lines.",
                           LINES_MAX);
    set_amounts(c, "", upfront);
    set_amounts(c, "computed.upfront.", upfront);
    twin_set(c, o, "$.lines", lines);
    return true;
}

bool effect_quote_create(struct twin_call *c) {
    if (c->self->clock != NULL)
        twin_set_str(c, c->self, "test_clock", c->self->clock->id);
    if (twin_null(c->self, "expires_at"))
        twin_set_int(c, c->self, "expires_at", twin_time(c, c->self) + 30 * DAY_S);
    return effect_quote_lines(c);
}

bool effect_quote_finalize(struct twin_call *c) {
    OWN(text_drop)
    struct text number = {0};
    if (twin_null(c->self, "customer"))
        return twin_refuse(c, API_ERROR_INVALID, "customer",
                           "A quote needs a customer before it is finalized.");
    twin_id(c, "*8", &number);
    OWN(text_drop)
    struct text whole = {0};
    text_addf(&whole, "QT-%s-0001-1", text_str(&number));
    twin_set_text(c, c->self, "number", text_bytes(&whole));
    twin_when(c, c->self, twin_int(c->self, "expires_at"), effect_quote_expire);
    return true;
}

// Stripe has no event for it.
bool effect_quote_expire(struct twin_call *c) {
    if (bytes_equal(twin_text(c->self, "status"), B("open")))
        twin_set_str(c, c->self, "status", "canceled");
    return true;
}

static bool recurs(struct twin_object *o) { return !twin_null(o, "computed.recurring"); }

static bool invoice_it(struct twin_call *c, struct twin_object *customer) {
    json one;
    struct twin_object *o = bill_draft(c, customer, NULL, "manual");
    twin_set(c, o, "currency", twin_at(c->self, "currency"));
    for (size_t at = 0; json_element(twin_at(c->self, "$.lines"), &at, &one);) {
        struct twin_object *price = twin_get(c, scalar(json_get(one, "price")));
        int64_t quantity = number_of(json_get(one, "quantity"), 1), now = twin_time(c, o);
        if (price == NULL)
            continue;
        struct bill_line l = {
            .amount = bill_amount(price, quantity),
            .quantity = quantity,
            .currency = twin_text(price, "currency"),
            .start_s = now,
            .end_s = now,
            .price = price,
        };
        bill_line(c, o, &l);
    }
    bill_totals(c, o);
    twin_set_str(c, c->self, "invoice", o->id);
    return true;
}

bool effect_quote_accept(struct twin_call *c) {
    struct twin_object *o = c->self, *customer = twin_get(c, twin_text(o, "customer"));
    if (customer == NULL)
        return twin_refuse(c, API_ERROR_INVALID, "customer", "The quote's customer was deleted.");
    twin_when_not(c, o, NULL);
    if (!recurs(o))
        return invoice_it(c, customer);
    struct twin_object *sub = bill_subscribe(c, customer, twin_at(o, "$.lines"), "line_items");
    if (sub == NULL)
        return false;
    twin_set_str(c, o, "subscription", sub->id);
    return true;
}

bool effect_quote_accepted(struct twin_call *c) {
    struct twin_object *sub = twin_get(c, twin_text(c->self, "subscription"));
    struct twin_object *invoice = twin_get(c, twin_text(c->self, "invoice"));
    if (sub != NULL)
        bill_subscribe_told(c, sub);
    if (invoice != NULL)
        twin_emit(c, invoice, "invoice.created");
    return true;
}

// --- credit notes

static void add_note_line(struct twin_call *c, json one, int64_t amount, int64_t quantity,
                          struct text *out) {
    OWN(text_drop)
    struct text id = {0};
    bytes about = json_string(json_get(one, "description"));
    bytes line = json_string(json_get(one, "invoice_line_item"));
    twin_id(c, "cnli_1", &id);
    text_adds(out, "{\"id\":");
    text_add_json(out, text_bytes(&id));
    text_addf(out, ",\"object\":\"credit_note_line_item\",\"amount\":%lld,\"description\":",
              (long long)amount);
    if (about.n > 0)
        text_add_json(out, about);
    else
        text_adds(out, "null");
    text_adds(out, ",\"discount_amount\":0,\"discount_amounts\":[],\"invoice_line_item\":");
    if (line.n > 0)
        text_add_json(out, line);
    else
        text_adds(out, "null");
    text_addf(out,
              ",\"livemode\":false,\"metadata\":{},\"pretax_credit_amounts\":[],\"quantity\":%lld,"
              "\"tax_rates\":[],\"taxes\":[],\"type\":\"%s\",\"unit_amount\":%lld,"
              "\"unit_amount_decimal\":\"%lld\"}",
              (long long)quantity, line.n > 0 ? "invoice_line_item" : "custom_line_item",
              (long long)(quantity != 0 ? amount / quantity : amount),
              (long long)(quantity != 0 ? amount / quantity : amount));
}

static int64_t note_lines(struct twin_call *c) {
    OWN(text_drop)
    struct text list = {0};
    json one;
    int64_t total = 0;
    text_addc(&list, '[');
    for (size_t at = 0; json_element(twin_param(c, "lines"), &at, &one);) {
        int64_t quantity = number_of(json_get(one, "quantity"), 1);
        int64_t amount = number_of(json_get(one, "amount"), 0);
        if (amount == 0)
            amount = bill_times(number_of(json_get(one, "unit_amount"), 0), quantity);
        text_adds(&list, list.n > 1 ? "," : "");
        add_note_line(c, one, amount, quantity, &list);
        total += amount;
    }
    text_addc(&list, ']');
    twin_set_json(c, c->self, "lines.data", text_bytes(&list));
    return total;
}

static void set_note_amounts(struct twin_call *c, int64_t amount, bool open) {
    static const char *const names[] = {"amount", "subtotal", "subtotal_excluding_tax", "total",
                                        "total_excluding_tax"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        twin_set_int(c, c->self, names[i], amount);
    twin_set_str(c, c->self, "type", open ? "pre_payment" : "post_payment");
    twin_set_int(c, c->self, "pre_payment_amount", open ? amount : 0);
    twin_set_int(c, c->self, "post_payment_amount", open ? 0 : amount);
}

static void credit(struct twin_call *c, struct twin_object *invoice, int64_t amount, bool open) {
    const char *name =
        open ? "pre_payment_credit_notes_amount" : "post_payment_credit_notes_amount";
    twin_set_int(c, invoice, name, twin_int(invoice, name) + amount);
    if (!open)
        return;
    twin_set_int(c, invoice, "amount_due", twin_int(invoice, "amount_due") - amount);
    twin_set_int(c, invoice, "amount_remaining", twin_int(invoice, "amount_remaining") - amount);
}

bool effect_credit_note_create(struct twin_call *c) {
    struct twin_object *o = c->self, *invoice = twin_get(c, twin_text(o, "invoice"));
    bool open = bytes_equal(twin_text(invoice, "status"), B("open"));
    int64_t amount = 0, lines = note_lines(c);
    if (!open && !bytes_equal(twin_text(invoice, "status"), B("paid")))
        return twin_refuse(
            c, API_ERROR_INVALID, "invoice",
            "A credit note is for an invoice that is open or paid; this one is %.*s.",
            BYTES_ARG(twin_text(invoice, "status")));
    if (!twin_param_int(c, "amount", &amount))
        return false;
    amount = amount == 0 ? lines : amount;
    int64_t most = open ? twin_int(invoice, "amount_remaining") : twin_int(invoice, "amount_paid");
    if (amount < 1 || amount > most)
        return twin_refuse(c, API_ERROR_INVALID, "amount",
                           "The credit note comes to %lld; it may be 1 to %lld.", (long long)amount,
                           (long long)most);
    set_note_amounts(c, amount, open);
    twin_set(c, o, "customer", twin_at(invoice, "customer"));
    twin_set(c, o, "currency", twin_at(invoice, "currency"));
    OWN(text_drop)
    struct text number = {0};
    text_add(&number, twin_text(invoice, "number"));
    text_adds(&number, "-CN-01");
    twin_set_text(c, o, "number", text_bytes(&number));
    credit(c, invoice, amount, open);
    return true;
}

bool effect_credit_note_told(struct twin_call *c) {
    struct twin_object *invoice = twin_get(c, twin_text(c->self, "invoice"));
    if (invoice != NULL)
        twin_emit(c, invoice, "invoice.updated");
    return true;
}

bool effect_credit_note_void(struct twin_call *c) {
    struct twin_object *invoice = twin_get(c, twin_text(c->self, "invoice"));
    if (bytes_equal(twin_text(c->self, "type"), B("post_payment")))
        return twin_refuse(c, API_ERROR_INVALID, "id",
                           "Only a credit note of an open invoice can be voided.");
    if (invoice != NULL)
        credit(c, invoice, -twin_int(c->self, "amount"), true);
    return true;
}
