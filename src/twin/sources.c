// SPDX-License-Identifier: MIT
// Cards and bank accounts that belong to a customer, as sources
// (https://docs.stripe.com/api/cards), or to a connected account, as where its payouts go
// (https://docs.stripe.com/api/external_accounts).
#include "twin/sources.h"

#include "twin/cards.h"
#include "twin/effects.h"

#define KINDS "card|bank_account"

static void copy_given(struct twin_call *c, struct twin_object *o, json given, const char *name) {
    json v = json_get(given, name);
    if (json_type(v) == JSON_STRING || json_type(v) == JSON_NUMBER)
        twin_set(c, o, name, v);
}

// A card of its number and date: what `card` is elsewhere.
static struct twin_object *make_card(struct twin_call *c, json given) {
    static const char *const names[] = {"name",          "address_city",  "address_country",
                                        "address_line1", "address_line2", "address_state",
                                        "address_zip"};
    OWN(text_drop)
    struct text as_card = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    struct card_given g;
    text_adds(&as_card, "{\"card\":");
    json_write(given, &as_card);
    text_addc(&as_card, '}');
    if (json_parse(text_bytes(&as_card), &doc) != OK) {
        twin_refuse(c, API_ERROR_INVALID, "source", "The source is nested too deep.");
        return NULL;
    }
    json held = c->params;
    c->params = json_root(doc);
    bool good = card_read(c, &g);
    c->params = held;
    if (!good)
        return NULL;
    struct twin_object *o = twin_make(c, "card");
    card_put(c, o, &g);
    if (g.cvc)
        twin_set_str(c, o, "cvc_check", "pass");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        copy_given(c, o, given, names[i]);
    return o;
}

static struct twin_object *make_bank(struct twin_call *c, const char *param, json given) {
    static const char *const needed[] = {"country", "currency", "account_number"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (json_string(json_get(given, needed[i])).n > 0)
            continue;
        twin_refuse(c, API_ERROR_PARAMETER_MISSING, param, "Missing required param: %s[%s].", param,
                    needed[i]);
        return NULL;
    }
    struct twin_object *o = twin_make(c, "bank_account");
    bytes number = json_string(json_get(given, "account_number"));
    twin_set_text(c, o, "last4", bytes_slice(number, number.n > 4 ? number.n - 4 : 0, number.n));
    copy_given(c, o, given, "account_holder_name");
    copy_given(c, o, given, "account_holder_type");
    copy_given(c, o, given, "country");
    copy_given(c, o, given, "currency");
    copy_given(c, o, given, "routing_number");
    return o;
}

static struct twin_object *of_token(struct twin_call *c, const char *param, bytes id) {
    if (bytes_equal(id, B("btok_us")) || bytes_equal(id, B("btok_us_verified"))) {
        struct twin_object *o = twin_make(c, "bank_account");
        twin_set_str(c, o, "status", id.n > 7 ? "verified" : "new");
        return o;
    }
    struct twin_object *o = twin_ref(c, param, id, KINDS);
    if (o == NULL || (twin_null(o, "customer") && twin_null(o, "account")))
        return o;
    twin_refuse(c, API_ERROR_INVALID, param, "%s belongs to somebody already.", o->id);
    return NULL;
}

// What a parameter says: a token, or a card or an account itself. Null: refused.
static struct twin_object *source_of(struct twin_call *c, const char *param) {
    json given = twin_param(c, param);
    bytes kind = json_string(json_get(given, "object"));
    if (json_type(given) == JSON_STRING)
        return of_token(c, param, json_string(given));
    if (bytes_equal(kind, B("card")))
        return make_card(c, given);
    if (bytes_equal(kind, B("bank_account")))
        return make_bank(c, param, given);
    twin_refuse(c, API_ERROR_INVALID, param,
                "%s is a token (tok_visa, btok_us), or a map whose `object` is card or "
                "bank_account.",
                param);
    return NULL;
}

struct twin_object *source_attach(struct twin_call *c, const char *param, const char *owner,
                                  const char *id) {
    struct twin_object *o = source_of(c, param);
    const struct card *card = o == NULL ? NULL : card_of(o);
    if (card != NULL && (card->end == CARD_DECLINE || card->end == CARD_BLOCK)) {
        card_refuse(c, card->code, card->decline, NULL, NO_BYTES);
        return NULL;
    }
    if (o == NULL)
        return NULL;
    twin_set_str(c, o, owner, id);
    if (json_type(twin_param(c, "metadata")) == JSON_OBJECT && c->resource->parent != NULL)
        twin_set(c, o, "metadata", twin_param(c, "metadata"));
    return o;
}

// --- a customer's

static struct twin_object *customer_of(struct twin_call *c) {
    return twin_get(c, twin_text(c->self, "customer"));
}

bool effect_source_attach(struct twin_call *c) {
    struct twin_object *customer = twin_get(c, c->parent);
    c->self = source_attach(c, "source", "customer", customer->id);
    if (c->self != NULL && twin_null(customer, "default_source"))
        twin_set_str(c, customer, "default_source", c->self->id);
    return c->self != NULL;
}

bool effect_source_detach(struct twin_call *c) {
    struct twin_object *customer = customer_of(c), *o = NULL;
    if (!bytes_equal(twin_text(customer, "default_source"), bytes_of(c->self->id)))
        return true;
    twin_set_null(c, customer, "default_source");
    while ((o = twin_next_of(c, KINDS, "customer", bytes_of(customer->id), o)) != NULL)
        if (o != c->self)
            twin_set_str(c, customer, "default_source", o->id);
    return true;
}

bool effect_source_told(struct twin_call *c) {
    twin_emit(c, customer_of(c), "customer.updated");
    return true;
}

// `source` of a customer's own parameters: it takes the place of the one that paid so far.
bool effect_customer_source(struct twin_call *c) {
    json given = twin_param(c, "source");
    struct twin_object *pays = twin_get(c, twin_text(c->self, "default_source"));
    if (twin_given(c, "default_source") && pays != NULL &&
        !bytes_equal(twin_text(pays, "customer"), bytes_of(c->self->id)))
        return twin_refuse(c, API_ERROR_CURSOR_MISSING, "default_source",
                           "Customer %s does not have a source with the id %s.", c->self->id,
                           pays->id);
    if (json_type(given) == JSON_ABSENT || json_equals_text(given, NO_BYTES))
        return true;
    struct twin_object *o = source_attach(c, "source", "customer", c->self->id);
    if (o != NULL)
        twin_set_str(c, c->self, "default_source", o->id);
    return o != NULL;
}

bool effect_customer_source_told(struct twin_call *c) {
    struct twin_object *o = twin_get(c, twin_text(c->self, "default_source"));
    if (twin_given(c, "source") && o != NULL && o->fresh)
        twin_emit(c, o, "customer.source.created");
    return true;
}

// --- an account's

void external_list(struct twin_call *c, struct twin_object *account) {
    OWN(text_drop)
    struct text data = {0};
    struct twin_object *o = NULL;
    text_addc(&data, '[');
    while ((o = twin_next_of(c, KINDS, "account", bytes_of(account->id), o)) != NULL) {
        if (o == c->self && c->move->what == DO_DELETE)
            continue;
        text_adds(&data, data.n > 1 ? "," : "");
        twin_show(twin_root(o), &data);
    }
    text_addc(&data, ']');
    twin_set_json(c, account, "external_accounts.data", text_bytes(&data));
}

bool effect_external_attach(struct twin_call *c) {
    struct twin_object *account = twin_get(c, c->parent), *o = NULL;
    bool first = true;
    while ((o = twin_next_of(c, KINDS, "account", bytes_of(account->id), o)) != NULL)
        first = false;
    c->self = source_attach(c, "external_account", "account", account->id);
    if (c->self == NULL)
        return false;
    twin_set_bool(c, c->self, "default_for_currency", first);
    return effect_account_speaks(c);
}

bool effect_external_told(struct twin_call *c) {
    struct twin_object *account = twin_get(c, twin_text(c->self, "account"));
    external_list(c, account);
    twin_emit(c, account, "account.updated");
    return true;
}
