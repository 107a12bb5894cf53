// SPDX-License-Identifier: MIT
#include "port/net_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"

struct tls {
    SSL_CTX *ctx;
};

struct tls_stream {
    SSL *ssl;
    BIO *in, *out; // owned by ssl
    bool ready;
};

// Without it the library would ask for a passphrase on the terminal.
static int no_passphrase(char *buffer, int size, int writing, void *ctx) { return -1; }

static void say_library(struct text *why, const char *what, const char *path) {
    unsigned long e = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(e);
    text_addf(why, "%s \"%s\": %s", what, path, reason != NULL ? reason : "unknown reason");
    ERR_clear_error();
}

static result load_pair(SSL_CTX *ctx, const char *certificate, const char *key, struct text *why) {
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1) {
        say_library(why, "no certificate chain (PEM) can be read from", certificate);
        FAIL(INVALID, "the certificate cannot be used");
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
        say_library(why, "no private key (PEM, no passphrase) of this certificate can be read from",
                    key);
        FAIL(INVALID, "the private key cannot be used");
    }
    if (SSL_CTX_check_private_key(ctx) != 1) {
        say_library(why, "the certificate does not belong to the key", key);
        FAIL(MISMATCH, "certificate and key do not belong together");
    }
    return OK;
}

result tls_open(const char *certificate, const char *key, struct tls **out, struct text *why) {
    static const unsigned char session_context[] = "hookkeep";
    *out = NULL;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    NEED(ctx != NULL, SYSTEM, "the TLS library gives no context");
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1);
    // Clients resume by tickets; sessions of strangers are not kept here.
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    result failed = load_pair(ctx, certificate, key, why);
    if (failed != OK) {
        SSL_CTX_free(ctx);
        return failed;
    }
    *out = NEW(struct tls);
    (*out)->ctx = ctx;
    return OK;
}

void tls_close(struct tls *t) {
    if (t == NULL)
        return;
    SSL_CTX_free(t->ctx);
    free(t);
}

struct tls_stream *tls_stream_open(struct tls *t) {
    SSL *ssl = SSL_new(t->ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (ssl == NULL || in == NULL || out == NULL) {
        SSL_free(ssl);
        BIO_free(in);
        BIO_free(out);
        return NULL;
    }
    SSL_set_bio(ssl, in, out);
    SSL_set_accept_state(ssl);
    struct tls_stream *s = NEW(struct tls_stream);
    *s = (struct tls_stream){.ssl = ssl, .in = in, .out = out};
    return s;
}

void tls_stream_close(struct tls_stream *s) {
    if (s == NULL)
        return;
    SSL_free(s->ssl);
    free(s);
}

void tls_stream_feed(struct tls_stream *s, bytes b) {
    // A memory BIO takes all or has no memory.
    ensure(BIO_write(s->in, b.p, (int)b.n) == (int)b.n);
}

static enum tls_step step_after(struct tls_stream *s, int returned) {
    switch (SSL_get_error(s->ssl, returned)) {
    case SSL_ERROR_WANT_READ: return TLS_WAITS;
    case SSL_ERROR_ZERO_RETURN: return TLS_END;
    default: ERR_clear_error(); return TLS_FAILED;
    }
}

enum tls_step tls_stream_read(struct tls_stream *s, uint8_t *p, size_t room, size_t *n) {
    ERR_clear_error();
    *n = 0;
    if (!s->ready) {
        int done = SSL_do_handshake(s->ssl);
        if (done != 1)
            return step_after(s, done);
        s->ready = true;
    }
    int got = SSL_read(s->ssl, p, (int)room);
    if (got <= 0)
        return step_after(s, got);
    *n = (size_t)got;
    return TLS_DATA;
}

bool tls_stream_ready(const struct tls_stream *s) { return s->ready; }

bool tls_stream_write(struct tls_stream *s, bytes b) {
    ensure(s->ready && b.n <= TLS_PIECE);
    ERR_clear_error();
    bool done = b.n == 0 || SSL_write(s->ssl, b.p, (int)b.n) == (int)b.n;
    ERR_clear_error();
    return done;
}

void tls_stream_bye(struct tls_stream *s) {
    ERR_clear_error();
    SSL_shutdown(s->ssl);
    ERR_clear_error();
}

bytes tls_stream_out(struct tls_stream *s) {
    char *p = NULL;
    long n = BIO_get_mem_data(s->out, &p);
    return bytes_from(p, n > 0 ? (size_t)n : 0);
}

void tls_stream_taken(struct tls_stream *s) { (void)BIO_reset(s->out); }
