// SPDX-License-Identifier: MIT
// One simulated run: Stripe on one side, sites on the other, a gateway between them, and everything
// that can go wrong, drawn from a seed. Oracles are checked after every step (oracle.c); sabotage.c
// breaks the gateway to show that they notice.
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/map.h"
#include "moods.h"
#include "node.h"
#include "port/fetch.h"

#define EVENTS_MAX 64
#define POSTS_MAX (EVENTS_MAX * 3)
#define SOURCES 3
#define ASKED_MAX 24
#define ENDPOINTS_MAX 64
#define ENDPOINT_KEYS_MAX 16
#define DISABLED_MAX 64
#define ENDPOINT_NAME_SIZE 24

// What may go wrong in this run; every seed draws its own.
struct trouble {
    bool crashes, disk, store, network, jumps, plans, commands, poison, killer;
    bool narrow; // a small journal
    bool moods;  // of sites
};

// What an event says of objects. `site` is metadata.site, null: it has none.
#define ABOVE_MAX 3
struct told {
    const char *type, *site;
    char id[24]; // empty: it has none
    struct {
        const char *type, *site; // site: it stands there whole, with this metadata
        char id[24];
    } above[ABOVE_MAX];
    size_t above_count;
    int64_t created;
    int was, is; // of a product: its number before, -1: it does not say; and as it is
};

struct event_sent {
    char id[40], type[40], account[24];
    struct told told;
    bool livemode, other_owner, poison, killer;
    char *body[2];    // rendered at two API versions
    uint32_t replays; // commands that ask for it, as posted
};

// The life of a product, and what its row showed last.
#define PRODUCTS 3
struct product {
    int life, number;
    bool gone;
    int64_t second;
    unsigned in_second; // events
};
struct shown {
    int64_t second;
    bool deleted;
};

// One delivery of Stripe's to one source, tried until it is acknowledged.
struct post {
    struct sim *sim;
    struct event_sent *event;
    int source, version;
    bool acked, ever_acked;
    struct reception *reception;
    uint32_t life;
    bool ended;
    size_t at; // bytes of the body handed over
};

// What a site got of one event.
struct got {
    uint32_t accepted;   // processed by the site
    uint32_t excused;    // accepted, but our side could not know
    uint64_t began;      // what was booked when an attempt began last
    uint32_t unrecorded; // accepted and heard, the outcome not durable yet
};

// An endpoint as somebody asks for it, and one that was disabled by what its outcomes say.
struct endpoint_wish {
    bool livemode;
    int types;
    enum scope scope;
};
struct disabled {
    size_t endpoint;
    int64_t at_ms;
};

struct kept_record {
    struct record r;
};

// When the next attempt of a delivery may begin, by its outcomes so far.
struct distance {
    uint32_t attempt, failures;
    int64_t ended_us, not_before_us; // monotonic
};

// Of one record, as oracle_sites.c reads it.
struct sited {
    int event;        // of a receipt: index into events
    int variant;      // of a plan
    const char *site; // of a receipt: its event's when it was booked, or "unclaimed"
};

struct sim {
    struct world world;
    struct node node;
    struct trouble trouble;
    struct fetcher fetcher;
    struct processes processes;
    uint32_t fetches;      // and what is to happen in handlers
    const char *down;      // a destination that never accepts anything; null
    int64_t full_until_us; // the ledger's disk has no room until then
    struct watch watches[WATCHES_MAX];
    size_t watch_count;
    bool only_moods;  // no other trouble
    bool calm;        // no more trouble: everything must come to its end
    size_t calm_from; // records of before; later ones are of a calm run

    struct event_sent events[EVENTS_MAX];
    size_t event_count;
    struct post posts[POSTS_MAX];
    size_t post_count;

    struct product products[PRODUCTS];
    struct shown shown[EVENTS_MAX];                               // by the first event of a product
    enum { REBUILD_OPEN, REBUILD_DONE, REBUILD_REFUSED } rebuild; // the last one, once all is calm
    unsigned rebuild_steps;

    struct map got;         // "destination event owner" -> struct got
    struct record *history; // every durable record, position 1 first
    size_t history_count, history_cap;
    struct distance *distances; // by delivery
    size_t distance_count;
    struct sited *sited; // by position, from 0
    struct reading *reading;
    struct map deaths;      // position -> how often the process died there
    char *asked[ASKED_MAX]; // commands with an Idempotency-Key
    size_t asked_count;
    bool endpoint_live[ENDPOINTS_MAX];                      // by the number in its id
    size_t endpoint_count;                                  // ids that were asked for
    struct endpoint_wish endpoint_asked[ENDPOINT_KEYS_MAX]; // under a key
    size_t endpoint_keys;
    struct disabled disabled[DISABLED_MAX]; // as the books showed it
    size_t disabled_count;
    uint64_t endpoint_seen; // the position at which they were looked at
    uint32_t retries, crashes;
    int64_t forwarded_us; // when the wall clock was last set forward
    bool die;             // a record kills the process
    const struct sabotage *sabotage;
};

struct sabotage {
    const char *name, *oracle;  // what is broken, and which oracle must notice
    void (*arm)(struct sim *s); // null where `books` says it
    struct trouble trouble;     // what the run needs to show it
    // Done to the books' store, and to that of the books made anew; null: nothing. Such runs have
    // sites.
    void (*books)(struct store *books);
    bool tables;    // such runs keep tables
    bool endpoints; // such runs have endpoints
    bool lanes;     // such runs have lanes
};
void sabotage_ends(void);
extern const struct sabotage sabotages[];
extern const size_t sabotage_count;

// Stripe's side.
void stripe_plan(struct sim *s);
void stripe_crashed(struct sim *s); // the gateway's process died: its requests are cut
bool stripe_done(const struct sim *s);
const struct event_sent *stripe_event(const struct sim *s, bytes id, bool other_owner);
const char *source_path(int source);

// The sites' side.
void site_open(struct sim *s);
struct got *site_got(struct sim *s, bytes destination, const struct event_sent *e);
// A site or handler has this event in its hands: the bytes must be those that Stripe sent. With
// `works` it does its work. Null: an oracle was broken.
struct got *site_accept(struct sim *s, bytes destination, bytes body, bool works);
void site_crashed(struct sim *s); // what was heard and not recorded may come again
void site_close(struct sim *s);

// The handlers' side.
void handler_open(struct sim *s);
// For sabotage: dispatch hears of a handler that died that it ended with 0.
extern bool handler_deaths_are_success;

// The operator's side: commands, with and without a key.
void operator_commands(struct sim *s);   // in trouble
void operator_calms(struct sim *s);      // all is released, and every answer asked for
bool operator_done(const struct sim *s); // all of that is durable
void operator_close(struct sim *s);

// Endpoints: who makes and changes them, and what they are owed.
void endpoint_name(size_t n, char out[ENDPOINT_NAME_SIZE]);
void endpoints_command(struct sim *s); // now and then, until all is calm
void endpoints_calm(struct sim *s);    // all are enabled
void oracle_begins(struct sim *s, bytes destination,
                   const struct event_sent *e); // an attempt there
void oracle_disabled(struct sim *s);            // after a step
void oracle_endpoints(struct sim *s);           // once all is calm; after sites_read

// The ledger's store fails as the trouble says; poison cannot be booked in it.
void faults_arm(struct sim *s);
void faults_poison(struct store *s);
extern struct sim *sim_now; // the run under way, for patched stores

// Oracles.
void oracle_ack(struct sim *s, const struct post *p);
void oracle_record(void *sim, const struct record *r);
// The process has died, not of its own will: the books tell whether it may have been of a record.
void oracle_death(struct sim *s);
void oracle_step(struct sim *s);
void oracle_books(struct sim *s); // the ledger equals the journal booked from the start
bool oracle_ended(struct sim *s); // nothing is owed any more
void oracle_end(struct sim *s);
void oracle_close(struct sim *s);
// Its delivery ended, with a reason that says why it never came.
bool oracle_gave_up(struct sim *s, uint64_t event_seq, bytes destination);
// Whose each event is, read from all records independently of the rooms; once all is calm.
void sites_read(struct sim *s);
// Does the event of this first receipt go there because its site was known late?
bool sites_explain(const struct sim *s, uint64_t receipt, bytes destination);
void oracle_sites(struct sim *s);
void sites_close(struct sim *s);
void oracle_lanes(struct sim *s); // once all is calm
// What of a queue goes first: as a delivery is booked, and as some are handed out.
struct due_asked {
    uint32_t destination;
    int64_t now_ms;
    bool (*skip)(void *ctx, uint64_t delivery);
    void *ctx;
};
void oracle_priority(struct sim *s, struct store *books, const struct delivery_row *row);
void oracle_handed(struct sim *s, struct store *books, const struct due_asked *q,
                   const struct due_row *rows, size_t n);
// Tables: what happens to products, and whether their rows say so.
void tables_draw(struct sim *s, struct event_sent *e);
void oracle_rows(struct sim *s);   // after a step
void oracle_tables(struct sim *s); // once all is calm
// By the books: was this event applied to them?
bool tables_applied(struct sim *s, const struct event_sent *e);

#endif
