// SPDX-License-Identifier: MIT
// Money of the twin: the balance, what comes into it and leaves it, cash, and checkout.
#include "twin_script.h"

#define PI "POST /v1/payment_intents"
#define GIVE "amount=2000&currency=usd&confirm=true&payment_method=pm_card_bypassPending"
#define GIVEN "payment_intent.created charge.succeeded payment_intent.succeeded balance.available "
#define CART                                                                                       \
    "mode=payment&success_url=https://a.example/&line_items[0][quantity]=2&"                       \
    "line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=1500&"         \
    "line_items[0][price_data][product_data][name]=Tea"
#define OPENED "product.created price.created "

static const struct script scripts[] = {
    {"what is pending is available two days later",
     {{"POST /v1/payment_intents", "amount=2000&currency=usd&confirm=true&capture_method=automatic&"
                                   "payment_method=pm_card_visa"},
      {"GET /v1/balance", "", 0,
       "object=balance id= available=[] pending.0.amount=1912 pending.0.currency=usd"},
      {"+172800", NULL},
      {"GET /v1/balance", "", 0, "available.0.amount=1912 pending.0.amount=0"},
      {"GET /v1/balance_transactions", "source={1.latest_charge}", 0, "data.0.status=available"}},
     "payment_intent.created charge.succeeded payment_intent.succeeded balance.available "},
    {"a payout takes what is available, and is paid later",
     {{PI, GIVE},
      {"POST /v1/payouts", "amount=2001&currency=usd", 400, "error.code=balance_insufficient"},
      {"POST /v1/payouts", "amount=1100&currency=usd", 0, "status=pending automatic=false"},
      {"+60", NULL},
      {"POST /v1/payouts/{3}/cancel", "", 400, "error.type=invalid_request_error"},
      {"+172800", NULL},
      {"POST /v1/payouts/{3}/reverse", "", 0, "amount=-1100 original_payout={3}"},
      {"GET /v1/balance", "", 0, "available.0.amount=2000"}},
     GIVEN "payout.created payout.updated payout.paid payout.created payout.updated "
           "balance.available "},
    {"a payout is called back",
     {{PI, GIVE},
      {"POST /v1/payouts", "amount=1100&currency=usd"},
      {"POST /v1/payouts/{2}", "metadata[foo]=bar"},
      {"POST /v1/payouts/{2}/cancel", "", 0, "status=canceled"},
      {"+172800", NULL},
      {"GET /v1/balance", "", 0, "available.0.amount=2000"}},
     GIVEN "payout.created payout.updated payout.canceled balance.available "},
    {"a top-up is there a minute later",
     {{"POST /v1/topups", "amount=2000&currency=usd&description=x", 0, "status=pending"},
      {"+60", NULL},
      {"GET /v1/topups/{1}", "", 0, "status=succeeded"},
      {"POST /v1/topups/{1}/cancel", "", 400, "error.type=invalid_request_error"},
      {"POST /v1/topups", "amount=1&currency=usd"},
      {"POST /v1/topups/{5}/cancel", "", 0, "status=canceled"},
      {"+60", NULL},
      {"GET /v1/balance", "", 0, "available.0.amount=2000"}},
     "topup.created topup.succeeded balance.available topup.created topup.canceled "},
    {"a transfer goes to another account, and comes back in part",
     {{PI, GIVE},
      {"POST /v1/transfers", "amount=2001&currency=usd&destination=acct_1", 400,
       "error.code=balance_insufficient"},
      {"POST /v1/transfers", "amount=9&currency=usd&destination=ba_1", 400,
       "error.param=destination"},
      {"POST /v1/transfers", "amount=2000&currency=usd&destination=acct_1", 0,
       "destination_payment=null reversed=false"},
      {"POST /v1/transfers/{4}/reversals", "amount=100", 0, "transfer={4} amount=100"},
      {"POST /v1/transfers/{4}/reversals", "amount=1901", 400, "error.param=amount"},
      {"POST /v1/transfers/{4}/reversals", "", 0, "amount=1900"},
      {"GET /v1/transfers/{4}", "", 0,
       "amount_reversed=2000 reversed=true reversals.data.1.id={7}"}},
     GIVEN "transfer.created balance.available transfer.reversed balance.available "
           "transfer.reversed balance.available "},
    {"a payment is passed on, and the platform takes its fee",
     {{PI, GIVE "&transfer_data[destination]=acct_1&application_fee_amount=200"},
      {"GET /v1/charges/{1.latest_charge}", "expand[]=transfer&expand[]=application_fee", 0,
       "transfer.amount=2000 transfer.destination=acct_1 application_fee.amount=200 "
       "application_fee.account=acct_1"},
      {"GET /v1/balance", "", 0, "available.0.amount=200"},
      {"POST /v1/application_fees/{2.application_fee.id}/refunds", "amount=201", 400,
       "error.param=amount"},
      {"POST /v1/application_fees/{2.application_fee.id}/refunds", "amount=50", 0,
       "fee={2.application_fee.id}"},
      {"POST /v1/application_fees/{2.application_fee.id}/refunds/{5}", "metadata[a]=b"},
      {"GET /v1/application_fees/{2.application_fee.id}", "", 0,
       "amount_refunded=50 refunded=false refunds.data.0.id={5}"},
      {"GET /v1/application_fees/{2.application_fee.id}/refunds", "", 0, "data.0.id={5}"}},
     "payment_intent.created transfer.created application_fee.created charge.succeeded "
     "payment_intent.succeeded balance.available balance.available application_fee.refunded "
     "balance.available application_fee.refund.updated "},
    {"cash that nothing waits for",
     {{"POST /v1/customers", ""},
      {"POST /v1/test_helpers/customers/{1}/fund_cash_balance", "amount=1000&currency=usd", 0,
       "type=funded ending_balance=1000 customer={1}"},
      {"GET /v1/customers/{1}/cash_balance", "", 0, "available.usd=1000 id= customer={1}"},
      {"GET /v1/customers/{1}/cash_balance_transactions", "", 0, "data.0.id={2}"}},
     "customer.created customer_cash_balance_transaction.created cash_balance.funds_available "},
    {"cash that waits to be told",
     {{"POST /v1/customers", ""},
      {"POST /v1/customers/{1}/cash_balance", "settings[x]=y", 400,
       "error.param=settings[reconciliation_mode]"},
      {"POST /v1/customers/{1}/cash_balance", "settings[reconciliation_mode]=manual", 0,
       "settings.reconciliation_mode=manual settings.using_merchant_default=false"},
      {PI, "amount=500&currency=usd&confirm=true&customer={1}&capture_method=automatic&"
           "payment_method_data[type]=customer_balance&payment_method_types[]=customer_balance"},
      {"POST /v1/test_helpers/customers/{1}/fund_cash_balance", "amount=700&currency=usd"},
      {"GET /v1/payment_intents/{4}", "", 0, "status=requires_action"},
      {"POST /v1/payment_intents/{4}/apply_customer_balance", "", 0, "status=succeeded"},
      {"POST /v1/refunds", "payment_intent={4}", 0, "status=requires_action"},
      {"POST /v1/refunds/{8}/cancel", "", 0, "status=canceled"}},
     "customer.created payment_intent.created payment_intent.requires_action "
     "customer_cash_balance_transaction.created cash_balance.funds_available "
     "customer_cash_balance_transaction.created charge.succeeded payment_intent.succeeded "
     "refund.created charge.refunded balance.available refund.updated charge.refund.updated "
     "charge.updated "},
    {"cash that pays in two parts",
     {{"POST /v1/customers", ""},
      {PI,
       "amount=20000&currency=jpy&confirm=true&customer={1}&"
       "payment_method_data[type]=customer_balance&payment_method_types[]=customer_balance&"
       "payment_method_options[customer_balance][funding_type]=bank_transfer&"
       "payment_method_options[customer_balance][bank_transfer][type]=jp_bank_transfer&"
       "capture_method=automatic",
       0,
       "status=requires_action "
       "next_action.display_bank_transfer_instructions.amount_remaining=20000"},
      {"POST /v1/test_helpers/customers/{1}/fund_cash_balance", "amount=5000&currency=jpy"},
      {"GET /v1/payment_intents/{2}", "", 0,
       "next_action.display_bank_transfer_instructions.amount_remaining=15000"},
      {"POST /v1/test_helpers/customers/{1}/fund_cash_balance", "amount=16000&currency=jpy"},
      {"GET /v1/payment_intents/{2}", "", 0, "status=succeeded"},
      {"GET /v1/customers/{1}/cash_balance", "", 0, "available.jpy=1000"}},
     "customer.created payment_intent.created payment_intent.requires_action "
     "customer_cash_balance_transaction.created customer_cash_balance_transaction.created "
     "payment_intent.partially_funded customer_cash_balance_transaction.created "
     "customer_cash_balance_transaction.created charge.succeeded payment_intent.succeeded "
     "cash_balance.funds_available "},
    {"a session is paid",
     {{"POST /v1/checkout/sessions", CART "&payment_intent_data[metadata][a]=b", 0,
       "amount_total=3000 status=open payment_status=unpaid payment_intent=null line_items= $="},
      {"GET /v1/payment_pages/{1}", "", 0, "id={1}"},
      {"POST /v1/payment_methods",
       "type=card&card[token]=tok_visa&billing_details[email]=jenny@example.com"},
      {"POST /v1/payment_pages/{1}/confirm", "expected_amount=1&payment_method={3}", 400,
       "error.param=expected_amount"},
      {"POST /v1/payment_pages/{1}/confirm", "expected_amount=3000&payment_method={3}", 0,
       "status=complete payment_status=paid customer_details.email=jenny@example.com url=null"},
      {"GET /v1/checkout/sessions/{1}", "expand[]=line_items&expand[]=payment_intent", 0,
       "line_items.data.0.description=Tea line_items.data.0.quantity=2 "
       "payment_intent.metadata.a=b payment_intent.status=succeeded"},
      {"GET /v1/checkout/sessions/{1}/line_items", "limit=5", 0, "data.0.amount_total=3000"},
      {"POST /v1/checkout/sessions/{1}/expire", "", 400, "error.type=invalid_request_error"},
      {"+2", NULL}},
     OPENED "payment_intent.created charge.succeeded payment_intent.succeeded "
            "checkout.session.completed charge.updated "},
    {"a session whose payment takes its time",
     {{"POST /v1/checkout/sessions", CART "&payment_method_types[]=sepa_debit&"
                                          "payment_intent_data[setup_future_usage]=off_session"},
      {"POST /v1/payment_methods", "type=sepa_debit&sepa_debit[iban]=AT611904300234573201"},
      {"POST /v1/payment_pages/{1}/confirm", "payment_method={2}", 0,
       "status=complete payment_status=unpaid"},
      {"+2", NULL},
      {"GET /v1/checkout/sessions/{1}", "", 0, "payment_status=paid"},
      {"GET /v1/payment_methods/{2}", "", 0, "customer={3.customer}"}},
     OPENED "customer.created payment_intent.created charge.pending payment_intent.processing "
            "checkout.session.completed payment_method.attached charge.updated charge.succeeded "
            "payment_intent.succeeded checkout.session.async_payment_succeeded "},
    {"a session whose payment fails later",
     {{"POST /v1/checkout/sessions", CART "&payment_method_types[]=sepa_debit"},
      {"POST /v1/payment_pages/{1}/confirm",
       "payment_method_data[type]=sepa_debit&"
       "payment_method_data[sepa_debit][iban]=IT60X0542811101000000123456"},
      {"+2", NULL},
      {"GET /v1/checkout/sessions/{1}", "", 0, "payment_status=unpaid status=complete"}},
     OPENED "payment_intent.created charge.pending payment_intent.processing "
            "checkout.session.completed charge.updated charge.failed payment_intent.payment_failed "
            "checkout.session.async_payment_failed "},
    {"a declined session stays open, and closes by itself",
     {{"POST /v1/checkout/sessions", CART},
      {"POST /v1/payment_pages/{1}/confirm", "payment_method=pm_card_chargeDeclined", 402,
       "error.code=card_declined"},
      {"GET /v1/checkout/sessions/{1}", "", 0, "status=open"},
      {"+86400", NULL},
      {"GET /v1/checkout/sessions/{1}", "", 0, "status=expired url=null"},
      {"POST /v1/payment_pages/{1}/confirm", "payment_method=pm_card_visa", 400,
       "error.type=invalid_request_error"}},
     OPENED "payment_intent.created charge.failed payment_intent.payment_failed "
            "checkout.session.expired "},
    {"a session sets a card up",
     {{"POST /v1/customers", ""},
      {"POST /v1/checkout/sessions", "mode=setup&customer={1}&success_url=https://a.example/"},
      {"POST /v1/payment_pages/{2}/confirm", "payment_method=pm_card_visa", 0,
       "status=complete payment_status=no_payment_required"},
      {"GET /v1/payment_methods", "customer={1}", 0, "data.0.card.last4=4242"}},
     "customer.created setup_intent.created payment_method.attached setup_intent.succeeded "
     "checkout.session.completed "},
    {"a session begins a subscription",
     {{"POST /v1/products", "name=Tea"},
      {"POST /v1/prices", "unit_amount=1500&currency=usd&product={1}&recurring[interval]=month"},
      {"POST /v1/checkout/sessions",
       "mode=subscription&line_items[0][price]={2}&line_items[0][quantity]=2&"
       "subscription_data[metadata][a]=b"},
      {"POST /v1/payment_pages/{3}/confirm", "payment_method=pm_card_chargeCustomerFail", 402,
       "error.code=card_declined"},
      {"POST /v1/payment_pages/{3}/confirm", "payment_method=pm_card_authenticationRequired", 402,
       "error.code=authentication_required"},
      {"POST /v1/payment_pages/{3}/confirm", "payment_method=pm_card_visa", 0,
       "status=complete payment_status=paid"},
      {"GET /v1/subscriptions/{6.subscription}", "expand[]=latest_invoice", 0,
       "status=active metadata.a=b customer={6.customer} latest_invoice.amount_paid=3000 "
       "latest_invoice.id={6.invoice}"}},
     "product.created price.created customer.created payment_method.attached "
     "customer.subscription.created invoice.created invoice.finalized payment_intent.created "
     "charge.succeeded payment_intent.succeeded invoice_payment.paid invoice.updated invoice.paid "
     "invoice.payment_succeeded customer.subscription.updated checkout.session.completed "},
    {"a customer does what an invoice's payment asks for",
     {{"POST /v1/customers", ""},
      {"POST /v1/payment_methods/pm_card_threeDSecure2Required/attach", "customer={1}"},
      {"POST /v1/invoiceitems", "customer={1}&amount=2000&currency=usd"},
      {"POST /v1/invoices", "customer={1}&pending_invoice_items_behavior=include"},
      {"POST /v1/invoices/{4}/pay", "payment_method={2}", 402,
       "error.code=invoice_payment_intent_requires_action"},
      {"GET /v1/payment_intents", "customer={1}", 0, "data.0.status=requires_action"},
      {"POST /v1/payment_intents/{6.data.0.id}/confirm", "", 0, "status=succeeded"},
      {"GET /v1/invoices/{4}", "", 0, "status=paid attempt_count=2 amount_paid=2000"}},
     "customer.created payment_method.attached invoiceitem.created invoice.created "
     "invoice.finalized payment_intent.created payment_intent.requires_action invoice.updated "
     "invoice.payment_failed invoice.payment_action_required charge.succeeded "
     "payment_intent.succeeded invoice_payment.paid invoice.updated invoice.paid "
     "invoice.payment_succeeded "},
    {"a subscription waits for its customer to pay",
     {{"POST /v1/customers", ""},
      {"POST /v1/products", "name=Tea"},
      {"POST /v1/prices", "unit_amount=1500&currency=usd&product={2}&recurring[interval]=month"},
      {"POST /v1/subscriptions",
       "customer={1}&items[0][price]={3}&payment_behavior=default_incomplete&"
       "payment_settings[save_default_payment_method]=on_subscription&"
       "expand[]=latest_invoice.confirmation_secret",
       0, "status=incomplete latest_invoice.confirmation_secret.type=payment_intent"},
      {"GET /v1/payment_intents", "customer={1}", 0,
       "data.0.client_secret={4.latest_invoice.confirmation_secret.client_secret} "
       "data.0.status=requires_payment_method data.0.amount=1500"},
      {"POST /v1/payment_intents/{5.data.0.id}/confirm", "payment_method=pm_card_visa", 0,
       "status=succeeded"},
      {"GET /v1/subscriptions/{4}", "expand[]=latest_invoice", 0,
       "status=active latest_invoice.status=paid default_payment_method={6.payment_method}"},
      {"GET /v1/payment_methods/{6.payment_method}", "", 0, "customer={1}"}},
     "customer.created product.created price.created customer.subscription.created "
     "invoice.created invoice.finalized payment_intent.created payment_method.attached "
     "charge.succeeded payment_intent.succeeded invoice_payment.paid invoice.updated invoice.paid "
     "invoice.payment_succeeded customer.subscription.updated customer.subscription.updated "},
    {"an invoice is paid by a bank that takes its time",
     {{"POST /v1/customers", ""},
      {"POST /v1/payment_methods", "type=us_bank_account&"
                                   "us_bank_account[account_number]=000123456789"},
      {"POST /v1/payment_methods/{2}/attach", "customer={1}"},
      {"POST /v1/invoiceitems", "customer={1}&amount=2000&currency=usd"},
      {"POST /v1/invoices", "customer={1}&pending_invoice_items_behavior=include"},
      {"POST /v1/invoices/{5}/pay", "payment_method={2}", 0, "status=open"},
      {"+2", NULL},
      {"GET /v1/invoices/{5}", "", 0, "status=paid"}},
     "customer.created payment_method.attached invoiceitem.created invoice.created "
     "invoice.finalized payment_intent.created charge.pending payment_intent.processing "
     "invoice.updated charge.updated charge.succeeded payment_intent.succeeded "
     "invoice_payment.paid invoice.updated invoice.paid invoice.payment_succeeded "},
    {"a product whose id was chosen",
     {{"POST /v1/checkout/sessions", CART "&line_items[0][price_data][product_data][id]=a\"b"},
      {"GET /v1/checkout/sessions/{1}/line_items", "", 0, "data.0.price.product=a\"b"}},
     OPENED},
    {"sessions that cannot be",
     {{"POST /v1/checkout/sessions", "mode=payment", 400, "error.param=line_items"},
      {"POST /v1/checkout/sessions", CART "&expires_at=1", 400, "error.param=expires_at"},
      {"POST /v1/checkout/sessions", CART "&line_items[0][price_data][recurring][interval]=month",
       400, "error.param=line_items"},
      {"POST /v1/checkout/sessions", "mode=payment&line_items[0][price]=price_1", 400,
       "error.param=line_items[price]"}},
     ""},
    {"a link has a cart",
     {{"POST /v1/products", "name=Tea"},
      {"POST /v1/prices", "unit_amount=1500&currency=usd&product={1}"},
      {"POST /v1/payment_links", "line_items[0][price]={2}&line_items[0][quantity]=1", 0,
       "active=true currency=usd"},
      {"POST /v1/payment_links/{3}", "allow_promotion_codes=true"},
      {"GET /v1/payment_links/{3}/line_items", "", 0, "data.0.price.id={2}"},
      {"POST /v1/payment_links", "", 400, "error.param=line_items"}},
     "product.created price.created payment_link.created payment_link.updated "},
    {"a token is a card's",
     {{"POST /v1/tokens", "card[number]=4000 0000 0000 9995&card[exp_month]=1&card[exp_year]=30", 0,
       "card.last4=9995 card.exp_year=2030 used=false"},
      {"POST /v1/payment_methods", "type=card&card[token]={1}", 0, "card.last4=9995"},
      {"POST /v1/tokens", "card[number]=4242424242424241&card[exp_month]=1&card[exp_year]=30", 402,
       "error.code=incorrect_number error.param=number"},
      {"POST /v1/tokens", "card[number]=4242424242424242&card[exp_month]=13&card[exp_year]=30", 402,
       "error.code=invalid_expiry_month"},
      {"POST /v1/tokens", "card[number]=4242424242424242&card[exp_month]=1&card[exp_year]=20", 402,
       "error.code=invalid_expiry_year"},
      {"POST /v1/tokens", "card[number]=4111111111111111&card[exp_month]=1&card[exp_year]=30", 402,
       "error.decline_code=test_mode_live_card"},
      {"POST /v1/tokens", "", 400, "error.param=card"}},
     ""},
};

static void stories_go_as_told(void **state) {
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        struct script_run r = {0};
        script_run(&scripts[i], &r);
        script_close(&r);
    }
}

// A connected account has its own balance, its own objects and events with its id.
static void accounts_are_apart(void **state) {
    struct twin_house h;
    house_open(&h);
    h.account = "acct_1";
    house_do(&h, PI, "%s", GIVE);
    char get[96];
    snprintf(get, sizeof get, "GET /v1/payment_intents/%s", house_text(&h, "id"));
    house_events(&h, GIVEN);
    assert_string_equal(house_told(&h, "account"), "acct_1");
    house_do(&h, "POST /v1/payouts", "amount=%d&currency=usd", 1100);
    h.account = NULL;
    assert_int_equal(house_ask(&h, get, ""), 404);
    assert_int_equal(house_ask(&h, "POST /v1/payouts", "amount=1&currency=usd"), 400);
    house_take(&h);
    text_reset(&h.trace);
    house_do(&h, PI, "%s", GIVE);
    house_do(&h, "POST /v1/transfers", "amount=%d&currency=usd&destination=acct_1", 700);
    h.now_ms += 60 * 1000;
    twin_run(h.world, h.now_ms);
    house_take(&h);
    assert_string_equal(house_told(&h, "type"), "payout.updated");
    assert_string_equal(house_told(&h, "account"), "acct_1");
    h.account = "acct_1";
    house_do(&h, "GET /v1/balance", "%s", "");
    assert_string_equal(house_text(&h, "available.0.amount"), "1600");
    house_close(&h);
}

// A connected account's payment, with a fee that is the platform's: it is told there.
static void fees_are_the_platforms(void **state) {
    struct twin_house h;
    house_open(&h);
    h.account = "acct_1";
    house_do(&h, PI, "%s&application_fee_amount=150", GIVE);
    size_t fees = 0;
    for (struct twin_event *e; (e = twin_event_take(h.world)) != NULL; twin_event_free(e)) {
        bool fee = bytes_starts(text_bytes(&e->type), B("application_fee."));
        bool balance = bytes_equal(text_bytes(&e->type), B("balance.available"));
        fees += fee;
        if (!balance) // both have one
            assert_string_equal(text_str(&e->account), fee ? "" : "acct_1");
    }
    assert_int_equal(fees, 1);
    house_do(&h, "GET /v1/balance", "%s", "");
    assert_string_equal(house_text(&h, "available.0.amount"), "1850");
    h.account = NULL;
    house_do(&h, "GET /v1/balance", "%s", "");
    assert_string_equal(house_text(&h, "available.0.amount"), "150");
    house_do(&h, "GET /v1/application_fees", "%s", "");
    assert_string_equal(house_text(&h, "data.0.account"), "acct_1");
    house_close(&h);
}

// What is refused leaves nothing; a decline leaves what happened, and its key answers again.
static void refusals_leave_nothing(void **state) {
    struct twin_house h;
    house_open(&h);
    house_do(&h, "POST /v1/customers", "%s", "");
    size_t before = twin_counts(h.world).objects;
    house_take(&h);
    text_reset(&h.trace);
    assert_int_equal(house_ask(&h, PI, "amount=1&currency=usd&payment_method=pm_card_visa&x=1"),
                     400);
    assert_int_equal(house_ask(&h, PI, "amount=0&currency=usd&payment_method=pm_card_visa"), 400);
    assert_int_equal(house_ask(&h, PI,
                               "amount=5&currency=usd&confirm=true&payment_method=pm_card_visa&"
                               "payment_method_types[]=sepa_debit"),
                     400);
    house_events(&h, "");
    assert_int_equal(twin_counts(h.world).objects, before);
    assert_int_equal(twin_counts(h.world).due, 0);
    h.key = "k1";
    for (int i = 0; i < 2; i++) {
        assert_int_equal(house_ask(&h, PI,
                                   "amount=5&currency=usd&confirm=true&"
                                   "payment_method=pm_card_chargeDeclined"),
                         402);
        assert_int_equal(h.replayed, i);
        house_events(&h, i == 0 ? "payment_intent.created charge.failed "
                                  "payment_intent.payment_failed "
                                : "");
    }
    assert_int_equal(twin_counts(h.world).objects, before + 3); // method, intent and charge
    house_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stories_go_as_told),
        cmocka_unit_test(accounts_are_apart),
        cmocka_unit_test(fees_are_the_platforms),
        cmocka_unit_test(refusals_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
