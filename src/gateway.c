// SPDX-License-Identifier: MIT
#include "gateway.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/metrics.h"
#include "config/config.h"
#include "desk/desk.h"
#include "dispatch/dispatch.h"
#include "gateway_books.h"
#include "intake/intake.h"
#include "port/files.h"
#include "port/log.h"
#include "port/notify.h"
#include "port/thread.h"
#include "rules/record.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_CONFIG = 78 };

#define CONNECTIONS_KEPT 64
#define DESK_CONNECTIONS_MAX 256 // few people ask; who does may hold a body before his key is known
#define FILES_OWN 128            // the books, the journal, the threads' loops, and some to spare
#define KEY_SCRATCH_MAX (64u << 10)

struct gateway {
    const char *config_path;
    struct config *config;
    struct plan *plan; // adopted, with its generation
    struct books books;
    struct journal *journal;
    struct ledger *ledger;
    struct queries *queries, *slow_queries; // nobody waits behind a backup
    struct intake *intake;
    struct desk *desk;
    struct thread *journal_thread, *ledger_thread, *dispatch_thread;
    struct thread *queries_thread, *slow_thread;

    struct loop *main_loop;

    struct loop *dispatch_loop;
    struct mailbox *dispatch_mailbox;
    struct timer *dispatch_timer, *dispatch_deadline;
    struct fetcher *fetcher;
    struct dispatch *dispatch;
    struct mail dispatch_stop;
    bool dispatch_ending; // of dispatch's thread: it heard of the stop

    uint64_t connections_max; // of Stripe's side; what files there are allow
    uint64_t tail;            // the journal's last position at start; ready once it is booked
    bool serving, ending;     // ending: signals are heard no more
    struct text why;          // of the step that failed
};

// --- dispatch's loop

static void dispatch_wake_at(void *ctx, int64_t mono_us) {
    struct gateway *g = ctx;
    int64_t ms = (mono_us - clock_mono_us(&clock_real) + 999) / 1000;
    timer_set(g->dispatch_timer, ms < 0 ? 0 : ms);
}

static void dispatch_stop_if_idle(struct gateway *g) {
    if (g->dispatch_ending && dispatch_idle(g->dispatch))
        loop_stop(g->dispatch_loop);
}

static void on_dispatch_timer(void *ctx) {
    struct gateway *g = ctx;
    dispatch_tick(g->dispatch);
    dispatch_stop_if_idle(g);
}

// Sites that take too long to answer do not keep us: their deliveries are due at the next start.
static void on_dispatch_deadline(void *ctx) {
    struct gateway *g = ctx;
    loop_stop(g->dispatch_loop);
}

static void on_dispatch_mail(void *ctx, struct mail *m) {
    struct gateway *g = ctx;
    if (m == &g->dispatch_stop) {
        g->dispatch_ending = true;
        dispatch_drain(g->dispatch);
        timer_set(g->dispatch_deadline, g->config->limits.drain_ms);
    } else
        dispatch_mail(g->dispatch, m);
    dispatch_stop_if_idle(g);
}

static void run_loop(void *loop) { loop_run(loop); }

// --- the configuration in force

static struct source_secrets *secrets_of(const struct config *c) {
    struct source_secrets *all = NEW_ARRAY(struct source_secrets, c->source_count + 1);
    for (size_t i = 0; i < c->source_count; i++) {
        const struct config_source *s = &c->sources[i];
        bytes *keys = NEW_ARRAY(bytes, s->secret_count + 1);
        for (size_t k = 0; k < s->secret_count; k++)
            keys[k] = s->secrets[k].key;
        all[i] = (struct source_secrets){s->path, keys, s->secret_count};
    }
    return all;
}

static void secrets_free(struct source_secrets *all, size_t n) {
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)all[i].keys);
    free(all);
}

static struct retarget *targets_of(const struct config *c, uint64_t generation) {
    struct retarget *r = NEW(struct retarget);
    r->mail.kind = DISPATCH_RETARGET;
    r->generation = generation;
    arena_init(&r->memory, PLAN_MEMORY_MAX);
    r->targets = arena_take(&r->memory, (c->destination_count + 1) * sizeof *r->targets);
    for (size_t i = 0; i < c->destination_count; i++) {
        const struct config_destination *d = &c->destinations[i];
        const struct plan_destination *p = plan_destination_find(c->plan, d->name);
        r->targets[r->count++] = (struct target){
            .name = arena_copy(&r->memory, d->name),
            .url = arena_copy(&r->memory, d->url),
            .secret = arena_copy(&r->memory, d->secret),
            .livemode = p->livemode,
            .timeout_ms = p->timeout_ms,
            .concurrency = p->concurrency,
        };
    }
    return r;
}

// --- records of our own

static void prepare(struct gateway *g, struct append *a, enum record_kind kind, bytes payload) {
    *a = (struct append){
        .kind = (uint8_t)kind,
        .generation = g->plan == NULL ? 0 : g->plan->generation,
        .seed = clock_seed(&clock_real),
        .payload = payload,
    };
}

// A journal that the last life left full gets room by booking, which no thread does yet.
static result make_room(struct gateway *g, size_t n, size_t *credit) {
    while (!journal_credit_take(g->journal, CREDIT_INNER, n, credit)) {
        bool booked = ledger_step(g->ledger);
        bool recycled = journal_step(g->journal);
        NEED(booked || recycled, FULL,
             "the journal is full and the ledger cannot book it now; make room on the ledger's "
             "disk, end what locks the ledger, and start again");
    }
    return OK;
}

// Appends before the journal's thread runs.
static result append_now(struct gateway *g, enum record_kind kind, bytes payload, uint64_t *at) {
    struct append a;
    prepare(g, &a, kind, payload);
    TRY(make_room(g, payload.n, &a.credit));
    TRY(journal_append(g->journal, &a));
    *at = a.position;
    return OK;
}

// The same through its thread, waiting for it.
static result append_waiting(struct gateway *g, enum record_kind kind, bytes payload,
                             uint64_t *at) {
    struct append a;
    prepare(g, &a, kind, payload);
    NEED(journal_credit_take(g->journal, CREDIT_INNER, payload.n, &a.credit), FULL,
         "the journal has no room for a record of our own");
    a.reply = mailbox_open(NULL, NULL);
    journal_post(g->journal, &a);
    (void)mailbox_wait(a.reply, -1);
    (void)mailbox_drain(a.reply);
    mailbox_close(a.reply);
    TRY(a.failed);
    *at = a.position;
    return OK;
}

// The plan in force becomes the configuration's: known already, or adopted by a record.
static result adopt(struct gateway *g, const struct config *c,
                    result (*append)(struct gateway *, enum record_kind, bytes, uint64_t *)) {
    uint64_t generation = 0;
    if (g->plan != NULL && bytes_equal(g->plan->json, c->plan->json))
        generation = g->plan->generation;
    else
        TRY(append(g, RECORD_PLAN, c->plan->json, &generation));
    struct plan *adopted = NULL;
    TRY(plan_read(c->plan->json, generation, &adopted));
    plan_free(g->plan);
    g->plan = adopted;
    return OK;
}

// --- starting: one function a step, in the order of the table below

static result start_books(struct gateway *g) { return books_open(g->config, &g->books, &g->why); }

static void on_durable(void *ctx, uint64_t position) {
    (void)position;
    struct gateway *g = ctx;
    ledger_wake(g->ledger);
}

static void on_journal_failed(void *ctx) {
    struct gateway *g = ctx;
    loop_stop(g->main_loop);
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
    };
    return ledger_open(&o, &g->ledger);
}

// Compares with the plan in force when all records are booked; with a tail to book, a plan may be
// among it.
static result start_plan(struct gateway *g) {
    OWN(text_drop)
    struct text json = {0};
    uint64_t generation = 0;
    TRY(ledger_plan(g->ledger, &json, &generation));
    if (generation != 0 && ledger_booked(g->ledger) >= g->tail)
        TRY(plan_read(text_bytes(&json), generation, &g->plan));
    return adopt(g, g->config, append_now);
}

// The operator's key: its file and the books must know the same one.
static result start_key(struct gateway *g) {
    OWN(text_drop)
    struct text path = {0}, key = {0}, command = {0};
    OWN(arena_drop)
    struct arena scratch;
    arena_init(&scratch, KEY_SCRATCH_MAX);
    text_add(&path, g->config->ledger_path);
    text_adds(&path, ".key");
    bool created = false;
    TRY(desk_first_key(text_str(&path), &clock_real, &key, &created));
    if (created)
        log_event(LOG_KEY_WRITTEN, log_s("path", text_str(&path)));
    char id[DESK_KEY_ID_MAX];
    desk_key_id(text_bytes(&key), id);
    struct key_row row;
    result known = g->books.ledger->key_get(g->books.ledger, bytes_of(id), &scratch, &row);
    if (failed_as(known, FAIL_ABSENT)) {
        uint64_t at;
        desk_key_command(text_bytes(&key), B("first"), NO_BYTES, &command);
        known = append_now(g, RECORD_COMMAND, text_bytes(&command), &at);
    }
    memory_wipe(key.p, key.n);
    return known;
}

static result start_threads(struct gateway *g) {
    char *path = bytes_strdup(g->config->ledger_path);
    result opened = queries_open(path, &g->queries, &g->why);
    if (opened == OK)
        opened = queries_open(path, &g->slow_queries, &g->why);
    free(path);
    TRY(opened);
    TRY(thread_start("journal", journal_run, g->journal, &g->journal_thread));
    TRY(thread_start("ledger", ledger_run, g->ledger, &g->ledger_thread));
    TRY(thread_start("queries", queries_run, g->queries, &g->queries_thread));
    return thread_start("slow queries", queries_run, g->slow_queries, &g->slow_thread);
}

static result start_dispatch(struct gateway *g) {
    TRY(loop_open(&g->dispatch_loop));
    g->dispatch_mailbox = loop_mailbox(g->dispatch_loop, on_dispatch_mail, g);
    g->dispatch_timer = timer_open(g->dispatch_loop, on_dispatch_timer, g);
    g->dispatch_deadline = timer_open(g->dispatch_loop, on_dispatch_deadline, g);
    char *ca_file = g->config->ca_file.n == 0 ? NULL : bytes_strdup(g->config->ca_file);
    struct fetch_options f = {.connections_kept = CONNECTIONS_KEPT, .ca_file = ca_file};
    result opened = fetcher_open(g->dispatch_loop, &f, &g->fetcher);
    free(ca_file);
    TRY(opened);
    g->dispatch = dispatch_open(&(struct dispatch_options){
        .clock = &clock_real,
        .fetcher = g->fetcher,
        .journal = g->journal,
        .ledger = g->ledger,
        .mailbox = g->dispatch_mailbox,
        .wake_at = dispatch_wake_at,
        .wake_ctx = g,
    });
    mailbox_post(g->dispatch_mailbox, &targets_of(g->config, g->plan->generation)->mail);
    return thread_start("dispatch", run_loop, g->dispatch_loop, &g->dispatch_thread);
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

static const char *path_or_null(struct text *t, bytes path) {
    text_add(t, path);
    return path.n == 0 ? NULL : text_str(t);
}

// Strangers must not take the last file: the books, the desk and deliveries need theirs.
static result start_files(struct gateway *g) {
    const struct config *c = g->config;
    uint64_t own = FILES_OWN + CONNECTIONS_KEPT + DESK_CONNECTIONS_MAX;
    for (size_t i = 0; i < c->plan->destination_count; i++)
        own += c->plan->destinations[i].concurrency;
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
    OWN(text_drop)
    struct text certificate = {0}, key = {0};
    struct net_address *listen = NEW_ARRAY(struct net_address, c->listen_count + 1);
    result r = parse_addresses(c->listen, c->listen_count, listen, &g->why);
    struct source_secrets *secrets = secrets_of(c);
    struct intake_options o = {
        .clock = &clock_real,
        .journal = g->journal,
        .listen = listen,
        .listen_count = c->listen_count,
        .certificate = path_or_null(&certificate, c->certificate),
        .key = path_or_null(&key, c->key),
        .loops = c->loops,
        .limits = limits_of(c),
        .unverified_max = (int64_t)c->limits.unverified_max,
        .drain_ms = c->limits.drain_ms,
        .plan = g->plan,
        .secrets = secrets,
        .secret_count = c->source_count,
    };
    o.limits.connections_max = g->connections_max;
    o.limits.http.owed_ms = c->limits.answer_ms;
    if (r == OK)
        r = intake_open(&o, &g->intake, &g->why);
    secrets_free(secrets, c->source_count);
    free(listen);
    return r;
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

static result start_desk(struct gateway *g) {
    const struct config *c = g->config;
    OWN(text_drop)
    struct text certificate = {0}, key = {0};
    struct net_address *listen = NEW_ARRAY(struct net_address, c->desk_listen_count + 1);
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
        .tls = {path_or_null(&certificate, c->certificate), path_or_null(&key, c->key)},
        .limits = limits_of(c),
        .drain_ms = c->limits.drain_ms,
        .ready = is_ready,
        .ready_ctx = g,
    };
    if (o.limits.connections_max > DESK_CONNECTIONS_MAX)
        o.limits.connections_max = DESK_CONNECTIONS_MAX;
    if (r == OK)
        r = desk_open(&o, &g->desk, &g->why);
    free(listen);
    if (r == OK)
        desk_set_generation(g->desk, g->plan->generation);
    return r;
}

static void log_listening(const struct gateway *g) {
    for (size_t i = 0; i < g->config->listen_count; i++)
        log_event(LOG_LISTENING, log_s("for", "stripe"), log_b("address", g->config->listen[i]),
                  log_i("port", intake_port(g->intake, i)));
    for (size_t i = 0; i < g->config->desk_listen_count; i++)
        log_event(LOG_LISTENING, log_s("for", "desk"), log_b("address", g->config->desk_listen[i]),
                  log_i("port", desk_port(g->desk, i)));
}

static result start_answering(struct gateway *g) {
    TRY(desk_start(g->desk));
    TRY(intake_start(g->intake));
    g->serving = true;
    log_listening(g);
    log_event(LOG_STARTED, log_s("version", HOOKKEEP_VERSION),
              log_i("generation", g->plan->generation));
    notify_manager("READY=1");
    return OK;
}

// --- reloading

static void reload_tls(struct gateway *g, const struct config *fresh) {
    OWN(text_drop)
    struct text certificate = {0}, key = {0}, why = {0};
    const char *c = path_or_null(&certificate, fresh->certificate);
    const char *k = path_or_null(&key, fresh->key);
    result set = intake_set_tls(g->intake, c, k, &why);
    if (set == OK)
        set = desk_set_tls(g->desk, c, k, &why);
    if (set != OK)
        log_event(LOG_TLS_RELOAD_REFUSED, log_r(set), log_b("why", text_bytes(&why)));
}

static bool same_list(const bytes *a, size_t a_count, const bytes *b, size_t b_count) {
    bool same = a_count == b_count;
    for (size_t i = 0; same && i < a_count; i++)
        same = bytes_equal(a[i], b[i]);
    return same;
}

// What only a new process takes up is said, not swallowed.
static void warn_restart(const struct config *old, const struct config *fresh) {
    const struct {
        const char *key;
        bool same;
    } rows[] = {
        {"listen", same_list(old->listen, old->listen_count, fresh->listen, fresh->listen_count)},
        {"desk.listen", same_list(old->desk_listen, old->desk_listen_count, fresh->desk_listen,
                                  fresh->desk_listen_count)},
        {"ledger", bytes_equal(old->ledger_path, fresh->ledger_path)},
        {"journal.path", bytes_equal(old->journal_path, fresh->journal_path)},
        {"log", old->log_json == fresh->log_json && bytes_equal(old->log_level, fresh->log_level)},
        {"trust", bytes_equal(old->ca_file, fresh->ca_file)},
        {"limits", memcmp(&old->limits, &fresh->limits, sizeof old->limits) == 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!rows[i].same)
            log_event(LOG_CONFIG_WARNING, log_s("changed", rows[i].key),
                      log_s("problem", "this change needs a restart; the old value goes on"));
}

static result reload_config(struct gateway *g, struct config *fresh) {
    TRY(adopt(g, fresh, append_waiting));
    struct source_secrets *secrets = secrets_of(fresh);
    result set = intake_set_sources(g->intake, g->plan, secrets, fresh->source_count);
    secrets_free(secrets, fresh->source_count);
    TRY(set);
    mailbox_post(g->dispatch_mailbox, &targets_of(fresh, g->plan->generation)->mail);
    desk_set_generation(g->desk, g->plan->generation);
    if (fresh->certificate.n > 0)
        reload_tls(g, fresh);
    warn_restart(g->config, fresh);
    config_free(g->config);
    g->config = fresh;
    return OK;
}

static void log_lines(enum log_event event, const struct text *lines) {
    bytes rest = text_bytes(lines);
    while (rest.n > 0)
        log_event(event, log_b("problem", bytes_cut(&rest, '\n')));
}

static void on_hangup(struct gateway *g) {
    notify_manager("RELOADING=1");
    OWN(text_drop)
    struct text errors = {0}, warnings = {0};
    struct config *fresh = NULL;
    result loaded = config_load(g->config_path, &fresh, &errors, &warnings);
    log_lines(LOG_CONFIG_WARNING, &warnings);
    log_lines(LOG_RELOAD_REFUSED, &errors);
    if (loaded == OK)
        loaded = reload_config(g, fresh);
    metric_add(loaded == OK ? METRIC_RELOAD_OK : METRIC_RELOAD_REFUSED, 1);
    if (loaded == OK)
        log_event(LOG_RELOADED, log_i("generation", g->plan->generation));
    else if (errors.n == 0)
        log_event(LOG_RELOAD_REFUSED, log_r(loaded));
    if (loaded != OK && fresh != g->config)
        config_free(fresh);
    notify_manager("READY=1");
}

static void on_signal(void *ctx, int signum) {
    struct gateway *g = ctx;
    if (g->ending)
        return;
    if (signum == SIGHUP)
        on_hangup(g);
    else
        loop_stop(g->main_loop);
}

static result start_main(struct gateway *g) {
    TRY(loop_open(&g->main_loop));
    TRY(loop_signal(g->main_loop, SIGTERM, on_signal, g));
    TRY(loop_signal(g->main_loop, SIGINT, on_signal, g));
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
    {"the journal", start_journal},
    {"booking", start_ledger},
    {"the plan", start_plan},
    {"the operator's key", start_key},
    {"listening for Stripe", start_intake},
    {"the threads of journal and ledger", start_threads},
    {"listening for operators", start_desk},
    {"deliveries", start_dispatch},
    {"answering", start_answering},
};

// Stops in the order in which things flow, so that what was begun ends where it can still be
// recorded.
static void stop(struct gateway *g) {
    if (g->serving) {
        log_event(LOG_STOPPING);
        notify_manager("STOPPING=1");
        intake_stop(g->intake);
        desk_stop(g->desk);
    }
    if (g->dispatch_thread != NULL) {
        mailbox_post(g->dispatch_mailbox, &g->dispatch_stop);
        thread_join(g->dispatch_thread);
    }
    if (g->journal_thread != NULL)
        journal_stop(g->journal);
    thread_join(g->journal_thread);
    if (g->ledger_thread != NULL)
        ledger_stop(g->ledger);
    thread_join(g->ledger_thread);
}

// What came back to dispatch after its loop ended.
static void drain_dispatch_mail(struct gateway *g) {
    struct mail *m = g->dispatch == NULL ? NULL : mailbox_drain(g->dispatch_mailbox);
    while (m != NULL) {
        struct mail *next = m->next;
        on_dispatch_mail(g, m);
        m = next;
    }
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
    drain_dispatch_mail(g); // its jobs go back to the ledger while there is one
    journal_close(g->journal);
    ledger_close(g->ledger);
    drain_dispatch_mail(g);
    dispatch_close(g->dispatch);
    fetcher_close(g->fetcher);
    loop_close(g->dispatch_loop);
    desk_close(g->desk);
    end_queries(g->queries, g->queries_thread);
    end_queries(g->slow_queries, g->slow_thread);
    loop_close(g->main_loop);
    books_close(&g->books);
    plan_free(g->plan);
    config_free(g->config);
    text_drop(&g->why);
}

static bool start(struct gateway *g) {
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        result started = steps[i].start(g);
        if (started == OK)
            continue;
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
    sigset_t hangup;
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    sigprocmask(SIG_BLOCK, &hangup, NULL);
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
    log_lines(LOG_CONFIG_WARNING, &warnings);
    bool started = start(&g);
    if (started)
        loop_run(g.main_loop);
    hear_no_more(&g);
    bool failed = !started || journal_failed(g.journal);
    stop(&g);
    free_rooms(&g);
    if (started)
        log_event(LOG_STOPPED);
    return failed ? EXIT_FAILED : EXIT_DONE;
}
