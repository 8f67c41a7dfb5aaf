// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Asks a chain node for the deadlines of a miner:
//
//   read_deadlines NODE MINER      (any form of NODE that the manager's configuration takes)
//
// Whatever speaks to a node runs on a KJ event loop.  That has its price in signals: KJ keeps
// SIGUSR1 for itself unless it is told to take another.

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <signal.h>

#include <cstdlib>
#include <iostream>
#include <string>

#include "damocles/async/task.h"
#include "damocles/base/random.h"
#include "damocles/base/status.h"
#include "damocles/chain/endpoint.h"
#include "damocles/chain/lotus_client.h"
#include "damocles/filecoin/deadline.h"

namespace chain = damocles::chain;
namespace filecoin = damocles::filecoin;

namespace {

damocles::async::Task<absl::StatusOr<int>> Print(chain::ChainReader& reader,
                                                 filecoin::Address miner) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const filecoin::TipSet head, co_await reader.ChainHead());
  DAMOCLES_CO_ASSIGN_OR_RETURN(const filecoin::DeadlineInfo recorded,
                               co_await reader.StateMinerProvingDeadline(miner, head.Key()));
  // What is recorded may be old right after empty epochs.
  const filecoin::DeadlineInfo now =
      filecoin::DeadlineAt(recorded.shape, recorded.period_start, recorded.current_epoch);
  for (std::uint64_t index = 0; index < now.shape.deadlines; ++index) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(const auto partitions,
                                 co_await reader.StateMinerPartitions(miner, index, head.Key()));
    std::uint64_t live = 0;
    std::uint64_t faulty = 0;
    for (const chain::Partition& partition : partitions) {
      live += partition.live_sectors.Count();
      faulty += partition.faulty_sectors.Count();
    }
    std::cout << "deadline " << index << ": " << partitions.size() << " partitions, " << live
              << " sectors, " << faulty << " faulty" << (index == now.index ? ", now" : "") << "\n";
  }
  co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: read_deadlines NODE MINER\n";
    return 2;
  }
  const auto fail = [](const absl::Status& status) {
    std::cerr << "read_deadlines: " << status.message() << "\n";
    return 1;
  };
  const auto endpoint = chain::ParseEndpoint(argv[1]);
  if (!endpoint.ok()) return fail(endpoint.status());
  const auto miner = filecoin::Address::Parse(argv[2]);
  if (!miner.ok()) return fail(miner.status());

  kj::UnixEventPort::setReservedSignal(SIGUSR2);
  kj::AsyncIoContext io = kj::setupAsyncIo();
  const auto client = chain::MakeLotusClient({*endpoint}, {.timer = io.provider->getTimer(),
                                                           .network = io.provider->getNetwork(),
                                                           .tls_network = nullptr,
                                                           .random = damocles::SystemRandom()});
  if (!client.ok()) return fail(client.status());
  const absl::StatusOr<int> code = Print(**client, *miner).ToPromise().wait(io.waitScope);
  return code.ok() ? *code : fail(code.status());
}
