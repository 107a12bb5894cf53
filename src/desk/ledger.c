// SPDX-License-Identifier: MIT
#include <string.h>

#include "desk/answers.h"
#include "desk/params.h"

#define PATH_MAX_BYTES 1024

static void backup_work(struct ask *a, struct reader *r) {
    OWN(text_drop)
    struct text why = {0};
    bytes file = arena_copy(&a->memory, json_string(field(a, "file")));
    result made = reader_backup(r, (const char *)file.p, &why);
    if (made == OK) {
        text_adds(&a->out, "{\"ok\":true,\"file\":");
        text_add_json(&a->out, file);
        text_addf(&a->out, ",\"position\":%llu}", (unsigned long long)a->number);
    } else if (failed_as(made, FAIL_EXISTS)) {
        ask_fail(a, 409, "the file exists already; a backup goes into a new file");
    } else {
        ask_fail(a, failed_as(made, FAIL_TIMEOUT) ? 503 : 409, "no backup was made: %s%s%s",
                 made->text, why.n > 0 ? ": " : "", text_str(&why));
    }
}

static void booked(struct ask *a) { ask_query_slow(a, backup_work, ask_send); }

void ledger_backup(struct ask *a) {
    bytes file = json_string(field(a, "file"));
    if (file.n == 0 || file.n > PATH_MAX_BYTES || bytes_find(file, 0) < file.n) {
        ask_refuse(a, 400, "`file` is missing or no path; name a file that does not exist yet");
        return;
    }
    // What was durable when this was asked is in the copy.
    a->number = journal_durable(a->desk->o.journal);
    ask_await(a, a->number, booked);
}

static void add_report(struct text *out, const char *name, result checked, const struct text *t) {
    text_addf(out, "\"%s\":{\"ok\":%s,\"report\":", name, checked == OK ? "true" : "false");
    text_add_json(out, t->n > 0 || checked == OK ? text_bytes(t) : bytes_of(checked->text));
    text_addc(out, '}');
}

static void verify_work(struct ask *a, struct reader *r) {
    OWN(text_drop)
    struct text of_ledger = {0};
    OWN(text_drop)
    struct text of_journal = {0};
    struct journal_store *records = a->desk->o.records;
    result ledger = reader_verify(r, &of_ledger);
    result journal = records->verify(records, &of_journal);
    text_addf(&a->out, "{\"ok\":%s,", ledger == OK && journal == OK ? "true" : "false");
    add_report(&a->out, "ledger", ledger, &of_ledger);
    text_addc(&a->out, ',');
    add_report(&a->out, "journal", journal, &of_journal);
    text_addc(&a->out, '}');
}

void ledger_verify(struct ask *a) { ask_query_slow(a, verify_work, ask_send); }
