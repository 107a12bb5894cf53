// SPDX-License-Identifier: MIT
#include <string.h>

#include "generate.h"

#define WORDS_MAX 12

void commands_each(void (*each)(void *ctx, const struct cli_command *command,
                                const struct cli_command *action),
                   void *ctx) {
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
        if ((*c)->actions == NULL)
            each(ctx, *c, NULL);
        for (const struct cli_command *a = (*c)->actions; a != NULL && a->name != NULL; a++)
            each(ctx, *c, a);
    }
}

void options_each(const struct poptOption *table,
                  void (*each)(void *ctx, const struct poptOption *o), void *ctx) {
    for (const struct poptOption *o = table;
         o != NULL && (o->longName != NULL || o->shortName != '\0' || o->arg != NULL); o++) {
        if ((o->argInfo & POPT_ARG_MASK) == POPT_ARG_INCLUDE_TABLE)
            options_each(o->arg, each, ctx);
        else if ((o->argInfo & POPT_ARGFLAG_DOC_HIDDEN) == 0)
            each(ctx, o);
    }
}

void options_all_each(const struct cli_command *command,
                      void (*each)(void *ctx, const struct poptOption *o), void *ctx) {
    struct poptOption tables[CLI_TABLES_MAX];
    cli_options(command, tables);
    options_each(tables, each, ctx);
}

bool option_takes_value(const struct poptOption *o) {
    unsigned type = o->argInfo & POPT_ARG_MASK;
    return type != POPT_ARG_NONE && type != POPT_ARG_VAL;
}

static bool is_word(bytes b) {
    for (size_t i = 0; i < b.n; i++)
        if (!((b.p[i] >= 'a' && b.p[i] <= 'z') || b.p[i] == '_'))
            return false;
    return b.n > 0;
}

// "pending, done, failed or ignored", up to a full stop, semicolon or colon. No such: nothing.
void description_words(const char *description, struct text *out) {
    bytes rest = bytes_of(description);
    bytes words[WORDS_MAX];
    size_t count = 0;
    rest = bytes_slice(rest, 0, bytes_find(rest, ';'));
    while (rest.n > 0 && count < WORDS_MAX) {
        size_t comma = bytes_search(rest, B(", ")), or = bytes_search(rest, B(" or "));
        size_t end = comma < or ? comma : or ;
        words[count] = bytes_slice(rest, 0, end);
        if (!is_word(words[count++]))
            return;
        rest = bytes_slice(rest, end + (comma < or ? 2 : 4), rest.n);
    }
    for (size_t i = 0; i < count && count > 1; i++)
        text_addf(out, "%s%.*s", i > 0 ? " " : "", BYTES_ARG(words[i]));
}

static enum values values_of(bytes name) {
    static const struct {
        const char *name;
        enum values values;
    } rows[] = {
        {"FILE", VALUES_FILES},       {"FOLDER", VALUES_FILES}, {"PATH", VALUES_FILES},
        {"TYPE", VALUES_TYPES},       {"FAMILY", VALUES_TYPES}, {"DEST", VALUES_DESTINATIONS},
        {"COMMAND", VALUES_COMMANDS}, {"SITE", VALUES_SITES},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (bytes_equal(name, bytes_of(rows[i].name)))
            return rows[i].values;
    return VALUES_NONE;
}

enum values option_values(const struct poptOption *o) {
    OWN(text_drop)
    struct text words = {0};
    enum values values = values_of(bytes_of(o->argDescrip));
    description_words(o->descrip, &words);
    return values == VALUES_NONE && words.n > 0 ? VALUES_WORDS : values;
}

enum values argument_values(const struct cli_command *command) {
    bytes usage = bytes_of(command->usage);
    size_t from = bytes_starts(usage, B("[")) ? 1 : 0, to = from;
    while (to < usage.n && usage.p[to] >= 'A' && usage.p[to] <= 'Z')
        to++;
    return values_of(bytes_slice(usage, from, to));
}

void command_words(const struct cli_command *command, const struct cli_command *action,
                   struct text *out) {
    text_adds(out, command->name);
    if (action != NULL)
        text_addf(out, " %s", action->name);
}
