// SPDX-License-Identifier: MIT
// Which event tells an object's state: kinds and ends, a table of seconds, and what is known as
// text. Whole histories are in test_rules_version_order.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rules/version.h"

#define assert_ok(call_) assert_null(call_)

// An event of a second as "ID KIND DATA" or "ID KIND DATA < PREVIOUS", with ' for ".
#define EVENTS_MAX 8

static const struct {
    const char *about;
    const char *newest[EVENTS_MAX], *before[EVENTS_MAX];
    const char *shown;
    bool undecided;
} cases[] = {
    {"a change comes after the creation", {"1 u {'n':2}", "2 c {'n':1}"}, {0}, "1", false},
    {"a deletion comes last, whatever it says",
     {"1 d {'n':1}", "2 u {'n':3} < {'n':2}", "3 c {'n':2}"},
     {0},
     "1",
     false},
    {"created, updated and deleted",
     {"3 c {'n':1}", "2 u {'n':2} < {'n':1}", "1 d {'n':2}"},
     {0},
     "1",
     false},
    {"two deletions that say the same", {"1 d {'n':1}", "2 d {'n':1}"}, {0}, "2", false},
    {"two deletions that differ", {"1 d {'n':1}", "2 d {'n':2}"}, {0}, "2", true},
    {"two creations that differ", {"1 c {'n':1}", "2 c {'n':2}"}, {0}, "2", true},

    {"one after the other", {"2 u {'n':2} < {'n':1}", "1 u {'n':3} < {'n':2}"}, {0}, "1", false},
    {"three fields, one after the other",
     {"3 u {'a':1,'b':0,'c':0} < {'a':0}", "1 u {'a':1,'b':1,'c':0} < {'b':0}",
      "2 u {'a':1,'b':1,'c':1} < {'c':0}"},
     {0},
     "2",
     false},
    {"null is absent, members have no order, numbers are text",
     {"2 u {'n':1.50,'m':null,'x':{'p':1,'q':2}} < {'n':null}",
      "1 u {'n':2,'x':{'q':2,'p':1}} < {'n':1.50}"},
     {0},
     "1",
     false},
    {"1.50 is not 1.5", {"2 u {'n':1.50} < {'n':1}", "1 u {'n':2} < {'n':1.5}"}, {0}, "2", true},
    {"'1' is not 1", {"2 u {'n':'1'} < {'n':'0'}", "1 u {'n':2} < {'n':1}"}, {0}, "2", true},
    {"metadata: what was added, changed, taken away",
     {"3 u {'metadata':{'a':'1'}} < {'metadata':{'a':null}}",
      "2 u {'metadata':{'a':'2'}} < {'metadata':{'a':'1'}}",
      "1 u {'metadata':{}} < {'metadata':{'a':'2'}}", "4 c {'metadata':{}}"},
     {0},
     "1",
     false},
    {"metadata of two writers",
     {"2 u {'metadata':{'a':'1'}} < {'metadata':{'a':null}}",
      "1 u {'metadata':{'a':'1','b':'1'}} < {'metadata':{'b':null}}"},
     {0},
     "1",
     false},
    {"a map that came, changed and went",
     {"3 u {'s':{'x':{'y':1,'z':2}}} < {'s':null}",
      "2 u {'s':{'x':{'y':3,'z':2}}} < {'s':{'x':{'y':1}}}",
      "1 u {'s':null} < {'s':{'x':{'y':3,'z':2}}}", "4 c {}"},
     {0},
     "1",
     false},
    {"a map that was empty",
     {"2 u {'s':{}} < {'s':null}", "1 u {'s':{'a':1}} < {'s':{}}"},
     {0},
     "1",
     false},
    {"and what was not",
     {"2 u {'s':{'b':1}} < {'s':null}", "1 u {'s':{'a':1}} < {'s':{}}"},
     {0},
     "2",
     true},
    {"arrays stand whole",
     {"2 u {'l':[{'id':1},{'id':2}]} < {'l':[{'id':1}]}",
      "1 u {'l':[]} < {'l':[{'id':1},{'id':2}]}"},
     {0},
     "1",
     false},
    {"an array that is longer is another",
     {"2 u {'l':[1,2]} < {'l':[0]}", "1 u {'l':[]} < {'l':[1]}"},
     {0},
     "2",
     true},
    {"what is in a longer array does not hide",
     {"2 u {'l':[1]} < {'l':[0]}", "1 u {'l':[]} < {'l':[1,2]}"},
     {0},
     "2",
     true},
    {"a field that a third one names tells two apart",
     {"3 u {'a':1,'b':1} < {'b':0}", "2 u {'a':1,'b':0} < {'a':0}", "1 u {'a':0,'b':1} < {'a':1}"},
     {0},
     "1",
     false},
    {"what no change names may differ between changes: two versions of the API",
     {"2 u {'n':2,'old':1} < {'n':1}", "1 u {'n':3,'new':{'x':1}} < {'n':2}"},
     {0},
     "1",
     false},

    {"there and back, nothing before",
     {"1 u {'n':2} < {'n':1}", "2 u {'n':1} < {'n':2}"},
     {0},
     "2",
     true},
    {"there and back, from the creation",
     {"2 u {'n':2} < {'n':1}", "1 u {'n':1} < {'n':2}", "3 c {'n':1}"},
     {0},
     "1",
     false},
    {"back and there, from the creation",
     {"2 u {'n':2} < {'n':1}", "1 u {'n':1} < {'n':2}", "3 c {'n':2}"},
     {0},
     "2",
     false},
    {"there and back, from the second before",
     {"2 u {'n':2} < {'n':1}", "1 u {'n':1} < {'n':2}"},
     {"3 u {'n':1}"},
     "1",
     false},
    {"the creation counts, not the second before",
     {"2 u {'n':2} < {'n':1}", "1 u {'n':1} < {'n':2}", "3 c {'n':2}"},
     {"4 d {'n':1}"},
     "2",
     false},
    {"there, back and there again",
     {"1 u {'n':2} < {'n':1}", "2 u {'n':1} < {'n':2}", "3 u {'n':2} < {'n':1}"},
     {"4 c {'n':1}"},
     "3",
     false},
    {"there, back and there again, nothing before",
     {"1 u {'n':2} < {'n':1}", "2 u {'n':1} < {'n':2}", "3 u {'n':2} < {'n':1}"},
     {0},
     "3",
     false},
    {"what was before is of the kind that won that second",
     {"2 u {'n':2} < {'n':1}", "1 u {'n':1} < {'n':2}"},
     {"3 u {'n':1} < {'n':2}", "4 c {'n':2}"},
     "1",
     false},
    {"what was before is itself two changes",
     {"2 u {'n':2} < {'n':1}", "1 u {'n':1} < {'n':2}"},
     {"3 u {'n':1} < {'n':0}", "4 u {'n':0} < {'n':5}"},
     "1",
     false},
    {"what was before is a circle, too",
     {"2 u {'n':2} < {'n':1}", "1 u {'n':1} < {'n':2}"},
     {"3 u {'n':1} < {'n':2}", "4 u {'n':2} < {'n':1}"},
     "2",
     true},
    {"a gap before the second harms no order",
     {"2 u {'n':2} < {'n':1}", "1 u {'n':3} < {'n':2}"},
     {"3 u {'n':7}"},
     "1",
     false},
    {"a gap before it, or inside: both explain it",
     {"1 u {'n':2} < {'n':1}", "2 u {'n':1} < {'n':3}"},
     {"3 u {'n':1}"},
     "1",
     true},
    {"a gap inside",
     {"2 u {'n':2} < {'n':1}", "1 u {'n':4} < {'n':3}"},
     {"3 u {'n':1}"},
     "2",
     true},
    {"the gap is filled",
     {"2 u {'n':2} < {'n':1}", "1 u {'n':4} < {'n':3}", "4 u {'n':3} < {'n':2}"},
     {"3 u {'n':1}"},
     "1",
     false},
    {"what was before differs in what no change names: a gap",
     {"2 u {'n':2,'k':5} < {'n':1}", "1 u {'n':1,'k':5} < {'n':2}"},
     {"3 u {'n':1,'k':4}"},
     "2",
     true},

    {"an event that says nothing of before is the first",
     {"2 u {'n':1}", "1 u {'n':2} < {'n':1}"},
     {0},
     "1",
     false},
    {"or says again what another told",
     {"2 u {'n':2}", "1 u {'n':2} < {'n':1}", "0 u {'n':1}"},
     {0},
     "1",
     false},
    {"two of them that say the same", {"1 u {'n':1}", "2 u {'n':1}"}, {0}, "2", false},
    {"one says more", {"1 u {'n':1}", "2 u {'n':1,'m':1}"}, {0}, "2", true},
    {"or less", {"2 u {'n':1}", "1 u {'n':1,'m':1}"}, {0}, "2", true},
    {"two of them that differ", {"1 u {'n':1}", "2 u {'n':2}"}, {0}, "2", true},
    {"of those the one that something follows is not shown",
     {"3 u {'n':1}", "1 u {'n':7}", "2 u {'n':2} < {'n':1}"},
     {0},
     "2",
     true},
    {"it is not the first where something else differs",
     {"1 u {'n':1,'k':0}", "2 u {'n':2,'k':1} < {'n':1}"},
     {0},
     "2",
     true},
    {"what says nothing: no object, an empty one, null",
     {"1 u {'n':1} < 'x'", "2 u {'n':2} < {}", "3 u {'n':3} < null"},
     {0},
     "3",
     true},
    {"links are made anew with each print",
     {"1 u {'n':2,'url':'https://pay.stripe.com/r/1'} < {'n':1}",
      "2 u {'n':2,'url':'https://pay.stripe.com/r/2'}",
      "3 u {'n':1,'url':'https://pay.stripe.com/r/3'}"},
     {0},
     "1",
     false},
    {"others' links are not",
     {"2 u {'n':2,'url':'https://example.com/1'} < {'n':1}",
      "1 u {'n':1,'url':'https://example.com/2'}"},
     {0},
     "2",
     true},
    {"nor is every host Stripe's",
     {"2 u {'n':2,'url':'https://stripe.com.example/'} < {'n':1}",
      "1 u {'n':1,'url':'https://example.com/.stripe.com'}"},
     {0},
     "2",
     true},
    {"also where a change names them",
     {"2 u {'n':null,'url':'https://pay.stripe.com/r/1'}",
      "1 u {'n':'txn','url':'https://pay.stripe.com/r/3'} < "
      "{'n':null,'url':'https://pay.stripe.com/r/2'}"},
     {0},
     "1",
     false},
    {"also of a change that is told twice",
     {"1 u {'n':2,'url':'https://pay.stripe.com/r/1'} < {'n':1}",
      "2 u {'n':2,'url':'https://pay.stripe.com/r/2'} < {'n':1}"},
     {0},
     "2",
     false},
    {"also beside what another change names",
     {"2 u {'a':1,'b':0,'url':'https://pay.stripe.com/r/2'} < "
      "{'a':0,'url':'https://pay.stripe.com/r/1'}",
      "1 u {'a':1,'b':1,'url':'https://pay.stripe.com/r/3'} < {'b':0}"},
     {0},
     "1",
     false},
    {"but which of two is the last is not guessed",
     {"2 u {'url':'https://a.stripe.com/2'} < {'url':'https://a.stripe.com/1'}",
      "1 u {'url':'https://a.stripe.com/1'} < {'url':'https://a.stripe.com/2'}"},
     {0},
     "2",
     true},

    {"one change that Stripe tells twice",
     {"1 u {'n':2} < {'n':1}", "2 u {'n':2} < {'n':1}"},
     {0},
     "2",
     false},
    {"told twice, and then another",
     {"2 u {'n':2} < {'n':1}", "3 u {'n':2} < {'n':1}", "1 u {'n':3} < {'n':2}"},
     {"4 c {'n':1}"},
     "1",
     false},
    {"not twice: another past",
     {"1 u {'n':2,'m':1} < {'n':1}", "2 u {'n':2,'m':1} < {'m':0}"},
     {0},
     "2",
     true},

    {"an invoice: finalized, updated, paid, payment_succeeded",
     {"1 u {'object':'invoice','status':'paid','a':1} < {'status':'open','a':0}",
      "2 u {'object':'invoice','status':'open','a':0}",
      "3 u {'object':'invoice','status':'paid','a':1}",
      "4 u {'object':'invoice','status':'paid','a':1}",
      "5 c {'object':'invoice','status':'draft','a':0}"},
     {0},
     "1",
     false},
    {"without invoice.updated: paid is an end",
     {"4 u {'object':'invoice','status':'open','a':0}",
      "2 u {'object':'invoice','status':'paid','a':1}",
      "3 u {'object':'invoice','status':'paid','a':1}"},
     {0},
     "3",
     false},
    {"a change after the end",
     {"3 u {'object':'invoice','status':'open','a':0}",
      "2 u {'object':'invoice','status':'paid','a':1}",
      "1 u {'object':'invoice','status':'paid','a':2} < {'a':1}"},
     {0},
     "1",
     false},
    {"two that say nothing of before, after the end",
     {"3 u {'object':'invoice','status':'open','a':0}",
      "2 u {'object':'invoice','status':'paid','a':1}",
      "1 u {'object':'invoice','status':'paid','a':2}"},
     {0},
     "2",
     true},
    {"two ends",
     {"1 u {'object':'invoice','status':'paid'}", "2 u {'object':'invoice','status':'void'}"},
     {0},
     "2",
     true},
    {"an end of another object",
     {"1 u {'object':'charge','status':'paid'}", "2 u {'object':'charge','status':'open'}"},
     {0},
     "2",
     true},
    {"nothing with another status follows an end",
     {"1 u {'object':'invoice','status':'paid','a':1}",
      "3 u {'object':'invoice','status':'open','a':2} < {'a':1}",
      "2 u {'object':'invoice','status':'open','a':1} < {'a':2}"},
     {0},
     "1",
     false},
    {"nor where no change names the status",
     {"1 u {'object':'invoice','status':'paid','a':2,'b':0} < {'a':1}",
      "2 u {'object':'invoice','status':'open','a':2,'b':1} < {'b':0}"},
     {0},
     "1",
     false},
};

// Text with ' for " as JSON.
static struct json_doc *doc_of(bytes from) {
    char buffer[512];
    struct json_doc *doc = NULL;
    assert_true(from.n < sizeof buffer);
    for (size_t i = 0; i < from.n; i++)
        buffer[i] = (char)(from.p[i] == '\'' ? '"' : from.p[i]);
    assert_ok(json_parse(bytes_from(buffer, from.n), &doc));
    return doc;
}

static enum version_kind kind_of(bytes letter) {
    return letter.p[0] == 'c'   ? VERSION_CREATED
           : letter.p[0] == 'u' ? VERSION_CHANGED
                                : VERSION_DELETED;
}

struct second {
    struct version_state events[EVENTS_MAX];
    struct json_doc *docs[2 * EVENTS_MAX];
    size_t n, docs_n;
};

static json keep(struct second *s, bytes text) {
    s->docs[s->docs_n] = doc_of(text);
    return json_root(s->docs[s->docs_n++]);
}

static void read_second(const char *const *from, int64_t second, struct second *out) {
    *out = (struct second){.n = 0};
    for (; out->n < EVENTS_MAX && from[out->n] != NULL; out->n++) {
        struct version_state *s = &out->events[out->n];
        bytes rest = bytes_of(from[out->n]);
        s->version.second = second;
        s->version.event = bytes_cut(&rest, ' ');
        s->version.kind = kind_of(bytes_cut(&rest, ' '));
        size_t at = bytes_search(rest, B(" < "));
        s->data = keep(out, bytes_slice(rest, 0, at));
        if (at < rest.n)
            s->previous = keep(out, bytes_slice(rest, at + 3, rest.n));
    }
}

static void drop_second(struct second *s) {
    for (size_t i = 0; i < s->docs_n; i++)
        json_close(&s->docs[i]);
}

static void swap(struct version_state *a, struct version_state *b) {
    struct version_state keep_a = *a;
    *a = *b;
    *b = keep_a;
}

static void check(size_t i, const struct second *newest, const struct second *before) {
    struct version_choice c =
        version_choose(newest->events, newest->n, before->events, before->n, false);
    bytes shown = newest->events[c.shown].version.event;
    if (!bytes_equal(shown, bytes_of(cases[i].shown)) || c.undecided != cases[i].undecided)
        fail_msg("%s: shown %.*s%s", cases[i].about, BYTES_ARG(shown),
                 c.undecided ? ", undecided" : "");
    c = version_choose(newest->events, newest->n, before->events, before->n, true);
    bool deleted = newest->events[c.shown].version.kind == VERSION_DELETED;
    size_t several = 0;
    for (size_t k = 0; k < newest->n; k++)
        several += newest->events[k].version.kind == newest->events[c.shown].version.kind;
    assert_int_equal(c.undecided, several > 1 || (deleted && cases[i].undecided));
}

// In every order (Heap's algorithm).
static void check_orders(size_t i, struct second *newest, const struct second *before, size_t n) {
    if (n <= 1) {
        check(i, newest, before);
        return;
    }
    for (size_t k = 0; k < n; k++) {
        check_orders(i, newest, before, n - 1);
        swap(&newest->events[n % 2 == 1 ? 0 : k], &newest->events[n - 1]);
    }
}

static void each_second_has_its_last_event(void **state) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct second newest, before;
        read_second(cases[i].newest, 10, &newest);
        read_second(cases[i].before, 9, &before);
        check_orders(i, &newest, &before, newest.n);
        swap(&before.events[0], &before.events[before.n > 0 ? before.n - 1 : 0]);
        check_orders(i, &newest, &before, newest.n);
        drop_second(&newest);
        drop_second(&before);
    }
}

// A counter that goes up: more changes than are weighed in all orders, but no step has a choice.
static void many_changes_in_a_row_are_in_order(void **state) {
    struct version_state events[VERSIONS_MAX] = {0};
    struct json_doc *docs[2 * VERSIONS_MAX];
    char ids[VERSIONS_MAX][8];
    for (size_t i = 0; i < VERSIONS_MAX; i++) {
        OWN(text_drop)
        struct text t = {0};
        size_t place = i * 37 % VERSIONS_MAX;
        text_addf(&t, "{'n':%zu}", i + 1);
        docs[2 * i] = doc_of(text_bytes(&t));
        text_reset(&t);
        text_addf(&t, "{'n':%zu}", i);
        docs[2 * i + 1] = doc_of(text_bytes(&t));
        snprintf(ids[i], sizeof ids[i], "%zu", (i * 11) % VERSIONS_MAX);
        events[place] = (struct version_state){{5, VERSION_CHANGED, bytes_of(ids[i])},
                                               json_root(docs[2 * i]),
                                               json_root(docs[2 * i + 1])};
    }
    struct version_choice c = version_choose(events, VERSIONS_MAX, NULL, 0, false);
    assert_false(c.undecided);
    assert_true(bytes_equal(json_number(json_get(events[c.shown].data, "n")), B("64")));
    // One of them missing in the middle: nothing is sure.
    for (size_t i = 0; i < VERSIONS_MAX; i++)
        if (bytes_equal(json_number(json_get(events[i].data, "n")), B("30")))
            events[i] = events[VERSIONS_MAX - 1];
    assert_true(version_choose(events, VERSIONS_MAX - 1, NULL, 0, false).undecided);
    for (size_t i = 0; i < 2 * VERSIONS_MAX; i++)
        json_close(&docs[i]);
}

static void a_type_has_its_kind(void **state) {
    static const struct {
        const char *type;
        enum version_kind kind;
        bool drops;
    } types[] = {
        {"customer.created", VERSION_CREATED, false},
        {"customer.updated", VERSION_CHANGED, false},
        {"customer.deleted", VERSION_DELETED, true},
        {"customer.source.deleted", VERSION_DELETED, true},
        {"customer.subscription.deleted", VERSION_DELETED, false},
        {"customer.subscription.trial_will_end", VERSION_CHANGED, false},
        {"charge.dispute.created", VERSION_CREATED, false},
        {"invoice.paid", VERSION_CHANGED, false},
        {"issuing_authorization.request", VERSION_EMBEDDED, false},
        {"issuing_authorization.created", VERSION_CREATED, false},
        {"created", VERSION_CHANGED, false},
        {"", VERSION_CHANGED, false},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        assert_int_equal(version_kind_of(bytes_of(types[i].type)), types[i].kind);
        assert_int_equal(version_drops(bytes_of(types[i].type)), types[i].drops);
    }
}

static void an_end_is_of_its_object(void **state) {
    assert_true(version_ends(B("invoice"), B("paid")));
    assert_true(version_ends(B("payment_intent"), B("succeeded")));
    assert_false(version_ends(B("invoice"), B("open")));
    assert_false(version_ends(B("payout"), B("paid")));
    assert_false(version_ends(NO_BYTES, NO_BYTES));
}

// What is known of versions, as text.

static const char news_letters[] = {
    [VERSION_KNOWN] = '=', [VERSION_NOTED] = '.', [VERSION_NEWEST] = '!', [VERSION_COMPARE] = '~'};

static struct version version_of(const char *from) {
    bytes rest = bytes_of(from);
    struct version v = {0};
    assert_ok(bytes_to_i64(bytes_cut(&rest, ' '), &v.second));
    bytes kind = bytes_cut(&rest, ' ');
    v.kind = kind.p[0] == 'e' ? VERSION_EMBEDDED : kind_of(kind);
    v.event = rest;
    return v;
}

// Events one by one, what each was, and what is known at last.
static const struct {
    const char *events[8], *news, *known;
} adds[] = {
    {{"5 u a"}, "!", "5 u a\n"},
    {{"5 u a", "5 u a"}, "!=", "5 u a\n"},
    {{"5 u a", "6 u b", "5 u c", "4 u d", "6 u b"}, "!!.==", "6 u b\n5 u c\n5 u a\n"},
    {{"5 u a", "7 u b", "6 u c", "5 u a"}, "!!.=", "7 u b\n6 u c\n"},
    {{"6 u b", "5 u c", "6 u d", "5 c a", "7 c e"}, "!.~~!", "7 c e\n6 u d\n6 u b\n"},
    {{"5 c a", "5 u b", "5 u c", "5 c d", "5 d e", "5 u f"},
     "!!~~!.",
     "5 d e\n5 u f\n5 u c\n5 u b\n5 c d\n5 c a\n"},
    {{"5 u b", "5 c a"}, "!.", "5 u b\n5 c a\n"},
    {{"5 e a"}, "!", "5 e a\n"},
    {{"5 e a", "6 e b", "5 e c", "6 e a", "6 e c", "6 e c"}, "!!==!=", "6 e c\n"},
    {{"9 e a", "5 u b", "9 e a", "10 e c"}, "!!==", "5 u b\n"},
    {{"-5 u a", "-6 u b", "0 u c"}, "!.!", "0 u c\n-5 u a\n"},
};

static void what_is_known_grows_by_events(void **state) {
    for (size_t i = 0; i < sizeof adds / sizeof adds[0]; i++) {
        OWN(text_drop)
        struct text known = {0}, next = {0};
        for (size_t k = 0; k < 8 && adds[i].events[k] != NULL; k++) {
            struct version v = version_of(adds[i].events[k]);
            enum version_news news;
            assert_ok(versions_add(text_bytes(&known), &v, &next, &news));
            if (news_letters[news] != adds[i].news[k])
                fail_msg("%s, event %zu: %c", adds[i].known, k, news_letters[news]);
            if (news == VERSION_KNOWN)
                continue;
            text_reset(&known);
            text_add(&known, text_bytes(&next));
        }
        assert_string_equal(text_str(&known), adds[i].known);
    }
}

static void known_is_read_as_it_was_written(void **state) {
    struct versions v;
    assert_ok(versions_read(B("6 u b\n6 c d\n5 d c\n"), &v));
    assert_int_equal(v.newest_count, 2);
    assert_int_equal(v.before_count, 1);
    assert_false(v.cut);
    assert_int_equal(v.newest[0].second, 6);
    assert_int_equal(v.newest[0].kind, VERSION_CHANGED);
    assert_true(bytes_equal(v.newest[1].event, B("d")));
    assert_int_equal(v.before[0].kind, VERSION_DELETED);
    assert_ok(versions_read(NO_BYTES, &v));
    assert_int_equal(v.newest_count + v.before_count, 0);
}

static void other_text_is_refused(void **state) {
    static const char *const texts[] = {
        "5",
        "5 u",
        "5 u ",
        "5 u a",
        "5 u a\n\n",
        "\n",
        "u a\n",
        " 5 u a\n",
        "05 u a\n",
        "+5 u a\n",
        "5  u a\n",
        "5 x a\n",
        "5 u\n",
        "5 u \n",
        "5 +\n",
        "5 +\n5 u a\n",
        "5 u a\n5 u a\n",
        "5 u a\n5 u b\n",
        "5 c b\n5 u a\n",
        "5 u a\n6 u b\n",
        "7 u a\n6 u b\n5 u c\n",
        "5 e a\n4 e b\n",
        "5 u a\n4 e b\n",
        "5 u b\n5 e a\n",
        "99999999999999999999 u a\n",
        "5 + x\n5 u a\n",
        "5 uu a\n",
        "7 u a\n6 u b\n7 u a\n",
        "-0 u a\n",
        "5 u a\r\n5 u\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        OWN(text_drop)
        struct text out = {0};
        struct version v = {9, VERSION_CHANGED, B("z")};
        struct versions read;
        enum version_news news;
        if (!failed_as(versions_read(bytes_of(texts[i]), &read), FAIL_FORMAT) ||
            !failed_as(versions_add(bytes_of(texts[i]), &v, &out, &news), FAIL_FORMAT))
            fail_msg("taken: %s", texts[i]);
    }
}

static void ids_may_be_long_and_odd_but_have_no_line_end(void **state) {
    OWN(text_drop)
    struct text known = {0};
    uint8_t id[255];
    struct versions read;
    struct version v = {-9, VERSION_CREATED, bytes_from(id, sizeof id)};
    enum version_news news;
    memset(id, ' ', sizeof id);
    id[7] = 0xff;
    assert_ok(versions_add(NO_BYTES, &v, &known, &news));
    assert_ok(versions_read(text_bytes(&known), &read));
    assert_true(bytes_equal(read.newest[0].event, v.event));
    id[3] = '\n';
    assert_true(failed_as(versions_add(NO_BYTES, &v, &known, &news), FAIL_INVALID));
    v.event.n = 0;
    assert_true(failed_as(versions_add(NO_BYTES, &v, &known, &news), FAIL_INVALID));
}

static void add_number(struct text *known, int64_t second, char kind, size_t number) {
    OWN(text_drop)
    struct text id = {0}, next = {0};
    enum version_news news;
    text_addf(&id, "evt_%03zu", number);
    struct version v = {second, kind_of(bytes_from(&kind, 1)), text_bytes(&id)};
    assert_ok(versions_add(text_bytes(known), &v, &next, &news));
    if (news != VERSION_KNOWN) {
        text_reset(known);
        text_add(known, text_bytes(&next));
    }
}

static void a_second_with_too_many_keeps_the_same_ones(void **state) {
    OWN(text_drop)
    struct text up = {0}, down = {0}, mixed = {0};
    struct versions v;
    for (size_t i = 0; i < 100; i++) {
        add_number(&up, 5, i == 3 ? 'd' : 'u', i);
        add_number(&up, 5, i == 3 ? 'd' : 'u', i);
        size_t k = (i * 37) % 100;
        add_number(&mixed, 5, k == 3 ? 'd' : 'u', k);
        add_number(&down, 5, i == 96 ? 'd' : 'u', 99 - i);
        assert_ok(versions_read(text_bytes(&down), &v));
        assert_int_equal(v.cut, i >= VERSIONS_MAX);
        assert_ok(versions_read(text_bytes(&up), &v));
        assert_int_equal(v.cut, i >= VERSIONS_MAX);
    }
    assert_string_equal(text_str(&up), text_str(&down));
    assert_string_equal(text_str(&up), text_str(&mixed));
    assert_ok(versions_read(text_bytes(&up), &v));
    assert_int_equal(v.newest_count, VERSIONS_MAX);
    assert_true(bytes_equal(v.newest[0].event, B("evt_003")));
    assert_true(bytes_equal(v.newest[1].event, B("evt_099")));
    assert_true(bytes_equal(v.newest[63].event, B("evt_037")));
    add_number(&up, 6, 'u', 1);
    assert_ok(versions_read(text_bytes(&up), &v));
    assert_int_equal(v.before_count, 0);
    assert_false(v.cut);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_second_has_its_last_event),
        cmocka_unit_test(many_changes_in_a_row_are_in_order),
        cmocka_unit_test(a_type_has_its_kind),
        cmocka_unit_test(an_end_is_of_its_object),
        cmocka_unit_test(what_is_known_grows_by_events),
        cmocka_unit_test(known_is_read_as_it_was_written),
        cmocka_unit_test(other_text_is_refused),
        cmocka_unit_test(ids_may_be_long_and_odd_but_have_no_line_end),
        cmocka_unit_test(a_second_with_too_many_keeps_the_same_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
