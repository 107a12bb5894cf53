// SPDX-License-Identifier: MIT
#include "stripe/event.h"

#include "base/text.h"

// A field that breaks a rule, for the sentence in `why`.
static result refuse(struct text *why, const char *field, const char *problem) {
    if (why != NULL)
        text_addf(why, "%s %s", field, problem);
    FAIL(INVALID, "the body is not a Stripe event");
}

static bool is_plain(bytes b) {
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] < ' ' || b.p[i] == 0x7f)
            return false;
    return true;
}

// A string of 1 to EVENT_ID_MAX bytes without control characters.
static result read_name(json root, const char *field, bytes *out, struct text *why) {
    json v = json_get(root, field);
    if (json_type(v) != JSON_STRING)
        return refuse(why, field, "is not a string");
    *out = json_string(v);
    if (out->n == 0 || out->n > EVENT_ID_MAX)
        return refuse(why, field, "is not 1 to 255 bytes long");
    if (!is_plain(*out))
        return refuse(why, field, "holds control characters");
    return OK;
}

static result read_optional_name(json root, const char *field, bytes *out, struct text *why) {
    enum json_type type = json_type(json_get(root, field));
    if (type == JSON_ABSENT || type == JSON_NULL)
        return OK;
    return read_name(root, field, out, why);
}

static result read_object(json root, struct event *out, struct text *why) {
    if (json_type(root) != JSON_OBJECT)
        return refuse(why, "the body", "is not a JSON object");
    static const char *const once[] = {"id", "object", "type", "created", "livemode"};
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++)
        if (json_has_twice(root, once[i]))
            return refuse(why, once[i], "stands there twice");
    bytes object = json_string(json_get(root, "object"));
    out->thin = bytes_equal(object, B("v2.core.event"));
    if (!out->thin && !bytes_equal(object, B("event")))
        return refuse(why, "object", "is neither event nor v2.core.event");
    return OK;
}

static result read_created(json root, struct event *out, struct text *why) {
    json v = json_get(root, "created");
    if (!out->thin) {
        if (json_i64(v, &out->created) != OK)
            return refuse(why, "created", "is not an integer");
        return OK;
    }
    bytes written = json_string(v);
    int64_t ms;
    if (written.n <= sizeof "2026-11-23" - 1 || text_parse_time(written, &ms) != OK)
        return refuse(why, "created", "is not an RFC 3339 date and time");
    out->created = ms / 1000 - (ms % 1000 < 0);
    return OK;
}

static void read_request(json request, struct event *out) {
    out->request_id = json_string(json_get(request, "id"));
    out->idempotency_key = json_string(json_get(request, "idempotency_key"));
}

static result read_snapshot(json root, struct event *out, struct text *why) {
    TRY(read_optional_name(root, "account", &out->account, why));
    out->api_version = json_string(json_get(root, "api_version"));
    json object = json_get(json_get(root, "data"), "object");
    out->object_id = json_string(json_get(object, "id"));
    out->object_type = json_string(json_get(object, "object"));
    json request = json_get(root, "request");
    read_request(request, out);
    if (json_type(request) == JSON_STRING) // before 2017-05-25
        out->request_id = json_string(request);
    return OK;
}

static bytes last_account(bytes context) {
    bytes account = NO_BYTES;
    while (context.n > 0) {
        bytes segment = bytes_cut(&context, '/');
        if (bytes_starts(segment, B("acct_")))
            account = segment;
    }
    return account;
}

static void read_thin(json root, struct event *out) {
    out->account = last_account(out->context);
    json related = json_get(root, "related_object");
    out->object_id = json_string(json_get(related, "id"));
    out->object_type = json_string(json_get(related, "type"));
    read_request(json_get(json_get(root, "reason"), "request"), out);
    out->snapshot_id = json_string(json_get(root, "snapshot_event"));
}

static result read_event(json root, struct event *out, struct text *why) {
    TRY(read_object(root, out, why));
    TRY(read_name(root, "id", &out->id, why));
    TRY(read_name(root, "type", &out->type, why));
    TRY(read_created(root, out, why));
    json livemode = json_get(root, "livemode");
    if (json_type(livemode) != JSON_BOOL)
        return refuse(why, "livemode", "is not true or false");
    out->livemode = json_true(livemode);
    TRY(read_optional_name(root, "context", &out->context, why));
    if (!out->thin)
        return read_snapshot(root, out, why);
    read_thin(root, out);
    return OK;
}

result event_parse(bytes body, struct event *out, struct text *why) {
    *out = (struct event){0};
    OWN(event_drop)
    struct event e = {0};
    result parsed = json_parse(body, &e.doc);
    if (parsed != OK) {
        if (why != NULL)
            text_addf(why, "%s", parsed->text);
        return parsed;
    }
    TRY(read_event(json_root(e.doc), &e, why));
    *out = e;
    e.doc = NULL;
    return OK;
}

void event_drop(struct event *e) {
    json_close(&e->doc);
    *e = (struct event){0};
}
