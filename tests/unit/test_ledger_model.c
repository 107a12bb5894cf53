// SPDX-License-Identifier: MIT
// The memory store is the model of the SQLite one: through the same operations, drawn from a seed,
// both say and hold the same.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "ledger/rows.h"
#include "ledger_world.h"

// Every answer and, now and then, the whole dump is compared.
struct pair {
    struct store *s;
    struct text said;
    struct arena arena;
};

struct walk {
    uint64_t random;
    uint64_t last_event, last_receipt, last_delivery, last_position;
    bool begun, marked;
};

static uint64_t draw(struct walk *w, uint64_t n) { return random_below(&w->random, n); }

static void say(struct pair *p, result failed, const struct shape *shape, const void *row) {
    text_adds(&p->said, failed != OK ? fail_name(failed->code) : "ok");
    text_addc(&p->said, ' ');
    if (failed == OK && shape != NULL)
        row_dump(shape, row, &p->said);
}

static bytes drawn_text(struct walk *w, char *buffer, size_t max) {
    size_t n = (size_t)draw(w, max);
    for (size_t i = 0; i < n; i++)
        buffer[i] = (char)draw(w, 256);
    return bytes_from(buffer, n);
}

static bool skip_some(void *ctx, uint64_t delivery) { return delivery % 4 == *(uint64_t *)ctx; }

#define EACH(p_) for (struct pair *p = (p_); p < (p_) + 2; p++)

static void walk_event(struct walk *w, struct pair *pairs) {
    char id[32], error[64];
    size_t n = (size_t)snprintf(id, sizeof id, "evt_%d", (int)draw(w, 400));
    struct event_row e = an_event(w->last_position + 1, bytes_from(id, n)), got;
    bool insert = draw(w, 3) > 0;
    e.livemode = draw(w, 4) > 0;
    e.account = draw(w, 2) > 0 ? B("acct_1") : NO_BYTES;
    e.snapshot_id = draw(w, 5) == 0 ? B("evt_snap") : NO_BYTES;
    bytes why = drawn_text(w, error, sizeof error);
    uint64_t seq = draw(w, w->last_event + 3);
    unsigned status = (unsigned)draw(w, 4);
    result failed = OK;
    EACH(pairs) {
        say(p, p->s->event_find(p->s, e.owner, e.account, e.livemode, e.id, &p->arena, &got),
            &shape_event, &got);
        failed = insert ? p->s->event_insert(p->s, &e) : p->s->event_status(p->s, seq, status, why);
        say(p, failed, NULL, NULL);
        say(p, p->s->event_get(p->s, seq, &p->arena, &got), &shape_event, &got);
    }
    if (insert && failed == OK)
        w->last_event = w->last_position = e.seq;
}

static void walk_receipt(struct walk *w, struct pair *pairs) {
    char body[600];
    uint64_t event = draw(w, w->last_event + 2);
    bool first = draw(w, 2) > 0;
    struct receipt_row r = a_receipt(first ? event : w->last_position + 1, event,
                                     (uint8_t)draw(w, 3)),
                       got;
    bytes b = drawn_text(w, body, sizeof body), out = NO_BYTES;
    if (draw(w, 4) == 0)
        r.body_seq = draw(w, w->last_receipt + 1);
    uint64_t seq = draw(w, w->last_receipt + 2);
    result failed = OK;
    EACH(pairs) {
        failed = p->s->receipt_insert(p->s, &r, b);
        say(p, failed, NULL, NULL);
        say(p, p->s->receipt_same(p->s, event, r.sha256, &p->arena, &got), &shape_receipt, &got);
        say(p, p->s->receipt_get(p->s, seq, &p->arena, &got), &shape_receipt, &got);
        struct blob_row blob = {seq, NO_BYTES};
        result absent = p->s->body_get(p->s, seq, &p->arena, &out);
        blob.value = out;
        say(p, absent, &shape_body, &blob);
    }
    if (failed == OK) {
        w->last_receipt = r.seq > w->last_receipt ? r.seq : w->last_receipt;
        w->last_position = r.seq > w->last_position ? r.seq : w->last_position;
    }
}

static void walk_delivery(struct walk *w, struct pair *pairs) {
    char error[64];
    bool insert = draw(w, 2) > 0;
    struct delivery_row d =
        a_delivery(insert ? w->last_delivery + 1 : draw(w, w->last_delivery + 2),
                   draw(w, w->last_event + 1), 1 + (uint32_t)draw(w, 3), (int64_t)draw(w, 50));
    d.receipt_seq = draw(w, w->last_receipt + 1);
    d.state = (enum delivery_state)draw(w, DELIVERY_STATES);
    d.attempts = (uint32_t)draw(w, 9);
    d.priority = draw(w, 20) > 0 ? (enum priority)draw(w, PRIORITIES) : PRIORITIES; // none
    d.last_error = drawn_text(w, error, sizeof error);
    struct attempt_row t = {.delivery = d.seq,
                            .number = (uint32_t)draw(w, 4),
                            .outcome = (enum outcome)draw(w, 3),
                            .status = (int32_t)draw(w, 600),
                            .answer = d.last_error};
    uint64_t after = draw(w, w->last_delivery + 1), max = draw(w, 20), of_there = draw(w, 9);
    struct delivery_row *rows;
    size_t n;
    result failed = OK;
    EACH(pairs) {
        struct delivery_row there;
        if (!insert && of_there > 0 && p->s->delivery_get(p->s, d.seq, &p->arena, &there) == OK) {
            d.event_seq = there.event_seq, d.receipt_seq = there.receipt_seq;
            d.destination = there.destination, d.priority = there.priority;
        }
        failed = insert ? p->s->delivery_insert(p->s, &d) : p->s->delivery_update(p->s, &d);
        say(p, failed, NULL, NULL);
        say(p, p->s->attempt_insert(p->s, &t), NULL, NULL);
        say(p, p->s->deliveries_of(p->s, d.event_seq, &p->arena, &rows, &n), NULL, NULL);
        for (size_t i = 0; i < n; i++)
            row_dump(&shape_delivery, &rows[i], &p->said);
        say(p, p->s->deliveries_open(p->s, d.destination, after, max, &p->arena, &rows, &n), NULL,
            NULL);
        for (size_t i = 0; i < n; i++)
            row_dump(&shape_delivery, &rows[i], &p->said);
    }
    if (insert && failed == OK)
        w->last_delivery++;
}

static void walk_due(struct walk *w, struct pair *pairs) {
    uint32_t destination = 1 + (uint32_t)draw(w, 4);
    int64_t now = (int64_t)draw(w, 60), next;
    size_t max = (size_t)draw(w, 30), max_bytes = (size_t)draw(w, 5000), n;
    uint64_t residue = draw(w, 5);
    struct due_row *rows;
    struct priority_turns start = {{0}};
    start.credit[draw(w, PRIORITIES)] = (int32_t)draw(w, 21);
    EACH(pairs) {
        struct priority_turns turns = start;
        result failed = p->s->due(p->s, destination, now, max, max_bytes, skip_some, &residue,
                                  &turns, &p->arena, &rows, &n);
        say(p, failed, NULL, NULL);
        for (size_t i = 0; failed == OK && i < n; i++) {
            row_dump(&shape_delivery, &rows[i].delivery, &p->said);
            text_add(&p->said, rows[i].event_id);
            text_add_hex(&p->said, rows[i].body);
        }
        for (int i = 0; i < PRIORITIES; i++)
            text_add_i64(&p->said, turns.credit[i]);
        failed = p->s->next_due(p->s, destination, skip_some, &residue, &next);
        say(p, failed, NULL, NULL);
        text_add_i64(&p->said, next);
    }
}

static void walk_small(struct walk *w, struct pair *pairs) {
    char reason[64];
    bytes text = drawn_text(w, reason, sizeof reason);
    bytes name = bytes_slice(B("abc"), 0, (size_t)draw(w, 4));
    uint64_t n = draw(w, 4), which = draw(w, 9);
    struct destination_row d = {.number = (uint32_t)n, .name = name, .hold_reason = text};
    struct suspense_row u = {.position = n, .payload = text, .seed = w->random, .kind = (uint8_t)n};
    struct key_row k = {.id = name, .name = text, .created_at = (int64_t)n};
    struct answer_row answer = {.position = 1 + draw(w, 6), .time_ms = (int64_t)n, .json = text};
    answer.idempotency_key = name;
    struct answer_row found;
    int64_t dropped = (int64_t)draw(w, 4);
    size_t dropped_max = (size_t)draw(w, 4);
    struct store_state st = {.booked = w->last_position, .next_delivery = n + 1};
    struct sighting_row seen = {.kind = SIGHTING_SECRET + (enum sighting)(n & 1),
                                .whose = text,
                                .what = name,
                                .livemode = draw(w, 2) > 0,
                                .first_at = dropped,
                                .last_at = dropped,
                                .count = 1};
    if (draw(w, 3) > 0)
        seen.whose = B("x");
    uint64_t seen_count = 0;
    EACH(pairs) {
        struct store *s = p->s;
        switch (which) {
        case 0: say(p, s->destination_put(s, &d), NULL, NULL); break;
        case 1: say(p, s->suspense_put(s, &u), NULL, NULL); break;
        case 2: say(p, s->key_put(s, &k), NULL, NULL); break;
        case 3: say(p, s->state_put(s, &st), NULL, NULL); break;
        case 4: say(p, s->plan_put(s, n, text), NULL, NULL); break;
        case 5: say(p, s->answers_drop(s, dropped, dropped_max), NULL, NULL); break;
        case 6: say(p, s->sighting_insert(s, &seen), NULL, NULL); break;
        case 7: say(p, s->sighting_add(s, &seen), NULL, NULL); break;
        default: say(p, s->answer_put(s, &answer), NULL, NULL); break;
        }
        say(p, s->destination_find(s, name, &p->arena, &d), &shape_destination, &d);
        say(p, s->key_get(s, name, &p->arena, &k), &shape_key, &k);
        say(p, s->sighting_count(s, seen.kind, &seen_count), NULL, NULL);
        text_add_u64(&p->said, seen_count);
        if (name.n > 0)
            say(p, s->answer_find(s, name, &p->arena, &found), &shape_answer, &found);
        d.name = k.id = name, d.hold_reason = k.name = text, d.number = (uint32_t)n;
        k.created_at = (int64_t)n;
    }
}

static void walk_transaction(struct walk *w, struct pair *pairs) {
    uint64_t what = draw(w, 10);
    EACH(pairs) {
        struct store *s = p->s;
        if (what < 4)
            say(p, w->marked ? s->undo(s) : s->mark(s), NULL, NULL);
        else if (w->marked)
            say(p, s->unmark(s), NULL, NULL);
        else if (what == 4)
            s->rollback(s);
        else
            say(p, s->commit(s), NULL, NULL);
        if (what >= 4 && !w->marked)
            say(p, s->begin(s), NULL, NULL);
    }
    w->marked = what < 4 && !w->marked;
}

// True if both said and hold the same all the way.
static bool same_walk(struct store *x, struct store *y, uint64_t seed, size_t steps, bool show) {
    struct pair pairs[2] = {{.s = x}, {.s = y}};
    struct walk w = {.random = seed};
    bool same = true;
    EACH(pairs) {
        arena_init(&p->arena, 16 << 20);
        say(p, p->s->begin(p->s), NULL, NULL);
    }
    for (size_t i = 0; i < steps && same; i++) {
        static void (*const moves[])(struct walk *, struct pair *) = {
            walk_event, walk_receipt, walk_delivery, walk_due, walk_small, walk_transaction};
        moves[draw(&w, 6)](&w, pairs);
        bool whole = i % 250 == 0 || i + 1 == steps;
        EACH(pairs) {
            if (whole)
                assert_ok(p->s->dump(p->s, &p->said));
            assert_false(p->said.failed);
        }
        same = bytes_equal(text_bytes(&pairs[0].said), text_bytes(&pairs[1].said));
        if (!same && show)
            fprintf(stderr, "seed %d, step %zu\n%s\nbut\n%s\n", (int)seed, i,
                    text_str(&pairs[0].said), text_str(&pairs[1].said));
        EACH(pairs) {
            text_reset(&p->said);
            arena_drop(&p->arena);
        }
    }
    EACH(pairs) {
        p->s->rollback(p->s);
        text_drop(&p->said);
    }
    return same;
}

static void test_same_as_model(void **state) {
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct world w = {0};
        assert_int_equal(world_sqlite(&w), 0);
        struct store *model = store_memory();
        assert_true(same_walk(model, w.store, seed, 5000, true));
        model->close(model);
        world_close(&w);
    }
}

// The comparison finds a store that does not undo, and one that cuts a text at a NUL.
static result (*whole_status)(struct store *, uint64_t, enum event_status, bytes);
static result broken_status(struct store *s, uint64_t seq, enum event_status status, bytes error) {
    return whole_status(s, seq, status, bytes_slice(error, 0, bytes_find(error, 0)));
}

static void test_comparison_can_fail(void **state) {
    for (int i = 0; i < 3; i++) {
        struct store *model = store_memory(), *broken = store_memory();
        if (i == 1)
            broken->undo = broken->unmark;
        whole_status = broken->event_status;
        if (i == 2)
            broken->event_status = broken_status;
        assert_true(same_walk(model, broken, 7, 5000, i == 0) == (i == 0));
        model->close(model);
        broken->close(broken);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparison_can_fail),
        cmocka_unit_test(test_same_as_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
