// SPDX-License-Identifier: MIT
// Money: what payment methods, intents, charges, refunds, disputes and the balance share. Inside of
// the twin. Everything happens in the call under way, and is told in its events; amounts are in the
// currency's smallest unit. What the functions are given is live and in the call's account.
#ifndef TWIN_MONEY_H
#define TWIN_MONEY_H

#include "twin/cards.h"
#include "twin/pay.h"

#define MINUTE_S ((int64_t)60)
#define DAYS_S ((int64_t)24 * 60 * 60)

// --- payment methods (twin/methods.c)

// A new one, of the parameters under payment_method_data. Null: refused.
struct twin_object *method_given(struct twin_call *c);
// It is the customer's from now on, if it was not yet. False: refused, as it is declined or another
// customer's.
bool method_attach(struct twin_call *c, struct twin_object *method, struct twin_object *customer);
// May it be used for this customer (empty: none)? False: refused.
bool method_fits(struct twin_call *c, struct twin_object *method, bytes customer, json types);
// What the customer has to do first: an intent's next_action.
void method_ask(struct twin_call *c, struct twin_object *intent, bytes return_url);
// An error of an intent: last_payment_error or last_setup_error; the charge may be null.
void method_error(struct twin_call *c, struct twin_object *intent, const char *path,
                  struct twin_object *method, struct twin_object *charge, const char *code,
                  const char *decline);

// --- charges (twin/charges.c)

// The intent's latest charge, with the status pending; not told yet. `asked`: the customer has said
// that it is him.
struct twin_object *charge_make(struct twin_call *c, struct twin_object *intent,
                                struct twin_object *method, bool asked);
// The money came, or was authorized; what the card has in store for it (a dispute) begins.
void charge_succeed(struct twin_call *c, struct twin_object *charge, bool captured);
void charge_fail(struct twin_call *c, struct twin_object *charge, const char *code,
                 const char *decline);
// Takes this much of what was authorized; the rest is given back.
void charge_take(struct twin_call *c, struct twin_object *charge, int64_t amount);
// What was only authorized is given back, as this event tells.
void charge_release(struct twin_call *c, struct twin_object *charge, const char *told);
// What is disputed, warned of, once the payment has been told.
void charge_trouble(struct twin_call *c, struct twin_object *charge);

// --- disputes (twin/disputes.c)

// An inquiry takes no money. Told, with the charge.
void dispute_open(struct twin_call *c, struct twin_object *charge, const char *reason,
                  bool inquiry);

// --- the balance (twin/balance.c)

struct balance_entry {
    const char *type, *category; // as balance transactions name them
    int64_t amount, fee;         // what moves; the fee goes off it
    bytes currency, source, description;
    int64_t available_s; // 0: at once
    bool behind; // told behind the call, as the balance's own affair; what lives by a clock is not
};
// False: refused, as it is none that Stripe takes.
bool money_is_amount(struct twin_call *c, const char *param, int64_t amount);
// Copies a value, if there is one.
void money_copy(struct twin_call *c, struct twin_object *to, const char *path,
                struct twin_object *from);
// Books it: a balance transaction, and the balance of the call's account.
struct twin_object *balance_book(struct twin_call *c, const struct balance_entry *e);
int64_t balance_available(struct twin_call *c, bytes currency);
// The same of what an object has and is its source, at once.
struct twin_object *balance_move(struct twin_call *c, struct twin_object *o, const char *type,
                                 int64_t amount);
// False: refused, as less is available.
bool balance_covers(struct twin_call *c, int64_t amount, bytes currency);
// Stripe's fee for a card in its own country: 2.9 % and 30.
int64_t balance_fee(int64_t amount);

// --- connected accounts (twin/connect.c)

// A charge whose money has come is passed on, and the platform's fee taken, as it says.
void connect_share(struct twin_call *c, struct twin_object *charge);

// --- cash balances (twin/cash.c)

// Pays an intent from its customer's cash as far as that goes. True: all of it.
bool cash_pay(struct twin_call *c, struct twin_object *intent);

// --- intents (twin/pay.c)

// The method that the intent of the call is to be confirmed with; null: refused, as there is none,
// or it does not fit. *asked: what the customer had to do he has done.
struct twin_object *intent_method(struct twin_call *c, bool *asked);
// Tries to pay the payment intent; its status says what became of it. `asked`: what the customer
// had to do he has done. Tells no followers.
void intent_try(struct twin_call *c, struct twin_object *intent, struct twin_object *method,
                bool off_session, bool asked);
// The intent's money has come in another way than by a card: it succeeds, with its charge.
void intent_paid(struct twin_call *c, struct twin_object *intent, struct twin_object *method);
// Refuses with the intent's last error, which lies at `path`: 402, keeping what happened.
bool intent_refuse(struct twin_call *c, struct twin_object *intent, const char *path);

// --- who waits for intents (twin/followers.def)

void intent_followed(struct twin_call *c, struct twin_object *intent);
#define FOLLOWER(name, doc) void follow_##name(struct twin_call *c, struct twin_object *intent);
#include "twin/followers.def"
#undef FOLLOWER

#endif
