// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "config/config.h"

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
    config_free(config);
    return CLI_DONE;
}

const struct cli_command command_check = {
    .name = "check",
    .usage = "",
    .summary = "read the configuration; say what is wrong, where, and how to mend it",
    .help = "Exit 0 if the gateway would start with it, 78 if not. `hookkeep help configuration` "
            "lists\nthe keys.\n",
    .takes = TAKES_CONFIG,
    .run = check,
};
