// SPDX-License-Identifier: MIT
// The rows of ledger/store.h described as data, so that copying, binding, reading and dumping one
// is a walk over its fields. A field's name is its column's name. Private to the stores.
#ifndef LEDGER_ROWS_H
#define LEDGER_ROWS_H

#include "ledger/store.h"

enum field_type {
    FIELD_U64,
    FIELD_I64,
    FIELD_U32,
    FIELD_I32,
    FIELD_U8,
    FIELD_BOOL,
    FIELD_ENUM,
    FIELD_BYTES,
    FIELD_BINARY, // bytes too, kept as a BLOB
    FIELD_HASH,   // uint8_t[SHA256_SIZE]
    FIELD_ID,     // uint8_t[16]
};

struct field {
    const char *name;
    enum field_type type;
    size_t at; // offset in the row
};

struct shape {
    const char *table;
    size_t size; // of the row
    const struct field *fields;
    size_t n;
};

// What is known by a number alone: a plan, a body.
struct blob_row {
    uint64_t key;
    bytes value;
};

extern const struct shape shape_state, shape_plan, shape_event, shape_receipt, shape_body,
    shape_delivery, shape_attempt, shape_destination, shape_suspense, shape_key, shape_answer,
    shape_sighting, shape_site, shape_object, shape_link, shape_table_row, shape_rebuild,
    shape_listen_attempt, shape_endpoint, shape_lane;

// The numeric types; a u64 above INT64_MAX is kept as the same 64 bits.
bool field_is_number(const struct field *f);
int64_t field_number(const struct field *f, const void *row);
void field_set_number(const struct field *f, void *row, int64_t v);
// The others.
bytes field_bytes(const struct field *f, const void *row);
// BYTES and BINARY: points to `b`. HASH and ID: copies; CORRUPT if the length is another.
must result field_set_bytes(const struct field *f, void *row, bytes b);

// A row on the heap, in one piece with its strings; free() ends it.
void *row_new(const struct shape *s, const void *row);
// Copies the row to `out`, its strings into the arena. MEMORY.
must result row_copy(const struct shape *s, const void *row, struct arena *a, void *out);
// One line of a dump: table name="text" name=number. What booking does not decide is left out.
void row_dump(const struct shape *s, const void *row, struct text *out);

// The same of a row of a table of Stripe's objects: stripe_customers owner="…" …
void table_row_dump(const struct table_row *row, struct text *out);
// The order of such lines: by table, those beside it behind, then by key.
int table_key_compare(const struct table_key *x, const struct table_key *y);

// May a delivery be stored in this state?
bool delivery_state_stored(enum delivery_state s);

#endif
