// SPDX-License-Identifier: GPL-2.0-or-later
#include "pool/stored.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "net/address.hpp"
#include "net/batch.hpp"
#include "net/errors.hpp"
#include "net/fd.hpp"
#include "net/link.hpp"
#include "net/sysctl.hpp"

namespace buoy::pool {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view suffix = ".json";

/// More than to_json() ever gives.
constexpr std::size_t longest_file = 1024 * 1024;

fs::path file_of(const std::string& name, const std::string& directory) {
    return fs::path(directory) / (name + std::string(suffix));
}

/// Makes it and what it is in, to be read by everybody under whatever umask; one that is there stays as it
/// is.
Result<void> make_directory(const fs::path& path) {
    std::error_code error;
    if (fs::is_directory(path, error)) return {};
    if (auto made = make_directory(path.parent_path()); !made) return made;
    fs::create_directory(path, error);
    if (!error) fs::permissions(path, fs::perms(0755), error);
    if (error) return net::fail_errno(error.value(), "cannot make " + path.string());
    return {};
}

Result<void> write_whole(const fs::path& path, std::string_view text) {
    const net::Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file) return net::fail_errno(errno, "cannot write " + path.string());
    // Whoever may ask the daemon may read it as well; the umask under which Pacemaker runs agents lets
    // nobody.
    if (fchmod(file.get(), 0644) != 0) return net::fail_errno(errno, "cannot write " + path.string());
    while (!text.empty()) {
        const ssize_t written = write(file.get(), text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return net::fail_errno(errno, "cannot write " + path.string());
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

Result<PoolParameters> read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(longest_file, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.empty()) return fail(path.string() + " cannot be read, or is empty");
    auto parameters = PoolParameters::from_text(text);
    if (!parameters) return fail(path.string() + ": " + parameters.error().message);
    if (parameters->name + std::string(suffix) != path.filename())
        return fail(fmt::format("{} is of a pool named '{}'", path.string(), parameters->name));
    return parameters;
}

/// The pool's addresses among all that the kernel has, in its order: the primary one of a network comes
/// first.
Result<std::vector<net::Address>> found(net::Netlink& netlink, const PoolParameters& parameters) {
    auto there = net::addresses(netlink, AF_UNSPEC);
    if (!there) return there;
    std::erase_if(*there, [&](const net::Address& address) {
        return !std::ranges::binary_search(parameters.addresses, address.ip);
    });
    return there;
}

Result<std::map<int, std::string>> link_names(net::Netlink& netlink) {
    const auto links = net::links(netlink);
    if (!links) return tl::unexpected<Error>(links.error());
    std::map<int, std::string> names;
    for (const auto& link : *links) names[link.index] = link.name;
    return names;
}

std::vector<Carried> named(const std::vector<net::Address>& addresses,
                           const std::map<int, std::string>& names) {
    std::vector<Carried> carried;
    for (const auto& address : addresses) {
        const auto name = names.find(address.link);
        carried.push_back({address.ip, name == names.end() ? std::to_string(address.link) : name->second});
    }
    std::ranges::sort(carried, {}, &Carried::ip);
    return carried;
}

/// With the primary address of a network the kernel would remove the NIC's other addresses in it, whoever's
/// they are.
void spare_the_others(const std::vector<net::Address>& going, const std::map<int, std::string>& names) {
    for (const auto& [index, name] : names) {
        const bool concerned =
            std::ranges::any_of(going, [&](const auto& a) { return a.link == index && a.ip.is_v4(); });
        if (!concerned) continue;
        const auto promote = net::Sysctl::ipv4(name, "promote_secondaries");
        if (promote.get().value_or(1) == 0) (void)promote.set(1);
    }
}

bool is_gone(int code) {
    return code == EADDRNOTAVAIL || code == ENODEV;
}

}  // namespace

Result<void> store(const PoolParameters& parameters, const std::string& directory) {
    if (auto made = make_directory(directory); !made) return made;
    std::error_code error;
    const fs::path path = file_of(parameters.name, directory);
    const fs::path beside = path.string() + ".new";
    if (auto written = write_whole(beside, parameters.to_json().dump() + '\n'); !written) return written;
    fs::rename(beside, path, error);
    if (error) return net::fail_errno(error.value(), "cannot write " + path.string());
    return {};
}

Result<void> forget(const std::string& name, const std::string& directory) {
    std::error_code error;
    const fs::path path = file_of(name, directory);
    fs::remove(path, error);
    if (error) return net::fail_errno(error.value(), "cannot remove " + path.string());
    return {};
}

StoredPools stored_pools(const std::string& directory) {
    StoredPools stored;
    std::error_code error;
    std::vector<fs::path> paths;
    for (fs::directory_iterator entry(directory, error); !error && entry != fs::directory_iterator();
         entry.increment(error))
        if (entry->path().extension() == suffix) paths.push_back(entry->path());
    if (error && error != std::errc::no_such_file_or_directory)
        stored.problems.push_back(fmt::format("cannot read {}: {}", directory, error.message()));
    std::ranges::sort(paths);
    for (const auto& path : paths) {
        auto parameters = read_file(path);
        if (parameters)
            stored.pools.push_back(std::move(*parameters));
        else
            stored.problems.push_back(parameters.error().message);
    }
    return stored;
}

Result<std::vector<Carried>> carried(net::Netlink& netlink, const PoolParameters& parameters) {
    const auto there = found(netlink, parameters);
    if (!there) return tl::unexpected<Error>(there.error());
    if (there->empty()) return std::vector<Carried>();
    const auto names = link_names(netlink);
    if (!names) return tl::unexpected<Error>(names.error());
    return named(*there, *names);
}

Result<std::vector<Carried>> close_all(net::Netlink& netlink, const PoolParameters& parameters) {
    auto there = found(netlink, parameters);
    if (!there) return tl::unexpected<Error>(there.error());
    const auto names = link_names(netlink);
    if (!names) return tl::unexpected<Error>(names.error());
    if (there->empty()) return std::vector<Carried>();
    spare_the_others(*there, *names);
    // Primary addresses last: for each of them the kernel looks at all others of its network.
    std::ranges::reverse(*there);
    std::vector<net::Request> batch;
    for (const auto& address : *there) batch.push_back(net::request_to_remove(address));
    const auto refused = net::change_many(netlink, batch);
    if (!refused) return tl::unexpected<Error>(refused.error());
    for (const auto& [index, code] : *refused)
        if (!is_gone(code))
            return net::fail_errno(code, fmt::format("cannot remove {}", (*there)[index].ip.to_string()));
    return named(*there, *names);
}

}  // namespace buoy::pool
