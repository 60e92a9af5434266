// A program that uses two apps: it asks `statusbar` for figures, then scans a folder with
// `scanner` and cancels when it has seen enough: `launcher [FOLDER]`. Apps that are off are
// launched; each must have run once before, so that it is registered.
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

#include "mesh.hpp"

constexpr std::int64_t enough = 100;

int main(int argc, char** argv)
try {
    using namespace std::chrono_literals;
    const std::string folder = std::filesystem::absolute(argc > 1 ? argv[1] : ".").string();
    mesh::ClientOptions named;
    named.name = "launcher";
    const mesh::Client client(named);

    const mesh::Value stats = client.call("statusbar", "get_stats", {}, {3s});
    for (const char* figure : {"cpu", "memory", "battery", "uptime"}) {
        std::cout << figure << ": " << (stats[figure] ? stats[figure].to_json() : "null") << '\n';
    }

    mesh::Stream scan = client.stream("scanner", "deep_scan", mesh::args(folder));
    std::int64_t seen = 0;
    for (const mesh::Value& item : scan) {
        seen = item["done"].as<std::int64_t>();
        const auto total = item["total"].as<std::optional<std::int64_t>>();
        std::cout << seen << '/' << (total ? std::to_string(*total) : "?") << ' '
                  << item["status"].as<std::string_view>() << ' '
                  << item["file"].as<std::string_view>() << '\n';
        if (seen == enough) scan.cancel();
    }
    std::cout << (seen < enough ? "done" : "cancelled") << " after " << seen << " files\n";
} catch (const mesh::Error& error) {
    std::cerr << "launcher: " << error.what() << '\n';
    if (!error.hint().empty()) std::cerr << "  " << error.hint() << '\n';
    return 1;
}
