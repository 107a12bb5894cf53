/* SPDX-License-Identifier: MIT */
/*
 * libhookkeep, Stripe's webhook signatures for programs in C: verify a Stripe-Signature header, or
 * make one. hookkeep/event.h does that and reads the event as well. C89 and C++ compatible; build
 * with `pkg-config --cflags --libs hookkeep`. libhookkeep(3) shows a whole program.
 *
 * The library is a quiet guest. It keeps nothing between two calls, starts no thread, reads no
 * clock, file or environment, prints nothing and never ends the program; all of it may be called
 * from any thread at any time. Nothing in this header takes memory.
 *
 * The rules are the gateway's own, as strict as the strictest of Stripe's SDKs: one `t` of decimal
 * digits without sign or leading zero, no white space, at most 16 `v1` items of 64 lower-case
 * hexadecimal digits, a header of at most 4096 bytes; other schemes are ignored. A timestamp may
 * lie as little in the future as in the past. Comparison takes constant time. The scheme is
 * https://docs.stripe.com/webhooks#verify-manually.
 */
#ifndef HOOKKEEP_SIGNATURE_H
#define HOOKKEEP_SIGNATURE_H

#include <stddef.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HK_API __attribute__((visibility("default")))
#else
#define HK_API
#endif

#define HK_SECRETS_MAX 64
#define HK_SIGNATURE_SIZE 96 /* bytes that hk_sign needs at most, its NUL counted */
#define HK_TOLERANCE 300L    /* seconds; what the official SDKs use */
#define HK_ANY_AGE (-1L)     /* as a tolerance: the age is not judged */

/*
 * How a call ended. libhookkeep(3) sets them beside what Stripe's SDKs throw. Later versions may
 * add some, behind these: take what you do not know as a refusal.
 */
typedef enum hk_status {
    HK_OK = 0,
    HK_USAGE = 1,          /* the call breaks this header's rules: a defect of the program's */
    HK_MEMORY = 2,         /* the allocator gave none; nothing is kept, and it may be tried again */
    HK_NO_SECRET = 3,      /* no secret, or one that is empty or white space alone */
    HK_NO_HEADER = 4,      /* no Stripe-Signature header, or an empty one */
    HK_NO_TIMESTAMP = 5,   /* the header has no item t */
    HK_NO_SIGNATURES = 6,  /* the header has no item v1 */
    HK_MALFORMED = 7,      /* the header has both, and breaks a rule */
    HK_NO_MATCH = 8,       /* no v1 was made with one of the secrets over this body */
    HK_NO_MATCH_SPACE = 9, /* likewise, and a secret has white space in it */
    HK_TOO_OLD = 10,       /* a v1 matches; t lies more than the tolerance before now */
    HK_IN_FUTURE = 11,     /* a v1 matches; t lies more than the tolerance after now */
    HK_NO_BODY = 12,       /* the body is empty */
    HK_NOT_JSON = 13,      /* the body is no JSON of at most 128 levels */
    HK_NOT_EVENT = 14,     /* the body is JSON, and no event */
    HK_THIN_EVENT = 15,    /* a thin event, where snapshots alone are accepted */
    HK_SNAPSHOT_EVENT = 16 /* a snapshot event, where thin ones alone are accepted */
} hk_status;

/* One clause in English for an operator or a log, without a full stop; it tells nothing about
   secrets. Constant, never null. */
HK_API const char *hk_status_text(hk_status status);

/* The library's version, as "0.1.0". Constant. */
HK_API const char *hk_version(void);

/* A secret as it stands in Stripe's dashboard, "whsec_" included. */
typedef struct hk_secret {
    const char *bytes;
    size_t size;
} hk_secret;

/*
 * What arrived, and what it is judged by. All of it stays the caller's and is only read.
 *
 * `size` says which version of this struct the program knows; begin with HK_RECEIPT_INIT. A library
 * that knows more takes what is missing as not asked for; one that knows less answers HK_USAGE if
 * something is set that it does not know.
 */
typedef struct hk_receipt {
    size_t size;
    const void *body; /* the raw body, as it came; null if it has no bytes */
    size_t body_size;
    const char *header;       /* the value of Stripe-Signature; null if there is none */
    size_t header_size;       /* it need not end in NUL */
    const hk_secret *secrets; /* any of them may match: a secret that is being rolled is two */
    size_t secret_count;      /* 1 to HK_SECRETS_MAX */
    time_t now;               /* Unix seconds */
    long tolerance;           /* seconds; 0: that very second; HK_ANY_AGE */
} hk_receipt;

/* With the tolerance HK_TOLERANCE. */
#define HK_RECEIPT_INIT                                                                            \
    { sizeof(hk_receipt), NULL, 0, NULL, 0, NULL, 0, 0, HK_TOLERANCE }

/*
 * HK_OK if the signature holds: the header is well formed, one of its v1 items was made with one of
 * the secrets over this body, which may be empty, and it is as old as it may be; they are judged in
 * this order. `which`, unless it is null, gets the index of the secret that matched, if one did.
 */
HK_API hk_status hk_verify(const hk_receipt *receipt, size_t *which);

/*
 * Writes the value of a Stripe-Signature header, "t=…,v1=…", ended by NUL, and returns its length
 * without the NUL; 0, and nothing is written, if `out_size` is too small (HK_SIGNATURE_SIZE always
 * suffices), `at` lies before 1970 or the secret is empty or white space alone.
 */
HK_API size_t hk_sign(hk_secret secret, time_t at, const void *body, size_t body_size, char *out,
                      size_t out_size);

#ifdef __cplusplus
}
#endif

#endif
