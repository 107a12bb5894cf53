// SPDX-License-Identifier: MIT
#include "config/config.h"

#include <stdlib.h>

#include "base/digest.h"
#include "base/memory.h"
#include "config/bind.h"
#include "config/variables.h"
#include "port/net.h"

#define JOURNAL_HEADS (8u << 10) // and what rounding costs
#define CONFIG_MEMORY_MAX (64u << 20)

void config_fingerprint(bytes secret, char out[13]) {
    const bytes parts[] = {B("hookkeep secret fingerprint 1\n"), secret};
    uint8_t digest[SHA256_SIZE];
    digest_sha256(parts, 2, digest);
    bytes_to_hex(digest, 6, out);
    out[12] = '\0';
}

static const char address_form[] =
    "expected http://HOST:PORT, https://HOST:PORT or unix:PATH, as http://127.0.0.1:4242";

static void check_address(struct binding *b, struct node *n, bool *tls) {
    OWN(text_drop)
    struct text why = {0};
    OWN(text_drop)
    struct text found = {0};
    struct net_address a;
    if (n->bad)
        return;
    if (net_address_parse(n->text, &a, &why) != OK) {
        show_value(n, &found);
        complain(b->r, n, "found %s; %s", text_str(&found), address_form);
        return;
    }
    *tls = *tls || a.tls;
    if (a.tls && tree_get(b->root, KEY_TLS) == NULL)
        complain(b->r, n, "https needs a certificate; add tls: {certificate: FILE, key: FILE}");
    if (!a.tls && !net_address_local(&a))
        warn(b->r, n,
             n->row == &keys[KEY_LISTEN]
                 ? "plain http on an address that others can reach; Stripe wants https in "
                   "live mode, here or in a proxy in front"
                 : "plain http on an address that others can reach; the desk's keys would "
                   "travel readable");
}

// Each address of listen and desk.listen once.
static void check_addresses(struct binding *b) {
    struct node *lists[] = {tree_get(b->root, KEY_LISTEN),
                            tree_get(tree_get(b->root, KEY_DESK), KEY_DESK_LISTEN)};
    struct node *tls_map = tree_get(b->root, KEY_TLS);
    bool tls = false;
    for (size_t i = 0; i < 2; i++) {
        for (struct node *n = bind_first(lists[i]); n != NULL; n = bind_next(lists[i], n)) {
            check_address(b, n, &tls);
            for (size_t k = 0; k <= i; k++)
                for (struct node *m = bind_first(lists[k]); m != NULL && m != n && !n->bad;
                     m = bind_next(lists[k], m))
                    if (bytes_equal(m->text, n->text) && !bytes_ends(n->text, B(":0")))
                        complain(b->r, n, "the same address as in %s; remove one",
                                 tree_place(b->r, m));
        }
    }
    if (tls_map != NULL && !tls)
        warn(b->r, tls_map, "no address in listen is https: the certificate is not used");
}

static result bind_ledger(struct binding *b) {
    struct node *n = tree_get(b->root, KEY_LEDGER);
    if (n == NULL || n->bad)
        return OK;
    if (bytes_starts(n->text, B("postgresql:")) || bytes_starts(n->text, B("postgres:")))
        complain(b->r, n, "a ledger in PostgreSQL is not in this version; expected sqlite:PATH");
    else if (!bytes_starts(n->text, B("sqlite:")) || n->text.n == 7)
        complain(b->r, n, "expected sqlite:PATH, as sqlite:hookkeep.db");
    else
        return bind_copy(b, bytes_slice(n->text, 7, n->text.n), &b->c->ledger_path);
    return OK;
}

static result bind_networks(struct binding *b, struct node *of) {
    struct config *c = b->c;
    TRY(bind_take(b, bind_count(of), sizeof *c->allow_private, &c->allow_private));
    for (struct node *n = bind_first(of); n != NULL; n = bind_next(of, n))
        if (!n->bad)
            TRY(guard_range_parse(n->text, &c->allow_private[c->allow_private_count++]));
    return OK;
}

static void bind_listening(struct binding *b, const struct node *desk) {
    struct config *c = b->c;
    struct node *delay = tree_get(desk, KEY_DESK_RECONNECT_DELAY);
    c->listeners_max = (uint32_t)bind_number(desk, KEY_DESK_LISTENERS_MAX);
    c->listen_window = (uint32_t)bind_number(desk, KEY_DESK_LISTEN_WINDOW);
    c->reconnect_delay_ms = bind_number(desk, KEY_DESK_RECONNECT_DELAY);
    if (delay != NULL && c->reconnect_delay_ms % 1000 != 0)
        complain(b->r, delay, "expected whole seconds: the CLI is told no finer time");
}

static result bind_places(struct binding *b) {
    struct config *c = b->c;
    struct node *journal = tree_get(b->root, KEY_JOURNAL);
    struct node *tls = tree_get(b->root, KEY_TLS), *desk = tree_get(b->root, KEY_DESK);
    TRY(bind_texts(b, b->root, KEY_LISTEN, &c->listen, &c->listen_count));
    TRY(bind_texts(b, desk, KEY_DESK_LISTEN, &c->desk_listen, &c->desk_listen_count));
    c->account_metrics = (uint32_t)bind_number(desk, KEY_DESK_ACCOUNT_METRICS);
    c->desk_rate = (uint32_t)bind_number(desk, KEY_DESK_RATE);
    c->endpoint_metrics = (uint32_t)bind_number(desk, KEY_DESK_ENDPOINT_METRICS);
    TRY(bind_networks(b, tree_get(desk, KEY_DESK_ALLOW_PRIVATE)));
    b->plan.endpoints = (struct plan_endpoints){
        (uint32_t)bind_number(desk, KEY_DESK_ENDPOINTS_MAX),
        bind_number(desk, KEY_DESK_ENDPOINTS_DISABLE_AFTER),
    };
    bind_listening(b, desk);
    TRY(bind_text(b, tls, KEY_TLS_CERTIFICATE, &c->certificate));
    TRY(bind_text(b, tls, KEY_TLS_KEY, &c->key));
    TRY(bind_text(b, tree_get(b->root, KEY_TRUST), KEY_TRUST_CA_FILE, &c->ca_file));
    TRY(bind_ledger(b));
    TRY(bind_text(b, journal, KEY_JOURNAL_PATH, &c->journal_path));
    c->journal_size = (uint64_t)bind_number(journal, KEY_JOURNAL_SIZE);
    struct node *path = tree_get(journal, KEY_JOURNAL_PATH);
    if (path != NULL && c->journal_path.n > 0 && bytes_equal(c->journal_path, c->ledger_path))
        complain(b->r, path, "the ledger is the same file; each needs one of its own");
    check_addresses(b);
    return OK;
}

static result bind_limits(struct binding *b) {
    struct config_limits *l = &b->c->limits;
    struct node *map = tree_get(b->root, KEY_LIMITS), *log = tree_get(b->root, KEY_LOG);
    bytes format;
    l->head_max = (uint64_t)bind_number(map, KEY_LIMITS_HEAD);
    l->body_max = (uint64_t)bind_number(map, KEY_LIMITS_BODY);
    l->unverified_max = (uint64_t)bind_number(map, KEY_LIMITS_UNVERIFIED);
    l->connections_max = (uint64_t)bind_number(map, KEY_LIMITS_CONNECTIONS);
    l->connections_address_max = (uint64_t)bind_number(map, KEY_LIMITS_CONNECTIONS_PER_ADDRESS);
    l->head_ms = bind_number(map, KEY_LIMITS_HEAD_TIMEOUT);
    l->body_ms = bind_number(map, KEY_LIMITS_BODY_TIMEOUT);
    l->idle_ms = bind_number(map, KEY_LIMITS_IDLE_TIMEOUT);
    l->answer_ms = bind_number(map, KEY_LIMITS_ANSWER_TIMEOUT);
    l->drain_ms = bind_number(map, KEY_LIMITS_DRAIN_TIMEOUT);
    l->rate_min = (uint64_t)bind_number(map, KEY_LIMITS_MIN_RATE);
    b->c->loops = (uint32_t)bind_number(map, KEY_LIMITS_LOOPS);
    struct node *body = tree_get(map, KEY_LIMITS_BODY);
    struct node *unverified = tree_get(map, KEY_LIMITS_UNVERIFIED);
    if (body != NULL && b->c->journal_size > 0 && l->body_max > b->c->journal_size / 4)
        complain(b->r, body,
                 "more than a quarter of journal.size; make one smaller or the other "
                 "larger");
    if (unverified != NULL && !unverified->bad && l->unverified_max < 2 * l->body_max)
        complain(b->r, unverified,
                 "less than two bodies (limits.body); no large event could come "
                 "in");
    TRY(bind_text(b, log, KEY_LOG_FORMAT, &format));
    b->c->log_json = bytes_equal(format, B("json"));
    TRY(bind_text(b, log, KEY_LOG_FILE, &b->c->log_file));
    return bind_text(b, log, KEY_LOG_LEVEL, &b->c->log_level);
}

static result make_plan(struct binding *b) {
    OWN(text_drop)
    struct text json = {.max = PLAN_MEMORY_MAX};
    plan_write(&b->plan, &json);
    NEED(!json.failed, MEMORY, "the configuration is too large");
    // A journal of this size has segments of a quarter at most, and a record no more of one.
    uint64_t room = b->c->journal_size / 16 - JOURNAL_HEADS;
    uint64_t max = room < PLAN_JSON_MAX ? room : PLAN_JSON_MAX;
    if (json.n > max) {
        complain_at(b->r, 0,
                    "what of it decides about events (sources, destinations, rules) takes %zu "
                    "bytes as JSON; expected at most %llu, %s; have fewer or shorter rules%s",
                    json.n, (unsigned long long)max,
                    max < PLAN_JSON_MAX ? "a sixteenth of journal.size" : "a record's 2 MiB",
                    max < PLAN_JSON_MAX ? ", or a larger journal" : "");
        FAIL(INVALID, "the plan is too large");
    }
    return plan_read(text_bytes(&json), 0, &b->c->plan);
}

static result bind_all(struct reading *r, struct node *root, struct config *c) {
    struct binding b = {.r = r, .root = root, .c = c};
    TRY(check_map(r, root, NULL));
    TRY(bind_places(&b));
    TRY(bind_limits(&b));
    TRY(bind_sources(&b));
    TRY(bind_twin(&b));
    TRY(bind_sites(&b));
    TRY(bind_destinations(&b));
    NEED(r->error_count == 0, INVALID, "the configuration has errors");
    return make_plan(&b);
}

static result read_all(struct reading *r, bytes yaml, struct config *c) {
    struct node *root = NULL;
    result read = tree_read(r, yaml, &root);
    if (read == OK && root == NULL && variables_say(r->outside, NULL))
        read = tree_add(r, NULL, NODE_MAP, 0, &root);
    if (read == OK && root == NULL)
        complain_at(r, 1,
                    "there is nothing in it; expected at least one source: sources: [{path: "
                    "/webhook, secrets: [{label: main, key: \"${STRIPE_WEBHOOK_SECRET}\"}]}]");
    if (read == OK && root != NULL)
        read = variables_apply(r, root, &c->variables);
    if (read == OK && root != NULL)
        read = bind_all(r, root, c);
    tree_wipe(root);
    TRY(read);
    NEED(r->error_count == 0, INVALID, "the configuration has errors");
    return OK;
}

result config_read(bytes yaml, const char *name, const struct config_outside *outside,
                   struct config **out, struct text *errors, struct text *warnings) {
    OWN(arena_drop)
    struct arena memory;
    arena_init(&memory, CONFIG_MEMORY_MAX);
    struct reading r = {.name = name,
                        .outside = outside,
                        .memory = &memory,
                        .errors = errors,
                        .warnings = warnings};
    struct config *c = NEW(struct config);
    arena_init(&c->memory, CONFIG_MEMORY_MAX);
    *out = NULL;
    result read = read_all(&r, yaml, c);
    if (read == OK) {
        *out = c;
        return OK;
    }
    if (r.error_count == 0)
        complain_at(&r, 0, "%s", read->text);
    if (r.error_count > MESSAGES_MAX)
        text_addf(errors, "%s: %zu more\n", name, r.error_count - MESSAGES_MAX);
    config_free(c);
    return read;
}

static void wipe(bytes b) {
    if (b.n > 0)
        memory_wipe((void *)(uintptr_t)b.p, b.n);
}

void config_free(struct config *c) {
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->source_count && c->sources != NULL; i++)
        for (size_t k = 0; k < c->sources[i].secret_count && c->sources[i].secrets != NULL; k++)
            wipe(c->sources[i].secrets[k].key);
    wipe(c->twin.key);
    for (size_t i = 0; i < c->destination_count && c->destinations != NULL; i++) {
        struct config_destination *d = &c->destinations[i];
        wipe(d->secret);
        wipe(d->newest);
        for (size_t k = 0; k < d->older_count; k++)
            wipe(d->older[k].key);
        for (size_t k = 0; k < d->handler.environment_count && d->handler.environment != NULL; k++)
            wipe(d->handler.environment[k]);
    }
    plan_free(c->plan);
    arena_drop(&c->memory);
    free(c);
}
