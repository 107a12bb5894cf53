// SPDX-License-Identifier: MIT
// What `sign` and `verify` take: secrets from a file or the environment, never from the argument
// list, where every user of the machine could read them; bodies from a file or standard input.
#ifndef CLI_SECRETS_H
#define CLI_SECRETS_H

#include "base/text.h"
#include "cli/cli.h"
#include "hookkeep/signature.h"

struct secrets {
    struct text content; // owns what `all` points to
    hk_secret all[HK_SECRETS_MAX];
    size_t count;
};

// One secret a line of the file, else $HOOKKEEP_SECRET, else $STRIPE_WEBHOOK_SECRET. Says what is
// wrong.
enum cli_exit secrets_read(const char *file, struct secrets *out);
// The one that `said` names, file:PATH or env:NAME; null: as secrets_read without a file. More than
// one, or the secret itself, is refused. Says what is wrong.
enum cli_exit secrets_named(const struct cli_call *c, const char *said, struct secrets *out);
// The same from text: lines, empty ones skipped. INVALID: none, too many, or white space in one.
must result secrets_parse(struct secrets *s);
void secrets_drop(struct secrets *s); // wipes; usable with OWN

// The whole of a file, or of standard input when `file` is null. Says what is wrong.
enum cli_exit body_read(const char *file, struct text *out);

#endif
