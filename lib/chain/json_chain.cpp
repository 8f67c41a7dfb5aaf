// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "absl/strings/str_format.h"
#include "lib/chain/json_shapes.h"

namespace damocles::chain::internal {
namespace {

constexpr std::pair<HeadChangeKind, const char*> kHeadChangeKinds[] = {
    {HeadChangeKind::kCurrent, "current"},
    {HeadChangeKind::kApply, "apply"},
    {HeadChangeKind::kRevert, "revert"},
};

}  // namespace

Json Codec<filecoin::TipSet>::Write(const filecoin::TipSet& value) {
  if (value.Empty()) return nullptr;
  ShapeWriter writer;
  writer("Cids", value.Key());
  writer("Blocks", value.Blocks());
  writer("Height", value.Height());
  return writer.Take();
}
absl::Status Codec<filecoin::TipSet>::Read(const Json& json, filecoin::TipSet& out) {
  if (!json.is_object()) return WrongKind(json, "a tipset");
  std::vector<filecoin::BlockHeader> blocks;
  ShapeReader reader(json);
  // CIDs and height follow from the blocks; what the text says of them is not believed.
  reader("Blocks", blocks);
  DAMOCLES_RETURN_IF_ERROR(reader.status());
  for (const filecoin::BlockHeader& block : blocks) {
    if (block.miner.IsUndefined() || block.parent_state_root.IsUndefined() ||
        block.parent_message_receipts.IsUndefined() || block.messages.IsUndefined()) {
      return absl::InvalidArgumentError("a block without miner, state, receipts or messages");
    }
    for (const filecoin::Cid& parent : block.parents) {
      if (parent.IsUndefined()) return absl::InvalidArgumentError("a block with a null parent");
    }
  }
  DAMOCLES_ASSIGN_OR_RETURN(out, filecoin::TipSet::Make(std::move(blocks)));
  return absl::OkStatus();
}

Json Codec<HeadChangeKind>::Write(const HeadChangeKind& value) {
  for (const auto& [kind, name] : kHeadChangeKinds) {
    if (kind == value) return name;
  }
  return nullptr;
}
absl::Status Codec<HeadChangeKind>::Read(const Json& json, HeadChangeKind& out) {
  for (const auto& [kind, name] : kHeadChangeKinds) {
    if (json.is_string() && *json.get_ptr<const std::string*>() == name) {
      out = kind;
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError("a head change is \"current\", \"apply\" or \"revert\"");
}

Json Codec<ForkHeights>::Write(const ForkHeights& value) {
  Json out = Json::object();
  for (const auto& [name, epoch] : value) out[name] = epoch;
  return out;
}
absl::Status Codec<ForkHeights>::Read(const Json& json, ForkHeights& out) {
  out.clear();
  if (json.is_null()) return absl::OkStatus();
  if (!json.is_object()) return WrongKind(json, "an object");
  for (auto member = json.begin(); member != json.end(); ++member) {
    std::int64_t epoch = 0;
    DAMOCLES_RETURN_IF_ERROR(Annotate(Codec<std::int64_t>::Read(*member, epoch), member.key()));
    out.emplace_back(member.key(), epoch);
  }
  return absl::OkStatus();
}

}  // namespace damocles::chain::internal

namespace damocles::chain {

DAMOCLES_JSON_TYPE(NodeVersion)
DAMOCLES_JSON_TYPE(NetworkParams)
DAMOCLES_JSON_TYPE(SyncStatus)
DAMOCLES_JSON_TYPE(Actor)
DAMOCLES_JSON_TYPE(filecoin::BlockHeader)
DAMOCLES_JSON_TYPE(filecoin::BlockMsg)
DAMOCLES_JSON_TYPE(filecoin::BeaconEntry)
DAMOCLES_JSON_TYPE(filecoin::PoStProof)
DAMOCLES_JSON_TYPE(filecoin::TipSet)
DAMOCLES_JSON_TYPE(HeadChange)
DAMOCLES_JSON_TYPE(std::vector<HeadChange>)
DAMOCLES_JSON_TYPE(BlockMessages)
DAMOCLES_JSON_TYPE(BlockTemplate)
DAMOCLES_JSON_TYPE(ExtendedSectorInfo)
DAMOCLES_JSON_TYPE(MiningBaseInfo)
DAMOCLES_JSON_TYPE(std::optional<MiningBaseInfo>)

}  // namespace damocles::chain
