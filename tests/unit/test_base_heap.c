// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/random.h"

struct timer {
    uint64_t due;
    size_t at;
};

static bool less(const void *a, const void *b) {
    return ((const struct timer *)a)->due < ((const struct timer *)b)->due;
}

static void set_at(void *item, size_t at) { ((struct timer *)item)->at = at; }

static void is_empty_at_first(void **state) {
    struct heap h = {.less = less, .set_at = set_at};
    assert_null(heap_first(&h));
    heap_drop(&h);
    struct timer t = {.due = 1};
    heap_push(&h, &t);
    assert_ptr_equal(heap_first(&h), &t);
    assert_int_equal(t.at, 0);
    assert_ptr_equal(heap_take(&h, 0), &t);
    assert_true(t.at == HEAP_OUT);
    assert_null(heap_first(&h));
    heap_drop(&h);
}

static void check_order(const struct heap *h) {
    for (size_t i = 0; i < h->n; i++) {
        assert_int_equal(((struct timer *)h->items[i])->at, i);
        if (i > 0)
            assert_false(less(h->items[i], h->items[(i - 1) / 2]));
    }
}

#define TIMERS 500

static void keeps_its_order(void **state) {
    static struct timer timers[TIMERS];
    struct heap h = {.less = less, .set_at = set_at};
    uint64_t random = 42;
    size_t n = 0;
    for (size_t i = 0; i < TIMERS; i++)
        timers[i].at = HEAP_OUT;
    for (int step = 0; step < 10000; step++) {
        struct timer *t = &timers[random_below(&random, TIMERS)];
        if (t->at == HEAP_OUT) {
            t->due = random_below(&random, 200); // many are equal
            heap_push(&h, t);
            n++;
        } else {
            assert_ptr_equal(heap_take(&h, t->at), t);
            assert_true(t->at == HEAP_OUT);
            n--;
        }
        assert_int_equal(h.n, n);
        check_order(&h);
    }
    assert_true(n > 0);
    uint64_t last = 0;
    while (heap_first(&h) != NULL) {
        struct timer *t = heap_first(&h);
        assert_ptr_equal(heap_take(&h, 0), t);
        assert_true(t->due >= last);
        last = t->due;
        n--;
    }
    assert_int_equal(n, 0);
    for (size_t i = 0; i < TIMERS; i++)
        assert_true(timers[i].at == HEAP_OUT);
    heap_drop(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_empty_at_first),
        cmocka_unit_test(keeps_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
