// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <qb/qbipc_common.h>

#include <cstddef>
#include <cstdint>

// How requests and replies travel over libqb's sockets. A request is one message: libqb's header and the JSON
// text. A reply that is too long for one message comes in pieces; the client pulls each one after the first,
// so that none ever waits in the socket's buffer.
namespace buoy::ipc {

inline constexpr const char* service_name = "buoyd";

inline constexpr std::int32_t request_id = QB_IPC_MSG_USER_START + 1;
/// Asks for the reply's next piece; carries no text.
inline constexpr std::int32_t more_id = QB_IPC_MSG_USER_START + 2;

/// Bytes of a message, with libqb's header. A third of what a socket buffer holds by default
/// (net.core.wmem_default).
inline constexpr std::size_t max_message = std::size_t{64} * 1024;
inline constexpr std::size_t max_request = max_message - sizeof(qb_ipc_request_header);
inline constexpr std::size_t max_piece = max_message - sizeof(qb_ipc_response_header);

/// The `error` of a response's header.
inline constexpr std::int32_t last_piece = 0;
inline constexpr std::int32_t more_to_come = 1;

}  // namespace buoy::ipc
