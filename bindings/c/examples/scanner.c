// An app that streams the files below a folder: `deep_scan(folder, delay_ms)`. One item for each
// file; `total` is null until a count that runs beside the scan knows it. A cancel cuts both short.
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "mesh.h"

enum { DEPTH_MAX = 128, PATH_BYTES = 4096 };
struct scan {
    mesh_token *token;
    const mesh_sink *sink;
    const char *folder;
    int64_t delay_ms, done;
    atomic_llong counted, total; // -1 until it is known
};

// Told of each file; anything but MESH_OK ends the walk.
typedef mesh_status (*visit)(struct scan *scan, const char *status, const char *path);

static mesh_status walk(struct scan *scan, const char *folder, int depth, visit visit)
{
    DIR *open = depth < DEPTH_MAX ? opendir(folder) : NULL;
    if (!open) return visit(scan, depth < DEPTH_MAX ? "unreadable" : "too deep", folder);
    mesh_status status = MESH_OK;
    struct dirent *entry;
    while (status == MESH_OK && (entry = readdir(open))) {
        char path[PATH_BYTES];
        struct stat about;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= PATH_BYTES) continue;
        if (lstat(path, &about) == 0 && S_ISDIR(about.st_mode)) // links are not followed
            status = walk(scan, path, depth + 1, visit);
        else
            status = visit(scan, "file", path);
    }
    closedir(open);
    return status;
}

static mesh_status count_one(struct scan *scan, const char *status, const char *path)
{
    (void)status, (void)path;
    atomic_fetch_add(&scan->counted, 1);
    return mesh_token_reason(scan->token);
}

static mesh_status send_one(struct scan *scan, const char *status, const char *path)
{
    if (scan->delay_ms > 0 && mesh_token_wait(scan->token, scan->delay_ms))
        return mesh_fail(MESH_ERR_CANCELLED, mesh_str("cancelled"));
    long long total = atomic_load(&scan->total);
    mesh_value *item = mesh_value_map();
    mesh_value_put(item, mesh_str("status"), mesh_value_text(mesh_str(status)));
    mesh_value_put(item, mesh_str("file"), mesh_value_text(mesh_str(path)));
    mesh_value_put(item, mesh_str("done"), mesh_value_int(++scan->done));
    mesh_value_put(item, mesh_str("total"), total < 0 ? mesh_value_null() : mesh_value_int(total));
    mesh_status sent = mesh_sink_send(scan->sink, item);
    mesh_free_value(item);
    return sent;
}

static void *count_all(void *data)
{
    struct scan *scan = data;
    if (walk(scan, scan->folder, 0, count_one) == MESH_OK)
        atomic_store(&scan->total, atomic_load(&scan->counted));
    return NULL;
}

static mesh_status deep_scan(void *data, const mesh_context *context, const mesh_args *args,
                             const mesh_sink *sink)
{
    (void)data;
    mesh_text text;
    struct scan scan = {.sink = sink, .total = -1};
    mesh_status status = mesh_arg_text(args, mesh_str("folder"), &text);
    if (status == MESH_OK && mesh_args_get(args, mesh_str("delay_ms")))
        status = mesh_arg_int(args, mesh_str("delay_ms"), &scan.delay_ms);
    if (status != MESH_OK) return status;
    char folder[PATH_BYTES], message[PATH_BYTES + 64];
    snprintf(folder, sizeof folder, "%.*s", (int)text.len, text.ptr);
    DIR *open = opendir(folder);
    if (!open) {
        snprintf(message, sizeof message, "cannot read the folder %s: %s", folder, strerror(errno));
        return mesh_fail(MESH_ERR_APPLICATION, mesh_str(message));
    }
    closedir(open);
    scan.token = mesh_context_token(context);
    scan.folder = folder;
    pthread_t counter;
    int counts = pthread_create(&counter, NULL, count_all, &scan) == 0;
    status = walk(&scan, folder, 0, send_one);
    if (counts) pthread_join(counter, NULL);
    mesh_free_token(scan.token);
    return status;
}

int main(void)
{
    mesh_app *app = NULL;
    mesh_app_options options = {.struct_size = sizeof options, .flags = MESH_EXIT_IF_RUNNING};
    mesh_text params[] = {mesh_str("folder"), mesh_str("delay_ms")};
    mesh_method method = {.struct_size = sizeof method, .name = mesh_str("deep_scan"),
                          .doc = mesh_str("The files below a folder, one item each."),
                          .params = params, .params_len = 2};
    mesh_status status = mesh_app_claim(mesh_str("scanner"), &options, &app);
    if (status == MESH_OK) status = mesh_app_expose_stream(app, &method, deep_scan, NULL, NULL);
    if (status == MESH_OK) status = mesh_app_ready(app);
    if (status == MESH_OK) puts("ready"), fflush(stdout), status = mesh_app_run(app);
    const mesh_text text = mesh_error_message(mesh_last_error());
    if (status != MESH_OK) fprintf(stderr, "scanner: %.*s\n", (int)text.len, text.ptr);
    mesh_free_app(app);
    return status == MESH_OK ? 0 : 1;
}
