// SPDX-License-Identifier: MIT
// A resolver whose answers are the test's and may change between two questions: a library that is
// loaded before libc and has the names of a file, read anew at each question.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { tempFolder } from "./gateway.mjs";

const SOURCE = String.raw`
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int (*resolve)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* The line of this name, without it; 0: none. */
static int look_up(const char *name, char line[512]) {
    FILE *f = fopen(getenv("RESOLVER_FILE"), "r");
    size_t n = strlen(name);
    int found = 0;
    while (f != NULL && !found && fgets(line, 512, f) != NULL)
        found = strncmp(line, name, n) == 0 && line[n] == ' ';
    if (f != NULL)
        fclose(f);
    if (found)
        memmove(line, line + n, strlen(line + n) + 1);
    return found;
}

static void note(const char *name) {
    FILE *f = fopen(getenv("RESOLVER_LOG"), "a");
    if (f == NULL)
        return;
    fprintf(f, "%s\n", name);
    fclose(f);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    resolve real = (resolve)dlsym(RTLD_NEXT, "getaddrinfo");
    struct addrinfo numeric = {0};
    char line[512], *rest = NULL;
    if (name == NULL || strstr(name, ".test") == NULL)
        return real(name, service, hints, out);
    note(name);
    if (hints != NULL)
        numeric = *hints;
    numeric.ai_flags |= AI_NUMERICHOST;
    *out = NULL;
    int found = look_up(name, line);
    while (found && strncmp(line, " silent", 7) == 0) {
        usleep(10000);
        found = look_up(name, line);
    }
    if (!found)
        return EAI_NONAME;
    for (char *one = line; (one = strtok_r(one, " \n", &rest)) != NULL; one = NULL) {
        struct addrinfo **end = out;
        while (*end != NULL)
            end = &(*end)->ai_next;
        if (real(one, service, &numeric, end) != 0)
            *end = NULL;
    }
    return *out == NULL ? EAI_NONAME : 0;
}
`;

export function startResolver(t) {
  const folder = tempFolder(t);
  const at = (name) => path.join(folder, name);
  fs.writeFileSync(at("resolver.c"), SOURCE);
  const cc = spawnSync("cc", ["-shared", "-fPIC", "-o", at("resolver.so"), at("resolver.c"),
                              "-ldl"]);
  assert.equal(cc.status, 0, String(cc.stderr));
  const names = new Map();
  const resolver = {
    // For the environment of a gateway.
    env: { LD_PRELOAD: at("resolver.so"), RESOLVER_FILE: at("names"), RESOLVER_LOG: at("asked"),
           ASAN_OPTIONS: `verify_asan_link_order=0:${process.env.ASAN_OPTIONS ?? ""}` },
    // From now on the name, which ends in .test, has these addresses; none: it does not resolve;
    // "silent": who asks is not answered until this is called again.
    answer(name, ...addresses) {
      names.set(name, addresses);
      const lines = [...names].filter(([, all]) => all.length > 0)
        .map(([one, all]) => `${one} ${all.join(" ")}\n`);
      fs.writeFileSync(at("names.new"), lines.join(""));
      fs.renameSync(at("names.new"), at("names"));
    },
    asked: (name) => fs.existsSync(at("asked"))
      ? fs.readFileSync(at("asked"), "utf8").split("\n").filter((l) => l === name).length : 0,
  };
  resolver.answer("nobody.test");
  return resolver;
}
