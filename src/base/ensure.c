// SPDX-License-Identifier: MIT
#include "base/ensure.h"

#include <stdio.h>
#include <stdlib.h>

void ensure_failed(const char *cond, const char *file, int line, const char *func) {
    fprintf(stderr, "broken promise: %s (%s:%d, %s)\n", cond, file, line, func);
    abort();
}
