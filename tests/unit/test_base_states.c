// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/states.h"
#include "dies.h"

enum phase { IDLE, OPEN, SHUT };

static const struct state_row rows[] = {
    [IDLE] = {"idle", STATE_BIT(OPEN) | STATE_BIT(SHUT)},
    [OPEN] = {"open", STATE_BIT(OPEN) | STATE_BIT(SHUT)},
    [SHUT] = {"shut", 0},
};

static const struct states phases = STATES("phase", rows);

static void moves_as_the_table_says(void **state) {
    enum phase p = IDLE;
    assert_true(states_may(&phases, IDLE, OPEN));
    assert_false(states_may(&phases, IDLE, IDLE));
    assert_true(states_may(&phases, OPEN, OPEN));
    assert_false(states_may(&phases, OPEN, IDLE));
    assert_false(states_may(&phases, SHUT, OPEN));
    assert_false(states_may(&phases, IDLE, 3));
    assert_false(states_may(&phases, 77, OPEN));
    states_move(&phases, &p, OPEN);
    assert_int_equal(p, OPEN);
    states_move(&phases, &p, SHUT);
    assert_int_equal(p, SHUT);
    assert_true(states_final(&phases, SHUT));
    assert_false(states_final(&phases, OPEN));
    assert_string_equal(states_name(&phases, OPEN), "open");
    assert_string_equal(states_name(&phases, 3), "unknown");
}

static void move_from_the_end(void) {
    enum phase p = SHUT;
    states_move(&phases, &p, OPEN);
}

static void aborts_on_another_move(void **state) {
    assert_dies(move_from_the_end, "phase goes from shut to open");
    assert_dies(move_from_the_end, "test_base_states.c");
    assert_dies(move_from_the_end, "move_from_the_end");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_as_the_table_says),
        cmocka_unit_test(aborts_on_another_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
