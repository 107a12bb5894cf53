// SPDX-License-Identifier: MIT
// A gateway with a twin for as long as the command runs: it executes this program again as `serve`,
// in a temporary folder, under a keeper (port/process.h), so that it ends however we end.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/listening.h"
#include "port/clock.h"
#include "port/files.h"
#include "port/folder.h"
#include "port/process.h"

#define FOLDER_PREFIX "hookkeep-dev-"
#define RETRIES 5     // of what the site refuses, as it may be starting anew
#define PARENT_MS 500 // how often we look whether whoever started us is there
#define GRACE_MS 2000 // for the gateway to end
#define KEY_PREFIX "sk_test_hk"
#define RANDOM 32
#define LINE_MAX_BYTES 65536

static struct {
    char *forward_to;
    long long port;
} o;

static const struct poptOption options[] = {
    {"forward-to", 'f', POPT_ARG_STRING, &o.forward_to, 0,
     "bring each event there: a URL, 4242, 4242/hook, or localhost:4242/hook", "URL"},
    {"port", 'p', POPT_ARG_LONGLONG, &o.port, 0, "of Stripe's API; else a free one is taken", "N"},
    POPT_TABLEEND,
};

struct dev {
    const struct cli_call *call;
    int64_t began_us;
    struct folder *folder;
    struct loop *loop;
    struct processes *door;
    struct process *gateway; // null: it does not run
    struct timer *parent;
    pid_t parent_pid;
    struct text key, line;
    int port;
    bool started, ending, failed;
};

// --- what is printed

// Behind `before` stands an address, and then `after`.
static const struct hint {
    const char *what;
    enum { HINT_BASE, HINT_PORT } of;
    const char *before, *after;
} hints[] = {
    {"node", HINT_PORT,
     "new Stripe(process.env.STRIPE_API_KEY, {host: '127.0.0.1', port: ", ", protocol: 'http'})"},
    {"python", HINT_BASE, "stripe.api_base = '", "'"},
    {"ruby", HINT_BASE, "Stripe.api_base = '", "'"},
    {"php", HINT_BASE, "\\Stripe\\Stripe::$apiBase = '", "';"},
    {"go", HINT_BASE,
     "stripe.SetBackend(stripe.APIBackend, stripe.GetBackendWithConfig(stripe.APIBackend,\n"
     "            &stripe.BackendConfig{URL: stripe.String(\"",
     "\")}))"},
    {"java", HINT_BASE, "Stripe.overrideApiBase(\"", "\");"},
    {".net", HINT_BASE, "new StripeClient(apiKey, apiBase: \"", "\")"},
    {"cli", HINT_BASE, "stripe trigger customer.created --api-base ", ""},
};

static void print_hints(const struct dev *d, const char *secret, int64_t ms) {
    OWN(text_drop)
    struct text out = {0}, base = {0};
    const char *folder = folder_path(d->folder);
    text_addf(&base, "http://127.0.0.1:%d", d->port);
    text_addf(&out,
              "A stand-in for Stripe answers on %s, after %lld ms. ^C ends it, and nothing is "
              "left.\n\n",
              text_str(&base), (long long)ms);
    text_addf(&out, "  export STRIPE_API_KEY=%s\n  export STRIPE_WEBHOOK_SECRET=%s\n",
              text_str(&d->key), secret);
    text_addf(&out,
              "  export STRIPE_CLI_UNIX_SOCKET=%s/hookkeep.sock   # for the CLI without "
              "--api-base\n  export HOOKKEEP_CONFIG=%s/hookkeep.yaml          # for hookkeep "
              "twin, events, …\n\n",
              folder, folder);
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        const struct hint *h = &hints[i];
        text_addf(&out, "  %-8s  %s", h->what, h->before);
        if (h->of == HINT_PORT)
            text_addf(&out, "%d", d->port);
        else
            text_add(&out, text_bytes(&base));
        text_addf(&out, "%s\n", h->after);
    }
    text_addc(&out, '\n');
    cli_out(text_bytes(&out));
}

static void print_json(const struct dev *d, const char *secret, int64_t ms) {
    OWN(text_drop)
    struct text out = {0}, path = {0};
    text_addf(&out, "{\"api_base\":\"http://127.0.0.1:%d\",\"api_key\":", d->port);
    text_add_json(&out, text_bytes(&d->key));
    text_adds(&out, ",\"webhook_secret\":");
    text_add_json(&out, bytes_of(secret));
    text_addf(&path, "%s/hookkeep.sock", folder_path(d->folder));
    text_adds(&out, ",\"unix_socket\":");
    text_add_json(&out, text_bytes(&path));
    text_reset(&path);
    text_addf(&path, "%s/hookkeep.yaml", folder_path(d->folder));
    text_adds(&out, ",\"config\":");
    text_add_json(&out, text_bytes(&path));
    text_addf(&out, ",\"started_ms\":%lld}\n", (long long)ms);
    cli_out(text_bytes(&out));
}

static void on_ready(void *ctx, const char *secret) {
    struct dev *d = ctx;
    int64_t ms = (clock_mono_us(&clock_real) - d->began_us) / 1000;
    if (d->call->json)
        print_json(d, secret, ms);
    else
        print_hints(d, secret, ms);
    (void)fflush(stdout);
}

// --- the gateway

static void end(struct dev *d, bool failed) {
    d->failed = d->failed || (failed && !d->ending);
    d->ending = true;
    loop_stop(d->loop);
}

// A line of the gateway's log: its message, and what else there is to it.
static void say_row(json row) {
    static const char *const others[] = {"time", "level", "event", "message"};
    OWN(text_drop)
    struct text out = {0};
    bytes key;
    json value;
    text_add(&out, json_string(json_get(row, "message")));
    for (size_t at = 0; json_member(row, &at, &key, &value);) {
        bool other = false;
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            other = other || bytes_equal(key, bytes_of(others[i]));
        if (!other)
            text_addf(&out, " %.*s=%.*s", BYTES_ARG(key),
                      BYTES_ARG(json_type(value) == JSON_STRING ? json_string(value)
                                                                : json_number(value)));
    }
    cli_say("%s", text_str(&out));
}

static void on_line(struct dev *d, bytes line) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (json_parse(line, &doc) != OK) {
        cli_say("%.*s", BYTES_ARG(line));
        return;
    }
    json row = json_root(doc);
    bytes event = json_string(json_get(row, "event")), level = json_string(json_get(row, "level"));
    int64_t port = 0;
    if (bytes_equal(event, B("started"))) {
        d->started = true;
        loop_stop(d->loop);
    } else if (bytes_equal(event, B("listening")) &&
               bytes_equal(json_string(json_get(row, "for")), B("desk")) &&
               json_i64(json_get(row, "port"), &port) == OK && port > 0) {
        d->port = (int)port;
    } else if (bytes_equal(event, B("start_failed"))) {
        cli_say("the gateway cannot start: %.*s", BYTES_ARG(json_string(json_get(row, "why"))));
    } else if (!bytes_equal(level, B("info")) && !bytes_equal(event, B("twin_on"))) {
        say_row(row);
    }
}

static void on_wrote(void *ctx, enum process_stream stream, bytes piece) {
    struct dev *d = ctx;
    while (piece.n > 0) {
        size_t at = bytes_find(piece, '\n');
        text_add(&d->line, bytes_slice(piece, 0, at));
        if (at == piece.n && d->line.n < LINE_MAX_BYTES)
            return;
        if (d->line.n > 0)
            on_line(d, text_bytes(&d->line));
        text_reset(&d->line);
        piece = bytes_slice(piece, at + 1, piece.n);
    }
}

static void on_ended(void *ctx, const struct process_end *how) {
    struct dev *d = ctx;
    OWN(text_drop)
    struct text said = {0};
    process_say_end(how, &said);
    if (!d->ending)
        cli_say("the gateway has ended: %s", text_str(&said));
    d->gateway = NULL;
    end(d, true);
}

static void write_config(const struct dev *d, const char *secret, struct text *out) {
    OWN(text_drop)
    struct text socket = {0}, ledger = {0}, journal = {0};
    text_addf(&socket, "unix:%s/hookkeep.sock", folder_path(d->folder));
    text_addf(&ledger, "sqlite:%s/hookkeep.db", folder_path(d->folder));
    text_addf(&journal, "%s/hookkeep.journal", folder_path(d->folder));
    text_adds(out, "{\"listen\":\"http://127.0.0.1:0\",\"desk\":{\"listen\":[");
    text_add_json(out, text_bytes(&socket));
    text_addf(out, ",\"http://127.0.0.1:%lld\"]},\"ledger\":", o.port);
    text_add_json(out, text_bytes(&ledger));
    text_adds(out, ",\"journal\":{\"size\":\"16MiB\",\"path\":");
    text_add_json(out, text_bytes(&journal));
    text_adds(out, "},\"log\":{\"format\":\"json\"},\"limits\":{\"drain_timeout\":\"100ms\"},"
                   "\"sources\":[{\"path\":\"/webhook\",\"livemode\":\"test\",\"secrets\":[{"
                   "\"label\":\"dev\",\"key\":");
    text_add_json(out, bytes_of(secret));
    text_adds(out, "}]}],\"twin\":{\"enabled\":\"true\",\"key\":");
    text_add_json(out, text_bytes(&d->key));
    text_adds(out, "}}\n");
}

static result save(const struct dev *d, const char *name, bytes content) {
    OWN(text_drop)
    struct text path = {0};
    text_addf(&path, "%s/%s", folder_path(d->folder), name);
    return file_save(text_str(&path), content, 0600);
}

// The configuration; and the sealing key, from which the secret follows that events are forwarded
// with: the same for the same key, so that what was once pasted stays right.
static result write_files(const struct dev *d) {
    OWN(text_drop)
    struct text config = {0}, hex = {0};
    char secret[sizeof "whsec_" + RANDOM] = "whsec_";
    uint8_t sealing[SHA256_SIZE];
    const bytes parts[] = {B("hookkeep dev 1\n"), text_bytes(&d->key)};
    clock_token(&clock_real, secret + 6, RANDOM);
    write_config(d, secret, &config);
    TRY(save(d, "hookkeep.yaml", text_bytes(&config)));
    digest_sha256(parts, 2, sealing);
    text_add_hex(&hex, bytes_from(sealing, sizeof sealing));
    text_addc(&hex, '\n');
    return save(d, "hookkeep.db.sealing-key", text_bytes(&hex));
}

static void choose_key(struct dev *d) {
    const char *said = getenv("STRIPE_API_KEY");
    char fresh[RANDOM];
    if (said != NULL && bytes_starts(bytes_of(said), B(KEY_PREFIX))) {
        text_adds(&d->key, said);
        return;
    }
    clock_token(&clock_real, fresh, RANDOM);
    text_adds(&d->key, KEY_PREFIX);
    text_add(&d->key, bytes_from(fresh, RANDOM));
}

static void start_gateway(struct dev *d) {
    static const struct process_owner owner = {on_wrote, on_ended};
    static const char *const names[] = {"PATH", "HOME", "TZ", "TMPDIR"};
    OWN(text_drop)
    struct text config = {0}, strings = {0};
    const char *env[sizeof names / sizeof *names + 1] = {NULL};
    char *owned[sizeof names / sizeof *names] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value == NULL)
            continue;
        text_addf(&strings, "%s=%s", names[i], value);
        env[n] = owned[n] = text_give(&strings);
        n++;
    }
    text_addf(&config, "%s/hookkeep.yaml", folder_path(d->folder));
    const char *argv[] = {PROCESS_SELF, "serve", "-c", text_str(&config), NULL};
    const struct process_spec spec = {
        .argv = argv, .env = env, .directory = folder_path(d->folder), .grace_ms = GRACE_MS};
    d->gateway = d->door->start(d->door, &spec, &owner, d);
    d->door->close_input(d->gateway);
    while (n > 0)
        free(owned[--n]);
}

// --- running

static void on_signal(void *ctx, int signum) { end(ctx, false); }

static void on_parent(void *ctx) {
    struct dev *d = ctx;
    if (getppid() != d->parent_pid)
        end(d, false);
    else
        timer_set(d->parent, PARENT_MS);
}

static bool open_all(struct dev *d) {
    result opened = folder_open(FOLDER_PREFIX, &d->folder);
    if (opened != OK) {
        cli_say("no temporary folder in $TMPDIR or /tmp: %s", opened->text);
        return false;
    }
    choose_key(d);
    if ((opened = write_files(d)) != OK) {
        cli_say("%s cannot be written to: %s", folder_path(d->folder), opened->text);
        return false;
    }
    if (loop_open(&d->loop) != OK || processes_open(d->loop, &d->door) != OK ||
        loop_interrupts(d->loop, on_signal, d) != OK || loop_hangups(d->loop, on_signal, d) != OK) {
        cli_say("the gateway cannot be run; too few open files are allowed, or too little memory "
                "is left");
        return false;
    }
    d->parent = timer_open(d->loop, on_parent, d);
    timer_set(d->parent, PARENT_MS);
    return true;
}

static void listen_on(struct dev *d, const char *forward_to) {
    OWN(where_drop)
    struct where where = {0};
    text_addf(&where.base, "http://127.0.0.1:%d", d->port);
    text_add(&where.address, text_bytes(&where.base));
    text_add(&where.key, text_bytes(&d->key));
    const struct listening_options l = {
        .where = &where,
        .forward_to = forward_to,
        .forward_connect_to = forward_to,
        .retries = RETRIES,
        .as_json = d->call->json,
        .loop = d->loop,
        .ready = on_ready,
        .ready_ctx = d,
    };
    enum cli_exit code = listening_run(&l);
    d->failed = d->failed || (code != CLI_DONE && !d->ending);
}

// The gateway ends in order, or is killed after its grace; then what it has left can be taken away.
static void close_all(struct dev *d) {
    d->ending = true;
    if (d->gateway != NULL)
        d->door->stop(d->gateway, PROCESS_ASK);
    while (d->gateway != NULL)
        loop_run(d->loop);
    timer_close(d->parent);
    processes_close(d->door);
    if (d->loop != NULL)
        loop_close(d->loop);
    folder_close(&d->folder);
    if (d->key.p != NULL)
        memory_wipe(d->key.p, d->key.cap);
    text_drop(&d->key);
    text_drop(&d->line);
}

static enum cli_exit dev(const struct cli_call *c) {
    struct dev d = {.call = c,
                    .began_us = clock_mono_us(&clock_real),
                    .parent_pid = getppid(),
                    .line = {.max = 2 * LINE_MAX_BYTES}};
    OWN(text_drop)
    struct text to = {0};
    if (o.port < 0 || o.port > 65535)
        return cli_misused(c, "--port is a number from 1 to 65535");
    if (!listening_url(o.forward_to, &to))
        return CLI_USAGE;
    if (open_all(&d)) {
        start_gateway(&d);
        while (!d.started && !d.ending)
            loop_run(d.loop);
        if (!d.ending)
            listen_on(&d, to.n > 0 ? text_str(&to) : NULL);
    } else {
        d.failed = true;
    }
    close_all(&d);
    return d.failed ? CLI_FAILED : CLI_DONE;
}

const struct cli_command command_dev = {
    .name = "dev",
    .usage = "",
    .summary = "a stand-in for Stripe on this machine, until ^C",
    .help =
        "A gateway with the twin (docs/developing.md) in a temporary folder, on free ports of\n"
        "this machine: prints what to give your app, then each event, and with --forward-to what\n"
        "your site answered to it. Ends by ^C, SIGTERM, or when what started it has ended, and\n"
        "leaves nothing. With a key of its in STRIPE_API_KEY it takes that one again, and the\n"
        "secret is the same too.\n",
    .takes = TAKES_JSON,
    .options = options,
    .run = dev,
};
