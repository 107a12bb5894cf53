// SPDX-License-Identifier: MIT
#include "stripe/event.h"

#include "base/text.h"

static result refuse(struct event_fault *why, const char *field, const char *problem) {
    *why = (struct event_fault){field, problem};
    FAIL(INVALID, "the body is not a Stripe event");
}

static bool is_plain(bytes b) {
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] < ' ' || b.p[i] == 0x7f)
            return false;
    return true;
}

// The members of the root that are read, in one walk. Those that decide must not stand there twice:
// another reader might take the other.
#define MEMBERS(X)                                                                                 \
    X(ID, "id", true)                                                                              \
    X(OBJECT, "object", true)                                                                      \
    X(TYPE, "type", true)                                                                          \
    X(CREATED, "created", true)                                                                    \
    X(LIVEMODE, "livemode", true)                                                                  \
    X(ACCOUNT, "account", false)                                                                   \
    X(API_VERSION, "api_version", false)                                                           \
    X(CONTEXT, "context", false)                                                                   \
    X(DATA, "data", false)                                                                         \
    X(REQUEST, "request", false)                                                                   \
    X(RELATED_OBJECT, "related_object", false)                                                     \
    X(REASON, "reason", false)                                                                     \
    X(SNAPSHOT_EVENT, "snapshot_event", false)

enum member {
#define X(id, name, once) M_##id,
    MEMBERS(X)
#undef X
        MEMBER_COUNT
};
_Static_assert(MEMBER_COUNT <= JSON_PICK_MAX, "one walk finds them all");
static const bytes member_names[MEMBER_COUNT] = {
#define X(id, name, once) BYTES_INIT(name),
    MEMBERS(X)
#undef X
};
static const bool member_once[MEMBER_COUNT] = {
#define X(id, name, once) once,
    MEMBERS(X)
#undef X
};

static const char *member_name(enum member m) { return (const char *)member_names[m].p; }

// A string of 1 to EVENT_ID_MAX bytes without control characters.
static result read_name(const json *root, enum member m, bytes *out, struct event_fault *why) {
    if (json_type(root[m]) != JSON_STRING)
        return refuse(why, member_name(m), "is not a string");
    *out = json_string(root[m]);
    if (out->n == 0 || out->n > EVENT_ID_MAX)
        return refuse(why, member_name(m), "is not 1 to 255 bytes long");
    if (!is_plain(*out))
        return refuse(why, member_name(m), "holds control characters");
    return OK;
}

static result read_optional_name(const json *root, enum member m, bytes *out,
                                 struct event_fault *why) {
    enum json_type type = json_type(root[m]);
    if (type == JSON_ABSENT || type == JSON_NULL)
        return OK;
    return read_name(root, m, out, why);
}

static result read_members(json v, json *root, struct event *out, struct event_fault *why) {
    if (json_type(v) != JSON_OBJECT)
        return refuse(why, "the body", "is not a JSON object");
    uint32_t twice = json_pick(v, member_names, MEMBER_COUNT, root);
    for (size_t i = 0; i < MEMBER_COUNT && twice != 0; i++)
        if (member_once[i] && (twice >> i & 1) != 0)
            return refuse(why, member_name((enum member)i), "stands there twice");
    bytes object = json_string(root[M_OBJECT]);
    out->thin = bytes_equal(object, B("v2.core.event"));
    if (!out->thin && !bytes_equal(object, B("event")))
        return refuse(why, "object", "is neither event nor v2.core.event");
    return OK;
}

static result read_created(json v, struct event *out, struct event_fault *why) {
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

// Two strings of an object.
static void read_two(json object, bytes first, bytes *a, bytes second, bytes *b) {
    json out[2];
    json_pick(object, (bytes[]){first, second}, 2, out);
    *a = json_string(out[0]);
    *b = json_string(out[1]);
}

static void read_request(json request, struct event *out) {
    read_two(request, B("id"), &out->request_id, B("idempotency_key"), &out->idempotency_key);
}

static result read_snapshot(const json *root, struct event *out, struct event_fault *why) {
    TRY(read_optional_name(root, M_ACCOUNT, &out->account, why));
    out->api_version = json_string(root[M_API_VERSION]);
    json object = json_get(root[M_DATA], "object");
    out->object_id = json_string(json_get(object, "id"));
    out->object_type = json_string(json_get(object, "object"));
    read_request(root[M_REQUEST], out);
    if (json_type(root[M_REQUEST]) == JSON_STRING) // before 2017-05-25
        out->request_id = json_string(root[M_REQUEST]);
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

static void read_thin(const json *root, struct event *out) {
    out->account = last_account(out->context);
    read_two(root[M_RELATED_OBJECT], B("id"), &out->object_id, B("type"), &out->object_type);
    read_request(json_get(root[M_REASON], "request"), out);
    out->snapshot_id = json_string(root[M_SNAPSHOT_EVENT]);
}

static result read_event(json v, struct event *out, struct event_fault *why) {
    json root[MEMBER_COUNT];
    TRY(read_members(v, root, out, why));
    TRY(read_name(root, M_ID, &out->id, why));
    TRY(read_name(root, M_TYPE, &out->type, why));
    TRY(read_created(root[M_CREATED], out, why));
    if (json_type(root[M_LIVEMODE]) != JSON_BOOL)
        return refuse(why, "livemode", "is not true or false");
    out->livemode = json_true(root[M_LIVEMODE]);
    TRY(read_optional_name(root, M_CONTEXT, &out->context, why));
    if (!out->thin)
        return read_snapshot(root, out, why);
    read_thin(root, out);
    return OK;
}

result event_read(struct json_doc *doc, struct event *out, struct event_fault *fault) {
    *out = (struct event){0};
    OWN(event_drop)
    struct event e = {.doc = doc};
    TRY(read_event(json_root(doc), &e, fault));
    *out = e;
    e.doc = NULL;
    return OK;
}

void event_drop(struct event *e) {
    json_close(&e->doc);
    *e = (struct event){0};
}
