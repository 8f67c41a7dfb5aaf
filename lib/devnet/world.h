// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The state of all actors, and how messages and epochs change it.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "damocles/devnet/actor.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/message.h"

namespace damocles::devnet::internal {

struct Account {
  filecoin::ActorId id = 0;
  filecoin::Address key;
  std::uint64_t nonce = 0;
  filecoin::TokenAmount balance;
};

// A value; copies share what they have in common.
struct World {
  std::shared_ptr<const std::map<filecoin::ActorId, Account>> accounts;
  std::map<filecoin::ActorId, std::shared_ptr<const MinerState>> miners;

  const Account* FindAccount(filecoin::ActorId id) const;
  // By ID or key address.
  const Account* FindAccount(const filecoin::Address& address) const;
  const MinerState* FindMiner(filecoin::ActorId id) const;
  // By ID or robust address.
  const MinerState* FindMiner(const filecoin::Address& address) const;
  void Put(Account account);
  void Put(MinerState miner);
};

// The f2 address of a miner: as on the network it stays the same whatever becomes of the chain.
filecoin::Address RobustAddressOf(filecoin::ActorId miner);

struct Receipt {
  std::int64_t exit_code = 0;
  std::string error;
  Bytes return_value;
  std::int64_t gas_used = 0;
};

struct MinerCron {
  filecoin::ActorId miner = 0;
  filecoin::ChainEpoch epoch{};
  CronResult end;
};

struct Rules {
  const ActorPolicy& policy;
  VerifyMode mode = VerifyMode::kAlways;
};

// Gas is nominal: a function of method and parameters.
inline constexpr std::int64_t kBlockGasLimit = 10'000'000'000;
inline constexpr std::int64_t kMessageGasMax = kBlockGasLimit / 2;

struct Executed {
  Receipt receipt;
  std::optional<AcceptedPost> post;
};

// Executes one message at `epoch`; the sender's nonce and fee are taken whatever comes of it.
// The sender exists and its nonce is the message's.
Executed ExecuteMessage(const Rules& rules, const filecoin::Message& message,
                        filecoin::ChainEpoch epoch, const filecoin::TokenAmount& base_fee,
                        ActorHost& host, World& world);

// The cron of one epoch.  Returns the deadlines that ended.
std::vector<MinerCron> RunCrons(const Rules& rules, filecoin::ChainEpoch epoch, World& world);

// "ErrIllegalArgument(16)": as nodes print exit codes.
std::string ExitName(std::int64_t exit_code);

}  // namespace damocles::devnet::internal
