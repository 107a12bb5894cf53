// SPDX-License-Identifier: MIT
// What an event says of tables. Each object has an id and a table and stands there once; its
// columns are what their paths say, looked up one by one, and the same once it was stored and read
// again, as a table that has grown does; what is excepted does not come.
#include "base/arena.h"
#include "fuzz.h"
#include "rules/projection.h"

#define MEMORY_MAX (16u << 20)

const struct fuzz_plant fuzz_plants[] = {
    {"elsewhere", PLANT_SEEDED, "what other versions have elsewhere is not looked for"},
    {"expanded", PLANT_SEEDED, "an expanded object is not its id"},
    {"incomplete", PLANT_SEEDED, "a list that was cut short is not marked"},
    {"except", PLANT_SEEDED, "what is excepted comes all the same"},
    {"stored", PLANT_SEEDED, "numbers are stored as others"},
    {0},
};

static json value_at(const struct object_column *c, json object) {
    json v = json_path(object, bytes_of(c->path));
    bytes paths = c->elsewhere != NULL ? bytes_of(c->elsewhere) : NO_BYTES;
    while (paths.n > 0 && json_type(v) <= JSON_NULL && !fuzz_planted("elsewhere"))
        v = json_path(object, bytes_cut(&paths, '|'));
    if (c->type == COLUMN_ID && json_type(json_get(v, "id")) == JSON_STRING &&
        !fuzz_planted("expanded"))
        v = json_get(v, "id");
    return v;
}

static void check_column(const struct object_column *c, json object,
                         const struct column_value *is) {
    OWN(text_drop)
    struct text as_json = {0};
    json v = value_at(c, object);
    int64_t number = 0;
    switch (json_type(v)) {
    case JSON_ABSENT:
    case JSON_NULL: ensure(is->kind == VALUE_NULL); return;
    case JSON_BOOL: ensure(is->kind == VALUE_INTEGER && is->integer == json_true(v)); return;
    case JSON_NUMBER:
        if (c->type != COLUMN_DECIMAL && json_i64(v, &number) == OK)
            ensure(is->kind == VALUE_INTEGER && is->integer == number);
        else
            ensure(is->kind == VALUE_TEXT && bytes_equal(is->text, json_number(v)));
        return;
    case JSON_STRING:
        ensure(is->kind == VALUE_TEXT && bytes_equal(is->text, json_string(v)));
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        json_write(v, &as_json);
        ensure(is->kind == VALUE_TEXT && bytes_equal(is->text, text_bytes(&as_json)));
        return;
    }
}

static bool same_value(const struct column_value *a, const struct column_value *b) {
    if (a->kind == VALUE_INTEGER && fuzz_planted("stored"))
        return b->integer != 7;
    return a->kind == b->kind && a->integer == b->integer && bytes_equal(a->text, b->text);
}

static void check_columns(const struct object_table *t, json object, json stored) {
    OWN(text_drop)
    struct text scratch = {0};
    OWN(text_drop)
    struct text again = {0};
    struct column_value values[OBJECT_COLUMNS_MAX], others[OBJECT_COLUMNS_MAX];
    object_columns(t, object, &scratch, values);
    object_columns(t, stored, &again, others);
    for (size_t i = 0; i < t->column_count; i++) {
        check_column(&t->columns[i], object, &values[i]);
        ensure(same_value(&values[i], &others[i]));
    }
}

// Members of lists inside of it.
static void check_lists(const struct object_table *t, json object, json stored) {
    const struct object_table *list;
    for (size_t at = 0; (list = object_table_list(t, &at)) != NULL;) {
        json member, other;
        size_t a = 0, b = 0;
        json members = json_path(object, bytes_of(list->list)),
             others = json_path(stored, bytes_of(list->list));
        while (json_element(members, &a, &member)) {
            ensure(json_element(others, &b, &other));
            check_columns(list, member, other);
        }
    }
}

static void check_object(const struct projected *o, bool own) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text stored = {0};
    ensure(o->table->parent == NULL && o->id.n > 0 && o->id.n <= 255);
    ensure(own || (o->kind == VERSION_EMBEDDED && o->table->object[0] != '\0'));
    ensure(o->incomplete == (projection_incomplete(o->data) && !fuzz_planted("incomplete")));
    json_write(o->data, &stored);
    ensure(!stored.failed && json_parse(text_bytes(&stored), &doc) == OK);
    ensure(bytes_equal(object_id(o->table, json_root(doc)), o->id));
    ensure(projection_incomplete(json_root(doc)) == projection_incomplete(o->data));
    check_columns(o->table, o->data, json_root(doc));
    check_lists(o->table, o->data, json_root(doc));
}

static void check_excepted(const struct event *e, bytes type, struct arena *a) {
    struct projection p;
    ensure(projection_read(e, &type, fuzz_planted("except") ? 0 : 1, a, &p) == OK);
    for (size_t i = 0; i < p.count; i++) {
        bool own = i == 0 && p.own;
        bytes is = own ? e->object_type : json_string(json_get(p.objects[i].data, "object"));
        ensure(!bytes_equal(is, type));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    OWN(event_drop)
    struct event e = {0};
    OWN(arena_drop)
    struct arena a;
    struct projection p;
    arena_init(&a, MEMORY_MAX);
    if (event_parse(bytes_from(data, n), &e, NULL) != OK)
        return 0;
    ensure(projection_read(&e, NULL, 0, &a, &p) == OK);
    ensure(p.count <= PROJECTION_OBJECTS_MAX && (!p.own || p.count > 0) && !(e.thin && p.count));
    for (size_t i = 0; i < p.count; i++) {
        check_object(&p.objects[i], i == 0 && p.own);
        for (size_t k = 0; k < i && i < 32; k++)
            ensure(p.objects[k].table != p.objects[i].table ||
                   !bytes_equal(p.objects[k].id, p.objects[i].id));
    }
    if (p.count > 0)
        check_excepted(&e, p.own ? e.object_type : bytes_of(p.objects[0].table->object), &a);
    return 0;
}
