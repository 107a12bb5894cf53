// SPDX-License-Identifier: MIT
// The configuration as the operator wrote it (YAML), read by the table config/keys.def, checked,
// completed with defaults. What of it decides about events becomes a plan (rules/plan.h); secrets
// stay here and in the rooms that sign.
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "rules/guard.h"
#include "rules/handler.h"
#include "rules/plan.h"
#include "rules/queue_target.h"

struct config_secret {
    bytes label, key; // what else there is of it is in the plan
};

struct config_source {
    bytes path, owner;
    enum mode livemode;
    int64_t tolerance_s;
    struct config_secret *secrets;
    size_t secret_count;
};

// Signs beside the newest until not_after_s, which is no longer in it.
struct config_older {
    bytes key;
    int64_t not_after_s;
};

struct config_destination {
    bytes name, url, secret;
    // Of a secret that was rolled (config/rolls.h): the newest, empty: `secret` is; and those
    // before.
    bytes newest;
    struct config_older *older;
    size_t older_count;
    struct handler handler;    // of kind command or plugin
    struct queue_target queue; // of a kind that is a queue
    // Everything else of it is in the plan.
};

struct config_twin {
    bool enabled;
    bytes key; // empty: none
    bytes api_version;
    struct config_twin_endpoint {
        bytes source, api_version;
    } * endpoints;
    size_t endpoint_count; // 0: each source
    uint32_t speed;
    bytes chaos; // as twin_chaos_read takes it
    uint64_t seed;
    uint32_t waiting_max, objects_max;
};

struct config_limits {
    uint64_t head_max, body_max, unverified_max;
    uint64_t connections_max, connections_address_max; // of the process
    int64_t head_ms, body_ms, idle_ms, answer_ms, drain_ms;
    uint64_t rate_min;
};

struct config {
    bytes file;       // where it was read; empty: the environment alone
    size_t variables; // how many HOOKKEEP_ variables said something of it
    bytes *listen;    // addresses, as net_address_parse takes them
    size_t listen_count;
    bytes *desk_listen;
    size_t desk_listen_count;
    uint32_t account_metrics, endpoint_metrics;
    uint32_t desk_rate;
    struct guard_range *allow_private; // the guard's exceptions
    size_t allow_private_count;
    uint32_t listeners_max, listen_window;
    int64_t reconnect_delay_ms;
    bytes certificate, key; // paths, empty without TLS
    bytes ledger_path;      // of sqlite:PATH
    bytes journal_path;
    uint64_t journal_size;
    uint32_t loops; // of intake; 0: as many as cores, at most 4
    bytes ca_file;  // destinations' certificates are checked against it; empty: the system's roots
    bool log_json;
    bytes log_file;  // empty: standard error
    bytes log_level; // debug, info, warning, error
    struct config_limits limits;
    struct config_source *sources;
    size_t source_count;
    struct config_destination *destinations;
    size_t destination_count;
    struct config_twin twin;
    struct plan *plan; // generation 0
    struct arena memory;
};

// What lies outside the configuration's text; tests put their own in place.
struct config_outside {
    void *ctx;
    // An environment variable; null: not set.
    const char *(*env)(void *ctx, const char *name);
    // The whole environment, as environ(7) has it, for the keys' variables (config/variables.h);
    // null: none.
    const char *const *variables;
    bool others_pass; // HOOKKEEP_ variables that are nothing of ours are no error
    // Unix seconds, for warnings about times that have passed; 0: none are given.
    int64_t now_s;
    // The whole of a file that a `file:PATH` secret names, PATH as written.
    result (*file)(void *ctx, const char *path, size_t max, struct text *out);
    // Is there such a user, such a folder? For warnings; null: none are given.
    bool (*user)(void *ctx, const char *name);
    bool (*folder)(void *ctx, const char *path);
    // What a plugin says of itself, as config/look.h has it; null: nobody looks, and it gets every
    // event that its rules do not refuse.
    result (*plugin)(void *ctx, const struct handler *h, bytes path, struct text *json,
                     struct text *why);
};

// From text, and the keys' variables, which win. `name` is the file's name for messages. All that
// is wrong goes into `errors`, one problem a line: "hookkeep.yaml:12: destinations[0].urll: unknown
// key; did you mean `url`?" with what was found, what is allowed, how to mend it; never a secret's
// value, and nothing as long as one. `warnings` likewise (plain http on an address that is not
// loopback, …). INVALID if there was any error. Paths stay as written: relative to the working
// directory.
must result config_read(bytes yaml, const char *name, const struct config_outside *outside,
                        struct config **out, struct text *errors, struct text *warnings);
// Finds and reads the file: `path`, else $HOOKKEEP_CONFIG, else ./hookkeep.yaml, else
// /etc/hookkeep/hookkeep.yaml, else the environment alone (where no variable says anything of
// sources: STRIPE_WEBHOOK_SECRET on /webhook). A path that was asked for must exist.
must result config_load(const char *path, struct config **out, struct text *errors,
                        struct text *warnings);
// The same, with what it names taken from `outside` (where it is looked for is not): for who needs
// the desk's address and the ledger's path, not the secrets.
must result config_load_with(const char *path, const struct config_outside *outside,
                             struct config **out, struct text *errors, struct text *warnings);
// What is right, but perhaps not what was meant; a line each. For `check`, not for the log.
void config_hints(const struct config *c, struct text *out);
void config_free(struct config *c); // wipes secrets; null is allowed

// The key table as text for the manual and `hookkeep help configuration`: key, type, default,
// meaning.
void config_describe(struct text *out);
// 12 hex digits that name a secret without telling it.
void config_fingerprint(bytes secret, char out[13]);

#endif
