// SPDX-License-Identifier: MIT
// A rebuild of tables, step by step. Tables beside those that people read are filled from the
// stored events in the order in which these came; since a row is a function of the set of its
// object's events, what is applied to the old ones meanwhile belongs into the new ones too only
// where the rebuild has gone past it. The step that finds no more events exchanges them. What the
// old ones held is taken away afterwards, some rows a step: dropping a large table would hold
// booking up.
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "ledger/book_internal.h"
#include "rules/command.h"
#include "stripe/objects.h"

#define NAME_SHOWN_MAX 80
#define STEP_BYTES (4u << 20) // of events in a step
#define CLEARED_EACH 4        // rows taken away for each event that a step may read

struct book_rebuild {
    struct rebuild_row row;
    bool under_way;
    bool *wanted;       // of object_tables, those that are made anew
    struct text tables; // row.tables
};

void book_rebuild_forget(struct book *b) {
    if (b->rebuild == NULL)
        return;
    free(b->rebuild->wanted);
    text_drop(&b->rebuild->tables);
    free(b->rebuild);
    b->rebuild = NULL;
}

static void set_tables(struct book_rebuild *r, bytes tables) {
    text_reset(&r->tables);
    text_add(&r->tables, tables);
    r->row.tables = text_bytes(&r->tables);
    memset(r->wanted, 0, object_table_count * sizeof *r->wanted);
    for (bytes rest = r->row.tables; rest.n > 0;) {
        const struct object_table *t = object_table_named(bytes_cut(&rest, ' '));
        if (t != NULL)
            r->wanted[object_table_index(t)] = true;
    }
}

// What is under way, read once.
static result rebuild_of(struct book *b, struct arena *a, struct book_rebuild **out) {
    if (b->rebuild == NULL) {
        struct rebuild_row row = {0};
        result read = b->store->rebuild_get(b->store, a, &row);
        if (!failed_as(read, FAIL_ABSENT))
            TRY(read);
        b->rebuild = NEW(struct book_rebuild);
        b->rebuild->wanted = NEW_ARRAY(bool, object_table_count);
        b->rebuild->under_way = read == OK;
        b->rebuild->row = row;
        set_tables(b->rebuild, row.tables);
    }
    *out = b->rebuild;
    return OK;
}

static result put(struct book *b, struct book_rebuild *r, bool under_way) {
    r->under_way = under_way;
    return b->store->rebuild_put(b->store, under_way ? &r->row : NULL);
}

bool book_rebuild_wants(const struct book *b, const struct object_table *t) {
    return b->rebuild != NULL && b->rebuild->wanted[object_table_index(t)];
}

// Applies an event to the tables beside. What stands against it fails the record, and is known when
// that is booked again: then *refused.
static result apply_beside(struct book *b, const struct event_row *booked, const struct event *e,
                           const struct plan_destination *to, struct arena *a, bool *refused) {
    bool changed;
    *refused = b->beside.failed != OK && b->beside.event == booked->seq;
    if (*refused)
        return OK;
    result failed = book_tables_apply(b, booked, e, to, true, a, &changed);
    if (failed != OK && !book_waits(failed) && b->beside.failed == OK) {
        b->beside.failed = failed;
        b->beside.event = booked->seq;
    }
    return failed;
}

result book_rebuild_follow(struct book *b, const struct event_row *booked, const struct event *e,
                           const struct plan_destination *to, struct arena *a) {
    struct book_rebuild *r;
    bool refused = false;
    TRY(rebuild_of(b, a, &r));
    if (!r->under_way || !r->row.reads || booked->seq > r->row.after)
        return OK;
    return apply_beside(b, booked, e, to, a, &refused);
}

// --- start

// "customers", or as people read it: "stripe_customers". Members of lists go with their objects.
static const struct object_table *table_asked(bytes name) {
    if (bytes_starts(name, B("stripe_")))
        name = bytes_slice(name, 7, name.n);
    const struct object_table *t = object_table_named(name);
    return t != NULL && t->parent != NULL ? t->parent : t;
}

static void refuse_name(bytes name, struct text *why) {
    const struct object_table *nearest = NULL;
    size_t least = name.n / 3 < 6 ? name.n / 3 + 1 : 7;
    if (bytes_starts(name, B("stripe_")))
        name = bytes_slice(name, 7, name.n);
    for (size_t i = 0; i < object_table_count; i++) {
        size_t distance = text_distance(bytes_of(object_tables[i].name), name);
        if (distance < least) {
            least = distance;
            nearest = &object_tables[i];
        }
    }
    text_adds(why, "there is no table ");
    text_add_printable(why, name, NAME_SHOWN_MAX);
    if (nearest != NULL)
        text_addf(why, "; did you mean %s?", nearest->name);
    else
        text_adds(why, "; `hookkeep tables status` lists them");
}

// The names as they are kept, in the tables' order.
static void read_asked(json asked, struct text *out, struct text *why) {
    bool *wanted = NEW_ARRAY(bool, object_table_count);
    json name;
    bool all = json_type(asked) != JSON_ARRAY;
    for (size_t at = 0; !all && why->n == 0 && json_element(asked, &at, &name);) {
        const struct object_table *t = table_asked(json_string(name));
        if (t != NULL)
            wanted[object_table_index(t)] = true;
        else
            refuse_name(json_string(name), why);
    }
    for (size_t i = 0; i < object_table_count; i++)
        if (object_tables[i].parent == NULL && (all || wanted[i]))
            text_addf(out, "%s%s", out->n > 0 ? " " : "", object_tables[i].name);
    free(wanted);
}

// The destination whose tables these are, if it may be rebuilt now.
static result find_destination(struct book *b, struct arena *a, const struct plan_destination **out,
                               struct text *why) {
    struct destination_row row;
    *out = b->plan == NULL ? NULL : plan_tables(b->plan);
    if (*out == NULL) {
        text_adds(why, "no destination of kind tables is in the configuration");
        return OK;
    }
    TRY(b->store->destination_find(b->store, (*out)->name, a, &row));
    if (row.held)
        text_addf(why,
                  "%.*s is held: what it is owed would be in the new tables; release it first "
                  "(hookkeep destinations release %.*s)",
                  BYTES_ARG(row.name), BYTES_ARG(row.name));
    return OK;
}

result book_rebuild_start(struct book *b, json tables, int64_t now_ms, struct arena *a,
                          struct text *answer, struct text *why) {
    OWN(text_drop)
    struct text names = {0};
    const struct plan_destination *to;
    struct book_rebuild *r;
    read_asked(tables, &names, why);
    if (why->n == 0)
        TRY(find_destination(b, a, &to, why));
    if (why->n > 0)
        return OK;
    TRY(rebuild_of(b, a, &r));
    bool goes_on = r->under_way && !r->row.swapped;
    if (goes_on && json_type(tables) == JSON_ARRAY &&
        !bytes_equal(r->row.tables, text_bytes(&names))) {
        text_adds(why,
                  "a rebuild of other tables is under way; `hookkeep tables rebuild` without a "
                  "name goes on with it");
        return OK;
    }
    if (!goes_on) {
        set_tables(r, text_bytes(&names));
        r->row.began_at = now_ms;
        r->row.generation = b->plan->generation;
        r->row.after = 0;
        r->row.swapped = false;
        r->row.reads = !r->under_way; // else what is left of the one before goes first
        TRY(put(b, r, true));
    }
    text_addf(answer, "{\"ok\":true,\"resumed\":%s,\"after\":%llu}", goes_on ? "true" : "false",
              (unsigned long long)r->row.after);
    return OK;
}

// --- step

struct step {
    struct book *book;
    struct book_rebuild *rebuild;
    const struct plan_destination *to;
    size_t read, applied, failed;
    size_t bytes;
};

static result read_bytes(struct step *s, uint64_t seq, struct arena *a, struct event *out) {
    bytes body;
    TRY(s->book->store->body_get(s->book->store, seq, a, &body));
    s->bytes += body.n;
    return event_parse(body, out, NULL);
}

// Does the destination get the event by this receipt, under the plan in force? `e` may have been
// read already; otherwise it is when it is needed.
static result matches_by(struct step *s, uint64_t seq, bytes site, struct event *e, struct arena *a,
                         bool *matches) {
    struct book *b = s->book;
    struct receipt_row receipt;
    TRY(b->store->receipt_get(b->store, seq, a, &receipt));
    if (receipt.livemode_misfit)
        return OK;
    if (e->doc == NULL)
        TRY(read_bytes(s, seq, a, e));
    struct match_facts facts = book_facts(e, receipt.source, receipt.secret_label, site);
    *matches = match_destination(s->to, &facts, NULL);
    return OK;
}

// One of its later receipts may be what the destination gets it by.
static result matches_later(struct step *s, uint64_t seq, bytes site, struct arena *a,
                            bool *matches) {
    uint64_t *later = NULL;
    size_t n = 0;
    TRY(s->book->store->receipts_later(s->book->store, seq, a, &later, &n));
    for (size_t i = 0; i < n && !*matches; i++) {
        OWN(event_drop)
        struct event e = {0};
        TRY(matches_by(s, later[i], site, &e, a, matches));
    }
    return OK;
}

// What an event says is read in its first receipt, as booking does.
static result read_event(struct step *s, uint64_t seq, struct arena *a) {
    struct book *b = s->book;
    OWN(event_drop)
    struct event e = {0};
    struct event_row row;
    bytes site;
    bool matches = false, refused = false;
    TRY(b->store->event_get(b->store, seq, a, &row));
    if (row.thin)
        return OK;
    TRY(book_site_name(b, row.site, a, &site));
    TRY(matches_by(s, seq, site, &e, a, &matches));
    if (!matches)
        TRY(matches_later(s, seq, site, a, &matches));
    if (!matches)
        return OK;
    if (e.doc == NULL)
        TRY(read_bytes(s, seq, a, &e));
    TRY(apply_beside(b, &row, &e, s->to, a, &refused));
    s->applied += !refused;
    s->failed += refused;
    return OK;
}

// Events behind the last one read, as many as were asked for and their bytes allow.
static result read_some(struct step *s, size_t count, bool *end) {
    struct book *b = s->book;
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, BOOK_SCRATCH_MAX);
    uint64_t *seqs = NULL;
    size_t n = 0;
    TRY(b->store->events_after(b->store, s->rebuild->row.after, count, &a, &seqs, &n));
    OWN(arena_drop)
    struct arena each;
    arena_init(&each, BOOK_SCRATCH_MAX);
    // Behind one that could not be applied the step is over: the next may be such a one too.
    while (s->read < n && s->bytes < STEP_BYTES && s->failed == 0) {
        TRY(read_event(s, seqs[s->read], &each));
        s->rebuild->row.after = seqs[s->read++];
        arena_reset(&each);
    }
    *end = n < count && s->read == n;
    return OK;
}

static result swap(struct book *b, struct book_rebuild *r) {
    const struct object_table **tables = NEW_ARRAY(const struct object_table *, object_table_count);
    size_t n = 0;
    for (size_t i = 0; i < object_table_count; i++)
        if (r->wanted[i])
            tables[n++] = &object_tables[i];
    result failed = b->store->tables_swap(b->store, tables, n);
    free(tables);
    TRY(failed);
    b->tally.tables_rebuilt++;
    r->row.swapped = true;
    r->row.reads = false;
    book_tables_forget(b); // what it knows of those beside is of these now
    return OK;
}

// Takes rows of the tables beside away. Where none are left: what follows.
static result clear_some(struct step *s, size_t max, bool *done) {
    struct book *b = s->book;
    struct book_rebuild *r = s->rebuild;
    for (size_t i = 0; i < object_table_count && max > 0; i++) {
        size_t n = 0;
        if (object_tables[i].parent == NULL)
            TRY(b->store->table_clear(b->store, &object_tables[i], max, &n));
        max -= n;
    }
    if (max == 0)
        return OK;
    if (r->row.swapped) {
        *done = true;
        return OK;
    }
    r->row.reads = true;
    r->row.after = 0;
    r->row.generation = b->plan->generation;
    book_tables_forget(b); // what it knows of those beside stood in what was taken away
    return OK;
}

// Do two plans decide the same of who gets what?
static result same_rules(struct book *b, uint64_t generation, const struct plan_destination *to,
                         bool *same) {
    *same = generation == b->plan->generation;
    if (*same)
        return OK;
    const struct plan *before;
    TRY(book_plan(b, generation, &before));
    const struct plan_destination *was = plan_tables(before);
    *same = was != NULL && bytes_equal(was->name, to->name) && plan_destinations_equal(was, to) &&
            plan_sites_equal(before, b->plan);
    return OK;
}

static result work(struct step *s, size_t count, bool *done) {
    struct book *b = s->book;
    struct book_rebuild *r = s->rebuild;
    bool same = true, end = false;
    if (!r->row.reads)
        return clear_some(s, count * CLEARED_EACH, done);
    TRY(same_rules(b, r->row.generation, s->to, &same));
    if (!same) { // what was read was chosen by other rules
        r->row.reads = false;
        return OK;
    }
    r->row.generation = b->plan->generation;
    TRY(read_some(s, count, &end));
    return end ? swap(b, r) : OK;
}

static const char *yes(bool b) { return b ? "true" : "false"; }

result book_rebuild_step(struct book *b, size_t count, struct arena *a, struct text *answer,
                         struct text *why) {
    struct step s = {.book = b};
    bool done = false;
    TRY(rebuild_of(b, a, &s.rebuild));
    if (!s.rebuild->under_way) {
        text_adds(why, "no rebuild is under way");
        return OK;
    }
    TRY(find_destination(b, a, &s.to, why));
    if (why->n > 0)
        return OK;
    TRY(work(&s, count, &done));
    const struct rebuild_row *row = &s.rebuild->row;
    text_addf(answer,
              "{\"ok\":true,\"done\":%s,\"swapped\":%s,\"reads\":%s,\"read\":%zu,\"applied\":%zu,"
              "\"failed\":%zu,\"after\":%llu,\"last\":%llu}",
              yes(done), yes(row->swapped), yes(row->reads), s.read, s.applied, s.failed,
              (unsigned long long)row->after, (unsigned long long)b->state.booked);
    return put(b, s.rebuild, !done);
}
