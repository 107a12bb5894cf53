// SPDX-License-Identifier: MIT
// One request to the desk under way. It lives as long as its session or anything it began (a query,
// an append, an await) needs it; the peer may be gone by then.
//
// All on the loop's thread, but `work` of a query: while that runs, the loop leaves everything
// alone but session, holds and link.
#ifndef DESK_ASK_H
#define DESK_ASK_H

#include "base/arena.h"
#include "base/json.h"
#include "base/list.h"
#include "desk/auth.h"
#include "desk/desk.h"
#include "desk/listen.h"
#include "desk/pace.h"
#include "desk/routes.h"
#include "port/fetch.h"
#include "rules/command.h"
#include "stripe/event_query.h"

#define BODY_MAX ((size_t)64 << 10)              // of a request, unless its route takes more
#define PLAN_BODY_MAX (PLAN_JSON_MAX + BODY_MAX) // of one that carries a plan
#define ASK_MEMORY_MAX ((size_t)4 << 20)
#define REQUEST_ID_RANDOM 16

struct desk {
    struct desk_options o;
    struct server_limits limits;
    struct http_budget budget;
    struct loop *loop;
    struct mailbox *mailbox; // the loop's
    struct server *server;
    struct thread *thread;
    struct mail stop, quit, hush;
    struct mailbox *stopped; // where desk_stop sleeps
    struct mail stopped_mail;
    bool draining; // no new streams
    bool no_more;  // begin nothing new
    bool quitting;
    bool told_to_stop; // of the thread that calls desk_stop
    struct timer *interrupter;
    struct list asks;
    struct list tails, polls;
    struct timer *tail_timer, *poll_timer;
    struct listeners listeners;
    struct auth_cache keys;
    struct signing *signing; // desk/signing.h
    struct pace pace;
    struct fetcher *fetcher;     // desk/leads.h
    size_t leading;              // names that are being looked up
    struct guard_range *allowed; // the guard's exceptions
    size_t allowed_count;
    struct text addresses;  // of the sources
    struct twin_desk *twin; // desk/twin.h; null: none
    int64_t started_us;
    _Atomic uint64_t generation;
    // Known from the first query on, to interrupt it when the desk closes.
    struct reader *_Atomic reader, *_Atomic slow_reader;
    atomic_bool interrupted; // queries that did not start yet shall not
    size_t listen_count;
    uint16_t *ports;
};

enum desk_mail {
    DESK_QUERY = 1,
    DESK_APPEND,
    DESK_AWAIT,
    DESK_STOP,
    DESK_QUIT,
    DESK_HUSH,
    DESK_TLS,
    DESK_SOURCES,
    DESK_ALLOWED,
    DESK_ROLLED,
    DESK_LOOKED
};

// A request that goes on as a stream of events.
struct tail {
    struct list link; // in the desk's tails
    uint64_t cursor;  // everything up to this seq was sent, or does not fit the filter
    uint64_t upto;    // booked when the query under way was posted
    int64_t heard_us; // when the last piece was written
    bool asking;      // a query is under way
    result failed;    // how it ended
    struct list_filter filter;
};

// A request that waits for events (desk/listen_poll.h).
struct poll {
    struct list link; // in the desk's polls
    enum mode livemode;
    uint64_t after;   // looked at so far
    uint64_t upto;    // booked when the query under way was posted
    int64_t until_us; // monotonic; then it is answered without any
    bool asking, found, more, ended;
};

struct ask {
    struct list link; // in the desk's asks
    struct desk *desk;
    struct session *session; // null once it was answered, or the peer is gone
    unsigned holds;
    const struct route *route;
    struct arena memory;
    bytes arg; // {x} of the path, decoded
    bytes query_text;
    bytes values[PARAMS_MAX]; // of the route's parameters, decoded
    struct text body;
    size_t body_taken; // of the budget, for what is over BODY_MAX
    struct json_doc *doc;
    struct caller caller;

    struct query query;
    bool slow;
    void (*work)(struct ask *a, struct reader *r); // on the query thread
    void (*then)(struct ask *a);                   // when it came back
    void (*gone)(struct ask *a);                   // when it ends; null: nothing
    uint64_t epoch;                                // of auth_cache, when the key was looked up
    enum command command;
    bytes idempotency_key; // the request's; empty: none
    struct text payload;
    struct append append;
    struct await await;
    struct tail tail;
    struct poll poll;
    struct desk_roll roll;
    struct dispatch_look look;

    // Of Stripe's API (desk/v1.h).
    bool v1;
    bool tls;
    bytes method, path, host, peer; // as they came
    char request_id[REQUEST_ID_RANDOM + 5];
    bytes version, account;     // Stripe-Version and Stripe-Account
    bool replayed;              // the answer was given before, for the same Idempotency-Key
    bytes told_idempotency_key; // as it came; what the books know it by is another
    struct event_query history;
    const struct twin_chaos *chaos; // of the events that this makes (desk/twin.h); null: as set

    // Of the one who answers.
    struct list_filter filter;
    uint64_t number;
    char key[DESK_KEY_MAX]; // one just made, until it was told
    bool tells_secret;      // the answer is wiped

    // The answer, until ask_send.
    int status;
    const char *type;
    struct text out;
    struct text allow; // of 405
};

extern const struct http_handler ask_handler; // its ctx is the desk

// Fills the answer with an error, of Stripe's shape under /v1 (on whichever thread the ask is); the
// format's outside data has to be short (ask_short).
void ask_fail(struct ask *a, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// At most 64 bytes of it, for a message.
bytes ask_short(bytes b);
// A reader's failure: 404 with `what` ("no event has this id"), or what it was.
void ask_fail_read(struct ask *a, result failed, const char *what);
// Sends what was filled. The ask lives on at least until its caller has returned to the loop.
void ask_send(struct ask *a);
void ask_refuse(struct ask *a, int status, const char *text); // both

// Runs work on the query thread, then `then` on the loop's, even if the peer is gone.
void ask_query(struct ask *a, void (*work)(struct ask *a, struct reader *r),
               void (*then)(struct ask *a));
void ask_query_slow(struct ask *a, void (*work)(struct ask *a, struct reader *r),
                    void (*then)(struct ask *a));
// Waits until the books are at this position, then `then`; answers 503 if they will not be.
void ask_await(struct ask *a, uint64_t position, void (*then)(struct ask *a));

// Changing something: begin, add fields to a->payload (each with its comma in front), post. The
// books' answer lies in a->await.answer when `then` is called; what they refuse is answered before,
// and then is not called. Null: their answer is ours.
void ask_command_begin(struct ask *a, enum command c);
void ask_command_post(struct ask *a, void (*then)(struct ask *a));
// The same for a payload that is whole.
void ask_payload_post(struct ask *a, void (*then)(struct ask *a));

// Has the secret rolled of the destination of the path, and answers with what comes back.
void ask_roll(struct ask *a, int64_t overlap_s);

// How dispatch's destinations are doing: all, all of the configuration, or the one of this name.
// `then` finds it in a->look.out, an empty object if there is nothing to be known.
void ask_look(struct ask *a, bytes destination, bool configured, void (*then)(struct ask *a));

// One of the desk's own, without a request: it answers nobody, and what is refused shows in its
// status alone. The caller releases it. `gone`, which may be null, is called when it ends.
struct ask *ask_inner(struct desk *d, void (*gone)(struct ask *a));
void ask_hold(struct ask *a);
void ask_release(struct ask *a);
// Mail of the loop that belongs to an ask.
void ask_mail(struct desk *d, struct mail *m);

#endif
