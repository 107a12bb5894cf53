// SPDX-License-Identifier: MIT
// Stripe's form encoding: what is read is a JSON object of strings, maps and lists, which, written
// as a form again with every byte encoded, is read as the same; what is refused leaves nothing
// behind but a sentence. Taken as a question about events, it keeps the promises of
// stripe/event_query.h, under /v1 and under /v2, and is the same question when it is written again.
#include "base/json.h"
#include "fuzz.h"
#include "stripe/event_query.h"
#include "stripe/form.h"

const struct fuzz_plant fuzz_plants[] = {
    {"plus", PLANT_FUZZED, "a plus sign written as %2B is read as a space"},
    {"order", PLANT_FUZZED, "a list of three is in the order of its keys' coming"},
    {"rest", PLANT_FUZZED, "what is refused as given twice leaves a brace behind"},
    {"silent", PLANT_FUZZED, "a form with a bracket inside of another is refused without a word"},
    {"limit", PLANT_FUZZED, "a limit of three digits is taken as ten times as much"},
    {"cursors", PLANT_SEEDED, "a list that begins behind an event ends before it too"},
    {"star", PLANT_FUZZED, "a type with a star is taken with two"},
    {"bound", PLANT_SEEDED, "created[gt] is read as created[gte] when it is written again"},
    {"before", PLANT_SEEDED, "a bound of /v2 takes an event a second too late"},
    {"named", PLANT_FUZZED, "what /v2 does not take is refused without its name"},
    {0},
};

static void add_encoded(struct text *out, bytes b) {
    for (size_t i = 0; i < b.n; i++)
        text_addf(out, i % 2 == 0 ? "%%%02x" : "%%%02X", b.p[i]);
}

static void write_pair(bytes key, bytes value, struct text *out) {
    add_encoded(out, key);
    text_addc(out, '=');
    bool plus = bytes_find(value, '+') < value.n && fuzz_planted("plus");
    if (plus)
        text_add(out, value);
    else
        add_encoded(out, value);
    text_addc(out, '&');
}

static void write_form(json v, bytes key, int depth, struct text *out) {
    json value;
    bytes name;
    ensure(depth <= FORM_DEPTH_MAX);
    if (json_type(v) == JSON_STRING) {
        write_pair(key, json_string(v), out);
        return;
    }
    ensure(json_size(v) > 0 || depth == 0);
    if (json_type(v) == JSON_OBJECT) {
        for (size_t at = 0; json_member(v, &at, &name, &value);) {
            OWN(text_drop)
            struct text inner = {0};
            text_add(&inner, key);
            text_adds(&inner, depth == 0 ? "" : "[");
            text_add(&inner, name);
            text_adds(&inner, depth == 0 ? "" : "]");
            write_form(value, text_bytes(&inner), depth + 1, out);
        }
        return;
    }
    ensure(json_type(v) == JSON_ARRAY && depth > 0);
    bool wrong = fuzz_planted("order") && json_size(v) == 3;
    for (size_t at = 0, i = 0; json_element(v, &at, &value); i++) {
        OWN(text_drop)
        struct text inner = {0};
        text_add(&inner, key);
        text_addf(&inner, "[%zu]", wrong ? 2 - i : i);
        write_form(value, text_bytes(&inner), depth + 1, out);
    }
}

static void check_type(bytes type) {
    size_t stars = 0;
    for (size_t i = 0; i < type.n; i++) {
        stars += type.p[i] == '*';
        ensure(type.p[i] != '?' && type.p[i] != '[');
    }
    ensure(type.n > 0 && type.n <= 255 && stars + (stars > 0 && fuzz_planted("star")) < 2);
}

// True: it is one.
static bool check_query(json params, struct event_query *q) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    if (!event_query_read(params, q, &why)) {
        bytes message = text_bytes(&why.message), param = text_bytes(&why.param);
        ensure(api_error_status(why.error) == 400 && param.n > 0 && bytes_utf8(param));
        ensure(message.n > 0 && message.n < 300 && bytes_utf8(message));
        return false;
    }
    if (fuzz_planted("limit") && q->limit >= 100)
        q->limit *= 10;
    if (fuzz_planted("cursors") && q->after.n > 0)
        q->before = q->after;
    ensure(q->limit >= 1 && q->limit <= EVENT_QUERY_LIMIT_MAX);
    ensure(q->type_count <= EVENT_QUERY_TYPES_MAX && (q->after.n == 0 || q->before.n == 0));
    for (size_t i = 0; i < q->type_count; i++)
        check_type(q->types[i]);
    return true;
}

// The question of /v2, whose bounds are times.
static void check_query_v2(json params) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    struct event_query q;
    if (!event_query_read_v2(params, &q, &why)) {
        if (fuzz_planted("named") && why.error == API_ERROR_PARAMETER_UNKNOWN)
            text_reset(&why.param);
        bytes message = text_bytes(&why.message), param = text_bytes(&why.param);
        ensure(api_error_status(why.error) == 400 && param.n > 0 && bytes_utf8(param));
        ensure(message.n > 0 && message.n < 300 && bytes_utf8(message));
        return;
    }
    ensure(q.limit >= 1 && q.limit <= EVENT_QUERY_LIMIT_MAX && q.after.n + q.before.n == 0);
    ensure(q.type_count <= EVENT_QUERY_TYPES_MAX && q.delivered == DELIVERED_OR_NOT);
    for (size_t i = 0; i < q.type_count; i++) {
        check_type(q.types[i]);
        ensure(bytes_find(q.types[i], '*') == q.types[i].n);
    }
    json last = json_path(params, B("created.lt"));
    int64_t ms = 0;
    if (json_type(last) == JSON_ABSENT)
        return;
    ensure(text_parse_time(json_string(last), &ms) == OK);
    ensure((q.created_max + fuzz_planted("before")) * 1000 < ms);
}

static void check_query_again(const struct event_query *q, json params) {
    struct event_query again;
    ensure(check_query(params, &again) && again.limit == q->limit);
    if (fuzz_planted("bound") && json_type(json_path(params, B("created.gt"))) != JSON_ABSENT)
        again.created_min--;
    ensure(again.created_min == q->created_min && again.created_max == q->created_max);
    ensure(again.delivered == q->delivered && again.type_count == q->type_count);
    ensure(bytes_equal(again.after, q->after) && bytes_equal(again.before, q->before));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    OWN(text_drop)
    struct text read = {0};
    OWN(text_drop)
    struct text why = {0};
    result r = form_read(bytes_from(p, n), &read, &why);
    if (r != OK) {
        if (fuzz_planted("rest") && bytes_search(text_bytes(&why), B("twice")) < why.n)
            text_addc(&read, '{');
        if (fuzz_planted("silent") && bytes_search(text_bytes(&why), B("inside")) < why.n)
            text_reset(&why);
        ensure(read.n == 0 && why.n > 0 && why.n < 300 && bytes_utf8(text_bytes(&why)));
        return 0;
    }
    ensure(why.n == 0);
    OWN(json_close)
    struct json_doc *doc = NULL;
    ensure(json_parse(text_bytes(&read), &doc) == OK);
    ensure(json_type(json_root(doc)) == JSON_OBJECT);
    OWN(text_drop)
    struct text form = {0};
    write_form(json_root(doc), NO_BYTES, 0, &form);
    if (form.n > FORM_BYTES_MAX)
        return 0;
    OWN(text_drop)
    struct text again = {0};
    ensure(form_read(text_bytes(&form), &again, &why) == OK);
    ensure(bytes_equal(text_bytes(&read), text_bytes(&again)));
    OWN(json_close)
    struct json_doc *doc_again = NULL;
    ensure(json_parse(text_bytes(&again), &doc_again) == OK);
    struct event_query q;
    check_query_v2(json_root(doc));
    if (check_query(json_root(doc), &q))
        check_query_again(&q, json_root(doc_again));
    return 0;
}
