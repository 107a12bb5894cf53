// SPDX-License-Identifier: MIT
// A target as a plain test (TAP): each file of a corpus is one case, and so is each planted bug,
// which must end the program on some file.
//
//     corpus_NAME FOLDER
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "fuzz.h"

#define FILES_MAX 1000

struct corpus {
    const char *folder;
    char *names[FILES_MAX];
    size_t n;
};

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(struct corpus *c) {
    DIR *d = opendir(c->folder);
    ensure(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.') {
            ensure(c->n < FILES_MAX);
            c->names[c->n++] = bytes_strdup(bytes_of(e->d_name));
        }
    closedir(d);
    qsort(c->names, c->n, sizeof c->names[0], compare);
}

// From a heap block of its own size, so that sanitizers see a read past the end.
static void feed(const struct corpus *c, const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", c->folder, name);
    FILE *f = fopen(path, "rb");
    ensure(f != NULL && fseek(f, 0, SEEK_END) == 0);
    long size = ftell(f);
    ensure(size >= 0 && fseek(f, 0, SEEK_SET) == 0);
    uint8_t *p = memory_new(size > 0 ? (size_t)size : 1, 1);
    ensure(fread(p, 1, (size_t)size, f) == (size_t)size);
    fclose(f);
    ensure(LLVMFuzzerTestOneInput(p, (size_t)size) == 0);
    free(p);
}

// With the bug, some input must end a process of its own in abort; what it says is left out.
static bool noticed(const struct corpus *c, const char *plant) {
    pid_t child = fork();
    ensure(child >= 0);
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        ensure(null >= 0 && dup2(null, 2) == 2);
        fuzz_plant(plant);
        for (size_t i = 0; i < c->n; i++)
            feed(c, c->names[i]);
        _exit(0);
    }
    int status = 0;
    ensure(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

int main(int argc, char **argv) {
    static struct corpus c;
    ensure(argc == 2);
    c.folder = argv[1];
    list(&c);
    ensure(c.n > 0);
    size_t plants = 0, row = 0;
    bool good = true;
    while (fuzz_plants[plants].name != NULL)
        plants++;
    ensure(plants > 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%zu\n", c.n + plants);
    fuzz_plant(NULL);
    for (size_t i = 0; i < c.n; i++) {
        feed(&c, c.names[i]);
        printf("ok %zu - %s\n", ++row, c.names[i]);
    }
    for (size_t i = 0; i < plants; i++) {
        bool ok = noticed(&c, fuzz_plants[i].name);
        good = good && ok;
        printf("%sok %zu - planted: %s\n", ok ? "" : "not ", ++row, fuzz_plants[i].what);
    }
    for (size_t i = 0; i < c.n; i++)
        free(c.names[i]);
    return good ? 0 : 1;
}
