// SPDX-License-Identifier: MIT
#include "intake/sources.h"

#include <stdlib.h>

#include "base/memory.h"
#include "rules/record.h"

bytes sources_encode_head(struct sources *s, const struct source *source, size_t secret,
                          int64_t signed_at, bytes body) {
    const struct plan_source *p = source->plan;
    enum mode livemode;
    // Neither takes what the other refuses; config refuses two that exclude each other.
    if (!mode_narrow(p->livemode, p->secrets[secret].livemode, &livemode))
        livemode = p->livemode;
    struct receipt_record record = {
        .source = p->path,
        .owner = p->owner,
        .secret_label = p->secrets[secret].label,
        .secret_scope = p->secrets[secret].scope,
        .livemode = livemode,
        .signed_at = signed_at,
        .body = body,
    };
    text_reset(&s->scratch);
    receipt_encode_head(&record, &s->scratch);
    return text_bytes(&s->scratch);
}

static const struct source_secrets *find_secrets(const struct source_secrets *secrets, size_t n,
                                                 bytes path) {
    for (size_t i = 0; i < n; i++)
        if (bytes_equal(secrets[i].path, path))
            return &secrets[i];
    return NULL;
}

static result open_source(struct sources *s, struct source *source,
                          const struct source_secrets *secrets, struct secret_uses *uses) {
    NEED(secrets != NULL && secrets->count == source->plan->secret_count, INVALID,
         "a source and its secrets do not belong together");
    NEED(secrets->count > 0 && secrets->count <= SECRETS_MAX, INVALID,
         "a source has no secret, or too many");
    source->ring = signature_ring_open(secrets->keys, secrets->count);
    source->use = source_uses_take(uses, source->plan->path);
    source->uses = NEW_ARRAY(struct secret_use *, secrets->count);
    for (size_t i = 0; i < secrets->count; i++) {
        const struct plan_secret *secret = &source->plan->secrets[i];
        signature_ring_limit(source->ring, i, secret->not_before_s, secret->not_after_s);
        source->uses[i] = secret_uses_take(uses, source->plan->path, secret->label);
        size_t n = sources_encode_head(s, source, i, 0, NO_BYTES).n;
        source->head_room = n > source->head_room ? n : source->head_room;
    }
    return OK;
}

static void drop_sources(struct sources **s) { sources_drop(*s); }

result sources_open(const struct plan *plan, const struct source_secrets *secrets, size_t n,
                    struct secret_uses *uses, struct sources **out) {
    *out = NULL;
    OWN(drop_sources)
    struct sources *s = NEW(struct sources);
    s->holds = 1;
    TRY(plan_read(plan->json, plan->generation, &s->plan));
    s->list = NEW_ARRAY(struct source, s->plan->source_count);
    s->count = s->plan->source_count;
    for (size_t i = 0; i < s->count; i++) {
        s->list[i].plan = &s->plan->sources[i];
        TRY(open_source(s, &s->list[i], find_secrets(secrets, n, s->list[i].plan->path), uses));
    }
    *out = s;
    s = NULL;
    return OK;
}

struct sources *sources_hold(struct sources *s) {
    s->holds++;
    return s;
}

void sources_drop(struct sources *s) {
    if (s == NULL || --s->holds > 0)
        return;
    for (size_t i = 0; i < s->count; i++) {
        signature_ring_close(s->list[i].ring);
        free(s->list[i].uses);
    }
    free(s->list);
    plan_free(s->plan);
    text_drop(&s->scratch);
    free(s);
}

const struct source *sources_find(const struct sources *s, bytes path) {
    for (size_t i = 0; i < s->count; i++)
        if (bytes_equal(s->list[i].plan->path, path))
            return &s->list[i];
    return NULL;
}
