// SPDX-License-Identifier: MIT
// Whose each event is, read from all records anew by the prose of rules/site.h: after every record
// the site of everything is worked out from nothing, over what the simulation knows it has sent.
// No link table, no spreading, no memory of what was learnt.
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "rules/command.h"
#include "rules/record.h"
#include "sim.h"
#include "stripe/event.h"

#define THINGS_MAX (EVENTS_MAX * (ABOVE_MAX + 2))
#define THING_ABOVE_MAX 24
#define LATE_MAX (EVENTS_MAX + 1)

enum { NOT_BOOKED = -3, BEFORE_SITES = -2, UNCLAIMED = -1 }; // else an enum site_name

struct thing {
    char key[80];
    const char *type;
    uint16_t above[THING_ABOVE_MAX];
    size_t above_count;
    int64_t met[SITE_NAMES]; // when its metadata named the site, as the newest event says; 0: never
    int assigned;            // -1: not by hand
    // Worked out anew each time.
    int own;
    unsigned said, below; // sets of sites
};

struct late {
    size_t event;
    int variant, site;
};

struct reading {
    struct sim *sim;
    int variant; // in force; -1: none yet
    struct thing things[THINGS_MAX];
    size_t thing_count;
    int site[EVENTS_MAX];
    uint64_t first[EVENTS_MAX];
    size_t thing[EVENTS_MAX];
    struct late late[LATE_MAX];
    size_t late_count;
};

static bool has_sites(int variant) {
    return plan_has_sites && variant >= 0 && site_wishes[variant][0].site != NO_SITE;
}

// The place of a site in the configuration; -1: it is not in it.
static int place_of(int variant, int site) {
    for (int i = 0; site_wishes[variant][i].site != NO_SITE; i++)
        if ((int)site_wishes[variant][i].site == site)
            return i;
    return -1;
}

static struct thing *thing_of(struct reading *r, const char *key, const char *type) {
    for (size_t i = 0; i < r->thing_count; i++)
        if (strcmp(r->things[i].key, key) == 0)
            return &r->things[i];
    ensure(r->thing_count < THINGS_MAX && strlen(key) < sizeof r->things->key);
    struct thing *t = &r->things[r->thing_count++];
    *t = (struct thing){.type = type, .assigned = -1};
    memcpy(t->key, key, strlen(key) + 1);
    return t;
}

// An id means one object of its owner and livemode, a price's or product's of its account too.
static struct thing *named(struct reading *r, const struct event_sent *e, const char *type,
                           const char *id) {
    OWN(text_drop)
    struct text key = {0};
    text_addf(&key, "%s %d ", e->other_owner ? "other" : "main", e->livemode);
    if (strcmp(type, "price") == 0 || strcmp(type, "product") == 0)
        text_addf(&key, "%s%s%s:", e->account, e->account[0] != '\0' ? "/" : "", type);
    text_adds(&key, id);
    return thing_of(r, text_str(&key), type);
}

static void put_below(struct reading *r, const struct thing *above, struct thing *below) {
    uint16_t at = (uint16_t)(above - r->things);
    for (size_t i = 0; i < below->above_count; i++)
        if (below->above[i] == at)
            return;
    ensure(below->above_count < THING_ABOVE_MAX);
    below->above[below->above_count++] = at;
}

static void hear(struct reading *r, struct thing *t, const char *site, int64_t created) {
    for (const struct site_wish *w = site_wishes[r->variant]; w->site != NO_SITE; w++)
        if (w->metadata && site != NULL && strcmp(site, site_names[w->site]) == 0 &&
            t->met[w->site] < created)
            t->met[w->site] = created;
}

// What an event says of objects, as claims of the configuration in force understand it.
static void hear_event(struct reading *r, size_t event) {
    const struct event_sent *e = &r->sim->events[event];
    const struct told *told = &e->told;
    const char *id = told->id[0] != '\0' ? told->id : e->id;
    struct thing *own = named(r, e, told->type, id);
    r->thing[event] = (size_t)(own - r->things);
    hear(r, own, told->site, told->created);
    for (size_t i = 0; i < told->above_count; i++) {
        struct thing *above = named(r, e, told->above[i].type, told->above[i].id);
        put_below(r, above, own);
        hear(r, above, told->above[i].site, told->created);
        if (e->account[0] != '\0')
            put_below(r, named(r, e, "account", e->account), above);
    }
    if (e->account[0] != '\0' && told->above_count == 0)
        put_below(r, named(r, e, "account", e->account), own);
}

static bool is_claimed(const struct site_wish *w, const struct thing *t) {
    const char *id = strrchr(t->key, ' ') + 1, *price = strstr(id, "price:");
    if (strcmp(t->type, "price") == 0)
        return w->price != NULL && strcmp(price + strlen("price:"), w->price) == 0;
    return (w->customer != NULL && strcmp(id, w->customer) == 0) ||
           (w->account != NULL && strcmp(id, w->account) == 0);
}

// By hand; else the first by the configuration's order of what claims it by id and of what its
// newest event said.
static void ask_own(struct reading *r, struct thing *t) {
    int by_id = -1, said = -1;
    t->said = 0;
    for (const struct site_wish *w = site_wishes[r->variant]; w->site != NO_SITE; w++) {
        if (is_claimed(w, t)) {
            by_id = by_id < 0 ? (int)w->site : by_id;
            t->said |= 1u << w->site;
        }
        if (!w->metadata || t->met[w->site] == 0)
            continue;
        t->said |= 1u << w->site;
        if (said < 0 || t->met[w->site] > t->met[said])
            said = w->site;
    }
    int first = by_id < 0 ? said : by_id;
    if (by_id >= 0 && said >= 0 && place_of(r->variant, said) < place_of(r->variant, by_id))
        first = said;
    if (t->assigned >= 0 && place_of(r->variant, t->assigned) >= 0) {
        first = t->assigned;
        t->said |= 1u << t->assigned;
    }
    t->own = first;
}

static bool is_shared(const struct thing *t) {
    return strcmp(t->type, "account") == 0 || strcmp(t->type, "price") == 0;
}

static int rank_of(const struct thing *t) {
    if (strcmp(t->type, "account") == 0)
        return 5;
    return strcmp(t->type, "price") == 0 || strcmp(t->type, "customer") == 0 ? 2 : 1;
}

// Of those above, the lowest rank that has one; of several the first in the configuration's order.
static int from_above(struct reading *r, const struct thing *t,
                      int (*ask)(struct reading *, struct thing *), bool also_shared) {
    int best = -1, rank = 0;
    for (size_t i = 0; i < t->above_count; i++) {
        struct thing *above = &r->things[t->above[i]];
        if (!also_shared && is_shared(above))
            continue;
        int site = ask(r, above), its = rank_of(above);
        if (site < 0)
            continue;
        if (best >= 0 && (its > rank || (its == rank &&
                                         place_of(r->variant, site) >= place_of(r->variant, best))))
            continue;
        best = site;
        rank = its;
    }
    return best;
}

static int taught(struct reading *r, struct thing *t) {
    return t->own >= 0 ? t->own : from_above(r, t, taught, true);
}

static int learnt(struct reading *r, struct thing *t) {
    int site = taught(r, t);
    if (site >= 0)
        return site;
    for (int i = 0; i < SITE_NAMES; i++)
        if (t->below == 1u << i)
            return i;
    return t->below != 0 ? -1 : from_above(r, t, learnt, false);
}

static unsigned evidence(struct reading *r, const struct thing *t) {
    unsigned all = t->said;
    for (size_t i = 0; i < t->above_count; i++)
        all |= evidence(r, &r->things[t->above[i]]);
    return all;
}

static void tell_above(struct reading *r, const struct thing *t, unsigned all) {
    for (size_t i = 0; i < t->above_count; i++) {
        struct thing *above = &r->things[t->above[i]];
        above->below |= all;
        tell_above(r, above, all);
    }
}

static void work_out(struct reading *r) {
    for (size_t i = 0; i < r->thing_count; i++) {
        ask_own(r, &r->things[i]);
        r->things[i].below = 0;
    }
    for (size_t i = 0; i < r->thing_count; i++)
        tell_above(r, &r->things[i], evidence(r, &r->things[i]));
}

static bool is_left(const struct reading *r, int site) {
    return site_wishes[r->variant][place_of(r->variant, site)].leaves;
}

// Whoever waited and has a site now is routed, unless the site leaves what is late.
static void route_waiting(struct reading *r) {
    work_out(r);
    for (size_t i = 0; i < r->sim->event_count; i++) {
        if (r->site[i] != UNCLAIMED)
            continue;
        int site = learnt(r, &r->things[r->thing[i]]);
        if (site < 0 || is_left(r, site))
            continue;
        r->site[i] = site;
        ensure(r->late_count < LATE_MAX);
        r->late[r->late_count++] = (struct late){i, r->variant, site};
    }
}

static int learn(struct reading *r, size_t event) {
    hear_event(r, event);
    route_waiting(r);
    return learnt(r, &r->things[r->thing[event]]);
}

static const char *site_text(int site) { return site < 0 ? "unclaimed" : site_names[site]; }

static void read_receipt(struct reading *r, uint64_t position) {
    struct sited *at = &r->sim->sited[position - 1];
    if (at->event < 0)
        return;
    size_t i = (size_t)at->event;
    int site = has_sites(r->variant) ? learn(r, i) : BEFORE_SITES;
    if (r->site[i] == NOT_BOOKED)
        r->first[i] = position;
    if (r->site[i] == NOT_BOOKED || r->site[i] == BEFORE_SITES)
        r->site[i] = site;
    at->site = site_text(r->site[i]);
}

static void read_plan(struct reading *r, int variant) {
    int before = r->variant;
    r->variant = variant;
    if (!has_sites(variant) || before == variant)
        return;
    for (size_t i = 0; i < r->sim->event_count; i++)
        if (r->site[i] == UNCLAIMED)
            hear_event(r, i);
    route_waiting(r);
}

static void read_assign(struct reading *r, uint64_t number, bytes site) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct site_object row;
    struct store *books = r->sim->node.books;
    if (books->object_get(books, number, &a, &row) != OK)
        return;
    OWN(text_drop)
    struct text key = {0};
    text_addf(&key, "%.*s %d %.*s", BYTES_ARG(row.owner), row.livemode, BYTES_ARG(row.key));
    for (size_t i = 0; i < r->thing_count; i++) {
        if (strcmp(r->things[i].key, text_str(&key)) != 0)
            continue;
        r->things[i].assigned = -1;
        for (int k = 0; k < SITE_NAMES; k++)
            if (bytes_equal(site, bytes_of(site_names[k])))
                r->things[i].assigned = k;
    }
    route_waiting(r);
}

// Events are known by their first receipt.
static void read_learn(struct reading *r, uint64_t seq) {
    for (size_t i = 0; i < r->sim->event_count; i++) {
        if (r->site[i] == NOT_BOOKED || r->first[i] != seq)
            continue;
        int site = learn(r, i);
        if (r->site[i] == BEFORE_SITES && site >= 0)
            r->site[i] = site;
    }
}

static bool is_done(struct sim *s, uint64_t position) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct answer_row row;
    return s->node.books->answer_get(s->node.books, position, &a, &row) == OK &&
           bytes_search(row.json, B("\"ok\":true")) < row.json.n;
}

static uint64_t number_in(json fields, const char *name) {
    int64_t n = 0;
    return json_i64(json_get(fields, name), &n) == OK ? (uint64_t)n : 0;
}

static void read_command(struct reading *r, const struct record *record) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (json_parse(record->payload, &doc) != OK)
        return;
    json fields = json_root(doc), first;
    bytes what = json_string(json_get(fields, "do"));
    bool on_sites = bytes_starts(what, B("site_"));
    if ((!on_sites && !bytes_equal(what, B("suspense_book"))) || !is_done(r->sim, record->position))
        return;
    int64_t seq = 0;
    size_t at = 0;
    if (!on_sites)
        read_receipt(r, number_in(fields, "position"));
    else if (bytes_equal(what, B("site_assign")))
        read_assign(r, number_in(fields, "object"), json_string(json_get(fields, "site")));
    else if (json_element(json_get(fields, "events"), &at, &first) && json_i64(first, &seq) == OK)
        read_learn(r, (uint64_t)seq);
}

static int event_index(struct sim *s, const struct record *record) {
    OWN(event_drop)
    struct event e = {0};
    struct receipt_record in;
    if (record->kind != RECORD_EVENT || receipt_decode(record->payload, &in) != OK ||
        event_parse(in.body, &e, NULL) != OK)
        return -1;
    const struct event_sent *sent = stripe_event(s, e.id, bytes_equal(in.owner, B("other")));
    return sent == NULL ? -1 : (int)(sent - s->events);
}

static int variant_of(const struct record *record) {
    for (int v = 0; record->kind == RECORD_PLAN && v < VARIANTS; v++) {
        OWN(text_drop)
        struct text plan = {0};
        plan_of(v, &plan);
        if (bytes_equal(text_bytes(&plan), record->payload))
            return v;
    }
    return -1;
}

static void read_record(struct reading *r, const struct record *record) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct suspense_row row;
    struct store *books = r->sim->node.books;
    if (books->suspense_get(books, record->position, &a, &row) == OK)
        return;
    switch ((enum record_kind)record->kind) {
    case RECORD_EVENT: read_receipt(r, record->position); break;
    case RECORD_COMMAND: read_command(r, record); break;
    case RECORD_PLAN: read_plan(r, r->sim->sited[record->position - 1].variant); break;
    case RECORD_OUTCOME: break;
    }
}

void sites_read(struct sim *s) {
    struct reading *r = s->reading = NEW(struct reading);
    r->sim = s;
    r->variant = -1;
    s->sited = memory_new(s->history_count + 1, sizeof *s->sited);
    for (size_t i = 0; i < EVENTS_MAX; i++)
        r->site[i] = NOT_BOOKED;
    for (size_t i = 0; i < s->history_count; i++)
        s->sited[i] =
            (struct sited){event_index(s, &s->history[i]), variant_of(&s->history[i]), "unclaimed"};
    for (size_t i = 0; i < s->history_count; i++)
        read_record(r, &s->history[i]);
}

void sites_close(struct sim *s) {
    free(s->reading);
    free(s->sited);
}

// To destinations that its site adds to those for the unclaimed.
static bool late_owes(const struct sim *s, const struct late *late, bytes destination) {
    const struct event_sent *e = &s->events[late->event];
    struct receipt_record in;
    const struct record *first = &s->history[s->reading->first[late->event] - 1];
    if (receipt_decode(first->payload, &in) != OK)
        return false;
    bytes type = bytes_of(e->type), account = bytes_of(e->account);
    return plan_expects(late->variant, destination, type, account, e->livemode, in.source,
                        site_text(late->site)) &&
           !plan_expects(late->variant, destination, type, account, e->livemode, in.source,
                         "unclaimed");
}

bool sites_explain(const struct sim *s, uint64_t receipt, bytes destination) {
    const struct reading *r = s->reading;
    for (size_t i = 0; i < r->late_count; i++)
        if (r->first[r->late[i].event] == receipt && late_owes(s, &r->late[i], destination))
            return true;
    return false;
}

static void check_late(struct sim *s, const struct late *late) {
    const struct event_sent *e = &s->events[late->event];
    for (size_t i = 0; i < plan_destination_names; i++) {
        bytes to = bytes_of(plan_destinations[i]);
        if (late_owes(s, late, to) && site_got(s, to, e)->accepted == 0 &&
            !oracle_gave_up(s, s->reading->first[late->event], to))
            world_broken(&s->world, "what waited comes to its site", "%s, of %s, never came to %s",
                         e->id, site_text(late->site), plan_destinations[i]);
    }
}

// As the books have it: its name, "unclaimed", or "" where there were no sites.
static const char *booked_site(struct sim *s, uint64_t seq) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct store *books = s->node.books;
    struct event_row row;
    struct site_row *rows = NULL;
    size_t n = 0;
    if (books->event_get(books, seq, &a, &row) != OK || books->sites(books, &a, &rows, &n) != OK)
        return "none";
    for (size_t i = 0; i < n && row.site > 0; i++)
        for (int k = 0; k < SITE_NAMES; k++)
            if (rows[i].number == row.site && bytes_equal(rows[i].name, bytes_of(site_names[k])))
                return site_names[k];
    return row.site == EVENT_UNCLAIMED ? "unclaimed" : "";
}

void oracle_sites(struct sim *s) {
    const struct reading *r = s->reading;
    for (size_t i = 0; i < r->late_count; i++)
        check_late(s, &r->late[i]);
    for (size_t i = 0; i < s->event_count; i++) {
        if (r->site[i] == NOT_BOOKED)
            continue;
        const char *site = booked_site(s, r->first[i]);
        const char *wanted = r->site[i] == BEFORE_SITES ? "" : site_text(r->site[i]);
        if (strcmp(site, wanted) != 0)
            world_broken(&s->world, "an event is its site's",
                         "%s is \"%s\" in the books, not \"%s\"", s->events[i].id, site, wanted);
    }
}
