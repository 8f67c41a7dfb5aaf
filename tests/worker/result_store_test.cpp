// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/worker/result_store.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/store/row.h"

namespace damocles::worker {
namespace {

using testing_support::StatusIs;
using testing_support::TempDir;

StoredResult MakeResult(const std::string& manager, std::uint64_t number) {
  return {.manager = manager,
          .attempt = {.job = job::JobId::FromNumber(number), .attempt = 10 + number},
          .close_time = absl::FromUnixMillis(1'800'000'000'123),
          .proof = Bytes(192, static_cast<std::uint8_t>(number))};
}

void ExpectSame(const StoredResult& a, const StoredResult& b) {
  EXPECT_EQ(a.manager, b.manager);
  EXPECT_EQ(a.attempt, b.attempt);
  EXPECT_EQ(a.close_time, b.close_time);
  EXPECT_EQ(a.proof, b.proof);
}

std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<StoredResult> Decode(const StoredResult& result, std::string_view content) {
  return DecodeResult(ResultFileName(result.manager, result.attempt), content);
}

TEST(ResultFileTest, RoundTrip) {
  const StoredResult result = MakeResult("manager.example:1789", 7);
  ASSERT_OK_AND_ASSIGN(const StoredResult back, Decode(result, EncodeResult(result)));
  ExpectSame(result, back);
}

TEST(ResultFileTest, LargestAttemptAndEmptyProof) {
  StoredResult result = MakeResult("", 1);
  result.attempt.attempt = ~std::uint64_t{0};
  result.proof.clear();
  ASSERT_OK_AND_ASSIGN(const StoredResult back, Decode(result, EncodeResult(result)));
  ExpectSame(result, back);
}

TEST(ResultFileTest, EveryTruncationIsRefused) {
  const StoredResult result = MakeResult("m", 3);
  const std::string content = EncodeResult(result);
  for (std::size_t length = 0; length < content.size(); ++length) {
    EXPECT_THAT(Decode(result, content.substr(0, length)),
                StatusIs(absl::StatusCode::kDataLoss, ""))
        << length;
  }
  EXPECT_THAT(Decode(result, content + '\0'), StatusIs(absl::StatusCode::kDataLoss, ""));
}

TEST(ResultFileTest, EveryBitFlipIsRefused) {
  const StoredResult result = MakeResult("m", 3);
  const std::string content = EncodeResult(result);
  for (std::size_t bit = 0; bit < content.size() * 8; ++bit) {
    std::string damaged = content;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_THAT(Decode(result, damaged), StatusIs(absl::StatusCode::kDataLoss, "")) << bit;
  }
}

TEST(ResultFileTest, AnImpossibleJobIdIsDataLossThoughTheChecksumHolds) {
  StoredResult result = MakeResult("m", 3);
  result.attempt.job = job::JobId();
  EXPECT_THAT(Decode(result, EncodeResult(result)), StatusIs(absl::StatusCode::kDataLoss, ""));
}

TEST(ResultFileTest, UnderAnotherNameItIsNotBelieved) {
  const StoredResult result = MakeResult("m", 3);
  EXPECT_THAT(Decode(MakeResult("m", 4), EncodeResult(result)),
              StatusIs(absl::StatusCode::kDataLoss, "under this key"));
}

TEST(ResultStoreTest, AFileOfANewerProgramIsLeftForIt) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(ResultStore store, ResultStore::Open(dir.Path()));
  const StoredResult result = MakeResult("m", 1);
  const std::string name = ResultFileName("m", result.attempt);
  ASSERT_OK(WriteFileAtomically(dir / name, store::FrameRow({"result", 3}, name, "\x03new")));
  ASSERT_OK(store.Save(MakeResult("m", 2)));
  ASSERT_OK_AND_ASSIGN(const auto listed, store.List("m"));
  EXPECT_EQ(listed.results.size(), 1U);
  EXPECT_EQ(listed.unread, 1U);
  EXPECT_TRUE(PathExists(dir / name));
}

TEST(ResultStoreTest, ListsByManager) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(ResultStore store, ResultStore::Open(dir / "deep/results"));
  ASSERT_OK(store.Save(MakeResult("one:1789", 1)));
  ASSERT_OK(store.Save(MakeResult("one:1789", 2)));
  ASSERT_OK(store.Save(MakeResult("two:1789", 3)));
  ASSERT_OK_AND_ASSIGN(ResultStore::Listing all, store.List("one:1789"));
  std::vector<StoredResult> one = std::move(all.results);
  ASSERT_EQ(one.size(), 2U);
  std::sort(one.begin(), one.end(), [](const StoredResult& a, const StoredResult& b) {
    return a.attempt.attempt < b.attempt.attempt;
  });
  ExpectSame(one[0], MakeResult("one:1789", 1));
  ExpectSame(one[1], MakeResult("one:1789", 2));
  ASSERT_OK_AND_ASSIGN(const auto two, store.List("two:1789"));
  ASSERT_EQ(two.results.size(), 1U);
  ExpectSame(two.results[0], MakeResult("two:1789", 3));
  ASSERT_OK_AND_ASSIGN(const auto none, store.List("three:1789"));
  EXPECT_TRUE(none.results.empty());
}

TEST(ResultStoreTest, SurvivesAnotherOpening) {
  const TempDir dir;
  {
    ASSERT_OK_AND_ASSIGN(ResultStore store, ResultStore::Open(dir.Path()));
    ASSERT_OK(store.Save(MakeResult("m", 1)));
  }
  ASSERT_OK_AND_ASSIGN(ResultStore store, ResultStore::Open(dir.Path()));
  ASSERT_OK_AND_ASSIGN(const auto listed, store.List("m"));
  ASSERT_EQ(listed.results.size(), 1U);
  ExpectSame(listed.results[0], MakeResult("m", 1));
}

TEST(ResultStoreTest, RemoveIsIdempotent) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(ResultStore store, ResultStore::Open(dir.Path()));
  const StoredResult result = MakeResult("m", 1);
  ASSERT_OK(store.Save(result));
  ASSERT_OK(store.Save(MakeResult("m", 2)));
  EXPECT_OK(store.Remove("m", result.attempt));
  EXPECT_OK(store.Remove("m", result.attempt));
  ASSERT_OK_AND_ASSIGN(const auto left, store.List("m"));
  ASSERT_EQ(left.results.size(), 1U);
  ExpectSame(left.results[0], MakeResult("m", 2));
}

TEST(ResultStoreTest, ADamagedFileIsSetAsideAndTheOthersAreListed) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(ResultStore store, ResultStore::Open(dir.Path()));
  ASSERT_OK(store.Save(MakeResult("m", 1)));
  const std::string damaged = NamesIn(dir.Path()).at(0);
  ASSERT_OK(store.Save(MakeResult("m", 2)));
  ASSERT_OK_AND_ASSIGN(std::string content, ReadFile(dir / damaged));
  content[content.size() / 2] ^= 1;
  ASSERT_OK(WriteFileAtomically(dir / damaged, content));
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(const auto listed, store.List("m"));
    ASSERT_EQ(listed.results.size(), 1U);
    ExpectSame(listed.results[0], MakeResult("m", 2));
  }
  EXPECT_FALSE(PathExists(dir / damaged));
  ASSERT_OK_AND_ASSIGN(const std::string kept, ReadFile(dir / (damaged + ".corrupt")));
  EXPECT_EQ(kept, content);  // for whoever looks into it
}

// A read that fails says nothing about the file.
TEST(ResultStoreTest, AFileThatCannotBeReadIsLeftWhereItIs) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(ResultStore store, ResultStore::Open(dir.Path()));
  ASSERT_OK(store.Save(MakeResult("m", 1)));
  const std::string name = NamesIn(dir.Path()).at(0);
  std::filesystem::rename(dir / name, dir / "elsewhere");
  std::filesystem::create_symlink(name, dir / name);  // leads to itself
  ASSERT_OK(store.Save(MakeResult("m", 2)));
  ASSERT_OK_AND_ASSIGN(auto listed, store.List("m"));
  ASSERT_EQ(listed.results.size(), 1U);
  ExpectSame(listed.results[0], MakeResult("m", 2));

  std::filesystem::rename(dir / "elsewhere", dir / name);
  ASSERT_OK_AND_ASSIGN(listed, store.List("m"));
  EXPECT_EQ(listed.results.size(), 2U);
  for (const std::string& left : NamesIn(dir.Path()))
    EXPECT_TRUE(left.ends_with(".result")) << left;
}

}  // namespace
}  // namespace damocles::worker
