// SPDX-License-Identifier: MIT
// What the twin's world is made of, as data: a resource for each of Stripe's objects, its fields,
// and its moves, with the events that each makes. The rows lie in twin/resources/OBJECT.json, one
// file a resource, and are built in by tools/resources, which refuses what is not described here.
// Inside of the twin.
//
//   "doc"      one line on what it is;
//   "limits"   what of Stripe is not imitated, one line; for docs/twin.md;
//   "path"     under which it is asked for: "v1/customers". {parent} stands for the id of what it
//              belongs to, which is kept in the field `parent` names:
//              v1/customers/{parent}/sources; `parent` is its type too, `parent_at` the field's
//              name where it has another;
//   "prefix"   ids begin with it ("cus_"), for finding an object by its id alone;
//   "object"   a new one's shape, where stripe/samples has none of its type; its words are those of
//              stripe/sample.h;
//   "kinds"    types of objects that its moves are for, where these are not just its own (a
//              customer's sources are cards, bank accounts and more); their fields are their own;
//   "below"    true: its ids are its parent's own (a capability's), so that several parents have
//   the
//              same; in the world the parent's stands in front, with '/' between;
//   "standing" objects that are there without having been made: id to what differs in it;
//   "new"      what differs in a new one: paths (base/json_draft.h) and values;
//   "fields"   parameters: see below;
//   "lists"    parameters of a list that are a field's value: name to path; `created` and pages are
//              every list's;
//   "moves"    what may be done with it: see below.
//
// A field is {"name", "type", and where needed "to", "of", "on", "required", "doc"}. `name` is the
// parameter, its brackets as dots: "invoice_settings.default_payment_method". It is put at the same
// path of the object, or at `to`; "to": null puts it nowhere (an effect reads it). `on` says where
// it is taken: "create", "update", "both" (the rule). An empty value makes a field null.
//
// A move is {"do", and where needed "at", "method", "when", "fields", "sets", "effect", "emits",
// "gone", "then", "answers", "doc"}. `do` is create, retrieve, update, delete, list, search, or
// another word, which then stands behind the object's path (POST v1/payment_intents/{id}/confirm);
// "at" is another path, in which {id} and {parent} stand for ids. `when` says what its fields have
// to be:
// {"status": ["open", "draft"]}. Then in this order: its fields (its own, or the resource's), what
// `sets` says, the effect (twin/effects.def), the events of `emits`, the effect `then`; either may
// be a list of two. Words in `sets`: "$now" is the time in seconds, "$field" one of the object's
// own ("$a.b"), "$$name" a parameter, "$id(pm_)" a new id, "$object(a.b)" the object whose id
// stands there. `gone` of a delete: the object stays, and a retrieve shows it as deleted
// (customers). `answers` is what is answered in place of the object, in the words of
// stripe/sample.h. What stands under the object's member "$" is not shown, unless `expand` asks for
// what lies there (twin/call.h).
#ifndef TWIN_RESOURCE_H
#define TWIN_RESOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

enum twin_field_type {
    FIELD_TEXT,
    FIELD_INTEGER,
    FIELD_BOOLEAN,
    FIELD_DECIMAL,  // a number that stays as it was written
    FIELD_NUMBER,   // one that is shown as a number
    FIELD_TIME,     // seconds since 1970; "now" is one too
    FIELD_CURRENCY, // three letters, made small
    FIELD_WORD,     // one of `of`, which "|" separates
    FIELD_METADATA, // merged key by key; an empty value takes one away, an empty whole all
    FIELD_MAP,  // known keys, merged over `of` (JSON), whose values say what each is; null before
    FIELD_HASH, // any keys, values as they come
    FIELD_LIST, // in place of what was there; texts, or maps over `of`
    FIELD_REF,  // the id of an object of a type in `of` ("customer", "card|bank_account")
    FIELD_IDLE, // taken, and without effect
};

struct twin_field {
    const char *name;
    const char *to; // null: nowhere
    enum twin_field_type type;
    const char *of; // null: not needed
    bool on_create, on_update, required;
    const char *doc;
};

struct twin_call;
// False: refused (twin/call.h). An effect runs behind fields and `sets`, before `emits`.
typedef bool twin_effect(struct twin_call *c);

#define TWIN_EFFECTS 3

enum twin_do {
    DO_CREATE,
    DO_RETRIEVE,
    DO_UPDATE,
    DO_DELETE,
    DO_LIST,
    DO_SEARCH,
    DO_OTHER, // a move of one object
};

struct twin_move {
    enum twin_do what;
    const char *name;                // "confirm"
    const char *method;              // "POST"
    const char *path;                // whole: "v1/payment_intents/{id}/confirm"
    const char *when;                // JSON; null: always
    const struct twin_field *fields; // null: the resource's
    size_t field_count;
    const char *sets;                                         // JSON; null: nothing
    twin_effect *effects[TWIN_EFFECTS], *thens[TWIN_EFFECTS]; // null behind the last
    const char *emits; // event types, separated by '|'; null: none
    bool gone;
    const char *answers; // template of the answer; null: the object
    const char *doc;
};

struct twin_pair {
    const char *name, *path;
};

struct twin_resource {
    const char *object;    // "payment_intent"
    const char *path;      // "v1/payment_intents"
    const char *prefix;    // "pi_"
    const char *kinds;     // that its moves are for, separated by '|'
    const char *parent;    // type of what it belongs to; null: it belongs to nothing
    const char *parent_at; // the field with its id
    bool below;            // ids are those of its parent alone
    const char *shape;     // template of a new one, in the words of stripe/sample.h
    const char *changes;   // JSON; null: none
    const char *standing;  // JSON; null: none
    const struct twin_field *fields;
    size_t field_count;
    const struct twin_pair *lists;
    size_t list_count;
    const struct twin_move *moves;
    size_t move_count;
    const char *doc, *limits; // limits: null: none worth a line
};

extern const struct twin_resource twin_resources[]; // sorted by object, bytewise
extern const size_t twin_resource_count;

const struct twin_resource *twin_resource_find(bytes object); // null: there is none

// What a path and a method lead to. False: nothing. *known: some method leads somewhere there.
struct twin_place {
    const struct twin_resource *resource;
    const struct twin_move *move;
    bytes id, parent; // what stood for {id} and {parent}; empty: neither
};
bool twin_place_find(bytes method, bytes path, struct twin_place *out, bool *known);

#endif
