// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/manager/network.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/chain/json_rpc.h"

namespace damocles::manager {
namespace {

constexpr kj::Duration kAskAgain = 1 * kj::SECONDS;
constexpr kj::Duration kAskTheRestAgain = 10 * kj::SECONDS;
constexpr kj::Duration kComplainAgain = 1 * kj::MINUTES;
// A node that hangs must not hold up the others for long.
constexpr absl::Duration kAnswerWithin = absl::Seconds(5);
// An answer holds a digest for each proof type.
constexpr std::size_t kAnswerBytesMax = std::size_t{1} << 20;

const absl::string_view kNoReasonText(chain::kNoReason.data(), chain::kNoReason.size());

// What a devnet says of its keys: OK, or that they are not `own`.
absl::Status CompareKeys(const std::string& node, const nlohmann::json& theirs,
                         const std::map<filecoin::PoStProofType, std::string>& own) {
  for (const auto& [type, digest] : own) {
    const auto found = theirs.find(std::to_string(filecoin::ToNumber(type)));
    if (found == theirs.end() || !found->is_string() || *found == digest) continue;
    return absl::FailedPreconditionError(absl::StrFormat(
        "the devnet at %s has other parameters for proof type %d than this manager: SHA-256 of its "
        ".vk is %s, of the manager's %s; give both the same parameter files",
        node, filecoin::ToNumber(type), found->get<std::string>(), digest));
  }
  return absl::OkStatus();
}

}  // namespace

NetworkJudge::NetworkJudge(chain::LotusIo io, std::vector<chain::Endpoint> nodes,
                           std::map<filecoin::PoStProofType, std::string> own_keys)
    : io_(io), own_keys_(std::move(own_keys)) {
  for (chain::Endpoint& endpoint : nodes) nodes_.push_back({.endpoint = std::move(endpoint)});
}

async::Task<absl::StatusOr<bool>> NetworkJudge::Judge() {
  while (true) {
    DAMOCLES_CO_RETURN_IF_ERROR(co_await AskOnce());
    const Node* devnet = First(Kind::kDevnet);
    if (const Node* other = First(Kind::kOther)) {
      if (devnet != nullptr) {
        LogError("chain", "nodes_disagree",
                 {{"devnet", devnet->endpoint.Name()},
                  {"other_network", other->endpoint.Name()},
                  {"now", "taken for no devnet: practice parameters are refused"},
                  {"do", "name nodes of one network under [Common.API]"}});
      }
      co_return false;
    }
    if (devnet != nullptr) co_return true;
    co_await io_.timer.afterDelay(kAskAgain);
  }
}

async::Task<absl::Status> NetworkJudge::AskTheRest() {
  while (First(Kind::kNotTold) != nullptr) {
    co_await io_.timer.afterDelay(kAskTheRestAgain);
    DAMOCLES_CO_RETURN_IF_ERROR(co_await AskOnce());
    if (const Node* other = First(Kind::kOther)) {
      const Node* devnet = First(Kind::kDevnet);
      co_return absl::FailedPreconditionError(absl::StrFormat(
          "the chain nodes disagree: %s is a devnet, %s is of another network; name nodes of one "
          "network under [Common.API]",
          devnet == nullptr ? "none" : devnet->endpoint.Name(), other->endpoint.Name()));
    }
  }
  co_return absl::OkStatus();
}

async::Task<absl::Status> NetworkJudge::AskOnce() {
  std::vector<Node*> asked;
  for (Node& node : nodes_) {
    if (node.kind == Kind::kNotTold) asked.push_back(&node);
  }
  auto asking = kj::heapArrayBuilder<kj::Promise<absl::Status>>(asked.size());
  for (Node* node : asked) asking.add(Ask(*node).ToPromise());
  kj::Promise<kj::Array<absl::Status>> all = kj::joinPromises(asking.finish());
  const kj::Array<absl::Status> answers = co_await kj::mv(all);
  for (const absl::Status& answer : answers) DAMOCLES_CO_RETURN_IF_ERROR(answer);
  co_return absl::OkStatus();
}

async::Task<absl::Status> NetworkJudge::Ask(Node& node) {
  chain::LotusOptions options;
  options.connect_timeout = kAnswerWithin;
  options.call_timeout = kAnswerWithin;
  options.answer_bytes_max = kAnswerBytesMax;
  const absl::StatusOr<std::string> answer =
      co_await chain::CallNode(node.endpoint, io_, "Damocles.DevnetParameters", options);
  // Whoever does not know the method, and says so in full, is a node of the network.  Any other
  // error says nothing: it may be a token, or a proxy in between.
  if (absl::IsUnimplemented(answer.status()) &&
      answer.status().message().find(kNoReasonText) == absl::string_view::npos) {
    node.kind = Kind::kOther;
    co_return absl::OkStatus();
  }
  if (!answer.ok()) {
    Complain(node, answer.status());
    co_return absl::OkStatus();
  }
  // The client has seen to its depth.
  const nlohmann::json parsed = nlohmann::json::parse(*answer, nullptr, /*allow_exceptions=*/false);
  const auto keys = parsed.is_object() ? parsed.find("VerifyingKeys") : parsed.end();
  if (keys == parsed.end() || !keys->is_object()) {
    Complain(node, absl::DataLossError(
                       "its answer to Damocles.DevnetParameters names no VerifyingKeys: is it a "
                       "chain node?"));
    co_return absl::OkStatus();
  }
  DAMOCLES_CO_RETURN_IF_ERROR(CompareKeys(node.endpoint.Name(), *keys, own_keys_));
  node.kind = Kind::kDevnet;
  co_return absl::OkStatus();
}

// Says what is wrong when that changes, and every minute.
void NetworkJudge::Complain(Node& node, const absl::Status& why) {
  const kj::TimePoint now = io_.timer.now();
  if (node.complained && node.complaint == why && now - node.complained_at < kComplainAgain) {
    return;
  }
  node.complained = true;
  node.complaint = why;
  node.complained_at = now;
  LogWarning("chain", "node_unreachable", {{"node", node.endpoint.Name()}, {"error", why}});
}

const NetworkJudge::Node* NetworkJudge::First(Kind kind) const {
  for (const Node& node : nodes_) {
    if (node.kind == kind) return &node;
  }
  return nullptr;
}

}  // namespace damocles::manager
