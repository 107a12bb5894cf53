// SPDX-License-Identifier: MIT
// Inside of plugin: an event as a handler sees it (hk_handler_event).
#ifndef PLUGIN_VIEW_H
#define PLUGIN_VIEW_H

#include "base/arena.h"
#include "hookkeep/handler.h"
#include "rules/frame.h"

// What one handler may be given of one event, its payload included.
#define VIEW_MEMORY_MAX ((size_t)256 << 20)

struct view {
    hk_handler_event event;
    struct json_doc *doc; // of the payload
    struct arena memory;  // of all texts
};

// INVALID: the payload is no event. The view is to be dropped in either case.
must result view_init(struct view *v, const struct frame_event *from);
void view_drop(struct view *v);

#endif
