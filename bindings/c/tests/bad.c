// Bad input at the border, in C: NULL, handles of another kind, wrong sizes, texts that are none.
// Needs no peer.
#include <stdatomic.h>
#include <unistd.h>

#include "check.h"

static atomic_int destroys;

static void destroy(void *data)
{
    CHECK(data == &destroys);
    destroys++;
}

static mesh_status handler(void *data, const mesh_context *context, const mesh_args *args,
                           mesh_value **out)
{
    (void)data, (void)context, (void)args, (void)out;
    return -7; // no code at all
}

static void null_is_refused(void)
{
    mesh_value *value = NULL;
    mesh_text text;
    bool truth;
    uint32_t pid;
    ANSWERS(MESH_ERR_MISUSE, mesh_client_new(NULL, NULL));
    ANSWERS(MESH_ERR_MISUSE, mesh_client_close(NULL));
    ANSWERS(MESH_ERR_MISUSE, mesh_client_launch(NULL, mesh_str("x"), 0, &pid));
    ANSWERS(MESH_ERR_MISUSE, mesh_stream_next(NULL, 0, &value));
    ANSWERS(MESH_ERR_MISUSE, mesh_stream_cancel(NULL));
    ANSWERS(MESH_ERR_MISUSE, mesh_stream_close(NULL));
    ANSWERS(MESH_ERR_MISUSE, mesh_app_ready(NULL));
    ANSWERS(MESH_ERR_MISUSE, mesh_app_run(NULL));
    ANSWERS(MESH_ERR_MISUSE, mesh_app_expose(NULL, NULL, handler, &destroys, destroy));
    CHECK(destroys == 1);
    ANSWERS(MESH_ERR_MISUSE, mesh_token_cancel(NULL));
    ANSWERS(MESH_ERR_MISUSE, mesh_token_on_cancel(NULL, destroy, &destroys, destroy, NULL));
    CHECK(destroys == 2);
    ANSWERS(MESH_ERR_MISUSE, mesh_sink_send(NULL, NULL));
    ANSWERS(MESH_ERR_MISUSE, mesh_value_get_bool(NULL, &truth));
    ANSWERS(MESH_ERR_MISUSE, mesh_value_to_json(NULL, &text));
    ANSWERS(MESH_ERR_MISUSE, mesh_arg_bool(NULL, mesh_str("a"), &truth));
    CHECK(mesh_value_copy(NULL) == NULL && mesh_value_kind(NULL) == MESH_NULL);
    CHECK(mesh_value_at(NULL, 0) == NULL && mesh_value_get(NULL, mesh_str("a")) == NULL);
    CHECK(mesh_error_code(NULL) == 0 && mesh_error_message(NULL).len == 0);
    CHECK(mesh_context_pid(NULL) == 0 && mesh_context_token(NULL) == NULL);
    mesh_free_value(NULL);
    mesh_free_client(NULL);
    mesh_free_stream(NULL);
    mesh_free_app(NULL);
    mesh_free_token(NULL);
    mesh_free_guard(NULL);
    mesh_free_job(NULL);
    mesh_job_run(NULL);
    mesh_free_text(mesh_str(NULL));
}

static void handles_of_another_kind_are_refused(void)
{
    mesh_client *client = NULL;
    mesh_value *value = NULL;
    ANSWERS(MESH_OK, mesh_client_new(NULL, &client));
    mesh_token *token = mesh_token_new();
    ANSWERS(MESH_ERR_MISUSE, mesh_client_close((mesh_client *)(void *)token));
    ANSWERS(MESH_ERR_MISUSE, mesh_stream_next((mesh_stream *)(void *)client, 0, &value));
    ANSWERS(MESH_ERR_MISUSE, mesh_app_ready((mesh_app *)(void *)client));
    mesh_free_app((mesh_app *)(void *)client); // is left alone
    mesh_free_token(token);
    ANSWERS(MESH_OK, mesh_client_close(client));
    ANSWERS(MESH_OK, mesh_client_close(client));
    mesh_free_client(client);
}

static void values_that_are_none_are_refused(void)
{
    mesh_text broken = {"\xff", 1}, nowhere = {NULL, 3};
    mesh_bytes no_bytes = {NULL, 3};
    CHECK(mesh_value_text(broken) == NULL);
    CHECK(mesh_error_code(mesh_last_error()) == MESH_ERR_BAD_VALUE);
    CHECK(mesh_value_text(nowhere) == NULL && mesh_value_bytes(no_bytes) == NULL);
    CHECK(mesh_value_from_json(mesh_str("{\"$bytes\":1}")) == NULL);
    CHECK(mesh_value_from_json(mesh_str("[1")) == NULL);
    mesh_value *list = mesh_value_list(), *map = mesh_value_map();
    ANSWERS(MESH_ERR_MISUSE, mesh_value_push(list, mesh_value_text(broken)));
    ANSWERS(MESH_ERR_BAD_VALUE, mesh_value_push(map, mesh_value_null()));
    ANSWERS(MESH_ERR_BAD_VALUE, mesh_value_put(list, mesh_str("a"), mesh_value_null()));
    ANSWERS(MESH_ERR_BAD_VALUE, mesh_value_put(map, broken, mesh_value_null()));
    ANSWERS(MESH_ERR_MISUSE, mesh_value_append(map, NULL, mesh_value_null()));
    int64_t number;
    mesh_value *large = mesh_value_uint(UINT64_MAX);
    ANSWERS(MESH_ERR_BAD_VALUE, mesh_value_get_int(large, &number));
    mesh_free_value(large);
    ANSWERS(MESH_OK, mesh_value_put(map, mesh_str("a"), mesh_value_int(1)));
    ANSWERS(MESH_OK, mesh_value_put(map, mesh_str("a"), mesh_value_int(2)));
    CHECK(mesh_value_len(map) == 1 && mesh_value_at(map, 1) == NULL);
    // Nested deeper than a reader takes: refused by whoever has to read it.
    for (int depth = 0; depth < 200; depth++) {
        mesh_value *outer = mesh_value_list();
        mesh_value_push(outer, list);
        list = outer;
    }
    mesh_app *app = NULL;
    mesh_app_options options = {.struct_size = sizeof options, .flags = MESH_UNREGISTERED};
    ANSWERS(MESH_OK, mesh_app_claim(mesh_str("bad-c"), &options, &app));
    mesh_client *client = NULL;
    ANSWERS(MESH_OK, mesh_app_client(app, &client));
    mesh_text param = mesh_str("value");
    mesh_method method = {.struct_size = sizeof method, .name = mesh_str("odd"), .params = &param,
                          .params_len = 1};
    ANSWERS(MESH_OK, mesh_app_expose(app, &method, handler, &destroys, destroy));
    ANSWERS(MESH_OK, mesh_app_ready(app));
    mesh_status status =
        mesh_call(client, mesh_str("bad-c"), mesh_str("odd"), list, NULL, NULL, NULL);
    CHECK(status == MESH_ERR_BAD_ARGUMENTS || status == MESH_ERR_BAD_VALUE);
    ANSWERS(MESH_ERR_APPLICATION,
            mesh_call(client, mesh_str("bad-c"), mesh_str("odd"), NULL, NULL, NULL, NULL));
    int before = atomic_load(&destroys);
    method.flags = 0x100;
    ANSWERS(MESH_ERR_MISUSE, mesh_app_expose(app, &method, handler, &destroys, destroy));
    method.flags = MESH_ANY_PARAMS;
    ANSWERS(MESH_ERR_MISUSE, mesh_app_expose(app, &method, handler, &destroys, destroy));
    method.flags = 0;
    ANSWERS(MESH_ERR_MISUSE, mesh_app_expose(app, &method, NULL, &destroys, destroy));
    CHECK(destroys == before + 3);
    mesh_free_client(client);
    mesh_free_app(app);
    // Its threads leave a moment later, and the last of them drops the method.
    for (int turn = 0; turn < 500 && destroys < before + 4; turn++) usleep(10000);
    CHECK(destroys == before + 4);
    mesh_free_value(list);
    mesh_free_value(map);
}

static void options_of_another_size_are_read_by_it(void)
{
    mesh_client *client = NULL;
    mesh_client_options none = {.struct_size = 0};
    ANSWERS(MESH_ERR_MISUSE, mesh_client_new(&none, &client));
    // An older program: only its part counts.
    mesh_client_options old = {.struct_size = offsetof(mesh_client_options, limits),
                               .name = mesh_str("old"),
                               .limits = (const mesh_value *)(const void *)&destroys};
    ANSWERS(MESH_OK, mesh_client_new(&old, &client));
    mesh_free_client(client);
    // A newer one: what this library does not know must not be set.
    struct {
        mesh_client_options known;
        uint64_t later;
    } newer = {{.struct_size = sizeof newer}, 0};
    ANSWERS(MESH_OK, mesh_client_new(&newer.known, &client));
    mesh_free_client(client);
    newer.later = 1;
    ANSWERS(MESH_ERR_MISUSE, mesh_client_new(&newer.known, &client));
    ANSWERS(MESH_ERR_MISUSE, mesh_check_abi(MESH_ABI_VERSION + 1));

    mesh_value *limits = mesh_value_from_json(mesh_str("{\"tea\":1}"));
    mesh_client_options odd = {.struct_size = sizeof odd, .limits = limits};
    ANSWERS(MESH_ERR_MISUSE, mesh_client_new(&odd, &client));
    mesh_free_value(limits);
}

int main(void)
{
    CHECK(mesh_last_error() == NULL);
    null_is_refused();
    handles_of_another_kind_are_refused();
    values_that_are_none_are_refused();
    options_of_another_size_are_read_by_it();
    CHECK(is_text(mesh_status_name(MESH_ERR_NO_SUCH_APP), "no_such_app"));
    CHECK(is_text(mesh_status_name(1042), "other") && mesh_version().len > 0);
    puts("ok");
    return 0;
}
