/* SPDX-License-Identifier: MIT */
/*
 * A host that looks what its guest does: the functions of the C library's heap and of libcrypto's
 * memory are its own. The names of inner functions of Hookkeep are its own too, so that it could
 * not be linked if the library had them for everybody.
 */
#include <stdio.h>
#include <string.h>

#include <hookkeep/event.h>
#include <openssl/crypto.h>

#define WANT(condition_)                                                                           \
    do {                                                                                           \
        if (!(condition_)) {                                                                       \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition_);                       \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void __libc_free(void *p);

/* --- the heap */

static unsigned long heap_calls; /* since the last look */
static unsigned long fail_at;    /* from now on; 0: never */

static int refuses(void) { return ++heap_calls == fail_at; }

void *malloc(size_t size) { return refuses() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return refuses() ? NULL : __libc_calloc(count, size); }
void *realloc(void *p, size_t size) { return refuses() ? NULL : __libc_realloc(p, size); }
void free(void *p) {
    heap_calls++;
    __libc_free(p);
}

/* --- inner names */

int json_parse(void);
int json_parse_in(void);
int event_read(void);
int signature_parse(void);
int bytes_equal(void);
int hmac_start(void);
int json_parse(void) { return 1; }
int json_parse_in(void) { return 2; }
int event_read(void) { return 3; }
int signature_parse(void) { return 4; }
int bytes_equal(void) { return 5; }
int hmac_start(void) { return 6; }

/* --- an allocator that has a fixed room */

static union {
    double align;
    char bytes[65536];
} room;
static size_t used, live;

static void *take(void *ctx, size_t size) {
    void *p = room.bytes + used;
    size = (size + 15) / 16 * 16;
    if (size > sizeof room.bytes - used)
        return NULL;
    used += size;
    live++;
    return ctx == &live ? p : NULL;
}

static void give(void *ctx, void *p) {
    (void)p;
    if (ctx == &live)
        live--;
}

static void *resize(void *ctx, void *p, size_t old_size, size_t size) {
    void *moved = take(ctx, size);
    if (moved != NULL) {
        memcpy(moved, p, old_size < size ? old_size : size);
        give(ctx, p);
    }
    return moved;
}

static const char body[] =
    "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"invoice.paid\",\"created\":1700000000,"
    "\"livemode\":false,\"data\":{\"object\":{\"id\":\"in_1\",\"amount_paid\":1999}}}";

static int with_the_hosts_memory(const hk_receipt *receipt) {
    hk_event_options options = HK_EVENT_OPTIONS_INIT;
    hk_allocator allocator;
    hk_event *event;
    long amount = 0;
    allocator.ctx = &live;
    allocator.take = take;
    allocator.resize = resize;
    allocator.give = give;
    options.allocator = &allocator;
    heap_calls = 0;
    WANT(hk_verify(receipt, NULL) == HK_OK);
    WANT(hk_event_construct(receipt, &options, &event) == HK_OK);
    WANT(hk_event_integer(event, "data.object.amount_paid", &amount) && amount == 1999);
    WANT(live > 0);
    hk_event_close(event);
    WANT(live == 0 && used > 0);
    WANT(heap_calls == 0); /* of the C library's, whoever would have called it */
    return 0;
}

static int with_our_memory(const hk_receipt *receipt) {
    hk_event *event;
    hk_status status = HK_MEMORY;
    unsigned long at;
    for (at = 1; status == HK_MEMORY; at++) {
        heap_calls = 0;
        fail_at = at;
        status = hk_event_construct(receipt, NULL, &event);
        fail_at = 0;
        WANT(status == HK_OK || (status == HK_MEMORY && event == NULL));
    }
    hk_event_close(event);
    WANT(status == HK_OK && at > 3); /* the document, its text, and the event */
    return 0;
}

static void *crypto_take(size_t n, const char *file, int line) {
    (void)file;
    (void)line;
    return __libc_malloc(n);
}

static void *crypto_resize(void *p, size_t n, const char *file, int line) {
    (void)file;
    (void)line;
    return __libc_realloc(p, n);
}

static void crypto_give(void *p, const char *file, int line) {
    (void)file;
    (void)line;
    __libc_free(p);
}

int main(void) {
    hk_receipt receipt = HK_RECEIPT_INIT;
    hk_secret secret;
    char header[HK_SIGNATURE_SIZE];
    secret.bytes = "whsec_test_secret";
    secret.size = strlen(secret.bytes);
    receipt.body = body;
    receipt.body_size = strlen(body);
    receipt.header = header;
    receipt.header_size = hk_sign(secret, 1700000000, body, strlen(body), header, sizeof header);
    receipt.secrets = &secret;
    receipt.secret_count = 1;
    receipt.now = 1700000000;
    if (with_the_hosts_memory(&receipt) != 0 || with_our_memory(&receipt) != 0)
        return 1;
    /* libcrypto lets its memory be set before its first allocation alone. */
    WANT(CRYPTO_set_mem_functions(crypto_take, crypto_resize, crypto_give) == 1);
    WANT(json_parse() + json_parse_in() + event_read() + signature_parse() + bytes_equal() +
             hmac_start() ==
         21);
    puts("a quiet guest");
    return 0;
}
