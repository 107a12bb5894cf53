// SPDX-License-Identifier: MIT
// One test for each place of DESIGN's journey at which a crash must be safe:
//
//   before the fdatasync                  power is cut; nothing was promised
//   after it, before booking              power is cut; the record is booked at the next start
//   within a booking transaction          the books have all of a batch or nothing of it
//   after the commit, before the          nothing is booked twice, the room comes back
//     journal is told
//   after sending, before the outcome     the delivery repeats, as the same attempt
//     is recorded
//   after the outcome is durable,         it does not repeat
//     before it is booked
//   while recovery writes the tail again  power is cut after each of its writes; nothing is lost
//   while a new pair of books is made     killed at each of its file operations
//   while a ledger is migrated            killed with the backup made; it is as it was
//   while a backup is restored            killed at each of its file operations, those between
//                                         setting aside and putting in place among them
//
// The first seven: the rooms stepped by hand, a file journal on a simulated disk, a ledger in
// memory. The others: a child process on real files that kills itself.
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../sim/disk.h"
#include "gateway.h"
#include "gateway_books.h"
#include "ledger/sqlite_internal.h"
#include "ledger_house.h"
#include "port/files.h"

#define SEEDS 40

// --- the rooms on a simulated disk

struct rooms {
    struct house house; // its journal lies on the disk
    struct disk *disk;
    bool tied;
};

static void open_journal(struct rooms *r) {
    struct house *h = &r->house;
    OWN(text_drop)
    struct text why = {0};
    struct store_state state;
    assert_ok(h->store->state_get(h->store, &state));
    struct journal_file_options o = {
        .files = disk_files(r->disk),
        .clock = &h->clock,
        .path = "journal",
        .size = 1 << 20,
        .create = !r->tied,
        .booked = state.booked,
        .first = state.booked + 1,
        .last_time_ms = state.time_ms,
    };
    result opened = journal_store_file(&o, &h->records, &why);
    if (opened != OK)
        fail_msg("%s", text_str(&why));
    r->tied = true;
}

static void begin_life(struct rooms *r) {
    struct house *h = &r->house;
    open_journal(r);
    struct journal_options o = {
        .clock = &h->clock, .store = h->records, .durable = house_durable, .durable_ctx = h};
    assert_ok(journal_open(&o, &h->journal));
    house_start(h);
}

static void end_life(struct rooms *r) {
    struct house *h = &r->house;
    h->dead = true;
    store_memory_crash(h->store);
    journal_close(h->journal);
    ledger_close(h->ledger);
    (void)mailbox_drain(h->replies);
    if (h->records != NULL)
        h->records->close(h->records);
    h->journal = NULL;
    h->ledger = NULL;
    h->records = NULL;
    h->dead = false;
}

static void cut_power(struct rooms *r, uint64_t seed) {
    end_life(r);
    disk_crash(r->disk, seed);
    begin_life(r);
}

static int rooms_setup(void **state) {
    struct rooms *r = NEW(struct rooms);
    struct house *h = &r->house;
    *state = r;
    house_now = h;
    metrics_reset();
    log_setup(LOG_TEXT, LOG_SILENT);
    r->disk = disk_open(1);
    h->clock = (struct clock){house_wall_ms, house_mono_us, house_entropy};
    h->wall_ms = HOUSE_WALL_MS;
    h->store = store_memory();
    h->inner = *h->store;
    h->store->commit = house_commit;
    h->store->event_insert = house_event_insert;
    h->replies = mailbox_open(NULL, NULL);
    begin_life(r);
    PLAN(h, "shop");
    house_settle(h);
    return 0;
}

static int rooms_teardown(void **state) {
    struct rooms *r = *state;
    end_life(r);
    mailbox_close(r->house.replies);
    r->house.store->close(r->house.store);
    disk_close(r->disk);
    free(r);
    log_setup(LOG_TEXT, LOG_INFO);
    return 0;
}

// Posts an event as intake does; its answer is the licence for a 2xx.
static result post_and_step(struct house *h, const char *id, uint64_t *position) {
    OWN(text_drop)
    struct text payload = {0};
    house_receipt(id, &payload);
    struct append a = {.kind = RECORD_EVENT,
                       .generation = h->generation,
                       .payload = text_bytes(&payload),
                       .reply = h->replies};
    assert_true(journal_credit_take(h->journal, CREDIT_RECEIPT, payload.n, &a.credit));
    journal_post(h->journal, &a);
    journal_step(h->journal);
    assert_ptr_equal(mailbox_drain(h->replies), &a.mail);
    *position = a.position;
    return a.failed;
}

static void before_the_fdatasync(void **state) {
    struct rooms *r = *state;
    struct house *h = &r->house;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t kept, lost;
        assert_ok(post_and_step(h, "evt_kept", &kept));
        disk_fuse(r->disk, 2); // the write happens, its sync does not
        result failed = post_and_step(h, "evt_lost", &lost);
        assert_code(failed, IO); // no licence
        assert_true(disk_blown(r->disk));
        cut_power(r, seed);
        uint64_t last = h->records->last(h->records);
        assert_in_range(last, kept, kept + 1); // what was not promised may be there, whole
        house_settle(h);
        assert_int_equal(ledger_booked(h->ledger), last);
    }
    assert_int_equal(metric_get(METRIC_SUSPENDED), 0);
}

static void after_the_fdatasync_before_booking(void **state) {
    struct rooms *r = *state;
    struct house *h = &r->house;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t position;
        assert_ok(post_and_step(h, "evt_1", &position));
        cut_power(r, seed);
        assert_true(ledger_booked(h->ledger) < position);
        house_settle(h);
        assert_int_equal(ledger_booked(h->ledger), position);
    }
    assert_int_equal(metric_get(METRIC_EVENTS_NEW), 1);
    assert_int_equal(metric_get(METRIC_EVENTS_DUPLICATE), SEEDS - 1);
    assert_true(house_has_event(h, 2));
}

static void within_a_booking_transaction(void **state) {
    struct rooms *r = *state;
    struct house *h = &r->house;
    uint64_t first = house_event(h, "evt_1");
    uint64_t killer = house_event(h, "evt_kill"); // the first is booked, but not committed
    h->deadly = true;
    house_settle(h);
    assert_true(h->dead);
    h->deadly = false;
    cut_power(r, 1);
    assert_false(house_has_event(h, first));
    house_settle(h);
    assert_int_equal(ledger_booked(h->ledger), killer);
    assert_true(house_has_event(h, first));
    assert_true(house_has_event(h, killer));
    assert_int_equal(house_state(h, 1), DELIVERY_DUE);
    assert_int_equal(house_state(h, 2), DELIVERY_DUE);
    assert_int_equal(metric_get(METRIC_SUSPENDED), 0);
}

static void after_the_commit_before_the_journal_is_told(void **state) {
    struct rooms *r = *state;
    struct house *h = &r->house;
    OWN(text_drop)
    struct text before = {0}, after = {0};
    uint64_t last = house_event(h, "evt_1");
    house_settle(h); // committed; the journal takes no step any more
    assert_ok(h->store->dump(h->store, &before));
    cut_power(r, 1);
    assert_int_equal(ledger_booked(h->ledger), last);
    house_settle(h);
    assert_ok(h->store->dump(h->store, &after));
    assert_string_equal(text_str(&before), text_str(&after));
    // More than the journal holds goes through it: the room did come back.
    for (int i = 0; i < 4000; i++) {
        house_event(h, "evt_2");
        if (i % 50 == 0) {
            house_settle(h);
            journal_step(h->journal);
        }
    }
}

static struct take *take_now(struct house *h, struct take *t) {
    house_take(h, t, "shop");
    house_settle(h);
    return house_answer(h);
}

static void after_sending_before_the_outcome_is_recorded(void **state) {
    struct rooms *r = *state;
    struct house *h = &r->house;
    struct take t = {0};
    house_event(h, "evt_1");
    house_settle(h);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        assert_ptr_equal(take_now(h, &t), &t);
        assert_int_equal(t.count, 1);
        assert_int_equal(t.jobs[0].delivery, 1);
        assert_int_equal(t.jobs[0].attempt, 1);
        cut_power(r, seed);
    }
    arena_drop(&t.memory);
}

static void after_the_outcome_is_durable_before_it_is_booked(void **state) {
    struct rooms *r = *state;
    struct house *h = &r->house;
    static struct take t; // still open when the rooms close
    t = (struct take){0};
    house_event(h, "evt_1");
    house_settle(h);
    assert_ptr_equal(take_now(h, &t), &t);
    house_outcome(h, 1, 1, OUTCOME_DONE);
    cut_power(r, 1);
    assert_int_equal(house_state(h, 1), DELIVERY_DUE); // as the books still say
    assert_null(take_now(h, &t));
    assert_int_equal(house_state(h, 1), DELIVERY_DONE);
    arena_drop(&t.memory);
}

static void while_recovery_writes_the_tail_again(void **state) {
    struct rooms *r = *state;
    struct house *h = &r->house;
    uint64_t last = 0;
    for (int i = 0; i < 60; i++)
        assert_ok(post_and_step(h, "evt_1", &last));
    end_life(r);
    disk_crash(r->disk, 1);
    bool blown = true;
    for (uint64_t n = 1; blown; n++) {
        OWN(text_drop)
        struct text why = {0};
        struct journal_file_options o = {
            .files = disk_files(r->disk), .clock = &h->clock, .path = "journal", .booked = 1};
        disk_fuse(r->disk, n);
        result opened = journal_store_file(&o, &h->records, &why);
        blown = disk_blown(r->disk);
        assert_true(blown || opened == OK);
        assert_true(n < 10000);
        if (opened == OK)
            h->records->close(h->records);
        disk_fuse(r->disk, 0);
        disk_crash(r->disk, n);
        if (n == 1)
            assert_true(blown); // there is something to interrupt
    }
    begin_life(r);
    assert_int_equal(h->records->last(h->records), last);
    house_settle(h);
    assert_int_equal(ledger_booked(h->ledger), last);
    assert_int_equal(metric_get(METRIC_SUSPENDED), 0);
}

// --- children that kill themselves

struct place_to_be {
    char folder[64], config[96], ledger[96], journal[96], backup[96];
};

static struct files real_files;
static struct clock real_clock;
static int64_t ahead_ms; // of children's wall clock, so that names with a time in them differ
static uint64_t operations_left; // 0: as many as it likes

static void count_operation(void) {
    if (operations_left > 0 && --operations_left == 0)
        raise(SIGKILL);
}
static result counted_open(struct files *fs, const char *path, enum file_mode mode,
                           struct file **out) {
    count_operation();
    return real_files.open(fs, path, mode, out);
}
static result counted_write(struct file *f, uint64_t at, bytes b) {
    count_operation();
    return real_files.write(f, at, b);
}
static result counted_sync(struct file *f) {
    count_operation();
    return real_files.sync(f);
}
static result counted_rename(struct files *fs, const char *from, const char *to) {
    count_operation();
    return real_files.rename(fs, from, to);
}
static result counted_remove(struct files *fs, const char *path) {
    count_operation();
    return real_files.remove(fs, path);
}

static int64_t counted_wall_ms(struct clock *c) { return real_clock.wall_ms(c) + ahead_ms; }

// Runs it in a child that is killed before its n-th file operation. False: it ended before that.
static bool killed_in(uint64_t n, int (*run)(void *ctx), void *ctx) {
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        real_files = files_real;
        real_clock = clock_real;
        clock_real.wall_ms = counted_wall_ms;
        files_real.open = counted_open;
        files_real.write = counted_write;
        files_real.sync = counted_sync;
        files_real.rename = counted_rename;
        files_real.remove = counted_remove;
        operations_left = n;
        _exit(run(ctx));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

static void place_make(struct place_to_be *p) {
    snprintf(p->folder, sizeof p->folder, "/tmp/hookkeep-points-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->config, sizeof p->config, "%s/hookkeep.yaml", p->folder);
    snprintf(p->ledger, sizeof p->ledger, "%s/ledger.db", p->folder);
    snprintf(p->journal, sizeof p->journal, "%s/journal", p->folder);
    snprintf(p->backup, sizeof p->backup, "%s/backup.db", p->folder);
    OWN(text_drop)
    struct text yaml = {0};
    text_addf(&yaml,
              "listen: [http://127.0.0.1:0]\nledger: sqlite:%s\njournal: {path: %s, size: 16MiB}\n"
              "sources:\n  - path: /a\n    secrets: [{label: ring, key: whsec_0123456789abcdef}]\n",
              p->ledger, p->journal);
    assert_ok(file_save(p->config, text_bytes(&yaml), 0600));
}

static void place_remove(struct place_to_be *p) {
    nftw(p->folder, world_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static result open_books(const struct place_to_be *p, struct books *out, struct text *why) {
    OWN(text_drop)
    struct text errors = {0}, warnings = {0};
    struct config *c = NULL;
    TRY(config_load(p->config, &c, &errors, &warnings));
    result opened = books_open(c, out, why);
    config_free(c);
    return opened;
}

// A gateway that lives just long enough to book n more events.
static void live(const struct place_to_be *p, size_t n) {
    OWN(text_drop)
    struct text why = {0};
    struct books books;
    struct house h = {.clock = clock_real, .generation = 1};
    result opened = open_books(p, &books, &why);
    if (opened != OK)
        fail_msg("%s: %s", opened->text, text_str(&why));
    h.records = books.journal;
    h.store = books.ledger;
    struct journal_options o = {.clock = &h.clock, .store = h.records};
    o.durable = house_durable;
    o.durable_ctx = &h;
    assert_ok(journal_open(&o, &h.journal));
    house_start(&h);
    house_settle(&h);
    if (ledger_generation(h.ledger) == 0)
        PLAN(&h, "shop");
    for (size_t i = 0; i < n; i++)
        house_event(&h, "evt_1");
    house_settle(&h);
    assert_int_equal(ledger_booked(h.ledger), h.records->last(h.records));
    ledger_close(h.ledger);
    journal_close(h.journal);
    books_close(&books);
}

static uint64_t booked_in(const char *path) {
    struct sqlite_options o = {.path = path};
    OWN(text_drop)
    struct text why = {0};
    struct store *s = NULL;
    struct store_state state;
    result opened = store_sqlite(&o, &s, &why);
    if (opened != OK)
        fail_msg("%s", text_str(&why));
    assert_ok(s->state_get(s, &state));
    s->close(s);
    return state.booked;
}

static int make_books(void *ctx) {
    OWN(text_drop)
    struct text why = {0};
    struct books books;
    if (open_books(ctx, &books, &why) != OK)
        return 1;
    books_close(&books);
    return 0;
}

static void while_a_new_pair_is_made(void **state) {
    // The journal is filled with zeros, a write after the other: a few of those will do.
    for (uint64_t n = 1, step = 1; n < 10000; n += step) {
        struct place_to_be p;
        place_make(&p);
        bool killed = killed_in(n, make_books, &p);
        live(&p, 3);
        assert_int_equal(booked_in(p.ledger), 4);
        place_remove(&p);
        if (!killed) {
            assert_true(n > 5);
            return;
        }
        step = n > 8 && n < 200 ? 9 : 1;
    }
    fail_msg("it never ended");
}

static void die_here(sqlite3_context *c, int n, sqlite3_value **values) { raise(SIGKILL); }

static int add_die(sqlite3 *db, char **error, const struct sqlite3_api_routines *api) {
    return sqlite3_create_function(db, "die", 0, SQLITE_UTF8, NULL, die_here, NULL, NULL);
}

static struct migration more[16];

static int migrate(void *ctx) {
    const struct place_to_be *p = ctx;
    OWN(text_drop)
    struct text why = {0};
    struct store *s = NULL;
    struct sqlite_options o = {.path = p->ledger, .backup_before_migration = true};
    sqlite3_auto_extension((void (*)(void))(uintptr_t)add_die);
    if (store_sqlite_with(&o, more, ledger_migration_count + 1, &s, &why) != OK)
        return 1;
    s->close(s);
    return 0;
}

static void while_a_ledger_is_migrated(void **state) {
    struct place_to_be p;
    size_t n = ledger_migration_count;
    char backup[160];
    place_make(&p);
    live(&p, 3);
    memcpy(more, ledger_migrations, n * sizeof *more);
    more[n] = (struct migration){(int)n + 1, "more",
                                 "CREATE TABLE added (x); DELETE FROM event; SELECT die();"};
    snprintf(backup, sizeof backup, "%s.before-v%zu", p.ledger, n + 1);
    for (uint64_t k = 0; k < 12; k++) { // within the migration, and while the backup is made
        assert_true(killed_in(k, migrate, &p));
        assert_int_equal(booked_in(p.ledger), 4); // by the old program: it is as it was
    }
    assert_true(killed_in(0, migrate, &p)); // over the backup that an earlier try left
    assert_int_equal(booked_in(backup), 4);
    live(&p, 1);
    assert_int_equal(booked_in(p.ledger), 5);
    more[n].sql = "CREATE TABLE added (x)";
    assert_false(killed_in(0, migrate, &p));
    place_remove(&p);
}

static int restore(void *ctx) {
    const struct place_to_be *p = ctx;
    OWN(text_drop)
    struct text report = {0};
    return gateway_restore(p->config, p->backup, &report) == OK ? 0 : 1;
}

static void back_up(const struct place_to_be *p) {
    OWN(text_drop)
    struct text why = {0};
    struct reader *reader = NULL;
    assert_ok(reader_open(p->ledger, &reader, &why));
    assert_ok(reader_backup(reader, p->backup, &why));
    reader_close(reader);
}

// In its place, or set aside.
static bool there_is_a_ledger(const struct place_to_be *p) {
    bool found = false;
    DIR *folder = opendir(p->folder);
    assert_non_null(folder);
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
        bytes rest = bytes_of(e->d_name);
        bool companion = strstr(e->d_name, "-wal") != NULL || strstr(e->d_name, "-shm") != NULL;
        found = found || bytes_equal(rest, B("ledger.db")) ||
                (!companion && bytes_starts(rest, B("ledger.db.before-restore-")));
    }
    closedir(folder);
    return found;
}

// The person starts the gateway after the crash, or restores once more; both end well.
static void while_a_backup_is_restored(void **state) {
    bool killed = true, restored = false;
    for (uint64_t n = 1; killed; n++) {
        assert_true(n < 200);
        for (int again = 0; again < 2; again++) {
            struct place_to_be p;
            place_make(&p);
            live(&p, 3); // 4 positions
            back_up(&p);
            live(&p, 2); // 6
            killed = killed_in(n, restore, &p);
            assert_true(there_is_a_ledger(&p));
            if (again == 0) {
                live(&p, 1);
                // The old books with their journal up to some file operation, from then on those of
                // the backup with a new one.
                uint64_t booked = booked_in(p.ledger);
                restored = restored || booked == 5;
                assert_int_equal(booked, restored ? 5 : 7);
                assert_true(restored || killed);
            } else {
                ahead_ms = 5000; // names of what is set aside tell seconds
                assert_false(killed_in(0, restore, &p));
                ahead_ms = 0;
                live(&p, 1);
                assert_int_equal(booked_in(p.ledger), 5);
            }
            place_remove(&p);
        }
    }
}

#define STEPPED(test_) cmocka_unit_test_setup_teardown(test_, rooms_setup, rooms_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        STEPPED(before_the_fdatasync),
        STEPPED(after_the_fdatasync_before_booking),
        STEPPED(within_a_booking_transaction),
        STEPPED(after_the_commit_before_the_journal_is_told),
        STEPPED(after_sending_before_the_outcome_is_recorded),
        STEPPED(after_the_outcome_is_durable_before_it_is_booked),
        STEPPED(while_recovery_writes_the_tail_again),
        cmocka_unit_test(while_a_new_pair_is_made),
        cmocka_unit_test(while_a_ledger_is_migrated),
        cmocka_unit_test(while_a_backup_is_restored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
