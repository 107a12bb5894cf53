// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"

static void hands_out_zeroed_aligned_memory(void **state) {
    struct arena a;
    arena_init(&a, 1 << 20);
    assert_int_equal(a.used, 0);
    for (size_t n = 0; n < 300; n++) {
        unsigned char *p = arena_take(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xee, n); // shows in the next one's zeros if they overlap
    }
    assert_true(a.used <= a.cap);
    arena_drop(&a);
    assert_int_equal(a.used, 0);
    assert_non_null(arena_take(&a, 10));
    arena_drop(&a);
}

static void keeps_its_cap(void **state) {
    static const size_t sizes[] = {1, 16, 100, 1000, 5000, 70000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t cap = 0; cap <= 200000; cap += 9973) {
            struct arena a;
            size_t taken = 0;
            arena_init(&a, cap);
            while (arena_take(&a, sizes[i]) != NULL) {
                taken += sizes[i];
                assert_true(a.used <= cap && taken <= a.used);
            }
            // What it refuses is never much less than what it was allowed.
            assert_true(cap - a.used <= sizes[i] + 64);
            arena_drop(&a);
        }
    }
}

static void refuses_absurd_sizes(void **state) {
    struct arena a;
    arena_init(&a, SIZE_MAX);
    assert_null(arena_take(&a, SIZE_MAX));
    assert_null(arena_take(&a, SIZE_MAX - 15));
    assert_null(arena_copy(&a, bytes_from("x", SIZE_MAX)).p);
    assert_int_equal(a.used, 0);
    arena_drop(&a);
    arena_init(&a, 0);
    assert_null(arena_take(&a, 0));
    assert_null(arena_take(&a, 1));
    arena_drop(&a);
}

static void large_ones_leave_room_for_small_ones(void **state) {
    struct arena a;
    arena_init(&a, 1 << 20);
    char *small = arena_take(&a, 16);
    assert_non_null(arena_take(&a, 100000));
    size_t used = a.used;
    char *next = arena_take(&a, 16);
    assert_ptr_equal(next, small + 16);
    assert_int_equal(a.used, used);
    arena_drop(&a);
}

static void a_reset_one_takes_no_more_from_the_heap(void **state) {
    struct arena a;
    arena_init(&a, 300000);
    for (int round = 0; round < 5; round++) {
        unsigned char *p = NULL;
        for (int i = 0; i < 100; i++) {
            p = arena_take(&a, 2000);
            assert_non_null(p);
            assert_int_equal(p[0] | p[1999], 0);
            memset(p, 0xff, 2000);
        }
        assert_in_range(a.used, 200000, 300000);
        arena_reset(&a);
    }
    // What is kept is no reason to refuse: none of it is large enough.
    assert_non_null(arena_take(&a, 290000));
    arena_drop(&a);
    assert_int_equal(a.used, 0);
}

static void copies(void **state) {
    struct arena a;
    arena_init(&a, 4096);
    char source[] = "a\0b";
    bytes b = arena_copy(&a, bytes_from(source, 3));
    source[0] = 'x';
    assert_true(bytes_equal(b, B("a\0b")));
    assert_int_equal(b.p[3], 0);
    b = arena_copy(&a, NO_BYTES);
    assert_int_equal(b.n, 0);
    assert_int_equal(b.p[0], 0);
    static const uint8_t large[4096];
    b = arena_copy(&a, bytes_from(large, sizeof(large)));
    assert_null(b.p);
    assert_int_equal(b.n, 0);
    arena_drop(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_zeroed_aligned_memory),
        cmocka_unit_test(keeps_its_cap),
        cmocka_unit_test(refuses_absurd_sizes),
        cmocka_unit_test(large_ones_leave_room_for_small_ones),
        cmocka_unit_test(a_reset_one_takes_no_more_from_the_heap),
        cmocka_unit_test(copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
