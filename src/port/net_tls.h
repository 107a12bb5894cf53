// SPDX-License-Identifier: MIT
// One connection's server side of TLS between bytes that came and bytes to send; it knows no
// socket. Inside of port/net.
#ifndef PORT_NET_TLS_H
#define PORT_NET_TLS_H

#include "port/net.h"

struct tls_stream;

enum tls_step {
    TLS_WAITS, // for more from the peer
    TLS_DATA,  // *n bytes of plain text
    TLS_END,   // the peer will send no more
    TLS_FAILED,
};

struct tls_stream *tls_stream_open(struct tls *t); // null if the library refuses
void tls_stream_close(struct tls_stream *s);       // null is allowed
// Bytes from the peer.
void tls_stream_feed(struct tls_stream *s, bytes b);
// Shakes hands if that is not done, then reads at most `room` bytes of plain text.
enum tls_step tls_stream_read(struct tls_stream *s, uint8_t *p, size_t room, size_t *n);
bool tls_stream_ready(const struct tls_stream *s); // hands were shaken
// At most TLS_PIECE bytes of plain text; the stream must be ready. False: the connection is lost.
#define TLS_PIECE ((size_t)16 << 10)
bool tls_stream_write(struct tls_stream *s, bytes b);
void tls_stream_bye(struct tls_stream *s); // says that we send no more
// What is to be sent to the peer, until tls_stream_taken.
bytes tls_stream_out(struct tls_stream *s);
void tls_stream_taken(struct tls_stream *s);

#endif
