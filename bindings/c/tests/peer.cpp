// The peer of the tests in C++: the same methods as peer.c and peer.rs.
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <stdexcept>

#include "mesh.hpp"

static std::atomic<int> cancels{0};

static void count(mesh::Sink& sink, std::int64_t to)
{
    for (std::int64_t n = 1; n <= to; ++n) sink.send(n);
}

int main()
try {
    mesh::App app("peer-cpp");
    app.expose("echo", {"value"}, [](mesh::Value value) { return value; });
    app.expose(mesh::Method("add").describe("The sum.").idempotent(), {"a", "b"},
               [](std::int64_t a, std::int64_t b) { return a + b; });
    app.expose("any", mesh::any(), [](mesh::Given given) {
        return mesh::Value::map({{"positional", mesh::Value(given.positional())},
                                 {"named", mesh::Value(given.named())}});
    });
    app.expose("who", {}, [](const mesh::Context& context) {
        auto left = context.remaining();
        return mesh::Value::map({{"pid", context.pid()},
                                 {"name", context.name()},
                                 {"method", context.method()},
                                 {"path", context.call_path()},
                                 {"left", left ? left->count() : -1}});
    });
    app.expose("fail", {"code"}, [](std::int32_t code) {
        throw mesh::Error(code, "no tea", "Boil water.")
            .with_details(mesh::Value::map({{"cup", 1}}));
    });
    app.expose("boom", {}, []() -> int { throw std::runtime_error("boom"); });
    app.expose("hang", {}, [](const mesh::Context& context) {
        const mesh::Token token = context.token();
        const auto guard = token.on_cancel([] { ++cancels; });
        token.wait();
        return token.reason();
    });
    app.expose(mesh::Method("cancelled").serial(), {}, [] { return cancels.load(); });
    app.expose("die", {}, [] { std::_Exit(9); });
    app.expose_stream("count", {"to"}, count);
    app.expose_stream("tick", {}, [](mesh::Sink& sink) {
        const mesh::Token token = sink.token();
        const auto guard = token.on_cancel([] { ++cancels; });
        for (int n = 1; !token.wait_for(std::chrono::milliseconds(5)); ++n) sink.send(n);
    });
    app.expose_stream("broken", {"to"}, [](mesh::Sink& sink, std::int64_t to) {
        count(sink, to);
        throw std::runtime_error("it broke");
    });
    app.expose_stream("die_midway", {}, [](mesh::Sink& sink) {
        sink.send(1);
        sink.token().wait_for(std::chrono::milliseconds(200));
        std::_Exit(9);
    });
    app.ready();
    std::cout << "ready" << std::endl;
    app.run();
} catch (const mesh::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
