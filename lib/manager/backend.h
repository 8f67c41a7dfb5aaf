// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "damocles/async/offload.h"
#include "damocles/poster/recovery.h"
#include "damocles/poster/runner.h"
#include "damocles/rpc/server.h"
#include "damocles/sector/index.h"
#include "damocles/sector/store_survey.h"
#include "damocles/storage/persist_store.h"
#include "damocles/storage/store_look.h"

namespace damocles::manager {

// What the manager shows and does for people, over its parts, all of which outlive it.
class ManagerBackend final : public rpc::Backend, private kj::TaskSet::ErrorHandler {
 public:
  // `records`: the poster's, newest first.
  using Records = std::function<async::Task<absl::StatusOr<std::vector<poster::DeadlineRecord>>>(
      poster::RecordFilter)>;
  using SelfCheck = std::function<async::Task<absl::StatusOr<rpc::CheckReport>>()>;
  using RecoveryRecords =
      std::function<async::Task<absl::StatusOr<std::vector<poster::RecoveryRecord>>>(
          std::optional<filecoin::ActorId>)>;
  // Blocks, perhaps for ever.
  using AskSpace = std::function<absl::StatusOr<storage::Space>(const std::string& path)>;

  // What may hang runs on `executor`, and uses `index` and `stores` there.
  ManagerBackend(sector::Index& index, const storage::StoreRegistry& stores, Records records,
                 RecoveryRecords recoveries, SelfCheck check, async::Executor& executor,
                 kj::Timer& timer, storage::StoreLook look = storage::OneLookAtATime(),
                 AskSpace ask_space = storage::SpaceAt)
      : index_(index),
        stores_(stores),
        records_(std::move(records)),
        recoveries_(std::move(recoveries)),
        check_(std::move(check)),
        executor_(executor),
        timer_(timer),
        look_(std::move(look)),
        ask_space_(std::move(ask_space)),
        scans_(*this) {}
  ~ManagerBackend() noexcept override;

  // Those of the configuration, then those that only the index names.  A store that does not answer
  // is listed as such.
  async::Task<absl::StatusOr<std::vector<rpc::StoreInfo>>> Stores() override;
  async::Task<absl::StatusOr<rpc::FoundSector>> FindSector(filecoin::SectorId sector) override;
  async::Task<absl::StatusOr<std::vector<rpc::DeadlineSummary>>> Deadlines(
      rpc::DeadlineQuery query) override;
  async::Task<absl::StatusOr<std::vector<rpc::RecoverySummary>>> Recoveries(
      std::optional<filecoin::ActorId> miner) override;
  // ALREADY_EXISTS while an attach of the same path is under way.
  async::Task<absl::StatusOr<rpc::AttachSummary>> Attach(
      std::string path, bool replace,
      std::function<void(std::uint64_t, std::uint64_t)> progress) override;
  async::Task<absl::StatusOr<rpc::CheckReport>> Check() override { return check_(); }

 private:
  void taskFailed(kj::Exception&& exception) override;

  using SpaceAnswer = absl::StatusOr<storage::Space>;
  // One question to a store at a time, whoever asks: a dead one keeps one thread, not one a call.
  struct Question {
    kj::ForkedPromise<SpaceAnswer> answer = nullptr;
    std::shared_ptr<bool> answered;
  };
  using Survey = absl::StatusOr<std::vector<sector::StoreFinding>>;
  // The index against the configured stores.
  kj::Promise<Survey> SurveyAll();
  kj::Promise<SpaceAnswer> SpaceOf(const storage::PersistStore& store);

  sector::Index& index_;
  const storage::StoreRegistry& stores_;
  const Records records_;
  const RecoveryRecords recoveries_;
  const SelfCheck check_;
  async::Executor& executor_;
  kj::Timer& timer_;
  const storage::StoreLook look_;
  const AskSpace ask_space_;
  std::map<std::string, Question> questions_;  // by store
  // What a thread is attaching, also when its caller has gone.
  std::set<std::string> attaching_;  // paths
  kj::TaskSet scans_;                // last: it uses what is above
};

}  // namespace damocles::manager
