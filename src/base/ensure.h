// SPDX-License-Identifier: MIT
// Assertions that stay on in production. They state what the program itself promises, never what
// outside data looks like: a broken one is a defect, and a gateway that stops is safer than one
// that goes on with wrong books.
#ifndef BASE_ENSURE_H
#define BASE_ENSURE_H

// Aborts with the text of the condition and its place on standard error.
#define ensure(cond_) ((cond_) ? (void)0 : ensure_failed(#cond_, __FILE__, __LINE__, __func__))

// Marks what cannot be reached.
#define unreachable_code() ensure_failed("unreachable", __FILE__, __LINE__, __func__)

_Noreturn void ensure_failed(const char *cond, const char *file, int line, const char *func);

#endif
