// SPDX-License-Identifier: MIT
// Payment methods (https://docs.stripe.com/api/payment_methods): made of what is given, and whose
// they are.
#include "twin/effects.h"
#include "twin/money.h"

static bool is_debit(bytes type) {
    static const char *const debits[] = {"sepa_debit", "us_bank_account", "bacs_debit",
                                         "au_becs_debit", "acss_debit"};
    for (size_t i = 0; i < sizeof debits / sizeof *debits; i++)
        if (bytes_equal(bytes_of(debits[i]), type))
            return true;
    return false;
}

bool effect_method_fill(struct twin_call *c) {
    struct card_given g;
    OWN(text_drop)
    struct text kind = {0};
    text_add(&kind, twin_text(c->self, "type"));
    if (bytes_equal(text_bytes(&kind), B("card"))) {
        if (!card_read(c, &g))
            return false;
        card_put_method(c, c->self, &g);
        return true;
    }
    twin_unset(c, c->self, "card");
    if (is_debit(text_bytes(&kind)))
        return bank_put_method(c, c->self, text_bytes(&kind));
    twin_set_json(c, c->self, text_str(&kind), B("{}"));
    return true;
}

struct twin_object *method_given(struct twin_call *c) {
    return twin_create(c, "payment_method", twin_param(c, "payment_method_data"));
}

bool effect_method_update(struct twin_call *c) {
    if (twin_null(c->self, "customer"))
        return twin_refuse(c, API_ERROR_INVALID, NULL,
                           "You must save this PaymentMethod to a customer before you can update "
                           "it.");
    return true;
}

// --- whose they are

bool method_attach(struct twin_call *c, struct twin_object *method, struct twin_object *customer) {
    bytes owner = twin_text(method, "customer");
    const struct card *card = card_of(method);
    if (bytes_equal(owner, bytes_of(customer->id)) || !twin_is(method, "payment_method"))
        return true;
    if (owner.n > 0)
        return twin_refuse(c, API_ERROR_INVALID, "customer",
                           "The payment method you provided has already been attached to a "
                           "customer.");
    if (card != NULL && (card->end == CARD_DECLINE || card->end == CARD_BLOCK))
        return card_refuse(c, card->code, card->decline, NULL, NO_BYTES);
    twin_set_str(c, method, "customer", customer->id);
    twin_emit(c, method, "payment_method.attached");
    return true;
}

bool effect_method_attach(struct twin_call *c) {
    struct twin_object *customer = twin_get(c, twin_param_text(c, "customer"));
    return method_attach(c, c->self, customer);
}

bool effect_method_detach(struct twin_call *c) {
    struct twin_object *customer = twin_get(c, twin_text(c->self, "customer"));
    static const char standard[] = "invoice_settings.default_payment_method";
    if (twin_null(c->self, "customer"))
        return twin_refuse(c, API_ERROR_INVALID, NULL,
                           "The payment method you provided is not attached to a customer so "
                           "detachment is impossible.");
    twin_set_null(c, c->self, "customer");
    if (customer != NULL && bytes_equal(twin_text(customer, standard), bytes_of(c->self->id))) {
        twin_set_null(c, customer, standard);
        twin_emit(c, customer, "customer.updated");
    }
    return true;
}

// A customer is made with a payment method, which is his then; and only his own may be the one that
// pays by itself.
bool effect_customer_methods(struct twin_call *c) {
    static const char standard[] = "invoice_settings.default_payment_method";
    struct twin_object *given = twin_get(c, twin_text(c->self, "$.payment_method"));
    struct twin_object *pays = twin_get(c, twin_text(c->self, standard));
    if (given != NULL && !method_attach(c, given, c->self))
        return false;
    if (!twin_null(c->self, "$.payment_method"))
        twin_set_null(c, c->self, "$.payment_method");
    if (!twin_given(c, standard) || pays == NULL ||
        bytes_equal(twin_text(pays, "customer"), bytes_of(c->self->id)))
        return true;
    return twin_refuse(c, API_ERROR_CURSOR_MISSING, "invoice_settings[default_payment_method]",
                       "The customer does not have a payment method with the ID %s. The payment "
                       "method must be attached to the customer.",
                       pays->id);
}

bool method_fits(struct twin_call *c, struct twin_object *method, bytes customer, json types) {
    json one;
    bool allowed = json_type(types) != JSON_ARRAY || !twin_is(method, "payment_method");
    bytes owner = twin_text(method, "customer"), type = twin_text(method, "type");
    if (owner.n > 0 && !bytes_equal(owner, customer))
        return twin_refuse(c, API_ERROR_INVALID, "payment_method",
                           "The payment method %s belongs to a customer, who has to be named in "
                           "`customer`.",
                           method->id);
    for (size_t at = 0; !allowed && json_element(types, &at, &one);)
        allowed = bytes_equal(json_string(one), type);
    return allowed ||
           twin_refuse(c, API_ERROR_INVALID, "payment_method",
                       "The PaymentMethod provided (%.*s) is not allowed for this PaymentIntent. "
                       "Attach one of the types in payment_method_types.",
                       BYTES_ARG(type));
}

// --- what stands in an intent about its method

void method_ask(struct twin_call *c, struct twin_object *intent, bytes return_url) {
    OWN(text_drop)
    struct text t = {0};
    OWN(text_drop)
    struct text url = {0};
    text_addf(&url, "https://hooks.stripe.com/redirect/authenticate/%s", intent->id);
    text_adds(&t, return_url.n > 0 ? "{\"redirect_to_url\":{\"return_url\":"
                                   : "{\"use_stripe_sdk\":{\"type\":");
    text_add_json(&t, return_url.n > 0 ? return_url : B("three_d_secure_redirect"));
    text_adds(&t, return_url.n > 0 ? ",\"url\":" : ",\"stripe_js\":");
    text_add_json(&t, text_bytes(&url));
    text_addf(&t, "},\"type\":\"%s\"}", return_url.n > 0 ? "redirect_to_url" : "use_stripe_sdk");
    twin_set_json(c, intent, "next_action", text_bytes(&t));
}

void method_error(struct twin_call *c, struct twin_object *intent, const char *path,
                  struct twin_object *method, struct twin_object *charge, const char *code,
                  const char *decline) {
    OWN(text_drop)
    struct text t = {0};
    bool bank = decline[0] == '\0';
    text_addf(&t, "{\"type\":\"%s\"", bank ? "invalid_request_error" : "card_error");
    card_error_add(&t, bank ? "payment_intent_payment_attempt_failed" : code, decline);
    text_adds(&t, ",\"message\":");
    text_add_json(&t, bytes_of(decline_of(bank ? code : decline)->message));
    if (charge != NULL) {
        text_adds(&t, ",\"charge\":");
        text_add_json(&t, bytes_of(charge->id));
    }
    text_adds(&t, ",\"payment_method\":");
    twin_show(twin_root(method), &t);
    text_addc(&t, '}');
    twin_set_json(c, intent, path, text_bytes(&t));
}
