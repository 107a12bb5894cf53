// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "rules/match.h"

static void patterns_match_types(void **state) {
    static const struct {
        const char *pattern, *type;
        bool matches;
    } cases[] = {
        {"*", "customer.created", true},
        {"*", "", true},
        {"customer.*", "customer.created", true},
        {"customer.*", "customer.subscription.created", true},
        {"customer.*", "customer.", false},
        {"customer.*", "customer", false},
        {"customer.*", "customers.created", false},
        {"customer.*", "xcustomer.created", false},
        {"customer.subscription.*", "customer.created", false},
        {"customer.created", "customer.created", true},
        {"customer.created", "customer.created.more", false},
        {"customer.created", "customer.create", false},
        {"Customer.created", "customer.created", false},
        {"*.created", "customer.created", false},
        {"customer*", "customer.created", false},
        {"cust*", "customer", false},
        {"", "customer.created", false},
        {".*", "customer.created", false},
        {"v1.billing.meter.*", "v1.billing.meter.error_report_triggered", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (match_type(bytes_of(cases[i].pattern), bytes_of(cases[i].type)) != cases[i].matches)
            fail_msg("%s on %s", cases[i].pattern, cases[i].type);
}

#define RULE(types, accounts, sources, secrets, scope, where)                                      \
    "{\"types\":[" types "],\"accounts\":[" accounts "],\"sources\":[" sources                     \
    "],\"secrets\":[" secrets "],\"scope\":\"" scope "\",\"where\":[" where "]}"
#define WHERE(path, values) "{\"path\":\"" path "\",\"values\":[" values "]}"
#define ONE(types) RULE(types, "", "", "", "any", "")

#define EVENT                                                                                      \
    "{\"id\":\"evt_1\",\"data\":{\"object\":{\"metadata\":{\"site\":\"shop\"},\"amount\":1200,"    \
    "\"big\":12345678901234567890,\"paid\":true,\"gone\":null,\"lines\":[{\"id\":\"li_1\"}]}}}"

// The event: customer.created, live, of acct_1 unless said otherwise, by label connect through
// /webhook.
static const struct match_case {
    const char *livemode, *match; // of the destination
    const char *account;
    bool test;
    bool gets_it;
    const char *why;
} cases[] = {
    {"both", "null", "acct_1", false, true, "no match list: every event"},
    {"live", "null", "acct_1", false, true, "no match list: every event"},
    {"live", "null", "acct_1", true, false, "destination takes live events only, this one is test"},
    {"test", "null", "", false, false, "destination takes test events only, this one is live"},
    {"test", "null", "", true, true, "no match list: every event"},
    {"live", "[" ONE("\"customer.created\"") "]", "", true, false,
     "destination takes live events only, this one is test"},
    {"both", "[]", "", false, false, "the match list is empty"},
    {"both", "[" ONE("") "]", "", false, true, "rule 1: it asks for nothing"},
    {"both", "[" ONE("\"charge.*\",\"customer.*\"") "]", "", false, true,
     "rule 1: types customer.* matches customer.created"},
    {"both", "[" ONE("\"charge.*\"") "," ONE("\"customer.*\"") "]", "", false, true,
     "rule 2: types customer.* matches customer.created"},
    {"both", "[" ONE("\"charge.*\"") "," ONE("\"invoice.paid\"") "]", "", false, false,
     "no rule matches: rule 1: types customer.created is not charge.*; "
     "rule 2: types customer.created is not invoice.paid"},
    {"both", "[" RULE("", "\"acct_1\"", "", "", "any", "") "]", "acct_1", false, true,
     "rule 1: accounts acct_1 is in the list"},
    {"both", "[" RULE("", "\"acct_2\",\"platform\"", "", "", "any", "") "]", "acct_1", false, false,
     "no rule matches: rule 1: accounts acct_1 is not acct_2 or platform"},
    {"both", "[" RULE("", "\"platform\"", "", "", "any", "") "]", "", false, true,
     "rule 1: accounts platform is in the list"},
    {"both", "[" RULE("", "\"acct_1\"", "", "", "any", "") "]", "", false, false,
     "no rule matches: rule 1: accounts platform is not acct_1"},
    {"both",
     "[" RULE("", "\"a1\",\"a2\",\"a3\",\"a4\",\"a5\",\"a6\",\"a7\",\"a8\",\"a9\",\"b1\"", "", "",
              "any", "") "]",
     "", false, false,
     "no rule matches: rule 1: accounts platform is not a1, a2, a3, a4, a5, a6, a7, a8 or one of 2 "
     "more"},
    {"both", "[" RULE("", "", "", "", "connect", "") "]", "acct_1", false, true,
     "rule 1: scope connect fits, the event has an account"},
    {"both", "[" RULE("", "", "", "", "connect", "") "]", "", false, false,
     "no rule matches: rule 1: scope connect does not fit, the event has no account"},
    {"both", "[" RULE("", "", "", "", "account", "") "]", "", false, true,
     "rule 1: scope account fits, the event has no account"},
    {"both", "[" RULE("", "", "", "", "account", "") "]", "acct_1", false, false,
     "no rule matches: rule 1: scope account does not fit, the event has an account"},
    {"both", "[" RULE("", "", "\"/webhook\"", "", "any", "") "]", "", false, true,
     "rule 1: sources /webhook is in the list"},
    {"both", "[" RULE("", "", "\"/webhook/\"", "", "any", "") "]", "", false, false,
     "no rule matches: rule 1: sources /webhook is not /webhook/"},
    {"both", "[" RULE("", "", "", "\"connect\"", "any", "") "]", "", false, true,
     "rule 1: secrets connect is in the list"},
    {"both", "[" RULE("", "", "", "\"platform\"", "any", "") "]", "", false, false,
     "no rule matches: rule 1: secrets connect is not platform"},
    {"both",
     "[" RULE("\"customer.*\"", "\"acct_1\"", "\"/webhook\"", "\"connect\"", "connect",
              WHERE("data.object.metadata.site", "\"shop\"")) "]",
     "acct_1", false, true,
     "rule 1: types customer.* matches customer.created; accounts acct_1 is in the list; "
     "scope connect fits, the event has an account; sources /webhook is in the list; "
     "secrets connect is in the list; where data.object.metadata.site is shop"},
    {"both",
     "[" RULE("\"customer.*\"", "", "", "", "any",
              WHERE("data.object.metadata.site", "\"blog\",\"wiki\"")) "]",
     "", false, false,
     "no rule matches: rule 1: types customer.* matches customer.created; "
     "where data.object.metadata.site is shop, wanted blog or wiki"},
    {"both", "[" RULE("", "", "", "", "any", WHERE("data.object.amount", "\"1200\"")) "]", "",
     false, true, "rule 1: where data.object.amount is 1200"},
    {"both",
     "[" RULE("", "", "", "", "any", WHERE("data.object.big", "\"12345678901234567891\"")) "]", "",
     false, false,
     "no rule matches: rule 1: where data.object.big is 12345678901234567890, wanted "
     "12345678901234567891"},
    {"both", "[" RULE("", "", "", "", "any", WHERE("data.object.paid", "\"false\",\"true\"")) "]",
     "", false, true, "rule 1: where data.object.paid is true"},
    {"both", "[" RULE("", "", "", "", "any", WHERE("data.object.gone", "\"x\"")) "]", "", false,
     false, "no rule matches: rule 1: where data.object.gone is null, wanted x"},
    {"both", "[" RULE("", "", "", "", "any", WHERE("data.object.lines.0.id", "\"li_1\"")) "]", "",
     false, true, "rule 1: where data.object.lines.0.id is li_1"},
    {"both", "[" RULE("", "", "", "", "any", WHERE("data.object.lines", "\"li_1\"")) "]", "", false,
     false, "no rule matches: rule 1: where data.object.lines is a list, wanted li_1"},
    {"both", "[" RULE("", "", "", "", "any", WHERE("data.object", "\"\"")) "]", "", false, false,
     "no rule matches: rule 1: where data.object is an object, wanted "},
    {"both", "[" RULE("", "", "", "", "any", WHERE("data.object.no.such", "\"\"")) "]", "", false,
     false, "no rule matches: rule 1: where data.object.no.such is absent, wanted "},
    {"both",
     "[" RULE("", "", "", "", "any",
              WHERE("id", "\"evt_1\"") "," WHERE("data.object.amount", "\"1\"")) "]",
     "", false, false,
     "no rule matches: rule 1: where id is evt_1; where data.object.amount is 1200, wanted 1"},
};

static void plan_drop(struct plan **p) { plan_free(*p); }

static void check(const struct match_case *c) {
    OWN(text_drop)
    struct text json_text = {0};
    OWN(text_drop)
    struct text why = {0};
    OWN(plan_drop)
    struct plan *p = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL;
    text_addf(&json_text,
              "{\"sources\":[],\"destinations\":[{\"name\":\"d\",\"kind\":\"http\",\"url\":\"\","
              "\"fingerprint\":\"\",\"livemode\":\"%s\",\"match\":%s,\"timeout_ms\":1,"
              "\"retry_ms\":[],\"concurrency\":1}]}",
              c->livemode, c->match);
    assert_null(plan_read(text_bytes(&json_text), 0, &p));
    assert_null(json_parse(B(EVENT), &doc));
    struct match_facts f = {
        .type = B("customer.created"),
        .account = bytes_of(c->account),
        .livemode = !c->test,
        .source = B("/webhook"),
        .secret = B("connect"),
        .event = json_root(doc),
    };
    assert_int_equal(match_destination(&p->destinations[0], &f, NULL), c->gets_it);
    assert_int_equal(match_destination(&p->destinations[0], &f, &why), c->gets_it);
    assert_string_equal(text_str(&why), c->why);
}

static void destinations_get_what_matches_and_say_why(void **state) {
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check(&cases[i]);
}

static void an_explanation_is_one_line_whatever_the_event_says(void **state) {
    OWN(text_drop)
    struct text why = {0};
    bytes types[] = {B("a")};
    struct plan_rule rule = {.types = types, .type_count = 1};
    struct plan_destination d = {.rules = &rule, .rule_count = 1};
    char long_type[1000];
    memset(long_type, 'x', sizeof(long_type));
    memcpy(long_type, "a\nb\x1b[31m", 8);
    struct match_facts f = {.type = bytes_from(long_type, sizeof(long_type))};
    assert_false(match_destination(&d, &f, &why));
    assert_null(strpbrk(text_str(&why), "\n\x1b"));
    assert_true(why.n < 200);
}

static void tables_get_snapshots_of_objects_that_are_theirs(void **state) {
    static const struct {
        const char *event;
        bool gets_it;
        const char *why;
    } rows[] = {
        {"{\"object\":\"event\",\"data\":{\"object\":{\"object\":\"customer\"}}}", true,
         "no match list: every event"},
        {"{\"object\":\"event\",\"data\":{\"object\":{\"object\":\"products\"}}}", true,
         "no match list: every event"},
        {"{\"object\":\"event\",\"data\":{\"object\":{\"object\":\"product\"}}}", false,
         "tables: except names product"},
        {"{\"object\":\"v2.core.event\",\"data\":{}}", false,
         "a thin event holds no object for tables"},
    };
    bytes except[] = {B("price"), B("product")};
    struct plan_destination d = {.kind = KIND_TABLES, .matches_all = true};
    d.except = except;
    d.except_count = 2;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        OWN(text_drop)
        struct text why = {0};
        OWN(json_close)
        struct json_doc *doc = NULL;
        assert_null(json_parse(bytes_of(rows[i].event), &doc));
        struct match_facts f = {.type = B("a.b"), .event = json_root(doc)};
        assert_int_equal(match_destination(&d, &f, &why), rows[i].gets_it);
        assert_string_equal(text_str(&why), rows[i].why);
    }
}

static void who_might_get_a_type_is_told_without_an_event(void **state) {
    bytes invoices[] = {B("invoice.*"), B("payout.paid")}, none[] = {B("product")};
    struct plan_rule by_type = {.types = invoices, .type_count = 2},
                     by_account = {.account_count = 1};
    struct plan_handler handlers[] = {{.name = B("a"), .types = &invoices[1], .type_count = 1},
                                      {.name = B("b"), .types = invoices, .type_count = 2}};
    const struct plan_destination all = {.matches_all = true};
    const struct plan_destination some = {.rules = &by_type, .rule_count = 1};
    const struct plan_destination other = {.rules = &by_account, .rule_count = 1};
    const struct plan_destination nothing = {0};
    const struct plan_destination tables = {
        .kind = KIND_TABLES, .matches_all = true, .except = none, .except_count = 1};
    const struct plan_destination plugin = {
        .kind = KIND_PLUGIN, .matches_all = true, .handlers = handlers, .handler_count = 2};
    assert_true(match_may_get(&all, B("x"), NO_BYTES));
    assert_true(match_may_get(&some, B("invoice.paid"), NO_BYTES) &&
                match_may_get(&some, B("payout.paid"), NO_BYTES));
    assert_false(match_may_get(&some, B("payout.failed"), NO_BYTES));
    assert_true(match_may_get(&other, B("payout.failed"), NO_BYTES));
    assert_false(match_may_get(&nothing, B("payout.failed"), NO_BYTES));
    assert_false(match_may_get(&tables, B("product.created"), NO_BYTES));
    assert_true(match_may_get(&tables, B("price.created"), NO_BYTES));
    assert_true(match_may_get(&tables, B("customer.source.created"), NO_BYTES));
    assert_true(match_may_get(&tables, B("not.documented"), NO_BYTES));
    assert_ptr_equal(match_handler(&plugin, B("payout.paid")), &handlers[0]);
    assert_ptr_equal(match_handler(&plugin, B("invoice.paid")), &handlers[1]);
    assert_null(match_handler(&plugin, B("customer.created")));
    assert_null(match_handler(&all, B("customer.created")));
}

static void patterns_are_told_from_what_is_none(void **state) {
    static const char *const yes[] = {"*", "a", "a.b", "a.b.*", "v1.billing.meter[x].y"};
    static const char *const no[] = {"", ".*", "A.b", "a b", "a.*.b", "*.b", "a*"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(match_is_pattern(bytes_of(yes[i])));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(match_is_pattern(bytes_of(no[i])));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_types),
        cmocka_unit_test(destinations_get_what_matches_and_say_why),
        cmocka_unit_test(an_explanation_is_one_line_whatever_the_event_says),
        cmocka_unit_test(tables_get_snapshots_of_objects_that_are_theirs),
        cmocka_unit_test(who_might_get_a_type_is_told_without_an_event),
        cmocka_unit_test(patterns_are_told_from_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
