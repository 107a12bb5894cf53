// SPDX-License-Identifier: MIT
// What holds for every resource, and for a sample of moves; accounts, issued cards, sources, meters
// and the portal.
#include "stripe/sample.h"
#include "twin/resource.h"
#include "twin_house.h"

// --- every row

static void every_type_has_a_sample(void **state) {
    size_t types = 0;
    for (size_t i = 0; i < twin_resource_count; i++) {
        const struct twin_resource *r = &twin_resources[i];
        for (size_t k = 0; k < r->move_count; k++) {
            bytes rest = bytes_of(r->moves[k].emits);
            for (; rest.n > 0; types++) {
                bytes type = bytes_cut(&rest, '|');
                if (sample_find(type) == NULL)
                    fail_msg("%s: %.*s has no sample", r->object, BYTES_ARG(type));
            }
        }
    }
    assert_true(types > 60);
}

static const struct twin_move *creation(const struct twin_resource *r) {
    for (size_t k = 0; k < r->move_count; k++)
        if (r->moves[k].what == DO_CREATE)
            return &r->moves[k];
    return NULL;
}

static bool make(struct twin_house *h, const struct twin_resource *r, int depth, struct text *id);

// The first member of a map: [address][city]=x.
static void add_member(json model, struct text *form) {
    bytes key;
    json one;
    size_t at = 0;
    if (json_type(model) != JSON_OBJECT || !json_member(model, &at, &key, &one)) {
        text_adds(form, "=x");
        return;
    }
    text_addc(form, '[');
    text_add(form, key);
    text_addc(form, ']');
    add_member(one, form);
}

static void add_map(const char *of, struct text *form) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    assert_true(json_parse(bytes_of(of), &doc) == OK);
    add_member(json_root(doc), form);
}

// A value that the field takes; false: what it refers to cannot be made.
static bool add_value(struct twin_house *h, const struct twin_field *f, int depth,
                      struct text *form) {
    OWN(text_drop)
    struct text id = {0};
    bytes of = bytes_of(f->of), first = bytes_cut(&of, '|');
    text_addf(form, "%s%s", form->n > 0 ? "&" : "", f->name);
    switch (f->type) {
    case FIELD_INTEGER:
    case FIELD_NUMBER:
    case FIELD_DECIMAL: text_adds(form, "=1000"); return true;
    case FIELD_TIME: text_adds(form, "=1790000000"); return true;
    case FIELD_BOOLEAN: text_adds(form, "=true"); return true;
    case FIELD_CURRENCY: text_adds(form, "=usd"); return true;
    case FIELD_MAP: add_map(f->of, form); return true;
    case FIELD_WORD:
        text_addc(form, '=');
        text_add(form, first);
        return true;
    case FIELD_REF:
        text_addc(form, '=');
        if (depth > 4 || !make(h, twin_resource_find(first), depth + 1, &id))
            return false;
        text_add(form, text_bytes(&id));
        return true;
    default: text_adds(form, "=x"); return true;
    }
}

// Makes one of what it takes at least.
static bool make(struct twin_house *h, const struct twin_resource *r, int depth, struct text *id) {
    OWN(text_drop)
    struct text form = {0}, what = {0};
    const struct twin_move *m = creation(r);
    if (r->standing != NULL) { // the first of them
        bytes rest = bytes_of(r->standing);
        (void)bytes_cut(&rest, '"');
        text_add(id, bytes_cut(&rest, '"'));
        return true;
    }
    if (m == NULL || strstr(m->path, "{") != NULL)
        return false;
    const struct twin_field *fields = m->fields != NULL ? m->fields : r->fields;
    size_t n = m->fields != NULL ? m->field_count : r->field_count;
    for (size_t i = 0; i < n; i++)
        if (fields[i].required && fields[i].on_create && strchr(fields[i].name, '.') == NULL &&
            !add_value(h, &fields[i], depth, &form))
            return false;
    text_addf(&what, "POST /%s", m->path);
    int status = house_ask(h, text_str(&what), text_str(&form));
    text_reset(id);
    text_adds(id, house_text(h, "id"));
    if (status == 200)
        return true;
    assert_int_equal(status, 400); // and why
    assert_string_equal(house_text(h, "error.type"), "invalid_request_error");
    assert_true(strlen(house_text(h, "error.message")) > 10);
    return false;
}

static void every_resource_is_made_or_says_why(void **state) {
    size_t made = 0;
    for (size_t i = 0; i < twin_resource_count; i++) {
        struct twin_house h;
        OWN(text_drop)
        struct text id = {0};
        house_open(&h);
        const struct twin_resource *r = &twin_resources[i];
        if (r->standing == NULL && make(&h, r, 0, &id)) {
            OWN(text_drop)
            struct text get = {0};
            made++;
            assert_string_equal(house_text(&h, "object"), r->object);
            text_addf(&get, "GET /%s/%s", r->path, text_str(&id));
            if (house_ask(&h, text_str(&get), "") == 200)
                assert_string_equal(house_text(&h, "id"), text_str(&id));
            else // some are made and never asked for
                assert_int_equal(h.status, 404);
        }
        house_close(&h);
    }
    assert_true(made >= 20); // the others want one of several parameters, or a list
}

// --- what is refused changes nothing

// {0} is the first answer's id.
static void put_ids(bytes in, struct text ids[4], struct text *out) {
    for (; in.n > 0; in = bytes_slice(in, 1, in.n)) {
        bool names = in.n > 2 && in.p[0] == '{' && in.p[2] == '}';
        if (names)
            text_add(out, text_bytes(&ids[in.p[1] - '0']));
        else
            text_addc(out, (char)in.p[0]);
        if (names)
            in = bytes_slice(in, 2, in.n);
    }
}

// "POST /v1/customers name=Ada", whose answer's id is kept.
static void prepare(struct twin_house *h, const char *request, struct text ids[4], size_t k) {
    OWN(text_drop)
    struct text form = {0}, what = {0};
    bytes rest = bytes_of(request);
    text_add(&what, bytes_cut(&rest, ' '));
    text_addc(&what, ' ');
    text_add(&what, bytes_cut(&rest, ' '));
    put_ids(rest, ids, &form);
    house_do(h, text_str(&what), "%s", text_str(&form));
    text_adds(&ids[k], house_text(h, "id"));
}

static void state_of(struct twin_house *h, struct text *out) {
    OWN(text_drop)
    struct text whole = {0};
    twin_save(h->world, &whole);
    bytes all = text_bytes(&whole);
    text_add(out, bytes_slice(all, bytes_search(all, B(",\"made\"")), all.n)); // but randomness
}

static void what_is_refused_changes_nothing(void **state) {
    // Those before are done; the last is refused. {n} is the nth answer's id.
    static const struct {
        const char *before[4], *what, *form;
        int status;
    } cases[] = {
        {{NULL}, "POST /v1/customers", "name=Ada&payment_method=pm_card_visa&balance=x", 400},
        {{NULL}, "POST /v1/customers", "name=Ada&source=tok_visa&tax_exempt=maybe", 400},
        {{NULL}, "POST /v1/customers", "name=Ada&expand[]=nothing", 400},
        {{"POST /v1/customers name=Ada"}, "POST /v1/customers/{0}", "name=Eve&tax_exempt=no", 400},
        {{"POST /v1/customers name=Ada"}, "DELETE /v1/customers/{0}", "really=yes", 400},
        {{"POST /v1/payment_intents amount=500&currency=usd"},
         "POST /v1/payment_intents/{0}/capture",
         "",
         400},
        {{"POST /v1/payment_intents amount=500&currency=usd"},
         "POST /v1/payment_intents/{0}/confirm",
         "payment_method=pm_card_visa&colour=red",
         400},
        {{"POST /v1/customers name=Ada"},
         "POST /v1/subscriptions",
         "customer={0}&items[0][price]=price_1",
         400},
        {{"POST /v1/customers name=Ada", "POST /v1/invoices customer={0}"},
         "POST /v1/invoices/{1}/void",
         "",
         400},
        {{"POST /v1/accounts type=custom"},
         "POST /v1/accounts/{0}",
         "capabilities[transfers][requested]=true&external_account=btok_nobody",
         400},
        {{"POST /v1/customers name=Ada"},
         "POST /v1/customers/{0}/sources",
         "source=tok_visa&colour=red",
         400},
        {{"POST /v1/test_helpers/test_clocks frozen_time=1790000000"},
         "POST /v1/test_helpers/test_clocks/{0}/advance",
         "frozen_time=1700000000",
         400},
        {{"POST /v1/billing/meters event_name=cups&display_name=Cups&"
          "default_aggregation[formula]=sum"},
         "POST /v1/billing/meters",
         "event_name=cups&display_name=Cups&default_aggregation[formula]=sum",
         400},
        {{NULL}, "GET /v1/reporting/report_types", "limit=1000", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct twin_house h;
        OWN(text_drop)
        struct text before = {0}, after = {0}, what = {0}, form = {0};
        struct text ids[4] = {0};
        house_open(&h);
        for (size_t k = 0; k < 4 && cases[i].before[k] != NULL; k++)
            prepare(&h, cases[i].before[k], ids, k);
        put_ids(bytes_of(cases[i].what), ids, &what);
        put_ids(bytes_of(cases[i].form), ids, &form);
        state_of(&h, &before);
        if (house_ask(&h, text_str(&what), text_str(&form)) != cases[i].status)
            fail_msg("%s: %d", cases[i].what, h.status);
        state_of(&h, &after);
        if (!bytes_equal(text_bytes(&before), text_bytes(&after)))
            fail_msg("%s %s changed something", cases[i].what, cases[i].form);
        for (size_t k = 0; k < 4; k++)
            text_drop(&ids[k]);
        house_close(&h);
    }
}

// --- connected accounts, and what takes their payouts

// A request to an object of the last answer: "POST /v1/accounts/%s".
static void ask_of(struct twin_house *h, const char *format, const char *id, const char *form) {
    OWN(text_drop)
    struct text what = {0};
    text_addf(&what, format, id);
    house_do(h, text_str(&what), "%s", form);
}

static void accounts_may_what_is_known_of_them(void **state) {
    struct twin_house h;
    char id[64];
    house_open(&h);
    house_do(&h, "POST /v1/accounts", "%s", "type=custom&capabilities[transfers][requested]=true");
    snprintf(id, sizeof id, "%s", house_text(&h, "id"));
    assert_string_equal(house_text(&h, "capabilities.transfers"), "inactive");
    assert_string_equal(house_text(&h, "payouts_enabled"), "false");
    assert_string_equal(house_text(&h, "requirements.currently_due.0"), "tos_acceptance.date");
    ask_of(&h, "POST /v1/accounts/%s", id,
           "tos_acceptance[date]=1790000000&capabilities[card_payments][requested]=true");
    assert_string_equal(house_text(&h, "capabilities.transfers"), "active");
    assert_string_equal(house_text(&h, "charges_enabled"), "true");
    house_events(&h, "capability.updated account.updated ");
    assert_string_equal(house_told(&h, "account"), id);
    assert_string_equal(house_told(&h, "data.previous_attributes.payouts_enabled"), "false");
    ask_of(&h, "GET /v1/accounts/%s/capabilities/transfers", id, "");
    assert_string_equal(house_text(&h, "status"), "active");
    ask_of(&h, "POST /v1/accounts/%s/capabilities/card_payments", id, "requested=false");
    house_events(&h, "capability.updated account.updated ");
    ask_of(&h, "GET /v1/accounts/%s/capabilities", id, "");
    assert_int_equal(json_size(house_at(&h, "data")), 2);
    ask_of(&h, "POST /v1/accounts/%s/external_accounts", id, "external_account=btok_us");
    house_events(&h, "account.external_account.created account.updated ");
    ask_of(&h, "GET /v1/accounts/%s", id, "");
    assert_string_equal(house_text(&h, "external_accounts.data.0.last4"), "6789");
    ask_of(&h, "POST /v1/accounts/%s/persons", id, "first_name=Ines");
    ask_of(&h, "DELETE /v1/accounts/%s", id, "");
    house_events(&h, "person.created account.application.deauthorized ");
    assert_string_equal(house_told(&h, "account"), id);
    assert_string_equal(house_told(&h, "data.object.object"), "application");
    // One that was never made is asked for by itself all the same.
    h.account = "acct_1Nobody";
    house_do(&h, "GET /v1/account", "%s", "");
    assert_string_equal(house_text(&h, "id"), "acct_1Nobody");
    house_close(&h);
}

static void sources_pay_by_themselves(void **state) {
    struct twin_house h;
    char customer[64], first[64];
    house_open(&h);
    house_do(&h, "POST /v1/customers", "%s", "name=Ada");
    snprintf(customer, sizeof customer, "%s", house_text(&h, "id"));
    house_take(&h);
    text_reset(&h.trace);
    ask_of(&h, "POST /v1/customers/%s/sources", customer,
           "source[object]=card&source[number]=4242424242424242&source[exp_month]=12&"
           "source[exp_year]=2040&source[cvc]=123&source[name]=Ada");
    snprintf(first, sizeof first, "%s", house_text(&h, "id"));
    assert_string_equal(house_text(&h, "last4"), "4242");
    assert_string_equal(house_text(&h, "cvc_check"), "pass");
    assert_string_equal(house_text(&h, "customer"), customer);
    house_events(&h, "customer.source.created customer.updated ");
    assert_string_equal(house_told(&h, "data.object.default_source"), first);
    ask_of(&h, "POST /v1/customers/%s/sources", customer, "source=btok_us_verified");
    house_events(&h, "customer.source.created ");
    ask_of(&h, "GET /v1/customers/%s/sources", customer, "");
    assert_int_equal(json_size(house_at(&h, "data")), 2);
    OWN(text_drop)
    struct text gone = {0};
    text_addf(&gone, "DELETE /v1/customers/%s/sources/%s", customer, first);
    house_do(&h, text_str(&gone), "%s", "");
    house_events(&h, "customer.source.deleted customer.updated ");
    // Somebody else's is nobody's here.
    house_do(&h, "POST /v1/customers", "%s", "name=Eve&source=tok_visa");
    house_events(&h, "customer.created customer.source.created ");
    text_reset(&gone);
    text_addf(&gone, "GET /v1/customers/%s/sources/%s", customer, house_text(&h, "default_source"));
    assert_int_equal(house_ask(&h, text_str(&gone), ""), 404);
    assert_int_equal(house_ask(&h, "POST /v1/customers", "source=tok_chargeDeclined"), 402);
    assert_string_equal(house_text(&h, "error.code"), "card_declined");
    house_close(&h);
}

// --- issued cards

static void dispute_it(struct twin_house *h, const char *authorization) {
    OWN(text_drop)
    struct text form = {0};
    ask_of(h, "GET /v1/issuing/authorizations/%s", authorization, "");
    text_addf(&form, "transaction=%s", house_text(h, "transactions.0.id"));
    house_do(h, "POST /v1/issuing/disputes", "%s", text_str(&form));
    assert_string_equal(house_text(h, "amount"), "700");
    ask_of(h, "POST /v1/issuing/disputes/%s/submit", house_text(h, "id"), "");
    assert_int_equal(house_ask(h, "POST /v1/issuing/disputes", text_str(&form)), 400);
}

static void authorizations_are_answered(void **state) {
    static const struct {
        const char *move, *events, *reason;
    } cases[] = {
        {"approve", "issuing_authorization.request issuing_authorization.created ",
         "webhook_approved"},
        {"decline", "issuing_authorization.request issuing_authorization.created ",
         "webhook_declined"},
        {NULL, "issuing_authorization.request issuing_authorization.created ", "webhook_timeout"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct twin_house h;
        char id[64];
        house_open(&h);
        house_do(&h, "POST /v1/issuing/cardholders", "%s",
                 "name=Noor&billing[address][city]=Portland");
        house_do(&h, "POST /v1/issuing/cards",
                 "type=virtual&currency=usd&status=active&"
                 "cardholder=%s",
                 house_text(&h, "id"));
        assert_string_equal(house_text(&h, "cardholder.name"), "Noor");
        house_take(&h);
        text_reset(&h.trace);
        house_do(&h, "POST /v1/test_helpers/issuing/authorizations", "amount=700&card=%s",
                 house_text(&h, "id"));
        snprintf(id, sizeof id, "%s", house_text(&h, "id"));
        assert_string_equal(house_text(&h, "pending_request.amount"), "700");
        if (cases[i].move != NULL) {
            OWN(text_drop)
            struct text what = {0};
            text_addf(&what, "POST /v1/issuing/authorizations/%s/%s", id, cases[i].move);
            house_do(&h, text_str(&what), "%s", "");
        }
        h.now_ms += 5000;
        twin_run(h.world, h.now_ms);
        house_events(&h, cases[i].events);
        assert_string_equal(house_told(&h, "data.object.request_history.0.reason"),
                            cases[i].reason);
        bool declined = i == 1;
        assert_string_equal(house_told(&h, "data.object.amount"), declined ? "0" : "700");
        OWN(text_drop)
        struct text capture = {0};
        text_addf(&capture, "POST /v1/test_helpers/issuing/authorizations/%s/capture", id);
        assert_int_equal(house_ask(&h, text_str(&capture), ""), declined ? 400 : 200);
        if (!declined)
            dispute_it(&h, id);
        house_events(&h, declined ? ""
                                  : "issuing_transaction.created issuing_authorization.updated "
                                    "issuing_dispute.created issuing_dispute.submitted ");
        house_close(&h);
    }
}

// --- meters, reports, the portal

static void usage_that_nobody_counts_is_told(void **state) {
    struct twin_house h;
    house_open(&h);
    house_do(&h, "POST /v1/customers", "%s", "name=Ada");
    OWN(text_drop)
    struct text body = {0};
    text_addf(&body,
              "{\"events\":[{\"event_name\":\"cups\",\"payload\":{\"value\":\"1\","
              "\"stripe_customer_id\":\"%s\"}},{\"event_name\":\"cups\",\"payload\":"
              "{\"value\":\"1\"}},{\"event_name\":\"mugs\",\"payload\":{}}]}",
              house_text(&h, "id"));
    house_do(&h, "POST /v1/billing/meters", "%s",
             "event_name=cups&display_name=Cups&default_aggregation[formula]=sum");
    assert_int_equal(house_ask_json(&h, "POST /v2/billing/meter_event_stream", text_str(&body)),
                     200);
    house_events(&h, "customer.created billing.meter.created "
                     "v1.billing.meter.error_report_triggered v1.billing.meter.no_meter_found ");
    house_close(&h);
}

static void standing_objects_are_there(void **state) {
    struct twin_house h;
    house_open(&h);
    house_do(&h, "GET /v1/reporting/report_types/payouts.summary.1", "%s", "");
    assert_string_equal(house_text(&h, "name"), "Payouts in sum");
    house_do(&h, "GET /v1/reporting/report_types", "%s", "");
    size_t n = json_size(house_at(&h, "data"));
    house_do(&h, "GET /v1/reporting/report_types", "%s", "");
    assert_int_equal(json_size(house_at(&h, "data")), n);
    assert_true(n > 5);
    house_do(&h, "GET /v1/tax_codes/txcd_99999999", "%s", "");
    house_do(&h, "POST /v1/reporting/report_runs", "%s", "report_type=balance.summary.1");
    assert_string_equal(house_text(&h, "status"), "pending");
    house_events(&h, "reporting.report_run.succeeded ");
    assert_string_equal(house_told(&h, "data.object.result.object"), "file");
    house_close(&h);
}

static void the_portal_has_a_configuration(void **state) {
    struct twin_house h;
    char configuration[64];
    house_open(&h);
    house_do(&h, "POST /v1/customers", "%s", "name=Ada");
    house_do(&h, "POST /v1/billing_portal/sessions", "customer=%s", house_text(&h, "id"));
    snprintf(configuration, sizeof configuration, "%s", house_text(&h, "configuration"));
    house_do(&h, "POST /v1/billing_portal/sessions", "customer=%s", house_text(&h, "customer"));
    assert_string_equal(house_text(&h, "configuration"), configuration);
    ask_of(&h, "GET /v1/billing_portal/configurations/%s", configuration, "");
    assert_string_equal(house_text(&h, "is_default"), "true");
    house_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_a_sample),
        cmocka_unit_test(every_resource_is_made_or_says_why),
        cmocka_unit_test(what_is_refused_changes_nothing),
        cmocka_unit_test(accounts_may_what_is_known_of_them),
        cmocka_unit_test(sources_pay_by_themselves),
        cmocka_unit_test(authorizations_are_answered),
        cmocka_unit_test(usage_that_nobody_counts_is_told),
        cmocka_unit_test(standing_objects_are_there),
        cmocka_unit_test(the_portal_has_a_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
