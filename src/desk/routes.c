// SPDX-License-Identifier: MIT
#include "desk/routes.h"

#include "desk/answers.h"
#include "desk/listen.h"
#include "desk/twin.h"

// How far a word may be from a known one to be taken for a slip.
#define NEAR_WORD 3
#define NEAR_PATH 5

#define EVENT_WHICH "owner", "account", "livemode"

static const char *const event_filters[] = {"id",       "type",  "account", "owner",  "object",
                                            "status",   "since", "until",   "before", "after",
                                            "livemode", "limit", "order",   "site",   NULL};
static const char *const tail_filters[] = {"id",     "type",     "account", "owner", "object",
                                           "status", "livemode", "after",   "site",  NULL};
static const char *const which_event[] = {EVENT_WHICH, NULL};
static const char *const which_body[] = {EVENT_WHICH, "receipt", NULL};
static const char *const delivery_filters[] = {"state",  "destination", "event", "since", "until",
                                               "before", "after",       "limit", "order", NULL};
static const char *const sighting_filters[] = {"account", "owner", "livemode", "before",
                                               "after",   "limit", "order",    NULL};
static const char *const type_filters[] = {"type", "seen", "taken", NULL};
static const char *const suspense_filters[] = {"state", "before", "after", "limit", "order", NULL};
static const char *const contradiction_filters[] = {"before", "after", "limit", "order", NULL};
static const char *const assign_fields[] = {"site", NULL};
static const char *const learn_fields[] = {"events", NULL};
static const char *const time_filters[] = {"since", "until", NULL};
static const char *const plan_fields[] = {"plan", NULL};
static const char *const replay_fields[] = {"events", "to", NULL};
static const char *const hold_fields[] = {"reason", NULL};
static const char *const roll_fields[] = {"overlap", NULL};
static const char *const rebuild_fields[] = {"tables", NULL};
static const char *const step_fields[] = {"count", NULL};
static const char *const key_fields[] = {"mode", "name", NULL};
static const char *const listen_fields[] = {"from", "attempts", NULL};
static const char *const listen_filters[] = {"after",    "since", "types", "sites",
                                             "livemode", "wait",  NULL};
static const char *const livemode_filter[] = {"livemode", NULL};
static const char *const sign_fields[] = {"source", "body", NULL};
static const char *const backup_fields[] = {"file", NULL};
static const char *const twin_fields[] = {"hookkeep_twin", "now_ms", "random", "seq",
                                          "waiting",       "world",  NULL};
static const char *const clock_fields[] = {"speed", "advance", NULL};
static const char *const chaos_fields[] = {"faults", NULL};

static const struct work works[ROUTES] = {
    [ROUTE_HEALTH] = {status_health, NULL, NULL},
    [ROUTE_READY] = {status_ready, NULL, NULL},
    [ROUTE_METRICS] = {status_metrics, NULL, NULL},
    [ROUTE_STATUS] = {status_show, NULL, NULL},
    [ROUTE_EVENTS] = {events_list, event_filters, NULL},
    [ROUTE_EVENTS_TAIL] = {events_tail, tail_filters, NULL},
    [ROUTE_EVENT] = {events_show, which_event, NULL},
    [ROUTE_EVENT_BODY] = {events_body, which_body, NULL},
    [ROUTE_EXPLAIN] = {events_explain, which_event, NULL},
    [ROUTE_MATCH_DIFF] = {match_diff, time_filters, plan_fields, PLAN_BODY_MAX},
    [ROUTE_REPLAY] = {events_replay, NULL, replay_fields},
    [ROUTE_REPLAY_PLAN] = {events_replay_plan, NULL, replay_fields},
    [ROUTE_DELIVERIES] = {deliveries_list, delivery_filters, NULL},
    [ROUTE_DELIVERY] = {deliveries_show, NULL, NULL},
    [ROUTE_RETRY] = {deliveries_retry, NULL, NULL},
    [ROUTE_CANCEL] = {deliveries_cancel, NULL, NULL},
    [ROUTE_DESTINATIONS] = {destinations_list, NULL, NULL},
    [ROUTE_DESTINATION] = {destinations_show, NULL, NULL},
    [ROUTE_HOLD] = {destinations_hold, NULL, hold_fields},
    [ROUTE_ROLL] = {destinations_roll, NULL, roll_fields},
    [ROUTE_RELEASE] = {destinations_release, NULL, NULL},
    [ROUTE_DOCTOR] = {doctor_show, NULL, NULL},
    [ROUTE_TYPES] = {types_list, type_filters, NULL},
    [ROUTE_SIGHTINGS] = {sightings_list, sighting_filters, NULL},
    [ROUTE_SITES] = {sites_list, NULL, NULL},
    [ROUTE_SITES_UNCLAIMED] = {sites_unclaimed, NULL, NULL},
    [ROUTE_SITES_CONTRADICTIONS] = {sites_contradictions, contradiction_filters, NULL},
    [ROUTE_SITES_LEARN] = {sites_learn, NULL, learn_fields},
    [ROUTE_OBJECT] = {objects_show, which_event, NULL},
    [ROUTE_OBJECT_ASSIGN] = {objects_assign, which_event, assign_fields},
    [ROUTE_TABLES] = {tables_status, NULL, NULL},
    [ROUTE_TABLES_REBUILD] = {tables_rebuild, NULL, rebuild_fields},
    [ROUTE_TABLES_STEP] = {tables_step, NULL, step_fields},
    [ROUTE_SUSPENSE] = {suspense_list, suspense_filters, NULL},
    [ROUTE_SUSPENDED] = {suspense_show, NULL, NULL},
    [ROUTE_SUSPENSE_BOOK] = {suspense_book, NULL, NULL},
    [ROUTE_SUSPENSE_DROP] = {suspense_drop, NULL, NULL},
    [ROUTE_KEYS] = {keys_list, NULL, NULL},
    [ROUTE_KEY_CREATE] = {keys_create, NULL, key_fields},
    [ROUTE_KEY_REVOKE] = {keys_revoke, NULL, NULL},
    [ROUTE_SECRETS] = {secrets_list, NULL, NULL},
    [ROUTE_SIGN] = {signing_sign, NULL, sign_fields},
    [ROUTE_LISTEN_EVENTS] = {listen_events, listen_filters, NULL},
    [ROUTE_LISTEN_SECRET] = {listen_secret_show, livemode_filter, NULL},
    [ROUTE_LISTEN_ATTEMPTS] = {listen_attempts, NULL, listen_fields},
    [ROUTE_LISTEN] = {listen_show, NULL, NULL},
    [ROUTE_V1_SESSIONS] = {v1_sessions_create, NULL, NULL},
    [ROUTE_V1_LISTEN] = {.head = listen_connect},
    [ROUTE_BACKUP] = {ledger_backup, NULL, backup_fields},
    [ROUTE_VERIFY] = {ledger_verify, NULL, NULL},
    [ROUTE_TWIN] = {twin_status, NULL, NULL},
    [ROUTE_TWIN_RESET] = {twin_reset_all, NULL, NULL},
    [ROUTE_TWIN_SNAPSHOT] = {twin_snapshot, NULL, NULL},
    [ROUTE_TWIN_LOAD] = {twin_load_all, NULL, twin_fields, TWIN_DOCUMENT_MAX},
    [ROUTE_TWIN_CLOCK] = {twin_set_clock, NULL, clock_fields},
    [ROUTE_TWIN_CHAOS] = {twin_set_chaos, NULL, chaos_fields},
    [ROUTE_V1_EVENTS] = {v1_events_list, NULL, NULL}, // reads its parameters itself (desk/v1.h)
    [ROUTE_V1_EVENT] = {v1_events_show, NULL, NULL},
    [ROUTE_V1_ENDPOINTS] = {v1_endpoints_list, NULL, NULL},
    [ROUTE_V1_ENDPOINT_CREATE] = {v1_endpoints_create, NULL, NULL},
    [ROUTE_V1_ENDPOINT] = {v1_endpoints_show, NULL, NULL},
    [ROUTE_V1_ENDPOINT_UPDATE] = {v1_endpoints_update, NULL, NULL},
    [ROUTE_V1_ENDPOINT_DELETE] = {v1_endpoints_delete, NULL, NULL},
    [ROUTE_V2_EVENTS] = {v2_events_list, NULL, NULL},
    [ROUTE_V2_EVENT] = {v2_events_show, NULL, NULL},
    [ROUTE_V2_DESTINATION_LIST] = {v2_destinations_list, NULL, NULL},
    [ROUTE_V2_DESTINATION_CREATE] = {v2_destinations_create, NULL, NULL},
    [ROUTE_V2_DESTINATION_SHOW] = {v2_destinations_show, NULL, NULL},
    [ROUTE_V2_DESTINATION_UPDATE] = {v2_destinations_update, NULL, NULL},
    [ROUTE_V2_DESTINATION_DELETE] = {v2_destinations_delete, NULL, NULL},
    [ROUTE_V2_DESTINATION_ENABLE] = {v2_destinations_enable, NULL, NULL},
    [ROUTE_V2_DESTINATION_DISABLE] = {v2_destinations_disable, NULL, NULL},
    [ROUTE_V2_DESTINATION_PING] = {v2_destinations_ping, NULL, NULL},
    [ROUTE_V1_RETRY] = {v1_events_retry, NULL, NULL},
};

static const struct route routes[ROUTES] = {
#define ROUTE(id, method, path, access, doc) {method, path, ACCESS_##access, &works[ROUTE_##id]},
#include "desk/routes.def"
#undef ROUTE
};

// Does the path fit the pattern? One {x} stands for one segment that is not empty.
static bool path_fits(bytes path, bytes pattern, bytes *arg) {
    *arg = NO_BYTES;
    while (path.n > 0 || pattern.n > 0) {
        bytes want = bytes_cut(&pattern, '/'), have = bytes_cut(&path, '/');
        if ((path.n > 0) != (pattern.n > 0))
            return false;
        if (bytes_starts(want, B("{"))) {
            if (have.n == 0)
                return false;
            *arg = have;
        } else if (!bytes_equal(want, have)) {
            return false;
        }
    }
    return true;
}

int route_find(bytes method, bytes path, const struct route **out, bytes *arg) {
    int found = 0;
    if (bytes_ends(path, B("/")))
        return found;
    for (size_t i = 0; i < ROUTES; i++) {
        if (!path_fits(path, bytes_of(routes[i].path), arg))
            continue;
        found = 405;
        if (!bytes_equal(method, bytes_of(routes[i].method)))
            continue;
        *out = &routes[i];
        return 200;
    }
    return found;
}

void route_methods(bytes path, struct text *out) {
    bytes arg;
    for (size_t i = 0; i < ROUTES; i++) {
        if (!path_fits(path, bytes_of(routes[i].path), &arg))
            continue;
        if (bytes_search(text_bytes(out), bytes_of(routes[i].method)) < out->n)
            continue;
        text_addf(out, "%s%s", out->n > 0 ? ", " : "", routes[i].method);
    }
}

const char *route_nearest(bytes path) {
    const char *best = NULL;
    size_t least = NEAR_PATH + 1;
    for (size_t i = 0; i < ROUTES; i++) {
        size_t distance = text_distance(path, bytes_of(routes[i].path));
        if (distance < least) {
            least = distance;
            best = routes[i].path;
        }
    }
    return best;
}

const char *word_nearest(bytes word, const char *const *list) {
    const char *best = NULL;
    size_t least = NEAR_WORD + 1;
    for (; list != NULL && *list != NULL; list++) {
        size_t distance = text_distance(word, bytes_of(*list));
        if (distance < least && distance < word.n) {
            least = distance;
            best = *list;
        }
    }
    return best;
}
