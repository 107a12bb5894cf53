// SPDX-License-Identifier: MIT
#include "base/states.h"

#include <stdio.h>

#include "base/ensure.h"

bool states_may(const struct states *table, unsigned from, unsigned to) {
    ensure(table->n <= STATES_MAX);
    return from < table->n && to < table->n && (table->rows[from].next & STATE_BIT(to)) != 0;
}

bool states_final(const struct states *table, unsigned state) {
    return state < table->n && table->rows[state].next == 0;
}

const char *states_name(const struct states *table, unsigned state) {
    return state < table->n ? table->rows[state].name : "unknown";
}

unsigned states_moved(const struct states *table, unsigned from, unsigned to, const char *file,
                      int line, const char *func) {
    if (!states_may(table, from, to)) {
        char found[160];
        snprintf(found, sizeof(found), "%s goes from %s to %s", table->what,
                 states_name(table, from), states_name(table, to));
        ensure_failed(found, file, line, func);
    }
    return to;
}
