// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/storage/genesis_file.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"

namespace damocles::storage {
namespace {

using testing_support::StatusIs;
using testing_support::TempDir;

GenesisSector Sector(std::uint64_t miner, std::uint64_t number) {
  GenesisSector sector;
  sector.miner = miner;
  sector.number = number;
  sector.comm_r[0] = static_cast<std::uint8_t>(number + 1);
  sector.proof_type = 10;
  return sector;
}

TEST(GenesisFileTest, TextReadsBackInTheSameOrder) {
  std::vector<GenesisSector> sectors = {Sector(1001, 5), Sector(1000, 9), Sector(1000, 2)};
  sectors[1].deadline = 3;
  sectors[2].deadline = 4;
  sectors[2].partition = 1;
  ASSERT_OK_AND_ASSIGN(const std::vector<GenesisSector> read, ParseGenesis(FormatGenesis(sectors)));
  EXPECT_EQ(read, sectors);
  ASSERT_OK_AND_ASSIGN(const std::vector<GenesisSector> none, ParseGenesis(FormatGenesis({})));
  EXPECT_TRUE(none.empty());
}

// The text of docs/formats/genesis.md.
TEST(GenesisFileTest, ReadsTheDocumentedForm) {
  constexpr char kText[] = R"({
    "version": 1,
    "sectors": [
      {"miner": 1000, "number": 7, "proof_type": 10,
       "comm_r": "c7af4ea25360b299e9602390e41f7dc56af668424660bb50ebd57c637c550431"},
      {"miner": 1000, "number": 11, "proof_type": 10, "deadline": 3, "partition": 0,
       "comm_r": "24e0da5db5652a693131fcaa9aef8f190ce9edb93bdc24d2ef6d93f96154a731"}
    ]})";
  ASSERT_OK_AND_ASSIGN(const std::vector<GenesisSector> sectors, ParseGenesis(kText));
  ASSERT_EQ(sectors.size(), 2u);
  EXPECT_EQ(sectors[0].miner, 1000u);
  EXPECT_EQ(sectors[0].number, 7u);
  EXPECT_EQ(sectors[0].comm_r[0], 0xc7);
  EXPECT_EQ(sectors[0].deadline, std::nullopt);
  EXPECT_EQ(sectors[1].deadline, 3u);
  EXPECT_EQ(sectors[1].partition, 0u);
}

TEST(GenesisFileTest, RefusesWhatItDoesNotKnow) {
  const std::string good = FormatGenesis(std::vector<GenesisSector>{Sector(1000, 1)});
  const auto with = [&good](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  const auto refused = [](const std::string& text, const char* why) {
    EXPECT_THAT(ParseGenesis(text), StatusIs(absl::StatusCode::kInvalidArgument, why)) << text;
  };
  refused("", "not a JSON object");
  refused("[]", "not a JSON object");
  refused(good.substr(0, good.size() / 2), "not a JSON object");
  refused(with("\"version\": 1", "\"version\": 2"), "version");
  refused(with("\"version\": 1,", ""), "version");
  refused(with("\"sectors\"", "\"sector\""), "sector");
  refused(with("\"number\":1", "\"number\":-1"), "number");
  refused(with("\"number\":1", "\"number\":1.5"), "number");
  refused(with("\"number\":1,", ""), "no 'number'");
  refused(with("\"number\":1", "\"number\":1,\"faulty\":true"), "faulty");
  refused(with("\"comm_r\":\"02", "\"comm_r\":\""), "comm_r");
  refused(with("\"proof_type\":10", "\"proof_type\":5"), "proof_type");
  refused(with("\"proof_type\":10", "\"proof_type\":10,\"partition\":0"), "no deadline");
  refused(FormatGenesis(std::vector<GenesisSector>{Sector(1000, 1), Sector(1000, 1)}), "twice");
  GenesisSector other = Sector(1000, 2);
  other.proof_type = 11;
  refused(FormatGenesis(std::vector<GenesisSector>{Sector(1000, 1), other}), "proof types");
}

TEST(GenesisFileTest, AppendAddsOnceAndNeverChanges) {
  TempDir folder;
  const std::string path = folder / "genesis.json";
  EXPECT_THAT(ReadGenesisFile(path), StatusIs(absl::StatusCode::kNotFound, "genesis.json"));
  EXPECT_OK(AppendToGenesisFile(path, std::vector<GenesisSector>{Sector(1000, 1)}));
  EXPECT_OK(
      AppendToGenesisFile(path, std::vector<GenesisSector>{Sector(1000, 1), Sector(1001, 1)}));
  const std::vector<GenesisSector> want = {Sector(1000, 1), Sector(1001, 1)};
  ASSERT_OK_AND_ASSIGN(std::vector<GenesisSector> read, ReadGenesisFile(path));
  EXPECT_EQ(read, want);

  GenesisSector changed = Sector(1000, 1);
  changed.comm_r[5] = 1;
  EXPECT_THAT(AppendToGenesisFile(path, std::vector<GenesisSector>{Sector(1000, 8), changed}),
              StatusIs(absl::StatusCode::kAlreadyExists, "f01000/1"));
  ASSERT_OK_AND_ASSIGN(read, ReadGenesisFile(path));
  EXPECT_EQ(read, want);

  ASSERT_OK(WriteFileAtomically(path, "spoiled"));
  EXPECT_THAT(AppendToGenesisFile(path, want),
              StatusIs(absl::StatusCode::kInvalidArgument, "genesis.json"));
}

TEST(GenesisFileTest, WritersDoNotLoseEachOthersSectors) {
  TempDir folder;
  const std::string path = folder / "genesis.json";
  std::vector<std::thread> writers;
  for (std::uint64_t writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&path, writer] {
      for (std::uint64_t i = 0; i < 5; ++i) {
        EXPECT_OK(
            AppendToGenesisFile(path, std::vector<GenesisSector>{Sector(1000, writer * 5 + i)}));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  ASSERT_OK_AND_ASSIGN(const std::vector<GenesisSector> read, ReadGenesisFile(path));
  EXPECT_EQ(read.size(), 20u);
}

}  // namespace
}  // namespace damocles::storage
