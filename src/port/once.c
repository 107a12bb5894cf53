// SPDX-License-Identifier: MIT
#include "port/once.h"

#include "base/ensure.h"

struct once {
    struct loop *loop;
    struct process *process; // null: it has ended
    struct text *out, *err, *why;
    int64_t timeout_ms;
    result ended;
};

static void on_wrote(void *ctx, enum process_stream stream, bytes piece) {
    struct once *o = ctx;
    struct text *to = stream == PROCESS_OUT ? o->out : o->err;
    text_add(to, bytes_slice(piece, 0, to->max - to->n));
}

static void on_ended(void *ctx, const struct process_end *end) {
    struct once *o = ctx;
    o->process = NULL;
    o->ended = OK;
    if (end->failed != NULL || end->signal != 0 || end->status != 0) {
        process_say_end(end, o->why);
        o->ended = PLACE(SYSTEM, "the program failed");
    }
    loop_stop(o->loop);
}

static void on_late(void *ctx) {
    struct once *o = ctx;
    text_adds(o->why, "no end within ");
    text_add_duration(o->why, o->timeout_ms);
    o->ended = PLACE(TIMEOUT, "the program does not end");
    loop_stop(o->loop);
}

result process_once(const struct process_spec *spec, int64_t timeout_ms, struct text *out,
                    struct text *err, struct text *why) {
    static const struct process_owner owner = {on_wrote, on_ended};
    struct once o = {.out = out, .err = err, .why = why, .timeout_ms = timeout_ms};
    struct processes *door = NULL;
    ensure(out->max > 0 && err->max > 0);
    TRY(loop_open(&o.loop));
    result opened = processes_open(o.loop, &door);
    if (opened != OK) {
        loop_close(o.loop);
        return opened;
    }
    struct timer *timer = timer_open(o.loop, on_late, &o);
    timer_set(timer, timeout_ms);
    o.process = door->start(door, spec, &owner, &o);
    door->close_input(o.process);
    loop_run(o.loop);
    timer_close(timer);
    processes_close(door); // kills what still runs
    loop_close(o.loop);
    return o.ended;
}
