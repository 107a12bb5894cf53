// SPDX-License-Identifier: MIT
// What each event of the families customer, customer.source, customer.subscription, product, price
// and coupon changes in the tables: a test each, by the event's name. Bodies are laid out as Stripe
// prints them; what must stand there afterwards is written here, and asked for in SQL.
#include "base/json.h"
#include "stripe/sample.h"
#include "stripe/types.h"
#include "tables_house.h"

#define T0 1700000000
#define STEPS_MAX 4
#define SETS_MAX 12
#define ASKED_MAX 4

// An event of a story: the sample of this type, an hour after the one before, with these members.
struct step {
    const char *type, *sets[SETS_MAX];
};

struct asked {
    const char *sql, *answer;
};

struct story {
    const char *type; // whose test it is: the last step's
    struct step steps[STEPS_MAX];
    struct asked asked[ASKED_MAX];
};

#define SHOWN "deleted, undecided, incomplete, embedded, event_id, event_created"

#define CUSTOMER_SQL                                                                               \
    "SELECT id, account, livemode, owner, created, email, name, phone, address_city,"              \
    " address_postal_code, balance, currency, default_source, delinquent, preferred_locales,"      \
    " metadata, tax_exempt, next_invoice_sequence, " SHOWN " FROM stripe_customers"
#define CUSTOMER_SETS "id=cus_1", "created=1700000000"

#define CARD_SQL                                                                                   \
    "SELECT id, livemode, created, customer, brand, last4, exp_month, exp_year, funding, country," \
    " name, address_zip, metadata, " SHOWN " FROM stripe_cards"
#define BANK_SQL                                                                                   \
    "SELECT id, customer, account_of, bank_name, last4, routing_number, status,"                   \
    " account_holder_type, " SHOWN " FROM stripe_bank_accounts"
#define CARD_SETS "id=card_1", "customer=cus_1"
#define BANK_SETS "id=ba_1", "customer=cus_1", "account=null"

#define SUBSCRIPTION_SQL                                                                           \
    "SELECT id, customer, status, created, start_date, current_period_start, current_period_end,"  \
    " trial_end, cancel_at_period_end, canceled_at, ended_at, cancellation_details_reason,"        \
    " default_payment_method, latest_invoice, quantity, plan, pending_update, metadata, " SHOWN    \
    " FROM stripe_subscriptions"
#define ITEMS_SQL                                                                                  \
    "SELECT id, subscription, price, product, quantity, current_period_start, current_period_end"  \
    " FROM stripe_subscription_items ORDER BY position"
#define SUBSCRIPTION_SETS                                                                          \
    "id=sub_1", "customer=cus_1", "items.data.0.id=si_1", "items.data.0.price.id=price_1",         \
        "items.data.0.price.product=prod_1", "items.data.0.plan.id=price_1", "plan.id=price_1",    \
        "latest_invoice=in_1", "default_payment_method=pm_1"
#define PENDING "pending_update={\"expires_at\":1700090000}"

#define PRODUCT_SQL                                                                                \
    "SELECT id, livemode, created, name, description, active, default_price, unit_label,"          \
    " shippable, updated, images, metadata, url, " SHOWN " FROM stripe_products"
#define PRODUCT_SETS "id=prod_1", "created=1700000000"
#define PRICE_SQL                                                                                  \
    "SELECT id, created, product, nickname, active, currency, type, unit_amount,"                  \
    " unit_amount_decimal, recurring_interval, recurring_interval_count, lookup_key, " SHOWN       \
    " FROM stripe_prices"
#define PRICE_SETS "id=price_1", "created=1700000000", "product=prod_1"
#define COUPON_SQL                                                                                 \
    "SELECT id, created, name, duration, duration_in_months, percent_off, amount_off, redeem_by,"  \
    " times_redeemed, valid, metadata, " SHOWN " FROM stripe_coupons"
#define COUPON_SETS "id=WINTER", "created=1700000000"

static const struct story stories[] = {
    {"customer.created",
     {{"customer.created", {CUSTOMER_SETS}}},
     {{CUSTOMER_SQL,
       "cus_1||0|main|1700000000|ada.marlowe@example.com|Ada Marlowe|+15035550142|Portland|"
       "97205|0|usd|-|0|[\"en\"]|{\"site\":\"shop\"}|none|1|0|0|0|0|evt_1|1700000000\n"}}},
    {"customer.updated",
     {{"customer.created", {CUSTOMER_SETS}}, {"customer.updated", {CUSTOMER_SETS}}},
     {{CUSTOMER_SQL,
       "cus_1||0|main|1700000000|ada@example.com|Ada Marlowe|+15035550142|Portland|97205|0|"
       "usd|-|0|[\"en\"]|{\"site\":\"shop\"}|none|4|0|0|0|0|evt_2|1700003600\n"}}},
    {"customer.deleted",
     {{"customer.created", {CUSTOMER_SETS}}, {"customer.deleted", {CUSTOMER_SETS}}},
     {{CUSTOMER_SQL,
       "cus_1||0|main|1700000000|ada.marlowe@example.com|Ada Marlowe|+15035550142|Portland|"
       "97205|0|usd|-|0|[\"en\"]|{\"site\":\"shop\"}|none|4|1|0|0|0|evt_2|1700003600\n"}}},

    {"customer.source.created",
     {{"customer.source.created", {CARD_SETS}},
      {"account.external_account.created", {BANK_SETS, ".type=customer.source.created"}}},
     {{CARD_SQL, "card_1|0|-|cus_1|Visa|4242|11|2031|credit|US|Ada Marlowe|97205|{}|0|0|0|0|evt_1|"
                 "1700000000\n"},
      {BANK_SQL, "ba_1|cus_1|-|WILLAMETTE SAVINGS BANK|6789|110000000|new|company|0|0|0|0|evt_2|"
                 "1700003600\n"}}},
    {"customer.source.updated",
     {{"customer.source.created", {CARD_SETS}},
      {"customer.source.updated", {CARD_SETS}},
      {"account.external_account.updated", {BANK_SETS, ".type=customer.source.updated"}}},
     {{CARD_SQL, "card_1|0|-|cus_1|Visa|4242|3|2035|credit|US|Ada Marlowe|97205|{}|0|0|0|0|evt_2|"
                 "1700003600\n"},
      {BANK_SQL,
       "ba_1|cus_1|-|WILLAMETTE SAVINGS BANK|6789|110000000|validated|company|0|0|0|0|evt_3|"
       "1700007200\n"}}},
    {"customer.source.expiring",
     {{"customer.source.created", {CARD_SETS}}, {"customer.source.expiring", {CARD_SETS}}},
     {{CARD_SQL, "card_1|0|-|cus_1|Visa|4242|11|2026|credit|US|Ada Marlowe|97205|{}|0|0|0|0|evt_2|"
                 "1700003600\n"}}},
    {"customer.source.deleted",
     {{"customer.source.created", {CARD_SETS}},
      {"customer.source.deleted", {CARD_SETS}},
      {"account.external_account.deleted", {BANK_SETS, ".type=customer.source.deleted"}}},
     {{CARD_SQL, "card_1|0|-|cus_1|Visa|4242|11|2031|credit|US|Ada Marlowe|97205|{}|1|0|0|0|evt_2|"
                 "1700003600\n"},
      {BANK_SQL, "ba_1|cus_1|-|WILLAMETTE SAVINGS BANK|6789|110000000|new|company|1|0|0|0|evt_3|"
                 "1700007200\n"}}},

    {"customer.subscription.created",
     {{"customer.subscription.created", {SUBSCRIPTION_SETS}}},
     {{SUBSCRIPTION_SQL,
       "sub_1|cus_1|active|1700000000|1700000000|1700000000|1702592000|-|0|-|-|-|pm_1|in_1|"
       "1|price_1|-|{\"site\":\"shop\"}|0|0|0|0|evt_1|1700000000\n"},
      {ITEMS_SQL, "si_1|sub_1|price_1|prod_1|1|1700000000|1702592000\n"},
      {"SELECT id, nickname, unit_amount, embedded, event_id FROM stripe_prices",
       "price_1|Monthly|1900|1|evt_1\n"},
      {"SELECT id, nickname, amount, embedded, event_id FROM stripe_plans",
       "price_1|Monthly|1900|1|evt_1\n"}}},
    {"customer.subscription.updated",
     {{"customer.subscription.created", {SUBSCRIPTION_SETS}},
      {"customer.subscription.updated", {SUBSCRIPTION_SETS}}},
     {{SUBSCRIPTION_SQL,
       "sub_1|cus_1|active|1693523600|1693523600|1698707600|1701299600|-|0|-|-|-|pm_1|in_1|"
       "2|price_1|-|{\"site\":\"shop\"}|0|0|0|0|evt_2|1700003600\n"},
      {ITEMS_SQL, "si_1|sub_1|price_1|prod_1|2|1698707600|1701299600\n"}}},
    {"customer.subscription.trial_will_end",
     {{"customer.subscription.trial_will_end", {SUBSCRIPTION_SETS}}},
     {{SUBSCRIPTION_SQL,
       "sub_1|cus_1|trialing|1699049600|1699049600|1699049600|1700259200|1700259200|0|-|-|-|"
       "pm_1|in_1|1|price_1|-|{\"site\":\"shop\"}|0|0|0|0|evt_1|1700000000\n"},
      {ITEMS_SQL, "si_1|sub_1|price_1|prod_1|1|1699049600|1700259200\n"}}},
    {"customer.subscription.paused",
     {{"customer.subscription.created", {SUBSCRIPTION_SETS}},
      {"customer.subscription.paused", {SUBSCRIPTION_SETS}}},
     {{SUBSCRIPTION_SQL,
       "sub_1|cus_1|paused|1693523600|1693523600|1698707600|1701299600|1700003600|0|-|-|-|"
       "pm_1|in_1|1|price_1|-|{\"site\":\"shop\"}|0|0|0|0|evt_2|1700003600\n"},
      {ITEMS_SQL, "si_1|sub_1|price_1|prod_1|1|1698707600|1701299600\n"}}},
    {"customer.subscription.resumed",
     {{"customer.subscription.created", {SUBSCRIPTION_SETS}},
      {"customer.subscription.paused", {SUBSCRIPTION_SETS}},
      {"customer.subscription.resumed", {SUBSCRIPTION_SETS}}},
     {{SUBSCRIPTION_SQL,
       "sub_1|cus_1|active|1693527200|1693527200|1700007200|1702599200|-|0|-|-|-|pm_1|in_1|"
       "1|price_1|-|{\"site\":\"shop\"}|0|0|0|0|evt_3|1700007200\n"},
      {ITEMS_SQL, "si_1|sub_1|price_1|prod_1|1|1700007200|1702599200\n"}}},
    {"customer.subscription.pending_update_applied",
     {{"customer.subscription.created", {SUBSCRIPTION_SETS}},
      {"customer.subscription.updated", {SUBSCRIPTION_SETS, PENDING}},
      {"customer.subscription.pending_update_applied", {SUBSCRIPTION_SETS}}},
     {{SUBSCRIPTION_SQL,
       "sub_1|cus_1|active|1693527200|1693527200|1698711200|1701303200|-|0|-|-|-|pm_1|in_1|"
       "2|price_1|-|{\"site\":\"shop\"}|0|0|0|0|evt_3|1700007200\n"},
      {ITEMS_SQL, "si_1|sub_1|price_1|prod_1|2|1698711200|1701303200\n"}}},
    {"customer.subscription.pending_update_expired",
     {{"customer.subscription.created", {SUBSCRIPTION_SETS}},
      {"customer.subscription.updated", {SUBSCRIPTION_SETS, PENDING}},
      {"customer.subscription.pending_update_expired", {SUBSCRIPTION_SETS}}},
     {{SUBSCRIPTION_SQL,
       "sub_1|cus_1|active|1693527200|1693527200|1698711200|1701303200|-|0|-|-|-|pm_1|in_1|"
       "1|price_1|-|{\"site\":\"shop\"}|0|0|0|0|evt_3|1700007200\n"},
      {ITEMS_SQL, "si_1|sub_1|price_1|prod_1|1|1698711200|1701303200\n"}}},
    {"customer.subscription.deleted",
     {{"customer.subscription.created", {SUBSCRIPTION_SETS}},
      {"customer.subscription.deleted", {SUBSCRIPTION_SETS}}},
     {{SUBSCRIPTION_SQL,
       "sub_1|cus_1|canceled|1693523600|1693523600|1698707600|1701299600|-|0|1700003600|"
       "1700003600|cancellation_requested|pm_1|in_1|1|price_1|-|{\"site\":\"shop\"}|0|0|0|0|"
       "evt_2|1700003600\n"},
      {ITEMS_SQL, "si_1|sub_1|price_1|prod_1|1|1698707600|1701299600\n"}}},

    {"product.created",
     {{"product.created", {PRODUCT_SETS}}},
     {{PRODUCT_SQL,
       "prod_1|0|1700000000|Tea of the month|Four teas in the post, each month|1|-|"
       "box|1|1700000000|[]|{\"site\":\"shop\"}|https://shop.example.com/tea-of-the-month|0|"
       "0|0|0|evt_1|1700000000\n"}}},
    {"product.updated",
     {{"product.created", {PRODUCT_SETS}},
      {"product.updated", {PRODUCT_SETS, "default_price=price_1"}}},
     {{PRODUCT_SQL,
       "prod_1|0|1700000000|Tea of the month|Five teas in the post & a biscuit|1|price_1|"
       "box|1|1700003600|[]|{\"site\":\"shop\"}|https://shop.example.com/tea-of-the-month|0|"
       "0|0|0|evt_2|1700003600\n"}}},
    {"product.deleted",
     {{"product.created", {PRODUCT_SETS}}, {"product.deleted", {PRODUCT_SETS}}},
     {{PRODUCT_SQL,
       "prod_1|0|1700000000|Tea of the month|Four teas in the post, each month|0|-|"
       "box|1|1700003600|[]|{\"site\":\"shop\"}|https://shop.example.com/tea-of-the-month|1|"
       "0|0|0|evt_2|1700003600\n"}}},

    {"price.created",
     {{"price.created", {PRICE_SETS}}},
     {{PRICE_SQL, "price_1|1700000000|prod_1|Monthly|1|usd|recurring|1900|1900|month|1|tea_monthly|"
                  "0|0|0|0|evt_1|1700000000\n"}}},
    {"price.updated",
     {{"price.created", {PRICE_SETS}}, {"price.updated", {PRICE_SETS}}},
     {{PRICE_SQL,
       "price_1|1700000000|prod_1|By the month|1|usd|recurring|1900|1900|month|1|tea_monthly|"
       "0|0|0|0|evt_2|1700003600\n"}}},
    {"price.deleted",
     {{"price.created", {PRICE_SETS}}, {"price.deleted", {PRICE_SETS}}},
     {{PRICE_SQL, "price_1|1700000000|prod_1|Monthly|0|usd|recurring|1900|1900|month|1|tea_monthly|"
                  "1|0|0|0|evt_2|1700003600\n"}}},

    {"coupon.created",
     {{"coupon.created", {COUPON_SETS}}},
     {{COUPON_SQL, "WINTER|1700000000|Winter tea|repeating|3|20|-|1705184000|0|1|"
                   "{\"campaign\":\"winter\"}|0|0|0|0|evt_1|1700000000\n"}}},
    {"coupon.updated",
     {{"coupon.created", {COUPON_SETS}}, {"coupon.updated", {COUPON_SETS}}},
     {{COUPON_SQL, "WINTER|1700000000|Winter tea & cake|repeating|3|20|-|1705187600|0|1|"
                   "{\"campaign\":\"winter\"}|0|0|0|0|evt_2|1700003600\n"}}},
    {"coupon.deleted",
     {{"coupon.created", {COUPON_SETS}}, {"coupon.deleted", {COUPON_SETS}}},
     {{COUPON_SQL, "WINTER|1700000000|Winter tea|repeating|3|20|-|1705187600|4|0|"
                   "{\"campaign\":\"winter\"}|1|0|0|0|evt_2|1700003600\n"}}},
};
#define STORIES (sizeof stories / sizeof stories[0])

// Event i of a story is evt_i, from 1.
static void body_of(const struct step *step, size_t i, struct text *out) {
    OWN(text_drop)
    struct text why = {0};
    char id[32];
    const char *sets[SETS_MAX + 1];
    size_t n = 0;
    snprintf(id, sizeof id, ".id=evt_%zu", i + 1);
    while (n < SETS_MAX && step->sets[n] != NULL) {
        sets[n] = step->sets[n];
        n++;
    }
    sets[n++] = id;
    struct sample_options o = {
        .now_s = T0 + 3600 * (int64_t)i, .seed = 1, .sets = sets, .set_count = n};
    const struct sample *s = sample_find(bytes_of(step->type));
    assert_non_null(s);
    if (sample_make(s, &o, out, &why) != OK)
        fail_msg("%s: %s", step->type, text_str(&why));
}

static void tell(struct tables_house *h, const struct story *story) {
    house_begin(h);
    for (size_t i = 0; i < STEPS_MAX && story->steps[i].type != NULL; i++) {
        OWN(text_drop)
        struct text body = {0};
        body_of(&story->steps[i], i, &body);
        assert_true(bytes_search(text_bytes(&body), B("\n      \"id\": ")) < body.n);
        house_receive(h, text_bytes(&body));
    }
    house_commit(h);
}

static void assert_answer(struct tables_house *h, const struct asked *asked) {
    OWN(text_drop)
    struct text got = {0};
    house_select(h, asked->sql, &got);
    assert_string_equal(text_str(&got), asked->answer);
}

// The row has the whole object of the event that it is shown as of. How a string is escaped does
// not count.
static void assert_whole(struct tables_house *h, const char *sql) {
    const char *table = strstr(sql, " FROM ") + strlen(" FROM ");
    static const char *const whats[] = {"t.data", "json_extract(e.payload, '$.data.object')"};
    struct text objects[2] = {{0}, {0}};
    for (size_t i = 0; i < 2; i++) {
        OWN(text_drop)
        struct text ask = {0}, got = {0};
        OWN(json_close)
        struct json_doc *doc = NULL;
        text_addf(&ask, "SELECT %s FROM %s AS t JOIN events AS e ON e.id = t.event_id", whats[i],
                  table);
        house_select(h, text_str(&ask), &got);
        assert_ok(json_parse(text_bytes(&got), &doc));
        json_write(json_root(doc), &objects[i]);
    }
    assert_string_equal(text_str(&objects[0]), text_str(&objects[1]));
    text_drop(&objects[0]);
    text_drop(&objects[1]);
}

static void changes_its_tables(void **state) {
    const struct story *story = *state;
    struct tables_house h;
    house_open(&h, true, "");
    tell(&h, story);
    for (size_t i = 0; i < ASKED_MAX && story->asked[i].sql != NULL; i++)
        assert_answer(&h, &story->asked[i]);
    assert_whole(&h, story->asked[0].sql);
    house_close(&h);
}

// Every event type of these families has its test.
static void no_event_of_the_families_is_missing(void **state) {
    static const char *const families[] = {
        "customer.source.", "customer.subscription.", "product.", "price.", "coupon.", NULL};
    size_t found = 0;
    for (size_t i = 0; i < event_type_count; i++) {
        bytes name = bytes_of(event_types[i].name);
        bool of_family = bytes_equal(name, B("customer.created")) ||
                         bytes_equal(name, B("customer.updated")) ||
                         bytes_equal(name, B("customer.deleted"));
        for (size_t k = 0; families[k] != NULL; k++)
            of_family = of_family || bytes_starts(name, bytes_of(families[k]));
        bool has_test = false;
        for (size_t k = 0; k < STORIES; k++)
            has_test = has_test || bytes_equal(name, bytes_of(stories[k].type));
        if (of_family != has_test)
            fail_msg("%s: %s", event_types[i].name, of_family ? "no test" : "of no family");
        found += has_test;
    }
    assert_int_equal(found, STORIES);
}

int main(void) {
    struct CMUnitTest tests[STORIES + 1] = {cmocka_unit_test(no_event_of_the_families_is_missing)};
    for (size_t i = 0; i < STORIES; i++)
        tests[i + 1] = (struct CMUnitTest){.name = stories[i].type,
                                           .test_func = changes_its_tables,
                                           .initial_state = (void *)(uintptr_t)&stories[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
