// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/gate/bucket.hpp"

#include <bit>
#include <vector>

namespace buoy::gate {

namespace {

/// jhash2() of include/linux/jhash.h.
std::uint32_t jhash(const std::vector<std::uint32_t>& words, std::uint32_t seed) {
    std::uint32_t left = static_cast<std::uint32_t>(words.size());
    std::uint32_t a = 0xdeadbeef + (left << 2) + seed;
    std::uint32_t b = a;
    std::uint32_t c = a;
    const std::uint32_t* at = words.data();
    const auto turn = [](std::uint32_t& x, std::uint32_t y, std::uint32_t& z, int by) {
        x = (x - z) ^ std::rotl(z, by);
        z += y;
    };
    for (; left > 3; left -= 3, at += 3) {
        a += at[0];
        b += at[1];
        c += at[2];
        turn(a, b, c, 4);
        turn(b, c, a, 6);
        turn(c, a, b, 8);
        turn(a, b, c, 16);
        turn(b, c, a, 19);
        turn(c, a, b, 4);
    }
    if (left == 0) return c;
    if (left == 3) c += at[2];
    if (left >= 2) b += at[1];
    a += at[0];
    const auto end = [](std::uint32_t& x, std::uint32_t y, int by) { x = (x ^ y) - std::rotl(y, by); };
    end(c, b, 14);
    end(a, c, 11);
    end(b, a, 25);
    end(c, b, 16);
    end(a, c, 4);
    end(b, a, 14);
    end(c, b, 24);
    return c;
}

void append(std::vector<std::uint32_t>& words, const IpAddress& ip) {
    if (ip.is_v4()) {
        words.push_back(ip.v4().value());
        return;
    }
    const auto& bytes = ip.v6().bytes;
    for (std::size_t i = 0; i < bytes.size(); i += 4)
        words.push_back(Ipv4{{bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]}}.value());
}

}  // namespace

std::uint32_t bucket_of(const Connection& connection, const Division& division) {
    std::vector<std::uint32_t> words;
    append(words, connection.client);
    if (division.hash == Hash::source_port) words.push_back(connection.client_port);
    if (division.hash == Hash::tuple) {
        words.push_back(std::uint32_t{connection.protocol} << 16 | connection.client_port);
        append(words, connection.service);
        words.push_back(connection.service_port);
    }
    return jhash(words, division.seed) % division.buckets;
}

}  // namespace buoy::gate
