// SPDX-License-Identifier: MIT
// The simulation: sim [SEEDS [FIRST]] runs many seeds, sim --seed N one with its trace, sim
// --sabotage shows that each oracle notices what it is there for.
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "disk.h"
#include "port/log.h"
#include "rules/record.h"

#define COMMANDS_EACH 4  // one run in so many has handlers beside sites
#define SITES_EACH 2     // one in so many has several sites
#define TABLES_EACH 3    // and one in so many keeps tables
#define ENDPOINTS_EACH 3 // and one in so many has endpoints that are made through the API
#define LANES_EACH 6     // in two of so many a destination has lanes
#define MOODS_EACH 6     // and in one in so many nothing but sites' moods is amiss
#define TROUBLE_US 150000000
#define WATCH_EACH 8 // steps
#define STEPS_MAX 400000
#define SABOTAGE_SEEDS 60

static void draw_trouble(struct sim *s) {
    struct world *w = &s->world;
    bool *all[] = {&s->trouble.crashes,  &s->trouble.disk,   &s->trouble.store,
                   &s->trouble.network,  &s->trouble.jumps,  &s->trouble.plans,
                   &s->trouble.commands, &s->trouble.poison, &s->trouble.moods};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = world_chance(w, 2);
    s->trouble.killer = world_chance(w, 6);
    s->trouble.narrow = world_chance(w, 2);
    if (world_chance(w, MOODS_EACH))
        s->trouble = (struct trouble){.moods = true};
}

static void arm_disk(struct sim *s) {
    struct disk_faults *f = disk_faults(s->node.disk);
    bool on = s->trouble.disk && !s->calm;
    f->write_io = on ? 500 : 0;
    f->write_full = on ? 3000 : 0;
    f->sync_io = on ? 1000 : 0;
    f->sync_lost = on ? 1000 : 0;
}

static void crash(struct sim *s) {
    s->crashes++;
    s->node.up = false;
    stripe_crashed(s);
    node_crash(&s->node);
    oracle_death(s);
    site_crashed(s);
    if (world_chance(&s->world, 4))
        oracle_books(s);
}

static void post_plan(struct sim *s) {
    s->node.wanted_variant = (int)world_below(&s->world, VARIANTS);
    OWN(text_drop)
    struct text json = {0};
    plan_of(s->node.wanted_variant, &json);
    node_post(&s->node, RECORD_PLAN, text_bytes(&json));
}

static void jump(struct sim *s) {
    int64_t ms = (int64_t)world_below(&s->world, 7200000) - 3600000;
    s->world.wall_offset_ms += ms;
    if (ms > 0)
        s->forwarded_us = s->world.mono_us;
}

static void make_trouble(struct sim *s) {
    struct world *w = &s->world;
    if (s->trouble.crashes && world_chance(w, 400))
        crash(s);
    if (s->trouble.jumps && world_chance(w, 600))
        jump(s);
    if (s->trouble.store && world_chance(w, 1500))
        s->full_until_us = w->mono_us + (int64_t)world_below(w, 90000000);
    if (s->node.up && s->trouble.plans && world_chance(w, 500))
        post_plan(s);
    if (s->node.up && s->trouble.commands)
        operator_commands(s);
    if (s->node.up)
        endpoints_command(s);
}

// From here on everything must come to its end.
static void calm_down(struct sim *s) {
    world_say(&s->world, "calm");
    s->calm = true;
    arm_disk(s);
    disk_fuse(s->node.disk, 0);
}

static void let_time_pass(struct sim *s) {
    int64_t next = world_next(&s->world);
    int64_t due = s->node.up ? node_due(&s->node) : INT64_MAX;
    if (due < next)
        next = due;
    if (next == INT64_MAX)
        next = 1000;
    world_pass(&s->world, next < 1 ? 1 : next);
}

static void step(struct sim *s) {
    struct world *w = &s->world;
    if (!s->calm)
        make_trouble(s);
    if (!s->node.up) {
        world_pass(w, 1 + (int64_t)world_below(w, 1000000));
        if (!node_start(&s->node)) {
            if (s->die)
                oracle_death(s);
            s->die = false;
        }
    } else if (!node_step(&s->node)) {
        let_time_pass(s);
    } else if (world_chance(w, 4)) {
        world_pass(w, (int64_t)world_below(w, 2000));
    }
    if (s->node.up && (s->die || journal_failed(s->node.journal))) {
        s->die = false;
        crash(s);
    }
}

static void open_sim(struct sim *s, uint64_t seed, bool tracing, const struct sabotage *sabotage) {
    *s = (struct sim){.sabotage = sabotage};
    sim_now = s;
    world_open(&s->world, seed, tracing);
    if (sabotage != NULL)
        s->trouble = sabotage->trouble;
    else
        draw_trouble(s);
    struct trouble t = s->trouble;
    s->only_moods = !(t.crashes || t.disk || t.store || t.network || t.jumps || t.plans ||
                      t.commands || t.poison || t.killer || t.narrow);
    site_open(s);
    handler_open(s);
    s->node = (struct node){
        .world = &s->world,
        .disk = disk_open(seed),
        .books = store_memory(),
        .fetcher = &s->fetcher,
        .processes = &s->processes,
        .on_record = oracle_record,
        .ctx = s,
    };
    s->node.small = s->trouble.narrow;
    s->node.wanted_variant = (int)world_below(&s->world, VARIANTS);
    if (s->trouble.network && world_chance(&s->world, 4))
        s->down = plan_destinations[world_below(&s->world, plan_destination_names)];
    plan_mixes_modes = handler_deaths_are_success = false;
    plan_has_commands = seed % COMMANDS_EACH == 0;
    plan_has_sites = seed % SITES_EACH == 1;
    plan_has_tables = sabotage != NULL ? sabotage->tables : seed % TABLES_EACH == 1;
    plan_has_endpoints = sabotage != NULL ? sabotage->endpoints : seed % ENDPOINTS_EACH == 2;
    plan_lanes = sabotage != NULL && !sabotage->lanes ? NULL
                 : seed % LANES_EACH == 3             ? ",\"order\":\"account\""
                 : sabotage != NULL || seed % LANES_EACH == 5
                     ? ",\"order\":\"account\",\"on_failure\":\"skip\""
                     : NULL;
    if (plan_has_endpoints && s->trouble.network && world_chance(&s->world, 2))
        s->down = "we_0";
    faults_arm(s);
    if (sabotage != NULL && sabotage->arm != NULL)
        sabotage->arm(s);
    if (sabotage != NULL && sabotage->books != NULL) {
        plan_has_sites = true;
        sabotage->books(s->node.books);
    }
    arm_disk(s);
    stripe_plan(s);
}

static void close_sim(struct sim *s) {
    stripe_crashed(s);
    node_stop(&s->node);
    // What is still planned frees itself: answers of sites, pieces of requests.
    s->world.tracing = false;
    for (int i = 0; i < 100000 && s->fetches > 0; i++)
        world_pass(&s->world, 1000000);
    s->node.books->close(s->node.books);
    disk_close(s->node.disk);
    site_close(s);
    operator_close(s);
    oracle_close(s);
    for (size_t i = 0; i < s->event_count; i++) {
        free(s->events[i].body[0]);
        free(s->events[i].body[1]);
    }
    world_close(&s->world);
    sabotage_ends();
}

// The first oracle that did not hold, or null.
static const char *run(uint64_t seed, bool tracing, const struct sabotage *sabotage) {
    struct sim *s = NEW(struct sim);
    open_sim(s, seed, tracing, sabotage);
    for (uint64_t steps = 0; s->world.broken == NULL; steps++) {
        step(s);
        oracle_step(s);
        if (steps % WATCH_EACH == 0)
            moods_step(s);
        if (!s->calm && s->world.mono_us > TROUBLE_US)
            calm_down(s);
        if (s->calm && s->node.up && steps % 16 == 0)
            operator_calms(s);
        if (s->calm && steps % 16 == 0 && oracle_ended(s))
            break;
        if (steps > STEPS_MAX)
            world_broken(&s->world, "everything comes to its end", "after %d steps", STEPS_MAX);
    }
    if (s->world.broken == NULL)
        oracle_end(s);
    const char *broken = s->world.broken;
    if (broken != NULL && sabotage == NULL)
        printf("seed %llu: %s: %s\n  again: make sim SEED=%llu\n", (unsigned long long)seed, broken,
               text_str(&s->world.why), (unsigned long long)seed);
    close_sim(s);
    free(s);
    return broken;
}

static int run_many(uint64_t seeds, uint64_t first) {
    uint64_t failed = 0;
    for (uint64_t i = 0; i < seeds; i++)
        failed += run(first + i, false, NULL) != NULL;
    printf("%llu passed, %llu failed\n", (unsigned long long)(seeds - failed),
           (unsigned long long)failed);
    return failed > 0 || seeds == 0;
}

static int run_sabotages(void) {
    int missed = 0;
    for (size_t i = 0; i < sabotage_count; i++) {
        const char *broken = NULL;
        uint64_t seed = 0;
        while (broken == NULL && ++seed <= SABOTAGE_SEEDS)
            broken = run(seed, false, &sabotages[i]);
        bool noticed = broken != NULL && strcmp(broken, sabotages[i].oracle) == 0;
        printf("%s %s: %s (seed %llu)\n", noticed ? "noticed" : "MISSED ", sabotages[i].name,
               broken == NULL ? "nothing" : broken, (unsigned long long)seed);
        missed += !noticed;
    }
    printf("%zu passed, %d failed\n", sabotage_count - (size_t)missed, missed);
    return missed > 0;
}

int main(int argc, char **argv) {
    log_setup(LOG_TEXT, LOG_SILENT); // what would be logged is planned trouble
    if (argc == 2 && strcmp(argv[1], "--sabotage") == 0)
        return run_sabotages();
    if (argc == 3 && strcmp(argv[1], "--seed") == 0)
        return run(strtoull(argv[2], NULL, 10), true, NULL) != NULL;
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 200;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    return run_many(seeds, first);
}
