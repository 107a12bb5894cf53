// SPDX-License-Identifier: MIT
// The tables that Stripe's objects are kept in: one for each type of object that events carry and
// that has an id, named after the type (`checkout.session`: checkout_sessions), and one for each
// list inside of an object whose members people ask for (a subscription's items, an invoice's
// lines). All of it is data (objects.def): a table with its columns, each with the path, the type
// and a line of documentation. Field names are Stripe's (https://docs.stripe.com/api); the shapes
// of API versions differ, so any column may be absent, and nothing that stands in an object is
// refused. Pure.
#ifndef STRIPE_OBJECTS_H
#define STRIPE_OBJECTS_H

#include "base/json.h"
#include "base/text.h"

// What a column holds. It says how SQL declares it; a value of another JSON type is kept all the
// same, as in column_value.
enum column_type {
    COLUMN_TEXT,    // also enums, whose unknown values are kept
    COLUMN_ID,      // of another object; of an expanded one its id
    COLUMN_INTEGER, // amounts in the smallest unit, counts
    COLUMN_TIME,    // seconds since 1970
    COLUMN_BOOLEAN, // 0 or 1
    COLUMN_DECIMAL, // text of a number, as Stripe writes it
    COLUMN_JSON,    // text of a map or an array
};

struct object_column {
    const char *name; // SQL's words among them ("end", "transaction"): has to be quoted
    const char *path; // into the object, as json_path
    // Where other API versions have it: paths separated by '|', looked at one after the other where
    // there is nothing (or null) at `path`. Null: nowhere.
    const char *elsewhere;
    enum column_type type;
    const char *doc;
};

struct object_table {
    const char
        *object;      // data.object's `object`; "" for the table of all that have none of their own
    const char *name; // "customers": stripe_customers in SQLite, stripe.customers in PostgreSQL
    // Path of the id that its rows have. "id", but for what has no id of its own and stands for
    // something that has (a cash balance: "customer"). Null of a list.
    const char *id;
    const char *doc;
    // Of a table of list members: the table of the objects they are in, the list's path there, and
    // the column that names the object ("subscription"). Null otherwise. Such a table has the
    // columns id, account, livemode, owner, parent_column, position and data besides its own.
    const struct object_table *parent;
    const char *list, *parent_column;
    // Those of its own. Every other table has besides: id, account, livemode, owner, created,
    // deleted, data, event_id, event_created, undecided, incomplete, embedded and versions.
    const struct object_column *columns;
    size_t column_count; // at most OBJECT_COLUMNS_MAX
};
#define OBJECT_COLUMNS_MAX 128

// Sorted by object, lists of the same object by name. Tables never change their place within one
// program, nothing else is promised of their numbers: what is kept names a table by its name.
extern const struct object_table object_tables[];
extern const size_t object_table_count;
static inline size_t object_table_index(const struct object_table *t) {
    return (size_t)(t - object_tables);
}

// The table for objects of this type; that of all others ("objects") if it has none of its own,
// also of members of lists. Never null. Quick: it is asked for each object of each event.
const struct object_table *object_table_of(bytes object);
const struct object_table *object_table_named(bytes name); // null when there is none
// Tables of lists inside of a table's objects: walks them, start with *at = 0; null at the end.
const struct object_table *object_table_list(const struct object_table *parent, size_t *at);

// The id that a row of this object has; NO_BYTES if there is none: it is no string, or not 1 to 255
// bytes long. Not of lists' tables.
bytes object_id(const struct object_table *t, json object);

// One value for SQL. Null: absent, or null. Integers that fit 64 bits, booleans as 0 and 1, strings
// as text, any other number as its text, maps and arrays as compact JSON. But numbers are their
// text in a COLUMN_DECIMAL, and an object that has an id is its id in a COLUMN_ID.
enum column_kind { VALUE_NULL, VALUE_INTEGER, VALUE_TEXT };
struct column_value {
    enum column_kind kind;
    int64_t integer;
    bytes text; // of the document, or of `scratch`
};
// The columns of an object, in the table's order. What has to be written anew is appended to
// scratch, which must stay as it is while the values are used; if it has failed, they must not be.
// `out` has room for table->column_count. Of a member that stands there twice the first counts. The
// members are walked once, which is quickest in the order in which Stripe writes them.
void object_columns(const struct object_table *t, json object, struct text *scratch,
                    struct column_value *out);

#endif
