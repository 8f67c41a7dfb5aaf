// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/manager/gather.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/async/duration.h"
#include "damocles/async/failure.h"
#include "damocles/async/timeout.h"
#include "damocles/base/mutex.h"
#include "damocles/base/status.h"
#include "damocles/chain/types.h"
#include "damocles/filecoin/bitfield.h"
#include "damocles/poster/sender_reader.h"

namespace damocles::manager {
namespace {

using filecoin::Address;
using filecoin::BitField;
using filecoin::TipSetKey;
using filecoin::TokenAmount;

absl::Status NoAnswerWithin(absl::Duration limit) {
  return absl::DeadlineExceededError(
      absl::StrFormat("no answer within %s", absl::FormatDuration(limit)));
}

// The system actor: no wallet has a key of it, and nothing that is asked about it does anything.
Address Nobody() {
  return Address::FromId(0);
}

// From how a call ended: whether the token may make it.  OK also where the method itself objected.
absl::Status RightOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
      return status;
    default:
      return absl::OkStatus();
  }
}

// The least that a synchronisation under way has to go; 0 if none is.
std::int64_t EpochsToSync(const chain::SyncStatus& status) {
  constexpr std::int64_t kComplete = 4;
  std::optional<std::int64_t> least;
  for (const chain::ActiveSync& sync : status.active_syncs) {
    if (!sync.target || sync.target->Empty() || sync.stage == 0) continue;
    const std::int64_t gap =
        sync.stage == kComplete ? 0 : (sync.target->Height() - sync.height).Count();
    least = std::min(least.value_or(gap), std::max<std::int64_t>(gap, 0));
  }
  return least.value_or(0);
}

// What the index has of one miner.
struct IndexedSectors {
  BitField numbers;
  std::map<std::string, BitField> by_store;
};

absl::StatusOr<IndexedSectors> SectorsInIndex(const sector::Index& index, filecoin::ActorId miner) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<sector::IndexRow> rows, index.List(miner));
  std::vector<std::uint64_t> numbers;
  std::map<std::string, std::vector<std::uint64_t>> by_store;
  for (const sector::IndexRow& row : rows) {
    numbers.push_back(row.sector.number);
    by_store[row.location.sealed_store].push_back(row.sector.number);
    if (row.location.cache_store != row.location.sealed_store) {
      by_store[row.location.cache_store].push_back(row.sector.number);
    }
  }
  IndexedSectors out;
  out.numbers = BitField::Of(numbers);
  for (const auto& [store, in_it] : by_store) out.by_store[store] = BitField::Of(in_it);
  return out;
}

DeadlineFacts CompareDeadline(std::uint64_t deadline_index,
                              const std::vector<chain::Partition>& partitions,
                              const IndexedSectors& indexed, std::size_t told_max) {
  std::vector<BitField> live;
  std::vector<BitField> faulty;
  for (const chain::Partition& partition : partitions) {
    live.push_back(partition.live_sectors);
    faulty.push_back(partition.faulty_sectors);
  }
  const BitField all = filecoin::Union(live);
  const BitField missing = filecoin::Difference(all, indexed.numbers);
  DeadlineFacts facts;
  facts.index = deadline_index;
  facts.live = all.Count();
  facts.missing_count = missing.Count();
  facts.missing_faulty = filecoin::Intersection(missing, filecoin::Union(faulty)).Count();
  for (const std::uint64_t number : missing) {
    if (facts.missing.size() >= told_max) break;
    facts.missing.push_back(number);
  }
  for (const auto& [store, numbers] : indexed.by_store) {
    if (numbers.Intersects(all)) facts.stores.insert(store);
  }
  return facts;
}

}  // namespace

// What all miners are compared with.
struct Gatherer::Chain {
  TipSetKey head = {};
  TokenAmount base_fee = {};
  Fact<std::vector<filecoin::SignedMessage>> pool = NotAsked();
  std::vector<const CheckedNode*> answering = {};
  kj::TimePoint until;
};

class Gatherer::AsksAboutSender final : public poster::SenderQuestions {
 public:
  AsksAboutSender(Gatherer& gatherer, chain::ChainReader& reader, chain::MessagePool& pool,
                  const Chain& chain, CheckedSender& sender)
      : gatherer_(gatherer), reader_(reader), pool_(pool), chain_(chain), sender_(sender) {}
  ~AsksAboutSender() noexcept override = default;

  Answer<Address> KeyOf(Address id) override {
    auto asking = gatherer_.Limited<Address>(reader_.StateAccountKey(std::move(id), chain_.head));
    co_return co_await kj::mv(asking);
  }
  // Of all nodes: each may have to take over.
  Answer<bool> HasKey(Address key) override {
    std::vector<kj::Promise<absl::StatusOr<bool>>> asking;
    for (const CheckedNode* node : chain_.answering) {
      asking.push_back(gatherer_.Limited<bool>(node->api->WalletHas(key)));
    }
    absl::StatusOr<bool> one_has = false;
    for (std::size_t i = 0; i < asking.size(); ++i) {
      absl::StatusOr<bool> has = co_await kj::mv(asking[i]);
      const bool better = has.ok() ? *has : one_has.ok() && !*one_has;
      if (better) one_has = has;
      sender_.in_wallet.insert_or_assign(chain_.answering[i]->name, std::move(has));
    }
    co_return one_has;
  }
  Answer<TokenAmount> BalanceOf(Address key) override {
    auto asking = gatherer_.Limited<TokenAmount>(reader_.WalletBalance(std::move(key)));
    co_return co_await kj::mv(asking);
  }
  Answer<std::uint64_t> NextNonceOf(Address key) override {
    auto asking = gatherer_.Limited<std::uint64_t>(pool_.MpoolGetNonce(std::move(key)));
    co_return co_await kj::mv(asking);
  }

 private:
  Gatherer& gatherer_;
  chain::ChainReader& reader_;
  chain::MessagePool& pool_;
  const Chain& chain_;
  CheckedSender& sender_;
};

struct Gatherer::Outstanding {
  Mutex mutex;
  std::set<std::string> questions ABSL_GUARDED_BY(mutex);
};

Gatherer::Gatherer(GatherParts parts, GatherLimits limits)
    : parts_(std::move(parts)),
      limits_(limits),
      started_(parts_.timer.now()),
      outstanding_(std::make_shared<Outstanding>()) {}

Gatherer::~Gatherer() noexcept = default;

template <typename T>
kj::Promise<absl::StatusOr<T>> Gatherer::Limited(async::Task<absl::StatusOr<T>> task) {
  using Outcome = absl::StatusOr<T>;
  kj::Promise<Outcome> answered =
      kj::mv(task).ToPromise().catch_([](kj::Exception&& exception) -> Outcome {
        return absl::UnavailableError(async::Plainly(exception));
      });
  return async::Within(parts_.timer, async::ToKj(limits_.call), kj::mv(answered),
                       NoAnswerWithin(limits_.call))
      .eagerlyEvaluate(nullptr);
}

// `work` on the executor, within the time of a whole look; not while an earlier one of the same
// question has not returned.
template <typename T>
kj::Promise<absl::StatusOr<T>> Gatherer::Apart(std::string question,
                                               std::function<absl::StatusOr<T>()> work) {
  using Outcome = absl::StatusOr<T>;
  {
    const MutexLock lock(outstanding_->mutex);
    if (!outstanding_->questions.insert(question).second) {
      return Outcome(absl::UnavailableError("the last look at it has not come back yet"));
    }
  }
  kj::Promise<Outcome> done =
      async::Offload<Outcome>(parts_.executor, [work = std::move(work), question,
                                                outstanding = outstanding_] {
        Outcome outcome = work();
        const MutexLock lock(outstanding->mutex);
        outstanding->questions.erase(question);
        return outcome;
      }).catch_([](kj::Exception&& exception) -> Outcome {
        return absl::UnavailableError(async::Plainly(exception));
      });
  return async::Within(parts_.timer, async::ToKj(limits_.look), kj::mv(done),
                       NoAnswerWithin(limits_.look))
      .eagerlyEvaluate(nullptr);
}

async::Task<Facts> Gatherer::Gather() {
  Facts facts;
  facts.now = parts_.clock.Now();
  facts.poster = parts_.poster;
  facts.proves_itself = parts_.proves_itself;
  kj::Promise<void> machine = AskMachine(facts).ToPromise().eagerlyEvaluate(nullptr);
  if (parts_.poster) {
    co_await AskChain(facts);
  }
  co_await kj::mv(machine);
  // As late as can be: they may have connected meanwhile.
  if (parts_.timer.now() - started_ < async::ToKj(limits_.workers_after)) {
    facts.workers = absl::UnavailableError("the manager has just started");
  } else {
    facts.workers = parts_.workers();
  }
  co_return facts;
}

kj::Promise<void> Gatherer::WorkersHadTime() {
  return parts_.timer.atTime(started_ + async::ToKj(limits_.workers_after));
}

async::Task<void> Gatherer::AskMachine(Facts& facts) {
  kj::Promise<absl::StatusOr<std::vector<sector::StoreFinding>>> stores =
      Apart<std::vector<sector::StoreFinding>>(
          "stores", [&index = parts_.index, &registry = parts_.stores, look = parts_.look_at_store,
                     patience = limits_.call] {
            return sector::SurveyStores(index, registry, patience, look);
          });
  kj::Promise<absl::StatusOr<ParameterFacts>> parameters = Apart<ParameterFacts>(
      "parameters",
      [ask = parts_.parameters]() -> absl::StatusOr<ParameterFacts> { return ask(); });
  using Names = std::vector<std::string>;
  kj::Promise<absl::StatusOr<Names>> secrets = Apart<Names>(
      "secrets", [ask = parts_.readable_secrets]() -> absl::StatusOr<Names> { return ask(); });
  std::vector<kj::Promise<absl::StatusOr<storage::Space>>> spaces;
  for (const auto& [what, path] : parts_.disks) {
    spaces.push_back(
        Apart<storage::Space>("space " + path, [path = path] { return storage::SpaceAt(path); }));
  }
  facts.stores = co_await kj::mv(stores);
  facts.parameters = co_await kj::mv(parameters);
  const absl::StatusOr<Names> readable = co_await kj::mv(secrets);
  if (readable.ok()) facts.readable_secrets = *readable;
  for (std::size_t i = 0; i < spaces.size(); ++i) {
    DiskFact disk{.what = parts_.disks[i].first, .path = parts_.disks[i].second};
    disk.space = co_await kj::mv(spaces[i]);
    facts.disks.push_back(std::move(disk));
  }
}

async::Task<void> Gatherer::AskNode(const CheckedNode& node, NodeFacts& facts) {
  chain::FullNode& api = *node.api;
  constexpr std::string_view kText = "self check: nothing is signed with this";
  // All at the same time: a node that hangs takes the time of one question.
  auto version = Limited<chain::NodeVersion>(api.Version());
  auto head = Limited<filecoin::TipSet>(api.ChainHead());
  auto name = Limited<std::string>(api.StateNetworkName());
  auto network_version = Limited<std::uint32_t>(api.StateNetworkVersion(TipSetKey()));
  auto sync = Limited<chain::SyncStatus>(api.SyncState());
  // Both stand for what needs the same right and does something.
  auto push = Limited<bool>(api.WalletHas(Nobody()));
  auto sign =
      Limited<filecoin::Signature>(api.WalletSign(Nobody(), Bytes(kText.begin(), kText.end())));

  const absl::StatusOr<chain::NodeVersion> of_version = co_await kj::mv(version);
  const absl::StatusOr<filecoin::TipSet> of_head = co_await kj::mv(head);
  facts.network = co_await kj::mv(name);
  facts.network_version = co_await kj::mv(network_version);
  const absl::StatusOr<chain::SyncStatus> of_sync = co_await kj::mv(sync);
  const absl::StatusOr<bool> of_push = co_await kj::mv(push);
  const absl::StatusOr<filecoin::Signature> of_sign = co_await kj::mv(sign);

  facts.answers = of_version.ok() ? absl::OkStatus() : of_head.status();
  if (of_version.ok()) {
    constexpr std::uint64_t kDay = 86400;
    facts.epoch_length = absl::Seconds(
        static_cast<std::int64_t>(std::min<std::uint64_t>(of_version->block_delay_secs, kDay)));
  }
  if (!of_head.ok()) {
    facts.head = of_head.status();
  } else if (of_head->Empty()) {
    facts.head = absl::DataLossError("its head has no block");
  } else {
    facts.head =
        HeadFact{.epoch = of_head->Height(),
                 .time = absl::FromUnixSeconds(static_cast<std::int64_t>(of_head->MinTimestamp())),
                 .weight = of_head->ParentWeight()};
  }
  facts.epochs_to_sync = of_sync.ok() ? Fact<std::int64_t>(EpochsToSync(*of_sync))
                                      : Fact<std::int64_t>(of_sync.status());
  facts.may_push = RightOf(of_push.status());
  facts.may_sign = RightOf(of_sign.status());
}

async::Task<void> Gatherer::AskChain(Facts& facts) {
  auto asking = kj::heapArrayBuilder<kj::Promise<void>>(parts_.nodes.size());
  facts.nodes.resize(parts_.nodes.size());
  for (std::size_t i = 0; i < parts_.nodes.size(); ++i) {
    facts.nodes[i].name = parts_.nodes[i].name;
    facts.nodes[i].has_token = parts_.nodes[i].has_token;
    asking.add(AskNode(parts_.nodes[i], facts.nodes[i]).ToPromise());
  }
  kj::Promise<void> all = kj::joinPromises(asking.finish());
  co_await kj::mv(all);

  const std::vector<CheckedMiner> miners = parts_.miners();
  for (const CheckedMiner& miner : miners) {
    MinerFacts of_miner;
    of_miner.miner = miner.miner;
    facts.miners.push_back(std::move(of_miner));
  }
  // The one with the highest head tells of the miners.
  Chain chain{.until = parts_.timer.now() + async::ToKj(limits_.look)};
  const CheckedNode* best = nullptr;
  std::optional<filecoin::ChainEpoch> highest;
  for (std::size_t i = 0; i < parts_.nodes.size(); ++i) {
    if (!facts.nodes[i].head.ok()) continue;
    chain.answering.push_back(&parts_.nodes[i]);
    if (highest && facts.nodes[i].head->epoch <= *highest) continue;
    highest = facts.nodes[i].head->epoch;
    best = &parts_.nodes[i];
  }
  if (best == nullptr) {
    for (MinerFacts& miner : facts.miners) {
      miner.proof_type = absl::UnavailableError("no node tells its head");
    }
    co_return;
  }
  co_await AskBranches(facts);
  auto asking_head = Limited<filecoin::TipSet>(best->api->ChainHead());
  auto asking_pool =
      Limited<std::vector<filecoin::SignedMessage>>(best->api->MpoolPending(TipSetKey()));
  const absl::StatusOr<filecoin::TipSet> head = co_await kj::mv(asking_head);
  if (head.ok() && !head->Empty()) {
    chain.head = head->Key();
    chain.base_fee = head->Blocks().front().parent_base_fee;
  }
  facts.base_fee = chain.base_fee;
  chain.pool = co_await kj::mv(asking_pool);
  for (std::size_t i = 0; i < miners.size(); ++i) {
    co_await AskMiner(*best->api, chain, miners[i], facts.miners[i]);
  }
}

// Late blocks and small reorgs lie above the epoch that is compared.
async::Task<void> Gatherer::AskBranches(Facts& facts) {
  constexpr filecoin::EpochDelta kSettled{10};
  std::optional<filecoin::ChainEpoch> lowest;
  std::size_t known = 0;
  for (const NodeFacts& node : facts.nodes) {
    if (!node.head.ok()) continue;
    ++known;
    lowest = std::min(lowest.value_or(node.head->epoch), node.head->epoch);
  }
  if (known < 2 || *lowest < filecoin::ChainEpoch(0) + kSettled) co_return;
  std::vector<kj::Promise<absl::StatusOr<filecoin::TipSet>>> asking;
  for (std::size_t i = 0; i < facts.nodes.size(); ++i) {
    if (!facts.nodes[i].head.ok()) continue;
    asking.push_back(Limited<filecoin::TipSet>(
        parts_.nodes[i].api->ChainGetTipSetByHeight(*lowest - kSettled, TipSetKey())));
  }
  std::size_t next = 0;
  for (NodeFacts& node : facts.nodes) {
    if (!node.head.ok()) continue;
    const absl::StatusOr<filecoin::TipSet> at = co_await kj::mv(asking[next++]);
    node.settled = at.ok() ? Fact<TipSetKey>(at->Key()) : Fact<TipSetKey>(at.status());
  }
}

async::Task<void> Gatherer::AskMiner(chain::FullNode& api, const Chain& chain, CheckedMiner wanted,
                                     MinerFacts& facts) {
  facts.fee_cap = wanted.fee_cap.IsZero() ? chain.base_fee * 2 : wanted.fee_cap;
  if (parts_.timer.now() >= chain.until) {
    facts.proof_type = absl::DeadlineExceededError("there was no time left for it");
    co_return;
  }
  auto asking =
      Limited<chain::MinerInfo>(api.StateMinerInfo(Address::FromId(wanted.miner), chain.head));
  const absl::StatusOr<chain::MinerInfo> info = co_await kj::mv(asking);
  if (!info.ok()) {
    facts.proof_type = info.status();
    co_return;
  }
  if (!filecoin::IsRegistered(info->window_post_proof_type)) {
    facts.proof_type = absl::DataLossError(absl::StrFormat(
        "its proof type %d is not known", filecoin::ToNumber(info->window_post_proof_type)));
    co_return;
  }
  facts.proof_type = filecoin::ToV1_1(info->window_post_proof_type);

  std::vector<poster::SenderFacts> senders = poster::SendersOf(*info);
  for (const Address& named : wanted.senders) {
    absl::StatusOr<Address> id = named;
    if (!named.IsId()) {
      auto looking = Limited<Address>(api.StateLookupId(named, chain.head));
      id = co_await kj::mv(looking);
    }
    poster::NameSender(senders, wanted.miner, named, id);
  }
  for (poster::SenderFacts& sender : senders) {
    CheckedSender checked;
    checked.facts = std::move(sender);
    AsksAboutSender questions(*this, api, api, chain, checked);
    if (checked.facts.role) {
      co_await poster::ReadSender(questions, checked.facts, chain.pool);
    }
    facts.senders.push_back(std::move(checked));
  }
  co_await AskDeadlines(api, chain, facts);
}

async::Task<void> Gatherer::AskDeadlines(chain::ChainReader& reader, const Chain& chain,
                                         MinerFacts& facts) {
  const Address address = Address::FromId(facts.miner);
  auto asking =
      Limited<filecoin::DeadlineInfo>(reader.StateMinerProvingDeadline(address, chain.head));
  const absl::StatusOr<filecoin::DeadlineInfo> now = co_await kj::mv(asking);
  if (!now.ok()) {
    facts.deadlines = now.status();
    co_return;
  }
  auto reading = Apart<IndexedSectors>(
      absl::StrFormat("index %d", facts.miner),
      [&index = parts_.index, miner = facts.miner] { return SectorsInIndex(index, miner); });
  const absl::StatusOr<IndexedSectors> indexed = co_await kj::mv(reading);
  if (!indexed.ok()) {
    facts.deadlines = Annotate(indexed.status(), "reading the index");
    co_return;
  }
  facts.deadlines_total = now->shape.deadlines;
  std::vector<DeadlineFacts> deadlines;
  absl::Status trouble;
  for (std::uint64_t i = 0; i < facts.deadlines_total; ++i) {
    if (parts_.timer.now() >= chain.until) break;
    const std::uint64_t index = (now->index + i) % facts.deadlines_total;
    auto asking_one = Limited<std::vector<chain::Partition>>(
        reader.StateMinerPartitions(address, index, chain.head));
    const absl::StatusOr<std::vector<chain::Partition>> partitions = co_await kj::mv(asking_one);
    if (!partitions.ok()) {
      trouble = partitions.status();
      // One that fails may be the only one; a node that has fallen silent fails at each.
      if (absl::IsUnavailable(trouble) || absl::IsDeadlineExceeded(trouble)) break;
      continue;
    }
    deadlines.push_back(
        CompareDeadline(index, *partitions, *indexed, limits_.missing_sectors_told));
  }
  if (deadlines.empty() && !trouble.ok()) {
    facts.deadlines = trouble;
  } else {
    facts.deadlines = std::move(deadlines);
  }
}

}  // namespace damocles::manager
