// SPDX-License-Identifier: MIT
// For the tests of config/: an outside of their own, and a configuration that uses every key.
#ifndef TESTS_CONFIG_FIXTURE_H
#define TESTS_CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

// No message may ever repeat these.
#define CANARY_A "whsec_CanaryA0123456789abcdef"
#define CANARY_B "whsec_CanaryB0123456789abcdef"
#define CANARY_C "whsec_CanaryC0123456789abcdef"

static const struct {
    const char *name, *value;
} fixture_env[] = {
    {"A", CANARY_A},
    {"B", CANARY_B},
    {"C", CANARY_C},
    {"STRIPE_WEBHOOK_SECRET", CANARY_A},
    {"STRIPE_CONNECT_WEBHOOK_SECRET", CANARY_B},
    {"SHOP_SECRET", CANARY_C},
    {"EMPTY", ""},
    {"SHORT", "whsec_Canary012"},
    {"LEFT", " " CANARY_A},
    {"RIGHT", CANARY_A "\n"},
    {"CONTROL", "whsec_Canary\x01"
                "A0123456789"},
    {"SECONDS", "45s"},
    {"NOT_UTF8", "\xff"},
    {"NAME", "shop"},
    {"PATH", "/usr/bin"},
};

static const char *fixture_getenv(void *ctx, const char *name) {
    for (size_t i = 0; i < sizeof(fixture_env) / sizeof(fixture_env[0]); i++)
        if (strcmp(fixture_env[i].name, name) == 0)
            return fixture_env[i].value;
    return NULL;
}

static const struct {
    const char *path, *content;
} fixture_files[] = {
    {"/run/a", CANARY_A "\n"},
    {"/run/bare", CANARY_A},
    {"b", CANARY_B "\n"},
    {"/run/two", CANARY_A "\n\n"},
    {"/run/crlf", CANARY_A "\r\n"},
    {"/run/space", CANARY_A " \n"},
    {"/run/empty", ""},
    {"/run/newline", "\n"},
    {"/run/short", "whsec_Canary0\n"},
};

static result fixture_file(void *ctx, const char *path, size_t max, struct text *out) {
    for (size_t i = 0; i < sizeof(fixture_files) / sizeof(fixture_files[0]); i++) {
        if (strcmp(fixture_files[i].path, path) != 0)
            continue;
        text_adds(out, fixture_files[i].content);
        return OK;
    }
    if (strcmp(path, "/run/large") == 0)
        FAIL(FULL, "too large");
    if (strcmp(path, "/run/forbidden") == 0)
        FAIL(REFUSED, "no permission");
    FAIL(ABSENT, "no such file");
}

static bool fixture_user(void *ctx, const char *name) { return strcmp(name, "books") == 0; }

static bool fixture_folder(void *ctx, const char *path) { return strcmp(path, "/srv") == 0; }

// What plugins of these paths say of themselves.
static const struct {
    const char *path, *table; // null: `why`
    const char *why;
} fixture_plugins[] = {
    {"two.so",
     "{\"version\":1,\"handlers\":[{\"name\":\"paid\",\"description\":\"marks it\","
     "\"types\":[\"invoice.paid\",\"charge.*\"]},{\"name\":\"b\",\"description\":\"d\","
     "\"types\":[\"payout.paid\"]}]}\n",
     NULL},
    {"all.so",
     "{\"version\":1,\"handlers\":[{\"name\":\"a\",\"description\":\"d\",\"types\":"
     "[\"a.b\",\"*\"]}]}\n",
     NULL},
    {"no-table.so", NULL, "it exports no hk_handlers; do this"},
    {"empty.so", "{\"version\":1,\"handlers\":[]}", NULL},
    {"misspelt.so",
     "{\"handlers\":[{\"name\":\"a\",\"description\":\"d\",\"types\":[\"invoice.payed\"]}]}", NULL},
    {"pattern.so", "{\"handlers\":[{\"name\":\"a\",\"description\":\"d\",\"types\":[\"A\"]}]}",
     NULL},
    {"nonsense.so", "hello", NULL},
};

static result fixture_plugin(void *ctx, const struct handler *h, bytes path, struct text *json,
                             struct text *why) {
    assert_true(h->stream);
    for (size_t i = 0; i < sizeof fixture_plugins / sizeof fixture_plugins[0]; i++) {
        if (!bytes_equal(bytes_of(fixture_plugins[i].path), path))
            continue;
        text_adds(json, fixture_plugins[i].table != NULL ? fixture_plugins[i].table : "");
        text_adds(why, fixture_plugins[i].why != NULL ? fixture_plugins[i].why : "");
        if (fixture_plugins[i].why != NULL)
            FAIL(INVALID, "so");
        return OK;
    }
    text_adds(why, "there is no such file");
    FAIL(INVALID, "so");
}

// 2026-11-27T18:00:01Z
static const struct config_outside fixture_outside = {.env = fixture_getenv,
                                                      .now_s = 1795802401,
                                                      .file = fixture_file,
                                                      .user = fixture_user,
                                                      .folder = fixture_folder,
                                                      .plugin = fixture_plugin};

static inline void fixture_drop(struct config **c) { config_free(*c); }

static const char fixture_full[] = //
    "listen: [http://127.0.0.1:4242, 'https://[::]:443', unix:in.sock]\n"
    "tls: {certificate: cert.pem, key: key.pem}\n"
    "desk: {listen: [http://127.0.0.1:4243, unix:hookkeep.sock], allow_private: [10.1.0.0/16, "
    "'fd00:1::/32']}\n"
    "ledger: sqlite:books.db\n"
    "journal: {path: books.journal, size: 64MiB}\n"
    "log: {format: json, level: warning, file: hookkeep.log}\n"
    "limits:\n"
    "  head: 8KiB\n"
    "  body: 2MiB\n"
    "  unverified: 32MiB\n"
    "  connections: 100\n"
    "  connections_per_address: 10\n"
    "  head_timeout: 1s\n"
    "  body_timeout: 2s\n"
    "  idle_timeout: 3s\n"
    "  answer_timeout: 4s\n"
    "  drain_timeout: 5s\n"
    "  min_rate: 1KiB\n"
    "  loops: 3\n"
    "trust: {ca_file: ca.pem}\n"
    "twin:\n"
    "  enabled: true\n"
    "  beside_live: true\n"
    "  key: sk_test_hk0123456789abcdefghijABCDEFGHIJ12\n"
    "  api_version: 2025-01-02.acacia\n"
    "  endpoints: [{source: /other, api_version: 2024-06-20}, {source: /webhook}]\n"
    "  speed: 60\n"
    "  chaos: [duplicate=10, delay=3m]\n"
    "  seed: 7\n"
    "  waiting_max: 50\n"
    "sources:\n"
    "  - path: /webhook\n"
    "    owner: acct_1Main\n"
    "    livemode: live\n"
    "    tolerance: 10m\n"
    "    secrets:\n"
    "      - {label: platform, scope: account, key: \"${A}\"}\n"
    "      - {label: connect, scope: connect, key: file:b}\n"
    "  - path: /other\n"
    "    secrets:\n"
    "      - label: main\n"
    "        key: " CANARY_C "\n"
    "destinations:\n"
    "  - name: shop\n"
    "    kind: http\n"
    "    url: https://shop.example.com:8443/stripe?x=1\n"
    "    secret: \"${B}\"\n"
    "    livemode: live\n"
    "    match:\n"
    "      - types: [customer.*, checkout.session.completed]\n"
    "        accounts: [acct_1234567890, platform]\n"
    "        scope: connect\n"
    "        sources: [/webhook]\n"
    "        secrets: connect\n"
    "        where:\n"
    "          data.object.metadata.site: shop\n"
    "          data.object.amount: [100, 200]\n"
    "      - types: \"*\"\n"
    "    timeout: 45s\n"
    "    retry: [1s, 5m, 30d]\n"
    "    concurrency: 4..256\n"
    "    rate: 300/m\n"
    "  - name: all\n"
    "    url: http://[::1]:5001\n"
    "    secret: file:/run/a\n"
    "  - name: books\n"
    "    kind: command\n"
    "    run: [python3, handler.py, \"${A}\"]\n"
    "    mode: stream\n"
    "    workers: 3\n"
    "    environment: [NAME, ABSENT, \"TOKEN=${B}\", EMPTY, 'X=a=b']\n"
    "    directory: /srv\n"
    "    user: books\n"
    "    limits: {memory: 256MiB, cpu: 90s, files: 64}\n"
    "    grace: 2s\n"
    "    restart: [200ms, 1m]\n"
    "    log_rate: 7\n"
    "    retry: 9s\n";

#endif
