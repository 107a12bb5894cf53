// SPDX-License-Identifier: MIT
#include "cli/secrets.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "port/files.h"

#define SECRETS_SIZE_MAX (64u << 10)
#define BODY_MAX (64u << 20)
#define PIECE 65536

result secrets_parse(struct secrets *s) {
    bytes rest = text_bytes(&s->content);
    while (rest.n > 0) {
        bytes line = bytes_cut(&rest, '\n');
        if (bytes_ends(line, B("\r")))
            line.n--;
        if (line.n == 0)
            continue;
        NEED(bytes_trim(line).n == line.n, INVALID,
             "a secret has white space around it; a line holds a secret and nothing else");
        NEED(s->count < HK_SECRETS_MAX, INVALID, "there are more than 64 secrets");
        s->all[s->count++] = (hk_secret){(const char *)line.p, line.n};
    }
    NEED(s->count > 0, INVALID, "it is empty; a secret whsec_… is expected");
    return OK;
}

static const char *from_environment(struct secrets *out) {
    static const char *const names[] = {"HOOKKEEP_SECRET", "STRIPE_WEBHOOK_SECRET"};
    for (size_t i = 0; i < 2; i++)
        if (getenv(names[i]) != NULL) {
            text_adds(&out->content, getenv(names[i]));
            return names[i];
        }
    return NULL;
}

static enum cli_exit parse_said(struct secrets *out, const char *from) {
    result parsed = secrets_parse(out);
    if (parsed == OK)
        return CLI_DONE;
    cli_say("the secret from %s: %s", from, parsed->text);
    return CLI_USAGE;
}

static enum cli_exit from_file(const char *file, struct secrets *out) {
    result loaded = file_load(file, SECRETS_SIZE_MAX, &out->content);
    if (loaded == OK)
        return parse_said(out, file);
    cli_say("%s: %s; expected a file with a secret on each line", file,
            failed_as(loaded, FAIL_ABSENT) ? "there is no such file" : loaded->text);
    return CLI_FAILED;
}

// `option` is how the command has a file named.
static enum cli_exit read_environment(const char *option, struct secrets *out) {
    const char *from = from_environment(out);
    if (from != NULL)
        return parse_said(out, from);
    cli_say(
        "no secret; set HOOKKEEP_SECRET or STRIPE_WEBHOOK_SECRET, or name a file with %s (never "
        "an argument: others can read those)",
        option);
    return CLI_USAGE;
}

enum cli_exit secrets_read(const char *file, struct secrets *out) {
    *out = (struct secrets){0};
    return file != NULL ? from_file(file, out) : read_environment("--secret-file", out);
}

static enum cli_exit from_named(const struct cli_call *c, const char *said, struct secrets *out) {
    bytes name = bytes_of(said);
    if (bytes_starts(name, B("file:")) && name.n > 5)
        return from_file(said + 5, out);
    if (!bytes_starts(name, B("env:")))
        return cli_misused(c, "--secret names where the secret lies: file:PATH or env:NAME (never "
                              "the secret itself: others can read arguments, so roll it if it was "
                              "one)");
    if (getenv(said + 4) == NULL) {
        cli_say("--secret env:%s: there is no such variable in the environment",
                bytes_starts(name, B("env:whsec_")) ? "whsec_… (a secret? then roll it)"
                                                    : said + 4);
        return CLI_USAGE;
    }
    text_adds(&out->content, getenv(said + 4));
    return parse_said(out, said);
}

enum cli_exit secrets_named(const struct cli_call *c, const char *said, struct secrets *out) {
    *out = (struct secrets){0};
    enum cli_exit code =
        said == NULL ? read_environment("--secret file:PATH", out) : from_named(c, said, out);
    if (code == CLI_DONE && out->count > 1)
        return cli_misused(c, "there are %zu secrets; one signs", out->count);
    return code;
}

void secrets_drop(struct secrets *s) {
    if (s->content.p != NULL)
        memory_wipe(s->content.p, s->content.cap);
    text_drop(&s->content);
    s->count = 0;
}

enum cli_exit body_read(const char *file, struct text *out) {
    out->max = BODY_MAX + 1;
    if (file != NULL) {
        result loaded = file_load(file, BODY_MAX, out);
        if (loaded != OK)
            cli_say("%s: %s", file,
                    failed_as(loaded, FAIL_ABSENT) ? "there is no such file" : loaded->text);
        return loaded == OK ? CLI_DONE : CLI_FAILED;
    }
    char piece[PIECE];
    for (size_t n = 1; n > 0 && !out->failed;) {
        n = fread(piece, 1, sizeof piece, stdin);
        text_add(out, bytes_from(piece, n));
    }
    if (ferror(stdin) || out->failed) {
        cli_say(out->failed ? "the body on standard input is larger than 64 MiB"
                            : "standard input could not be read");
        return CLI_FAILED;
    }
    return CLI_DONE;
}
