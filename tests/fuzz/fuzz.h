// SPDX-License-Identifier: MIT
// What the fuzzers share. libFuzzer calls LLVMFuzzerTestOneInput; a crash, a sanitizer's report or
// a broken `ensure` is a finding. corpus.c calls it too, for each file of a corpus, as a plain
// test.
//
// A check that cannot fail finds nothing. So each target has a table of bugs that it can be told to
// have, and every one must be noticed: by an input of the corpus, and those of PLANT_FUZZED by the
// fuzzer too, from the inputs that do not show it (`tools/fuzz --self-test`).
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/ensure.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum fuzz_reach {
    PLANT_FUZZED, // mutation of the other inputs finds it in seconds
    PLANT_SEEDED, // it takes what mutation seldom builds: an input of the corpus shows it
};

struct fuzz_plant {
    const char *name;
    enum fuzz_reach reach;
    const char *what; // the bug
};

// Each target's own; a null name ends it.
extern const struct fuzz_plant fuzz_plants[];

// Is this the bug to have? FUZZ_PLANT=name in the environment, or fuzz_plant by the corpus's test.
bool fuzz_planted(const char *name);
void fuzz_plant(const char *name); // null: none

// The next number of `size` bytes, little-endian; what is missing reads as zeros.
static inline uint64_t fuzz_number(bytes *in, size_t size) {
    uint64_t v = 0;
    for (size_t i = 0; i < size && i < in->n; i++)
        v |= (uint64_t)in->p[i] << (8 * i);
    *in = bytes_slice(*in, size, in->n);
    return v;
}

#endif
