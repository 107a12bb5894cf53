// SPDX-License-Identifier: MIT
// Payments of the twin: how each test card ends, what may follow what, and the events of it all.
#include "twin_house.h"

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
    {CARD_AVAILABLE, 200, "succeeded",
     CREATED "balance.available charge.succeeded payment_intent.succeeded "},
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cards_end_as_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
