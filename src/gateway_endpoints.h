// SPDX-License-Identifier: MIT
// Endpoints (rules/endpoint.h), as the books tell of them, made targets of dispatch. The simulation
// makes its own in the same way.
#ifndef GATEWAY_ENDPOINTS_H
#define GATEWAY_ENDPOINTS_H

#include "base/seal.h"
#include "dispatch/dispatch.h"
#include "ledger/store.h"

// All that there are, so that those that are left out leave dispatch too: targets are those that
// are enabled and whose secret this key opens. The message is the caller's, to be given away or
// freed (retarget_free). *sealed: how many, enabled or not, the key does not open.
struct retarget *endpoint_targets(const uint8_t key[SEAL_KEY_SIZE], const struct endpoint_row *rows,
                                  size_t n, size_t *sealed);

#endif
