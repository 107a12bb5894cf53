// SPDX-License-Identifier: MIT
#include "base/result.h"

static const char *const words[] = {
#define FAIL_CODE(name, word, meaning) [FAIL_##name] = word,
#include "base/fail_codes.def"
#undef FAIL_CODE
};

const char *fail_name(enum fail_code code) {
    return (unsigned)code < FAIL_CODES ? words[code] : "unknown";
}
