// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/memory.h"
#include "desk/answers.h"
#include "desk/listen_poll.h"
#include "desk/params.h"
#include "desk/tail.h"

#define NAME_MAX_BYTES 128

static void list_work(struct ask *a, struct reader *r) {
    result read = reader_keys(r, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "no keys");
}

void keys_list(struct ask *a) { ask_query(a, list_work, ask_send); }

// The only time that a key is told.
static void created(struct ask *a) {
    char id[DESK_KEY_ID_MAX];
    desk_key_id(bytes_of(a->key), id);
    text_reset(&a->out);
    text_addf(&a->out, "{\"ok\":true,\"id\":\"%s\",\"name\":", id);
    text_add_json(&a->out, json_string(field(a, "name")));
    text_addf(&a->out, ",\"mode\":\"%.*s\",\"key\":\"%s\"}",
              BYTES_ARG(json_string(field(a, "mode"))), a->key);
    memory_wipe(a->key, sizeof a->key);
    ask_send(a);
}

void keys_create(struct ask *a) {
    enum key_mode mode = key_mode_find(json_string(field(a, "mode")));
    json name = field(a, "name");
    if (mode == KEY_MODES) {
        ask_refuse(a, 400,
                   "`mode` is missing or unknown; operator, viewer, test, live, test_read_only or "
                   "live_read_only is expected");
        return;
    }
    if ((json_type(name) != JSON_ABSENT && json_type(name) != JSON_STRING) ||
        json_string(name).n > NAME_MAX_BYTES) {
        ask_fail(a, 400, "`name` is a text of at most %d bytes, or absent", NAME_MAX_BYTES);
        ask_send(a);
        return;
    }
    if (a->idempotency_key.n > 0) {
        ask_refuse(a, 400, "a key is told once, so that making one takes no Idempotency-Key");
        return;
    }
    a->tells_secret = true;
    desk_key_new(a->desk->o.clock, mode, a->key);
    ask_command_begin(a, COMMAND_KEY_CREATE);
    text_reset(&a->payload);
    desk_key_command(bytes_of(a->key), json_string(name), bytes_of(a->caller.id), &a->payload);
    ask_payload_post(a, created);
}

static void revoked(struct ask *a) {
    auth_forget(&a->desk->keys);
    ask_hold(a);
    ask_send(a);
    tails_end(a->desk, a->arg);
    polls_end(a->desk, a->arg);
    listeners_end(a->desk, a->arg);
    ask_release(a);
}

void keys_revoke(struct ask *a) {
    ask_command_begin(a, COMMAND_KEY_REVOKE);
    text_adds(&a->payload, ",\"id\":");
    text_add_json(&a->payload, a->arg);
    ask_command_post(a, revoked);
}
