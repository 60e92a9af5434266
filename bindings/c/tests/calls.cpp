// The caller's side in C++, against a peer in any language: `calls-cpp NAME`, once it is ready.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <map>
#include <string>
#include <thread>
#include <type_traits>

#include "check.h"
#include "mesh.hpp"

using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<mesh::Client> && !std::is_copy_assignable_v<mesh::App>);
static_assert(std::is_nothrow_move_constructible_v<mesh::Stream>);
static_assert(std::is_nothrow_destructible_v<mesh::App>);
static_assert(!std::is_convertible_v<const void*, mesh::Value>, "a pointer is no truth");

// That something throws a mesh::Error with this code; answers it.
template <class F>
static mesh::Error throws(mesh_status code, F act)
{
    try {
        act();
    } catch (const mesh::Error& error) {
        if (error.code() != code) std::fprintf(stderr, "%d: %s\n", error.code(), error.what());
        CHECK(error.code() == code);
        return error;
    }
    std::fprintf(stderr, "nothing was thrown, %d is expected\n", code);
    std::exit(1);
}

static void values_come_back_as_they_went(const mesh::Client& client, const std::string& peer)
{
    const mesh::Bytes bytes{0, 255, 7};
    const mesh::Value all = mesh::Value::list(
        {nullptr, true, std::numeric_limits<std::int64_t>::min(),
         std::numeric_limits<std::uint64_t>::max(), 1.5, "t\xc3\xa9", bytes,
         std::vector<int>{1, 2}, std::optional<int>{}, std::map<std::string, int>{{"a", 1}},
         mesh::Value::map({{"b", mesh::Value::map()}})});
    const mesh::Value got = client.call(peer, "echo", mesh::args(all));
    CHECK(got == all);
    CHECK(got[3].as<std::uint64_t>() == std::numeric_limits<std::uint64_t>::max());
    CHECK(got[6].as<mesh::Bytes>() == bytes);
    CHECK((got[9].as<std::map<std::string, int>>() == std::map<std::string, int>{{"a", 1}}));
    CHECK(!got[10]["absent"] && got[10]["b"].size() == 0);
    CHECK(got[0].as<std::optional<int>>() == std::nullopt);
    throws(MESH_ERR_BAD_VALUE, [&] { got[2].as<std::int32_t>(); });
    throws(MESH_ERR_BAD_VALUE, [&] { got[5].as<int>(); });
    throws(MESH_ERR_BAD_VALUE, [] { mesh::Value text("\xff"); });
    throws(MESH_ERR_BAD_VALUE, [] { mesh::Value::from_json("{"); });
    mesh::Value copied = all, moved = std::move(copied);
    CHECK(moved == all && mesh::Value::from_json(moved.to_json()) == all);
}

static void calls_and_their_failures(const mesh::Client& client, const std::string& peer)
{
    CHECK(client.call<int>(peer, "add", mesh::args(2, mesh::named("b", 40))) == 42);
    CHECK(client.call(peer, "who")["pid"].as<long>() > 0);
    const auto failed =
        throws(1042, [&] { client.call(peer, "fail", mesh::args(1042)); });
    CHECK(failed.what() == std::string("no tea") && failed.hint() == "Boil water.");
    CHECK(failed.details()["cup"].as<int>() == 1);
    const auto boom = throws(MESH_ERR_APPLICATION, [&] { client.call(peer, "boom"); });
    CHECK(boom.what() == std::string("boom") && boom.name() == "application");
    throws(MESH_ERR_BAD_ARGUMENTS, [&] { client.call(peer, "add", mesh::args("x", 1)); });
    throws(MESH_ERR_NO_SUCH_METHOD, [&] { client.call(peer, "tea"); });
    throws(MESH_ERR_NO_SUCH_APP, [&] { client.call("nobody", "x"); });
    throws(MESH_ERR_DEADLINE, [&] { client.call(peer, "hang", {}, {50ms}); });

    const mesh::Token token;
    std::thread canceller([&] { token.cancel(); }); // before it is sent or after: calls.c looks
    try {
        client.call(peer, "hang", {}, {mesh::forever, false, &token});
    } catch (const mesh::Error& error) {
        CHECK(error.code() == MESH_ERR_CANCELLED);
    }
    canceller.join();
    CHECK(token.reason() == MESH_ERR_CANCELLED && token.wait_for(0ms));
}

static void streams_are_ranges(const mesh::Client& client, const std::string& peer)
{
    int seen = 0;
    for (const mesh::Value& item : client.stream(peer, "count", mesh::args(1000))) {
        CHECK(item.as<int>() == ++seen);
    }
    CHECK(seen == 1000);

    for (mesh::Value& item : client.stream(peer, "tick")) {
        if (item.as<int>() == 3) break; // the end of the stream object cancels it
    }
    auto ticking = client.stream(peer, "tick");
    for (mesh::Value& item : ticking) {
        if (item.as<int>() == 3) ticking.cancel();
    }
    auto moved = std::move(ticking);
    CHECK(!moved.next());

    auto hanging = client.stream(peer, "hang");
    std::optional<mesh::Value> item;
    CHECK(!hanging.next_for(10ms, item) && !item);
    hanging.close();
    throws(MESH_ERR_MISUSE, [&] { hanging.next(); });

    auto broken = client.stream(peer, "broken", mesh::args(1));
    CHECK(broken.next()->as<int>() == 1);
    throws(MESH_ERR_APPLICATION, [&] { broken.next(); });

    auto dying = client.stream(peer, "die_midway");
    CHECK(dying.next());
    throws(MESH_ERR_CONNECTION_LOST, [&] { dying.next(); });
    throws(MESH_ERR_CONNECTION_LOST, [&] { client.call(peer, "die"); });
    CHECK(client.launch(peer) == client.owner(peer));
}

// An app in this process: what its handlers throw, its executor, a second claim, its end.
static void an_app_of_ones_own()
{
    mesh::AppOptions options;
    options.flags = MESH_UNREGISTERED;
    std::thread::id ran_on;
    int dropped = 0;
    options.executor = [&](std::function<void()> job) {
        if (dropped == 1) {
            ++dropped;
            return; // a job that is dropped fails its call
        }
        ran_on = std::this_thread::get_id();
        job();
    };
    mesh::App app("calls-cpp-own", options);
    const auto taken =
        throws(MESH_ERR_ALREADY_RUNNING, [&] { mesh::App second("calls-cpp-own", options); });
    CHECK(taken.details()["name"].as<std::string_view>() == "calls-cpp-own");

    auto held = std::make_shared<int>(7);
    const std::weak_ptr<int> watched = held;
    app.expose("held", {}, [held] { return *held; });
    held.reset();
    app.expose("none", {}, [] {});
    app.expose("throws", {"what"}, [](int what) -> int {
        if (what == 1) throw 42;
        throw std::runtime_error("\xff");
    });
    throws(MESH_ERR_BAD_NAME, [&] { app.expose("mesh.own", {}, [] {}); });
    throws(MESH_ERR_MISUSE, [&] { app.expose("misfit", {"a"}, [] {}); });
    app.ready();
    const mesh::Client client = app.client();
    CHECK(client.call<int>("calls-cpp-own", "held") == 7 && ran_on != std::thread::id());
    CHECK(client.call("calls-cpp-own", "none").is_null());
    throws(MESH_ERR_APPLICATION, [&] { client.call("calls-cpp-own", "throws", mesh::args(1)); });
    throws(MESH_ERR_APPLICATION, [&] { client.call("calls-cpp-own", "throws", mesh::args(2)); });
    dropped = 1;
    throws(MESH_ERR_SHUTTING_DOWN, [&] { client.call("calls-cpp-own", "none"); });
    app.expose("held", {}, [] { return 8; });
    CHECK(client.call<int>("calls-cpp-own", "held") == 8 && watched.expired());
    app.stop();
    app.run();
}

int main(int argc, char** argv)
{
    CHECK(argc == 2);
    mesh::ClientOptions options;
    options.name = "calls-cpp";
    const mesh::Client client(options);
    values_come_back_as_they_went(client, argv[1]);
    calls_and_their_failures(client, argv[1]);
    streams_are_ranges(client, argv[1]);
    an_app_of_ones_own();
    CHECK(client.stop(argv[1]) == "stopped");
    client.close();
    throws(MESH_ERR_MISUSE, [&] { client.call(argv[1], "who"); });
    std::puts("ok");
}
