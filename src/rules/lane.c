// SPDX-License-Identifier: MIT
#include "rules/lane.h"

#include <string.h>

#include "base/digest.h"
#include "base/json.h"

static const char *const orders[] = {"none", "object", "customer", "account", "destination"};
static const char *const failures[] = {"block", "park", "skip"};

const char *lane_order_name(enum lane_order o) { return orders[o]; }
const char *lane_failure_name(enum lane_failure f) { return failures[f]; }

static result find(const char *const *names, size_t n, bytes b, size_t *out) {
    for (*out = 0; *out < n; ++*out)
        if (bytes_equal(bytes_of(names[*out]), b))
            return OK;
    FAIL(INVALID, "it is none of the words for lanes");
}

result lane_order_parse(bytes b, enum lane_order *out) {
    size_t i;
    TRY(find(orders, sizeof orders / sizeof *orders, b, &i));
    *out = (enum lane_order)i;
    return OK;
}

result lane_failure_parse(bytes b, enum lane_failure *out) {
    size_t i;
    TRY(find(failures, sizeof failures / sizeof *failures, b, &i));
    *out = (enum lane_failure)i;
    return OK;
}

// An id, or the object that it stands for.
static bytes id_of(json v) {
    return json_type(v) == JSON_OBJECT ? json_string(json_get(v, "id")) : json_string(v);
}

static void add_customer(json object, struct text *out) {
    bytes id = id_of(json_get(object, "customer"));
    if (id.n == 0 && json_equals_text(json_get(object, "object"), B("customer")))
        id = json_string(json_get(object, "id"));
    text_add(out, id);
}

// What the lane goes by; empty: nothing.
static void add_key(enum lane_order order, const struct lane_event *e, struct text *out) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    switch (order) {
    case LANE_NONE: return;
    case LANE_OBJECT: text_add(out, e->object_id); return;
    case LANE_ACCOUNT: text_add(out, e->account.n > 0 ? e->account : B("platform")); return;
    case LANE_DESTINATION: text_adds(out, "all"); return;
    case LANE_CUSTOMER:
        if (json_parse(e->body, &doc) == OK)
            add_customer(json_path(json_root(doc), B("data.object")), out);
        return;
    }
}

int64_t lane_of(enum lane_order order, const struct lane_event *e) {
    OWN(text_drop)
    struct text key = {0};
    add_key(order, e, &key);
    if (key.n == 0)
        return 0;
    // Of different accounts, objects may have the same id; all of a destination is one lane.
    if (order != LANE_DESTINATION)
        text_addf(&key, "\n%.*s\n%.*s\n%d", BYTES_ARG(e->owner), BYTES_ARG(e->account),
                  e->livemode);
    uint8_t hash[XXH3_SIZE];
    uint64_t lane = 0;
    digest_xxh3(text_bytes(&key), 0, hash);
    memcpy(&lane, hash, sizeof lane);
    lane &= INT64_MAX;
    return lane == 0 ? 1 : (int64_t)lane;
}

enum lane_verdict lane_failed(const struct lane_rule *rule, uint32_t failed) {
    if (rule->on_failure == LANE_SKIP)
        return LANE_LEAVES;
    return rule->on_failure == LANE_PARK && failed >= rule->park_after ? LANE_PARKS : LANE_WAITS;
}
