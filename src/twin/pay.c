// SPDX-License-Identifier: MIT
// Payment intents (https://docs.stripe.com/payments/paymentintents/lifecycle): from the wish to the
// money, by the ends that test cards and accounts have.
#include "twin/effects.h"
#include "twin/money.h"

#define AMOUNT_MAX 99999999
#define HELD_DAYS 7 // until what was authorized is given back by itself

static void (*const followers[])(struct twin_call *c, struct twin_object *intent) = {
#define FOLLOWER(name, doc) follow_##name,
#include "twin/followers.def"
#undef FOLLOWER
};

void intent_followed(struct twin_call *c, struct twin_object *intent) {
    for (size_t i = 0; i < sizeof followers / sizeof *followers; i++)
        followers[i](c, intent);
}

bool money_is_amount(struct twin_call *c, const char *param, int64_t amount) {
    if (amount < 1)
        return twin_refuse(c, API_ERROR_PARAMETER_INTEGER, param,
                           "%s is %lld; it is at least 1, in the currency's smallest unit.", param,
                           (long long)amount);
    return amount <= AMOUNT_MAX ||
           twin_refuse_as(c, 400, "invalid_request_error", "amount_too_large", param, NO_BYTES,
                          "%s is %lld; it is at most %d.", param, (long long)amount, AMOUNT_MAX);
}

void money_copy(struct twin_call *c, struct twin_object *to, const char *path,
                struct twin_object *from) {
    if (json_type(twin_at(from, path)) != JSON_ABSENT)
        twin_set(c, to, path, twin_at(from, path));
}

static bool is_status(struct twin_object *o, const char *status) {
    return bytes_equal(twin_text(o, "status"), bytes_of(status));
}

// --- how an attempt ends

static bool is_manual(struct twin_object *intent) {
    return bytes_equal(twin_text(intent, "capture_method"), B("manual"));
}

// A method that shall be used again belongs to the customer from now on.
static void keep_method(struct twin_call *c, struct twin_object *intent,
                        struct twin_object *method) {
    struct twin_object *customer = twin_get(c, twin_text(intent, "customer"));
    if (twin_null(intent, "setup_future_usage") || !twin_is(method, "payment_method"))
        return;
    twin_set_bool(c, method, "$.setup", true);
    if (customer != NULL)
        (void)method_attach(c, method, customer); // it is his, or nobody's: it fitted
}

static void succeed(struct twin_call *c, struct twin_object *intent, struct twin_object *charge,
                    struct twin_object *method) {
    int64_t amount = twin_int(intent, "amount");
    bool manual = is_manual(intent);
    keep_method(c, intent, method);
    twin_set_null(c, intent, "next_action");
    twin_set_null(c, intent, "last_payment_error");
    twin_set_null(c, intent, "processing");
    twin_set_str(c, intent, "status", manual ? "requires_capture" : "succeeded");
    twin_set_int(c, intent, manual ? "amount_capturable" : "amount_received", amount);
    charge_succeed(c, charge, !manual);
    twin_emit(c, intent,
              manual ? "payment_intent.amount_capturable_updated" : "payment_intent.succeeded");
    charge_trouble(c, charge);
    if (manual)
        twin_when(c, intent, twin_time(c, intent) + HELD_DAYS * DAYS_S, effect_intent_expire);
}

static void fail(struct twin_call *c, struct twin_object *intent, struct twin_object *charge,
                 struct twin_object *method, const char *code, const char *decline) {
    charge_fail(c, charge, code, decline);
    method_error(c, intent, "last_payment_error", method, charge, code, decline);
    twin_set_null(c, intent, "next_action");
    twin_set_null(c, intent, "payment_method");
    twin_set_null(c, intent, "processing");
    twin_set_str(c, intent, "status", "requires_payment_method");
    twin_emit(c, intent, "payment_intent.payment_failed");
}

static void ask(struct twin_call *c, struct twin_object *intent) {
    method_ask(c, intent, twin_param_text(c, "return_url"));
    twin_set_str(c, intent, "status", "requires_action");
    twin_emit(c, intent, "payment_intent.requires_action");
}

static void try_card(struct twin_call *c, struct twin_object *intent, struct twin_object *method,
                     bool off_session, bool asked) {
    const struct card *card = card_of(method);
    bool again = card->end == CARD_ACTION_ONCE && twin_true(method, "$.setup");
    bool asks = card->end == CARD_ACTION || card->end == CARD_ACTION_DECLINE ||
                (card->end == CARD_ACTION_ONCE && !(again && off_session));
    if (asks && !asked && !off_session) {
        ask(c, intent);
        return;
    }
    struct twin_object *charge = charge_make(c, intent, method, asks && asked);
    if (asks && !asked)
        fail(c, intent, charge, method, "card_declined", "authentication_required");
    else if (card->end == CARD_DECLINE || card->end == CARD_BLOCK ||
             card->end == CARD_CHARGE_DECLINE || card->end == CARD_ACTION_DECLINE)
        fail(c, intent, charge, method, card->code, card->decline);
    else
        succeed(c, intent, charge, method);
}

// A bank takes its time.
static void try_bank(struct twin_call *c, struct twin_object *intent, struct twin_object *method) {
    const struct bank *bank = bank_of(method);
    struct twin_object *charge = charge_make(c, intent, method, false);
    twin_set_null(c, intent, "next_action");
    twin_set_str(c, intent, "status", "processing");
    twin_set_bool(c, charge, "captured", true);
    twin_emit(c, charge, "charge.pending");
    twin_emit(c, intent, "payment_intent.processing");
    if (bank->end != BANK_STAYS)
        twin_when(c, intent, twin_time(c, intent) + bank->delay_s, effect_intent_arrive);
}

bool effect_intent_arrive(struct twin_call *c) {
    struct twin_object *charge = twin_get(c, twin_text(c->self, "latest_charge"));
    struct twin_object *method = twin_get(c, twin_text(c->self, "payment_method"));
    if (!is_status(c->self, "processing") || charge == NULL || method == NULL)
        return true;
    const struct bank *bank = bank_of(charge);
    if (bank->end == BANK_FAIL)
        fail(c, c->self, charge, method, bank->code, "");
    else
        succeed(c, c->self, charge, method);
    intent_followed(c, c->self);
    return true;
}

void intent_paid(struct twin_call *c, struct twin_object *intent, struct twin_object *method) {
    succeed(c, intent, charge_make(c, intent, method, false), method);
}

void intent_try(struct twin_call *c, struct twin_object *intent, struct twin_object *method,
                bool off_session, bool asked) {
    bytes type = twin_text(method, "type");
    twin_set_str(c, intent, "payment_method", method->id);
    if (card_of(method) != NULL)
        try_card(c, intent, method, off_session, asked);
    else if (bytes_equal(type, B("customer_balance")))
        (void)cash_pay(c, intent);
    else if (bytes_ends(type, B("_debit")) || bytes_equal(type, B("us_bank_account")))
        try_bank(c, intent, method);
    else if (asked)
        intent_paid(c, intent, method);
    else
        ask(c, intent);
}

bool intent_refuse(struct twin_call *c, struct twin_object *intent, const char *path) {
    OWN(text_drop)
    struct text more = {0};
    OWN(text_drop)
    struct text message = {0};
    json error = twin_at(intent, path), v;
    bytes key;
    for (size_t at = 0; json_member(error, &at, &key, &v);) {
        if (bytes_equal(key, B("type")) || bytes_equal(key, B("message")))
            continue;
        text_addc(&more, ',');
        text_add_json(&more, key);
        text_addc(&more, ':');
        json_write(v, &more);
    }
    if (json_type(error) != JSON_OBJECT) { // it is the customer's turn
        card_error_add(&more, "authentication_required", "authentication_required");
        text_adds(&message, "The customer has to authenticate this payment first.");
    }
    text_addf(&more, ",\"%s\":", intent->resource->object);
    twin_show(twin_root(intent), &more);
    text_add(&message, json_string(json_get(error, "message")));
    c->keeps = true;
    return twin_refuse_as(c, 402, "card_error", NULL, NULL, text_bytes(&more), "%s",
                          text_str(&message));
}

// --- a client's requests

static void set_waiting(struct twin_call *c, struct twin_object *intent) {
    bool has = !twin_null(intent, "payment_method");
    twin_set_str(c, intent, "status", has ? "requires_confirmation" : "requires_payment_method");
    if (!twin_null(intent, "next_action"))
        twin_set_null(c, intent, "next_action");
}

static bool take_given(struct twin_call *c) {
    if (!twin_given(c, "payment_method_data"))
        return true;
    struct twin_object *method = method_given(c);
    if (method == NULL)
        return false;
    twin_set_str(c, c->self, "payment_method", method->id);
    return true;
}

static bool amount_fits(struct twin_call *c) {
    return twin_is(c->self, "setup_intent") ||
           money_is_amount(c, "amount", twin_int(c->self, "amount"));
}

bool effect_intent_begin(struct twin_call *c) {
    bool types = twin_given(c, "payment_method_types");
    if (!amount_fits(c) || !take_given(c))
        return false;
    if (!types && twin_null(c->self, "automatic_payment_methods"))
        twin_set_json(c, c->self, "automatic_payment_methods",
                      B("{\"allow_redirects\":\"always\",\"enabled\":true}"));
    if (!types)
        twin_set_json(c, c->self, "payment_method_types", B("[\"card\",\"link\"]"));
    set_waiting(c, c->self);
    return true;
}

bool effect_intent_go(struct twin_call *c) {
    return !twin_param_true(c, "confirm") || effect_intent_confirm(c);
}

bool effect_intent_update(struct twin_call *c) {
    if (!amount_fits(c) || !take_given(c))
        return false;
    if (twin_given(c, "payment_method") || twin_given(c, "payment_method_data"))
        set_waiting(c, c->self);
    return true;
}

struct twin_object *intent_method(struct twin_call *c, bool *asked) {
    struct twin_object *intent = c->self;
    bool setup = twin_is(intent, "setup_intent");
    if (!take_given(c))
        return NULL;
    struct twin_object *method = twin_get(c, twin_text(intent, "payment_method"));
    if (method == NULL) {
        twin_refuse_as(c, 400, "invalid_request_error",
                       setup ? "setup_intent_unexpected_state" : "payment_intent_unexpected_state",
                       NULL, NO_BYTES,
                       "You cannot confirm this %s because it's missing a payment method. Update "
                       "it with one, or name one as you confirm it.",
                       setup ? "SetupIntent" : "PaymentIntent");
        return NULL;
    }
    bool automatic = !twin_null(intent, "automatic_payment_methods");
    json types = automatic ? (json){NULL} : twin_at(intent, "payment_method_types");
    *asked = json_equals_text(twin_before(intent, "status"), B("requires_action")) &&
             json_equals_text(twin_before(intent, "payment_method"), bytes_of(method->id));
    return method_fits(c, method, twin_text(intent, "customer"), types) ? method : NULL;
}

// https://docs.stripe.com/api/payment_intents/create#create_payment_intent-off_session
static bool is_off_session(struct twin_call *c) {
    bytes v = twin_param_text(c, "off_session");
    return bytes_equal(v, B("true")) || bytes_equal(v, B("recurring")) ||
           bytes_equal(v, B("one_off")) || twin_param_true(c, "error_on_requires_action");
}

bool effect_intent_confirm(struct twin_call *c) {
    struct twin_object *intent = c->self;
    bool asked;
    struct twin_object *method = intent_method(c, &asked);
    if (method == NULL)
        return false;
    intent_try(c, intent, method, is_off_session(c), asked);
    intent_followed(c, intent);
    return !is_status(intent, "requires_payment_method") ||
           intent_refuse(c, intent, "last_payment_error");
}

bool effect_intent_capture(struct twin_call *c) {
    int64_t most = twin_int(c->self, "amount_capturable"), amount = most;
    struct twin_object *charge = twin_get(c, twin_text(c->self, "latest_charge"));
    if (!twin_param_int(c, "amount_to_capture", &amount))
        return false;
    if (amount < 1 || amount > most || charge == NULL)
        return twin_refuse_as(c, 400, "invalid_request_error", "amount_too_large",
                              "amount_to_capture", NO_BYTES,
                              "amount_to_capture is %lld; of this PaymentIntent 1 to %lld may be "
                              "captured.",
                              (long long)amount, (long long)most);
    twin_set_int(c, c->self, "amount_capturable", 0);
    twin_set_int(c, c->self, "amount_received", amount);
    twin_set_str(c, c->self, "status", "succeeded");
    twin_when_not(c, c->self, effect_intent_expire);
    charge_take(c, charge, amount);
    twin_emit(c, c->self, "payment_intent.succeeded");
    intent_followed(c, c->self);
    return true;
}

bool effect_intent_increment(struct twin_call *c) {
    int64_t amount = 0, was = twin_int(c->self, "amount");
    struct twin_object *charge = twin_get(c, twin_text(c->self, "latest_charge"));
    if (!twin_param_int(c, "amount", &amount) || !money_is_amount(c, "amount", amount))
        return false;
    if (amount <= was || charge == NULL)
        return twin_refuse(c, API_ERROR_INVALID, "amount",
                           "amount is %lld; an authorization is only made greater, and is %lld.",
                           (long long)amount, (long long)was);
    twin_set_int(c, c->self, "amount", amount);
    twin_set_int(c, c->self, "amount_capturable", amount);
    twin_set_int(c, charge, "amount", amount);
    twin_emit(c, charge, "charge.updated");
    twin_emit(c, c->self, "payment_intent.amount_capturable_updated");
    return true;
}

// `released` tells of a charge that was only authorized.
static void cancel(struct twin_call *c, struct twin_object *intent, bytes reason,
                   const char *released) {
    struct twin_object *charge = twin_get(c, twin_text(intent, "latest_charge"));
    bool held = is_status(intent, "requires_capture");
    twin_set_int(c, intent, "amount_capturable", 0);
    twin_set_int(c, intent, "canceled_at", twin_time(c, intent));
    twin_set_text(c, intent, "cancellation_reason", reason);
    if (reason.n == 0)
        twin_set_null(c, intent, "cancellation_reason");
    twin_set_null(c, intent, "next_action");
    twin_set_str(c, intent, "status", "canceled");
    twin_when_not(c, intent, NULL);
    if (held && charge != NULL)
        charge_release(c, charge, released);
    twin_emit(c, intent, "payment_intent.canceled");
}

bool effect_intent_cancel(struct twin_call *c) {
    cancel(c, c->self, twin_param_text(c, "cancellation_reason"), "charge.refunded");
    intent_followed(c, c->self);
    return true;
}

bool effect_intent_expire(struct twin_call *c) {
    if (!is_status(c->self, "requires_capture"))
        return true;
    cancel(c, c->self, B("automatic"), "charge.expired");
    intent_followed(c, c->self);
    return true;
}

bool effect_intent_apply_cash(struct twin_call *c) {
    (void)cash_pay(c, c->self);
    intent_followed(c, c->self);
    return true;
}

// --- what bills by itself

static struct twin_object *intend(struct twin_call *c, const struct pay_order *order) {
    struct twin_object *o = twin_make(c, "payment_intent");
    twin_set_int(c, o, "amount", order->amount);
    twin_set_text(c, o, "currency", order->currency);
    twin_set_str(c, o, "capture_method", "automatic");
    if (order->customer != NULL) {
        twin_set_str(c, o, "customer", order->customer->id);
        o->clock = order->customer->clock;
    }
    if (order->invoice != NULL)
        twin_set_str(c, o, "$.invoice", order->invoice->id);
    if (order->description != NULL)
        twin_set_str(c, o, "description", order->description);
    if (order->method != NULL)
        twin_set_str(c, o, "payment_method", order->method->id);
    set_waiting(c, o);
    twin_emit(c, o, "payment_intent.created");
    return o;
}

enum pay_end twin_pay(struct twin_call *c, const struct pay_order *order,
                      struct twin_object **intent) {
    struct twin_object *o = order->intent;
    if (o == NULL)
        o = intend(c, order);
    *intent = o;
    if (is_status(o, "succeeded"))
        return PAY_PAID;
    if (is_status(o, "processing"))
        return PAY_PROCESSING;
    if (order->method == NULL)
        return PAY_NO_METHOD;
    intent_try(c, o, order->method, order->off_session, false);
    return is_status(o, "succeeded")         ? PAY_PAID
           : is_status(o, "processing")      ? PAY_PROCESSING
           : is_status(o, "requires_action") ? PAY_NEEDS_ACTION
                                             : PAY_DECLINED;
}

void twin_pay_cancel(struct twin_call *c, struct twin_object *intent) {
    if (!is_status(intent, "succeeded") && !is_status(intent, "canceled"))
        cancel(c, intent, B("void_invoice"), "charge.refunded");
}

bool twin_pay_refuse(struct twin_call *c, struct twin_object *intent) {
    return intent_refuse(c, intent, "last_payment_error");
}
