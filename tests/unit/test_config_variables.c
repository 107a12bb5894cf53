// SPDX-License-Identifier: MIT
#include "config_fixture.h"

#include "config/variables.h"

#define SMALL "sources: [{path: /webhook, secrets: [{label: main, key: '${A}'}]}]\n"

static struct text errors, warnings;

// Reads a file and variables ("NAME=value", to a null).
static struct config *read_both(const char *yaml, const char *const *variables) {
    struct config_outside outside = fixture_outside;
    struct config *c;
    outside.variables = variables;
    text_reset(&errors);
    text_reset(&warnings);
    result r = config_read(bytes_of(yaml), "t.yaml", &outside, &c, &errors, &warnings);
    assert_int_equal(r == OK, errors.n == 0);
    assert_null(strstr(text_str(&errors), "Canary"));
    assert_null(strstr(text_str(&warnings), "Canary"));
    return c;
}

#define READ(yaml_, ...) read_both(yaml_, (const char *const[]){__VA_ARGS__, NULL})

#define EQUAL(bytes_, text_)                                                                       \
    do {                                                                                           \
        bytes equal_ = (bytes_);                                                                   \
        if (!bytes_equal(equal_, bytes_of(text_)))                                                 \
            fail_msg("\"%.*s\" is not \"%s\"", BYTES_ARG(equal_), text_);                          \
    } while (0)

static void refused(struct config *c, const char *said) {
    assert_null(c);
    if (strstr(text_str(&errors), said) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text_str(&errors), said);
}

static void no_two_keys_have_one_variable(void **state) {
    for (int i = 0; i < KEYS; i++)
        for (int k = 0; k < i; k++) {
            OWN(text_drop)
            struct text a = {0}, b = {0};
            key_variable(&keys[i], B("0"), &a);
            key_variable(&keys[k], B("0"), &b);
            assert_string_not_equal(text_str(&a), text_str(&b));
        }
}

// The node of a row, by the first entry of every list.
static struct node *node_of(struct node *root, const struct key_row *row) {
    bytes path = bytes_of(row->path);
    struct node *n = root;
    while (path.n > 0) {
        bytes part = bytes_cut(&path, '.');
        bool list = bytes_ends(part, B("[]"));
        part.n -= list ? 2 : 0;
        for (n = n->first; n != NULL && !bytes_equal(n->key, part);)
            n = n->next;
        assert_non_null(n);
        if (list)
            n = n->first;
        assert_non_null(n);
    }
    return n;
}

static void every_row_has_its_variable(void **state) {
    static const struct {
        const char *value;
        enum node_shape shape;
        size_t count;
    } forms[] = {
        [FORM_SCALAR] = {"a, b", NODE_SCALAR, 0}, [FORM_SCALARS] = {"a, b", NODE_LIST, 2},
        [FORM_MAP] = {"{a: b}", NODE_MAP, 1},     [FORM_MAPS] = {"[{a: b}, {c: d}]", NODE_LIST, 2},
        [FORM_FREE] = {"{a.b: c}", NODE_MAP, 1},
    };
    for (int i = 0; i < KEYS; i++) {
        OWN(arena_drop)
        struct arena memory;
        OWN(text_drop)
        struct text name = {0}, entry = {0};
        struct node *root;
        size_t used;
        arena_init(&memory, 1 << 20);
        key_variable(&keys[i], B("0"), &name);
        text_addf(&entry, "%s=%s", text_str(&name), forms[key_form(&keys[i])].value);
        const char *const variables[] = {text_str(&entry), NULL};
        struct config_outside outside = {.variables = variables};
        struct reading r = {.name = "t.yaml",
                            .outside = &outside,
                            .memory = &memory,
                            .errors = &errors,
                            .warnings = &warnings};
        text_reset(&errors);
        assert_null(tree_add(&r, NULL, NODE_MAP, 1, &root));
        assert_null(variables_apply(&r, root, &used));
        assert_string_equal(text_str(&errors), "");
        assert_int_equal(used, 1);
        const struct node *n = node_of(root, &keys[i]);
        assert_string_equal(n->place, text_str(&name));
        assert_int_equal(n->line, 0);
        assert_int_equal(n->shape, forms[key_form(&keys[i])].shape);
        assert_int_equal(n->count, forms[key_form(&keys[i])].count);
        if (n->shape == NODE_SCALAR)
            EQUAL(n->raw, "a, b");
    }
}

// --- a whole configuration, once in a file and once in variables

struct listing {
    struct text all[200];
    const char *entries[201];
    size_t n;
};

static void add_scalar(const struct node *n, struct text *out) {
    text_addf(out, "'%.*s'", BYTES_ARG(n->raw));
}

static void add_yaml(const struct node *n, struct text *out) {
    if (n->shape == NODE_SCALAR) {
        add_scalar(n, out);
        return;
    }
    text_addc(out, n->shape == NODE_MAP ? '{' : '[');
    for (const struct node *child = n->first; child != NULL; child = child->next) {
        if (n->shape == NODE_MAP)
            text_addf(out, "'%.*s': ", BYTES_ARG(child->key));
        add_yaml(child, out);
        text_adds(out, child->next != NULL ? ", " : "");
    }
    text_addc(out, n->shape == NODE_MAP ? '}' : ']');
}

static void list_value(const struct node *n, const char *name, enum key_form form,
                       struct listing *l) {
    struct text *out = &l->all[l->n++];
    text_addf(out, "%s=", name);
    if (form == FORM_FREE)
        add_yaml(n, out);
    else if (n->shape == NODE_SCALAR)
        text_add(out, n->raw);
    for (const struct node *child = n->first; child != NULL && form != FORM_FREE;
         child = child->next)
        text_addf(out, "%.*s%s", BYTES_ARG(child->raw), child->next != NULL ? ", " : "");
    l->entries[l->n - 1] = text_str(out);
}

static void list_map(const struct node *map, const struct key_row *row, const char *name,
                     struct listing *l) {
    for (const struct node *n = map->first; n != NULL; n = n->next) {
        const struct key_row *inner = key_find(row, n->key);
        OWN(text_drop)
        struct text part = {0};
        text_addf(&part, "%s_", name);
        for (size_t i = 0; i < n->key.n; i++)
            text_addc(&part, (char)(n->key.p[i] == '_' ? '_' : n->key.p[i] & ~0x20));
        enum key_form form = key_form(inner);
        if (form == FORM_MAP)
            list_map(n, inner, text_str(&part), l);
        else if (form != FORM_MAPS)
            list_value(n, text_str(&part), form, l);
        for (const struct node *e = n->first; e != NULL && form == FORM_MAPS; e = e->next) {
            OWN(text_drop)
            struct text entry = {0};
            text_addf(&entry, "%s_%zu", text_str(&part), e->index);
            list_map(e, inner, text_str(&entry), l);
        }
    }
}

static void the_environment_alone_can_say_everything(void **state) {
    OWN(arena_drop)
    struct arena memory;
    static struct listing l;
    struct node *root;
    arena_init(&memory, 1 << 20);
    struct reading r = {.name = "t", .memory = &memory, .errors = &errors, .warnings = &warnings};
    assert_null(tree_read(&r, bytes_of(fixture_full), &root));
    list_map(root, NULL, "HOOKKEEP", &l);
    assert_true(l.n > 40);
    OWN(fixture_drop)
    struct config *file = read_both(fixture_full, NULL);
    OWN(fixture_drop)
    struct config *c = read_both("", l.entries);
    assert_string_equal(text_str(&errors), "");
    assert_int_equal(c->variables, l.n);
    assert_true(bytes_equal(c->plan->json, file->plan->json));
    assert_memory_equal(&c->limits, &file->limits, sizeof c->limits);
    assert_int_equal(c->journal_size, file->journal_size);
    assert_int_equal(c->listen_count, file->listen_count);
    assert_int_equal(c->loops, file->loops);
    assert_true(c->log_json);
    EQUAL(c->ledger_path, "books.db");
    EQUAL(c->ca_file, "ca.pem");
    EQUAL(c->certificate, "cert.pem");
    EQUAL(c->sources[0].secrets[0].key, CANARY_A);
    EQUAL(c->sources[0].secrets[1].key, CANARY_B);
    EQUAL(c->destinations[1].secret, CANARY_A);
    for (size_t i = 0; i < l.n; i++)
        text_drop(&l.all[i]);
}

static void a_variable_wins_over_the_file(void **state) {
    OWN(fixture_drop)
    struct config *c =
        READ(SMALL "log: {level: error, format: json}\nlisten: [unix:a, unix:b]\n",
             "HOOKKEEP_LOG_LEVEL=debug", "HOOKKEEP_LISTEN=unix:c", "HOOKKEEP_JOURNAL_SIZE=64MiB",
             "HOOKKEEP_SOURCES_0_OWNER=acct_1", "HOOKKEEP_SOURCES_0_SECRETS_1_LABEL=new",
             "HOOKKEEP_SOURCES_0_SECRETS_1_KEY=file:b", "HOOKKEEP_SOURCES_1_PATH=/other",
             "HOOKKEEP_SOURCES_1_SECRETS=[{label: x, key: '${C}'}]");
    assert_string_equal(text_str(&errors), "");
    EQUAL(c->log_level, "debug");
    assert_true(c->log_json);
    assert_int_equal(c->listen_count, 1);
    EQUAL(c->listen[0], "unix:c");
    assert_int_equal(c->journal_size, 64 << 20);
    assert_int_equal(c->source_count, 2);
    EQUAL(c->sources[0].path, "/webhook");
    EQUAL(c->sources[0].owner, "acct_1");
    EQUAL(c->sources[0].secrets[0].key, CANARY_A);
    EQUAL(c->sources[0].secrets[1].key, CANARY_B);
    EQUAL(c->sources[1].path, "/other");
    EQUAL(c->sources[1].secrets[0].key, CANARY_C);
}

static void a_variable_for_less_wins_over_one_for_more(void **state) {
    OWN(fixture_drop)
    struct config *c =
        READ(SMALL "destinations: [{name: gone, url: 'http://g', secret: '${A}'}]\n",
             "HOOKKEEP_DESTINATIONS_1_URL=http://c",
             "HOOKKEEP_DESTINATIONS=[{name: a, url: 'http://a', secret: '${B}'},"
             " {name: b, url: 'http://b', secret: '${B}'}]",
             "HOOKKEEP_DESTINATIONS_0={name: d, url: 'http://d', secret: '${A}'}",
             "HOOKKEEP_DESTINATIONS_0_RETRY=[]", "HOOKKEEP_DESTINATIONS_1_RETRY=1s,2s ,3s");
    assert_string_equal(text_str(&errors), "");
    assert_int_equal(c->destination_count, 2);
    EQUAL(c->destinations[0].name, "d");
    EQUAL(c->destinations[0].secret, CANARY_A);
    EQUAL(c->destinations[1].name, "b");
    EQUAL(c->destinations[1].url, "http://c");
    assert_int_equal(c->plan->destinations[0].retry_count, 0);
    assert_int_equal(c->plan->destinations[1].retry_count, 3);
}

static void an_empty_variable_is_none(void **state) {
    OWN(fixture_drop)
    struct config *c =
        READ(SMALL, "HOOKKEEP_LOG_LEVEL=", "HOOKKEEP_NONSENSE=", "HOOKKEEP_=", "HOOKKEEP",
             "HOOKKEEP_SOURCES_0_SECRETS_0_KEY=");
    assert_string_equal(text_str(&errors), "");
    EQUAL(c->log_level, "info");
    EQUAL(c->sources[0].secrets[0].key, CANARY_A);
    assert_int_equal(c->variables, 0);
}

static void messages_name_the_variable(void **state) {
    refused(READ(SMALL, "HOOKKEEP_LOG_LEVEL=loud"),
            "HOOKKEEP_LOG_LEVEL: log.level: found `loud`; expected one of ");
    refused(READ(SMALL, "HOOKKEEP_SOURCES_0_SECRETS_0_KEY=whsec_Canary"),
            "HOOKKEEP_SOURCES_0_SECRETS_0_KEY: sources[0].secrets[0].key: the secret has fewer");
    refused(READ(SMALL, "HOOKKEEP_SOURCES_1_PATH=/b"), "HOOKKEEP_SOURCES_1: sources[1]: secrets is "
                                                       "missing");
    refused(READ(SMALL, "HOOKKEEP_SOURCES=[{path: /a, secrets: ["),
            ": this is not YAML: did not find");
    refused(READ(SMALL, "HOOKKEEP_SOURCES=[&a {path: /a}]"), "HOOKKEEP_SOURCES:1: found an anchor");
    refused(READ(SMALL, "HOOKKEEP_LIMITS=5"), "HOOKKEEP_LIMITS: limits: found");
    refused(READ(SMALL, "HOOKKEEP_LIMITS=#"), "HOOKKEEP_LIMITS: limits: found");
    refused(READ(SMALL, "HOOKKEEP_LIMITS={haed: 1KiB}"),
            "HOOKKEEP_LIMITS: limits.haed: unknown key; did you mean `head`");
    refused(READ("limits: 5\n" SMALL, "HOOKKEEP_LIMITS_HEAD=1KiB"), "t.yaml:1: limits: found `5`");
    refused(READ("sources: 5\n", "HOOKKEEP_SOURCES_0_PATH=/a"), "t.yaml:1: sources: found `5`");
    refused(READ(SMALL, "HOOKKEEP_SOURCES_1={path: /webhook, secrets: [{label: a, key: '${B}'}]}"),
            "HOOKKEEP_SOURCES_1: sources[1].path: the source in line 1 has the same path");
    refused(READ(SMALL, "HOOKKEEP_DESTINATIONS=[{name: a, url: 'http://a', secret: '${A}'},"
                        "{name: a, url: 'http://a', secret: '${A}'}]"),
            "HOOKKEEP_DESTINATIONS: destinations[1].name: the destination in "
            "HOOKKEEP_DESTINATIONS has the same name");
    refused(READ("", "HOOKKEEP_JOURNAL_SIZE=64MiB"), "t.yaml: sources is missing");
    refused(READ(SMALL, "HOOKKEEP_DESTINATIONS_0_MATCH_0_TYPES=a, ,b"), "[1]: is empty");
    refused(
        READ(SMALL, "HOOKKEEP_DESK_ALLOW_PRIVATE=10.1.0.0/8"),
        "HOOKKEEP_DESK_ALLOW_PRIVATE: desk.allow_private: found `10.1.0.0/8`; expected a network");
}

static void an_unknown_variable_is_refused_with_the_nearest(void **state) {
    refused(READ(SMALL, "HOOKKEEP_JOURNAL_SIZ=64MiB"),
            "HOOKKEEP_JOURNAL_SIZ: no key has this variable; did you mean HOOKKEEP_JOURNAL_SIZE?");
    refused(READ(SMALL, "HOOKKEEP_SOURCES_0_PAHT=/x"), "did you mean HOOKKEEP_SOURCES_0_PATH?");
    refused(READ(SMALL, "HOOKKEEP_SOURCE_0_PATH=/x"), "did you mean HOOKKEEP_SOURCES_0_PATH?");
    refused(READ(SMALL, "HOOKKEEP_CONFG=x"), "did you mean HOOKKEEP_CONFIG?");
    refused(READ(SMALL, "HOOKKEEP_ZEBRA_CROSSING=x"), "`hookkeep help configuration`");
    refused(READ(SMALL, "HOOKKEEP_SOURCES_2_PATH=/x"), "HOOKKEEP_SOURCES_2_PATH: there is no entry "
                                                       "before this one");
    refused(READ(SMALL, "HOOKKEEP_SOURCES_2={path: /x}"), "there is no entry before this one");
    refused(READ(SMALL, "HOOKKEEP_SOURCES_00_PATH=/x"), "there is no entry before this one");
    refused(READ(SMALL, "HOOKKEEP_LISTEN_0=unix:a"), "did you mean HOOKKEEP_LISTEN?");
    refused(READ(SMALL, "HOOKKEEP_whsec_CanaryA=1"), "HOOKKEEP_… (22 characters): no key");
}

static void what_others_set_is_passed_over(void **state) {
    OWN(fixture_drop)
    struct config *c = READ(SMALL, "HOOKKEEP_CONFIG=/x", "HOOKKEEP_API=x", "HOOKKEEP_KEY=x",
                            "HOOKKEEP_PORT=tcp://10.0.0.1:4242", "HOOKKEEP_SERVICE_HOST=10.0.0.1",
                            "HOOKKEEP_PORT_4242_TCP_ADDR=10.0.0.1", "HOOKKEEPER=1", "PATH=/bin");
    assert_string_equal(text_str(&errors), "");
    assert_int_equal(c->variables, 0);
    const char *const variables[] = {"HOOKKEEP_EVENT_ID=evt_1", "HOOKKEEP_LOG_LEVEL=debug", NULL};
    struct config_outside outside = fixture_outside;
    outside.variables = variables;
    outside.others_pass = true;
    OWN(fixture_drop)
    struct config *client = NULL;
    assert_null(config_read(B(SMALL), "t.yaml", &outside, &client, &errors, &warnings));
    EQUAL(client->log_level, "debug");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_keys_have_one_variable),
        cmocka_unit_test(every_row_has_its_variable),
        cmocka_unit_test(the_environment_alone_can_say_everything),
        cmocka_unit_test(a_variable_wins_over_the_file),
        cmocka_unit_test(a_variable_for_less_wins_over_one_for_more),
        cmocka_unit_test(an_empty_variable_is_none),
        cmocka_unit_test(messages_name_the_variable),
        cmocka_unit_test(an_unknown_variable_is_refused_with_the_nearest),
        cmocka_unit_test(what_others_set_is_passed_over),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    text_drop(&errors);
    text_drop(&warnings);
    return failed;
}
