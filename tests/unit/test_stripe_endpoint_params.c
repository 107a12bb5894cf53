// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stripe/endpoint_params.h"
#include "stripe/form.h"

#define GOOD "url=https://a.example/h&enabled_events[]=charge.failed"

// Reads the form; null when it is taken, else the parameter that is at fault.
static const char *fault_of(const char *form, bool new, char param[64],
                            void (*look)(const struct endpoint_params *p)) {
    OWN(text_drop)
    struct text in = {0}, why = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(api_refusal_drop)
    struct api_refusal refusal = {0};
    struct endpoint_params p;
    assert_null(form_read(bytes_of(form), &in, &why));
    assert_null(json_parse(text_bytes(&in), &doc));
    bool read = endpoint_params_read(json_root(doc), new, &p, &refusal);
    assert_true(read == (refusal.message.n == 0));
    if (read && look != NULL)
        look(&p);
    (void)snprintf(param, 64, "%s", text_str(&refusal.param));
    return read ? NULL : param;
}

static void look_at_all(const struct endpoint_params *p) {
    assert_true(bytes_equal(p->url, B("http://[2001:db8::1]:8080/h?k=v")));
    assert_int_equal(json_size(p->enabled_events), 2);
    assert_true(bytes_equal(json_string(p->description), B("two words")));
    assert_true(bytes_equal(json_string(json_get(p->metadata, "site")), B("shop")));
    assert_true(bytes_equal(p->api_version, B("2026-10-28.endive")));
    assert_true(p->connect && !p->disabled_given);
}

static void look_at_change(const struct endpoint_params *p) {
    assert_true(p->url.n == 0 && json_type(p->enabled_events) == JSON_ABSENT);
    assert_true(json_type(p->description) == JSON_STRING && json_string(p->description).n == 0);
    assert_true(json_type(p->metadata) == JSON_STRING);
    assert_true(p->disabled_given && p->disabled);
}

static void look_at_enabled(const struct endpoint_params *p) {
    assert_true(p->disabled_given && !p->disabled);
}

static void taken(void **state) {
    char param[64] = "";
    assert_null(fault_of("url=http://[2001:db8::1]:8080/h?k%3Dv&enabled_events[1]=charge.failed&"
                         "enabled_events[0]=invoice.paid&description=two+words&metadata[site]=shop&"
                         "api_version=2026-10-28.endive&connect=true&expand[]=x",
                         true, param, look_at_all));
    assert_null(fault_of("description=&metadata=&disabled=true", false, param, look_at_change));
    assert_null(fault_of("description=&metadata=&disabled=True", false, param, look_at_change));
    assert_null(fault_of("disabled=False", false, param, look_at_enabled));
    assert_null(fault_of("", false, param, NULL));
    assert_null(fault_of("url=https://a.example&enabled_events[]=%2A", true, param, NULL));
}

static void refused(void **state) {
    static const struct {
        const char *form, *param;
        bool changes;
    } rows[] = {
        {"enabled_events[]=*", "url"},
        {"url=&enabled_events[]=*", "url"},
        {"url[a]=b&enabled_events[]=*", "url"},
        {"url=a.example/h&enabled_events[]=*", "url"},
        {"url=ftp://a.example/h&enabled_events[]=*", "url"},
        {"url=https://&enabled_events[]=*", "url"},
        {"url=https://u:p@a.example/&enabled_events[]=*", "url"},
        {"url=https://a.example/%23x&enabled_events[]=*", "url"},
        {"url=https://a.example:0/&enabled_events[]=*", "url"},
        {"url=https://a.example/ %C3%A4&enabled_events[]=*", "url"},
        {"url=https://a.example/", "enabled_events"},
        {"url=https://a.example/&enabled_events=*", "enabled_events"},
        {"url=https://a.example/&enabled_events[a]=*", "enabled_events"},
        {"url=https://a.example/&enabled_events[]=", "enabled_events[0]"},
        {"url=https://a.example/&enabled_events[]=charge.failed&enabled_events[]=*",
         "enabled_events[1]"},
        {"url=https://a.example/&enabled_events[]=charge.*", "enabled_events[0]"},
        {"url=https://a.example/&enabled_events[]=v1.charge.failed", "enabled_events[0]"},
        {GOOD "&api_version=latest", "api_version"},
        {GOOD "&api_version=2026-10-28.ENDIVE", "api_version"},
        {GOOD "&connect=1", "connect"},
        {GOOD "&description[a]=b", "description"},
        {GOOD "&metadata=x", "metadata"},
        {GOOD "&metadata[]=x", "metadata"},
        {GOOD "&metadata[a][b]=x", "metadata"},
        {GOOD "&metadata[01234567890123456789012345678901234567890]=x", "metadata"},
        {GOOD "&disabled=true", "disabled"},
        {GOOD "&secret=whsec_1", "secret"},
        {"connect=true", "connect", true},
        {"api_version=2026-10-28.endive", "api_version", true},
        {"disabled=yes", "disabled", true},
        {"url=", "url", true},
        {"enabled_events[]=nothing", "enabled_events[0]", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char param[64] = "";
        const char *at = fault_of(rows[i].form, !rows[i].changes, param, NULL);
        if (at == NULL || strcmp(at, rows[i].param) != 0)
            fail_msg("%s: %s", rows[i].form, at == NULL ? "taken" : at);
    }
}

static void tells_what_is_meant(void **state) {
    static const struct {
        const char *types, *end;
    } rows[] = {
        {"[\"charge.refund\"]", "`charge.refund` is none; did you mean `charge.refunded`?"},
        {"[\"charge.*\"]", "`charge.*` is none; name each of them."},
        {"[\"something.else.entirely\"]", "`something.else.entirely` is none."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        OWN(json_close)
        struct json_doc *doc = NULL;
        OWN(api_refusal_drop)
        struct api_refusal why = {0};
        assert_null(json_parse(bytes_of(rows[i].types), &doc));
        assert_false(endpoint_events_check(json_root(doc), "enabled_events", false, &why));
        if (!bytes_ends(text_bytes(&why.message), bytes_of(rows[i].end)))
            fail_msg("%s: %s", rows[i].types, text_str(&why.message));
    }
}

// As a body of /v2 has it: what a form cannot say.
static void metadata_in_json(void **state) {
    static const struct {
        const char *json;
        bool taken;
    } rows[] = {
        {"{}", true},
        {"{\"a\":\"1\",\"b\":null}", true},
        {"{\"a\":1}", false},
        {"{\"\":\"1\"}", false},
        {"{\"a\":\"1\",\"a\":\"2\"}", false},
        {"[\"a\"]", false},
        {"null", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        OWN(json_close)
        struct json_doc *doc = NULL;
        OWN(api_refusal_drop)
        struct api_refusal why = {0};
        assert_null(json_parse(bytes_of(rows[i].json), &doc));
        if (endpoint_metadata_check(json_root(doc), &why) != rows[i].taken)
            fail_msg("%s: %s", rows[i].json, text_str(&why.message));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken),
        cmocka_unit_test(refused),
        cmocka_unit_test(tells_what_is_meant),
        cmocka_unit_test(metadata_in_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
