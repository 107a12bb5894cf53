// SPDX-License-Identifier: MIT
#include "intake/receive.h"

#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "base/random.h"
#include "intake/sources.h"
#include "port/log.h"
#include "rules/record.h"
#include "stripe/event.h"

// Of a body whose length is not known, or not to be believed before it is there.
#define FIRST_SIZE_MAX ((uint64_t)16 << 10)
#define FIRST_SIZE_UNKNOWN ((uint64_t)4 << 10)
// A body is hashed in steps of at least this: hashing each byte of a body that comes in chunks of
// one byte would cost thirty times as much as hashing it at once.
#define HASH_STEP ((size_t)1 << 10)
// The journal has room again when it refused nothing for so long.
#define ROOM_AGAIN_US INT64_C(5000000)

enum stage { READING, APPENDING, ENDED };

struct reception {
    struct append append;
    struct receiver *receiver;
    void (*done)(void *ctx, enum reception_end end); // null: abandoned
    void *ctx;
    enum stage stage;
    // While it reads:
    struct sources *sources;
    const struct source *source;
    struct signature_check *check;
    int64_t signed_at;
    uint64_t length_max; // of the body; what the head said, or the cap
    struct http_budget *budget;
    size_t taken; // from it
    // The body, with room in front of it for the rest of the record.
    uint8_t *memory;
    size_t size, used, hashed; // of the body
    int64_t complete_us;
};

struct refusal {
    enum metric metric;
    struct reception_answer answer;
};

static const struct refusal ends[RECEPTION_ENDS] = {
    [RECEPTION_RECEIVED] = {METRIC_ACK_NEW, {200, "{\"received\":true}", NULL}},
#define REFUSAL(id, metric, status, header, text)                                                  \
    [RECEPTION_##id] = {METRIC_##metric, {status, "{\"error\":\"" text "\"}", header}},
#include "intake/refusals.def"
#undef REFUSAL
};

void reception_answer(enum reception_end end, struct reception_answer *out) {
    ensure(end < RECEPTION_ENDS);
    *out = ends[end].answer;
}

static enum reception_end counted(enum reception_end end, bytes path) {
    metric_add(ends[end].metric, 1);
    if (end != RECEPTION_RECEIVED)
        log_event(LOG_REFUSED, log_i("status", ends[end].answer.status), log_b("path", path),
                  log_s("answer", ends[end].answer.body));
    return end;
}

static void count_refusal(const struct source *source, enum reception_end end) {
    if (source == NULL)
        return;
    switch (end) {
#define X(id, name)                                                                                \
    case RECEPTION_##id: source_use_refused(source->use, SOURCE_REFUSAL_##id); break;
        SOURCE_REFUSALS_LIST(X)
#undef X
    default: break; // not about its signature
    }
}

static bool take_budget(struct reception *p, size_t n) {
    if (!http_budget_take(p->budget, n))
        return false;
    p->taken += n;
    return true;
}

static void give_budget(struct reception *p) {
    http_budget_give(p->budget, p->taken);
    p->taken = 0;
}

// Gives back what a reception holds while it reads; its memory stays if it goes on to the journal.
static void stop_reading(struct reception *p) {
    signature_check_close(p->check);
    p->check = NULL;
    give_budget(p);
    sources_drop(p->sources);
    p->sources = NULL;
    p->source = NULL;
}

static void free_memory(struct reception *p) {
    free(p->memory);
    p->memory = NULL;
}

static void reception_free(struct reception *p) {
    free_memory(p);
    free(p);
}

static void refuse(struct reception *p, enum reception_end end) {
    ensure(p->stage == READING);
    p->stage = ENDED;
    counted(end, p->source->plan->path);
    count_refusal(p->source, end);
    stop_reading(p);
    free_memory(p);
    p->done(p->ctx, end);
}

static enum reception_end judge_head(const struct receiver *r, const struct http_request *head,
                                     const struct source **source, struct signature *signature) {
    if (r->stopping)
        return RECEPTION_STOPPING;
    *source = sources_find(r->sources, head->path);
    if (*source == NULL)
        return RECEPTION_NO_PATH;
    if (!bytes_equal(head->method, B("POST")))
        return RECEPTION_METHOD;
    bytes header = NO_BYTES;
    bool twice = false;
    if (!http_header_get(head, "Stripe-Signature", &header, &twice))
        return twice ? RECEPTION_BAD_HEADER : RECEPTION_NO_SIGNATURE;
    enum signature_verdict verdict = signature_parse(header, signature);
    if (verdict != SIGNATURE_HOLDS)
        return verdict == SIGNATURE_MISSING ? RECEPTION_NO_SIGNATURE : RECEPTION_BAD_HEADER;
    if (head->has_length && head->length > r->body_max)
        return RECEPTION_TOO_LARGE;
    return RECEPTION_ENDS;
}

enum reception_end receive_head(struct receiver *r, const struct http_request *head,
                                void (*done)(void *ctx, enum reception_end end), void *ctx,
                                struct reception **out) {
    *out = NULL;
    const struct source *source = NULL;
    struct signature signature;
    enum reception_end end = judge_head(r, head, &source, &signature);
    if (end == RECEPTION_ENDS && !http_budget_take(r->budget, sizeof(struct reception)))
        end = RECEPTION_NO_MEMORY;
    if (end != RECEPTION_ENDS) {
        count_refusal(source, end);
        return counted(end, head->path);
    }
    struct reception *p = NEW(struct reception);
    p->budget = r->budget;
    p->taken = sizeof *p;
    p->receiver = r;
    p->done = done;
    p->ctx = ctx;
    p->sources = sources_hold(r->sources);
    p->source = source;
    p->check = signature_check_open(source->ring, &signature);
    p->signed_at = signature.time;
    p->length_max = head->has_length ? head->length : r->body_max;
    p->size = (size_t)(!head->has_length               ? FIRST_SIZE_UNKNOWN
                       : head->length < FIRST_SIZE_MAX ? head->length
                                                       : FIRST_SIZE_MAX);
    *out = p;
    return RECEPTION_ENDS;
}

// Room for n more bytes of the body. Doubling keeps what a stranger holds near to what he sent.
static bool make_room(struct reception *p, size_t n) {
    uint64_t size = p->size;
    while (size < p->used + n)
        size = size == 0 ? n : size * 2;
    size = size < p->length_max ? size : p->length_max;
    size_t had = p->memory == NULL ? 0 : p->source->head_room + p->size;
    size_t wanted = p->source->head_room + (size_t)size;
    if (wanted == had)
        return true;
    if (!take_budget(p, wanted - had))
        return false;
    p->memory = memory_grow(p->memory, wanted, 1);
    p->size = (size_t)size;
    return true;
}

static void hash_rest(struct reception *p) {
    if (p->hashed == p->used)
        return;
    const uint8_t *body = p->memory + p->source->head_room;
    signature_check_add(p->check, bytes_from(body + p->hashed, p->used - p->hashed));
    p->hashed = p->used;
}

bool receive_body(struct reception *p, bytes piece) {
    ensure(p->stage == READING);
    if (piece.n == 0)
        return true;
    if (piece.n > p->length_max - p->used) {
        refuse(p, RECEPTION_TOO_LARGE);
        return false;
    }
    if (!make_room(p, piece.n)) {
        refuse(p, RECEPTION_NO_MEMORY);
        return false;
    }
    memcpy(p->memory + p->source->head_room + p->used, piece.p, piece.n);
    p->used += piece.n;
    if (p->used - p->hashed >= HASH_STEP)
        hash_rest(p);
    return true;
}

static bytes body_of(const struct reception *p) {
    return p->used == 0 ? NO_BYTES : bytes_from(p->memory + p->source->head_room, p->used);
}

static enum reception_end judge_signature(struct reception *p, size_t *secret) {
    hash_rest(p);
    struct signature_check *check = p->check;
    p->check = NULL;
    int64_t now_ms = clock_wall_ms(p->receiver->clock);
    const struct source *source = p->source;
    switch (signature_check_finish(check, body_of(p), now_ms / 1000, source->plan->tolerance_s,
                                   secret)) {
    case SIGNATURE_HOLDS: return RECEPTION_ENDS;
    case SIGNATURE_RETIRED:
        secret_use_retired(source->uses[*secret], &source->plan->secrets[*secret], now_ms);
        return RECEPTION_RETIRED;
    case SIGNATURE_MISSING: return RECEPTION_NO_SIGNATURE;
    case SIGNATURE_MALFORMED: return RECEPTION_BAD_HEADER;
    case SIGNATURE_NO_MATCH: return RECEPTION_NO_MATCH;
    case SIGNATURE_TOO_OLD: return RECEPTION_TOO_OLD;
    case SIGNATURE_IN_FUTURE: return RECEPTION_IN_FUTURE;
    }
    unreachable_code();
}

// Nothing of the body is looked at before its signature holds.
static enum reception_end judge_body(struct reception *p, size_t *secret) {
    enum reception_end end = judge_signature(p, secret);
    if (end != RECEPTION_ENDS)
        return end;
    OWN(event_drop)
    struct event event = {0};
    return event_parse(body_of(p), &event, NULL) == OK ? RECEPTION_ENDS : RECEPTION_NOT_EVENT;
}

static void log_room(struct receiver *r, bool room) {
    if (room && !r->no_room)
        return;
    int64_t now = clock_mono_us(r->clock);
    if (!room) {
        if (!r->no_room)
            log_event(LOG_JOURNAL_NO_ROOM);
        r->no_room = true;
        r->no_room_at_us = now;
    } else if (now - r->no_room_at_us >= ROOM_AGAIN_US) {
        log_event(LOG_JOURNAL_ROOM_AGAIN);
        r->no_room = false;
    }
}

static enum reception_end take_credit(struct receiver *r, struct append *a) {
    if (journal_credit_take(r->journal, CREDIT_RECEIPT, a->payload.n, &a->credit)) {
        log_room(r, true);
        return RECEPTION_ENDS;
    }
    if (journal_failed(r->journal))
        return RECEPTION_NOT_DURABLE;
    log_room(r, false);
    return RECEPTION_NO_CREDIT;
}

static uint64_t next_seed(struct receiver *r) {
    if (r->random == 0)
        r->random = clock_seed(r->clock);
    return random_next(&r->random);
}

// Puts the record's head right in front of the body.
static bytes whole_record(struct reception *p, size_t secret) {
    size_t room = p->source->head_room;
    bytes body = bytes_from(p->memory + room, p->used);
    bytes head = sources_encode_head(p->sources, p->source, secret, p->signed_at, body);
    ensure(head.n > 0 && head.n <= room);
    memcpy(p->memory + room - head.n, head.p, head.n);
    return bytes_from(p->memory + room - head.n, head.n + body.n);
}

void receive_complete(struct reception *p) {
    ensure(p->stage == READING);
    struct receiver *r = p->receiver;
    p->complete_us = clock_mono_us(r->clock);
    size_t secret = 0;
    enum reception_end end = judge_body(p, &secret);
    if (end == RECEPTION_ENDS) {
        p->append = (struct append){
            .mail.kind = INTAKE_APPENDED,
            .kind = RECORD_EVENT,
            .generation = p->sources->plan->generation,
            .seed = next_seed(r),
            .payload = whole_record(p, secret),
            .reply = r->mailbox,
        };
        end = take_credit(r, &p->append);
    }
    if (end != RECEPTION_ENDS) {
        refuse(p, end);
        return;
    }
    int64_t now_ms = clock_wall_ms(r->clock);
    secret_use_matched(p->source->uses[secret], &p->source->plan->secrets[secret], now_ms);
    source_use_received(p->source->use, p->signed_at, now_ms);
    stop_reading(p);
    p->stage = APPENDING;
    r->appending++;
    journal_post(r->journal, &p->append);
}

// ACK: whether the event is durable decides alone. Nothing else in the program makes a 200 of it.
static enum reception_end receive_durable(const struct append *a) {
    if (a->failed == OK)
        return RECEPTION_RECEIVED;
    switch (a->failed->code) {
    case FAIL_FULL:   // nothing of it was kept
    case FAIL_IO:     // nobody knows
    case FAIL_CLOSED: // never written
    default: return RECEPTION_NOT_DURABLE;
    }
}

void receive_mail(struct receiver *r, struct append *a) {
    struct reception *p = CONTAINER(a, struct reception, append);
    ensure(p->stage == APPENDING && p->receiver == r);
    p->stage = ENDED;
    r->appending--;
    if (p->done == NULL) {
        reception_free(p);
        return;
    }
    enum reception_end end = counted(receive_durable(a), NO_BYTES);
    if (end == RECEPTION_RECEIVED)
        metric_time(METRIC_ANSWER_TIME, clock_mono_us(r->clock) - p->complete_us);
    free_memory(p);
    p->done(p->ctx, end);
}

void receive_abandon(struct reception *p) {
    if (p->stage == APPENDING) {
        p->done = NULL;
        return;
    }
    if (p->stage == READING)
        stop_reading(p);
    reception_free(p);
}
