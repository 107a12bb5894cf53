/* SPDX-License-Identifier: MIT */
/*
 * A plugin with three handlers, which keep a shop's books in SQLite:
 *
 *     cc -shared -fPIC -o shop.so shop.c -lsqlite3
 *
 * Each is one statement, and the same event twice changes nothing.
 */
#include <hookkeep/handler.h>
#include <sqlite3.h>

#define COUNT(array_) ((int)(sizeof(array_) / sizeof((array_)[0])))

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS members"
    " (subscription TEXT PRIMARY KEY, customer TEXT NOT NULL, status TEXT NOT NULL,"
    "  as_of INTEGER);"
    "CREATE TABLE IF NOT EXISTS records"
    " (invoice TEXT PRIMARY KEY, customer TEXT, amount INTEGER NOT NULL, paid INTEGER);"
    "CREATE TABLE IF NOT EXISTS notices"
    " (payout TEXT PRIMARY KEY, account TEXT, amount INTEGER, currency TEXT, arrival INTEGER,"
    "  sent INTEGER DEFAULT 0)";

static sqlite3 *db; /* of this process, which has one event at a time */

static int open_books(void) {
    int code = sqlite3_open("shop.db", &db);
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(db, 5000);
    return code == SQLITE_OK ? sqlite3_exec(db, schema, NULL, NULL, NULL) : code;
}

/* Runs a statement with the fields at these paths; an absent one is NULL. */
static int run(const char *sql, const hk_handler_event *event, const char *const *paths, int count,
               hk_handler_answer *answer) {
    sqlite3_stmt *statement = NULL;
    int i, code = db == NULL ? open_books() : SQLITE_OK;
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    for (i = 0; i < count && code == SQLITE_OK; i++) {
        const char *text = event->text(event, paths[i], NULL);
        if (text == NULL)
            text = event->json(event, paths[i], NULL); /* a number */
        code = sqlite3_bind_text(statement, i + 1, text, -1, SQLITE_TRANSIENT);
    }
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code != SQLITE_DONE)
        sqlite3_snprintf((int)sizeof answer->reason, answer->reason, "%s", sqlite3_errmsg(db));
    sqlite3_finalize(statement);
    if (code == SQLITE_DONE)
        return HK_DONE;
    answer->retry_after = 5;
    return code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_FULL ? HK_NOT_YET
                                                                               : HK_FAILED;
}

/* Events come in no order: an older one does not undo a newer one. */
static int membership(const hk_handler_event *event, hk_handler_answer *answer) {
    static const char *const fields[] = {"data.object.id", "data.object.customer",
                                         "data.object.status", "created"};
    return run("INSERT INTO members VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
               " SET status = excluded.status, as_of = excluded.as_of"
               " WHERE excluded.as_of >= as_of",
               event, fields, COUNT(fields), answer);
}

/* invoice.paid and invoice.payment_succeeded both say so of the same invoice. */
static int accounting(const hk_handler_event *event, hk_handler_answer *answer) {
    static const char *const fields[] = {"data.object.id", "data.object.customer",
                                         "data.object.amount_paid"};
    return run("INSERT INTO records VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE"
               " SET amount = excluded.amount, paid = 1",
               event, fields, COUNT(fields), answer);
}

/* For the connected account whose payout is on its way. Who sends letters takes them from the
   table, and marks them sent. */
static int payout(const hk_handler_event *event, hk_handler_answer *answer) {
    static const char *const fields[] = {"data.object.id", "account", "data.object.amount",
                                         "data.object.currency", "data.object.arrival_date"};
    if (!event->livemode)
        return HK_DONE; /* of test money nobody is told */
    if (event->text(event, "account", NULL) == NULL)
        return HK_DONE; /* our own payout */
    return run("INSERT OR IGNORE INTO notices (payout, account, amount, currency, arrival)"
               " VALUES (?, ?, ?, ?, ?)",
               event, fields, COUNT(fields), answer);
}

static const char *const membership_types[] = {"customer.subscription.*", NULL};
static const char *const accounting_types[] = {"invoice.paid", "invoice.payment_succeeded", NULL};
static const char *const payout_types[] = {"payout.created", NULL};

static const hk_handler handlers[] = {
    {"membership", "keeps who is a member", membership_types, membership},
    {"accounting", "marks invoices as paid", accounting_types, accounting},
    {"payouts", "notes whom to tell of a payout", payout_types, payout},
};
HK_HANDLER_TABLE(handlers);
