// SPDX-License-Identifier: MIT
// Money between the platform and its connected accounts (https://docs.stripe.com/connect/charges):
// transfers, payments that are passed on, and the platform's fees.
#include "twin/effects.h"
#include "twin/money.h"

// From here on the call makes and books for another account; it goes back with leave_there.
struct there {
    const struct twin_request *own;
    struct twin_request request;
    struct text account;
};

static void go_there(struct twin_call *c, bytes account, struct there *t) {
    *t = (struct there){.own = c->request};
    text_add(&t->account, account);
    if (c->request != NULL)
        t->request = *c->request;
    t->request.account = text_bytes(&t->account);
    c->request = &t->request;
}

static void leave_there(struct twin_call *c, struct there *t) {
    c->request = t->own;
    text_drop(&t->account);
}

static void move_there(struct twin_call *c, bytes account, struct twin_object *o, const char *type,
                       int64_t amount) {
    struct there t;
    go_there(c, account, &t);
    balance_move(c, o, type, amount);
    leave_there(c, &t);
}

// --- transfers

bool effect_transfer_go(struct twin_call *c) {
    struct twin_object *o = c->self;
    int64_t amount = twin_int(o, "amount");
    bytes currency = twin_text(o, "currency"), to = twin_text(o, "destination");
    OWN(text_drop)
    struct text shown = {0};
    text_add_printable(&shown, to, 64);
    if (!bytes_starts(to, B("acct_")))
        return twin_refuse(c, API_ERROR_CURSOR_MISSING, "destination", "No such destination: '%s'",
                           text_str(&shown));
    if (!money_is_amount(c, "amount", amount))
        return false;
    if (twin_null(o, "source_transaction") && !balance_covers(c, amount, currency))
        return false;
    twin_set_str(c, o, "balance_transaction", balance_move(c, o, "transfer", -amount)->id);
    move_there(c, twin_text(o, "destination"), o, "payment", amount);
    return true;
}

// POST v1/transfers/{parent}/reversals
bool effect_transfer_reverse(struct twin_call *c) {
    struct twin_object *o = c->self, *transfer = twin_get(c, c->parent);
    OWN(text_drop)
    struct text shown = {0};
    OWN(text_drop)
    struct text path = {0};
    int64_t reversed = twin_int(transfer, "amount_reversed");
    int64_t left = twin_int(transfer, "amount") - reversed;
    int64_t amount = twin_given(c, "amount") ? twin_int(o, "amount") : left;
    if (amount < 1 || amount > left)
        return twin_refuse(c, API_ERROR_INVALID, "amount",
                           "amount is %lld; of this transfer %lld may be reversed.",
                           (long long)amount, (long long)left);
    twin_set_int(c, o, "amount", amount);
    money_copy(c, o, "currency", transfer);
    twin_set_str(c, o, "balance_transaction", balance_move(c, o, "transfer_refund", amount)->id);
    move_there(c, twin_text(transfer, "destination"), transfer, "payment_refund", -amount);
    text_addf(&path, "reversals.data.%zu", json_size(twin_at(transfer, "reversals.data")));
    twin_show(twin_root(o), &shown);
    twin_set_json(c, transfer, text_str(&path), text_bytes(&shown));
    twin_set_int(c, transfer, "amount_reversed", reversed + amount);
    twin_set_bool(c, transfer, "reversed", reversed + amount == twin_int(transfer, "amount"));
    twin_emit(c, transfer, "transfer.reversed");
    return true;
}

// --- payments that are passed on

// The connected account that a charge is for; empty: it is nobody else's.
static bytes account_for(struct twin_object *charge) {
    bytes to = twin_text(charge, "transfer_data.destination");
    return to.n > 0 ? to : bytes_of(charge->account);
}

static void pass_on(struct twin_call *c, struct twin_object *charge) {
    struct twin_object *o = twin_make(c, "transfer");
    bool part = !twin_null(charge, "transfer_data.amount");
    int64_t amount = twin_int(charge, part ? "transfer_data.amount" : "amount_captured");
    money_copy(c, o, "currency", charge);
    money_copy(c, o, "transfer_group", charge);
    twin_set_int(c, o, "amount", amount);
    twin_set(c, o, "destination", twin_at(charge, "transfer_data.destination"));
    twin_set_str(c, o, "source_transaction", charge->id);
    twin_set_str(c, o, "balance_transaction", balance_move(c, o, "transfer", -amount)->id);
    move_there(c, twin_text(o, "destination"), o, "payment", amount);
    twin_set_str(c, charge, "transfer", o->id);
    twin_emit(c, o, "transfer.created");
}

// The platform's fee is an object of the platform's, and told there.
static void take_fee(struct twin_call *c, struct twin_object *charge, int64_t amount) {
    struct there t;
    OWN(text_drop)
    struct text account = {0};
    text_add(&account, account_for(charge));
    go_there(c, NO_BYTES, &t);
    struct twin_object *o = twin_make(c, "application_fee");
    money_copy(c, o, "currency", charge);
    twin_set_text(c, o, "account", text_bytes(&account));
    twin_set_int(c, o, "amount", amount);
    twin_set_str(c, o, "charge", charge->id);
    twin_set_str(c, o, "fee_source.charge", charge->id);
    if (charge->account[0] == '\0')
        twin_set_str(c, o, "originating_transaction", charge->id);
    twin_set_str(c, o, "balance_transaction", balance_move(c, o, "application_fee", amount)->id);
    twin_emit(c, o, "application_fee.created");
    leave_there(c, &t);
    move_there(c, text_bytes(&account), o, "application_fee", -amount);
    twin_set_str(c, charge, "application_fee", o->id);
}

void connect_share(struct twin_call *c, struct twin_object *charge) {
    int64_t fee = twin_int(charge, "application_fee_amount");
    if (!twin_null(charge, "transfer_data.destination"))
        pass_on(c, charge);
    if (fee > 0 && account_for(charge).n > 0)
        take_fee(c, charge, fee);
}

// POST v1/application_fees/{parent}/refunds
bool effect_fee_refund(struct twin_call *c) {
    struct twin_object *o = c->self, *fee = twin_get(c, c->parent);
    int64_t refunded = twin_int(fee, "amount_refunded");
    int64_t left = twin_int(fee, "amount") - refunded;
    int64_t amount = twin_given(c, "amount") ? twin_int(o, "amount") : left;
    OWN(text_drop)
    struct text shown = {0};
    OWN(text_drop)
    struct text path = {0};
    if (amount < 1 || amount > left)
        return twin_refuse(c, API_ERROR_INVALID, "amount",
                           "amount is %lld; of this fee %lld may be refunded.", (long long)amount,
                           (long long)left);
    twin_set_int(c, o, "amount", amount);
    money_copy(c, o, "currency", fee);
    struct twin_object *entry = balance_move(c, o, "application_fee_refund", -amount);
    twin_set_str(c, o, "balance_transaction", entry->id);
    move_there(c, twin_text(fee, "account"), o, "application_fee_refund", amount);
    text_addf(&path, "refunds.data.%zu", json_size(twin_at(fee, "refunds.data")));
    twin_show(twin_root(o), &shown);
    twin_set_json(c, fee, text_str(&path), text_bytes(&shown));
    twin_set_int(c, fee, "amount_refunded", refunded + amount);
    twin_set_bool(c, fee, "refunded", refunded + amount == twin_int(fee, "amount"));
    twin_emit(c, fee, "application_fee.refunded");
    return true;
}
