// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "rules/plan.h"

#define EMPTY "{\"sources\":[],\"destinations\":[]}"
#define FULL                                                                                       \
    "{\"sources\":[{\"path\":\"/webhook\",\"owner\":\"main\",\"livemode\":\"both\","               \
    "\"tolerance_s\":300,\"secrets\":[{\"label\":\"platform\",\"scope\":\"account\","              \
    "\"fingerprint\":\"0123456789ab\"},{\"label\":\"connect\",\"scope\":\"connect\","              \
    "\"fingerprint\":\"ba9876543210\"}]},{\"path\":\"/b\",\"owner\":\"acct_2\","                   \
    "\"livemode\":\"test\",\"tolerance_s\":1,\"secrets\":[]}],\"destinations\":[{\"name\":"        \
    "\"shop\",\"kind\":\"http\",\"url\":\"http://127.0.0.1:5001/stripe\",\"fingerprint\":\"\","    \
    "\"livemode\":\"live\",\"match\":[{\"types\":[\"customer.*\",\"*\"],\"accounts\":"             \
    "[\"platform\"],\"sources\":[\"/b\"],\"secrets\":[\"connect\"],\"scope\":\"connect\","         \
    "\"where\":[{\"path\":\"data.object.metadata.site\",\"values\":[\"sh\\\"op\",\"\\u0001\"]}]}," \
    "{\"types\":[],\"accounts\":[],\"sources\":[],\"secrets\":[],\"scope\":\"any\",\"where\":"     \
    "[]}],\"timeout_ms\":30000,\"retry_ms\":[5000,300000],\"concurrency\":16,"                     \
    "\"concurrency_min\":4,\"rate\":{\"count\":50,\"per_ms\":1000},\"priority\":{\"high\":"        \
    "[\"invoice.*\",\"charge.failed\"],\"low\":[]}},{\"name\":\"all\","                            \
    "\"kind\":\"http\",\"url\":\"http://b\",\"fingerprint\":\"aa\",\"livemode\":\"both\","         \
    "\"match\":null,\"timeout_ms\":1,\"retry_ms\":[],\"concurrency\":4294967295}]}"

static void drop(struct plan **p) { plan_free(*p); }

static void writing_what_was_read_gives_the_same(void **state) {
    static const char *const cases[] = {EMPTY, FULL};
    for (size_t i = 0; i < 2; i++) {
        OWN(drop)
        struct plan *p = NULL;
        OWN(text_drop)
        struct text again = {0};
        assert_null(plan_read(bytes_of(cases[i]), 7, &p));
        plan_write(p, &again);
        assert_string_equal(text_str(&again), cases[i]);
        assert_true(bytes_equal(p->json, bytes_of(cases[i])));
        assert_int_equal(p->generation, 7);
    }
}

#define COMMAND                                                                                    \
    "{\"sources\":[],\"destinations\":[{\"name\":\"books\",\"kind\":\"command\",\"run\":"          \
    "[\"python3\",\"${X}\"],\"livemode\":\"both\",\"match\":null,\"timeout_ms\":1,"                \
    "\"retry_ms\":[],\"concurrency\":1}]}"

#define TABLES                                                                                     \
    "{\"name\":\"books\",\"kind\":\"tables\",\"except\":[\"product\",\"price\"],"                  \
    "\"livemode\":\"live\",\"match\":null,\"timeout_ms\":1,\"retry_ms\":[],\"concurrency\":1}"
#define TABLES_AND_URL                                                                             \
    "{\"name\":\"books\",\"kind\":\"tables\",\"except\":[],\"url\":\"\",\"livemode\":\"live\","    \
    "\"match\":null,\"timeout_ms\":1,\"retry_ms\":[],\"concurrency\":1}"
#define WITH(destinations_) "{\"sources\":[],\"destinations\":[" destinations_ "]}"

static void one_destination_may_keep_tables(void **state) {
    OWN(drop)
    struct plan *p = NULL;
    OWN(drop)
    struct plan *none = NULL;
    assert_null(plan_read(B(WITH(TABLES)), 1, &p));
    assert_true(bytes_equal(p->json, B(WITH(TABLES))));
    const struct plan_destination *d = &p->destinations[0];
    assert_ptr_equal(plan_tables(p), d);
    assert_int_equal(d->kind, KIND_TABLES);
    assert_int_equal(d->except_count, 2);
    assert_true(bytes_equal(d->except[1], B("price")));
    assert_non_null(plan_read(B(WITH(TABLES "," TABLES)), 1, &none));
    assert_non_null(plan_read(B(WITH(TABLES_AND_URL)), 1, &none));
    assert_null(plan_read(B(COMMAND), 1, &none));
    assert_null(plan_tables(none));
}

#define PLAIN                                                                                      \
    "\"livemode\":\"both\",\"match\":null,\"timeout_ms\":1,\"retry_ms\":[],\"concurrency\":1}"
#define PLUGIN                                                                                     \
    "{\"name\":\"p\",\"kind\":\"plugin\",\"description\":\"so\",\"path\":\"${X}.so\","             \
    "\"handlers\":[{\"name\":\"one\",\"description\":\"it\",\"types\":[\"a.*\",\"b\"]}]," PLAIN
#define UNSEEN "{\"name\":\"p\",\"kind\":\"plugin\",\"path\":\"a.so\"," PLAIN
#define NO_HANDLERS "{\"name\":\"p\",\"kind\":\"plugin\",\"path\":\"a.so\",\"handlers\":[]," PLAIN

static void a_plugin_has_handlers_if_it_was_seen(void **state) {
    OWN(drop)
    struct plan *p = NULL;
    OWN(drop)
    struct plan *unseen = NULL;
    struct plan *none = NULL;
    assert_null(plan_read(B(WITH(PLUGIN)), 1, &p));
    assert_true(bytes_equal(p->json, B(WITH(PLUGIN))));
    const struct plan_destination *d = &p->destinations[0];
    assert_int_equal(d->kind, KIND_PLUGIN);
    assert_true(bytes_equal(d->description, B("so")));
    assert_true(bytes_equal(d->path, B("${X}.so")));
    assert_int_equal(d->handler_count, 1);
    assert_true(bytes_equal(d->handlers[0].name, B("one")));
    assert_int_equal(d->handlers[0].type_count, 2);
    assert_true(bytes_equal(d->handlers[0].types[1], B("b")));
    assert_null(plan_read(B(WITH(UNSEEN)), 1, &unseen));
    assert_int_equal(unseen->destinations[0].handler_count, 0);
    assert_true(bytes_equal(unseen->json, B(WITH(UNSEEN))));
    assert_non_null(plan_read(B(WITH(NO_HANDLERS)), 1, &none));
}

#define QUEUE_AT(kind, place) "{\"name\":\"q\",\"kind\":\"" kind "\"," place "," PLAIN
#define AT_REDIS "\"url\":\"redis://h\""

static void a_queue_has_its_place(void **state) {
    static const bytes plans[] = {
        BYTES_INIT(WITH(QUEUE_AT("redis", AT_REDIS))),
        BYTES_INIT(WITH(QUEUE_AT("bullmq", AT_REDIS))),
        BYTES_INIT(WITH(QUEUE_AT("bull", AT_REDIS))),
        BYTES_INIT(WITH(QUEUE_AT("file", "\"path\":\"a.ndjson\""))),
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        OWN(drop)
        struct plan *p = NULL;
        assert_null(plan_read(plans[i], 1, &p));
        assert_true(bytes_equal(p->json, plans[i]));
        assert_int_equal(p->destinations[0].kind, KIND_REDIS + i);
        assert_true(kind_is_queue(p->destinations[0].kind));
    }
    struct plan *none = NULL;
    assert_non_null(plan_read(B(WITH(QUEUE_AT("file", AT_REDIS))), 1, &none));
    assert_non_null(plan_read(B(WITH(QUEUE_AT("redis", "\"path\":\"a\""))), 1, &none));
}

static void a_command_has_a_program_and_no_url(void **state) {
    OWN(drop)
    struct plan *p = NULL;
    assert_null(plan_read(B(COMMAND), 1, &p));
    assert_true(bytes_equal(p->json, B(COMMAND)));
    const struct plan_destination *d = &p->destinations[0];
    assert_int_equal(d->kind, KIND_COMMAND);
    assert_int_equal(d->run_count, 2);
    assert_true(bytes_equal(d->run[1], B("${X}")));
    assert_int_equal(d->url.n, 0);
    static const struct {
        const char *from, *to;
    } no_plans[] = {
        {"[\"python3\",\"${X}\"]", "[]"},
        {"[\"python3\",\"${X}\"]", "\"python3\""},
        {"\"run\":[\"python3\",\"${X}\"]", "\"url\":\"http://a\",\"fingerprint\":\"\""},
        {"\"command\"", "\"http\""},
        {"\"concurrency\"", "\"fingerprint\":\"\",\"concurrency\""},
    };
    for (size_t i = 0; i < sizeof no_plans / sizeof *no_plans; i++) {
        OWN(text_drop)
        struct text t = {0};
        static const char whole[] = COMMAND;
        const char *at = strstr(whole, no_plans[i].from);
        struct plan *none = NULL;
        assert_non_null(at);
        text_addf(&t, "%.*s%s%s", (int)(at - whole), whole, no_plans[i].to,
                  at + strlen(no_plans[i].from));
        if (!failed_as(plan_read(text_bytes(&t), 1, &none), FAIL_INVALID))
            fail_msg("taken: %s", text_str(&t));
    }
}

#define LIMITS                                                                                     \
    "{\"sources\":[{\"path\":\"/a\",\"owner\":\"main\",\"livemode\":\"both\","                     \
    "\"tolerance_s\":300,\"secrets\":[{\"label\":\"a\",\"scope\":\"any\",\"livemode\":\"live\","   \
    "\"not_before_s\":5,\"not_after_s\":7,\"fingerprint\":\"aa\"},{\"label\":\"b\",\"scope\":"     \
    "\"any\",\"fingerprint\":\"bb\"}]}],\"destinations\":[]}"

static void a_secret_has_a_livemode_and_times(void **state) {
    OWN(drop)
    struct plan *p = NULL;
    assert_null(plan_read(B(LIMITS), 1, &p));
    assert_true(bytes_equal(p->json, B(LIMITS)));
    const struct plan_secret *s = p->sources[0].secrets;
    assert_int_equal(s[0].livemode, MODE_LIVE);
    assert_int_equal(s[1].livemode, MODE_BOTH);
    for (int64_t now = 3; now < 9; now++) {
        assert_int_equal(secret_in_force(&s[0], now), now >= 5 && now < 7);
        assert_true(secret_in_force(&s[1], now));
    }
    static const struct {
        const char *from, *to;
    } no_plans[] = {
        {"\"live\"", "\"both\""},       {"\"live\"", "1"}, {":5", ":0"}, {":7", ":-7"},
        {"not_before_s", "not_before"},
    };
    for (size_t i = 0; i < sizeof no_plans / sizeof *no_plans; i++) {
        OWN(text_drop)
        struct text t = {0};
        static const char whole[] = LIMITS;
        const char *at = strstr(whole, no_plans[i].from);
        struct plan *none = NULL;
        text_addf(&t, "%.*s%s%s", (int)(at - whole), whole, no_plans[i].to,
                  at + strlen(no_plans[i].from));
        if (!failed_as(plan_read(text_bytes(&t), 1, &none), FAIL_INVALID))
            fail_msg("taken: %s", text_str(&t));
    }
    static const struct {
        enum mode a, b;
        int narrow; // -1: nothing fits both
    } rows[] = {
        {MODE_BOTH, MODE_BOTH, MODE_BOTH}, {MODE_BOTH, MODE_TEST, MODE_TEST},
        {MODE_LIVE, MODE_BOTH, MODE_LIVE}, {MODE_LIVE, MODE_LIVE, MODE_LIVE},
        {MODE_LIVE, MODE_TEST, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum mode m = MODE_BOTH;
        assert_int_equal(mode_narrow(rows[i].a, rows[i].b, &m), rows[i].narrow >= 0);
        if (rows[i].narrow >= 0)
            assert_int_equal(m, rows[i].narrow);
    }
}

static void other_order_and_spaces_become_canonical(void **state) {
    OWN(drop)
    struct plan *p = NULL;
    assert_null(plan_read(B(" { \"destinations\" : [ ] ,\n \"sources\":[]}"), 0, &p));
    assert_true(bytes_equal(p->json, B(EMPTY)));
}

static void every_field_is_read(void **state) {
    OWN(drop)
    struct plan *p = NULL;
    assert_null(plan_read(B(FULL), 1, &p));
    assert_int_equal(p->source_count, 2);
    const struct plan_source *s = plan_source_find(p, B("/webhook"));
    assert_ptr_equal(s, &p->sources[0]);
    assert_true(bytes_equal(s->owner, B("main")));
    assert_int_equal(s->livemode, MODE_BOTH);
    assert_int_equal(s->tolerance_s, 300);
    assert_int_equal(s->secret_count, 2);
    assert_true(bytes_equal(s->secrets[1].label, B("connect")));
    assert_int_equal(s->secrets[1].scope, SCOPE_CONNECT);
    assert_true(bytes_equal(s->secrets[1].fingerprint, B("ba9876543210")));
    assert_int_equal(p->sources[1].livemode, MODE_TEST);
    const struct plan_destination *d = plan_destination_find(p, B("shop"));
    assert_ptr_equal(d, &p->destinations[0]);
    assert_int_equal(d->kind, KIND_HTTP);
    assert_true(bytes_equal(d->url, B("http://127.0.0.1:5001/stripe")));
    assert_int_equal(d->livemode, MODE_LIVE);
    assert_false(d->matches_all);
    assert_int_equal(d->rule_count, 2);
    assert_true(bytes_equal(d->rules[0].types[1], B("*")));
    assert_true(bytes_equal(d->rules[0].accounts[0], B("platform")));
    assert_true(bytes_equal(d->rules[0].sources[0], B("/b")));
    assert_true(bytes_equal(d->rules[0].secrets[0], B("connect")));
    assert_int_equal(d->rules[0].scope, SCOPE_CONNECT);
    assert_true(bytes_equal(d->rules[0].wheres[0].values[0], B("sh\"op")));
    assert_true(bytes_equal(d->rules[0].wheres[0].values[1], B("\x01")));
    assert_int_equal(d->timeout_ms, 30000);
    assert_int_equal(d->retry_ms[1], 300000);
    assert_int_equal(d->pace.min, 4);
    assert_int_equal(d->pace.max, 16);
    assert_int_equal(d->pace.rate, 50);
    assert_int_equal(d->pace.rate_per_ms, 1000);
    assert_true(p->destinations[1].matches_all);
    assert_true(p->destinations[1].pace.max == UINT32_MAX);
    assert_true(p->destinations[1].pace.min == UINT32_MAX);
    assert_int_equal(p->destinations[1].pace.rate, 0);
    assert_null(plan_source_find(p, B("/webhoo")));
    assert_null(plan_source_find(p, B("")));
    assert_null(plan_destination_find(p, B("Shop")));
}

// Each case replaces the first occurrence of `from` in FULL; the result is no plan.
static const struct {
    const char *from, *to;
} wrong[] = {
    {"\"path\":\"/webhook\"", "\"path\":\"\""},
    {"\"path\":\"/webhook\"", "\"path\":1"},
    {"\"path\":\"/webhook\"", "\"paht\":\"/webhook\""},
    {"\"path\":\"/webhook\"", "\"path\":\"/webhook\",\"more\":1"},
    {"\"path\":\"/webhook\"", "\"owner\":\"x\""},
    {"\"owner\":\"main\",", ""},
    {"\"owner\":\"main\"", "\"owner\":\"\""},
    {"\"both\"", "\"all\""},
    {"\"both\"", "null"},
    {":300", ":0"},
    {":300", ":-1"},
    {":300", ":300.5"},
    {":300", ":\"300\""},
    {":300", ":9223372036854775808"},
    {"\"scope\":\"account\"", "\"scope\":\"platform\""},
    {"\"label\":\"platform\"", "\"label\":\"\""},
    {"\"kind\":\"http\"", "\"kind\":\"command\""},
    {"\"kind\":\"http\"", "\"kind\":\"htt\""},
    {"\"secrets\":[]", "\"secrets\":null"},
    {"\"secrets\":[]", "\"secrets\":[1]"},
    {"\"match\":null", "\"match\":true"},
    {"\"match\":null", "\"match\":[{}]"},
    {"\"match\":null", "\"match\":[null]"},
    {",\"match\":null", ""},
    {"[\"customer.*\"", "[7"},
    {"\"values\":[", "\"values\":[null,"},
    {"\"timeout_ms\":30000", "\"timeout_ms\":0"},
    {"[5000,", "[-5000,"},
    {"[5000,", "[\"5s\","},
    {"4294967295", "4294967296"},
    {"4294967295", "0"},
    {"\"concurrency_min\":4", "\"concurrency_min\":0"},
    {"\"concurrency_min\":4", "\"concurrency_min\":16"},
    {"\"concurrency_min\":4", "\"concurrency_min\":17"},
    {"\"count\":50", "\"count\":0"},
    {"\"count\":50", "\"count\":100001"},
    {"\"count\":50,", ""},
    {"\"per_ms\":1000", "\"per_ms\":3600001"},
    {"\"per_ms\":1000", "\"per_ms\":1000,\"more\":1"},
    {"\"low\":[]", "\"low\":null"},
    {"\"low\":[]", "\"low\":[1]"},
    {"\"low\":[]", "\"low\":[\"\"]"},
    {"\"low\":[]", "\"normal\":[]"},
    {"\"low\":[]", "\"low\":[],\"normal\":[]"},
    {",\"low\":[]", ""},
    {"[\"invoice.*\",\"charge.failed\"]", "[]"},
    {"{\"sources\"", "{\"more\":1,\"sources\""},
    {"{\"sources\"", "[{\"sources\""},
};

static void what_is_no_plan_is_refused(void **state) {
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        OWN(text_drop)
        struct text t = {0};
        const char *at = strstr(FULL, wrong[i].from);
        assert_non_null(at);
        text_add(&t, bytes_from(FULL, (size_t)(at - FULL)));
        text_adds(&t, wrong[i].to);
        text_adds(&t, at + strlen(wrong[i].from));
        struct plan *p = (struct plan *)&t;
        result r = plan_read(text_bytes(&t), 0, &p);
        if (!failed_as(r, FAIL_INVALID))
            fail_msg("%s was taken for %s", wrong[i].to, wrong[i].from);
        assert_null(p);
    }
    static const char *const others[] = {
        "", "null", "[]", "{}", "7", EMPTY "x", "{\"sources\":[]}"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct plan *p;
        assert_true(failed_as(plan_read(bytes_of(others[i]), 0, &p), FAIL_INVALID));
    }
}

static void any_bytes_are_survived(void **state) {
    const size_t n = sizeof(FULL) - 1;
    for (size_t cut = 0; cut < n; cut++) {
        char *copy = malloc(cut > 0 ? cut : 1);
        memcpy(copy, FULL, cut);
        struct plan *p;
        assert_non_null(plan_read(bytes_from(copy, cut), 0, &p));
        free(copy);
    }
    uint64_t seed = 20;
    for (int round = 0; round < 3000; round++) {
        OWN(drop)
        struct plan *p = NULL;
        OWN(drop)
        struct plan *q = NULL;
        OWN(text_drop)
        struct text t = {0};
        text_adds(&t, FULL);
        for (uint64_t k = random_below(&seed, 3) + 1; k > 0; k--)
            t.p[random_below(&seed, n)] = (char)random_below(&seed, 256);
        if (plan_read(text_bytes(&t), 0, &p) != OK)
            continue;
        assert_null(plan_read(p->json, 0, &q));
        assert_true(bytes_equal(p->json, q->json));
    }
}

static void a_plan_over_its_memory_is_refused(void **state) {
    OWN(text_drop)
    struct text t = {0};
    text_adds(&t, "{\"sources\":[],\"destinations\":[{\"name\":\"");
    for (int i = 0; i < 17 << 10; i++)
        text_addf(&t, "%01024d", 1);
    text_adds(&t, strstr(FULL, "\",\"kind\":"));
    struct plan *p;
    assert_non_null(plan_read(text_bytes(&t), 0, &p));
    assert_null(p);
}

static void names_and_their_parsing_agree(void **state) {
    for (int i = MODE_BOTH; i <= MODE_TEST; i++) {
        enum mode m;
        assert_null(mode_parse(bytes_of(mode_name((enum mode)i)), &m));
        assert_int_equal(m, i);
    }
    for (int i = SCOPE_ANY; i <= SCOPE_CONNECT; i++) {
        enum scope s;
        assert_null(scope_parse(bytes_of(scope_name((enum scope)i)), &s));
        assert_int_equal(s, i);
    }
    enum destination_kind k;
    enum mode m;
    enum scope s;
    assert_null(kind_parse(B("http"), &k));
    assert_int_equal(k, KIND_HTTP);
    assert_null(kind_parse(B("command"), &k));
    assert_int_equal(k, KIND_COMMAND);
    assert_null(kind_parse(B("tables"), &k));
    assert_int_equal(k, KIND_TABLES);
    static const char *const none[] = {"", "LIVE", "live ", "Connect", "commands", "https"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_non_null(mode_parse(bytes_of(none[i]), &m));
        assert_non_null(scope_parse(bytes_of(none[i]), &s));
        assert_non_null(kind_parse(bytes_of(none[i]), &k));
    }
    assert_true(mode_fits(MODE_BOTH, true) && mode_fits(MODE_BOTH, false));
    assert_true(mode_fits(MODE_LIVE, true) && !mode_fits(MODE_LIVE, false));
    assert_true(mode_fits(MODE_TEST, false) && !mode_fits(MODE_TEST, true));
}

static void freeing_nothing_is_allowed(void **state) { plan_free(NULL); }

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writing_what_was_read_gives_the_same),
        cmocka_unit_test(a_command_has_a_program_and_no_url),
        cmocka_unit_test(a_plugin_has_handlers_if_it_was_seen),
        cmocka_unit_test(a_queue_has_its_place),
        cmocka_unit_test(one_destination_may_keep_tables),
        cmocka_unit_test(a_secret_has_a_livemode_and_times),
        cmocka_unit_test(other_order_and_spaces_become_canonical),
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(what_is_no_plan_is_refused),
        cmocka_unit_test(any_bytes_are_survived),
        cmocka_unit_test(a_plan_over_its_memory_is_refused),
        cmocka_unit_test(names_and_their_parsing_agree),
        cmocka_unit_test(freeing_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
