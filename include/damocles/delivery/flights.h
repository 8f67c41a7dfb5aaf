// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Questions of a pure machine that are on their way: at most one of a key, asked again after a
// pause that grows with every failure in a row.  Nothing of it is kept over a restart.

#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>

#include "absl/time/time.h"

#include "damocles/delivery/policy.h"
#include "damocles/filecoin/epoch.h"

namespace damocles::delivery {

struct Flight {
  bool under_way = false;
  std::uint32_t failures = 0;                       // in a row
  absl::Time not_before = absl::InfinitePast();     // back-off
  std::optional<filecoin::ChainEpoch> answered_at;  // for questions asked once a head
};

template <typename Key>
class Flights {
 public:
  // One that was never asked is as if made now.
  Flight Of(const Key& key) const {
    const auto found = flights_.find(key);
    return found == flights_.end() ? Flight{} : found->second;
  }
  // True: it is to be asked now, and counts as under way.  If it must wait, `wake` is brought
  // forward to when it need not.
  bool Begin(const Key& key, absl::Time now, std::optional<absl::Time>& wake) {
    Flight& flight = flights_[key];
    if (flight.under_way) return false;
    if (now < flight.not_before) {
      if (!wake || flight.not_before < *wake) wake = flight.not_before;
      return false;
    }
    flight.under_way = true;
    return true;
  }
  void Landed(const Key& key, filecoin::ChainEpoch head) {
    flights_[key] = {false, 0, absl::InfinitePast(), head};
  }
  // It failed.
  void Delay(const Key& key, absl::Time now, const Backoff& retry) {
    Flight& flight = flights_[key];
    flight.under_way = false;
    ++flight.failures;
    flight.not_before = now + retry.After(flight.failures);
  }
  void NotBefore(const Key& key, absl::Time time) {
    Flight& flight = flights_[key];
    flight.not_before = std::max(flight.not_before, time);
  }
  // There is nothing more to be seen before the next head.
  void NoteAnswered(const Key& key, filecoin::ChainEpoch head) { flights_[key].answered_at = head; }
  // It may be asked with this head once more.
  void Refresh(const Key& key) {
    if (const auto found = flights_.find(key); found != flights_.end()) {
      found->second.answered_at.reset();
    }
  }
  void RefreshAll() {
    for (auto& [key, flight] : flights_) flight.answered_at.reset();
  }
  // What it is about is another: its pauses are not that one's, but an answer is still to come.
  void Forget(const Key& key) {
    if (const auto found = flights_.find(key); found != flights_.end()) {
      found->second = Flight{found->second.under_way, 0, absl::InfinitePast(), std::nullopt};
    }
  }
  template <typename Which>
  void ForgetThose(const Which& which) {
    for (auto& [key, flight] : flights_) {
      if (which(key)) flight = Flight{flight.under_way, 0, absl::InfinitePast(), std::nullopt};
    }
  }

 private:
  std::map<Key, Flight> flights_;
};

}  // namespace damocles::delivery
