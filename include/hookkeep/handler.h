/* SPDX-License-Identifier: MIT */
/*
 * Handlers in C: functions of yours that Hookkeep calls for Stripe's events. A shared object
 * exports one table of them, and a destination of `kind: plugin, path: ./it.so` runs it.
 *
 *     #include <hookkeep/handler.h>
 *
 *     static int paid(const hk_handler_event *event, hk_handler_answer *answer) {
 *         const char *invoice = event->text(event, "data.object.id", NULL);
 *         return mark_as_paid(invoice) ? HK_DONE : HK_NOT_YET;
 *     }
 *
 *     static const char *const paid_types[] = {"invoice.paid", NULL};
 *     static const hk_handler handlers[] = {
 *         {"accounting", "marks invoices as paid", paid_types, paid},
 *     };
 *     HK_HANDLER_TABLE(handlers);
 *
 *     cc -shared -fPIC -o accounting.so accounting.c
 *
 * C89 and C++ compatible. A plugin needs no library and no symbol of Hookkeep's: all that it may
 * call comes with the event. It never runs in the gateway, but in processes of its own (`workers`),
 * one event at a time in each: a handler may block, take as long as the destination's timeout, and
 * keep what it likes in static variables. A crash, an endless loop, exit() or a leak ends the
 * process and is a failed attempt of the one event that was being handled, which comes again by the
 * destination's retry. An event that was done may come again too (hookkeep-handler(7) says when):
 * do the work once per event id.
 *
 * Standard output and standard error are the gateway's log, line by line; standard input is empty.
 */
#ifndef HOOKKEEP_HANDLER_H
#define HOOKKEEP_HANDLER_H

#include <stddef.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a plugin is built against. A gateway runs plugins of its own version and of all before; what
 * a later version adds stands behind what there is.
 */
#define HK_HANDLER_VERSION 1

/* What `process` returns; anything else is a failed attempt that says so. */
enum {
    HK_DONE = 0,    /* the work is done, now or before */
    HK_NOT_YET = 1, /* no failure: again soon, not before answer->retry_after seconds */
    HK_FAILED = 2   /* again by the destination's retry, not before answer->retry_after seconds */
};

/*
 * An event, to be read only. It and all that its functions return are valid until `process`
 * returns. Texts end in NUL and are UTF-8.
 */
typedef struct hk_handler_event hk_handler_event;
struct hk_handler_event {
    const char *id;      /* "evt_…" */
    const char *type;    /* "invoice.paid" */
    const char *account; /* the Stripe account that it belongs to, "acct_…"; null: not known */
    int livemode;        /* 1: live, 0: test */
    time_t created;      /* when Stripe made it, Unix seconds */
    const char *api_version; /* "2025-03-31.basil"; null: thin events have none */
    unsigned attempt;        /* of this delivery, from 1 */
    const char *destination; /* its name in the configuration */
    const char *payload;     /* the bytes that Stripe signed */
    size_t payload_size;     /* without the NUL behind them */

    /*
     * Fields, by keys and list indexes with dots between: "data.object.items.data.0.price.id"; ""
     * is the whole event. A key that has a dot itself cannot be reached.
     */

    /* A text; null if there is none at this path. *size, unless null, gets its length: a text may
       have a NUL inside. */
    const char *(*text)(const hk_handler_event *event, const char *path, size_t *size);
    /* 1, and *value is set, if there is a whole number that a long can hold; else 0. */
    int (*integer)(const hk_handler_event *event, const char *path, long *value);
    /* 1 if there is `true`; else 0. */
    int (*is_true)(const hk_handler_event *event, const char *path);
    /* Anything, as compact JSON, numbers as Stripe wrote them; null if there is nothing. */
    const char *(*json)(const hk_handler_event *event, const char *path, size_t *size);
};

#define HK_REASON_SIZE 400

/* All zero when `process` is called. */
typedef struct hk_handler_answer {
    unsigned long retry_after;   /* seconds, with HK_NOT_YET and HK_FAILED; at most a day counts */
    char reason[HK_REASON_SIZE]; /* why it is not done, for people; ends in NUL */
} hk_handler_answer;

/*
 * One handler. An event is given to the first of the table that processes its type, and to no
 * other: what is special stands before what is general. (Two that must both see an event belong
 * into two destinations, so that each has its own attempts.) An event whose type none of them
 * processes is done without any.
 */
typedef struct hk_handler {
    const char *name;         /* 1 to 64 of a-z 0-9 _ -; in the table once */
    const char *description;  /* one line, at most 200 bytes, for lists */
    const char *const *types; /* ended by null: "invoice.paid", "customer.*", "*" */
    int (*process)(const hk_handler_event *event, hk_handler_answer *answer);
} hk_handler;

typedef struct hk_handler_table {
    unsigned version; /* HK_HANDLER_VERSION */
    size_t count;     /* of handlers, 1 to 256 */
    const hk_handler *handlers;
} hk_handler_table;

#if defined(__GNUC__)
#define HK_HANDLER_EXPORT __attribute__((visibility("default")))
#else
#define HK_HANDLER_EXPORT
#endif

/* The one symbol that a plugin exports. */
extern HK_HANDLER_EXPORT const hk_handler_table hk_handlers;

/* Defines it from an array of handlers. */
#define HK_HANDLER_TABLE(array_)                                                                   \
    const hk_handler_table hk_handlers = {HK_HANDLER_VERSION,                                      \
                                          sizeof(array_) / sizeof((array_)[0]), (array_)}

#ifdef __cplusplus
}
#endif

#endif
