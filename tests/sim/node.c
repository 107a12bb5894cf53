// SPDX-License-Identifier: MIT
#include "node.h"

#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/list.h"
#include "base/memory.h"
#include "disk.h"
#include "gateway_endpoints.h"
#include "rules/record.h"

#define JOURNAL_SIZE (768u << 10)
// A ring that a run goes around several times.
#define JOURNAL_SMALL (80u << 10) // a plan is at most a quarter of a quarter of it
#define STRANGERS_MAX (256 << 10)
#define BODY_MAX (64u << 10)

// A record of the desk's on its way.
struct posted {
    struct append append;
    struct text payload;
    int variant; // of a plan; -1: a command
};

static struct handler handler_of(const struct plan_destination *d) {
    static int64_t restart_ms[] = {1000, 10000};
    return (struct handler){
        .run = d->run,
        .run_count = d->run_count,
        .stream = d->run_count > 1 && bytes_equal(d->run[1], B("stream")),
        .workers = 2,
        .grace_ms = 1000,
        .restart_ms = restart_ms,
        .restart_count = 2,
    };
}

static void set_targets(struct node *n, int variant) {
    OWN(text_drop)
    struct text json = {0};
    plan_of(variant, &json);
    struct plan *p = NULL;
    ensure(plan_read(text_bytes(&json), n->generation, &p) == OK);
    struct target *targets = NEW_ARRAY(struct target, p->destination_count);
    for (size_t i = 0; i < p->destination_count; i++)
        targets[i] = (struct target){
            .name = p->destinations[i].name,
            .kind = p->destinations[i].kind,
            .url = p->destinations[i].url,
            .handler = handler_of(&p->destinations[i]),
            .secret = B(SECRET_SITE),
            .livemode = p->destinations[i].livemode,
            .timeout_ms = p->destinations[i].timeout_ms,
            .pace = p->destinations[i].pace,
        };
    n->targeted++;
    dispatch_set_targets(n->dispatch, &(struct targets){.list = targets,
                                                        .count = p->destination_count,
                                                        .generation = n->generation});
    free(targets);
    const bytes webhook[] = {B(SECRET_WEBHOOK)};
    const bytes connect[] = {B(SECRET_WEBHOOK), B(SECRET_CONNECT)};
    const bytes other[] = {B(SECRET_OTHER)};
    const struct source_secrets secrets[] = {
        {B("/webhook"), webhook, 1}, {B("/connect"), connect, 2}, {B("/other"), other, 1}};
    struct sources *sources = NULL;
    ensure(sources_open(p, secrets, 3, &n->uses, &sources) == OK);
    if (n->receiver.sources != NULL)
        sources_drop(n->receiver.sources);
    n->receiver.sources = sources;
    n->variant = variant;
    plan_free(p);
}

const uint8_t node_sealing_key[SEAL_KEY_SIZE] = {1, 2, 3};

static void on_endpoints(void *ctx, const struct endpoint_row *rows, size_t n) {
    struct node *node = ctx;
    size_t sealed;
    struct retarget *r = endpoint_targets(node_sealing_key, rows, n, &sealed);
    ensure(sealed == 0);
    mailbox_post(node->dispatch_mailbox, &r->mail);
}

static void on_durable(void *ctx, uint64_t position) {
    (void)position;
    struct node *n = ctx;
    ledger_wake(n->ledger);
}

static void on_wake_at(void *ctx, int64_t mono_us) { ((struct node *)ctx)->wake_at_us = mono_us; }

static result open_journal(struct node *n) {
    struct store_state state;
    TRY(n->books->state_get(n->books, &state));
    static const uint8_t none[JOURNAL_ID_SIZE];
    struct journal_file_options o = {
        .files = disk_files(n->disk),
        .clock = &n->world->clock,
        .path = "journal",
        .size = n->small ? JOURNAL_SMALL : JOURNAL_SIZE,
        .create = memcmp(state.journal_id, none, sizeof none) == 0,
        .booked = state.booked,
        .first = state.booked + 1,
        .last_time_ms = state.time_ms,
    };
    memcpy(o.expect_id, state.journal_id, sizeof o.expect_id);
    OWN(text_drop)
    struct text why = {0};
    result opened = journal_store_file(&o, &n->journal_store, &why);
    if (opened != OK) {
        world_say(n->world, "journal does not open: %s", text_str(&why));
        if (!failed_as(opened, FAIL_IO) && !failed_as(opened, FAIL_FULL))
            world_broken(n->world, "a crash is survived", "%s: %s", opened->text, text_str(&why));
        return opened;
    }
    if (!o.create)
        return OK;
    journal_file_id(n->journal_store, state.journal_id);
    TRY(n->books->begin(n->books));
    TRY(n->books->state_put(n->books, &state));
    return n->books->commit(n->books);
}

static void read_history(struct node *n) {
    for (;;) {
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, 8 << 20);
        struct record *r = NULL;
        size_t count = 0;
        result got = n->journal_store->read(n->history_cursor, 1 << 20, &a, &r, &count);
        if (got != OK) {
            if (!failed_as(got, FAIL_IO))
                world_broken(n->world, "what is durable can be read", "%s", got->text);
            return;
        }
        if (count == 0)
            return;
        for (size_t i = 0; i < count; i++) {
            n->history = r[i].position;
            n->on_record(n->ctx, &r[i]);
        }
    }
}

static bool step_ledger(struct node *n) {
    n->booking = true;
    bool any = ledger_step(n->ledger);
    n->booking = false;
    return any;
}

// The plan as gateway.c adopts it at start.
static result adopt(struct node *n, uint64_t tail) {
    OWN(text_drop)
    struct text wanted = {0}, have = {0};
    plan_of(n->wanted_variant, &wanted);
    TRY(ledger_plan(n->ledger, &have, &n->generation));
    if (n->generation != 0 && ledger_booked(n->ledger) >= tail &&
        bytes_equal(text_bytes(&wanted), text_bytes(&have)))
        return OK;
    struct append a = {.kind = RECORD_PLAN, .payload = text_bytes(&wanted)};
    while (!journal_credit_take(n->journal, CREDIT_INNER, wanted.n, &a.credit)) {
        bool booked = step_ledger(n);
        NEED(journal_step(n->journal) || booked, FULL, "the journal is full and nothing is booked");
    }
    TRY(journal_append(n->journal, &a));
    n->generation = a.position;
    return OK;
}

static result start(struct node *n) {
    TRY(open_journal(n));
    uint64_t tail = n->journal_store->last(n->journal_store);
    struct journal_options jo = {
        .clock = &n->world->clock,
        .store = n->journal_store,
        .durable = on_durable,
        .durable_ctx = n,
    };
    TRY(n->journal_store->cursor_open(n->journal_store, n->history, &n->history_cursor));
    struct ledger_options lo = {
        .clock = &n->world->clock,
        .store = n->books,
        .records = n->journal_store,
        .batch_max = 32,
        .endpoints = plan_has_endpoints ? on_endpoints : NULL,
        .endpoints_ctx = n,
    };
    n->dispatch_mailbox = mailbox_open(NULL, NULL);
    TRY(journal_open(&jo, &n->journal));
    lo.journal = n->journal;
    TRY(ledger_open(&lo, &n->ledger));
    TRY(adopt(n, tail));
    n->intake_mail = mailbox_open(NULL, NULL);
    n->desk_mail = mailbox_open(NULL, NULL);
    n->budget = (struct http_budget){.max = STRANGERS_MAX};
    n->receiver = (struct receiver){
        .clock = &n->world->clock,
        .journal = n->journal,
        .mailbox = n->intake_mail,
        .budget = &n->budget,
        .body_max = BODY_MAX,
    };
    n->dispatch = dispatch_open(&(struct dispatch_options){
        .clock = &n->world->clock,
        .fetcher = n->fetcher,
        .processes = n->processes,
        .journal = n->journal,
        .ledger = n->ledger,
        .mailbox = n->dispatch_mailbox,
        .wake_at = on_wake_at,
        .wake_ctx = n,
    });
    n->wake_at_us = INT64_MAX;
    size_t kept;
    if (n->leaks)
        (void)!journal_credit_take(n->journal, CREDIT_INNER, 100, &kept);
    set_targets(n, n->wanted_variant);
    return OK;
}

static void desk_came_back(struct node *n, struct posted *p) {
    if (p->append.failed == OK && p->variant >= 0 && n->up) {
        n->generation = p->append.position;
        set_targets(n, p->variant);
        world_say(n->world, "plan %d adopted as generation %llu", p->variant,
                  (unsigned long long)n->generation);
    }
    n->posted--;
    text_drop(&p->payload);
    free(p);
}

static bool drain_desk(struct node *n) {
    struct mail *m = n->desk_mail == NULL ? NULL : mailbox_drain(n->desk_mail);
    bool any = m != NULL;
    while (m != NULL) {
        struct posted *p = CONTAINER(m, struct posted, append.mail);
        m = m->next;
        desk_came_back(n, p);
    }
    return any;
}

static bool drain_intake(struct node *n) {
    struct mail *m = n->intake_mail == NULL ? NULL : mailbox_drain(n->intake_mail);
    bool any = m != NULL;
    while (m != NULL) {
        struct append *a = CONTAINER(m, struct append, mail);
        m = m->next;
        receive_mail(&n->receiver, a);
    }
    return any;
}

// What it was told of endpoints by a start that failed before there was a dispatch.
static void drop_retargets(struct node *n) {
    struct mail *m = n->dispatch_mailbox == NULL ? NULL : mailbox_drain(n->dispatch_mailbox);
    while (m != NULL) {
        struct retarget *r = CONTAINER(m, struct retarget, mail);
        m = m->next;
        retarget_free(r);
    }
}

static bool drain_dispatch(struct node *n) {
    struct mail *m = n->dispatch == NULL ? NULL : mailbox_drain(n->dispatch_mailbox);
    bool any = m != NULL;
    while (m != NULL) {
        struct mail *next = m->next;
        dispatch_mail(n->dispatch, m);
        m = next;
    }
    return any;
}

// Frees what a life held. Nothing is written: journal and ledger tell whoever waits that they
// close.
static void end_life(struct node *n) {
    n->up = false;
    if (n->dispatch != NULL) { // what comes back must find nothing to begin
        dispatch_drain(n->dispatch);
        (void)drain_dispatch(n);
    }
    journal_close(n->journal);
    ledger_close(n->ledger);
    (void)drain_intake(n);
    (void)drain_desk(n);
    (void)drain_dispatch(n);
    if (n->dispatch == NULL)
        drop_retargets(n);
    dispatch_close(n->dispatch);
    if (n->receiver.sources != NULL)
        sources_drop(n->receiver.sources);
    secret_uses_drop(&n->uses);
    mailbox_close(n->intake_mail);
    mailbox_close(n->dispatch_mailbox);
    mailbox_close(n->desk_mail);
    if (n->history_cursor != NULL)
        n->journal_store->cursor_close(n->history_cursor);
    if (n->journal_store != NULL)
        n->journal_store->close(n->journal_store);
    n->receiver.sources = NULL;
    n->journal = NULL;
    n->ledger = NULL;
    n->dispatch = NULL;
    n->intake_mail = n->dispatch_mailbox = n->desk_mail = NULL;
    n->history_cursor = NULL;
    n->journal_store = NULL;
}

bool node_start(struct node *n) {
    n->lives++;
    result started = start(n);
    n->up = started == OK;
    world_say(n->world, "life %u %s%s", n->lives,
              n->up ? "starts" : "does not start: ", n->up ? "" : started->text);
    if (n->up) {
        read_history(n);
        return true;
    }
    if (n->ledger != NULL)
        ledger_leave(n->ledger);
    node_crash(n);
    return false;
}

void node_crash(struct node *n) {
    world_say(n->world, "life %u crashes", n->lives);
    store_memory_crash(n->books);
    end_life(n);
    if (world_chance(n->world, 2))
        disk_kill(n->disk); // the process alone: what it wrote is there to be read, synced or not
    else
        disk_crash(n->disk, world_below(n->world, UINT64_MAX));
}

void node_stop(struct node *n) {
    if (n->up)
        end_life(n);
}

static bool step_journal(struct node *n) {
    bool any = journal_step(n->journal);
    if (any) {
        n->appended_us = n->world->mono_us;
        read_history(n);
    }
    return any;
}

static bool step_dispatch(struct node *n) {
    bool any = drain_dispatch(n);
    if (n->wake_at_us <= n->world->mono_us) {
        n->wake_at_us = INT64_MAX;
        dispatch_tick(n->dispatch);
        any = true;
    }
    return any;
}

bool node_step(struct node *n) {
    static bool (*const actors[])(struct node *) = {step_journal, step_ledger, step_dispatch,
                                                    drain_intake, drain_desk};
    enum { ACTORS = sizeof actors / sizeof *actors };
    size_t first = world_below(n->world, ACTORS);
    for (size_t i = 0; i < ACTORS; i++)
        if (actors[(first + i) % ACTORS](n))
            return true;
    return false;
}

int64_t node_due(const struct node *n) {
    int64_t due = ledger_due_us(n->ledger);
    if (n->wake_at_us < due)
        due = n->wake_at_us;
    if (due == INT64_MAX)
        return due;
    return due > n->world->mono_us ? due - n->world->mono_us : 0;
}

bool node_post(struct node *n, uint8_t kind, bytes payload) {
    struct posted *p = NEW(struct posted);
    p->variant = kind == RECORD_PLAN ? n->wanted_variant : -1;
    text_add(&p->payload, payload);
    p->append = (struct append){
        .kind = kind,
        .generation = n->generation,
        .seed = world_below(n->world, UINT64_MAX),
        .payload = text_bytes(&p->payload),
        .reply = n->desk_mail,
    };
    if (!journal_credit_take(n->journal, CREDIT_INNER, payload.n, &p->append.credit)) {
        world_say(n->world, "no room for %.*s", BYTES_ARG(payload));
        text_drop(&p->payload);
        free(p);
        return false;
    }
    n->posted++;
    journal_post(n->journal, &p->append);
    return true;
}
