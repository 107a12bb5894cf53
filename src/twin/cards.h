// SPDX-License-Identifier: MIT
// Test cards and bank accounts (https://docs.stripe.com/testing), and what becomes of payments with
// them. Inside of the twin. Which row an object goes by (a payment method, a card, a charge) it
// keeps hidden, as "$.card" or "$.bank".
#ifndef TWIN_CARDS_H
#define TWIN_CARDS_H

#include "twin/call.h"

enum card_end {
    CARD_GOOD,
    CARD_DECLINE,        // always; it can be attached to no customer either
    CARD_BLOCK,          // the same, before the bank is asked
    CARD_CHARGE_DECLINE, // when it is charged, not when it is attached
    CARD_DISPUTE,        // pays, then the money is taken back
    CARD_INQUIRY,        // pays, then the bank asks
    CARD_WARNING,        // pays, then the bank warns of fraud
    CARD_REFUND_LATER,   // pays; refunds are pending first
    CARD_REFUND_FAIL,    // pays; refunds fail in the end
    CARD_AVAILABLE,      // pays, and the money need not be waited for
    CARD_ACTION,         // the customer has to do something each time
    CARD_ACTION_ONCE,    // until it was set up, or has paid once
    CARD_ACTION_DECLINE, // is declined behind that
};

struct card {
    const char *name, *number, *brand, *funding, *country;
    enum card_end end;
    const char *code, *decline;
    const char *doc;
};

enum bank_end {
    BANK_GOOD,
    BANK_FAIL,
    BANK_DISPUTE,
    BANK_STAYS, // under way, for ever
};

struct bank {
    const char *type, *account; // "sepa_debit", an IBAN or a number
    enum bank_end end;
    int64_t delay_s;
    const char *code;
    const char *doc;
};

struct decline {
    const char *name, *seller, *message;
};

const struct card *card_by_name(bytes name);       // "visa"; null: none
const struct card *card_of(struct twin_object *o); // by its "$.card"; null: it goes by none
// By its "$.bank" ("sepa_debit AT61…"); an account that pays, if it has none.
const struct bank *bank_of(struct twin_object *o);
const struct decline *decline_of(const char *name);

// The card of the parameters `card`: a number with its date, or a token. False: refused, with 402
// where a bank would do so.
struct card_given {
    const struct card *card;
    int64_t month, year;
    bool cvc; // one was given
};
bool card_read(struct twin_call *c, struct card_given *out);
// The same of a test token's name.
void card_take(struct twin_call *c, const struct card *card, struct card_given *out);
// `card` of a payment method; a card by itself (`object`: "card") over the shape that it has; and
// one that is a part of another object, whole.
void card_put_method(struct twin_call *c, struct twin_object *o, const struct card_given *g);
void card_put(struct twin_call *c, struct twin_object *o, const struct card_given *g);
void card_put_at(struct twin_call *c, struct twin_object *o, const char *path,
                 const struct card_given *g);
// The account of a bank debit of this type, from the parameters, into a payment method. False:
// refused.
bool bank_put_method(struct twin_call *c, struct twin_object *o, bytes type);

// Appends ,"code","decline_code" and "doc_url" of an error; a bank's has no decline code.
void card_error_add(struct text *out, const char *code, const char *decline);
// Refuses as a bank does: 402, card_error; `more` as in twin_refuse_as.
bool card_refuse(struct twin_call *c, const char *code, const char *decline, const char *param,
                 bytes more);

#endif
