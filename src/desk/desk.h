// SPDX-License-Identifier: MIT
// The desk: the operator's side. One loop serves a JSON API (desk/routes.def; the answers' shapes
// are in man/hookkeep-api.7.scd); looking runs on the ledger's query thread, changing is a command
// in the journal, answered once it is booked.
//
// Every request but /healthz and /readyz needs a key ("Authorization: Bearer …" or Basic with the
// key as user), on loopback too. Keys are kept as SHA-256; they are looked up in the ledger. Errors
// are {"error": sentence that says what was found, what was expected, what to do}.
#ifndef DESK_DESK_H
#define DESK_DESK_H

#include "base/seal.h"
#include "dispatch/dispatch.h"
#include "http/server.h"
#include "journal/journal.h"
#include "ledger/ledger.h"
#include "port/clock.h"
#include "rules/guard.h"
#include "rules/key_mode.h"
#include "rules/plan.h"

struct desk;

// A source as the desk signs for it.
struct desk_source {
    bytes path;
    enum mode livemode;
    struct desk_secret {
        bytes key;
        struct plan_secret says; // its label, what it signs and when; the rest is not looked at
    } * secrets;
    size_t secret_count;
};

// A wish that who assembled the rooms carries out: a new secret for a destination (config/rolls.h).
// It comes back to `reply` with an answer for HTTP, which holds the secret and is wiped afterwards.
struct desk_roll {
    struct mail mail;
    struct mailbox *reply;
    bytes destination;
    int64_t overlap_s;
    bytes by; // id of the key that asked
    int status;
    struct text answer; // JSON
};

struct desk_retired {
    uint64_t times;
    int64_t last_at; // Unix ms; 0: never
};

// A stand-in for Stripe (desk/twin.h).
struct desk_twin {
    bytes api_version; // of events
    const struct desk_twin_endpoint { bytes source, api_version; } * endpoints;
    size_t endpoint_count; // 0: each source that takes test events
    uint32_t speed;        // rules/twin_clock.h
    bytes chaos;           // rules/twin_chaos.h; it reads well
    uint64_t seed;         // 0: from the clock's entropy
    uint32_t waiting_max;  // events on their way
    uint32_t objects_max;
    uint64_t body_max; // of a source: what is over it is refused
    const char *file;  // where it is kept
};

struct desk_options {
    struct clock *clock;
    struct journal *journal;
    struct journal_store *records; // for verify
    struct ledger *ledger;
    struct queries *queries;
    struct queries *slow_queries; // for backup and verify, so that nobody waits behind them; null:
                                  // `queries`
    const struct net_address *listen;
    size_t listen_count;
    struct tls_files {
        const char *certificate, *key;
    } tls;                       // null: no https address is among them
    struct server_limits limits; // but bodies have limits of their own, by route
    int64_t drain_ms;
    uint32_t rate; // of one key's requests to Stripe's API a second; 0: as many as it likes
    size_t account_metrics;     // connected accounts that /metrics counts each by itself
    size_t endpoint_metrics;    // endpoints that it tells of each by itself
    size_t listeners_max;       // sessions of those who listen
    size_t listen_window;       // events pushed to one of them that he has not acknowledged
    int64_t reconnect_delay_ms; // after which the CLI connects anew
    const struct desk_source *sources;
    size_t source_count;
    // Where intake listens, as net_address_parse takes it but with the real ports; JSON, an array.
    const char *source_addresses;
    // SHA-256 of an operator's key that is durable in the journal and may not be booked yet: who
    // has just started a gateway has it. Null: none.
    const uint8_t *first_key;
    const uint8_t *sealing_key; // SEAL_KEY_SIZE bytes: what endpoints' secrets are sealed with
    const struct guard_range *allowed; // where endpoints may lead all the same; copied
    size_t allowed_count;
    const struct desk_twin *twin; // null: none; not needed after desk_open
    // SHA-256 of a key of mode test that is durable and may not be booked yet; null: none.
    const uint8_t *test_key;
    // Is the gateway ready? False with the reason for /readyz. Any thread.
    bool (*ready)(void *ctx, const char **why);
    void *ready_ctx;
    struct mailbox *roller; // takes struct desk_roll, until desk_stop has returned
    struct mailbox *looker; // dispatch's: takes struct dispatch_look; null: nothing is known
    // What the process counted of each source's secrets: added to /metrics, and how often one that
    // is not in force was used. Any thread; null: nothing.
    void (*secret_metrics)(void *ctx, struct text *out);
    void (*secret_retired)(void *ctx, bytes source, bytes label, struct desk_retired *out);
    // Adds what each source was sent, for the doctor (intake/uses.h). Any thread; null: nothing
    // known.
    void (*source_uses)(void *ctx, struct text *out);
    void *secrets_ctx; // of these three
};

// Opens the listeners; serves after desk_start. `listen`, `tls`, `sources` and `source_addresses`
// are not needed afterwards, what the other pointers lead to is needed until desk_close. On failure
// *out is null.
must result desk_open(const struct desk_options *o, struct desk **out, struct text *why);
must result desk_start(struct desk *d);
// From now on commands are written under this generation's plan (any thread).
void desk_set_generation(struct desk *d, uint64_t generation);
// The sources of a new configuration (any thread); they are copied.
void desk_set_sources(struct desk *d, const struct desk_source *sources, size_t n);
// Where endpoints may lead all the same, by a new configuration (any thread); copied.
void desk_set_allowed(struct desk *d, const struct guard_range *allowed, size_t n);
// A new certificate for connections from now on (any thread). Harmless if no address is https.
must result desk_set_tls(struct desk *d, const char *certificate, const char *key,
                         struct text *why);
// The twin posts no more (any thread): before intake stops, so that nothing fails for that.
// Harmless if there is none.
void desk_hush(struct desk *d);
// Accepts no more, ends streams, finishes what is under way within drain_ms and cuts the rest.
// Afterwards the desk begins nothing new with journal, ledger and queries, but what it began may
// still come back. Harmless if it was not started.
void desk_stop(struct desk *d);
// Waits for what it began to come back. So it comes after desk_stop, after journal and ledger were
// closed (or while they still run: a command that the books cannot take now would be waited for),
// and before the query threads stop (a query under way is interrupted). Null is allowed.
void desk_close(struct desk *d);
uint16_t desk_port(const struct desk *d, size_t listen); // the real one, when 0 was asked for

// Keys: a prefix of rules/key_modes.def and 32 base62 characters of the clock's entropy (190 bits).
// A key of the real Stripe has another form: it is never hashed, looked up or told to anybody.
// The ledger keeps the SHA-256 of the whole text. The id, "key_" and 12 base62 characters, is
// derived from that hash, so whoever holds a key knows its id.
#define DESK_KEY_MAX 64    // bytes of a key with its NUL
#define DESK_KEY_ID_MAX 17 // of an id

// Is it a key by its form? *mode says which kind.
bool desk_key_formed(bytes key, enum key_mode *mode);
void desk_key_new(struct clock *clock, enum key_mode mode, char out[DESK_KEY_MAX]);
void desk_key_id(bytes key, char out[DESK_KEY_ID_MAX]);
void desk_key_id_of(const uint8_t hash[SHA256_SIZE], char out[DESK_KEY_ID_MAX]);
// The payload of the command that makes this well-formed key known to the books
// (rules/commands.def, KEY_CREATE). `by` is the id of the key that asked; empty: the gateway.
void desk_key_command(bytes key, bytes name, bytes by, struct text *payload);

// The operator's key lies in this file, one line, mode 0600. Reads it, or makes key and file
// (*created). The caller asks the ledger for the id of desk_key_id, and posts desk_key_command if
// it is not there; a key that was revoked stays revoked: removing the file gives a new one at the
// next start. INVALID: there is something else in the file; failures of port/files.
must result desk_first_key(const char *path, struct clock *clock, struct text *key, bool *created);

#endif
