// SPDX-License-Identifier: MIT
#include "ledger/book.h"

#include <string.h>

#include "base/ensure.h"
#include "ledger/book_internal.h"
#include "rules/record.h"

result book_open(struct book *b, struct store *s) {
    b->store = s;
    return book_reload(b);
}

void book_close(struct book *b) {
    book_sites_forget(b);
    book_tables_forget(b);
    book_rebuild_forget(b);
    book_endpoints_forget(b);
    book_forget_names(b);
    b->unapplied = NULL;
    b->beside.failed = OK;
    sightings_drop(&b->seen);
    plan_free(b->plan);
    plan_free(b->older);
    b->plan = b->older = NULL;
}

bool book_waits(result failed) {
    if (failed == OK)
        return false;
    switch (failed->code) {
    case FAIL_FULL:
    case FAIL_IO:
    case FAIL_BUSY:
    case FAIL_MEMORY:
    case FAIL_CORRUPT:
    case FAIL_REFUSED:
    case FAIL_TIMEOUT:
    case FAIL_SYSTEM: return true;
    default: return false;
    }
}

// Damage in a payload is its record's; only a damaged store waits.
static result as_records_own(result decoded) {
    NEED(!failed_as(decoded, FAIL_CORRUPT), INVALID, "the record's payload is damaged");
    return decoded;
}

static result plan_load(struct book *b, uint64_t generation, struct plan **out) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, PLAN_MEMORY_MAX);
    bytes in;
    TRY(b->store->plan_get(b->store, generation, &a, &in));
    return plan_read(in, generation, out);
}

result book_reload(struct book *b) {
    book_close(b);
    b->tally = (struct book_tally){0};
    TRY(b->store->state_get(b->store, &b->state));
    if (b->state.generation != 0)
        TRY(plan_load(b, b->state.generation, &b->plan));
    return OK;
}

result book_undone(struct book *b, const struct store_state *before) {
    b->state = *before;
    book_forget_names(b);
    book_sites_forget(b);
    book_tables_forget(b);
    book_rebuild_forget(b);
    book_endpoints_forget(b);
    plan_free(b->older); // it may be one that was undone
    b->older = NULL;
    uint64_t generation = b->plan == NULL ? 0 : b->plan->generation;
    if (generation == before->generation)
        return OK;
    plan_free(b->plan);
    b->plan = NULL;
    return before->generation == 0 ? OK : plan_load(b, before->generation, &b->plan);
}

result book_plan(struct book *b, uint64_t generation, const struct plan **out) {
    if (b->plan != NULL && b->plan->generation == generation) {
        *out = b->plan;
        return OK;
    }
    if (b->older == NULL || b->older->generation != generation) {
        struct plan *p = NULL;
        result loaded = plan_load(b, generation, &p);
        NEED(!failed_as(loaded, FAIL_ABSENT), ABSENT,
             "the configuration under which it was taken is not in the books");
        TRY(loaded);
        plan_free(b->older);
        b->older = p;
    }
    *out = b->older;
    return OK;
}

static bool scope_misfits(enum scope scope, bytes account) {
    return (scope == SCOPE_CONNECT && account.n == 0) || (scope == SCOPE_ACCOUNT && account.n > 0);
}

// How an event is inserted: as done where there are tables, to which most are applied at once, so
// that few are written twice; else as ignored, until somebody gets it.
static result inserted_as(struct book *b, const struct record *r, const struct event *e,
                          bool ignored, enum event_status *out) {
    const struct plan *plan = NULL;
    *out = EVENT_IGNORED;
    if (ignored || e->thin)
        return OK;
    TRY(book_plan(b, r->generation, &plan));
    if (plan_tables(plan) != NULL)
        *out = EVENT_DONE;
    return OK;
}

// The event of this receipt: as booked before, or inserted now.
static result event_of_receipt(struct book *b, const struct record *r, const struct event *e,
                               const struct receipt_record *in, bool ignored, struct arena *a,
                               struct event_row *out, bool *is_new) {
    struct store *s = b->store;
    uint64_t object = 0;
    int64_t site = 0;
    enum event_status status;
    TRY(inserted_as(b, r, e, ignored, &status));
    if (!ignored)
        TRY(book_site_learn(b, e, in->owner, r->time_ms, &object, &site));
    *out = (struct event_row){
        .seq = r->position,
        .id = e->id,
        .type = e->type,
        .owner = in->owner,
        .account = e->account,
        .livemode = e->livemode,
        .thin = e->thin,
        .created = e->created,
        .received_at = r->time_ms,
        .api_version = e->api_version,
        .context = e->context,
        .object_id = e->object_id,
        .object_type = e->object_type,
        .request_id = e->request_id,
        .idempotency_key = e->idempotency_key,
        .snapshot_id = e->snapshot_id,
        .status = status,
        .object = object,
        .site = site,
    };
    // Nearly all are new: inserting says so as well as looking first would.
    result inserted = s->event_insert(s, out);
    *is_new = !failed_as(inserted, FAIL_EXISTS);
    b->tally.unclaimed += *is_new && site == EVENT_UNCLAIMED;
    if (*is_new) {
        book_site_note(b, out);
        return inserted;
    }
    TRY(s->event_find(s, in->owner, e->account, e->livemode, e->id, a, out));
    if (out->site != 0 || site == 0)
        return OK;
    out->object = object; // it was ignored before, or came before there were sites
    out->site = site;
    book_site_note(b, out);
    return s->event_site(s, out->seq, object, site);
}

static result insert_receipt(struct book *b, const struct record *r, const struct event *e,
                             const struct receipt_record *in, const struct event_row *event,
                             bool ignored, struct arena *a) {
    struct store *s = b->store;
    struct receipt_row row = {
        .seq = r->position,
        .event_seq = event->seq,
        .source = in->source,
        .secret_label = in->secret_label,
        .received_at = r->time_ms,
        .api_version = e->api_version,
        .scope_misfit = scope_misfits(in->secret_scope, e->account),
        .livemode_misfit = ignored,
        .generation = r->generation,
        .body_seq = r->position,
    };
    digest_sha256(&in->body, 1, row.sha256);
    if (event->seq != r->position) {
        struct receipt_row same;
        result found = s->receipt_same(s, event->seq, row.sha256, a, &same);
        if (found == OK)
            row.body_seq = same.body_seq;
        else if (!failed_as(found, FAIL_ABSENT))
            return found;
    }
    b->tally.scope_misfits += row.scope_misfit;
    b->tally.livemode_misfits += ignored;
    return s->receipt_insert(s, &row, in->body);
}

result book_event_read(struct book *b, uint64_t seq, struct arena *a, struct event *out) {
    bytes body;
    TRY(b->store->body_get(b->store, seq, a, &body));
    return event_parse(body, out, NULL);
}

struct match_facts book_facts(const struct event *e, bytes source, bytes secret, bytes site) {
    return (struct match_facts){
        .type = e->type,
        .account = e->account,
        .livemode = e->livemode,
        .source = source,
        .secret = secret,
        .site = site,
        .event = json_root(e->doc),
    };
}

// A destination of kind tables is owed nothing where the event can be applied here and now.
static bool at_once(const struct book *b, const struct owing *o, const struct plan_destination *to,
                    const struct destination_row *d) {
    const char *why = NULL;
    if (o->parsed == NULL || to->kind != KIND_TABLES || d->held ||
        !book_may_deliver(b, d->name, o->event->livemode, &why))
        return false;
    return plan_destination_find(b->plan, d->name)->kind == KIND_TABLES;
}

static result owe_one(struct book *b, const struct owing *o, const struct plan_destination *to,
                      const struct destination_row *d, struct arena *a, bool *owed) {
    if (!at_once(b, o, to, d)) {
        uint64_t seq;
        *owed = true;
        return book_owe(b, o->event, o->receipt, d, o->now_ms, false, &seq);
    }
    const char *refused = NULL;
    TRY(book_tables_try(b, o->event, o->parsed, to, a, &refused));
    if (refused != NULL || o->event->status != EVENT_DONE)
        *owed = true; // else it leaves its event as it was inserted
    return book_over(b, o->event, o->receipt, d, o->now_ms, refused);
}

result book_owe_matching(struct book *b, const struct owing *o, struct arena *a, bool *owed) {
    struct delivery_row *before = NULL;
    size_t before_count = 0;
    if (!o->is_new)
        TRY(b->store->deliveries_of(b->store, o->event->seq, a, &before, &before_count));
    for (size_t i = 0; i < o->plan->destination_count; i++) {
        const struct plan_destination *to = &o->plan->destinations[i];
        if (!match_destination(to, o->facts, NULL) ||
            (o->except != NULL && match_destination(to, o->except, NULL)))
            continue;
        struct destination_row d;
        TRY(b->store->destination_find(b->store, to->name, a, &d));
        bool has = false;
        for (size_t k = 0; k < before_count; k++)
            has = has || before[k].destination == d.number;
        if (has)
            continue;
        TRY(owe_one(b, o, to, &d, a, owed));
    }
    return book_endpoints_owe(b, o, a, owed);
}

static void note(struct book *b, enum sighting kind, bytes whose, bytes what, bool livemode,
                 int64_t time_ms) {
    sightings_note(&b->seen, &(struct sighting_row){
                                 .kind = kind,
                                 .whose = whose,
                                 .what = what,
                                 .livemode = livemode,
                                 .first_at = time_ms,
                                 .last_at = time_ms,
                                 .count = 1,
                             });
}

static void note_account(struct book *b, const struct record *r, const struct event *e, bytes owner,
                         bytes account) {
    bool left = bytes_equal(e->type, B("account.application.deauthorized"));
    sightings_note(&b->seen, &(struct sighting_row){
                                 .kind = SIGHTING_ACCOUNT,
                                 .whose = owner,
                                 .what = account,
                                 .livemode = e->livemode,
                                 .first_at = r->time_ms,
                                 .last_at = r->time_ms,
                                 .count = 1,
                                 .deauthorized = left ? e->created : 0,
                                 .created = left ? 0 : e->created,
                             });
}

// What of the event is noted has to outlive its document.
static result note_receipt(struct book *b, const struct record *r, const struct event *e,
                           const struct receipt_record *in, bool is_new, struct arena *a) {
    bytes type = arena_copy(a, e->type), version = arena_copy(a, e->api_version),
          account = arena_copy(a, e->account);
    NEED(type.n == e->type.n && version.n == e->api_version.n && account.n == e->account.n, MEMORY,
         "booking a record takes more memory than it may");
    note(b, SIGHTING_SECRET, in->source, in->secret_label, e->livemode, r->time_ms);
    note(b, SIGHTING_TYPE, in->source, type, e->livemode, r->time_ms);
    if (version.n > 0 && version.n <= EVENT_ID_MAX)
        note(b, SIGHTING_VERSION, in->source, version, e->livemode, r->time_ms);
    if (is_new && account.n > 0)
        note_account(b, r, e, in->owner, account);
    return OK;
}

// What this receipt owes, under the plan of its own generation.
static result owe_receipt(struct book *b, const struct record *r, const struct event *e,
                          const struct receipt_record *in, const struct event_row *event,
                          bool is_new, struct arena *a, bool *owed) {
    struct owing owing = {
        .event = event, .receipt = r->position, .now_ms = r->time_ms, .is_new = is_new};
    // Of an event with several receipts the first one's bytes count.
    owing.parsed = is_new ? e : NULL;
    bytes site;
    TRY(book_plan(b, r->generation, &owing.plan));
    TRY(book_site_name(b, event->site, a, &site));
    struct match_facts facts = book_facts(e, in->source, in->secret_label, site);
    owing.facts = &facts;
    return book_owe_matching(b, &owing, a, owed);
}

static result book_receipt(struct book *b, const struct record *r, struct arena *a) {
    struct receipt_record in;
    TRY(as_records_own(receipt_decode(r->payload, &in)));
    OWN(event_drop)
    struct event e = {0};
    TRY(event_parse(in.body, &e, NULL));
    bool ignored = !mode_fits(in.livemode, e.livemode);
    struct event_row event;
    bool is_new = false;
    TRY(event_of_receipt(b, r, &e, &in, ignored, a, &event, &is_new));
    TRY(insert_receipt(b, r, &e, &in, &event, ignored, a));
    b->tally.events_new += is_new;
    b->tally.events_duplicate += !is_new;
    b->tally.events_ignored += ignored;
    TRY(note_receipt(b, r, &e, &in, is_new, a));
    if (ignored)
        return OK;
    bool owed = false;
    uint64_t next = b->state.next_delivery;
    TRY(owe_receipt(b, r, &e, &in, &event, is_new, a, &owed));
    if (is_new && event.status == EVENT_DONE && b->state.next_delivery == next)
        owed = true; // nobody got it
    return owed ? book_settle(b, event.seq, a) : OK;
}

// Where the outcome leaves an open delivery.
static void apply_verdict(struct delivery_row *d, const struct outcome_record *in,
                          const struct retry_verdict *v, int64_t now_ms) {
    d->last_error = in->error;
    if (in->outcome == OUTCOME_DONE) {
        d->state = DELIVERY_DONE;
        d->last_error = NO_BYTES;
        d->ended_at = now_ms;
        return;
    }
    if (v->not_yet) {
        d->not_yets++;
    } else {
        d->not_yets = 0;
        d->failures++;
    }
    d->state = v->dead ? DELIVERY_DEAD : DELIVERY_WAITING;
    if (v->dead)
        d->ended_at = now_ms;
    else
        d->next_at = v->next_at;
}

static result insert_attempt(struct book *b, const struct outcome_record *in) {
    struct attempt_row row = {
        .delivery = in->delivery,
        .number = in->attempt,
        .started_at = in->started_at,
        .micros = in->micros,
        .outcome = in->outcome,
        .status = in->status,
        .error = in->error,
        .answer = in->answer,
    };
    return b->store->attempt_insert(b->store, &row);
}

// What the destination of the delivery is under the plan of the record; null: it lacks it.
static result outcome_rule(struct book *b, const struct record *r, const struct delivery_row *d,
                           const struct plan_destination **out) {
    const struct plan *plan = NULL;
    TRY(book_plan(b, r->generation, &plan));
    bytes to;
    bool enabled;
    TRY(book_destination_name(b, d->destination, &to));
    *out = endpoint_id(to) ? book_endpoint_as(b, to, &enabled) : plan_destination_find(plan, to);
    return OK;
}

// What the carrier of tables calls done is done by applying it now.
static result apply_outcome(struct book *b, const struct plan_destination *rule,
                            const struct delivery_row *d, struct arena *a, const char **refused) {
    struct event_row booked;
    OWN(event_drop)
    struct event e = {0};
    TRY(b->store->event_get(b->store, d->event_seq, a, &booked));
    TRY(book_event_read(b, d->event_seq, a, &e));
    return book_tables_try(b, &booked, &e, rule, a, refused);
}

static void end_attempt(struct book *b, const struct record *r, const struct outcome_record *in,
                        const struct plan_destination *rule, bool refused, struct delivery_row *d) {
    struct retry_verdict v =
        retry_decide(rule->retry_ms, rule->retry_count, d->failures, d->not_yets, in->outcome,
                     in->retry_after_ms, r->seed ^ in->delivery, r->time_ms);
    v.dead = v.dead || refused; // it would be refused again
    apply_verdict(d, in, &v, r->time_ms);
    if (d->state == DELIVERY_DEAD) {
        b->tally.dead++;
        b->tally.last_dead = d->seq;
    }
    b->touched(b->ctx, d->destination);
}

static result book_outcome(struct book *b, const struct record *r, struct arena *a) {
    struct outcome_record in;
    TRY(as_records_own(outcome_decode(r->payload, &in)));
    struct delivery_row d;
    result found = b->store->delivery_get(b->store, in.delivery, a, &d);
    NEED(!failed_as(found, FAIL_ABSENT), ABSENT, "the outcome is of a delivery that there is not");
    TRY(found);
    if (b->released != NULL)
        b->released(b->ctx, in.delivery);
    if (in.attempt != d.attempts + 1)
        return OK; // a late outcome of an attempt that was given up: the books have gone on
    const struct plan_destination *rule = NULL;
    TRY(outcome_rule(b, r, &d, &rule));
    bool open = delivery_state_open(d.state); // else cancelled while it was under way
    bool applies = rule != NULL && rule->kind == KIND_TABLES && in.outcome == OUTCOME_DONE;
    bool settles = true, leaves = false;
    const char *refused = NULL;
    if (open && applies)
        TRY(apply_outcome(b, rule, &d, a, &refused));
    if (refused != NULL) {
        in.outcome = OUTCOME_FAILED;
        in.error = bytes_of(refused);
    }
    TRY(insert_attempt(b, &in));
    d.attempts++;
    if (open) {
        NEED(rule != NULL, MISMATCH, "the outcome names a destination that its plan lacks");
        end_attempt(b, r, &in, rule, refused != NULL, &d);
        if (in.outcome == OUTCOME_FAILED && delivery_state_open(d.state))
            TRY(book_lane_failed(b, &rule->lanes, &d, r->time_ms, &leaves));
    } else if (in.outcome == OUTCOME_DONE && !applies) {
        apply_verdict(&d, &in, NULL, r->time_ms);
    } else {
        settles = false;
    }
    TRY(b->store->delivery_update(b->store, &d));
    if (leaves || !delivery_state_open(d.state))
        TRY(book_lane_leave(b, &d, r->time_ms, a));
    if (settles && !delivery_state_open(d.state))
        TRY(book_settle(b, d.event_seq, a));
    bytes to;
    TRY(book_destination_name(b, d.destination, &to));
    return endpoint_id(to) ? book_endpoint_ended(b, to, in.outcome, r->time_ms, a)
                           : book_destination_ended(b, d.destination, in.outcome, r->time_ms);
}

// Rows for destinations that the plan names, and none present that it does not name.
static result place_destinations(struct book *b, int64_t now_ms, struct arena *a) {
    struct store *s = b->store;
    struct destination_row *rows = NULL;
    size_t n = 0;
    TRY(s->destinations(s, a, &rows, &n));
    for (size_t i = 0; i < n; i++) {
        if (endpoint_id(rows[i].name))
            continue; // none of the plan's
        rows[i].present = plan_destination_find(b->plan, rows[i].name) != NULL;
        book_forget_names(b);
        TRY(s->destination_put(s, &rows[i]));
        TRY(book_cancel_misfits(b, &rows[i], now_ms));
        b->touched(b->ctx, rows[i].number);
    }
    uint32_t number = (uint32_t)n;
    for (size_t i = 0; i < b->plan->destination_count; i++) {
        struct destination_row d = {.name = b->plan->destinations[i].name, .present = true};
        bool known = false;
        for (size_t k = 0; k < n; k++)
            known = known || bytes_equal(rows[k].name, d.name);
        if (known)
            continue;
        d.number = ++number;
        book_forget_names(b);
        TRY(s->destination_put(s, &d));
        b->touched(b->ctx, d.number);
    }
    return OK;
}

static result book_adoption(struct book *b, const struct record *r, struct arena *a) {
    struct plan *p = NULL;
    TRY(plan_read(r->payload, r->position, &p));
    if (r->position < b->state.generation) { // it waited in suspense: a later one is in force
        plan_free(p);
        return b->store->plan_put(b->store, r->position, r->payload);
    }
    plan_free(b->older);
    b->older = b->plan;
    b->plan = p;
    b->state.generation = r->position;
    TRY(b->store->plan_put(b->store, r->position, r->payload));
    if (plan_tables(p) != NULL)
        TRY(b->store->tables_ready(b->store));
    TRY(place_destinations(b, r->time_ms, a));
    return book_sites_adopt(b, b->older, r->time_ms, a);
}

result book_apply(struct book *b, const struct record *r, struct arena *a) {
    TRY(book_endpoints_ready(b));
    switch ((enum record_kind)r->kind) {
    case RECORD_EVENT: return book_receipt(b, r, a);
    case RECORD_OUTCOME: return book_outcome(b, r, a);
    case RECORD_COMMAND: return book_command(b, r, a);
    case RECORD_PLAN: return book_adoption(b, r, a);
    }
    FAIL(FORMAT, "a kind of record that this program does not know");
}

static void advance(struct book *b, const struct record *r) {
    b->state.booked = r->position;
    b->state.time_ms = r->time_ms;
    b->state.start_count = 0;
}

result book_write(struct book *b) { return book_sites_write(b); }

result book_commit(struct book *b) {
    TRY(book_write(b));
    TRY(sightings_write(&b->seen, b->store, b->tally.left_out));
    TRY(b->store->state_put(b->store, &b->state));
    TRY(b->store->commit(b->store));
    sightings_written(&b->seen);
    return OK;
}

result book_record(struct book *b, const struct record *r) {
    ensure(r->position == b->state.booked + 1);
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, BOOK_SCRATCH_MAX);
    sightings_forget_record(&b->seen);
    TRY(book_apply(b, r, &a));
    b->unapplied = NULL;
    b->beside.failed = OK;
    sightings_keep_record(&b->seen);
    b->tally.booked++;
    advance(b, r);
    return OK;
}

result book_suspend(struct book *b, const struct record *r, const char *reason) {
    ensure(r->position == b->state.booked + 1);
    b->unapplied = NULL;
    b->beside.failed = OK;
    if (r->kind == RECORD_COMMAND) {
        OWN(text_drop)
        struct text answer = {0};
        text_adds(&answer, "{\"error\":");
        text_add_json(&answer, bytes_of(reason));
        text_adds(&answer, "}");
        struct answer_row row = {
            .position = r->position, .time_ms = r->time_ms, .json = text_bytes(&answer)};
        TRY(b->store->answer_put(b->store, &row));
    } else {
        struct suspense_row row = {
            .position = r->position,
            .kind = r->kind,
            .time_ms = r->time_ms,
            .seed = r->seed,
            .generation = r->generation,
            .payload = r->payload,
            .reason = bytes_of(reason),
            .state = SUSPENSE_WAITING,
        };
        TRY(b->store->suspense_put(b->store, &row));
        b->tally.suspended++;
        struct outcome_record in;
        if (r->kind == RECORD_OUTCOME && b->released != NULL &&
            outcome_decode(r->payload, &in) == OK)
            b->released(b->ctx, in.delivery);
    }
    advance(b, r);
    return OK;
}
