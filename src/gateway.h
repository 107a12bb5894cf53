// SPDX-License-Identifier: MIT
// Assembly: makes the rooms, joins their mailboxes, starts and stops them in order.
#ifndef GATEWAY_H
#define GATEWAY_H

#include "base/text.h"

// `hookkeep serve`: runs until SIGTERM or SIGINT; SIGHUP reads the configuration again. Returns the
// exit code: 0 stopped in order, 1 failed, 78 the configuration is wrong. `config_path` may be null
// (config/config.h says where it is looked for).
int gateway_serve(const char *config_path);

// `hookkeep ledger verify` and `restore` when no gateway runs: on the files that the configuration
// names. Reports go into `out`. LOCKED when a gateway holds them (verify: ask its desk instead).
must result gateway_verify(const char *config_path, struct text *out);
must result gateway_restore(const char *config_path, const char *backup, struct text *out);

#endif
