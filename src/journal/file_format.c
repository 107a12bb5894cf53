// SPDX-License-Identifier: MIT
#include "journal/file_format.h"

#include <string.h>

#include "base/digest.h"

#define HEAD_DIGEST_AT (FILE_HEAD_SIZE - SHA256_SIZE)

static const char FILE_MAGIC[16] = {'h', 'o', 'o', 'k', 'k', 'e', 'e', 'p',
                                    ' ', 'j', 'o', 'u', 'r', 'n', 'a', 'l'};
static const char BATCH_MAGIC[4] = {'H', 'K', 'b', 't'};

static void put(uint8_t *p, size_t n, uint64_t v) {
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint32_t get32(const uint8_t *p) { return (uint32_t)get(p, 4); }

void file_head_encode(const struct file_head *h, uint8_t out[FILE_HEAD_SIZE]) {
    memset(out, 0, FILE_HEAD_SIZE);
    memcpy(out, FILE_MAGIC, sizeof FILE_MAGIC);
    put(out + 16, 4, h->format);
    put(out + 20, 4, h->segments);
    put(out + 24, 8, h->segment_size);
    memcpy(out + 32, h->id, JOURNAL_ID_SIZE);
    put(out + 48, 8, h->first);
    digest_sha256(&(bytes){out, HEAD_DIGEST_AT}, 1, out + HEAD_DIGEST_AT);
}

result file_head_decode(const uint8_t in[FILE_HEAD_SIZE], struct file_head *out) {
    NEED(memcmp(in, FILE_MAGIC, sizeof FILE_MAGIC) == 0, FORMAT, "the file is not a journal");
    uint8_t digest[SHA256_SIZE];
    digest_sha256(&(bytes){in, HEAD_DIGEST_AT}, 1, digest);
    NEED(memcmp(in + HEAD_DIGEST_AT, digest, sizeof digest) == 0, CORRUPT,
         "the journal's header is damaged");
    out->format = get32(in + 16);
    NEED(out->format >= JOURNAL_FORMAT_OLDEST && out->format <= JOURNAL_FORMAT, FORMAT,
         "the journal has a format that this version does not know");
    out->segments = get32(in + 20);
    out->segment_size = get(in + 24, 8);
    memcpy(out->id, in + 32, JOURNAL_ID_SIZE);
    out->first = get(in + 48, 8);
    return OK;
}

size_t batch_size(size_t length) {
    return (BATCH_HEAD_SIZE + length + DIGEST_SIZE + SECTOR - 1) / SECTOR * SECTOR;
}

static void batch_digest(const uint8_t *batch, size_t n, uint64_t at, const struct file_head *h,
                         uint8_t out[DIGEST_SIZE]) {
    uint8_t place[8], sha[SHA256_SIZE];
    put(place, sizeof place, at);
    const bytes parts[] = {{h->id, JOURNAL_ID_SIZE}, {place, sizeof place}, {batch, n}};
    digest_sha256(parts, h->format == 1 ? 3 : 2, sha);
    if (h->format == 1)
        memcpy(out, sha, DIGEST_SIZE);
    else
        digest_xxh3(bytes_from(batch, n), get(sha, 8), out);
}

void batch_seal(uint8_t *batch, uint64_t at, const struct file_head *h, struct batch_head *b) {
    memcpy(batch, BATCH_MAGIC, sizeof BATCH_MAGIC);
    put(batch + 4, 4, b->count);
    put(batch + 8, 8, b->first);
    put(batch + 16, 8, b->mark);
    put(batch + 24, 4, b->length);
    put(batch + 28, 4, 0);
    memcpy(batch + 32, b->before, DIGEST_SIZE);
    size_t end = BATCH_HEAD_SIZE + b->length, digest_at = batch_size(b->length) - DIGEST_SIZE;
    memset(batch + end, 0, digest_at - end);
    batch_digest(batch, digest_at, at, h, b->digest);
    memcpy(batch + digest_at, b->digest, DIGEST_SIZE);
}

bool batch_head_decode(const uint8_t in[BATCH_HEAD_SIZE], uint64_t room, struct batch_head *out) {
    if (memcmp(in, BATCH_MAGIC, sizeof BATCH_MAGIC) != 0)
        return false;
    out->count = get32(in + 4);
    out->first = get(in + 8, 8);
    out->mark = get(in + 16, 8);
    out->length = get32(in + 24);
    memcpy(out->before, in + 32, DIGEST_SIZE);
    return out->count > 0 && out->first > 0 && out->mark < out->first &&
           out->length <= BATCH_LENGTH_MAX && batch_size(out->length) <= room &&
           out->length / RECORD_HEAD_SIZE >= out->count;
}

bool batch_whole(const uint8_t *batch, struct batch_head *b, uint64_t at,
                 const struct file_head *h) {
    size_t digest_at = batch_size(b->length) - DIGEST_SIZE;
    batch_digest(batch, digest_at, at, h, b->digest);
    return memcmp(batch + digest_at, b->digest, DIGEST_SIZE) == 0;
}

size_t record_encode(const struct record *r, uint8_t *out) {
    put(out, 4, r->kind);
    put(out + 4, 4, r->payload.n);
    put(out + 8, 8, (uint64_t)r->time_ms);
    put(out + 16, 8, r->seed);
    put(out + 24, 8, r->generation);
    if (r->payload.n > 0)
        memcpy(out + RECORD_HEAD_SIZE, r->payload.p, r->payload.n);
    return RECORD_HEAD_SIZE + r->payload.n;
}

result record_decode(bytes *rest, struct record *out) {
    NEED(rest->n >= RECORD_HEAD_SIZE, CORRUPT, "a journal record is cut short");
    const uint8_t *p = rest->p;
    size_t n = get32(p + 4);
    NEED(n <= rest->n - RECORD_HEAD_SIZE, CORRUPT, "a journal record is longer than its batch");
    out->kind = p[0];
    out->time_ms = (int64_t)get(p + 8, 8);
    out->seed = get(p + 16, 8);
    out->generation = get(p + 24, 8);
    out->payload = bytes_from(p + RECORD_HEAD_SIZE, n);
    *rest = bytes_slice(*rest, RECORD_HEAD_SIZE + n, rest->n);
    return OK;
}
