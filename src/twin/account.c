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
#define CAPABILITY_MAX 64
#define PLATFORM "acct_1TwinTwinTwinTwin"

// Who is known to the twin: Stripe wants much more, and looks at it.
static bool is_known(struct twin_object *o) { return !twin_null(o, "tos_acceptance.date"); }

// Their names stand in paths, so they are words as Stripe's are.
static bool are_capabilities(struct twin_call *c) {
    json v;
    bytes name;
    for (size_t at = 0; json_member(twin_param(c, "capabilities"), &at, &name, &v);) {
        bool good = name.n > 0 && name.n <= CAPABILITY_MAX;
        for (size_t i = 0; i < name.n && good; i++)
            good = (name.p[i] >= 'a' && name.p[i] <= 'z') || name.p[i] == '_' ||
                   (name.p[i] >= '0' && name.p[i] <= '9');
        if (good)
            continue;
        OWN(text_drop)
        struct text shown = {0};
        text_add_printable(&shown, name, CAPABILITY_MAX);
        return twin_refuse(c, API_ERROR_INVALID, "capabilities", "No such capability: '%s'",
                           text_str(&shown));
    }
    return true;
}

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

// Each is an object too, which tells when it is another.
static void tell_capabilities(struct twin_call *c, struct twin_object *account) {
    json all = twin_at(account, "capabilities"), state;
    bytes name;
    for (size_t at = 0; json_member(all, &at, &name, &state);) {
        OWN(text_drop)
        struct text id = {0};
        text_addf(&id, "%s/", account->id);
        text_add(&id, name);
        struct twin_object *o = twin_get(c, text_bytes(&id));
        bool fresh = o == NULL;
        if (fresh)
            o = twin_make_as(c, twin_resource_find(B("capability")), text_bytes(&id));
        if (o == NULL)
            return; // the world is full: the call is refused
        if (fresh) {
            twin_set_text(c, o, "id", name);
            twin_set_str(c, o, "account", account->id);
            twin_set_int(c, o, "requested_at", c->now_s);
        }
        twin_set(c, o, "status", state);
        if (!fresh)
            twin_emit(c, o, "capability.updated");
    }
}

bool effect_capability_ask(struct twin_call *c) {
    struct twin_object *account = twin_get(c, c->parent);
    bool wished = twin_param_true(c, "requested");
    twin_set_bool(c, c->self, "requested", wished);
    twin_set_str(c, c->self, "status", wished && is_known(account) ? "active" : "inactive");
    effect_account_speaks(c);
    twin_emit(c, c->self, "capability.updated");
    OWN(text_drop)
    struct text path = {0};
    text_adds(&path, "capabilities.");
    text_add(&path, twin_text(c->self, "id"));
    twin_set(c, account, text_str(&path), twin_at(c->self, "status"));
    twin_emit(c, account, "account.updated");
    return true;
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
    if (!are_capabilities(c))
        return false;
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
    tell_capabilities(c, o);
    if (c->status != 0)
        return false;
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
    static const char *const below[] = {"person", "capability", "bank_account", "card"};
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
