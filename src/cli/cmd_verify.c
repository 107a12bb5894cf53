// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/secrets.h"
#include "port/clock.h"
#include "port/files.h"

#define HEADER_FILE_MAX (64u << 10)

static char *secret_file, *header_file, *time_said, *tolerance_said;

static const struct poptOption options[] = {
    {"header-file", '\0', POPT_ARG_STRING, &header_file, 0, "the header is in this file", "FILE"},
    {"secret-file", '\0', POPT_ARG_STRING, &secret_file, 0,
     "secrets, one a line; else $HOOKKEEP_SECRET or $STRIPE_WEBHOOK_SECRET", "FILE"},
    {"tolerance", '\0', POPT_ARG_STRING, &tolerance_said, 0, "how old it may be (300s)",
     "DURATION"},
    {"time", '\0', POPT_ARG_STRING, &time_said, 0,
     "judge as of then: Unix seconds, 2026-11-23T18:00:00Z; else now", "TIME"},
    POPT_TABLEEND,
};

static enum cli_exit read_header(const struct cli_call *c, struct text *out) {
    if ((c->count == 0) == (header_file == NULL))
        return cli_misused(c, "the header is expected once: as an argument, or --header-file FILE");
    if (c->count > 0) {
        text_adds(out, c->args[0]);
        return CLI_DONE;
    }
    result loaded = file_load(header_file, HEADER_FILE_MAX, out);
    if (loaded != OK) {
        cli_say("%s: %s", header_file,
                failed_as(loaded, FAIL_ABSENT) ? "there is no such file" : loaded->text);
        return CLI_FAILED;
    }
    return CLI_DONE;
}

// Without the header's name and the line's end, with which it may have been copied.
static bytes header_value(const struct text *said) {
    static const char name[] = "stripe-signature:";
    bytes b = text_bytes(said);
    while (bytes_ends(b, B("\n")) || bytes_ends(b, B("\r")))
        b.n--;
    if (bytes_equal_nocase(bytes_slice(b, 0, sizeof name - 1), bytes_of(name)))
        b = bytes_trim(bytes_slice(b, sizeof name - 1, b.n));
    return b;
}

static enum cli_exit judge(const struct secrets *s, bytes header, const struct text *body,
                           int64_t now, int64_t tolerance) {
    hk_receipt r = HK_RECEIPT_INIT;
    r.body = body->p;
    r.body_size = body->n;
    r.header = (const char *)header.p;
    r.header_size = header.n;
    r.secrets = s->all;
    r.secret_count = s->count;
    r.now = (time_t)now;
    r.tolerance = (long)tolerance;
    hk_status status = hk_verify(&r, NULL);
    cli_outf("%s\n", hk_status_text(status));
    return status == HK_OK ? CLI_DONE : CLI_FAILED;
}

static enum cli_exit verify(const struct cli_call *c) {
    OWN(secrets_drop)
    struct secrets secrets = {0};
    OWN(text_drop)
    struct text header = {0};
    OWN(text_drop)
    struct text body = {0};
    int64_t now = clock_wall_ms(&clock_real) / 1000, tolerance = HK_TOLERANCE * 1000;
    if (time_said != NULL && query_seconds(time_said, &now) != OK)
        return cli_misused(c, "--time `%s` is no time; expected Unix seconds or RFC 3339",
                           time_said);
    if (tolerance_said != NULL && text_parse_duration(bytes_of(tolerance_said), &tolerance) != OK)
        return cli_misused(c, "--tolerance `%s` is no duration; expected 300s, 5m, …",
                           tolerance_said);
    enum cli_exit code = read_header(c, &header);
    if (code == CLI_DONE)
        code = secrets_read(secret_file, &secrets);
    if (code == CLI_DONE)
        code = body_read(NULL, &body);
    return code == CLI_DONE ? judge(&secrets, header_value(&header), &body, now, tolerance / 1000)
                            : code;
}

const struct cli_command command_verify = {
    .name = "verify",
    .usage = "[HEADER]",
    .summary = "say whether a Stripe-Signature header holds for a body",
    .help = "The body is standard input. Exit 1 if it does not hold. Needs no gateway.\n",
    .args_max = 1,
    .options = options,
    .run = verify,
};
