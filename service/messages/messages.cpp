// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/messages/messages.hpp"

#include <algorithm>

#include "service/messages/convert.hpp"

namespace buoy::messages {
namespace {

proto::Envelope envelope(std::uint64_t cluster) {
    proto::Envelope e;
    e.set_major(major_version);
    e.set_minor(minor_version);
    e.set_cluster(cluster);
    return e;
}

// What every message has to be, before it is looked into.
std::optional<Refusal> open(std::string_view bytes, std::size_t limit, std::uint64_t cluster,
                            proto::Envelope& e) {
    if (bytes.size() > limit) return Refusal::too_large;
    if (!e.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Refusal::malformed;
    if (e.major() > major_version) return Refusal::newer_major;
    if (e.major() == 0) return Refusal::malformed;
    if (e.cluster() != cluster) return Refusal::other_cluster;
    return std::nullopt;
}

}  // namespace

std::vector<std::string> encode(const core::Message& message, std::uint64_t cluster) {
    if (const auto* snapshot = std::get_if<core::Snapshot>(&message)) {
        proto::State state;
        write(snapshot->state, state);
        const std::string bytes = state.SerializeAsString();
        const std::size_t parts = std::max<std::size_t>(1, (bytes.size() + part_size - 1) / part_size);
        std::vector<std::string> out;
        for (std::size_t i = 0; i < parts; ++i) {
            proto::Envelope e = envelope(cluster);
            write(*snapshot, *e.mutable_snapshot());
            e.mutable_snapshot()->set_part(static_cast<std::uint32_t>(i));
            e.mutable_snapshot()->set_parts(static_cast<std::uint32_t>(parts));
            e.mutable_snapshot()->set_bytes(bytes.substr(i * part_size, part_size));
            out.push_back(e.SerializeAsString());
        }
        return out;
    }
    proto::Envelope e = envelope(cluster);
    if (const auto* entry = std::get_if<core::Entry>(&message))
        write(*entry, *e.mutable_entry());
    else
        write(std::get<core::Hello>(message), *e.mutable_hello());
    return {e.SerializeAsString()};
}

std::string encode(const core::Beat& beat, std::uint64_t cluster) {
    proto::Envelope e = envelope(cluster);
    write(beat, *e.mutable_beat());
    return e.SerializeAsString();
}

Decoder::Result Decoder::decode(std::string_view bytes, NodeId sender) {
    proto::Envelope e;
    if (const auto refusal = open(bytes, max_message, cluster_, e)) return *refusal;
    if (e.has_entry()) {
        core::Entry entry;
        if (!read(e.entry(), entry)) return Refusal::malformed;
        return entry.sender == sender ? Result(std::move(entry)) : Result(Refusal::contradictory);
    }
    if (e.has_hello()) {
        core::Hello hello;
        if (!read(e.hello(), hello)) return Refusal::malformed;
        return hello.sender == sender ? Result(std::move(hello)) : Result(Refusal::contradictory);
    }
    if (!e.has_snapshot()) return Refusal::malformed;
    const proto::SnapshotPart& part = e.snapshot();
    if (part.sender() != sender.value) return Refusal::contradictory;
    if (part.parts() == 0 || part.parts() > max_parts || part.part() >= part.parts() ||
        part.bytes().size() > part_size)
        return Refusal::malformed;
    auto parts = std::ranges::find(parts_, sender, &Parts::sender);
    if (part.part() == 0) {
        if (parts == parts_.end()) {
            if (parts_.size() >= core::max_nodes) return Refusal::too_large;
            parts = parts_.insert(parts_.end(), Parts{});
        }
        *parts = {sender, 0, part.parts(), {}};
    }
    if (parts == parts_.end() || parts->next != part.part() || parts->all != part.parts())
        return Refusal::contradictory;
    parts->state += part.bytes();
    if (++parts->next < parts->all) return NotYet{};
    proto::State state;
    const bool parsed = state.ParseFromString(parts->state);
    parts_.erase(parts);
    core::Snapshot snapshot;
    if (!parsed || !read(part, snapshot) || !read(state, snapshot.state)) return Refusal::malformed;
    return snapshot;
}

std::variant<core::Beat, Refusal> decode_beat(std::string_view bytes, std::uint64_t cluster) {
    proto::Envelope e;
    // Up to 32 voters, and what a newer minor version may add.
    if (const auto refusal = open(bytes, 2 * max_beat, cluster, e)) return *refusal;
    core::Beat beat;
    if (!e.has_beat() || !read(e.beat(), beat)) return Refusal::malformed;
    return beat;
}

}  // namespace buoy::messages
