// SPDX-License-Identifier: MIT
#include "desk/answers.h"
#include "desk/params.h"

static void status_work(struct ask *a, struct reader *r) {
    result read = reader_tables(r, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "no tables");
}

// Rows are counted by reading them.
void tables_status(struct ask *a) { ask_query_slow(a, status_work, ask_send); }

void tables_rebuild(struct ask *a) {
    json tables = field(a, "tables"), name;
    bool good = json_type(tables) == JSON_ABSENT || json_type(tables) == JSON_NULL ||
                (json_type(tables) == JSON_ARRAY && json_size(tables) > 0);
    for (size_t at = 0; json_element(tables, &at, &name);)
        good = good && json_string(name).n > 0;
    if (!good) {
        ask_refuse(a, 400,
                   "`tables` is a list of tables' names, as customers; null or absent for all");
        return;
    }
    ask_command_begin(a, COMMAND_TABLES_REBUILD);
    text_adds(&a->payload, ",\"tables\":");
    if (json_type(tables) == JSON_ARRAY)
        json_write(tables, &a->payload);
    else
        text_adds(&a->payload, "null");
    ask_command_post(a, NULL);
}

void tables_step(struct ask *a) {
    int64_t count = 0;
    if (json_i64(field(a, "count"), &count) != OK || count < 1 || count > REBUILD_EVENTS_MAX) {
        ask_fail(a, 400, "`count` is how many events the step reads: 1 to %d", REBUILD_EVENTS_MAX);
        ask_send(a);
        return;
    }
    ask_command_begin(a, COMMAND_TABLES_STEP);
    text_addf(&a->payload, ",\"count\":%lld", (long long)count);
    ask_command_post(a, NULL);
}
