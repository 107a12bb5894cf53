// SPDX-License-Identifier: MIT
// Whatever is asked of the twin, and however much time passes: of each object that Stripe tells the
// changes of, the last event has it as it is; the chain of previous_attributes has no gap; tables
// that are kept of the events, in any order, show that too; and a snapshot is the world.
#include <stdlib.h>

#include "base/map.h"
#include "base/random.h"
#include "rules/version.h"
#include "stripe/sample.h"
#include "twin_house.h"

#define RUNS 30
#define STEPS 120
#define IDS_MAX 4000

// What events of one second say of an object.
struct second {
    int64_t at_s;
    size_t n;
    struct json_doc *events[VERSIONS_MAX];
};

struct told {
    struct json_doc *object; // the last event's
    struct second newest, before;
    bool cut; // more than tables keep
};

struct run {
    struct twin_house h;
    uint64_t random;
    char *ids[IDS_MAX];
    size_t id_count;
    struct map told; // by id
    int64_t clock_s;
    size_t accepted, refused;
};

// {prefix} stands for a known id that begins so, # for a number.
static const char *const requests[][2] = {
    {"POST /v1/customers", "name=c#&test_clock={clock_}&payment_method=pm_card_visa&"
                           "invoice_settings[default_payment_method]=pm_card_visa"},
    {"POST /v1/customers", "name=c#"},
    {"POST /v1/customers/{cus_}", "metadata[n]=#"},
    {"POST /v1/customers/{cus_}", "coupon=HALF"},
    {"POST /v1/customers/{cus_}", "coupon="},
    {"POST /v1/payment_methods/pm_card_visa/attach", "customer={cus_}"},
    {"POST /v1/payment_methods/pm_card_chargeCustomerFail/attach", "customer={cus_}"},
    {"POST /v1/payment_methods/pm_card_threeDSecure2Required/attach", "customer={cus_}"},
    {"POST /v1/customers/{cus_}", "invoice_settings[default_payment_method]={pm_}"},
    {"POST /v1/products", "name=p#"},
    {"POST /v1/prices", "product={prod_}&currency=usd&unit_amount=#&recurring[interval]=month"},
    {"POST /v1/prices", "product={prod_}&currency=usd&unit_amount=#&recurring[interval]=week"},
    {"POST /v1/prices/{price_}", "nickname=n#"},
    {"POST /v1/coupons", "id=HALF&percent_off=50"},
    {"POST /v1/coupons", "percent_off=#&duration=repeating&duration_in_months=2"},
    {"POST /v1/invoiceitems", "customer={cus_}&amount=#&currency=usd"},
    {"POST /v1/invoices", "customer={cus_}&pending_invoice_items_behavior=include"},
    {"POST /v1/invoices",
     "customer={cus_}&auto_advance=true&pending_invoice_items_behavior=include"},
    {"POST /v1/invoices/{in_}", "description=d#"},
    {"POST /v1/invoices/{in_}/finalize", ""},
    {"POST /v1/invoices/{in_}/pay", ""},
    {"POST /v1/invoices/{in_}/void", ""},
    {"POST /v1/invoices/{in_}/mark_uncollectible", ""},
    {"DELETE /v1/invoices/{in_}", ""},
    {"POST /v1/subscriptions", "customer={cus_}&items[0][price]={price_}"},
    {"POST /v1/subscriptions", "customer={cus_}&items[0][price]={price_}&trial_period_days=5"},
    {"POST /v1/subscriptions", "customer={cus_}&items[0][price]={price_}&collection_method="
                               "send_invoice&days_until_due=3"},
    {"POST /v1/subscriptions", "customer={cus_}&items[0][price]={price_}&payment_behavior="
                               "default_incomplete"},
    {"POST /v1/subscriptions/{sub_}", "metadata[n]=#"},
    {"POST /v1/subscriptions/{sub_}", "cancel_at_period_end=true"},
    {"POST /v1/subscriptions/{sub_}", "cancel_at_period_end=false"},
    {"POST /v1/subscriptions/{sub_}", "trial_end=now"},
    {"POST /v1/subscriptions/{sub_}", "pause_collection[behavior]=void"},
    {"POST /v1/subscriptions/{sub_}", "items[0][price]={price_}"},
    {"POST /v1/subscription_items/{si_}", "quantity=#"},
    {"DELETE /v1/subscriptions/{sub_}", ""},
    {"POST /v1/subscription_schedules",
     "customer={cus_}&start_date=now&phases[0][items][0][price]={price_}&phases[1][items][0][price]"
     "={price_}"},
    {"POST /v1/subscription_schedules/{sub_sched_}/release", ""},
    {"POST /v1/subscription_schedules/{sub_sched_}/cancel", ""},
    {"POST /v1/quotes", "customer={cus_}&line_items[0][price]={price_}"},
    {"POST /v1/quotes/{qt_}/finalize", ""},
    {"POST /v1/quotes/{qt_}/accept", ""},
    {"POST /v1/credit_notes", "invoice={in_}&amount=#"},
    {"POST /v1/credit_notes/{cn_}/void", ""},
    {"DELETE /v1/customers/{cus_}", ""},
    {"POST /v1/payment_intents", "amount=1#&currency=usd&customer={cus_}"},
    {"POST /v1/payment_intents",
     "amount=1#&currency=usd&payment_method=pm_card_visa&confirm=true&payment_method_types[]=card"},
    {"POST /v1/payment_intents/{pi_}/confirm", "payment_method=pm_card_visa"},
    {"POST /v1/payment_intents/{pi_}/cancel", ""},
    {"POST /v1/refunds", "payment_intent={pi_}&amount=#"},
    {"POST /v1/refunds/{re_}", "metadata[n]=#"},
    {"POST /v1/charges/{ch_}", "description=d#"},
    {"POST /v1/payment_intents",
     "amount=1#&currency=usd&payment_method=pm_card_visa&confirm=true&capture_method=manual"},
    {"POST /v1/payment_intents/{pi_}/capture", ""},
    {"POST /v1/payment_intents/{pi_}/capture", "amount_to_capture=#"},
    {"POST /v1/payment_intents/{pi_}/increment_authorization", "amount=2##"},
    {"POST /v1/payment_intents/{pi_}/confirm", ""},
    {"POST /v1/payment_intents",
     "amount=1#&currency=usd&payment_method=pm_card_authenticationRequired&confirm=true"},
    {"POST /v1/payment_intents",
     "amount=1#&currency=usd&payment_method=pm_card_refundFail&confirm=true"},
    {"POST /v1/payment_intents",
     "amount=1#&currency=usd&payment_method=pm_card_createDispute&confirm=true"},
    {"POST /v1/payment_intents",
     "amount=1#&currency=usd&payment_method=pm_card_createDisputeInquiry&confirm=true"},
    {"POST /v1/payment_intents",
     "amount=1##&currency=usd&payment_method=pm_card_bypassPending&confirm=true"},
    {"POST /v1/payment_intents",
     "amount=1#&currency=eur&confirm=true&payment_method_data[type]=sepa_debit&"
     "payment_method_data[sepa_debit][iban]=AT591904300235473203&customer={cus_}"},
    {"POST /v1/payment_intents",
     "amount=1#&currency=eur&confirm=true&payment_method_data[type]=sepa_debit&"
     "payment_method_data[sepa_debit][iban]=AT861904300235473202&customer={cus_}"},
    {"POST /v1/disputes/{dp_}", "metadata[n]=#"},
    {"POST /v1/disputes/{dp_}", "evidence[uncategorized_text]=winning_evidence"},
    {"POST /v1/disputes/{dp_}/close", ""},
    {"POST /v1/setup_intents", "customer={cus_}&confirm=true&payment_method=pm_card_mastercard"},
    {"POST /v1/payment_methods/{pm_}", "metadata[n]=#"},
    {"POST /v1/payment_methods/{pm_}/detach", ""},
    {"POST /v1/payouts", "amount=#&currency=usd"},
    {"POST /v1/payouts/{po_}/cancel", ""},
    {"POST /v1/payouts/{po_}/reverse", ""},
    {"POST /v1/topups", "amount=1##&currency=usd"},
    {"POST /v1/transfers", "amount=#&currency=usd&destination=acct_1"},
    {"POST /v1/transfers/{tr_}/reversals", "amount=1"},
    {"POST /v1/test_helpers/customers/{cus_}/fund_cash_balance", "amount=#&currency=usd"},
    {"POST /v1/checkout/sessions", "mode=payment&line_items[0][price_data][currency]=usd&"
                                   "line_items[0][price_data][unit_amount]=5#&"
                                   "line_items[0][price_data][product_data][name]=n#"},
    {"POST /v1/checkout/sessions", "mode=subscription&line_items[0][price]={price_}"},
    {"POST /v1/payment_pages/{cs_}/confirm", "payment_method=pm_card_visa"},
    {"POST /v1/payment_links", "line_items[0][price]={price_}"},
    {"POST /v1/payment_links/{plink_}", "active=false"},
    {"POST /v1/test_helpers/test_clocks", "frozen_time=1800000000"},
};

static const char *known_id(struct run *r, bytes prefix) {
    for (int tries = 0; tries < 40 && r->id_count > 0; tries++) {
        const char *id = r->ids[random_below(&r->random, r->id_count)];
        // sub_ is no sub_sched_.
        if (bytes_starts(bytes_of(id), prefix) &&
            (prefix.n != 4 || !bytes_starts(bytes_of(id), B("sub_sched_"))))
            return id;
    }
    return "none";
}

static void fill(struct run *r, const char *model, struct text *out) {
    for (bytes rest = bytes_of(model); rest.n > 0;) {
        if (rest.p[0] == '{') {
            rest = bytes_slice(rest, 1, rest.n);
            text_adds(out, known_id(r, bytes_cut(&rest, '}')));
            continue;
        }
        if (rest.p[0] == '#')
            text_add_u64(out, 1 + random_below(&r->random, 90));
        else
            text_addc(out, (char)rest.p[0]);
        rest = bytes_slice(rest, 1, rest.n);
    }
}

static void learn(struct run *r, json v) {
    bytes id = json_string(json_get(v, "id")), key;
    json one;
    if (id.n > 0 && r->id_count < IDS_MAX)
        r->ids[r->id_count++] = bytes_strdup(id);
    if (json_type(v) == JSON_OBJECT)
        for (size_t at = 0; json_member(v, &at, &key, &one);)
            learn(r, one);
    if (json_type(v) == JSON_ARRAY)
        for (size_t at = 0; json_element(v, &at, &one);)
            learn(r, one);
}

static void written(json v, struct text *out) {
    text_reset(out);
    json_write(v, out);
}

// What an event says that was before is what the one before it had.
static void check_previous(json previous, json before, const char *type) {
    bytes key;
    json v;
    for (size_t at = 0; json_member(previous, &at, &key, &v);) {
        OWN(text_drop)
        struct text said = {0}, had = {0};
        json was = json_getb(before, key);
        if (json_type(v) == JSON_OBJECT && json_type(was) == JSON_OBJECT) {
            check_previous(v, was, type);
            continue;
        }
        written(v, &said);
        written(was, &had);
        if (json_type(was) != JSON_ABSENT && strcmp(text_str(&said), text_str(&had)) != 0)
            fail_msg("%s: %.*s was %s, not %s", type, BYTES_ARG(key), text_str(&had),
                     text_str(&said));
    }
}

static void second_drop(struct second *s) {
    for (size_t i = 0; i < s->n; i++)
        json_close(&s->events[i]);
    s->n = 0;
}

static void told_free(struct told *t) {
    json_close(&t->object);
    second_drop(&t->newest);
    second_drop(&t->before);
    free(t);
}

// The event is the object's last; it owns the document from here on.
static void keep(struct run *r, bytes id, struct json_doc *event, json object) {
    OWN(text_drop)
    struct text copy = {0};
    int64_t at_s;
    struct told *t = map_get(&r->told, id);
    if (t == NULL) {
        t = calloc(1, sizeof *t);
        map_put(&r->told, id, t);
    }
    json_write(object, &copy);
    json_close(&t->object);
    assert_true(json_parse(text_bytes(&copy), &t->object) == OK);
    assert_true(json_i64(json_get(json_root(event), "created"), &at_s) == OK);
    if (at_s != t->newest.at_s) {
        second_drop(&t->before);
        t->before = t->newest;
        t->newest = (struct second){.at_s = at_s};
        t->cut = false;
    }
    t->cut = t->cut || t->newest.n == VERSIONS_MAX;
    if (t->cut)
        json_close(&event);
    else
        t->newest.events[t->newest.n++] = event;
}

static void states_of(const struct second *s, struct version_state *out) {
    for (size_t i = 0; i < s->n; i++) {
        json e = json_root(s->events[i]);
        out[i] = (struct version_state){
            .version = {.second = s->at_s,
                        .kind = version_kind_of(json_string(json_get(e, "type"))),
                        .event = json_string(json_get(e, "id"))},
            .data = json_path(e, B("data.object")),
            .previous = json_path(e, B("data.previous_attributes")),
        };
    }
}

// What a row shows of it is what was told last, and known as that.
static void check_row(const struct told *t) {
    struct version_state newest[VERSIONS_MAX], before[VERSIONS_MAX];
    OWN(text_drop)
    struct text shown = {0}, last = {0};
    if (t->cut || t->newest.n < 2)
        return;
    states_of(&t->newest, newest);
    states_of(&t->before, before);
    struct version_choice choice = version_choose(newest, t->newest.n, before, t->before.n, false);
    json_write(newest[choice.shown].data, &shown);
    json_write(json_root(t->object), &last);
    if (choice.undecided || strcmp(text_str(&shown), text_str(&last)) != 0) {
        for (size_t i = 0; i < t->newest.n; i++) {
            OWN(text_drop)
            struct text e = {0};
            json_write(json_root(t->newest.events[i]), &e);
            print_error("%s\n", text_str(&e));
        }
        fail_msg("a row would %s", choice.undecided ? "be undecided" : "show another state");
    }
}

static void take_events(struct run *r) {
    for (struct twin_event *e; (e = twin_event_take(r->h.world)) != NULL;) {
        OWN(json_close)
        struct json_doc *doc = NULL;
        assert_true(json_parse(text_bytes(&e->body), &doc) == OK);
        json object = json_path(json_root(doc), B("data.object"));
        json previous = json_path(json_root(doc), B("data.previous_attributes"));
        struct told *t = map_get(&r->told, text_bytes(&e->object));
        // Two types may tell of one change.
        OWN(text_drop)
        struct text now = {0}, had = {0};
        written(object, &now);
        written(t != NULL ? json_root(t->object) : (json){NULL}, &had);
        bool again = strcmp(text_str(&now), text_str(&had)) == 0;
        if (t != NULL && !again && json_type(previous) == JSON_OBJECT)
            check_previous(previous, json_root(t->object), text_str(&e->type));
        if (e->object.n > 0) {
            keep(r, text_bytes(&e->object), doc, object);
            doc = NULL;
        }
        twin_event_free(e);
    }
}

// Does Stripe tell each change of such an object?
static bool is_told(bytes object) {
    for (size_t i = 0; i < sample_count; i++)
        if (bytes_equal(bytes_of(samples[i].kind), object) && samples[i].previous != NULL &&
            bytes_ends(bytes_of(samples[i].type), B(".updated")))
            return true;
    return false;
}

// And of any, when it has come to something; but a quote expires without an event.
static bool is_told_status(bytes key, bytes v) {
    static const char *const ends[] = {"succeeded", "requires_capture", "processing", "canceled",
                                       "complete",  "expired",          "paid",       "failed"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (bytes_equal(key, B("status")) && bytes_equal(v, bytes_of(ends[i])))
            return true;
    return false;
}

static void check_told(struct run *r) {
    OWN(text_drop)
    struct text saved = {0}, again = {0}, why = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    json one;
    twin_save(r->h.world, &saved);
    assert_true(json_parse(text_bytes(&saved), &doc) == OK);
    for (size_t at = 0; json_element(json_get(json_root(doc), "objects"), &at, &one);) {
        OWN(text_drop)
        struct text said = {0}, is = {0};
        json object = json_get(one, "json"), v;
        bytes key;
        struct told *t = map_get(&r->told, json_string(json_get(object, "id")));
        bool gone = json_true(json_get(one, "gone"));
        bool all = is_told(json_string(json_get(one, "object")));
        if (t == NULL || gone ||
            (!all && bytes_equal(json_string(json_get(object, "object")), B("quote"))))
            continue;
        if (all)
            check_row(t);
        for (size_t m = 0; json_member(object, &m, &key, &v);) {
            if (bytes_equal(key, B("$")) || (!all && !is_told_status(key, json_string(v))))
                continue;
            written(v, &is);
            written(json_getb(json_root(t->object), key), &said);
            if (strcmp(text_str(&is), text_str(&said)) != 0)
                fail_msg("%.*s: %.*s is %s, told was %s",
                         BYTES_ARG(json_string(json_get(object, "id"))), BYTES_ARG(key),
                         text_str(&is), text_str(&said));
        }
    }
    assert_true(twin_load(r->h.world, text_bytes(&saved), &why) == OK);
    twin_save(r->h.world, &again);
    assert_string_equal(text_str(&again), text_str(&saved));
}

static void step(struct run *r) {
    OWN(text_drop)
    struct text what = {0}, form = {0};
    size_t i = random_below(&r->random, sizeof requests / sizeof *requests + 6);
    r->h.now_ms += (int64_t)random_below(&r->random, 3000);
    if (i >= sizeof requests / sizeof *requests) { // time goes on
        r->clock_s += (int64_t)random_below(&r->random, 20 * 86400) + 1;
        fill(r, "POST /v1/test_helpers/test_clocks/{clock_}/advance", &what);
        text_addf(&form, "frozen_time=%lld", (long long)r->clock_s);
    } else {
        fill(r, requests[i][0], &what);
        fill(r, requests[i][1], &form);
    }
    int status = house_ask(&r->h, text_str(&what), text_str(&form));
    if (status == 200) {
        learn(r, json_root(r->h.answer));
        r->accepted++;
    } else {
        assert_in_range(status, 400, 404);
        r->refused++;
    }
    take_events(r);
}

static void run_close(struct run *r) {
    bytes key;
    void *value;
    for (size_t at = 0; map_next(&r->told, &at, &key, &value);) {
        told_free(value);
    }
    map_drop(&r->told);
    for (size_t i = 0; i < r->id_count; i++)
        free(r->ids[i]);
    house_close(&r->h);
}

// A few things to begin with.
static void settle_in(struct run *r) {
    static const char *const first[][2] = {
        {"POST /v1/test_helpers/test_clocks", "frozen_time=1800000000"},
        {"POST /v1/customers", "name=a&test_clock={clock_}"},
        {"POST /v1/customers", "name=b"},
        {"POST /v1/products", "name=p"},
        {"POST /v1/prices",
         "product={prod_}&currency=usd&unit_amount=500&recurring[interval]=month"},
        {"POST /v1/payment_methods/pm_card_visa/attach", "customer={cus_}"},
    };
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        OWN(text_drop)
        struct text what = {0}, form = {0};
        fill(r, first[i][0], &what);
        fill(r, first[i][1], &form);
        house_do(&r->h, text_str(&what), "%s", text_str(&form));
        learn(r, json_root(r->h.answer));
        take_events(r);
    }
}

static void every_state_is_told(void **state) {
    size_t accepted = 0, refused = 0;
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        struct run r = {.random = seed, .clock_s = 1800000000};
        house_open(&r.h);
        settle_in(&r);
        for (int i = 0; i < STEPS; i++) {
            step(&r);
            check_told(&r);
        }
        accepted += r.accepted;
        refused += r.refused;
        run_close(&r);
    }
    // Most of what is asked has to be possible, or little is shown.
    print_message("%zu requests accepted, %zu refused\n", accepted, refused);
    assert_true(accepted > refused / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_state_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
