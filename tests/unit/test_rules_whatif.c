// SPDX-License-Identifier: MIT
// A few events under two plans, as a table: what each destination gains and loses, which sites
// change, what is taken no more.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/text.h"
#include "rules/whatif.h"

#define assert_ok(call_)                                                                           \
    do {                                                                                           \
        result failed_ = (call_);                                                                  \
        if (failed_ != OK)                                                                         \
            fail_msg("%s: %s (%s:%d)", #call_, failed_->text, failed_->file, failed_->line);       \
    } while (0)

#define SECRET(label_, fingerprint_)                                                               \
    "{\"label\":\"" label_ "\",\"scope\":\"any\",\"fingerprint\":\"" fingerprint_ "\"}"
#define SOURCE(path_, livemode_, secrets_)                                                         \
    "{\"path\":\"" path_ "\",\"owner\":\"main\",\"livemode\":\"" livemode_                         \
    "\",\"tolerance_s\":300,\"secrets\":[" secrets_ "]}"
#define RING SECRET("ring", "0000000000aa") "," SECRET("next", "0000000000bb")
#define A SOURCE("/a", "both", RING)
#define B_ SOURCE("/b", "both", RING)

#define RULE(types_, secrets_, where_, sites_)                                                     \
    "{\"types\":[" types_ "],\"accounts\":[],\"sources\":[],\"secrets\":[" secrets_                \
    "],\"scope\":\"any\",\"where\":[" where_ "]" sites_ "}"
#define TO(name_, rules_)                                                                          \
    "{\"name\":\"" name_ "\",\"kind\":\"http\",\"url\":\"http://h/\",\"fingerprint\":\"\","        \
    "\"livemode\":\"both\",\"match\":" rules_ ",\"timeout_ms\":1000,\"retry_ms\":[1],"             \
    "\"concurrency\":1}"
#define ALL "null"
#define TYPES(types_) "[" RULE(types_, "", "", "") "]"
#define AT_SITE(sites_) "[" RULE("", "", "", ",\"sites\":[" sites_ "]") "]"

#define SITE(name_, late_, claims_)                                                                \
    "{\"name\":\"" name_ "\",\"late\":\"" late_ "\",\"claims\":[" claims_ "]}"
#define SAYS(value_)                                                                               \
    "{\"where\":[{\"path\":\"data.object.metadata.site\",\"values\":[\"" value_ "\"]}]}"
#define CUSTOMERS(ids_) "{\"customers\":[" ids_ "]}"
#define SHOP SITE("shop", "route", SAYS("shop"))
#define CLUB SITE("club", "route", SAYS("club"))

#define PLAN(sources_, destinations_)                                                              \
    "{\"sources\":[" sources_ "],\"destinations\":[" destinations_ "]}"
#define PLAN_S(sources_, destinations_, sites_)                                                    \
    "{\"sources\":[" sources_ "],\"destinations\":[" destinations_ "],\"sites\":[" sites_ "]}"

// Two customers, one that says whose it is, and what belongs to them. The invoices come first.
#define EVENT(id_, type_, livemode_, object_)                                                      \
    "{\"id\":\"" id_ "\",\"object\":\"event\",\"type\":\"" type_                                   \
    "\",\"created\":1,\"livemode\":" livemode_                                                     \
    ",\"api_version\":\"x\",\"data\":{\"object\":{" object_ "}}}"
static const struct {
    const char *source, *label, *fingerprint, *body;
} receipts[] = {
    {"/a", "ring", "0000000000aa",
     EVENT("evt_i1", "invoice.paid", "true",
           "\"id\":\"in_1\",\"object\":\"invoice\",\"customer\":\"cus_1\"")},
    {"/a", "ring", "0000000000aa",
     EVENT("evt_i2", "invoice.paid", "true",
           "\"id\":\"in_2\",\"object\":\"invoice\",\"customer\":\"cus_2\"")},
    {"/a", "next", "0000000000bb",
     EVENT("evt_c1", "customer.created", "true",
           "\"id\":\"cus_1\",\"object\":\"customer\",\"metadata\":{\"site\":\"shop\"}")},
    {"/b", "ring", "0000000000aa",
     EVENT("evt_c2", "customer.created", "false",
           "\"id\":\"cus_2\",\"object\":\"customer\",\"metadata\":{}")},
    {"/b", "ring", "0000000000aa",
     EVENT("evt_i1", "invoice.paid", "true",
           "\"id\":\"in_1\",\"object\":\"invoice\",\"customer\":\"cus_1\"")},
};
#define EVENTS 4 // the last receipt is another one of the first event
#define RECEIPTS (sizeof receipts / sizeof *receipts)

static struct whatif_receipt receipt_of(size_t i, const struct event *e) {
    return (struct whatif_receipt){.source = bytes_of(receipts[i].source),
                                   .secret_label = bytes_of(receipts[i].label),
                                   .fingerprint = bytes_of(receipts[i].fingerprint),
                                   .event = e};
}

// "name+3(type 2 evt_1 evt_2, type 1 evt_3)".
static void show_tally(const char *sign, json tally, struct text *out) {
    json row, id;
    if (json_equals_text(json_get(tally, "events"), B("0")))
        return;
    text_addf(out, " %s%.*s(", sign, BYTES_ARG(json_number(json_get(tally, "events"))));
    for (size_t at = 0, n = 0; json_element(json_get(tally, "types"), &at, &row); n++) {
        text_addf(out, "%s%.*s %.*s", n > 0 ? ", " : "",
                  BYTES_ARG(json_string(json_get(row, "type"))),
                  BYTES_ARG(json_number(json_get(row, "events"))));
        for (size_t k = 0; json_element(json_get(row, "examples"), &k, &id);)
            text_addf(out, " %.*s", BYTES_ARG(json_string(id)));
    }
    text_addc(out, ')');
}

static void show_name(json name, struct text *out) {
    if (json_type(name) == JSON_NULL)
        text_adds(out, "none");
    else
        text_add(out, json_string(name));
}

static void show(json whole, struct text *out) {
    json row, received = json_get(whole, "received");
    text_adds(out, json_true(json_get(whole, "same")) ? "same" : "differs");
    for (size_t at = 0; json_element(json_get(whole, "destinations"), &at, &row);) {
        json change = json_get(row, "change");
        bool same = json_equals_text(change, B("none"));
        size_t before = out->n;
        text_addf(out, "; %.*s", BYTES_ARG(json_string(json_get(row, "name"))));
        size_t named = out->n;
        if (!same)
            text_addf(out, " %.*s", BYTES_ARG(json_string(change)));
        show_tally("+", json_get(row, "gains"), out);
        show_tally("-", json_get(row, "loses"), out);
        if (out->n == named)
            out->n = before;
    }
    for (size_t at = 0; json_element(json_get(whole, "sites"), &at, &row);) {
        text_adds(out, "; ");
        show_name(json_get(row, "from"), out);
        text_adds(out, ">");
        show_name(json_get(row, "to"), out);
        show_tally("", row, out);
    }
    size_t before = out->n;
    text_adds(out, "; taken");
    show_tally("+", json_get(received, "gains"), out);
    show_tally("-", json_get(received, "loses"), out);
    if (out->n == before + 7)
        out->n = before;
    if (!json_equals_text(json_get(received, "neither"), B("0")))
        text_addf(out, "; neither %.*s", BYTES_ARG(json_number(json_get(received, "neither"))));
    before = out->n;
    text_adds(out, "; routed");
    show_tally("", json_get(whole, "routed"), out);
    if (out->n == before + 8)
        out->n = before;
    before = out->n;
    text_adds(out, "; left");
    show_tally("", json_get(whole, "left"), out);
    if (out->n == before + 6)
        out->n = before;
    if (!json_equals_text(json_get(whole, "unasked"), B("0")))
        text_addf(out, "; unasked %.*s", BYTES_ARG(json_number(json_get(whole, "unasked"))));
    if (out->p != NULL)
        out->p[out->n] = '\0';
}

// What is known of objects beforehand, and whether evt_i2 and evt_c2 wait unclaimed.
struct given {
    const struct site_object *objects;
    size_t count;
    bool unclaimed;
};

static void compare(struct whatif *w, const struct given *given, struct event *events) {
    whatif_site(w, 7, B("shop"));
    whatif_site(w, 8, B("club"));
    for (size_t i = 0; i < given->count; i++)
        assert_ok(whatif_object(w, &given->objects[i]));
    for (size_t i = 0; i < RECEIPTS; i++) {
        struct whatif_receipt r = receipt_of(i, &events[i]);
        assert_ok(whatif_learn(w, B("main"), &r));
    }
    assert_ok(whatif_weigh(w));
    for (size_t i = 0; i < EVENTS; i++) {
        struct whatif_receipt r = receipt_of(i, &events[i]);
        whatif_event_begin(w, B("main"));
        assert_ok(whatif_event_receipt(w, &r));
        if (i == 0) {
            r = receipt_of(EVENTS, &events[EVENTS]);
            assert_ok(whatif_event_receipt(w, &r));
        }
        assert_ok(whatif_event_end(w));
        if (given->unclaimed && (i == 1 || i == 3) && whatif_claims_again(w))
            assert_ok(whatif_unclaimed(w, B("main"), &events[i]));
    }
}

static void assert_whatif(const char *name, const char *before, const char *after,
                          const struct given *given, const char *want) {
    struct plan *plans[2] = {NULL, NULL};
    struct event events[RECEIPTS] = {{0}};
    const struct whatif_limits limits = {100, 1 << 20};
    OWN(text_drop)
    struct text out = {0};
    OWN(text_drop)
    struct text shown = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    for (size_t i = 0; i < RECEIPTS; i++)
        assert_ok(event_parse(bytes_of(receipts[i].body), &events[i], NULL));
    if (before != NULL)
        assert_ok(plan_read(bytes_of(before), 1, &plans[0]));
    assert_ok(plan_read(bytes_of(after), 0, &plans[1]));
    struct whatif *w = whatif_open(plans[0], plans[1], &limits);
    compare(w, given, events);
    text_addc(&out, '{');
    whatif_write(w, &out);
    text_addc(&out, '}');
    assert_ok(json_parse(text_bytes(&out), &doc));
    show(json_root(doc), &shown);
    if (strcmp(text_str(&shown), want) != 0)
        fail_msg("%s:\n     got %s\nexpected %s", name, text_str(&shown), want);
    whatif_close(w);
    plan_free(plans[0]);
    plan_free(plans[1]);
    for (size_t i = 0; i < RECEIPTS; i++)
        event_drop(&events[i]);
}

#define SITES_TO TO("shop", AT_SITE("\"shop\"")) "," TO("nobody", AT_SITE("\"unclaimed\""))
#define BOTH A "," B_
#define C1 "customer.created 1 evt_c1"
#define C2 "customer.created 1 evt_c2"
#define I1 "invoice.paid 1 evt_i1"
#define I2 "invoice.paid 1 evt_i2"
#define C12 "customer.created 2 evt_c1 evt_c2"
#define I12 "invoice.paid 2 evt_i1 evt_i2"

static const struct {
    const char *name, *before, *after, *want;
} rows[] = {
    {"a plan against itself", PLAN(BOTH, TO("all", ALL)), PLAN(BOTH, TO("all", ALL)), "same"},
    {"with sites too", PLAN_S(BOTH, SITES_TO, SHOP), PLAN_S(BOTH, SITES_TO, SHOP), "same"},
    {"nothing in force", NULL, PLAN(BOTH, TO("all", ALL)),
     "differs; all appears +4(" C12 ", " I12 "); taken +4(" C12 ", " I12 ")"},
    {"fewer types", PLAN(BOTH, TO("all", ALL)), PLAN(BOTH, TO("all", TYPES("\"invoice.*\""))),
     "differs; all -2(" C12 ")"},
    {"other types", PLAN(BOTH, TO("x", TYPES("\"customer.*\""))),
     PLAN(BOTH, TO("x", TYPES("\"invoice.*\""))), "differs; x +2(" I12 ") -2(" C12 ")"},
    {"one comes and one goes", PLAN(BOTH, TO("x", ALL) "," TO("y", TYPES("\"customer.*\""))),
     PLAN(BOTH, TO("z", TYPES("\"nothing\"")) "," TO("x", ALL)),
     "differs; y goes -2(" C12 "); z appears"},
    {"of another mode", PLAN(A "," SOURCE("/b", "test", RING), TO("x", ALL)),
     PLAN(A "," B_, TO("x", ALL)), "same"}, // evt_i1 came by /a too
    {"a source takes live events alone", PLAN(BOTH, TO("x", ALL)),
     PLAN(A "," SOURCE("/b", "live", RING), TO("x", ALL)),
     "differs; x -1(" C2 "); taken -1(" C2 ")"},
    {"a source goes", PLAN(BOTH, TO("x", ALL)), PLAN(A, TO("x", ALL)),
     "differs; x -1(" C2 "); taken -1(" C2 ")"},
    {"a source that was not there", PLAN(A, TO("x", ALL)), PLAN(A, TO("x", ALL)),
     "same; neither 1"},
    {"a secret goes", PLAN(BOTH, TO("x", ALL)),
     PLAN(SOURCE("/a", "both", SECRET("ring", "0000000000aa")) "," B_, TO("x", ALL)),
     "differs; x -1(" C1 "); taken -1(" C1 ")"},
    {"a secret is rolled", PLAN(BOTH, TO("x", ALL)),
     PLAN(SOURCE("/a", "both",
                 SECRET("ring", "0000000000cc") "," SECRET("next", "0000000000dd")) "," B_,
          TO("x", ALL)),
     "same"},
    {"a secret has another label", PLAN(BOTH, TO("x", "[" RULE("", "\"next\"", "", "") "]")),
     PLAN(SOURCE("/a", "both",
                 SECRET("ring", "0000000000aa") "," SECRET("new", "0000000000bb")) "," B_,
          TO("x", "[" RULE("", "\"new\"", "", "") "]")),
     "same"},
    {"two labels trade their secrets", PLAN(BOTH, TO("x", "[" RULE("", "\"next\"", "", "") "]")),
     PLAN(SOURCE("/a", "both",
                 SECRET("next", "0000000000aa") "," SECRET("ring", "0000000000bb")) "," B_,
          TO("x", "[" RULE("", "\"next\"", "", "") "]")),
     "differs; x +2(" I12 ") -1(" C1 ")"},
    {"sites where there were none", PLAN(BOTH, TO("all", ALL)),
     PLAN_S(BOTH, TO("all", ALL) "," SITES_TO, SHOP),
     "differs; shop appears +2(" C1 ", " I1 "); nobody appears +2(" C2 ", " I2 ");"
     " none>shop 2(" C1 ", " I1 "); none>unclaimed 2(" C2 ", " I2 "); unasked 1"},
    {"sites go", PLAN_S(BOTH, SITES_TO, SHOP), PLAN(BOTH, TO("nobody", AT_SITE("\"unclaimed\""))),
     "differs; shop goes -2(" C1 ", " I1 "); nobody +2(" C1 ", " I1 ");"
     " shop>none 2(" C1 ", " I1 "); unclaimed>none 2(" C2 ", " I2 ")"},
    {"another customer is claimed", PLAN_S(BOTH, SITES_TO, SHOP),
     PLAN_S(BOTH, SITES_TO, SITE("shop", "route", SAYS("shop") "," CUSTOMERS("\"cus_2\""))),
     // live and test are two customers of one id
     "differs; shop +2(" C2 ", " I2 "); nobody -2(" C2 ", " I2 ");"
     " unclaimed>shop 2(" C2 ", " I2 "); routed 2(" C2 ", " I2 ")"},
    {"and what came before it is left", PLAN_S(BOTH, SITES_TO, SHOP),
     PLAN_S(BOTH, SITES_TO, SITE("shop", "leave", SAYS("shop") "," CUSTOMERS("\"cus_2\""))),
     "differs; shop +2(" C2 ", " I2 "); nobody -2(" C2 ", " I2 ");"
     " unclaimed>shop 2(" C2 ", " I2 "); left 2(" C2 ", " I2 ")"},
    {"a claim moves", PLAN_S(BOTH, SITES_TO "," TO("club", AT_SITE("\"club\"")), SHOP "," CLUB),
     PLAN_S(BOTH, SITES_TO "," TO("club", AT_SITE("\"club\"")),
            SITE("shop", "route", "") "," SITE("club", "route", SAYS("shop"))),
     "differs; shop -2(" C1 ", " I1 "); club +2(" C1 ", " I1 "); shop>club 2(" C1 ", " I1 ");"
     " unasked 1"},
    {"two claim it: the order decides", PLAN_S(BOTH, SITES_TO, SHOP "," CLUB),
     PLAN_S(BOTH, SITES_TO, SITE("club", "route", CUSTOMERS("\"cus_1\"")) "," SHOP),
     "differs; shop -2(" C1 ", " I1 "); shop>club 2(" C1 ", " I1 ")"},
};

static void test_rows(void **state) {
    const struct given nothing = {.unclaimed = true};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_whatif(rows[i].name, rows[i].before, rows[i].after, &nothing, rows[i].want);
}

// What the books know of objects counts under both plans, and hands' words before claims.
static void test_objects(void **state) {
    static const uint8_t above_1[] = {1};
    const struct site_object objects[] = {
        {.number = 1,
         .owner = B("main"),
         .livemode = true,
         .key = B("cus_2"),
         .type = B("customer")},
        {.number = 2,
         .owner = B("main"),
         .livemode = true,
         .key = B("sub_2"),
         .type = B("subscription"),
         .above = bytes_from(above_1, 1),
         .assigned = 7},
    };
    const struct given known = {objects, 2, false};
    assert_whatif("by hand, from below", PLAN_S(BOTH, SITES_TO, SITE("other", "route", "")),
                  PLAN_S(BOTH, SITES_TO, SITE("shop", "route", "")), &known,
                  "differs; shop +1(" I2 "); nobody -1(" I2 "); unclaimed>shop 1(" I2 ")");
    struct site_object claimed[] = {objects[0], objects[1]};
    claimed[0].assigned = 8; // a site that neither has
    assert_whatif("by hand, a site of neither", PLAN_S(BOTH, SITES_TO, SHOP),
                  PLAN_S(BOTH, SITES_TO, SHOP), &(struct given){claimed, 1, false}, "same");
}

static struct whatif *open_with(struct plan **plan, size_t objects, size_t counted) {
    const struct whatif_limits limits = {objects, counted};
    assert_ok(plan_read(bytes_of(PLAN_S(BOTH, TO("x", ALL), SHOP)), 0, plan));
    return whatif_open(NULL, *plan, &limits);
}

static void test_limits(void **state) {
    struct plan *plan;
    struct event e;
    assert_ok(event_parse(bytes_of(receipts[0].body), &e, NULL));
    struct whatif_receipt r = receipt_of(0, &e);
    struct whatif *w = open_with(&plan, 2, 1 << 20);
    assert_ok(whatif_learn(w, B("main"), &r)); // an invoice and its customer
    assert_ok(whatif_learn(w, B("main"), &r)); // known
    assert_true(failed_as(whatif_learn(w, B("other"), &r), FAIL_FULL));
    whatif_close(w);
    plan_free(plan);
    w = open_with(&plan, 2, 64);
    assert_ok(whatif_weigh(w));
    whatif_event_begin(w, B("main"));
    assert_ok(whatif_event_receipt(w, &r));
    assert_true(failed_as(whatif_event_end(w), FAIL_FULL));
    whatif_close(w);
    plan_free(plan);
    w = open_with(&plan, 2, 1 << 20);
    struct site_object gap = {.number = 2, .owner = B("main"), .key = B("x"), .type = B("y")};
    assert_ok(whatif_object(w, &gap));
    assert_true(failed_as(whatif_weigh(w), FAIL_CORRUPT));
    static const uint8_t above_9[] = {9};
    gap.number = 1;
    gap.key = B("z");
    gap.above = bytes_from(above_9, 1);
    assert_ok(whatif_object(w, &gap));
    assert_true(failed_as(whatif_weigh(w), FAIL_CORRUPT));
    whatif_close(w);
    plan_free(plan);
    event_drop(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
