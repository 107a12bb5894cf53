// SPDX-License-Identifier: MIT
// Completion for bash, zsh and fish: commands, actions, options, and values where they are known:
// words, files, event types (`hookkeep events types`), destinations and sites (the gateway is
// asked).
#include <string.h>

#include "generate.h"

#define TYPES "hookkeep events types 2>/dev/null | cut -d ' ' -f 1"
#define NAMES_OF(things_)                                                                          \
    "hookkeep " things_ " list --json 2>/dev/null | sed -n 's/^{\"name\":\"\\([^\"]*\\)\".*/\\1/p'"
#define DESTINATIONS NAMES_OF("destinations")
#define SITES NAMES_OF("sites")

// A text inside single quotes. `also`: characters that get a backslash before them.
static void add_quoted(struct text *out, const char *s, const char *also) {
    for (; *s != '\0'; s++) {
        if (*s == '\'')
            text_adds(out, "'\\''");
        else {
            if (strchr(also, *s) != NULL)
                text_addc(out, '\\');
            text_addc(out, *s);
        }
    }
}

static void add_name(void *ctx, const struct cli_command *command,
                     const struct cli_command *action) {
    struct text *out = ctx;
    if (action == NULL || action == command->actions)
        text_addf(out, "%s%s", out->n > 0 ? " " : "", command->name);
}

static void add_command_names(struct text *out) {
    OWN(text_drop)
    struct text names = {0};
    commands_each(add_name, &names);
    text_add(out, text_bytes(&names));
}

static void add_action_names(const struct cli_command *command, struct text *out) {
    for (const struct cli_command *a = command->actions; a->name != NULL; a++)
        text_addf(out, "%s%s", a != command->actions ? " " : "", a->name);
}

static const struct cli_command *runs(const struct cli_command *command,
                                      const struct cli_command *action) {
    return action != NULL ? action : command;
}

// --- bash

static void bash_values(enum values values, const char *description, struct text *out) {
    OWN(text_drop)
    struct text words = {0};
    switch (values) {
    case VALUES_FILES: text_adds(out, "compopt -o default"); return;
    case VALUES_TYPES: text_adds(out, "words=$(" TYPES ")"); return;
    case VALUES_DESTINATIONS: text_adds(out, "words=$(" DESTINATIONS ")"); return;
    case VALUES_SITES: text_adds(out, "words=$(" SITES ")"); return;
    case VALUES_COMMANDS: add_command_names(&words); break;
    case VALUES_WORDS: description_words(description, &words); break;
    case VALUES_NONE: text_adds(out, ":"); return;
    }
    text_addf(out, "words='%s'", text_str(&words));
}

static void bash_option(void *ctx, const struct poptOption *o) {
    struct text *out = ctx;
    if (!option_takes_value(o))
        return;
    text_adds(out, "        ");
    if (o->shortName != '\0')
        text_addf(out, "-%c | ", o->shortName);
    text_addf(out, "--%s) ", o->longName);
    bash_values(option_values(o), o->descrip, out);
    text_adds(out, " ;;\n");
}

static void bash_option_name(void *ctx, const struct poptOption *o) {
    struct text *out = ctx;
    text_addf(out, " --%s", o->longName);
}

static void bash_command(void *ctx, const struct cli_command *command,
                         const struct cli_command *action) {
    struct text *out = ctx;
    const struct cli_command *one = runs(command, action);
    OWN(text_drop)
    struct text call = {0}, options = {0};
    command_words(command, action, &call);
    options_all_each(one, bash_option_name, &options);
    text_addf(out, "    '%s')\n        case $before in\n", text_str(&call));
    options_all_each(one, bash_option, out);
    text_addf(out, "        *) if [[ $cur == -* ]]; then words='%s'; else ",
              text_str(&options) + (options.n > 0));
    bash_values(argument_values(one), "", out);
    text_adds(out, "; fi ;;\n        esac\n        ;;\n");
}

void complete_bash(struct text *out) {
    text_adds(out, "# hookkeep(1) completion for bash. Made from the program's own tables.\n"
                   "_hookkeep() {\n"
                   "    local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
                   "    local words='' call=${COMP_WORDS[1]}\n"
                   "    COMPREPLY=()\n"
                   "    # --option=value is three words.\n"
                   "    if [ \"$cur\" = = ]; then\n"
                   "        cur=''\n"
                   "    elif [ \"$before\" = = ]; then\n"
                   "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
                   "    fi\n"
                   "    case $call in\n");
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
        if ((*c)->actions == NULL)
            continue;
        text_addf(out, "    %s)\n        if [ \"$COMP_CWORD\" = 2 ]; then words='", (*c)->name);
        add_action_names(*c, out);
        text_adds(out, "'; else call+=\" ${COMP_WORDS[2]}\"; fi\n        ;;\n");
    }
    text_adds(out, "    esac\n    if [ \"$COMP_CWORD\" = 1 ]; then call=''; words='");
    add_command_names(out);
    text_adds(out, "'; fi\n    case $call in\n");
    commands_each(bash_command, out);
    text_adds(out, "    esac\n"
                   "    if [ -n \"$words\" ]; then\n"
                   "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
                   "    fi\n"
                   "}\n"
                   "complete -F _hookkeep hookkeep\n");
}

// --- zsh

static void zsh_values(enum values values, const char *description, struct text *out) {
    OWN(text_drop)
    struct text words = {0};
    switch (values) {
    case VALUES_FILES: text_adds(out, "_files"); return;
    case VALUES_TYPES: text_adds(out, "_hookkeep_types"); return;
    case VALUES_DESTINATIONS: text_adds(out, "_hookkeep_destinations"); return;
    case VALUES_SITES: text_adds(out, "_hookkeep_sites"); return;
    case VALUES_COMMANDS: add_command_names(&words); break;
    case VALUES_WORDS: description_words(description, &words); break;
    case VALUES_NONE: text_addc(out, ' '); return;
    }
    text_addf(out, "(%s)", text_str(&words));
}

static void zsh_option(void *ctx, const struct poptOption *o) {
    struct text *out = ctx;
    bool value = option_takes_value(o);
    text_adds(out, " \\\n        ");
    if (o->shortName != '\0')
        text_addf(out, "'(-%c --%s)'{-%c%s,--%s%s}'[", o->shortName, o->longName, o->shortName,
                  value ? "+" : "", o->longName, value ? "=" : "");
    else
        text_addf(out, "'--%s%s[", o->longName, value ? "=" : "");
    add_quoted(out, o->descrip, "[]:\\");
    text_addc(out, ']');
    if (value) {
        text_addf(out, ":%s:", o->argDescrip != NULL ? o->argDescrip : "value");
        zsh_values(option_values(o), o->descrip, out);
    }
    text_addc(out, '\'');
}

static void zsh_command(void *ctx, const struct cli_command *command,
                        const struct cli_command *action) {
    struct text *out = ctx;
    const struct cli_command *one = runs(command, action);
    OWN(text_drop)
    struct text call = {0};
    command_words(command, action, &call);
    text_addf(out, "    '%s')\n        _arguments -s", text_str(&call));
    options_all_each(one, zsh_option, out);
    if (one->args_max > 0) {
        text_addf(out, " \\\n        '%s:", one->args_max > 1 ? "*" : "");
        add_quoted(out, one->usage, "[]:\\");
        text_addc(out, ':');
        zsh_values(argument_values(one), "", out);
        text_addc(out, '\'');
    }
    text_adds(out, "\n        ;;\n");
}

static void zsh_described(const char *name, const char *summary, struct text *out) {
    text_addf(out, "            '%s:", name);
    add_quoted(out, summary, ":\\");
    text_adds(out, "'\n");
}

void complete_zsh(struct text *out) {
    text_adds(out, "#compdef hookkeep\n"
                   "# hookkeep(1) completion for zsh. Made from the program's own tables.\n"
                   "_hookkeep_types() {\n"
                   "    compadd -- ${(f)\"$(" TYPES ")\"}\n"
                   "}\n"
                   "_hookkeep_destinations() {\n"
                   "    compadd -- ${(f)\"$(" DESTINATIONS ")\"}\n"
                   "}\n"
                   "_hookkeep_sites() {\n"
                   "    compadd -- ${(f)\"$(" SITES ")\"}\n"
                   "}\n"
                   "_hookkeep() {\n"
                   "    local call=$words[2]\n"
                   "    local -a names\n"
                   "    if (( CURRENT == 2 )); then\n        names=(\n");
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++)
        zsh_described((*c)->name, (*c)->summary, out);
    text_adds(out, "        )\n        _describe command names\n        return\n    fi\n"
                   "    case $call in\n");
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
        if ((*c)->actions == NULL)
            continue;
        text_addf(out, "    %s)\n        names=(\n", (*c)->name);
        for (const struct cli_command *a = (*c)->actions; a->name != NULL; a++)
            zsh_described(a->name, a->summary, out);
        text_adds(out,
                  "        )\n"
                  "        if (( CURRENT == 3 )); then\n"
                  "            _describe action names\n            return\n        fi\n"
                  "        call+=\" $words[3]\"\n        shift words\n        (( CURRENT-- ))\n"
                  "        ;;\n");
    }
    text_adds(out, "    esac\n    shift words\n    (( CURRENT-- ))\n    case $call in\n");
    commands_each(zsh_command, out);
    text_adds(out, "    esac\n}\n_hookkeep \"$@\"\n");
}

// --- fish

struct fish {
    struct text *out;
    const char *when;
};

static void fish_values(enum values values, const char *description, struct text *out) {
    OWN(text_drop)
    struct text words = {0};
    switch (values) {
    case VALUES_FILES: text_adds(out, " -F"); return;
    case VALUES_TYPES: text_adds(out, " -a '(__hookkeep_types)'"); return;
    case VALUES_DESTINATIONS: text_adds(out, " -a '(__hookkeep_destinations)'"); return;
    case VALUES_SITES: text_adds(out, " -a '(__hookkeep_sites)'"); return;
    case VALUES_COMMANDS: add_command_names(&words); break;
    case VALUES_WORDS: description_words(description, &words); break;
    case VALUES_NONE: return;
    }
    text_addf(out, " -a '%s'", text_str(&words));
}

static void fish_option(void *ctx, const struct poptOption *o) {
    struct fish *f = ctx;
    text_addf(f->out, "complete -c hookkeep -n '%s' -l %s", f->when, o->longName);
    if (o->shortName != '\0')
        text_addf(f->out, " -s %c", o->shortName);
    if (option_takes_value(o)) {
        enum values values = option_values(o);
        text_adds(f->out, values == VALUES_FILES ? " -r" : " -x");
        fish_values(values, o->descrip, f->out);
    }
    text_adds(f->out, " -d '");
    add_quoted(f->out, o->descrip, "\\");
    text_adds(f->out, "'\n");
}

static void fish_command(void *ctx, const struct cli_command *command,
                         const struct cli_command *action) {
    struct text *out = ctx;
    const struct cli_command *one = runs(command, action);
    OWN(text_drop)
    struct text when = {0};
    text_addf(&when, "__hookkeep_is %s%s%s", command->name, action != NULL ? " " : "",
              action != NULL ? action->name : "");
    struct fish f = {out, text_str(&when)};
    options_all_each(one, fish_option, &f);
    enum values values = argument_values(one);
    if (values == VALUES_NONE)
        return;
    text_addf(out, "complete -c hookkeep -n '%s'", text_str(&when));
    fish_values(values, "", out);
    text_addc(out, '\n');
}

static void fish_described(const char *when, const char *name, const char *summary,
                           struct text *out) {
    text_addf(out, "complete -c hookkeep -n '%s' -a %s -d '", when, name);
    add_quoted(out, summary, "\\");
    text_adds(out, "'\n");
}

void complete_fish(struct text *out) {
    text_adds(out, "# hookkeep(1) completion for fish. Made from the program's own tables.\n"
                   "function __hookkeep_types\n    " TYPES "\nend\n"
                   "function __hookkeep_destinations\n    " DESTINATIONS "\nend\n"
                   "function __hookkeep_sites\n    " SITES "\nend\n"
                   "# Are these the words so far, options and arguments aside?\n"
                   "function __hookkeep_is\n"
                   "    set -l words (commandline -opc)\n"
                   "    set -l last (math (count $argv) + 1)\n"
                   "    test (count $words) -ge $last; or return 1\n"
                   "    test $last -eq 1; and return 0\n"
                   "    test \"$words[2..$last]\" = \"$argv\"\n"
                   "end\n"
                   "# … and none more?\n"
                   "function __hookkeep_ends\n"
                   "    test (count (commandline -opc)) -eq (math (count $argv) + 1)\n"
                   "    and __hookkeep_is $argv\n"
                   "end\n"
                   "complete -c hookkeep -f\n");
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
        fish_described("__hookkeep_ends", (*c)->name, (*c)->summary, out);
        OWN(text_drop)
        struct text when = {0};
        text_addf(&when, "__hookkeep_ends %s", (*c)->name);
        for (const struct cli_command *a = (*c)->actions; a != NULL && a->name != NULL; a++)
            fish_described(text_str(&when), a->name, a->summary, out);
    }
    commands_each(fish_command, out);
}
