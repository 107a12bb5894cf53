// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"

#define LINE_MAX_N 8192

static bool progressing; // a line of progress stands on the terminal

void cli_progress(const char *line) {
    if ((line[0] == '\0' && !progressing) || isatty(STDERR_FILENO) == 0)
        return;
    fprintf(stderr, "\r\033[K%s", line);
    (void)fflush(stderr);
    progressing = line[0] != '\0';
}

// Line by line, so that text from outside cannot forge or hide anything on a terminal.
static void say_lines(const struct text *t) {
    bytes rest = text_bytes(t);
    bool first = true;
    cli_progress("");
    while (rest.n > 0) {
        OWN(text_drop)
        struct text line = {0};
        text_adds(&line, first ? "hookkeep: " : "  ");
        text_add_printable(&line, bytes_cut(&rest, '\n'), LINE_MAX_N);
        text_addc(&line, '\n');
        fputs(text_str(&line), stderr);
        first = false;
    }
}

void cli_say(const char *format, ...) {
    OWN(text_drop)
    struct text t = {0};
    va_list args;
    va_start(args, format);
    text_addv(&t, format, args);
    va_end(args);
    say_lines(&t);
}

enum cli_exit cli_misused(const struct cli_call *c, const char *format, ...) {
    OWN(text_drop)
    struct text t = {0};
    va_list args;
    va_start(args, format);
    text_addv(&t, format, args);
    va_end(args);
    text_addf(&t, "\n`%s --help` tells how to call it", c->name);
    say_lines(&t);
    return CLI_USAGE;
}

void cli_out(bytes b) {
    if (b.n > 0)
        (void)fwrite(b.p, 1, b.n, stdout);
}

void cli_outf(const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
}
