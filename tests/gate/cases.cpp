// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/gate/cases.hpp"

namespace buoy::gate {

Connection tcp4() {
    return {client4, client_port, ip4, service_port, protocol_tcp};
}
Connection tcp6() {
    return {client6, client_port, ip6, service_port, protocol_tcp};
}
namespace {

Connection with(Connection c, std::uint8_t protocol) {
    c.protocol = protocol;
    return c;
}
Connection addresses_of(Connection c) {
    return {c.client, 0, c.service, 0, 0};
}
Connection from(Connection c, const IpAddress& client) {
    c.client = client;
    return c;
}

/// The client's and the service's packets alike.
std::vector<Case> both_directions(bool in) {
    const Ipv4 s4 = in ? client4 : ip4, d4 = in ? ip4 : client4;
    const Ipv6 s6 = in ? client6 : ip6, d6 = in ? ip6 : client6;
    const Bytes upper = in ? ports(client_port, service_port) : ports(service_port, client_port);
    const auto v4 = [&](std::uint8_t protocol, const Bytes& payload, Ipv4Extra extra = {}) {
        return ipv4_frame(ipv4_packet(s4, d4, protocol, payload, extra));
    };
    const auto v6 = [&](std::uint8_t next, const Bytes& payload) {
        return ipv6_frame(ipv6_packet(s6, d6, next, payload));
    };
    const Bytes six_headers = extension(
        60, 1,
        extension(60, 1, extension(60, 1, extension(60, 1, extension(60, 1, extension(6, 1, upper))))));
    // What went the other way, and the errors about it.
    const Bytes lost4 = ipv4_packet(d4, s4, protocol_tcp,
                                    in ? ports(service_port, client_port) : ports(client_port, service_port));
    const Bytes lost6 = ipv6_packet(d6, s6, protocol_tcp,
                                    in ? ports(service_port, client_port) : ports(client_port, service_port));
    const Bytes lost6_far = ipv6_packet(d6, s6, 0, extension(6, 1, Bytes(lost6.begin() + 40, lost6.end())));
    const Bytes lost4_fragment = ipv4_packet(d4, s4, protocol_tcp, upper, {0, 0x2000});
    const Bytes lost6_fragment = ipv6_packet(d6, s6, 44, fragment(6, 0, true, upper));
    // An error comes from a router on the way, or goes to the client.
    const auto error4 = [&](std::uint8_t type, const Bytes& inner) {
        return ipv4_frame(ipv4_packet(in ? router4 : ip4, d4, protocol_icmp, icmp(type, inner)));
    };
    const auto error6 = [&](std::uint8_t type, const Bytes& inner) {
        return ipv6_frame(ipv6_packet(in ? router6 : ip6, d6, protocol_icmpv6, icmp(type, inner)));
    };
    const Connection a4 = addresses_of(tcp4()), a6 = addresses_of(tcp6());
    const Connection of_router4 = in ? from(a4, router4) : a4, of_router6 = in ? from(a6, router6) : a6;
    const std::optional<Connection> nothing;
    return {
        {"TCP", in, v4(6, upper), tcp4()},
        {"UDP", in, v4(17, upper), with(tcp4(), 17)},
        {"SCTP", in, v4(132, upper), with(tcp4(), 132)},
        {"IPv4 options", in, v4(6, upper, {12, 0}), tcp4()},
        {"most IPv4 options", in, v4(6, upper, {40, 0}), tcp4()},
        {"not to be fragmented", in, v4(6, upper, {0, 0x4000}), tcp4()},
        {"first fragment", in, v4(6, upper, {0, 0x2000}), a4},
        {"later fragment", in, v4(6, upper, {0, 0x2010}), a4},
        {"last fragment", in, v4(6, upper, {0, 0x0010}), a4},
        {"last fragment, cut", in, v4(6, {1}, {0, 0x0010}), a4},
        {"a protocol without ports", in, v4(47, upper), a4},
        {"echo", in, v4(protocol_icmp, icmp(in ? 8 : 0, upper)), a4},
        {"VLAN tag", in, tagged(v4(6, upper), 1), tcp4()},
        {"two VLAN tags", in, tagged(v4(6, upper), 2), tcp4()},
        {"IPv6 TCP", in, v6(6, upper), tcp6()},
        {"IPv6 UDP", in, v6(17, upper), with(tcp6(), 17)},
        {"IPv6 SCTP, VLAN tag", in, tagged(v6(132, upper), 1), with(tcp6(), 132)},
        {"hop-by-hop options", in, v6(0, extension(6, 2, upper)), tcp6()},
        {"routing header", in, v6(43, extension(6, 3, upper)), tcp6()},
        {"destination options", in, v6(60, extension(6, 1, upper)), tcp6()},
        {"authentication header", in, v6(51, authentication(6, upper)), tcp6()},
        {"several headers", in, v6(0, extension(60, 1, extension(51, 2, authentication(6, upper)))), tcp6()},
        {"six headers", in, v6(60, Bytes(six_headers)), nothing},
        {"five headers", in, v6(60, Bytes(six_headers.begin() + 8, six_headers.end())), tcp6()},
        {"long options", in, v6(60, extension(6, 32, upper)), tcp6()},
        {"atomic fragment", in, v6(44, fragment(6, 0, false, upper)), tcp6()},
        {"first IPv6 fragment", in, v6(44, fragment(6, 0, true, upper)), a6},
        {"later IPv6 fragment", in, v6(0, extension(44, 1, fragment(6, 1232, true, upper))), a6},
        {"last IPv6 fragment", in, v6(44, fragment(60, 1232, false, {1})), a6},
        {"IPv6 echo", in, v6(protocol_icmpv6, icmp(in ? 128 : 129, upper)), a6},
        {"no next header", in, v6(59, {}), a6},
        {"encrypted", in, v6(50, upper), a6},
        {"unreachable", in, error4(3, lost4), tcp4()},
        {"time exceeded, with options", in,
         error4(11, ipv4_packet(d4, s4, 6, Bytes(lost4.begin() + 20, lost4.end()), {8, 0})), tcp4()},
        {"parameter problem", in, error4(12, lost4), tcp4()},
        {"error about a fragment", in, error4(3, lost4_fragment), a4},
        {"error about an echo", in, error4(3, ipv4_packet(d4, s4, 1, icmp(0, {}))), a4},
        {"error about another's packet", in, error4(3, ipv4_packet(router4, router4, 6, upper)), of_router4},
        {"error about nothing", in, error4(3, {}), nothing},
        {"error about a cut header", in, error4(3, cut(lost4, 9)), nothing},
        {"error about cut ports", in, error4(3, cut(lost4, 5)), nothing},
        {"packet too big", in, error6(2, lost6), tcp6()},
        {"IPv6 unreachable, hop-by-hop options", in, error6(1, lost6_far), tcp6()},
        {"IPv6 error about a fragment", in, error6(3, lost6_fragment), a6},
        {"IPv6 error about another's packet", in, error6(1, ipv6_packet(router6, router6, 6, upper)),
         of_router6},
        {"IPv6 error about a cut header", in, error6(1, cut(lost6, 9)), nothing},
        {"cut ports", in, v4(6, {0x9c, 0x41, 0}), nothing},
        {"IPv6 cut ports", in, v6(17, {0x9c, 0x41, 0}), nothing},
        {"options beyond the end", in, cut(v4(6, upper, {40, 0}), 45), nothing},
        {"extension header beyond the end", in, cut(v6(60, extension(6, 1, {})), 6), nothing},
        {"echo without a type", in, v6(protocol_icmpv6, {}), nothing},
    };
}

}  // namespace

std::vector<Case> cases() {
    std::vector<Case> all = both_directions(true);
    for (Case& c : both_directions(false)) all.push_back(std::move(c));
    Case short_header{
        "header length below 5", true, ipv4_frame(ipv4_packet(client4, ip4, 6, ports(1, 2))), {}};
    short_header.frame[14] = 0x44;
    all.push_back(short_header);
    return all;
}

}  // namespace buoy::gate
