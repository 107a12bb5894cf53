// SPDX-License-Identifier: MIT
// Sessions of meter events (https://docs.stripe.com/api/v2/billing/meter-event-stream): their token
// is sent in the place of the key that asked for it.
#include <string.h>

#include "desk/twin_inner.h"

#define SESSION_PATH B("/v2/billing/meter_event_session")
#define STREAM_PATH B("/v2/billing/meter_event_stream")

static void hash_of(bytes token, uint8_t out[SHA256_SIZE]) { digest_sha256(&token, 1, out); }

void twin_session_keep(struct twin_desk *t, const struct ask *a) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (a->status != 200 || !bytes_equal(a->path, SESSION_PATH) ||
        json_parse(text_bytes(&a->out), &doc) != OK)
        return;
    bytes token = json_string(json_get(json_root(doc), "authentication_token"));
    if (token.n == 0)
        return;
    struct twin_session *s = &t->sessions[t->session_next];
    t->session_next = (t->session_next + 1) % TWIN_SESSIONS;
    hash_of(token, s->hash);
    s->caller = a->caller;
    s->until_us = clock_mono_us(t->desk->o.clock) + TWIN_SESSION_US;
}

void twin_session_read(const struct twin_desk *t, const struct http_request *r,
                       struct caller *caller) {
    bytes value;
    uint8_t hash[SHA256_SIZE];
    if (caller->has_key || !bytes_equal(r->path, STREAM_PATH) ||
        !http_header_get(r, "Authorization", &value, NULL) ||
        !bytes_equal_nocase(bytes_cut(&value, ' '), B("Bearer")))
        return;
    hash_of(bytes_trim(value), hash);
    int64_t now_us = clock_mono_us(t->desk->o.clock);
    for (size_t i = 0; i < TWIN_SESSIONS; i++) {
        const struct twin_session *s = &t->sessions[i];
        if (s->until_us > now_us &&
            bytes_equal_secret(bytes_from(s->hash, SHA256_SIZE), bytes_from(hash, SHA256_SIZE)))
            *caller = s->caller;
    }
}
