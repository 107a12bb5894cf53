// SPDX-License-Identifier: MIT
// The operator's side: commands of all kinds, some with an Idempotency-Key, which a client asks
// again when a crash or a full journal kept their answer from it, and now and then for no reason.
#include <stdlib.h>

#include "rules/record.h"
#include "sim.h"

static bool is_durable(const struct sim *s, size_t from, bytes command) {
    for (size_t i = from; i < s->history_count; i++)
        if (s->history[i].kind == RECORD_COMMAND && bytes_equal(s->history[i].payload, command))
            return true;
    return false;
}

static void may_replay(struct sim *s, uint64_t seq) {
    struct receipt_record in;
    if (seq > s->history_count || s->history[seq - 1].kind != RECORD_EVENT ||
        receipt_decode(s->history[seq - 1].payload, &in) != OK)
        return;
    for (size_t i = 0; i < s->event_count; i++)
        for (int v = 0; v < 2; v++)
            if (bytes_equal(in.body, bytes_of(s->events[i].body[v])))
                s->events[i].replays++;
}

// Both are counted here, once: a command with a key may be asked often and does its work once.
static void write_replay(struct sim *s, struct text *json) {
    uint64_t seq = 1 + world_below(&s->world, s->history_count + 1);
    const char *to = plan_destinations[world_below(&s->world, plan_destination_names)];
    char id[ENDPOINT_NAME_SIZE];
    if (s->endpoint_count > 0 && world_chance(&s->world, 2)) {
        endpoint_name(world_below(&s->world, s->endpoint_count), id);
        to = id;
    }
    may_replay(s, seq);
    text_addf(json, "{\"do\":\"replay\",\"events\":[%llu],\"to\":", (unsigned long long)seq);
    if (world_chance(&s->world, 2))
        text_adds(json, "null");
    else
        text_addf(json, "\"%s\"", to);
}

static void write_retry(struct sim *s, struct text *json) {
    unsigned long long n = 1 + world_below(&s->world, 200);
    text_addf(json, "{\"do\":\"retry\",\"delivery\":%llu", n);
    s->retries++;
}

static void write_site(struct sim *s, struct text *json) {
    struct world *w = &s->world;
    if (world_chance(w, 3)) {
        text_addf(json, "{\"do\":\"site_learn\",\"events\":[%llu]",
                  1 + (unsigned long long)world_below(w, s->history_count + 1));
        return;
    }
    size_t site = world_below(w, SITE_NAMES + 1);
    text_addf(json, "{\"do\":\"site_assign\",\"object\":%llu,\"site\":",
              1 + (unsigned long long)world_below(w, 40));
    if (site == SITE_NAMES)
        text_adds(json, "null");
    else
        text_addf(json, "\"%s\"", site_names[site]);
}

static void post_command(struct sim *s) {
    OWN(text_drop)
    struct text json = {0};
    const char *name = plan_destinations[world_below(&s->world, plan_destination_names)];
    unsigned long long n = 1 + world_below(&s->world, 200);
    switch (world_below(&s->world, plan_has_sites ? 8 : 6)) {
    case 0: write_replay(s, &json); break;
    case 1: write_retry(s, &json); break;
    case 2: text_addf(&json, "{\"do\":\"cancel\",\"delivery\":%llu", n); break;
    case 3:
        text_addf(&json, "{\"do\":\"hold\",\"destination\":\"%s\",\"reason\":\"sim\"", name);
        break;
    case 4: text_addf(&json, "{\"do\":\"release\",\"destination\":\"%s\"", name); break;
    case 5: text_addf(&json, "{\"do\":\"suspense_book\",\"position\":%llu", n); break;
    default: write_site(s, &json); break;
    }
    text_addc(&json, '}');
    node_post(&s->node, RECORD_COMMAND, text_bytes(&json));
}

static void ask(struct sim *s, const char *json) {
    node_post(&s->node, RECORD_COMMAND, bytes_of(json));
}

static void ask_new(struct sim *s) {
    OWN(text_drop)
    struct text json = {0};
    if (s->asked_count == ASKED_MAX)
        return;
    if (world_chance(&s->world, 3))
        write_retry(s, &json);
    else
        write_replay(s, &json);
    text_addf(&json, ",\"idempotency_key\":\"key_%zu\"}", s->asked_count);
    s->asked[s->asked_count] = bytes_strdup(text_bytes(&json));
    ask(s, s->asked[s->asked_count++]);
}

// Tables are made anew, some steps at a time, and not always to the end.
static void post_rebuild(struct sim *s) {
    OWN(text_drop)
    struct text json = {0};
    if (world_chance(&s->world, 4))
        text_addf(&json, "{\"do\":\"tables_rebuild\",\"tables\":%s}",
                  world_chance(&s->world, 2) ? "null" : "[\"products\"]");
    else
        text_addf(&json, "{\"do\":\"tables_step\",\"count\":%d}",
                  1 + (int)world_below(&s->world, 20));
    node_post(&s->node, RECORD_COMMAND, text_bytes(&json));
}

void operator_commands(struct sim *s) {
    struct world *w = &s->world;
    if (plan_has_tables && world_chance(w, 40))
        post_rebuild(s);
    if (world_chance(w, 60))
        post_command(s);
    if (world_chance(w, 200))
        ask_new(s);
    if (s->asked_count > 0 && world_chance(w, 100))
        ask(s, s->asked[world_below(w, s->asked_count)]);
}

// Where tables may have been made anew in trouble, they are once more in the end, as far as that is
// wanted then: what they hold is what is stored, and no more what was applied.
static bool rebuilds(const struct sim *s) { return plan_has_tables && s->trouble.commands; }

static void rebuild_on(struct sim *s) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    OWN(text_drop)
    struct text json = {0}, key = {0};
    struct answer_row answer;
    text_addf(&key, "calm_%u", s->rebuild_steps);
    text_addf(&json, "{\"do\":%s,\"idempotency_key\":\"%s\"}",
              s->rebuild_steps == 0 ? "\"tables_rebuild\",\"tables\":null"
                                    : "\"tables_step\",\"count\":2000",
              text_str(&key));
    if (!is_durable(s, s->calm_from, text_bytes(&json))) {
        node_post(&s->node, RECORD_COMMAND, text_bytes(&json));
        return;
    }
    if (s->node.books->answer_find(s->node.books, text_bytes(&key), &a, &answer) != OK)
        return; // not booked yet
    if (bytes_search(answer.json, B("\"error\"")) < answer.json.n)
        s->rebuild = REBUILD_REFUSED;
    else if (bytes_search(answer.json, B("\"done\":true")) < answer.json.n)
        s->rebuild = REBUILD_DONE;
    else
        s->rebuild_steps++;
    world_say(&s->world, "the last rebuild: %.*s", BYTES_ARG(answer.json));
}

bool operator_done(const struct sim *s) {
    if (rebuilds(s) && s->rebuild == REBUILD_OPEN)
        return false;
    for (size_t i = 0; i < s->asked_count; i++)
        if (!is_durable(s, s->calm_from, bytes_of(s->asked[i])))
            return false;
    return true;
}

// Held by itself, it may be so again and again, as long as it does nothing but fail.
static bool is_held(const struct sim *s, const char *destination) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct destination_row d;
    struct store *books = s->node.books;
    return books->destination_find(books, bytes_of(destination), &a, &d) == OK && d.held;
}

// What a crash took with it, or a full journal refused, was never answered: it is asked for again.
// Once durable it is not, so it must do its work. What has a key is asked once more in any case.
void operator_calms(struct sim *s) {
    if (s->node.posted > 0)
        return;
    endpoints_calm(s);
    if (s->calm_from == 0)
        s->calm_from = s->history_count; // what was posted in trouble lies before
    for (size_t i = 0; i < plan_destination_names; i++) {
        OWN(text_drop)
        struct text json = {0};
        text_addf(&json, "{\"do\":\"release\",\"destination\":\"%s\"}", plan_destinations[i]);
        if (!is_durable(s, s->calm_from, text_bytes(&json)) || is_held(s, plan_destinations[i]))
            node_post(&s->node, RECORD_COMMAND, text_bytes(&json));
    }
    for (size_t i = 0; i < s->asked_count; i++)
        if (!is_durable(s, s->calm_from, bytes_of(s->asked[i])))
            ask(s, s->asked[i]);
    if (rebuilds(s) && s->rebuild == REBUILD_OPEN)
        rebuild_on(s);
}

void operator_close(struct sim *s) {
    for (size_t i = 0; i < s->asked_count; i++)
        free(s->asked[i]);
}
