// SPDX-License-Identifier: MIT
// Inside of the twin: objects, and what one call does to them. A call is a request, or something
// that is due. What it changes is whole or not at all: a refusal puts everything back as it was,
// with the events that were made, unless it says that it keeps them (a card that is declined leaves
// a failed charge).
#ifndef TWIN_CALL_H
#define TWIN_CALL_H

#include "base/heap.h"
#include "base/json_draft.h"
#include "base/map.h"
#include "stripe/api_error.h"
#include "twin/resource.h"
#include "twin/twin.h"

struct twin_object {
    struct list all;     // in the world, the oldest first
    struct list touched; // in the call that changes it
    const struct twin_resource *resource;
    char *id, *account;        // owned
    struct twin_object *clock; // the test clock it lives by; null: the twin's time
    bool gone;                 // deleted; some are still shown as that
    bool fresh;                // made by this call
    bool was_gone;             // before this call
    // Its JSON: one of the two holds it, the other is made when it is asked for.
    struct json_doc *doc;
    struct json_draft *draft;
    struct json_doc *before; // how the call found it; null: not changed by it
    struct json_doc *told;   // how the call's last event about it had it; null: none
};

struct twin_due {
    size_t at;        // in the heap
    struct list link; // in `clocked`
    uint64_t seq;
    int64_t time_ms;
    bool dropped; // by the call under way
    struct twin_object *object;
    twin_effect *effect;
};

struct twin {
    uint64_t random;
    int64_t now_ms;
    struct map objects; // by "account/id"
    struct list all;
    size_t object_count, object_max;
    struct heap due;     // of the twin's time
    struct list clocked; // due on test clocks
    bool due_dropped;    // some of it, by the call under way
    struct list events;
    uint64_t event_count, due_seq;
    struct map keys; // Idempotency-Keys: twin/keys.c
    struct list keys_by_age;
    size_t key_count;
};

struct twin_call {
    struct twin *w;
    const struct twin_request *request; // null: something is due
    const struct twin_resource *resource;
    const struct twin_move *move; // null: something is due
    struct twin_object *self;     // null: none yet
    bytes parent;
    bytes as; // the account whose events are made; empty: the request's
    json params;
    struct twin_object *clock; // that it lives by; null: the twin's time
    int64_t now_s;             // of that clock, of what is due the time it is due at
    uint64_t due_before;       // w->due_seq when it began
    struct list touched;
    struct list *events_before; // the last event that was there before
    // The answer, where it is not the object: an effect may write it.
    struct text answer;
    int status; // of a refusal; 0: none
    bool keeps; // what was done stays all the same
    struct text refusal;
};

// --- objects

// Null: there is none in this account, or it is gone.
struct twin_object *twin_get(struct twin_call *c, bytes id);
// The object that a parameter names, of one of the types in `kinds` ("card|bank_account"). Null:
// refused with Stripe's words, the parameter at fault being `param`. Test tokens (pm_card_visa)
// become an object of their own (twin/tokens.c).
struct twin_object *twin_ref(struct twin_call *c, const char *param, bytes id, const char *kinds);
// A new one, of its shape, in the request's account and on the call's clock.
struct twin_object *twin_make(struct twin_call *c, const char *object);
// The same with an id that was chosen. Null: refused, as there is one.
struct twin_object *twin_make_as(struct twin_call *c, const struct twin_resource *r, bytes id);
// As a request of its own with these parameters would make it, with what follows and is told; it
// belongs to nothing. Null: refused.
struct twin_object *twin_create(struct twin_call *c, const char *object, json params);
void twin_remove(struct twin_call *c, struct twin_object *o); // gone from now on
// One of those that stand without having been made; null: none of these types has that id.
struct twin_object *twin_standing(struct twin_call *c, bytes id, const char *kinds);
bool twin_all_standing(struct twin_call *c); // has all of the call's resource there
// Walks the live objects of a type ("a|b": of one of these) in the call's account, the newest
// first; start with null.
struct twin_object *twin_next(struct twin_call *c, const char *object, struct twin_object *last);
// Where {"field": id} holds, likewise.
struct twin_object *twin_next_of(struct twin_call *c, const char *object, const char *field,
                                 bytes id, struct twin_object *last);
bool twin_is(const struct twin_object *o, const char *object); // "a|b": one of these

// What an object keeps for the twin alone stands under this member of its own: answers and events
// do not show it, but `expand` reaches what lies in it (a list of line items).
#define TWIN_HIDDEN B("$")
// Appends the object as it is shown.
void twin_show(json object, struct text *out);

// Values are valid until the object is next changed.
json twin_root(struct twin_object *o);
json twin_at(struct twin_object *o, const char *path);
bytes twin_text(struct twin_object *o, const char *path);  // empty: null, absent or no text
int64_t twin_int(struct twin_object *o, const char *path); // 0: the same of a number
bool twin_true(struct twin_object *o, const char *path);
bool twin_null(struct twin_object *o, const char *path); // or absent

// How the call found it; absent: it has made it.
json twin_before(struct twin_object *o, const char *path);

// Absent: null.
void twin_set(struct twin_call *c, struct twin_object *o, const char *path, json value);
void twin_set_text(struct twin_call *c, struct twin_object *o, const char *path, bytes v);
void twin_set_str(struct twin_call *c, struct twin_object *o, const char *path, const char *v);
void twin_set_int(struct twin_call *c, struct twin_object *o, const char *path, int64_t v);
void twin_set_bool(struct twin_call *c, struct twin_object *o, const char *path, bool v);
void twin_set_null(struct twin_call *c, struct twin_object *o, const char *path);
// Of text that is JSON; printf's formats, for what is ours: outside data goes through
// text_add_json.
void twin_set_json(struct twin_call *c, struct twin_object *o, const char *path, bytes text);
void twin_unset(struct twin_call *c, struct twin_object *o, const char *path); // the key goes
// Behind the last element of an array.
void twin_push(struct twin_call *c, struct twin_object *o, const char *path, json value);

// A new id: the prefix and 14 or, behind a digit, 23 letters and digits; of the call's randomness.
void twin_id(struct twin_call *c, const char *prefix, struct text *out);
uint64_t twin_random(struct twin_call *c);

// --- what a call does

// The time of the object's clock, in seconds.
int64_t twin_time(const struct twin_call *c, const struct twin_object *o);
// Has the call, and what it makes, live by this test clock from here on; null: by the twin's time.
void twin_live_by(struct twin_call *c, struct twin_object *clock);

// An event about the object as it is now. *.updated and the like (those whose sample has it) tell
// in previous_attributes exactly what is another since the last event about it, or since the call
// began; so an event of that kind about nothing that has changed is not made. Several types, with
// '|' between, tell of one change ("refund.updated|charge.refund.updated").
void twin_emit(struct twin_call *c, struct twin_object *o, const char *types);
// An event whose data.object is no object of the world's (a balance).
void twin_emit_json(struct twin_call *c, const char *type, bytes object);
// A thin event: its own members as JSON without braces, with a comma in front ("" for none).
void twin_emit_thin(struct twin_call *c, const char *type, bytes members);

// Has the effect run on the object at that time of its clock, in a call of its own; at once, behind
// this call, if that has passed. What is due for an object that is gone by then does not happen.
void twin_when(struct twin_call *c, struct twin_object *o, int64_t time_s, twin_effect *effect);
// Takes back what is due for it by this effect; null: by any.
void twin_when_not(struct twin_call *c, struct twin_object *o, twin_effect *effect);
// Refuses; false always, to be returned. The param may be null; text is cut at its end.
bool twin_refuse(struct twin_call *c, enum api_error e, const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// With a type and code of Stripe's that api_errors.def has not; `more` are further members of the
// error as JSON, with a comma in front ("" for none).
bool twin_refuse_as(struct twin_call *c, int status, const char *type, const char *code,
                    const char *param, bytes more, const char *format, ...)
    __attribute__((format(printf, 7, 8)));

// --- parameters, for effects

json twin_param(const struct twin_call *c, const char *path); // "a.b"
bytes twin_param_text(const struct twin_call *c, const char *path);
bool twin_param_true(const struct twin_call *c, const char *path);
bool twin_given(const struct twin_call *c, const char *path);
// Numbers have at most twelve digits: room for all amounts and times, and sums of them fit.
#define TWIN_NUMBER_MAX INT64_C(999999999999)
must result twin_number(json v, int64_t *out); // a text or a number; INVALID
// False: refused; absent: *out stays.
bool twin_param_int(struct twin_call *c, const char *path, int64_t *out);

// --- the parts of it

// The names of all effects with their functions, for what is kept.
struct twin_effect_row {
    const char *name;
    twin_effect *run;
    const char *doc;
};
extern const struct twin_effect_row twin_effects[];
extern const size_t twin_effect_count;

void twin_begin(struct twin_call *c, struct twin *w, const struct twin_request *r);
void twin_end(struct twin_call *c); // keeps what was done, or undoes it
struct twin_object *twin_find(const struct twin *w, bytes account, bytes id); // gone ones too
// The call is about to change it, and may have to put it back.
void twin_touch(struct twin_call *c, struct twin_object *o);
void twin_free_object(struct twin *w, struct twin_object *o);
struct twin_object *twin_add_object(struct twin *w, const struct twin_resource *r, bytes account,
                                    bytes id);
bool twin_fields(struct twin_call *c, const struct twin_field *fields, size_t n, bool creating);
bool twin_sets(struct twin_call *c, const char *sets);
bool twin_when_holds(struct twin_call *c);
bool twin_list(struct twin_call *c);
bool twin_search(struct twin_call *c);
// Appends the object as it is shown, with what `expand` asks for; false: refused.
bool twin_write(struct twin_call *c, json object, const char *below, struct text *out);
void twin_due_forget(struct twin *w, struct twin_object *o);
void twin_due_settle(struct twin_call *c, bool undone);
// How what is due is kept, and found again.
void twin_due_add(struct twin *w, struct twin_object *o, int64_t time_ms, twin_effect *effect);
const struct twin_effect_row *twin_effect_of(twin_effect *run);
// Idempotency-Keys. True: *out was answered from what is known.
bool twin_key_known(struct twin *w, const struct twin_request *r, struct twin_answer *out);
void twin_key_keep(struct twin *w, const struct twin_request *r, const struct twin_answer *a);
void twin_keys_drop(struct twin *w);
// Exchanges what the two hold.
void twin_swap(struct twin *a, struct twin *b);

#endif
