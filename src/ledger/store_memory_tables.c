// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "ledger/memory_internal.h"
#include "stripe/objects.h"

void *memory_table_row(struct memory *m, const struct table_key *key, void *as, bool put) {
    OWN(text_drop)
    struct text name = {0};
    text_addf(&name, "%s,%d,%zu,%zu,%d,", key->table->name, key->shadow, key->owner.n,
              key->account.n, key->livemode);
    text_add(&name, key->owner);
    text_add(&name, key->account);
    text_add(&name, key->id);
    ensure(!name.failed);
    if (!put)
        return map_get(&m->table_keys, text_bytes(&name));
    return as != NULL ? map_put(&m->table_keys, text_bytes(&name), as)
                      : map_remove(&m->table_keys, text_bytes(&name));
}

static result tables_ready(struct store *s) { return OK; }

static result object_row_get(struct store *s, const struct table_key *key, struct arena *a,
                             struct table_row *out) {
    const struct table_row *there = memory_table_row(memory_of(s), key, NULL, false);
    NEED(there != NULL, ABSENT, "there is no such row");
    struct table_row row = *there;
    row.data = NO_BYTES;
    return row_copy(&shape_table_row, &row, a, out);
}

// Under its number, which it gets here if it has none.
void memory_table_put(struct memory *m, struct table_row row) {
    const struct table *t = &m->tables[TABLE_ROWS];
    if (row.handle == 0)
        row.handle = t->n > 0 ? (int64_t)t->at[t->n - 1].key.a + 1 : 1;
    row.object = NULL;
    memory_change(m, TABLE_ROWS, key1((uint64_t)row.handle), &row);
}

static result table_put(struct store *s, const struct table_row *in) {
    const struct table_row *there = memory_table_row(memory_of(s), &in->key, NULL, false);
    struct table_row row = *in;
    row.handle = there != NULL ? there->handle : 0;
    memory_table_put(memory_of(s), row);
    return OK;
}

static result table_note(struct store *s, const struct table_row *in) {
    const struct table_row *there = memory_table_row(memory_of(s), &in->key, NULL, false);
    NEED(there != NULL, ABSENT, "there is no such row");
    struct table_row row = *there;
    row.versions = in->versions;
    row.undecided = in->undecided;
    memory_table_put(memory_of(s), row);
    return OK;
}

static int by_key(const void *x, const void *y) {
    const struct table_row *a = ((const struct entry *)x)->row, *b = ((const struct entry *)y)->row;
    return table_key_compare(&a->key, &b->key);
}

void memory_tables_dump(struct memory *m, struct text *out) {
    struct table t = m->tables[TABLE_ROWS];
    if (t.n == 0)
        return;
    t.at = memory_new(t.n, sizeof *t.at);
    memcpy(t.at, m->tables[TABLE_ROWS].at, t.n * sizeof *t.at);
    qsort(t.at, t.n, sizeof *t.at, by_key);
    for (size_t i = 0; i < t.n; i++)
        table_row_dump(t.at[i].row, out);
    free(t.at);
}

void memory_table_operations(struct store *s) {
    s->tables_ready = tables_ready;
    s->table_get = object_row_get;
    s->table_put = table_put;
    s->table_note = table_note;
}
