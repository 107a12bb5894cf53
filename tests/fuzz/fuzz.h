// SPDX-License-Identifier: MIT
// What the fuzzers share: cutting values off the input. libFuzzer calls LLVMFuzzerTestOneInput; a
// crash, a sanitizer's report or a broken `ensure` is a finding.
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/ensure.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

// The next number of `size` bytes, little-endian; what is missing reads as zeros.
static inline uint64_t fuzz_number(bytes *in, size_t size) {
    uint64_t v = 0;
    for (size_t i = 0; i < size && i < in->n; i++)
        v |= (uint64_t)in->p[i] << (8 * i);
    *in = bytes_slice(*in, size, in->n);
    return v;
}

#endif
