// SPDX-License-Identifier: MIT
// generate bash|zsh|fish: shell completion. generate page: a manual's source from standard input.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generate.h"

static void read_all(struct text *out) {
    char piece[4096];
    for (size_t n = 1; n > 0;) {
        n = fread(piece, 1, sizeof piece, stdin);
        text_add(out, bytes_from(piece, n));
    }
}

int main(int argc, char **argv) {
    OWN(text_drop)
    struct text out = {0}, in = {0};
    const char *what = argc == 2 ? argv[1] : "";
    if (strcmp(what, "bash") == 0)
        complete_bash(&out);
    else if (strcmp(what, "zsh") == 0)
        complete_zsh(&out);
    else if (strcmp(what, "fish") == 0)
        complete_fish(&out);
    else if (strcmp(what, "page") == 0) {
        read_all(&in);
        manual_page(text_bytes(&in), &out);
    }
    if (out.n == 0 || out.failed || fwrite(out.p, 1, out.n, stdout) != out.n ||
        fflush(stdout) != 0) {
        fprintf(stderr, "generate: expected bash, zsh, fish, or page with a source behind it\n");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
