// The peer of the tests in C: the same methods as peer.cpp and peer.rs, which calls.c and
// calls.cpp use. Claims its own name, prints "ready" and serves until it is stopped.
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "mesh.h"

static atomic_int cancels;

static void count_cancel(void *data)
{
    atomic_fetch_add((atomic_int *)data, 1);
}

static mesh_status echo(void *data, const mesh_context *context, const mesh_args *args,
                        mesh_value **out)
{
    (void)data, (void)context;
    *out = mesh_value_copy(mesh_args_at(args, 0));
    return *out ? MESH_OK : mesh_fail(MESH_ERR_BAD_ARGUMENTS, mesh_str("value is missing"));
}

static mesh_status add(void *data, const mesh_context *context, const mesh_args *args,
                       mesh_value **out)
{
    (void)data, (void)context;
    int64_t a, b;
    mesh_status status = mesh_arg_int(args, mesh_str("a"), &a);
    if (status == MESH_OK) status = mesh_arg_int(args, mesh_str("b"), &b);
    if (status == MESH_OK) *out = mesh_value_int(a + b);
    return status;
}

static mesh_status any(void *data, const mesh_context *context, const mesh_args *args,
                       mesh_value **out)
{
    (void)data, (void)context;
    *out = mesh_value_map();
    mesh_value_put(*out, mesh_str("positional"), mesh_value_copy(mesh_args_positional(args)));
    mesh_value_put(*out, mesh_str("named"), mesh_value_copy(mesh_args_named(args)));
    return MESH_OK;
}

static mesh_status who(void *data, const mesh_context *context, const mesh_args *args,
                       mesh_value **out)
{
    (void)data, (void)args;
    *out = mesh_value_map();
    mesh_value_put(*out, mesh_str("pid"), mesh_value_uint(mesh_context_pid(context)));
    mesh_value_put(*out, mesh_str("name"), mesh_value_text(mesh_context_name(context)));
    mesh_value_put(*out, mesh_str("method"), mesh_value_text(mesh_context_method(context)));
    mesh_value_put(*out, mesh_str("path"), mesh_context_call_path(context));
    mesh_value_put(*out, mesh_str("left"), mesh_value_int(mesh_context_remaining_ms(context)));
    return MESH_OK;
}

static mesh_status fail(void *data, const mesh_context *context, const mesh_args *args,
                        mesh_value **out)
{
    (void)data, (void)context, (void)out;
    int64_t code;
    if (mesh_arg_int(args, mesh_str("code"), &code) != MESH_OK) return MESH_ERR_BAD_ARGUMENTS;
    mesh_value *details = mesh_value_map();
    mesh_value_put(details, mesh_str("cup"), mesh_value_int(1));
    mesh_status status = mesh_fail_with((mesh_status)code, mesh_str("no tea"),
                                        mesh_str("Boil water."), details);
    mesh_free_value(details);
    return status;
}

static mesh_status boom(void *data, const mesh_context *context, const mesh_args *args,
                        mesh_value **out)
{
    (void)data, (void)context, (void)args;
    *out = mesh_value_text(mesh_str("a value that goes with a failure is thrown away"));
    return mesh_fail(MESH_ERR_APPLICATION, mesh_str("boom"));
}

static mesh_status hang(void *data, const mesh_context *context, const mesh_args *args,
                        mesh_value **out)
{
    (void)data, (void)args;
    mesh_guard *guard = NULL;
    mesh_token *token = mesh_context_token(context);
    mesh_token_on_cancel(token, count_cancel, &cancels, NULL, &guard);
    mesh_token_wait(token, MESH_FOREVER);
    *out = mesh_value_int(mesh_token_reason(token));
    mesh_free_guard(guard);
    mesh_free_token(token);
    return MESH_OK;
}

static mesh_status cancelled(void *data, const mesh_context *context, const mesh_args *args,
                             mesh_value **out)
{
    (void)data, (void)context, (void)args;
    *out = mesh_value_int(atomic_load(&cancels));
    return MESH_OK;
}

static mesh_status die(void *data, const mesh_context *context, const mesh_args *args,
                       mesh_value **out)
{
    (void)data, (void)context, (void)args, (void)out;
    _Exit(9);
}

static mesh_status send(const mesh_sink *sink, int64_t number)
{
    mesh_value *item = mesh_value_int(number);
    mesh_status status = mesh_sink_send(sink, item);
    mesh_free_value(item);
    return status;
}

static mesh_status count(void *data, const mesh_context *context, const mesh_args *args,
                         const mesh_sink *sink)
{
    (void)data, (void)context;
    int64_t to;
    mesh_status status = mesh_arg_int(args, mesh_str("to"), &to);
    for (int64_t n = 1; status == MESH_OK && n <= to; n++) status = send(sink, n);
    return status;
}

static mesh_status tick(void *data, const mesh_context *context, const mesh_args *args,
                        const mesh_sink *sink)
{
    (void)data, (void)args;
    mesh_guard *guard = NULL;
    mesh_token *token = mesh_context_token(context);
    mesh_token_on_cancel(token, count_cancel, &cancels, NULL, &guard);
    mesh_status status = MESH_OK;
    for (int64_t n = 1; status == MESH_OK; n++) {
        status = send(sink, n);
        if (mesh_token_wait(token, 5)) break;
    }
    mesh_free_guard(guard);
    mesh_free_token(token);
    return status;
}

static mesh_status broken(void *data, const mesh_context *context, const mesh_args *args,
                          const mesh_sink *sink)
{
    mesh_status status = count(data, context, args, sink);
    return status == MESH_OK ? mesh_fail(MESH_ERR_APPLICATION, mesh_str("it broke")) : status;
}

static mesh_status die_midway(void *data, const mesh_context *context, const mesh_args *args,
                              const mesh_sink *sink)
{
    (void)data, (void)args;
    send(sink, 1);
    // What is not written yet dies with the process; a reader that cancels has its item.
    mesh_token *token = mesh_context_token(context);
    mesh_token_wait(token, 200);
    mesh_free_token(token);
    _Exit(9);
}

static void expose(mesh_app *app, const char *name, const char *param, const char *second,
                   mesh_handler handler, mesh_stream_handler stream, uint32_t flags)
{
    mesh_text params[] = {mesh_str(param), mesh_str(second)};
    mesh_method method = {.struct_size = sizeof method,
                          .name = mesh_str(name),
                          .doc = mesh_str("A method of the tests."),
                          .params = params,
                          .params_len = (param != NULL) + (second != NULL),
                          .flags = flags};
    mesh_status status = handler ? mesh_app_expose(app, &method, handler, NULL, NULL)
                                 : mesh_app_expose_stream(app, &method, stream, NULL, NULL);
    if (status != MESH_OK) {
        fprintf(stderr, "%s: %s\n", name, mesh_error_message(mesh_last_error()).ptr);
        exit(1);
    }
}

int main(void)
{
    mesh_app *app = NULL;
    mesh_app_options options = {.struct_size = sizeof options, .flags = MESH_EXIT_IF_RUNNING};
    if (mesh_app_claim(mesh_str("peer-c"), &options, &app) != MESH_OK) return 1;
    expose(app, "echo", "value", NULL, echo, NULL, 0);
    expose(app, "add", "a", "b", add, NULL, MESH_IDEMPOTENT);
    expose(app, "any", NULL, NULL, any, NULL, MESH_ANY_PARAMS);
    expose(app, "who", NULL, NULL, who, NULL, 0);
    expose(app, "fail", "code", NULL, fail, NULL, 0);
    expose(app, "boom", NULL, NULL, boom, NULL, 0);
    expose(app, "hang", NULL, NULL, hang, NULL, 0);
    expose(app, "cancelled", NULL, NULL, cancelled, NULL, MESH_SERIAL);
    expose(app, "die", NULL, NULL, die, NULL, 0);
    expose(app, "count", "to", NULL, NULL, count, 0);
    expose(app, "tick", NULL, NULL, NULL, tick, 0);
    expose(app, "broken", "to", NULL, NULL, broken, 0);
    expose(app, "die_midway", NULL, NULL, NULL, die_midway, 0);
    mesh_status status = mesh_app_ready(app);
    puts("ready");
    fflush(stdout);
    if (status == MESH_OK) status = mesh_app_run(app);
    mesh_free_app(app);
    return status == MESH_OK ? 0 : 1;
}
