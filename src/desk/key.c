// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/digest.h"
#include "base/ensure.h"
#include "base/memory.h"
#include "desk/desk.h"
#include "port/files.h"
#include "rules/command.h"

#define KEY_RANDOM 32
#define ID_RANDOM 12
#define KEY_FILE_MAX 4096

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
#define BASE (sizeof digits - 1)

static bytes prefix_of(enum key_mode mode) { return bytes_of(key_mode_prefix(mode)); }

bool desk_key_formed(bytes key, enum key_mode *mode) {
    *mode = KEY_MODE_OPERATOR;
    while (*mode < KEY_MODES && !bytes_starts(key, prefix_of(*mode)))
        (*mode)++;
    if (*mode == KEY_MODES)
        return false;
    size_t prefix_n = prefix_of(*mode).n;
    if (key.n != prefix_n + KEY_RANDOM)
        return false;
    for (size_t i = prefix_n; i < key.n; i++)
        if (key.p[i] == 0 || strchr(digits, key.p[i]) == NULL)
            return false;
    return true;
}

void desk_key_new(struct clock *clock, enum key_mode mode, char out[DESK_KEY_MAX]) {
    bytes prefix = prefix_of(mode);
    memcpy(out, prefix.p, prefix.n);
    clock_token(clock, out + prefix.n, KEY_RANDOM);
    out[prefix.n + KEY_RANDOM] = '\0';
}

void desk_key_id(bytes key, char out[DESK_KEY_ID_MAX]) {
    uint8_t hash[SHA256_SIZE];
    digest_sha256(&key, 1, hash);
    desk_key_id_of(hash, out);
}

void desk_key_id_of(const uint8_t hash[SHA256_SIZE], char out[DESK_KEY_ID_MAX]) {
    memcpy(out, "key_", 4);
    for (size_t i = 0; i < ID_RANDOM; i++)
        out[4 + i] = digits[hash[i] % BASE];
    out[4 + ID_RANDOM] = '\0';
}

void desk_key_command(bytes key, bytes name, bytes by, struct text *payload) {
    char id[DESK_KEY_ID_MAX];
    uint8_t hash[SHA256_SIZE];
    enum key_mode mode;
    ensure(desk_key_formed(key, &mode));
    desk_key_id(key, id);
    digest_sha256(&key, 1, hash);
    text_addf(payload, "{\"do\":\"%s\",\"id\":\"%s\",\"mode\":\"%s\",\"hash\":\"",
              command_name(COMMAND_KEY_CREATE), id, key_mode_name(mode));
    text_add_hex(payload, bytes_from(hash, sizeof hash));
    text_adds(payload, "\",\"name\":");
    text_add_json(payload, name);
    text_adds(payload, ",\"by\":");
    text_add_json(payload, by);
    text_addc(payload, '}');
}

result desk_first_key(const char *path, struct clock *clock, struct text *key, bool *created) {
    OWN(text_drop)
    struct text content = {0};
    *created = false;
    result loaded = file_load(path, KEY_FILE_MAX, &content);
    if (loaded == OK) {
        bytes line = text_bytes(&content);
        if (bytes_ends(line, B("\n")))
            line.n--;
        enum key_mode mode;
        NEED(desk_key_formed(line, &mode) && mode == KEY_MODE_OPERATOR, INVALID,
             "the file does not hold an operator's key; remove it to get a new one");
        text_add(key, line);
        memory_wipe(content.p, content.n);
        return OK;
    }
    if (!failed_as(loaded, FAIL_ABSENT))
        return loaded;
    char fresh[DESK_KEY_MAX];
    desk_key_new(clock, KEY_MODE_OPERATOR, fresh);
    text_addf(&content, "%s\n", fresh);
    TRY(file_save(path, text_bytes(&content), 0600));
    text_adds(key, fresh);
    memory_wipe(fresh, sizeof fresh);
    memory_wipe(content.p, content.n);
    *created = true;
    return OK;
}
