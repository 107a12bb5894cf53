// SPDX-License-Identifier: MIT
// Opening a file journal: what is told apart, what is refused, and what the message says.
#include "journal_helpers.h"

#include "journal/file_format.h"

#define MAX 900

static struct disk *disk;

static int set_up(void **state) {
    disk = disk_open(1);
    return 0;
}

static int tear_down(void **state) {
    disk_close(disk);
    return 0;
}

static void append(struct journal_store *s, size_t n) {
    struct record records[64];
    uint8_t *payloads = make_records(records, n, s->last(s) + 1, MAX);
    assert_ok(s->append(s, records, n, 5000));
    free(payloads);
}

static void check(struct journal_store *s, uint64_t from, uint64_t to) {
    struct journal_cursor *c = NULL;
    assert_ok(s->cursor_open(s, from - 1, &c));
    for (uint64_t next = from; next <= to;) {
        struct arena a;
        struct record *records;
        size_t n = 0;
        arena_init(&a, 8 << 20);
        assert_ok(s->read(c, 1 << 20, &a, &records, &n));
        assert_true(n > 0);
        for (size_t i = 0; i < n && next <= to; i++, next++)
            assert_true(records[i].position == next && is_number(&records[i], next, MAX));
        arena_drop(&a);
    }
    s->cursor_close(c);
}

// Opening must fail like this, and say so in words that hold this.
static void refused(const struct journal_file_options *o, enum fail_code code, const char *words) {
    struct text why = {0};
    struct journal_store *s = NULL;
    result failed = journal_store_file(o, &s, &why);
    if (!failed_as(failed, code))
        fail_msg("%s instead of %s", failed == OK ? "OK" : failed->text, fail_name(code));
    if (strstr(text_str(&why), words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text_str(&why), words);
    assert_null(s);
    text_drop(&why);
}

static struct journal_file_options written(size_t batches) {
    struct journal_file_options o = file_options(disk);
    struct journal_store *s = open_store(&o);
    for (size_t i = 0; i < batches; i++)
        append(s, 1 + i % 3);
    s->close(s);
    return o;
}

static void it_is_found_again(void **state) {
    struct journal_file_options o = written(10);
    uint8_t id[JOURNAL_ID_SIZE], again[JOURNAL_ID_SIZE];
    struct journal_store *s = open_store(&o);
    journal_file_id(s, id);
    assert_false(journal_file_torn(s));
    uint64_t last = s->last(s);
    check(s, 1, last);
    append(s, 7);
    // The wall clock ran back meanwhile.
    struct record r = {.kind = 1};
    assert_ok(s->append(s, &r, 1, 10));
    assert_int_equal(r.time_ms, 5000);
    s->close(s);
    memcpy(o.expect_id, id, sizeof id);
    o.create = false;
    s = open_store(&o);
    journal_file_id(s, again);
    assert_memory_equal(id, again, sizeof id);
    check(s, 1, last + 7);
    s->close(s);
}

static void a_new_one_goes_on_where_the_ledger_is(void **state) {
    struct journal_file_options o = file_options(disk);
    o.booked = 499;
    o.first = 500;
    o.last_time_ms = 9000;
    struct journal_store *s = open_store(&o);
    assert_int_equal(s->last(s), 499);
    assert_int_equal(s->first(s), 500);
    struct record r = {.kind = 1};
    assert_ok(s->append(s, &r, 1, 10));
    assert_int_equal(r.position, 500);
    assert_int_equal(r.time_ms, 9000);
    s->close(s);
    o.booked = 400;
    refused(&o, FAIL_MISMATCH, "begins at position 500");
}

static void without_leave_none_is_made(void **state) {
    struct journal_file_options o = file_options(disk);
    o.create = false;
    refused(&o, FAIL_ABSENT, "there is no journal");
    o.create = true;
    o.size = 1000;
    refused(&o, FAIL_INVALID, "too small");
}

static void a_crash_while_it_is_made_leaves_none_or_all(void **state) {
    for (uint64_t fuse = 1; fuse < 6; fuse++) {
        struct journal_file_options o = file_options(disk);
        struct text why = {0};
        struct journal_store *s = NULL;
        disk_fuse(disk, fuse);
        if (journal_store_file(&o, &s, &why) == OK)
            s->close(s);
        text_drop(&why);
        disk_crash(disk, fuse);
        s = open_store(&o);
        append(s, 3);
        s->close(s);
        assert_ok(disk_files(disk)->remove(disk_files(disk), PATH));
    }
}

static void a_full_disk_at_creation_says_so(void **state) {
    struct journal_file_options o = file_options(disk);
    disk_faults(disk)->full = true;
    refused(&o, FAIL_FULL, "262144 bytes");
    disk_faults(disk)->full = false;
    assert_false(disk_files(disk)->exists(disk_files(disk), PATH ".new"));
    struct journal_store *s = open_store(&o);
    s->close(s);
}

static void two_gateways_do_not_share_one(void **state) {
    struct journal_file_options o = file_options(disk);
    struct journal_store *s = open_store(&o);
    append(s, 5);
    refused(&o, FAIL_LOCKED, "another gateway");
    // Looking is allowed.
    o.read_only = true;
    struct journal_store *look = open_store(&o);
    append(s, 5);
    struct text out = {0};
    assert_ok(look->verify(look, &out));
    assert_non_null(strstr(text_str(&out), "5 records"));
    text_drop(&out);
    look->close(look);
    s->close(s);
}

static void another_ledgers_is_refused(void **state) {
    struct journal_file_options o = written(3);
    o.expect_id[0] = 1;
    refused(&o, FAIL_MISMATCH, "another ledger");
}

static void it_must_meet_the_ledger(void **state) {
    struct journal_file_options o = written(3); // 6 records
    o.booked = 6;
    struct journal_store *s = open_store(&o);
    s->close(s);
    o.booked = 7;
    refused(&o, FAIL_MISMATCH, "ends at position 6");
    o.booked = 0;
    s = open_store(&o);
    for (int i = 0; i < 400; i++) {
        append(s, 4);
        s->release(s, s->last(s));
    }
    uint64_t last = s->last(s);
    s->close(s);
    refused(&o, FAIL_MISMATCH, "the ledger is booked to 0");
    o.booked = last;
    s = open_store(&o);
    s->close(s);
}

static void other_files_are_refused(void **state) {
    struct journal_file_options o = written(3);
    uint64_t size = disk_size(disk, PATH);
    uint8_t head[FILE_HEAD_SIZE];
    disk_peek(disk, PATH, 0, head, sizeof head);
    disk_flip(disk, PATH, 3, 1);
    refused(&o, FAIL_FORMAT, "not a journal");
    disk_flip(disk, PATH, 3, 1);
    for (uint64_t at = 16; at < FILE_HEAD_SIZE; at += 7) {
        disk_flip(disk, PATH, at, 0x40);
        refused(&o, FAIL_CORRUPT, "offset 0");
        disk_flip(disk, PATH, at, 0x40);
    }
    struct file_head h;
    assert_ok(file_head_decode(head, &h));
    h.format = JOURNAL_FORMAT + 1;
    file_head_encode(&h, head);
    disk_poke(disk, PATH, 0, head, sizeof head);
    refused(&o, FAIL_FORMAT, "knows formats 1 to 2");
    h.format = JOURNAL_FORMAT;
    file_head_encode(&h, head);
    disk_poke(disk, PATH, 0, head, sizeof head);
    disk_cut(disk, PATH, size - 1);
    refused(&o, FAIL_CORRUPT, "cut short");
    disk_cut(disk, PATH, 100);
    refused(&o, FAIL_FORMAT, "100 bytes");
}

static void smaller_records_leave_more_room(void **state) {
    struct journal_file_options o = written(3);
    struct journal_store *s = open_store(&o);
    uint64_t room = s->room(s);
    size_t most = s->payload_max(s);
    s->close(s);
    o.payload_max = 1000;
    s = open_store(&o);
    assert_int_equal(s->payload_max(s), 1000);
    assert_true(s->room(s) > room + 3 * (most - 2000));
    s->close(s);
    o.payload_max = SIZE_MAX;
    s = open_store(&o);
    assert_int_equal(s->payload_max(s), most);
    s->close(s);
}

// Where the batches lie, by their heads, from the start of the file; a batch a call.
static bool next_batch(uint64_t *at, struct batch_head *b) {
    uint8_t sector[SECTOR];
    for (; *at + SECTOR <= disk_size(disk, PATH); *at += SECTOR) {
        disk_peek(disk, PATH, *at, sector, sizeof sector);
        if (batch_head_decode(sector, SEGMENT - (*at - FILE_HEAD_SIZE) % SEGMENT, b))
            return true;
    }
    return false;
}

// What version 0.1.0 wrote is read, and written on with the digests it has.
static void an_older_format_goes_on(void **state) {
    struct journal_file_options o = written(0);
    uint8_t head[FILE_HEAD_SIZE];
    struct file_head h;
    disk_peek(disk, PATH, 0, head, sizeof head);
    assert_ok(file_head_decode(head, &h));
    h.format = 1;
    file_head_encode(&h, head);
    disk_poke(disk, PATH, 0, head, sizeof head);
    written(5);
    struct journal_store *s = open_store(&o);
    check(s, 1, s->last(s));
    assert_true(s->last(s) > 4 && !journal_file_torn(s));
    s->close(s);
    disk_peek(disk, PATH, 0, head, sizeof head);
    h.format = 2; // by the other digests nothing of it is whole
    file_head_encode(&h, head);
    disk_poke(disk, PATH, 0, head, sizeof head);
    s = open_store(&o);
    assert_int_equal(s->last(s), 0);
    s->close(s);
}

static void damage_below_a_mark_is_corruption(void **state) {
    struct journal_file_options o = written(60);
    struct batch_head b, newest = {0};
    for (uint64_t at = FILE_HEAD_SIZE; next_batch(&at, &b); at += batch_size(b.length))
        newest = b;
    size_t flips = 0;
    for (uint64_t at = FILE_HEAD_SIZE; next_batch(&at, &b) && b.first <= newest.mark;
         at += batch_size(b.length)) {
        size_t size = batch_size(b.length);
        // Every byte of the first batches, some of the others.
        for (size_t i = 0; i < size; i += b.first < 4 ? 1 : 61) {
            disk_flip(disk, PATH, at + i, 1 << (i % 8));
            refused(&o, FAIL_CORRUPT, "ledger verify");
            disk_flip(disk, PATH, at + i, 1 << (i % 8));
            flips++;
        }
    }
    assert_true(flips > 1000);
    struct journal_store *s = open_store(&o);
    check(s, 1, s->last(s));
    s->close(s);
}

// The newest batch stands below no mark: damaged, it looks like a torn one.
static void a_damaged_newest_batch_is_a_torn_tail(void **state) {
    struct journal_file_options o = written(20);
    struct journal_store *s = open_store(&o);
    uint64_t last = s->last(s), newest_at = 0;
    s->close(s);
    struct batch_head b;
    for (uint64_t at = FILE_HEAD_SIZE; next_batch(&at, &b); at += batch_size(b.length))
        newest_at = at;
    disk_flip(disk, PATH, newest_at + 100, 1);
    s = open_store(&o);
    assert_true(journal_file_torn(s));
    assert_true(s->last(s) < last);
    // Positions are used again, and nothing of the old batch comes back.
    append(s, 1);
    s->close(s);
    s = open_store(&o);
    check(s, 1, s->last(s));
    s->close(s);
}

static void damage_is_met_by_readers_and_by_verify(void **state) {
    struct journal_file_options o = file_options(disk);
    struct journal_store *s = open_store(&o);
    for (int i = 0; i < 30; i++)
        append(s, 3);
    disk_flip(disk, PATH, FILE_HEAD_SIZE + 2100, 2);
    struct text out = {0};
    assert_fails(s->verify(s, &out), CORRUPT);
    assert_non_null(strstr(text_str(&out), "cannot be read"));
    text_drop(&out);
    struct journal_cursor *c = NULL;
    struct arena a;
    struct record *records;
    size_t n = 1;
    result failed = OK;
    arena_init(&a, 8 << 20);
    assert_ok(s->cursor_open(s, 0, &c));
    while (failed == OK && n > 0)
        failed = s->read(c, 1000, &a, &records, &n);
    assert_true(failed_as(failed, FAIL_CORRUPT));
    s->cursor_close(c);
    arena_drop(&a);
    s->close(s);
}

static void after_a_failure_nothing_is_taken(void **state) {
    struct journal_file_options o = file_options(disk);
    struct journal_store *s = open_store(&o);
    append(s, 3);
    struct record r = {.kind = 1};
    disk_faults(disk)->full = true;
    assert_fails(s->append(s, &r, 1, 1), FULL);
    disk_faults(disk)->full = false;
    append(s, 3);
    disk_faults(disk)->sync_io = 1000000;
    assert_fails(s->append(s, &r, 1, 1), IO);
    disk_faults(disk)->sync_io = 0;
    assert_fails(s->append(s, &r, 1, 1), IO);
    assert_int_equal(s->last(s), 6);
    check(s, 1, 6);
    s->close(s);
}

// A payload that holds a copy of a batch is not one, wherever it comes to lie.
static void no_payload_poses_as_a_batch(void **state) {
    struct journal_file_options o = written(8);
    uint8_t *copy = memory_new(1, 4096 + SECTOR);
    disk_peek(disk, PATH, FILE_HEAD_SIZE, copy, 4096);
    struct journal_store *s = open_store(&o);
    uint64_t last = s->last(s);
    for (size_t shift = 0; shift < SECTOR; shift += 16) {
        memmove(copy + shift, copy, 3000);
        struct record r = {.payload = bytes_from(copy, 3500)};
        assert_ok(s->append(s, &r, 1, 1));
        last++;
        s->close(s);
        s = open_store(&o);
        assert_int_equal(s->last(s), last);
    }
    s->close(s);
    free(copy);
}

// A write that the disk lost and found again later must not be taken for the next batch.
static void a_batch_of_another_history_is_not_taken_up(void **state) {
    struct journal_file_options o = written(1);
    size_t size = disk_size(disk, PATH);
    uint8_t *before = memory_new(1, size), batch[SECTOR];
    disk_peek(disk, PATH, 0, before, size);
    struct journal_store *s = open_store(&o);
    struct record one = {.payload = B("one")}, other = {.payload = B("another")};
    assert_ok(s->append(s, &one, 1, 1));
    assert_ok(s->append(s, &one, 1, 1));
    uint64_t at = FILE_HEAD_SIZE + s->used(s) - SECTOR;
    s->close(s);
    disk_peek(disk, PATH, at, batch, sizeof batch);
    disk_poke(disk, PATH, 0, before, size);
    s = open_store(&o);
    assert_ok(s->append(s, &other, 1, 1));
    s->close(s);
    disk_poke(disk, PATH, at, batch, sizeof batch);
    s = open_store(&o);
    assert_int_equal(s->last(s), 2);
    assert_true(journal_file_torn(s));
    s->close(s);
    free(before);
}

#define T(test_) cmocka_unit_test_setup_teardown(test_, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(it_is_found_again),
        T(a_new_one_goes_on_where_the_ledger_is),
        T(without_leave_none_is_made),
        T(a_crash_while_it_is_made_leaves_none_or_all),
        T(a_full_disk_at_creation_says_so),
        T(two_gateways_do_not_share_one),
        T(another_ledgers_is_refused),
        T(it_must_meet_the_ledger),
        T(other_files_are_refused),
        T(smaller_records_leave_more_room),
        T(an_older_format_goes_on),
        T(damage_below_a_mark_is_corruption),
        T(a_damaged_newest_batch_is_a_torn_tail),
        T(damage_is_met_by_readers_and_by_verify),
        T(after_a_failure_nothing_is_taken),
        T(no_payload_poses_as_a_batch),
        T(a_batch_of_another_history_is_not_taken_up),
    };
    return cmocka_run_group_tests_name("file journal", tests, NULL, NULL);
}
