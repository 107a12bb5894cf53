// SPDX-License-Identifier: MIT
// What the tests of port/ share: a folder of their own and a certificate for 127.0.0.1.
#ifndef TEST_PORT_HELPERS_H
#define TEST_PORT_HELPERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define assert_ok(call_) assert_null(call_)
#define assert_failed(code_, call_)                                                                \
    do {                                                                                           \
        result failed_ = (call_);                                                                  \
        assert_non_null(failed_);                                                                  \
        assert_string_equal(fail_name(failed_->code), fail_name(FAIL_##code_));                    \
    } while (0)

static char test_folder[64];

static inline void folder_make(void) {
    snprintf(test_folder, sizeof test_folder, "/tmp/hookkeep-test-XXXXXX");
    assert_non_null(mkdtemp(test_folder));
}

static inline void folder_remove(void) {
    DIR *d = opendir(test_folder);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", test_folder, e->d_name);
        unlink(path);
    }
    closedir(d);
    assert_int_equal(rmdir(test_folder), 0);
}

// The path of a file in the folder; good until called four times more.
static inline const char *in_folder(const char *name) {
    static char paths[4][128];
    static unsigned at;
    char *p = paths[at++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", test_folder, name);
    return p;
}

static inline void certificate_extend(X509 *x, int nid, const char *value) {
    X509V3_CTX v3;
    X509V3_set_ctx(&v3, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

// Writes a self-signed certificate and its key, PEM, for this name ("IP:127.0.0.1").
static inline void certificate_make(const char *certificate, const char *key, const char *alt) {
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    assert_non_null(pair);
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, pair);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x, name);
    certificate_extend(x, NID_basic_constraints, "critical,CA:TRUE");
    certificate_extend(x, NID_subject_alt_name, alt);
    assert_true(X509_sign(x, pair, EVP_sha256()) > 0);
    FILE *f = fopen(certificate, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    fclose(f);
    f = fopen(key, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, pair, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(pair);
}

#endif
