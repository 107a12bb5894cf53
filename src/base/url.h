// SPDX-License-Identifier: MIT
// URLs of http and https (RFC 3986), as they may be asked for: ASCII, no name or password before
// the host, no fragment. Pure.
#ifndef BASE_URL_H
#define BASE_URL_H

#include "base/bytes.h"

// What is wrong with it, as the end of a sentence; null: nothing.
const char *url_fault(bytes url);

#endif
