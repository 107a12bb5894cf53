// SPDX-License-Identifier: MIT
// Where the system has no memory the process ends and says so; caps are refused instead.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/text.h"
#include "dies.h"

#define TOO_MUCH (SIZE_MAX / 8) // more than any machine gives

// ASan would end the process by itself, with words of its own.
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }

static void *volatile kept; // what is taken is not optimised away

static void new_object(void) { kept = memory_new(1, TOO_MUCH); }

static void plain_bytes(void) { kept = memory_take(TOO_MUCH); }

static void grown_bytes(void) { kept = memory_grow(malloc(8), TOO_MUCH, 1); }

static void arena(void) {
    struct arena a;
    arena_init(&a, SIZE_MAX);
    kept = arena_take(&a, TOO_MUCH);
}

static void text(void) {
    struct text t = {.max = SIZE_MAX};
    text_adds(&t, "half a text");
    text_add_hex(&t, bytes_from("", TOO_MUCH / 2));
}

static void library(void) { memory_none(0); }

static void without_memory_the_process_ends(void **state) {
    void (*const all[])(void) = {new_object, plain_bytes, grown_bytes, arena, text};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_dies(all[i], "out of memory: the system gives no further ");
    assert_dies(library, "out of memory; nothing durable is lost");
}

static void a_cap_is_refused(void **state) {
    struct arena a;
    arena_init(&a, 1 << 20);
    assert_null(arena_take(&a, TOO_MUCH));
    arena_drop(&a);
    struct text t = {.max = 8};
    text_adds(&t, "a text");
    text_add_hex(&t, bytes_from("", TOO_MUCH / 2));
    assert_true(t.failed);
    text_drop(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_the_process_ends),
        cmocka_unit_test(a_cap_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
