// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/compat/http.h>
#include <kj/timer.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/chain/answer_room.h"
#include "lib/chain/node_choice.h"
#include "lib/chain/node_link.h"

#include "damocles/async/event.h"
#include "damocles/async/task.h"
#include "damocles/chain/lotus_client.h"
#include "damocles/chain/method.h"

namespace damocles::chain::internal {

// Takes an answer apart; an error: it is none.  May run on another thread, once for each node that
// is asked, one after the other.
using AnswerReader = std::function<absl::Status(std::string_view raw)>;

// KJ's interface has no virtual destructor.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class Entropy final : public kj::EntropySource {
 public:
  explicit Entropy(Random& random) : random_(random) {}
  void generate(kj::ArrayPtr<kj::byte> buffer) override {
    random_.Fill({buffer.begin(), buffer.size()});
  }

 private:
  Random& random_;
};
#pragma GCC diagnostic pop

// The nodes of one client: one in use, the others to go to when it fails.
class LotusNodes {
 public:
  LotusNodes(std::vector<Endpoint> endpoints, LotusIo io, const LotusOptions& options);
  LotusNodes(const LotusNodes&) = delete;
  LotusNodes& operator=(const LotusNodes&) = delete;
  ~LotusNodes() noexcept {}  // NOLINT(modernize-use-equals-default): KJ's destructors may throw

  // OK once `read` has taken an answer; `params` is a raw JSON array.  The name of the method
  // outlives the call.
  async::Task<absl::Status> Call(MethodInfo method, std::string params, AnswerReader read);

  std::size_t Count() const { return links_.size(); }
  std::size_t Current() const { return current_; }
  NodeLink& Link(std::size_t index) { return *links_[index]; }
  // Leaves node `failed`, if it is the one in use.  Said once, and again now and then, until
  // NodeServes says otherwise.
  void LeaveNode(std::size_t failed, const absl::Status& why);
  // The head can be followed at that node.
  void NodeServes(std::size_t index);
  // From now on the node is used whose head is ahead; once is enough.  `epoch`: its length.
  void WatchHeads(kj::Duration epoch);
  // The head of the node in use is this one.
  void Saw(const filecoin::TipSet& head);
  // Comes when another node is used than that one.
  kj::Promise<void> Left(std::size_t node);

  kj::Timer& GetTimer() { return timer_; }
  const LotusOptions& Options() const { return options_; }

 private:
  void Use(std::size_t index);
  void SetCurrent(std::size_t index);
  // What a node says of itself: two chains may have one name.
  struct Identity {
    std::string network;
    filecoin::TipSetKey genesis;  // empty: not known
    kj::TimePoint asked = kj::origin<kj::TimePoint>();
    bool SameAs(const Identity& other) const;
  };
  // In the order in which they are asked: the one in use first, none of another network, and those
  // that lag last, if they are wanted at all or there is no other.
  std::vector<std::size_t> Order(bool also_behind = false) const;
  async::Task<void> Watch(kj::Duration interval);
  async::Task<void> Look();
  // One answer; none if there is none that can be compared.
  async::Task<std::optional<HeadSight>> SightOf(std::size_t index);
  kj::Promise<std::optional<HeadSight>> SightInTime(std::size_t index);
  async::Task<LinkAnswer> Glance(std::size_t index, std::string method);
  async::Task<void> Learn(std::size_t index);
  // Who is of which network; from one of another the client goes away.
  void Compare();
  void LeaveForeign();
  void Tell(const HeadNews& news, std::size_t before, std::size_t now);
  // DATA_LOSS: what node `index` answered cannot be read.
  async::Task<absl::Status> ReadFrom(std::size_t index, std::string method, AnswerReader read,
                                     LinkAnswer answer);
  kj::Promise<absl::Status> Read(AnswerReader read, LinkAnswer answer);
  // Once for each node and method within some time.
  void TellUnreadable(std::size_t index, const std::string& method, const absl::Status& why);
  // An error must not carry a token, whoever put it there.
  absl::Status WithoutTokens(absl::Status status) const;

  LotusOptions options_;
  kj::Timer& timer_;
  async::Executor* executor_;
  AnswerRoom room_;
  std::map<std::pair<std::size_t, std::string>, kj::TimePoint> told_;
  Entropy entropy_;
  kj::HttpHeaderTable header_table_;
  kj::Own<kj::HttpClient> http_;
  std::vector<std::unique_ptr<NodeLink>> links_;
  std::size_t current_ = 0;
  std::map<std::size_t, kj::TimePoint> lost_;  // when it was said

  async::Event another_used_;  // current_ has changed
  std::optional<NodeChoice> choice_;
  std::optional<HeadSight> seen_;               // of the one in use, by its subscription
  std::map<std::size_t, Identity> identities_;  // of each that has told
  std::optional<Identity> network_;             // the one that is meant: told by the node ...
  std::size_t network_by_ = 0;                  // ... that is the first in the list of those heard
  std::set<std::size_t> foreign_;               // of another network
  kj::Duration look_interval_{};
  std::optional<async::Task<void>> watching_;
};

}  // namespace damocles::chain::internal
