// SPDX-License-Identifier: MIT
// What a program that stays writes on its standard output: lines, each an outcome. The input's
// first 8 bytes seed how the rest is cut into pieces, the ninth says how long a line may be.
// However it is cut, the same lines come out, and they are the stream's; what is read as an outcome
// keeps the promises of rules/frame.h and, written anew, is read as the same.
#include "base/json.h"
#include "base/random.h"
#include "fuzz.h"
#include "rules/frame.h"

const struct fuzz_plant fuzz_plants[] = {
    {"lost", PLANT_FUZZED, "a piece of a line feed alone is lost"},
    {"cut", PLANT_FUZZED, "a line that is too long is handed over whole"},
    {"attempt", PLANT_FUZZED, "an outcome's attempt is forgotten"},
    {"later", PLANT_SEEDED, "a wait of more than a day is kept"},
    {"silent", PLANT_FUZZED, "an unknown outcome is read as done"},
    {0},
};

struct heard {
    size_t max;
    struct text trace;
    size_t lines;
};

static void on_line(void *ctx, bytes line, bool cut) {
    struct heard *h = ctx;
    h->lines++;
    ensure(bytes_find(line, '\n') == line.n);
    ensure(cut ? line.n == h->max : line.n <= h->max);
    text_add(&h->trace, line);
    text_adds(&h->trace, cut ? "\ncut\n" : "\n");
}

static void hear(struct heard *h, bytes stream, uint64_t *random) {
    struct frame_lines l = {.max = h->max};
    while (stream.n > 0) {
        size_t n = random == NULL ? stream.n : 1 + random_below(random, 30);
        bytes piece = bytes_slice(stream, 0, n);
        if (!fuzz_planted("lost") || random == NULL || !bytes_equal(piece, B("\n")))
            frame_lines_add(&l, piece, on_line, h);
        stream = bytes_slice(stream, n, stream.n);
        ensure(l.rest.n <= h->max + 2);
    }
    frame_lines_end(&l, on_line, h);
    frame_lines_drop(&l);
}

// The same by the plainest way.
static void expect(struct heard *h, bytes stream) {
    while (stream.n > 0) {
        bytes line = bytes_cut(&stream, '\n');
        if (bytes_ends(line, B("\r")))
            line.n--;
        bool cut = line.n > h->max && !fuzz_planted("cut");
        text_add(&h->trace, cut ? bytes_slice(line, 0, h->max) : line);
        text_adds(&h->trace, cut ? "\ncut\n" : "\n");
        h->lines++;
    }
}

static void drop(struct heard *h) { text_drop(&h->trace); }

static void check_lines(bytes stream, size_t max, uint64_t seed) {
    OWN(drop)
    struct heard expected = {.max = max};
    OWN(drop)
    struct heard whole = {.max = max};
    OWN(drop)
    struct heard pieces = {.max = max};
    expect(&expected, stream);
    hear(&whole, stream, NULL);
    hear(&pieces, stream, &seed);
    ensure(whole.lines == expected.lines && pieces.lines == expected.lines);
    ensure(bytes_equal(text_bytes(&whole.trace), text_bytes(&expected.trace)));
    ensure(bytes_equal(text_bytes(&pieces.trace), text_bytes(&expected.trace)));
}

static void write_answer(const struct frame_answer *a, struct text *out) {
    text_addf(out,
              "{\"delivery\":%llu,\"attempt\":%u,\"outcome\":", (unsigned long long)a->delivery,
              fuzz_planted("attempt") ? 0 : a->attempt);
    text_add_json(out, bytes_of(outcome_name(a->outcome)));
    text_addf(out, ",\"retry_after\":%lld,\"error\":", (long long)a->retry_after_ms / 1000);
    text_add_json(out, a->error);
    text_addc(out, '}');
}

static void check_answer(bytes line) {
    struct frame_answer a, again;
    OWN(text_drop)
    struct text error = {0};
    OWN(text_drop)
    struct text said = {0};
    OWN(text_drop)
    struct text anew = {0};
    result r = frame_answer_read(line, &a, &error);
    if (r != OK) {
        ensure(r->code == FAIL_INVALID && r->text[0] != '\0');
        ensure(!fuzz_planted("silent") || bytes_search(line, B("\"done")) == line.n);
        return;
    }
    ensure(line.n <= FRAME_LINE_MAX && a.delivery > 0 && a.delivery <= INT64_MAX);
    ensure(a.retry_after_ms >= 0 && a.retry_after_ms <= RETRY_AFTER_MAX_MS);
    ensure(!fuzz_planted("later") || a.retry_after_ms < RETRY_AFTER_MAX_MS);
    ensure(a.outcome <= OUTCOME_NOT_YET && bytes_utf8(a.error));
    write_answer(&a, &anew);
    if (anew.n > FRAME_LINE_MAX)
        return;
    ensure(frame_answer_read(text_bytes(&anew), &again, &said) == OK);
    ensure(again.delivery == a.delivery && again.attempt == a.attempt);
    ensure(again.outcome == a.outcome && again.retry_after_ms == a.retry_after_ms);
    ensure(bytes_equal(again.error, a.error));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    bytes in = bytes_from(p, n);
    uint64_t seed = fuzz_number(&in, 8);
    size_t max = fuzz_number(&in, 1);
    check_lines(in, max, seed);
    check_lines(in, FRAME_LINE_MAX, seed);
    while (in.n > 0)
        check_answer(bytes_cut(&in, '\n'));
    return 0;
}
