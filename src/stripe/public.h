// SPDX-License-Identifier: MIT
// Inside of libhookkeep's two halves. Pure; nothing here takes memory, or ends the process.
#ifndef STRIPE_PUBLIC_H
#define STRIPE_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>

// Copies a versioned struct, whose first member is its size, into `own`, whose version has
// `own_size` bytes and whose first version had `least`; what `given` lacks becomes zero. False: it
// is null, shorter than the first version, or has something set that this version does not know.
bool public_take(const void *given, size_t least, void *own, size_t own_size);

#endif
