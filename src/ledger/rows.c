// SPDX-License-Identifier: MIT
#include "ledger/rows.h"

#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "stripe/objects.h"

#define F(name_, type_)                                                                            \
    { #name_, FIELD_##type_, offsetof(ROW, name_) }
#define SHAPE(row_, table_)                                                                        \
    const struct shape shape_##row_ = {table_, sizeof(ROW), row_##_fields,                         \
                                       sizeof(row_##_fields) / sizeof(row_##_fields[0])}

#define ROW struct store_state
static const struct field state_fields[] = {
    F(booked, U64),    F(time_ms, I64),      F(generation, U64),  F(next_delivery, U64),
    F(journal_id, ID), F(start_booked, U64), F(start_count, U32),
};
SHAPE(state, "state");
#undef ROW

#define ROW struct event_row
static const struct field event_fields[] = {
    F(seq, U64),           F(id, BYTES),         F(type, BYTES),
    F(owner, BYTES),       F(account, BYTES),    F(livemode, BOOL),
    F(thin, BOOL),         F(created, I64),      F(received_at, I64),
    F(api_version, BYTES), F(context, BYTES),    F(object_id, BYTES),
    F(object_type, BYTES), F(request_id, BYTES), F(idempotency_key, BYTES),
    F(snapshot_id, BYTES), F(status, ENUM),      F(error, BYTES),
    F(object, U64),        F(site, I64),
};
SHAPE(event, "event");
#undef ROW

#define ROW struct receipt_row
static const struct field receipt_fields[] = {
    F(seq, U64),
    F(event_seq, U64),
    F(source, BYTES),
    F(secret_label, BYTES),
    F(received_at, I64),
    F(api_version, BYTES),
    F(sha256, HASH),
    F(scope_misfit, BOOL),
    F(livemode_misfit, BOOL),
    F(generation, U64),
    F(body_seq, U64),
};
SHAPE(receipt, "receipt");
#undef ROW

#define ROW struct delivery_row
static const struct field delivery_fields[] = {
    F(seq, U64),      F(event_seq, U64), F(receipt_seq, U64),  F(destination, U32), F(state, ENUM),
    F(attempts, U32), F(failures, U32),  F(not_yets, U32),     F(created_at, I64),  F(next_at, I64),
    F(ended_at, I64), F(replay, BOOL),   F(last_error, BYTES), F(priority, ENUM),
};
SHAPE(delivery, "delivery");
#undef ROW

#define ROW struct lane_row
static const struct field lane_fields[] = {
    F(destination, U32),
    F(lane, I64),
    F(delivery, U64),
};
SHAPE(lane, "lane");
#undef ROW

#define ROW struct attempt_row
static const struct field attempt_fields[] = {
    F(delivery, U64), F(number, U32), F(started_at, I64), F(micros, I64),
    F(outcome, ENUM), F(status, I32), F(error, BYTES),    F(answer, BYTES),
};
SHAPE(attempt, "attempt");
#undef ROW

#define ROW struct listen_attempt_row
static const struct field listen_attempt_fields[] = {
    F(event_seq, U64), F(number, U32),     F(key_id, BYTES), F(device, BYTES), F(url, BYTES),
    F(status, I32),    F(started_at, I64), F(micros, I64),   F(error, BYTES),  F(answer, BYTES),
};
SHAPE(listen_attempt, "listen_attempt");
#undef ROW

#define ROW struct destination_row
static const struct field destination_fields[] = {
    F(number, U32),        F(name, BYTES),  F(present, BOOL),      F(held, BOOL),
    F(hold_reason, BYTES), F(held_at, I64), F(failing_since, I64),
};
SHAPE(destination, "destination");
#undef ROW

#define ROW struct endpoint_row
static const struct field endpoint_fields[] = {
    F(destination, U32), F(id, BYTES),          F(livemode, BOOL),
    F(json, BYTES),      F(failing_since, I64), F(deleted_at, I64),
};
SHAPE(endpoint, "endpoint");
#undef ROW

#define ROW struct suspense_row
static const struct field suspense_fields[] = {
    F(position, U64),   F(kind, U8),        F(time_ms, I64),  F(seed, U64),
    F(generation, U64), F(payload, BINARY), F(reason, BYTES), F(state, ENUM),
};
SHAPE(suspense, "suspended");
#undef ROW

#define ROW struct key_row
static const struct field key_fields[] = {
    F(id, BYTES),   F(name, BYTES),     F(mode, BYTES),
    F(hash, BYTES), F(created_at, I64), F(revoked_at, I64),
};
SHAPE(key, "api_key");
#undef ROW

#define ROW struct answer_row
static const struct field answer_fields[] = {
    F(position, U64), F(time_ms, I64), F(idempotency_key, BYTES), F(sha256, HASH), F(json, BYTES),
};
SHAPE(answer, "answer");
#undef ROW

#define ROW struct sighting_row
static const struct field sighting_fields[] = {
    F(kind, ENUM),   F(whose, BYTES), F(what, BYTES),       F(livemode, BOOL), F(first_at, I64),
    F(last_at, I64), F(count, U64),   F(deauthorized, I64), F(created, I64),
};
SHAPE(sighting, "sighting");
#undef ROW

#define ROW struct site_row
static const struct field site_fields[] = {F(number, I64), F(name, BYTES)};
SHAPE(site, "site");
#undef ROW

#define ROW struct site_object
static const struct field object_fields[] = {
    F(number, U64),   F(owner, BYTES),   F(livemode, BOOL), F(key, BYTES),    F(type, BYTES),
    F(above, BINARY), F(claims, BINARY), F(assigned, I64),  F(evidence, I64), F(below, I64),
};
SHAPE(object, "object");
#undef ROW

#define ROW struct link_row
static const struct field link_fields[] = {F(above, U64), F(below, U64)};
SHAPE(link, "link");
#undef ROW

#define ROW struct rebuild_row
static const struct field rebuild_fields[] = {
    F(tables, BYTES), F(reads, BOOL),     F(swapped, BOOL),
    F(after, U64),    F(generation, U64), F(began_at, I64),
};
SHAPE(rebuild, "rebuild");
#undef ROW

#define ROW struct table_row
#define K(name_, type_)                                                                            \
    { #name_, FIELD_##type_, offsetof(ROW, key.name_) }
static const struct field table_row_fields[] = {
    K(owner, BYTES),    K(account, BYTES),     K(livemode, BOOL),   K(id, BYTES),
    F(deleted, BOOL),   F(undecided, BOOL),    F(incomplete, BOOL), F(embedded, BOOL),
    F(event_id, BYTES), F(event_created, I64), F(versions, BYTES),  F(data, BYTES),
};
#undef K
SHAPE(table_row, "stripe");
#undef ROW

#define BLOB(row_, table_, key_, value_)                                                           \
    static const struct field row_##_fields[] = {                                                  \
        {key_, FIELD_U64, offsetof(struct blob_row, key)},                                         \
        {value_, FIELD_BYTES, offsetof(struct blob_row, value)},                                   \
    };                                                                                             \
    SHAPE(row_, table_)
#define ROW struct blob_row
BLOB(plan, "plan", "generation", "json");
BLOB(body, "body", "receipt_seq", "payload");
#undef ROW

static const void *member(const struct field *f, const void *row) {
    return (const char *)row + f->at;
}

int64_t field_number(const struct field *f, const void *row) {
    const void *p = member(f, row);
    switch (f->type) {
    case FIELD_U64: return (int64_t) * (const uint64_t *)p;
    case FIELD_I64: return *(const int64_t *)p;
    case FIELD_U32: return *(const uint32_t *)p;
    case FIELD_I32: return *(const int32_t *)p;
    case FIELD_U8: return *(const uint8_t *)p;
    case FIELD_BOOL: return *(const bool *)p;
    case FIELD_ENUM: return *(const unsigned *)p;
    case FIELD_BYTES:
    case FIELD_BINARY:
    case FIELD_HASH:
    case FIELD_ID: break;
    }
    unreachable_code();
}

void field_set_number(const struct field *f, void *row, int64_t v) {
    void *p = (char *)row + f->at;
    switch (f->type) {
    case FIELD_U64: *(uint64_t *)p = (uint64_t)v; return;
    case FIELD_I64: *(int64_t *)p = v; return;
    case FIELD_U32: *(uint32_t *)p = (uint32_t)v; return;
    case FIELD_I32: *(int32_t *)p = (int32_t)v; return;
    case FIELD_U8: *(uint8_t *)p = (uint8_t)v; return;
    case FIELD_BOOL: *(bool *)p = v != 0; return;
    case FIELD_ENUM: *(unsigned *)p = (unsigned)v; return;
    case FIELD_BYTES:
    case FIELD_BINARY:
    case FIELD_HASH:
    case FIELD_ID: break;
    }
    unreachable_code();
}

static bool is_bytes(const struct field *f) {
    return f->type == FIELD_BYTES || f->type == FIELD_BINARY;
}

static size_t fixed_size(const struct field *f) {
    return f->type == FIELD_HASH ? SHA256_SIZE : f->type == FIELD_ID ? 16 : 0;
}

bool field_is_number(const struct field *f) { return !is_bytes(f) && fixed_size(f) == 0; }

bytes field_bytes(const struct field *f, const void *row) {
    const void *p = member(f, row);
    if (is_bytes(f))
        return *(const bytes *)p;
    ensure(fixed_size(f) > 0);
    return bytes_from(p, fixed_size(f));
}

result field_set_bytes(const struct field *f, void *row, bytes b) {
    void *p = (char *)row + f->at;
    if (is_bytes(f)) {
        *(bytes *)p = b;
        return OK;
    }
    NEED(b.n == fixed_size(f), CORRUPT, "a stored hash has another length");
    memcpy(p, b.p, b.n);
    return OK;
}

void *row_new(const struct shape *s, const void *row) {
    size_t size = s->size;
    for (size_t i = 0; i < s->n; i++)
        if (is_bytes(&s->fields[i]))
            size += field_bytes(&s->fields[i], row).n;
    char *copy = memory_new(1, size);
    memcpy(copy, row, s->size);
    char *end = copy + s->size;
    for (size_t i = 0; i < s->n; i++) {
        if (!is_bytes(&s->fields[i]))
            continue;
        bytes b = field_bytes(&s->fields[i], row);
        if (b.n > 0)
            memcpy(end, b.p, b.n);
        *(bytes *)(void *)(copy + s->fields[i].at) = bytes_from(end, b.n);
        end += b.n;
    }
    return copy;
}

result row_copy(const struct shape *s, const void *row, struct arena *a, void *out) {
    memcpy(out, row, s->size);
    for (size_t i = 0; i < s->n; i++) {
        if (!is_bytes(&s->fields[i]))
            continue;
        bytes b = field_bytes(&s->fields[i], row), copy = arena_copy(a, b);
        NEED(b.n == 0 || copy.p != NULL, MEMORY,
             "a row is larger than the arena it was asked into");
        TRY(field_set_bytes(&s->fields[i], out, copy));
    }
    return OK;
}

static void dump_text(bytes b, struct text *out) {
    text_addc(out, '"');
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] >= ' ' && b.p[i] < 0x7f && b.p[i] != '"' && b.p[i] != '\\')
            text_addc(out, (char)b.p[i]);
        else
            text_addf(out, "\\x%02x", b.p[i]);
    text_addc(out, '"');
}

static void dump_fields(const struct shape *s, const void *row, struct text *out) {
    for (size_t i = 0; i < s->n; i++) {
        const struct field *f = &s->fields[i];
        if (s == &shape_state && strncmp(f->name, "start_", 6) == 0)
            continue;
        text_addf(out, " %s=", f->name);
        if (fixed_size(f) > 0) {
            text_add_hex(out, field_bytes(f, row));
        } else if (!is_bytes(f)) {
            text_add_i64(out, field_number(f, row));
        } else if (s == &shape_body) {
            uint8_t hash[SHA256_SIZE];
            bytes b = field_bytes(f, row);
            digest_sha256(&b, 1, hash);
            text_addf(out, "%zu:", b.n);
            text_add_hex(out, bytes_from(hash, sizeof hash));
        } else {
            dump_text(field_bytes(f, row), out);
        }
    }
    text_addc(out, '\n');
}

void row_dump(const struct shape *s, const void *row, struct text *out) {
    text_adds(out, s->table);
    dump_fields(s, row, out);
}

void table_row_dump(const struct table_row *row, struct text *out) {
    text_addf(out, "%s_%s%s", shape_table_row.table, row->key.table->name,
              row->key.shadow ? " (beside)" : "");
    dump_fields(&shape_table_row, row, out);
}

int table_key_compare(const struct table_key *x, const struct table_key *y) {
    if (x->table != y->table)
        return x->table < y->table ? -1 : 1;
    if (x->shadow != y->shadow)
        return x->shadow ? 1 : -1;
    int id = bytes_compare(x->id, y->id), account = bytes_compare(x->account, y->account);
    if (id != 0 || account != 0)
        return id != 0 ? id : account;
    return x->livemode != y->livemode ? (int)x->livemode - (int)y->livemode
                                      : bytes_compare(x->owner, y->owner);
}

bool delivery_state_stored(enum delivery_state s) {
    return s < DELIVERY_STATES && s != DELIVERY_TAKEN && s != DELIVERY_HELD && s != DELIVERY_BEHIND;
}
