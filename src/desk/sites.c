// SPDX-License-Identifier: MIT
#include "desk/answers.h"
#include "desk/params.h"
#include "desk/which.h"

static void list_work(struct ask *a, struct reader *r) {
    result read = reader_sites(r, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "no sites");
}

void sites_list(struct ask *a) { ask_query(a, list_work, ask_send); }

static void unclaimed_work(struct ask *a, struct reader *r) {
    result read = reader_unclaimed(r, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "an event's object is not in the books");
}

void sites_unclaimed(struct ask *a) { ask_query(a, unclaimed_work, ask_send); }

static void contradictions_work(struct ask *a, struct reader *r) {
    result read = reader_contradictions(r, &a->filter, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "an object is not in the books");
}

void sites_contradictions(struct ask *a) {
    if (params_filter(a, NULL, &a->filter))
        ask_query(a, contradictions_work, ask_send);
    else
        ask_send(a);
}

static void show_work(struct ask *a, struct reader *r) {
    struct which w;
    if (!which_asked(a, &w) || !which_object(a, r, &w, &a->number))
        return;
    result read = reader_object(r, a->number, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "there is no object of this number");
}

void objects_show(struct ask *a) { ask_query(a, show_work, ask_send); }

static void assign_work(struct ask *a, struct reader *r) {
    struct which w;
    if (!which_asked(a, &w) || !which_object(a, r, &w, &a->number))
        return;
    json site = field(a, "site");
    ask_command_begin(a, COMMAND_SITE_ASSIGN);
    text_adds(&a->payload, ",\"object\":");
    text_add_u64(&a->payload, a->number);
    text_adds(&a->payload, ",\"site\":");
    json_write(site, &a->payload);
}

static void assign_resolved(struct ask *a) {
    if (a->status != 0)
        ask_send(a);
    else
        ask_command_post(a, NULL);
}

void objects_assign(struct ask *a) {
    json site = field(a, "site");
    if (json_type(site) != JSON_NULL && json_string(site).n == 0)
        ask_refuse(a, 400, "`site` has to be a site's name, or null to take an assignment back");
    else
        ask_query(a, assign_work, assign_resolved);
}

void sites_learn(struct ask *a) {
    json events = field(a, "events"), element;
    size_t n = json_type(events) == JSON_ARRAY ? json_size(events) : 0;
    bool good = n > 0 && n <= REPLAY_EVENTS_MAX;
    uint64_t seq;
    for (size_t at = 0; good && json_element(events, &at, &element);)
        good = bytes_to_u64(json_number(element), &seq) == OK && seq > 0 && seq <= INT64_MAX;
    if (!good) {
        ask_fail(a, 400, "`events` has to be a list of 1 to %d event numbers", REPLAY_EVENTS_MAX);
        ask_send(a);
        return;
    }
    ask_command_begin(a, COMMAND_SITE_LEARN);
    text_adds(&a->payload, ",\"events\":");
    json_write(events, &a->payload);
    ask_command_post(a, NULL);
}
