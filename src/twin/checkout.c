// SPDX-License-Identifier: MIT
// Checkout (https://docs.stripe.com/payments/checkout): sessions, what is in their cart, and how
// they are paid. Their page is none here: POST v1/payment_pages/SESSION/confirm says what a
// customer would do on it, as the official CLI does.
#include "base/ensure.h"
#include "twin/bill.h"
#include "twin/effects.h"
#include "twin/money.h"

#define OPEN_S DAYS_S

// --- line items

// A price that is told along: it becomes one, with its product. Null: refused.
static struct twin_object *price_of_data(struct twin_call *c, json data) {
    OWN(text_drop)
    struct text params = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    json about = json_get(data, "product_data"), v;
    bytes key;
    struct twin_object *product = NULL;
    if (json_type(about) == JSON_OBJECT && (product = twin_create(c, "product", about)) == NULL)
        return NULL;
    text_adds(&params, "{\"active\":\"false\"");
    for (size_t at = 0; json_member(data, &at, &key, &v);) {
        if (bytes_equal(key, B("product_data")))
            continue;
        text_addc(&params, ',');
        text_add_json(&params, key);
        text_addc(&params, ':');
        json_write(v, &params);
    }
    if (product != NULL) {
        text_adds(&params, ",\"product\":");
        text_add_json(&params, bytes_of(product->id)); // it may have been chosen
    }
    text_addc(&params, '}');
    ensure(json_parse(text_bytes(&params), &doc) == OK);
    return twin_create(c, "price", json_root(doc));
}

struct cart {
    struct text items; // JSON, separated by ','
    int64_t total;
    struct text currency;
    bool recurring;
};

static bool add_item(struct twin_call *c, struct cart *cart, json item) {
    int64_t quantity = 1;
    json data = json_get(item, "price_data");
    struct twin_object *price =
        json_type(data) == JSON_OBJECT
            ? price_of_data(c, data)
            : twin_ref(c, "line_items[price]", json_string(json_get(item, "price")), "price");
    if (price == NULL)
        return false;
    bytes said = json_string(json_get(item, "quantity"));
    if (said.n > 0 && (bytes_to_i64(said, &quantity) != OK || quantity < 1))
        return twin_refuse(c, API_ERROR_PARAMETER_INTEGER, "line_items[quantity]",
                           "A quantity is a number from 1.");
    struct twin_object *product = twin_get(c, twin_text(price, "product"));
    int64_t amount = bill_amount(price, quantity);
    OWN(text_drop)
    struct text id = {0};
    twin_id(c, "li_1", &id);
    text_addf(&cart->items,
              "%s{\"id\":\"%s\",\"object\":\"item\",\"amount_discount\":0,"
              "\"amount_subtotal\":%lld,\"amount_tax\":0,\"amount_total\":%lld,"
              "\"currency\":",
              cart->items.n > 0 ? "," : "", text_str(&id), (long long)amount, (long long)amount);
    text_add_json(&cart->items, twin_text(price, "currency"));
    text_adds(&cart->items, ",\"description\":");
    text_add_json(&cart->items, product == NULL ? NO_BYTES : twin_text(product, "name"));
    text_adds(&cart->items, ",\"price\":");
    twin_show(twin_root(price), &cart->items);
    text_addf(&cart->items, ",\"quantity\":%lld}", (long long)quantity);
    cart->total += amount;
    cart->recurring = cart->recurring || !twin_null(price, "recurring");
    text_reset(&cart->currency);
    text_add(&cart->currency, twin_text(price, "currency"));
    return true;
}

// The parameters' line items, kept where `expand` and the list of them find them.
static bool fill_cart(struct twin_call *c, struct cart *cart, const char *path) {
    json items = twin_param(c, "line_items"), one;
    OWN(text_drop)
    struct text list = {0};
    for (size_t at = 0; json_element(items, &at, &one);)
        if (!add_item(c, cart, one))
            return false;
    text_addf(
        &list,
        "{\"object\":\"list\",\"data\":[%s],\"has_more\":false,\"url\":\"/v1/%s/%s/line_items\"}",
        text_str(&cart->items), path, c->self->id);
    twin_set_json(c, c->self, "$.line_items", text_bytes(&list));
    return true;
}

static void drop_cart(struct cart *cart) {
    text_drop(&cart->items);
    text_drop(&cart->currency);
}

// GET …/{id}/line_items
bool effect_line_items(struct twin_call *c) {
    json_write(twin_at(c->self, "$.line_items"), &c->answer);
    return true;
}

bool effect_link_begin(struct twin_call *c) {
    struct cart cart = {0};
    bool good = fill_cart(c, &cart, "payment_links");
    if (good && cart.currency.n == 0)
        good = twin_refuse(c, API_ERROR_PARAMETER_MISSING, "line_items",
                           "Missing required param: line_items.");
    if (good)
        twin_set_text(c, c->self, "currency", text_bytes(&cart.currency));
    drop_cart(&cart);
    return good;
}

// --- a session begins

static bool cart_fits(struct twin_call *c, const struct cart *cart, bytes mode) {
    bool setup = bytes_equal(mode, B("setup"));
    if (!setup && cart->items.n == 0)
        return twin_refuse(c, API_ERROR_PARAMETER_MISSING, "line_items",
                           "Missing required param: line_items. A session of mode %.*s has some.",
                           BYTES_ARG(mode));
    if (bytes_equal(mode, B("payment")) && cart->recurring)
        return twin_refuse(c, API_ERROR_INVALID, "line_items",
                           "You specified `payment` mode but passed a recurring price. Either "
                           "switch to `subscription` mode or use only one-time prices.");
    if (bytes_equal(mode, B("subscription")) && !cart->recurring)
        return twin_refuse(c, API_ERROR_INVALID, "line_items",
                           "You must provide at least one recurring price in `subscription` mode "
                           "when using prices.");
    return true;
}

static bool begin(struct twin_call *c, const struct cart *cart) {
    struct twin_object *o = c->self;
    OWN(text_drop)
    struct text url = {0};
    bool setup = bytes_equal(twin_text(o, "mode"), B("setup"));
    int64_t now = twin_time(c, o);
    if (!cart_fits(c, cart, twin_text(o, "mode")))
        return false;
    if (!setup) {
        twin_set_int(c, o, "amount_subtotal", cart->total);
        twin_set_int(c, o, "amount_total", cart->total);
        twin_set_text(c, o, "currency", text_bytes(&cart->currency));
    }
    if (setup || cart->total == 0)
        twin_set_str(c, o, "payment_status", "no_payment_required");
    if (twin_null(o, "expires_at"))
        twin_set_int(c, o, "expires_at", now + OPEN_S);
    if (twin_int(o, "expires_at") < now + 30 * MINUTE_S || twin_int(o, "expires_at") > now + OPEN_S)
        return twin_refuse(c, API_ERROR_INVALID, "expires_at",
                           "expires_at is from 30 minutes to 24 hours from now.");
    text_addf(&url, "https://checkout.stripe.com/c/pay/%s", o->id);
    if (bytes_equal(twin_text(o, "ui_mode"), B("hosted_page")) ||
        bytes_equal(twin_text(o, "ui_mode"), B("hosted")))
        twin_set_text(c, o, "url", text_bytes(&url));
    if (!twin_null(o, "customer_email")) {
        twin_set_json(c, o, "customer_details",
                      B("{\"address\":null,\"email\":null,\"name\":null,\"phone\":null,"
                        "\"tax_exempt\":\"none\",\"tax_ids\":null}"));
        twin_set(c, o, "customer_details.email", twin_at(o, "customer_email"));
    }
    twin_when(c, o, twin_int(o, "expires_at"), effect_session_end);
    return true;
}

bool effect_session_begin(struct twin_call *c) {
    struct cart cart = {0};
    bool good = fill_cart(c, &cart, "checkout/sessions") && begin(c, &cart);
    drop_cart(&cart);
    return good;
}

bool effect_session_end(struct twin_call *c) {
    if (!bytes_equal(twin_text(c->self, "status"), B("open")))
        return true;
    twin_set_str(c, c->self, "status", "expired");
    twin_set_null(c, c->self, "url");
    twin_emit(c, c->self, "checkout.session.expired");
    return true;
}

// --- and is paid

static void describe_customer(struct twin_call *c, struct twin_object *o,
                              struct twin_object *method) {
    static const char *const names[] = {"address", "email", "name", "phone"};
    twin_set_json(c, o, "customer_details",
                  B("{\"address\":null,\"business_name\":null,\"email\":null,\"individual_name\":"
                    "null,\"name\":null,\"phone\":null,\"tax_exempt\":\"none\",\"tax_ids\":[]}"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        OWN(text_drop)
        struct text from = {0}, to = {0};
        text_addf(&from, "billing_details.%s", names[i]);
        text_addf(&to, "customer_details.%s", names[i]);
        if (!twin_null(method, text_str(&from)))
            twin_set(c, o, text_str(&to), twin_at(method, text_str(&from)));
    }
    if (twin_null(o, "customer_details.email"))
        twin_set(c, o, "customer_details.email", twin_at(o, "customer_email"));
}

static void make_customer(struct twin_call *c, struct twin_object *o) {
    static const char *const names[] = {"address", "email", "name", "phone"};
    bool wanted = bytes_equal(twin_text(o, "customer_creation"), B("always")) ||
                  bytes_equal(twin_text(o, "mode"), B("subscription")) ||
                  !twin_null(o, "$.payment_intent_data.setup_future_usage");
    if (!wanted || !twin_null(o, "customer"))
        return;
    struct twin_object *customer = twin_make(c, "customer");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        OWN(text_drop)
        struct text from = {0};
        text_addf(&from, "customer_details.%s", names[i]);
        twin_set(c, customer, names[i], twin_at(o, text_str(&from)));
    }
    twin_emit(c, customer, "customer.created");
    twin_set_str(c, o, "customer", customer->id);
}

static struct twin_object *intend(struct twin_call *c, struct twin_object *o) {
    static const char *const names[] = {"application_fee_amount",
                                        "capture_method",
                                        "description",
                                        "metadata",
                                        "on_behalf_of",
                                        "receipt_email",
                                        "setup_future_usage",
                                        "shipping",
                                        "statement_descriptor",
                                        "transfer_data",
                                        "transfer_group",
                                        "statement_descriptor_suffix"};
    struct twin_object *intent = twin_get(c, twin_text(o, "payment_intent"));
    if (intent != NULL)
        return intent;
    intent = twin_make(c, "payment_intent");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        OWN(text_drop)
        struct text from = {0};
        text_addf(&from, "$.payment_intent_data.%s", names[i]);
        if (json_type(twin_at(o, text_str(&from))) != JSON_ABSENT)
            twin_set(c, intent, names[i], twin_at(o, text_str(&from)));
    }
    twin_set(c, intent, "amount", twin_at(o, "amount_total"));
    money_copy(c, intent, "currency", o);
    money_copy(c, intent, "customer", o);
    money_copy(c, intent, "payment_method_types", o);
    twin_set_str(c, intent, "$.session", o->id);
    twin_emit(c, intent, "payment_intent.created");
    twin_set_str(c, o, "payment_intent", intent->id);
    return intent;
}

static bool complete(struct twin_call *c, struct twin_object *o, const char *paid) {
    twin_set_str(c, o, "status", "complete");
    twin_set_str(c, o, "payment_status", paid);
    twin_set_null(c, o, "url");
    twin_when_not(c, o, NULL);
    twin_emit(c, o, "checkout.session.completed");
    return true;
}

static bool pay(struct twin_call *c, struct twin_object *o, struct twin_object *method) {
    struct twin_object *intent = intend(c, o);
    bool asked = bytes_equal(twin_text(intent, "status"), B("requires_action")) &&
                 bytes_equal(twin_text(intent, "payment_method"), bytes_of(method->id));
    intent_try(c, intent, method, false, asked);
    bytes status = twin_text(intent, "status");
    if (bytes_equal(status, B("requires_payment_method")))
        return intent_refuse(c, intent, "last_payment_error");
    if (bytes_equal(status, B("requires_action")))
        return true;
    bool paid = bytes_equal(status, B("succeeded"));
    return complete(c, o, paid ? "paid" : "unpaid");
}

static bool set_up(struct twin_call *c, struct twin_object *o, struct twin_object *method) {
    struct twin_object *customer = twin_get(c, twin_text(o, "customer"));
    struct twin_object *intent = twin_make(c, "setup_intent");
    const struct card *card = card_of(method);
    if (card != NULL && (card->end == CARD_DECLINE || card->end == CARD_BLOCK))
        return card_refuse(c, card->code, card->decline, NULL, NO_BYTES);
    money_copy(c, intent, "customer", o);
    money_copy(c, intent, "payment_method_types", o);
    twin_set_str(c, intent, "payment_method", method->id);
    twin_set_str(c, intent, "status", "requires_confirmation");
    twin_emit(c, intent, "setup_intent.created");
    if (customer != NULL && !method_attach(c, method, customer))
        return false;
    twin_set_bool(c, method, "$.setup", true);
    twin_set_str(c, intent, "status", "succeeded");
    twin_emit(c, intent, "setup_intent.succeeded");
    twin_set_str(c, o, "setup_intent", intent->id);
    return complete(c, o, "no_payment_required");
}

// The cart as a subscription's parameters.
static void write_subscription(struct twin_object *o, struct twin_object *method,
                               struct text *out) {
    json one, v;
    bytes key;
    bool first = true;
    text_adds(out, "{\"customer\":");
    text_add_json(out, twin_text(o, "customer"));
    text_addf(out,
              ",\"default_payment_method\":\"%s\",\"payment_behavior\":"
              "\"error_if_incomplete\",\"items\":[",
              method->id);
    for (size_t at = 0; json_element(twin_at(o, "$.line_items.data"), &at, &one); first = false) {
        text_adds(out, first ? "{\"price\":" : ",{\"price\":");
        text_add_json(out, json_string(json_path(one, B("price.id"))));
        text_addf(out, ",\"quantity\":\"%.*s\"}",
                  BYTES_ARG(json_number(json_get(one, "quantity"))));
    }
    text_addc(out, ']');
    for (size_t at = 0; json_member(twin_at(o, "$.subscription_data"), &at, &key, &v);) {
        text_addc(out, ',');
        text_add_json(out, key);
        text_addc(out, ':');
        json_write(v, out);
    }
    text_addc(out, '}');
}

static bool subscribe(struct twin_call *c, struct twin_object *o, struct twin_object *method) {
    OWN(text_drop)
    struct text params = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    struct twin_object *customer = twin_get(c, twin_text(o, "customer"));
    if (customer == NULL || !method_attach(c, method, customer))
        return false;
    write_subscription(o, method, &params);
    ensure(json_parse(text_bytes(&params), &doc) == OK);
    struct twin_object *sub = twin_create(c, "subscription", json_root(doc));
    if (sub == NULL)
        return false;
    struct twin_object *invoice = twin_get(c, twin_text(sub, "latest_invoice"));
    bool paid = invoice != NULL && twin_int(invoice, "amount_paid") > 0;
    twin_set_str(c, o, "subscription", sub->id);
    twin_set(c, o, "invoice", twin_at(sub, "latest_invoice"));
    return complete(c, o, paid ? "paid" : "no_payment_required");
}

bool effect_session_confirm(struct twin_call *c) {
    struct twin_object *o = c->self, *method;
    int64_t total = twin_int(o, "amount_total"), expected = total;
    bytes id = twin_param_text(c, "payment_method");
    if (!twin_param_int(c, "expected_amount", &expected))
        return false;
    if (expected != total)
        return twin_refuse(c, API_ERROR_INVALID, "expected_amount",
                           "expected_amount is %lld; the session's total is %lld.",
                           (long long)expected, (long long)total);
    method = id.n > 0 ? twin_ref(c, "payment_method", id, "payment_method") : method_given(c);
    if (method == NULL ||
        !method_fits(c, method, twin_text(o, "customer"), twin_at(o, "payment_method_types")))
        return false;
    describe_customer(c, o, method);
    make_customer(c, o);
    if (bytes_equal(twin_text(o, "mode"), B("setup")))
        return set_up(c, o, method);
    if (bytes_equal(twin_text(o, "mode"), B("payment")))
        return total == 0 ? complete(c, o, "no_payment_required") : pay(c, o, method);
    return subscribe(c, o, method);
}

void follow_checkout(struct twin_call *c, struct twin_object *intent) {
    bytes status = twin_text(intent, "status");
    bool paid = bytes_equal(status, B("succeeded"));
    if (!paid && !bytes_equal(status, B("requires_payment_method")))
        return;
    struct twin_object *o = twin_get(c, twin_text(intent, "$.session"));
    if (o == NULL || !bytes_equal(twin_text(o, "status"), B("complete")) ||
        !bytes_equal(twin_text(o, "payment_status"), B("unpaid")))
        return;
    if (paid)
        twin_set_str(c, o, "payment_status", "paid");
    twin_emit(c, o,
              paid ? "checkout.session.async_payment_succeeded"
                   : "checkout.session.async_payment_failed");
}
