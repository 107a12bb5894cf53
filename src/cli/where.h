// SPDX-License-Identifier: MIT
// Where the desk is and with which key to ask it: --api, $HOOKKEEP_API, or the configuration's
// desk.listen; $HOOKKEEP_KEY, or the operator's key in the 0600 file LEDGER.key that the gateway
// made. Of the configuration these two alone are needed: its secrets need not be readable nor its
// variables set.
#ifndef CLI_WHERE_H
#define CLI_WHERE_H

#include "base/text.h"
#include "cli/cli.h"

struct where {
    struct text address;   // for messages: "unix:hookkeep.sock", "http://127.0.0.1:4243"
    struct text base;      // what stands before a path: "http://127.0.0.1:4243"
    struct text unix_path; // empty: by TCP
    struct text key;       // empty: none was found
    struct text key_from;  // for messages: "HOOKKEEP_KEY", "hookkeep.db.key"
    struct text key_why;   // why there is none, and what to do
    bool asked_for;        // named by --api or $HOOKKEEP_API
};

// Says what is wrong and returns CLI_USAGE or CLI_CONFIG. A missing key is no failure yet.
enum cli_exit where_find(const struct cli_call *c, struct where *out);
void where_drop(struct where *w); // wipes the key; zero-initialised is valid

// An address as people write it: unix:PATH, http://HOST:PORT, https://HOST[:PORT]; a host that
// means every address of this machine becomes its loopback. INVALID.
must result where_parse(bytes address, struct where *out);
// Is it on this machine? The operator's key in a file goes nowhere else.
bool where_local(const struct where *w);

#endif
