// SPDX-License-Identifier: MIT
// The key that endpoints' secrets are sealed with (base/seal.h): 64 hexadecimal digits in a 0600
// file beside the ledger, LEDGER.sealing-key, made at the first start. It stays for the ledger's
// life: what another one sealed it does not open.
#ifndef GATEWAY_SEALING_H
#define GATEWAY_SEALING_H

#include "base/seal.h"
#include "port/clock.h"

#define SEALING_KEY_ENDING ".sealing-key"

// Reads it, or makes key and file (*created); a crash leaves a whole file or none. REFUSED: every
// user of the machine may open it (its group may, as some platforms give what they mount to one);
// INVALID: it holds something else; failures of port/files. Then `why` gets what was found and what
// to do.
must result sealing_key_load(const char *path, struct clock *clock, uint8_t key[SEAL_KEY_SIZE],
                             bool *created, struct text *why);

#endif
