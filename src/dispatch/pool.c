// SPDX-License-Identifier: MIT
#include "dispatch/pool.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "port/log.h"

// A place of a worker.
struct slot {
    struct worker *worker; // null: none is up
    size_t deaths;         // in a row, without an answer between them
    int64_t start_at;      // monotonic µs, not before; 0: now
};

struct worker {
    struct list link; // in pool.workers
    struct pool *pool;
    struct slot *slot; // null: it is leaving and gets nothing more
    struct process *process;
    size_t owed;
    bool answered; // anything, since it was started
    bool late;     // an answer did not come in time
    bool closed;   // its output: no answer can come, and it gets nothing more
    bool stopped;  // asked to end
    struct frame_lines out;
    struct output err;
};

struct pool {
    struct pool_options o;
    struct program *program;
    int64_t *restart_ms;
    struct slot *slots;
    struct list workers;
    struct list flights; // of all workers, by due_at: each has the same time
    size_t size;
    bool retired;
};

static int64_t now_us(const struct pool *p) { return clock_mono_us(p->o.clock); }

struct pool *pool_open(struct program *program, const struct pool_options *o) {
    struct pool *p = NEW(struct pool);
    ensure(o->workers > 0 && o->restart_count > 0);
    p->o = *o;
    p->program = program;
    p->restart_ms = NEW_ARRAY(int64_t, o->restart_count);
    for (size_t i = 0; i < o->restart_count; i++)
        p->restart_ms[i] = o->restart_ms[i];
    p->slots = NEW_ARRAY(struct slot, o->workers);
    list_init(&p->workers);
    list_init(&p->flights);
    return p;
}

static void worker_free(struct worker *w) {
    list_remove(&w->link);
    w->pool->size--;
    frame_lines_drop(&w->out);
    output_drop(&w->err);
    free(w);
}

void pool_close(struct pool *p) {
    ensure(list_empty(&p->flights));
    for (struct list *it = p->workers.next; it != &p->workers; it = p->workers.next) {
        struct worker *w = CONTAINER(it, struct worker, link);
        p->program->processes->forget(w->process);
        worker_free(w);
    }
    free(p->restart_ms);
    free(p->slots);
    free(p);
}

size_t pool_size(const struct pool *p) { return p->size; }

// Late workers have their grace to end, in which others take their places.
static bool has_room(const struct pool *p) { return p->size < (size_t)p->o.workers * POOL_SPREAD; }

// --- workers leave

static void stop(struct worker *w) {
    struct processes *door = w->pool->program->processes;
    w->stopped = true;
    door->close_input(w->process);
    door->stop(w->process, w->late ? PROCESS_ASK : PROCESS_WAIT);
}

static void stop_if_free(struct worker *w) {
    if (w->slot == NULL && w->owed == 0 && !w->stopped)
        stop(w);
}

static void leave(struct worker *w) {
    if (w->slot != NULL)
        w->slot->worker = NULL;
    w->slot = NULL;
}

void pool_retire(struct pool *p) {
    p->retired = true;
    LIST_EACH(it, &p->workers) {
        struct worker *w = CONTAINER(it, struct worker, link);
        leave(w);
        stop_if_free(w);
    }
}

// --- flights end

static void land(struct flight *f) {
    list_remove(&f->link);
    f->worker->owed--;
}

static void fail(struct pool *p, struct flight *f, bytes why) {
    OWN(text_drop)
    struct text tail = {0};
    text_add(&tail, output_tail(&f->worker->err));
    land(f);
    p->o.owner->failed(p->o.ctx, f, why, text_bytes(&tail));
}

static void put_off(struct pool *p, struct flight *f) {
    land(f);
    p->o.owner->put_off(p->o.ctx, f);
}

void pool_cancel(struct pool *p, struct flight *f) {
    struct worker *w = f->worker;
    land(f);
    stop_if_free(w);
}

static struct flight *flight_of(const struct pool *p, const struct worker *w,
                                const struct frame_answer *a) {
    LIST_EACH(it, &p->flights) {
        struct flight *f = CONTAINER(it, struct flight, link);
        if (f->worker == w && f->delivery == a->delivery &&
            (a->attempt == 0 || a->attempt == f->attempt))
            return f;
    }
    return NULL;
}

static void ignore(struct worker *w, enum metric reason, const char *why, bytes line) {
    struct voice *v = w->err.voice;
    metric_add(reason, 1);
    if (voice_may_say(v, w->err.pid))
        log_event(LOG_HANDLER_IGNORED, log_b("destination", v->destination),
                  log_i("pid", w->err.pid), log_s("why", why), log_b("line", line));
}

static void on_line(void *ctx, bytes line, bool cut) {
    struct worker *w = ctx;
    struct pool *p = w->pool;
    OWN(text_drop)
    struct text error = {0};
    struct frame_answer a;
    if (cut) {
        ignore(w, METRIC_HANDLER_TOO_LONG, "it is longer than 64 KiB", line);
        return;
    }
    result read = frame_answer_read(line, &a, &error);
    if (read != OK) {
        ignore(w, METRIC_HANDLER_GARBAGE, read->text, line);
        return;
    }
    struct flight *f = flight_of(p, w, &a);
    if (f == NULL) {
        ignore(w, METRIC_HANDLER_UNKNOWN,
               "no such event is in its hands: never, answered before, or no longer waited for",
               line);
        return;
    }
    land(f);
    w->answered = true;
    if (w->slot != NULL)
        w->slot->deaths = 0;
    p->o.owner->answered(p->o.ctx, f, &a);
    stop_if_free(w);
}

// --- workers speak and end

// Its place may have another after a while.
static void vacate(struct worker *w, bool wait) {
    struct slot *slot = w->slot;
    const struct pool *p = w->pool;
    if (slot == NULL)
        return;
    leave(w);
    if (!wait)
        return;
    size_t i = slot->deaths < p->o.restart_count ? slot->deaths : p->o.restart_count - 1;
    slot->deaths++;
    slot->start_at = now_us(p) + p->restart_ms[i] * 1000;
}

static void on_wrote(void *ctx, enum process_stream stream, bytes piece) {
    struct worker *w = ctx;
    w->err.pid = w->pool->program->processes->pid(w->process);
    if (stream == PROCESS_ERR) {
        if (piece.n > 0)
            output_add(&w->err, piece);
        else
            output_end(&w->err);
        return;
    }
    if (piece.n > 0) {
        frame_lines_add(&w->out, piece, on_line, w);
        return;
    }
    // No answer can come any more. Mostly it has ended, and how will be told.
    frame_lines_end(&w->out, on_line, w);
    if (!w->stopped) {
        w->closed = true;
        stop(w);
    }
}

static struct flight *owed_by(const struct pool *p, const struct worker *w) {
    LIST_EACH(it, &p->flights) {
        struct flight *f = CONTAINER(it, struct flight, link);
        if (f->worker == w)
            return f;
    }
    return NULL;
}

// An event sent between its last answer and its end is no failure of anybody's.
static bool wants_replacement(const struct worker *w, const struct process_end *end) {
    return w->answered && end->failed == NULL && end->signal == 0 && end->status == 0 &&
           !(w->pool->o.one_each && w->owed > 0);
}

static void on_ended(void *ctx, const struct process_end *end) {
    struct worker *w = ctx;
    struct pool *p = w->pool;
    OWN(text_drop)
    struct text why = {0};
    text_adds(&why, end->failed == NULL ? "its worker ended: " : "");
    process_say_end(end, &why);
    bool asked = w->stopped && !w->closed, replaced = wants_replacement(w, end);
    vacate(w, !replaced);
    if (!asked && !replaced) {
        metric_add(METRIC_HANDLER_DIED, 1);
        log_event(LOG_HANDLER_DIED, log_b("destination", w->err.voice->destination),
                  log_i("pid", w->err.pid), log_b("how", text_bytes(&why)),
                  log_i("owed", (int64_t)w->owed));
    }
    for (struct flight *f = owed_by(p, w); f != NULL; f = owed_by(p, w))
        if (replaced)
            put_off(p, f);
        else
            fail(p, f, text_bytes(&why));
    worker_free(w);
    p->o.owner->changed(p->o.ctx);
}

static struct worker *worker_start(struct pool *p, struct slot *slot) {
    static const struct process_owner owner = {on_wrote, on_ended};
    struct worker *w = NEW(struct worker);
    w->pool = p;
    w->slot = slot;
    w->out.max = FRAME_LINE_MAX;
    w->err = (struct output){.voice = &p->program->voice, .stream = "stderr"};
    list_push(&p->workers, &w->link);
    p->size++;
    struct text fact = {0};
    text_adds(&fact, "HOOKKEEP_DESTINATION=");
    text_add(&fact, p->program->voice.destination);
    w->process = program_start(p->program, &fact, 1, &owner, w);
    text_drop(&fact);
    slot->worker = w;
    slot->start_at = 0;
    return w;
}

// --- events go out

static bool may_take(const struct pool *p, const struct slot *s) {
    return s->worker != NULL && !s->worker->closed && !(p->o.one_each && s->worker->owed > 0);
}

static bool may_start(const struct slot *s, int64_t now) {
    return s->worker == NULL && s->start_at <= now;
}

bool pool_ready(const struct pool *p) {
    int64_t now = now_us(p);
    bool room = has_room(p);
    for (uint32_t i = 0; i < p->o.workers && !p->retired; i++)
        if (may_take(p, &p->slots[i]) || (room && may_start(&p->slots[i], now)))
            return true;
    return false;
}

// The one that owes least; a further one before any has two.
static struct worker *choose(struct pool *p) {
    struct worker *best = NULL;
    struct slot *empty = NULL;
    int64_t now = now_us(p);
    bool room = has_room(p);
    for (uint32_t i = 0; i < p->o.workers; i++) {
        struct slot *s = &p->slots[i];
        if (may_take(p, s) && (best == NULL || s->worker->owed < best->owed))
            best = s->worker;
        if (empty == NULL && room && may_start(s, now))
            empty = s;
    }
    return empty != NULL && (best == NULL || best->owed > 0) ? worker_start(p, empty) : best;
}

void pool_send(struct pool *p, struct flight *f, const struct frame_event *e) {
    struct worker *w = choose(p);
    ensure(w != NULL && !p->retired);
    *f = (struct flight){.worker = w, .delivery = e->delivery, .attempt = e->attempt};
    f->began = now_us(p);
    f->due_at = f->began + p->o.timeout_ms * 1000;
    list_push(&p->flights, &f->link);
    w->owed++;
    struct text line = {.max = SIZE_MAX};
    frame_event_write(e, &line);
    p->program->processes->write(w->process, &line);
}

// --- time

static struct flight *first_flight(const struct pool *p) {
    return list_empty(&p->flights) ? NULL : CONTAINER(p->flights.next, struct flight, link);
}

int64_t pool_due(const struct pool *p) {
    const struct flight *f = first_flight(p);
    int64_t at = f != NULL ? f->due_at : 0;
    for (uint32_t i = 0; i < p->o.workers && !p->retired; i++) {
        const struct slot *s = &p->slots[i];
        if (s->worker == NULL && s->start_at != 0 && (at == 0 || s->start_at < at))
            at = s->start_at;
    }
    return at;
}

// A place that must stay empty until one of those that are leaving has ended.
static void say_crowded(const struct pool *p) {
    metric_add(METRIC_HANDLER_CROWDED, 1);
    log_event(LOG_HANDLER_CROWDED, log_b("destination", p->program->voice.destination),
              log_i("processes", (int64_t)p->size));
}

void pool_tick(struct pool *p) {
    int64_t now = now_us(p);
    OWN(text_drop)
    struct text why = {0};
    text_adds(&why, "no answer within ");
    text_add_duration(&why, p->o.timeout_ms);
    for (uint32_t i = 0; i < p->o.workers; i++)
        if (may_start(&p->slots[i], now))
            p->slots[i].start_at = 0;
    for (struct flight *f = first_flight(p); f != NULL && f->due_at <= now; f = first_flight(p)) {
        struct worker *w = f->worker;
        bool had_place = w->slot != NULL;
        w->late = true;
        vacate(w, false);
        if (had_place && !has_room(p))
            say_crowded(p);
        metric_add(METRIC_HANDLER_LATE, 1);
        fail(p, f, text_bytes(&why));
        stop_if_free(w);
    }
}
