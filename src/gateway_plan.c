// SPDX-License-Identifier: MIT
// The configuration in force: what it gives the rooms, how it is adopted and read again.
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/metrics.h"
#include "gateway_internal.h"
#include "port/notify.h"
#include "rules/record.h"
#include "rules/site.h"

// The configuration, which is no larger, and its variables' values.
#define TARGETS_MEMORY_MAX (64u << 20)

struct source_secrets *gateway_secrets(const struct config *c) {
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

void gateway_secrets_free(struct source_secrets *all, size_t n) {
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)all[i].keys);
    free(all);
}

struct desk_source *gateway_desk_sources(const struct config *c) {
    struct desk_source *all = NEW_ARRAY(struct desk_source, c->source_count + 1);
    for (size_t i = 0; i < c->source_count; i++) {
        const struct config_source *s = &c->sources[i];
        struct desk_secret *secrets = NEW_ARRAY(struct desk_secret, s->secret_count + 1);
        const struct plan_source *p = plan_source_find(c->plan, s->path);
        for (size_t k = 0; k < s->secret_count; k++)
            secrets[k] = (struct desk_secret){s->secrets[k].key, p->secrets[k]};
        all[i] = (struct desk_source){s->path, s->livemode, secrets, s->secret_count};
    }
    return all;
}

void gateway_desk_sources_free(struct desk_source *all, size_t n) {
    for (size_t i = 0; i < n; i++)
        free(all[i].secrets);
    free(all);
}

static bytes *copy_all(struct arena *a, const bytes *list, size_t n) {
    bytes *all = arena_take(a, (n + 1) * sizeof *all);
    for (size_t i = 0; i < n; i++)
        all[i] = arena_copy(a, list[i]);
    return all;
}

static struct handler copy_handler(struct arena *a, const struct handler *h) {
    struct handler copy = *h;
    copy.run = copy_all(a, h->run, h->run_count);
    copy.environment = copy_all(a, h->environment, h->environment_count);
    copy.directory = arena_copy(a, h->directory);
    copy.user = arena_copy(a, h->user);
    copy.restart_ms = arena_take(a, (h->restart_count + 1) * sizeof *h->restart_ms);
    for (size_t i = 0; i < h->restart_count; i++)
        copy.restart_ms[i] = h->restart_ms[i];
    return copy;
}

static struct queue_target copy_queue(struct arena *a, const struct queue_target *t) {
    struct queue_target copy = *t;
    copy.url = arena_copy(a, t->url);
    copy.password = arena_copy(a, t->password);
    copy.stream = arena_copy(a, t->stream);
    copy.list = arena_copy(a, t->list);
    copy.queue = arena_copy(a, t->queue);
    copy.prefix = arena_copy(a, t->prefix);
    copy.path = arena_copy(a, t->path);
    return copy;
}

static struct target_older *copy_older(struct arena *a, const struct config_destination *d) {
    struct target_older *all = arena_take(a, (d->older_count + 1) * sizeof *all);
    for (size_t i = 0; i < d->older_count; i++)
        all[i] = (struct target_older){arena_copy(a, d->older[i].key), d->older[i].not_after_s};
    return all;
}

struct retarget *gateway_targets(const struct config *c, uint64_t generation) {
    struct retarget *r = NEW(struct retarget);
    r->mail.kind = DISPATCH_RETARGET;
    r->targets.generation = generation;
    arena_init(&r->memory, TARGETS_MEMORY_MAX);
    struct targets *all = &r->targets;
    all->allowed = arena_take(&r->memory, (c->allow_private_count + 1) * sizeof *all->allowed);
    for (; all->allowed_count < c->allow_private_count; all->allowed_count++)
        all->allowed[all->allowed_count] = c->allow_private[all->allowed_count];
    all->list = arena_take(&r->memory, (c->destination_count + 1) * sizeof *all->list);
    for (size_t i = 0; i < c->destination_count; i++) {
        const struct config_destination *d = &c->destinations[i];
        const struct plan_destination *p = plan_destination_find(c->plan, d->name);
        all->list[all->count++] = (struct target){
            .name = arena_copy(&r->memory, d->name),
            .kind = p->kind,
            .handler = copy_handler(&r->memory, &d->handler),
            .queue = copy_queue(&r->memory, &d->queue),
            .url = arena_copy(&r->memory, d->url),
            .secret = arena_copy(&r->memory, d->newest.n > 0 ? d->newest : d->secret),
            .older = copy_older(&r->memory, d),
            .older_count = d->older_count,
            .livemode = p->livemode,
            .timeout_ms = p->timeout_ms,
            .pace = p->pace,
        };
    }
    return r;
}

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
        NEED(g->ledger != NULL, FULL, "the journal is full, and the ledger must be migrated first");
        bool booked = ledger_step(g->ledger);
        bool recycled = journal_step(g->journal);
        NEED(booked || recycled, FULL,
             "the journal is full and the ledger cannot book it now; make room on the ledger's "
             "disk, end what locks the ledger, and start again");
    }
    return OK;
}

// Through the journal's thread, waiting for it.
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

result gateway_append(struct gateway *g, enum record_kind kind, bytes payload, uint64_t *at) {
    // The journal may be smaller than the configuration says: it keeps the size it was made with.
    NEED(payload.n <= g->books.journal->payload_max(g->books.journal), INVALID,
         "the configuration's plan is larger than this journal's records can be; have fewer or "
         "shorter rules, or begin a larger journal");
    if (g->journal_thread != NULL)
        return append_waiting(g, kind, payload, at);
    struct append a;
    prepare(g, &a, kind, payload);
    TRY(make_room(g, payload.n, &a.credit));
    TRY(journal_append(g->journal, &a));
    *at = a.position;
    return OK;
}

// A first plan finds nothing stored.
static void tell_unasked(const struct plan *before, const struct plan *after) {
    size_t n = before == NULL ? 0 : site_claims_unasked(before, after);
    if (n > 0)
        log_event(LOG_CLAIMS_UNASKED, log_i("claims", (int64_t)n));
}

result gateway_adopt(struct gateway *g, const struct config *c) {
    uint64_t generation = 0;
    if (g->plan != NULL && bytes_equal(g->plan->json, c->plan->json))
        generation = g->plan->generation;
    else
        TRY(gateway_append(g, RECORD_PLAN, c->plan->json, &generation));
    struct plan *adopted = NULL;
    TRY(plan_read(c->plan->json, generation, &adopted));
    gateway_tell_rolls_gone(g->plan, adopted);
    tell_unasked(g->plan, adopted);
    plan_free(g->plan);
    g->plan = adopted;
    return OK;
}

const char *gateway_path(struct text *t, bytes path) {
    text_add(t, path);
    return path.n == 0 ? NULL : text_str(t);
}

static void reload_tls(struct gateway *g, const struct config *fresh) {
    OWN(text_drop)
    struct text certificate = {0}, key = {0}, why = {0};
    const char *c = gateway_path(&certificate, fresh->certificate);
    const char *k = gateway_path(&key, fresh->key);
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

static bool same_twin(const struct config_twin *a, const struct config_twin *b) {
    bool same = a->enabled == b->enabled && a->endpoint_count == b->endpoint_count &&
                a->speed == b->speed && a->seed == b->seed && a->waiting_max == b->waiting_max &&
                a->objects_max == b->objects_max && bytes_equal(a->key, b->key) &&
                bytes_equal(a->api_version, b->api_version) && bytes_equal(a->chaos, b->chaos);
    for (size_t i = 0; same && i < a->endpoint_count; i++)
        same = bytes_equal(a->endpoints[i].source, b->endpoints[i].source) &&
               bytes_equal(a->endpoints[i].api_version, b->endpoints[i].api_version);
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
        {"desk.rate", old->desk_rate == fresh->desk_rate},
        {"desk.account_metrics", old->account_metrics == fresh->account_metrics},
        {"desk.endpoint_metrics", old->endpoint_metrics == fresh->endpoint_metrics},
        {"desk.listeners_max", old->listeners_max == fresh->listeners_max},
        {"desk.listen_window", old->listen_window == fresh->listen_window},
        {"desk.reconnect_delay", old->reconnect_delay_ms == fresh->reconnect_delay_ms},
        {"ledger", bytes_equal(old->ledger_path, fresh->ledger_path)},
        {"journal.path", bytes_equal(old->journal_path, fresh->journal_path)},
        {"log", old->log_json == fresh->log_json && bytes_equal(old->log_level, fresh->log_level) &&
                    bytes_equal(old->log_file, fresh->log_file)},
        {"twin", same_twin(&old->twin, &fresh->twin)},
        {"trust", bytes_equal(old->ca_file, fresh->ca_file)},
        {"limits", memcmp(&old->limits, &fresh->limits, sizeof old->limits) == 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!rows[i].same)
            log_event(LOG_CONFIG_WARNING, log_s("changed", rows[i].key),
                      log_s("problem", "this change needs a restart; the old value goes on"));
}

result gateway_in_force(struct gateway *g, const struct config *c) {
    struct source_secrets *secrets = gateway_secrets(c);
    result set = intake_set_sources(g->intake, g->plan, secrets, c->source_count);
    gateway_secrets_free(secrets, c->source_count);
    TRY(set);
    mailbox_post(g->dispatch_mailbox, &gateway_targets(c, g->plan->generation)->mail);
    desk_set_generation(g->desk, g->plan->generation);
    desk_set_allowed(g->desk, c->allow_private, c->allow_private_count);
    struct desk_source *sources = gateway_desk_sources(c);
    desk_set_sources(g->desk, sources, c->source_count);
    gateway_desk_sources_free(sources, c->source_count);
    return OK;
}

static result reload_config(struct gateway *g, struct config *fresh) {
    struct rolls *rolls = NULL;
    TRY(gateway_load_rolls(g, fresh, &rolls));
    rolls_free(g->rolls);
    g->rolls = rolls;
    TRY(gateway_adopt(g, fresh));
    TRY(gateway_in_force(g, fresh));
    if (fresh->certificate.n > 0)
        reload_tls(g, fresh);
    warn_restart(g->config, fresh);
    config_free(g->config);
    g->config = fresh;
    return OK;
}

void gateway_log_lines(enum log_event event, const struct text *lines) {
    bytes rest = text_bytes(lines);
    while (rest.n > 0)
        log_event(event, log_b("problem", bytes_cut(&rest, '\n')));
}

void gateway_reload(struct gateway *g) {
    notify_manager("RELOADING=1");
    log_reopen(); // for who rotates by a reload
    OWN(text_drop)
    struct text errors = {0}, warnings = {0};
    struct config *fresh = NULL;
    result loaded = config_load(g->config_path, &fresh, &errors, &warnings);
    gateway_log_lines(LOG_CONFIG_WARNING, &warnings);
    gateway_log_lines(LOG_RELOAD_REFUSED, &errors);
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
