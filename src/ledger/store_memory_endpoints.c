// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "base/memory.h"
#include "ledger/memory_internal.h"

static result endpoint_put(struct store *s, const struct endpoint_row *row) {
    const struct table *t = &memory_of(s)->tables[ENDPOINTS];
    for (size_t i = 0; i < t->n; i++) {
        const struct endpoint_row *other = t->at[i].row;
        NEED(other->destination == row->destination || !bytes_equal(other->id, row->id), EXISTS,
             "another endpoint has this id");
    }
    memory_change(memory_of(s), ENDPOINTS, key1(row->destination), row);
    return OK;
}

static result endpoints(struct store *s, struct arena *a, struct endpoint_row **out, size_t *n) {
    const struct table *t = &memory_of(s)->tables[ENDPOINTS];
    const void **rows = memory_new(t->n + 1, sizeof *rows);
    size_t count = 0;
    for (size_t i = 0; i < t->n; i++)
        if (((const struct endpoint_row *)t->at[i].row)->deleted_at == 0)
            rows[count++] = t->at[i].row;
    *n = 0;
    result gathered = memory_gather(&shape_endpoint, rows, count, a, (void **)out);
    free(rows);
    TRY(gathered);
    *n = count;
    return OK;
}

void memory_endpoint_operations(struct store *s) {
    s->endpoint_put = endpoint_put;
    s->endpoints = endpoints;
}
