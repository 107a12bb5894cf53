// SPDX-License-Identifier: MIT
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "cli/commands.h"
#include "cli/listening.h"
#include "cli/query.h"
#include "port/clock.h"
#include "stripe/types.h"

#define HEADERS_MAX 16
#define RETRIES_MAX 100

static struct {
    char *forward_to, *forward_connect_to, *types, *sites, *livemode, *since, *format, *ca_file;
    char **headers;
    long long retries;
    int print_secret;
} o;

static const struct poptOption options[] = {
    {"forward-to", 'f', POPT_ARG_STRING, &o.forward_to, 0,
     "bring each event there: a URL, 4242, 4242/hook, or localhost:4242/hook", "URL"},
    {"forward-connect-to", '\0', POPT_ARG_STRING, &o.forward_connect_to, 0,
     "those of connected accounts there, instead of where the others go", "URL"},
    {"events", 'e', POPT_ARG_STRING, &o.types, 0, "of these types or families: customer.*,charge.*",
     "TYPES"},
    {"sites", '\0', POPT_ARG_STRING, &o.sites, 0, "of these sites; unclaimed: of none", "SITES"},
    {"livemode", '\0', POPT_ARG_STRING, &o.livemode, 0,
     "true or false; a key of mode test or live sees its own alone", "BOOL"},
    {"since", '\0', POPT_ARG_STRING, &o.since, 0,
     "begin with what came since then: a time, or how long ago (2h)", "WHEN"},
    {"headers", 'H', POPT_ARG_ARGV, &o.headers, 0,
     "send these too, with commas between; may be given again", "NAME:VALUE"},
    {"retry", '\0', POPT_ARG_LONGLONG, &o.retries, 0,
     "what the site refuses again so many times, after 1 s, 2 s, 4 s, …", "N"},
    {"format", '\0', POPT_ARG_STRING, &o.format, 0,
     "json: each event as a line of JSON on standard output", "FORMAT"},
    {"ca-file", '\0', POPT_ARG_STRING, &o.ca_file, 0,
     "trust these certificates for the desk, instead of the system's", "FILE"},
    {"print-secret", '\0', POPT_ARG_NONE, &o.print_secret, 0,
     "print what events are signed with, and end", NULL},
    POPT_TABLEEND,
};

// "Name:value" without what would end its line.
static bool header_good(bytes h) {
    size_t colon = bytes_find(h, ':');
    for (size_t i = 0; i < h.n; i++)
        if (h.p[i] < ' ' || h.p[i] == 0x7f || (i < colon && h.p[i] == ' '))
            return false;
    return colon > 0 && colon < h.n;
}

static bool read_headers(const char *lines[HEADERS_MAX], size_t *count, struct arena *memory) {
    for (char **h = o.headers; h != NULL && *h != NULL; h++) {
        bytes rest = bytes_of(*h);
        while (rest.n > 0) {
            bytes one = bytes_cut(&rest, ',');
            while (one.n > 0 && one.p[0] == ' ')
                one = bytes_slice(one, 1, one.n);
            if (!header_good(one) || *count == HEADERS_MAX) {
                cli_say("--headers takes at most %d of NAME:VALUE, with commas between; this is "
                        "none, or one too many: %s",
                        HEADERS_MAX, *h);
                return false;
            }
            lines[(*count)++] = (const char *)arena_copy(memory, one).p;
        }
    }
    return true;
}

// Types that Stripe does not document may come all the same.
static void warn_types(void) {
    for (bytes rest = bytes_of(o.types); rest.n > 0;) {
        bytes type = bytes_cut(&rest, ',');
        const char *near = event_type_nearest(type);
        if (!event_type_known(type) && bytes_find(type, '*') == type.n &&
            !bytes_starts(type, B("v1.")) && !bytes_starts(type, B("v2.")))
            cli_say("Stripe documents no event type %.*s%s%s%s", BYTES_ARG(type),
                    near == NULL ? "" : "; did you mean ", near == NULL ? "" : near,
                    near == NULL ? "" : "?");
    }
}

static enum cli_exit misuse(const struct cli_call *c) {
    if (o.livemode != NULL && strcmp(o.livemode, "true") != 0 && strcmp(o.livemode, "false") != 0)
        return cli_misused(c, "--livemode is true or false");
    if (o.format != NULL && strcasecmp(o.format, "json") != 0)
        return cli_misused(c, "--format is json, or is left out");
    if (o.retries < 0 || o.retries > RETRIES_MAX)
        return cli_misused(c, "--retry takes a number up to %d", RETRIES_MAX);
    if (o.forward_connect_to != NULL && o.forward_to == NULL)
        return cli_misused(c, "--forward-connect-to needs --forward-to, for the other events");
    return CLI_DONE;
}

static enum cli_exit run(const struct cli_call *c) {
    OWN(where_drop)
    struct where where = {0};
    OWN(text_drop)
    struct text to = {0}, connect_to = {0};
    OWN(arena_drop)
    struct arena memory;
    const char *lines[HEADERS_MAX];
    struct listening_options l = {.where = &where,
                                  .types = o.types,
                                  .sites = o.sites,
                                  .livemode = o.livemode,
                                  .ca_file = o.ca_file,
                                  .headers = lines,
                                  .retries = (unsigned long)o.retries,
                                  .as_json = o.format != NULL || c->json,
                                  .print_secret = o.print_secret != 0};
    arena_init(&memory, 1 << 20);
    enum cli_exit code = misuse(c);
    if (code != CLI_DONE)
        return code;
    if (!listening_url(o.forward_to, &to) || !listening_url(o.forward_connect_to, &connect_to) ||
        !read_headers(lines, &l.header_count, &memory))
        return CLI_USAGE;
    if (o.since != NULL && query_when(o.since, clock_wall_ms(&clock_real), &l.since_ms) != OK)
        return cli_misused(c, "--since takes a time (2026-11-23T18:00:00Z) or how long ago (2h)");
    l.forward_to = to.n > 0 ? text_str(&to) : NULL;
    l.forward_connect_to = connect_to.n > 0 ? text_str(&connect_to) : l.forward_to;
    code = where_find(c, &where);
    if (code == CLI_DONE)
        warn_types();
    if (code == CLI_DONE && where.key.n == 0) {
        cli_say("listening takes a key, and %s", text_str(&where.key_why));
        code = CLI_FAILED;
    }
    return code == CLI_DONE ? listening_run(&l) : code;
}

const struct cli_command command_listen = {
    .name = "listen",
    .usage = "",
    .summary = "bring events to a site on this machine, as they come",
    .help =
        "Works from any machine that reaches the desk, with a key of any mode: one of mode test\n"
        "sees test events alone. The secret that it prints signs what the site receives, and is\n"
        "the same each time with the same key. Connects again by itself, and goes on from the\n"
        "last event. What the site answered is kept beside the event (hookkeep events show).\n",
    .takes = TAKES_API | TAKES_JSON,
    .options = options,
    .run = run,
};
