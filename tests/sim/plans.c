// SPDX-License-Identifier: MIT
#include "base/ensure.h"
#include "node.h"

// Destinations with one plain condition each, so that what a plan must do can be said twice: here
// for the oracle, and as the plan's own rules.
struct wish {
    const char *name;
    const char *livemode, *match; // JSON
    const char *type_prefix;      // "" any
    int connect;                  // 1: connect only, -1: platform only
    const char *source;           // null: any
    int variants;                 // bits
    const char *mode;             // of a command, in runs that have them; null: http
};

#define RULE(types, accounts, sources, scope)                                                      \
    "[{\"types\":[" types "],\"accounts\":[" accounts "],\"sources\":[" sources                    \
    "],\"secrets\":[],\"scope\":\"" scope "\",\"where\":[]}]"

static const struct wish wishes[] = {
    {"all", "both", "null", "", 0, NULL, 7},
    {"customers", "both", RULE("\"customer.*\"", "", "", "any"), "customer.", 0, NULL, 5},
    {"live", "live", "null", "", 0, NULL, 3},
    {"live", "both", "null", "", 0, NULL, 4},
    {"connect", "both", RULE("", "", "", "connect"), "", 1, NULL, 6, "oneshot"},
    {"platform", "test", RULE("\"charge.*\",\"invoice.*\"", "\"platform\"", "", "any"), "", -1,
     NULL, 7},
    {"second", "both", RULE("", "", "\"/connect\"", "any"), "", 0, "/connect", 7, "stream"},
};

const char *const plan_destinations[] = {"all",     "customers", "live",
                                         "connect", "platform",  "second"};
const size_t plan_destination_names = sizeof plan_destinations / sizeof *plan_destinations;

bool plan_mixes_modes, plan_has_commands;

static void add_source(struct text *out, const char *path, const char *owner, const char *secrets) {
    text_addf(out,
              "{\"path\":\"%s\",\"owner\":\"%s\",\"livemode\":\"both\",\"tolerance_s\":300,"
              "\"secrets\":[%s]}",
              path, owner, secrets);
}

static void plan_draft(int variant, struct text *out) {
    text_adds(out, "{\"sources\":[");
    add_source(out, "/webhook", "main",
               "{\"label\":\"platform\",\"scope\":\"account\",\"fingerprint\":\"000000000001\"}");
    text_addc(out, ',');
    add_source(out, "/connect", "main",
               "{\"label\":\"platform\",\"scope\":\"any\",\"fingerprint\":\"000000000001\"},"
               "{\"label\":\"connect\",\"scope\":\"connect\",\"fingerprint\":\"000000000002\"}");
    text_addc(out, ',');
    add_source(out, "/other", "other",
               "{\"label\":\"other\",\"scope\":\"any\",\"fingerprint\":\"000000000003\"}");
    text_adds(out, "],\"destinations\":[");
    bool first = true;
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        const struct wish *w = &wishes[i];
        if ((w->variants >> variant & 1) == 0)
            continue;
        text_addf(out, "%s{\"name\":\"%s\",", first ? "" : ",", w->name);
        if (w->mode != NULL && plan_has_commands)
            text_addf(out, "\"kind\":\"command\",\"run\":[\"handler\",\"%s\"]", w->mode);
        else
            text_addf(out,
                      "\"kind\":\"http\",\"url\":\"http://127.0.0.1:1/%s\","
                      "\"fingerprint\":\"000000000004\"",
                      w->name);
        text_addf(out,
                  ",\"livemode\":\"%s\",\"match\":%s,\"timeout_ms\":30000,"
                  "\"retry_ms\":[1000,5000,30000,60000,60000,60000,120000],\"concurrency\":4}",
                  plan_mixes_modes ? "both" : w->livemode, w->match);
        first = false;
    }
    text_adds(out, "]}");
}

void plan_of(int variant, struct text *out) {
    OWN(text_drop)
    struct text draft = {0};
    plan_draft(variant, &draft);
    struct plan *p = NULL;
    ensure(plan_read(text_bytes(&draft), 0, &p) == OK);
    plan_write(p, out);
    plan_free(p);
}

bool plan_expects(int variant, bytes destination, bytes type, bytes account, bool livemode,
                  bytes source) {
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        const struct wish *w = &wishes[i];
        if ((w->variants >> variant & 1) == 0 || !bytes_equal(destination, bytes_of(w->name)))
            continue;
        bytes mode = bytes_of(w->livemode);
        bool fits = bytes_equal(mode, B("both")) || bytes_equal(mode, B("live")) == livemode;
        bool typed = bytes_starts(type, bytes_of(w->type_prefix));
        if (w->connect == -1)
            typed = bytes_starts(type, B("charge.")) || bytes_starts(type, B("invoice."));
        bool scoped = w->connect == 0 || (w->connect == 1) == (account.n > 0);
        bool from = w->source == NULL || bytes_equal(source, bytes_of(w->source));
        return fits && typed && scoped && from;
    }
    return false;
}
