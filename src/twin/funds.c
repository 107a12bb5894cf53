// SPDX-License-Identifier: MIT
// What comes into a balance and leaves it by itself: payouts and top-ups.
#include "twin/effects.h"
#include "twin/money.h"

#define LEAVES_S MINUTE_S // until a payout is under way, and until a top-up is there
#define ARRIVES_DAYS 2
#define INSTANT_S (30 * MINUTE_S)

bool balance_covers(struct twin_call *c, int64_t amount, bytes currency) {
    return amount <= balance_available(c, currency) ||
           twin_refuse_as(c, 400, "invalid_request_error", "balance_insufficient", NULL, NO_BYTES,
                          "You have insufficient funds in your Stripe account: %lld, and %lld are "
                          "available. A payment with pm_card_bypassPending adds to those.",
                          (long long)amount, (long long)balance_available(c, currency));
}

struct twin_object *balance_move(struct twin_call *c, struct twin_object *o, const char *type,
                                 int64_t amount) {
    struct balance_entry e = {
        .type = type,
        .category = type,
        .amount = amount,
        .currency = twin_text(o, "currency"),
        .source = bytes_of(o->id),
        .description = twin_text(o, "description"),
        .behind = true,
    };
    return balance_book(c, &e);
}

// --- payouts

bool effect_payout_go(struct twin_call *c) {
    int64_t now = twin_time(c, c->self), amount = twin_int(c->self, "amount");
    bool instant = bytes_equal(twin_text(c->self, "method"), B("instant"));
    int64_t arrives = instant ? now + INSTANT_S : (now / DAYS_S + ARRIVES_DAYS) * DAYS_S;
    if (!money_is_amount(c, "amount", amount) ||
        !balance_covers(c, amount, twin_text(c->self, "currency")))
        return false;
    twin_set_str(c, c->self, "balance_transaction",
                 balance_move(c, c->self, "payout", -amount)->id);
    twin_set_int(c, c->self, "arrival_date", arrives);
    twin_when(c, c->self, now + LEAVES_S, effect_payout_leave);
    twin_when(c, c->self, arrives, effect_payout_arrive);
    return true;
}

bool effect_payout_leave(struct twin_call *c) {
    twin_set_str(c, c->self, "status", "in_transit");
    twin_emit(c, c->self, "payout.updated");
    return true;
}

bool effect_payout_arrive(struct twin_call *c) {
    twin_set_str(c, c->self, "status", "paid");
    twin_set_str(c, c->self, "trace_id.status", "unsupported");
    twin_emit(c, c->self, "payout.paid");
    return true;
}

bool effect_payout_cancel(struct twin_call *c) {
    struct twin_object *entry =
        balance_move(c, c->self, "payout_cancel", twin_int(c->self, "amount"));
    twin_when_not(c, c->self, NULL);
    twin_set_str(c, c->self, "status", "canceled");
    twin_set_str(c, c->self, "failure_balance_transaction", entry->id);
    return true;
}

// Another payout brings the money back.
bool effect_payout_reverse(struct twin_call *c) {
    static const char *const names[] = {"currency", "method", "source_type", "destination",
                                        "arrival_date"};
    struct twin_object *back = twin_make(c, "payout");
    int64_t amount = twin_int(c->self, "amount");
    if (!twin_null(c->self, "reversed_by"))
        return twin_refuse(c, API_ERROR_INVALID, NULL, "Payout %s has been reversed already.",
                           c->self->id);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        money_copy(c, back, names[i], c->self);
    twin_set_int(c, back, "amount", -amount);
    twin_set_str(c, back, "status", "paid");
    twin_set_str(c, back, "original_payout", c->self->id);
    if (json_type(twin_param(c, "metadata")) == JSON_OBJECT)
        twin_set(c, back, "metadata", twin_param(c, "metadata"));
    twin_set_str(c, back, "balance_transaction",
                 balance_move(c, back, "payout_reversal", amount)->id);
    twin_set_str(c, c->self, "reversed_by", back->id);
    twin_emit(c, back, "payout.created");
    twin_emit(c, c->self, "payout.updated");
    json_write(twin_root(back), &c->answer);
    return true;
}

// --- top-ups

bool effect_topup_go(struct twin_call *c) {
    int64_t at = twin_time(c, c->self) + LEAVES_S;
    if (!money_is_amount(c, "amount", twin_int(c->self, "amount")))
        return false;
    twin_set_int(c, c->self, "expected_availability_date", at);
    twin_when(c, c->self, at, effect_topup_arrive);
    return true;
}

bool effect_topup_arrive(struct twin_call *c) {
    struct twin_object *entry = balance_move(c, c->self, "topup", twin_int(c->self, "amount"));
    twin_set_str(c, c->self, "balance_transaction", entry->id);
    twin_set_str(c, c->self, "status", "succeeded");
    twin_emit(c, c->self, "topup.succeeded");
    return true;
}

bool effect_topup_cancel(struct twin_call *c) {
    twin_when_not(c, c->self, NULL);
    return true;
}
