// SPDX-License-Identifier: MIT
#include "base/seal.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"

#define VERSION 1
#define TAG_SIZE 16
#define HEAD_SIZE (1 + SEAL_NONCE_SIZE) // the version and the nonce
#define SEALED_MAX ((size_t)64 << 20)   // far below what libcrypto counts in an int

static void drop_cipher(EVP_CIPHER_CTX **c) { EVP_CIPHER_CTX_free(*c); }

// Set up to run one way over what is bound to this purpose. libcrypto has no reason to refuse: its
// memory is ours (base/digest.c), and the sizes are the cipher's own.
static EVP_CIPHER_CTX *begin(const uint8_t *key, const uint8_t *nonce, bytes purpose, int closing) {
    int n;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    ensure(c != NULL);
    ensure(EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce, closing) == 1);
    if (purpose.n > 0)
        ensure(EVP_CipherUpdate(c, NULL, &n, purpose.p, (int)purpose.n) == 1);
    return c;
}

static void run(EVP_CIPHER_CTX *c, bytes in, uint8_t *out) {
    int n = 0;
    if (in.n > 0)
        ensure(EVP_CipherUpdate(c, out, &n, in.p, (int)in.n) == 1);
    ensure((size_t)n == in.n);
}

void seal_close(const uint8_t key[SEAL_KEY_SIZE], const uint8_t nonce[SEAL_NONCE_SIZE],
                bytes purpose, bytes plain, struct text *out) {
    ensure(plain.n < SEALED_MAX && purpose.n < SEALED_MAX);
    OWN(drop_cipher)
    EVP_CIPHER_CTX *c = begin(key, nonce, purpose, 1);
    uint8_t version = VERSION, tag[TAG_SIZE];
    uint8_t *closed = memory_take(plain.n + 1);
    int n;
    run(c, plain, closed);
    ensure(EVP_CipherFinal_ex(c, closed + plain.n, &n) == 1 && n == 0);
    ensure(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) == 1);
    text_add_hex(out, bytes_from(&version, 1));
    text_add_hex(out, bytes_from(nonce, SEAL_NONCE_SIZE));
    text_add_hex(out, bytes_from(closed, plain.n));
    text_add_hex(out, bytes_from(tag, TAG_SIZE));
    free(closed);
}

// `plain` gets sealed.n - HEAD_SIZE - TAG_SIZE bytes, which count only when it is OK.
static result open_bytes(const uint8_t *key, bytes purpose, bytes sealed, uint8_t *plain) {
    NEED(sealed.p[0] == VERSION, INVALID, "sealed in a form that is not known here");
    OWN(drop_cipher)
    EVP_CIPHER_CTX *c = begin(key, sealed.p + 1, purpose, 0);
    size_t end = sealed.n - TAG_SIZE;
    int n;
    run(c, bytes_slice(sealed, HEAD_SIZE, end), plain);
    ensure(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, (void *)(sealed.p + end)) == 1);
    NEED(EVP_CipherFinal_ex(c, plain, &n) == 1, INVALID,
         "sealed with another key or for something else, or changed since");
    return OK;
}

result seal_open(const uint8_t key[SEAL_KEY_SIZE], bytes purpose, bytes sealed, struct text *out) {
    size_t n = sealed.n / 2;
    NEED(n >= HEAD_SIZE + TAG_SIZE && n < SEALED_MAX, INVALID, "not of a sealed text's length");
    ensure(purpose.n < SEALED_MAX);
    uint8_t *raw = memory_take(n), *plain = memory_take(n);
    result done = bytes_from_hex(sealed, raw, n);
    if (done == OK)
        done = open_bytes(key, purpose, bytes_from(raw, n), plain);
    if (done == OK)
        text_add(out, bytes_from(plain, n - HEAD_SIZE - TAG_SIZE));
    memory_wipe(plain, n);
    free(plain);
    free(raw);
    return done;
}
