// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/sector/index.h"

#include <set>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/bytes.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/filecoin/number_limits.h"
#include "damocles/store/fields.h"
#include "damocles/store/row.h"

namespace damocles::sector {
namespace {

using storage::Variant;

// Rows, see docs/formats/store.md.
constexpr std::uint32_t kFormat = 2;  // 1: rows without frames
constexpr std::uint8_t kRowFormat = 1;
constexpr store::RowKind kRowKind{"sector", kRowFormat};
constexpr std::size_t kNameBytesMax = std::size_t{1} << 30;
constexpr std::size_t kPrefixBytes = 9;  // of "sector/s/"

std::string_view Prefix(Variant variant) {
  return variant == Variant::kSealed ? "sector/s/" : "sector/u/";
}

std::string MinerPrefix(Variant variant, filecoin::ActorId miner) {
  Bytes key;
  Append(key, AsBytes(Prefix(variant)));
  AppendBe64(key, miner);
  return std::string(AsText(key));
}

std::string Key(filecoin::SectorId sector, Variant variant) {
  Bytes number;
  AppendBe64(number, sector.number);
  return MinerPrefix(variant, sector.miner) + std::string(AsText(number));
}

template <typename Io, typename T>
void LocationFields(Io& io, T& location) {
  for (auto* name : {&location.sealed_store, &location.cache_store}) {
    io.Text(*name, kNameBytesMax);
    io.Want(!name->empty(), "a store without a name");
  }
}

std::string Encode(std::string_view key, const Location& location) {
  store::FieldWriter out(kRowFormat);
  LocationFields(out, location);
  return store::FrameRow(kRowKind, key, AsText(std::move(out).Take()));
}

absl::StatusOr<Location> Decode(filecoin::SectorId sector, std::string_view key,
                                std::string_view row) {
  const auto decode = [&]() -> absl::StatusOr<Location> {
    DAMOCLES_ASSIGN_OR_RETURN(const std::string_view body, store::OpenRow(kRowKind, key, row));
    store::FieldReader in(kRowFormat, AsBytes(body));
    Location location;
    LocationFields(in, location);
    DAMOCLES_RETURN_IF_ERROR(in.Finish());
    return location;
  };
  absl::StatusOr<Location> location = decode();
  if (location.ok()) return location;
  return Annotate(location.status(),
                  absl::StrFormat("sector index: the row of %s", storage::SectorFileName(sector)));
}

// A damaged row is none: its sector is looked for in all stores and learnt anew, and what attaches
// the store again puts it right.  One row must not keep a whole partition from being proven.
void LogDamaged(const absl::Status& why) {
  LogError("sector", "index_row_damaged",
           {{"error", why},
            {"now", "taken as not there: looked for in all stores"},
            {"do", "attach the store of the sector again (util storage attach)"}});
}

}  // namespace

absl::StatusOr<std::vector<std::optional<Location>>> Locator::FindMany(
    const std::vector<filecoin::SectorId>& sectors, Variant variant) const {
  std::vector<std::optional<Location>> found;
  found.reserve(sectors.size());
  for (const filecoin::SectorId& sector : sectors) {
    DAMOCLES_ASSIGN_OR_RETURN(auto location, Find(sector, variant));
    found.push_back(std::move(location));
  }
  return found;
}

absl::StatusOr<std::unique_ptr<Index>> Index::Open(store::Store& store) {
  DAMOCLES_ASSIGN_OR_RETURN(auto rows, store::Rows::Open(store, "sector", kFormat));
  return std::unique_ptr<Index>(new Index(store, std::move(rows)));
}

absl::StatusOr<std::optional<Location>> Index::Find(filecoin::SectorId sector,
                                                    Variant variant) const {
  const std::string key = Key(sector, variant);
  DAMOCLES_ASSIGN_OR_RETURN(const auto row, store_.Get(key));
  if (!row.has_value()) return std::optional<Location>();
  absl::StatusOr<Location> location = Decode(sector, key, *row);
  if (location.ok()) return std::optional<Location>(*std::move(location));
  if (!absl::IsDataLoss(location.status())) return location.status();
  LogDamaged(location.status());
  return std::optional<Location>();
}

absl::StatusOr<SectorEntry> Index::FindAll(filecoin::SectorId sector) const {
  SectorEntry entry;
  DAMOCLES_ASSIGN_OR_RETURN(entry.sealed, Find(sector, Variant::kSealed));
  DAMOCLES_ASSIGN_OR_RETURN(entry.upgraded, Find(sector, Variant::kUpgraded));
  return entry;
}

absl::Status Index::Put(const std::vector<IndexRow>& rows) {
  store::Batch batch;
  for (const IndexRow& row : rows) {
    if (!filecoin::IsSectorId(row.sector)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("sector index: %s: no miner or sector has such a number",
                          storage::SectorFileName(row.sector)));
    }
    if (row.location.sealed_store.empty() || row.location.cache_store.empty()) {
      return absl::InvalidArgumentError(absl::StrFormat("sector index: %s without a store name",
                                                        storage::SectorFileName(row.sector)));
    }
    const std::string key = Key(row.sector, row.variant);
    batch.Put(key, Encode(key, row.location));
  }
  return rows_->Write(batch);
}

absl::Status Index::Remove(filecoin::SectorId sector, Variant variant) {
  store::Batch batch;
  batch.Delete(Key(sector, variant));
  return rows_->Write(batch);
}

absl::Status Index::ScanRows(std::optional<filecoin::ActorId> miner,
                             const std::function<void(IndexRow)>& visit) const {
  for (const Variant variant : {Variant::kSealed, Variant::kUpgraded}) {
    const std::string prefix =
        miner.has_value() ? MinerPrefix(variant, *miner) : std::string(Prefix(variant));
    DAMOCLES_RETURN_IF_ERROR(
        store_.Scan(prefix, [&](std::string_view key, std::string_view value) -> absl::Status {
          if (key.size() != kPrefixBytes + 16) {
            LogDamaged(absl::DataLossError("a key of a wrong length"));
            return absl::OkStatus();
          }
          const auto* numbers = AsBytes(key).data() + kPrefixBytes;
          const filecoin::SectorId sector{.miner = LoadBe64(numbers),
                                          .number = LoadBe64(numbers + 8)};
          if (!filecoin::IsSectorId(sector)) {
            LogDamaged(absl::DataLossError(
                absl::StrFormat("the key of %s: no miner or sector has such a number",
                                storage::SectorFileName(sector))));
            return absl::OkStatus();
          }
          absl::StatusOr<Location> location = Decode(sector, key, value);
          if (!location.ok()) {
            if (!absl::IsDataLoss(location.status())) return location.status();
            LogDamaged(location.status());
            return absl::OkStatus();
          }
          visit({.sector = sector, .variant = variant, .location = *std::move(location)});
          return absl::OkStatus();
        }));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<IndexRow>> Index::List(std::optional<filecoin::ActorId> miner) const {
  std::vector<IndexRow> rows;
  DAMOCLES_RETURN_IF_ERROR(
      ScanRows(miner, [&rows](IndexRow row) { rows.push_back(std::move(row)); }));
  return rows;
}

absl::StatusOr<std::map<std::string, std::uint64_t>> Index::CountByStore() const {
  std::map<std::string, std::uint64_t> counts;
  DAMOCLES_RETURN_IF_ERROR(ScanRows(
      std::nullopt, [&counts](const IndexRow& row) { ++counts[row.location.sealed_store]; }));
  return counts;
}

absl::StatusOr<std::map<std::string, std::uint64_t>> Index::CountSectorsIn() const {
  std::map<std::string, std::set<filecoin::SectorId>> sectors;
  DAMOCLES_RETURN_IF_ERROR(ScanRows(std::nullopt, [&sectors](const IndexRow& row) {
    sectors[row.location.sealed_store].insert(row.sector);
    sectors[row.location.cache_store].insert(row.sector);
  }));
  std::map<std::string, std::uint64_t> counts;
  for (const auto& [name, in_it] : sectors) counts[name] = in_it.size();
  return counts;
}

}  // namespace damocles::sector
