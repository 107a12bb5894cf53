// SPDX-License-Identifier: MIT
#include "ledger/book_internal.h"
#include "rules/command.h"

static bool take_text(json attempt, const char *name, bytes *out) {
    json v = json_get(attempt, name);
    *out = json_string(v);
    enum json_type type = json_type(v);
    return (type == JSON_STRING || type == JSON_ABSENT || type == JSON_NULL) &&
           out->n <= LISTEN_TEXT_MAX;
}

static bool take_number(json attempt, const char *name, int64_t max, int64_t *out) {
    json v = json_get(attempt, name);
    *out = 0;
    return json_type(v) == JSON_ABSENT || (json_i64(v, out) == OK && *out >= 0 && *out <= max);
}

static bool attempt_read(json v, struct listen_attempt_row *out) {
    int64_t event = 0, status = 0;
    *out = (struct listen_attempt_row){0};
    bool good = json_i64(json_get(v, "event"), &event) == OK && event > 0 &&
                take_text(v, "by", &out->key_id) && take_text(v, "from", &out->device) &&
                take_text(v, "url", &out->url) && take_text(v, "error", &out->error) &&
                take_text(v, "answer", &out->answer) && take_number(v, "status", 999, &status) &&
                take_number(v, "started_at", INT64_MAX, &out->started_at) &&
                take_number(v, "micros", INT64_MAX, &out->micros);
    out->event_seq = (uint64_t)event;
    out->status = (int32_t)status;
    return good;
}

static bool attempts_good(json attempts) {
    size_t n = json_type(attempts) == JSON_ARRAY ? json_size(attempts) : 0, at = 0;
    bool good = n > 0 && n <= LISTEN_ATTEMPTS_MAX;
    json element;
    struct listen_attempt_row row;
    while (good && json_element(attempts, &at, &element))
        good = attempt_read(element, &row);
    return good;
}

// *refused: why it is not booked, else null.
static result attempt_book(struct book *b, struct listen_attempt_row *row, const char **refused) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, BOOK_SCRATCH_MAX);
    struct event_row event;
    uint32_t last = 0;
    *refused = "there is no such event";
    result found = b->store->event_get(b->store, row->event_seq, &a, &event);
    if (failed_as(found, FAIL_ABSENT))
        return OK;
    TRY(found);
    TRY(b->store->listen_attempt_last(b->store, row->event_seq, &last));
    *refused = "the first 1000 of an event are kept, and it has them";
    if (last >= LISTEN_ATTEMPTS_KEPT)
        return OK;
    row->number = last + 1;
    *refused = NULL;
    return b->store->listen_attempt_insert(b->store, row);
}

result book_listen_attempts(struct book *b, json attempts, struct text *answer, struct text *why) {
    if (!attempts_good(attempts)) {
        text_addf(why,
                  "attempts must be a list of 1 to %d, each with the number of an event, texts of "
                  "at most %d bytes, a status up to 999, and started_at and micros as numbers",
                  LISTEN_ATTEMPTS_MAX, LISTEN_TEXT_MAX);
        return OK;
    }
    OWN(text_drop)
    struct text refused = {0};
    json element;
    unsigned booked = 0;
    for (size_t at = 0; json_element(attempts, &at, &element);) {
        struct listen_attempt_row row;
        const char *no = NULL;
        (void)attempt_read(element, &row);
        TRY(attempt_book(b, &row, &no));
        booked += no == NULL;
        if (no != NULL)
            text_addf(&refused, "%s{\"event\":%llu,\"why\":\"%s\"}", refused.n > 0 ? "," : "",
                      (unsigned long long)row.event_seq, no);
    }
    text_addf(answer, "{\"ok\":true,\"booked\":%u,\"refused\":[%s]}", booked, text_str(&refused));
    return OK;
}
