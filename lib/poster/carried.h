// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// From an owner's action to that of a delivery, and from the answer to the owner's event.

#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "damocles/delivery/delivery.h"

namespace damocles::poster::internal {

template <typename Ref, typename What>
delivery::Action BareOf(const delivery::About<Ref, What>& about) {
  return static_cast<const What&>(about);
}

// None: the action is not of a delivery.
template <typename... A>
std::optional<delivery::Action> CarriedIn(const std::variant<A...>& action) {
  return std::visit(
      [](const auto& a) -> std::optional<delivery::Action> {
        if constexpr (requires { a.kWork; }) {
          return BareOf(a);
        } else {
          return std::nullopt;
        }
      },
      action);
}

// Whose the action is; of one that is nobody's a Ref made by default.
template <typename Ref, typename... A>
Ref RefIn(const std::variant<A...>& action) {
  return std::visit(
      [](const auto& a) -> Ref {
        if constexpr (requires { a.ref; }) {
          return a.ref;
        } else {
          return {};
        }
      },
      action);
}

// Of an answer to anything but a look, which has more to say, or a failure.
template <typename Event, typename Ref>
Event WithRef(const Ref& ref, delivery::Event event) {
  return std::visit(
      [&ref](auto& e) -> Event {
        using E = std::decay_t<decltype(e)>;
        if constexpr (requires { E::kWork; } && !std::is_same_v<E, delivery::event::Looked>) {
          return delivery::About<Ref, E>{std::move(e), ref};
        } else {
          return delivery::event::Tick{};
        }
      },
      event);
}

}  // namespace damocles::poster::internal
