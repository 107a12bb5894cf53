// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"

#define NEAR_MAX 3 // how far a word may be from a known one to be taken for a slip
#define NAME_COLUMN 14

static struct {
    char *config_path, *api;
    int json, help;
} common;

static const struct poptOption option_config[] = {
    {"config", 'c', POPT_ARG_STRING, &common.config_path, 0,
     "the configuration; else $HOOKKEEP_CONFIG, hookkeep.yaml, /etc/hookkeep/hookkeep.yaml",
     "FILE"},
    POPT_TABLEEND,
};

static const struct poptOption option_api[] = {
    {"api", '\0', POPT_ARG_STRING, &common.api, 0,
     "the desk's address; else $HOOKKEEP_API, else the configuration's", "URL"},
    POPT_TABLEEND,
};

static const struct poptOption option_json[] = {
    {"json", '\0', POPT_ARG_NONE, &common.json, 0, "print the desk's JSON, a line for each row",
     NULL},
    POPT_TABLEEND,
};

static const struct poptOption option_help[] = {
    {"help", 'h', POPT_ARG_NONE, &common.help, 0, "show this", NULL},
    POPT_TABLEEND,
};

#define TABLE_OF(table_)                                                                           \
    (struct poptOption) {                                                                          \
        NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)(table_), 0, NULL, NULL             \
    }

void cli_options(const struct cli_command *command, struct poptOption out[CLI_TABLES_MAX]) {
    size_t n = 0;
    if (command->options != NULL)
        out[n++] = TABLE_OF(command->options);
    if ((command->takes & TAKES_JSON) != 0)
        out[n++] = TABLE_OF(option_json);
    if ((command->takes & TAKES_API) != 0)
        out[n++] = TABLE_OF(option_api);
    if ((command->takes & (TAKES_API | TAKES_CONFIG)) != 0)
        out[n++] = TABLE_OF(option_config);
    out[n++] = TABLE_OF(option_help);
    out[n] = (struct poptOption)POPT_TABLEEND;
}

const struct cli_command *cli_find(const char *name) {
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

static const struct cli_command *find_action(const struct cli_command *c, const char *name) {
    for (const struct cli_command *a = c->actions; a->name != NULL; a++)
        if (strcmp(a->name, name) == 0)
            return a;
    return NULL;
}

static void keep_nearest(const char *word, const char *name, const char **best, size_t *least) {
    size_t far = text_distance(bytes_of(word), bytes_of(name));
    bool starts = word[0] != '\0' && bytes_starts(bytes_of(name), bytes_of(word));
    if (starts)
        far = 0;
    if (far < *least && far < strlen(name)) {
        *least = far;
        *best = name;
    }
}

const char *cli_nearest(const char *name, const struct cli_command *actions) {
    const char *best = NULL;
    size_t least = NEAR_MAX + 1;
    if (actions != NULL)
        for (const struct cli_command *a = actions; a->name != NULL; a++)
            keep_nearest(name, a->name, &best, &least);
    else
        for (const struct cli_command *const *c = cli_commands; *c != NULL; c++)
            keep_nearest(name, (*c)->name, &best, &least);
    return best;
}

static void show_row(const char *name, const char *summary) {
    cli_outf("  %-*s %s\n", NAME_COLUMN, name, summary);
}

static enum cli_exit help_all(void) {
    cli_outf("Usage: hookkeep COMMAND [ACTION] [OPTION...]\n"
             "Bookkeeping for Stripe webhooks: receives, keeps and delivers every event.\n\n");
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++)
        show_row((*c)->name, (*c)->summary);
    cli_outf("\n`hookkeep help COMMAND` tells more; `hookkeep help configuration` lists the keys "
             "of the file.\nExit: 0 done, 1 the request failed, 2 usage, 78 configuration.\n");
    return CLI_DONE;
}

static enum cli_exit help_actions(const struct cli_command *command) {
    cli_outf("Usage: hookkeep %s ACTION [OPTION...]\n%c%s.\n\n", command->name,
             command->summary[0] & ~0x20, command->summary + 1);
    for (const struct cli_command *a = command->actions; a->name != NULL; a++) {
        OWN(text_drop)
        struct text call = {0};
        text_addf(&call, "%s%s%s", a->name, a->usage[0] != '\0' ? " " : "", a->usage);
        if (call.n <= NAME_COLUMN)
            show_row(text_str(&call), a->summary);
        else
            cli_outf("  %s\n  %-*s %s\n", text_str(&call), NAME_COLUMN, "", a->summary);
    }
    if (command->help != NULL)
        cli_outf("\n%s", command->help);
    cli_outf("\n`hookkeep %s ACTION --help` tells more.\n", command->name);
    return CLI_DONE;
}

static poptContext context(int argc, const char **argv, const struct poptOption *options) {
    poptContext popt = poptGetContext(NULL, argc, argv, options, POPT_CONTEXT_NO_EXEC);
    if (popt == NULL)
        memory_none(0);
    return popt;
}

static enum cli_exit help_one(const struct cli_command *command, const char *full) {
    struct poptOption options[CLI_TABLES_MAX];
    cli_options(command, options);
    const char *argv[] = {full, NULL};
    poptContext popt = context(1, argv, options);
    OWN(text_drop)
    struct text usage = {0};
    text_addf(&usage, "[OPTION...]%s%s", command->usage[0] != '\0' ? " " : "", command->usage);
    poptSetOtherOptionHelp(popt, text_str(&usage));
    poptPrintHelp(popt, stdout, 0);
    poptFreeContext(popt);
    cli_outf("\n%c%s.\n%s", command->summary[0] & ~0x20, command->summary + 1,
             command->help != NULL ? command->help : "");
    return CLI_DONE;
}

static enum cli_exit unknown(const char *before, const char *what, const char *word,
                             const struct cli_command *actions) {
    const char *near = cli_nearest(word, actions);
    if (near != NULL)
        cli_say("there is no %s `%s`; did you mean `%s%s`?", what, word, before, near);
    else
        cli_say("there is no %s `%s`; `%shelp` lists them", what, word,
                actions == NULL ? "hookkeep " : before);
    return CLI_USAGE;
}

enum cli_exit cli_help(const char *const *words, size_t count) {
    if (count == 0)
        return help_all();
    const struct cli_command *command = cli_find(words[0]);
    if (command == NULL)
        return unknown("hookkeep ", "command", words[0], NULL);
    OWN(text_drop)
    struct text full = {0};
    text_addf(&full, "hookkeep %s ", command->name);
    if (command->actions == NULL || count == 1) {
        full.p[--full.n] = '\0';
        return command->actions != NULL ? help_actions(command) : help_one(command, full.p);
    }
    const struct cli_command *action = find_action(command, words[1]);
    if (action == NULL)
        return unknown(text_str(&full), "action", words[1], command->actions);
    text_adds(&full, action->name);
    return help_one(action, text_str(&full));
}

static enum cli_exit check_count(const struct cli_command *command, const struct cli_call *c) {
    if (c->count < command->args_min)
        return cli_misused(c, "something is missing: %s%s%s", c->name,
                           command->usage[0] != '\0' ? " " : "", command->usage);
    if (c->count > command->args_max)
        return cli_misused(c, "nothing is known to do with `%s`", c->args[command->args_max]);
    return CLI_DONE;
}

static enum cli_exit run_parsed(const struct cli_command *command, poptContext popt,
                                const char *full) {
    const char **args = poptGetArgs(popt);
    struct cli_call c = {.name = full,
                         .args = args,
                         .config_path = common.config_path,
                         .api = common.api,
                         .json = common.json != 0};
    while (args != NULL && args[c.count] != NULL)
        c.count++;
    enum cli_exit counted = check_count(command, &c);
    return counted != CLI_DONE ? counted : command->run(&c);
}

// argv[0] is the command's own name.
static enum cli_exit run_one(const struct cli_command *command, const char *full, int argc,
                             const char **argv) {
    struct poptOption options[CLI_TABLES_MAX];
    cli_options(command, options);
    argv[0] = full;
    poptContext popt = context(argc, argv, options);
    int got = poptGetNextOpt(popt);
    enum cli_exit code;
    if (common.help != 0) {
        code = help_one(command, full);
    } else if (got < -1) {
        // What stands behind `=` may be a secret.
        OWN(text_drop)
        struct text option = {0};
        bytes said = bytes_of(poptBadOption(popt, POPT_BADOPTION_NOALIAS));
        text_add(&option, bytes_cut(&said, '='));
        struct cli_call c = {.name = full};
        code = cli_misused(&c, "%s: %s", text_str(&option), poptStrerror(got));
    } else {
        code = run_parsed(command, popt, full);
    }
    poptFreeContext(popt);
    return code;
}

static bool asks_for_help(const char *word) {
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

static enum cli_exit run_named(const struct cli_command *command, int argc, const char **argv) {
    OWN(text_drop)
    struct text full = {0};
    text_addf(&full, "hookkeep %s", command->name);
    if (command->actions == NULL)
        return run_one(command, text_str(&full), argc - 1, argv + 1);
    if (argc < 3 || asks_for_help(argv[2])) {
        enum cli_exit shown = help_actions(command);
        return argc < 3 ? CLI_USAGE : shown;
    }
    text_addc(&full, ' ');
    const struct cli_command *action = find_action(command, argv[2]);
    if (action == NULL)
        return unknown(text_str(&full), "action", argv[2], command->actions);
    text_adds(&full, action->name);
    return run_one(action, text_str(&full), argc - 2, argv + 2);
}

static enum cli_exit run_any(int argc, const char **argv) {
    if (argc < 2) {
        (void)help_all();
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help_all();
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    const struct cli_command *command = cli_find(name);
    return command == NULL ? unknown("hookkeep ", "command", name, NULL)
                           : run_named(command, argc, argv);
}

enum cli_exit cli_run(int argc, const char **argv) {
    enum cli_exit code = run_any(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == CLI_DONE) {
        cli_say("standard output could not be written; not all of it has arrived");
        return CLI_FAILED;
    }
    return code;
}
