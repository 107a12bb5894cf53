// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/list.h"

struct item {
    int number;
    struct list link;
};

static int first_number(struct list *head) {
    return CONTAINER(head->next, struct item, link)->number;
}

static void keeps_order(void **state) {
    struct list head;
    struct item items[4];
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_take(&head));
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        list_push(&head, &items[i].link);
    }
    int n = 0;
    LIST_EACH(it, &head)
    assert_int_equal(CONTAINER(it, struct item, link)->number, n++);
    assert_int_equal(n, 4);
    list_remove(&items[1].link);
    list_remove(&items[1].link); // in no list now: harmless
    assert_ptr_equal(list_take(&head), &items[0].link);
    assert_int_equal(first_number(&head), 2);
    list_push(&head, &items[0].link);
    n = 0;
    LIST_EACH_SAFE(it, &head) {
        list_remove(it);
        memset(CONTAINER(it, struct item, link), 0xff, sizeof(struct item));
        n++;
    }
    assert_int_equal(n, 3);
    assert_true(list_empty(&head));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
