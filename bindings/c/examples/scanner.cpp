// An app that streams the files below a folder: `deep_scan(folder, delay_ms)`. One item for each
// file; `total` is null until a count that runs beside the scan knows it. A cancel cuts both short.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <thread>

#include "mesh.hpp"

namespace fs = std::filesystem;

constexpr int depth_max = 128;

// Tells of each file below a folder until it is told to stop; links are not followed.
static bool walk(const fs::path& folder, int depth,
                 const std::function<bool(const char*, const fs::path&)>& visit)
{
    std::error_code failed;
    if (depth == depth_max) return visit("too deep", folder);
    auto entry = fs::directory_iterator(folder, failed);
    if (failed) return visit("unreadable", folder);
    while (entry != fs::directory_iterator()) {
        const bool is_folder = fs::is_directory(entry->symlink_status(failed));
        if (!(is_folder ? walk(entry->path(), depth + 1, visit) : visit("file", entry->path()))) {
            return false;
        }
        entry.increment(failed);
        if (failed) return visit("unreadable", folder);
    }
    return true;
}

// Counts on a thread of its own; its end ends the count.
class Count {
public:
    explicit Count(const fs::path& folder) : thread_([this, folder] {
        std::int64_t counted = 0;
        if (walk(folder, 0, [&](const char*, const fs::path&) { return ++counted, !over_; })) {
            total_ = counted;
        }
    }) {}
    ~Count()
    {
        over_ = true;
        thread_.join();
    }
    std::optional<std::int64_t> total() const
    {
        const std::int64_t total = total_;
        return total < 0 ? std::nullopt : std::optional(total);
    }

private:
    std::atomic<bool> over_{false};
    std::atomic<std::int64_t> total_{-1};
    std::thread thread_; // the last one: it uses the others
};

int main()
try {
    mesh::App app("scanner");
    app.expose_stream(
        mesh::Method("deep_scan").describe("The files below a folder, one item each."),
        {"folder", "delay_ms"},
        [](mesh::Sink& sink, std::string folder, std::optional<std::int64_t> delay_ms) {
            fs::directory_iterator readable(folder); // throws what the caller is told
            const Count count(folder);
            const mesh::Token token = sink.token();
            const std::chrono::milliseconds delay(delay_ms.value_or(0));
            std::int64_t done = 0;
            walk(folder, 0, [&](const char* status, const fs::path& file) {
                if (delay.count() > 0 ? token.wait_for(delay) : token.is_cancelled()) return false;
                sink.send(mesh::Value::map({{"status", status},
                                            {"file", file.string()},
                                            {"done", ++done},
                                            {"total", count.total()}}));
                return true;
            });
        });
    app.ready();
    std::cout << "ready" << std::endl;
    app.run();
} catch (const mesh::Error& error) {
    std::cerr << "scanner: " << error.what() << '\n';
    return 1;
}
