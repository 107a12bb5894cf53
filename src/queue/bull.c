// SPDX-License-Identifier: MIT
// Kinds bullmq and bull: jobs as the workers of those npm packages take them, as of bullmq 5.81 and
// bull 4.16. What lies in Redis is theirs and is said in their sources alone; the scripts below are
// ours and write the same. A job is named as the event's type, its id is the event's, its data the
// stored bytes, which are JSON already.
//
// Each script does all or nothing, and nothing at all when the job is there: waiting, active,
// completed or failed, for as long as its worker keeps it.
// KEYS: the queue's keys. ARGV: id, name, data, options, time, priority.
#include "port/clock.h"
#include "queue/redis.h"

// Keys: 1 the job, 2 id, 3 meta, 4 wait, 5 paused, 6 events, 7 marker, 8 prioritized, 9 pc,
// 10 active. A worker sleeps on the marker, unless the queue is paused or has as many active jobs
// as it may have: then whoever ends that wakes it.
static const char bullmq_script[] =
    "local job, id, name = KEYS[1], ARGV[1], ARGV[2]\n"
    "if redis.call('EXISTS', job) == 1 then return 0 end\n"
    "redis.call('INCR', KEYS[2])\n"
    "local meta = redis.call('HMGET', KEYS[3], 'paused', 'concurrency', 'opts.maxLenEvents')\n"
    "local keep = meta[3]\n"
    "if not keep then\n"
    "  keep = '10000'\n"
    "  redis.call('HSET', KEYS[3], 'opts.maxLenEvents', keep)\n"
    "end\n"
    "local rank = tonumber(ARGV[6])\n"
    "redis.call('HSET', job, 'name', name, 'data', ARGV[3], 'opts', ARGV[4],\n"
    "  'timestamp', ARGV[5], 'delay', '0', 'priority', ARGV[6])\n"
    "redis.call('XADD', KEYS[6], 'MAXLEN', '~', keep, '*', 'event', 'added', 'jobId', id,\n"
    "  'name', name)\n"
    "local sleeps = meta[1] or (meta[2] and redis.call('LLEN', KEYS[10]) >= tonumber(meta[2]))\n"
    "if rank > 0 then\n"
    "  local turn = redis.call('INCR', KEYS[9]) % 4294967296\n"
    "  redis.call('ZADD', KEYS[8], string.format('%.0f', rank * 4294967296 + turn), id)\n"
    "else\n"
    "  redis.call('LPUSH', meta[1] and KEYS[5] or KEYS[4], id)\n"
    "end\n"
    "if not sleeps then redis.call('ZADD', KEYS[7], 0, '0') end\n"
    "redis.call('XADD', KEYS[6], 'MAXLEN', '~', keep, '*', 'event', 'waiting', 'jobId', id)\n"
    "return 1\n";

// Keys: 1 the job, 2 id, 3 meta-paused, 4 wait, 5 paused, 6 priority. A worker sleeps on the list
// itself. Its head is the right end: a job with a priority goes behind those of the same or a
// smaller number, and all of these before those without one.
static const char bull_script[] =
    "local job, id = KEYS[1], ARGV[1]\n"
    "if redis.call('EXISTS', job) == 1 then return 0 end\n"
    "redis.call('INCR', KEYS[2])\n"
    "local rank = tonumber(ARGV[6])\n"
    "redis.call('HSET', job, 'name', ARGV[2], 'data', ARGV[3], 'opts', ARGV[4],\n"
    "  'timestamp', ARGV[5], 'delay', '0', 'priority', ARGV[6])\n"
    "local to = redis.call('EXISTS', KEYS[3]) == 1 and KEYS[5] or KEYS[4]\n"
    "if rank == 0 then\n"
    "  redis.call('LPUSH', to, id)\n"
    "else\n"
    "  redis.call('ZADD', KEYS[6], rank, id)\n"
    "  local before = redis.call('ZCOUNT', KEYS[6], 0, rank) - 1\n"
    "  local last = before > 0 and redis.call('LINDEX', to, -before)\n"
    "  if last then redis.call('LINSERT', to, 'BEFORE', last, id)\n"
    "  else redis.call('RPUSH', to, id) end\n"
    "end\n"
    "redis.call('PUBLISH', KEYS[4] .. 'ing@hookkeep', id)\n"
    "return 1\n";

#define KEYS_MAX 10
static const char *const bullmq_keys[] = {"id",     "meta",        "wait", "paused", "events",
                                          "marker", "prioritized", "pc",   "active"};
static const char *const bull_keys[] = {"id", "meta-paused", "wait", "paused", "priority"};

static void write_options(const struct queue_target *t, bytes id, struct text *out) {
    text_addf(out, "{\"attempts\":%u,\"delay\":0,\"jobId\":", t->attempts);
    text_add_json(out, id);
    if (t->backoff_ms > 0)
        text_addf(out, ",\"backoff\":{\"type\":\"%s\",\"delay\":%lld}",
                  t->exponential ? "exponential" : "fixed", (long long)t->backoff_ms);
    if (t->priority > 0)
        text_addf(out, ",\"priority\":%u", t->priority);
    text_addc(out, '}');
}

static void key_add(const struct queue_target *t, bytes name, struct text *out) {
    text_add(out, t->prefix);
    text_addc(out, ':');
    text_add(out, t->queue);
    text_addc(out, ':');
    text_add(out, name);
}

static bool write_job(struct redis *r, struct queue_job *job, struct text *out,
                      const char *const *names, size_t name_count) {
    const struct queue_target *t = r->queue.o.target;
    if (!queue_job_id(job->event)) {
        text_adds(&job->error, "the event's id cannot be a job's: it is not evt_ and letters, "
                               "digits or _");
        return false;
    }
    OWN(text_drop)
    struct text options = {0};
    struct text keys[KEYS_MAX] = {0};
    char count[21], now[21], priority[21];
    bytes words[3 + KEYS_MAX + 6];
    size_t n = 0;
    write_options(t, job->event, &options);
    words[n++] = B("EVALSHA");
    words[n++] = bytes_of(r->script);
    words[n++] = bytes_from(count, bytes_print_u64(name_count + 1, count));
    for (size_t i = 0; i <= name_count; i++) {
        key_add(t, i == 0 ? job->event : bytes_of(names[i - 1]), &keys[i]);
        words[n++] = text_bytes(&keys[i]);
    }
    words[n++] = job->event;
    words[n++] = job->type;
    words[n++] = job->payload;
    words[n++] = text_bytes(&options);
    words[n++] = bytes_from(now, bytes_print_u64((uint64_t)clock_wall_ms(&clock_real), now));
    words[n++] = bytes_from(priority, bytes_print_u64(t->priority, priority));
    resp_write(out, words, n);
    for (size_t i = 0; i <= name_count; i++)
        text_drop(&keys[i]);
    return true;
}

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static bool write_bullmq(struct redis *r, struct queue_job *job, struct text *out) {
    return write_job(r, job, out, bullmq_keys, COUNT(bullmq_keys));
}

static bool write_bull(struct redis *r, struct queue_job *job, struct text *out) {
    return write_job(r, job, out, bull_keys, COUNT(bull_keys));
}

static void key_of(const struct redis *r, struct text *key, const char **type) {
    key_add(r->queue.o.target, B("wait"), key);
    *type = "list";
}

static const struct redis_kind bullmq = {bullmq_script, write_bullmq, key_of};
static const struct redis_kind bull = {bull_script, write_bull, key_of};

static void push_bullmq(struct queue *q, struct queue_job *const *jobs, size_t n) {
    redis_push(q, &bullmq, jobs, n);
}

static void push_bull(struct queue *q, struct queue_job *const *jobs, size_t n) {
    redis_push(q, &bull, jobs, n);
}

static bool check_bullmq(struct queue *q, struct text *why) { return redis_check(q, &bullmq, why); }

static bool check_bull(struct queue *q, struct text *why) { return redis_check(q, &bull, why); }

const struct queue_kind queue_bullmq = {redis_open, push_bullmq, check_bullmq, redis_close};
const struct queue_kind queue_bull = {redis_open, push_bull, check_bull, redis_close};
