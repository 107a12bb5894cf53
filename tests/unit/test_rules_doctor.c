// SPDX-License-Identifier: MIT
// Each finding of the doctor made to appear in facts that are healthy, and to disappear again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "rules/doctor.h"

#define NOW_MS INT64_C(1800000000000)
#define DAY_MS INT64_C(86400000)

#define SECRET(label_, scope_, more_)                                                              \
    "{\"label\":\"" label_ "\",\"scope\":\"" scope_ "\"," more_ "\"fingerprint\":\"0123456789ab\"}"
#define SOURCE(secrets_)                                                                           \
    "{\"path\":\"/webhook\",\"owner\":\"main\",\"livemode\":\"both\",\"tolerance_s\":300,"         \
    "\"secrets\":[" secrets_ "]}"
#define RULE(types_, accounts_, sources_)                                                          \
    "{\"types\":[" types_ "],\"accounts\":[" accounts_ "],\"sources\":[" sources_                  \
    "],\"secrets\":[],\"scope\":\"any\",\"where\":[]}"
#define SHOP(livemode_, rules_)                                                                    \
    "{\"name\":\"shop\",\"kind\":\"http\",\"url\":\"http://h/\",\"fingerprint\":\"\","             \
    "\"livemode\":\"" livemode_ "\",\"match\":[" rules_                                            \
    "],\"timeout_ms\":1000,\"retry_ms\":[],\"concurrency\":4}"
#define TABLES(except_)                                                                            \
    "{\"name\":\"shop\",\"kind\":\"tables\",\"except\":[" except_                                  \
    "],\"livemode\":\"both\",\"match\":"                                                           \
    "null,\"timeout_ms\":1000,\"retry_ms\":[],\"concurrency\":4}"
#define PLAN(secrets_, destinations_)                                                              \
    "{\"sources\":[" SOURCE(secrets_) "],\"destinations\":[" destinations_ "]}"

#define BOTH SECRET("platform", "account", "") "," SECRET("connect", "connect", "")
#define CUSTOMERS RULE("\"customer.*\"", "\"acct_1\"", "")

// What is known, as arrays that a case may change.
struct clinic {
    struct doctor_facts facts;
    struct doctor_source sources[1];
    struct doctor_sighting secrets[4], types[4], versions[4];
    struct doctor_account accounts[1];
    struct doctor_destination destinations[1];
    struct doctor_endpoint endpoints[1];
    struct plan_destination endpoint;
    struct plan_rule rule;
    bytes types_asked[1];
    const char *plan;
};

static struct doctor_sighting seen(bytes what, bool livemode) {
    return (struct doctor_sighting){
        .whose = B("/webhook"), .what = what, .livemode = livemode, .last_at = NOW_MS, .count = 3};
}

static void healthy(struct clinic *c) {
    *c = (struct clinic){
        .sources = {{.path = B("/webhook"), .received = 9, .clock_ms = 400}},
        .secrets = {seen(B("platform"), true), seen(B("connect"), true)},
        .types = {seen(B("customer.created"), true)},
        .versions = {seen(B("2024-06-20"), true)},
        .accounts = {{.account = B("acct_1"), .livemode = true}},
        .destinations = {{.name = B("shop"), .due = 2, .oldest_due_at = NOW_MS - 60000}},
        .plan = PLAN(BOTH, SHOP("both", CUSTOMERS)),
    };
    c->types_asked[0] = B("*");
    c->rule = (struct plan_rule){.types = c->types_asked, .type_count = 1};
    c->endpoint = (struct plan_destination){
        .name = B("we_1"), .livemode = MODE_LIVE, .rules = &c->rule, .rule_count = 1};
    c->endpoints[0] = (struct doctor_endpoint){.as = &c->endpoint, .enabled = true};
    c->facts = (struct doctor_facts){
        .now_ms = NOW_MS,
        .sources = c->sources,
        .source_count = 1,
        .secrets = {c->secrets, 2},
        .types = {c->types, 1},
        .versions = {c->versions, 1},
        .accounts = c->accounts,
        .account_count = 1,
        .destinations = c->destinations,
        .destination_count = 1,
        .endpoints = c->endpoints,
    };
}

static void look(struct clinic *c, struct text *names, struct text *whole) {
    struct plan *plan = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (c->plan != NULL)
        assert_true(plan_read(bytes_of(c->plan), 1, &plan) == OK);
    c->facts.plan = plan;
    doctor_look(&c->facts, whole);
    assert_true(json_parse(text_bytes(whole), &doc) == OK);
    json f;
    size_t at = 0;
    while (json_element(json_get(json_root(doc), "findings"), &at, &f)) {
        text_addf(names, "%s%.*s", names->n > 0 ? " " : "",
                  BYTES_ARG(json_string(json_get(f, "check"))));
        assert_true(json_string(json_get(f, "found")).n > 0);
        assert_true(json_string(json_get(f, "mend")).n > 0);
    }
    plan_free(plan);
}

#define CASE(name_, body_)                                                                         \
    static void name_(struct clinic *c) { body_; }

CASE(no_match, c->sources[0].refused.no_match = 2)
CASE(too_old, c->sources[0].refused.too_old = 1)
CASE(retired, c->sources[0].refused.retired = 1)
CASE(no_signature, c->sources[0].refused.no_signature = 1)
CASE(clock_behind, c->sources[0].clock_ms = -31000)
CASE(clock_ahead, c->sources[0].clock_ms = 30001)
CASE(clock_unknown, c->sources[0].clock_ms = 99000; c->sources[0].received = 0)
CASE(waits, c->facts.booking_waits = true)
CASE(dead, c->destinations[0].dead = 1)
CASE(dead_both, c->destinations[0].dead = 2)
CASE(late, c->destinations[0].oldest_due_at = NOW_MS - 300001)
CASE(endpoint_late, late(c); c->destinations[0].name = B("we_1"))
CASE(late_but_held, late(c); c->destinations[0].held = true)
CASE(held, c->destinations[0].held = true; c->destinations[0].held_open = 1;
     c->destinations[0].hold_reason = B("it did nothing"))
CASE(fails, c->destinations[0].waiting = 1)
CASE(endpoint_failed, c->facts.endpoint_count = 1; c->endpoints[0].enabled = false;
     c->endpoints[0].because = B("failed"))
CASE(endpoint_off, c->facts.endpoint_count = 1; c->endpoints[0].enabled = false)
CASE(sealed, c->facts.endpoints_sealed = 1)
CASE(twin_on, c->facts.twin = true)
CASE(suspended, c->facts.suspended = 1)
CASE(expires, c->plan = PLAN(BOTH "," SECRET("old", "any", "\"not_after_s\":1800000100,"),
                             SHOP("both", CUSTOMERS));
     c->secrets[2] = seen(B("old"), true); c->facts.secrets.n = 3)
CASE(expires_unused, expires(c); c->secrets[2].last_at = NOW_MS - 8 * DAY_MS)
CASE(expires_later, c->plan = PLAN(BOTH "," SECRET("old", "any", "\"not_after_s\":1801000000,"),
                                   SHOP("both", CUSTOMERS));
     c->secrets[2] = seen(B("old"), true); c->facts.secrets.n = 3)
CASE(unused, c->facts.secrets.n = 1)
CASE(unused_at_another, c->secrets[1].whose = B("/other"))
CASE(unused_and_over, c->plan = PLAN(BOTH "," SECRET("old", "any", "\"not_after_s\":1700000000,"),
                                     SHOP("both", CUSTOMERS)))
CASE(gone, c->accounts[0].deauthorized = 1700000000)
CASE(versions, c->versions[1] = seen(B("2025-03-31.basil"), true); c->facts.versions.n = 2)
CASE(version_of_both_modes, c->versions[1] = seen(B("2024-06-20"), false); c->facts.versions.n = 2)
CASE(versions_long_ago, versions(c); c->versions[1].last_at = NOW_MS - 8 * DAY_MS)
CASE(both_modes, c->types[1] = seen(B("customer.created"), false); c->facts.types.n = 2)
CASE(one_mode_each, both_modes(c);
     c->plan = PLAN(BOTH, SHOP("live", CUSTOMERS) "," SHOP("test", CUSTOMERS)))
CASE(source_mixes, c->secrets[2] = seen(B("platform"), false); c->facts.secrets.n = 3)
CASE(unmatched, c->types[1] = seen(B("invoice.paid"), true); c->facts.types.n = 2)
CASE(unmatched_in_both, unmatched(c); c->types[2] = seen(B("invoice.paid"), false);
     c->facts.types.n = 3)
CASE(unmatched_by_mode, c->plan = PLAN(BOTH, SHOP("test", CUSTOMERS)))
CASE(unmatched_by_source,
     c->plan = PLAN(BOTH, SHOP("both", RULE("\"customer.*\"", "", "\"/other\""))))
CASE(unmatched_by_except, c->types[1] = seen(B("product.created"), true); c->facts.types.n = 2;
     c->plan = PLAN(BOTH, TABLES("\"product\"")))
CASE(unmatched_long_ago, unmatched(c); c->types[1].last_at = NOW_MS - 8 * DAY_MS)
CASE(endpoint_takes, unmatched(c); c->facts.endpoint_count = 1)
CASE(endpoint_takes_other, endpoint_takes(c); c->types_asked[0] = B("refund.created"))
CASE(endpoint_takes_test, endpoint_takes(c); c->endpoint.livemode = MODE_TEST)
CASE(endpoint_takes_no_more, endpoint_takes(c); c->endpoints[0].enabled = false)
CASE(unseen, c->plan = PLAN(BOTH, SHOP("both", RULE("\"customer.*\",\"refund.*\"", "", ""))))
CASE(no_destination, c->plan = PLAN(BOTH, ""); c->facts.destination_count = 0)
CASE(endpoint_alone, no_destination(c); c->facts.endpoint_count = 1)
CASE(nothing, c->facts.secrets.n = c->facts.types.n = c->facts.versions.n = 0)
CASE(empty, nothing(c); c->plan = NULL; c->facts.destination_count = c->facts.source_count = 0;
     c->facts.account_count = 0)

static const struct {
    void (*change)(struct clinic *c);
    const char *findings, *says;
} cases[] = {
    {no_match, "signatures_fail", "2 match no secret; 9 held"},
    {too_old, "signatures_fail", "timedatectl"},
    {retired, "signatures_fail", "not_after"},
    {no_signature, "signatures_fail", "not Stripe"},
    {clock_behind, "clock_off", "31 s behind"},
    {clock_ahead, "clock_off", "30 s ahead of"},
    {clock_unknown, "", ""},
    {waits, "booking_waits", "make room on the ledger's disk"},
    {dead, "deliveries_dead", "hookkeep deliveries list --destination shop --state dead"},
    {dead, "deliveries_dead", "\"1 delivery given up,"},
    {dead_both, "deliveries_dead", "\"2 deliveries given up,"},
    {late, "destination_late", "due for 5m"},
    {late_but_held, "", ""},
    {held, "destination_held", "hookkeep destinations release shop"},
    {held, "destination_held", "it is held (it did nothing), and owed 1 delivery"},
    {endpoint_late, "destination_late", "have it answer sooner"},
    {fails, "destination_fails", "--state waiting"},
    {fails, "destination_fails", "\"1 delivery failed and"},
    {endpoint_failed, "endpoints_disabled", "we_1: disabled"},
    {endpoint_off, "", ""},
    {sealed, "endpoints_sealed", "LEDGER.sealing-key"},
    {sealed, "endpoints_sealed", "\"nothing goes to 1 endpoint made by the API"},
    {suspended, "suspense", "hookkeep suspense list"},
    {expires, "secret_expires", "2027-01-15T08:01:40.000Z"},
    {expires_unused, "", ""},
    {expires_later, "", ""},
    {unused, "secret_unused", "the secret connect (scope connect) never matched"},
    {unused_at_another, "secret_unused", "for events on connected accounts"},
    {unused_and_over, "", ""},
    {gone, "account_deauthorized", "named by rules of shop"},
    {versions, "versions_differ", "2025-03-31.basil at /webhook (live)"},
    {version_of_both_modes, "", ""},
    {versions_long_ago, "", ""},
    {both_modes, "livemodes_mix", "livemode: live"},
    {one_mode_each, "", ""},
    {twin_on, "twin_on", "requests to Stripe's API are answered from made-up objects"},
    {source_mixes, "source_mixes", "live events (6) and test events (3)"},
    {unmatched, "types_unmatched", "invoice.paid arrives and no destination takes it"},
    {unmatched_by_mode, "types_unmatched", "enabled_events"},
    {unmatched_by_source, "types_unmatched", "customer.created"},
    {unmatched_by_except, "types_unmatched", "product.created"},
    {unmatched_long_ago, "", ""},
    {endpoint_takes, "", ""},
    {endpoint_takes_other, "types_unmatched", "invoice.paid arrives"},
    {unmatched_in_both, "types_unmatched", "\"found\":\"invoice.paid arrives"},
    {endpoint_takes_test, "types_unmatched", "invoice.paid (live) arrives"},
    {endpoint_takes_no_more, "types_unmatched", "invoice.paid"},
    {unseen, "types_unseen", "refund.* never arrived"},
    {no_destination, "no_destination", "destinations:"},
    {endpoint_alone, "", ""},
    {nothing, "nothing_came", "at /webhook of this gateway"},
    {empty, "nothing_came", "a source of this gateway"},
};

static void test_each_appears_and_disappears(void **state) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int sick = 1; sick >= 0; sick--) {
            struct clinic c;
            struct text names = {0}, whole = {0};
            healthy(&c);
            if (sick)
                cases[i].change(&c);
            look(&c, &names, &whole);
            const char *want = sick ? cases[i].findings : "";
            if (strcmp(text_str(&names), want) != 0 ||
                (sick && strstr(text_str(&whole), cases[i].says) == NULL))
                fail_msg("case %zu: expected [%s] with \"%s\", got %s", i, want, cases[i].says,
                         text_str(&whole));
            text_drop(&names);
            text_drop(&whole);
        }
    }
}

// No check without a case.
static void test_each_check_has_a_case(void **state) {
    static const char *const names[] = {
#define CHECK(id, name, severity, meaning) #name,
#include "rules/doctor_checks.def"
#undef CHECK
    };
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        size_t at = 0, n = sizeof cases / sizeof cases[0];
        while (at < n && strcmp(cases[at].findings, names[k]) != 0)
            at++;
        if (at == n)
            fail_msg("no case for %s", names[k]);
    }
}

static void test_long_lists_are_cut(void **state) {
    struct clinic c;
    struct doctor_sighting many[30];
    char words[30][32];
    struct text names = {0}, whole = {0};
    healthy(&c);
    for (int i = 0; i < 30; i++)
        many[i] = seen(
            bytes_from(words[i], (size_t)snprintf(words[i], sizeof words[i], "a.t%d", i)), true);
    c.facts.types = (struct doctor_sightings){many, 30};
    look(&c, &names, &whole);
    assert_non_null(strstr(text_str(&whole), "a.t19 and 10 more arrive and no destination"));
    text_drop(&names);
    text_drop(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_appears_and_disappears),
        cmocka_unit_test(test_each_check_has_a_case),
        cmocka_unit_test(test_long_lists_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
