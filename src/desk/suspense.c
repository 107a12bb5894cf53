// SPDX-License-Identifier: MIT
#include "desk/answers.h"
#include "desk/params.h"

static const char *state_word(unsigned i) {
    static const char *const words[] = {[SUSPENSE_WAITING] = "waiting",
                                        [SUSPENSE_BOOKED] = "booked",
                                        [SUSPENSE_DROPPED] = "dropped"};
    return i < sizeof words / sizeof words[0] ? words[i] : NULL;
}

static void list_work(struct ask *a, struct reader *r) {
    result read = reader_suspense(r, &a->filter, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "nothing is suspended");
}

void suspense_list(struct ask *a) {
    if (params_filter(a, state_word, &a->filter))
        ask_query(a, list_work, ask_send);
    else
        ask_send(a);
}

static void show_work(struct ask *a, struct reader *r) {
    result read = reader_suspended(r, a->number, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "nothing is suspended at this position; /api/suspense lists all");
}

void suspense_show(struct ask *a) {
    if (arg_number(a, &a->number))
        ask_query(a, show_work, ask_send);
    else
        ask_send(a);
}

static void change(struct ask *a, enum command c) {
    if (!arg_number(a, &a->number)) {
        ask_send(a);
        return;
    }
    ask_command_begin(a, c);
    text_adds(&a->payload, ",\"position\":");
    text_add_u64(&a->payload, a->number);
    ask_command_post(a, NULL);
}

void suspense_book(struct ask *a) { change(a, COMMAND_SUSPENSE_BOOK); }
void suspense_drop(struct ask *a) { change(a, COMMAND_SUSPENSE_DROP); }
