// SPDX-License-Identifier: MIT
#include "config_fixture.h"

static struct config *read_ok(const char *yaml) {
    OWN(text_drop)
    struct text errors = {0};
    OWN(text_drop)
    struct text warnings = {0};
    struct config *c;
    result r = config_read(bytes_of(yaml), "t.yaml", &fixture_outside, &c, &errors, &warnings);
    if (r != OK)
        fail_msg("refused: %s", text_str(&errors));
    assert_int_equal(errors.n, 0);
    assert_non_null(c);
    return c;
}

#define EQUAL(bytes_, text_)                                                                       \
    do {                                                                                           \
        bytes equal_ = (bytes_);                                                                   \
        if (!bytes_equal(equal_, bytes_of(text_)))                                                 \
            fail_msg("\"%.*s\" is not \"%s\"", BYTES_ARG(equal_), text_);                          \
    } while (0)

static void every_key_arrives(void **state) {
    OWN(fixture_drop)
    struct config *c = read_ok(fixture_full);
    assert_int_equal(c->listen_count, 3);
    EQUAL(c->listen[1], "https://[::]:443");
    EQUAL(c->listen[2], "unix:in.sock");
    assert_int_equal(c->desk_listen_count, 2);
    assert_int_equal(c->allow_private_count, 2);
    assert_int_equal(c->allow_private[0].bits, 16);
    assert_memory_equal(c->allow_private[0].address, "\x0a\x01", 2);
    assert_int_equal(c->allow_private[1].bits, 32);
    assert_int_equal(c->allow_private[1].n, 16);
    EQUAL(c->desk_listen[1], "unix:hookkeep.sock");
    EQUAL(c->certificate, "cert.pem");
    EQUAL(c->key, "key.pem");
    EQUAL(c->ledger_path, "books.db");
    EQUAL(c->journal_path, "books.journal");
    assert_int_equal(c->journal_size, 64 << 20);
    assert_true(c->log_json);
    EQUAL(c->log_level, "warning");
    EQUAL(c->log_file, "hookkeep.log");
    EQUAL(c->ca_file, "ca.pem");
    assert_int_equal(c->loops, 3);
    assert_true(c->twin.enabled);
    EQUAL(c->twin.key, "sk_test_hk0123456789abcdefghijABCDEFGHIJ12");
    assert_int_equal(c->twin.endpoint_count, 2);
    EQUAL(c->twin.endpoints[0].source, "/other");
    EQUAL(c->twin.endpoints[0].api_version, "2024-06-20");
    EQUAL(c->twin.endpoints[1].api_version, "2025-01-02.acacia");
    assert_int_equal(c->twin.speed, 60);
    EQUAL(c->twin.chaos, "duplicate=10, delay=3m");
    assert_int_equal(c->twin.seed, 7);
    assert_int_equal(c->twin.waiting_max, 50);
    assert_int_equal(c->limits.head_max, 8192);
    assert_int_equal(c->limits.body_max, 2 << 20);
    assert_int_equal(c->limits.unverified_max, 32 << 20);
    assert_int_equal(c->limits.connections_max, 100);
    assert_int_equal(c->limits.connections_address_max, 10);
    assert_int_equal(c->limits.head_ms, 1000);
    assert_int_equal(c->limits.body_ms, 2000);
    assert_int_equal(c->limits.idle_ms, 3000);
    assert_int_equal(c->limits.answer_ms, 4000);
    assert_int_equal(c->limits.drain_ms, 5000);
    assert_int_equal(c->limits.rate_min, 1024);
    assert_int_equal(c->file.n, 0);
}

static void sources_and_destinations_arrive(void **state) {
    OWN(fixture_drop)
    struct config *c = read_ok(fixture_full);
    assert_int_equal(c->source_count, 2);
    const struct config_source *s = &c->sources[0];
    EQUAL(s->path, "/webhook");
    EQUAL(s->owner, "acct_1Main");
    assert_int_equal(s->livemode, MODE_LIVE);
    assert_int_equal(s->tolerance_s, 600);
    assert_int_equal(s->secret_count, 2);
    EQUAL(s->secrets[0].label, "platform");
    EQUAL(s->secrets[0].key, CANARY_A);
    assert_int_equal(c->plan->sources[0].secrets[0].scope, SCOPE_ACCOUNT);
    EQUAL(s->secrets[1].key, CANARY_B);
    assert_int_equal(c->plan->sources[0].secrets[1].scope, SCOPE_CONNECT);
    EQUAL(c->sources[1].owner, "main");
    EQUAL(c->sources[1].secrets[0].key, CANARY_C);
    assert_int_equal(c->plan->sources[1].secrets[0].scope, SCOPE_ANY);
    assert_int_equal(c->destination_count, 3);
    EQUAL(c->destinations[0].name, "shop");
    EQUAL(c->destinations[0].url, "https://shop.example.com:8443/stripe?x=1");
    EQUAL(c->destinations[0].secret, CANARY_B);
    EQUAL(c->destinations[1].secret, CANARY_A);
}

static void a_handler_arrives(void **state) {
    OWN(fixture_drop)
    struct config *c = read_ok(fixture_full);
    const struct handler *h = &c->destinations[2].handler;
    assert_int_equal(h->run_count, 3);
    EQUAL(h->run[0], "python3");
    EQUAL(h->run[2], CANARY_A);
    assert_true(h->stream);
    assert_int_equal(h->workers, 3);
    assert_int_equal(h->environment_count, 4);
    EQUAL(h->environment[0], "NAME=shop");
    EQUAL(h->environment[1], "TOKEN=" CANARY_B);
    EQUAL(h->environment[2], "EMPTY=");
    EQUAL(h->environment[3], "X=a=b");
    EQUAL(h->directory, "/srv");
    EQUAL(h->user, "books");
    assert_int_equal(h->memory_max, 256 << 20);
    assert_int_equal(h->cpu_s, 90);
    assert_int_equal(h->files_max, 64);
    assert_int_equal(h->grace_ms, 2000);
    assert_int_equal(h->restart_count, 2);
    assert_int_equal(h->restart_ms[0], 200);
    assert_int_equal(h->log_rate, 7);
    assert_int_equal(c->destinations[0].handler.run_count, 0);
}

static void an_argument_may_be_empty(void **state) {
    OWN(fixture_drop)
    struct config *c =
        read_ok("sources: [{path: /webhook, secrets: [{label: main, key: '${A}'}]}]\n"
                "destinations: [{name: a, kind: command, run: [sh, '', '${EMPTY}']}]\n");
    const struct handler *h = &c->destinations[0].handler;
    assert_int_equal(h->run_count, 3);
    EQUAL(h->run[1], "");
    EQUAL(h->run[2], "");
    EQUAL(c->plan->destinations[0].run[1], "");
    EQUAL(c->plan->destinations[0].run[2], "${EMPTY}");
}

static void tables_keep_all_but_what_is_excepted(void **state) {
    OWN(fixture_drop)
    struct config *c =
        read_ok("sources: [{path: /webhook, secrets: [{label: main, key: '${A}'}]}]\n"
                "destinations: [{name: a, kind: tables, livemode: live, concurrency: 4,\n"
                "  tables: {except: [product, checkout.session, card]}}]\n");
    const struct plan_destination *d = &c->plan->destinations[0];
    assert_int_equal(d->kind, KIND_TABLES);
    assert_int_equal(d->except_count, 3);
    EQUAL(d->except[1], "checkout.session");
    assert_true(d->matches_all);
    OWN(fixture_drop)
    struct config *all =
        read_ok("sources: [{path: /webhook, secrets: [{label: main, key: '${A}'}]}]\n"
                "destinations: [{name: a, kind: tables}]\n");
    assert_int_equal(all->plan->destinations[0].except_count, 0);
}

static void a_handler_has_its_defaults(void **state) {
    OWN(fixture_drop)
    struct config *c =
        read_ok("sources: [{path: /webhook, secrets: [{label: main, key: '${A}'}]}]\n"
                "destinations:\n"
                "- {name: a, kind: command, run: handler}\n"
                "- {name: b, kind: command, run: handler, environment: []}\n");
    const struct handler *h = &c->destinations[0].handler;
    assert_int_equal(h->run_count, 1);
    EQUAL(h->run[0], "handler");
    assert_false(h->stream);
    assert_int_equal(h->workers, 1);
    assert_int_equal(h->environment_count, 1); // the others are not in the fixture's environment
    EQUAL(h->environment[0], "PATH=/usr/bin");
    assert_int_equal(h->directory.n + h->user.n, 0);
    assert_int_equal(h->memory_max + h->cpu_s, 0);
    assert_int_equal(h->files_max, 1024);
    assert_int_equal(h->grace_ms, 5000);
    assert_int_equal(h->restart_count, 4);
    assert_int_equal(h->log_rate, 100);
    assert_int_equal(c->destinations[1].handler.environment_count, 0);
}

static void a_plugin_gets_what_its_handlers_process(void **state) {
    OWN(fixture_drop)
    struct config *c =
        read_ok("sources: [{path: /webhook, secrets: [{label: main, key: '${A}'}]}]\n"
                "destinations:\n"
                "- {name: a, kind: plugin, path: two.so, workers: 3, description: '${NAME}'}\n"
                "- {name: b, kind: plugin, path: all.so}\n"
                "- {name: c, kind: plugin, path: two.so, match: [{types: charge.failed}]}\n");
    const struct handler *h = &c->destinations[0].handler;
    assert_true(h->stream);
    assert_int_equal(h->run_count, 4);
    EQUAL(h->run[1], "plugin");
    EQUAL(h->run[2], "run");
    EQUAL(h->run[3], "two.so");
    const struct plan_destination *d = c->plan->destinations;
    EQUAL(d->description, "${NAME}");
    EQUAL(d->path, "two.so");
    assert_int_equal(d->pace.min, 3);
    assert_int_equal(d->handler_count, 2);
    EQUAL(d->handlers[1].description, "d");
    assert_false(d->matches_all);
    assert_int_equal(d->rule_count, 1);
    assert_int_equal(d->rules[0].type_count, 3);
    EQUAL(d->rules[0].types[1], "charge.*");
    EQUAL(d->rules[0].types[2], "payout.paid");
    assert_true(d[1].matches_all);
    assert_int_equal(d[2].rules[0].type_count, 1);
}

static void the_plan_carries_what_decides_and_no_secret(void **state) {
    OWN(fixture_drop)
    struct config *c = read_ok(fixture_full);
    OWN(text_drop)
    struct text want = {0};
    char a[13], b[13], k[13];
    config_fingerprint(B(CANARY_A), a);
    config_fingerprint(B(CANARY_B), b);
    config_fingerprint(B(CANARY_C), k);
    text_addf(
        &want,
        "{\"sources\":[{\"path\":\"/webhook\",\"owner\":\"acct_1Main\",\"livemode\":\"live\","
        "\"tolerance_s\":600,\"secrets\":[{\"label\":\"platform\",\"scope\":\"account\","
        "\"fingerprint\":\"%s\"},{\"label\":\"connect\",\"scope\":\"connect\",\"fingerprint\":"
        "\"%s\"}]},{\"path\":\"/other\",\"owner\":\"main\",\"livemode\":\"both\",\"tolerance_s\":"
        "300,\"secrets\":[{\"label\":\"main\",\"scope\":\"any\",\"fingerprint\":\"%s\"}]}],"
        "\"destinations\":[{\"name\":\"shop\",\"kind\":\"http\",\"url\":"
        "\"https://shop.example.com:8443/stripe?x=1\",\"fingerprint\":\"%s\",\"livemode\":\"live\","
        "\"match\":[{\"types\":[\"customer.*\",\"checkout.session.completed\"],\"accounts\":"
        "[\"acct_1234567890\",\"platform\"],\"sources\":[\"/webhook\"],\"secrets\":[\"connect\"],"
        "\"scope\":\"connect\",\"where\":[{\"path\":\"data.object.metadata.site\",\"values\":"
        "[\"shop\"]},{\"path\":\"data.object.amount\",\"values\":[\"100\",\"200\"]}]},{\"types\":"
        "[\"*\"],\"accounts\":[],\"sources\":[],\"secrets\":[],\"scope\":\"any\",\"where\":[]}],"
        "\"timeout_ms\":45000,\"retry_ms\":[1000,300000,2592000000],"
        "\"concurrency\":256,\"concurrency_min\":4,"
        "\"rate\":{\"count\":300,\"per_ms\":60000}},"
        "{\"name\":\"all\",\"kind\":\"http\",\"url\":\"http://[::1]:5001\",\"fingerprint\":\"%s\","
        "\"livemode\":\"both\",\"match\":null,\"timeout_ms\":30000,\"retry_ms\":[5000,300000,"
        "1800000,7200000,18000000,36000000,36000000,86400000,86400000],\"concurrency\":16},"
        "{\"name\":\"books\",\"kind\":\"command\",\"run\":[\"python3\",\"handler.py\",\"${A}\"],"
        "\"livemode\":\"both\",\"match\":null,\"timeout_ms\":30000,\"retry_ms\":[9000],"
        "\"concurrency\":16}]}",
        a, b, k, b, a);
    EQUAL(c->plan->json, text_str(&want));
    assert_int_equal(c->plan->generation, 0);
    assert_int_equal(bytes_search(c->plan->json, B("Canary")), c->plan->json.n);
}

#define SMALL "sources: [{path: /webhook, secrets: [{label: main, key: '${A}'}]}]\n"

static void absent_keys_have_their_defaults(void **state) {
    OWN(fixture_drop)
    struct config *c = read_ok(SMALL);
    assert_int_equal(c->listen_count, 1);
    EQUAL(c->listen[0], "http://127.0.0.1:4242");
    assert_int_equal(c->desk_listen_count, 2);
    EQUAL(c->desk_listen[0], "http://127.0.0.1:4243");
    assert_int_equal(c->allow_private_count, 0);
    EQUAL(c->ledger_path, "hookkeep.db");
    EQUAL(c->journal_path, "hookkeep.journal");
    assert_int_equal(c->journal_size, 256 << 20);
    EQUAL(c->certificate, "");
    EQUAL(c->ca_file, "");
    assert_false(c->log_json);
    EQUAL(c->log_level, "info");
    assert_int_equal(c->limits.head_max, 16 << 10);
    assert_int_equal(c->limits.body_max, 1 << 20);
    assert_true(c->limits.head_ms > 0 && c->limits.body_ms > 0 && c->limits.idle_ms > 0);
    assert_int_equal(c->loops, 0);
    EQUAL(c->sources[0].owner, "main");
    assert_int_equal(c->sources[0].tolerance_s, 300);
    assert_int_equal(c->sources[0].livemode, MODE_BOTH);
    assert_int_equal(c->destination_count, 0);
}

static void the_same_configuration_gives_the_same_plan(void **state) {
    static const char *const same[] = {
        SMALL,
        "# a comment\n" SMALL,
        "sources:\n- secrets:\n  - key: " CANARY_A "\n    label: 'main'\n  path: /webhook\n",
        SMALL "limits: {body: 2MiB}\nlisten: unix:a\ndestinations: []\n",
        "sources: [{tolerance: 5m, path: /webhook, livemode: both, owner: main, secrets: [{label: "
        "main, scope: any, key: file:/run/bare}]}]\n",
    };
    OWN(fixture_drop)
    struct config *first = read_ok(same[0]);
    for (size_t i = 1; i < sizeof(same) / sizeof(same[0]); i++) {
        OWN(fixture_drop)
        struct config *c = read_ok(same[i]);
        assert_true(bytes_equal(c->plan->json, first->plan->json));
    }
    OWN(fixture_drop)
    struct config *other =
        read_ok("sources: [{path: /webhook, secrets: [{label: main, key: '${B}'}]}]\n");
    assert_false(bytes_equal(other->plan->json, first->plan->json));
}

// A variable in a destination's name, or a secret.
static const struct {
    const char *scalar, *value;
} expansions[] = {
    {"${NAME}", "shop"},          {"\"${NAME}-${NAME}\"", "shop-shop"},
    {"'${NAME}'", "shop"},        {"a${NAME}b", "ashopb"},
    {"${UNSET:-other}", "other"}, {"${EMPTY:-other}", "other"},
    {"${NAME:-other}", "shop"},   {"a${UNSET:-}", "a"},
    {"a${EMPTY}", "a"},
};

static void variables_are_replaced(void **state) {
    for (size_t i = 0; i < sizeof(expansions) / sizeof(expansions[0]); i++) {
        OWN(text_drop)
        struct text yaml = {0};
        text_addf(&yaml, SMALL "destinations: [{url: 'http://h', secret: '${A}', name: %s}]\n",
                  expansions[i].scalar);
        // In a flow map a plain { would end the scalar: block style takes it.
        text_reset(&yaml);
        text_addf(&yaml, SMALL "destinations:\n- url: 'http://h'\n  secret: '${A}'\n  name: %s\n",
                  expansions[i].scalar);
        OWN(fixture_drop)
        struct config *c = read_ok(text_str(&yaml));
        EQUAL(c->destinations[0].name, expansions[i].value);
    }
}

static const struct {
    const char *scalar, *value;
} secrets[] = {
    {"${A}", CANARY_A},
    {"file:/run/a", CANARY_A},
    {"file:/run/bare", CANARY_A},
    {"file:${UNSET:-/run/a}", CANARY_A},
    {"file:b", CANARY_B},
    {"0123456789$${NAME}", "0123456789${NAME}"},
    {"0123456789$NAME$", "0123456789$NAME$"},
    {"0123456789 bcdef", "0123456789 bcdef"},
    {"\"0123456789012345\"", "0123456789012345"},
};

static void secrets_come_from_text_variables_and_files(void **state) {
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        OWN(text_drop)
        struct text yaml = {0};
        text_addf(&yaml, "sources:\n- path: /a\n  secrets:\n  - label: a\n    key: %s\n",
                  secrets[i].scalar);
        OWN(fixture_drop)
        struct config *c = read_ok(text_str(&yaml));
        EQUAL(c->sources[0].secrets[0].key, secrets[i].value);
    }
}

static void where_takes_scalars_as_they_are_written(void **state) {
    OWN(fixture_drop)
    struct config *c = read_ok(
        SMALL "destinations:\n- {name: a, url: 'http://h', secret: '${A}', match: [{where: {a.b: "
              "[1.50, true, \"\", '  x ', \"null\"], c: ''}}]}\n");
    const struct plan_rule *rule = &c->plan->destinations[0].rules[0];
    assert_int_equal(rule->where_count, 2);
    assert_int_equal(rule->wheres[0].value_count, 5);
    EQUAL(rule->wheres[0].values[0], "1.50");
    EQUAL(rule->wheres[0].values[1], "true");
    EQUAL(rule->wheres[0].values[2], "");
    EQUAL(rule->wheres[0].values[3], "  x ");
    EQUAL(rule->wheres[0].values[4], "null");
    assert_int_equal(rule->wheres[1].value_count, 1);
}

static void limits_of_lists_are_reached(void **state) {
    OWN(text_drop)
    struct text yaml = {0};
    text_adds(&yaml, "sources:\n- path: /a\n  secrets:\n");
    for (int i = 0; i < 64; i++)
        text_addf(&yaml, "  - {label: l%d, key: whsec_%016d}\n", i, i);
    text_adds(&yaml, "destinations:\n- {name: a, url: 'http://h', secret: '${A}', retry: [");
    for (int i = 0; i < 32; i++)
        text_adds(&yaml, i > 0 ? ",1s" : "1s");
    text_adds(&yaml, "]}\n- {name: b, url: 'http://h', secret: '${A}', retry: []}\n");
    text_adds(&yaml, "- {name: c, url: 'http://h', secret: '${A}', retry: 7s}\n");
    OWN(fixture_drop)
    struct config *c = read_ok(text_str(&yaml));
    assert_int_equal(c->sources[0].secret_count, 64);
    assert_int_equal(c->plan->destinations[0].retry_count, 32);
    assert_int_equal(c->plan->destinations[1].retry_count, 0);
    assert_int_equal(c->plan->destinations[2].retry_count, 1);
    assert_int_equal(c->plan->destinations[2].retry_ms[0], 7000);
}

static void fingerprints_name_a_secret_without_telling_it(void **state) {
    char a[13], again[13], b[13];
    config_fingerprint(B(CANARY_A), a);
    config_fingerprint(B(CANARY_A), again);
    config_fingerprint(B(CANARY_B), b);
    assert_int_equal(strlen(a), 12);
    assert_int_equal(strspn(a, "0123456789abcdef"), 12);
    assert_string_equal(a, again);
    assert_string_not_equal(a, b);
}

static void freeing_nothing_is_allowed(void **state) { config_free(NULL); }

static void a_secret_says_when_and_for_which_events_it_stands(void **state) {
    OWN(fixture_drop)
    struct config *c =
        read_ok("sources:\n- path: /a\n  livemode: test\n  secrets:\n"
                "  - {label: a, key: '${A}', livemode: test, not_before: 2026-11-27T18:00:00Z}\n"
                "  - {label: b, key: '${B}', not_after: '2026-11-27T20:00:00+01:00'}\n");
    const struct plan_secret *s = c->plan->sources[0].secrets;
    assert_int_equal(s[0].livemode, MODE_TEST);
    assert_int_equal(s[0].not_before_s, 1795802400);
    assert_int_equal(s[0].not_after_s, 0);
    assert_int_equal(s[1].livemode, MODE_BOTH);
    assert_int_equal(s[1].not_before_s, 0);
    assert_int_equal(s[1].not_after_s, 1795806000);
    // Nothing is written of what is not said: plans of before stay as they are.
    assert_true(bytes_search(c->plan->json, B("\"scope\":\"any\",\"livemode\":\"test\","
                                              "\"not_before_s\":1795802400,\"finger")) <
                c->plan->json.n);
    assert_true(bytes_search(c->plan->json, B("\"scope\":\"any\",\"not_after_s\":1795806000,"
                                              "\"finger")) < c->plan->json.n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_arrives),
        cmocka_unit_test(sources_and_destinations_arrive),
        cmocka_unit_test(a_handler_arrives),
        cmocka_unit_test(an_argument_may_be_empty),
        cmocka_unit_test(a_handler_has_its_defaults),
        cmocka_unit_test(tables_keep_all_but_what_is_excepted),
        cmocka_unit_test(a_plugin_gets_what_its_handlers_process),
        cmocka_unit_test(the_plan_carries_what_decides_and_no_secret),
        cmocka_unit_test(absent_keys_have_their_defaults),
        cmocka_unit_test(the_same_configuration_gives_the_same_plan),
        cmocka_unit_test(variables_are_replaced),
        cmocka_unit_test(secrets_come_from_text_variables_and_files),
        cmocka_unit_test(a_secret_says_when_and_for_which_events_it_stands),
        cmocka_unit_test(where_takes_scalars_as_they_are_written),
        cmocka_unit_test(limits_of_lists_are_reached),
        cmocka_unit_test(fingerprints_name_a_secret_without_telling_it),
        cmocka_unit_test(freeing_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
