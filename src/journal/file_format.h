// SPDX-License-Identifier: MIT
// The file journal on disk, format 2. Integers are little-endian, offsets in bytes.
//
//   0        4096                    4096 + S                4096 + 2 S          4096 + N S
//   +--------+-----------------------+-----------------------+---- - - - --------+
//   | header |      segment 0        |      segment 1        |                   |
//   +--------+-----------------------+-----------------------+---- - - - --------+
//            | batch | batch | waste |
//
//   header   0  magic "hookkeep journal"   16  format u32   20  segments N u32   24  segment size
//   u64
//           32  id, 16 random bytes        48  position of the first record u64   56  zeros
//         4064  SHA-256 of the 4064 bytes before
//
//   batch    0  magic "HKbt"                4  records u32    8  position of its first record u64
//           16  mark u64                   24  length u32    28  zero u32
//           32  digest of the batch before 48  the records; then zeros, so that the size is a
//           multiple of 512
//         last 16 bytes: digest
//
//   record   0  kind u8, 3 zeros            4  length u32     8  time, Unix ms i64
//           16  seed u64                   24  generation u64               32  payload
//
// The file is zero-filled once and written over for ever: fdatasync then has no metadata to write.
// The header never changes. Segments are filled in order, 0 to N-1 and again, each when the ledger
// has committed everything in it. A batch starts at a multiple of 512 and never crosses a segment;
// the next one follows it at once, or begins the next segment when what is left here was too small
// (waste). What lies behind the newest batch is of an earlier lap, or torn.
//
// `length` is that of the records with their heads. A batch's digest is XXH3 (128 bits) over all of
// the batch before the digest, seeded by the first 8 bytes of SHA-256 over the id and the offset of
// the batch in the file (u64). The id is random and secret to the file, so no payload can pose as a
// batch; the offset keeps a write that went astray from passing. In format 1, which is read and
// written on in files that have it, it is the first 16 bytes of SHA-256 over id, offset and batch.
// It stands at the end, where a write that was cut short on a full disk has not been. Each batch
// holds the digest of the one before it, so a batch that was once set aside cannot come back behind
// another history; the first one ever holds zeros.
//
// `mark` is the last position that was durable when the batch was written: a sync had returned. One
// append may need several batches (at the end of a segment); they are written before one sync and
// so share a mark below the first of them. That is how recovery tells what it finds where the chain
// breaks, at position P: a whole batch with a mark of P or more says that P was durable once, so
// the journal is corrupt; without one the tail is torn, and nothing in it was ever acknowledged.
// What it rests on: a crash may keep, lose or garble each sector of an unsynced write, but not one
// that was written over with the bytes it already held (recovery writes the unbooked tail again).
// The newest batch stands below no mark yet: when it rots on a disk that kept everything, it cannot
// be told from a torn one.
//
// The batches of one append are written last first: when the disk is full on the way, none can be
// read. A later part that lies where a segment starts, without its first, is erased before anything
// else is appended (its first 512 bytes become zeros): recovery finds its way in by the segments'
// starts.
//
// To change the format: raise JOURNAL_FORMAT, draw the new picture beside this one, keep magic,
// format and digest of the header where they are (so that every program can say "newer" instead of
// "corrupt"), and let a gateway that finds an older format and an empty backlog (all booked) create
// a new file; with a backlog it reads the old one first.
#ifndef JOURNAL_FILE_FORMAT_H
#define JOURNAL_FILE_FORMAT_H

#include "journal/store.h"

#define JOURNAL_FORMAT 2
#define JOURNAL_FORMAT_OLDEST 1
#define FILE_HEAD_SIZE ((size_t)4096)
#define SECTOR ((size_t)512)
#define BATCH_HEAD_SIZE ((size_t)48)
#define RECORD_HEAD_SIZE ((size_t)32)
#define DIGEST_SIZE ((size_t)16)
// Records of one batch, with their heads, at most: what a reader must hold.
#define BATCH_LENGTH_MAX ((size_t)32 << 20)

struct file_head {
    uint32_t format, segments;
    uint64_t segment_size;
    uint8_t id[JOURNAL_ID_SIZE];
    uint64_t first;
};

struct batch_head {
    uint32_t count, length;
    uint64_t first, mark;
    uint8_t before[DIGEST_SIZE], digest[DIGEST_SIZE];
};

void file_head_encode(const struct file_head *h, uint8_t out[FILE_HEAD_SIZE]);
// FORMAT: no journal at all, or one of another format; CORRUPT.
must result file_head_decode(const uint8_t in[FILE_HEAD_SIZE], struct file_head *out);

// Bytes on disk of a batch whose records take `length`.
size_t batch_size(size_t length);
static inline uint64_t batch_last(const struct batch_head *b) { return b->first + b->count - 1; }

// Writes all but the records, which stand in `batch` already, and fills b->digest.
void batch_seal(uint8_t *batch, uint64_t at, const struct file_head *h, struct batch_head *b);
// Reads a head. False unless magic and numbers could be those of a batch that lies in `room` bytes.
bool batch_head_decode(const uint8_t in[BATCH_HEAD_SIZE], uint64_t room, struct batch_head *out);
// Is the whole batch as it was sealed? Fills b->digest.
bool batch_whole(const uint8_t *batch, struct batch_head *b, uint64_t at,
                 const struct file_head *h);

// Writes one record, returns its size; `out` has room for RECORD_HEAD_SIZE and the payload.
size_t record_encode(const struct record *r, uint8_t *out);
// Cuts one record off *rest; its payload points into it, its position is not set. CORRUPT.
must result record_decode(bytes *rest, struct record *out);

#endif
