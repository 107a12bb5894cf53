// SPDX-License-Identifier: MIT
#include "twin/bill.h"
#include "twin_house.h"

#define START 1800000000 // 15 January 2027, 08:00

struct billing {
    struct twin_house h;
    char clock[64], customer[64], price[64], method[64], sub[64];
};

static void keep(struct billing *b, char out[64]) {
    snprintf(out, 64, "%s", house_text(&b->h, "id"));
}

// A customer on a test clock who pays with this method, and a price of 15.00 a month.
static void billing_open(struct billing *b, const char *token) {
    house_open(&b->h);
    house_do(&b->h, "POST /v1/test_helpers/test_clocks", "frozen_time=%d", START);
    keep(b, b->clock);
    house_do(&b->h, "POST /v1/customers", "test_clock=%s", b->clock);
    keep(b, b->customer);
    OWN(text_drop)
    struct text path = {0};
    if (token != NULL) {
        text_addf(&path, "POST /v1/payment_methods/%s/attach", token);
        house_do(&b->h, text_str(&path), "customer=%s", b->customer);
        keep(b, b->method);
        text_reset(&path);
        text_addf(&path, "POST /v1/customers/%s", b->customer);
        house_do(&b->h, text_str(&path), "invoice_settings[default_payment_method]=%s", b->method);
    }
    house_do(&b->h, "POST /v1/products", "name=%s", "Tea");
    house_do(&b->h, "POST /v1/prices",
             "product=%s&currency=usd&unit_amount=1500&recurring[interval]=month",
             house_text(&b->h, "id"));
    keep(b, b->price);
    house_take(&b->h);
    text_reset(&b->h.trace);
}

static void billing_close(struct billing *b) { house_close(&b->h); }

static void advance(struct billing *b, int64_t to) {
    char path[128];
    snprintf(path, sizeof path, "POST /v1/test_helpers/test_clocks/%s/advance", b->clock);
    house_do(&b->h, path, "frozen_time=%lld", (long long)to);
}

static const char *look(struct billing *b, const char *what, const char *id, const char *path) {
    char request[160];
    snprintf(request, sizeof request, "GET /v1/%s/%s", what, id);
    house_do(&b->h, request, "%s", "");
    return house_text(&b->h, path);
}

static void subscribe(struct billing *b, const char *more) {
    house_do(&b->h, "POST /v1/subscriptions", "customer=%s&items[0][price]=%s%s", b->customer,
             b->price, more);
    keep(b, b->sub);
}

// Types of events but those about payments, which are another's.
static void events(struct billing *b, const char *expected) {
    OWN(text_drop)
    struct text left = {0};
    house_take(&b->h);
    bytes rest = text_bytes(&b->h.trace);
    while (rest.n > 0) {
        bytes one = bytes_cut(&rest, ' ');
        if (bytes_starts(one, B("payment_")) || bytes_starts(one, B("charge.")) ||
            bytes_starts(one, B("test_helpers.")) || bytes_starts(one, B("balance")))
            continue;
        text_add(&left, one);
        text_addc(&left, ' ');
    }
    assert_string_equal(text_str(&left), expected);
    text_reset(&b->h.trace);
}

static void periods_end_on_their_day(void **state) {
    static const struct {
        int64_t anchor, n;
        const char *interval;
        int64_t count, expected;
    } cases[] = {
        {1706659200, 1, "month", 1, 1709164800},  // 31 January 2024 to 29 February
        {1706659200, 2, "month", 1, 1711843200},  // and 31 March
        {1706659200, 12, "month", 1, 1738281600}, // 31 January 2025
        {1706659200, 1, "year", 1, 1738281600},   {1706659200, -1, "month", 1, 1703980800},
        {1706659200, 3, "week", 2, 1710288000},   {1706659200, 5, "day", 1, 1707091200},
        {1577836800, 1, "month", 1, 1580515200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            bill_period(cases[i].anchor, cases[i].n, bytes_of(cases[i].interval), cases[i].count),
            cases[i].expected);
    assert_int_equal(bill_period_after(1706659200, 1709164800, B("month"), 1), 1711843200);
    assert_int_equal(bill_period_after(1706659200, 1600000000, B("month"), 1), 1601424000);
}

static void invoices_gather_and_are_paid(void **state) {
    struct billing b;
    billing_open(&b, "pm_card_visa");
    house_do(&b.h, "POST /v1/invoiceitems", "customer=%s&amount=2000&currency=usd", b.customer);
    house_do(&b.h, "POST /v1/invoiceitems", "customer=%s&pricing[price]=%s&quantity=2", b.customer,
             b.price);
    assert_string_equal(house_text(&b.h, "amount"), "3000");
    house_do(&b.h, "POST /v1/invoices", "customer=%s&pending_invoice_items_behavior=include",
             b.customer);
    char path[128], id[64];
    keep(&b, id);
    assert_string_equal(house_text(&b.h, "amount_due"), "5000");
    assert_string_equal(house_text(&b.h, "lines.data.1.quantity"), "2");
    assert_string_equal(house_text(&b.h, "status"), "draft");
    events(&b, "invoiceitem.created invoiceitem.created invoice.created ");
    snprintf(path, sizeof path, "POST /v1/invoices/%s/void", id);
    assert_int_equal(house_ask(&b.h, path, ""), 400);
    snprintf(path, sizeof path, "POST /v1/invoices/%s/finalize", id);
    house_do(&b.h, path, "%s", "");
    assert_string_equal(house_text(&b.h, "status"), "open");
    events(&b, "invoice.finalized ");
    assert_string_equal(house_told(&b.h, "data.previous_attributes.status"), "draft");
    assert_int_equal(house_ask(&b.h, path, ""), 400);
    snprintf(path, sizeof path, "POST /v1/invoices/%s/pay", id);
    house_do(&b.h, path, "%s", "");
    assert_string_equal(house_text(&b.h, "status"), "paid");
    assert_string_equal(house_text(&b.h, "amount_remaining"), "0");
    events(&b, "invoice_payment.paid invoice.updated invoice.paid invoice.payment_succeeded ");
    assert_int_equal(house_ask(&b.h, path, ""), 400);
    billing_close(&b);
}

static void invoices_fail(void **state) {
    struct billing b;
    billing_open(&b, "pm_card_chargeCustomerFail");
    house_do(&b.h, "POST /v1/invoiceitems", "customer=%s&amount=2000&currency=usd", b.customer);
    house_do(&b.h, "POST /v1/invoices", "customer=%s&pending_invoice_items_behavior=include",
             b.customer);
    char path[128], id[64];
    keep(&b, id);
    text_reset(&b.h.trace);
    house_take(&b.h);
    text_reset(&b.h.trace);
    snprintf(path, sizeof path, "POST /v1/invoices/%s/pay", id);
    assert_int_equal(house_ask(&b.h, path, ""), 402);
    assert_string_equal(house_text(&b.h, "error.code"), "card_declined");
    events(&b, "invoice.finalized invoice.updated invoice.payment_failed ");
    assert_string_equal(look(&b, "invoices", id, "status"), "open");
    assert_string_equal(look(&b, "invoices", id, "attempt_count"), "1");
    billing_close(&b);
}

static void discounts_take_off(void **state) {
    struct billing b;
    billing_open(&b, "pm_card_visa");
    house_do(&b.h, "POST /v1/coupons", "percent_off=12.5&id=%s", "WINTER");
    assert_string_equal(house_text(&b.h, "percent_off"), "12.5");
    char path[128];
    snprintf(path, sizeof path, "POST /v1/customers/%s", b.customer);
    house_do(&b.h, path, "coupon=%s", "WINTER");
    assert_string_equal(house_text(&b.h, "discount.source.coupon"), "WINTER");
    events(&b, "coupon.created coupon.updated customer.updated customer.discount.created ");
    house_do(&b.h, "POST /v1/invoiceitems", "customer=%s&amount=2000&currency=usd", b.customer);
    house_do(&b.h, "POST /v1/invoices", "customer=%s&pending_invoice_items_behavior=include",
             b.customer);
    assert_string_equal(house_text(&b.h, "subtotal"), "2000");
    assert_string_equal(house_text(&b.h, "total"), "1750");
    assert_string_equal(house_text(&b.h, "total_discount_amounts.0.amount"), "250");
    house_do(&b.h, path, "coupon=%s", "");
    assert_string_equal(house_text(&b.h, "discount"), "null");
    events(&b, "invoiceitem.created invoice.created customer.discount.deleted customer.updated ");
    assert_int_equal(house_ask(&b.h, path, "coupon=NONE"), 400);
    assert_int_equal(house_ask(&b.h, "POST /v1/coupons", "percent_off=0012"), 400);
    assert_int_equal(house_ask(&b.h, "POST /v1/coupons", "percent_off=1&amount_off=1"), 400);
    billing_close(&b);
}

// From a trial over a failed payment to the end that follows from it.
static void a_subscription_lives(void **state) {
    struct billing b;
    billing_open(&b, "pm_card_visa");
    subscribe(&b, "&trial_period_days=14");
    assert_string_equal(house_text(&b.h, "status"), "trialing");
    int64_t trial_end = START + 14 * DAY_S;
    events(&b, "customer.subscription.created invoice.created invoice.finalized invoice.updated "
               "invoice.paid invoice.payment_succeeded ");
    advance(&b, trial_end - 3 * DAY_S + 1);
    events(&b, "customer.subscription.trial_will_end ");
    advance(&b, trial_end + 60);
    events(&b, "customer.subscription.updated invoice.created ");
    assert_string_equal(look(&b, "subscriptions", b.sub, "status"), "active");
    advance(&b, trial_end + 2 * HOUR_S);
    events(&b, "invoice.finalized invoice_payment.paid invoice.updated invoice.paid "
               "invoice.payment_succeeded ");
    // The card fails from the next period on.
    char path[128];
    house_do(&b.h, "POST /v1/payment_methods/pm_card_chargeCustomerFail/attach", "customer=%s",
             b.customer);
    char bad[64];
    keep(&b, bad);
    snprintf(path, sizeof path, "POST /v1/customers/%s", b.customer);
    house_do(&b.h, path, "invoice_settings[default_payment_method]=%s", bad);
    events(&b, "customer.updated ");
    int64_t next = bill_period(trial_end, 1, B("month"), 1);
    advance(&b, next + 2 * HOUR_S);
    events(&b, "customer.subscription.updated invoice.created invoice.finalized invoice.updated "
               "invoice.payment_failed customer.subscription.updated ");
    assert_string_equal(look(&b, "subscriptions", b.sub, "status"), "past_due");
    // Mended in time: the retry three days later succeeds.
    house_do(&b.h, path, "invoice_settings[default_payment_method]=%s", b.method);
    advance(&b, next + 4 * DAY_S);
    events(&b, "customer.updated invoice_payment.paid invoice.updated invoice.paid "
               "invoice.payment_succeeded customer.subscription.updated ");
    assert_string_equal(look(&b, "subscriptions", b.sub, "status"), "active");
    // And failing for good.
    house_do(&b.h, path, "invoice_settings[default_payment_method]=%s", bad);
    next = bill_period(trial_end, 2, B("month"), 1);
    advance(&b, next + 20 * DAY_S);
    events(&b, "customer.updated customer.subscription.updated invoice.created invoice.finalized "
               "invoice.updated invoice.payment_failed customer.subscription.updated "
               "invoice.updated invoice.payment_failed invoice.updated invoice.payment_failed "
               "invoice.updated invoice.payment_failed customer.subscription.deleted "
               "invoice.updated ");
    assert_string_equal(look(&b, "subscriptions", b.sub, "status"), "canceled");
    assert_string_equal(look(&b, "subscriptions", b.sub, "cancellation_details.reason"),
                        "payment_failed");
    advance(&b, next + 90 * DAY_S);
    events(&b, "");
    snprintf(path, sizeof path, "POST /v1/subscriptions/%s", b.sub);
    assert_int_equal(house_ask(&b.h, path, "metadata[a]=b"), 400);
    billing_close(&b);
}

static void subscriptions_begin(void **state) {
    static const struct {
        const char *token, *more;
        int status;
        const char *is; // its status
    } cases[] = {
        {"pm_card_visa", "", 200, "active"},
        {"pm_card_visa", "&payment_behavior=default_incomplete", 200, "incomplete"},
        {"pm_card_chargeCustomerFail", "", 200, "incomplete"},
        {"pm_card_chargeCustomerFail", "&payment_behavior=error_if_incomplete", 402, ""},
        {"pm_card_threeDSecure2Required", "", 200, "incomplete"},
        {NULL, "", 400, ""},
        {NULL, "&collection_method=send_invoice", 400, ""},
        {NULL, "&collection_method=send_invoice&days_until_due=7", 200, "active"},
        {NULL, "&trial_period_days=1", 200, "trialing"},
        {NULL, "&payment_behavior=default_incomplete", 200, "incomplete"},
        {"pm_card_visa", "&items[0][quantity]=x", 400, ""},
        {"pm_card_visa", "&trial_end=5", 400, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct billing b;
        OWN(text_drop)
        struct text form = {0};
        billing_open(&b, cases[i].token);
        text_addf(&form, "customer=%s&items[0][price]=%s%s", b.customer, b.price, cases[i].more);
        size_t objects = twin_counts(b.h.world).objects, due = twin_counts(b.h.world).due;
        int status = house_ask(&b.h, "POST /v1/subscriptions", text_str(&form));
        if (status != cases[i].status)
            fail_msg("%zu: %d, %s", i, status, house_text(&b.h, "error.message"));
        if (status == 200) {
            assert_string_equal(house_text(&b.h, "status"), cases[i].is);
        } else { // nothing of it stays
            assert_int_equal(twin_counts(b.h.world).objects, objects);
            assert_int_equal(twin_counts(b.h.world).due, due);
            events(&b, "");
        }
        billing_close(&b);
    }
}

static void trials_end_without_a_method(void **state) {
    static const struct {
        const char *behavior, *is;
    } cases[] = {{"pause", "paused"}, {"cancel", "canceled"}, {"create_invoice", "past_due"}};
    for (size_t i = 0; i < 3; i++) {
        struct billing b;
        char more[128];
        billing_open(&b, NULL);
        snprintf(more, sizeof more,
                 "&trial_period_days=7&trial_settings[end_behavior][missing_payment_method]=%s",
                 cases[i].behavior);
        subscribe(&b, more);
        char path[128];
        snprintf(path, sizeof path, "POST /v1/subscriptions/%s", b.sub);
        house_do(&b.h, path, "trial_end=%s", "now");
        assert_string_equal(look(&b, "subscriptions", b.sub, "status"), cases[i].is);
        billing_close(&b);
    }
}

static void a_trial_is_ended(void **state) {
    struct billing b;
    billing_open(&b, "pm_card_visa");
    subscribe(&b, "&trial_period_days=7");
    advance(&b, START + DAY_S);
    house_take(&b.h);
    text_reset(&b.h.trace);
    char path[128], invoice[64];
    snprintf(path, sizeof path, "POST /v1/subscriptions/%s", b.sub);
    house_do(&b.h, path, "trial_end=%s", "now");
    assert_string_equal(house_text(&b.h, "status"), "active");
    events(&b, "customer.subscription.updated customer.subscription.updated invoice.created "
               "invoice.finalized invoice_payment.paid invoice.updated invoice.paid "
               "invoice.payment_succeeded ");
    snprintf(invoice, sizeof invoice, "%s", look(&b, "subscriptions", b.sub, "latest_invoice"));
    assert_string_equal(look(&b, "invoices", invoice, "amount_paid"), "1500");
    int64_t end = bill_period(START + DAY_S, 1, B("month"), 1);
    char said[32];
    snprintf(said, sizeof said, "%lld", (long long)end);
    assert_string_equal(look(&b, "subscriptions", b.sub, "items.data.0.current_period_end"), said);
    advance(&b, START + 8 * DAY_S);
    events(&b, "");
    billing_close(&b);
}

static void items_change_with_the_difference(void **state) {
    struct billing b;
    billing_open(&b, "pm_card_visa");
    subscribe(&b, "");
    char item[64], path[128];
    snprintf(item, sizeof item, "%s", house_text(&b.h, "items.data.0.id"));
    house_take(&b.h);
    text_reset(&b.h.trace);
    int64_t end = bill_period(START, 1, B("month"), 1);
    advance(&b, START + (end - START) / 2);
    house_take(&b.h);
    text_reset(&b.h.trace);
    snprintf(path, sizeof path, "POST /v1/subscriptions/%s", b.sub);
    house_do(&b.h, path, "items[0][id]=%s&items[0][quantity]=3", item);
    assert_string_equal(house_text(&b.h, "quantity"), "3");
    events(&b, "invoiceitem.created invoiceitem.created customer.subscription.updated ");
    assert_string_equal(house_told(&b.h, "data.previous_attributes.quantity"), "1");
    advance(&b, end + 60);
    char invoice[64];
    snprintf(invoice, sizeof invoice, "%s", look(&b, "subscriptions", b.sub, "latest_invoice"));
    // 3 × 15.00 for the new month, and 15.00 for half of the old one.
    assert_string_equal(look(&b, "invoices", invoice, "total"), "6000");
    house_do(&b.h, path, "cancel_at_period_end=%s", "true");
    advance(&b, bill_period(START, 2, B("month"), 1) + 60);
    assert_string_equal(look(&b, "subscriptions", b.sub, "status"), "canceled");
    billing_close(&b);
}

static void schedules_go_through_their_phases(void **state) {
    struct billing b;
    billing_open(&b, "pm_card_visa");
    house_do(&b.h, "POST /v1/subscription_schedules",
             "customer=%s&start_date=now&end_behavior=cancel&phases[0][items][0][price]=%s&"
             "phases[0][iterations]=1&phases[1][items][0][price]=%s&phases[1][items][0][quantity]="
             "2&phases[1][iterations]=1",
             b.customer, b.price, b.price);
    snprintf(b.sub, sizeof b.sub, "%s", house_text(&b.h, "subscription"));
    events(&b, "subscription_schedule.created customer.subscription.created invoice.created ");
    advance(&b, bill_period(START, 1, B("month"), 1) + 1);
    assert_string_equal(look(&b, "subscriptions", b.sub, "quantity"), "2");
    house_take(&b.h);
    text_reset(&b.h.trace);
    advance(&b, bill_period(START, 2, B("month"), 1) + 1);
    house_take(&b.h);
    assert_non_null(strstr(text_str(&b.h.trace), "subscription_schedule.expiring"));
    assert_non_null(strstr(text_str(&b.h.trace), "subscription_schedule.completed"));
    assert_string_equal(look(&b, "subscriptions", b.sub, "status"), "canceled");
    billing_close(&b);
}

static void quotes_become_what_they_offer(void **state) {
    struct billing b;
    billing_open(&b, "pm_card_visa");
    house_do(&b.h, "POST /v1/quotes",
             "customer=%s&line_items[0][price]=%s&line_items[0][quantity]=10", b.customer, b.price);
    assert_string_equal(house_text(&b.h, "amount_total"), "15000");
    char path[128], id[64];
    keep(&b, id);
    snprintf(path, sizeof path, "POST /v1/quotes/%s/accept", id);
    assert_int_equal(house_ask(&b.h, path, ""), 400);
    snprintf(path, sizeof path, "POST /v1/quotes/%s/finalize", id);
    house_do(&b.h, path, "%s", "");
    snprintf(path, sizeof path, "POST /v1/quotes/%s/accept", id);
    house_do(&b.h, path, "%s", "");
    assert_string_equal(house_text(&b.h, "status"), "accepted");
    assert_string_equal(look(&b, "subscriptions", house_text(&b.h, "subscription"), "quantity"),
                        "10");
    events(&b, "quote.created quote.finalized quote.accepted customer.subscription.created "
               "invoice.created ");
    billing_close(&b);
}

static void credit_notes_take_off(void **state) {
    struct billing b;
    billing_open(&b, "pm_card_visa");
    house_do(&b.h, "POST /v1/invoiceitems", "customer=%s&amount=2000&currency=usd", b.customer);
    house_do(&b.h, "POST /v1/invoices", "customer=%s&pending_invoice_items_behavior=include",
             b.customer);
    char path[128], id[64];
    keep(&b, id);
    snprintf(path, sizeof path, "POST /v1/invoices/%s/finalize", id);
    house_do(&b.h, path, "%s", "");
    house_do(&b.h, "POST /v1/credit_notes",
             "invoice=%s&lines[0][type]=custom_line_item&lines[0][quantity]=1&"
             "lines[0][unit_amount]=500",
             id);
    char note[64];
    keep(&b, note);
    assert_string_equal(house_text(&b.h, "amount"), "500");
    assert_string_equal(look(&b, "invoices", id, "amount_remaining"), "1500");
    assert_int_equal(house_ask(&b.h, "POST /v1/credit_notes", "invoice=in_1&amount=5"), 400);
    snprintf(path, sizeof path, "POST /v1/credit_notes/%s/void", note);
    house_do(&b.h, path, "%s", "");
    assert_string_equal(look(&b, "invoices", id, "amount_remaining"), "2000");
    events(&b, "invoiceitem.created invoice.created invoice.finalized credit_note.created "
               "invoice.updated credit_note.voided invoice.updated ");
    billing_close(&b);
}

static void a_clock_goes_two_intervals(void **state) {
    struct billing b;
    char path[128], form[64];
    billing_open(&b, "pm_card_visa");
    subscribe(&b, "");
    snprintf(path, sizeof path, "POST /v1/test_helpers/test_clocks/%s/advance", b.clock);
    int64_t end = bill_period(START, 2, B("month"), 1);
    snprintf(form, sizeof form, "frozen_time=%lld", (long long)end + 1);
    assert_int_equal(house_ask(&b.h, path, form), 400);
    advance(&b, end);
    billing_close(&b);
}

// Whatever somebody types in: no sum passes what fits, and no time is so far that it takes long.
static void numbers_are_bounded(void **state) {
    static const struct {
        const char *what, *form;
        int status;
    } cases[] = {
        {"POST /v1/coupons", "percent_off=100", 200},
        {"POST /v1/coupons", "percent_off=100.5", 400},
        {"POST /v1/coupons", "percent_off=-1", 400},
        {"POST /v1/coupons", "amount_off=0&currency=usd", 400},
        {"POST /v1/customers", "balance=999999999999", 200},
        {"POST /v1/customers", "balance=1000000000000", 400},
        {"POST /v1/customers", "balance=-9223372036854775808", 400},
        {"POST /v1/test_helpers/test_clocks", "frozen_time=9223372036854775807", 400},
        {"POST /v1/test_helpers/test_clocks", "frozen_time=-1", 400},
        {"POST /v1/coupons", "percent_off=100.0", 200},
        {"POST /v1/coupons", "percent_off=0.0", 400},
        {"POST /v1/coupons", "percent_off=-0.5", 400},
    };
    struct billing b;
    billing_open(&b, "pm_card_visa");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (house_ask(&b.h, cases[i].what, cases[i].form) != cases[i].status)
            fail_msg("%s: %d", cases[i].form, b.h.status);
    assert_int_equal(bill_times(999999999999, 999999999999), 999999999999);
    assert_int_equal(bill_times(-999999999999, 999999999999), -999999999999);
    assert_int_equal(bill_times(-15, 3), -45);
    assert_int_equal(bill_part(999999999999, 1, 2), 500000000000);
    assert_int_equal(bill_part(-1500, 1, 3), -500);
    house_do(&b.h, "POST /v1/products", "name=%s", "Gold");
    house_do(&b.h, "POST /v1/prices",
             "product=%s&currency=usd&unit_amount=999999999999&recurring[interval]=year&"
             "recurring[interval_count]=999999999999",
             house_text(&b.h, "id"));
    char price[64];
    keep(&b, price);
    house_do(&b.h, "POST /v1/subscriptions",
             "customer=%s&items[0][price]=%s&items[0][quantity]=999999999999&payment_behavior="
             "default_incomplete",
             b.customer, price);
    assert_string_equal(look(&b, "invoices", house_text(&b.h, "latest_invoice"), "total"),
                        "999999999999");
    billing_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(periods_end_on_their_day),
        cmocka_unit_test(invoices_gather_and_are_paid),
        cmocka_unit_test(invoices_fail),
        cmocka_unit_test(discounts_take_off),
        cmocka_unit_test(a_subscription_lives),
        cmocka_unit_test(subscriptions_begin),
        cmocka_unit_test(trials_end_without_a_method),
        cmocka_unit_test(a_trial_is_ended),
        cmocka_unit_test(items_change_with_the_difference),
        cmocka_unit_test(schedules_go_through_their_phases),
        cmocka_unit_test(quotes_become_what_they_offer),
        cmocka_unit_test(credit_notes_take_off),
        cmocka_unit_test(numbers_are_bounded),
        cmocka_unit_test(a_clock_goes_two_intervals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
