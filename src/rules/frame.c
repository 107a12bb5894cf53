// SPDX-License-Identifier: MIT
#include "rules/frame.h"

void frame_event_write(const struct frame_event *e, struct text *out) {
    text_adds(out, "{\"delivery\":");
    text_add_u64(out, e->delivery);
    text_addf(out, ",\"attempt\":%u,\"destination\":", e->attempt);
    text_add_json(out, e->destination);
    text_adds(out, ",\"event\":");
    text_add_json(out, e->event);
    text_adds(out, ",\"type\":");
    text_add_json(out, e->type);
    text_adds(out, ",\"account\":");
    if (e->account.n > 0)
        text_add_json(out, e->account);
    else
        text_adds(out, "null");
    text_addf(out, ",\"livemode\":%s,\"payload\":", e->livemode ? "true" : "false");
    text_add_json(out, e->payload);
    text_adds(out, "}\n");
}

result frame_event_read(bytes line, struct frame_event *out, struct json_doc **doc) {
    int64_t delivery, attempt;
    *out = (struct frame_event){0};
    TRY(json_parse(line, doc));
    json root = json_root(*doc), payload = json_get(root, "payload");
    NEED(json_type(payload) == JSON_STRING, INVALID, "`payload` is no text");
    NEED(json_i64(json_get(root, "delivery"), &delivery) == OK && delivery > 0, INVALID,
         "`delivery` is no delivery's number");
    NEED(json_i64(json_get(root, "attempt"), &attempt) == OK && attempt > 0 &&
             attempt <= UINT32_MAX,
         INVALID, "`attempt` is no attempt's number");
    *out = (struct frame_event){
        .delivery = (uint64_t)delivery,
        .attempt = (uint32_t)attempt,
        .destination = json_string(json_get(root, "destination")),
        .event = json_string(json_get(root, "event")),
        .type = json_string(json_get(root, "type")),
        .account = json_string(json_get(root, "account")),
        .livemode = json_true(json_get(root, "livemode")),
        .payload = json_string(payload),
    };
    return OK;
}

static result need_once(json object) {
    static const char *const members[] = {"delivery", "attempt", "outcome", "retry_after", "error"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        NEED(!json_has_twice(object, members[i]), INVALID, "it has a member twice");
    return OK;
}

static result read_outcome(json v, enum outcome *out) {
    static const enum outcome all[] = {OUTCOME_DONE, OUTCOME_FAILED, OUTCOME_NOT_YET};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        *out = all[i];
        if (bytes_equal(json_string(v), bytes_of(outcome_name(all[i]))))
            return OK;
    }
    FAIL(INVALID, "`outcome` is none of \"done\", \"not_yet\" and \"failed\"");
}

// A member that may be absent or null.
static result read_number(json object, const char *key, int64_t *out) {
    json v = json_get(object, key);
    *out = 0;
    if (json_type(v) == JSON_ABSENT || json_type(v) == JSON_NULL)
        return OK;
    TRY(json_i64(v, out));
    NEED(*out >= 0, INVALID, "a number is negative");
    return OK;
}

static result read_answer(json root, struct frame_answer *out, struct text *error) {
    int64_t delivery, attempt, seconds;
    NEED(json_type(root) == JSON_OBJECT, INVALID, "it is no JSON object");
    TRY(need_once(root));
    NEED(json_i64(json_get(root, "delivery"), &delivery) == OK && delivery > 0, INVALID,
         "`delivery` is no delivery's number");
    NEED(read_number(root, "attempt", &attempt) == OK && attempt <= UINT32_MAX, INVALID,
         "`attempt` is no attempt's number");
    NEED(read_number(root, "retry_after", &seconds) == OK, INVALID,
         "`retry_after` is no whole number of seconds");
    TRY(read_outcome(json_get(root, "outcome"), &out->outcome));
    json said = json_get(root, "error");
    NEED(json_type(said) == JSON_ABSENT || json_type(said) == JSON_NULL ||
             json_type(said) == JSON_STRING,
         INVALID, "`error` is no text");
    out->delivery = (uint64_t)delivery;
    out->attempt = (uint32_t)attempt;
    out->retry_after_ms = seconds < RETRY_AFTER_MAX_MS / 1000 ? seconds * 1000 : RETRY_AFTER_MAX_MS;
    text_add(error, json_string(said));
    out->error = text_bytes(error);
    return OK;
}

result frame_answer_read(bytes line, struct frame_answer *out, struct text *error) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    *out = (struct frame_answer){0};
    NEED(line.n <= FRAME_LINE_MAX, INVALID, "it is longer than 64 KiB");
    NEED(json_parse(line, &doc) == OK, INVALID, "it is no JSON");
    return read_answer(json_root(doc), out, error);
}

void frame_answer_write(const struct frame_answer *a, struct text *out) {
    text_addf(out, "{\"delivery\":%llu,\"attempt\":%u,\"outcome\":\"%s\"",
              (unsigned long long)a->delivery, a->attempt, outcome_name(a->outcome));
    if (a->retry_after_ms > 0)
        text_addf(out, ",\"retry_after\":%lld", (long long)(a->retry_after_ms + 999) / 1000);
    if (a->error.n > 0) {
        text_adds(out, ",\"error\":");
        text_add_json(out, a->error);
    }
    text_adds(out, "}\n");
}

typedef void on_line(void *ctx, bytes line, bool cut);

static void hand_over(const struct frame_lines *l, bytes b, on_line *line, void *ctx) {
    if (bytes_ends(b, B("\r")))
        b = bytes_slice(b, 0, b.n - 1);
    line(ctx, bytes_slice(b, 0, l->max), b.n > l->max);
}

// What is kept of a line: enough to know that it is too long, "\r" or not.
#define KEPT(lines_) ((lines_)->max + 2)

void frame_lines_add(struct frame_lines *l, bytes piece, on_line *line, void *ctx) {
    while (piece.n > 0) {
        size_t end = bytes_find(piece, '\n');
        bool whole = end < piece.n;
        bytes part = bytes_slice(piece, 0, end);
        piece = bytes_slice(piece, whole ? end + 1 : end, piece.n);
        if (whole && !l->skipping && l->rest.n == 0) {
            hand_over(l, part, line, ctx);
            continue;
        }
        if (l->skipping) {
            l->skipping = !whole;
            continue;
        }
        text_add(&l->rest, bytes_slice(part, 0, KEPT(l) - l->rest.n));
        if (!whole && l->rest.n < KEPT(l))
            continue;
        hand_over(l, text_bytes(&l->rest), line, ctx);
        text_reset(&l->rest);
        l->skipping = !whole;
    }
}

void frame_lines_end(struct frame_lines *l, on_line *line, void *ctx) {
    if (l->rest.n > 0)
        hand_over(l, text_bytes(&l->rest), line, ctx);
    text_reset(&l->rest);
    l->skipping = false;
}

void frame_lines_drop(struct frame_lines *l) { text_drop(&l->rest); }
