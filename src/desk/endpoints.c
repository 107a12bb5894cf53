// SPDX-License-Identifier: MIT
#include "desk/endpoints.h"

#include <string.h>

#include "base/memory.h"
#include "base/seal.h"
#include "desk/v1.h"

#define SECRET_PREFIX "whsec_"
#define SECRET_RANDOM 32

void endpoint_add_text(struct text *out, const char *key, bytes value) {
    text_addf(out, ",\"%s\":", key);
    if (value.n > 0)
        text_add_json(out, value);
    else
        text_adds(out, "null");
}

static bool is_unset(json v) {
    return json_type(v) == JSON_NULL || (json_type(v) == JSON_STRING && json_string(v).n == 0);
}

static void add_metadata(json metadata, bool unsets, struct text *out) {
    bytes key;
    json v;
    text_addc(out, '{');
    for (size_t at = 0, n = 0; json_member(metadata, &at, &key, &v);) {
        if (is_unset(v) && !unsets)
            continue;
        text_adds(out, n++ > 0 ? "," : "");
        text_add_json(out, key);
        text_addc(out, ':');
        if (is_unset(v))
            text_adds(out, "null");
        else
            json_write(v, out);
    }
    text_addc(out, '}');
}

void endpoint_set_metadata(json metadata, struct text *out) {
    if (json_type(metadata) == JSON_ABSENT)
        return;
    text_adds(out, "\"metadata\":");
    if (is_unset(metadata))
        text_adds(out, "null");
    else
        add_metadata(metadata, true, out);
}

// A new secret, sealed for this id.
static void seal_secret(const struct ask *a, bytes id, struct text *out) {
    char secret[sizeof SECRET_PREFIX + SECRET_RANDOM] = SECRET_PREFIX;
    uint8_t nonce[SEAL_NONCE_SIZE];
    struct clock *clock = a->desk->o.clock;
    clock_token(clock, secret + sizeof SECRET_PREFIX - 1, SECRET_RANDOM);
    clock->entropy(clock, nonce, sizeof nonce);
    seal_close(a->desk->o.sealing_key, nonce, id, bytes_from(secret, sizeof secret - 1), out);
    memory_wipe(secret, sizeof secret);
}

void endpoint_make(struct ask *a, const struct endpoint *e, json metadata, const char *prefix,
                   void (*then)(struct ask *a)) {
    OWN(text_drop)
    struct text sealed = {0}, kept = {0};
    char id[4 + ENDPOINT_ID_RANDOM] = "";
    int64_t now_ms = clock_wall_ms(a->desk->o.clock);
    struct endpoint made = *e;
    memcpy(id, prefix, 3);
    clock_token(a->desk->o.clock, id + 3, ENDPOINT_ID_RANDOM);
    made.id = bytes_from(id, 3 + ENDPOINT_ID_RANDOM);
    seal_secret(a, made.id, &sealed);
    add_metadata(metadata, false, &kept);
    made.livemode = key_mode_live(a->caller.mode);
    made.enabled = true;
    made.metadata = text_bytes(&kept);
    made.created_s = now_ms / 1000;
    made.updated_ms = now_ms;
    made.sealed = text_bytes(&sealed);
    a->tells_secret = true;
    ask_command_begin(a, COMMAND_ENDPOINT_CREATE);
    text_adds(&a->payload, ",\"endpoint\":");
    endpoint_write(&made, &a->payload);
    v1_command_post(a, then);
}

static void name(struct ask *a, enum command c) {
    ask_command_begin(a, c);
    text_adds(&a->payload, ",\"id\":");
    text_add_json(&a->payload, a->arg);
    text_addf(&a->payload, ",\"livemode\":%s", key_mode_live(a->caller.mode) ? "true" : "false");
}

void endpoint_change(struct ask *a, bytes set, void (*then)(struct ask *a)) {
    name(a, COMMAND_ENDPOINT_UPDATE);
    text_adds(&a->payload, ",\"set\":");
    text_add(&a->payload, set);
    v1_command_post(a, then);
}

void endpoint_remove(struct ask *a, void (*then)(struct ask *a)) {
    name(a, COMMAND_ENDPOINT_DELETE);
    v1_command_post(a, then);
}

void endpoint_answer_drop(struct endpoint_answer *e) {
    if (e->secret.p != NULL)
        memory_wipe(e->secret.p, e->secret.cap);
    text_drop(&e->secret);
}

bool endpoint_answer_read(struct ask *a, struct endpoint_answer *out) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    result read = json_parse(text_bytes(&a->out), &doc);
    text_reset(&a->out);
    if (read == OK)
        read = endpoint_read(json_get(json_root(doc), "endpoint"), &a->memory, &out->endpoint);
    if (read == OK && a->command == COMMAND_ENDPOINT_CREATE)
        read =
            seal_open(a->desk->o.sealing_key, out->endpoint.id, out->endpoint.sealed, &out->secret);
    if (read == OK)
        return true;
    v1_fail(a, API_ERROR_INTERNAL, NULL,
            "The endpoint is in the books, and its secret cannot be told: it was sealed with "
            "another key than that beside the ledger. Make another one.");
    return false;
}
