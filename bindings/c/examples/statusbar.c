// An app that answers `get_stats` with the figures of the machine it runs on. What a system does
// not offer is null; `cpu` is the load since the answer before.
#include <stdio.h>

#include "mesh.h"

// The first numbers of a line that begins with `key`; how many there were.
static int numbers(const char *path, const char *format, double *a, double *b, double *c, double *d)
{
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    char line[256];
    int found = 0;
    while (found <= 0 && fgets(line, sizeof line, file)) found = sscanf(line, format, a, b, c, d);
    fclose(file);
    return found;
}

// A part of 1 in per cent, to one decimal.
static mesh_value *percent(double part)
{
    if (!(part >= 0 && part <= 1)) return mesh_value_null();
    return mesh_value_float((double)(int64_t)(part * 1000 + 0.5) / 10);
}

static mesh_value *cpu(void)
{
    static double busy_before, all_before; // one call at a time: MESH_SERIAL
    double user, nice, system, idle;
    if (numbers("/proc/stat", "cpu %lf %lf %lf %lf", &user, &nice, &system, &idle) != 4)
        return mesh_value_null();
    double busy = user + nice + system - busy_before, all = busy + busy_before + idle - all_before;
    busy_before += busy;
    all_before += all;
    return all > 0 ? percent(busy / all) : mesh_value_null();
}

static mesh_value *memory(void)
{
    double total, available, unused;
    if (numbers("/proc/meminfo", "MemTotal: %lf", &total, &unused, &unused, &unused) != 1 ||
        numbers("/proc/meminfo", "MemAvailable: %lf", &available, &unused, &unused, &unused) != 1)
        return mesh_value_null();
    return percent(1 - available / total);
}

static mesh_value *figure(const char *path, double scale)
{
    double number, unused;
    if (numbers(path, "%lf", &number, &unused, &unused, &unused) != 1) return mesh_value_null();
    return mesh_value_float(number * scale);
}

static mesh_status get_stats(void *data, const mesh_context *context, const mesh_args *args,
                             mesh_value **out)
{
    (void)data, (void)context, (void)args;
    *out = mesh_value_map();
    mesh_value_put(*out, mesh_str("cpu"), cpu());
    mesh_value_put(*out, mesh_str("memory"), memory());
    mesh_value_put(*out, mesh_str("battery"),
                   figure("/sys/class/power_supply/BAT0/capacity", 1));
    mesh_value_put(*out, mesh_str("uptime"), figure("/proc/uptime", 1));
    return MESH_OK;
}

static int failed(void)
{
    mesh_text text = mesh_error_message(mesh_last_error());
    fprintf(stderr, "statusbar: %.*s\n", (int)text.len, text.ptr);
    return 1;
}

int main(void)
{
    mesh_app *app = NULL;
    mesh_app_options options = {.struct_size = sizeof options, .flags = MESH_EXIT_IF_RUNNING};
    if (mesh_app_claim(mesh_str("statusbar"), &options, &app) != MESH_OK) return failed();
    mesh_method method = {.struct_size = sizeof method,
                          .name = mesh_str("get_stats"),
                          .doc = mesh_str("Load, memory, battery and uptime."),
                          .flags = MESH_SERIAL | MESH_IDEMPOTENT};
    if (mesh_app_expose(app, &method, get_stats, NULL, NULL) != MESH_OK) return failed();
    if (mesh_app_ready(app) != MESH_OK) return failed();
    puts("ready");
    fflush(stdout);
    int status = mesh_app_run(app) == MESH_OK ? 0 : failed();
    mesh_free_app(app);
    return status;
}
