// SPDX-License-Identifier: MIT
// /api/twin: an operator looks at the twin and changes it.
#include <stdlib.h>

#include "base/memory.h"
#include "desk/answers.h"
#include "desk/params.h"
#include "desk/twin_inner.h"
#include "port/log.h"

// The twin; null: it was answered that there is none.
static struct twin_desk *the_twin(struct ask *a) {
    if (a->desk->twin == NULL)
        ask_refuse(a, 404,
                   "the twin is off; `twin: {enabled: true}` in the configuration turns it on");
    return a->desk->twin;
}

static void told(struct ask *a, const char *what) {
    log_event(LOG_TWIN_CHANGED, log_s("what", what), log_s("key", a->caller.id));
    twin_changed(a->desk->twin);
}

static void add_endpoint(const struct twin_endpoint *e, struct text *out) {
    size_t waiting = e->line.n + (e->under_way != NULL);
    LIST_EACH(it, &e->held)
    waiting++;
    text_adds(out, "{\"source\":");
    text_add_json(out, text_bytes(&e->source));
    text_adds(out, ",\"api_version\":");
    text_add_json(out, text_bytes(&e->api_version));
    text_addf(out, ",\"waiting\":%zu,\"taken\":%llu,\"failed\":%llu,\"given_up\":%llu,\"next_ms\":",
              waiting, (unsigned long long)e->taken, (unsigned long long)e->failed,
              (unsigned long long)e->given_up);
    const struct twin_post *first = heap_first(&e->line);
    if (first != NULL)
        text_add_i64(out, first->due_ms);
    else
        text_adds(out, "null");
    text_addc(out, '}');
}

static void answer(struct ask *a, const struct twin_desk *t) {
    struct twin_counts n = twin_counts(t->world);
    OWN(text_drop)
    struct text chaos = {0};
    twin_chaos_write(&t->chaos, &chaos);
    int64_t next_ms = twin_next_ms(t->world);
    text_addf(&a->out, "{\"now_ms\":%lld,\"speed\":%u,\"next_ms\":", (long long)twin_now(t),
              t->clock.speed);
    if (next_ms == INT64_MAX)
        text_adds(&a->out, "null");
    else
        text_add_i64(&a->out, next_ms);
    text_addf(&a->out,
              ",\"objects\":%zu,\"events\":%llu,\"waiting\":%zu,\"chaos\":\"%s\",\"file\":",
              n.objects, (unsigned long long)n.events, t->waiting, text_str(&chaos));
    text_add_json(&a->out, bytes_of(t->file));
    text_adds(&a->out, ",\"endpoints\":[");
    LIST_EACH(it, &t->endpoints) {
        text_adds(&a->out, it == t->endpoints.next ? "" : ",");
        add_endpoint(CONTAINER(it, struct twin_endpoint, link), &a->out);
    }
    text_adds(&a->out, "]}");
    ask_send(a);
}

void twin_status(struct ask *a) {
    const struct twin_desk *t = the_twin(a);
    if (t != NULL)
        answer(a, t);
}

void twin_reset_all(struct ask *a) {
    struct twin_desk *t = the_twin(a);
    if (t == NULL)
        return;
    twin_reset(t->world);
    twin_lines_drop(t);
    told(a, "reset");
    twin_send(t, NULL);
    answer(a, t);
}

void twin_snapshot(struct ask *a) {
    const struct twin_desk *t = the_twin(a);
    if (t == NULL)
        return;
    a->out.max = TWIN_FILE_MAX;
    twin_document(t, &a->out);
    ask_send(a);
}

void twin_load_all(struct ask *a) {
    struct twin_desk *t = the_twin(a);
    OWN(text_drop)
    struct text why = {0};
    if (t == NULL)
        return;
    if (twin_restore(t, text_bytes(&a->body), &why) != OK) {
        ask_fail(a, 400,
                 "the document cannot be loaded: %s; expected what `hookkeep twin snapshot` wrote; "
                 "nothing was changed",
                 text_str(&why));
        ask_send(a);
        return;
    }
    told(a, "load");
    twin_send(t, NULL);
    answer(a, t);
}

void twin_set_clock(struct ask *a) {
    struct twin_desk *t = the_twin(a);
    json speed = field(a, "speed"), advance = field(a, "advance");
    int64_t fast = 0, ms = 0;
    if (t == NULL)
        return;
    if (json_type(speed) != JSON_ABSENT &&
        (json_i64(speed, &fast) != OK || fast < 0 || fast > TWIN_SPEED_MAX)) {
        ask_fail(a, 400, "`speed` is a whole number from 0 to %d, or absent", TWIN_SPEED_MAX);
        ask_send(a);
        return;
    }
    if (json_type(advance) != JSON_ABSENT && text_parse_duration(json_string(advance), &ms) != OK) {
        ask_refuse(a, 400, "`advance` is a duration, as \"3d\" or \"90m\", or absent");
        return;
    }
    int64_t mono_us = clock_mono_us(a->desk->o.clock);
    if (json_type(speed) != JSON_ABSENT)
        twin_clock_set_speed(&t->clock, (uint32_t)fast, mono_us);
    twin_clock_advance(&t->clock, ms, mono_us);
    told(a, "clock");
    twin_send(t, NULL);
    answer(a, t);
}

void twin_set_chaos(struct ask *a) {
    struct twin_desk *t = the_twin(a);
    json said = field(a, "faults");
    OWN(text_drop)
    struct text why = {0};
    if (t == NULL)
        return;
    if (json_type(said) != JSON_STRING)
        ask_refuse(a, 400,
                   "`faults` is a text: none, or what goes wrong, as \"duplicate=10, drop=5\"");
    else if (twin_chaos_read(json_string(said), &t->chaos, &why) != OK) {
        ask_fail(a, 400, "`faults`: %s", text_str(&why));
        ask_send(a);
    } else {
        told(a, "chaos");
        answer(a, t);
    }
}
