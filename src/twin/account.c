// SPDX-License-Identifier: MIT
// Connected accounts (https://docs.stripe.com/api/accounts). Their events are their own: a platform
// hears them as it hears everything of a connected account.
#include "stripe/sample.h"
#include "twin/effects.h"
#include "twin/sources.h"

// The platform as an application, and as the account that it is itself.
#define APPLICATION                                                                                \
    "{\"id\":\"ca_TwinTwinTwinTwinTwinTwinTwinTwin\",\"object\":\"application\","                  \
    "\"name\":\"The twin's platform\"}"
#define PLATFORM "acct_1TwinTwinTwinTwin"

// Who is known to the twin: Stripe wants much more, and looks at it.
static bool is_known(struct twin_object *o) { return !twin_null(o, "tos_acceptance.date"); }

// `capabilities` as parameters name them: {"transfers":{"requested":"true"}}; as the account has
// them: {"transfers":"active"}.
static void settle_capabilities(struct twin_call *c) {
    json was = twin_at(c->self, "capabilities"), asked = twin_param(c, "capabilities"), v;
    OWN(text_drop)
    struct text out = {0};
    bytes name;
    text_addc(&out, '{');
    for (int round = 0; round < 2; round++) {
        json from = round == 0 ? was : asked;
        for (size_t at = 0; json_member(from, &at, &name, &v);) {
            json wish = json_get(json_getb(asked, name), "requested");
            bool said = json_type(wish) != JSON_ABSENT;
            bool known = json_type(json_getb(was, name)) != JSON_ABSENT;
            if (round == 1 ? known || !json_equals_text(wish, B("true"))
                           : said && !json_equals_text(wish, B("true")))
                continue;
            text_adds(&out, out.n > 1 ? "," : "");
            text_add_json(&out, name);
            text_adds(&out, is_known(c->self) ? ":\"active\"" : ":\"inactive\"");
        }
    }
    text_addc(&out, '}');
    twin_set_json(c, c->self, "capabilities", text_bytes(&out));
}

static bool may(struct twin_object *o, const char *path) {
    bool standard = bytes_equal(twin_text(o, "type"), B("standard"));
    return is_known(o) && (standard || bytes_equal(twin_text(o, path), B("active")));
}

bool effect_account_speaks(struct twin_call *c) {
    bytes id = twin_is(c->self, "account") ? bytes_of(c->self->id) : twin_text(c->self, "account");
    struct twin_object *account = twin_get(c, id);
    if (account != NULL)
        c->as = bytes_of(account->id); // it stays where it is, whatever changes in the object
    return true;
}

bool effect_account_settle(struct twin_call *c) {
    struct twin_object *o = c->self;
    bool known = is_known(o);
    settle_capabilities(c);
    twin_set_bool(c, o, "details_submitted", known);
    twin_set_bool(c, o, "charges_enabled", may(o, "capabilities.card_payments"));
    twin_set_bool(c, o, "payouts_enabled", may(o, "capabilities.transfers"));
    bytes due = known ? B("[]") : B("[\"tos_acceptance.date\"]");
    twin_set_json(c, o, "requirements.currently_due", due);
    twin_set_json(c, o, "requirements.past_due", due);
    twin_set_json(c, o, "requirements.disabled_reason",
                  known ? B("null") : B("\"requirements.past_due\""));
    effect_account_speaks(c);
    if (!twin_given(c, "external_account"))
        return true;
    struct twin_object *to = source_attach(c, "external_account", "account", o->id);
    if (to == NULL)
        return false;
    external_list(c, o);
    twin_emit(c, to, "account.external_account.created");
    return true;
}

bool effect_account_leave(struct twin_call *c) {
    static const char *const below[] = {"person", "bank_account", "card"};
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        struct twin_object *o = NULL;
        while ((o = twin_next_of(c, below[i], "account", bytes_of(c->self->id), o)) != NULL)
            twin_remove(c, o);
    }
    effect_account_speaks(c);
    twin_emit_json(c, "account.application.deauthorized", B(APPLICATION));
    return true;
}

// An account needs no creation (twin/twin.h): one that was not made looks like the sample.
bool effect_account_self(struct twin_call *c) {
    bytes id = c->request->account.n > 0 ? c->request->account : B(PLATFORM);
    struct twin_object *o = twin_find(c->w, NO_BYTES, id);
    if (o != NULL && !o->gone && twin_is(o, "account")) {
        c->self = o;
        return true;
    }
    struct sample_options words = {.seed = twin_random(c), .now_s = c->now_s, .account = id};
    sample_fill(twin_resource_find(B("account"))->shape, &words, &c->answer);
    return true;
}
