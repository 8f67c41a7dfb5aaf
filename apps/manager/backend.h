// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/timer.h>

#include <functional>
#include <string>
#include <vector>

#include "damocles/async/offload.h"
#include "damocles/poster/runner.h"
#include "damocles/rpc/server.h"
#include "damocles/sector/index.h"
#include "damocles/storage/persist_store.h"

namespace damocles::manager {

// What the manager shows and does for people, over its parts, all of which outlive it.
class ManagerBackend final : public rpc::Backend {
 public:
  // `records`: the poster's, newest first.
  using Records = std::function<async::Task<absl::StatusOr<std::vector<poster::DeadlineRecord>>>(
      poster::RecordFilter)>;

  ManagerBackend(sector::Index& index, const storage::StoreRegistry& stores, Records records,
                 async::Executor& executor, kj::Timer& timer)
      : index_(index),
        stores_(stores),
        records_(std::move(records)),
        executor_(executor),
        timer_(timer) {}

  async::Task<absl::StatusOr<std::vector<rpc::StoreInfo>>> Stores() override;
  absl::StatusOr<rpc::FoundSector> FindSector(filecoin::SectorId sector) override;
  async::Task<absl::StatusOr<std::vector<rpc::DeadlineSummary>>> Deadlines(
      rpc::DeadlineQuery query) override;
  async::Task<absl::StatusOr<rpc::AttachSummary>> Attach(
      std::string path, std::function<void(std::uint64_t, std::uint64_t)> progress) override;

 private:
  sector::Index& index_;
  const storage::StoreRegistry& stores_;
  const Records records_;
  async::Executor& executor_;
  kj::Timer& timer_;
};

}  // namespace damocles::manager
