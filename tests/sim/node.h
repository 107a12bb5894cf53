// SPDX-License-Identifier: MIT
// One gateway in the simulated world: the real rooms, joined as gateway.c joins them, on a
// simulated disk, a memory ledger that survives crashes up to its last commit, and a simulated
// network.
#ifndef SIM_NODE_H
#define SIM_NODE_H

#include "base/seal.h"
#include "dispatch/dispatch.h"
#include "intake/receive.h"
#include "journal/journal.h"
#include "ledger/ledger.h"
#include "world.h"

#define SECRET_WEBHOOK "whsec_simulated_account_secret"
#define SECRET_CONNECT "whsec_simulated_connect_secret"
#define SECRET_OTHER "whsec_simulated_other_owner_secret"
#define SECRET_SITE "whsec_simulated_site_secret"

struct disk;
extern const uint8_t node_sealing_key[SEAL_KEY_SIZE];

struct node {
    struct world *world;
    struct disk *disk;
    struct store *books; // memory, for all lives of the node
    struct fetcher *fetcher;
    struct processes *processes;

    // Of one life.
    bool up, booking; // booking: within a step of the ledger
    uint32_t lives;
    struct journal_store *journal_store;
    struct journal *journal;
    struct ledger *ledger;
    struct mailbox *intake_mail, *dispatch_mailbox, *desk_mail;
    struct receiver receiver;
    struct http_budget budget;
    struct secret_uses uses;
    struct dispatch *dispatch;
    int64_t wake_at_us;
    uint32_t posted; // records of the desk's on their way
    uint64_t generation;
    uint32_t targeted;           // how often dispatch was told of the configuration
    int variant, wanted_variant; // of the plan: in force, and to be adopted

    bool small; // its journal is

    // For sabotage: takes a credit at start and keeps it.
    bool leaks;

    // Durable records in order, read back by a cursor of the simulation's own.
    uint64_t history;
    struct journal_cursor *history_cursor;
    int64_t appended_us; // when the records being read were appended
    void (*on_record)(void *ctx, const struct record *r);
    void *ctx;
};

#define VARIANTS 4
// Of endpoints that were made through the API: most of a livemode, and how long one may fail.
#define PLAN_SIM_ENDPOINTS 6
#define PLAN_SIM_DISABLE_MS 20000
#define PLAN_SIM_HOLD_MS 15000 // of a destination that does nothing but fail
// The plan JSON of a variant, canonical.
void plan_of(int variant, struct text *out);
// For sabotage: every destination takes live and test, whatever the oracle expects.
extern bool plan_mixes_modes;
// Some destinations are commands: a oneshot and a stream.
extern bool plan_has_commands;
// The account has several sites.
extern bool plan_has_sites;
// One destination keeps tables of Stripe's objects.
extern bool plan_has_tables;
// Endpoints are made through the API.
extern bool plan_has_endpoints;
// Of the destination `all`, keys for its lanes, a comma in front; null: it has none.
extern const char *plan_lanes;
// Independently of the rooms: does this variant bring it to that destination? site: the event's, or
// "unclaimed".
bool plan_expects(int variant, bytes destination, bytes type, bytes account, bool livemode,
                  bytes source, const char *site);

// Attempts a second, of those that have a rate; 0: none has it. The same in all variants.
const char *plan_priority(bytes destination, bytes type); // "high", …, whatever the variant
uint32_t plan_rate(bytes destination);
bool plan_is_http(bytes destination); // in this run

// Sites of a variant, in the configuration's order, NO_SITE after the last; each with at most one
// claim of a kind.
enum site_name { SHOP, SCHOOL, CLUB, SITE_NAMES, NO_SITE };
struct site_wish {
    enum site_name site;
    bool leaves;                            // late: leave
    bool metadata;                          // claims metadata.site of its name
    const char *price, *customer, *account; // null: no such claim
};
extern const struct site_wish site_wishes[VARIANTS][SITE_NAMES + 1];
extern const char *const site_names[SITE_NAMES];
extern const char *const plan_destinations[];
extern const size_t plan_destination_names;

// Starts a life. False: the disk failed meanwhile; try again.
bool node_start(struct node *n);
// Ends it as kill -9 does; the disk keeps what a crash keeps.
void node_crash(struct node *n);
// Ends it for good, freeing what is left of a life, without a crash.
void node_stop(struct node *n);
// One actor drawn from the seed does something, or all in turn. False: nobody had anything to do.
bool node_step(struct node *n);
// Virtual µs until somebody has something to do by time alone.
int64_t node_due(const struct node *n);
// Posts a record as the desk does. False: no room.
bool node_post(struct node *n, uint8_t kind, bytes payload);

#endif
