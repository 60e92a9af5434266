// The caller's side in C, against a peer in any language: `calls-c NAME`, once the peer is ready.
// The peer dies twice of it, and is launched again by the next call.
#include <pthread.h>
#include <unistd.h>

#include "check.h"

static mesh_client *client;
static mesh_text peer;

static mesh_status call(const char *method, mesh_value *positional, mesh_value *named,
                        const mesh_call_options *options, mesh_value **out)
{
    mesh_status status = mesh_call(client, peer, mesh_str(method), positional, named, options, out);
    mesh_free_value(positional);
    mesh_free_value(named);
    return status;
}

static mesh_value *json(const char *text)
{
    mesh_value *value = mesh_value_from_json(mesh_str(text));
    CHECK(value != NULL);
    return value;
}

static int64_t whole(mesh_value *value)
{
    int64_t number = -1;
    ANSWERS(MESH_OK, mesh_value_get_int(value, &number));
    mesh_free_value(value);
    return number;
}

static void values_come_back_as_they_went(void)
{
    const char *texts[] = {
        "null", "true", "-9223372036854775808", "18446744073709551615", "1.5",
        "\"t\\u00e9 \\u0000\"", "{\"$bytes\":\"AP8=\"}", "{\"$float\":\"inf\"}", "[]", "{}",
        "[[1],{\"a\":[null]}]", "{\"$map\":[[1,true],[\"b\",2]]}"};
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        mesh_value *sent = json(texts[at]), *got = NULL, *list = mesh_value_list();
        mesh_value_push(list, mesh_value_copy(sent));
        ANSWERS(MESH_OK, call("echo", list, NULL, NULL, &got));
        CHECK(mesh_value_equal(sent, got));
        mesh_text text;
        ANSWERS(MESH_OK, mesh_value_to_json(got, &text));
        CHECK(text.ptr[text.len] == 0);
        mesh_free_text(text);
        mesh_free_value(sent);
        mesh_free_value(got);
    }
    // 4 MiB of bytes, which go in many frames.
    size_t size = 4u << 20;
    uint8_t *bytes = (uint8_t *)malloc(size);
    for (size_t at = 0; at < size; at++) bytes[at] = (uint8_t)(at * 31);
    mesh_value *list = mesh_value_list(), *got = NULL;
    mesh_bytes given = {bytes, size}, back;
    mesh_value_push(list, mesh_value_bytes(given));
    ANSWERS(MESH_OK, call("echo", list, NULL, NULL, &got));
    ANSWERS(MESH_OK, mesh_value_get_bytes(got, &back));
    CHECK(back.len == size && memcmp(back.ptr, bytes, size) == 0);
    mesh_free_value(got);
    free(bytes);
}

static void arguments_go_by_place_and_by_name(void)
{
    mesh_value *got = NULL;
    ANSWERS(MESH_OK, call("add", json("[2, 3]"), NULL, NULL, &got));
    CHECK(whole(got) == 5);
    ANSWERS(MESH_OK, call("add", json("[2]"), json("{\"b\":40}"), NULL, &got));
    CHECK(whole(got) == 42);
    ANSWERS(MESH_OK, call("any", json("[1]"), json("{\"x\":\"y\"}"), NULL, &got));
    mesh_value *wanted = json("{\"positional\":[1],\"named\":{\"x\":\"y\"}}");
    CHECK(mesh_value_equal(got, wanted));
    mesh_free_value(wanted);
    mesh_free_value(got);
    ANSWERS(MESH_ERR_BAD_ARGUMENTS, call("add", json("[2]"), NULL, NULL, NULL));
    CHECK(strstr(mesh_error_message(mesh_last_error()).ptr, "b") != NULL);
    ANSWERS(MESH_ERR_BAD_ARGUMENTS, call("add", json("[1,2,3]"), NULL, NULL, NULL));
    ANSWERS(MESH_ERR_BAD_ARGUMENTS, call("add", json("[\"x\",2]"), NULL, NULL, NULL));
    ANSWERS(MESH_ERR_MISUSE, call("add", json("{}"), NULL, NULL, NULL));
    ANSWERS(MESH_ERR_MISUSE, call("add", NULL, json("[]"), NULL, NULL));
}

static void the_peer_knows_who_calls(void)
{
    mesh_value *got = NULL;
    mesh_call_options options = {.struct_size = sizeof options, .timeout_ms = 60000};
    ANSWERS(MESH_OK, call("who", NULL, NULL, &options, &got));
    int64_t pid, left;
    mesh_text name;
    ANSWERS(MESH_OK, mesh_value_get_int(mesh_value_get(got, mesh_str("pid")), &pid));
    ANSWERS(MESH_OK, mesh_value_get_int(mesh_value_get(got, mesh_str("left")), &left));
    ANSWERS(MESH_OK, mesh_value_get_text(mesh_value_get(got, mesh_str("name")), &name));
    CHECK(pid == getpid() && is_text(name, "calls-c"));
    CHECK(left > 0 && left <= 60000);
    CHECK(mesh_value_len(mesh_value_get(got, mesh_str("path"))) == 2);
    mesh_free_value(got);
}

static void failures_are_the_codes_of_the_wire(void)
{
    mesh_value *got = NULL;
    ANSWERS(1042, call("fail", json("[1042]"), NULL, NULL, &got));
    const mesh_error *error = mesh_last_error();
    CHECK(got == NULL && mesh_error_code(error) == 1042);
    CHECK(is_text(mesh_error_message(error), "no tea"));
    CHECK(is_text(mesh_error_hint(error), "Boil water."));
    int64_t cup;
    ANSWERS(MESH_OK, mesh_value_get_int(mesh_value_get(mesh_error_details(error), mesh_str("cup")),
                                        &cup));
    CHECK(cup == 1);
    ANSWERS(MESH_ERR_APPLICATION, call("boom", NULL, NULL, NULL, &got));
    CHECK(is_text(mesh_error_message(mesh_last_error()), "boom"));
    // What a handler may not say of its caller's call is its own failure.
    ANSWERS(MESH_ERR_APPLICATION, call("fail", json("[23]"), NULL, NULL, NULL));
    ANSWERS(MESH_ERR_NO_SUCH_METHOD, call("ad", NULL, NULL, NULL, NULL));
    CHECK(mesh_error_hint(mesh_last_error()).len > 0);
    ANSWERS(MESH_ERR_IS_STREAM, call("count", json("[1]"), NULL, NULL, NULL));
    mesh_call_options options = {.struct_size = sizeof options, .flags = MESH_NO_LAUNCH};
    ANSWERS(MESH_ERR_NO_SUCH_APP,
            mesh_call(client, mesh_str("nobody"), mesh_str("x"), NULL, NULL, NULL, NULL));
    ANSWERS(MESH_ERR_BAD_NAME,
            mesh_call(client, mesh_str("No Body"), mesh_str("x"), NULL, NULL, &options, NULL));
}

static int64_t cancels(void)
{
    mesh_value *got = NULL;
    ANSWERS(MESH_OK, call("cancelled", NULL, NULL, NULL, &got));
    return whole(got);
}

static void await_cancels(int64_t wanted)
{
    for (int turn = 0; turn < 500 && cancels() < wanted; turn++) usleep(10000);
    CHECK(cancels() == wanted);
}

static int hangs(void)
{
    mesh_value *tasks = NULL;
    int found = 0;
    ANSWERS(MESH_OK, call("mesh.tasks", NULL, NULL, NULL, &tasks));
    for (size_t at = 0; at < mesh_value_len(tasks); at++) {
        mesh_text method = {NULL, 0};
        mesh_value_get_text(mesh_value_get(mesh_value_at(tasks, at), mesh_str("method")), &method);
        found = found || is_text(method, "hang");
    }
    mesh_free_value(tasks);
    return found;
}

static void *cancel_when_it_hangs(void *token)
{
    for (int turn = 0; turn < 500 && !hangs(); turn++) usleep(10000);
    mesh_token_cancel((mesh_token *)token);
    return NULL;
}

static void deadlines_and_cancels_reach_the_handler(void)
{
    int64_t before = cancels();
    mesh_call_options options = {.struct_size = sizeof options, .timeout_ms = 50};
    ANSWERS(MESH_ERR_DEADLINE, call("hang", NULL, NULL, &options, NULL));
    await_cancels(before + 1);

    mesh_token *token = mesh_token_new();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, cancel_when_it_hangs, token) == 0);
    mesh_call_options cancelled = {
        .struct_size = sizeof options, .timeout_ms = 60000, .token = token};
    mesh_status status = call("hang", NULL, NULL, &cancelled, NULL);
    CHECK(status == MESH_OK || status == MESH_ERR_CANCELLED);
    pthread_join(thread, NULL);
    CHECK(mesh_token_reason(token) == MESH_ERR_CANCELLED);
    await_cancels(before + 2);
    ANSWERS(MESH_ERR_CANCELLED, call("hang", NULL, NULL, &cancelled, NULL));
    mesh_free_token(token);
}

static mesh_stream *open_stream(const char *method, const char *args)
{
    mesh_stream *stream = NULL;
    mesh_value *positional = json(args);
    ANSWERS(MESH_OK, mesh_stream_open(client, peer, mesh_str(method), positional, NULL, NULL,
                                      &stream));
    mesh_free_value(positional);
    return stream;
}

static void *next_of(void *stream)
{
    mesh_value *item = NULL;
    while (mesh_stream_next((mesh_stream *)stream, MESH_FOREVER, &item) == MESH_OK)
        mesh_free_value(item);
    return NULL;
}

static void streams_come_to_their_end(void)
{
    mesh_value *item = NULL;
    mesh_stream *stream = open_stream("count", "[3000]");
    for (int64_t n = 1; n <= 3000; n++) {
        ANSWERS(MESH_OK, mesh_stream_next(stream, MESH_FOREVER, &item));
        CHECK(whole(item) == n);
    }
    ANSWERS(MESH_END, mesh_stream_next(stream, MESH_FOREVER, &item));
    ANSWERS(MESH_END, mesh_stream_next(stream, 0, &item));
    mesh_free_stream(stream);

    stream = open_stream("broken", "[2]");
    CHECK(mesh_stream_next(stream, MESH_FOREVER, &item) == MESH_OK && whole(item) == 1);
    CHECK(mesh_stream_next(stream, 5000, &item) == MESH_OK && whole(item) == 2);
    ANSWERS(MESH_ERR_APPLICATION, mesh_stream_next(stream, MESH_FOREVER, &item));
    CHECK(is_text(mesh_error_message(mesh_last_error()), "it broke"));
    ANSWERS(MESH_END, mesh_stream_next(stream, MESH_FOREVER, &item));
    mesh_free_stream(stream);

    // One value is a stream of one item.
    stream = open_stream("add", "[1,2]");
    CHECK(mesh_stream_next(stream, MESH_FOREVER, &item) == MESH_OK && whole(item) == 3);
    ANSWERS(MESH_END, mesh_stream_next(stream, MESH_FOREVER, &item));
    mesh_free_stream(stream);
}

static void streams_are_cancelled(void)
{
    int64_t before = cancels();
    mesh_value *item = NULL;
    mesh_stream *stream = open_stream("tick", "[]");
    ANSWERS(MESH_OK, mesh_stream_next(stream, MESH_FOREVER, &item));
    mesh_free_value(item);
    mesh_text task;
    ANSWERS(MESH_OK, mesh_stream_task(stream, &task));
    CHECK(task.len > 0);
    mesh_free_text(task);
    ANSWERS(MESH_OK, mesh_stream_cancel(stream));
    next_of(stream);
    ANSWERS(MESH_END, mesh_stream_next(stream, MESH_FOREVER, &item));
    mesh_free_stream(stream);
    await_cancels(before + 1);

    // Closed while another thread waits, and used after that.
    stream = open_stream("hang", "[]");
    ANSWERS(MESH_AGAIN, mesh_stream_next(stream, 0, &item));
    ANSWERS(MESH_AGAIN, mesh_stream_next(stream, 30, &item));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, next_of, stream) == 0);
    ANSWERS(MESH_OK, mesh_stream_close(stream));
    pthread_join(thread, NULL);
    ANSWERS(MESH_ERR_MISUSE, mesh_stream_next(stream, MESH_FOREVER, &item));
    mesh_free_stream(stream);
    await_cancels(before + 2);

    // Freed in the middle.
    stream = open_stream("tick", "[]");
    ANSWERS(MESH_OK, mesh_stream_next(stream, MESH_FOREVER, &item));
    mesh_free_value(item);
    mesh_free_stream(stream);
    await_cancels(before + 3);
}

static void a_peer_that_dies_is_an_error_and_is_launched_again(void)
{
    mesh_value *item = NULL;
    ANSWERS(MESH_ERR_CONNECTION_LOST, call("die", NULL, NULL, NULL, NULL));
    mesh_call_options options = {.struct_size = sizeof options, .flags = MESH_NO_LAUNCH};
    ANSWERS(MESH_ERR_NOT_RUNNING, call("cancelled", NULL, NULL, &options, NULL));
    mesh_stream *stream = open_stream("die_midway", "[]"); // which launches it
    ANSWERS(MESH_OK, mesh_stream_next(stream, MESH_FOREVER, &item));
    CHECK(whole(item) == 1);
    ANSWERS(MESH_ERR_CONNECTION_LOST, mesh_stream_next(stream, MESH_FOREVER, &item));
    ANSWERS(MESH_END, mesh_stream_next(stream, MESH_FOREVER, &item));
    mesh_free_stream(stream);
    uint32_t pid = 0, owner = 0;
    ANSWERS(MESH_OK, mesh_client_launch(client, peer, 0, &pid));
    ANSWERS(MESH_OK, mesh_client_owner(client, peer, &owner));
    CHECK(pid != 0 && pid == owner);
}

static void on_launch(void *count, const mesh_value *event)
{
    CHECK(mesh_value_kind(mesh_value_get(event, mesh_str("pid"))) == MESH_INT);
    ++*(int *)count;
}

static void destroyed(void *count)
{
    *(int *)count += 1000;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    ANSWERS(MESH_OK, mesh_check_abi(MESH_ABI_VERSION));
    peer = mesh_str(argv[1]);
    int launches = 0;
    mesh_client_options options = {.struct_size = sizeof options,
                                   .name = mesh_str("calls-c"),
                                   .on_launch = on_launch,
                                   .on_launch_data = &launches,
                                   .on_launch_destroy = destroyed};
    ANSWERS(MESH_OK, mesh_client_new(&options, &client));
    values_come_back_as_they_went();
    arguments_go_by_place_and_by_name();
    the_peer_knows_who_calls();
    failures_are_the_codes_of_the_wire();
    deadlines_and_cancels_reach_the_handler();
    streams_come_to_their_end();
    streams_are_cancelled();
    a_peer_that_dies_is_an_error_and_is_launched_again();
    CHECK(launches >= 4);

    mesh_value *live = NULL;
    ANSWERS(MESH_OK, mesh_client_live(client, &live));
    CHECK(mesh_value_kind(live) == MESH_LIST && mesh_value_len(live) >= 1);
    mesh_free_value(live);
    mesh_text how;
    ANSWERS(MESH_OK, mesh_client_stop(client, peer, &how));
    CHECK(is_text(how, "stopped"));
    ANSWERS(MESH_OK, mesh_client_close(client));
    ANSWERS(MESH_ERR_MISUSE, call("add", NULL, NULL, NULL, NULL));
    mesh_free_client(client);
    CHECK(launches >= 1000);
    puts("ok");
    return 0;
}
