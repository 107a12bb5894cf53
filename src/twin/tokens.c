// SPDX-License-Identifier: MIT
// Tokens, and payment methods: what is made of a test token, a number, an account.
#include "twin/tokens.h"

#include "twin/cards.h"
#include "twin/effects.h"

static bool has_kind(const char *kinds, const char *kind) {
    bytes rest = bytes_of(kinds);
    while (rest.n > 0)
        if (bytes_equal(bytes_cut(&rest, '|'), bytes_of(kind)))
            return true;
    return false;
}

// A token named twice in one call is one object (a customer's payment_method and
// invoice_settings.default_payment_method).
static struct twin_object *made_before(struct twin_call *c, const char *object, bytes token) {
    LIST_EACH(at, &c->touched) {
        struct twin_object *o = CONTAINER(at, struct twin_object, touched);
        if (o->fresh && twin_is(o, object) && bytes_equal(twin_text(o, "$.token"), token))
            return o;
    }
    return NULL;
}

static struct twin_object *method_of(struct twin_call *c, bytes id) {
    const struct card *card = card_by_name(bytes_slice(id, 8, id.n));
    struct card_given g;
    struct twin_object *o = card == NULL ? NULL : made_before(c, "payment_method", id);
    if (card == NULL || o != NULL)
        return o;
    o = twin_make(c, "payment_method");
    card_take(c, card, &g);
    card_put_method(c, o, &g);
    twin_set_text(c, o, "$.token", id);
    return o;
}

bool token_use(struct twin_call *c, struct twin_object *token) {
    if (twin_true(token, "used"))
        return twin_refuse_as(c, 400, "invalid_request_error", "token_already_used", NULL, NO_BYTES,
                              "You cannot use a Stripe token more than once: %s.", token->id);
    twin_set_bool(c, token, "used", true);
    return true;
}

// A card of a test token, or of one that was made.
static struct twin_object *card_from(struct twin_call *c, bytes id) {
    const struct card *card = card_by_name(bytes_slice(id, 4, id.n));
    struct twin_object *token = twin_get(c, id);
    struct card_given g;
    if (token != NULL && !token_use(c, token))
        return NULL;
    if (token != NULL)
        card = card_of(token);
    if (card == NULL)
        return NULL;
    struct twin_object *o = twin_make(c, "card");
    card_take(c, card, &g);
    if (token != NULL) {
        g.month = twin_int(token, "card.exp_month");
        g.year = twin_int(token, "card.exp_year");
    }
    card_put(c, o, &g);
    return o;
}

struct twin_object *twin_token(struct twin_call *c, bytes id, const char *kinds) {
    if (bytes_starts(id, B("pm_card_")) && has_kind(kinds, "payment_method"))
        return method_of(c, id);
    if (bytes_starts(id, B("tok_")) && has_kind(kinds, "card"))
        return card_from(c, id);
    return NULL;
}

// --- POST v1/tokens

bool effect_token_fill(struct twin_call *c) {
    struct card_given g;
    if (!twin_given(c, "card"))
        return twin_refuse(c, API_ERROR_PARAMETER_MISSING, "card",
                           "Missing required param: card. The twin makes tokens of cards alone.");
    if (!card_read(c, &g))
        return false;
    card_put_at(c, c->self, "card", &g);
    if (twin_given(c, "card.name"))
        twin_set_text(c, c->self, "card.name", twin_param_text(c, "card.name"));
    return true;
}
