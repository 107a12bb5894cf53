// SPDX-License-Identifier: MIT
#include <string.h>

#include "config/keys.h"
#include "config/variables.h"
#include "generate.h"
#include "stripe/objects.h"

// --- scdoc

// Text as it is. What stands between backticks becomes bold.
static void add_plain(struct text *out, bytes b) {
    for (size_t i = 0; i < b.n; i++) {
        if (b.p[i] == '`') {
            text_addc(out, '*');
            continue;
        }
        if (strchr("\\*_[]|<>#~", b.p[i]) != NULL)
            text_addc(out, '\\');
        text_addc(out, (char)b.p[i]);
    }
}

static void add_words(struct text *out, const char *s) { add_plain(out, bytes_of(s)); }

static void add_sentence(struct text *out, const char *s) {
    if (s[0] == '\0')
        return;
    char first = (char)(s[0] >= 'a' && s[0] <= 'z' ? s[0] & ~0x20 : s[0]);
    add_plain(out, bytes_from(&first, 1));
    add_words(out, s + 1);
    text_adds(out, s[strlen(s) - 1] == '.' ? "" : ".");
}

// A help text's lines as paragraphs; those that begin with a space stay lines.
static void add_help(struct text *out, bytes help) {
    bool literal = false, begun = true;
    while (help.n > 0) {
        bytes line = bytes_cut(&help, '\n');
        bool code = bytes_starts(line, B(" "));
        if (code != literal)
            text_adds(out, code ? "\n\n\t```\n" : "\n\t```\n\n\t");
        literal = code;
        if (code)
            text_addf(out, "\t%.*s\n", BYTES_ARG(line));
        else if (line.n == 0)
            text_adds(out, "\n\n\t");
        else {
            text_adds(out, begun ? " " : "");
            add_plain(out, line);
        }
        begun = !code && line.n > 0;
    }
    text_adds(out, literal ? "\t```" : "");
}

// --- commands

static void add_option(void *ctx, const struct poptOption *o) {
    struct text *out = ctx;
    text_adds(out, "\n\t");
    if (o->shortName != '\0')
        text_addf(out, "*-%c*, ", o->shortName);
    text_addf(out, "*--%s*", o->longName);
    if (o->argDescrip != NULL && option_takes_value(o)) {
        text_adds(out, " _");
        add_words(out, o->argDescrip);
        text_adds(out, "_");
    }
    text_adds(out, "\n\t\t");
    add_sentence(out, o->descrip);
    text_addc(out, '\n');
}

static void add_shared_name(void *ctx, const struct poptOption *o) {
    struct text *out = ctx;
    text_addf(out, "%s*--%s*", out->n > 0 ? ", " : "", o->longName);
}

static void add_command(void *ctx, const struct cli_command *command,
                        const struct cli_command *action) {
    struct text *out = ctx;
    const struct cli_command *one = action != NULL ? action : command;
    OWN(text_drop)
    struct text call = {0}, shared = {0};
    command_words(command, action, &call);
    text_addf(out, "\n*hookkeep %s*%s", text_str(&call),
              one->options != NULL ? " [_option_...]" : "");
    if (one->usage[0] != '\0') {
        text_adds(out, " _");
        add_words(out, one->usage);
        text_adds(out, "_");
    }
    text_adds(out, "\n\t");
    add_sentence(out, one->summary);
    if (one->help != NULL)
        add_help(out, bytes_of(one->help));
    text_addc(out, '\n');
    if (one->options != NULL)
        options_each(one->options, add_option, out);
    struct cli_command bare = {.takes = one->takes};
    options_all_each(&bare, add_shared_name, &shared);
    if (one->takes != 0)
        text_addf(out, "\n\t%s %s.\n",
                  one->options != NULL ? "And" : "Options:", text_str(&shared));
}

static void table_commands(struct text *out) { commands_each(add_command, out); }

static void add_shared(void *ctx, const struct poptOption *o) {
    struct text *out = ctx;
    text_adds(out, "\n");
    if (o->shortName != '\0')
        text_addf(out, "*-%c*, ", o->shortName);
    text_addf(out, "*--%s*", o->longName);
    if (o->argDescrip != NULL)
        text_addf(out, " _%s_", o->argDescrip);
    text_adds(out, "\n\t");
    add_sentence(out, o->descrip);
    text_addc(out, '\n');
}

static void table_shared_options(struct text *out) {
    struct cli_command all = {.takes = TAKES_CONFIG | TAKES_API | TAKES_JSON};
    options_all_each(&all, add_shared, out);
}

// --- the configuration

static void table_keys(struct text *out) {
    for (size_t i = 0; i < KEYS; i++) {
        const struct key_row *row = &keys[i];
        OWN(text_drop)
        struct text expected = {0}, variable = {0};
        key_expected(row, &expected);
        key_variable(row, B("0"), &variable);
        text_adds(out, "\n*");
        add_words(out, row->path);
        text_adds(out, "*\n\t");
        if (key_required(row))
            text_adds(&expected, "; required");
        else if (row->otherwise != NULL && row->otherwise[0] != '\0')
            text_addf(&expected, "; default %s", row->otherwise);
        add_sentence(out, text_str(&expected));
        text_addc(out, ' ');
        add_words(out, row->meaning);
        text_adds(out, " _");
        add_words(out, text_str(&variable));
        text_adds(out, "_\n");
    }
}

// Names with what they mean, a paragraph each.
static void add_named(struct text *out, const char *name, const char *meaning) {
    text_adds(out, "\n*");
    add_words(out, name);
    text_adds(out, "*\n\t");
    add_sentence(out, meaning);
    text_addc(out, '\n');
}

static void table_variables(struct text *out) {
#define VARIABLE(name, meaning) add_named(out, name, meaning);
#include "config/variables.def"
#undef VARIABLE
}

// --- the desk, metrics, the log

enum who { NOBODY, KEY, VIEWER, OPERATOR, STRIPE_VIEWER, STRIPE_CHANGER };

static void add_route(struct text *out, const char *method, const char *path, enum who who,
                      const char *doc) {
    static const char *const keys_needed[] = {"no key",
                                              "a key of any mode",
                                              "a viewer's key",
                                              "an operator's key",
                                              "a key of mode test or live",
                                              "a key of mode test or live that is not read-only"};
    text_addf(out, "\n_%s ", method);
    add_words(out, path);
    text_adds(out, "_\n\t");
    add_sentence(out, doc);
    text_addf(out, " Needs %s.\n", keys_needed[who]);
}

static void table_routes(struct text *out) {
#define ROUTE(id, method, path, access, doc) add_route(out, method, path, access, doc);
#include "desk/routes.def"
#undef ROUTE
}

struct metric_row {
    const char *kind, *name, *labels, *help;
};

static void table_metrics(struct text *out) {
    static const struct metric_row rows[] = {
#define COUNTER(id, name, labels, help) {"counter", name, labels, help},
#define GAUGE(id, name, labels, help) {"gauge", name, labels, help},
#define HISTOGRAM(id, name, labels, help) {"histogram", name, labels, help},
#include "base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool first = i == 0 || strcmp(rows[i].name, rows[i - 1].name) != 0;
        if (first) {
            text_adds(out, "\n*");
            add_words(out, rows[i].name);
            text_addf(out, "*, a %s\n\t", rows[i].kind);
            add_sentence(out, rows[i].help);
        }
        if (rows[i].labels[0] != '\0') {
            text_adds(out, first ? " " : ", ");
            add_words(out, rows[i].labels);
        }
        if (i + 1 == sizeof rows / sizeof *rows || strcmp(rows[i].name, rows[i + 1].name) != 0)
            text_addc(out, '\n');
    }
}

enum level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

static void add_log_event(struct text *out, enum level level, const char *name,
                          const char *message) {
    static const char *const words[] = {"debug", "info", "warning", "error"};
    text_adds(out, "\n*");
    add_words(out, name);
    text_addf(out, "* (%s)\n\t", words[level]);
    add_sentence(out, message);
    text_addc(out, '\n');
}

static void table_log_events(struct text *out) {
#define LOG_EVENT(id, level, name, message) add_log_event(out, level, name, message);
#include "port/log_events.def"
#undef LOG_EVENT
}

// The doctor's.
#define SEVERITY_ERROR "error"
#define SEVERITY_WARNING "warning"
#define SEVERITY_ADVICE "advice"

static void add_check(struct text *out, const char *name, const char *severity,
                      const char *meaning) {
    text_adds(out, "\n*");
    add_words(out, name);
    text_addf(out, "* (%s)\n\t", severity);
    add_sentence(out, meaning);
    text_addc(out, '\n');
}

static void table_checks(struct text *out) {
#define CHECK(id, name, severity, meaning) add_check(out, #name, SEVERITY_##severity, meaning);
#include "rules/doctor_checks.def"
#undef CHECK
}

// --- tables of Stripe's objects

// A path, and those that it may be instead.
static void add_paths(struct text *out, const struct object_column *c) {
    bytes more = bytes_of(c->elsewhere);
    text_adds(out, " (");
    add_words(out, c->path);
    while (more.n > 0) {
        text_adds(out, " or ");
        add_plain(out, bytes_cut(&more, '|'));
    }
    text_addc(out, ')');
}

static void add_column(struct text *out, const struct object_column *c) {
    static const char *const types[] = {
        [COLUMN_TEXT] = "text", [COLUMN_ID] = "id",           [COLUMN_INTEGER] = "integer",
        [COLUMN_TIME] = "time", [COLUMN_BOOLEAN] = "boolean", [COLUMN_DECIMAL] = "decimal",
        [COLUMN_JSON] = "json",
    };
    text_adds(out, "\n*");
    add_words(out, c->name);
    text_addf(out, "* _%s_", types[c->type]);
    if (c->elsewhere != NULL || strcmp(c->name, c->path) != 0)
        add_paths(out, c);
    text_adds(out, "\n\t");
    add_words(out, c->doc); // no sentence: it may begin with a value
    text_addc(out, '\n');
}

static void table_tables(struct text *out) {
    for (size_t i = 0; i < object_table_count; i++) {
        const struct object_table *t = &object_tables[i];
        text_addf(out, "\n## stripe_%s\n\n", t->name);
        add_sentence(out, t->doc);
        if (t->parent != NULL) {
            text_adds(out, " What stands at _");
            add_words(out, t->list);
            text_adds(out, "_ in objects of *");
            add_words(out, t->parent->name);
            text_adds(out, "*, whose id is in *");
            add_words(out, t->parent_column);
            text_adds(out, "*.");
        } else if (t->object[0] != '\0') {
            text_adds(out, " Objects of type _");
            add_words(out, t->object);
            text_adds(out, "_.");
        }
        text_addc(out, '\n');
        for (size_t c = 0; c < t->column_count; c++)
            add_column(out, &t->columns[c]);
    }
    text_addc(out, '\n');
}

static const struct {
    const char *mark;
    void (*table)(struct text *out);
} marks[] = {
    {"@COMMANDS@", table_commands},
    {"@SHARED_OPTIONS@", table_shared_options},
    {"@KEYS@", table_keys},
    {"@VARIABLES@", table_variables},
    {"@ROUTES@", table_routes},
    {"@METRICS@", table_metrics},
    {"@LOG_EVENTS@", table_log_events},
    {"@CHECKS@", table_checks},
    {"@TABLES@", table_tables},
};

void manual_page(bytes source, struct text *out) {
    while (source.n > 0) {
        bytes line = bytes_cut(&source, '\n');
        bool marked = false;
        for (size_t i = 0; i < sizeof marks / sizeof *marks && !marked; i++) {
            marked = bytes_equal(line, bytes_of(marks[i].mark));
            if (marked)
                marks[i].table(out);
        }
        if (!marked)
            text_addf(out, "%.*s\n", BYTES_ARG(line));
    }
}
