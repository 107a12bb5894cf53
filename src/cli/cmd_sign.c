// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/secrets.h"
#include "port/clock.h"

static char *secret_file, *time_said;

static const struct poptOption options[] = {
    {"secret-file", '\0', POPT_ARG_STRING, &secret_file, 0,
     "the file that holds the secret; else $HOOKKEEP_SECRET or $STRIPE_WEBHOOK_SECRET", "FILE"},
    {"time", '\0', POPT_ARG_STRING, &time_said, 0,
     "sign as of then: Unix seconds, 2026-11-23T18:00:00Z; else now", "TIME"},
    POPT_TABLEEND,
};

static enum cli_exit sign(const struct cli_call *c) {
    OWN(secrets_drop)
    struct secrets secrets = {0};
    OWN(text_drop)
    struct text body = {0};
    int64_t at = clock_wall_ms(&clock_real) / 1000;
    if (time_said != NULL && query_seconds(time_said, &at) != OK)
        return cli_misused(c, "--time `%s` is no time; expected Unix seconds or RFC 3339",
                           time_said);
    enum cli_exit code = secrets_read(secret_file, &secrets);
    if (code == CLI_DONE)
        code = body_read(c->count > 0 ? c->args[0] : NULL, &body);
    if (code != CLI_DONE)
        return code;
    if (secrets.count > 1)
        return cli_misused(c, "there are %zu secrets; one signs", secrets.count);
    char header[HK_SIGNATURE_SIZE];
    size_t n = hk_sign(secrets.all[0], (time_t)at, body.p, body.n, header, sizeof header);
    cli_out(bytes_from(header, n));
    cli_outf("\n");
    return CLI_DONE;
}

const struct cli_command command_sign = {
    .name = "sign",
    .usage = "[FILE]",
    .summary = "print the Stripe-Signature header for a body",
    .help = "The body is FILE, or standard input. Needs no gateway.\n",
    .args_max = 1,
    .options = options,
    .run = sign,
};
