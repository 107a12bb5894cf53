// SPDX-License-Identifier: MIT
// In some runs the destination `all` has lanes, one for each connected account. Read from all
// records once all is calm, by the prose of rules/lane.h and without its code: a delivery began
// only after the one before it in its lane had let it go.
#include <string.h>

#include "base/json.h"
#include "rules/lane.h"
#include "rules/record.h"
#include "sim.h"

const char *plan_lanes; // keys of that destination, a comma in front; null: it has none

#define LANED "all"

// What became of a delivery, by the records.
struct seen {
    size_t first, last; // indexes of its first and last outcome; SIZE_MAX: none
    size_t failed;      // of its first failure
    bool asked;         // a person retried or cancelled it: nothing is said of its place
};

static struct seen *seen_of(struct seen *all, size_t n, uint64_t delivery) {
    return delivery > 0 && delivery < n ? &all[delivery] : NULL;
}

static void note_outcome(struct seen *all, size_t n, const struct record *r, size_t at) {
    struct outcome_record in;
    if (outcome_decode(r->payload, &in) != OK)
        return;
    struct seen *s = seen_of(all, n, in.delivery);
    if (s == NULL)
        return;
    if (s->first == SIZE_MAX)
        s->first = at;
    if (in.outcome == OUTCOME_FAILED && s->failed == SIZE_MAX)
        s->failed = at;
    s->last = at;
}

static void note_command(struct seen *all, size_t n, const struct record *r) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    int64_t delivery;
    if (json_parse(r->payload, &doc) != OK ||
        json_i64(json_get(json_root(doc), "delivery"), &delivery) != OK)
        return;
    struct seen *s = seen_of(all, n, (uint64_t)delivery);
    if (s != NULL)
        s->asked = true;
}

// Where the one behind it may begin: its end, or with `skip` its first failure.
static size_t lets_go(const struct seen *s) {
    bool skips = strstr(plan_lanes, "skip") != NULL;
    return skips && s->failed != SIZE_MAX ? s->failed : s->last;
}

struct row {
    struct delivery_row d;
    bytes account, owner;
    bool livemode;
};

static bool same_lane(const struct row *a, const struct row *b) {
    return a->livemode == b->livemode && bytes_equal(a->owner, b->owner) &&
           bytes_equal(a->account, b->account);
}

static bool is_laned(struct sim *s, uint32_t destination, struct arena *a) {
    struct destination_row *rows = NULL;
    size_t n = 0;
    if (s->node.books->destinations(s->node.books, a, &rows, &n) != OK)
        return false;
    for (size_t i = 0; i < n; i++)
        if (rows[i].number == destination)
            return bytes_equal(rows[i].name, B(LANED));
    return false;
}

static size_t read_rows(struct sim *s, struct arena *a, struct row *out, size_t max) {
    struct store *books = s->node.books;
    size_t n = 0;
    struct event_row e;
    for (uint64_t seq = 1; n < max && books->delivery_get(books, seq, a, &out[n].d) == OK; seq++) {
        if (!is_laned(s, out[n].d.destination, a) ||
            books->event_get(books, out[n].d.event_seq, a, &e) != OK)
            continue;
        out[n].account = e.account;
        out[n].owner = e.owner;
        out[n].livemode = e.livemode;
        n++;
    }
    return n;
}

static void check_row(struct sim *s, const struct seen *seen, const struct row *rows, size_t i) {
    const struct seen *own = &seen[rows[i].d.seq];
    for (size_t k = i; own->first != SIZE_MAX && !own->asked && k-- > 0;) {
        const struct seen *before = &seen[rows[k].d.seq];
        if (!same_lane(&rows[k], &rows[i]) || before->asked || before->first == SIZE_MAX ||
            rows[k].d.state == DELIVERY_CANCELLED)
            continue;
        if (lets_go(before) > own->first)
            world_broken(&s->world, "a lane keeps its order",
                         "delivery %llu began before %llu let it go",
                         (unsigned long long)rows[i].d.seq, (unsigned long long)rows[k].d.seq);
        return; // the nearest one says it of those before
    }
}

void oracle_lanes(struct sim *s) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 256 << 20);
    if (plan_lanes == NULL)
        return;
    size_t most = s->history_count + 1000;
    struct row *rows = arena_take(&a, most * sizeof *rows);
    struct seen *seen = arena_take(&a, most * sizeof *seen);
    if (rows == NULL || seen == NULL)
        return;
    for (size_t i = 0; i < most; i++)
        seen[i] = (struct seen){SIZE_MAX, SIZE_MAX, SIZE_MAX, false};
    for (size_t i = 0; i < s->history_count; i++) {
        if (s->history[i].kind == RECORD_OUTCOME)
            note_outcome(seen, most, &s->history[i], i);
        else if (s->history[i].kind == RECORD_COMMAND)
            note_command(seen, most, &s->history[i]);
    }
    size_t n = read_rows(s, &a, rows, most);
    for (size_t i = 0; i < n; i++)
        if (rows[i].d.seq < most)
            check_row(s, seen, rows, i);
}
