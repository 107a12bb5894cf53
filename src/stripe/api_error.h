// SPDX-License-Identifier: MIT
// How Stripe's API refuses (stripe/api_errors.def): {"error": {"type", "code", "param",
// "message"}}. Types, codes and statuses are Stripe's, since programs go by them; messages are for
// people, and ours. Pure.
#ifndef STRIPE_API_ERROR_H
#define STRIPE_API_ERROR_H

#include "base/text.h"

enum api_error {
#define API_ERROR(id, status, type, code, when) API_ERROR_##id,
#include "stripe/api_errors.def"
#undef API_ERROR
    API_ERRORS
};

int api_error_status(enum api_error e);
// Appends the envelope; an empty param is left out.
void api_error_write(enum api_error e, bytes param, bytes message, struct text *out);
// The envelope of a status that has no row of its own: api_error from 500 on.
void api_error_write_status(int status, bytes message, struct text *out);

#endif
