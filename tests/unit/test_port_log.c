// SPDX-License-Identifier: MIT
#include "port_helpers.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/json.h"
#include "base/metrics.h"
#include "base/text.h"
#include "port/files.h"
#include "port/log.h"
#include "port/notify.h"
#include "port/thread.h"

static int saved_stderr = -1, pipe_ends[2];

static void capture_start(void) {
    fflush(stderr);
    assert_int_equal(pipe2(pipe_ends, O_NONBLOCK), 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(pipe_ends[1], STDERR_FILENO);
}

// What was written to standard error meanwhile.
static const char *capture_end(void) {
    static char got[65536];
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(pipe_ends[1]);
    ssize_t n = read(pipe_ends[0], got, sizeof got - 1);
    close(pipe_ends[0]);
    got[n > 0 ? n : 0] = '\0';
    return got;
}

static void a_line_of_text(void **state) {
    log_setup(LOG_TEXT, LOG_INFO);
    capture_start();
    log_event(LOG_JOURNAL_NO_ROOM, log_i("free", -5), log_s("path", "a/b"), log_s("name", "a b"),
              log_s("none", ""));
    const char *line = capture_end();
    assert_true(strlen(line) > 24);
    assert_int_equal(line[10], 'T');
    assert_int_equal(line[23], 'Z');
    assert_string_equal(line + 24,
                        " warning journal_no_room no room to promise: Stripe is answered "
                        "503 and will send again free=-5 path=a/b name=\"a b\" "
                        "none=\"\"\n");
}

static void levels_are_kept(void **state) {
    log_setup(LOG_TEXT, LOG_WARNING);
    capture_start();
    log_event(LOG_STARTED);
    log_event(LOG_REFUSED, log_i("n", 1));
    assert_string_equal(capture_end(), "");
    capture_start();
    log_event(LOG_DELIVERY_DEAD);
    assert_non_null(strstr(capture_end(), " warning delivery_dead "));
}

// Nobody outside can end a line, open a field, or speak to the terminal.
static void values_cannot_forge(void **state) {
    const struct {
        bytes value;
        const char *shown;
    } rows[] = {
        {B("a\n2026 error x"), "\"a\\x0a2026 error x\""},
        {B("x\" level=\"error"), "\"x\\\" level=\\\"error\""},
        {B("a\\x0a"), "\"a\\\\x0a\""},
        {B("k=v"), "\"k=v\""},
        {B("\x1b[2J"), "\"\\x1b[2J\""},
        {B("\xc2\x9b"), "\"\\xc2\\x9b\""},
        {B("\xff"), "\"\\xff\""},
        {B("m\xc3\xbc"), "\"m\xc3\xbc\""},
        {B("a\0b"), "\"a\\x00b\""},
    };
    log_setup(LOG_TEXT, LOG_INFO);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        capture_start();
        log_event(LOG_STARTED, log_b("value", rows[i].value));
        const char *line = capture_end();
        const char *value = strstr(line, " value=");
        assert_non_null(value);
        size_t n = strlen(rows[i].shown);
        assert_memory_equal(value + 7, rows[i].shown, n);
        assert_string_equal(value + 7 + n, "\n");
    }
}

static void json_is_valid(void **state) {
    log_setup(LOG_JSON, LOG_DEBUG);
    const bytes values[] = {B("plain"), B("\"quoted\"\\ \n\r\t\x01\x7f"), B("m\xc3\xbc\xff"),
                            B("a\0b")};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        capture_start();
        log_event(LOG_REFUSED, log_b("value", values[i]), log_i("n", INT64_MIN),
                  log_r(PLACE(FULL, "a \"limit\"")));
        const char *line = capture_end();
        size_t n = strlen(line);
        assert_true(n > 1);
        assert_ptr_equal(strchr(line, '\n'), line + n - 1);
        OWN(json_close)
        struct json_doc *doc = NULL;
        assert_ok(json_parse(bytes_from(line, n), &doc));
        json v = json_root(doc);
        assert_true(json_equals_text(json_get(v, "level"), B("debug")));
        assert_true(json_equals_text(json_get(v, "event"), B("refused")));
        assert_true(json_equals_text(json_get(v, "message"), B("a request was refused")));
        assert_true(json_equals_text(json_get(v, "n"), B("-9223372036854775808")));
        assert_true(json_equals_text(json_get(v, "failure"), B("full")));
        assert_true(json_equals_text(json_get(v, "failure_text"), B("a \"limit\"")));
        bytes at = json_string(json_get(v, "failure_at"));
        assert_true(bytes_search(at, B("test_port_log.c:")) < at.n);
        assert_int_equal(json_string(json_get(v, "time")).n, 24);
        if (i != 2)
            assert_true(json_equals_text(json_get(v, "value"), values[i]));
    }
}

// Long values are cut between characters.
static void long_values_are_cut(void **state) {
    char value[4096];
    for (size_t i = 0; i < sizeof value; i += 2)
        memcpy(value + i, "\xc3\xbc", 2);
    for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
        for (size_t from = 0; from < 2; from++) {
            value[0] = from == 0 ? 'x' : '\xc3';
            log_setup(format, LOG_INFO);
            capture_start();
            log_event(LOG_STARTED, log_b("v", bytes_from(value + (from == 0 ? 1 : 0), 4095 - 1)));
            value[0] = '\xc3';
            log_event(LOG_STARTED, log_b("v", bytes_from(value, 4096)));
            const char *lines = capture_end();
            assert_true(strlen(lines) < 2600);
            assert_true(strlen(lines) > 2048);
            assert_non_null(strstr(lines, "\xc3\xbc\xe2\x80\xa6\""));
            if (from == 1)
                assert_true(bytes_utf8(bytes_of(lines)));
        }
    }
}

static void no_failure_has_no_place(void **state) {
    log_setup(LOG_TEXT, LOG_INFO);
    capture_start();
    log_event(LOG_STARTED, log_r(OK));
    assert_non_null(strstr(capture_end(), " failure=none\n"));
}

enum { WRITERS = 3, LINES = 3000 };

static void write_lines(void *ctx) {
    for (int i = 0; i < LINES; i++)
        log_event(LOG_STARTED, log_i("writer", *(int *)ctx), log_i("line", i));
}

static size_t count_lines(const char *path, const char *what) {
    OWN(text_drop)
    struct text t = {0};
    size_t n = 0;
    assert_ok(file_load(path, 16 << 20, &t));
    for (const char *at = text_str(&t); (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void no_line_is_lost_around_a_rotation(void **state) {
    folder_make();
    log_setup(LOG_TEXT, LOG_INFO);
    log_open(in_folder("log"));
    struct thread *threads[WRITERS];
    int numbers[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        assert_ok(thread_start("writer", write_lines, &numbers[i], &threads[i]));
    }
    char name[16];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "log.%d", i);
        assert_int_equal(rename(in_folder("log"), in_folder(name)), 0);
        log_reopen();
    }
    for (int i = 0; i < WRITERS; i++)
        thread_join(threads[i]);
    log_open(NULL);
    size_t lines = count_lines(in_folder("log"), " started the gateway answers writer=");
    size_t reopened = count_lines(in_folder("log"), " log_reopened ");
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "log.%d", i);
        lines += count_lines(in_folder(name), " started the gateway answers writer=");
        reopened += count_lines(in_folder(name), " log_reopened ");
    }
    assert_int_equal(lines, WRITERS * LINES);
    assert_int_equal(reopened, 50);
    folder_remove();
}

static void what_the_file_cannot_take_goes_to_standard_error(void **state) {
    folder_make();
    log_setup(LOG_TEXT, LOG_INFO);
    metrics_reset();
    capture_start();
    log_open("/dev/full");
    log_event(LOG_STARTED, log_i("n", 1));
    log_event(LOG_STARTED, log_i("n", 2));
    const char *said = capture_end();
    assert_non_null(strstr(said, " n=1\n"));
    assert_non_null(strstr(said, " n=2\n"));
    const char *first = strstr(said, " log_unwritable ");
    assert_non_null(first);
    assert_null(strstr(first + 1, " log_unwritable ")); // told once
    assert_true(metric_get(METRIC_LOG_FAILED) >= 2);
    capture_start();
    log_open(in_folder("none/log")); // its folder is not there yet
    log_event(LOG_STARTED, log_i("n", 3));
    assert_int_equal(mkdir(in_folder("none"), 0700), 0);
    log_reopen();
    log_event(LOG_STARTED, log_i("n", 4));
    said = capture_end();
    assert_non_null(strstr(said, " n=3\n"));
    assert_null(strstr(said, " n=4\n"));
    assert_int_equal(count_lines(in_folder("none/log"), " n=4\n"), 1);
    log_open(NULL);
    unlink(in_folder("none/log"));
    rmdir(in_folder("none"));
    folder_remove();
}

static void notify_with(const char *path, bool abstract) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    memcpy(un.sun_path, path, n);
    if (abstract)
        un.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + !abstract);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, size), 0);
    setenv("NOTIFY_SOCKET", path, 1);
    notify_manager("READY=1");
    char got[32] = {0};
    assert_int_equal(recv(fd, got, sizeof got, 0), 7);
    assert_string_equal(got, "READY=1");
    close(fd);
}

static void the_manager_is_told(void **state) {
    folder_make();
    char name[64];
    snprintf(name, sizeof name, "@hookkeep-test-%d", (int)getpid());
    notify_with(name, true);
    notify_with(in_folder("notify"), false);
    notify_manager("READY=1"); // nobody there any more
    setenv("NOTIFY_SOCKET", "relative", 1);
    notify_manager("READY=1");
    unsetenv("NOTIFY_SOCKET");
    notify_manager("READY=1");
    folder_remove();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_text),
        cmocka_unit_test(levels_are_kept),
        cmocka_unit_test(values_cannot_forge),
        cmocka_unit_test(json_is_valid),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(no_failure_has_no_place),
        cmocka_unit_test(no_line_is_lost_around_a_rotation),
        cmocka_unit_test(what_the_file_cannot_take_goes_to_standard_error),
        cmocka_unit_test(the_manager_is_told),
    };
    return cmocka_run_group_tests_name("port_log", tests, NULL, NULL);
}
