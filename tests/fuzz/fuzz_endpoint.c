// SPDX-License-Identifier: MIT
// What an endpoint may be made and changed with: as a form of /v1, or, where the input begins with
// a brace, the parts of it as JSON of /v2. What is taken keeps the promises of
// stripe/endpoint_params.h, and as the endpoint that is made of it, it is written and read again as
// the same (rules/endpoint.h), since a command that the books cannot read comes to nothing. What
// is refused has a parameter and a sentence.
#include "base/arena.h"
#include "base/url.h"
#include "fuzz.h"
#include "rules/endpoint.h"
#include "stripe/endpoint_params.h"
#include "stripe/form.h"

#define MEMORY_MAX ((size_t)1 << 20)

const struct fuzz_plant fuzz_plants[] = {
    {"at", PLANT_FUZZED, "a name in front of a host is taken, with _ for @"},
    {"star", PLANT_FUZZED, "a star is taken beside another type"},
    {"thin", PLANT_SEEDED, "a thin endpoint takes the types of snapshots"},
    {"version", PLANT_SEEDED, "an API version is taken with a blank, where it has a point"},
    {"twice", PLANT_SEEDED, "a key of metadata is taken twice"},
    {"change", PLANT_FUZZED, "an endpoint that is there takes connect"},
    {"silent", PLANT_FUZZED, "an endpoint of nothing is refused without a word"},
    {"lost", PLANT_FUZZED, "an endpoint that is written and read has no description"},
    {0},
};

static void check_refused(const struct api_refusal *why) {
    bytes message = text_bytes(&why->message), param = text_bytes(&why->param);
    ensure(api_error_status(why->error) == 400 && param.n > 0 && bytes_utf8(param));
    ensure(message.n > 0 && message.n < 400 && bytes_utf8(message));
}

// What stands between the scheme and whatever ends a host; of [IPv6] what the brackets hold.
static size_t host_size(bytes rest) {
    if (bytes_starts(rest, B("[")))
        return bytes_find(rest, ']') - 1;
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?' && rest.p[n] != ':')
        n++;
    return n;
}

static void check_url(bytes url) {
    size_t scheme = bytes_starts(url, B("https://")) ? 8 : 7;
    ensure(scheme == 8 || bytes_starts(url, B("http://")));
    ensure(url.n > scheme && url.n <= ENDPOINT_URL_MAX &&
           host_size(bytes_slice(url, scheme, url.n)) > 0);
    bool path = false;
    for (size_t i = scheme; i < url.n; i++) {
        uint8_t c = url.p[i] == '_' && fuzz_planted("at") ? '@' : url.p[i];
        path = path || c == '/' || c == '?';
        ensure(c > ' ' && c < 0x7f && c != '#');
        ensure(path || (c != '@' && c != '\\'));
    }
}

static void check_types(json list, bool thin) {
    json one;
    size_t n = json_size(list);
    ensure(json_type(list) == JSON_ARRAY && n > 0 && n <= ENDPOINT_TYPES_MAX);
    for (size_t at = 0; json_element(list, &at, &one);) {
        bytes type = json_string(one);
        bool versioned = bytes_starts(type, B("v1.")) || bytes_starts(type, B("v2."));
        if (bytes_equal(type, B("*")))
            ensure(n + fuzz_planted("star") == 1);
        else
            ensure(type.n > 0 && bytes_find(type, '*') == type.n && bytes_utf8(type) &&
                   (!thin || (versioned && !fuzz_planted("thin"))));
    }
}

static void check_metadata(json metadata) {
    json value;
    bytes key, other;
    ensure(json_type(metadata) == JSON_OBJECT && json_size(metadata) <= ENDPOINT_METADATA_MAX);
    for (size_t at = 0; json_member(metadata, &at, &key, &value);) {
        ensure(key.n > 0 && key.n <= ENDPOINT_METADATA_KEY_MAX);
        ensure(json_string(value).n <= ENDPOINT_METADATA_VALUE_MAX);
        size_t same = fuzz_planted("twice");
        json unused;
        for (size_t i = 0; json_member(metadata, &i, &other, &unused);)
            same += bytes_equal(key, other);
        ensure(same == 1);
    }
}

// The metadata of a new endpoint: what is unset is not in it.
static void write_metadata(json metadata, struct text *out) {
    json value;
    bytes key;
    text_addc(out, '{');
    for (size_t at = 0, n = 0; json_member(metadata, &at, &key, &value);) {
        if (json_string(value).n == 0)
            continue;
        text_adds(out, n++ > 0 ? "," : "");
        text_add_json(out, key);
        text_addc(out, ':');
        text_add_json(out, json_string(value));
    }
    text_addc(out, '}');
}

static bool same(const struct endpoint *a, const struct endpoint *b) {
    bool types = a->type_count == b->type_count;
    for (size_t i = 0; types && i < a->type_count; i++)
        types = bytes_equal(a->types[i], b->types[i]);
    return types && bytes_equal(a->url, b->url) && bytes_equal(a->metadata, b->metadata) &&
           bytes_equal(a->description, b->description) && a->scope == b->scope &&
           bytes_equal(a->api_version, b->api_version) && a->payload == b->payload;
}

static void check_kept(const struct endpoint *e) {
    OWN(text_drop)
    struct text written = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(arena_drop)
    struct arena memory;
    struct endpoint again;
    struct plan_destination as;
    arena_init(&memory, MEMORY_MAX);
    endpoint_write(e, &written);
    ensure(!written.failed && json_parse(text_bytes(&written), &doc) == OK);
    ensure(endpoint_read(json_root(doc), &memory, &again) == OK);
    if (fuzz_planted("lost"))
        again.description = NO_BYTES;
    ensure(same(e, &again));
    ensure(endpoint_destination(&again, &memory, &as) == OK && as.rule_count == 1);
}

static void check_made(bytes url, json types, json description, json metadata, bytes version,
                       bool connect, bool thin) {
    static bytes names[ENDPOINT_TYPES_MAX];
    OWN(text_drop)
    struct text kept = {0};
    json one;
    struct endpoint e = {
        .id = B("we_1"),
        .url = url,
        .types = names,
        .scope = connect ? SCOPE_CONNECT : SCOPE_ACCOUNT,
        .payload = thin ? PAYLOAD_THIN : PAYLOAD_SNAPSHOT,
        .description = json_string(description),
        .api_version = version,
    };
    for (size_t at = 0; json_element(types, &at, &one);)
        names[e.type_count++] = json_string(one);
    write_metadata(metadata, &kept);
    e.metadata = text_bytes(&kept);
    check_kept(&e);
}

static void check_version(bytes v) {
    ensure(v.n == 0 || (v.n >= 10 && v.n <= 64 && v.p[4] == '-' && v.p[7] == '-'));
    for (size_t i = 0; i < v.n; i++)
        ensure(v.p[i] > ' ' && v.p[i] < 0x7f && (v.p[i] != '.' || !fuzz_planted("version")));
}

static void check_params(const struct endpoint_params *p, bool new) {
    ensure(p->url.n > 0 || !new);
    if (p->url.n > 0)
        check_url(p->url);
    if (new || json_type(p->enabled_events) != JSON_ABSENT)
        check_types(p->enabled_events, false);
    if (json_type(p->metadata) == JSON_STRING)
        ensure(json_string(p->metadata).n == 0);
    else if (json_type(p->metadata) != JSON_ABSENT)
        check_metadata(p->metadata);
    ensure(json_string(p->description).n <= ENDPOINT_TEXT_MAX);
    check_version(p->api_version);
    if (new)
        ensure(!p->disabled_given);
    else
        ensure(!p->connect && p->api_version.n == 0);
}

static bool read_params(json params, bool new, struct endpoint_params *p) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    bool taken = endpoint_params_read(params, new, p, &why);
    if (!taken && fuzz_planted("silent") && json_size(params) == 0)
        text_reset(&why.message);
    if (!taken) {
        check_refused(&why);
        return false;
    }
    ensure(why.message.n == 0);
    if (!new &&fuzz_planted("change"))
        p->connect = true;
    check_params(p, new);
    return true;
}

static void form(bytes in) {
    OWN(text_drop)
    struct text read = {0}, why = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    struct endpoint_params made, changed;
    if (form_read(in, &read, &why) != OK)
        return;
    ensure(json_parse(text_bytes(&read), &doc) == OK);
    json params = json_root(doc);
    bool makes = read_params(params, true, &made), changes = read_params(params, false, &changed);
    if (!makes)
        return;
    bool fixed = json_type(json_get(params, "connect")) != JSON_ABSENT || made.api_version.n > 0;
    ensure(changes == !fixed);
    check_made(made.url, made.enabled_events, made.description, made.metadata, made.api_version,
               made.connect, false);
}

static void parts(json root) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    bytes url = json_string(json_get(root, "url"));
    json types = json_get(root, "types"), metadata = json_get(root, "metadata");
    bool thin = json_true(json_get(root, "thin"));
    if (!endpoint_url_check(url, "url", &why) ||
        !endpoint_events_check(types, "types", thin, &why) ||
        !endpoint_metadata_check(metadata, &why)) {
        check_refused(&why);
        return;
    }
    check_url(url);
    check_types(types, thin);
    check_metadata(metadata);
    check_made(url, types, json_get(root, "none"), metadata, NO_BYTES, false, thin);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    bytes in = bytes_from(p, n);
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (!bytes_starts(in, B("{")))
        form(in);
    else if (json_parse(in, &doc) == OK && json_type(json_root(doc)) == JSON_OBJECT)
        parts(json_root(doc));
    return 0;
}
