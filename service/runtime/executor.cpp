// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/executor.hpp"

#include <algorithm>

namespace buoy::runtime {

void Executor::carry_out(const core::Effect& effect, const core::AgreedState& agreed) {
    std::visit([&](const auto& e) { on(e, agreed); }, effect);
}

void Executor::on(const core::ArmTimer& effect, const core::AgreedState&) {
    out_.timer(effect.at);
}

void Executor::on(const core::SetGateDeadline& effect, const core::AgreedState&) {
    out_.deadline(effect.deadline);
}

void Executor::on(const core::Reply& effect, const core::AgreedState&) {
    out_.reply(effect.id, effect.outcome);
}

void Executor::on(const core::Close& effect, const core::AgreedState&) {
    out_.kernel(kernel::CloseSlots{effect.id, effect.everything, effect.slots});
}

void Executor::on(const core::Open& effect, const core::AgreedState& agreed) {
    kernel::OpenSlots order{effect.id, {}};
    order.slots.reserve(effect.slots.size());
    PoolId last;
    kernel::Plan plan;
    std::vector<IpAddress> taken;
    for (const SlotId slot : effect.slots) {
        if (slot.pool != last) {
            last = slot.pool;
            const core::Pool* pool = agreed.pool(slot.pool);
            plan = pool == nullptr ? nullptr : out_.plan(pool->config.name);
            taken = pool == nullptr ? std::vector<IpAddress>() : taken_.of(agreed, *pool);
            // All of them go with each bucket.
            if (plan != nullptr && plan->buckets && !taken.empty()) plan = nullptr;
        }
        // A slot without a plan or an address is still asked for: the kernel's side says that it cannot.
        const bool bucket = plan != nullptr && plan->buckets;
        const std::size_t slots = bucket            ? plan->buckets->division.buckets
                                  : plan != nullptr ? plan->addresses.size()
                                                    : 0;
        const bool known =
            slot.index < slots && (bucket || !std::ranges::binary_search(taken, plan->addresses[slot.index]));
        order.slots.push_back(
            {slot, known ? plan : nullptr, known ? plan->addresses[bucket ? 0 : slot.index] : IpAddress()});
    }
    out_.kernel(std::move(order));
}

void Executor::on(const core::Announce& effect, const core::AgreedState&) {
    out_.kernel(kernel::AnnounceSlots{effect.slots});
}

void Executor::on(const core::Multicast& effect, const core::AgreedState&) {
    out_.multicast(effect.message);
}

void Executor::on(const core::SendBeat& effect, const core::AgreedState&) {
    out_.beat(effect.beat);
}

void Executor::on(const core::PublishStatus& effect, const core::AgreedState&) {
    out_.status(effect.status);
}

}  // namespace buoy::runtime
