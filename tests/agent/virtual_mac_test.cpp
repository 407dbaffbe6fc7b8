// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmac/virtual_mac.hpp"

#include <gtest/gtest.h>

#include <set>

#include "address/parameters.hpp"

namespace buoy::agent {
namespace {

AddressParameters with(const char* ip, decltype(AddressParameters::mac) mac) {
    AddressParameters parameters;
    parameters.ip = IpAddress::parse(ip).value();
    parameters.mac = mac;
    return parameters;
}

std::string mac_of(const char* ip, decltype(AddressParameters::mac) mac) {
    const auto made = virtual_mac(with(ip, mac));
    return made ? made->to_string() : "none";
}

TEST(VirtualMac, none_unless_asked_for) {
    EXPECT_EQ(mac_of("10.9.0.50", NoMac{}), "none");
    EXPECT_EQ(mac_of("10.9.0.50", Mac::parse("02:00:5e:77:00:01").value()), "02:00:5e:77:00:01");
}

TEST(VirtualMac, of_virtual_routers_differs_by_family) {
    // RFC 5798 section 7.3
    EXPECT_EQ(mac_of("10.9.0.50", VrrpMac{51}), "00:00:5e:00:01:33");
    EXPECT_EQ(mac_of("2001:db8::1", VrrpMac{255}), "00:00:5e:00:02:ff");
}

TEST(VirtualMac, made_from_the_address_is_local_unicast_and_the_same_on_every_node) {
    // What nodes of different versions have to agree on: never change these.
    EXPECT_EQ(mac_of("10.9.0.50", AutoMac{}), "02:b0:0a:09:00:32");
    EXPECT_EQ(mac_of("2001:db8:9::50", AutoMac{}), mac_of("2001:DB8:9:0::0050", AutoMac{}));
    for (const char* ip : {"10.9.0.50", "255.255.255.254", "2001:db8:9::50", "fe80::1"}) {
        const auto mac = virtual_mac(with(ip, AutoMac{})).value();
        EXPECT_FALSE(mac.is_group()) << ip;
        EXPECT_TRUE(mac.is_local()) << ip;
    }
}

TEST(VirtualMac, made_from_the_addresses_of_one_network_are_all_different) {
    std::set<Mac> made;
    auto ip = IpAddress::parse("2001:db8:9::").value().v6();
    for (int last = 0; last < 65536; ++last) {
        ip.bytes[14] = static_cast<std::uint8_t>(last >> 8);
        ip.bytes[15] = static_cast<std::uint8_t>(last);
        AddressParameters parameters;
        parameters.ip = ip;
        parameters.mac = AutoMac{};
        made.insert(virtual_mac(parameters).value());
    }
    EXPECT_EQ(made.size(), 65536U);
}

TEST(VirtualMacDevice, is_known_by_its_kind_and_by_name_and_mac_together) {
    net::Link link;
    link.mac = Mac::parse("02:00:5e:77:00:01").value();
    link.name = vmac::device_name(link.mac);
    link.kind = "macvlan";
    link.parent = 2;
    EXPECT_EQ(link.name, "bv02005e770001");
    EXPECT_TRUE(vmac::is_device(link));
    auto other = link;
    other.kind = "veth";
    EXPECT_FALSE(vmac::is_device(other));
    other = link;
    other.mac.bytes[5] = 9;
    EXPECT_FALSE(vmac::is_device(other)) << "somebody changed its MAC";
    other = link;
    other.parent.reset();
    EXPECT_FALSE(vmac::is_device(other));
}

}  // namespace
}  // namespace buoy::agent
