// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/child/protocol.h"

#include <chrono>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace damocles::child {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_support::StatusIs;

Bytes32 Filled(std::uint8_t byte) {
  Bytes32 value;
  value.fill(byte);
  return value;
}

std::string List32(int byte) {
  std::string list = "[";
  for (int i = 0; i < 32; ++i) list += (i == 0 ? "" : ",") + std::to_string(byte);
  return list + "]";
}

prover::WindowPostTask TwoSectors() {
  prover::WindowPostTask task{};
  task.proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
  task.miner = 1000;
  task.randomness = Filled(7);
  task.sectors = {{.number = 1,
                   .comm_r = Filled(1),
                   .sealed_path = "/s/sealed/s-t01000-1",
                   .cache_dir = "/s/cache/s-t01000-1"},
                  {.number = 5, .comm_r = Filled(255), .sealed_path = "/x", .cache_dir = "/y"}};
  return task;
}

// As the Go manager writes it.
std::string GoRequest() {
  return R"({"id":3,"task":{"miner_id":1000,"proof_type":"StackedDrgWindow2KiBV1_2","replicas":[)"
         R"({"sector_id":1,"comm_r":)" +
         List32(1) +
         R"(,"cache_dir":"/s/cache/s-t01000-1","sealed_file":"/s/sealed/s-t01000-1"},)"
         R"({"sector_id":5,"comm_r":)" +
         List32(255) + R"(,"cache_dir":"/y","sealed_file":"/x"}],"seed":)" + List32(7) + "}}";
}

TEST(ChildProtocolTest, ReadyLinesAreToTheByte) {
  EXPECT_EQ(ReadyLine(Stage::kWindowPost), "window_post processor ready\n");
  EXPECT_EQ(ReadyLine(Stage::kWinningPost), "winning_post processor ready\n");
}

TEST(ChildProtocolTest, RequestsAreToTheByteWhatTheGoManagerWrites) {
  EXPECT_EQ(EncodeRequest(3, TwoSectors(), /*extensions=*/false), GoRequest() + "\n");
}

TEST(ChildProtocolTest, RequestComesBackAsItWas) {
  const auto request = DecodeRequest(GoRequest());
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->id, 3);
  EXPECT_FALSE(request->cancel);
  ASSERT_TRUE(request->task.ok()) << request->task.status();
  const prover::WindowPostTask& task = *request->task;
  EXPECT_EQ(task.proof_type, filecoin::PoStProofType::kWindow2KiBV1_1);
  EXPECT_EQ(task.miner, 1000);
  EXPECT_EQ(task.randomness, Filled(7));
  ASSERT_EQ(task.sectors.size(), 2);
  EXPECT_EQ(task.sectors[1].number, 5);
  EXPECT_EQ(task.sectors[1].comm_r, Filled(255));
  EXPECT_EQ(task.sectors[0].sealed_path, "/s/sealed/s-t01000-1");
  EXPECT_EQ(task.sectors[0].cache_dir, "/s/cache/s-t01000-1");
  EXPECT_EQ(EncodeRequest(3, task, false), GoRequest() + "\n");
}

TEST(ChildProtocolTest, EachProofTypeHasItsNameInTheProofsApi) {
  for (std::int64_t number = 0; number < filecoin::kPoStProofTypes; ++number) {
    prover::WindowPostTask task = TwoSectors();
    task.proof_type = static_cast<filecoin::PoStProofType>(number);
    const std::string line = EncodeRequest(1, task, false);
    EXPECT_EQ(line.find("V1_1"), std::string::npos);
    EXPECT_EQ(line.find("V1_2") != std::string::npos, number >= 10);
    const auto request = DecodeRequest(line);
    ASSERT_TRUE(request.ok() && request->task.ok());
    EXPECT_EQ(request->task->proof_type, task.proof_type);
  }
}

TEST(ChildProtocolTest, SectorsThatFillUpAreOneAndComeInOrder) {
  const std::string replica = [](int number) {
    return R"({"sector_id":)" + std::to_string(number) + R"(,"comm_r":)" + List32(number) +
           R"(,"cache_dir":"c","sealed_file":"s"})";
  }(9);
  const std::string other =
      R"({"sector_id":2,"comm_r":)" + List32(2) + R"(,"cache_dir":"c","sealed_file":"s"})";
  const auto with = [&](const std::string& replicas) {
    return DecodeRequest(
        R"({"id":1,"task":{"miner_id":1,"proof_type":"StackedDrgWinning2KiBV1","replicas":[)" +
        replicas + R"(],"seed":)" + List32(0) + "}}");
  };
  const auto request = with(replica + "," + other + "," + replica);
  ASSERT_TRUE(request.ok() && request->task.ok());
  ASSERT_EQ(request->task->sectors.size(), 2);
  EXPECT_EQ(request->task->sectors[0].number, 2);
  EXPECT_EQ(request->task->sectors[1].number, 9);

  const std::string liar =
      R"({"sector_id":9,"comm_r":)" + List32(8) + R"(,"cache_dir":"c","sealed_file":"s"})";
  const auto refused = with(replica + "," + liar);
  ASSERT_TRUE(refused.ok());
  EXPECT_THAT(refused->task, StatusIs(absl::StatusCode::kInvalidArgument, "twice"));
}

TEST(ChildProtocolTest, WhatIsWrongInARequestIsSaid) {
  for (const char* line : {"", "{", "[]", "7", "{}", "{\"id\":-1}", "{\"id\":\"1\"}", "\xff\xfe"}) {
    EXPECT_THAT(DecodeRequest(line), StatusIs(absl::StatusCode::kInvalidArgument, "")) << line;
  }
  EXPECT_FALSE(DecodeRequest(std::string(100'000, '[')).ok());
  struct Case {
    std::string from;
    std::string to;
    std::string says;
  };
  for (const Case& wrong :
       {Case{"\"task\":{", "\"tusk\":{", "\"task\""},
        Case{"\"miner_id\":1000", "\"miner_id\":-1", "\"miner_id\""}, Case{"V1_2", "V1_9", "V1_9"},
        Case{"\"sector_id\":1,", "\"sector_id\":\"1\",", "\"sector_id\""},
        Case{"[255,", "[256,", "bytes"}, Case{"[255,", "[", "32 bytes"},
        Case{"\"cache_dir\":\"/y\"", "\"cache_dir\":null", "\"cache_dir\""},
        Case{"\"sealed_file\":\"/x\"", "\"sealed\":\"/x\"", "\"sealed_file\""},
        Case{"\"seed\"", "\"sead\"", "\"seed\""}}) {
    std::string line = GoRequest();
    line.replace(line.find(wrong.from), wrong.from.size(), wrong.to);
    const auto request = DecodeRequest(line);
    ASSERT_TRUE(request.ok()) << line;
    EXPECT_EQ(request->id, 3);
    EXPECT_THAT(request->task, StatusIs(absl::StatusCode::kInvalidArgument, wrong.says));
  }
}

TEST(ChildProtocolTest, ResponsesAreToTheByteWhatTheRustChildWrites) {
  const prover::WindowPostOutcome proven{.proof = {1, 2, 3}, .faults = {}};
  EXPECT_EQ(EncodeResponse(Stage::kWindowPost, 9, proven, false),
            "{\"id\":9,\"err_msg\":null,\"output\":{\"proofs\":[\"AQID\"],\"faults\":[]}}\n");
  EXPECT_EQ(EncodeResponse(Stage::kWinningPost, 9, proven, false),
            "{\"id\":9,\"err_msg\":null,\"output\":{\"proofs\":[\"AQID\"]}}\n");
  EXPECT_EQ(EncodeResponse(Stage::kWindowPost, 9, absl::InternalError("it burns"), false),
            "{\"id\":9,\"err_msg\":\"it burns\",\"output\":null}\n");
  const prover::WindowPostOutcome faulty{
      .proof = {}, .faults = {{.number = 4, .reason = "gone"}, {.number = 7, .reason = "bad"}}};
  EXPECT_EQ(EncodeResponse(Stage::kWindowPost, 9, faulty, false),
            "{\"id\":9,\"err_msg\":null,\"output\":{\"proofs\":[],\"faults\":[4,7]}}\n");
  EXPECT_THAT(EncodeResponse(Stage::kWinningPost, 9, faulty, false),
              HasSubstr("2 sectors cannot be proven: 4: gone; 7: bad"));
}

TEST(ChildProtocolTest, ExtensionsCarryReasonsAndCodes) {
  const prover::WindowPostOutcome faulty{
      .proof = {},
      .faults = {{.number = 4, .reason = "gone", .kind = prover::FaultKind::kMissing},
                 {.number = 7, .reason = "EIO", .kind = prover::FaultKind::kUnreadable}}};
  auto back = DecodeResponse(EncodeResponse(Stage::kWindowPost, 9, faulty, true));
  ASSERT_TRUE(back.ok() && back->outcome.ok());
  ASSERT_EQ(back->outcome->faults.size(), 2);
  EXPECT_EQ(back->outcome->faults[0].reason, "gone");
  EXPECT_EQ(back->outcome->faults[0].kind, prover::FaultKind::kMissing);
  EXPECT_EQ(back->outcome->faults[1].kind, prover::FaultKind::kUnreadable);
  back = DecodeResponse(
      EncodeResponse(Stage::kWindowPost, 9, absl::FailedPreconditionError("no keys"), true));
  ASSERT_TRUE(back.ok());
  EXPECT_THAT(back->outcome, StatusIs(absl::StatusCode::kFailedPrecondition, "no keys"));

  prover::WindowPostTask task = TwoSectors();
  task.read_limit = absl::Seconds(90);
  const auto request = DecodeRequest(EncodeRequest(1, task, true));
  ASSERT_TRUE(request.ok() && request->task.ok());
  EXPECT_EQ(request->task->read_limit, absl::Seconds(90));
  EXPECT_TRUE(DecodeRequest(EncodeCancel(5))->cancel);
  EXPECT_TRUE(IsExtensionsLine("{\"damocles_extensions\":1}"));
}

TEST(ChildProtocolTest, ResponsesOfOthersAreRead) {
  const auto outcome = [](const std::string& line) {
    const auto response = DecodeResponse(line);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->outcome : response.status();
  };
  // Bytes as serde writes them, two proofs, nothing for an empty list.
  auto proven = outcome(R"({"id":1,"output":{"proofs":[[1,2],"AwQ="],"faults":null}})");
  ASSERT_TRUE(proven.ok());
  EXPECT_THAT(proven->proof, ElementsAre(1, 2, 3, 4));
  auto faulty = outcome(R"({"id":1,"err_msg":null,"output":{"proofs":null,"faults":[9,2,9]}})");
  ASSERT_TRUE(faulty.ok());
  ASSERT_EQ(faulty->faults.size(), 2);
  EXPECT_EQ(faulty->faults[0].number, 2);
  EXPECT_EQ(faulty->faults[0].kind, prover::FaultKind::kUnreadable);  // for whatever reason
  EXPECT_THAT(faulty->proof, IsEmpty());
  // Terminals obey nothing of it.
  EXPECT_THAT(outcome("{\"id\":1,\"err_msg\":\"\\u001b[2Jboo\"}"),
              StatusIs(absl::StatusCode::kInternal, "\\x1b[2Jboo"));
  // Of what names its id an answer is made: somebody waits for it.
  for (const char* line :
       {R"({"id":1})", R"({"id":1,"output":{}})", R"({"id":1,"output":{"proofs":["!"]}})",
        R"({"id":1,"output":{"proofs":[[300]]}})", R"({"id":1,"output":{"faults":["a"]}})",
        R"({"id":1,"output":{"proofs":{}}})", R"({"id":1,"err_msg":{}})",
        R"({"id":1,"err_msg":null,"output":null})"}) {
    EXPECT_THAT(outcome(line), StatusIs(absl::StatusCode::kInternal, "")) << line;
  }
  for (const char* line : {R"({"output":{"proofs":["AQID"]}})", R"([])", R"({"id":"1"})"}) {
    EXPECT_FALSE(DecodeResponse(line).ok()) << line;
  }
}

TEST(ChildProtocolTest, LineOfManyMembersTakesNoTime) {
  std::string line = "{\"id\":1";
  for (int i = 0; i < 300'000; ++i) line += ",\"k" + std::to_string(i) + "\":0";
  line += "}";
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(DecodeResponse(line).ok());
  // Looked for from the front it took minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

TEST(LineSplitterTest, LinesComeWholeHoweverTheyAreCut) {
  const std::string text = "one\n\nthree\nrest";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    LineSplitter splitter(5);
    std::vector<std::string> lines;
    for (const std::string& part : {text.substr(0, cut), text.substr(cut)}) {
      auto got = splitter.Take(part);
      ASSERT_TRUE(got.ok());
      for (std::string& line : *got) lines.push_back(std::move(line));
    }
    EXPECT_THAT(lines, ElementsAre("one", "", "three"));
  }
}

TEST(LineSplitterTest, OneThatIsTooLongIsAnErrorForGood) {
  LineSplitter splitter(4);
  EXPECT_TRUE(splitter.Take("1234").ok());
  EXPECT_THAT(splitter.Take("5"), StatusIs(absl::StatusCode::kResourceExhausted, ""));
  EXPECT_FALSE(splitter.Take("\n").ok());
}

}  // namespace
}  // namespace damocles::child
