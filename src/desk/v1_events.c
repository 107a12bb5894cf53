// SPDX-License-Identifier: MIT
#include "desk/answers.h"
#include "desk/v1.h"
#include "stripe/event.h"

static struct history_view view_of(const struct ask *a) {
    return (struct history_view){.livemode = key_mode_live(a->caller.mode), .account = a->account};
}

static void fail_read(struct ask *a, result failed) {
    text_reset(&a->out);
    ask_fail_read(a, failed, "no event");
}

static void list_work(struct ask *a, struct reader *r) {
    struct history_view view = view_of(a);
    const struct event_query *q = &a->history;
    bool more = false;
    text_adds(&a->out, "{\"object\":\"list\",\"data\":");
    result read = reader_history(r, &view, q, &a->out, &more);
    text_addf(&a->out, ",\"has_more\":%s,\"url\":\"/v1/events\"}", more ? "true" : "false");
    if (failed_as(read, FAIL_ABSENT))
        v1_fail(a, API_ERROR_CURSOR_MISSING, q->after.n > 0 ? "starting_after" : "ending_before",
                "No such event: '%.*s'; a list begins at an event that this key sees.",
                BYTES_ARG(ask_short(q->after.n > 0 ? q->after : q->before)));
    else if (read != OK)
        fail_read(a, read);
}

void v1_events_list(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    if (event_query_read(json_root(a->doc), &a->history, &why)) {
        ask_query(a, list_work, ask_send);
        return;
    }
    v1_refuse(a, &why);
}

bool v1_event_show(struct ask *a, struct reader *r, const struct history_view *view,
                   const char *noun, const char *more) {
    result read = a->arg.n > EVENT_ID_MAX
                      ? PLACE(ABSENT, "no event has so long an id")
                      : reader_history_one(r, view, a->arg, &a->number, &a->out);
    OWN(text_drop)
    struct text shown = {0};
    text_add_printable(&shown, a->arg, 64);
    if (failed_as(read, FAIL_ABSENT))
        v1_fail(a, API_ERROR_MISSING, "id", "No such %s: '%s'%s", noun, text_str(&shown), more);
    else if (read != OK)
        fail_read(a, read);
    return read == OK;
}

static bool show(struct ask *a, struct reader *r, const char *noun) {
    struct history_view view = view_of(a);
    return v1_event_show(a, r, &view, noun, "");
}

static void show_work(struct ask *a, struct reader *r) { (void)show(a, r, "event"); }

void v1_events_show(struct ask *a) {
    static const char *const names[] = {"expand", NULL};
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    if (api_names_known(json_root(a->doc), names, &why)) {
        ask_query(a, show_work, ask_send);
        return;
    }
    v1_refuse(a, &why);
}

static void retry_work(struct ask *a, struct reader *r) {
    bytes to = json_string(json_get(json_root(a->doc), "webhook_endpoint"));
    if (!show(a, r, "notification"))
        return;
    text_reset(&a->out);
    result read = reader_history_sent(r, a->number, to);
    OWN(text_drop)
    struct text shown = {0};
    text_add_printable(&shown, to, 64);
    if (failed_as(read, FAIL_ABSENT))
        v1_fail(a, API_ERROR_MISSING, "webhook_endpoint",
                "No such webhook endpoint: '%s'. This gateway takes the name of a destination "
                "that this event was owed to when it came.",
                text_str(&shown));
    else if (read != OK)
        fail_read(a, read);
}

// The books carried it out, unless they say why not.
static void retried(struct ask *a) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    bytes why = NO_BYTES;
    if (json_parse(text_bytes(&a->out), &doc) == OK)
        why = json_string(json_path(json_root(doc), B("refused.0.why")));
    text_reset(&a->out);
    if (why.n == 0) {
        ask_query(a, show_work, ask_send);
        return;
    }
    v1_fail_command(a, why);
    ask_send(a);
}

static void retry_resolved(struct ask *a) {
    if (a->status != 0) {
        ask_send(a);
        return;
    }
    ask_command_begin(a, COMMAND_REPLAY);
    text_addf(&a->payload, ",\"events\":[%llu],\"to\":", (unsigned long long)a->number);
    text_add_json(&a->payload, json_string(json_get(json_root(a->doc), "webhook_endpoint")));
    ask_command_post(a, retried);
}

// What the CLI sends: webhook_endpoint, else for_stripecli=true; and account for an event of a
// connected account.
static bool retry_read(struct ask *a, struct api_refusal *why) {
    static const char *const names[] = {"webhook_endpoint", "for_stripecli", "account", "expand",
                                        NULL};
    json params = json_root(a->doc);
    bytes to, account;
    bool given, listening;
    if (!api_names_known(params, names, why) || !api_text(params, "webhook_endpoint", &to, why) ||
        !api_text(params, "account", &account, why) ||
        !api_bool(params, "for_stripecli", &given, &listening, why))
        return false;
    if (to.n == 0 && !(given && listening))
        return api_refuse(why, API_ERROR_PARAMETER_MISSING, B("webhook_endpoint"),
                          "Missing required param: webhook_endpoint, the name of a destination "
                          "that got the event; or for_stripecli=true, for all who listen.");
    if (account.n > 0)
        a->account = arena_copy(&a->memory, account);
    return true;
}

static void show_again_work(struct ask *a, struct reader *r) { (void)show(a, r, "notification"); }

static void listened(struct ask *a) {
    if (a->status == 0)
        listen_resend(a->desk, key_mode_live(a->caller.mode), a->number);
    ask_send(a);
}

void v1_events_retry(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    if (retry_read(a, &why)) {
        bool to_one = json_type(json_get(json_root(a->doc), "webhook_endpoint")) != JSON_ABSENT;
        ask_query(a, to_one ? retry_work : show_again_work, to_one ? retry_resolved : listened);
        return;
    }
    v1_refuse(a, &why);
}
