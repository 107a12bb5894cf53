// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rules/command.h"

static void every_command_is_found_by_its_name(void **state) {
    for (int c = 0; c < COMMANDS; c++)
        assert_int_equal(command_find(bytes_of(command_name((enum command)c))), c);
    assert_int_equal(command_find(B("replay")), COMMAND_REPLAY);
    assert_string_equal(command_name(COMMAND_KEY_REVOKE), "key_revoke");
}

static void other_names_are_none(void **state) {
    static const char *const names[] = {"", "REPLAY", "replay ", "repla", "unknown", "key-create"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(command_find(bytes_of(names[i])), COMMANDS);
    assert_string_equal(command_name(COMMANDS), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_found_by_its_name),
        cmocka_unit_test(other_names_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
