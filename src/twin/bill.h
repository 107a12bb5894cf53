// SPDX-License-Identifier: MIT
// Billing (https://docs.stripe.com/billing): what invoices, subscriptions, schedules and quotes
// share. Amounts are in the currency's smallest unit. Inside of the twin.
//
// Of a customer's things each state is told: an invoice that changes says invoice.updated, or an
// event of its own with previous_attributes, before one that only names what happened
// (invoice.paid). So what is kept from the events alone ends as the twin has it, in any order.
#ifndef TWIN_BILL_H
#define TWIN_BILL_H

#include "twin/call.h"
#include "twin/pay.h"

#define DAY_S ((int64_t)24 * 60 * 60)
#define HOUR_S ((int64_t)60 * 60)

// --- time (twin/bill_time.c)

// The start of the nth period that follows the anchor (n may be negative): months end on the
// anchor's day, or on their last. The interval is day, week, month or year; anything else is month.
int64_t bill_period(int64_t anchor_s, int64_t n, bytes interval, int64_t count);
// The first such start behind a time.
int64_t bill_period_after(int64_t anchor_s, int64_t time_s, bytes interval, int64_t count);

// --- invoices (twin/bill_invoice.c)

struct bill_line {
    int64_t amount, quantity;
    bytes currency, description;
    int64_t start_s, end_s;
    struct twin_object *price;        // null: none, an amount of its own
    struct twin_object *item;         // the subscription item; null: none
    struct twin_object *invoice_item; // null: none
    struct twin_object *subscription; // null: none
    bool proration;
};

// A draft for the customer, without lines. `reason` is billing_reason; the subscription may be
// null. No event yet.
struct twin_object *bill_draft(struct twin_call *c, struct twin_object *customer,
                               struct twin_object *subscription, const char *reason);
void bill_line(struct twin_call *c, struct twin_object *invoice, const struct bill_line *line);
// The customer's invoice items that wait: those of the subscription, or those of none.
void bill_gather(struct twin_call *c, struct twin_object *invoice, bytes subscription);
// Lines are added up, discounts and credit taken off.
void bill_totals(struct twin_call *c, struct twin_object *invoice);
// A draft becomes open, with its number; one over nothing is paid at once.
void bill_finalize(struct twin_call *c, struct twin_object *invoice);
// Tries to have an open invoice paid, by this method or the one that is set for it. Told in events.
// What follows for its subscription is done too.
enum pay_end bill_collect(struct twin_call *c, struct twin_object *invoice,
                          struct twin_object *method, bool off_session);
// What an attempt to pay an open one with this intent has come to.
void bill_attempted(struct twin_call *c, struct twin_object *invoice, struct twin_object *intent,
                    enum pay_end end);
// An open invoice gets an intent that waits for a method, for the customer to confirm; the
// invoice's confirmation_secret has its secret.
void bill_prepare(struct twin_call *c, struct twin_object *invoice);
// What would pay for it: null: nothing.
struct twin_object *bill_method(struct twin_call *c, struct twin_object *customer,
                                struct twin_object *subscription, struct twin_object *invoice);
// Has it finalized and collected by itself an hour from now.
void bill_advance_later(struct twin_call *c, struct twin_object *invoice);
// The record of what pays it, made open where there is none yet: Stripe tells of one that is paid
// alone (twin/bill_follow.c).
struct twin_object *bill_payment(struct twin_call *c, struct twin_object *invoice,
                                 struct twin_object *intent);
void bill_payment_paid(struct twin_call *c, struct twin_object *invoice,
                       struct twin_object *intent);
void bill_payments_end(struct twin_call *c, struct twin_object *invoice); // open ones are canceled
void bill_void(struct twin_call *c, struct twin_object *invoice);

// --- discounts (twin/bill_discount.c)

// A discount of a coupon or a promotion code (the parameters' texts; either may be empty) for a
// customer, and a subscription if it is one's. Null: refused.
struct twin_object *bill_discount(struct twin_call *c, bytes coupon, bytes code,
                                  struct twin_object *customer, struct twin_object *subscription);
// What it takes off an amount at this time; 0 once it has ended.
int64_t bill_discount_of(struct twin_call *c, struct twin_object *discount, int64_t amount);

// --- subscriptions (twin/bill_items.c, twin/bill_subscription.c)

struct bill_start {
    json items;        // [{"price", "quantity", "metadata"}]
    const char *param; // name of the items' parameter, for refusals
};

// Fills a subscription that was made: items, periods, currency. False: refused.
bool bill_items(struct twin_call *c, struct twin_object *sub, const struct bill_start *start);
// The period of all its items; an end of 0: each by its price, from the anchor.
void bill_period_set(struct twin_call *c, struct twin_object *sub, int64_t start_s, int64_t end_s);
int64_t bill_period_end(struct twin_object *sub); // of the item whose period ends first
// The lines of a period, and what waits for an invoice.
void bill_lines(struct twin_call *c, struct twin_object *sub, struct twin_object *invoice,
                bool trial);
// items[] of an update: by id, deleted, or new. Differences in price wait for the next invoice.
bool bill_change_items(struct twin_call *c, struct twin_object *sub, json items);
// Its items as the object shows them, from the items that live.
void bill_show_items(struct twin_call *c, struct twin_object *sub);
// Begins it: trial or first invoice, and what comes later. Told in events, customer.subscription.
// created first. False: refused.
bool bill_begin(struct twin_call *c, struct twin_object *sub);
// One that a schedule or a quote has made: active at once, its first invoice goes out by itself.
// Null: refused. Told by the second, behind what is told of who made it.
struct twin_object *bill_subscribe(struct twin_call *c, struct twin_object *customer, json items,
                                   const char *param);
void bill_subscribe_told(struct twin_call *c, struct twin_object *sub);
// Ends it now; `reason` for cancellation_details.
void bill_end(struct twin_call *c, struct twin_object *sub, const char *reason);
// An invoice of its was paid, or failed (`last`: and is not tried again).
void bill_paid(struct twin_call *c, struct twin_object *sub);
void bill_failed(struct twin_call *c, struct twin_object *sub, bool last);
// Its items are exchanged for these, from a schedule's phase.
bool bill_exchange(struct twin_call *c, struct twin_object *sub, json items);

// A product of amounts, as far as TWIN_NUMBER_MAX.
int64_t bill_times(int64_t a, int64_t b);
// a × part ÷ whole, to the nearest; 0 <= part <= whole < 2^31.
int64_t bill_part(int64_t a, int64_t part, int64_t whole);
// An amount for a quantity of a price.
int64_t bill_amount(struct twin_object *price, int64_t quantity);
// A plan as it stands inside of other objects.
void bill_plan(struct twin_object *price, struct text *out);

#endif
