// SPDX-License-Identifier: MIT
// Payments of the twin: how each test card ends, what may follow what, and the events of it all.
#include "twin_script.h"

#include "twin/cards.h"

#define INTENT "POST /v1/payment_intents"

// --- test cards

struct ending {
    enum card_end end;
    int status;
    const char *state; // of the intent
    const char *events;
};

#define CREATED "payment_intent.created "
#define PAID CREATED "charge.succeeded payment_intent.succeeded "
#define DECLINED CREATED "charge.failed payment_intent.payment_failed "

static const struct ending endings[] = {
    {CARD_GOOD, 200, "succeeded", PAID},
    {CARD_DECLINE, 402, "requires_payment_method", DECLINED},
    {CARD_BLOCK, 402, "requires_payment_method", DECLINED},
    {CARD_CHARGE_DECLINE, 402, "requires_payment_method", DECLINED},
    {CARD_DISPUTE, 200, "succeeded",
     PAID "charge.updated charge.dispute.created charge.dispute.funds_withdrawn "},
    {CARD_INQUIRY, 200, "succeeded", PAID "charge.updated charge.dispute.created "},
    {CARD_WARNING, 200, "succeeded", PAID "radar.early_fraud_warning.created "},
    {CARD_REFUND_LATER, 200, "succeeded", PAID},
    {CARD_REFUND_FAIL, 200, "succeeded", PAID},
    {CARD_AVAILABLE, 200, "succeeded", PAID "balance.available "},
    {CARD_ACTION, 200, "requires_action", CREATED "payment_intent.requires_action "},
    {CARD_ACTION_ONCE, 200, "requires_action", CREATED "payment_intent.requires_action "},
    {CARD_ACTION_DECLINE, 200, "requires_action", CREATED "payment_intent.requires_action "},
};

static const struct card rows[] = {
#define CARD(name, number, brand, funding, country, end, code, decline, doc)                       \
    {name, number, brand, funding, country, CARD_##end, code, decline, doc},
#include "twin/cards.def"
#undef CARD
};

static void one_card(struct twin_house *h, const struct card *card, bool by_number) {
    OWN(text_drop)
    struct text form = {0};
    const struct ending *e = &endings[card->end];
    assert_int_equal(e->end, card->end);
    text_adds(&form, "amount=2000&currency=usd&confirm=true&capture_method=automatic&");
    if (by_number)
        text_addf(&form,
                  "payment_method_data[type]=card&payment_method_data[card][number]=%s&"
                  "payment_method_data[card][exp_month]=9&payment_method_data[card][exp_year]=2030",
                  card->number);
    else
        text_addf(&form, "payment_method=pm_card_%s", card->name);
    assert_int_equal(house_ask(h, INTENT, text_str(&form)), e->status);
    bool refused = e->status == 402;
    assert_string_equal(house_text(h, refused ? "error.payment_intent.status" : "status"),
                        e->state);
    house_events(h, e->events);
    if (!refused)
        return;
    assert_string_equal(house_text(h, "error.type"), "card_error");
    assert_string_equal(house_text(h, "error.code"), card->code);
    assert_string_equal(house_text(h, "error.decline_code"), card->decline);
    assert_string_equal(house_text(h, "error.payment_method.card.last4"),
                        card->number + strlen(card->number) - 4);
    assert_string_equal(house_text(h, "error.payment_intent.payment_method"), "null");
}

static void cards_end_as_told(void **state) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct twin_house h;
        house_open(&h);
        one_card(&h, &rows[i], false);
        one_card(&h, &rows[i], true);
        house_close(&h);
    }
}

// --- what follows what

#define PI "POST /v1/payment_intents"
#define VISA "amount=2000&currency=usd&payment_method=pm_card_visa&payment_method_types[]=card"
#define ONCE "&capture_method=automatic&confirm=true"
#define HELD "&capture_method=manual&confirm=true"

static const struct script scripts[] = {
    {"an intent waits, is given a method, and is confirmed",
     {{PI, "amount=2000&currency=usd", 0,
       "status=requires_payment_method latest_charge=null next_action=null "
       "automatic_payment_methods.enabled=true"},
      {PI "/{1}/confirm", "", 400, "error.code=payment_intent_unexpected_state"},
      {PI "/{1}", "payment_method=pm_card_visa", 0, "status=requires_confirmation"},
      {PI "/{1}/confirm", "capture_method=automatic", 0, "status=succeeded amount_received=2000"},
      {PI "/{1}/confirm", "", 400,
       "error.code=payment_intent_unexpected_state error.payment_intent.id={1}"},
      {PI "/{1}/cancel", "", 400, "error.code=payment_intent_unexpected_state"},
      {PI "/{1}", "amount=1", 400, "error.code=payment_intent_unexpected_state"}},
     "payment_intent.created charge.succeeded payment_intent.succeeded "},
    {"money of an asynchronous capture is booked later",
     {{PI, VISA "&confirm=true", 0, "status=succeeded"},
      {"GET /v1/charges/{1.latest_charge}", "", 0, "balance_transaction=null captured=true"},
      {"+2", NULL},
      {"GET /v1/charges/{1.latest_charge}", "expand[]=balance_transaction", 0,
       "balance_transaction.net=1912 balance_transaction.fee=88 "
       "balance_transaction.status=pending"}},
     "payment_intent.created charge.succeeded payment_intent.succeeded charge.updated "},
    {"a charge that failed is tried again with another card",
     {{PI, "amount=2000&currency=usd&capture_method=automatic"},
      {PI "/{1}/confirm", "payment_method=pm_card_chargeDeclinedInsufficientFunds", 402,
       "error.code=card_declined error.decline_code=insufficient_funds "
       "error.payment_intent.status=requires_payment_method"},
      {PI "/{1}/confirm", "payment_method=pm_card_visa", 0,
       "status=succeeded last_payment_error=null"},
      {"GET /v1/charges", "payment_intent={1}", 0,
       "data.0.status=succeeded data.1.status=failed data.1.failure_code=card_declined "
       "data.1.outcome.reason=insufficient_funds"}},
     "payment_intent.created charge.failed payment_intent.payment_failed charge.succeeded "
     "payment_intent.succeeded "},
    {"the customer does what has to be done",
     {{PI,
       "amount=2000&currency=usd&capture_method=automatic&confirm=true&"
       "payment_method=pm_card_authenticationRequired&return_url=https://a.example/",
       0, "status=requires_action next_action.type=redirect_to_url latest_charge=null"},
      {PI "/{1}/confirm", "", 0, "status=succeeded next_action=null"}},
     "payment_intent.created payment_intent.requires_action charge.succeeded "
     "payment_intent.succeeded "},
    {"and is declined all the same",
     {{PI,
       "amount=2000&currency=usd&capture_method=automatic&confirm=true&"
       "payment_method=pm_card_threeDSecureRequiredChargeDeclined",
       0, "status=requires_action next_action.type=use_stripe_sdk"},
      {PI "/{1}/confirm", "", 402, "error.code=card_declined"}},
     "payment_intent.created payment_intent.requires_action charge.failed "
     "payment_intent.payment_failed "},
    {"nobody is there to do it",
     {{PI,
       "amount=2000&currency=usd&off_session=true&confirm=true&"
       "payment_method=pm_card_authenticationRequired",
       402, "error.decline_code=authentication_required"}},
     "payment_intent.created charge.failed payment_intent.payment_failed "},
    {"a card that was set up need not be asked again",
     {{"POST /v1/customers", ""},
      {"POST /v1/setup_intents",
       "confirm=true&customer={1}&payment_method=pm_card_authenticationRequiredOnSetup", 0,
       "status=requires_action"},
      {"POST /v1/setup_intents/{2}/confirm", "", 0, "status=succeeded"},
      {PI,
       "amount=2000&currency=usd&capture_method=automatic&off_session=true&confirm=true&"
       "customer={1}&payment_method={2.payment_method}",
       0, "status=succeeded"}},
     "customer.created setup_intent.created setup_intent.requires_action payment_method.attached "
     "setup_intent.succeeded payment_intent.created charge.succeeded payment_intent.succeeded "},
    {"authorized money is taken in part",
     {{PI, VISA HELD, 0, "status=requires_capture amount_capturable=2000 amount_received=0"},
      {PI "/{1}/capture", "amount_to_capture=2001", 400, "error.code=amount_too_large"},
      {PI "/{1}/capture", "amount_to_capture=1500", 0,
       "status=succeeded amount_capturable=0 amount_received=1500 amount=2000"},
      {"GET /v1/charges/{1.latest_charge}", "", 0, "amount_captured=1500 captured=true"},
      {PI "/{1}/capture", "", 400, "error.code=payment_intent_unexpected_state"},
      {"POST /v1/refunds", "payment_intent={1}&amount=1501", 400, "error.param=amount"}},
     "payment_intent.created charge.succeeded payment_intent.amount_capturable_updated "
     "charge.captured payment_intent.succeeded "},
    {"or given back",
     {{PI, VISA HELD},
      {PI "/{1}/increment_authorization", "amount=1999", 400, "error.param=amount"},
      {PI "/{1}/increment_authorization", "amount=2500", 0, "amount_capturable=2500"},
      {PI "/{1}/cancel", "cancellation_reason=duplicate", 0,
       "status=canceled cancellation_reason=duplicate amount_capturable=0"},
      {"GET /v1/charges/{1.latest_charge}", "", 0, "refunded=true captured=false"},
      {PI "/{1}/cancel", "", 400, "error.code=payment_intent_unexpected_state"}},
     "payment_intent.created charge.succeeded payment_intent.amount_capturable_updated "
     "charge.updated payment_intent.amount_capturable_updated charge.refunded "
     "payment_intent.canceled "},
    {"or goes back by itself after a week",
     {{PI, VISA HELD},
      {"+604799", NULL},
      {"GET /v1/payment_intents/{1}", "", 0, "status=requires_capture"},
      {"+1", NULL},
      {"GET /v1/payment_intents/{1}", "", 0, "status=canceled cancellation_reason=automatic"},
      {PI, VISA HELD},
      {PI "/{6}/capture", ""},
      {"+604800", NULL},
      {"GET /v1/payment_intents/{6}", "", 0, "status=succeeded"}},
     "payment_intent.created charge.succeeded payment_intent.amount_capturable_updated "
     "charge.expired payment_intent.canceled payment_intent.created charge.succeeded "
     "payment_intent.amount_capturable_updated charge.captured payment_intent.succeeded "
     "balance.available "},
    {"a charge goes back in two parts, and no more",
     {{PI, VISA ONCE},
      {"POST /v1/refunds", "payment_intent={1}&amount=500", 0,
       "status=succeeded charge={1.latest_charge}"},
      {"POST /v1/refunds", "charge={1.latest_charge}&amount=1501", 400, "error.param=amount"},
      {"POST /v1/refunds", "charge={1.latest_charge}", 0, "amount=1500"},
      {"GET /v1/charges/{1.latest_charge}", "", 0, "amount_refunded=2000 refunded=true"},
      {"POST /v1/refunds", "charge={1.latest_charge}", 400, "error.code=charge_already_refunded"},
      {"POST /v1/refunds/{2}", "metadata[a]=b", 0, "metadata.a=b"},
      {"POST /v1/refunds/{2}/cancel", "", 400, "error.type=invalid_request_error"}},
     "payment_intent.created charge.succeeded payment_intent.succeeded refund.created "
     "charge.refunded refund.created charge.refunded refund.updated charge.refund.updated "},
    {"a refund that fails in the end",
     {{PI, "amount=2000&currency=usd&payment_method=pm_card_refundFail" ONCE},
      {"POST /v1/refunds", "payment_intent={1}", 0, "status=succeeded"},
      {"+60", NULL},
      {"GET /v1/refunds/{2}", "", 0, "status=failed"},
      {"GET /v1/charges/{1.latest_charge}", "", 0, "amount_refunded=0 refunded=false"}},
     "payment_intent.created charge.succeeded payment_intent.succeeded refund.created "
     "charge.refunded balance.available refund.updated charge.refund.updated refund.failed "
     "charge.updated "},
    {"a refund that takes its time",
     {{PI, "amount=2000&currency=usd&payment_method=pm_card_pendingRefund" ONCE},
      {"POST /v1/refunds", "payment_intent={1}", 0, "status=pending"},
      {"+60", NULL},
      {"GET /v1/refunds/{2}", "", 0, "status=succeeded"}},
     "payment_intent.created charge.succeeded payment_intent.succeeded refund.created "
     "charge.refunded refund.updated charge.refund.updated "},
    {"a dispute is won",
     {{PI, "amount=2000&currency=usd&payment_method=pm_card_createDispute" ONCE},
      {"GET /v1/disputes", "payment_intent={1}", 0,
       "data.0.status=needs_response data.0.balance_transactions.0.net=-3500"},
      {"POST /v1/refunds", "payment_intent={1}", 400, "error.code=charge_disputed"},
      {"POST /v1/disputes/{2.data.0.id}", "evidence[uncategorized_text]=winning_evidence", 0,
       "status=won balance_transactions.1.net=2000"},
      {"POST /v1/disputes/{2.data.0.id}/close", "", 400, "error.type=invalid_request_error"}},
     "payment_intent.created charge.succeeded payment_intent.succeeded charge.updated "
     "charge.dispute.created charge.dispute.funds_withdrawn charge.dispute.updated "
     "balance.available charge.dispute.closed charge.dispute.funds_reinstated "},
    {"an inquiry is closed, and may be refunded",
     {{PI, "amount=2000&currency=usd&payment_method=pm_card_createDisputeInquiry" ONCE},
      {"GET /v1/disputes", "payment_intent={1}", 0,
       "data.0.status=warning_needs_response data.0.balance_transactions=[]"},
      {"POST /v1/disputes/{2.data.0.id}", "metadata[foo]=bar", 0, "status=warning_needs_response"},
      {"POST /v1/refunds", "payment_intent={1}"},
      {"POST /v1/disputes/{2.data.0.id}/close", "", 0, "status=warning_closed"}},
     "payment_intent.created charge.succeeded payment_intent.succeeded charge.updated "
     "charge.dispute.created charge.dispute.updated refund.created charge.refunded "
     "charge.dispute.closed "},
    {"a bank debit pays after three minutes",
     {{"POST /v1/payment_methods",
       "type=sepa_debit&sepa_debit[iban]=AT321904300235473204&billing_details[name]=Bob", 0,
       "sepa_debit.last4=3204 sepa_debit.country=AT billing_details.name=Bob"},
      {PI,
       "amount=1000&currency=eur&confirm=true&payment_method={1}&payment_method_types[]="
       "sepa_debit&capture_method=automatic",
       0, "status=processing"},
      {PI "/{2}/cancel", "", 400, "error.code=payment_intent_unexpected_state"},
      {"+179", NULL},
      {"GET /v1/payment_intents/{2}", "", 0, "status=processing"},
      {"+1", NULL},
      {"GET /v1/payment_intents/{2}", "", 0, "status=succeeded"}},
     "payment_intent.created charge.pending payment_intent.processing charge.updated "
     "charge.succeeded payment_intent.succeeded "},
    {"a bank debit fails",
     {{PI,
       "amount=1000&currency=usd&confirm=true&payment_method_data[type]=us_bank_account&"
       "payment_method_data[us_bank_account][account_number]=000222222227&"
       "payment_method_data[us_bank_account][routing_number]=110000000&"
       "payment_method_types[]=us_bank_account",
       0, "status=processing"},
      {"+2", NULL},
      {"GET /v1/payment_intents/{1}", "", 0,
       "status=requires_payment_method "
       "last_payment_error.code=payment_intent_payment_attempt_failed"},
      {"GET /v1/charges/{1.latest_charge}", "", 0,
       "status=failed failure_code=insufficient_funds"}},
     "payment_intent.created charge.pending payment_intent.processing charge.updated charge.failed "
     "payment_intent.payment_failed "},
    {"methods belong to one customer",
     {{"POST /v1/customers", "payment_method=pm_card_visa&"
                             "invoice_settings[default_payment_method]=pm_card_visa"},
      {"GET /v1/customers/{1}/payment_methods", "type=card", 0,
       "data.0.id={1.invoice_settings.default_payment_method} data.0.customer={1}"},
      {"POST /v1/customers", ""},
      {"POST /v1/payment_methods/{2.data.0.id}/attach", "customer={3}", 400,
       "error.param=customer"},
      {PI, "amount=2000&currency=usd&payment_method={2.data.0.id}&confirm=true&customer={3}", 400,
       "error.param=payment_method"},
      {"POST /v1/payment_methods/pm_card_chargeDeclined/attach", "customer={3}", 402,
       "error.code=card_declined"},
      {"POST /v1/payment_methods/{2.data.0.id}/detach", "", 0, "customer=null"},
      {"GET /v1/customers/{1}", "", 0, "invoice_settings.default_payment_method=null"}},
     "payment_method.attached customer.created customer.created customer.updated "
     "payment_method.detached "},
    {"a method that is no customer's",
     {{"POST /v1/payment_methods", "type=card&card[token]=tok_visa", 0, "customer=null"},
      {"POST /v1/payment_methods/{1}/detach", "", 400, "error.type=invalid_request_error"},
      {"POST /v1/payment_methods/{1}", "metadata[a]=b", 400, "error.type=invalid_request_error"},
      {"POST /v1/customers", "invoice_settings[default_payment_method]={1}", 400,
       "error.code=resource_missing"},
      {"POST /v1/payment_methods", "type=card", 400, "error.param=card[number]"},
      {"POST /v1/payment_methods", "type=shell", 400, "error.param=type"},
      {"GET /v1/payment_methods/pm_card_visa", "", 0, "card.last4=4242"}},
     ""},
    {"a charge without an intent",
     {{"POST /v1/charges", "amount=2000&currency=usd&source=tok_visa&description=d", 0,
       "status=succeeded paid=true captured=true source.object=card source.last4=4242 "
       "payment_intent=null description=d source.$="},
      {"POST /v1/refunds", "charge={1}", 0, "status=succeeded payment_intent=null"},
      {"POST /v1/charges", "amount=2000&currency=usd&source=tok_chargeDeclinedLostCard", 402,
       "error.code=card_declined error.decline_code=lost_card"},
      {"GET /v1/charges/{3.error.charge}", "", 0, "status=failed paid=false"},
      {"POST /v1/charges", "amount=2000&currency=usd", 400, "error.type=invalid_request_error"},
      {"POST /v1/charges", "amount=2000&currency=usd&source=tok_none", 400,
       "error.code=resource_missing"},
      {"POST /v1/tokens", "card[number]=5555555555554444&card[exp_month]=5&card[exp_year]=2031"},
      {"POST /v1/charges", "amount=2000&currency=usd&source={7}", 0,
       "source.brand=MasterCard source.exp_month=5"},
      {"POST /v1/charges", "amount=2000&currency=usd&source={7}", 400,
       "error.code=token_already_used"}},
     "charge.succeeded refund.created charge.refunded charge.failed charge.succeeded "},
    {"a customer's source is charged, in two steps",
     {{"POST /v1/customers", ""},
      {"POST /v1/charges", "amount=2000&currency=usd&customer={1}", 402, "error.code=missing"},
      {"POST /v1/customers/{1}/sources", "source=tok_amex", 0, "customer={1}"},
      {"POST /v1/charges", "amount=2000&currency=usd&customer={1}&capture=false", 0,
       "captured=false source.id={3} balance_transaction=null"},
      {"POST /v1/refunds", "charge={4}", 400, "error.param=charge"},
      {"POST /v1/charges/{4}/capture", "amount=2001", 400, "error.code=amount_too_large"},
      {"POST /v1/charges/{4}/capture", "amount=1999", 0, "captured=true amount_captured=1999"},
      {"POST /v1/charges/{4}/capture", "", 400, "error.type=invalid_request_error"},
      {"POST /v1/charges/{4}", "metadata[a]=b", 0, "metadata.a=b"}},
     "customer.created customer.source.created customer.updated charge.succeeded "
     "charge.captured charge.updated "},
    {"a setup fails, and is given up",
     {{"POST /v1/setup_intents",
       "confirm=true&payment_method=pm_card_chargeDeclined&payment_method_types[]=card", 402,
       "error.code=card_declined error.setup_intent.status=requires_payment_method"},
      {"POST /v1/setup_intents/{1.error.setup_intent.id}/cancel",
       "cancellation_reason=requested_by_customer", 0, "status=canceled"},
      {"POST /v1/setup_intents/{2}/confirm", "payment_method=pm_card_visa", 400,
       "error.code=setup_intent_unexpected_state"}},
     "setup_intent.created setup_intent.setup_failed setup_intent.canceled "},
};

static void stories_go_as_told(void **state) {
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        struct script_run r = {0};
        script_run(&scripts[i], &r);
        script_close(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cards_end_as_told),
        cmocka_unit_test(stories_go_as_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
