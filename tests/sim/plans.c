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
    const char *sites[2];         // in runs that have them; null: any
    bool tables;                  // keeps them, in runs that do
    uint32_t rate;                // a second; 0: none
    bool held;                    // after nothing but failures for so long
    uint32_t least;               // of its level, which has at most 4; 0: that
    const char *high, *low;       // families of types; null: no priority
};

#define RULE(types, accounts, sources, scope)                                                      \
    "[{\"types\":[" types "],\"accounts\":[" accounts "],\"sources\":[" sources                    \
    "],\"secrets\":[],\"scope\":\"" scope "\",\"where\":[]}]"
#define SITES(types, names)                                                                        \
    "[{\"types\":[" types "],\"accounts\":[],\"sources\":[],\"secrets\":[],\"scope\":\"any\","     \
    "\"where\":[],\"sites\":[" names "]}]"

static const struct wish wishes[] = {
    {"all", "both", "null", "", 0, NULL, 15, .least = 1, .high = "customer.", .low = "charge."},
    {"customers", "both", RULE("\"customer.*\"", "", "", "any"), "customer.", 0, NULL, 13,
     .rate = 2},
    {"live", "live", "null", "", 0, NULL, 3, .rate = 20, .least = 2},
    {"live", "both", "null", "", 0, NULL, 12, .rate = 20, .least = 2},
    {"connect", "both", RULE("", "", "", "connect"), "", 1, NULL, 6, "oneshot"},
    {"platform", "test", RULE("\"charge.*\",\"invoice.*\"", "\"platform\"", "", "any"), "", -1,
     NULL, 15, .held = true},
    {"second", "both", RULE("", "", "\"/connect\"", "any"), "", 0, "/connect", 15, "stream"},
    {"shop", "both", SITES("", "\"shop\""), "", 0, NULL, 7, NULL, {"shop"}},
    {"school", "both", SITES("", "\"school\""), "", 0, NULL, 3, NULL, {"school"}},
    {"school", "both", SITES("", "\"school\",\"club\""), "", 0, NULL, 4, NULL, {"school", "club"}},
    {"club",
     "both",
     SITES("", "\"club\",\"unclaimed\""),
     "",
     0,
     NULL,
     5,
     NULL,
     {"club", "unclaimed"}},
    {"unclaimed", "both", SITES("", "\"unclaimed\""), "", 0, NULL, 7, NULL, {"unclaimed"}},
    {"tables", "both", "null", "", 0, NULL, 13, .tables = true},
};

const char *const site_names[SITE_NAMES] = {"shop", "school", "club"};

// The last variant has none.
const struct site_wish site_wishes[VARIANTS][SITE_NAMES + 1] = {
    {{SHOP, false, true, .customer = "cus_0"}, {SCHOOL, .price = "price_1"}, {CLUB}, {NO_SITE}},
    {{SHOP, true, true, .price = "price_0"}, {SCHOOL, false, true, .price = "price_1"}, {NO_SITE}},
    {{SCHOOL, true, true, .price = "price_1"},
     {SHOP, false, true, .customer = "cus_0"},
     {CLUB, .account = "acct_1"},
     {NO_SITE}},
    {{NO_SITE}},
};

const char *const plan_destinations[] = {"all",      "customers", "live",  "connect",
                                         "platform", "second",    "shop",  "school",
                                         "club",     "unclaimed", "tables"};
const size_t plan_destination_names = sizeof plan_destinations / sizeof *plan_destinations;

bool plan_mixes_modes, plan_has_commands, plan_has_sites;

static void add_source(struct text *out, const char *path, const char *owner, const char *secrets) {
    text_addf(out,
              "{\"path\":\"%s\",\"owner\":\"%s\",\"livemode\":\"both\",\"tolerance_s\":300,"
              "\"secrets\":[%s]}",
              path, owner, secrets);
}

static void add_claim(struct text *out, bool *first, const char *format, const char *value) {
    if (value == NULL)
        return;
    text_adds(out, *first ? "" : ",");
    text_addf(out, format, value);
    *first = false;
}

static void add_sites(struct text *out, int variant) {
    const struct site_wish *w = site_wishes[variant];
    if (!plan_has_sites || w->site == NO_SITE)
        return;
    text_adds(out, ",\"sites\":[");
    for (; w->site != NO_SITE; w++) {
        const char *name = site_names[w->site];
        bool first = true;
        text_addf(out, "%s{\"name\":\"%s\",\"late\":\"%s\",\"claims\":[",
                  w == site_wishes[variant] ? "" : ",", name, w->leaves ? "leave" : "route");
        add_claim(out, &first,
                  "{\"where\":[{\"path\":\"data.object.metadata.site\",\"values\":[\"%s\"]}]}",
                  w->metadata ? name : NULL);
        add_claim(out, &first, "{\"prices\":[\"%s\"]}", w->price);
        add_claim(out, &first, "{\"customers\":[\"%s\"]}", w->customer);
        add_claim(out, &first, "{\"accounts\":[\"%s\"]}", w->account);
        text_adds(out, "]}");
    }
    text_adds(out, "]");
}

// Is it there, in this run and variant?
static bool is_wished(const struct wish *w, int variant) {
    return (w->variants >> variant & 1) != 0 && (w->sites[0] == NULL || plan_has_sites) &&
           (!w->tables || plan_has_tables);
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
        if (!is_wished(w, variant))
            continue;
        text_addf(out, "%s{\"name\":\"%s\",", first ? "" : ",", w->name);
        if (w->tables)
            text_adds(out, "\"kind\":\"tables\",\"except\":[]");
        else if (w->mode != NULL && plan_has_commands)
            text_addf(out, "\"kind\":\"command\",\"run\":[\"handler\",\"%s\"]", w->mode);
        else
            text_addf(out,
                      "\"kind\":\"http\",\"url\":\"http://127.0.0.1:1/%s\","
                      "\"fingerprint\":\"000000000004\"",
                      w->name);
        text_addf(out,
                  ",\"livemode\":\"%s\",\"match\":%s,\"timeout_ms\":30000,"
                  "\"retry_ms\":[1000,5000,30000,60000,60000,60000,120000],\"concurrency\":4",
                  plan_mixes_modes ? "both" : w->livemode, w->match);
        if (w->least > 0)
            text_addf(out, ",\"concurrency_min\":%u", w->least);
        if (w->rate > 0)
            text_addf(out, ",\"rate\":{\"count\":%u,\"per_ms\":1000}", w->rate);
        if (w->held)
            text_addf(out, ",\"hold_after_ms\":%d", PLAN_SIM_HOLD_MS);
        if (plan_lanes != NULL && bytes_equal(bytes_of(w->name), B("all")))
            text_adds(out, plan_lanes);
        if (w->high != NULL)
            text_addf(out, ",\"priority\":{\"high\":[\"%s*\"],\"low\":[\"%s*\"]}", w->high, w->low);
        text_addc(out, '}');
        first = false;
    }
    text_adds(out, "]");
    add_sites(out, variant);
    if (plan_has_endpoints)
        text_addf(out, ",\"endpoints\":{\"max\":%d,\"disable_after_ms\":%d}", PLAN_SIM_ENDPOINTS,
                  PLAN_SIM_DISABLE_MS);
    text_adds(out, "}");
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

static const struct wish *wish_of(bytes destination) {
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++)
        if (bytes_equal(destination, bytes_of(wishes[i].name)))
            return &wishes[i];
    return NULL;
}

uint32_t plan_rate(bytes destination) {
    const struct wish *w = wish_of(destination);
    return w == NULL ? 0 : w->rate;
}

const char *plan_priority(bytes destination, bytes type) {
    const struct wish *w = wish_of(destination);
    if (w == NULL || w->high == NULL)
        return "normal";
    return bytes_starts(type, bytes_of(w->high))  ? "high"
           : bytes_starts(type, bytes_of(w->low)) ? "low"
                                                  : "normal";
}

bool plan_is_http(bytes destination) {
    const struct wish *w = wish_of(destination);
    return w == NULL || !(w->tables || (w->mode != NULL && plan_has_commands));
}

bool plan_expects(int variant, bytes destination, bytes type, bytes account, bool livemode,
                  bytes source, const char *site) {
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        const struct wish *w = &wishes[i];
        if (!is_wished(w, variant) || !bytes_equal(destination, bytes_of(w->name)))
            continue;
        bytes mode = bytes_of(w->livemode);
        bool fits = bytes_equal(mode, B("both")) || bytes_equal(mode, B("live")) == livemode;
        bool typed = bytes_starts(type, bytes_of(w->type_prefix));
        if (w->connect == -1)
            typed = bytes_starts(type, B("charge.")) || bytes_starts(type, B("invoice."));
        bool scoped = w->connect == 0 || (w->connect == 1) == (account.n > 0);
        bool from = w->source == NULL || bytes_equal(source, bytes_of(w->source));
        bool sited = w->sites[0] == NULL;
        for (size_t k = 0; k < 2 && w->sites[k] != NULL; k++)
            sited = sited || bytes_equal(bytes_of(w->sites[k]), bytes_of(site));
        return fits && typed && scoped && from && sited;
    }
    return false;
}
