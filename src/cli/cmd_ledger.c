// SPDX-License-Identifier: MIT
#include <unistd.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "gateway.h"

#define PATH_MAX_N 4096
#define REPORT_MAX (1u << 20)

// A report's lines, made printable, indented when they have a title.
static void print_report(const char *title, bytes report) {
    OWN(text_drop)
    struct text out = {0};
    if (title != NULL)
        text_addf(&out, "%s\n", title);
    while (report.n > 0) {
        text_adds(&out, title != NULL ? "  " : "");
        text_add_printable(&out, bytes_cut(&report, '\n'), REPORT_MAX);
        text_addc(&out, '\n');
    }
    cli_out(text_bytes(&out));
}

static enum cli_exit print_verified(const struct cli_call *c, json answer) {
    static const char *const books[] = {"ledger", "journal"};
    bool ok = json_true(json_get(answer, "ok"));
    if (c->json) {
        json_line(answer);
        return ok ? CLI_DONE : CLI_FAILED;
    }
    for (size_t i = 0; i < 2; i++) {
        json one = json_get(answer, books[i]);
        OWN(text_drop)
        struct text title = {0};
        text_addf(&title, "%s: %s", books[i], json_true(json_get(one, "ok")) ? "ok" : "NOT OK");
        print_report(text_str(&title), json_string(json_get(one, "report")));
    }
    return ok ? CLI_DONE : CLI_FAILED;
}

static enum cli_exit verify_files(const struct cli_call *c, const char *address) {
    OWN(text_drop)
    struct text report = {0};
    result verified = gateway_verify(c->config_path, &report);
    if (failed_as(verified, FAIL_LOCKED)) {
        cli_say("a gateway holds the files, and its desk does not answer at %s; name its address "
                "with --api URL or HOOKKEEP_API, or stop it first",
                address);
        return CLI_FAILED;
    }
    if (c->json) {
        OWN(text_drop)
        struct text line = {0};
        text_addf(&line, "{\"ok\":%s,\"report\":", verified == OK ? "true" : "false");
        text_add_json(&line, text_bytes(&report));
        text_adds(&line, "}\n");
        cli_out(text_bytes(&line));
    } else {
        print_report(NULL, text_bytes(&report));
    }
    if (verified == OK)
        return CLI_DONE;
    if (!c->json || failed_as(verified, FAIL_INVALID))
        cli_say("not verified: %s", verified->text);
    return failed_as(verified, FAIL_INVALID) ? CLI_CONFIG : CLI_FAILED;
}

// A running gateway is asked, since it holds the files; otherwise they are read here.
static enum cli_exit verify(const struct cli_call *c) {
    OWN(client_close)
    struct client *client = NULL;
    OWN(reply_drop)
    struct reply r = {0};
    enum cli_exit code = client_open(c, &client);
    if (code != CLI_DONE)
        return code;
    client_send(client, "POST", "/api/ledger/verify", NO_BYTES, &r);
    if (failed_as(r.failed, FAIL_CLOSED) && !client_asked_for(client))
        return verify_files(c, client_address(client));
    code = client_judge(client, &r);
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (code == CLI_DONE && json_parse(text_bytes(&r.body), &doc) != OK) {
        cli_say("%s answered with something that is no JSON; is it a desk's address?",
                client_address(client));
        return CLI_FAILED;
    }
    return code == CLI_DONE ? print_verified(c, json_root(doc)) : code;
}

static enum cli_exit absolute(const char *path, struct text *out) {
    char folder[PATH_MAX_N];
    if (path[0] != '/') {
        if (getcwd(folder, sizeof folder) == NULL) {
            cli_say("this folder has no path any more; name the file by a path that begins with /");
            return CLI_FAILED;
        }
        text_addf(out, "%s/", folder);
    }
    text_adds(out, path);
    return CLI_DONE;
}

static enum cli_exit backup(const struct cli_call *c) {
    OWN(text_drop)
    struct text path = {0};
    OWN(text_drop)
    struct text body = {0};
    OWN(client_close)
    struct client *client = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL;
    enum cli_exit code = absolute(c->args[0], &path);
    text_adds(&body, "{\"file\":");
    text_add_json(&body, text_bytes(&path));
    text_addc(&body, '}');
    if (code == CLI_DONE)
        code = client_open(c, &client);
    if (code == CLI_DONE)
        code = client_ask(client, "POST", "/api/ledger/backup", text_bytes(&body), &doc);
    if (code == CLI_DONE && c->json)
        json_line(json_root(doc));
    else if (code == CLI_DONE)
        cli_outf("backup made: %s, all up to position %.*s is in it\n", text_str(&path),
                 BYTES_ARG(json_number(json_get(json_root(doc), "position"))));
    return code;
}

static enum cli_exit restore(const struct cli_call *c) {
    OWN(text_drop)
    struct text report = {0};
    result restored = gateway_restore(c->config_path, c->args[0], &report);
    if (failed_as(restored, FAIL_LOCKED)) {
        cli_say("a gateway is running on this ledger, which a restore would pull from under it; "
                "stop it, restore, and start it again");
        return CLI_FAILED;
    }
    print_report(NULL, text_bytes(&report));
    if (restored == OK) {
        cli_outf("restored. What was owed is held until `hookkeep destinations release NAME`\n");
        return CLI_DONE;
    }
    cli_say("not restored: %s", restored->text);
    return failed_as(restored, FAIL_INVALID) ? CLI_CONFIG : CLI_FAILED;
}

static const struct cli_command actions[] = {
    {"verify", "", "check hashes, invariants, the database and the journal's checksums",
     "Asks the gateway if it runs, else reads the files that the configuration names. Exit 1 if\n"
     "something is wrong.\n",
     TAKES_API | TAKES_JSON, 0, 0, NULL, verify, NULL},
    {"backup", "FILE", "a consistent copy into a new file, while the gateway runs",
     "The gateway writes it, on its machine and as its user; a relative path means this folder.\n"
     "Secrets of endpoints are in it sealed, so keep LEDGER.sealing-key too.\n",
     TAKES_API | TAKES_JSON, 1, 1, NULL, backup, NULL},
    {"restore", "FILE", "put a backup in the ledger's place, while no gateway runs",
     "The ledger and journal that are there are set aside, not removed. Every destination is held "
     "until\nit is released, so that nothing is sent twice unseen.\nLEDGER.sealing-key has to be "
     "that of the backup's ledger, or endpoints made by the API wait.\n",
     TAKES_CONFIG, 1, 1, NULL, restore, NULL},
    {0},
};

const struct cli_command command_ledger = {
    .name = "ledger",
    .usage = "ACTION",
    .summary = "check, copy and restore the books",
    .actions = actions,
};
