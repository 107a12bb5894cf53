// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "journal/file_store.h"

// A segment of this size or more is split no further; the ring has 4 to 16 of them.
#define SEGMENT_WANTED ((uint64_t)8 << 20)
#define SEGMENTS_MIN 4
#define SEGMENTS_MAX 16
#define SEGMENT_MIN ((uint64_t)16 << 10)
#define ZEROS ((size_t)1 << 20)

static struct file_head plan_head(const struct journal_file_options *o) {
    uint64_t n = o->size / SEGMENT_WANTED;
    n = n < SEGMENTS_MIN ? SEGMENTS_MIN : n > SEGMENTS_MAX ? SEGMENTS_MAX : n;
    struct file_head h = {
        .format = JOURNAL_FORMAT,
        .segments = (uint32_t)n,
        .segment_size = o->size / n / FILE_HEAD_SIZE * FILE_HEAD_SIZE,
        .first = o->first,
    };
    o->clock->entropy(o->clock, h.id, sizeof h.id);
    return h;
}

static result fill(struct files *files, struct file *f, const struct file_head *h) {
    uint64_t end = FILE_HEAD_SIZE + h->segments * h->segment_size;
    uint8_t *zeros = NEW_ARRAY(uint8_t, ZEROS);
    result failed = OK;
    for (uint64_t at = 0; at < end && failed == OK; at += ZEROS) {
        size_t n = end - at < ZEROS ? (size_t)(end - at) : ZEROS;
        failed = files->write(f, at, bytes_from(zeros, n));
    }
    free(zeros);
    TRY(failed);
    uint8_t head[FILE_HEAD_SIZE];
    file_head_encode(h, head);
    TRY(files->write(f, 0, bytes_from(head, sizeof head)));
    return files->sync(f);
}

// Under another name until it is whole, so that a crash leaves no half journal.
result journal_file_create(const struct journal_file_options *o, struct text *why) {
    struct file_head h = plan_head(o);
    if (o->first == 0 || h.segment_size < SEGMENT_MIN) {
        text_addf(why, "%s: a journal of %llu bytes is too small; give it at least 16 MiB", o->path,
                  (unsigned long long)o->size);
        FAIL(INVALID, "the journal's size is too small");
    }
    OWN(text_drop)
    struct text path = {0};
    text_addf(&path, "%s.new", o->path);
    const char *name = text_str(&path);
    if (o->files->exists(o->files, name))
        TRY(o->files->remove(o->files, name));
    struct file *f = NULL;
    TRY(o->files->open(o->files, name, FILE_CREATE, &f));
    result failed = fill(o->files, f, &h);
    o->files->close(f);
    if (failed != OK) {
        text_addf(why, "%s: cannot write a new journal of %llu bytes (%s)", name,
                  (unsigned long long)o->size, failed->text);
        result removed = o->files->remove(o->files, name);
        return removed != OK && failed == OK ? removed : failed;
    }
    return o->files->rename(o->files, name, o->path);
}
