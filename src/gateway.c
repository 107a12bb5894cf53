// SPDX-License-Identifier: MIT
#include "gateway.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "gateway_internal.h"
#include "gateway_sealing.h"
#include "port/files.h"
#include "port/notify.h"
#include "port/resident.h"
#include "port/thread.h"
#include "rules/endpoint.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_CONFIG = 78 };

#define DESK_CONNECTIONS_MAX 256 // few people ask; who does may hold a body before his key is known
#define FILES_OWN 192 // the books, the journal, the threads' loops, keepers, and some to spare
#define FILES_EACH 4  // of an attempt: a socket, or a program's pipes
#define FILES_ENDPOINT (2 * ENDPOINT_CONCURRENCY) // one of each livemode; a socket an attempt
#define KEY_SCRATCH_MAX (64u << 10)
#define TAIL_BYTES (4u << 20)
#define TAIL_MEMORY_MAX (128u << 20)

// --- starting: one function a step, in the order of the table below

static result start_books(struct gateway *g) { return books_open(g->config, &g->books, &g->why); }

static void on_durable(void *ctx, uint64_t position) {
    (void)position;
    struct gateway *g = ctx;
    struct ledger *woken = atomic_load(&g->woken);
    if (woken != NULL)
        ledger_wake(woken);
}

static void on_journal_failed(void *ctx) {
    struct gateway *g = ctx;
    loop_stop(g->main_loop);
}

static result start_rolls(struct gateway *g) {
    result loaded = gateway_load_rolls(g, g->config, &g->rolls);
    if (loaded != OK)
        text_addf(&g->why, "%.*s.secrets: %s", BYTES_ARG(g->config->ledger_path), loaded->text);
    return loaded;
}

static result start_sealing(struct gateway *g) {
    OWN(text_drop)
    struct text path = {0};
    bool created;
    text_add(&path, g->config->ledger_path);
    text_adds(&path, SEALING_KEY_ENDING);
    TRY(sealing_key_load(text_str(&path), &clock_real, g->sealing_key, &created, &g->why));
    if (created)
        log_event(LOG_SEALING_KEY_WRITTEN, log_s("path", text_str(&path)));
    return OK;
}

static result start_journal(struct gateway *g) {
    struct journal_options o = {
        .clock = &clock_real,
        .store = g->books.journal,
        .durable = on_durable,
        .durable_ctx = g,
        .failed = on_journal_failed,
        .failed_ctx = g,
    };
    g->tail = g->books.journal->last(g->books.journal);
    return journal_open(&o, &g->journal);
}

static result start_ledger(struct gateway *g) {
    struct ledger_options o = {
        .clock = &clock_real,
        .store = g->books.ledger,
        .journal = g->journal,
        .records = g->books.journal,
        .endpoints = gateway_endpoints,
        .endpoints_ctx = g,
        .sealing_key = g->sealing_key,
    };
    TRY(ledger_open(&o, &g->ledger));
    atomic_store(&g->woken, g->ledger);
    return OK;
}

// Compares with the plan in force when all records are booked; with a tail to book, a plan may be
// among it.
static result start_plan(struct gateway *g) {
    OWN(text_drop)
    struct text said = {0};
    uint64_t generation = 0;
    if (g->plan != NULL) // adopted while migrations waited
        return OK;
    TRY(ledger_plan(g->ledger, &said, &generation));
    if (generation != 0 && ledger_booked(g->ledger) >= g->tail)
        TRY(plan_read(text_bytes(&said), generation, &g->plan));
    return gateway_adopt(g, g->config);
}

// Makes a key known to the books that they do not know yet; *made: its hash is in `hash`.
static result make_key_known(struct gateway *g, bytes key, bytes name, uint8_t hash[SHA256_SIZE],
                             bool *made) {
    OWN(text_drop)
    struct text command = {0};
    OWN(arena_drop)
    struct arena scratch;
    char id[DESK_KEY_ID_MAX];
    struct key_row row;
    uint64_t at;
    arena_init(&scratch, KEY_SCRATCH_MAX);
    desk_key_id(key, id);
    result known = g->books.ledger->key_get(g->books.ledger, bytes_of(id), &scratch, &row);
    if (!failed_as(known, FAIL_ABSENT))
        return known;
    desk_key_command(key, name, NO_BYTES, &command);
    digest_sha256(&key, 1, hash);
    *made = true;
    return gateway_append(g, RECORD_COMMAND, text_bytes(&command), &at);
}

static result start_twin_key(struct gateway *g) {
    const struct config_twin *t = &g->config->twin;
    if (!t->enabled || t->key.n == 0)
        return OK;
    return make_key_known(g, t->key, B("twin.key"), g->test_key, &g->test_key_made);
}

// The operator's key: its file and the books must know the same one.
static result start_key(struct gateway *g) {
    OWN(text_drop)
    struct text path = {0}, key = {0};
    text_add(&path, g->config->ledger_path);
    text_adds(&path, ".key");
    bool created = false;
    TRY(desk_first_key(text_str(&path), &clock_real, &key, &created));
    if (created)
        log_event(LOG_KEY_WRITTEN, log_s("path", text_str(&path)));
    result known =
        make_key_known(g, text_bytes(&key), B("first"), g->first_key, &g->first_key_made);
    memory_wipe(key.p, key.n);
    return known == OK ? start_twin_key(g) : known;
}

static result start_threads(struct gateway *g) {
    char *path = bytes_strdup(g->config->ledger_path);
    result opened = queries_open(path, &g->queries, &g->why);
    if (opened == OK)
        opened = queries_open(path, &g->slow_queries, &g->why);
    free(path);
    TRY(opened);
    if (g->journal_thread == NULL)
        TRY(thread_start("journal", journal_run, g->journal, &g->journal_thread));
    TRY(thread_start("ledger", ledger_run, g->ledger, &g->ledger_thread));
    TRY(thread_start("queries", queries_run, g->queries, &g->queries_thread));
    return thread_start("slow queries", queries_run, g->slow_queries, &g->slow_thread);
}

static result parse_addresses(const bytes *in, size_t n, struct net_address *out,
                              struct text *why) {
    for (size_t i = 0; i < n; i++)
        TRY(net_address_parse(in[i], &out[i], why));
    return OK;
}

static struct server_limits limits_of(const struct config *c) {
    return (struct server_limits){
        .http =
            {
                .head_max = c->limits.head_max,
                .body_max = c->limits.body_max,
                .head_ms = c->limits.head_ms,
                .body_ms = c->limits.body_ms,
                .idle_ms = c->limits.idle_ms,
                .rate_min = c->limits.rate_min,
                .answer_ms = c->limits.answer_ms,
            },
        .connections_max = c->limits.connections_max,
        .connections_address_max = c->limits.connections_address_max,
    };
}

// Strangers must not take the last file: the books, the desk and deliveries need theirs.
static result start_files(struct gateway *g) {
    const struct config *c = g->config;
    uint64_t own = FILES_OWN + GATEWAY_CONNECTIONS_KEPT + DESK_CONNECTIONS_MAX + c->listeners_max;
    own += (uint64_t)FILES_ENDPOINT * c->plan->endpoints.max;
    for (size_t i = 0; i < c->plan->destination_count; i++)
        own += FILES_EACH * c->plan->destinations[i].pace.max;
    uint64_t wanted = own + c->limits.connections_max, allowed = files_allow(wanted);
    g->connections_max = c->limits.connections_max;
    if (allowed >= wanted)
        return OK;
    g->connections_max = allowed > 2 * own ? allowed - own : allowed / 2;
    if (g->connections_max > c->limits.connections_max)
        g->connections_max = c->limits.connections_max;
    log_event(LOG_FILES_FEW, log_i("allowed", (int64_t)allowed), log_i("wanted", (int64_t)wanted),
              log_i("connections", (int64_t)g->connections_max));
    return OK;
}

static result start_intake(struct gateway *g) {
    const struct config *c = g->config;
    if (g->intake != NULL)
        return OK;
    OWN(text_drop)
    struct text certificate = {0}, key = {0};
    struct net_address *listen = NEW_ARRAY(struct net_address, c->listen_count + 1);
    result r = parse_addresses(c->listen, c->listen_count, listen, &g->why);
    struct source_secrets *secrets = gateway_secrets(c);
    struct intake_options o = {
        .clock = &clock_real,
        .journal = g->journal,
        .listen = listen,
        .listen_count = c->listen_count,
        .certificate = gateway_path(&certificate, c->certificate),
        .key = gateway_path(&key, c->key),
        .loops = c->loops,
        .limits = limits_of(c),
        .unverified_max = (int64_t)c->limits.unverified_max,
        .drain_ms = c->limits.drain_ms,
        .plan = g->plan,
        .secrets = secrets,
        .secret_count = c->source_count,
        .uses = &g->uses,
    };
    o.limits.connections_max = g->connections_max;
    o.limits.http.owed_ms = c->limits.answer_ms;
    if (r == OK)
        r = intake_open(&o, &g->intake, &g->why);
    gateway_secrets_free(secrets, c->source_count);
    free(listen);
    return r;
}

static result start_receiving(struct gateway *g) {
    if (g->answering)
        return OK;
    g->answering = true;
    TRY(intake_start(g->intake));
    for (size_t i = 0; i < g->config->listen_count; i++)
        log_event(LOG_LISTENING, log_s("for", "stripe"), log_b("address", g->config->listen[i]),
                  log_i("port", intake_port(g->intake, i)));
    notify_manager("READY=1");
    return OK;
}

// The last plan among the records that are not booked, if there is one.
static result last_plan(struct gateway *g, uint64_t booked) {
    const struct journal_store *j = g->books.journal;
    struct journal_cursor *c = NULL;
    TRY(j->cursor_open(g->books.journal, booked, &c));
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, TAIL_MEMORY_MAX);
    result got = OK;
    for (size_t n = 1; got == OK && n > 0; arena_reset(&a)) {
        struct record *r = NULL;
        got = j->read(c, TAIL_BYTES, &a, &r, &n);
        for (size_t i = 0; got == OK && i < n; i++) {
            if (r[i].kind != RECORD_PLAN)
                continue;
            plan_free(g->plan);
            g->plan = NULL;
            got = plan_read(r[i].payload, r[i].position, &g->plan);
        }
    }
    j->cursor_close(c);
    return got;
}

// The plan in force by what every version of the ledger keeps and what the journal holds behind it
// (a migration that failed before may have adopted one), or a new one, without booking.
static result adopt_unmigrated(struct gateway *g) {
    struct store *s = g->books.ledger;
    struct store_state state;
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, PLAN_MEMORY_MAX);
    TRY(s->state_get(s, &state));
    if (state.generation != 0) {
        bytes said;
        TRY(s->plan_get(s, state.generation, &a, &said));
        TRY(plan_read(said, state.generation, &g->plan));
    }
    if (state.booked < g->tail)
        TRY(last_plan(g, state.booked));
    return gateway_adopt(g, g->config);
}

static void migrate(void *ctx) {
    struct gateway *g = ctx;
    g->migrated = store_sqlite_migrate(g->books.ledger, &g->stop_migrating, &g->why);
    loop_stop(g->main_loop);
}

// On a thread of its own, so that signals are heard.
static result migrate_hearing(struct gateway *g) {
    struct thread *t = NULL;
    TRY(thread_start("migration", migrate, g, &t));
    loop_run(g->main_loop); // until it is through, the journal failed, or somebody wants us to end
    bool ends = g->interrupted || journal_failed(g->journal);
    atomic_store(&g->stop_migrating, ends);
    thread_join(t);
    TRY(g->migrated);
    NEED(!ends, CLOSED, "it is to end");
    return OK;
}

// Copying a large ledger and migrating it takes minutes, in which Stripe is answered: that needs
// the journal alone.
static result start_migrated(struct gateway *g) {
    if (!store_sqlite_waits(g->books.ledger))
        return OK;
    log_event(LOG_MIGRATING);
    result adopted = adopt_unmigrated(g);
    if (adopted == OK) {
        TRY(start_intake(g));
        TRY(thread_start("journal", journal_run, g->journal, &g->journal_thread));
        TRY(start_receiving(g));
    } else if (failed_as(adopted, FAIL_FULL)) { // once there is room
        plan_free(g->plan);
        g->plan = NULL;
    } else {
        return adopted;
    }
    return migrate_hearing(g);
}

static bool is_ready(void *ctx, const char **why) {
    struct gateway *g = ctx;
    if (journal_failed(g->journal))
        *why = "the journal failed";
    else if (ledger_booked(g->ledger) < g->tail)
        *why = "the journal's tail is being booked";
    else
        return true;
    return false;
}

static void add_secret_metrics(void *ctx, struct text *out) {
    const struct gateway *g = ctx;
    secret_uses_metrics(&g->uses, out);
}

static void tell_retired(void *ctx, bytes source, bytes label, struct desk_retired *out) {
    const struct gateway *g = ctx;
    const struct secret_use *u = secret_uses_find(&g->uses, source, label);
    if (u != NULL)
        *out = (struct desk_retired){atomic_load(&u->retired), atomic_load(&u->retired_at)};
}

static void add_source_uses(void *ctx, struct text *out) {
    const struct gateway *g = ctx;
    source_uses_json(&g->uses, out);
}

// With the ports that the system gave where 0 was asked for.
static void add_source_addresses(const struct gateway *g, struct text *out) {
    const struct config *c = g->config;
    for (size_t i = 0; i < c->listen_count; i++) {
        OWN(text_drop)
        struct text address = {0};
        bytes said = c->listen[i];
        if (bytes_ends(said, B(":0")) && !bytes_starts(said, B("unix:")))
            text_addf(&address, "%.*s%u", (int)said.n - 1, (const char *)said.p,
                      (unsigned)intake_port(g->intake, i));
        else
            text_add(&address, said);
        text_addc(out, i == 0 ? '[' : ',');
        text_add_json(out, text_bytes(&address));
    }
    text_adds(out, c->listen_count == 0 ? "[]" : "]");
}

static struct desk_twin_endpoint *twin_endpoints(const struct config *c) {
    struct desk_twin_endpoint *all =
        NEW_ARRAY(struct desk_twin_endpoint, c->twin.endpoint_count + 1);
    for (size_t i = 0; i < c->twin.endpoint_count; i++)
        all[i] = (struct desk_twin_endpoint){c->twin.endpoints[i].source,
                                             c->twin.endpoints[i].api_version};
    return all;
}

static const char *twin_path(const struct config *c, struct text *t) {
    text_add(t, c->ledger_path);
    text_adds(t, ".twin");
    return text_str(t);
}

static result start_desk(struct gateway *g) {
    const struct config *c = g->config;
    OWN(text_drop)
    struct text certificate = {0}, key = {0}, addresses = {0}, twin_file = {0};
    struct desk_twin_endpoint *endpoints = twin_endpoints(c);
    const struct desk_twin twin = {
        .api_version = c->twin.api_version,
        .endpoints = endpoints,
        .endpoint_count = c->twin.endpoint_count,
        .speed = c->twin.speed,
        .chaos = c->twin.chaos,
        .seed = c->twin.seed,
        .waiting_max = c->twin.waiting_max,
        .objects_max = c->twin.objects_max,
        .body_max = c->limits.body_max,
        .file = twin_path(c, &twin_file),
    };
    struct net_address *listen = NEW_ARRAY(struct net_address, c->desk_listen_count + 1);
    struct desk_source *sources = gateway_desk_sources(c);
    add_source_addresses(g, &addresses);
    result r = parse_addresses(c->desk_listen, c->desk_listen_count, listen, &g->why);
    struct desk_options o = {
        .clock = &clock_real,
        .journal = g->journal,
        .records = g->books.journal,
        .ledger = g->ledger,
        .queries = g->queries,
        .slow_queries = g->slow_queries,
        .listen = listen,
        .listen_count = c->desk_listen_count,
        .tls = {gateway_path(&certificate, c->certificate), gateway_path(&key, c->key)},
        .limits = limits_of(c),
        .drain_ms = c->limits.drain_ms,
        .account_metrics = c->account_metrics,
        .rate = c->desk_rate,
        .endpoint_metrics = c->endpoint_metrics,
        .listeners_max = c->listeners_max,
        .listen_window = c->listen_window,
        .reconnect_delay_ms = c->reconnect_delay_ms,
        .sources = sources,
        .source_count = c->source_count,
        .source_addresses = text_str(&addresses),
        .first_key = g->first_key_made ? g->first_key : NULL,
        .sealing_key = g->sealing_key,
        .twin = c->twin.enabled ? &twin : NULL,
        .test_key = g->test_key_made ? g->test_key : NULL,
        .allowed = c->allow_private,
        .allowed_count = c->allow_private_count,
        .ready = is_ready,
        .ready_ctx = g,
        .roller = g->main_mailbox,
        .looker = g->dispatch_mailbox,
        .secret_metrics = add_secret_metrics,
        .secret_retired = tell_retired,
        .source_uses = add_source_uses,
        .secrets_ctx = g,
    };
    if (o.limits.connections_max > DESK_CONNECTIONS_MAX)
        o.limits.connections_max = DESK_CONNECTIONS_MAX;
    o.limits.connections_max += c->listeners_max; // who listens stays, and must lock nobody out
    if (r == OK)
        r = desk_open(&o, &g->desk, &g->why);
    gateway_desk_sources_free(sources, c->source_count);
    free(endpoints);
    free(listen);
    if (r == OK)
        desk_set_generation(g->desk, g->plan->generation);
    return r;
}

static void log_listening(const struct gateway *g) {
    for (size_t i = 0; i < g->config->desk_listen_count; i++)
        log_event(LOG_LISTENING, log_s("for", "desk"), log_b("address", g->config->desk_listen[i]),
                  log_i("port", desk_port(g->desk, i)));
}

static result start_answering(struct gateway *g) {
    TRY(desk_start(g->desk));
    TRY(start_receiving(g));
    g->serving = true;
    log_listening(g);
    log_event(LOG_STARTED, log_s("version", HOOKKEEP_VERSION),
              log_i("generation", g->plan->generation));
    return OK;
}

static void on_signal(void *ctx, int signum) {
    struct gateway *g = ctx;
    if (g->ending)
        return;
    if (signum == SIGUSR1) {
        log_reopen();
    } else if (signum == SIGHUP) {
        g->reload_later = !g->serving;
        if (g->serving)
            gateway_reload(g);
    } else {
        g->interrupted = true;
        loop_stop(g->main_loop);
    }
}

static result start_main(struct gateway *g) {
    TRY(loop_open(&g->main_loop));
    g->main_mailbox = loop_mailbox(g->main_loop, gateway_desk_mail, g);
    TRY(loop_interrupts(g->main_loop, on_signal, g));
    TRY(loop_signal(g->main_loop, SIGUSR1, on_signal, g));
    return loop_signal(g->main_loop, SIGHUP, on_signal, g);
}

// In this order; stopped in the order of `stop`.
static const struct step {
    const char *name;
    result (*start)(struct gateway *g);
} steps[] = {
    {"files for connections", start_files},
    {"the loop for signals", start_main},
    {"the ledger and its journal", start_books},
    {"the rolled secrets", start_rolls},
    {"the sealing key", start_sealing},
    {"the journal", start_journal},
    {"the ledger's migration", start_migrated},
    {"the loop for deliveries", gateway_open_dispatch_loop},
    {"booking", start_ledger},
    {"the plan", start_plan},
    {"the operator's key", start_key},
    {"listening for Stripe", start_intake},
    {"the threads of journal and ledger", start_threads},
    {"listening for operators", start_desk},
    {"deliveries", gateway_start_dispatch},
    {"answering", start_answering},
};

// Stops in the order in which things flow, so that what was begun ends where it can still be
// recorded.
static void stop(struct gateway *g) {
    if (g->serving)
        log_event(LOG_STOPPING);
    if (g->serving)
        desk_hush(g->desk);
    if (g->answering) {
        notify_manager("STOPPING=1");
        intake_stop(g->intake);
    }
    gateway_drain_desk_mail(g); // who waits for an answer keeps the desk from stopping
    if (g->serving)
        desk_stop(g->desk);
    gateway_drain_desk_mail(g);
    gateway_stop_dispatch(g);
    if (g->journal_thread != NULL)
        journal_stop(g->journal);
    thread_join(g->journal_thread);
    if (g->ledger_thread != NULL)
        ledger_stop(g->ledger);
    thread_join(g->ledger_thread);
}

static void end_queries(struct queries *q, struct thread *thread) {
    if (thread != NULL)
        queries_stop(q);
    thread_join(thread);
    queries_close(q);
}

// Each room tells those that wait for it that it closes, so they go after it.
static void free_rooms(struct gateway *g) {
    intake_close(g->intake);
    gateway_drain_dispatch(g); // its jobs go back to the ledger while there is one
    journal_close(g->journal);
    if (g->ledger != NULL && g->ledger_thread == NULL)
        ledger_leave(g->ledger);
    ledger_close(g->ledger);
    gateway_drain_dispatch(g);
    gateway_close_dispatch(g);
    desk_close(g->desk);
    end_queries(g->queries, g->queries_thread);
    end_queries(g->slow_queries, g->slow_thread);
    loop_close(g->main_loop);
    secret_uses_drop(&g->uses);
    books_close(&g->books);
    plan_free(g->plan);
    rolls_free(g->rolls);
    config_free(g->config);
    memory_wipe(g->sealing_key, sizeof g->sealing_key);
    text_drop(&g->why);
}

static bool start(struct gateway *g) {
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        result started = steps[i].start(g);
        if (started == OK)
            continue;
        if (g->interrupted && !journal_failed(g->journal)) {
            log_event(LOG_STOPPING);
            return false;
        }
        log_event(LOG_START_FAILED, log_s("step", steps[i].name),
                  log_b("why", g->why.n > 0 ? text_bytes(&g->why) : bytes_of(started->text)),
                  log_r(started));
        return false;
    }
    return true;
}

static enum log_level level_of(bytes name) {
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {{"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warning", LOG_WARNING}};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (bytes_equal(name, bytes_of(levels[i].name)))
            return levels[i].level;
    return LOG_ERROR;
}

// A reload has nothing left to change, and must not end a process that is stopping in order.
static void hear_no_more(struct gateway *g) {
    sigset_t late;
    sigemptyset(&late);
    sigaddset(&late, SIGHUP);
    sigaddset(&late, SIGUSR1);
    sigprocmask(SIG_BLOCK, &late, NULL);
    g->ending = true;
}

int gateway_serve(const char *config_path) {
    struct gateway g = {.config_path = config_path};
    OWN(text_drop)
    struct text errors = {0}, warnings = {0};
    if (config_load(config_path, &g.config, &errors, &warnings) != OK) {
        fprintf(stderr, "%s", text_str(&errors));
        return EXIT_CONFIG;
    }
    log_setup(g.config->log_json ? LOG_JSON : LOG_TEXT, level_of(g.config->log_level));
    OWN(text_drop)
    struct text log_file = {0};
    log_open(gateway_path(&log_file, g.config->log_file));
    gateway_log_lines(LOG_CONFIG_WARNING, &warnings);
    bool started = start(&g);
    if (started) {
        resident_trim();
        if (g.reload_later)
            gateway_reload(&g);
        loop_run(g.main_loop);
    }
    hear_no_more(&g);
    bool failed = !(started || g.interrupted) || journal_failed(g.journal);
    bool stopped = started || (g.interrupted && !failed);
    stop(&g);
    free_rooms(&g);
    if (stopped)
        log_event(LOG_STOPPED);
    log_open(NULL);
    return failed ? EXIT_FAILED : EXIT_DONE;
}
