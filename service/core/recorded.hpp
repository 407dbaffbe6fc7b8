// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

namespace buoy::journal {

/// Names the members of T, also private ones, for who writes a node's whole state down and reads it back
/// (service/journal/state_fields.hpp). A class that is part of that state makes it a friend.
template <typename T>
struct Fields;

}  // namespace buoy::journal
