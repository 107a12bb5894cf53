// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "config/config.h"
#include "queue/queue.h"

// A server that does not answer holds a person up no longer.
#define QUEUE_CHECK_MS 5000

enum cli_exit check_load(const char *path, struct config **out) {
    OWN(text_drop)
    struct text errors = {0};
    OWN(text_drop)
    struct text warnings = {0};
    result loaded = config_load(path, out, &errors, &warnings);
    if (warnings.n > 0)
        cli_say("warnings:\n%s", text_str(&warnings));
    if (loaded == OK)
        return CLI_DONE;
    cli_say("the configuration is wrong:\n%s", errors.n > 0 ? text_str(&errors) : loaded->text);
    *out = NULL;
    return CLI_CONFIG;
}

// Connects to the queue, if it is one, and says what is wrong with it.
static bool check_queue(const struct config *c, const struct config_destination *d,
                        struct text *out) {
    if (!kind_is_queue(plan_destination_find(c->plan, d->name)->kind))
        return true;
    OWN(text_drop)
    struct text ca_file = {0}, why = {0};
    text_add(&ca_file, c->ca_file);
    struct queue *q = queue_open(&(struct queue_options){
        .target = &d->queue,
        .ca_file = c->ca_file.n > 0 ? text_str(&ca_file) : NULL,
        .timeout_ms = QUEUE_CHECK_MS,
    });
    bool good = queue_check(q, &why);
    queue_close(q);
    if (!good)
        text_addf(out, "  destination %.*s: %s\n", BYTES_ARG(d->name), text_str(&why));
    return good;
}

static bool check_queues(const struct config *c) {
    OWN(text_drop)
    struct text wrong = {0};
    for (size_t i = 0; i < c->destination_count; i++)
        (void)check_queue(c, &c->destinations[i], &wrong);
    if (wrong.n > 0)
        cli_say("queues:\n%s", text_str(&wrong));
    return wrong.n == 0;
}

static enum cli_exit check(const struct cli_call *c) {
    struct config *config = NULL;
    enum cli_exit code = check_load(c->config_path, &config);
    if (code != CLI_DONE)
        return code;
    OWN(text_drop)
    struct text hints = {0};
    config_hints(config, &hints);
    if (hints.n > 0)
        cli_say("hints:\n%s", text_str(&hints));
    size_t sites = config->plan->site_count;
    cli_outf("ok: %zu source%s, %zu destination%s", config->source_count,
             config->source_count == 1 ? "" : "s", config->destination_count,
             config->destination_count == 1 ? "" : "s");
    if (sites > 0)
        cli_outf(", %zu site%s", sites, sites == 1 ? "" : "s");
    OWN(text_drop)
    struct text from = {0};
    text_add_printable(&from, config->file.n > 0 ? config->file : B("the environment alone"), 4096);
    if (config->variables > 0 && config->file.n > 0)
        text_addf(&from, " and %zu variable%s", config->variables,
                  config->variables == 1 ? "" : "s");
    cli_outf(" (%s)\n", text_str(&from));
    bool reached = check_queues(config);
    config_free(config);
    return reached ? CLI_DONE : CLI_FAILED;
}

const struct cli_command command_check = {
    .name = "check",
    .usage = "",
    .summary = "read the configuration; say what is wrong, where, and how to mend it",
    .help = "Connects to each queue and says what is wrong there. Exit 0 if all is well, 78 if the "
            "gateway\nwould not start with it, 1 if it would, but a queue takes nothing in. "
            "`hookkeep help\nconfiguration` lists the keys.\n",
    .takes = TAKES_CONFIG,
    .run = check,
};
