// SPDX-License-Identifier: MIT
// Opening a journal whose file was changed: the input is a list of places and bytes to be written
// there (u24, u8). It is refused, or gives records that were written, in their order, from the
// first.
#include <stdlib.h>
#include <string.h>

#include "../sim/disk.h"
#include "base/memory.h"
#include "fuzz.h"
#include "journal/file_format.h"
#include "port/clock.h"

#define PATH "journal"
#define SIZE ((uint64_t)256 << 10)
#define APPENDS 40

static int64_t wall(struct clock *c) { return 1000; }
static void entropy(struct clock *c, void *p, size_t n) { memset(p, 0xa5, n); }
static struct clock test_clock = {.wall_ms = wall, .mono_us = wall, .entropy = entropy};

static struct journal_file_options options(struct disk *d) {
    return (struct journal_file_options){
        .files = disk_files(d), .clock = &test_clock, .path = PATH, .size = SIZE, .first = 1};
}

static struct journal_store *make(struct disk *d) {
    OWN(text_drop)
    struct text why = {0};
    struct journal_file_options o = options(d);
    struct journal_store *s = NULL;
    o.create = true;
    ensure(journal_store_file(&o, &s, &why) == OK);
    return s;
}

// Record n says n, in as many bytes as n has it.
static bytes payload_of(uint64_t n) {
    static uint8_t all[4096];
    memset(all, (int)n, sizeof all);
    return bytes_from(all, n * 97 % sizeof all);
}

// What a journal of some appends looks like on the disk.
static bytes image(void) {
    static uint8_t *kept;
    if (kept != NULL)
        return bytes_from(kept, SIZE);
    struct disk *d = disk_open(1);
    struct journal_store *s = make(d);
    for (uint64_t n = 1; n <= APPENDS; n++) {
        struct record r = {.kind = 1, .payload = payload_of(n)};
        ensure(s->append(s, &r, 1, 1000) == OK);
    }
    s->close(s);
    kept = memory_new(SIZE * 2, 1);
    disk_peek(d, PATH, 0, kept, disk_size(d, PATH));
    disk_close(d);
    return bytes_from(kept, SIZE);
}

static void read_all(struct journal_store *s) {
    struct journal_cursor *c = NULL;
    uint64_t position = s->first(s);
    if (s->cursor_open(s, position - 1, &c) != OK)
        return;
    size_t n = 1;
    while (n > 0) {
        struct arena a;
        struct record *records = NULL;
        arena_init(&a, 4 << 20);
        if (s->read(c, 64 << 10, &a, &records, &n) != OK)
            n = 0;
        for (size_t i = 0; i < n; i++, position++) {
            ensure(records[i].position == position && position <= APPENDS);
            ensure(bytes_equal(records[i].payload, payload_of(position)));
        }
        arena_drop(&a);
    }
    s->cursor_close(c);
}

static void fuzz_formats(bytes in) {
    struct batch_head head;
    struct record r;
    static uint8_t start[FILE_HEAD_SIZE];
    struct file_head file;
    memset(start, 0, sizeof start);
    if (in.n > 0)
        memcpy(start, in.p, in.n < sizeof start ? in.n : sizeof start);
    (void)!file_head_decode(start, &file);
    if (batch_head_decode(start, SIZE, &head))
        ensure(head.count > 0 && head.length <= SIZE);
    while (in.n > 0 && record_decode(&in, &r) == OK)
        ensure(r.payload.n <= SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    bytes in = bytes_from(p, n), first = image();
    fuzz_formats(in);
    struct disk *d = disk_open(1);
    struct journal_store *s = make(d);
    s->close(s);
    disk_poke(d, PATH, 0, first.p, disk_size(d, PATH) < SIZE ? disk_size(d, PATH) : SIZE);
    while (in.n >= 4) {
        uint64_t at = fuzz_number(&in, 3) % disk_size(d, PATH);
        uint8_t b = (uint8_t)fuzz_number(&in, 1);
        disk_poke(d, PATH, at, &b, 1);
    }
    OWN(text_drop)
    struct text why = {0};
    struct journal_file_options o = options(d);
    s = NULL;
    if (journal_store_file(&o, &s, &why) == OK) {
        read_all(s);
        s->close(s);
    } else {
        ensure(why.n > 0 && s == NULL);
    }
    disk_close(d);
    return 0;
}
