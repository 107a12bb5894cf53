// SPDX-License-Identifier: MIT
#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/ensure.h"
#include "base/memory.h"

static void *take(size_t n, const char *file, int line) { return memory_take(n); }

static void *resize(void *p, size_t n, const char *file, int line) {
    if (n > 0)
        return memory_grow(p, n, 1);
    free(p);
    return NULL;
}

static void give(void *p, const char *file, int line) { free(p); }

// libcrypto, and libssl with it, hears of this before its first allocation alone, whoever makes it.
__attribute__((constructor)) static void share_memory(void) {
    (void)CRYPTO_set_mem_functions(take, resize, give);
}

// Looking an algorithm up costs more than hashing an event, so it is done once.
static EVP_MD *sha256(void) {
    static _Atomic(EVP_MD *) kept;
    EVP_MD *md = atomic_load_explicit(&kept, memory_order_acquire);
    if (md != NULL)
        return md;
    md = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    ensure(md != NULL);
    EVP_MD *other = NULL;
    if (atomic_compare_exchange_strong(&kept, &other, md))
        return md;
    EVP_MD_free(md);
    return other;
}

void digest_sha256(const bytes *parts, size_t n, uint8_t out[SHA256_SIZE]) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ensure(ctx != NULL);
    ensure(EVP_DigestInit_ex2(ctx, sha256(), NULL) == 1);
    for (size_t i = 0; i < n; i++)
        ensure(EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) == 1);
    ensure(EVP_DigestFinal_ex(ctx, out, NULL) == 1);
    EVP_MD_CTX_free(ctx);
}

void digest_sha1(bytes b, uint8_t out[SHA1_SIZE]) {
    size_t n = 0;
    ensure(EVP_Q_digest(NULL, "SHA1", NULL, b.p, b.n, out, &n) == 1 && n == SHA1_SIZE);
}

void digest_xxh3(bytes b, uint64_t seed, uint8_t out[XXH3_SIZE]) {
    XXH128_canonical_t canonical;
    _Static_assert(sizeof canonical.digest == XXH3_SIZE, "128 bits");
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_withSeed(b.p, b.n, seed));
    memcpy(out, canonical.digest, XXH3_SIZE);
}
