// SPDX-License-Identifier: MIT
// Those who listen by `stripe listen` and `stripe logs tail` (ARCHITECTURE, "Listening"): sessions
// (listen_session.c), what is pushed to them (listen_push.c), what they say (listen_heard.c) and
// the requests they are told of (listen_log.c). The wire is that of the official CLI 1.52.
//
// A session is made by a key of mode test or live and sees that livemode; it is known by an id that
// nobody can guess, and outlives its connections by LISTEN_AWAY_US, or LISTEN_NEVER_US where there
// was none (as of --print-secret). It ends with its key. All on the desk's loop, but listen_batch
// while a question is under way.
#ifndef DESK_LISTEN_H
#define DESK_LISTEN_H

#include "base/list.h"
#include "desk/auth.h"
#include "desk/desk.h"
#include "desk/listen_secret.h"
#include "desk/push_window.h"
#include "http/websocket.h"

struct ask;

#define LISTEN_AWAY_US INT64_C(300000000)
#define LISTEN_NEVER_US INT64_C(30000000)
#define LISTEN_ID_MAX 32      // of a session, with its NUL
#define LISTEN_RESENDS_MAX 64 // asked for by hand and not pushed yet; more are counted and left out
#define LISTEN_LOGS_MAX 64    // requests that one who does not read is told of later; likewise

enum listen_feature { LISTEN_WEBHOOKS = 1, LISTEN_V2 = 2, LISTEN_LOGS = 4 };

struct listener {
    struct list link; // in listeners.all
    struct desk *desk;
    char id[LISTEN_ID_MAX];
    char key_id[KEY_ID_KEPT];
    bool live;
    unsigned features;
    struct text device, forward_to, forward_connect_to; // as he named them
    struct hmac_key signs, names;                       // events, and pushes (push_window.h)
    struct websocket *socket;                           // null: away
    bool came;                                          // there was one
    int64_t since_us;                                   // when that began, or the session
    int64_t made_ms;
    uint64_t pushed, answered; // messages, responses
    struct push_window window;
    uint64_t resends[LISTEN_RESENDS_MAX];
    size_t resend_n;
    struct text logs[LISTEN_LOGS_MAX]; // messages
    size_t log_n;
    struct json_doc *filters; // of logs; null: none
};

struct listeners {
    struct list all;
    size_t n;
    struct websocket_limits limits;
    struct timer *timer; // runs while there are any
    bool ticking;
    // Events that were asked for, for all who wait for one of them.
    bool asking;
    struct listen_batch {
        struct push_question question;
        bool resend; // of one event that was asked for by hand
        struct arena memory;
        struct push_event *events;
        size_t n;
        bool more;
        result failed;
    } batch;
    // What sites answered, on its way to the books.
    struct text attempts;
    size_t attempt_n;
    struct timer *booking;
    size_t bookings; // commands under way
};

void listeners_open(struct desk *d);
void listeners_close(struct desk *d); // all sessions are gone
// Ends the sessions that this key made; empty: all.
void listeners_end(struct desk *d, bytes key_id);
void listeners_write(const struct desk *d, struct text *out); // JSON, for /api/listen
// Does he want such events at all?
bool listener_takes_events(const struct listener *l);

// Pushes what there is to push (listen_push.c).
void listen_look(struct desk *d);
// Everybody who listens to this livemode gets this event again.
void listen_resend(struct desk *d, bool live, uint64_t event);
// What he sent; true: something more may be pushed now.
bool listen_heard(struct listener *l, bytes text);
// Posts what sites answered, at last.
void listen_book(struct desk *d);
void listen_heard_close(struct desk *d);
// A request of Stripe's API was answered, as the ask tells (listen_log.c).
void listen_log(struct ask *a);
void listen_logs_push(struct listener *l);

// The route of the WebSocket, at the head of its request.
enum http_verdict listen_connect(struct desk *d, struct session *s, const struct http_request *r);

#endif
