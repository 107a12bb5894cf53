// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/seal.h"
#include "ledger/book_internal.h"
#include "rules/command.h"
#include "rules/key_mode.h"

#define ANSWERS_DROPPED 1000 // by one command at most, so that none takes long

// One command under way: what was asked, when, and the answer being written.
struct asked {
    struct book *book;
    const struct record *record;
    json fields;
    struct arena *scratch;
    struct text *answer;
};

static result refuse(const struct asked *q, const char *why) {
    text_adds(q->answer, "{\"error\":");
    text_add_json(q->answer, bytes_of(why));
    text_adds(q->answer, "}");
    return OK;
}

static result agree(const struct asked *q) {
    text_adds(q->answer, "{\"ok\":true}");
    return OK;
}

static bool number_field(const struct asked *q, const char *key, uint64_t *out) {
    int64_t v = 0;
    if (json_i64(json_get(q->fields, key), &v) != OK || v < 0)
        return false;
    *out = (uint64_t)v;
    return true;
}

static bytes string_field(const struct asked *q, const char *key) {
    return json_string(json_get(q->fields, key));
}

static void add_refused(struct text *refused, uint64_t event, bytes destination, bytes why) {
    if (refused->n > 0)
        text_addc(refused, ',');
    text_adds(refused, "{\"event\":");
    text_add_u64(refused, event);
    text_adds(refused, ",\"destination\":");
    text_add_json(refused, destination);
    text_adds(refused, ",\"why\":");
    text_add_json(refused, why);
    text_addc(refused, '}');
}

static void add_number(struct text *numbers, uint64_t n) {
    if (numbers->n > 0)
        text_addc(numbers, ',');
    text_add_u64(numbers, n);
}

// One delivery of a receipt's event to one destination, or the reason why not.
static result replay_to(const struct asked *q, const struct event_row *e, uint64_t receipt,
                        bytes name, struct text *made, struct text *refused) {
    struct book *b = q->book;
    struct destination_row d;
    result found = b->store->destination_find(b->store, name, q->scratch, &d);
    bool there = !failed_as(found, FAIL_ABSENT);
    if (there)
        TRY(found);
    const char *why = "there is no destination of this name";
    if (!there || !book_may_deliver(b, name, e->livemode, &why)) {
        add_refused(refused, e->seq, name, bytes_of(why));
        return OK;
    }
    uint64_t seq;
    TRY(book_owe(b, e, receipt, &d, q->record->time_ms, true, &seq));
    add_number(made, seq);
    return OK;
}

// An event being replayed to all that match: each gets it by the first receipt that reaches it.
struct reaching {
    const struct event_row *row;
    bytes site;
    bool *reached;   // by the index of a destination
    bool any_counts; // is there a receipt that was not ignored?
    struct text *made, *refused;
};

static result replay_receipt(const struct asked *q, struct reaching *r, uint64_t seq) {
    struct book *b = q->book;
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, BOOK_SCRATCH_MAX);
    struct receipt_row receipt;
    OWN(event_drop)
    struct event e = {0};
    TRY(b->store->receipt_get(b->store, seq, &a, &receipt));
    if (receipt.livemode_misfit)
        return OK;
    r->any_counts = true;
    TRY(book_event_read(b, seq, &a, &e));
    struct match_facts facts = book_facts(&e, receipt.source, receipt.secret_label, r->site);
    for (size_t i = 0; i < b->plan->destination_count; i++) {
        const struct plan_destination *to = &b->plan->destinations[i];
        if (r->reached[i] || !match_destination(to, &facts, NULL))
            continue;
        r->reached[i] = true;
        TRY(replay_to(q, r->row, seq, to->name, r->made, r->refused));
    }
    return OK;
}

// Endpoints get what was owed to them when it came.
static result replay_to_endpoints(const struct asked *q, const struct event_row *row,
                                  struct text *made, struct text *refused) {
    struct book *b = q->book;
    const struct endpoint_row *rows;
    struct delivery_row *before = NULL;
    size_t n = 0, count = book_endpoint_rows(b, &rows);
    if (count > 0)
        TRY(b->store->deliveries_of(b->store, row->seq, q->scratch, &before, &n));
    for (size_t i = 0; i < n; i++) {
        bool first = true;
        bytes name;
        bool enabled = false;
        for (size_t k = 0; k < i; k++)
            first = first && before[k].destination != before[i].destination;
        TRY(book_destination_name(b, before[i].destination, &name));
        if (first && endpoint_id(name) && book_endpoint_as(b, name, &enabled) != NULL && enabled)
            TRY(replay_to(q, row, before[i].receipt_seq, name, made, refused));
    }
    return OK;
}

static result replay_to_matching(const struct asked *q, const struct event_row *row,
                                 struct text *made, struct text *refused) {
    struct book *b = q->book;
    size_t made_before = made->n, refused_before = refused->n, n = 0;
    uint64_t *later = NULL;
    struct reaching r = {.row = row, .made = made, .refused = refused};
    size_t size = (b->plan->destination_count + 1) * sizeof *r.reached;
    r.reached = arena_take(q->scratch, size);
    NEED(r.reached != NULL, MEMORY, "a replay's destinations do not fit the arena");
    memset(r.reached, 0, size);
    TRY(book_site_name(b, row->site, q->scratch, &r.site));
    TRY(b->store->receipts_later(b->store, row->seq, q->scratch, &later, &n));
    TRY(replay_receipt(q, &r, row->seq));
    for (size_t i = 0; i < n; i++)
        TRY(replay_receipt(q, &r, later[i]));
    TRY(replay_to_endpoints(q, row, made, refused));
    if (made->n == made_before && refused->n == refused_before)
        add_refused(refused, row->seq, NO_BYTES,
                    r.any_counts ? B("it matches no destination")
                                 : B("no source by which it came takes its livemode; name the "
                                     "destination that is to get it"));
    return OK;
}

static result replay_event(const struct asked *q, uint64_t seq, bytes to, struct text *made,
                           struct text *refused) {
    struct book *b = q->book;
    struct event_row e;
    result found = b->store->event_get(b->store, seq, q->scratch, &e);
    if (failed_as(found, FAIL_ABSENT)) {
        add_refused(refused, seq, to, B("there is no such event"));
        return OK;
    }
    TRY(found);
    size_t made_before = made->n;
    if (to.n > 0)
        TRY(replay_to(q, &e, e.seq, to, made, refused));
    else
        TRY(replay_to_matching(q, &e, made, refused));
    return made->n > made_before ? book_settle(b, seq, q->scratch) : OK;
}

static bool event_numbers(json events) {
    size_t n = json_type(events) == JSON_ARRAY ? json_size(events) : 0;
    bool good = n > 0 && n <= REPLAY_EVENTS_MAX;
    for (size_t i = 0; i < n && good; i++) {
        int64_t seq = 0;
        good = json_i64(json_at(events, i), &seq) == OK && seq > 0;
    }
    return good;
}

static result do_replay(const struct asked *q) {
    json events = json_get(q->fields, "events");
    size_t n = json_size(events);
    if (!event_numbers(events))
        return refuse(q, "events must be a list of 1 to 500 event numbers");
    if (q->book->plan == NULL)
        return refuse(q, "no configuration has been adopted yet");
    OWN(text_drop)
    struct text made = {0};
    OWN(text_drop)
    struct text refused = {0};
    for (size_t i = 0; i < n; i++) {
        int64_t seq = 0;
        TRY(json_i64(json_at(events, i), &seq));
        TRY(replay_event(q, (uint64_t)seq, string_field(q, "to"), &made, &refused));
    }
    text_addf(q->answer, "{\"ok\":true,\"deliveries\":[%s],\"refused\":[%s]}", text_str(&made),
              text_str(&refused));
    return OK;
}

// The delivery that the command names, with its event and destination. False: refused already.
static result delivery_field(const struct asked *q, struct delivery_row *d, bool *there) {
    uint64_t seq = 0;
    *there = false;
    if (!number_field(q, "delivery", &seq))
        return refuse(q, "delivery must be a number");
    result found = q->book->store->delivery_get(q->book->store, seq, q->scratch, d);
    if (failed_as(found, FAIL_ABSENT))
        return refuse(q, "there is no such delivery");
    *there = found == OK;
    return found;
}

static result do_retry(const struct asked *q) {
    struct book *b = q->book;
    struct delivery_row d;
    bool there;
    TRY(delivery_field(q, &d, &there));
    if (!there)
        return OK;
    if (d.state == DELIVERY_DONE)
        return refuse(q, "this delivery is done; to send the event again, replay it");
    struct event_row e;
    bytes to;
    TRY(b->store->event_get(b->store, d.event_seq, q->scratch, &e));
    TRY(book_destination_name(b, d.destination, &to));
    const char *why = NULL;
    if (!book_may_deliver(b, to, e.livemode, &why))
        return refuse(q, why);
    if (delivery_state_open(d.state) && d.next_at == LANE_BEHIND)
        return refuse(q,
                      "this delivery waits behind another of its lane; retry or cancel that one");
    bool again = !delivery_state_open(d.state);
    d.state = DELIVERY_DUE;
    d.failures = d.not_yets = 0;
    d.next_at = q->record->time_ms;
    d.ended_at = 0;
    if (again)
        TRY(book_lane_join(b, &e, to, &d));
    TRY(b->store->delivery_update(b->store, &d));
    b->touched(b->ctx, d.destination);
    TRY(book_settle(b, d.event_seq, q->scratch));
    return agree(q);
}

static result do_cancel(const struct asked *q) {
    struct delivery_row d;
    bool there;
    TRY(delivery_field(q, &d, &there));
    if (!there)
        return OK;
    if (!delivery_state_open(d.state))
        return refuse(q, "this delivery has ended already");
    TRY(book_cancel(q->book, &d, "cancelled by hand", q->record->time_ms, q->scratch));
    return agree(q);
}

static result set_held(const struct asked *q, bool held) {
    struct store *s = q->book->store;
    struct destination_row d;
    result found = s->destination_find(s, string_field(q, "destination"), q->scratch, &d);
    if (failed_as(found, FAIL_ABSENT))
        return refuse(q, "there is no such destination");
    TRY(found);
    if (d.held == held)
        return refuse(q, held ? "it is held already" : "it is not held");
    q->book->tally.recalls += held;
    d.held = held;
    d.hold_reason = held ? string_field(q, "reason") : NO_BYTES;
    d.held_at = held ? q->record->time_ms : 0;
    d.failing_since = 0;
    book_forget_names(q->book);
    TRY(s->destination_put(s, &d));
    q->book->touched(q->book->ctx, d.number);
    return agree(q);
}

static result do_hold(const struct asked *q) { return set_held(q, true); }
static result do_release(const struct asked *q) { return set_held(q, false); }

static result suspended_field(const struct asked *q, struct suspense_row *row, bool *there) {
    uint64_t position = 0;
    *there = false;
    if (!number_field(q, "position", &position))
        return refuse(q, "position must be a number");
    struct store *s = q->book->store;
    result found = s->suspense_get(s, position, q->scratch, row);
    if (failed_as(found, FAIL_ABSENT))
        return refuse(q, "nothing is suspended at this position");
    TRY(found);
    if (row->state != SUSPENSE_WAITING)
        return refuse(q, "this record was booked or dropped already");
    *there = true;
    return OK;
}

static result do_suspense_book(const struct asked *q) {
    struct suspense_row row;
    bool there;
    TRY(suspended_field(q, &row, &there));
    if (!there)
        return OK;
    struct record r = {
        .position = row.position,
        .time_ms = row.time_ms,
        .seed = row.seed,
        .generation = row.generation,
        .kind = row.kind,
        .payload = row.payload,
    };
    TRY(book_apply(q->book, &r, q->scratch)); // fails: undone, and answered with the reason
    row.state = SUSPENSE_BOOKED;
    TRY(q->book->store->suspense_put(q->book->store, &row));
    return agree(q);
}

static result do_suspense_drop(const struct asked *q) {
    struct suspense_row row;
    bool there;
    TRY(suspended_field(q, &row, &there));
    if (!there)
        return OK;
    row.state = SUSPENSE_DROPPED;
    TRY(q->book->store->suspense_put(q->book->store, &row));
    return agree(q);
}

static result do_key_create(const struct asked *q) {
    struct key_row row = {
        .id = string_field(q, "id"),
        .name = string_field(q, "name"),
        .mode = string_field(q, "mode"),
        .hash = string_field(q, "hash"),
        .created_at = q->record->time_ms,
    };
    if (row.id.n == 0 || row.hash.n != 2 * SHA256_SIZE)
        return refuse(q, "a key needs an id and the SHA-256 of its text");
    if (key_mode_find(row.mode) == KEY_MODES)
        return refuse(q, "mode must be operator, viewer, test, live, test_read_only or "
                         "live_read_only");
    struct key_row before;
    struct store *s = q->book->store;
    if (s->key_get(s, row.id, q->scratch, &before) == OK)
        return refuse(q, "there is a key of this id already");
    TRY(s->key_put(s, &row));
    return agree(q);
}

static result do_key_revoke(const struct asked *q) {
    struct store *s = q->book->store;
    struct key_row row;
    result found = s->key_get(s, string_field(q, "id"), q->scratch, &row);
    if (failed_as(found, FAIL_ABSENT))
        return refuse(q, "there is no key of this id");
    TRY(found);
    if (row.revoked_at != 0)
        return refuse(q, "this key is revoked already");
    row.revoked_at = q->record->time_ms;
    TRY(s->key_put(s, &row));
    return agree(q);
}

static result do_site_assign(const struct asked *q) {
    uint64_t object = 0;
    const char *refused;
    if (!number_field(q, "object", &object))
        return refuse(q, "object must be a number");
    uint32_t routed = q->book->tally.late_routed;
    TRY(book_site_assign(q->book, object, string_field(q, "site"), q->record->time_ms, &refused));
    if (refused != NULL)
        return refuse(q, refused);
    text_addf(q->answer, "{\"ok\":true,\"routed\":%u}", q->book->tally.late_routed - routed);
    return OK;
}

// Events of before there were sites, or before a claim: what they say of objects is learnt now.
static result do_site_learn(const struct asked *q) {
    struct store *s = q->book->store;
    json events = json_get(q->fields, "events");
    if (!event_numbers(events))
        return refuse(q, "events must be a list of 1 to 500 event numbers");
    if (q->book->plan == NULL || q->book->plan->site_count == 0)
        return refuse(q, "the configuration has no sites");
    json element;
    uint32_t routed = q->book->tally.late_routed, learnt = 0;
    for (size_t at = 0; json_element(events, &at, &element);) {
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, BOOK_SCRATCH_MAX);
        struct event_row row;
        int64_t seq = 0, site;
        TRY(json_i64(element, &seq));
        result found = s->event_get(s, (uint64_t)seq, &a, &row);
        if (failed_as(found, FAIL_ABSENT))
            continue;
        TRY(found);
        bool misfit = false;
        TRY(book_event_misfit(q->book, &row, &a, &misfit));
        if (misfit)
            continue;
        learnt++;
        OWN(event_drop)
        struct event e = {0};
        TRY(book_event_read(q->book, row.seq, &a, &e));
        TRY(book_site_learn(q->book, &e, row.owner, q->record->time_ms, &row.object, &site));
        // What it owed was decided when it came: it does not wait for a site now.
        if (row.site != 0 || site <= 0)
            continue;
        row.site = site;
        book_site_note(q->book, &row);
        TRY(s->event_site(s, row.seq, row.object, site));
    }
    text_addf(q->answer, "{\"ok\":true,\"learnt\":%u,\"routed\":%u}", learnt,
              q->book->tally.late_routed - routed);
    return OK;
}

// What is answered with, or why not.
static result answer_or(const struct asked *q, result done, const struct text *why) {
    TRY(done);
    return why->n > 0 ? refuse(q, text_str(why)) : OK;
}

static result do_tables_rebuild(const struct asked *q) {
    OWN(text_drop)
    struct text why = {0};
    return answer_or(q,
                     book_rebuild_start(q->book, json_get(q->fields, "tables"), q->record->time_ms,
                                        q->scratch, q->answer, &why),
                     &why);
}

static result do_tables_step(const struct asked *q) {
    OWN(text_drop)
    struct text why = {0};
    uint64_t count = 0;
    if (!number_field(q, "count", &count) || count < 1 || count > REBUILD_EVENTS_MAX)
        return refuse(q, "count must be a number of events from 1 to 2000");
    return answer_or(q, book_rebuild_step(q->book, (size_t)count, q->scratch, q->answer, &why),
                     &why);
}

static result do_listen_attempts(const struct asked *q) {
    OWN(text_drop)
    struct text why = {0};
    return answer_or(
        q, book_listen_attempts(q->book, json_get(q->fields, "attempts"), q->answer, &why), &why);
}

static result do_endpoint_create(const struct asked *q) {
    OWN(text_drop)
    struct text why = {0};
    return answer_or(
        q,
        book_endpoint_create(q->book, json_get(q->fields, "endpoint"), q->scratch, q->answer, &why),
        &why);
}

static result do_endpoint_update(const struct asked *q) {
    OWN(text_drop)
    struct text why = {0};
    return answer_or(
        q,
        book_endpoint_update(q->book, q->fields, q->record->time_ms, q->scratch, q->answer, &why),
        &why);
}

static result do_endpoint_delete(const struct asked *q) {
    OWN(text_drop)
    struct text why = {0};
    return answer_or(
        q,
        book_endpoint_delete(q->book, q->fields, q->record->time_ms, q->scratch, q->answer, &why),
        &why);
}

static result carry_out(const struct asked *q) {
    static result (*const run[COMMANDS])(const struct asked *) = {
        [COMMAND_REPLAY] = do_replay,
        [COMMAND_RETRY] = do_retry,
        [COMMAND_CANCEL] = do_cancel,
        [COMMAND_HOLD] = do_hold,
        [COMMAND_RELEASE] = do_release,
        [COMMAND_SUSPENSE_BOOK] = do_suspense_book,
        [COMMAND_SUSPENSE_DROP] = do_suspense_drop,
        [COMMAND_KEY_CREATE] = do_key_create,
        [COMMAND_KEY_REVOKE] = do_key_revoke,
        [COMMAND_SITE_ASSIGN] = do_site_assign,
        [COMMAND_SITE_LEARN] = do_site_learn,
        [COMMAND_TABLES_REBUILD] = do_tables_rebuild,
        [COMMAND_TABLES_STEP] = do_tables_step,
        [COMMAND_LISTEN_ATTEMPTS] = do_listen_attempts,
        [COMMAND_ENDPOINT_CREATE] = do_endpoint_create,
        [COMMAND_ENDPOINT_UPDATE] = do_endpoint_update,
        [COMMAND_ENDPOINT_DELETE] = do_endpoint_delete,
    };
    enum command c = command_find(string_field(q, "do"));
    return c == COMMANDS ? refuse(q, "no command has this name") : run[c](q);
}

// True in *known: answered, because something was carried out under this key before.
static result known_before(const struct asked *q, const struct answer_row *row, bool *known) {
    struct answer_row before;
    *known = false;
    if (row->idempotency_key.n == 0)
        return OK;
    struct store *s = q->book->store;
    result found = s->answer_find(s, row->idempotency_key, q->scratch, &before);
    if (failed_as(found, FAIL_ABSENT))
        return OK;
    TRY(found);
    *known = true;
    if (memcmp(before.sha256, row->sha256, SHA256_SIZE) != 0)
        return refuse(q, "this idempotency key came with another command before; each command "
                         "takes a key of its own");
    OWN(text_drop)
    struct text given = {0};
    result opened = book_answer_open(q->book, &before, &given);
    if (failed_as(opened, FAIL_INVALID))
        return refuse(q, "what was answered to this idempotency key was sealed with another key "
                         "than that beside the ledger; take a new one");
    TRY(opened);
    bool says_so = string_field(q, "asked").n > 0 && bytes_ends(text_bytes(&given), B("}"));
    text_add(q->answer, bytes_slice(text_bytes(&given), 0, given.n - says_so));
    text_adds(q->answer, says_so ? ",\"replayed\":true}" : "");
    return OK;
}

#define SEALED B("sealed:")

// An answer is bound to its command. Sealed again, as after a crash, it is the same: what a nonce
// is used for never differs.
static void answer_purpose(uint64_t position, struct text *out) {
    text_addf(out, "answer %llu", (unsigned long long)position);
}

static void seal_answer(const struct book *b, uint64_t position, struct text *answer) {
    OWN(text_drop)
    struct text plain = *answer, purpose = {0};
    struct hmac_key key;
    uint8_t nonce[SHA256_SIZE];
    answer_purpose(position, &purpose);
    struct hmac h;
    hmac_key_init(&key, bytes_from(b->sealing_key, SEAL_KEY_SIZE));
    hmac_start(&h, &key);
    hmac_add(&h, text_bytes(&purpose));
    hmac_add(&h, text_bytes(&plain));
    hmac_finish(&h, nonce);
    hmac_key_wipe(&key);
    *answer = (struct text){0};
    text_add(answer, SEALED);
    seal_close(b->sealing_key, nonce, text_bytes(&purpose), text_bytes(&plain), answer);
}

result book_answer_open(const struct book *b, const struct answer_row *row, struct text *out) {
    OWN(text_drop)
    struct text purpose = {0};
    if (!bytes_starts(row->json, SEALED)) {
        text_add(out, row->json);
        return OK;
    }
    NEED(b->sealing_key != NULL, INVALID, "an answer is sealed, and there is no key");
    answer_purpose(row->position, &purpose);
    return seal_open(b->sealing_key, text_bytes(&purpose),
                     bytes_slice(row->json, SEALED.n, row->json.n), out);
}

// What a key is compared by: what was asked, if the command says that, else all of it.
static result digest_asked(const struct asked *q, uint8_t out[SHA256_SIZE]) {
    bytes asked = string_field(q, "asked");
    if (asked.n > 0)
        return bytes_from_hex(asked, out, SHA256_SIZE);
    digest_sha256(&q->record->payload, 1, out);
    return OK;
}

result book_command(struct book *b, const struct record *r, struct arena *a) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text answer = {0};
    TRY(json_parse(r->payload, &doc));
    struct asked q = {b, r, json_root(doc), a, &answer};
    struct answer_row row = {.position = r->position, .time_ms = r->time_ms};
    row.idempotency_key = string_field(&q, "idempotency_key");
    if (row.idempotency_key.n > 0)
        TRY(digest_asked(&q, row.sha256));
    TRY(b->store->answers_drop(b->store, r->time_ms - ANSWERS_KEPT_MS, ANSWERS_DROPPED));
    bool known;
    TRY(known_before(&q, &row, &known));
    if (!known)
        TRY(carry_out(&q));
    NEED(!answer.failed, INVALID, "a command's answer is too large");
    bool asked_for = string_field(&q, "asked").n > 0;
    bool refused = asked_for && bytes_starts(text_bytes(&answer), B("{\"error\":"));
    if (asked_for && !refused && b->sealing_key != NULL)
        seal_answer(b, r->position, &answer);
    row.json = text_bytes(&answer);
    if (known || refused) { // the first one has the key; what was refused has none
        row.idempotency_key = NO_BYTES;
        memset(row.sha256, 0, sizeof row.sha256);
    }
    return b->store->answer_put(b->store, &row);
}
