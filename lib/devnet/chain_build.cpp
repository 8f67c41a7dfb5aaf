// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Blocks: their content, their execution, and the events that make them.

#include <algorithm>
#include <limits>
#include <set>

#include "absl/strings/str_format.h"
#include "lib/devnet/chain_core.h"
#include "lib/devnet/config_json.h"

#include "damocles/base/check.h"
#include "damocles/base/hex.h"
#include "damocles/hash/blake2b.h"

namespace damocles::devnet {

using chain::HeadChange;
using chain::HeadChangeKind;
using filecoin::ActorId;
using filecoin::ChainEpoch;
using filecoin::Cid;
using filecoin::EpochDelta;
using filecoin::SignedMessage;
using internal::World;
using nlohmann::json;

namespace {

constexpr std::size_t kVrfBytes = 96;
constexpr ActorId kMinerIdMax = static_cast<ActorId>(std::numeric_limits<std::int64_t>::max());
constexpr std::uint64_t kControlAddressesMax = 10;  // as on the network
constexpr std::size_t kBlockMessagesMax = 10000;    // as on the network
constexpr std::uint64_t kSeededNullRoundsMax = 20;
constexpr std::size_t kVerdictsMax = 256;  // proofs in flight and their dry runs

// Bytes that only the seed and the arguments decide.
Bytes SeededBytes(std::string_view what, std::uint64_t seed, std::uint64_t a, std::uint64_t b,
                  std::size_t count) {
  Bytes out;
  for (std::uint64_t i = 0; out.size() < count; ++i) {
    Bytes input;
    Append(input, AsBytes(what));
    AppendBe64(input, seed);
    AppendBe64(input, a);
    AppendBe64(input, b);
    AppendBe64(input, i);
    Append(out, hash::Blake2b256Of(input));
  }
  out.resize(count);
  return out;
}

Cid CidOfList(const std::vector<Cid>& cids) {
  filecoin::cbor::Writer writer;
  filecoin::cbor::WriteArray(writer, cids);
  return Cid::OfDagCbor(writer.Written());
}

Cid CidOfReceipts(const std::vector<internal::Receipt>& receipts) {
  filecoin::cbor::Writer writer;
  writer.Array(receipts.size());
  for (const internal::Receipt& receipt : receipts) {
    writer.Array(4);
    writer.Int(receipt.exit_code);
    writer.ByteString(receipt.return_value);
    writer.Int(receipt.gas_used);
    writer.Null();
  }
  return Cid::OfDagCbor(writer.Written());
}

// Opaque: changes whenever the state may have.
Cid NextRoot(const Cid& before, const Cid& what) {
  filecoin::cbor::Writer writer;
  filecoin::cbor::WriteArray(writer, std::vector<Cid>{before, what});
  return Cid::OfDagCbor(writer.Written());
}

bool SameWorld(const World& a, const World& b) {
  return a.accounts == b.accounts && a.miners == b.miners;
}

constexpr const char* NameOf(VerifyMode mode) {
  return mode == VerifyMode::kActor ? "actor" : "always";
}

// How the run worked that wrote the event; journals of before have no such member.
absl::StatusOr<VerifyMode> RecordedMode(const json& event, VerifyMode otherwise) {
  const auto found = event.find("verify");
  if (found == event.end()) return otherwise;
  for (const VerifyMode mode : {VerifyMode::kAlways, VerifyMode::kActor}) {
    if (*found == NameOf(mode)) return mode;
  }
  return absl::DataLossError(absl::StrFormat("unknown way to verify %s", found->dump()));
}

json ToJson(const VerdictSource& verdicts) {
  json list = json::array();
  for (const Verdict& verdict : verdicts.list) {
    list.push_back(verdict.problem.empty() ? json(verdict.valid) : json(verdict.problem));
  }
  return list;
}

VerdictSource VerdictsFromJson(const json& event) {
  VerdictSource source{.recorded = true, .list = {}, .exhausted = false};
  if (const auto found = event.find("verdicts"); found != event.end() && found->is_array()) {
    for (const json& item : *found) {
      source.list.push_back(item.is_string() ? Verdict{false, item.get<std::string>()}
                                             : Verdict{item.is_boolean() && item.get<bool>(), ""});
    }
  }
  return source;
}

std::vector<SectorRecord> RecordsOf(const MinerState& miner, ChainEpoch epoch,
                                    const std::vector<GenesisSector>& sectors) {
  // Of a generation whose sectors have the window proof of the miner; far from their end.
  constexpr EpochDelta kLifetime(3'680'640);
  const std::int64_t size_index = ToNumber(miner.window_post_proof_type) % 5;
  std::vector<SectorRecord> records;
  records.reserve(sectors.size());
  for (const GenesisSector& sector : sectors) {
    records.push_back({.number = sector.number,
                       .comm_r = sector.comm_r,
                       .seal_proof = static_cast<filecoin::SealProofType>(5 + size_index),
                       .activation = epoch,
                       .expiration = epoch + kLifetime});
  }
  return records;
}

// Those with a stated place first, in the order of places; the rest by the actor's rule.
absl::Status PlaceSectors(const ActorPolicy& policy, MinerState& miner, ChainEpoch epoch,
                          const std::vector<GenesisSector>& sectors) {
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<GenesisSector>> in_partition;
  std::map<std::uint64_t, std::vector<GenesisSector>> in_deadline;
  std::vector<GenesisSector> anywhere;
  std::set<filecoin::SectorNumber> numbers;
  for (const GenesisSector& sector : sectors) {
    if (sector.number > filecoin::kSectorNumberMax || !numbers.insert(sector.number).second) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "miner f0%d: sector number %d is too large or there twice", miner.id, sector.number));
    }
    if (!sector.deadline.has_value()) {
      anywhere.push_back(sector);
    } else if (sector.partition.has_value()) {
      in_partition[{*sector.deadline, *sector.partition}].push_back(sector);
    } else {
      in_deadline[*sector.deadline].push_back(sector);
    }
  }
  for (const auto& [place, group] : in_partition) {
    DAMOCLES_RETURN_IF_ERROR(AddSectorsToPartition(policy, miner, place.first, place.second,
                                                   RecordsOf(miner, epoch, group)));
  }
  for (const auto& [deadline, group] : in_deadline) {
    DAMOCLES_RETURN_IF_ERROR(
        devnet::AddSectors(policy, miner, deadline, RecordsOf(miner, epoch, group)).status());
  }
  if (!anywhere.empty()) {
    DAMOCLES_RETURN_IF_ERROR(
        AssignSectors(policy, miner, epoch, RecordsOf(miner, epoch, anywhere)).status());
    miner.cron_active = true;
  }
  return absl::OkStatus();
}

// Windows that open before the chain counts them are as if they had been posted.
void ExcuseEarlyDeadlines(const ActorPolicy& policy, MinerState& miner, ChainEpoch epoch,
                          ChainEpoch first_open) {
  filecoin::DeadlineInfo deadline =
      filecoin::DeadlineAt(policy.period, miner.proving_period_start, epoch);
  for (; deadline.open < first_open; deadline = filecoin::Next(deadline)) {
    DeadlineRecord& record = miner.MutableDeadline(deadline.index);
    for (std::uint64_t i = 0; i < record.partitions.size(); ++i) record.posted.Set(i);
  }
}

}  // namespace

// ---------------------------------------------------------------- host of the actor

Bytes32 ChainHost::DrawRandomness(RandomnessSource source, filecoin::DomainTag tag,
                                  ChainEpoch epoch, ByteSpan entropy) {
  if (source == RandomnessSource::kBeacon) {
    return filecoin::Draw(core_.Beacon(epoch).data, tag, epoch, entropy);
  }
  const absl::StatusOr<NodePtr> node = core_.AtOrAfter(tip_, epoch);
  // Before a dry run's own block exists its ticket is unknown: no message can commit to it.
  if (!node.ok()) return {};
  return filecoin::Draw((*node)->Header().ticket->vrf_proof, tag, epoch, entropy);
}

absl::StatusOr<bool> ChainHost::VerifyPost(const PostStatement& statement, ByteSpan proof) {
  const Verdict verdict = core_.Judge(statement, proof, verdicts_from_);
  if (!verdict.problem.empty()) return absl::InvalidArgumentError(verdict.problem);
  return verdict.valid;
}

Verdict ChainCore::Judge(const PostStatement& statement, ByteSpan proof,
                         VerdictSource& verdicts_from) {
  if (verdicts_from.recorded) {
    if (verdicts_from.list.empty()) {
      verdicts_from.exhausted = true;
      return {};
    }
    Verdict verdict = std::move(verdicts_from.list.front());
    verdicts_from.list.pop_front();
    return verdict;
  }
  Bytes question;
  AppendBe64(question, static_cast<std::uint64_t>(ToNumber(statement.proof_type)));
  AppendBe64(question, statement.miner);
  Append(question, statement.randomness);
  for (const ProvenSector& sector : statement.sectors) {
    AppendBe64(question, sector.number);
    Append(question, sector.comm_r);
  }
  Append(question, proof);
  const Bytes32 digest = hash::Blake2b256Of(question);
  if (const auto found = verdicts.find(digest); found != verdicts.end()) {
    verdicts_from.list.push_back(found->second);
    return found->second;
  }
  const absl::StatusOr<bool> answer =
      options.verify ? options.verify(statement, proof)
                     : absl::FailedPreconditionError("this chain has no verifier");
  Verdict verdict;
  // Bytes that are no proof are a wrong proof, as to the network's actor.
  const bool judged = answer.ok() || absl::IsInvalidArgument(answer.status());
  if (answer.ok()) {
    verdict.valid = *answer;
  } else if (!judged) {
    verdict.problem = answer.status().message().empty() ? "no reason given"
                                                        : std::string(answer.status().message());
  }
  // A wrong proof stays wrong; a missing key may turn up.
  if (judged) {
    verdicts.emplace(digest, verdict);
    verdict_order.push_back(digest);
    if (verdict_order.size() > kVerdictsMax) {
      verdicts.erase(verdict_order.front());
      verdict_order.pop_front();
    }
  }
  verdicts_from.list.push_back(verdict);
  return verdict;
}

// ---------------------------------------------------------------- blocks

filecoin::BeaconEntry ChainCore::Beacon(ChainEpoch epoch) const {
  // One round an epoch; data as long as a drand signature.
  constexpr std::uint64_t kFirstRound = 1'000'000;
  const auto number = static_cast<std::uint64_t>(std::max<std::int64_t>(epoch.Value(), 0));
  return {.round = kFirstRound + number,
          .data = SeededBytes("damocles devnet beacon", config.seed, number, 0, kVrfBytes)};
}

filecoin::BlockHeader ChainCore::MakeHeader(const BlockPlan& plan, const Cid& messages_root) const {
  const auto height = static_cast<std::uint64_t>(plan.height.Value());
  filecoin::BlockHeader header;
  const World& world = plan.parent ? plan.parent->after : World{};
  header.miner = filecoin::Address::FromId(genesis.miners.empty() ? 1000 : genesis.miners[0].id);
  header.ticket = filecoin::Ticket{
      SeededBytes("damocles devnet ticket", config.seed, plan.branch, height, kVrfBytes)};
  header.election_proof = filecoin::ElectionProof{
      1, SeededBytes("damocles devnet election", config.seed, plan.branch, height, kVrfBytes)};
  ChainEpoch first = plan.height;
  if (plan.parent) {
    first = plan.parent->Height() + EpochDelta(1);
    header.parents = {plan.parent->cid};
    header.parent_weight = plan.parent->Header().parent_weight + 1000;
    header.parent_state_root = plan.parent->root_after;
    header.parent_message_receipts = plan.parent->receipts_root;
  } else {
    header.parent_state_root = CidOfList({});
    header.parent_message_receipts = CidOfReceipts({});
  }
  for (; first <= plan.height; ++first) header.beacon_entries.push_back(Beacon(first));
  header.height = plan.height;
  header.messages = messages_root;
  // Signatures of BLS messages would be added up here; there are none: the point at infinity.
  Bytes infinity(kVrfBytes, 0);
  infinity[0] = 0xc0;
  header.bls_aggregate = filecoin::Signature{filecoin::SignatureType::kBls, std::move(infinity)};
  header.timestamp = plan.timestamp;
  header.parent_base_fee = plan.base_fee;
  if (!genesis.miners.empty() && plan.parent) {
    const MinerState* miner = world.FindMiner(genesis.miners[0].id);
    const internal::Account* worker = world.FindAccount(miner->worker);
    header.block_sig = *wallet.Sign(worker->key, SigningBytes(header));
  }
  return header;
}

std::shared_ptr<Node> ChainCore::Build(const BlockPlan& plan, VerdictSource& verdicts_from) {
  auto node = std::make_shared<Node>();
  node->parent = plan.parent;
  node->messages = plan.messages;
  for (const SignedMessage& message : plan.messages) node->message_cids.push_back(CidOf(message));
  absl::StatusOr<filecoin::TipSet> tip_set =
      filecoin::TipSet::Make({MakeHeader(plan, CidOfList(node->message_cids))});
  DAMOCLES_CHECK(tip_set.ok());
  node->tip_set = *std::move(tip_set);
  node->cid = node->tip_set.Key().Cids().front();
  node->load = ForeignLoad(plan.height, plan.base_fee);
  for (const SignedMessage& message : plan.messages) {
    node->load.push_back(
        {EffectivePremium(plan.base_fee, message.message.gas_fee_cap, message.message.gas_premium),
         message.message.gas_limit});
  }
  node->next_base_fee = config.base_fee_follows
                            ? NextBaseFee(plan.base_fee, PercentilePremium(node->load))
                            : plan.base_fee;
  Execute(*node, verdicts_from);
  return node;
}

std::vector<PricedGas> ChainCore::ForeignLoad(ChainEpoch height,
                                              const filecoin::TokenAmount& at_base_fee) const {
  return LoadOf(traffic, (height - traffic_from).Count(), at_base_fee);
}

void ChainCore::Execute(Node& node, VerdictSource& verdicts_from) {
  const NodePtr borrowed(NodePtr(), &node);  // no owner: lives as long as this call
  ChainHost host(*this, borrowed, verdicts_from);
  const internal::Rules rules = GetRules();
  node.after = node.parent->after;
  const auto run_crons = [&](ChainEpoch epoch) {
    std::vector<internal::MinerCron> ended = internal::RunCrons(rules, epoch, node.after);
    std::move(ended.begin(), ended.end(), std::back_inserter(node.crons));
  };
  for (ChainEpoch e = node.parent->Height() + EpochDelta(1); e < node.Height(); ++e) run_crons(e);
  for (std::size_t i = 0; i < node.messages.size(); ++i) {
    const filecoin::Message& message = node.messages[i].message;
    internal::Executed executed = internal::ExecuteMessage(
        rules, message, node.Height(), node.Header().parent_base_fee, host, node.after);
    const MinerState* to = node.after.FindMiner(message.to);
    if (message.method == filecoin::kMethodSubmitWindowedPoSt && to != nullptr) {
      ExecutedPost post{.message = node.message_cids[i],
                        .miner = to->id,
                        .epoch = node.Height(),
                        .exit_code = executed.receipt.exit_code,
                        .error = executed.receipt.error,
                        .params = message.params,
                        .post = std::move(executed.post),
                        .randomness = {}};
      if (post.post.has_value()) {
        post.randomness = filecoin::MaskForProver(filecoin::Draw(
            Beacon(post.post->challenge).data, filecoin::DomainTag::kWindowedPoStChallengeSeed,
            post.post->challenge, filecoin::MinerEntropy(post.miner)));
      }
      node.posts.push_back(std::move(post));
    }
    node.receipts.push_back(std::move(executed.receipt));
  }
  run_crons(node.Height());
  node.receipts_root = CidOfReceipts(node.receipts);
  node.root_after = SameWorld(node.after, node.parent->after)
                        ? node.parent->root_after
                        : NextRoot(node.parent->root_after, node.cid);
}

void ChainCore::Adopt(std::shared_ptr<Node> node) {
  for (const SignedMessage& message : node->messages) {
    included[{message.message.from, message.message.nonce}].push_back(node);
  }
  nodes.emplace(node->cid, node);
  canonical.push_back(std::move(node));
}

// ---------------------------------------------------------------- genesis

absl::Status ChainCore::Start() {
  DAMOCLES_RETURN_IF_ERROR(Validate(config));
  mode = options.mode;
  base_fee = config.base_fee;
  traffic = config.traffic;
  traffic_from = ChainEpoch(0) + config.genesis_blocks + EpochDelta(1);
  std::sort(genesis.miners.begin(), genesis.miners.end(),
            [](const GenesisMiner& a, const GenesisMiner& b) { return a.id < b.id; });
  World world;
  world.accounts = std::make_shared<std::map<ActorId, internal::Account>>();
  auto accounts = std::make_shared<std::map<ActorId, internal::Account>>();
  std::set<ActorId> taken;
  if (genesis.miners.empty()) {
    return absl::InvalidArgumentError("no miner: a chain needs one with a sector at least");
  }
  for (const GenesisMiner& miner : genesis.miners) {
    if (miner.id > kMinerIdMax) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "miner f0%d: the largest number of an actor is %d", miner.id, kMinerIdMax));
    }
    if (!taken.insert(miner.id).second) {
      return absl::InvalidArgumentError(absl::StrFormat("miner f0%d is there twice", miner.id));
    }
    if (miner.control_addresses > kControlAddressesMax) {
      return absl::InvalidArgumentError(
          absl::StrFormat("miner f0%d: %d control addresses, at most %d", miner.id,
                          miner.control_addresses, kControlAddressesMax));
    }
  }
  ActorId next_id = 100;
  std::uint64_t keys = 0;
  const auto make_account = [&]() {
    while (taken.contains(next_id)) ++next_id;
    const ActorId id = next_id++;
    accounts->emplace(id, internal::Account{.id = id,
                                            .key = wallet.MakeKey(config.seed, keys++),
                                            .nonce = 0,
                                            .balance = filecoin::Fil(10'000)});
    return id;
  };
  const std::int64_t half_window = config.policy.period.challenge_window.Count() / 2;
  for (std::size_t i = 0; i < genesis.miners.size(); ++i) {
    const GenesisMiner& miner = genesis.miners[i];
    const std::int64_t type = ToNumber(miner.window_post_proof_type);
    if (type < 10 || type > 14) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "miner f0%d: proof type %d; window proofs of this network are 10 to 14", miner.id, type));
    }
    const filecoin::SectorSize size = filecoin::SectorSizeOf(miner.window_post_proof_type);
    const EpochDelta shift =
        miner.period_shift.value_or(EpochDelta(static_cast<std::int64_t>(i) * half_window) %
                                    config.policy.period.proving_period);
    MinerState identity;
    identity.id = miner.id;
    if (miner.addresses_of) {
      const MinerState* other =
          *miner.addresses_of < miner.id ? world.FindMiner(*miner.addresses_of) : nullptr;
      if (other == nullptr) {
        return absl::InvalidArgumentError(
            absl::StrFormat("miner f0%d: addresses_of f0%d: no miner of that number comes before",
                            miner.id, *miner.addresses_of));
      }
      identity.owner = other->owner;
      identity.worker = other->worker;
      identity.control = other->control;
    } else {
      identity.owner = make_account();
      identity.worker = make_account();
      for (std::uint64_t c = 0; c < miner.control_addresses; ++c) {
        identity.control.push_back(make_account());
      }
    }
    identity.window_post_proof_type = miner.window_post_proof_type;
    identity.sector_size = ToBytes(size);
    identity.partition_sectors =
        miner.partition_sectors.value_or(filecoin::WindowPartitionSectors(size));
    if (identity.partition_sectors == 0 || shift < EpochDelta(0)) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "miner f0%d: partition_sectors and period_shift must not be below 1 and 0", miner.id));
    }
    // The actor allows one partition of a proof for each of the chain's: with more sectors in one
    // than a proof's holds, nothing could be proven.
    if (const auto most = filecoin::WindowPartitionSectors(size);
        identity.partition_sectors > most) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "miner f0%d: partition_sectors %d: a proof of its sector size shows at most %d", miner.id,
          identity.partition_sectors, most));
    }
    identity.balance = filecoin::Fil(100'000);
    const ChainEpoch first_open = ChainEpoch(0) + config.first_open + shift;
    MinerState state = MakeMiner(
        config.policy, std::move(identity),
        filecoin::PeriodStartAt(config.policy.period, first_open, ChainEpoch(0)), ChainEpoch(0));
    state.cron_active = true;
    world.Put(std::move(state));
  }
  world.accounts = std::move(accounts);

  auto node = std::make_shared<Node>();
  absl::StatusOr<filecoin::TipSet> tip_set =
      filecoin::TipSet::Make({MakeHeader({.parent = nullptr,
                                          .height = ChainEpoch(0),
                                          .timestamp = config.genesis_timestamp,
                                          .messages = {},
                                          .branch = 0,
                                          .base_fee = config.base_fee},
                                         CidOfList({}))});
  DAMOCLES_CHECK(tip_set.ok());
  node->tip_set = *std::move(tip_set);
  node->cid = node->tip_set.Key().Cids().front();
  node->after = std::move(world);
  node->receipts_root = CidOfReceipts({});
  node->root_after = node->Header().parent_state_root;
  Adopt(std::move(node));

  // The sectors enter so that the state at the last of these blocks shows them.
  VerdictSource none;
  for (ChainEpoch height(1); height <= ChainEpoch(0) + config.genesis_blocks; ++height) {
    const std::shared_ptr<Node> parent = Head();
    if (height == ChainEpoch(0) + config.genesis_blocks) {
      for (std::size_t i = 0; i < genesis.miners.size(); ++i) {
        MinerState miner = *parent->after.FindMiner(genesis.miners[i].id);
        DAMOCLES_RETURN_IF_ERROR(
            PlaceSectors(config.policy, miner, height, genesis.miners[i].sectors));
        ExcuseEarlyDeadlines(config.policy, miner, height, ChainEpoch(0) + config.first_open);
        parent->after.Put(std::move(miner));
      }
      parent->root_after = NextRoot(parent->root_after, parent->cid);
    }
    // The base fee begins to move with the first block to come.
    std::shared_ptr<Node> block =
        Build({.parent = parent,
               .height = height,
               .timestamp = parent->Header().timestamp + config.block_delay_secs,
               .messages = {},
               .branch = 0,
               .base_fee = config.base_fee},
              none);
    block->next_base_fee = config.base_fee;
    Adopt(std::move(block));
  }
  return absl::OkStatus();
}

// ---------------------------------------------------------------- events

absl::Status ChainCore::Record(const json& event) {
  if (read_only) {
    return absl::FailedPreconditionError("this view of the chain is for reading only");
  }
  if (!journal) return absl::OkStatus();
  // Texts of a verifier may hold anything.
  return journal->Append(event.dump(-1, ' ', false, json::error_handler_t::replace));
}

absl::Status ChainCore::Rebuild(const std::vector<std::string>& records) {
  DAMOCLES_RETURN_IF_ERROR(Start());
  for (std::size_t i = 1; i < records.size(); ++i) {
    const json event = json::parse(records[i], nullptr, false);
    absl::Status status = event.is_object() ? Apply(event) : absl::DataLossError("not an object");
    if (!status.ok()) {
      return absl::DataLossError(
          absl::StrFormat("journal: record %d: %s", i, std::string(status.message())));
    }
  }
  mode = options.mode;
  return absl::OkStatus();
}

absl::Status ChainCore::Apply(const json& event) {
  const std::string what = event.value("event", "");
  if (what == "advance" || what == "reorg") {
    VerdictSource recorded = VerdictsFromJson(event);
    DAMOCLES_ASSIGN_OR_RETURN(mode, RecordedMode(event, options.mode));
    if (what == "advance") {
      AdvanceOptions advance{.null_rounds = event.value("null_rounds", std::uint64_t{0}),
                             .timestamp = std::nullopt};
      if (event.contains("timestamp")) {
        advance.timestamp = event.value("timestamp", std::uint64_t{0});
      }
      DAMOCLES_RETURN_IF_ERROR(Advance(advance, recorded));
    } else {
      DAMOCLES_RETURN_IF_ERROR(Reorg(event.value("depth", std::uint64_t{0}), recorded));
    }
    if (recorded.exhausted || !recorded.list.empty()) {
      return absl::DataLossError("another number of proofs was verified; made by another version?");
    }
    return absl::OkStatus();
  }
  if (what == "push") {
    DAMOCLES_ASSIGN_OR_RETURN(const Bytes bytes, FromBase64(event.value("message", "")));
    DAMOCLES_ASSIGN_OR_RETURN(const SignedMessage message,
                              filecoin::cbor::Decode<SignedMessage>(bytes));
    chain::Uuid uuid{};
    DAMOCLES_ASSIGN_OR_RETURN(const Bytes uuid_bytes, FromHex(event.value("uuid", "")));
    if (uuid_bytes.size() == uuid.size()) {
      std::copy(uuid_bytes.begin(), uuid_bytes.end(), uuid.begin());
    }
    Push(message, uuid);
    return absl::OkStatus();
  }
  if (what == "drop") {
    DAMOCLES_ASSIGN_OR_RETURN(const Cid cid, Cid::Parse(event.value("message", "")));
    for (auto& [sender, queue] : pool) {
      std::erase_if(queue, [&](const auto& entry) { return entry.second.cid == cid; });
    }
    return absl::OkStatus();
  }
  if (what == "drop_next") {
    drop_next += event.value("count", std::uint64_t{0});
    return absl::OkStatus();
  }
  if (what == "base_fee") {
    DAMOCLES_ASSIGN_OR_RETURN(base_fee, filecoin::TokenAmount::Parse(event.value("value", "")));
    base_fee_by_hand = true;
    return Chain::CheckBaseFee(base_fee);
  }
  if (what == "traffic") {
    DAMOCLES_ASSIGN_OR_RETURN(traffic, TrafficByName(event.value("script", "")));
    traffic_from = Head()->Height() + EpochDelta(1);
    return absl::OkStatus();
  }
  AdminChange change;
  change.miner = event.value("miner", ActorId{0});
  if (what == "funds") {
    change.kind = AdminChange::Kind::kFunds;
    DAMOCLES_ASSIGN_OR_RETURN(change.balance,
                              filecoin::TokenAmount::Parse(event.value("balance", "")));
    DAMOCLES_ASSIGN_OR_RETURN(change.fee_debt,
                              filecoin::TokenAmount::Parse(event.value("fee_debt", "")));
  } else if (what == "consensus_fault") {
    change.kind = AdminChange::Kind::kConsensusFault;
    change.elapsed = ChainEpoch(event.value("elapsed", std::int64_t{-1}));
  } else if (what == "add_sectors" && event.contains("sectors")) {
    change.kind = AdminChange::Kind::kAddSectors;
    DAMOCLES_ASSIGN_OR_RETURN(change.sectors, internal::SectorsFromJson(event["sectors"]));
  } else {
    return absl::DataLossError(absl::StrFormat("unknown event \"%s\"", what));
  }
  return DoAdmin(change);
}

std::uint64_t ChainCore::NullRoundsBefore(ChainEpoch height) const {
  std::uint64_t count = 0;
  while (config.null_rounds_percent > 0 && count < kSeededNullRoundsMax) {
    const Bytes draw = SeededBytes("damocles devnet null", config.seed,
                                   static_cast<std::uint64_t>(height.Value()) + count, 0, 8);
    if (LoadBe64(draw.data()) % 100 >= config.null_rounds_percent) break;
    ++count;
  }
  return count;
}

absl::Status ChainCore::Advance(const AdvanceOptions& advance, VerdictSource& verdicts_from) {
  if (advance.null_rounds > kNullRoundsMax) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d null rounds, at most %d", advance.null_rounds, kNullRoundsMax));
  }
  const std::shared_ptr<Node> parent = Head();
  ChainEpoch height =
      parent->Height() + EpochDelta(1) + EpochDelta(static_cast<std::int64_t>(advance.null_rounds));
  height += EpochDelta(static_cast<std::int64_t>(NullRoundsBefore(height)));
  const auto rounds = static_cast<std::uint64_t>((height - parent->Height()).Count());
  std::shared_ptr<Node> node =
      Build({.parent = parent,
             .height = height,
             .timestamp = std::max(advance.timestamp.value_or(parent->Header().timestamp +
                                                              rounds * config.block_delay_secs),
                                   parent->Header().timestamp + 1),
             .messages = SelectMessages(height),
             .branch = branch,
             .base_fee = base_fee},
            verdicts_from);
  node->base_fee_by_hand = base_fee_by_hand;
  if (!verdicts_from.recorded) {
    json event = {
        {"event", "advance"}, {"verify", NameOf(mode)}, {"verdicts", ToJson(verdicts_from)}};
    if (advance.null_rounds > 0) event["null_rounds"] = advance.null_rounds;
    if (advance.timestamp.has_value()) event["timestamp"] = *advance.timestamp;
    DAMOCLES_RETURN_IF_ERROR(Record(event));
  }
  const filecoin::TipSet tip_set = node->tip_set;
  base_fee = node->next_base_fee;
  base_fee_by_hand = false;
  Adopt(std::move(node));
  PrunePool();
  observers.Tell({{HeadChangeKind::kApply, tip_set}});
  return absl::OkStatus();
}

absl::Status ChainCore::CheckReorg(std::uint64_t depth) const {
  const auto permanent = static_cast<std::uint64_t>(config.genesis_blocks.Count()) + 1;
  if (depth > 0 && depth <= canonical.size() - permanent) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrFormat("reorg of %d tipsets: must be 1 to %d, the blocks of the genesis stay", depth,
                      canonical.size() - permanent));
}

absl::Status ChainCore::Reorg(std::uint64_t depth, VerdictSource& verdicts_from) {
  DAMOCLES_RETURN_IF_ERROR(CheckReorg(depth));
  const std::size_t keep = canonical.size() - depth;
  std::vector<HeadChange> reverts;
  std::vector<HeadChange> applies;
  std::vector<std::shared_ptr<Node>> replacement;
  NodePtr parent = canonical[keep - 1];
  for (std::size_t i = keep; i < canonical.size(); ++i) {
    std::shared_ptr<Node> node =
        Build({.parent = parent,
               .height = canonical[i]->Height(),
               .timestamp = canonical[i]->Header().timestamp,
               .messages = {},
               .branch = branch + 1,
               .base_fee = canonical[i]->base_fee_by_hand ? canonical[i]->Header().parent_base_fee
                                                          : parent->next_base_fee},
              verdicts_from);
    // What was changed by hand is no part of a branch: it holds on the new one too.
    node->base_fee_by_hand = canonical[i]->base_fee_by_hand;
    for (const AdminChange& change : canonical[i]->admin) {
      DAMOCLES_RETURN_IF_ERROR(ApplyAdmin(*this, change, *node));
    }
    applies.push_back({HeadChangeKind::kApply, node->tip_set});
    parent = node;
    replacement.push_back(std::move(node));
  }
  if (!verdicts_from.recorded) {
    DAMOCLES_RETURN_IF_ERROR(Record({{"event", "reorg"},
                                     {"depth", depth},
                                     {"verify", NameOf(mode)},
                                     {"verdicts", ToJson(verdicts_from)}}));
  }
  ++branch;
  if (!base_fee_by_hand) base_fee = parent->next_base_fee;
  std::vector<SignedMessage> homeless;
  while (canonical.size() > keep) {
    reverts.push_back({HeadChangeKind::kRevert, canonical.back()->tip_set});
    homeless.insert(homeless.end(), canonical.back()->messages.begin(),
                    canonical.back()->messages.end());
    canonical.pop_back();
  }
  for (std::shared_ptr<Node>& node : replacement) Adopt(std::move(node));
  for (const SignedMessage& message : homeless) AddToPool(message);
  PrunePool();
  reverts.insert(reverts.end(), applies.begin(), applies.end());
  observers.Tell(reverts);
  return absl::OkStatus();
}

absl::Status ChainCore::ApplyAdmin(const ChainCore& core, const AdminChange& change, Node& node) {
  const MinerState* found = node.after.FindMiner(change.miner);
  if (found == nullptr) {
    return absl::NotFoundError(absl::StrFormat("no miner f0%d on this chain", change.miner));
  }
  MinerState miner = *found;
  switch (change.kind) {
    case AdminChange::Kind::kFunds:
      miner.balance = change.balance;
      miner.fee_debt = change.fee_debt;
      break;
    case AdminChange::Kind::kConsensusFault:
      miner.consensus_fault_elapsed = change.elapsed;
      break;
    case AdminChange::Kind::kAddSectors:
      DAMOCLES_RETURN_IF_ERROR(
          PlaceSectors(core.config.policy, miner, node.Height() + EpochDelta(1), change.sectors));
      break;
  }
  node.after.Put(std::move(miner));
  node.root_after = NextRoot(node.root_after, node.cid);
  node.admin.push_back(change);
  return absl::OkStatus();
}

absl::Status ChainCore::DoAdmin(const AdminChange& change) {
  return ApplyAdmin(*this, change, *Head());
}

// ---------------------------------------------------------------- pool

// The dearest first, a sender's in the order of its nonces; foreign traffic takes its gas before
// those that pay less.
std::vector<SignedMessage> ChainCore::SelectMessages(ChainEpoch height) const {
  struct Lane {
    const std::map<std::uint64_t, PoolEntry>* queue = nullptr;
    std::uint64_t nonce = 0;
    filecoin::TokenAmount funds;
  };
  std::vector<Lane> lanes;
  for (const auto& [sender, queue] : pool) {
    const internal::Account* account = Head()->after.FindAccount(sender);
    if (account != nullptr) lanes.push_back({&queue, account->nonce, account->balance});
  }
  // The next message of a lane, if a block may hold it.
  const auto next = [&](const Lane& lane) -> const SignedMessage* {
    const auto found = lane.queue->find(lane.nonce);
    if (found == lane.queue->end()) return nullptr;
    const filecoin::Message& message = found->second.message.message;
    const EpochDelta waited = height - found->second.arrived;
    if (message.gas_fee_cap < base_fee || lane.funds < message.gas_fee_cap * message.gas_limit ||
        waited.Count() <= static_cast<std::int64_t>(config.inclusion_delay)) {
      return nullptr;
    }
    return &found->second.message;
  };
  const auto premium = [&](const SignedMessage& message) {
    return EffectivePremium(base_fee, message.message.gas_fee_cap, message.message.gas_premium);
  };
  std::vector<PricedGas> foreign = ForeignLoad(height, base_fee);
  std::vector<SignedMessage> selected;
  std::int64_t gas = 0;
  while (selected.size() < kBlockMessagesMax) {
    Lane* best = nullptr;
    const SignedMessage* message = nullptr;
    for (Lane& lane : lanes) {
      const SignedMessage* candidate = next(lane);
      if (candidate == nullptr) continue;
      if (message == nullptr || premium(*candidate) > premium(*message)) {
        best = &lane;
        message = candidate;
      }
    }
    if (message == nullptr) break;
    for (PricedGas& lot : foreign) {
      if (lot.premium < premium(*message)) continue;
      gas += lot.gas_limit;
      lot.gas_limit = 0;
    }
    if (gas + message->message.gas_limit > internal::kBlockGasLimit) {
      best->queue = nullptr;
      std::erase_if(lanes, [](const Lane& lane) { return lane.queue == nullptr; });
      continue;
    }
    gas += message->message.gas_limit;
    best->funds -= message->message.gas_fee_cap * message->message.gas_limit;
    ++best->nonce;
    selected.push_back(*message);
  }
  return selected;
}

void ChainCore::AddToPool(const SignedMessage& message) {
  pool[message.message.from].insert_or_assign(message.message.nonce,
                                              PoolEntry{message, CidOf(message), Head()->Height()});
}

void ChainCore::PrunePool() {
  for (auto it = pool.begin(); it != pool.end();) {
    const internal::Account* account = Head()->after.FindAccount(it->first);
    const std::uint64_t nonce =
        account == nullptr ? std::numeric_limits<std::uint64_t>::max() : account->nonce;
    it->second.erase(it->second.begin(), it->second.lower_bound(nonce));
    it = it->second.empty() ? pool.erase(it) : std::next(it);
  }
}

void ChainCore::Push(const SignedMessage& message, const chain::Uuid& uuid) {
  known.emplace(CidOf(message), message);
  if (uuid != chain::Uuid{}) by_uuid.emplace(uuid, message);
  if (drop_next > 0) {
    --drop_next;
    return;
  }
  AddToPool(message);
}

}  // namespace damocles::devnet
