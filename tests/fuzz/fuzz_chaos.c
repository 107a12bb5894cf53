// SPDX-License-Identifier: MIT
// What goes wrong, as it is asked for by a file, a command and a header (rules/twin_chaos.h). What
// is taken keeps its bounds, and is written as what reads as the same; what is refused has a
// sentence, changes nothing, and repeats nothing as long as a secret.
#include <string.h>

#include "fuzz.h"
#include "rules/twin_chaos.h"

#define SECRET_MIN 16

const struct fuzz_plant fuzz_plants[] = {
    {"percent", PLANT_FUZZED, "a share of over a hundred is taken"},
    {"delay", PLANT_FUZZED, "how long is not written"},
    {"silent", PLANT_FUZZED, "what is no fault is refused without a word"},
    {"half", PLANT_FUZZED, "what is refused has changed something"},
    {"repeats", PLANT_SEEDED, "a refusal repeats all that it found"},
    {"never", PLANT_SEEDED, "what has to happen always does not"},
    {0},
};

static void check_refused(bytes in, const struct twin_chaos *c, struct text *why) {
    static const struct twin_chaos before = {.percent = {1, 2, 3}, .delay_ms = 4};
    if (fuzz_planted("silent"))
        text_reset(why);
    if (fuzz_planted("repeats"))
        text_add(why, in);
    bytes said = text_bytes(why);
    ensure(said.n > 0 && bytes_utf8(said) && said.n < 400);
    ensure(memcmp(c->percent, before.percent, sizeof c->percent) == fuzz_planted("half") &&
           c->delay_ms == before.delay_ms);
    for (size_t i = 0; i + SECRET_MIN <= in.n; i++) {
        bytes piece = bytes_slice(in, i, i + SECRET_MIN);
        // Our own words are small.
        bool plain = true;
        for (size_t k = 0; k < piece.n; k++)
            plain = plain && ((piece.p[k] >= '0' && piece.p[k] <= '9') ||
                              (piece.p[k] >= 'A' && piece.p[k] <= 'Z'));
        ensure(!plain || bytes_search(said, piece) == said.n);
    }
}

static void check_taken(const struct twin_chaos *c) {
    OWN(text_drop)
    struct text written = {0}, why = {0};
    struct twin_chaos again;
    uint64_t random = 1;
    twin_chaos_write(c, &written);
    if (fuzz_planted("delay"))
        while (written.n > 0 && written.p[written.n - 1] >= 'a')
            written.n--;
    ensure(twin_chaos_read(text_bytes(&written), &again, &why) == OK);
    unsigned faults = twin_chaos_draw(c, &random);
    for (enum twin_fault f = 0; f < TWIN_FAULTS; f++) {
        ensure(c->percent[f] + fuzz_planted("percent") <= 100);
        ensure(c->percent[f] == again.percent[f]);
        ensure(c->percent[f] > 0 || !twin_has(faults, f));
        ensure(c->percent[f] < 100 || (twin_has(faults, f) && !fuzz_planted("never")));
    }
    ensure(c->delay_ms >= 0 &&
           (c->percent[TWIN_FAULT_DELAY] == 0 || c->delay_ms == again.delay_ms));
    for (unsigned left = faults, n = 0; twin_chaos_next(&left) != TWIN_FAULTS; n++)
        ensure(n < TWIN_FAULTS);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    OWN(text_drop)
    struct text why = {0};
    struct twin_chaos c = {.percent = {1, 2, 3}, .delay_ms = 4};
    bytes in = bytes_from(p, n);
    if (twin_chaos_read(in, &c, &why) == OK)
        check_taken(&c);
    else
        check_refused(in, &c, &why);
    return 0;
}
