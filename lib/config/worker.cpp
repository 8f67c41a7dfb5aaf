// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/config/worker.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/config/common.h"
#include "lib/config/ignored_keys.h"

#include "damocles/base/endpoint.h"
#include "damocles/base/file.h"
#include "damocles/base/status.h"

namespace damocles::config {
namespace {

constexpr std::uint64_t kTokenFileBytesMax = 64 << 10;
constexpr std::string_view kDefaultManagerHost = "127.0.0.1";

Secret ReadTokenFile(TableReader& client, const std::string& path) {
  const auto text = ReadFile(path, kTokenFileBytesMax);
  if (!text.ok()) {
    client.Problem("token_file", std::string(text.status().message()));
    return {};
  }
  if (OthersMayRead(path)) {
    client.Warn("token_file", absl::StrFormat("others may read %s: chmod 600 it", path));
  }
  const std::size_t begin = text->find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) {
    client.Problem("token_file", absl::StrFormat("%s is empty", path));
    return {};
  }
  std::string token = text->substr(begin, text->find_last_not_of(" \t\r\n") - begin + 1);
  if (!MayBeToken(token)) {
    client.Problem("token_file", absl::StrFormat("%s %s", path, kNoToken));
    return {};
  }
  return Secret(std::move(token));
}

void ReadManager(TableReader manager, const LoadOptions& options, WorkerConfig& config) {
  TableReader client = manager.Table("rpc_client");
  IgnorePublished(manager);
  IgnorePublished(client);
  std::vector<std::string> addresses;
  Secret token;
  std::string token_file;
  client.ReadOneOrMany("addr", addresses);
  client.Read("token", token);
  client.Read("token_file", token_file);
  // What comes out of an empty variable: nobody writes it to go without.
  if (client.Has("token") && token.Empty()) {
    client.Problem("token",
                   "is empty: write the worker token of the manager, or leave the key out");
  }
  if (client.Has("token_file") && token_file.empty()) {
    client.Problem("token_file", "is empty: name the file, or leave the key out");
  }
  config.holds_token = !token.Empty();
  if (!token.Empty() && !token_file.empty()) {
    client.Problem("token_file", "token is given too: one of them");
  } else if (!token_file.empty() && options.check_folders) {
    token = ReadTokenFile(client, AbsolutePath(token_file));
  }
  if (addresses.empty()) {
    return client.Problem("addr", "is missing: the manager's address, say /ip4/127.0.0.1/tcp/1789");
  }
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    auto address = ParsePeer(addresses[i], kDefaultManagerHost);
    if (!address.ok()) {
      // By number: the text may hold a token, which belongs into rpc_client.token.
      client.Problem("addr", absl::StrFormat("manager %d %s (rpc_client.token is for a token)",
                                             i + 1, std::string(address.status().message())));
      continue;
    }
    for (const ManagerEndpoint& other : config.managers) {
      if (other.address == *address) {
        client.Problem("addr", absl::StrFormat("manager %s is there twice", address->ToString()));
      }
    }
    config.managers.push_back({.address = *std::move(address), .token = token});
  }
}

void ReadWorkerTable(TableReader worker, WorkerConfig& config) {
  worker.Read("name", config.name);
  WantPrintable(worker, "name", config.name);
  // Judged like the others, though nothing follows from them.
  TableReader server = worker.Table("rpc_server");
  worker.NoEffect("rpc_server");
  std::string host;
  server.Read("host", host);
  std::uint32_t port = 0;
  server.Read("port", port, {0, 65535});
  absl::Duration ping_interval;
  worker.Read("ping_interval", ping_interval, {absl::Seconds(1), absl::Hours(24)});
  worker.NoEffect("ping_interval");
  worker.Read("scan_persist_stores", config.scan_persist_stores);
  const bool other_form = config.scan_persist_stores.empty();
  if (other_form) worker.Read("ScanPersistStores", config.scan_persist_stores);
  config.scan_place = worker.Where(other_form ? "ScanPersistStores" : "scan_persist_stores");
  worker.Read("state_dir", config.state_dir);
  config.state_dir = AbsolutePath(config.state_dir);
  worker.Read("params_dir", config.params_dir);
  if (!config.params_dir.empty()) config.params_dir = AbsolutePath(config.params_dir);
  IgnorePublished(worker);
}

// Nothing listens there in this version.
void JudgeMetrics(TableReader metrics) {
  bool enable = false;
  metrics.Read("enable", enable);
  std::string listen;
  metrics.Read("http_listen", listen);
  if (listen.empty()) return;
  const auto address = ParseHostPort(listen, "0.0.0.0");
  if (!address.ok()) metrics.Problem("http_listen", std::string(address.status().message()));
}

// What concerns proving in [sealing] and in [[sealing_thread]], under "sealing." or directly.
void ReadJobFilter(TableReader& table, WorkerThread& thread) {
  table.ReadMiners("allowed_miners", thread.takes.miners);
  if (table.Has("allowed_sizes")) thread.takes.proof_types.clear();
  std::vector<filecoin::SectorSize> sizes;
  table.Read("allowed_sizes", sizes);
  for (const filecoin::SectorSize size : sizes) {
    if (const auto type = filecoin::WindowProofOf(size)) thread.takes.proof_types.push_back(*type);
  }
  // An empty list would be no filter, which nobody means who writes one.
  for (const char* key : {"allowed_miners", "allowed_sizes"}) {
    if (!table.HasEmptyList(key)) continue;
    table.Problem(key, "is empty, so that no job would come: leave the key out to take every job");
  }
  table.Read("recover_interval", thread.recover_interval,
             {absl::Milliseconds(10), absl::Hours(24)});
}

void ReadSealing(TableReader& sealing, WorkerThread& thread) {
  ReadJobFilter(sealing, thread);
  IgnorePublished(sealing);
}

void ReadThreads(TableReader& root, WorkerConfig& config) {
  static const std::set<std::string> kOtherPlans = {"sealer", "snapup", "rebuild", "unseal",
                                                    "niporep"};
  WorkerThread common;
  TableReader defaults = root.Table("sealing");
  ReadSealing(defaults, common);
  for (TableReader& table : root.Tables("sealing_thread")) {
    WorkerThread thread = common;
    std::string plan = "sealer";
    std::string location;
    table.Read("plan", plan);
    table.Read("location", location);  // a place to seal in; proving needs none
    ReadJobFilter(table, thread);
    TableReader sealing = table.Table("sealing");
    for (const char* key : {"allowed_miners", "allowed_sizes", "recover_interval"}) {
      if (table.Has(key) && sealing.Has(key)) {
        table.Problem(key, absl::StrFormat("sealing.%s is given too: one of them", key));
      }
    }
    ReadSealing(sealing, thread);
    if (plan == "wdpost") {
      config.threads.push_back(std::move(thread));
    } else if (kOtherPlans.contains(plan)) {
      table.Warn("plan", absl::StrFormat("%s: ignored: not part of this version", Quote(plan)));
    } else {
      table.Problem("plan", absl::StrFormat("there is no plan %s: want \"wdpost\"", Quote(plan)));
    }
  }
  if (config.threads.empty()) {
    root.Problem("sealing_thread",
                 "there is no [[sealing_thread]] with plan = \"wdpost\": nothing to do");
  }
}

void ReadAttached(TableReader& root, const LoadOptions& options, WorkerConfig& config) {
  std::map<std::string, std::string> place_of;
  std::vector<TableReader> tables = root.OneOrManyTables("attached");
  // How the versions before 0.9 wrote the only store that there was.
  for (TableReader& table : root.OneOrManyTables("remote_store")) tables.push_back(table);
  root.Deprecated("remote_store", "[[attached]]");
  for (TableReader& table : tables) {
    if (!table.HasValues()) {
      table.IgnoreTable("nothing stands in it");
      continue;
    }
    AttachedStore store;
    table.Read("name", store.name);
    table.Read("location", store.location);
    bool read_only = false;
    table.Read("readonly", read_only);
    table.NoEffect("readonly");  // proving only reads
    if (store.location.empty()) {
      table.Problem("location", "is missing: the folder of the store");
      continue;
    }
    store.location = AbsolutePath(store.location);
    WantPrintable(table, "name", store.name);
    if (store.name.empty()) store.name = store.location;
    if (options.check_folders) LookForFolder(table, "location", store.location);
    const auto [other, is_new] = place_of.emplace(store.name, table.Where("name"));
    if (!is_new) {
      table.Problem("name", absl::StrFormat("%s is the name of another store (%s)",
                                            Quote(store.name), other->second));
    }
    config.attached.push_back(std::move(store));
  }
  IgnorePublished(root);
  if (config.attached.empty() && config.scan_persist_stores.empty() &&
      std::ranges::none_of(tables, &TableReader::HasValues)) {
    root.Problem("attached",
                 "there is no [[attached]] store: the worker could not read a single sector");
  }
}

void ReadProcessors(TableReader& processors, std::string_view stage,
                    std::vector<ProcessorConfig>& list) {
  for (TableReader& table : processors.Tables(stage)) {
    ProcessorConfig processor;
    table.Read("bin", processor.bin);
    processor.bin = ExpandHome(processor.bin);
    table.Read("args", processor.args);
    table.Read("envs", processor.envs);
    table.Read("inherit_envs", processor.inherit_envs);
    table.Read("concurrent", processor.concurrent, {1, 10'000});
    table.Read("stable_wait", processor.stable_wait, {absl::Milliseconds(100), absl::Hours(1)});
    table.Read("auto_restart", processor.auto_restart);
    TableReader cgroup = table.Table("cgroup");
    cgroup.Read("group_name", processor.cgroup_group_name);
    cgroup.Read("cpuset", processor.cgroup_cpuset);
    if (table.Has("numa_preferred")) {
      processor.numa_preferred = 0;
      table.Read("numa_preferred", *processor.numa_preferred, {0, 1023});
    }
    table.Read("locks", processor.locks);
    IgnorePublished(table);
    list.push_back(std::move(processor));
  }
}

void ReadLimits(TableReader& processors, WorkerConfig& config) {
  TableReader limitation = processors.Table("limitation");
  // [processors.limit] is how older versions wrote [processors.limitation.concurrent].
  for (TableReader& table :
       std::vector<TableReader>{processors.Table("limit"), limitation.Table("concurrent")}) {
    for (const auto& [key, target] : {std::pair("window_post", &config.window_post_concurrent),
                                      std::pair("winning_post", &config.winning_post_concurrent)}) {
      std::uint32_t count = 1;
      const bool has = table.Has(key);
      table.Read(key, count, {1, 10'000});
      if (has) *target = count;
    }
    table.NoEffect("window_post");
    table.NoEffect("winning_post");
    IgnorePublished(table);
  }
  TableReader staggered = limitation.Table("staggered");
  staggered.Read("window_post", config.window_post_staggered, {absl::Seconds(1), absl::Hours(24)});
  staggered.Ignore("winning_post");
  IgnorePublished(staggered);
  TableReader locks = processors.Table("ext_locks");
  processors.NoEffect("ext_locks");
  for (const std::string& name : locks.Keys()) {
    locks.Read(name, config.ext_locks[name], {1, 10'000});
  }
  IgnorePublished(processors);
}

void CheckLocks(TableReader& processors, const WorkerConfig& config) {
  for (const auto* list : {&config.window_post, &config.winning_post}) {
    for (const ProcessorConfig& processor : *list) {
      for (const std::string& lock : processor.locks) {
        if (config.ext_locks.contains(lock)) continue;
        processors.Problem(
            list == &config.window_post ? "window_post" : "winning_post",
            absl::StrFormat("lock %s is not in [processors.ext_locks]", Quote(lock)));
      }
    }
  }
}

}  // namespace

absl::StatusOr<WorkerConfig> ParseWorkerConfig(std::string_view text, std::string_view file,
                                               const LoadOptions& options) {
  DAMOCLES_ASSIGN_OR_RETURN(Document document, Document::Parse(text, file));
  WorkerConfig config;
  TableReader root = document.Root();
  ReadWorkerTable(root.Table("worker"), config);
  JudgeMetrics(root.Table("metrics"));
  root.NoEffect("metrics");
  std::vector<TableReader> managers = root.OneOrManyTables("sector_manager");
  if (managers.empty()) {
    root.Problem("sector_manager", "is missing: [sector_manager] rpc_client.addr = \"...\"");
  }
  for (TableReader& manager : managers) ReadManager(manager, options, config);
  ReadThreads(root, config);
  ReadAttached(root, options, config);
  TableReader processors = root.Table("processors");
  ReadLimits(processors, config);
  ReadProcessors(processors, "window_post", config.window_post);
  ReadProcessors(processors, "winning_post", config.winning_post);
  CheckLocks(processors, config);
  DAMOCLES_RETURN_IF_ERROR(document.Finish(options.unknown));
  config.warnings = document.Warnings();
  return config;
}

absl::StatusOr<WorkerConfig> LoadWorkerConfig(const std::string& path, const LoadOptions& options) {
  const std::string expanded = ExpandHome(path);
  auto text = ReadFile(expanded, std::uint64_t{4} << 20);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrFormat(
        "%s does not exist: examples/worker.toml is a model to begin with", expanded));
  }
  DAMOCLES_RETURN_IF_ERROR(text.status());
  auto config = ParseWorkerConfig(*text, expanded, options);
  if (config.ok() && options.check_folders && config->holds_token && OthersMayRead(expanded)) {
    config->warnings.push_back(absl::StrFormat(
        "%s: rpc_client.token stands in it and others may read it: chmod 600 it, or use token_file",
        expanded));
  }
  return config;
}

std::string DescribeForLog(const WorkerConfig& config) {
  std::string out =
      absl::StrFormat("name=%s; state_dir=%s; params_dir=%s",
                      config.name.empty() ? "(host name)" : Quote(config.name), config.state_dir,
                      config.params_dir.empty() ? "(default)" : config.params_dir);
  for (const ManagerEndpoint& manager : config.managers) {
    out += absl::StrFormat("; manager %s%s", manager.address.ToString(),
                           manager.token.Empty() ? "" : " token=***");
  }
  for (const WorkerThread& thread : config.threads) {
    const auto miners = [](std::string* text, filecoin::ActorId miner) {
      absl::StrAppendFormat(text, "f0%d", miner);
    };
    const auto sizes = [](std::string* text, filecoin::PoStProofType type) {
      *text += filecoin::ToString(filecoin::SectorSizeOf(type));
    };
    const job::JobFilter& takes = thread.takes;
    out += absl::StrFormat(
        "; takes miners %s of sizes %s, asks every %s",
        takes.miners.empty() ? "all" : absl::StrJoin(takes.miners, ",", miners),
        takes.proof_types.empty() ? "all" : absl::StrJoin(takes.proof_types, ",", sizes),
        FormatGoDuration(thread.recover_interval));
  }
  for (const AttachedStore& store : config.attached) {
    out += absl::StrFormat("; attached %s=%s", Quote(store.name), store.location);
  }
  for (const std::string& pattern : config.scan_persist_stores) {
    out += absl::StrFormat("; scans %s", pattern);
  }
  if (config.window_post_staggered > absl::ZeroDuration()) {
    out += absl::StrFormat("; staggered by %s", FormatGoDuration(config.window_post_staggered));
  }
  return out;
}

}  // namespace damocles::config
