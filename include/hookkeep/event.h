/* SPDX-License-Identifier: MIT */
/*
 * libhookkeep, Stripe's events for programs in C: what stripe.webhooks.constructEvent and
 * stripe.parseEventNotification give others. One call takes what arrived, judges its signature, and
 * only then reads it. C89 and C++ compatible; hookkeep/signature.h says what holds for all of the
 * library.
 *
 * An event is read-only: any number of threads may read one at a time. All that is read out of it
 * belongs to it, and ends with it.
 *
 * Its memory is the caller's allocator's, else that of malloc; where there is none the call answers
 * HK_MEMORY, with all given back. Stripe's events take some four times their body; a body made to
 * take much takes up to 40 times its size. Whoever takes bodies from strangers limits them
 * (Stripe's stay below 1 MiB), and nothing is read before the signature holds.
 */
#ifndef HOOKKEEP_EVENT_H
#define HOOKKEEP_EVENT_H

#include "hookkeep/signature.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Where an event lies. The functions do as malloc, realloc and free: aligned for any type, null if
 * there is no room, and then what was to be resized stays as it is. They are called by the thread
 * that constructs or closes the event, and no others. `old_size` is what p was last asked for with.
 * p is never null.
 */
typedef struct hk_allocator {
    void *ctx;
    void *(*take)(void *ctx, size_t size);
    void *(*resize)(void *ctx, void *p, size_t old_size, size_t size);
    void (*give)(void *ctx, void *p);
} hk_allocator;

/* With HK_NOT_EVENT: which field of the body breaks which rule, as "livemode", "is not true or
   false". Constant texts, which repeat nothing of the body. */
typedef struct hk_fault {
    const char *field;
    const char *problem;
} hk_fault;

typedef enum hk_accept {
    HK_ACCEPT_SNAPSHOT = 0, /* `object: event`, which carry their object */
    HK_ACCEPT_THIN = 1,     /* `object: v2.core.event`, which name it */
    HK_ACCEPT_BOTH = 2
} hk_accept;

/* `size` as in hk_receipt; begin with HK_EVENT_OPTIONS_INIT. */
typedef struct hk_event_options {
    size_t size;
    hk_accept accept;
    const hk_allocator *allocator; /* copied; its ctx must outlast the event; null: malloc's */
    hk_fault *fault;               /* filled with HK_NOT_EVENT; may be null */
} hk_event_options;

#define HK_EVENT_OPTIONS_INIT                                                                      \
    { sizeof(hk_event_options), HK_ACCEPT_SNAPSHOT, NULL, NULL }

typedef struct hk_event hk_event;

/*
 * The event of a receipt whose signature holds; `options` may be null. The caller closes it. With
 * any other status than HK_OK, *out is null and nothing of the body was read unless its signature
 * held.
 *
 * An event has what Hookkeep needs of one: `id` and `type` (1 to 255 bytes without control
 * characters), `object`, `created`, `livemode`, none of them twice; `account` and `context`, if
 * there, are as `id`. Unknown types and further fields are welcome. Else it is HK_NOT_EVENT.
 */
HK_API hk_status hk_event_construct(const hk_receipt *receipt, const hk_event_options *options,
                                    hk_event **out);

/* The same of a body that needs no signature, since it came from Hookkeep or out of a store of
   your own. The body may be freed afterwards. */
HK_API hk_status hk_event_parse(const void *body, size_t body_size, const hk_event_options *options,
                                hk_event **out);

HK_API void hk_event_close(hk_event *event); /* null is allowed */

/* The envelope. Texts end in NUL and are never null, but "" where the event says nothing. */
HK_API const char *hk_event_id(const hk_event *event);      /* "evt_…" */
HK_API const char *hk_event_type(const hk_event *event);    /* "invoice.paid" */
HK_API const char *hk_event_account(const hk_event *event); /* the connected account, "acct_…" */
HK_API const char *hk_event_api_version(const hk_event *event);
HK_API const char *hk_event_object_id(const hk_event *event);   /* of what it is about: "in_…" */
HK_API const char *hk_event_object_type(const hk_event *event); /* "invoice" */
HK_API time_t hk_event_created(const hk_event *event);          /* Unix seconds */
HK_API int hk_event_livemode(const hk_event *event);            /* 1: live, 0: test */
HK_API int hk_event_thin(const hk_event *event);                /* 1: thin, 0: a snapshot */

/*
 * Fields, by the paths of `where` in hookkeep.yaml(5): keys and list indexes with dots between,
 * "data.object.metadata.site", "data.object.items.data.0.price.id"; "" is the whole event. A key
 * with a dot in it cannot be reached. Of equal keys the first counts. A path costs time in how many
 * members it passes.
 */
typedef enum hk_kind {
    HK_ABSENT = 0, /* there is nothing at this path */
    HK_NULL = 1,
    HK_BOOL = 2,
    HK_NUMBER = 3,
    HK_TEXT = 4,
    HK_LIST = 5,
    HK_OBJECT = 6
} hk_kind;
HK_API hk_kind hk_event_kind(const hk_event *event, const char *path);

/* The text at this path, UTF-8 and ended by NUL; null if there is none. `size`, unless it is null,
   gets its length: a text may have a NUL inside. */
HK_API const char *hk_event_text(const hk_event *event, const char *path, size_t *size);
/* The same of a number, as Stripe wrote it: nothing is lost by turning it into one of C's. */
HK_API const char *hk_event_number(const hk_event *event, const char *path, size_t *size);
/* 1, and *value is set, if there is a whole number, written without fraction and exponent, that a
   long can hold; else 0. */
HK_API int hk_event_integer(const hk_event *event, const char *path, long *value);
/* 1 if there is `true`; else 0. */
HK_API int hk_event_is_true(const hk_event *event, const char *path);
/* How many elements a list or members an object has; else 0. */
HK_API size_t hk_event_count(const hk_event *event, const char *path);
/* 1 if what is there is equal to `value` as `where` has it: a text's bytes, a number as it was
   written, true, false, null; else 0. */
HK_API int hk_event_equals(const hk_event *event, const char *path, const char *value);

#ifdef __cplusplus
}
#endif

#endif
