// SPDX-License-Identifier: MIT
// Events (https://docs.stripe.com/api/events/object) that follow from what a call did.
#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "stripe/sample.h"
#include "stripe/sample_print.h"
#include "twin/call.h"

static bool same(json a, json b) {
    if (json_type(a) != json_type(b) || json_size(a) != json_size(b))
        return false;
    json x, y;
    bytes key;
    size_t at = 0, other = 0;
    switch (json_type(a)) {
    case JSON_OBJECT:
        while (json_member(a, &at, &key, &x))
            if (!same(x, json_getb(b, key)))
                return false;
        return true;
    case JSON_ARRAY:
        while (json_element(a, &at, &x) && json_element(b, &other, &y))
            if (!same(x, y))
                return false;
        return true;
    case JSON_STRING: return bytes_equal(json_string(a), json_string(b));
    default: return bytes_equal(json_literal(a), json_literal(b));
    }
}

// What differs, as it was before: of maps their members, of anything else all of it. A key that was
// not there before is null. False: nothing differs. `top`: of the whole object.
static bool add_previous(json before, json now, bool top, struct text *out) {
    bytes key;
    json is, was;
    size_t n = 0;
    text_addc(out, '{');
    for (size_t at = 0; json_member(now, &at, &key, &is);) {
        was = json_getb(before, key);
        if ((top && bytes_equal(key, TWIN_HIDDEN)) || same(was, is))
            continue;
        text_adds(out, n++ > 0 ? "," : "");
        text_add_json(out, key);
        text_addc(out, ':');
        if (json_type(was) == JSON_ABSENT)
            text_adds(out, "null");
        else if (json_type(was) != JSON_OBJECT || json_type(is) != JSON_OBJECT)
            json_write(was, out);
        else
            (void)add_previous(was, is, false, out);
    }
    for (size_t at = 0; json_member(before, &at, &key, &was);) {
        if ((top && bytes_equal(key, TWIN_HIDDEN)) || json_type(json_getb(now, key)) != JSON_ABSENT)
            continue;
        text_adds(out, n++ > 0 ? "," : "");
        text_add_json(out, key);
        text_addc(out, ':');
        json_write(was, out);
    }
    text_addc(out, '}');
    return n > 0;
}

static struct twin_event *event_new(struct twin_call *c, const char *type) {
    struct twin_event *e = NEW(struct twin_event);
    text_adds(&e->type, type);
    twin_id(c, "evt_1", &e->id);
    if (c->as.n > 0)
        text_add(&e->account, c->as);
    else if (c->request != NULL)
        text_add(&e->account, c->request->account);
    else if (c->self != NULL)
        text_adds(&e->account, c->self->account);
    list_push(&c->w->events, &e->link);
    c->w->event_count++;
    return e;
}

static void add_string(struct text *out, const char *key, bytes v) {
    text_addf(out, ",\"%s\":", key);
    if (v.n > 0)
        text_add_json(out, v);
    else
        text_adds(out, "null");
}

static void add_request(const struct twin_call *c, struct text *out) {
    const struct twin_request *r = c->request;
    text_addf(out, ",\"request\":{\"id\":");
    if (r != NULL && r->request_id.n > 0)
        text_add_json(out, r->request_id);
    else
        text_adds(out, "null");
    add_string(out, "idempotency_key", r != NULL ? r->idempotency_key : NO_BYTES);
    text_addc(out, '}');
}

static void emit(struct twin_call *c, const char *type, bytes id, bytes object, bytes previous) {
    struct twin_event *e = event_new(c, type);
    text_add(&e->object, id);
    text_adds(&e->body, "{\"id\":");
    text_add_json(&e->body, text_bytes(&e->id));
    text_adds(&e->body, ",\"object\":\"event\"");
    if (e->account.n > 0)
        add_string(&e->body, "account", text_bytes(&e->account));
    text_addf(&e->body, ",\"api_version\":null,\"created\":%lld,\"data\":{\"object\":",
              (long long)(c->w->now_ms / 1000));
    text_add(&e->body, object);
    if (previous.n > 0) {
        text_adds(&e->body, ",\"previous_attributes\":");
        text_add(&e->body, previous);
    }
    text_adds(&e->body, "},\"livemode\":false,\"pending_webhooks\":1");
    add_request(c, &e->body);
    add_string(&e->body, "type", text_bytes(&e->type));
    text_addc(&e->body, '}');
}

// One event of what has changed since `base`; null: nothing has.
static bool emit_one(struct twin_call *c, struct twin_object *o, const struct json_doc *base,
                     const char *type, bytes object) {
    OWN(text_drop)
    struct text previous = {0};
    const struct sample *s = sample_find(bytes_of(type));
    ensure(s != NULL);
    if (s->previous != NULL && base == NULL && !o->fresh)
        return false;
    if (s->previous != NULL && base != NULL &&
        !add_previous(json_root(base), twin_root(o), true, &previous))
        return false;
    emit(c, type, twin_text(o, "id"), object, text_bytes(&previous));
    return true;
}

void twin_emit(struct twin_call *c, struct twin_object *o, const char *types) {
    OWN(text_drop)
    struct text object = {0};
    struct json_doc *base = o->told != NULL ? o->told : o->before;
    bytes rest = bytes_of(types);
    bool told = false;
    twin_touch(c, o); // what was told is dropped at the call's end
    twin_show(twin_root(o), &object);
    while (rest.n > 0) {
        OWN(text_drop)
        struct text type = {0};
        text_add(&type, bytes_cut(&rest, '|'));
        told = emit_one(c, o, base, text_str(&type), text_bytes(&object)) || told;
    }
    if (!told)
        return;
    json_close(&o->told);
    ensure(json_parse(text_bytes(&object), &o->told) == OK);
}

void twin_emit_json(struct twin_call *c, const char *type, bytes object) {
    emit(c, type, NO_BYTES, object, NO_BYTES);
}

void twin_emit_thin(struct twin_call *c, const char *type, bytes members) {
    struct twin_event *e = event_new(c, type);
    e->thin = true;
    text_adds(&e->body, "{\"id\":");
    text_add_json(&e->body, text_bytes(&e->id));
    text_adds(&e->body, ",\"object\":\"v2.core.event\",\"created\":\"");
    text_add_time(&e->body, c->w->now_ms);
    text_adds(&e->body, "\",\"livemode\":false");
    add_string(&e->body, "type", text_bytes(&e->type));
    if (e->account.n > 0)
        add_string(&e->body, "context", text_bytes(&e->account));
    text_add(&e->body, members);
    text_addc(&e->body, '}');
}

struct twin_event *twin_event_take(struct twin *w) {
    struct list *first = list_take(&w->events);
    return first == NULL ? NULL : CONTAINER(first, struct twin_event, link);
}

void twin_event_free(struct twin_event *e) {
    text_drop(&e->id);
    text_drop(&e->type);
    text_drop(&e->account);
    text_drop(&e->object);
    text_drop(&e->body);
    free(e);
}

void twin_event_print(const struct twin_event *e, bytes api_version, struct text *out) {
    OWN(json_draft_close)
    struct json_draft *draft = NULL;
    OWN(json_close)
    struct json_doc *version = NULL, *doc = NULL;
    OWN(text_drop)
    struct text quoted = {0};
    size_t at;
    ensure(json_draft_open(text_bytes(&e->body), &draft) == OK);
    text_add_json(&quoted, api_version);
    ensure(json_parse(text_bytes(&quoted), &version) == OK);
    if (!e->thin)
        ensure(json_draft_set(draft, B("api_version"), json_root(version), &at) == OK);
    ensure(json_draft_finish(draft, &doc) == OK);
    sample_print(json_root(doc), out);
}
