// SPDX-License-Identifier: MIT
#include "stripe/sample.h"

#include <string.h>

#include "base/digest.h"
#include "base/ensure.h"
#include "base/json_draft.h"
#include "stripe/sample_print.h"

#define ID_DIGITS 14
#define LONG_ID_DIGITS 23 // behind a prefix that ends with a digit: in_1…

const struct sample *sample_find(bytes type) {
    size_t low = 0, high = sample_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = bytes_compare(bytes_of(samples[middle].type), type);
        if (order == 0)
            return &samples[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

// --- what stands in the place of <…>

// The nth 32 bytes that follow from the seed for this word.
static void random_of(const struct sample_options *o, bytes word, size_t n,
                      uint8_t out[SHA256_SIZE]) {
    const bytes parts[] = {bytes_from(&o->seed, sizeof o->seed), bytes_from(&n, sizeof n), word};
    digest_sha256(parts, 3, out);
}

static void add_id(const struct sample_options *o, bytes word, struct text *out) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    bytes rest = bytes_slice(word, 0, bytes_find(word, '#'));
    bytes prefix = bytes_cut(&rest, '*');
    bool is_long = prefix.n > 0 && prefix.p[prefix.n - 1] >= '0' && prefix.p[prefix.n - 1] <= '9';
    uint64_t n = is_long ? LONG_ID_DIGITS : ID_DIGITS;
    if (rest.n > 0)
        ensure(bytes_to_u64(rest, &n) == OK);
    text_add(out, prefix);
    uint8_t random[SHA256_SIZE];
    for (size_t i = 0; i < n; i++) {
        if (i % SHA256_SIZE == 0)
            random_of(o, word, i / SHA256_SIZE, random);
        text_addc(out, digits[random[i % SHA256_SIZE] % 62]);
    }
}

static void add_uuid(const struct sample_options *o, struct text *out) {
    uint8_t random[SHA256_SIZE];
    random_of(o, B("uuid"), 0, random);
    random[6] = (uint8_t)((random[6] & 0x0f) | 0x40); // version 4, RFC 9562 §5.4
    random[8] = (uint8_t)((random[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text_addc(out, '-');
        text_add_hex(out, bytes_from(&random[i], 1));
    }
}

static void add_time(const struct sample_options *o, bytes off, struct text *out) {
    int64_t ms = 0;
    if (off.n > 0)
        ensure(text_parse_duration(bytes_slice(off, 1, off.n), &ms) == OK);
    bool back = off.n > 0 && off.p[0] == '-';
    text_add_i64(out, o->now_s + (back ? -ms : ms) / 1000);
}

static void add_word(const struct sample_options *o, bytes word, struct text *out) {
    if (bytes_starts(word, B("now")))
        add_time(o, bytes_slice(word, 3, word.n), out);
    else if (bytes_equal(word, B("livemode")))
        text_adds(out, o->livemode ? "true" : "false");
    else if (bytes_equal(word, B("mode")))
        text_adds(out, o->livemode ? "live" : "test");
    else if (bytes_equal(word, B("account")) && o->account.n > 0)
        text_add(out, o->account);
    else if (bytes_equal(word, B("account")))
        add_id(o, B("acct_1*15"), out);
    else if (bytes_equal(word, B("uuid")))
        add_uuid(o, out);
    else
        add_id(o, word, out);
}

void sample_fill(const char *model, const struct sample_options *o, struct text *out) {
    bytes rest = bytes_of(model);
    while (rest.n > 0) {
        size_t at = bytes_find(rest, '<');
        text_add(out, bytes_slice(rest, 0, at));
        rest = bytes_slice(rest, at + 1, rest.n);
        if (rest.n > 0)
            add_word(o, bytes_cut(&rest, '>'), out);
    }
}

// --- the event

static void add_event(const struct sample *s, const struct sample_options *o, struct text *out) {
    sample_fill("{\"id\":\"<evt_1>\",\"object\":\"event\",", o, out);
    if (o->account.n > 0)
        sample_fill("\"account\":\"<account>\",", o, out);
    text_adds(out, "\"api_version\":\"" SAMPLE_API_VERSION "\",\"data\":{\"object\":");
    sample_fill(s->object, o, out);
    if (s->previous != NULL) {
        text_adds(out, ",\"previous_attributes\":");
        sample_fill(s->previous, o, out);
    }
    sample_fill("},\"created\":<now>,\"livemode\":<livemode>,\"pending_webhooks\":1,", o, out);
    sample_fill(s->asked ? "\"request\":{\"id\":\"<req_>\",\"idempotency_key\":\"<uuid>\"}"
                         : "\"request\":{\"id\":null,\"idempotency_key\":null}",
                o, out);
    text_addf(out, ",\"type\":\"%s\"}", s->type);
}

static result set_in_object(struct json_draft *d, bytes path, json value, size_t *at) {
    OWN(text_drop)
    struct text full = {0};
    if (!bytes_starts(path, B("data.object."))) // where rules and handlers begin
        text_adds(&full, "data.object.");
    size_t before = full.n;
    text_add(&full, path);
    result set = json_draft_set(d, text_bytes(&full), value, at);
    *at = *at > before ? *at - before : 0;
    return set;
}

static result apply_changes(const struct sample *s, const struct sample_options *o,
                            struct json_draft *d) {
    if (s->changes == NULL)
        return OK;
    OWN(text_drop)
    struct text filled = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    sample_fill(s->changes, o, &filled);
    TRY(json_parse(text_bytes(&filled), &doc));
    bytes path;
    json value;
    size_t at = 0, far;
    while (json_member(json_root(doc), &at, &path, &value))
        TRY(set_in_object(d, path, value, &far));
    return OK;
}

// JSON if it reads as such, else a text.
static result parse_value(bytes said, struct json_doc **out) {
    if (json_parse(said, out) == OK)
        return OK;
    OWN(text_drop)
    struct text quoted = {0};
    text_add_json(&quoted, said);
    return json_parse(text_bytes(&quoted), out);
}

static result apply_set(const char *said, struct json_draft *d, struct text *why) {
    bytes value = bytes_of(said), path = bytes_cut(&value, '=');
    if (path.n == strlen(said) || path.n == 0) {
        text_addf(why, "`%s` sets nothing; expected PATH=VALUE", said);
        FAIL(INVALID, "a set without a path or `=`");
    }
    OWN(json_close)
    struct json_doc *doc = NULL;
    TRY(parse_value(value, &doc));
    bool of_event = path.p[0] == '.';
    if (of_event)
        path = bytes_slice(path, 1, path.n);
    size_t at = 0;
    result set = of_event ? json_draft_set(d, path, json_root(doc), &at)
                          : set_in_object(d, path, json_root(doc), &at);
    if (failed_as(set, FAIL_INVALID)) {
        bytes good = bytes_slice(path, 0, at > 0 ? at - 1 : 0);
        text_addf(why, "`%.*s` cannot be set", BYTES_ARG(path));
        if (good.n > 0)
            text_addf(why, ": `%.*s`", BYTES_ARG(good));
        text_addf(why, ": %s", set->text);
    }
    return set;
}

static bool is_account(bytes b) {
    if (!bytes_starts(b, B("acct_")) || b.n == 5 || b.n > 255)
        return false;
    for (size_t i = 5; i < b.n; i++) {
        uint8_t c = b.p[i] | 0x20;
        if (!(c >= 'a' && c <= 'z') && !(b.p[i] >= '0' && b.p[i] <= '9') && b.p[i] != '_')
            return false;
    }
    return true;
}

result sample_make(const struct sample *s, const struct sample_options *o, struct text *out,
                   struct text *why) {
    if (o->account.n > 0 && !is_account(o->account)) {
        text_addf(why, "`%.*s` is no account; expected acct_ with letters and digits behind it",
                  BYTES_ARG(o->account));
        FAIL(INVALID, "no account");
    }
    OWN(text_drop)
    struct text event = {0};
    OWN(json_draft_close)
    struct json_draft *draft = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL;
    add_event(s, o, &event);
    TRY(json_draft_open(text_bytes(&event), &draft));
    TRY(apply_changes(s, o, draft));
    for (size_t i = 0; i < o->set_count; i++)
        TRY(apply_set(o->sets[i], draft, why));
    TRY(json_draft_finish(draft, &doc));
    sample_print(json_root(doc), out);
    if (out->failed || out->n > SAMPLE_SIZE_MAX) {
        text_adds(why, "what was set makes the event larger than 1 MiB");
        FAIL(INVALID, "the event is too large");
    }
    return OK;
}
