// An app that answers `get_stats` with the figures of the machine it runs on. What a system does
// not offer is null; `cpu` is the load since the answer before.
#include <cmath>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>

#include "mesh.hpp"

using Figure = std::optional<double>;

// The number behind a word of a file, or its first one.
static Figure figure(const std::string& path, const std::string& key = {})
{
    std::ifstream file(path);
    std::string word;
    double number = 0;
    while (!key.empty() && file >> word && word != key) {
    }
    return file >> number ? Figure(number) : std::nullopt;
}

// A part of 1 in per cent, to one decimal.
static Figure percent(double part)
{
    if (!std::isfinite(part)) return std::nullopt;
    return std::round(std::min(std::max(part, 0.0), 1.0) * 1000) / 10;
}

static Figure memory()
{
    const Figure total = figure("/proc/meminfo", "MemTotal:");
    const Figure available = figure("/proc/meminfo", "MemAvailable:");
    return total && available ? percent(1 - *available / *total) : std::nullopt;
}

// The load since it was asked before.
class Load {
public:
    Figure operator()()
    {
        std::ifstream file("/proc/stat");
        std::string cpu;
        double user = 0, nice = 0, system = 0, idle = 0;
        if (!(file >> cpu >> user >> nice >> system >> idle)) return std::nullopt;
        const double busy = user + nice + system, all = busy + idle;
        const Figure load = percent((busy - busy_) / (all - all_));
        busy_ = busy;
        all_ = all;
        return load;
    }

private:
    double busy_ = 0, all_ = 0;
};

int main()
try {
    mesh::App app("statusbar");
    app.expose(mesh::Method("get_stats")
                   .describe("Load, memory, battery and uptime.")
                   .serial()
                   .idempotent(),
               {}, [load = Load()]() mutable {
                   return mesh::Value::map(
                       {{"cpu", load()},
                        {"memory", memory()},
                        {"battery", figure("/sys/class/power_supply/BAT0/capacity")},
                        {"uptime", figure("/proc/uptime")}});
               });
    app.ready();
    std::cout << "ready" << std::endl;
    app.run();
} catch (const mesh::Error& error) {
    std::cerr << "statusbar: " << error.what() << '\n';
    return 1;
}
