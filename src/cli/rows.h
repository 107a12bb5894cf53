// SPDX-License-Identifier: MIT
// What several commands print: lists as a table or as JSON lines, one object, the answers to
// commands on several things.
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include "cli/client.h"
#include "cli/table.h"

// What lists share on the command line; a command's static, filled by popt.
struct list_options {
    char *since, *until;
    long long limit, before, after;
    int oldest;
};
// Rows for a command's popt table.
#define LIST_OPTIONS(o_)                                                                           \
    {"limit", 'n', POPT_ARG_LONGLONG, &(o_).limit, 0, "at most so many rows (100)", "N"},          \
        {"oldest", '\0', POPT_ARG_NONE, &(o_).oldest, 0, "oldest first", NULL},                    \
        {"before", '\0', POPT_ARG_LONGLONG, &(o_).before, 0, "only rows below this number", "N"},  \
    {                                                                                              \
        "after", '\0', POPT_ARG_LONGLONG, &(o_).after, 0, "only rows above this number", "N"       \
    }
#define TIME_OPTIONS(o_, what_)                                                                    \
    {"since",     '\0', POPT_ARG_STRING,                                                           \
     &(o_).since, 0,    what_ " since 2026-11-23, 2026-11-23T18:00:00Z, or ago: 2h, 7d",           \
     "TIME"},                                                                                      \
    {                                                                                              \
        "until", '\0', POPT_ARG_STRING, &(o_).until, 0, what_ " before this time", "TIME"          \
    }

// Adds since, until, before, after to the path; CLI_USAGE if one is none, said.
enum cli_exit list_parameters(const struct cli_call *c, const struct list_options *o,
                              struct text *path);

struct rows {
    const struct column *columns;
    size_t count;
    const char *cursor; // as client_list's
    const char *none;   // what is said on standard error when there is no row
};
enum cli_exit rows_show(const struct cli_call *c, struct client *client, const char *path,
                        const struct rows *r, const struct list_options *o); // o null: one page

// Asks and prints one object: its JSON on a line, or what `print` writes. The answer is left in
// *doc for who looks at it again; null: nobody does.
enum cli_exit one_show(const struct cli_call *c, const char *path,
                       void (*print)(json whole, struct text *out), struct json_doc **doc);
// A nested list as a table with a title; nothing when it is empty.
void list_section(const char *title, const struct column *columns, size_t count, json list,
                  struct text *out);

// POSTs PREFIX/ARG/SUFFIX for each argument and prints "WHAT ARG: done", or the answers with
// --json. Goes on after a refusal; CLI_FAILED if there was any.
enum cli_exit each_post(const struct cli_call *c, const char *prefix, const char *suffix,
                        const char *what, const char *done, bytes body);

// An object's JSON and a line end on standard output.
void json_line(json v);

#endif
