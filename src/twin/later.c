// SPDX-License-Identifier: MIT
// What Stripe does behind an answer: a report is made, an identity's data are erased; and who comes
// to the customer portal. With Stripe these take minutes or days, here no time.
#include "twin/effects.h"

bool effect_report_order(struct twin_call *c) {
    twin_when(c, c->self, c->now_s, effect_report_made);
    return true;
}

bool effect_report_made(struct twin_call *c) {
    OWN(text_drop)
    struct text name = {0};
    struct twin_object *file = twin_make(c, "file");
    text_addf(&name, "%s.csv", c->self->id);
    twin_set_text(c, file, "filename", text_bytes(&name));
    twin_set(c, file, "title", twin_at(c->self, "report_type"));
    twin_set(c, c->self, "result", twin_root(file));
    twin_set_str(c, c->self, "status", "succeeded");
    twin_set_int(c, c->self, "succeeded_at", twin_time(c, c->self));
    twin_emit(c, c->self, "reporting.report_run.succeeded");
    return true;
}

bool effect_identity_redact(struct twin_call *c) {
    twin_when(c, c->self, c->now_s, effect_identity_redacted);
    return true;
}

bool effect_identity_redacted(struct twin_call *c) {
    twin_set_json(c, c->self, "redaction", B("{\"status\":\"redacted\"}"));
    twin_set_json(c, c->self, "metadata", B("{}"));
    twin_set_null(c, c->self, "client_secret");
    twin_set_null(c, c->self, "url");
    twin_emit(c, c->self, "identity.verification_session.redacted");
    return true;
}

// The configuration that is meant where none is named: Stripe has one once it was saved.
static struct twin_object *default_configuration(struct twin_call *c) {
    struct twin_object *o = NULL;
    while ((o = twin_next(c, "billing_portal.configuration", o)) != NULL)
        if (twin_true(o, "is_default"))
            return o;
    o = twin_make(c, "billing_portal.configuration");
    twin_set_bool(c, o, "is_default", true);
    return o;
}

bool effect_portal_enter(struct twin_call *c) {
    struct twin_object *o = twin_get(c, twin_text(c->self, "configuration"));
    if (o == NULL)
        o = default_configuration(c);
    twin_set_str(c, c->self, "configuration", o->id);
    if (twin_null(c->self, "return_url"))
        twin_set(c, c->self, "return_url", twin_at(o, "default_return_url"));
    return true;
}
