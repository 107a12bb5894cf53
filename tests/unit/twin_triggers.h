// SPDX-License-Identifier: MIT
// What `stripe trigger` of the official CLI 1.52 asks for, step by step (heard from it), in words
// of our own, and the event that each trigger is named after.
#ifndef TWIN_TRIGGERS_H
#define TWIN_TRIGGERS_H

// {type} stands for the id of the last object of that type that was answered, {type:path} for
// another of its values, {list:path} for one of the last list. Under /v2 what is behind the path is
// JSON.
static const struct twin_step {
    const char *name, *request;
} twin_steps[] = {
    {"account_standard", "POST /v1/accounts type=standard"},
    {"account_deleted", "DELETE /v1/accounts/{account}"},
    {"account_changed", "POST /v1/accounts/{account} metadata[foo]=bar"},
    {"paid_at_once",
     "POST /v1/payment_intents amount=2000&confirm=true&currency=usd&"
     "description=of a test&payment_method=pm_card_bypassPending&payment_method_types[]=card&"
     "shipping[address][city]=Portland&shipping[address][country]=US&"
     "shipping[address][line1]=1 Harbor Street&shipping[address][postal_code]=97205&"
     "shipping[address][state]=CA&shipping[name]=Ada Marlowe"},
    {"portal", "POST /v1/billing_portal/configurations business_profile[headline]=of a test&"
               "business_profile[privacy_policy_url]=https://shop.example.com&"
               "business_profile[terms_of_service_url]=https://shop.example.com&"
               "features[subscription_cancel][enabled]=true"},
    {"portal_changed",
     "POST "
     "/v1/billing_portal/configurations/{billing_portal.configuration} metadata[foo]=bar"},
    {"customer", "POST /v1/customers description=of a test"},
    {"portal_entered", "POST /v1/billing_portal/sessions customer={customer}"},
    {"funded", "POST /v1/test_helpers/customers/{customer}/fund_cash_balance amount=1000&"
               "currency=usd"},
    {"held", "POST /v1/payment_intents amount=2000&capture_method=manual&confirm=true&"
             "currency=usd&description=of a test&payment_method=pm_card_visa&"
             "payment_method_types[]=card"},
    {"captured", "POST /v1/payment_intents/{payment_intent}/capture"},
    {"inquiry", "POST /v1/payment_intents amount=100&confirm=true&currency=usd&"
                "description=of a test&payment_method=pm_card_createDisputeInquiry&"
                "payment_method_types[]=card"},
    {"disputes", "GET /v1/disputes payment_intent={payment_intent}"},
    {"dispute_closed", "POST /v1/disputes/{list:data.0.id}/close"},
    {"dispute_changed", "POST /v1/disputes/{list:data.0.id} metadata[foo]=bar"},
    {"charge_declined", "POST /v1/payment_intents amount=100&confirm=true&currency=usd&"
                        "description=of a test&payment_method=pm_card_visa_chargeDeclined&"
                        "payment_method_types[]=card"},
    {"charge", "POST /v1/payment_intents amount=100&confirm=true&currency=usd&description=of "
               "a test&payment_method=pm_card_visa&payment_method_types[]=card"},
    {"refund", "POST /v1/refunds payment_intent={payment_intent}"},
    {"refund_changed", "POST /v1/refunds/{refund} metadata[order_id]=6735"},
    {"product", "POST /v1/products description=of a test&name=Tea"},
    {"price_eur", "POST /v1/prices currency=eur&product={product}&unit_amount=1500"},
    {"checkout_debit",
     "POST /v1/checkout/sessions cancel_url=https://shop.example.com&"
     "line_items[0][price]={price}&line_items[0][quantity]=2&mode=payment&"
     "payment_intent_data[setup_future_usage]=off_session&"
     "payment_intent_data[shipping][address][city]=Portland&"
     "payment_intent_data[shipping][address][country]=US&"
     "payment_intent_data[shipping][address][line1]=1 Harbor Street&"
     "payment_intent_data[shipping][address][postal_code]=97205&"
     "payment_intent_data[shipping][address][state]=CA&"
     "payment_intent_data[shipping][name]=Ada Marlowe&payment_method_types[]=sepa_debit&"
     "success_url=https://shop.example.com"},
    {"page", "GET /v1/payment_pages/{checkout.session}"},
    {"iban_fails",
     "POST /v1/payment_methods billing_details[address][city]=London&"
     "billing_details[address][country]=GB&billing_details[address][line1]=1 Canal Street&"
     "billing_details[address][postal_code]=N1 9AA&billing_details[email]=ada@example.com&"
     "billing_details[name]=Ada Marlowe&billing_details[phone]=1234567890&"
     "sepa_debit[iban]=IT60X0542811101000000123456&type=sepa_debit"},
    {"page_confirmed", "POST /v1/payment_pages/{checkout.session}/confirm "
                       "expected_amount=3000&payment_method={payment_method}"},
    {"iban", "POST /v1/payment_methods billing_details[address][city]=London&"
             "billing_details[address][country]=GB&billing_details[address][line1]=1 Canal Street&"
             "billing_details[address][postal_code]=N1 9AA&billing_details[email]=ada@example.com&"
             "billing_details[name]=Ada Marlowe&billing_details[phone]=1234567890&"
             "sepa_debit[iban]=AT611904300234573201&type=sepa_debit"},
    {"price_once", "POST /v1/prices currency=usd&product={product}&unit_amount=1500"},
    {"checkout",
     "POST /v1/checkout/sessions cancel_url=https://shop.example.com&"
     "line_items[0][price]={price}&line_items[0][quantity]=2&mode=payment&"
     "payment_intent_data[shipping][address][city]=Portland&"
     "payment_intent_data[shipping][address][country]=US&"
     "payment_intent_data[shipping][address][line1]=1 Harbor Street&"
     "payment_intent_data[shipping][address][postal_code]=97205&"
     "payment_intent_data[shipping][address][state]=CA&"
     "payment_intent_data[shipping][name]=Ada Marlowe&success_url=https://shop.example.com"},
    {"card_method",
     "POST /v1/payment_methods billing_details[address][city]=Portland&"
     "billing_details[address][country]=US&billing_details[address][line1]=1 Harbor Street&"
     "billing_details[address][postal_code]=94080&billing_details[address][state]=CA&"
     "billing_details[email]=ada@example.com&billing_details[name]=Ada Marlowe&"
     "card[token]=tok_visa&type=card"},
    {"checkout_open", "POST /v1/checkout/sessions cancel_url=https://shop.example.com&"
                      "line_items[0][price]={price}&line_items[0][quantity]=2&mode=payment&"
                      "success_url=https://shop.example.com"},
    {"checkout_expired", "POST /v1/checkout/sessions/{checkout.session}/expire"},
    {"coupon", "POST /v1/coupons percent_off=20"},
    {"coupon_deleted", "DELETE /v1/coupons/{coupon}"},
    {"coupon_changed", "POST /v1/coupons/{coupon} metadata[foo]=bar"},
    {"item", "POST /v1/invoiceitems amount=2000&currency=usd&customer={customer}&"
             "description=of a test"},
    {"invoice", "POST /v1/invoices customer={customer}&description=of a test&"
                "pending_invoice_items_behavior=include"},
    {"finalized", "POST /v1/invoices/{invoice}/finalize"},
    {"note", "POST /v1/credit_notes invoice={invoice}&lines[0][description]=of a test&"
             "lines[0][quantity]=1&lines[0][type]=custom_line_item&lines[0][unit_amount]=1000"},
    {"note_changed", "POST /v1/credit_notes/{credit_note} metadata[foo]=bar"},
    {"note_voided", "POST /v1/credit_notes/{credit_note}/void"},
    {"customer_deleted", "DELETE /v1/customers/{customer}"},
    {"customer_coupon", "POST /v1/customers coupon={coupon}&description=of a test"},
    {"customer_no_coupon", "POST /v1/customers/{customer} coupon="},
    {"coupon_other", "POST /v1/coupons percent_off=30"},
    {"customer_other_coupon", "POST /v1/customers/{customer} coupon={coupon}"},
    {"source", "POST /v1/customers/{customer}/sources source=tok_visa"},
    {"source_changed", "POST /v1/customers/{customer}/sources/{card} metadata[foo]=bar"},
    {"customer_card",
     "POST /v1/customers description=of a test&"
     "invoice_settings[default_payment_method]=pm_card_visa&payment_method=pm_card_visa"},
    {"price", "POST /v1/prices currency=usd&product={product}&recurring[interval]=month&"
              "unit_amount=1500"},
    {"subscription", "POST /v1/subscriptions customer={customer}&items[0][price]={price}"},
    {"subscription_ended", "DELETE /v1/subscriptions/{subscription}"},
    {"subscription_pausing", "POST /v1/subscriptions customer={customer}&"
                             "items[0][price]={price}&trial_period_days=7&"
                             "trial_settings[end_behavior][missing_payment_method]=pause"},
    {"trial_over", "POST /v1/subscriptions/{subscription} trial_end=now"},
    {"subscription_trial", "POST /v1/subscriptions customer={customer}&"
                           "items[0][price]={price}&trial_period_days=1"},
    {"subscription_changed", "POST /v1/subscriptions/{subscription} metadata[foo]=bar"},
    {"customer_changed", "POST /v1/customers/{customer} metadata[foo]=bar"},
    {"identity",
     "POST /v1/identity/verification_sessions "
     "options[document][require_matching_selfie]=true&return_url=https://shop.example.com&"
     "type=document"},
    {"identity_cancelled",
     "POST "
     "/v1/identity/verification_sessions/{identity.verification_session}/cancel"},
    {"identity_redacted",
     "POST "
     "/v1/identity/verification_sessions/{identity.verification_session}/redact"},
    {"invoice_deleted", "DELETE /v1/invoices/{invoice}"},
    {"uncollectible", "POST /v1/invoices/{invoice}/mark_uncollectible"},
    {"attached", "POST /v1/payment_methods/pm_card_visa/attach customer={customer}"},
    {"pay", "POST /v1/invoices/{invoice}/pay payment_method={payment_method}"},
    {"attached_3ds", "POST /v1/payment_methods/pm_card_threeDSecure2Required/attach "
                     "customer={customer}"},
    {"attached_declining", "POST /v1/payment_methods/pm_card_chargeCustomerFail/attach "
                           "customer={customer}"},
    {"customer_email", "POST /v1/customers description=of a test&email=ada@example.com"},
    {"invoice_sending", "POST /v1/invoices collection_method=send_invoice&"
                        "customer={customer}&days_until_due=7&description=of a test&"
                        "pending_invoice_items_behavior=include"},
    {"sent", "POST /v1/invoices/{invoice}/send"},
    {"invoice_changed", "POST /v1/invoices/{invoice} metadata[foo]=bar"},
    {"voided", "POST /v1/invoices/{invoice}/void"},
    {"item_deleted", "DELETE /v1/invoiceitems/{invoiceitem}"},
    {"holder", "POST /v1/issuing/cardholders billing[address][city]=Portland&"
               "billing[address][country]=US&billing[address][line1]=1 Harbor Street&"
               "billing[address][postal_code]=97205&billing[address][state]=CA&"
               "individual[card_issuing][user_terms_acceptance][date]=1470266163&"
               "individual[card_issuing][user_terms_acceptance][ip]=192.0.2.1&"
               "individual[first_name]=Noor&individual[last_name]=Haddad&name=Noor Haddad&"
               "type=individual"},
    {"card_active", "POST /v1/issuing/cards cardholder={issuing.cardholder}&currency=usd&"
                    "status=active&type=virtual"},
    {"authorization", "POST /v1/issuing/cards/{issuing.card}/test/authorizations "
                      "authorization_method=online&held_amount=100"},
    {"holder_eu", "POST /v1/issuing/cardholders billing[address][city]=Madrid&"
                  "billing[address][country]=ES&billing[address][line1]=Calle Nueva 1&"
                  "billing[address][postal_code]=28046&billing[address][state]=Madrid&"
                  "individual[card_issuing][user_terms_acceptance][date]=1470266163&"
                  "individual[card_issuing][user_terms_acceptance][ip]=192.0.2.1&"
                  "individual[first_name]=Noor&individual[last_name]=Haddad&name=Noor Haddad&"
                  "phone_number=+34666777888&type=individual"},
    {"card_active_eu", "POST /v1/issuing/cards cardholder={issuing.cardholder}&currency=eur&"
                       "status=active&type=virtual"},
    {"authorization_eu", "POST /v1/issuing/cards/{issuing.card}/test/authorizations "
                         "authorization_method=online&held_amount=100&held_currency=eur"},
    {"holder_gb", "POST /v1/issuing/cardholders billing[address][city]=London&"
                  "billing[address][country]=GB&billing[address][line1]=1 Canal Street&"
                  "billing[address][postal_code]=N1 9AA&billing[address][state]=London&"
                  "individual[card_issuing][user_terms_acceptance][date]=1470266163&"
                  "individual[card_issuing][user_terms_acceptance][ip]=192.0.2.1&"
                  "individual[first_name]=Noor&individual[last_name]=Haddad&name=Noor Haddad&"
                  "phone_number=+447700900000&type=individual"},
    {"card_active_gb", "POST /v1/issuing/cards cardholder={issuing.cardholder}&currency=gbp&"
                       "status=active&type=virtual"},
    {"authorization_gb", "POST /v1/issuing/cards/{issuing.card}/test/authorizations "
                         "authorization_method=online&held_amount=100&held_currency=gbp"},
    {"card", "POST /v1/issuing/cards cardholder={issuing.cardholder}&currency=usd&"
             "type=virtual"},
    {"card_eu", "POST /v1/issuing/cards cardholder={issuing.cardholder}&currency=eur&"
                "type=virtual"},
    {"card_gb", "POST /v1/issuing/cards cardholder={issuing.cardholder}&currency=gbp&"
                "type=virtual"},
    {"forced", "POST /v1/test_helpers/issuing/transactions/create_force_capture amount=100&"
               "card={issuing.card}&currency=usd"},
    {"forced_receipt",
     "POST /v1/test_helpers/issuing/transactions/create_force_capture "
     "amount=100&card={issuing.card}&currency=usd&merchant_data[category]=taxicabs_limousines&"
     "merchant_data[city]=Portland&merchant_data[country]=US&merchant_data[name]=HARBOR CABS&"
     "merchant_data[network_id]=1234567890&merchant_data[postal_code]=97205&"
     "purchase_details[receipt][0][description]=A ride&"
     "purchase_details[receipt][0][quantity]=1&purchase_details[receipt][0][unit_cost]=10000"},
    {"transaction_changed", "POST /v1/issuing/transactions/{issuing.transaction} "
                            "metadata[order_id]=6735"},
    {"held_manual", "POST /v1/payment_intents amount=2000&capture_method=manual&confirm=true&"
                    "confirmation_method=manual&currency=usd&description=of a test&"
                    "payment_method=pm_card_visa&payment_method_types[]=card&"
                    "return_url=https://shop.example.com"},
    {"intent_plain", "POST /v1/payment_intents amount=2000&currency=usd&description=of a test"},
    {"intent_cancelled", "POST /v1/payment_intents/{payment_intent}/cancel "
                         "cancellation_reason=requested_by_customer"},
    {"intent", "POST /v1/payment_intents amount=2000&currency=usd&description=of a test&"
               "payment_method_types[]=card"},
    {"intent_bank",
     "POST /v1/payment_intents amount=20000&confirm=true&currency=jpy&"
     "customer={customer}&description=of a test&payment_method_data[type]=customer_balance&"
     "payment_method_options[customer_balance][bank_transfer][type]=jp_bank_account&"
     "payment_method_options[customer_balance][funding_type]=bank_transfer&"
     "payment_method_types[]=customer_balance"},
    {"funded_jpy", "POST /v1/test_helpers/customers/{customer}/fund_cash_balance "
                   "amount=10000&currency=jpy"},
    {"intent_declined",
     "POST /v1/payment_intents amount=2000&confirm=true&currency=usd&"
     "description=of a test&payment_method=pm_card_chargeDeclined&payment_method_types[]=card"},
    {"iban_slow",
     "POST /v1/payment_methods billing_details[email]=ada@example.com&"
     "billing_details[name]=Bob&sepa_debit[iban]=AT321904300235473204&type=sepa_debit"},
    {"intent_debit",
     "POST /v1/payment_intents amount=1000&confirm=true&currency=eur&"
     "mandate_data[customer_acceptance][accepted_at]=1590590577&"
     "mandate_data[customer_acceptance][type]=offline&payment_method={payment_method}&"
     "payment_method_types[]=sepa_debit"},
    {"intent_action", "POST /v1/payment_intents amount=2000&confirm=true&currency=usd&"
                      "description=of a test&payment_method=pm_card_authenticationRequired&"
                      "payment_method_types[]=card"},
    {"intent_paid", "POST /v1/payment_intents amount=2000&confirm=true&currency=usd&"
                    "description=of a test&payment_method=pm_card_visa&payment_method_types[]=card&"
                    "shipping[address][city]=Portland&shipping[address][country]=US&"
                    "shipping[address][line1]=1 Harbor Street&shipping[address][postal_code]=97205&"
                    "shipping[address][state]=CA&shipping[name]=Ada Marlowe"},
    {"link", "POST /v1/payment_links line_items[0][price]={price}&line_items[0][quantity]=1"},
    {"link_changed", "POST /v1/payment_links/{payment_link} allow_promotion_codes=true"},
    {"detached", "POST /v1/payment_methods/{payment_method}/detach"},
    {"setup_customer", "POST /v1/setup_intents confirm=true&customer={customer}&"
                       "description=of a test&payment_method=pm_card_visa"},
    {"setup_method_changed", "POST /v1/payment_methods/{setup_intent:payment_method} "
                             "metadata[foo]=bar"},
    {"paid_available",
     "POST /v1/payment_intents amount=2000&confirm=true&currency=usd&"
     "description=of a test&payment_method=pm_card_bypassPending&payment_method_types[]=card"},
    {"payout", "POST /v1/payouts amount=1100&currency=usd&description=of a test"},
    {"payout_changed", "POST /v1/payouts/{payout} metadata[foo]=bar"},
    {"plan", "POST /v1/plans amount=2000&currency=usd&interval=month&product[name]=Tea"},
    {"plan_deleted", "DELETE /v1/plans/{plan}"},
    {"plan_changed", "POST /v1/plans/{plan} metadata[foo]=bar"},
    {"price_changed", "POST /v1/prices/{price} metadata[foo]=bar"},
    {"product_deleted", "DELETE /v1/products/{product}"},
    {"product_changed", "POST /v1/products/{product} metadata[foo]=bar"},
    {"promotion", "POST /v1/promotion_codes coupon={coupon}"},
    {"promotion_changed", "POST /v1/promotion_codes/{promotion_code} metadata[foo]=bar"},
    {"customer_source", "POST /v1/customers description=of a test&source=tok_visa"},
    {"quote", "POST /v1/quotes customer={customer}&description=of a test&"
              "line_items[0][price]={price}&line_items[0][quantity]=10"},
    {"quote_finalized", "POST /v1/quotes/{quote}/finalize"},
    {"quote_accepted", "POST /v1/quotes/{quote}/accept"},
    {"quote_cancelled", "POST /v1/quotes/{quote}/cancel"},
    {"report", "POST /v1/reporting/report_runs parameters[interval_end]=1646143432&"
               "parameters[interval_start]=1641045832&report_type=balance.summary.1"},
    {"setup", "POST /v1/setup_intents description=of a test&payment_method_types[]=card"},
    {"setup_cancelled", "POST /v1/setup_intents/{setup_intent}/cancel "
                        "cancellation_reason=requested_by_customer"},
    {"setup_action", "POST /v1/setup_intents confirm=true&description=of a test&"
                     "payment_method=pm_card_authenticationRequired"},
    {"setup_declined", "POST /v1/setup_intents confirm=true&description=of a test&"
                       "payment_method=pm_card_chargeDeclined&payment_method_types[]=card"},
    {"setup_done", "POST /v1/setup_intents confirm=true&description=of a test&"
                   "payment_method=pm_card_visa&payment_method_types[]=card"},
    {"method_declining", "POST /v1/payment_methods card[token]=tok_chargeCustomerFail&"
                         "type=card"},
    {"customer_named", "POST /v1/customers description=of a test&name=Ada"},
    {"method_attached", "POST /v1/payment_methods/{payment_method}/attach customer={customer}"},
    {"customer_method", "POST /v1/customers/{customer} "
                        "invoice_settings[default_payment_method]={payment_method}"},
    {"price_monthly", "POST /v1/prices currency=usd&nickname=Monthly&product={product}&"
                      "recurring[interval]=month&unit_amount=2000"},
    {"latest_invoice", "GET /v1/invoices/{subscription:latest_invoice}"},
    {"method_visa", "POST /v1/payment_methods card[token]=tok_visa&type=card"},
    {"schedule_later",
     "POST /v1/subscription_schedules customer={customer}&"
     "phases[0][items][0][price]={price}&phases[0][items][0][quantity]=1&start_date=1893456000"},
    {"schedule_cancelled_quiet",
     "POST "
     "/v1/subscription_schedules/{subscription_schedule}/cancel invoice_now=false&"
     "prorate=false"},
    {"schedule", "POST /v1/subscription_schedules customer={customer}&"
                 "phases[0][items][0][price]={price}&phases[0][items][0][quantity]=1&"
                 "phases[0][iterations]=1&phases[1][items][0][price]={price}&"
                 "phases[1][items][0][quantity]=2&phases[1][iterations]=1&start_date=now"},
    {"schedule_cancelled", "POST /v1/subscription_schedules/{subscription_schedule}/cancel"},
    {"clock", "POST /v1/test_helpers/test_clocks frozen_time=1577836800&name=of a test"},
    {"customer_clocked", "POST /v1/customers description=of a test&"
                         "test_clock={test_helpers.test_clock}"},
    {"schedule_release",
     "POST /v1/subscription_schedules customer={customer}&"
     "end_behavior=release&phases[0][items][0][price]={price}&phases[0][items][0][quantity]=1&"
     "phases[0][iterations]=1&start_date=1577836800"},
    {"clock_month", "POST /v1/test_helpers/test_clocks/{test_helpers.test_clock}/advance "
                    "frozen_time=1580515200"},
    {"schedule_ending",
     "POST /v1/subscription_schedules customer={customer}&"
     "end_behavior=cancel&phases[0][end_date]=1580256000&phases[0][items][0][price]={price}&"
     "phases[0][items][0][quantity]=1&start_date=1577836800"},
    {"clock_days", "POST /v1/test_helpers/test_clocks/{test_helpers.test_clock}/advance "
                   "frozen_time=1579478400"},
    {"schedule_released", "POST /v1/subscription_schedules/{subscription_schedule}/release"},
    {"schedule_changed", "POST /v1/subscription_schedules/{subscription_schedule} "
                         "metadata[foo]=bar"},
    {"tax_rate", "POST /v1/tax_rates description=of a test&display_name=test&inclusive=true&"
                 "percentage=10"},
    {"tax_rate_changed", "POST /v1/tax_rates/{tax_rate} metadata[foo]=bar"},
    {"clock_deleted", "DELETE /v1/test_helpers/test_clocks/{test_helpers.test_clock}"},
    {"topup", "POST /v1/topups amount=2000&currency=usd&description=of a test"},
    {"paid_thousand", "POST /v1/payment_intents amount=1000&confirm=true&currency=usd&"
                      "payment_method=pm_card_bypassPending"},
    {"account", "POST /v1/accounts"},
    {"transfer", "POST /v1/transfers amount=1000&currency=usd&destination={account}"},
    {"reversal", "POST /v1/transfers/{transfer}/reversals amount=100"},
    {"transfer_changed", "POST /v1/transfers/{transfer} metadata[foo]=bar"},
    {"meters", "GET /v1/billing/meters status=active"},
    {"meter", "POST /v1/billing/meters default_aggregation[formula]=sum&display_name=Cups&"
              "event_name=cups"},
    {"stream_session", "POST /v2/billing/meter_event_session"},
    {"stream",
     "POST /v2/billing/meter_event_stream "
     "{\"events\":[{\"event_name\":\"{list:data.0.event_name}\",\"identifier\":\"1\",\"payload"
     "\":{\"value\":\"1\"},\"timestamp\":\"2026-11-27T18:32:13Z\"}]}"},
    {"stream_nobody",
     "POST /v2/billing/meter_event_stream "
     "{\"events\":[{\"event_name\":\"nobody_counts\",\"identifier\":\"1\",\"payload\":{\"value"
     "\":\"1\"},\"timestamp\":\"2026-11-27T18:32:13Z\"}]}"},
};

// The words are steps; ! before one: it is refused with 402, as a card is declined.
static const struct twin_trigger {
    const char *name, *event, *words;
} twin_triggers[] = {
    {"account.application.deauthorized", "account.application.deauthorized",
     "account_standard account_deleted"},
    {"account.updated", "account.updated", "account_standard account_changed"},
    {"balance.available", "balance.available", "paid_at_once"},
    {"billing_portal.configuration.created", "billing_portal.configuration.created", "portal"},
    {"billing_portal.configuration.updated", "billing_portal.configuration.updated",
     "portal portal_changed"},
    {"billing_portal.session.created", "billing_portal.session.created", "customer portal_entered"},
    {"cash_balance.funds_available", "cash_balance.funds_available", "customer funded"},
    {"charge.captured", "charge.captured", "held captured"},
    {"charge.dispute.closed", "charge.dispute.closed", "inquiry disputes dispute_closed"},
    {"charge.dispute.created", "charge.dispute.created", "inquiry"},
    {"charge.dispute.updated", "charge.dispute.updated", "inquiry disputes dispute_changed"},
    {"charge.failed", "charge.failed", "!charge_declined"},
    {"charge.refund.updated", "charge.refund.updated", "charge refund refund_changed"},
    {"charge.refunded", "charge.refunded", "charge refund"},
    {"charge.succeeded", "charge.succeeded", "charge"},
    {"checkout.session.async_payment_failed", "checkout.session.async_payment_failed",
     "product price_eur checkout_debit page iban_fails page_confirmed"},
    {"checkout.session.async_payment_succeeded", "checkout.session.async_payment_succeeded",
     "product price_eur checkout_debit page iban page_confirmed"},
    {"checkout.session.completed", "checkout.session.completed",
     "product price_once checkout page card_method page_confirmed"},
    {"checkout.session.expired", "checkout.session.expired",
     "product price_once checkout_open checkout_expired"},
    {"coupon.created", "coupon.created", "coupon"},
    {"coupon.deleted", "coupon.deleted", "coupon coupon_deleted"},
    {"coupon.updated", "coupon.updated", "coupon coupon_changed"},
    {"credit_note.created", "credit_note.created", "customer item invoice finalized note"},
    {"credit_note.updated", "credit_note.updated",
     "customer item invoice finalized note note_changed"},
    {"credit_note.voided", "credit_note.voided",
     "customer item invoice finalized note note_voided"},
    {"customer.created", "customer.created", "customer"},
    {"customer.deleted", "customer.deleted", "customer customer_deleted"},
    {"customer.discount.created", "customer.discount.created", "coupon customer_coupon"},
    {"customer.discount.deleted", "customer.discount.deleted",
     "coupon customer_coupon customer_no_coupon"},
    {"customer.discount.updated", "customer.discount.updated",
     "coupon customer_coupon coupon_other customer_other_coupon"},
    {"customer.source.created", "customer.source.created", "customer source"},
    {"customer.source.updated", "customer.source.updated", "customer source source_changed"},
    {"customer.subscription.created", "customer.subscription.created",
     "customer_card product price subscription"},
    {"customer.subscription.deleted", "customer.subscription.deleted",
     "customer_card product price subscription subscription_ended"},
    {"customer.subscription.paused", "customer.subscription.paused",
     "customer product price subscription_pausing trial_over"},
    {"customer.subscription.trial_will_end", "customer.subscription.trial_will_end",
     "customer product price subscription_trial"},
    {"customer.subscription.updated", "customer.subscription.updated",
     "customer_card product price subscription subscription_changed"},
    {"customer.updated", "customer.updated", "customer customer_changed"},
    {"customer_cash_balance_transaction.created", "customer_cash_balance_transaction.created",
     "customer funded"},
    {"identity.verification_session.canceled", "identity.verification_session.canceled",
     "identity identity_cancelled"},
    {"identity.verification_session.created", "identity.verification_session.created", "identity"},
    {"identity.verification_session.redacted", "identity.verification_session.redacted",
     "identity identity_redacted"},
    {"invoice.created", "invoice.created", "customer item invoice"},
    {"invoice.deleted", "invoice.deleted", "customer item invoice invoice_deleted"},
    {"invoice.finalized", "invoice.finalized", "customer item invoice finalized"},
    {"invoice.marked_uncollectible", "invoice.marked_uncollectible",
     "customer item invoice finalized uncollectible"},
    {"invoice.paid", "invoice.paid", "customer attached item invoice pay"},
    {"invoice.payment_action_required", "invoice.payment_action_required",
     "customer attached_3ds item invoice !pay"},
    {"invoice.payment_failed", "invoice.payment_failed",
     "customer attached_declining item invoice !pay"},
    {"invoice.payment_succeeded", "invoice.payment_succeeded",
     "customer attached item invoice pay"},
    {"invoice.sent", "invoice.sent", "customer_email item invoice_sending sent"},
    {"invoice.updated", "invoice.updated", "customer item invoice invoice_changed"},
    {"invoice.voided", "invoice.voided", "customer item invoice finalized voided"},
    {"invoiceitem.created", "invoiceitem.created", "customer item"},
    {"invoiceitem.deleted", "invoiceitem.deleted", "customer item item_deleted"},
    {"issuing_authorization.request", "issuing_authorization.request",
     "holder card_active authorization"},
    {"issuing_authorization.request.eu", "issuing_authorization.request",
     "holder_eu card_active_eu authorization_eu"},
    {"issuing_authorization.request.gb", "issuing_authorization.request",
     "holder_gb card_active_gb authorization_gb"},
    {"issuing_card.created", "issuing_card.created", "holder card"},
    {"issuing_card.created.eu", "issuing_card.created", "holder_eu card_eu"},
    {"issuing_card.created.gb", "issuing_card.created", "holder_gb card_gb"},
    {"issuing_cardholder.created", "issuing_cardholder.created", "holder"},
    {"issuing_cardholder.created.eu", "issuing_cardholder.created", "holder_eu"},
    {"issuing_cardholder.created.gb", "issuing_cardholder.created", "holder_gb"},
    {"issuing_transaction.created", "issuing_transaction.created", "holder card forced"},
    {"issuing_transaction.purchase_details_receipt_updated",
     "issuing_transaction.purchase_details_receipt_updated", "holder card_active forced_receipt"},
    {"issuing_transaction.updated", "issuing_transaction.updated",
     "holder card forced transaction_changed"},
    {"payment_intent.amount_capturable_updated", "payment_intent.amount_capturable_updated",
     "held_manual"},
    {"payment_intent.canceled", "payment_intent.canceled", "intent_plain intent_cancelled"},
    {"payment_intent.created", "payment_intent.created", "intent"},
    {"payment_intent.partially_funded", "payment_intent.partially_funded",
     "customer intent_bank funded_jpy"},
    {"payment_intent.payment_failed", "payment_intent.payment_failed", "!intent_declined"},
    {"payment_intent.processing", "payment_intent.processing", "iban_slow intent_debit"},
    {"payment_intent.requires_action", "payment_intent.requires_action", "intent_action"},
    {"payment_intent.succeeded", "payment_intent.succeeded", "intent_paid"},
    {"payment_link.created", "payment_link.created", "product price link"},
    {"payment_link.updated", "payment_link.updated", "product price link link_changed"},
    {"payment_method.attached", "payment_method.attached", "customer attached"},
    {"payment_method.detached", "payment_method.detached", "customer attached detached"},
    {"payment_method.updated", "payment_method.updated",
     "customer setup_customer setup_method_changed"},
    {"payout.created", "payout.created", "paid_available payout"},
    {"payout.updated", "payout.updated", "paid_available payout payout_changed"},
    {"plan.created", "plan.created", "plan"},
    {"plan.deleted", "plan.deleted", "plan plan_deleted"},
    {"plan.updated", "plan.updated", "plan plan_changed"},
    {"price.created", "price.created", "product price"},
    {"price.updated", "price.updated", "product price price_changed"},
    {"product.created", "product.created", "product"},
    {"product.deleted", "product.deleted", "product product_deleted"},
    {"product.updated", "product.updated", "product product_changed"},
    {"promotion_code.created", "promotion_code.created", "coupon promotion"},
    {"promotion_code.updated", "promotion_code.updated", "coupon promotion promotion_changed"},
    {"quote.accepted", "quote.accepted",
     "customer_source product price quote quote_finalized quote_accepted"},
    {"quote.canceled", "quote.canceled", "customer_source product price quote quote_cancelled"},
    {"quote.created", "quote.created", "customer_source product price quote"},
    {"quote.finalized", "quote.finalized", "customer_source product price quote quote_finalized"},
    {"reporting.report_run.succeeded", "reporting.report_run.succeeded", "report"},
    {"setup_intent.canceled", "setup_intent.canceled", "setup setup_cancelled"},
    {"setup_intent.created", "setup_intent.created", "setup"},
    {"setup_intent.requires_action", "setup_intent.requires_action", "setup_action"},
    {"setup_intent.setup_failed", "setup_intent.setup_failed", "!setup_declined"},
    {"setup_intent.succeeded", "setup_intent.succeeded", "setup_done"},
    {"subscription.payment_failed", "invoice.payment_failed",
     "method_declining customer_named method_attached customer_method product price_monthly "
     "subscription latest_invoice"},
    {"subscription.payment_succeeded", "invoice.payment_succeeded",
     "method_visa customer_named method_attached customer_method product price_monthly "
     "subscription latest_invoice"},
    {"subscription_schedule.aborted", "subscription_schedule.aborted",
     "customer_source product price schedule_later schedule_cancelled_quiet"},
    {"subscription_schedule.canceled", "subscription_schedule.canceled",
     "customer_source product price schedule schedule_cancelled"},
    {"subscription_schedule.completed", "subscription_schedule.completed",
     "clock customer_clocked product price schedule_release clock_month"},
    {"subscription_schedule.created", "subscription_schedule.created",
     "customer_source product price schedule"},
    {"subscription_schedule.expiring", "subscription_schedule.expiring",
     "clock customer_clocked product price schedule_ending clock_days"},
    {"subscription_schedule.released", "subscription_schedule.released",
     "customer_source product price schedule schedule_released"},
    {"subscription_schedule.updated", "subscription_schedule.updated",
     "customer_source product price schedule schedule_changed"},
    {"tax_rate.created", "tax_rate.created", "tax_rate"},
    {"tax_rate.updated", "tax_rate.updated", "tax_rate tax_rate_changed"},
    {"test_helpers.test_clock.advancing", "test_helpers.test_clock.advancing", "clock clock_month"},
    {"test_helpers.test_clock.created", "test_helpers.test_clock.created", "clock"},
    {"test_helpers.test_clock.deleted", "test_helpers.test_clock.deleted", "clock clock_deleted"},
    {"test_helpers.test_clock.ready", "test_helpers.test_clock.ready", "clock clock_month"},
    {"topup.created", "topup.created", "topup"},
    {"transfer.created", "transfer.created", "paid_thousand account transfer"},
    {"transfer.reversed", "transfer.reversed", "paid_thousand account transfer reversal"},
    {"transfer.updated", "transfer.updated", "paid_thousand account transfer transfer_changed"},
    {"v1.billing.meter.error_report_triggered", "v1.billing.meter.error_report_triggered",
     "meters meter meters stream_session stream"},
    {"v1.billing.meter.no_meter_found", "v1.billing.meter.no_meter_found",
     "stream_session stream_nobody"},
};

#endif
