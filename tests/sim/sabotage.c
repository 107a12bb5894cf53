// SPDX-License-Identifier: MIT
#include "base/json.h"
#include "disk.h"
#include "ledger/book_internal.h"
#include "rules/pace.h"
#include "rules/version.h"
#include "sim.h"

// Each breaks the gateway in one way, so that an oracle which sleeps through it is found out.
static struct store real;

static void lie_about_sync(struct sim *s) { disk_faults(s->node.disk)->sync_lies = true; }

static bool now_and_then(void) { return !sim_now->calm && world_chance(&sim_now->world, 10); }

static result forget(struct store *s, const struct delivery_row *row) {
    return now_and_then() ? OK : real.delivery_insert(s, row);
}

static void forget_deliveries(struct sim *s) { s->node.books->delivery_insert = forget; }

static result find_nothing(struct store *s, bytes owner, bytes account, bool livemode, bytes id,
                           struct arena *a, struct event_row *out) {
    if (now_and_then())
        FAIL(ABSENT, "sabotage");
    return real.event_find(s, owner, account, livemode, id, a, out);
}

static void forget_events(struct sim *s) { s->node.books->event_find = find_nothing; }

static result never_done(struct store *s, const struct delivery_row *row) {
    struct delivery_row changed = *row;
    if (row->state == DELIVERY_DONE && row->attempts < 3)
        changed.state = DELIVERY_DUE;
    return real.delivery_update(s, &changed);
}

static void send_again(struct sim *s) { s->node.books->delivery_update = never_done; }

static result wait_for_poison(struct store *s, const struct event_row *row) {
    if (bytes_starts(row->id, B("evt_poison")))
        FAIL(BUSY, "sabotage");
    return real.event_insert(s, row);
}

static void let_poison_wait(struct sim *s) { s->node.books->event_insert = wait_for_poison; }

static result chance_status(struct store *s, uint64_t seq, enum event_status status, bytes error) {
    return real.event_status(s, seq, now_and_then() ? EVENT_FAILED : status, error);
}

static void book_by_chance(struct sim *s) { s->node.books->event_status = chance_status; }

static void mix_modes(struct sim *s) {
    (void)s;
    plan_mixes_modes = true;
}

static result reserialise(struct store *s, uint32_t destination, int64_t now_ms, size_t max,
                          size_t max_bytes, bool (*skip)(void *, uint64_t), void *ctx,
                          struct priority_turns *turns, struct arena *a, struct due_row **out,
                          size_t *n) {
    TRY(real.due(s, destination, now_ms, max, max_bytes, skip, ctx, turns, a, out, n));
    for (size_t i = 0; i < *n; i++) {
        OWN(text_drop)
        struct text t = {0};
        OWN(json_close)
        struct json_doc *doc = NULL;
        TRY(json_parse((*out)[i].body, &doc));
        json_write(json_root(doc), &t);
        (*out)[i].body = arena_copy(a, text_bytes(&t));
    }
    return OK;
}

static void rewrite_bytes(struct sim *s) { s->node.books->due = reserialise; }

static void leak_credit(struct sim *s) { s->node.leaks = true; }

// A commit that keeps nothing but says that it did.
static result commit_nothing(struct store *s) {
    if (!now_and_then())
        return real.commit(s);
    real.rollback(s);
    return OK;
}

static void lose_commits(struct sim *s) { s->node.books->commit = commit_nothing; }

static result no_pause(struct store *s, const struct delivery_row *row) {
    struct delivery_row changed = *row;
    if (row->state == DELIVERY_WAITING)
        changed.next_at = changed.created_at;
    return real.delivery_update(s, &changed);
}

static void retry_at_once(struct sim *s) { s->node.books->delivery_update = no_pause; }

static result all_released(struct store *s, struct arena *a, struct destination_row **out,
                           size_t *n) {
    TRY(real.destinations(s, a, out, n));
    for (size_t i = 0; i < *n; i++)
        (*out)[i].held = false;
    return OK;
}

static void ignore_holds(struct sim *s) { s->node.books->destinations = all_released; }

static result dead_soon(struct store *s, const struct delivery_row *row) {
    struct delivery_row changed = *row;
    if (row->state == DELIVERY_WAITING && row->failures == 2) {
        changed.state = DELIVERY_DEAD;
        changed.ended_at = row->next_at;
    }
    return real.delivery_update(s, &changed);
}

static void give_up_soon(struct sim *s) { s->node.books->delivery_update = dead_soon; }

static result owe_first(struct store *s, const struct delivery_row *row) {
    struct delivery_row changed = *row;
    changed.receipt_seq = row->event_seq;
    return real.delivery_insert(s, &changed);
}

static void send_first_bytes(struct sim *s) { s->node.books->delivery_insert = owe_first; }

static result begun_twice(struct store *s, const struct store_state *state) {
    struct store_state changed = *state;
    if (state->start_count == 0 && now_and_then()) {
        changed.start_booked = state->booked;
        changed.start_count = 2;
    }
    return real.state_put(s, &changed);
}

static void count_lives_as_deaths(struct sim *s) { s->node.books->state_put = begun_twice; }

static result key_unknown(struct store *s, bytes key, struct arena *a, struct answer_row *out) {
    if (now_and_then())
        FAIL(ABSENT, "sabotage");
    return real.answer_find(s, key, a, out);
}

static void forget_keys(struct sim *s) { s->node.books->answer_find = key_unknown; }

static void call_deaths_success(struct sim *s) {
    plan_has_commands = true;
    handler_deaths_are_success = true;
}

// Deterministic, so that the books and the journal booked anew agree on it.
static result find_two_thirds(struct store *s, uint64_t object, uint64_t after, size_t max,
                              struct arena *a, uint64_t **out, size_t *n) {
    TRY(real.unclaimed_of(s, object, after, max, a, out, n));
    *n = object % 3 == 0 ? 0 : *n;
    return OK;
}

static void skip_who_waits(struct store *books) {
    real = *books;
    books->unclaimed_of = find_two_thirds;
}

static result site_beside(struct store *s, uint64_t seq, uint64_t object, int64_t site) {
    return real.event_site(s, seq, object, site > 1 ? site - 1 : site);
}

static void note_another_site(struct store *books) {
    real = *books;
    books->event_site = site_beside;
}

static bool undone_is_kept;

result __real_book_undone(struct book *b, const struct store_state *before);
result __wrap_book_undone(struct book *b, const struct store_state *before);

result __wrap_book_undone(struct book *b, const struct store_state *before) {
    if (!undone_is_kept || b->store != sim_now->node.books ||
        b->state.generation != before->generation)
        return __real_book_undone(b, before);
    struct book_sites *learnt = b->sites;
    b->sites = NULL;
    result undone = __real_book_undone(b, before);
    b->sites = learnt;
    return undone;
}

static void keep_what_is_undone(struct store *books) {
    (void)books;
    undone_is_kept = true;
}

static result know_nothing(struct store *s, const struct table_key *key, struct arena *a,
                           struct table_row *out) {
    TRY(real.table_get(s, key, a, out));
    out->versions = NO_BYTES;
    return OK;
}

static void forget_versions(struct store *books) {
    real = *books;
    books->table_get = know_nothing;
}

static result pass_over_thirds(struct store *s, uint64_t after, size_t max, struct arena *a,
                               uint64_t **out, size_t *n) {
    size_t kept = 0;
    TRY(real.events_after(s, after, max, a, out, n));
    for (size_t i = 0; i < *n; i++)
        if ((*out)[i] % 3 != 0)
            (*out)[kept++] = (*out)[i];
    *n = kept;
    return OK;
}

static void rebuild_from_less(struct store *books) {
    real = *books;
    books->events_after = pass_over_thirds;
}

static bool greatest_id_wins;

struct version_choice __real_version_choose(const struct version_state *newest, size_t n,
                                            const struct version_state *before, size_t m, bool cut);
struct version_choice __wrap_version_choose(const struct version_state *newest, size_t n,
                                            const struct version_state *before, size_t m, bool cut);

struct version_choice __wrap_version_choose(const struct version_state *newest, size_t n,
                                            const struct version_state *before, size_t m,
                                            bool cut) {
    struct version_choice c = __real_version_choose(newest, n, before, m, cut);
    for (size_t i = 0; i < n && greatest_id_wins; i++)
        if (bytes_compare(newest[i].version.event, newest[c.shown].version.event) > 0)
            c.shown = i;
    return c;
}

static void choose_by_id(struct store *books) {
    (void)books;
    greatest_id_wins = true;
}

static bool late_stays, success_is_nothing, off_matches, thirds_are_not_owed;

// What is read of endpoints says that they are enabled, while events are matched.
static bool matching;

static result all_enabled(struct store *s, struct arena *a, struct endpoint_row **out, size_t *n) {
    TRY(real.endpoints(s, a, out, n));
    for (size_t i = 0; i < *n && matching; i++) {
        bytes said = (*out)[i].json, off = B("\"enabled\":false");
        size_t at = bytes_search(said, off);
        if (at == said.n)
            continue;
        OWN(text_drop)
        struct text on = {0};
        text_add(&on, bytes_slice(said, 0, at));
        text_adds(&on, "\"enabled\":true");
        text_add(&on, bytes_slice(said, at + off.n, said.n));
        (*out)[i].json = arena_copy(a, text_bytes(&on));
    }
    return OK;
}

static void match_disabled(struct store *books) {
    real = *books;
    books->endpoints = all_enabled;
    off_matches = true;
}

static void forget_thirds(struct store *books) {
    (void)books;
    thirds_are_not_owed = true;
}

result __real_book_endpoints_owe(struct book *b, const struct owing *o, struct arena *a,
                                 bool *owed);
result __wrap_book_endpoints_owe(struct book *b, const struct owing *o, struct arena *a,
                                 bool *owed);

result __wrap_book_endpoints_owe(struct book *b, const struct owing *o, struct arena *a,
                                 bool *owed) {
    if (thirds_are_not_owed && o->receipt % 3 == 0)
        return OK;
    if (!off_matches)
        return __real_book_endpoints_owe(b, o, a, owed);
    matching = true;
    book_endpoints_forget(b);
    result r = book_endpoints_ready(b);
    if (r == OK)
        r = __real_book_endpoints_owe(b, o, a, owed);
    matching = false;
    book_endpoints_forget(b);
    return r == OK ? book_endpoints_ready(b) : r;
}

static result endpoint_key_unknown(struct store *s, bytes key, struct arena *a,
                                   struct answer_row *out) {
    NEED(!bytes_starts(key, B("endpoint_")), ABSENT, "sabotage");
    return real.answer_find(s, key, a, out);
}

static void forget_endpoint_keys(struct store *books) {
    real = *books;
    books->answer_find = endpoint_key_unknown;
}

result __real_book_cancel(struct book *b, struct delivery_row *d, const char *why, int64_t now_ms,
                          struct arena *a);
result __wrap_book_cancel(struct book *b, struct delivery_row *d, const char *why, int64_t now_ms,
                          struct arena *a);

result __wrap_book_cancel(struct book *b, struct delivery_row *d, const char *why, int64_t now_ms,
                          struct arena *a) {
    if (late_stays && bytes_starts(bytes_of(why), B("its endpoint was disabled")))
        return OK;
    return __real_book_cancel(b, d, why, now_ms, a);
}

static void keep_what_was_due(struct store *books) {
    (void)books;
    late_stays = true;
}

result __real_book_endpoint_ended(struct book *b, bytes name, enum outcome outcome, int64_t now_ms,
                                  struct arena *a);
result __wrap_book_endpoint_ended(struct book *b, bytes name, enum outcome outcome, int64_t now_ms,
                                  struct arena *a);

result __wrap_book_endpoint_ended(struct book *b, bytes name, enum outcome outcome, int64_t now_ms,
                                  struct arena *a) {
    if (success_is_nothing && outcome == OUTCOME_DONE)
        return OK;
    return __real_book_endpoint_ended(b, name, outcome, now_ms, a);
}

static void remember_failures(struct store *books) {
    (void)books;
    success_is_nothing = true;
}

static result lane_is_empty(struct store *s, uint32_t destination, int64_t lane,
                            uint64_t *delivery) {
    FAIL(ABSENT, "sabotage");
}

// Nobody waits for another.
static void pass_in_lanes(struct store *books) { books->lane_first = lane_is_empty; }

static bool lanes_stay;

result __real_book_lane_leave(struct book *b, const struct delivery_row *d, int64_t now_ms,
                              struct arena *a);
result __wrap_book_lane_leave(struct book *b, const struct delivery_row *d, int64_t now_ms,
                              struct arena *a);

result __wrap_book_lane_leave(struct book *b, const struct delivery_row *d, int64_t now_ms,
                              struct arena *a) {
    return lanes_stay ? OK : __real_book_lane_leave(b, d, now_ms, a);
}

static void never_let_go(struct store *books) {
    (void)books;
    lanes_stay = true;
}

static enum { PACE_HONEST, NO_RATE, NO_PAUSE_ENDS, PAUSED_TOGETHER, BREAKER_LEAKS } pace_broken;
static int64_t all_paused_until_us;

bool __real_pace_lets(const struct pace *p, int64_t now_us, size_t under_way, int64_t *at_us);
bool __wrap_pace_lets(const struct pace *p, int64_t now_us, size_t under_way, int64_t *at_us);

bool __wrap_pace_lets(const struct pace *p, int64_t now_us, size_t under_way, int64_t *at_us) {
    struct pace broken = *p;
    if (pace_broken == NO_RATE)
        broken.limits.rate = 0;
    if (pace_broken == NO_PAUSE_ENDS && p->paused_until_us > 0)
        broken.paused_until_us += INT64_C(86400000000);
    if (pace_broken == PAUSED_TOGETHER) {
        if (p->paused_until_us > all_paused_until_us)
            all_paused_until_us = p->paused_until_us;
        broken.paused_until_us = all_paused_until_us;
    }
    return __real_pace_lets(&broken, now_us, under_way, at_us);
}

bool __real_breaker_lets(const struct breaker *b, int64_t now_us, int64_t *at_us);
bool __wrap_breaker_lets(const struct breaker *b, int64_t now_us, int64_t *at_us);

bool __wrap_breaker_lets(const struct breaker *b, int64_t now_us, int64_t *at_us) {
    struct breaker early = *b;
    early.next_us -= early.open && pace_broken == BREAKER_LEAKS ? 500000 : 0;
    return __real_breaker_lets(&early, now_us, at_us);
}

static enum { TURNS_HONEST, NOISE_FIRST, ALWAYS_HIGH, PRIORITY_LOST } priority_broken;

enum priority __real_priority_turn(struct priority_turns *t, const bool waits[PRIORITIES]);
enum priority __wrap_priority_turn(struct priority_turns *t, const bool waits[PRIORITIES]);

enum priority __wrap_priority_turn(struct priority_turns *t, const bool waits[PRIORITIES]) {
    static const enum priority first[] = {PRIORITY_LOW, PRIORITY_NORMAL, PRIORITY_HIGH};
    static const enum priority strict[] = {PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW};
    enum priority turn = __real_priority_turn(t, waits);
    for (int i = PRIORITIES - 1; i >= 0; i--) {
        if (priority_broken == NOISE_FIRST && waits[first[i]])
            turn = first[i];
        if (priority_broken == ALWAYS_HIGH && waits[strict[i]])
            turn = strict[i];
    }
    return turn;
}

enum priority __real_priority_of(const struct priority_rule *rule, bytes type, bytes *by);
enum priority __wrap_priority_of(const struct priority_rule *rule, bytes type, bytes *by);

enum priority __wrap_priority_of(const struct priority_rule *rule, bytes type, bytes *by) {
    return priority_broken == PRIORITY_LOST ? PRIORITY_NORMAL : __real_priority_of(rule, type, by);
}

static void let_noise_go_first(struct store *books) {
    (void)books;
    priority_broken = NOISE_FIRST;
}

static void let_noise_starve(struct store *books) {
    (void)books;
    priority_broken = ALWAYS_HIGH;
}

static void lose_priority(struct store *books) {
    (void)books;
    priority_broken = PRIORITY_LOST;
}

static void keep_no_rate(struct sim *s) {
    (void)s;
    pace_broken = NO_RATE;
}

static void end_no_pause(struct sim *s) {
    (void)s;
    pace_broken = NO_PAUSE_ENDS;
}

static void pause_all(struct sim *s) {
    (void)s;
    pace_broken = PAUSED_TOGETHER;
}

static void probe_early(struct sim *s) {
    (void)s;
    pace_broken = BREAKER_LEAKS;
}

void sabotage_ends(void) {
    pace_broken = PACE_HONEST;
    priority_broken = TURNS_HONEST;
    all_paused_until_us = 0;
    undone_is_kept = greatest_id_wins = false;
    lanes_stay = late_stays = success_is_nothing = off_matches = thirds_are_not_owed = false;
}

#define ARM(name_)                                                                                 \
    static void arm_##name_(struct sim *s) {                                                       \
        real = *s->node.books;                                                                     \
        name_(s);                                                                                  \
    }
ARM(lie_about_sync)
ARM(forget_deliveries)
ARM(forget_events)
ARM(send_again)
ARM(let_poison_wait)
ARM(book_by_chance)
ARM(mix_modes)
ARM(rewrite_bytes)
ARM(leak_credit)
ARM(lose_commits)
ARM(retry_at_once)
ARM(ignore_holds)
ARM(give_up_soon)
ARM(send_first_bytes)
ARM(count_lives_as_deaths)
ARM(forget_keys)
ARM(call_deaths_success)

const struct sabotage sabotages[] = {
    {"sync does nothing", "a 2xx means durable", arm_lie_about_sync, {0}},
    {"deliveries are forgotten", "the ledger equals its journal", arm_forget_deliveries, {0}},
    {"known events are not found",
     "the ledger equals its journal",
     arm_forget_events,
     {.network = true}},
    {"what is done is sent again", "once per event", arm_send_again, {0}},
    {"poison waits for ever", "everything comes to its end", arm_let_poison_wait, {.poison = true}},
    {"booking depends on chance", "the ledger equals its journal", arm_book_by_chance, {0}},
    {"live and test are mixed up", "test and live stay apart", arm_mix_modes, {0}},
    {"bodies are written anew", "the bytes are sacred", arm_rewrite_bytes, {0}},
    {"credits are kept", "credits return", arm_leak_credit, {0}},
    {"commits are lost", "the ledger equals its journal", arm_lose_commits, {.crashes = true}},
    {"retries do not wait", "a retry keeps its distance", arm_retry_at_once, {.network = true}},
    {"holds are ignored", "a hold holds", arm_ignore_holds, {.commands = true}},
    {"deliveries die young",
     "a delivery dies of its schedule",
     arm_give_up_soon,
     {.network = true}},
    {"the first receipt's bytes go to all",
     "a delivery carries the bytes of its receipt",
     arm_send_first_bytes,
     {0}},
    {"lives that ended well count as deaths",
     "only poison is suspended",
     arm_count_lives_as_deaths,
     {.crashes = true}},
    {"keys are forgotten", "a key is carried out once", arm_forget_keys, {.commands = true}},
    {"handlers that die have succeeded",
     "every matching destination gets it",
     arm_call_deaths_success,
     {.network = true, .plans = true}},
    {"rates are not kept", "a destination gets no more than its rate", keep_no_rate, {0}},
    {"probes come too soon", "an open breaker sends only probes", probe_early, {.moods = true}},
    {"no pause ends", "what is due comes in time", end_no_pause, {.moods = true}},
    {"one that pauses pauses all", "a destination waits for no other", pause_all, {.moods = true}},
    {"noise goes first", "what is urgent goes first", NULL, {.moods = true}, let_noise_go_first},
    {"what is urgent goes always", "nothing starves", NULL, {.moods = true}, let_noise_starve},
    {"priorities are lost", "a priority is its type's", NULL, {0}, lose_priority},
    {"who waits is skipped", "what waited comes to its site", NULL, {0}, skip_who_waits},
    {"another site is noted", "an event is its site's", NULL, {0}, note_another_site},
    {"what is undone stays learnt",
     "what waited comes to its site",
     NULL,
     {.poison = true},
     keep_what_is_undone},
    {"versions are forgotten", "tables never go back in time", NULL, {0}, forget_versions, true},
    {"a rebuild passes events over",
     "tables never go back in time",
     NULL,
     {.commands = true},
     rebuild_from_less,
     true},
    {"the greatest id wins", "rows are what all events say", NULL, {0}, choose_by_id, true},
    {"disabled endpoints match",
     "an endpoint gets only what it is owed",
     NULL,
     {0},
     match_disabled,
     .endpoints = true},
    {"keys of endpoints are forgotten",
     "a key makes one endpoint",
     NULL,
     {0},
     forget_endpoint_keys,
     .endpoints = true},
    {"nobody waits in a lane", "a lane keeps its order", NULL, {0}, pass_in_lanes, .lanes = true},
    {"a lane is never let go",
     "everything comes to its end",
     NULL,
     {0},
     never_let_go,
     .lanes = true},
    {"what was due stays so",
     "late enabling cancels what was due",
     NULL,
     {.network = true},
     keep_what_was_due,
     .endpoints = true},
    {"a third is not owed",
     "an endpoint gets what it is owed",
     NULL,
     {0},
     forget_thirds,
     .endpoints = true},
    {"success ends no failing",
     "only failures disable an endpoint",
     NULL,
     {.network = true},
     remember_failures,
     .endpoints = true},
};
const size_t sabotage_count = sizeof sabotages / sizeof *sabotages;
