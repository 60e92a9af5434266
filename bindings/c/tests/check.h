// What the tests in C and C++ share: checks that say where they failed.
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh.h"

#define CHECK(what)                                                                        \
    do {                                                                                   \
        if (!(what)) {                                                                     \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);             \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)

// That a function answers a status; if not, says what it was and why.
#define ANSWERS(status, call) answers((status), (call), __FILE__, __LINE__)

static inline void answers(mesh_status wanted, mesh_status got, const char *file, int line)
{
    if (got == wanted) return;
    mesh_text name = mesh_status_name(got);
    mesh_text text = mesh_error_message(mesh_last_error());
    fprintf(stderr, "%s:%d: %d is not %d: %.*s: %.*s\n", file, line, got, wanted, (int)name.len,
            name.ptr, (int)text.len, text.ptr);
    exit(1);
}

static inline int is_text(mesh_text text, const char *wanted)
{
    return text.len == strlen(wanted) && memcmp(text.ptr, wanted, text.len) == 0;
}

#endif
