// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/config/manager.h"

#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/config/common.h"
#include "lib/config/ignored_keys.h"

#include "damocles/base/file.h"
#include "damocles/base/status.h"

namespace damocles::config {
namespace {

constexpr std::uint64_t kFileBytesMax = std::uint64_t{4} << 20;
// More than any proving period has; keeps sums of epochs small.
constexpr std::uint64_t kConfidenceMax = 2880;

void ReadApi(TableReader api, ManagerConfig& config) {
  std::vector<std::string> chain;
  std::vector<std::string> gateway;
  Secret token;
  api.ReadOneOrMany("Chain", chain);
  api.ReadOneOrMany("Gateway", gateway);
  api.Read("Token", token);
  api.Read("ChainEventInterval", config.chain_event_interval, {absl::Seconds(1), absl::Hours(24)});
  IgnorePublished(api);
  // Old defaults write an empty text for what is absent.
  for (auto* list : {&chain, &gateway}) {
    if (*list == std::vector<std::string>{""}) list->clear();
  }
  const bool own = !chain.empty();
  const std::vector<std::string>& nodes = own ? chain : gateway;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto endpoint = ParseEndpoint(nodes[i]);
    if (!endpoint.ok()) {
      // By number: the text may hold a token.
      api.Problem(own ? "Chain" : "Gateway",
                  absl::StrFormat("node %d %s", i + 1, std::string(endpoint.status().message())));
      continue;
    }
    config.chain.push_back({.url = endpoint->Url(),
                            .origin = endpoint->Origin(),
                            .token = endpoint->token.empty() ? token : Secret(endpoint->token)});
  }
}

void ReadPersistStores(TableReader& common, const LoadOptions& options, ManagerConfig& config) {
  std::map<std::string, std::string> place_of;   // by name
  std::map<std::string, std::string> folder_of;  // by path
  for (TableReader& table : common.OneOrManyTables("PersistStores")) {
    if (!table.HasValues()) {
      table.IgnoreTable("nothing stands in it");
      continue;
    }
    storage::PersistStore store;
    table.Read("Name", store.name);
    table.Read("Path", store.path);
    table.Read("ReadOnly", store.read_only);
    table.Read("Strict", store.strict);
    table.Read("Weight", store.weight, kAnyU64);
    table.ReadMiners("AllowMiners", store.allow_miners);
    table.ReadMiners("DenyMiners", store.deny_miners);
    table.Read("Meta", store.meta);
    for (const char* plugin : {"Plugin", "PluginName"}) {
      std::string name;
      table.Read(plugin, name);
      if (!name.empty()) {
        table.Warn(plugin, absl::StrFormat(
                               "%s: ignored: object stores by plugin are not part of this version; "
                               "Path is read as a folder",
                               Quote(name)));
      }
    }
    if (store.path.empty()) {
      table.Problem("Path", "is missing: the folder of the store");
      continue;
    }
    store.path = AbsolutePath(store.path);
    WantPrintable(table, "Name", store.name);
    // The form that the worker's [[attached]] has: names must be equal to the letter.
    if (store.name.empty()) store.name = store.path;
    if (options.check_folders) LookForFolder(table, "Path", store.path);
    const auto [other, is_new] = place_of.emplace(store.name, table.Where("Name"));
    if (!is_new) {
      table.Problem("Name", absl::StrFormat("%s is the name of another store (%s)",
                                            Quote(store.name), other->second));
    }
    const auto [same, is_alone] = folder_of.emplace(store.path, table.Where("Path"));
    if (!is_alone) {
      table.Problem("Path", absl::StrFormat("%s is the folder of another store (%s)", store.path,
                                            same->second));
    }
    config.persist_stores.push_back(std::move(store));
  }
  common.Read("ScanPersistStores", config.scan_persist_stores);
  config.scan_place = common.Where("ScanPersistStores");
}

// 0 is no limit.  What no disk can keep would have every sector left out.
void ReadCheckTime(TableReader& proving, std::string_view key, absl::Duration& out) {
  absl::Duration time = out;
  proving.Read(key, time, kAnyDuration);
  if (time > absl::ZeroDuration() && time < absl::Seconds(1)) {
    return proving.Problem(
        key, absl::StrFormat("is %s, want 0 (no limit of its own) or at least 1s: no sector could "
                             "be read in that time",
                             FormatGoDuration(time)));
  }
  out = time;
}

void ReadProving(TableReader proving, ManagerConfig& config) {
  std::uint64_t parallel = config.checks.parallel;
  proving.Read("ParallelCheckLimit", parallel, {0, 100'000});
  config.checks.parallel = parallel;
  ReadCheckTime(proving, "SingleCheckTimeout", config.checks.single);
  ReadCheckTime(proving, "PartitionCheckTimeout", config.checks.total);
  TableReader worker = proving.Table("WorkerProver");
  worker.Read("JobMaxTry", config.jobs.job_max_try, {0, 1000});
  worker.Read("HeartbeatTimeout", config.jobs.heartbeat_timeout,
              {absl::Seconds(2), absl::Hours(1)});
  config.jobs.heartbeat_late = config.jobs.heartbeat_timeout / 2;
  worker.Read("JobLifetime", config.jobs.job_lifetime, {absl::Minutes(1), absl::Hours(24 * 365)});
  worker.Read("AutoResetBeforeClose", config.auto_reset_before_close);
}

void ReadCommon(TableReader common, const LoadOptions& options, ManagerConfig& config) {
  ReadApi(common.Table("API"), config);
  common.Table("RPC").Read("RequireToken", config.require_token);
  ReadPersistStores(common, options, config);
  ReadProving(common.Table("Proving"), config);
  IgnorePublished(common);
}

// A price of a unit of gas.  A message has some 100 million units: a sum meant for all of them is a
// fee that no sender can pay.
void ReadUnitPrice(TableReader& post, std::string_view key, filecoin::TokenAmount& out) {
  static const filecoin::TokenAmount kMax(1'000'000'000'000'000);  // 0.001 FIL
  filecoin::TokenAmount amount = out;
  post.Read(key, amount);
  if (amount > kMax) {
    return post.Problem(
        key,
        absl::StrFormat("is %s, want at most %s: it is the price of one unit of gas, of which "
                        "a message takes some 100 million; 5 nanoFIL are written \"5 nanoFIL\"",
                        filecoin::FormatFil(amount), filecoin::FormatFil(kMax)));
  }
  out = std::move(amount);
}

void ReadEpochs(TableReader& post, std::string_view key, filecoin::EpochDelta& out) {
  auto count = static_cast<std::uint64_t>(out.Count());
  post.Read(key, count, {0, kConfidenceMax});
  out = filecoin::EpochDelta(static_cast<std::int64_t>(count));
}

// The existing system writes 0 into its defaults and means its own default by it; here a zero is a
// zero.  Whoever brings such a file along shall know.
void WarnOfZero(TableReader& post, std::string_view key, filecoin::EpochDelta value,
                std::string_view theirs, filecoin::EpochDelta ours) {
  if (!post.Has(key) || value != filecoin::EpochDelta(0)) return;
  post.Warn(key,
            absl::StrFormat("0 is read as no epoch at all, where the existing system takes 0 for "
                            "its default of %s; leave the key out for the default of %d",
                            theirs, ours.Count()));
}

void ReadPost(TableReader post, MinerConfig& config) {
  poster::MinerPolicy& policy = config.policy;
  post.Read("Enabled", policy.enabled);
  filecoin::Address sender;
  post.Read("Senders", policy.senders);
  post.Read("Sender", sender);
  post.Deprecated("Sender", "Senders = [\"...\"]");
  if (!sender.IsUndefined()) policy.senders.push_back(sender);
  post.Read("StrictCheck", config.strict_check);
  post.Read("Parallel", policy.poster.parallel);
  IgnorePublished(post);
  poster::FeePolicy& fees = policy.post_fees;
  post.Read("GasOverEstimation", fees.gas_over_estimation, {1, 100});
  post.Read("GasOverPremium", fees.gas_over_premium, {0, 1000});
  // The old key counts where the new one is absent; an explicit zero is a zero, an empty text
  // nothing at all.
  ReadUnitPrice(post, "MaxFeeCap", fees.gas_fee_cap);
  post.Deprecated("MaxFeeCap", "GasFeeCap");
  ReadUnitPrice(post, "GasFeeCap", fees.gas_fee_cap);
  ReadUnitPrice(post, "MaxGasFeeCap", fees.max_gas_fee_cap);
  policy.recovery_fees = fees;
  const poster::PosterPolicy defaults;
  ReadEpochs(post, "Confidence", policy.poster.confirmation_depth);
  ReadEpochs(post, "SubmitConfidence", policy.poster.submit_confidence);
  ReadEpochs(post, "ChallengeConfidence", policy.poster.challenge_confidence);
  WarnOfZero(post, "SubmitConfidence", policy.poster.submit_confidence, "4",
             defaults.submit_confidence);
  WarnOfZero(post, "ChallengeConfidence", policy.poster.challenge_confidence, "10",
             defaults.challenge_confidence);
  post.Read("MaxRecoverSectorLimit", policy.recovery.max_sectors, kAnyU64);
  post.Read("MaxPartitionsPerPoStMessage", policy.poster.max_partitions_per_message, {0, 3000});
  post.Read("MaxPartitionsPerRecoveryMessage", policy.recovery.max_partitions_per_message,
            {0, 3000});
}

void ReadMiners(TableReader& root, ManagerConfig& config) {
  std::map<filecoin::ActorId, std::string> place_of;
  for (TableReader& table : root.OneOrManyTables("Miners")) {
    if (!table.HasValues()) {
      table.IgnoreTable("nothing stands in it; Actor names a miner");
      continue;
    }
    MinerConfig miner;
    const bool has_actor = table.Has("Actor");
    table.Read("Actor", miner.policy.miner, {1, (std::uint64_t{1} << 63) - 1});
    if (!has_actor) {
      table.Problem("Actor", "is missing: the number of the miner actor, 1000 for f01000");
    }
    ReadPost(table.Table("PoSt"), miner);
    miner.policy.poster.auto_reset_before_close = config.auto_reset_before_close;
    TableReader proof = table.Table("Proof");
    bool answers_winning_post = false;
    proof.Read("Enabled", answers_winning_post);
    if (answers_winning_post) proof.NoEffect("Enabled");
    IgnorePublished(table);
    if (has_actor) {
      const auto [other, is_new] = place_of.emplace(miner.policy.miner, table.Where("Actor"));
      if (!is_new) {
        table.Problem("Actor", absl::StrFormat("miner %d is there already (%s)", miner.policy.miner,
                                               other->second));
      }
    }
    config.miners.push_back(std::move(miner));
  }
}

std::string List(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) out += (out.size() > 1 ? ", " : "") + Quote(item);
  return out + "]";
}

}  // namespace

MinerConfig::MinerConfig() {
  policy.post_fees.gas_fee_cap = kGasFeeCap;
  policy.post_fees.max_gas_fee_cap = kMaxGasFeeCap;
  policy.recovery_fees = policy.post_fees;
}

absl::StatusOr<ManagerConfig> ParseManagerConfig(std::string_view text, std::string_view file,
                                                 const LoadOptions& options) {
  DAMOCLES_ASSIGN_OR_RETURN(Document document, Document::Parse(text, file, KeyCase::kAny));
  ManagerConfig config;
  TableReader root = document.Root();
  ReadCommon(root.Table("Common"), options, config);
  ReadMiners(root, config);
  DAMOCLES_RETURN_IF_ERROR(document.Finish(options.unknown));
  config.warnings = document.Warnings();
  return config;
}

absl::StatusOr<ManagerConfig> LoadManagerConfig(const std::string& path,
                                                const LoadOptions& options) {
  const std::string expanded = ExpandHome(path);
  auto text = ReadFile(expanded, kFileBytesMax);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(
        absl::StrFormat("%s does not exist: `damocles-manager daemon init` makes one", expanded));
  }
  DAMOCLES_RETURN_IF_ERROR(text.status());
  return ParseManagerConfig(*text, expanded, options);
}

std::string DescribeForLog(const ManagerConfig& config) {
  std::vector<std::string> nodes;
  bool has_token = false;
  for (const ChainEndpoint& endpoint : config.chain) {
    nodes.push_back(endpoint.origin);
    has_token = has_token || !endpoint.token.Empty();
  }
  std::string out = absl::StrFormat(
      "Common.API.Chain=%s%s; ParallelCheckLimit=%d; SingleCheckTimeout=%s; "
      "PartitionCheckTimeout=%s; JobMaxTry=%d; HeartbeatTimeout=%s; JobLifetime=%s; "
      "AutoResetBeforeClose=%s",
      List(nodes), has_token ? " Token=***" : "", config.checks.parallel,
      FormatGoDuration(config.checks.single), FormatGoDuration(config.checks.total),
      config.jobs.job_max_try, FormatGoDuration(config.jobs.heartbeat_timeout),
      FormatGoDuration(config.jobs.job_lifetime),
      config.auto_reset_before_close ? "true" : "false");
  if (config.require_token) out += "; RequireToken=true";
  for (const storage::PersistStore& store : config.persist_stores) {
    out += absl::StrFormat("; store %s=%s%s", Quote(store.name), store.path,
                           store.read_only ? " (read only)" : "");
  }
  if (!config.scan_persist_stores.empty()) {
    out += "; ScanPersistStores=" + List(config.scan_persist_stores);
  }
  for (const MinerConfig& miner : config.miners) {
    const poster::MinerPolicy& policy = miner.policy;
    std::vector<std::string> senders;
    for (const filecoin::Address& sender : policy.senders) senders.push_back(sender.ToString());
    out += absl::StrFormat(
        "; miner f0%d: PoSt=%s Senders=%s StrictCheck=%s Parallel=%s GasFeeCap=%s "
        "MaxGasFeeCap=%s Confidence=%d SubmitConfidence=%d ChallengeConfidence=%d",
        policy.miner, policy.enabled ? "on" : "off", senders.empty() ? "all" : List(senders),
        miner.strict_check ? "true" : "false", policy.poster.parallel ? "true" : "false",
        filecoin::FormatFil(policy.post_fees.gas_fee_cap),
        filecoin::FormatFil(policy.post_fees.max_gas_fee_cap),
        policy.poster.confirmation_depth.Count(), policy.poster.submit_confidence.Count(),
        policy.poster.challenge_confidence.Count());
    for (const auto& [key, limit] :
         {std::pair("MaxRecoverSectorLimit", policy.recovery.max_sectors),
          std::pair("MaxPartitionsPerPoStMessage", policy.poster.max_partitions_per_message),
          std::pair("MaxPartitionsPerRecoveryMessage",
                    policy.recovery.max_partitions_per_message)}) {
      if (limit != 0) out += absl::StrFormat(" %s=%d", key, limit);
    }
  }
  return out;
}

}  // namespace damocles::config
