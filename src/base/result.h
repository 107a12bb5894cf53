// SPDX-License-Identifier: MIT
// How a function says that it failed: a pointer to a static record of the place where it did.
//
// A result is one pointer: OK (null) or the place. It costs nothing to pass on, carries file and
// line without an allocation, and the compiler refuses to let it be ignored (`must` on every
// declaration). Failing is silent: the code that decides what to do with a failure logs it, once.
// Details that only the running program knows (a path, an engine's message) travel in a `text` that
// the caller hands in.
#ifndef BASE_RESULT_H
#define BASE_RESULT_H

#include <stdbool.h>
#include <stddef.h>

// What class of failure it is, so that a caller can act on it. The wording for people is in
// place.text.
enum fail_code {
#define FAIL_CODE(name, word, meaning) FAIL_##name,
#include "base/fail_codes.def"
#undef FAIL_CODE
    FAIL_CODES
};

struct place {
    enum fail_code code;
    int line;
    const char *file;
    const char *func;
    const char *text; // one clause, no full stop: "the batch is larger than a segment"
};

typedef const struct place *result;

#define must __attribute__((warn_unused_result))
#define OK ((result)NULL)

// The name of a code ("full"), for logs.
const char *fail_name(enum fail_code code);

static inline bool failed_as(result r, enum fail_code code) { return r != NULL && r->code == code; }

// A value of type result that records this place. `text_` is a string literal.
#define PLACE(code_, text_)                                                                        \
    (__extension__({                                                                               \
        static const struct place place_here_ = {FAIL_##code_, __LINE__, __FILE__, __func__,       \
                                                 text_};                                           \
        &place_here_;                                                                              \
    }))

// Leaves the function with a failure.
#define FAIL(code_, text_) return PLACE(code_, text_)

// Leaves the function if `cond` does not hold; for what outside data may get wrong.
#define NEED(cond_, code_, text_)                                                                  \
    do {                                                                                           \
        if (!(cond_))                                                                              \
            FAIL(code_, text_);                                                                    \
    } while (0)

// Leaves the function with the failure of `call_`, if it failed.
#define TRY(call_)                                                                                 \
    do {                                                                                           \
        result try_ = (call_);                                                                     \
        if (try_ != OK)                                                                            \
            return try_;                                                                           \
    } while (0)

// Calls `drop_(&variable)` when the variable's scope ends: OWN(text_drop) struct text t = {0};
#define OWN(drop_) __attribute__((cleanup(drop_)))

#endif
