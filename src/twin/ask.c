// SPDX-License-Identifier: MIT
// A request: from its path to a move, through what that does, to an answer.
#include "base/ensure.h"
#include "stripe/sample.h"
#include "stripe/sample_print.h"
#include "twin/call.h"

#define SHOWN_MAX 64

bool twin_has_path(bytes path) {
    struct twin_place place;
    bool known;
    return twin_place_find(NO_BYTES, path, &place, &known) || known;
}

static void write_deleted(const struct twin_object *o, struct text *out) {
    text_adds(out, "{\"id\":");
    text_add_json(out, bytes_of(o->id));
    text_adds(out, ",\"object\":");
    text_add_json(out, bytes_of(o->resource->object));
    text_adds(out, ",\"deleted\":true}");
}

static bool emits(struct twin_call *c, const char *types) {
    if (types != NULL)
        twin_emit(c, c->self, types);
    return true;
}

// The clock that a new object lives by: its own, or its customer's.
static void find_clock(struct twin_call *c) {
    struct twin_object *clock = twin_get(c, twin_param_text(c, "test_clock"));
    struct twin_object *customer = twin_get(c, twin_param_text(c, "customer"));
    if (clock != NULL && twin_is(clock, "test_helpers.test_clock"))
        twin_live_by(c, clock);
    else if (customer != NULL)
        twin_live_by(c, customer->clock);
}

static bool find_parent(struct twin_call *c, bytes id) {
    if (id.n == 0)
        return true;
    c->parent = id;
    struct twin_object *parent = twin_ref(c, c->resource->parent, id, c->resource->parent);
    if (parent != NULL)
        twin_live_by(c, parent->clock);
    return parent != NULL;
}

static bool run_all(struct twin_call *c, twin_effect *const *effects) {
    for (size_t i = 0; i < TWIN_EFFECTS && effects[i] != NULL; i++)
        if (!effects[i](c))
            return false;
    return true;
}

// What is answered in place of the object, where the row says so.
static bool answer(struct twin_call *c) {
    struct sample_options words = {.now_s = c->now_s, .account = c->request->account};
    if (c->move->answers == NULL)
        return true;
    words.seed = twin_random(c);
    sample_fill(c->move->answers, &words, &c->answer);
    return true;
}

static bool apply(struct twin_call *c, bool creating) {
    const struct twin_move *m = c->move;
    const struct twin_resource *r = c->self != NULL ? c->self->resource : c->resource;
    const struct twin_field *fields = m->fields != NULL ? m->fields : r->fields;
    size_t n = m->fields != NULL ? m->field_count : r->field_count;
    if (m->what == DO_OTHER || m->what == DO_DELETE) { // what is not the resource's
        fields = m->fields;
        n = m->field_count;
    }
    return twin_fields(c, fields, n, creating) && twin_sets(c, m->sets) && run_all(c, m->effects) &&
           emits(c, m->emits) && run_all(c, m->thens) && answer(c);
}

static bool takes_id(const struct twin_resource *r) {
    for (size_t i = 0; i < r->field_count; i++)
        if (bytes_equal(bytes_of(r->fields[i].name), B("id")))
            return true;
    return false;
}

static bool create(struct twin_call *c) {
    find_clock(c);
    bytes id = takes_id(c->resource) ? twin_param_text(c, "id") : NO_BYTES;
    c->self = twin_make_as(c, c->resource, id);
    if (c->self == NULL)
        return false;
    if (c->resource->parent != NULL && c->parent.n > 0)
        twin_set_text(c, c->self, c->resource->parent_at, c->parent);
    return apply(c, true);
}

struct twin_object *twin_create(struct twin_call *c, const char *object, json params) {
    const struct twin_resource *r = twin_resource_find(bytes_of(object));
    const struct twin_resource *resource = c->resource;
    const struct twin_move *move = c->move;
    struct twin_object *self = c->self, *clock = c->clock, *made;
    json own = c->params;
    c->resource = r;
    c->params = params;
    c->move = NULL;
    for (size_t i = 0; i < r->move_count && c->move == NULL; i++)
        if (r->moves[i].what == DO_CREATE)
            c->move = &r->moves[i];
    ensure(c->move != NULL);
    made = create(c) ? c->self : NULL;
    c->resource = resource;
    c->move = move;
    c->self = self;
    c->params = own;
    twin_live_by(c, clock);
    return made;
}

// The object of the path; one that is gone is still shown where its deletion says so.
static bool find_self(struct twin_call *c, bytes id) {
    OWN(text_drop)
    struct text whole = {0};
    if (c->resource->below) {
        text_add(&whole, c->parent);
        text_addc(&whole, '/');
        text_add(&whole, id);
        id = text_bytes(&whole);
    }
    struct twin_object *gone = twin_find(c->w, c->request->account, id);
    if (gone != NULL && gone->gone && twin_is(gone, c->resource->kinds) && c->move->gone &&
        c->move->what == DO_RETRIEVE) {
        write_deleted(gone, &c->answer);
        return true;
    }
    c->self = twin_ref(c, "id", id, c->resource->kinds);
    if (c->self == NULL)
        return false;
    twin_live_by(c, c->self->clock);
    if (c->resource->parent != NULL && c->parent.n > 0 &&
        !bytes_equal(twin_text(c->self, c->resource->parent_at), c->parent))
        return twin_refuse(c, API_ERROR_MISSING, "id", "No such %s: '%s'", c->resource->object,
                           c->self->id);
    return true;
}

static bool retrieve(struct twin_call *c) { return c->answer.n > 0 || apply(c, false); }

static bool change(struct twin_call *c) {
    return twin_when_holds(c) && apply(c, c->move->what == DO_OTHER);
}

static bool delete (struct twin_call *c) {
    if (!twin_when_holds(c) || !apply(c, false))
        return false;
    twin_remove(c, c->self);
    if (c->answer.n == 0)
        write_deleted(c->self, &c->answer);
    return true;
}

static bool run(struct twin_call *c, const struct twin_place *place) {
    c->resource = place->resource;
    c->move = place->move;
    if (!find_parent(c, place->parent) || (place->id.n > 0 && !find_self(c, place->id)))
        return false;
    switch (c->move->what) {
    case DO_CREATE: return create(c);
    case DO_RETRIEVE: return retrieve(c);
    case DO_DELETE: return delete (c);
    case DO_LIST: return twin_list(c);
    case DO_SEARCH: return twin_search(c);
    default: return c->self == NULL ? apply(c, true) : change(c);
    }
}

static void print(bytes compact, struct text *out) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    ensure(json_parse(compact, &doc) == OK);
    sample_print(json_root(doc), out);
}

// The answer as it is sent; an `expand` that leads nowhere is a refusal.
static bool finish(struct twin_call *c, struct twin_answer *out) {
    OWN(text_drop)
    struct text whole = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    bool listed = c->move->what == DO_LIST || c->move->what == DO_SEARCH;
    if (c->answer.n > 0)
        ensure(json_parse(text_bytes(&c->answer), &doc) == OK);
    json answer = doc != NULL ? json_root(doc) : twin_root(c->self);
    if (!twin_write(c, answer, listed ? "data" : "", &whole))
        return false;
    out->status = 200;
    print(text_bytes(&whole), &out->body);
    return true;
}

static void fail_path(struct twin_call *c, bool known) {
    OWN(text_drop)
    struct text shown = {0};
    text_add_printable(&shown, c->request->path, SHOWN_MAX);
    twin_refuse(c, API_ERROR_PATH_UNKNOWN, NULL,
                known ? "Unrecognized request URL (%.*s: %s). The path takes another method."
                      : "Unrecognized request URL (%.*s: %s). docs/twin.md lists what the twin "
                        "imitates.",
                BYTES_ARG(bytes_slice(c->request->method, 0, SHOWN_MAX)), text_str(&shown));
}

void twin_ask(struct twin *w, const struct twin_request *r, int64_t now_ms,
              struct twin_answer *out) {
    struct twin_place place;
    struct twin_call c;
    bool known;
    twin_run(w, now_ms);
    bool posted = bytes_equal(r->method, B("POST")) && r->idempotency_key.n > 0;
    if (posted && twin_key_known(w, r, out))
        return;
    twin_begin(&c, w, r);
    bool found = twin_place_find(r->method, r->path, &place, &known);
    if (!found)
        fail_path(&c, known);
    if (!found || !run(&c, &place) || !finish(&c, out)) {
        ensure(c.status != 0);
        out->status = c.status;
        print(text_bytes(&c.refusal), &out->body);
    }
    bool kept = c.status == 0 || c.keeps;
    twin_end(&c);
    if (posted && kept)
        twin_key_keep(w, r, out);
    twin_run(w, now_ms); // what the request had done at once, behind its answer
}
