// SPDX-License-Identifier: MIT
#include "desk/answers.h"
#include "desk/params.h"

static const char *state_word(unsigned i) {
    return i < DELIVERY_STATES ? delivery_state_name((enum delivery_state)i) : NULL;
}

static void list_work(struct ask *a, struct reader *r) {
    result read = reader_deliveries(r, &a->filter, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "no deliveries");
}

void deliveries_list(struct ask *a) {
    if (params_filter(a, state_word, &a->filter))
        ask_query(a, list_work, ask_send);
    else
        ask_send(a);
}

static void show_work(struct ask *a, struct reader *r) {
    result read = reader_delivery(r, a->number, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "there is no such delivery; /api/deliveries lists them");
}

void deliveries_show(struct ask *a) {
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
    text_adds(&a->payload, ",\"delivery\":");
    text_add_u64(&a->payload, a->number);
    ask_command_post(a, NULL);
}

void deliveries_retry(struct ask *a) { change(a, COMMAND_RETRY); }
void deliveries_cancel(struct ask *a) { change(a, COMMAND_CANCEL); }
