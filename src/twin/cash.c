// SPDX-License-Identifier: MIT
// Cash balances (https://docs.stripe.com/payments/customer-balance): money that a customer sent by
// bank transfer, and intents that are paid from it. A customer's balance is an object of the world
// that has no id to show.
#include "twin/effects.h"
#include "twin/money.h"

#define REMAINING "next_action.display_bank_transfer_instructions.amount_remaining"

static struct twin_object *find(struct twin_call *c, bytes customer) {
    OWN(text_drop)
    struct text id = {0};
    text_adds(&id, "cash_balance/");
    text_add(&id, customer);
    struct twin_object *o = twin_get(c, text_bytes(&id));
    if (o != NULL)
        return o;
    o = twin_make_as(c, twin_resource_find(B("cash_balance")), text_bytes(&id));
    if (o == NULL)
        return NULL;
    twin_unset(c, o, "id");
    twin_set_text(c, o, "customer", customer);
    return o;
}

bool effect_cash_find(struct twin_call *c) {
    bytes mode = twin_param_text(c, "settings.reconciliation_mode");
    bool own = bytes_equal(mode, B("automatic")) || bytes_equal(mode, B("manual"));
    c->self = find(c, c->parent);
    if (c->self == NULL || !twin_given(c, "settings"))
        return c->self != NULL;
    if (!own && !bytes_equal(mode, B("merchant_default")))
        return twin_refuse(c, API_ERROR_INVALID, "settings[reconciliation_mode]",
                           "Invalid settings[reconciliation_mode]: must be one of automatic, "
                           "manual, merchant_default.");
    twin_set_text(c, c->self, "settings.reconciliation_mode", own ? mode : B("automatic"));
    twin_set_bool(c, c->self, "settings.using_merchant_default", !own);
    return true;
}

static int64_t available(struct twin_object *o, bytes currency) {
    int64_t amount = 0;
    json v = json_getb(twin_at(o, "available"), currency);
    return json_i64(v, &amount) == OK ? amount : 0;
}

// Moves cash, as a transaction that is not told yet.
static void move(struct twin_call *c, struct twin_object *cash, struct twin_object *o,
                 bytes currency, int64_t amount, const char *type) {
    OWN(text_drop)
    struct text path = {0};
    int64_t ends = available(cash, currency) + amount;
    twin_set_text(c, o, "currency", currency);
    twin_set(c, o, "customer", twin_at(cash, "customer"));
    twin_set_int(c, o, "net_amount", amount);
    twin_set_int(c, o, "ending_balance", ends);
    twin_set_str(c, o, "type", type);
    if (twin_null(cash, "available"))
        twin_set_json(c, cash, "available", B("{}"));
    text_addf(&path, "available.%.*s", BYTES_ARG(currency));
    twin_set_int(c, cash, text_str(&path), ends);
}

static void ask(struct twin_call *c, struct twin_object *intent, int64_t remaining) {
    OWN(text_drop)
    struct text t = {0};
    text_addf(&t,
              "{\"display_bank_transfer_instructions\":{\"amount_remaining\":%lld,\"currency\":",
              (long long)remaining);
    text_add_json(&t, twin_text(intent, "currency"));
    text_adds(&t, ",\"financial_addresses\":[],\"hosted_instructions_url\":null,\"reference\":null,"
                  "\"type\":");
    bytes type = twin_text(intent, "payment_method_options.customer_balance.bank_transfer.type");
    text_add_json(&t, type.n > 0 ? type : B("us_bank_transfer"));
    text_adds(&t, "},\"type\":\"display_bank_transfer_instructions\"}");
    twin_set_json(c, intent, "next_action", text_bytes(&t));
    twin_set_str(c, intent, "status", "requires_action");
}

bool cash_pay(struct twin_call *c, struct twin_object *intent) {
    struct twin_object *cash = find(c, twin_text(intent, "customer"));
    struct twin_object *method = twin_get(c, twin_text(intent, "payment_method"));
    bool begun = !twin_null(intent, REMAINING);
    int64_t remaining = begun ? twin_int(intent, REMAINING) : twin_int(intent, "amount");
    OWN(text_drop)
    struct text currency = {0};
    text_add(&currency, twin_text(intent, "currency"));
    int64_t there = cash == NULL ? 0 : available(cash, text_bytes(&currency));
    int64_t used = there < remaining ? there : remaining;
    if (used > 0) {
        struct twin_object *o = twin_make(c, "customer_cash_balance_transaction");
        move(c, cash, o, text_bytes(&currency), -used, "applied_to_payment");
        twin_set_str(c, o, "applied_to_payment.payment_intent", intent->id);
        twin_emit(c, o, "customer_cash_balance_transaction.created");
    }
    if (used == remaining && method != NULL) {
        intent_paid(c, intent, method);
        return true;
    }
    if (begun && used == 0)
        return false;
    ask(c, intent, remaining - used);
    if (!begun)
        twin_emit(c, intent, "payment_intent.requires_action");
    if (used > 0)
        twin_emit(c, intent, "payment_intent.partially_funded");
    return false;
}

// What waits for the customer's money is paid first, the oldest before others.
static void reconcile(struct twin_call *c, struct twin_object *customer, bytes currency) {
    LIST_EACH(at, &c->w->all) {
        struct twin_object *o = CONTAINER(at, struct twin_object, all);
        if (o->gone || !twin_is(o, "payment_intent") ||
            !bytes_equal(bytes_of(o->account), bytes_of(customer->account)) ||
            !bytes_equal(twin_text(o, "customer"), bytes_of(customer->id)) ||
            !bytes_equal(twin_text(o, "currency"), currency) || twin_null(o, REMAINING))
            continue;
        (void)cash_pay(c, o);
        intent_followed(c, o);
    }
}

// POST v1/test_helpers/customers/{parent}/fund_cash_balance
bool effect_cash_fund(struct twin_call *c) {
    struct twin_object *cash = find(c, c->parent);
    OWN(text_drop)
    struct text currency = {0};
    OWN(text_drop)
    struct text funded = {0};
    int64_t amount = twin_int(c->self, "net_amount");
    text_add(&currency, twin_text(c->self, "currency"));
    if (cash == NULL || !money_is_amount(c, "amount", amount))
        return false;
    text_adds(&funded, "{\"bank_transfer\":{\"reference\":");
    bytes reference = twin_param_text(c, "reference");
    if (reference.n > 0)
        text_add_json(&funded, reference);
    else
        text_adds(&funded, "null");
    text_adds(&funded, ",\"type\":\"us_bank_transfer\",\"us_bank_transfer\":{\"network\":\"ach\","
                       "\"sender_name\":\"TEST SENDER\"}}}");
    move(c, cash, c->self, text_bytes(&currency), amount, "funded");
    twin_set_json(c, c->self, "funded", text_bytes(&funded));
    return true;
}

// What nothing waited for is the customer's to spend.
bool effect_cash_reconcile(struct twin_call *c) {
    struct twin_object *customer = twin_get(c, c->parent);
    struct twin_object *cash = find(c, c->parent);
    OWN(text_drop)
    struct text currency = {0};
    text_add(&currency, twin_text(c->self, "currency"));
    if (customer == NULL || cash == NULL)
        return true;
    if (!bytes_equal(twin_text(cash, "settings.reconciliation_mode"), B("manual")))
        reconcile(c, customer, text_bytes(&currency));
    if (available(cash, text_bytes(&currency)) > 0)
        twin_emit(c, cash, "cash_balance.funds_available");
    return true;
}
