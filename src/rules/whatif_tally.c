// SPDX-License-Identifier: MIT
#include "rules/whatif_tally.h"

#include <stdlib.h>

#include "base/memory.h"
#include "rules/whatif.h"

struct tallied {
    bytes type;
    uint64_t events;
    bytes examples[WHATIF_EXAMPLES];
};

result tally_add(struct tally *t, bytes type, bytes id, struct arena *a) {
    struct tallied *e = map_get(&t->types, type);
    if (e == NULL) {
        e = arena_take(a, sizeof *e);
        NEED(e != NULL, FULL, "too much is counted");
        e->type = arena_copy(a, type);
        NEED(e->type.n == type.n, FULL, "too much is counted");
        map_put(&t->types, type, e);
    }
    if (e->events < WHATIF_EXAMPLES) {
        e->examples[e->events] = arena_copy(a, id);
        NEED(e->examples[e->events].n == id.n, FULL, "too much is counted");
    }
    e->events++;
    t->events++;
    return OK;
}

void tally_drop(struct tally *t) { map_drop(&t->types); }

static int by_events(const void *x, const void *y) {
    const struct tallied *a = *(const struct tallied *const *)x,
                         *b = *(const struct tallied *const *)y;
    if (a->events != b->events)
        return a->events < b->events ? 1 : -1;
    return bytes_compare(a->type, b->type);
}

static void write_one(const struct tallied *e, struct text *out) {
    text_adds(out, "{\"type\":");
    text_add_json(out, e->type);
    text_addf(out, ",\"events\":%llu,\"examples\":[", (unsigned long long)e->events);
    for (size_t i = 0; i < WHATIF_EXAMPLES && i < e->events; i++) {
        text_adds(out, i > 0 ? "," : "");
        text_add_json(out, e->examples[i]);
    }
    text_adds(out, "]}");
}

void tally_write(const struct tally *t, struct text *out) {
    const struct tallied **all = memory_new(t->types.n + 1, sizeof *all);
    size_t n = 0;
    bytes key;
    void *value;
    for (size_t at = 0; map_next(&t->types, &at, &key, &value);)
        all[n++] = value;
    qsort(all, n, sizeof *all, by_events);
    text_addf(out, "\"events\":%llu,\"types\":[", (unsigned long long)t->events);
    for (size_t i = 0; i < n; i++) {
        text_adds(out, i > 0 ? "," : "");
        write_one(all[i], out);
    }
    text_addc(out, ']');
    free(all);
}
