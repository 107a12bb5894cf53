// SPDX-License-Identifier: MIT
// A plugin that does, on an event's first attempt, what data.object.name says: what no plugin
// should. On later ones it is done.
export const TRICKS = String.raw`
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hookkeep/handler.h>

static void note(const char *file, const hk_handler_event *event) {
    FILE *f = fopen(file, "a");
    fprintf(f, "%s %u %d\n", event->id, event->attempt, (int)getpid());
    fclose(f);
}

static void crash(void) { raise(SIGSEGV); }

static void overflow(void) {
    volatile char *deep = alloca(1 << 20);
    deep[0] = 1;
    overflow();
}

static void hang(void) {
    for (;;)
        __asm__ volatile("");
}

static void leak(void) {
    for (;;)
        memset(malloc(1 << 20), 1, 1 << 20);
}

static void closed(void) {
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page, 4096);
    page[0] = 1;
}

static void leave(void) { exit(0); }
static void leave_at_once(void) { _exit(0); }
static void leave_badly(void) { exit(3); }
static void give_up(void) { abort(); }

static void close_all(void) {
    for (int fd = 0; fd < 256; fd++)
        close(fd);
}

// What the child does from then on, it must not do in our name.
static void come_back(void) { (void)!fork(); }

static void leave_child(void) {
    if (fork() == 0)
        sleep(1000);
}

static void shout(void) {
    char line[200];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 50000; i++) {
        fwrite(line, 1, sizeof line, stdout);
        fwrite(line, 1, sizeof line, stderr);
    }
}

static void forge(void) {
    for (int i = 0; i < 100; i++)
        printf("{\"delivery\":%d,\"outcome\":\"failed\",\"error\":\"forged\"}\n", i);
    fflush(stdout);
    for (int fd = 0; fd < 3; fd++)
        (void)!write(fd, "{\"delivery\":1,\"outcome\":\"failed\"}\n", 35);
}

static void swallow(void) {
    char all[4096];
    while (read(0, all, sizeof all) > 0)
        continue;
}

static void stop_itself(void) { raise(SIGSTOP); }

static const struct {
    const char *name;
    void (*run)(void);
} tricks[] = {
    {"crash", crash},   {"overflow", overflow}, {"hang", hang},           {"leak", leak},
    {"closed", closed}, {"exit", leave},        {"_exit", leave_at_once}, {"exit 3", leave_badly},
    {"abort", give_up}, {"close", close_all},   {"fork", come_back},      {"child", leave_child},
    {"shout", shout},   {"forge", forge},       {"swallow", swallow},     {"stop", stop_itself},
};

static int play(const hk_handler_event *event, hk_handler_answer *answer) {
    const char *name = event->text(event, "data.object.name", NULL);
    note("began", event);
    for (size_t i = 0; i < sizeof tricks / sizeof *tricks && event->attempt == 1; i++)
        if (strcmp(tricks[i].name, name) == 0)
            tricks[i].run();
    if (strcmp(name, "wait") == 0)
        while (access("go", F_OK) != 0)
            usleep(10000);
    if (event->attempt == 1 && strcmp(name, "garbage") == 0)
        return 77;
    if (event->attempt == 1 && strcmp(name, "later") == 0) {
        answer->retry_after = 1;
        strcpy(answer->reason, "the shop is shut");
        return HK_NOT_YET;
    }
    if (event->attempt == 1 && strcmp(name, "fail") == 0) {
        memset(answer->reason, 'x', sizeof answer->reason); // and no NUL
        return HK_FAILED;
    }
    note("done", event);
    return HK_DONE;
}

static const char *const all[] = {"*", NULL};
static const hk_handler handlers[] = {{"tricks", "plays what an event's name says", all, play}};
HK_HANDLER_TABLE(handlers);
`;
