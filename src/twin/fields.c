// SPDX-License-Identifier: MIT
// Parameters, as a resource's rows have them, and where they land in the object.
#include <string.h>

#include "base/ensure.h"
#include "stripe/sample.h"
#include "twin/call.h"

#define SHOWN_MAX 64
#define METADATA_KEYS_MAX 50
#define METADATA_KEY_MAX 40
#define METADATA_VALUE_MAX 500

// a.b.0 as Stripe names it: a[b][0].
static void add_param_name(struct text *out, bytes path) {
    text_add_printable(out, bytes_cut(&path, '.'), SHOWN_MAX);
    while (path.n > 0) {
        text_addc(out, '[');
        text_add_printable(out, bytes_cut(&path, '.'), SHOWN_MAX);
        text_addc(out, ']');
    }
}

static bool refuse_param(struct twin_call *c, enum api_error e, bytes path, const char *words,
                         bytes found) {
    OWN(text_drop)
    struct text name = {0};
    OWN(text_drop)
    struct text shown = {0};
    add_param_name(&name, path);
    text_add_printable(&shown, found, SHOWN_MAX);
    return twin_refuse(c, e, text_str(&name), "Invalid %s: %s%s%s", text_str(&name), words,
                       found.n > 0 ? ", not " : ".", found.n > 0 ? text_str(&shown) : "");
}

// --- which parameters are known

static bool under(const char *name, bytes path) {
    bytes n = bytes_of(name);
    return bytes_starts(path, n) && (path.n == n.n || path.p[n.n] == '.');
}

static bool leads_to(const char *name, bytes path) {
    bytes n = bytes_of(name);
    return bytes_starts(n, path) && n.n > path.n && n.p[path.n] == '.';
}

static const struct twin_field *nearest(const struct twin_field *fields, size_t n, bytes path) {
    const struct twin_field *near = NULL;
    size_t least = 4;
    for (size_t i = 0; i < n; i++) {
        size_t far = text_distance(bytes_of(fields[i].name), path);
        if (far < least) {
            least = far;
            near = &fields[i];
        }
    }
    return near;
}

static bool refuse_unknown(struct twin_call *c, const struct twin_field *fields, size_t n,
                           bytes path) {
    OWN(text_drop)
    struct text name = {0};
    OWN(text_drop)
    struct text hint = {0};
    add_param_name(&name, path);
    const struct twin_field *near = nearest(fields, n, path);
    if (near != NULL && bytes_equal(bytes_of(near->name), path)) {
        text_addf(&hint, " It is taken when the object is %s alone.",
                  near->on_create ? "made" : "changed");
    } else if (near != NULL) {
        text_adds(&hint, " Did you mean ");
        add_param_name(&hint, bytes_of(near->name));
        text_addc(&hint, '?');
    } else {
        text_addf(&hint, " It is none that the twin imitates for %s; docs/twin.md lists those.",
                  c->resource->object);
    }
    return twin_refuse(c, API_ERROR_PARAMETER_UNKNOWN, text_str(&name),
                       "Received unknown parameter: %s.%s", text_str(&name), text_str(&hint));
}

static bool known(const struct twin_field *fields, size_t n, bytes path, bool creating) {
    for (size_t i = 0; i < n; i++)
        if ((creating ? fields[i].on_create : fields[i].on_update) && under(fields[i].name, path))
            return true;
    return false;
}

static bool way(const struct twin_field *fields, size_t n, bytes path) {
    for (size_t i = 0; i < n; i++)
        if (leads_to(fields[i].name, path))
            return true;
    return false;
}

static bool all_known(struct twin_call *c, const struct twin_field *fields, size_t n, bool creating,
                      json in, bytes prefix) {
    bytes key;
    json value;
    for (size_t at = 0; json_member(in, &at, &key, &value);) {
        OWN(text_drop)
        struct text path = {0};
        text_add(&path, prefix);
        text_adds(&path, prefix.n > 0 ? "." : "");
        text_add(&path, key);
        bytes p = text_bytes(&path);
        if (prefix.n == 0 && bytes_equal(key, B("expand")))
            continue;
        if (known(fields, n, p, creating))
            continue;
        if (json_type(value) != JSON_OBJECT || !way(fields, n, p))
            return refuse_unknown(c, fields, n, p);
        if (!all_known(c, fields, n, creating, value, p))
            return false;
    }
    return true;
}

// --- single values; what they become is appended as JSON

static bool empty(json v) {
    return json_type(v) == JSON_NULL || (json_type(v) == JSON_STRING && json_string(v).n == 0);
}

static bytes scalar(json v) {
    return json_type(v) == JSON_STRING ? json_string(v) : json_literal(v);
}

static bool add_integer(struct twin_call *c, bytes path, json v, struct text *out) {
    int64_t number;
    bytes b = scalar(v);
    if (twin_number(v, &number) != OK) {
        OWN(text_drop)
        struct text name = {0};
        OWN(text_drop)
        struct text shown = {0};
        add_param_name(&name, path);
        text_add_printable(&shown, b, SHOWN_MAX);
        return twin_refuse(c, API_ERROR_PARAMETER_INTEGER, text_str(&name), "Invalid integer: %s",
                           text_str(&shown));
    }
    text_add_i64(out, number);
    return true;
}

static bool add_boolean(struct twin_call *c, bytes path, json v, struct text *out) {
    bytes b = scalar(v);
    if (!bytes_equal(b, B("true")) && !bytes_equal(b, B("false")))
        return refuse_param(c, API_ERROR_INVALID, path, "it is true or false", b);
    text_add(out, b);
    return true;
}

static bool add_time(struct twin_call *c, bytes path, json v, struct text *out) {
    if (bytes_equal(scalar(v), B("now"))) {
        text_add_i64(out, c->now_s);
        return true;
    }
    if (bytes_starts(scalar(v), B("-")))
        return refuse_param(c, API_ERROR_INVALID, path, "it is a time from 1970 on", scalar(v));
    return add_integer(c, path, v, out);
}

// As JSON has it: digits, without a needless zero, and a part behind a dot.
static bool is_number(bytes b) {
    size_t i = b.n > 0 && b.p[0] == '-', digits = 0;
    bool zero = i < b.n && b.p[i] == '0';
    for (; i < b.n && b.p[i] >= '0' && b.p[i] <= '9'; i++)
        digits++;
    if (digits == 0 || (zero && digits > 1))
        return false;
    if (i == b.n)
        return true;
    if (b.p[i++] != '.' || i == b.n)
        return false;
    for (; i < b.n; i++)
        if (b.p[i] < '0' || b.p[i] > '9')
            return false;
    return true;
}

static bool add_number(struct twin_call *c, bytes path, json v, struct text *out) {
    bytes b = scalar(v);
    if (!is_number(b))
        return refuse_param(c, API_ERROR_INVALID, path, "it is a decimal number", b);
    text_add(out, b);
    return true;
}

static bool add_decimal(struct twin_call *c, bytes path, json v, struct text *out) {
    text_addc(out, '"');
    bool good = add_number(c, path, v, out);
    text_addc(out, '"');
    return good;
}

static bool add_currency(struct twin_call *c, bytes path, json v, struct text *out) {
    char small[3];
    bytes b = scalar(v);
    bool good = b.n == 3;
    for (size_t i = 0; i < 3 && good; i++) {
        small[i] = (char)(b.p[i] | 0x20);
        good = small[i] >= 'a' && small[i] <= 'z';
    }
    if (!good)
        return refuse_param(c, API_ERROR_INVALID, path, "it is a currency's code, as usd", b);
    text_add_json(out, bytes_from(small, 3));
    return true;
}

static bool is_word(const char *words, bytes b) {
    bytes rest = bytes_of(words);
    while (rest.n > 0)
        if (bytes_equal(bytes_cut(&rest, '|'), b))
            return true;
    return false;
}

static bool add_word(struct twin_call *c, bytes path, const char *words, json v, struct text *out) {
    bytes b = scalar(v);
    OWN(text_drop)
    struct text said = {0};
    if (is_word(words, b)) {
        text_add_json(out, b);
        return true;
    }
    bytes rest = bytes_of(words);
    text_adds(&said, "must be one of ");
    for (bool first = true; rest.n > 0; first = false) {
        text_adds(&said, first ? "" : ", ");
        text_add(&said, bytes_cut(&rest, '|'));
    }
    return refuse_param(c, API_ERROR_INVALID, path, text_str(&said), b);
}

static bool add_text(struct twin_call *c, bytes path, json v, struct text *out) {
    enum json_type t = json_type(v);
    if (t == JSON_OBJECT || t == JSON_ARRAY)
        return refuse_param(c, API_ERROR_INVALID, path, "it is a single value", NO_BYTES);
    text_add_json(out, scalar(v));
    return true;
}

// A reference becomes the id of what it led to: a test token's object has another.
static bool add_ref(struct twin_call *c, bytes path, const char *kinds, json v, struct text *out) {
    OWN(text_drop)
    struct text name = {0};
    add_param_name(&name, path);
    struct twin_object *o = twin_ref(c, text_str(&name), scalar(v), kinds);
    if (o != NULL)
        text_add_json(out, bytes_of(o->id));
    return o != NULL;
}

// --- maps: what a value is stands in the model: {"city":"text","amount":"integer=0"}

static bool add_model(struct twin_call *c, bytes path, json model, json was, json given,
                      struct text *out);

// "text", or "integer=0": the type, and what stands there where nothing is given.
static bool add_leaf(struct twin_call *c, bytes path, bytes model, json was, json given,
                     struct text *out) {
    bytes type = bytes_cut(&model, '=');
    if (json_type(given) == JSON_ABSENT && json_type(was) != JSON_ABSENT) {
        json_write(was, out);
        return true;
    }
    if (json_type(given) == JSON_ABSENT || empty(given)) {
        text_add(out, model.n > 0 ? model : B("null"));
        return true;
    }
    if (bytes_equal(type, B("integer")))
        return add_integer(c, path, given, out);
    if (bytes_equal(type, B("boolean")))
        return add_boolean(c, path, given, out);
    if (bytes_equal(type, B("time")))
        return add_time(c, path, given, out);
    if (bytes_equal(type, B("decimal")))
        return add_decimal(c, path, given, out);
    if (bytes_equal(type, B("currency")))
        return add_currency(c, path, given, out);
    if (bytes_equal(type, B("any"))) {
        json_write(given, out);
        return true;
    }
    ensure(bytes_equal(type, B("text")));
    return add_text(c, path, given, out);
}

static bool model_knows(json model, json given, bytes *stranger) {
    bytes key;
    json value;
    for (size_t at = 0; json_member(given, &at, &key, &value);) {
        if (json_type(json_getb(model, key)) == JSON_ABSENT) {
            *stranger = key;
            return false;
        }
    }
    return true;
}

static void join(struct text *out, bytes path, bytes key) {
    text_add(out, path);
    text_adds(out, path.n > 0 ? "." : "");
    text_add(out, key);
}

static bool add_map(struct twin_call *c, bytes path, json model, json was, json given,
                    struct text *out) {
    bytes key, stranger;
    json one;
    bool first = true;
    if (json_type(given) != JSON_ABSENT && json_type(given) != JSON_OBJECT)
        return refuse_param(c, API_ERROR_INVALID, path, "it is a map of values", scalar(given));
    if (!model_knows(model, given, &stranger)) {
        OWN(text_drop)
        struct text full = {0};
        join(&full, path, stranger);
        return refuse_unknown(c, NULL, 0, text_bytes(&full));
    }
    text_addc(out, '{');
    for (size_t at = 0; json_member(model, &at, &key, &one); first = false) {
        OWN(text_drop)
        struct text full = {0};
        join(&full, path, key);
        text_adds(out, first ? "" : ",");
        text_add_json(out, key);
        text_addc(out, ':');
        if (!add_model(c, text_bytes(&full), one, json_getb(was, key), json_getb(given, key), out))
            return false;
    }
    text_addc(out, '}');
    return true;
}

// ["text"] or [{…}]: each member by the one model.
static bool add_list(struct twin_call *c, bytes path, json model, json given, struct text *out) {
    json one;
    size_t n = 0;
    if (json_type(given) != JSON_ARRAY)
        return refuse_param(c, API_ERROR_INVALID, path, "it is a list", scalar(given));
    text_addc(out, '[');
    for (size_t at = 0; json_element(given, &at, &one); n++) {
        OWN(text_drop)
        struct text full = {0};
        text_add(&full, path);
        text_addf(&full, ".%zu", n);
        text_adds(out, n > 0 ? "," : "");
        if (!add_model(c, text_bytes(&full), model, (json){NULL}, one, out))
            return false;
    }
    text_addc(out, ']');
    return true;
}

static bool add_model(struct twin_call *c, bytes path, json model, json was, json given,
                      struct text *out) {
    switch (json_type(model)) {
    case JSON_STRING: return add_leaf(c, path, json_string(model), was, given, out);
    case JSON_OBJECT: return add_map(c, path, model, was, given, out);
    default: break;
    }
    if (json_type(given) != JSON_ABSENT && !empty(given))
        return add_list(c, path, json_at(model, 0), given, out);
    if (json_type(given) == JSON_ABSENT && json_type(was) == JSON_ARRAY)
        json_write(was, out);
    else
        text_adds(out, "[]");
    return true;
}

// --- metadata (https://docs.stripe.com/api/metadata)

static bool metadata_fits(struct twin_call *c, bytes path, bytes key, json v) {
    if (key.n == 0 || key.n > METADATA_KEY_MAX)
        return refuse_param(c, API_ERROR_INVALID, path, "a key is 1 to 40 characters long", key);
    if (json_type(v) == JSON_OBJECT || json_type(v) == JSON_ARRAY)
        return refuse_param(c, API_ERROR_INVALID, path, "a value is a text", NO_BYTES);
    if (scalar(v).n > METADATA_VALUE_MAX)
        return refuse_param(c, API_ERROR_INVALID, path, "a value is at most 500 characters long",
                            NO_BYTES);
    return true;
}

static bool add_metadata(struct twin_call *c, bytes path, json was, json given, struct text *out) {
    bytes key;
    json value;
    size_t n = 0;
    if (empty(given)) {
        text_adds(out, "{}");
        return true;
    }
    if (json_type(given) != JSON_OBJECT)
        return refuse_param(c, API_ERROR_INVALID, path, "it is a map of texts", scalar(given));
    text_addc(out, '{');
    for (size_t at = 0; json_member(was, &at, &key, &value);) {
        if (json_type(json_getb(given, key)) != JSON_ABSENT)
            continue;
        text_adds(out, n++ > 0 ? "," : "");
        text_add_json(out, key);
        text_addc(out, ':');
        json_write(value, out);
    }
    for (size_t at = 0; json_member(given, &at, &key, &value);) {
        if (!metadata_fits(c, path, key, value))
            return false;
        if (empty(value))
            continue;
        text_adds(out, n++ > 0 ? "," : "");
        text_add_json(out, key);
        text_addc(out, ':');
        text_add_json(out, scalar(value));
    }
    text_addc(out, '}');
    return n <= METADATA_KEYS_MAX ||
           refuse_param(c, API_ERROR_INVALID, path, "it has at most 50 keys", NO_BYTES);
}

// --- a field

static bool add_shaped(struct twin_call *c, const struct twin_field *f, json was, json given,
                       struct text *out) {
    OWN(json_close)
    struct json_doc *model = NULL;
    const char *of = f->of != NULL ? f->of : "\"any\"";
    ensure(json_parse(bytes_of(of), &model) == OK);
    if (f->type == FIELD_LIST)
        return add_list(c, bytes_of(f->name), json_root(model), given, out);
    return add_map(c, bytes_of(f->name), json_root(model), was, given, out);
}

static bool add_value(struct twin_call *c, const struct twin_field *f, json was, json given,
                      struct text *out) {
    bytes path = bytes_of(f->name);
    if (f->type == FIELD_METADATA)
        return add_metadata(c, path, was, given, out);
    if (empty(given)) {
        text_adds(out, f->type == FIELD_LIST ? "[]" : f->type == FIELD_HASH ? "{}" : "null");
        return true;
    }
    switch (f->type) {
    case FIELD_INTEGER: return add_integer(c, path, given, out);
    case FIELD_BOOLEAN: return add_boolean(c, path, given, out);
    case FIELD_NUMBER: return add_number(c, path, given, out);
    case FIELD_DECIMAL: return add_decimal(c, path, given, out);
    case FIELD_TIME: return add_time(c, path, given, out);
    case FIELD_CURRENCY: return add_currency(c, path, given, out);
    case FIELD_WORD: return add_word(c, path, f->of, given, out);
    case FIELD_REF: return add_ref(c, path, f->of, given, out);
    case FIELD_MAP:
    case FIELD_LIST: return add_shaped(c, f, was, given, out);
    case FIELD_HASH: json_write(given, out); return true;
    default: return add_text(c, path, given, out);
    }
}

static bool take_field(struct twin_call *c, const struct twin_field *f) {
    json given = twin_param(c, f->name);
    OWN(text_drop)
    struct text name = {0};
    OWN(text_drop)
    struct text value = {0};
    if (json_type(given) == JSON_ABSENT || (empty(given) && f->required)) {
        if (!f->required || (json_type(given) == JSON_ABSENT && !f->on_create))
            return true;
        add_param_name(&name, bytes_of(f->name));
        return twin_refuse(c,
                           json_type(given) == JSON_ABSENT ? API_ERROR_PARAMETER_MISSING
                                                           : API_ERROR_PARAMETER_EMPTY,
                           text_str(&name), "Missing required param: %s.", text_str(&name));
    }
    if (f->type == FIELD_IDLE)
        return true;
    bool kept = f->to != NULL && c->self != NULL;
    json was = kept ? twin_at(c->self, f->to) : (json){NULL};
    if (!add_value(c, f, was, given, &value))
        return false;
    if (kept)
        twin_set_json(c, c->self, f->to, text_bytes(&value));
    return true;
}

bool twin_fields(struct twin_call *c, const struct twin_field *fields, size_t n, bool creating) {
    if (!all_known(c, fields, n, creating, c->params, NO_BYTES))
        return false;
    for (size_t i = 0; i < n; i++) {
        struct twin_field f = fields[i];
        f.required = f.required && creating;
        if ((creating ? f.on_create : f.on_update) && !take_field(c, &f))
            return false;
    }
    return true;
}

// --- what a move sets, and what it takes to be allowed

// "$object(a.b)": the object in the place of its id.
static void set_object(struct twin_call *c, const char *path, bytes where) {
    OWN(text_drop)
    struct text from = {0};
    text_add(&from, where);
    struct twin_object *o = twin_get(c, twin_text(c->self, text_str(&from)));
    if (o != NULL)
        twin_set(c, c->self, path, twin_root(o));
}

// "$now", "$field", "$$name", "$id(pm_)", "$object(field)", or what it is.
static void set_word(struct twin_call *c, const char *path, bytes word) {
    OWN(text_drop)
    struct text t = {0};
    bytes rest = bytes_slice(word, 1, word.n);
    if (bytes_equal(word, B("$now"))) {
        twin_set_int(c, c->self, path, twin_time(c, c->self));
    } else if (bytes_starts(word, B("$id("))) {
        text_add(&t, bytes_slice(word, 4, word.n - 1));
        OWN(text_drop)
        struct text id = {0};
        twin_id(c, text_str(&t), &id);
        twin_set_text(c, c->self, path, text_bytes(&id));
    } else if (bytes_starts(word, B("$object("))) {
        set_object(c, path, bytes_slice(word, 8, word.n - 1));
    } else if (bytes_starts(rest, B("$"))) {
        json v = json_path(c->params, bytes_slice(rest, 1, rest.n));
        if (json_type(v) != JSON_ABSENT)
            twin_set(c, c->self, path, v);
    } else {
        text_add(&t, rest);
        twin_set(c, c->self, path, twin_at(c->self, text_str(&t)));
    }
}

bool twin_sets(struct twin_call *c, const char *sets) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    bytes path;
    json value;
    if (sets == NULL)
        return true;
    ensure(json_parse(bytes_of(sets), &doc) == OK);
    for (size_t at = 0; json_member(json_root(doc), &at, &path, &value);) {
        OWN(text_drop)
        struct text to = {0};
        text_add(&to, path);
        if (bytes_starts(json_string(value), B("$")))
            set_word(c, text_str(&to), json_string(value));
        else
            twin_set(c, c->self, text_str(&to), value);
    }
    return true;
}

static bool is_one_of(json list, json v) {
    json one;
    for (size_t at = 0; json_element(list, &at, &one);)
        if (json_type(v) == JSON_NULL ? json_type(one) == JSON_NULL
                                      : json_equals_text(one, scalar(v)))
            return true;
    return false;
}

static bool refuse_state(struct twin_call *c, bytes field, json list, json v) {
    OWN(text_drop)
    struct text allowed = {0};
    OWN(text_drop)
    struct text code = {0};
    OWN(text_drop)
    struct text more = {0};
    json one;
    for (size_t at = 0; json_element(list, &at, &one);) {
        text_adds(&allowed, allowed.n > 0 ? ", " : "");
        text_add(&allowed, scalar(one));
    }
    // Stripe has such a code for intents, invoices and the like: payment_intent_unexpected_state.
    bytes object = bytes_of(c->self->resource->object);
    if (bytes_ends(object, B("_intent"))) {
        text_addf(&code, "%.*s_unexpected_state", BYTES_ARG(object));
        text_addf(&more, ",\"%.*s\":", BYTES_ARG(object));
        twin_show(twin_root(c->self), &more);
    }
    return twin_refuse_as(
        c, 400, "invalid_request_error", text_str(&code), NULL, text_bytes(&more),
        "You cannot %s this %s because it has a %.*s of %.*s. Only one with one of the following "
        "may be: %s.",
        c->move->name, c->self->resource->object, BYTES_ARG(field), BYTES_ARG(scalar(v)),
        text_str(&allowed));
}

bool twin_when_holds(struct twin_call *c) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    bytes field;
    json list;
    if (c->move->when == NULL)
        return true;
    ensure(json_parse(bytes_of(c->move->when), &doc) == OK);
    for (size_t at = 0; json_member(json_root(doc), &at, &field, &list);) {
        json v = json_path(twin_root(c->self), field);
        if (!is_one_of(list, v))
            return refuse_state(c, field, list, v);
    }
    return true;
}
