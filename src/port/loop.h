// SPDX-License-Identifier: MIT
// An event loop (libuv) for the rooms that have sockets. Everything here is called on the loop's
// own thread, but loop_stop and posting to its mailbox.
#ifndef PORT_LOOP_H
#define PORT_LOOP_H

#include <stdint.h>

#include "base/result.h"
#include "port/mailbox.h"

struct loop;
struct timer;

// From then on the process ignores SIGPIPE, if it did not handle it.
must result loop_open(struct loop **out);
// Until loop_stop, or nothing is left to wait for: a mailbox and a signal always are. May be called
// again.
void loop_run(struct loop *l);
void loop_stop(struct loop *l); // any thread
// Closes what is still open: timers, the mailbox, signals. Mail that still lies there is taken
// first; nobody may post any more. Connections, listeners and fetchers must be closed before; those
// that still linger are cut, with their last call of `closed`. Null is allowed.
void loop_close(struct loop *l);
int64_t loop_now_us(struct loop *l); // monotonic, in whole ms, as of this turn of the loop

// The loop's mailbox: `take(ctx, mail)` is called for each message, on the loop's thread. One a
// loop; owned by it.
struct mailbox *loop_mailbox(struct loop *l, void (*take)(void *ctx, struct mail *mail), void *ctx);

// A timer, not running. `fire(ctx)` is called once for each timer_set.
struct timer *timer_open(struct loop *l, void (*fire)(void *ctx), void *ctx);
void timer_set(struct timer *t, int64_t ms); // replaces what was set; 0 fires in the next turn
void timer_clear(struct timer *t);
void timer_close(struct timer *t); // null is allowed

// Calls back on the loop whenever the process gets this signal; until the loop closes.
must result loop_signal(struct loop *l, int signum, void (*got)(void *ctx, int signum), void *ctx);
// The same for SIGINT and SIGTERM: someone wants the process to end.
must result loop_interrupts(struct loop *l, void (*got)(void *ctx, int signum), void *ctx);
// The same for SIGHUP: the terminal is gone.
must result loop_hangups(struct loop *l, void (*got)(void *ctx, int signum), void *ctx);

#endif
