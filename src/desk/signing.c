// SPDX-License-Identifier: MIT
#include "desk/signing.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/metrics.h"
#include "desk/answers.h"
#include "desk/params.h"
#include "port/log.h"
#include "stripe/event.h"
#include "stripe/signature.h"

static bytes own_copy(bytes b) { return bytes_of(bytes_strdup(b)); }
static void free_copy(bytes b) { free((void *)(uintptr_t)b.p); }

static void open_signer(const struct desk_source *from, struct signer *out) {
    *out = (struct signer){
        .path = own_copy(from->path),
        .livemode = from->livemode,
        .keys = NEW_ARRAY(struct signer_key, from->secret_count + 1),
        .key_count = from->secret_count,
    };
    for (size_t i = 0; i < from->secret_count; i++) {
        out->keys[i].says = from->secrets[i].says;
        hmac_key_init(&out->keys[i].key, from->secrets[i].key);
        out->keys[i].says.label = own_copy(from->secrets[i].says.label);
    }
}

struct signing *signing_open(const struct desk_source *sources, size_t n) {
    struct signing *s = NEW(struct signing);
    *s = (struct signing){
        .mail.kind = DESK_SOURCES, .count = n, .signers = NEW_ARRAY(struct signer, n + 1)};
    for (size_t i = 0; i < n; i++)
        open_signer(&sources[i], &s->signers[i]);
    return s;
}

void signing_close(struct signing *s) {
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++) {
        struct signer *one = &s->signers[i];
        for (size_t k = 0; k < one->key_count; k++) {
            hmac_key_wipe(&one->keys[k].key);
            free_copy(one->keys[k].says.label);
        }
        free(one->keys);
        free_copy(one->path);
    }
    free(s->signers);
    free(s);
}

const struct signer *signing_find(const struct signing *s, bytes path) {
    if (path.n == 0)
        return s->count == 1 ? &s->signers[0] : NULL;
    for (size_t i = 0; i < s->count; i++)
        if (bytes_equal(s->signers[i].path, path))
            return &s->signers[i];
    return NULL;
}

const struct signer_key *signer_key_for(const struct signer *s, bool has_account, bool livemode,
                                        int64_t now_s) {
    const enum scope order[] = {has_account ? SCOPE_CONNECT : SCOPE_ACCOUNT, SCOPE_ANY};
    for (size_t o = 0; o < 2; o++)
        for (size_t k = 0; k < s->key_count; k++) {
            const struct plan_secret *says = &s->keys[k].says;
            if (says->scope == order[o] && mode_fits(says->livemode, livemode) &&
                secret_in_force(says, now_s))
                return &s->keys[k];
        }
    return NULL;
}

// --- POST /api/sign

static void refuse_source(struct ask *a, bytes asked) {
    const struct signing *s = a->desk->signing;
    OWN(text_drop)
    struct text paths = {0};
    for (size_t i = 0; i < s->count; i++)
        text_addf(&paths, "%s%.*s", i > 0 ? ", " : "", BYTES_ARG(s->signers[i].path));
    if (asked.n > 0)
        ask_fail(a, 404, "there is no source %.*s; there are: %s", BYTES_ARG(ask_short(asked)),
                 s->count > 0 ? text_str(&paths) : "none");
    else
        ask_fail(a, s->count > 0 ? 409 : 404,
                 "there are %zu sources, so that one has to be named: %s", s->count,
                 s->count > 0 ? text_str(&paths) : "none");
}

// Its key; null when it was refused.
static const struct signer_key *judge(struct ask *a, const struct signer *s,
                                      const struct event *e) {
    bool has_account = e->account.n > 0;
    if (!mode_fits(s->livemode, e->livemode)) {
        ask_fail(a, 409,
                 "the source %.*s takes %s events, and this is a %s one; name another source, or "
                 "make the event %s",
                 BYTES_ARG(ask_short(s->path)), mode_name(s->livemode),
                 e->livemode ? "live" : "test", e->livemode ? "a test event" : "live");
        return NULL;
    }
    const struct signer_key *key =
        signer_key_for(s, has_account, e->livemode, clock_wall_ms(a->desk->o.clock) / 1000);
    if (key == NULL)
        ask_fail(a, 409,
                 "the source %.*s has no secret in force for %s %s; its configuration needs one of "
                 "scope %s",
                 BYTES_ARG(ask_short(s->path)), e->livemode ? "live" : "test",
                 has_account ? "events of connected accounts" : "events of the account's own",
                 has_account ? "connect" : "account");
    return key;
}

static void answer(struct ask *a, const struct signer *s, const struct signer_key *key,
                   const struct event *e, bytes body) {
    text_adds(&a->out, "{\"id\":");
    text_add_json(&a->out, e->id);
    text_adds(&a->out, ",\"source\":");
    text_add_json(&a->out, s->path);
    text_adds(&a->out, ",\"secret\":");
    text_add_json(&a->out, key->says.label);
    text_addf(&a->out, ",\"addresses\":%s,\"signature\":\"", text_str(&a->desk->addresses));
    signature_sign(&key->key, clock_wall_ms(a->desk->o.clock) / 1000, body, &a->out);
    text_adds(&a->out, "\"}");
    metric_add(METRIC_SIGNED, 1);
    log_event(LOG_SIGNED, log_b("id", e->id), log_b("type", e->type), log_b("source", s->path),
              log_b("secret", key->says.label), log_s("key", a->caller.id));
}

void signing_sign(struct ask *a) {
    json body = field(a, "body"), source = field(a, "source");
    OWN(event_drop)
    struct event e = {0};
    OWN(text_drop)
    struct text why = {0};
    if (json_type(source) != JSON_ABSENT && json_type(source) != JSON_STRING) {
        ask_fail(a, 400, "`source` is the path of a source, or absent");
    } else if (json_type(body) != JSON_STRING) {
        ask_fail(a, 400, "`body` is missing; an event's bytes as a text are expected");
    } else if (event_parse(json_string(body), &e, &why) != OK) {
        ask_fail(a, 400, "`body` is no event: %s", text_str(&why));
    } else {
        const struct signer *s = signing_find(a->desk->signing, json_string(source));
        const struct signer_key *key = s == NULL ? NULL : judge(a, s, &e);
        if (s == NULL)
            refuse_source(a, json_string(source));
        else if (key != NULL)
            answer(a, s, key, &e, json_string(body));
    }
    ask_send(a);
}
