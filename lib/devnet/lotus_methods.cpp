// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/lotus_methods.h"

#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/log.h"
#include "damocles/chain/lotus_json.h"
#include "damocles/devnet/report.h"

namespace damocles::devnet::internal {
namespace {

using chain::FromLotusJson;
using chain::RpcError;
using chain::ToLotusJson;

constexpr std::uint64_t kAdvanceMax = 100000;

RpcAnswer Refused(std::int64_t code, std::string message) {
  return {"", RpcError{code, std::move(message), ""}};
}

RpcAnswer FromStatus(const absl::Status& status) {
  if (status.ok()) return {"null", std::nullopt};
  return {"", chain::RpcErrorFromStatus(status)};
}

const char* NameOf(chain::Permission permission) {
  switch (permission) {
    case chain::Permission::kRead:
      return "read";
    case chain::Permission::kWrite:
      return "write";
    case chain::Permission::kSign:
      return "sign";
    case chain::Permission::kAdmin:
      return "admin";
  }
  return "";
}

}  // namespace

LotusMethods::LotusMethods(Chain& chain, kj::Timer& timer, Connections& connections)
    : chain_(chain),
      timer_(timer),
      connections_(connections),
      table_(chain),
      heads_(chain.OnHeadChange(
          [this](const std::vector<chain::HeadChange>& /*changes*/) { head_changed_.Fire(); })) {}

LotusMethods::~LotusMethods() noexcept = default;

async::Task<RpcAnswer> LotusMethods::Call(chain::RpcRequest request, Caller caller) {
  const std::string& full = request.method;
  const std::size_t dot = full.find('.');
  const std::string space = full.substr(0, dot);
  const std::string name = dot == std::string::npos ? "" : full.substr(dot + 1);
  const bool own = name.starts_with("Devnet");
  if (full == kChainNotify) {
    co_return Refused(chain::kRpcMethodNotFound,
                      absl::StrFormat("method '%s' not supported in this mode (no out channel "
                                      "support)",
                                      full));
  }
  const MethodTable::Method* method = nullptr;
  if (space == (own ? "Damocles" : "Filecoin")) method = table_.Find(name, caller.v0);
  if (method == nullptr) {
    co_return Refused(chain::kRpcMethodNotFound, absl::StrFormat("method '%s' not found", full));
  }
  if (request.params.size() != method->params) {
    co_return Refused(chain::kRpcInvalidParams,
                      absl::StrFormat("wrong param count (method '%s'): %d != %d", full,
                                      request.params.size(), method->params));
  }
  if ((caller.permissions & static_cast<unsigned>(method->permission)) == 0) {
    co_return Refused(1, absl::StrFormat("missing permission to invoke '%s' (need '%s')", name,
                                         NameOf(method->permission)));
  }
  if (!own) {
    std::optional<RpcError> fault = co_await MeetFault(name);
    if (fault) co_return RpcAnswer{"", std::move(fault)};
  }
  if (method->answer != nullptr) co_return method->answer(full, request.params);
  co_return co_await CallWaiting(std::move(request), caller.v0);
}

async::Task<std::optional<RpcError>> LotusMethods::MeetFault(std::string method) {
  const std::optional<CallFault> fault = faults_.Take(method);
  if (!fault) co_return std::nullopt;
  if (fault->hang) {
    co_await kj::Promise<void>(kj::NEVER_DONE);
  }
  if (fault->delay_ms) {
    co_await timer_.afterDelay(*fault->delay_ms * kj::MILLISECONDS);
  }
  if (fault->error.empty()) co_return std::nullopt;
  co_return RpcError{1, fault->error, ""};
}

async::Task<RpcAnswer> LotusMethods::CallWaiting(chain::RpcRequest request, bool v0) {
  const std::string name = request.method.substr(request.method.find('.') + 1);
  const auto unreadable = [&](const absl::Status& status) {
    return Refused(chain::kRpcParseError,
                   absl::StrFormat("unmarshaling params for '%s': %s", request.method,
                                   std::string(status.message())));
  };
  if (name == "DevnetReport") co_return RpcAnswer{ReportJson(chain_), std::nullopt};
  if (name == "DevnetParameters") co_return RpcAnswer{parameters_, std::nullopt};
  if (name == "DevnetInject") co_return FromStatus(Inject(request.params[0]));
  if (name == "DevnetAdvance") {
    const auto epochs = FromLotusJson<std::uint64_t>(request.params[0]);
    if (!epochs.ok()) co_return unreadable(epochs.status());
    co_return co_await Advance(*epochs);
  }
  if (name == "StateGetBeaconEntry") {
    const auto epoch = FromLotusJson<filecoin::ChainEpoch>(request.params[0]);
    if (!epoch.ok()) co_return unreadable(epoch.status());
    while (chain_.ChainHead().Height() < *epoch) {
      co_await head_changed_.Next();
    }
    const auto entry = chain_.StateGetBeaconEntry(*epoch);
    if (!entry.ok()) co_return FromStatus(entry.status());
    co_return RpcAnswer{ToLotusJson(*entry), std::nullopt};
  }
  const auto message = FromLotusJson<filecoin::Cid>(request.params[0]);
  if (!message.ok()) co_return unreadable(message.status());
  const auto confidence = FromLotusJson<std::uint64_t>(request.params[1]);
  if (!confidence.ok()) co_return unreadable(confidence.status());
  if (v0) {
    co_return co_await WaitMsg(*message, *confidence, -1, true);
  }
  const auto limit = FromLotusJson<std::int64_t>(request.params[2]);
  if (!limit.ok()) co_return unreadable(limit.status());
  const auto allow_replaced = FromLotusJson<bool>(request.params[3]);
  if (!allow_replaced.ok()) co_return unreadable(allow_replaced.status());
  co_return co_await WaitMsg(*message, *confidence, *limit, *allow_replaced);
}

async::Task<RpcAnswer> LotusMethods::WaitMsg(filecoin::Cid message, std::uint64_t confidence,
                                             std::int64_t limit, bool allow_replaced) {
  while (true) {
    const auto found = chain_.StateSearchMsg(filecoin::TipSetKey(), message, limit, allow_replaced);
    if (!found.ok()) co_return FromStatus(found.status());
    if (found->has_value()) {
      const filecoin::EpochDelta above = chain_.ChainHead().Height() - (*found)->height;
      if (above.Count() >= 0 && static_cast<std::uint64_t>(above.Count()) >= confidence) {
        co_return RpcAnswer{ToLotusJson(**found), std::nullopt};
      }
    }
    co_await head_changed_.Next();
  }
}

async::Task<RpcAnswer> LotusMethods::Advance(std::uint64_t epochs) {
  if (epochs > kAdvanceMax) {
    co_return Refused(1, absl::StrFormat("at most %d epochs in one call", kAdvanceMax));
  }
  for (std::uint64_t i = 0; i < epochs; ++i) {
    const absl::Status status = Tick(std::nullopt);
    if (!status.ok()) co_return FromStatus(status);
    co_await kj::evalLater([]() {});  // the subscribers' turn
  }
  co_return RpcAnswer{ToLotusJson(chain_.ChainHead().Height().Value()), std::nullopt};
}

absl::Status LotusMethods::Tick(std::optional<std::uint64_t> timestamp) {
  AdvanceOptions options;
  options.null_rounds = faults_.TakeNullRounds();
  options.timestamp = timestamp;
  return chain_.Advance(options);
}

absl::Status LotusMethods::CheckFault(const FaultOrder& order) const {
  if (order.call) {
    const std::string& name = order.call->method;
    const bool known = table_.Find(name, true) != nullptr || name == "ChainNotify";
    if (name != "*" && (!known || name.starts_with("Devnet"))) {
      return absl::InvalidArgumentError(
          absl::StrFormat("fault: there is no method \"%s\" to fail", name));
    }
  }
  if (order.null_rounds) {
    const std::uint64_t waiting = order.clear ? 0 : faults_.NullRounds();
    if (*order.null_rounds + waiting > kNullRoundsMax) {
      return absl::InvalidArgumentError(
          absl::StrFormat("fault: %d null rounds besides %d that wait, at most %d",
                          *order.null_rounds, waiting, kNullRoundsMax));
    }
  }
  if (order.reorg) DAMOCLES_RETURN_IF_ERROR(chain_.CheckReorg(*order.reorg));
  if (order.drop_message) DAMOCLES_RETURN_IF_ERROR(chain_.CheckPending(*order.drop_message));
  if (order.base_fee) DAMOCLES_RETURN_IF_ERROR(Chain::CheckBaseFee(*order.base_fee));
  if (order.add_sectors) {
    DAMOCLES_RETURN_IF_ERROR(
        chain_.CheckAddSectors(order.add_sectors->miner, order.add_sectors->sectors));
  }
  if (order.funds) {
    const auto fits = [](const filecoin::TokenAmount& amount) {
      return amount.Sign() >= 0 && amount <= filecoin::Fil(kTotalFil);
    };
    if (!fits(order.funds->balance) || !fits(order.funds->fee_debt)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("fault: funds are from 0 to %d FIL, in attoFIL", kTotalFil));
    }
    DAMOCLES_RETURN_IF_ERROR(chain_.MinerAfterHead(order.funds->miner).status());
  }
  return absl::OkStatus();
}

absl::Status LotusMethods::Inject(std::string_view fault) {
  DAMOCLES_ASSIGN_OR_RETURN(FaultOrder order, ParseFault(fault));
  DAMOCLES_RETURN_IF_ERROR(CheckFault(order));
  // The chain's first: only they can still fail, when the journal cannot be written.
  if (order.reorg) DAMOCLES_RETURN_IF_ERROR(chain_.Reorg(*order.reorg));
  if (order.drop_message) DAMOCLES_RETURN_IF_ERROR(chain_.DropMessage(*order.drop_message));
  if (order.drop_next_messages) {
    DAMOCLES_RETURN_IF_ERROR(chain_.DropNextMessages(*order.drop_next_messages));
  }
  if (order.base_fee) DAMOCLES_RETURN_IF_ERROR(chain_.SetBaseFee(*order.base_fee));
  if (order.traffic) DAMOCLES_RETURN_IF_ERROR(chain_.SetTraffic(*order.traffic));
  if (order.add_sectors) {
    DAMOCLES_RETURN_IF_ERROR(
        chain_.AddSectors(order.add_sectors->miner, order.add_sectors->sectors));
  }
  if (order.funds) {
    DAMOCLES_RETURN_IF_ERROR(
        chain_.SetMinerFunds(order.funds->miner, order.funds->balance, order.funds->fee_debt));
  }
  if (order.clear) faults_.Clear();
  if (order.call) faults_.Add(*std::move(order.call));
  if (order.http_status) faults_.SetHttpStatus(*order.http_status, order.count);
  if (order.silent) faults_.silent = *order.silent;
  if (order.pause) faults_.paused = *order.pause;
  if (order.null_rounds) faults_.AddNullRounds(*order.null_rounds);
  if (order.end_channels) connections_.EndChannels();
  if (order.drop_websockets) connections_.DropWebSockets();
  LogInfo("devnet", "fault_injected", {{"fault", fault}});
  return absl::OkStatus();
}

}  // namespace damocles::devnet::internal
