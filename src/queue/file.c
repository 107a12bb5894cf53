// SPDX-License-Identifier: MIT
// Kind file: a line of JSON an event (lines.h). All that is pushed at once is one write and one
// sync. A line that a crash left without its end is cut off when the file is opened: it was never
// said to be there, and its event comes again. The file is locked while it is open, so that nobody
// else writes into it or cuts it.
#include <stdlib.h>

#include "base/list.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "port/clock.h"
#include "port/files.h"
#include "port/thread.h"
#include "queue/lines.h"

#define LOCK_PAUSE_US 20000
#define NAMES_TRIED 100

struct file_queue {
    struct queue queue;
    struct file *file; // null: not open
    char *path;
    uint64_t end;      // of its last whole line
    int64_t opened_at; // Unix ms, when the first line that is in it was written, or it was opened
    struct text lines;
};

static struct file_queue *file_of(struct queue *q) {
    return CONTAINER(q, struct file_queue, queue);
}

static struct queue *file_open(void) { return &NEW(struct file_queue)->queue; }

static void shut(struct file_queue *f) {
    files_real.close(f->file);
    f->file = NULL;
}

static void file_close(struct queue *q) {
    struct file_queue *f = file_of(q);
    shut(f);
    free(f->path);
    text_drop(&f->lines);
    free(f);
}

// Behind its last line end.
static result find_end(struct file_queue *f, uint64_t size, uint64_t *end) {
    uint8_t piece[4096];
    for (*end = size; *end > 0;) {
        size_t n = *end < sizeof piece ? (size_t)*end : sizeof piece;
        TRY(files_real.read(f->file, *end - n, piece, n));
        for (size_t i = n; i > 0; i--)
            if (piece[i - 1] == '\n') {
                *end -= n - i;
                return OK;
            }
        *end -= n;
    }
    return OK;
}

// The channel of before a reload may have it for as long as it takes to end.
static result take_lock(struct file_queue *f, int64_t until) {
    const struct queue_options *o = &f->queue.o;
    result locked = files_real.lock(f->file);
    while (failed_as(locked, FAIL_LOCKED) && clock_mono_us(&clock_real) < until &&
           (o->stop == NULL || !atomic_load(o->stop))) {
        thread_rest(LOCK_PAUSE_US);
        locked = files_real.lock(f->file);
    }
    NEED(!failed_as(locked, FAIL_LOCKED), LOCKED, "another process has the file locked");
    return locked;
}

static result prepare(struct file_queue *f) {
    uint64_t size;
    TRY(take_lock(f, clock_mono_us(&clock_real) + f->queue.o.timeout_ms * 1000));
    TRY(files_real.size(f->file, &size));
    TRY(find_end(f, size, &f->end));
    if (f->end < size)
        TRY(file_cut(f->file, f->end));
    f->opened_at = clock_wall_ms(&clock_real);
    return OK;
}

// Who moved or removed it meanwhile gets what comes next in a new one.
static result open_file(struct file_queue *f) {
    if (f->file != NULL && !file_is_at(f->file, f->path))
        shut(f);
    if (f->file != NULL)
        return OK;
    if (f->path == NULL)
        f->path = bytes_strdup(f->queue.o.target->path);
    result opened = files_real.open(&files_real, f->path, FILE_WRITE, &f->file);
    if (failed_as(opened, FAIL_ABSENT))
        opened = files_real.open(&files_real, f->path, FILE_CREATE, &f->file);
    TRY(opened);
    opened = prepare(f);
    if (opened != OK)
        shut(f); // it may be another's: nothing of it is cut
    return opened;
}

// PATH.20261127T193501Z, or with -2 and so on behind it.
static result rotate(struct file_queue *f, int64_t now_ms) {
    OWN(text_drop)
    struct text stamp = {0}, name = {0};
    text_add_time(&stamp, now_ms - now_ms % 1000);
    for (unsigned i = 1; i <= NAMES_TRIED; i++) {
        text_reset(&name);
        text_addf(&name, "%s.", f->path);
        for (size_t k = 0; k < stamp.n && stamp.p[k] != '.'; k++)
            if (stamp.p[k] != '-' && stamp.p[k] != ':')
                text_addc(&name, (char)stamp.p[k]);
        text_addc(&name, 'Z');
        if (i > 1)
            text_addf(&name, "-%u", i);
        if (files_real.exists(&files_real, text_str(&name)))
            continue;
        shut(f);
        TRY(files_real.rename(&files_real, f->path, text_str(&name)));
        metric_add(METRIC_QUEUE_ROTATED, 1);
        return open_file(f);
    }
    FAIL(EXISTS, "there are a hundred rotated files of this second already");
}

static result rotate_if_due(struct file_queue *f) {
    const struct queue_target *t = f->queue.o.target;
    int64_t now_ms = clock_wall_ms(&clock_real);
    bool large = t->rotate_bytes > 0 && f->end >= t->rotate_bytes;
    bool old = t->rotate_ms > 0 && now_ms - f->opened_at >= t->rotate_ms;
    return f->end > 0 && (large || old) ? rotate(f, now_ms) : OK;
}

static result append(struct file_queue *f, struct queue_job *const *jobs, size_t n) {
    TRY(open_file(f));
    TRY(rotate_if_due(f));
    text_reset(&f->lines);
    for (size_t i = 0; i < n; i++) {
        line_write(jobs[i], &f->lines);
        text_addc(&f->lines, '\n');
    }
    NEED(!f->lines.failed, MEMORY, "there is no memory for the lines");
    TRY(files_real.write(f->file, f->end, text_bytes(&f->lines)));
    TRY(files_real.sync(f->file));
    metric_add(METRIC_QUEUE_ROUND, 1);
    if (f->end == 0)
        f->opened_at = clock_wall_ms(&clock_real);
    f->end += f->lines.n;
    return OK;
}

static void file_push(struct queue *q, struct queue_job *const *jobs, size_t n) {
    struct file_queue *f = file_of(q);
    result done = append(f, jobs, n);
    if (done == OK)
        return;
    // Now, or else with the next opening, so that readers see no half.
    if (f->file != NULL)
        (void)(file_cut(f->file, f->end) != OK);
    shut(f);
    for (size_t i = 0; i < n; i++)
        text_addf(&jobs[i]->error, "the file cannot be written: %s", done->text);
}

// A gateway that runs has it locked, which is no fault of it.
static bool file_check(struct queue *q, struct text *why) {
    struct file_queue *f = file_of(q);
    f->path = bytes_strdup(q->o.target->path);
    result may = file_may_write(f->path);
    if (may != OK)
        text_addf(why, "the file cannot be written: %s", may->text);
    return may == OK;
}

const struct queue_kind queue_file = {file_open, file_push, file_check, file_close};
