// SPDX-License-Identifier: MIT
// Each trigger of Stripe's CLI, played to a world of its own: every step is answered as Stripe
// would, and the event comes to be that the trigger is named after.
#include "base/list.h"
#include "twin_house.h"
#include "twin_triggers.h"

#define SEEN_MAX 8
#define WAIT_MS 10000 // what a bank's debit takes

#define STEP_COUNT (sizeof twin_steps / sizeof *twin_steps)
#define TRIGGER_COUNT (sizeof twin_triggers / sizeof *twin_triggers)

// What was answered so far.
struct memory {
    struct json_doc *answers[SEEN_MAX];
    size_t n;
};

static void remember(struct memory *m, struct twin_house *h) {
    OWN(text_drop)
    struct text t = {0};
    assert_true(m->n < SEEN_MAX);
    json_write(json_root(h->answer), &t);
    assert_true(json_parse(text_bytes(&t), &m->answers[m->n++]) == OK);
}

static void forget(struct memory *m) {
    while (m->n > 0)
        json_close(&m->answers[--m->n]);
}

// "customer", "list:data.0.id".
static void recall(const struct memory *m, bytes what, struct text *out) {
    bytes path = what, object = bytes_cut(&path, ':');
    for (size_t i = m->n; i-- > 0;) {
        json root = json_root(m->answers[i]);
        if (!bytes_equal(json_string(json_get(root, "object")), object))
            continue;
        text_add(out, json_string(json_path(root, path.n > 0 ? path : B("id"))));
        return;
    }
    fail_msg("nothing of the type %.*s was answered", BYTES_ARG(object));
}

static bool is_reference(bytes rest) {
    size_t end = bytes_find(rest, '}');
    for (size_t i = 1; i < end; i++)
        if (rest.p[i] == '"' || rest.p[i] == '{')
            return false;
    return end < rest.n && end > 1;
}

static void fill(const struct memory *m, const char *request, struct text *out) {
    bytes rest = bytes_of(request);
    while (rest.n > 0) {
        size_t end = rest.p[0] == '{' && is_reference(rest) ? bytes_find(rest, '}') : 0;
        if (end > 0)
            recall(m, bytes_slice(rest, 1, end), out);
        else
            text_addc(out, (char)rest.p[0]);
        rest = bytes_slice(rest, end + 1, rest.n);
    }
}

static const char *step_of(bytes word) {
    for (size_t i = 0; i < STEP_COUNT; i++)
        if (bytes_equal(bytes_of(twin_steps[i].name), word))
            return twin_steps[i].request;
    fail_msg("no step %.*s", BYTES_ARG(word));
    return NULL;
}

// "POST /v1/customers a=b": what is asked, and with what.
static int ask(struct twin_house *h, const char *request) {
    OWN(text_drop)
    struct text what = {0}, form = {0};
    bytes rest = bytes_of(request);
    text_add(&what, bytes_cut(&rest, ' '));
    text_addc(&what, ' ');
    text_add(&what, bytes_cut(&rest, ' '));
    text_add(&form, rest);
    if (bytes_starts(text_bytes(&what), B("POST /v2/")))
        return house_ask_json(h, text_str(&what), text_str(&form));
    return house_ask(h, text_str(&what), text_str(&form));
}

static void play(struct twin_house *h, size_t i) {
    struct memory m = {0};
    bytes words = bytes_of(twin_triggers[i].words);
    while (words.n > 0) {
        OWN(text_drop)
        struct text request = {0};
        bytes word = bytes_cut(&words, ' ');
        bool refused = bytes_starts(word, B("!"));
        fill(&m, step_of(refused ? bytes_slice(word, 1, word.n) : word), &request);
        int status = ask(h, text_str(&request));
        if (status != (refused ? 402 : 200))
            fail_msg("%s: %s: %d %s", twin_triggers[i].name, text_str(&request), status,
                     house_text(h, "error.message"));
        if (refused)
            assert_string_equal(house_text(h, "error.type"), "card_error");
        remember(&m, h);
    }
    forget(&m);
    h->now_ms += WAIT_MS;
    twin_run(h->world, h->now_ms);
}

static bool told(struct twin_house *h, const char *type) {
    bytes rest = text_bytes(&h->trace);
    while (rest.n > 0)
        if (bytes_equal(bytes_cut(&rest, ' '), bytes_of(type)))
            return true;
    return false;
}

static void each_tells_its_event(void **state) {
    for (size_t i = 0; i < TRIGGER_COUNT; i++) {
        struct twin_house h;
        house_open(&h);
        play(&h, i);
        house_take(&h);
        if (!told(&h, twin_triggers[i].event))
            fail_msg("%s: it told only of %s", twin_triggers[i].name, text_str(&h.trace));
        house_close(&h);
    }
}

// The same of a connected account: every event is that account's.
static void each_tells_whose_it_is(void **state) {
    for (size_t i = 0; i < TRIGGER_COUNT; i++) {
        struct twin_house h;
        house_open(&h);
        h.account = "acct_1Connected";
        play(&h, i);
        for (struct twin_event *e; (e = twin_event_take(h.world)) != NULL; twin_event_free(e))
            if (e->account.n == 0)
                fail_msg("%s: %s has no account", twin_triggers[i].name, text_str(&e->type));
        house_close(&h);
    }
}

static void every_step_is_used(void **state) {
    assert_int_equal(TRIGGER_COUNT, 123);
    for (size_t i = 0; i < STEP_COUNT; i++) {
        bool used = false;
        for (size_t k = 0; k < TRIGGER_COUNT && !used; k++) {
            bytes words = bytes_of(twin_triggers[k].words);
            while (words.n > 0 && !used) {
                bytes word = bytes_cut(&words, ' ');
                bytes name = bytes_of(twin_steps[i].name);
                used = bytes_equal(word, name) || (bytes_starts(word, B("!")) &&
                                                   bytes_equal(bytes_slice(word, 1, word.n), name));
            }
        }
        if (!used)
            fail_msg("no trigger has the step %s", twin_steps[i].name);
    }
}

// All of them one behind the other, as in a gateway that stays up.
static void all_go_in_one_world(void **state) {
    struct twin_house h;
    house_open(&h);
    for (size_t i = 0; i < TRIGGER_COUNT; i++) {
        play(&h, i);
        house_take(&h);
        if (!told(&h, twin_triggers[i].event))
            fail_msg("%s: it told only of %s", twin_triggers[i].name, text_str(&h.trace));
        text_reset(&h.trace);
    }
    house_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_is_used),
        cmocka_unit_test(each_tells_its_event),
        cmocka_unit_test(each_tells_whose_it_is),
        cmocka_unit_test(all_go_in_one_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
