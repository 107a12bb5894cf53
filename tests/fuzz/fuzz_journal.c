// SPDX-License-Identifier: MIT
// Opening a journal whose file was damaged. The input's first byte chooses the journal (empty, of
// one lap, of several, full), the second how much of it is booked; then come damages: which (u8),
// where (u24), what with (u24), see `damage`. The journal is refused with a sentence, or gives
// records that were written, in their order, all of those that the damage did not reach; it can
// be written to and opened again with the same in it; and who only looks sees the same.
#include <stdlib.h>
#include <string.h>

#include "../sim/disk.h"
#include "base/memory.h"
#include "fuzz.h"
#include "journal/file_format.h"
#include "port/clock.h"

#define PATH "journal"
#define SIZE ((uint64_t)256 << 10)
#define SHAPES 4
#define KEPT 30 // records that are not released, where a journal has several laps

const struct fuzz_plant fuzz_plants[] = {
    {"invented", PLANT_FUZZED, "a record of a damaged journal has another byte"},
    {"skipped", PLANT_FUZZED, "reading ends one record early where the newest batch is damaged"},
    {"wary", PLANT_FUZZED, "what lies behind the end is a reason to refuse"},
    {"lost", PLANT_FUZZED, "what is appended behind a torn tail is gone when it is opened again"},
    {"silent", PLANT_FUZZED, "a damaged header is refused without a sentence"},
    {0},
};

static int64_t wall(struct clock *c) { return 1000; }
static void entropy(struct clock *c, void *p, size_t n) { memset(p, 0xa5, n); }
static struct clock test_clock = {.wall_ms = wall, .mono_us = wall, .entropy = entropy};

// A journal as it lies on the disk.
struct image {
    uint8_t *p;
    uint8_t *before;      // the same, one append ago: what lost writes leave
    uint64_t size, first; // first: what is read first
    uint64_t last, last_before;
    uint64_t segment;        // bytes of one
    uint64_t newest_at, end; // of the newest batch, in the file
};

// What was done to one.
struct harm {
    bool any, to_newest, to_rest, to_head; // to_rest: neither behind the end nor in the newest
};

static struct journal_file_options options(struct disk *d, uint64_t booked) {
    return (struct journal_file_options){
        .files = disk_files(d),
        .clock = &test_clock,
        .path = PATH,
        .size = SIZE,
        .first = 1,
        .booked = booked,
    };
}

static struct journal_store *make(struct disk *d) {
    OWN(text_drop)
    struct text why = {0};
    struct journal_file_options o = options(d, 0);
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

static void append(struct journal_store *s, size_t n) {
    struct record records[4] = {0};
    static uint8_t payloads[4][4096];
    uint64_t last = s->last(s);
    for (size_t i = 0; i < n; i++) {
        bytes b = payload_of(last + 1 + i);
        if (b.n > 0)
            memcpy(payloads[i], b.p, b.n);
        records[i] = (struct record){.kind = 1, .payload = bytes_from(payloads[i], b.n)};
    }
    ensure(s->append(s, records, n, 1000) == OK && s->last(s) == last + n);
}

static uint8_t *copy_of(struct disk *d) {
    uint8_t *p = NEW_ARRAY(uint8_t, disk_size(d, PATH));
    disk_peek(d, PATH, 0, p, disk_size(d, PATH));
    return p;
}

static void fill(struct image *m, struct disk *d, struct journal_store *s, unsigned shape) {
    static const int appends[SHAPES] = {0, 40, 200, 1000};
    for (int i = 0; i < appends[shape]; i++) {
        if (shape == 3 && s->used(s) + 4 * s->cost(s, 4096) > s->room(s))
            break;
        free(m->before);
        m->before = copy_of(d);
        m->last_before = s->last(s);
        append(s, shape == 2 ? 1 + (size_t)i % 4 : 1);
        if (shape == 2 && s->last(s) > KEPT)
            s->release(s, s->last(s) - KEPT);
    }
}

static void find_newest(struct image *m) {
    struct file_head head;
    ensure(file_head_decode(m->p, &head) == OK);
    m->segment = head.segment_size;
    m->newest_at = m->end = FILE_HEAD_SIZE;
    for (uint64_t at = FILE_HEAD_SIZE; at < m->size; at += SECTOR) {
        struct batch_head b;
        if (batch_head_decode(m->p + at, m->size - at, &b) && batch_last(&b) == m->last &&
            batch_whole(m->p + at, &b, at, &head)) {
            m->newest_at = at;
            m->end = at + batch_size(b.length);
        }
    }
}

static const struct image *image(unsigned shape) {
    static struct image images[SHAPES];
    struct image *m = &images[shape];
    if (m->p != NULL)
        return m;
    struct disk *d = disk_open(1);
    struct journal_store *s = make(d);
    fill(m, d, s, shape);
    m->first = s->first(s);
    m->last = s->last(s);
    s->close(s);
    m->size = disk_size(d, PATH);
    m->p = copy_of(d);
    if (m->before == NULL)
        m->before = copy_of(d);
    disk_close(d);
    find_newest(m);
    return m;
}

static void note(struct harm *h, const struct image *m, uint64_t at, size_t n) {
    uint64_t segment_end =
        m->end + (m->segment - (m->end - FILE_HEAD_SIZE) % m->segment) % m->segment;
    h->any = true;
    h->to_head = h->to_head || at < FILE_HEAD_SIZE;
    bool behind = at >= m->end && at + n <= segment_end;
    bool newest = m->newest_at < m->end && at >= m->newest_at && at + n <= m->end;
    h->to_newest = h->to_newest || newest;
    h->to_rest = h->to_rest || (!behind && !newest);
}

static void damage(struct disk *d, const struct image *m, bytes *in, struct harm *h) {
    unsigned what = (unsigned)fuzz_number(in, 1);
    uint64_t at = fuzz_number(in, 3) % m->size, with = fuzz_number(in, 3);
    uint64_t sector = at / SECTOR * SECTOR, other = with % m->size / SECTOR * SECTOR;
    static const uint8_t zeros[SECTOR];
    uint8_t b = (uint8_t)with;
    switch (what % 5) {
    case 0: // one byte
        disk_poke(d, PATH, at, &b, 1);
        note(h, m, at, 1);
        break;
    case 1: // a sector that was never written
        disk_poke(d, PATH, sector, zeros, SECTOR);
        note(h, m, sector, SECTOR);
        break;
    case 2: // a write that went astray
        disk_poke(d, PATH, sector, m->p + other, SECTOR);
        note(h, m, sector, SECTOR);
        break;
    case 3: // a write that was lost
        disk_poke(d, PATH, sector, m->before + sector, SECTOR);
        if (memcmp(m->p + sector, m->before + sector, SECTOR) != 0)
            note(h, m, sector, SECTOR);
        break;
    default: // the file's end
        if (at < disk_size(d, PATH))
            disk_cut(d, PATH, at);
        note(h, m, at, m->size - at);
        // What lay there must not be damaged again.
        *in = NO_BYTES;
    }
}

// From the first to the last, and nothing else.
static void read_all(struct journal_store *s, const struct harm *h) {
    struct journal_cursor *c = NULL;
    uint64_t position = s->first(s), last = s->last(s);
    ensure(s->cursor_open(s, position - 1, &c) == OK);
    if (fuzz_planted("skipped") && h->to_newest && position < last)
        position++;
    for (size_t n = 1; n > 0;) {
        struct arena a;
        struct record *records = NULL;
        arena_init(&a, 4 << 20);
        ensure(s->read(c, 64 << 10, &a, &records, &n) == OK);
        for (size_t i = 0; i < n; i++, position++) {
            bytes expected = payload_of(position);
            if (fuzz_planted("invented") && h->any && position == 3)
                expected = B("3");
            ensure(records[i].position == position && position <= last);
            ensure(bytes_equal(records[i].payload, expected));
        }
        arena_drop(&a);
    }
    ensure(position == last + 1);
    s->cursor_close(c);
}

static struct journal_store *open_it(struct disk *d, uint64_t booked, bool read_only,
                                     const struct harm *h) {
    OWN(text_drop)
    struct text why = {0};
    struct journal_file_options o = options(d, booked);
    struct journal_store *s = NULL;
    o.read_only = read_only;
    bool opened = journal_store_file(&o, &s, &why) == OK;
    if (fuzz_planted("silent") && h->to_head)
        text_reset(&why);
    ensure(opened == (s != NULL) && (opened || why.n > 0));
    return s;
}

static void check_open(struct disk *d, struct journal_store *s, uint64_t booked,
                       const struct harm *h) {
    read_all(s, h);
    if (s->used(s) + s->cost(s, 4096) <= s->room(s))
        append(s, 1);
    uint64_t first = s->first(s), last = s->last(s);
    s->close(s);
    s = open_it(d, booked, false, h);
    ensure(s != NULL && s->first(s) >= first);
    ensure(s->first(s) == first || s->first(s) <= booked + 1); // what is booked may go
    ensure(s->last(s) == last + (fuzz_planted("lost") && h->to_newest));
    read_all(s, h);
    s->close(s);
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
    bytes in = bytes_from(p, n);
    fuzz_formats(in);
    const struct image *m = image((unsigned)fuzz_number(&in, 1) % SHAPES);
    uint64_t booked = m->first - 1 + fuzz_number(&in, 1) * (m->last - m->first + 1) / 255;
    struct harm h = {0};
    struct disk *d = disk_open(1);
    struct journal_store *s = make(d);
    s->close(s);
    disk_poke(d, PATH, 0, m->p, m->size);
    while (in.n >= 4)
        damage(d, m, &in, &h);
    struct journal_store *looked = open_it(d, booked, true, &h);
    uint64_t seen = looked == NULL ? 0 : looked->last(looked);
    if (looked != NULL)
        looked->close(looked);
    s = open_it(d, booked, false, &h);
    if (!h.to_rest) // what was durable before the newest append is there; all, unless that is hurt
        ensure(h.to_newest ? s != NULL || booked > m->last_before : s != NULL);
    if (!h.any || (!h.to_rest && !h.to_newest))
        ensure(s->last(s) == m->last && !(fuzz_planted("wary") && h.any));
    if (s != NULL) {
        ensure(s->last(s) <= m->last && s->last(s) >= booked);
        ensure(h.to_rest || s->last(s) >= m->last_before);
        ensure(looked != NULL && seen == s->last(s));
        check_open(d, s, booked, &h);
    }
    disk_close(d);
    return 0;
}
