// SPDX-License-Identifier: MIT
// Setup intents (https://docs.stripe.com/payments/setupintents/lifecycle): a payment method is made
// ready to be charged later.
#include "twin/effects.h"
#include "twin/money.h"

bool effect_setup_go(struct twin_call *c) {
    return !twin_param_true(c, "confirm") || effect_setup_confirm(c);
}

static bool succeed(struct twin_call *c, struct twin_object *o, struct twin_object *method) {
    struct twin_object *customer = twin_get(c, twin_text(o, "customer"));
    if (customer != NULL && !method_attach(c, method, customer))
        return false;
    twin_set_bool(c, method, "$.setup", true);
    twin_set_null(c, o, "next_action");
    twin_set_null(c, o, "last_setup_error");
    twin_set_str(c, o, "status", "succeeded");
    twin_emit(c, o, "setup_intent.succeeded");
    return true;
}

static bool fail(struct twin_call *c, struct twin_object *o, struct twin_object *method,
                 const struct card *card) {
    method_error(c, o, "last_setup_error", method, NULL, card->code, card->decline);
    twin_set_null(c, o, "next_action");
    twin_set_null(c, o, "payment_method");
    twin_set_str(c, o, "status", "requires_payment_method");
    twin_emit(c, o, "setup_intent.setup_failed");
    return intent_refuse(c, o, "last_setup_error");
}

bool effect_setup_confirm(struct twin_call *c) {
    struct twin_object *o = c->self;
    bool asked;
    struct twin_object *method = intent_method(c, &asked);
    if (method == NULL)
        return false;
    const struct card *card = card_of(method);
    bool asks = card != NULL && (card->end == CARD_ACTION || card->end == CARD_ACTION_ONCE ||
                                 card->end == CARD_ACTION_DECLINE);
    if (card != NULL && (card->end == CARD_DECLINE || card->end == CARD_BLOCK))
        return fail(c, o, method, card);
    if (!asks || asked)
        return succeed(c, o, method);
    method_ask(c, o, twin_param_text(c, "return_url"));
    twin_set_str(c, o, "status", "requires_action");
    twin_emit(c, o, "setup_intent.requires_action");
    return true;
}
