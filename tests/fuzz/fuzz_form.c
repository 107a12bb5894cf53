// SPDX-License-Identifier: MIT
// Stripe's form encoding: what is read is a JSON object of strings, maps and lists, which, written
// as a form again with every byte encoded, is read as the same; what is refused leaves nothing
// behind but a sentence.
#include "base/json.h"
#include "fuzz.h"
#include "stripe/form.h"

const struct fuzz_plant fuzz_plants[] = {
    {"plus", PLANT_FUZZED, "a plus sign written as %2B is read as a space"},
    {"order", PLANT_FUZZED, "a list of three is in the order of its keys' coming"},
    {"rest", PLANT_FUZZED, "what is refused as given twice leaves a brace behind"},
    {"silent", PLANT_FUZZED, "a form with a bracket inside of another is refused without a word"},
    {0},
};

static void add_encoded(struct text *out, bytes b) {
    for (size_t i = 0; i < b.n; i++)
        text_addf(out, i % 2 == 0 ? "%%%02x" : "%%%02X", b.p[i]);
}

static void write_pair(bytes key, bytes value, struct text *out) {
    add_encoded(out, key);
    text_addc(out, '=');
    bool plus = bytes_find(value, '+') < value.n && fuzz_planted("plus");
    if (plus)
        text_add(out, value);
    else
        add_encoded(out, value);
    text_addc(out, '&');
}

static void write_form(json v, bytes key, int depth, struct text *out) {
    json value;
    bytes name;
    ensure(depth <= FORM_DEPTH_MAX);
    if (json_type(v) == JSON_STRING) {
        write_pair(key, json_string(v), out);
        return;
    }
    ensure(json_size(v) > 0 || depth == 0);
    if (json_type(v) == JSON_OBJECT) {
        for (size_t at = 0; json_member(v, &at, &name, &value);) {
            OWN(text_drop)
            struct text inner = {0};
            text_add(&inner, key);
            text_adds(&inner, depth == 0 ? "" : "[");
            text_add(&inner, name);
            text_adds(&inner, depth == 0 ? "" : "]");
            write_form(value, text_bytes(&inner), depth + 1, out);
        }
        return;
    }
    ensure(json_type(v) == JSON_ARRAY && depth > 0);
    bool wrong = fuzz_planted("order") && json_size(v) == 3;
    for (size_t at = 0, i = 0; json_element(v, &at, &value); i++) {
        OWN(text_drop)
        struct text inner = {0};
        text_add(&inner, key);
        text_addf(&inner, "[%zu]", wrong ? 2 - i : i);
        write_form(value, text_bytes(&inner), depth + 1, out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    OWN(text_drop)
    struct text read = {0};
    OWN(text_drop)
    struct text why = {0};
    result r = form_read(bytes_from(p, n), &read, &why);
    if (r != OK) {
        if (fuzz_planted("rest") && bytes_search(text_bytes(&why), B("twice")) < why.n)
            text_addc(&read, '{');
        if (fuzz_planted("silent") && bytes_search(text_bytes(&why), B("inside")) < why.n)
            text_reset(&why);
        ensure(read.n == 0 && why.n > 0 && why.n < 300 && bytes_utf8(text_bytes(&why)));
        return 0;
    }
    ensure(why.n == 0);
    OWN(json_close)
    struct json_doc *doc = NULL;
    ensure(json_parse(text_bytes(&read), &doc) == OK);
    ensure(json_type(json_root(doc)) == JSON_OBJECT);
    OWN(text_drop)
    struct text form = {0};
    write_form(json_root(doc), NO_BYTES, 0, &form);
    if (form.n > FORM_BYTES_MAX)
        return 0;
    OWN(text_drop)
    struct text again = {0};
    ensure(form_read(text_bytes(&form), &again, &why) == OK);
    ensure(bytes_equal(text_bytes(&read), text_bytes(&again)));
    return 0;
}
