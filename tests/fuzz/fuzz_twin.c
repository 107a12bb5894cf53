// SPDX-License-Identifier: MIT
// Requests to the twin, one a line: "POST /v1/customers name=Ada". {n} stands for the id that the
// nth answer had, so that requests can be about what others made. ">60" lets time go on; what
// begins with "{" behind its path is JSON, anything else a form. Whatever comes: each is answered
// with a JSON object, a refusal in Stripe's envelope with a status and words that fit; one that is
// refused leaves the world as it was, but for a card that was declined; events are documents with
// an id of their own; and a world that is saved and loaded is the same.
#include "base/json.h"
#include "fuzz.h"
#include "stripe/form.h"
#include "twin/twin.h"

#define NOW_MS ((int64_t)1790000000000)
#define LINES_MAX 24
#define REQUEST_MAX 2000
#define STEP_MAX_S ((int64_t)400 * 24 * 60 * 60)

const struct fuzz_plant fuzz_plants[] = {
    {"envelope", PLANT_FUZZED, "a refusal for a parameter that is unknown has no message"},
    {"refused", PLANT_FUZZED, "a request that was refused leaves an object behind"},
    {"status", PLANT_FUZZED, "an object that is not there is answered 200"},
    {"event", PLANT_FUZZED, "an event has no type"},
    {"saved", PLANT_SEEDED, "what is due is not saved"},
    {"loaded", PLANT_SEEDED, "a world that was loaded has one event less"},
    {0},
};

struct ids {
    struct text id[LINES_MAX];
    size_t n;
};

// {0} is the first answer's id.
static void put_ids(const struct ids *ids, bytes line, struct text *out) {
    while (line.n > 0) {
        bool names = line.n > 2 && line.p[0] == '{' && line.p[2] == '}' && line.p[1] >= '0' &&
                     line.p[1] <= '9';
        size_t i = names ? (size_t)(line.p[1] - '0') : 0;
        if (names && i < ids->n)
            text_add(out, text_bytes(&ids->id[i]));
        else
            text_add(out, bytes_slice(line, 0, names ? 3 : 1));
        line = bytes_slice(line, names ? 3 : 1, line.n);
    }
}

static void check_refusal(json answer, int status) {
    json error = json_get(answer, "error");
    bytes type = json_string(json_get(error, "type")),
          said = json_string(json_get(error, "message"));
    bool silent = fuzz_planted("envelope") &&
                  bytes_equal(json_string(json_get(error, "code")), B("parameter_unknown"));
    ensure(type.n > 0 && bytes_utf8(said) && said.n > 0 && !silent);
    ensure(status == 400 || status == 402 || status == 404 || status == 409);
    ensure(bytes_equal(type, B("card_error")) == (status == 402));
}

static void check_answer(const struct twin_answer *a, struct ids *ids) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    ensure(json_parse(text_bytes(&a->body), &doc) == OK);
    json root = json_root(doc);
    ensure(json_type(root) == JSON_OBJECT);
    int status = fuzz_planted("status") && a->status == 404 ? 200 : a->status;
    ensure((status == 200) == (json_type(json_get(root, "error")) != JSON_OBJECT));
    if (status != 200)
        check_refusal(root, status);
    text_add(&ids->id[ids->n], json_string(json_get(root, "id")));
    ids->n++;
}

static void check_events(struct twin *w, struct text *seen) {
    for (struct twin_event *e; (e = twin_event_take(w)) != NULL;) {
        OWN(text_drop)
        struct text printed = {0};
        OWN(json_close)
        struct json_doc *doc = NULL;
        twin_event_print(e, B("2026-10-28.endive"), &printed);
        ensure(json_parse(text_bytes(&printed), &doc) == OK);
        json root = json_root(doc);
        if (fuzz_planted("event"))
            text_reset(&e->type);
        bytes id = json_string(json_get(root, "id"));
        ensure(bytes_equal(id, text_bytes(&e->id)) && id.n > 8);
        ensure(bytes_equal(json_string(json_get(root, "type")), text_bytes(&e->type)));
        ensure(bytes_search(text_bytes(seen), id) == seen->n); // it is new
        text_add(seen, id);
        twin_event_free(e);
    }
}

// Saved and loaded it is the same, and goes on the same.
static void check_kept(struct twin *w) {
    OWN(twin_close)
    struct twin *other = twin_open(1, NOW_MS);
    OWN(text_drop)
    struct text saved = {0}, again = {0}, why = {0};
    twin_save(w, &saved);
    ensure(twin_load(other, text_bytes(&saved), &why) == OK);
    struct twin_counts a = twin_counts(w), b = twin_counts(other);
    if (fuzz_planted("saved"))
        b.due = 0;
    if (fuzz_planted("loaded") && b.events > 1)
        b.events--;
    ensure(a.objects == b.objects && a.due == b.due && a.events == b.events);
    twin_save(other, &again);
    ensure(bytes_equal(text_bytes(&saved), text_bytes(&again)));
}

// The document without its randomness, which a refused request draws from too.
static void state_of(const struct twin *w, struct text *out) {
    OWN(text_drop)
    struct text whole = {0};
    twin_save(w, &whole);
    bytes rest = text_bytes(&whole);
    size_t at = bytes_search(rest, B(",\"made\""));
    text_add(out, bytes_slice(rest, at, rest.n));
}

static bool read_params(bytes in, struct json_doc **doc) {
    OWN(text_drop)
    struct text params = {0}, why = {0};
    if (in.n > 0 && in.p[0] == '{')
        return json_parse(in, doc) == OK && json_type(json_root(*doc)) == JSON_OBJECT;
    return form_read(in, &params, &why) == OK && json_parse(text_bytes(&params), doc) == OK;
}

static void ask(struct twin *w, int64_t now_ms, bytes line, struct ids *ids) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text before = {0}, after = {0};
    struct twin_answer answer = {0};
    bytes method = bytes_cut(&line, ' '), path = bytes_cut(&line, ' ');
    bool connected = bytes_starts(method, B("@"));
    if (connected)
        method = bytes_slice(method, 1, method.n);
    if (!read_params(line, &doc)) {
        json_close(&doc);
        return;
    }
    struct twin_request r = {.method = method,
                             .path = path,
                             .params = json_root(doc),
                             .account = connected ? B("acct_1Fuzz") : NO_BYTES,
                             .caller = B("k"),
                             .request_id = B("req_1")};
    twin_run(w, now_ms);
    state_of(w, &before);
    twin_ask(w, &r, now_ms, &answer);
    state_of(w, &after);
    if (fuzz_planted("refused") && answer.status == 400)
        text_addc(&after, '.');
    if (answer.status != 200 && answer.status != 402)
        ensure(bytes_equal(text_bytes(&before), text_bytes(&after)));
    check_answer(&answer, ids);
    text_drop(&answer.body);
}

static int64_t step(bytes line) {
    int64_t s = 0;
    if (bytes_to_i64(bytes_slice(line, 1, line.n), &s) != OK || s < 0)
        return 0;
    return (s > STEP_MAX_S ? STEP_MAX_S : s) * 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    OWN(twin_close)
    struct twin *w = twin_open(42, NOW_MS);
    OWN(text_drop)
    struct text seen = {0};
    struct ids ids = {0};
    int64_t now_ms = NOW_MS;
    bytes rest = {p, n};
    while (rest.n > 0 && ids.n < LINES_MAX) {
        OWN(text_drop)
        struct text line = {0};
        put_ids(&ids, bytes_slice(bytes_cut(&rest, '\n'), 0, REQUEST_MAX), &line);
        if (bytes_starts(text_bytes(&line), B(">")))
            now_ms += step(text_bytes(&line));
        else
            ask(w, now_ms, text_bytes(&line), &ids);
        twin_run(w, now_ms);
    }
    check_kept(w);
    check_events(w, &seen);
    for (size_t i = 0; i < ids.n; i++)
        text_drop(&ids.id[i]);
    return 0;
}
