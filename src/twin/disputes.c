// SPDX-License-Identifier: MIT
// Disputes (https://docs.stripe.com/disputes): the money goes at once, and comes back if the
// evidence wins.
#include "twin/effects.h"
#include "twin/money.h"

#define FEE 1500
#define DUE_DAYS 9
#define WORD "evidence.uncategorized_text"

static void push(struct twin_call *c, struct twin_object *dispute, struct twin_object *entry) {
    OWN(text_drop)
    struct text shown = {0};
    OWN(text_drop)
    struct text path = {0};
    text_addf(&path, "balance_transactions.%zu",
              json_size(twin_at(dispute, "balance_transactions")));
    twin_show(twin_root(entry), &shown);
    twin_set_json(c, dispute, text_str(&path), text_bytes(&shown));
}

static void move(struct twin_call *c, struct twin_object *dispute, int64_t amount, int64_t fee,
                 const char *category) {
    OWN(text_drop)
    struct text words = {0};
    text_addf(&words, "Dispute of %.*s", BYTES_ARG(twin_text(dispute, "charge")));
    struct balance_entry e = {
        .type = "adjustment",
        .category = category,
        .amount = amount,
        .fee = fee,
        .currency = twin_text(dispute, "currency"),
        .source = bytes_of(dispute->id),
        .description = text_bytes(&words),
    };
    push(c, dispute, balance_book(c, &e));
}

void dispute_open(struct twin_call *c, struct twin_object *charge, const char *reason,
                  bool inquiry) {
    OWN(text_drop)
    struct text t = {0};
    const struct card *card = card_of(charge);
    struct twin_object *o = twin_make(c, "dispute");
    o->clock = charge->clock;
    money_copy(c, o, "amount", charge);
    money_copy(c, o, "currency", charge);
    money_copy(c, o, "payment_intent", charge);
    twin_set_str(c, o, "charge", charge->id);
    twin_set_str(c, o, "reason", reason);
    twin_set_str(c, o, "status", inquiry ? "warning_needs_response" : "needs_response");
    twin_set_bool(c, o, "is_charge_refundable", inquiry);
    twin_set_int(c, o, "evidence_details.due_by", twin_time(c, o) + DUE_DAYS * DAYS_S);
    if (card != NULL)
        text_addf(&t,
                  "{\"card\":{\"brand\":\"%s\",\"case_type\":\"%s\",\"network\":\"%s\","
                  "\"network_reason_code\":\"10.4\"},\"type\":\"card\"}",
                  card->brand, inquiry ? "inquiry" : "chargeback", card->brand);
    if (card != NULL)
        twin_set_json(c, o, "payment_method_details", text_bytes(&t));
    else
        twin_set_null(c, o, "payment_method_details");
    if (!inquiry)
        move(c, o, -twin_int(o, "amount"), FEE, "dispute");
    twin_set_bool(c, charge, "disputed", true);
    twin_set_bool(c, charge, "$.refundable", inquiry);
    twin_emit(c, charge, "charge.updated");
    twin_emit(c, o,
              inquiry ? "charge.dispute.created"
                      : "charge.dispute.created|charge.dispute.funds_withdrawn");
}

static bool is_inquiry(struct twin_object *dispute) {
    return bytes_starts(twin_text(dispute, "status"), B("warning_"));
}

static void win(struct twin_call *c, struct twin_object *o) {
    twin_set_str(c, o, "status", "won");
    move(c, o, twin_int(o, "amount"), 0, "dispute_reversal");
    twin_emit(c, o, "charge.dispute.closed|charge.dispute.funds_reinstated");
}

static void lose(struct twin_call *c, struct twin_object *o) {
    twin_set_str(c, o, "status", is_inquiry(o) ? "warning_closed" : "lost");
    twin_emit(c, o, "charge.dispute.closed");
}

// Evidence is submitted unless `submit` says no; two words of it decide at once:
// https://docs.stripe.com/testing#evidence
bool effect_dispute_answer(struct twin_call *c) {
    struct twin_object *o = c->self;
    bool given = twin_given(c, "evidence"), inquiry = is_inquiry(o);
    bool submits = given && !bytes_equal(twin_param_text(c, "submit"), B("false"));
    bool won = bytes_equal(twin_text(o, WORD), B("winning_evidence"));
    bool lost = bytes_equal(twin_text(o, WORD), B("losing_evidence"));
    if (given)
        twin_set_bool(c, o, "evidence_details.has_evidence", true);
    if (submits) {
        twin_set_int(c, o, "evidence_details.submission_count",
                     twin_int(o, "evidence_details.submission_count") + 1);
        twin_set_str(c, o, "evidence_details.submission_method", "manual");
        twin_set_str(c, o, "status", inquiry ? "warning_under_review" : "under_review");
    }
    twin_emit(c, o, "charge.dispute.updated");
    if (submits && won && !inquiry)
        win(c, o);
    else if (submits && (won || lost))
        lose(c, o);
    return true;
}

bool effect_dispute_close(struct twin_call *c) {
    lose(c, c->self);
    return true;
}
