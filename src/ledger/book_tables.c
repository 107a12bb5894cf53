// SPDX-License-Identifier: MIT
// Tables of Stripe's objects: applying an event to the rows of what it tells of.
#include <stdlib.h>

#include "base/ensure.h"
#include "base/map.h"
#include "base/memory.h"
#include "ledger/book_internal.h"
#include "rules/projection.h"

#define AT_HAND_MAX 16384
#define COMPARED_BYTES_MAX (64u << 20) // of the events of two seconds; more are not read

// Objects that are known from events of their own: what comes along of them in other events says
// nothing new, so their rows need not be looked for. Almost every event carries the same prices.
struct book_tables {
    struct map own;
    struct text key, versions, data; // scratch
};

void book_tables_forget(struct book *b) {
    if (b->tables == NULL)
        return;
    map_drop(&b->tables->own);
    text_drop(&b->tables->key);
    text_drop(&b->tables->versions);
    text_drop(&b->tables->data);
    free(b->tables);
    b->tables = NULL;
}

static bytes own_key(struct book_tables *t, const struct table_key *key) {
    text_reset(&t->key);
    text_adds(&t->key, key->table->name);
    text_addc(&t->key, key->shadow ? '+' : ',');
    text_add_u64(&t->key, key->owner.n);
    text_addc(&t->key, ',');
    text_add_u64(&t->key, key->account.n);
    text_addc(&t->key, key->livemode ? '+' : ',');
    text_add(&t->key, key->owner);
    text_add(&t->key, key->account);
    text_add(&t->key, key->id);
    return text_bytes(&t->key);
}

static bool has_own(struct book_tables *t, const struct table_key *key) {
    return map_get(&t->own, own_key(t, key)) != NULL;
}

static void note_own(struct book_tables *t, const struct table_key *key) {
    if (t->own.n >= AT_HAND_MAX)
        map_drop(&t->own);
    map_put(&t->own, own_key(t, key), t);
}

// One event being applied.
struct applying {
    struct book *b;
    const struct event_row *booked;
    const struct event *event;
    const struct plan_destination *to;
    bool shadow;
    struct arena *a;
    size_t compared; // bytes
    bool changed;
};

static struct table_key key_of(const struct applying *p, const struct projected *o) {
    return (struct table_key){
        .table = o->table,
        .shadow = p->shadow,
        .owner = p->booked->owner,
        .account = p->booked->account,
        .livemode = p->booked->livemode,
        .id = o->id,
    };
}

// The row as an object says it. Which versions are known, and whether they are undecided, is there.
static result put(struct applying *p, struct table_row *row, const struct event *e,
                  const struct projected *o) {
    struct text *data = &p->b->tables->data;
    text_reset(data);
    json_write(o->data, data);
    NEED(!data->failed, INVALID, "the object is larger than a row may be");
    row->deleted = o->deleted;
    row->incomplete = o->incomplete;
    row->embedded = o->kind == VERSION_EMBEDDED;
    row->event_id = e->id;
    row->event_created = e->created;
    row->data = text_bytes(data);
    row->object = &o->data;
    return p->b->store->table_put(p->b->store, row);
}

// An event of a row, to be compared with others.
struct weighed {
    struct version_state state;
    const struct event *event;
    struct event read; // empty for the one that is being applied
    struct projected object;
};

static void drop_weighed(struct weighed *w, size_t n) {
    for (size_t i = 0; i < n; i++)
        event_drop(&w[i].read);
}

// All that is compared counts, the event being applied too: else it would matter which came last.
static result read_counted(struct applying *p, uint64_t seq, struct arena *a, bytes *body) {
    TRY(p->b->store->body_get(p->b->store, seq, a, body));
    p->compared += body->n;
    NEED(p->compared <= COMPARED_BYTES_MAX, ABSENT, "the events of one second are too large");
    return OK;
}

static result read_other(struct applying *p, const struct table_row *row, bytes id,
                         struct event *out) {
    struct store *s = p->b->store;
    struct event_row booked;
    OWN(arena_drop)
    struct arena a; // the document keeps what it needs
    arena_init(&a, BOOK_SCRATCH_MAX);
    bytes body;
    if (bytes_equal(id, p->event->id))
        return read_counted(p, p->booked->seq, &a, &body);
    TRY(s->event_find(s, row->key.owner, row->key.account, row->key.livemode, id, &a, &booked));
    TRY(read_counted(p, booked.seq, &a, &body));
    return event_parse(body, out, NULL);
}

// ABSENT: it is not in the books any more, or says something else than it did.
static result weigh(struct applying *p, const struct table_row *row, const struct version *v,
                    struct weighed *out) {
    *out = (struct weighed){.event = p->event, .state = {.version = *v}};
    if (!bytes_equal(v->event, p->event->id))
        out->event = &out->read;
    TRY(read_other(p, row, v->event, &out->read));
    struct projection all;
    TRY(projection_read(out->event, p->to->except, p->to->except_count, p->a, &all));
    NEED(all.own && all.objects[0].table == row->key.table &&
             bytes_equal(all.objects[0].id, row->key.id),
         ABSENT, "an event of a row is of another one");
    out->object = all.objects[0];
    out->state.data = out->object.data;
    out->state.previous = json_path(json_root(out->event->doc), B("data.previous_attributes"));
    return OK;
}

static result weigh_all(struct applying *p, const struct table_row *row, const struct version *v,
                        size_t n, struct weighed *out, struct version_state *states,
                        size_t *count) {
    for (size_t i = 0; i < n; i++) {
        result failed = weigh(p, row, &v[i], &out[*count]);
        if (failed == OK)
            states[*count] = out[*count].state;
        else
            event_drop(&out[*count].read);
        if (book_waits(failed))
            return failed;
        *count += failed == OK;
    }
    return OK;
}

static result show_chosen(struct applying *p, struct table_row *row, const struct versions *known,
                          struct weighed *newest, size_t *newest_count, struct weighed *before,
                          size_t *before_count) {
    struct version_state states[VERSIONS_MAX], older[VERSIONS_MAX];
    struct store *s = p->b->store;
    TRY(weigh_all(p, row, known->newest, known->newest_count, newest, states, newest_count));
    TRY(weigh_all(p, row, known->before, known->before_count, before, older, before_count));
    bool missing = *newest_count < known->newest_count;
    if (*newest_count == 0) { // what is shown is as good as any
        row->undecided = true;
        return s->table_note(s, row);
    }
    struct version_choice choice =
        version_choose(states, *newest_count, older, *before_count, known->cut);
    const struct weighed *shown = &newest[choice.shown];
    row->undecided = choice.undecided || missing;
    if (row->handle != 0 && bytes_equal(row->event_id, shown->event->id))
        return s->table_note(s, row);
    return put(p, row, shown->event, &shown->object);
}

// Several events of the newest second: their bytes are read again, and compared.
static result compare(struct applying *p, struct table_row *row) {
    struct versions *known = arena_take(p->a, sizeof *known);
    struct weighed *all = arena_take(p->a, 2 * VERSIONS_MAX * sizeof *all);
    NEED(known != NULL && all != NULL, MEMORY, "booking a record takes more memory than it may");
    TRY(versions_read(row->versions, known));
    size_t newest_count = 0, before_count = 0;
    result failed =
        show_chosen(p, row, known, all, &newest_count, all + VERSIONS_MAX, &before_count);
    drop_weighed(all, newest_count);
    drop_weighed(all + VERSIONS_MAX, before_count);
    p->b->tally.tables_undecided += failed == OK && row->undecided && !p->shadow;
    return failed;
}

static result apply_object(struct applying *p, const struct projected *o) {
    struct store *s = p->b->store;
    struct book_tables *t = p->b->tables;
    struct table_row row = {.key = key_of(p, o)};
    if (o->kind == VERSION_EMBEDDED && has_own(t, &row.key))
        return OK;
    result got = s->table_get(s, &row.key, p->a, &row);
    if (failed_as(got, FAIL_ABSENT))
        row = (struct table_row){.key = key_of(p, o)};
    else
        TRY(got);
    struct version v = {p->event->created, o->kind, p->event->id};
    enum version_news news = VERSION_KNOWN;
    TRY(versions_add(row.versions, &v, &t->versions, &news));
    if (o->kind != VERSION_EMBEDDED || (got == OK && !row.embedded))
        note_own(t, &row.key);
    if (news == VERSION_KNOWN)
        return OK;
    p->changed = true;
    row.versions = arena_copy(p->a, text_bytes(&t->versions));
    NEED(row.versions.n == t->versions.n, MEMORY, "booking a record takes more memory than it may");
    if (news == VERSION_NOTED)
        return s->table_note(s, &row);
    if (news == VERSION_COMPARE)
        return compare(p, &row);
    row.undecided = false;
    return put(p, &row, p->event, o);
}

static void note_table(struct book *b, const struct event_row *booked, const struct event *e,
                       const struct object_table *t) {
    sightings_note(&b->seen, &(struct sighting_row){
                                 .kind = SIGHTING_TABLE,
                                 .what = bytes_of(t->name),
                                 .livemode = booked->livemode,
                                 .first_at = booked->received_at,
                                 .last_at = booked->received_at,
                                 .count = 1,
                                 .created = e->created,
                             });
}

result book_tables_apply(struct book *b, const struct event_row *booked, const struct event *e,
                         const struct plan_destination *to, bool shadow, struct arena *a,
                         bool *changed) {
    struct applying p = {b, booked, e, to, shadow, a, 0, false};
    struct projection all;
    if (b->tables == NULL)
        b->tables = NEW(struct book_tables);
    TRY(projection_read(e, to->except, to->except_count, a, &all));
    for (size_t i = 0; i < all.count; i++)
        if (!shadow || book_rebuild_wants(b, all.objects[i].table))
            TRY(apply_object(&p, &all.objects[i]));
    b->tally.tables_cut += all.cut && !shadow;
    if (all.own && !shadow)
        note_table(b, booked, e, all.objects[0].table);
    *changed = p.changed;
    return OK;
}

result book_tables_try(struct book *b, const struct event_row *booked, const struct event *e,
                       const struct plan_destination *to, struct arena *a, const char **refused) {
    *refused = b->unapplied;
    if (*refused != NULL) {
        b->tally.tables_failed++;
        return OK;
    }
    bool changed = false;
    result failed = book_tables_apply(b, booked, e, to, false, a, &changed);
    if (failed != OK && !book_waits(failed))
        b->unapplied = failed->text;
    TRY(failed);
    b->tally.tables_applied += changed;
    b->tally.tables_known += !changed;
    return book_rebuild_follow(b, booked, e, to, a);
}
