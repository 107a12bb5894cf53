// SPDX-License-Identifier: MIT
#include "gateway_books.h"

#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "port/clock.h"
#include "port/files.h"
#include "port/log.h"

#define BODY_EXTRA ((size_t)64 << 10)

void books_close(struct books *b) {
    if (b->journal != NULL)
        b->journal->close(b->journal);
    if (b->ledger != NULL)
        b->ledger->close(b->ledger);
    *b = (struct books){0};
}

static bool no_id(const uint8_t id[JOURNAL_ID_SIZE]) {
    static const uint8_t zero[JOURNAL_ID_SIZE];
    return memcmp(id, zero, JOURNAL_ID_SIZE) == 0;
}

// A journal of books that were restored over: kept, but nothing of it may be taken up again.
static result set_journal_aside(const char *path, struct text *aside) {
    text_addf(aside, "%s.before-restore-%lld", path, (long long)clock_wall_ms(&clock_real) / 1000);
    return files_real.rename(&files_real, path, text_str(aside));
}

// Restored books belong to no journal. One that lies there is of the time before: the restore ended
// before it was set aside.
static result finish_restore(const struct config *c, const struct store_state *state) {
    OWN(text_drop)
    struct text path = {0}, aside = {0};
    text_add(&path, c->journal_path);
    if (!no_id(state->journal_id) || state->booked == 0 ||
        !files_real.exists(&files_real, text_str(&path)))
        return OK;
    TRY(set_journal_aside(text_str(&path), &aside));
    log_event(LOG_JOURNAL_ASIDE, log_s("path", text_str(&aside)));
    return OK;
}

// A body with what comes before it, and any plan that `hookkeep check` lets pass.
static size_t payload_max(const struct config *c) {
    size_t most = (size_t)c->limits.body_max + BODY_EXTRA;
    return most > PLAN_JSON_MAX ? most : PLAN_JSON_MAX;
}

// Opens the journal that these books belong to; books that belong to none yet may begin one.
static result open_journal(const struct config *c, const struct store_state *state, bool read_only,
                           struct journal_store **out, struct text *why) {
    char *path = bytes_strdup(c->journal_path);
    struct journal_file_options o = {
        .files = &files_real,
        .clock = &clock_real,
        .path = path,
        .size = c->journal_size,
        .payload_max = payload_max(c),
        .create = !read_only && no_id(state->journal_id),
        .read_only = read_only,
        .booked = state->booked,
        .first = state->booked + 1,
        .last_time_ms = state->time_ms,
    };
    memcpy(o.expect_id, state->journal_id, sizeof o.expect_id);
    result opened = journal_store_file(&o, out, why);
    if (failed_as(opened, FAIL_ABSENT) && !no_id(state->journal_id)) {
        text_reset(why);
        text_addf(why,
                  "the ledger belongs to a journal, but there is none at %s. If it was moved, put "
                  "it back; if it is lost, `hookkeep ledger restore` from a backup begins a new "
                  "one",
                  path);
    }
    free(path);
    return opened;
}

// From now on these books belong to this journal.
static result tie(struct books *b, struct store_state *state) {
    if (!no_id(state->journal_id))
        return OK;
    journal_file_id(b->journal, state->journal_id);
    TRY(b->ledger->begin(b->ledger));
    TRY(b->ledger->state_put(b->ledger, state));
    return b->ledger->commit(b->ledger);
}

result books_open(const struct config *c, struct books *out, struct text *why) {
    *out = (struct books){0};
    char *path = bytes_strdup(c->ledger_path);
    struct sqlite_options o = {
        .path = path, .create = true, .backup_before_migration = true, .migrate_later = true};
    result opened = store_sqlite(&o, &out->ledger, why);
    free(path);
    TRY(opened);
    struct store_state state;
    opened = out->ledger->state_get(out->ledger, &state);
    if (opened == OK && store_sqlite_waits(out->ledger) && no_id(state.journal_id))
        opened = store_sqlite_migrate(out->ledger, NULL, why); // it is to be written at once
    if (opened == OK)
        opened = finish_restore(c, &state);
    if (opened == OK)
        opened = open_journal(c, &state, false, &out->journal, why);
    if (opened == OK && journal_file_torn(out->journal))
        log_event(LOG_JOURNAL_TORN);
    if (opened == OK)
        opened = tie(out, &state);
    if (opened != OK)
        books_close(out);
    return opened;
}

static result load(const char *config_path, struct config **out, struct text *report) {
    OWN(text_drop)
    struct text errors = {0}, warnings = {0};
    result loaded = config_load(config_path, out, &errors, &warnings);
    text_add(report, text_bytes(&errors));
    return loaded;
}

static result verify_journal(const struct config *c, struct text *out) {
    // Beside a running gateway booking goes on, so the books' position is not held against the
    // journal here.
    struct store_state any = {0};
    struct journal_store *journal = NULL;
    OWN(text_drop)
    struct text why = {0};
    result opened = open_journal(c, &any, true, &journal, &why);
    if (opened != OK) {
        text_addf(out, "journal: %s\n", text_str(&why));
        return opened;
    }
    result verified = journal->verify(journal, out);
    journal->close(journal);
    return verified;
}

static result verify_ledger(const struct config *c, struct text *out) {
    char *path = bytes_strdup(c->ledger_path);
    struct reader *reader = NULL;
    OWN(text_drop)
    struct text why = {0};
    result opened = reader_open(path, &reader, &why);
    free(path);
    if (opened != OK) {
        text_addf(out, "ledger: %s\n", text_str(&why));
        return opened;
    }
    result verified = reader_verify(reader, out);
    reader_close(reader);
    return verified;
}

result gateway_verify(const char *config_path, struct text *out) {
    struct config *c = NULL;
    TRY(load(config_path, &c, out));
    result ledger = verify_ledger(c, out);
    result journal = verify_journal(c, out);
    config_free(c);
    return ledger != OK ? ledger : journal;
}

result gateway_restore(const char *config_path, const char *backup, struct text *out) {
    struct config *c = NULL;
    TRY(load(config_path, &c, out));
    char *ledger = bytes_strdup(c->ledger_path), *journal = bytes_strdup(c->journal_path);
    config_free(c);
    result restored = sqlite_restore(ledger, backup, out);
    if (restored == OK && files_real.exists(&files_real, journal)) {
        OWN(text_drop)
        struct text aside = {0};
        restored = set_journal_aside(journal, &aside);
        if (restored == OK)
            text_addf(out, "the journal is set aside as %s; a new one begins at the next start\n",
                      text_str(&aside));
        else
            text_addf(out, "%s: %s; the next start sets the journal aside\n", journal,
                      restored->text);
    }
    free(ledger);
    free(journal);
    return restored;
}
