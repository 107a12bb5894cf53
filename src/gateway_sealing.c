// SPDX-License-Identifier: MIT
#include "gateway_sealing.h"

#include "base/memory.h"
#include "port/files.h"

#define DIGITS ((size_t)2 * SEAL_KEY_SIZE)
#define FILE_MAX 4096

static void wipe_text(struct text *t) {
    if (t->p != NULL)
        memory_wipe(t->p, t->cap);
    text_drop(t);
}

static result parse(bytes content, uint8_t key[SEAL_KEY_SIZE]) {
    if (bytes_ends(content, B("\n")))
        content.n--;
    return bytes_from_hex(content, key, SEAL_KEY_SIZE);
}

static result make(const char *path, struct clock *clock, uint8_t key[SEAL_KEY_SIZE]) {
    OWN(wipe_text)
    struct text content = {0};
    OWN(text_drop)
    struct text fresh = {0};
    text_addf(&fresh, "%s.new", path);
    clock->entropy(clock, key, SEAL_KEY_SIZE);
    text_add_hex(&content, bytes_from(key, SEAL_KEY_SIZE));
    text_addc(&content, '\n');
    result removed = files_real.remove(&files_real, text_str(&fresh)); // a crash's
    if (removed != OK && !failed_as(removed, FAIL_ABSENT))
        return removed;
    TRY(file_save(text_str(&fresh), text_bytes(&content), 0600));
    return files_real.rename(&files_real, text_str(&fresh), path);
}

static void say(const char *path, result failed, struct text *why) {
    if (failed_as(failed, FAIL_REFUSED))
        text_addf(why, "%s: %s, and it is to be read by the gateway's alone: chmod 600 it", path,
                  failed->text);
    else if (failed_as(failed, FAIL_INVALID) || failed_as(failed, FAIL_FULL))
        text_addf(why,
                  "%s: it does not hold a sealing key, which is %zu hexadecimal digits (0-9a-f) in "
                  "one line; put the right file back, from where your backups are. If it is lost, "
                  "remove this one: a new key is made, and endpoints made by the API before then "
                  "have to be made anew",
                  path, DIGITS);
    else
        text_addf(why, "%s: %s", path, failed->text);
}

result sealing_key_load(const char *path, struct clock *clock, uint8_t key[SEAL_KEY_SIZE],
                        bool *created, struct text *why) {
    OWN(wipe_text)
    struct text content = {0};
    *created = false;
    result loaded = file_load_private(path, FILE_MAX, &content);
    if (loaded == OK)
        loaded = parse(text_bytes(&content), key);
    *created = failed_as(loaded, FAIL_ABSENT);
    if (*created)
        loaded = make(path, clock, key);
    if (loaded != OK)
        say(path, loaded, why);
    return loaded;
}
