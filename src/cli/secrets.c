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
        NEED(s->count < HOOKKEEP_SECRETS_MAX, INVALID, "there are more than 16 secrets");
        s->all[s->count++] = (hookkeep_secret){(const char *)line.p, line.n};
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

enum cli_exit secrets_read(const char *file, struct secrets *out) {
    const char *from = file;
    *out = (struct secrets){0};
    if (file != NULL) {
        result loaded = file_load(file, SECRETS_SIZE_MAX, &out->content);
        if (loaded != OK) {
            cli_say("%s: %s; expected a file with a secret on each line", file,
                    failed_as(loaded, FAIL_ABSENT) ? "there is no such file" : loaded->text);
            return CLI_FAILED;
        }
    } else {
        from = from_environment(out);
        if (from == NULL) {
            cli_say("no secret; set HOOKKEEP_SECRET or STRIPE_WEBHOOK_SECRET, or name a file with "
                    "--secret-file (never an argument: others can read those)");
            return CLI_USAGE;
        }
    }
    result parsed = secrets_parse(out);
    if (parsed != OK) {
        cli_say("the secret from %s: %s", from, parsed->text);
        return CLI_USAGE;
    }
    return CLI_DONE;
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
