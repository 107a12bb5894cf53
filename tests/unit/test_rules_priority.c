// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rules/priority.h"

#define TURNS 21

static bytes high_types[] = {BYTES_INIT("invoice.*"), BYTES_INIT("customer.*"),
                             BYTES_INIT("charge.failed")};
static bytes low_types[] = {BYTES_INIT("customer.updated"), BYTES_INIT("charge.*"),
                            BYTES_INIT("customer.tax_id.*")};
static const struct priority_rule rule = {
    .types = {[PRIORITY_HIGH] = high_types, [PRIORITY_LOW] = low_types},
    .count = {[PRIORITY_HIGH] = 3, [PRIORITY_LOW] = 3},
};

static void the_longest_pattern_decides(void **state) {
    static const struct {
        const char *type;
        enum priority is;
        const char *by;
    } cases[] = {
        {"invoice.paid", PRIORITY_HIGH, "invoice.*"},
        {"customer.created", PRIORITY_HIGH, "customer.*"},
        {"customer.updated", PRIORITY_LOW, "customer.updated"},
        {"customer.tax_id.created", PRIORITY_LOW, "customer.tax_id.*"},
        {"customer.subscription.updated", PRIORITY_HIGH, "customer.*"},
        {"charge.failed", PRIORITY_HIGH, "charge.failed"},
        {"charge.succeeded", PRIORITY_LOW, "charge.*"},
        {"product.created", PRIORITY_NORMAL, ""},
        {"invoice", PRIORITY_NORMAL, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes by;
        assert_int_equal(priority_of(&rule, bytes_of(cases[i].type), &by), cases[i].is);
        assert_true(bytes_equal(by, bytes_of(cases[i].by)));
        assert_int_equal(priority_of(&rule, bytes_of(cases[i].type), NULL), cases[i].is);
    }
}

static void all_others_may_be_low(void **state) {
    bytes all[] = {BYTES_INIT("*")};
    struct priority_rule r = rule;
    r.types[PRIORITY_LOW] = all;
    r.count[PRIORITY_LOW] = 1;
    assert_int_equal(priority_of(&r, B("invoice.paid"), NULL), PRIORITY_HIGH);
    assert_int_equal(priority_of(&r, B("product.created"), NULL), PRIORITY_LOW);
}

static void no_rule_is_normal(void **state) {
    static const struct priority_rule none;
    bytes by;
    assert_int_equal(priority_of(&none, B("invoice.paid"), &by), PRIORITY_NORMAL);
    assert_int_equal(by.n, 0);
}

// Who has something waiting, and the turns that follow, a letter each.
static void turns_are_by_weight(void **state) {
    static const struct {
        const char *waits, *turns;
    } cases[] = {
        {"hnl", "hhnhhhhnhhlhhhnhhhnhhhhnhh"},
        {"h", "hhhh"},
        {"n", "nnnn"},
        {"l", "llll"},
        {"nl", "nnlnnnnlnn"},
        {"hl", "hhhhhhhhlhhhhhhhhhhhhhhhhl"},
        {"hn", "hhnhhhhnhhhh"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct priority_turns t = {{0}};
        char got[64] = "";
        bool waits[PRIORITIES];
        for (int p = 0; p < PRIORITIES; p++)
            waits[p] = strchr(cases[i].waits, priority_name(p)[0]) != NULL;
        for (size_t k = 0; k < strlen(cases[i].turns); k++)
            got[k] = priority_name(priority_turn(&t, waits))[0];
        assert_string_equal(got, cases[i].turns);
    }
}

static void of_21_in_a_row_each_has_its_share(void **state) {
    static const bool all[PRIORITIES] = {true, true, true};
    struct priority_turns t = {{0}};
    for (int round = 0; round < 100; round++) {
        int count[PRIORITIES] = {0};
        for (int i = 0; i < TURNS; i++)
            count[priority_turn(&t, all)]++;
        assert_int_equal(count[PRIORITY_HIGH], 16);
        assert_int_equal(count[PRIORITY_NORMAL], 4);
        assert_int_equal(count[PRIORITY_LOW], 1);
    }
}

// Whatever the others do, who waits goes in time, and who has nothing never goes.
static void nobody_starves(void **state) {
    static const int most[PRIORITIES] = {
        [PRIORITY_HIGH] = 2, [PRIORITY_NORMAL] = 10, [PRIORITY_LOW] = 40};
    struct priority_turns t = {{0}};
    int since[PRIORITIES] = {0}, longest[PRIORITIES] = {0};
    uint64_t seed = 1;
    for (int i = 0; i < 2000000; i++) {
        bool waits[PRIORITIES];
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        // The odds change, so that bursts and calm are among them.
        for (int p = 0; p < PRIORITIES; p++)
            waits[p] = ((seed >> (20 + 12 * p)) & 15) < 1 + ((unsigned)i >> (9 + 2 * p)) % 16;
        for (int p = 0; p < PRIORITIES; p++)
            waits[p] = waits[p] || since[p] > 0;
        if (!waits[0] && !waits[1] && !waits[2])
            continue;
        enum priority turn = priority_turn(&t, waits);
        assert_true(waits[turn]);
        for (int p = 0; p < PRIORITIES; p++) {
            since[p] = waits[p] && p != (int)turn ? since[p] + 1 : 0;
            longest[p] = since[p] > longest[p] ? since[p] : longest[p];
        }
    }
    for (int p = 0; p < PRIORITIES; p++) {
        printf("%s: after at most %d others\n", priority_name(p), longest[p]);
        assert_in_range(longest[p], 1, most[p]);
    }
}

static void what_is_urgent_goes_at_once(void **state) {
    static const bool noise[PRIORITIES] = {[PRIORITY_LOW] = true},
                      both[PRIORITIES] = {[PRIORITY_HIGH] = true, [PRIORITY_LOW] = true};
    struct priority_turns t = {{0}};
    for (int i = 0; i < 1000; i++)
        assert_int_equal(priority_turn(&t, noise), PRIORITY_LOW);
    assert_int_equal(priority_turn(&t, both), PRIORITY_HIGH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_pattern_decides),
        cmocka_unit_test(all_others_may_be_low),
        cmocka_unit_test(no_rule_is_normal),
        cmocka_unit_test(turns_are_by_weight),
        cmocka_unit_test(of_21_in_a_row_each_has_its_share),
        cmocka_unit_test(nobody_starves),
        cmocka_unit_test(what_is_urgent_goes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
