// SPDX-License-Identifier: MIT
#include "desk/listen_secret.h"

#include <string.h>

#include "base/memory.h"

#define PREFIX "whsec_"

_Static_assert(LISTEN_SECRET_MAX == sizeof PREFIX + SHA256_SIZE, "a character a byte");

void listen_secret(const uint8_t sealing_key[SEAL_KEY_SIZE], const uint8_t caller[SHA256_SIZE],
                   char out[LISTEN_SECRET_MAX]) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint8_t mac[SHA256_SIZE];
    struct hmac_key key;
    struct hmac h;
    hmac_key_init(&key, bytes_from(sealing_key, SEAL_KEY_SIZE));
    hmac_start(&h, &key);
    hmac_add(&h, B("listen"));
    hmac_add(&h, bytes_from(caller, SHA256_SIZE));
    hmac_finish(&h, mac);
    memcpy(out, PREFIX, sizeof PREFIX - 1);
    char *at = out + sizeof PREFIX - 1;
    for (size_t i = 0; i < SHA256_SIZE; i++)
        *at++ = digits[mac[i] % (sizeof digits - 1)]; // some 5.9 bits each
    *at = '\0';
    hmac_key_wipe(&key);
    memory_wipe(&h, sizeof h);
    memory_wipe(mac, sizeof mac);
}
