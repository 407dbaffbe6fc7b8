// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "messages/messages.pb.h"
#include "service/core/messages.hpp"

// Core values to and from their protobuf messages. `read` is false when a value cannot be one of the core's.
namespace buoy::messages {

void write(const core::Entry& from, proto::Entry& to);
bool read(const proto::Entry& from, core::Entry& to);
void write(const core::Hello& from, proto::Hello& to);
bool read(const proto::Hello& from, core::Hello& to);
/// All but the state, the part's number and its bytes.
void write(const core::Snapshot& from, proto::SnapshotPart& to);
bool read(const proto::SnapshotPart& from, core::Snapshot& to);
void write(const core::AgreedState& from, proto::State& to);
bool read(const proto::State& from, core::AgreedState& to);
void write(const core::Beat& from, proto::Beat& to);
bool read(const proto::Beat& from, core::Beat& to);

}  // namespace buoy::messages
