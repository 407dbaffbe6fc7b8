// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/beat_seal.hpp"

#include <sodium.h>

#include <algorithm>

namespace buoy::io {
namespace {

constexpr char plain = 'b';
constexpr char tagged = 'B';
constexpr std::size_t number_size = 8;
constexpr std::size_t head_size = 1 + number_size;
constexpr std::size_t tag_size = crypto_auth_BYTES;
constexpr const char* key_context = "buoybeat";
constexpr std::uint64_t key_number = 1;

static_assert(crypto_auth_KEYBYTES == 32 && crypto_kdf_KEYBYTES == 32 && crypto_kdf_CONTEXTBYTES == 8);

const unsigned char* bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

BeatSeal::BeatSeal(const std::optional<std::string>& secret) : authenticated_(secret.has_value()) {
    if (!secret) return;
    // Corosync encrypts with the same secret: nothing that is seen here may be of use there.
    std::array<unsigned char, crypto_kdf_KEYBYTES> master{};
    crypto_generichash(master.data(), master.size(), bytes(*secret), secret->size(), nullptr, 0);
    crypto_kdf_derive_from_key(key_.data(), key_.size(), key_number, key_context, master.data());
    sodium_memzero(master.data(), master.size());
}

BeatSeal::~BeatSeal() {
    sodium_memzero(key_.data(), key_.size());
}

void BeatSeal::seal(std::uint64_t number, std::string_view beat, std::string& out) const {
    out.clear();
    out += authenticated_ ? tagged : plain;
    for (std::size_t i = number_size; i > 0; --i) out += static_cast<char>(number >> 8 * (i - 1));
    out += beat;
    if (!authenticated_) return;
    const std::size_t size = out.size();
    out.resize(size + tag_size);
    crypto_auth(reinterpret_cast<unsigned char*>(out.data()) + size, bytes(out), size, key_.data());
}

std::variant<BeatSeal::Opened, BeatSeal::Refused> BeatSeal::open(std::string_view datagram) const {
    if (datagram.size() < head_size || (datagram[0] != plain && datagram[0] != tagged))
        return Refused::malformed;
    if ((datagram[0] == tagged) != authenticated_) return Refused::wrong_key;
    if (authenticated_) {
        if (datagram.size() < head_size + tag_size) return Refused::malformed;
        const std::string_view tag = datagram.substr(datagram.size() - tag_size);
        datagram.remove_suffix(tag_size);
        if (crypto_auth_verify(bytes(tag), bytes(datagram), datagram.size(), key_.data()) != 0)
            return Refused::wrong_key;
    }
    Opened opened;
    for (std::size_t i = 1; i < head_size; ++i)
        opened.number = opened.number << 8 | static_cast<unsigned char>(datagram[i]);
    opened.beat = datagram.substr(head_size);
    return opened;
}

Freshness::Verdict Freshness::judge(NodeId sender, Incarnation incarnation, std::uint64_t number) {
    const auto known = std::ranges::find(newest_, sender, &Newest::sender);
    if (known == newest_.end()) {
        newest_.push_back({sender, incarnation, number});
        return Verdict::fresh;
    }
    if (incarnation < known->incarnation) return Verdict::old;
    if (incarnation == known->incarnation && number <= known->number)
        return number == known->number ? Verdict::same : Verdict::old;
    *known = {sender, incarnation, number};
    return Verdict::fresh;
}

void Freshness::keep_only(const std::vector<NodeId>& nodes) {
    std::erase_if(newest_,
                  [&](const Newest& n) { return std::ranges::find(nodes, n.sender) == nodes.end(); });
}

}  // namespace buoy::io
