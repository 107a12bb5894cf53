// SPDX-License-Identifier: MIT
// The handlers' side: programs of command destinations, oneshots and streams, that work, fail, say
// not yet, hang, die, answer twice, say nonsense, or cannot be started.
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/json.h"
#include "base/list.h"
#include "base/memory.h"
#include "sim.h"

struct process {
    struct sim *sim;
    uint32_t life;
    char destination[32];
    bool stream, over; // over: it has ended, or nobody hears of it any more
    bool hangs;
    const struct process_owner *owner;
    void *ctx;
    struct text in;
    size_t planned; // things that are to happen to it
};

bool handler_deaths_are_success;

enum fate { WORKS, FAILS, NOT_YET, WORKS_AND_HANGS, HANGS, WORKS_AND_DIES, DIES, TWICE, NONSENSE };

// An event in a handler's hands.
struct work {
    struct process *process;
    struct text body;
    uint64_t delivery, attempt;
    enum fate fate;
    struct got *got; // null: not worked
};

static void plan(struct process *p, int64_t us, void (*happen)(void *ctx), void *ctx) {
    p->planned++;
    p->sim->fetches++;
    world_plan(&p->sim->world, us, happen, ctx);
}

static void leave(struct process *p) {
    if (!p->over || p->planned > 0)
        return;
    text_drop(&p->in);
    free(p);
}

static void happened(struct process *p) {
    p->planned--;
    p->sim->fetches--;
    leave(p);
}

// Somebody is there to hear it.
static bool is_heard(const struct process *p) {
    return !p->over && p->sim->node.up && p->life == p->sim->node.lives;
}

static void end(struct process *p, struct process_end how) {
    if (!is_heard(p))
        return;
    p->owner->wrote(p->ctx, PROCESS_OUT, NO_BYTES);
    p->owner->wrote(p->ctx, PROCESS_ERR, NO_BYTES);
    p->over = true;
    if (handler_deaths_are_success)
        how = (struct process_end){.failed = how.failed};
    p->owner->ended(p->ctx, &how);
}

static void end_asked(void *ctx) {
    struct process *p = ctx;
    end(p, (struct process_end){.signal = 15, .signal_name = "TERM"});
    happened(p);
}

static void end_willingly(void *ctx) {
    struct process *p = ctx;
    end(p, (struct process_end){.status = 0});
    happened(p);
}

static void not_started(void *ctx) {
    struct process *p = ctx;
    end(p, (struct process_end){.failed = "simulated"});
    happened(p);
}

static enum fate draw_fate(const struct process *p) {
    struct sim *s = p->sim;
    if (s->down != NULL && strcmp(p->destination, s->down) == 0)
        return FAILS;
    if (s->calm || !s->trouble.network || !world_chance(&s->world, 2))
        return WORKS;
    return (enum fate)world_below(&s->world, p->stream ? NONSENSE + 1 : DIES + 1);
}

static void say(const struct work *k, const char *outcome, bool attempt) {
    OWN(text_drop)
    struct text line = {0};
    text_addf(&line, "{\"delivery\":%llu,", (unsigned long long)k->delivery);
    if (attempt)
        text_addf(&line, "\"attempt\":%llu,", (unsigned long long)k->attempt);
    text_addf(&line, "\"outcome\":\"%s\"}\n", outcome);
    // In two pieces, as a pipe may cut it.
    struct process *p = k->process;
    size_t cut = world_below(&p->sim->world, line.n);
    p->owner->wrote(p->ctx, PROCESS_OUT, bytes_slice(text_bytes(&line), 0, cut + 1));
    if (cut + 1 < line.n)
        p->owner->wrote(p->ctx, PROCESS_OUT, bytes_slice(text_bytes(&line), cut + 1, line.n));
}

static void answer_stream(const struct work *k) {
    struct process *p = k->process;
    bool attempt = world_chance(&p->sim->world, 2);
    switch (k->fate) {
    case FAILS: say(k, "failed", attempt); break;
    case NOT_YET: say(k, "not_yet", attempt); break;
    case NONSENSE:
        p->owner->wrote(p->ctx, PROCESS_OUT, B("{\"delivery\":1}\nnonsense\n"));
        say(k, "done", attempt);
        break;
    case TWICE:
        say(k, "done", true);
        say(k, "failed", true);
        break;
    case WORKS_AND_DIES:
    case DIES: end(p, (struct process_end){.signal = 11, .signal_name = "SEGV"}); break;
    case WORKS_AND_HANGS:
    case HANGS: p->hangs = true; break;
    case WORKS: say(k, "done", attempt); break;
    }
}

static void answer_oneshot(const struct work *k) {
    struct process *p = k->process;
    switch (k->fate) {
    case FAILS: end(p, (struct process_end){.status = 1}); break;
    case NOT_YET: end(p, (struct process_end){.status = 75}); break;
    case WORKS_AND_DIES:
    case DIES: end(p, (struct process_end){.signal = 11, .signal_name = "SEGV"}); break;
    case WORKS_AND_HANGS:
    case HANGS: p->hangs = true; break;
    default: end(p, (struct process_end){.status = 0}); break;
    }
}

static void answer(void *ctx) {
    struct work *k = ctx;
    struct process *p = k->process;
    bool heard = is_heard(p);
    bool said = k->fate == WORKS || k->fate == TWICE || k->fate == NONSENSE;
    if (k->got != NULL) {
        k->got->unrecorded += heard && said;
        k->got->excused += !(heard && said);
    }
    if (heard && p->stream)
        answer_stream(k);
    else if (heard)
        answer_oneshot(k);
    text_drop(&k->body);
    free(k);
    happened(p);
}

// It begins with it, if it lives still.
static void arrive(void *ctx) {
    struct work *k = ctx;
    struct process *p = k->process;
    struct sim *s = p->sim;
    bool works = k->fate != FAILS && k->fate != NOT_YET && k->fate != HANGS && k->fate != DIES;
    if (is_heard(p) && !p->hangs) {
        struct got *got = site_accept(s, bytes_of(p->destination), text_bytes(&k->body), works);
        k->got = works ? got : NULL;
    } else {
        k->fate = HANGS;
    }
    plan(p, 1 + (int64_t)world_below(&s->world, 200000), answer, k);
    happened(p);
}

static void begin(struct process *p, struct work *k) {
    k->process = p;
    k->fate = draw_fate(p);
    plan(p, 1 + (int64_t)world_below(&p->sim->world, 50000), arrive, k);
}

static const char *fact(const struct process_spec *spec, const char *name) {
    size_t n = strlen(name);
    for (const char *const *e = spec->env; *e != NULL; e++)
        if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
            return *e + n + 1;
    return NULL;
}

static struct process *start(struct processes *door, const struct process_spec *spec,
                             const struct process_owner *owner, void *ctx) {
    struct sim *s = CONTAINER(door, struct sim, processes);
    struct process *p = NEW(struct process);
    p->sim = s;
    p->life = s->node.lives;
    p->owner = owner;
    p->ctx = ctx;
    p->stream = fact(spec, "HOOKKEEP_EVENT") == NULL;
    const char *destination = fact(spec, "HOOKKEEP_DESTINATION");
    ensure(destination != NULL && strlen(destination) < sizeof p->destination);
    memcpy(p->destination, destination, strlen(destination) + 1);
    world_say(&s->world, "start %s of %s", p->stream ? "a worker" : "a process", p->destination);
    if (!s->calm && s->trouble.network && world_chance(&s->world, 12)) {
        p->hangs = true;
        plan(p, 1000, not_started, p);
    }
    return p;
}

static int64_t pid(struct process *p) { return 7; }

// A line of a stream, or a oneshot's event.
static void take(struct process *p, struct text *t) {
    if (!p->stream) {
        text_add(&p->in, text_bytes(t));
        text_drop(t);
        return;
    }
    OWN(json_close)
    struct json_doc *doc = NULL;
    ensure(bytes_find(text_bytes(t), '\n') == t->n - 1);
    ensure(json_parse(bytes_slice(text_bytes(t), 0, t->n - 1), &doc) == OK);
    json root = json_root(doc);
    struct work *k = NEW(struct work);
    text_add(&k->body, json_string(json_get(root, "payload")));
    ensure(bytes_to_u64(json_number(json_get(root, "delivery")), &k->delivery) == OK);
    ensure(bytes_to_u64(json_number(json_get(root, "attempt")), &k->attempt) == OK);
    text_drop(t);
    begin(p, k);
}

static void close_input(struct process *p) {
    if (p->stream) {
        if (!p->hangs)
            plan(p, 1 + (int64_t)world_below(&p->sim->world, 10000), end_willingly, p);
        return;
    }
    struct work *k = NEW(struct work);
    k->body = p->in;
    p->in = (struct text){0};
    begin(p, k);
}

static void stop(struct process *p, enum process_stop how) {
    plan(p, 1 + (int64_t)world_below(&p->sim->world, 100000), end_asked, p);
}

static void forget(struct process *p) {
    ensure(!p->over);
    p->over = true;
    leave(p);
}

void handler_open(struct sim *s) {
    s->processes = (struct processes){start, pid, take, close_input, stop, forget};
}
