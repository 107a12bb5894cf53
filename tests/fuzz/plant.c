// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static const char *planted;
static bool asked;

void fuzz_plant(const char *name) {
    planted = name;
    asked = true;
}

bool fuzz_planted(const char *name) {
    if (!asked)
        fuzz_plant(getenv("FUZZ_PLANT"));
    return planted != NULL && strcmp(planted, name) == 0;
}

// FUZZ_PLANT=list prints the table, for tools/fuzz.
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    if (fuzz_planted("list")) {
        for (const struct fuzz_plant *p = fuzz_plants; p->name != NULL; p++)
            printf("%s %s\n", p->name, p->reach == PLANT_FUZZED ? "fuzzed" : "seeded");
        exit(0);
    }
    return 0;
}
