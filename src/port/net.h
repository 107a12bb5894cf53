// SPDX-License-Identifier: MIT
// Listening and accepted connections, plain or TLS, TCP or unix, on a loop's thread.
#ifndef PORT_NET_H
#define PORT_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/text.h"
#include "port/loop.h"

// Where to listen: http://HOST:PORT, https://HOST:PORT (HOST an IPv4 address, [IPv6 address] or a
// name that the system resolves; port 0 lets the system choose), unix:PATH.
struct net_address {
    bool unix_socket, tls;
    bool beside;    // a listener of ours has this TCP address already: share it (SO_REUSEPORT)
    char host[256]; // or the path
    uint16_t port;
};

// INVALID with a sentence for people in *why.
must result net_address_parse(bytes in, struct net_address *out, struct text *why);
// Is it reachable from this machine only (loopback or a unix socket)?
bool net_address_local(const struct net_address *a);
// The network that a peer (as conn_peer names him) has for himself: an IPv4 address or "unix" as it
// is; of IPv6 the first 64 bits ("2001:db8:0:1::/64"), since within them everybody picks his
// address as he likes (RFC 4291 §2.5.1). Written to `out` if need be.
#define NET_NETWORK_MAX 64
bytes net_network(bytes peer, char out[NET_NETWORK_MAX]);

// A certificate chain with its key, TLS 1.2 and 1.3. One a loop: share nothing.
struct tls;
must result tls_open(const char *certificate, const char *key, struct tls **out, struct text *why);
void tls_close(struct tls *t); // connections that use it keep what they need; null is allowed

struct listener;
struct conn;

struct net_handler {
    // A peer connected; returns the context for the calls below, or null to close at once. Before
    // TLS's handshake.
    void *(*open)(void *ctx, struct conn *c);
    void (*data)(void *conn_ctx, bytes b); // plain text; b is gone afterwards
    // The peer will send no more (half-closed); what we owe may still be written.
    void (*end)(void *conn_ctx);
    // The connection is gone; `failed` says why if it was not us: CLOSED (the peer), REFUSED (TLS),
    // TIMEOUT (lingering), FULL (more than 64 MiB unsent). Called exactly once for each open that
    // gave a context, never from inside a call below; what is still called on the connection in
    // this turn has no effect.
    void (*closed)(void *conn_ctx, result failed);
};

// Several loops may listen on one TCP address, all but the first with `beside`; a name is listened
// on at all its addresses. A unix path that nobody serves any more is taken over, one that somebody
// serves is LOCKED; its mode is 0660 less the umask. BUSY, REFUSED (permission), ABSENT (no such
// address), EXISTS (the path is no socket), INVALID (https without tls), SYSTEM; `why` gets the
// system's reason. `tls` must live until the listener is closed or given another.
must result net_listen(struct loop *l, const struct net_address *a, struct tls *tls,
                       const struct net_handler *h, void *ctx, struct listener **out,
                       struct text *why);
// For new connections from now on.
void listener_set_tls(struct listener *l, struct tls *tls);
uint16_t listener_port(const struct listener *l); // the real one when 0 was asked for; 0 for unix
void listener_close(struct listener *l);          // accepts no more; null is allowed

// The peer's address without its port ("127.0.0.1", "::1", "unix"); valid as long as the
// connection.
bytes conn_peer(const struct conn *c);
bool conn_tls(const struct conn *c);
// Queues a copy and sends in order. A failure shows as `closed`.
void conn_write(struct conn *c, bytes b);
size_t conn_unsent(const struct conn *c);    // bytes queued and not yet given to the system
void conn_pause(struct conn *c, bool pause); // stops or resumes reading
// Closes after what is queued has been sent and the peer has closed its half too (so that it gets
// to read all of it), or after linger_ms at the latest; 0: at once. No data or end follows.
void conn_close(struct conn *c, int64_t linger_ms);

#endif
