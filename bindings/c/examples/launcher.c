// A program that uses two apps: it asks `statusbar` for figures, then scans a folder with
// `scanner` and cancels when it has seen enough: `launcher [FOLDER]`. Apps that are off are
// launched; each must have run once before, so that it is registered.
#include <stdio.h>
#include <stdlib.h>

#include "mesh.h"

enum { ENOUGH = 100 };

static int failed(void)
{
    const mesh_error *error = mesh_last_error();
    mesh_text text = mesh_error_message(error), hint = mesh_error_hint(error);
    fprintf(stderr, "launcher: %.*s\n", (int)text.len, text.ptr);
    if (hint.len) fprintf(stderr, "  %.*s\n", (int)hint.len, hint.ptr);
    return 1;
}

static void print_figures(const mesh_value *stats)
{
    const char *figures[] = {"cpu", "memory", "battery", "uptime"};
    for (size_t at = 0; at < sizeof figures / sizeof *figures; at++) {
        mesh_text text;
        const mesh_value *figure = mesh_value_get(stats, mesh_str(figures[at]));
        if (figure && mesh_value_to_json(figure, &text) == MESH_OK) {
            printf("%s: %s\n", figures[at], text.ptr);
            mesh_free_text(text);
        }
    }
}

// Prints one item; answers how many files are done.
static int64_t print_item(const mesh_value *item)
{
    int64_t done = 0, total = 0;
    char of[24] = "?";
    mesh_text status = {0}, file = {0};
    mesh_value_get_int(mesh_value_get(item, mesh_str("done")), &done);
    mesh_value_get_text(mesh_value_get(item, mesh_str("status")), &status);
    mesh_value_get_text(mesh_value_get(item, mesh_str("file")), &file);
    if (mesh_value_get_int(mesh_value_get(item, mesh_str("total")), &total) == MESH_OK)
        snprintf(of, sizeof of, "%lld", (long long)total);
    printf("%lld/%s %.*s %.*s\n", (long long)done, of, (int)status.len, status.ptr, (int)file.len,
           file.ptr);
    return done;
}

static mesh_status scan(mesh_client *client, const char *folder)
{
    mesh_stream *stream = NULL;
    mesh_value *args = mesh_value_list(), *item = NULL;
    mesh_value_push(args, mesh_value_text(mesh_str(folder)));
    mesh_status status = mesh_stream_open(client, mesh_str("scanner"), mesh_str("deep_scan"), args,
                                          NULL, NULL, &stream);
    mesh_free_value(args);
    int64_t seen = 0;
    while (status == MESH_OK) {
        status = mesh_stream_next(stream, MESH_FOREVER, &item);
        if (status != MESH_OK) break;
        seen = print_item(item);
        mesh_free_value(item);
        if (seen == ENOUGH) mesh_stream_cancel(stream);
    }
    mesh_free_stream(stream);
    if (status == MESH_END)
        printf("%s after %lld files\n", seen < ENOUGH ? "done" : "cancelled", (long long)seen);
    return status == MESH_END ? MESH_OK : status;
}

int main(int argc, char **argv)
{
    mesh_client *client = NULL;
    mesh_value *stats = NULL;
    mesh_client_options named = {.struct_size = sizeof named, .name = mesh_str("launcher")};
    mesh_call_options soon = {.struct_size = sizeof soon, .timeout_ms = 3000};
    char *folder = realpath(argc > 1 ? argv[1] : ".", NULL);
    if (!folder) return perror("launcher"), 1;
    mesh_status status = mesh_client_new(&named, &client);
    if (status == MESH_OK)
        status = mesh_call(client, mesh_str("statusbar"), mesh_str("get_stats"), NULL, NULL, &soon,
                           &stats);
    if (status == MESH_OK) {
        print_figures(stats);
        status = scan(client, folder);
    }
    int code = status == MESH_OK ? 0 : failed();
    mesh_free_value(stats);
    mesh_free_client(client);
    free(folder);
    return code;
}
