// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Facts that are as they should be, spoiled in one way at a time: what is said of each.

#include "damocles/manager/judge.h"

#include <fstream>
#include <functional>
#include <numeric>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace damocles::manager {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kType = filecoin::PoStProofType::kWindow32GiBV1_1;
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

NodeFacts GoodNode(const std::string& name) {
  NodeFacts node;
  node.name = name;
  node.has_token = true;
  node.answers = absl::OkStatus();
  node.head = HeadFact{.epoch = filecoin::ChainEpoch(1000), .time = kNow - absl::Seconds(12)};
  node.epoch_length = absl::Seconds(30);
  node.network = std::string("mainnet");
  node.network_version = 27u;
  node.epochs_to_sync = std::int64_t{0};
  node.may_push = absl::OkStatus();
  node.may_sign = absl::OkStatus();
  return node;
}

CheckedSender GoodSender(std::uint64_t id, std::optional<poster::SenderRole> role) {
  CheckedSender sender;
  sender.facts.id = filecoin::Address::FromId(id);
  sender.facts.role = role;
  sender.facts.key = sender.facts.id;
  sender.in_wallet = {{"a:1", true}, {"b:1", true}};
  sender.facts.balance = filecoin::Fil(100);
  return sender;
}

// Messages of these nonces wait in the pool, which would give out `next`.
void Waiting(CheckedSender& sender, const std::vector<std::uint64_t>& nonces, std::uint64_t next,
             std::int64_t fee_cap = 1'000'000) {
  sender.facts.next_nonce = next;
  for (const std::uint64_t nonce : nonces) {
    filecoin::SignedMessage message;
    message.message.from = sender.facts.key;
    message.message.nonce = nonce;
    message.message.gas_fee_cap = fee_cap;
    sender.facts.lane.push_back(message);
  }
}

DeadlineFacts GoodDeadline(std::uint64_t index) {
  DeadlineFacts deadline;
  deadline.index = index;
  deadline.live = 10;
  deadline.stores = {"st-1"};
  return deadline;
}

worker::Hub::WorkerInfo GoodWorker(const std::string& name) {
  worker::Hub::WorkerInfo worker;
  worker.capabilities.name = name;
  worker.capabilities.stores = {"st-1", "st-2"};
  worker.capabilities.verifying_keys = {{kType, "aa"}};
  worker.connected = true;
  return worker;
}

Facts GoodFacts() {
  Facts facts;
  facts.now = kNow;
  facts.poster = true;
  facts.base_fee = 100'000;
  facts.nodes = {GoodNode("a:1"), GoodNode("b:1")};
  MinerFacts miner;
  miner.miner = 1000;
  miner.fee_cap = 5'000'000'000;
  miner.proof_type = kType;
  miner.senders = {GoodSender(11, poster::SenderRole::kControl),
                   GoodSender(12, poster::SenderRole::kWorker),
                   GoodSender(13, poster::SenderRole::kOwner)};
  miner.deadlines = std::vector<DeadlineFacts>{GoodDeadline(4), GoodDeadline(5), GoodDeadline(6),
                                               GoodDeadline(7), GoodDeadline(8)};
  miner.deadlines_total = 5;
  facts.miners = {miner};
  sector::StoreFinding store;
  store.name = "st-1";
  store.path = "/mnt/1";
  store.sectors = 50;
  store.configured = true;
  store.sight.condition = storage::StoreCondition::kShowsSectors;
  facts.stores = std::vector<sector::StoreFinding>{store};
  facts.parameters = ParameterFacts{.folder = "/params", .verifiable = {kType}, .provable = {}};
  facts.workers = std::vector<worker::Hub::WorkerInfo>{GoodWorker("w1"), GoodWorker("w2")};
  facts.disks = {{.what = "home", .path = "/home", .space = storage::Space{1 << 30, 1ull << 40}}};
  return facts;
}

MinerFacts& M(Facts& facts) {
  return facts.miners[0];
}
DeadlineFacts& D(Facts& facts, std::size_t i) {
  return (*facts.miners[0].deadlines)[i];
}
sector::StoreFinding& S(Facts& facts) {
  return (*facts.stores)[0];
}
void OneNode(Facts& facts) {
  facts.nodes.pop_back();
}
void Silence(NodeFacts& node, const absl::Status& why) {
  node.answers = why;
  node.head = why;
}
const absl::Status kSilent = absl::DeadlineExceededError("no answer within 5s");
const absl::Status kForbidden = absl::PermissionDeniedError("missing permission (need 'sign')");

struct Case {
  const char* kind;
  bool costs;
  const char* subject;
  const char* text;  // in what it says, its detail or its remedy
  std::function<void(Facts&)> spoil;
};

std::vector<Case> Cases() {
  return {
      // ---- nodes: as long as another one is good it is a warning
      {"node_unreachable", false, "node b:1", "no answer within",
       [](Facts& f) { Silence(f.nodes[1], kSilent); }},
      {"node_unreachable", true, "node a:1", "name a second one",
       [](Facts& f) {
         OneNode(f);
         Silence(f.nodes[0], kSilent);
       }},
      {"node_token_refused", true, "node a:1", "token",
       [](Facts& f) {
         OneNode(f);
         Silence(f.nodes[0], absl::UnauthenticatedError("the token: HTTP status 401"));
       }},
      {"node_head_unknown", false, "node a:1", "does not tell its head",
       [](Facts& f) { f.nodes[0].head = absl::UnknownError("no head yet"); }},
      {"node_behind", false, "node a:1", "9 epochs to go",
       [](Facts& f) {
         f.nodes[0].head->time = kNow - absl::Seconds(200);
         f.nodes[0].epochs_to_sync = 9;
       }},
      {"node_behind", true, "node a:1", "far behind",
       [](Facts& f) {
         OneNode(f);
         f.nodes[0].head->time = kNow - absl::Seconds(400);
       }},
      {"node_may_not_push", true, "node a:1", "auth create-token --perm sign",
       [](Facts& f) {
         OneNode(f);
         f.nodes[0].may_push = kForbidden;
       }},
      {"node_may_not_sign", false, "node b:1", "the token may not sign messages",
       [](Facts& f) { f.nodes[1].may_sign = kForbidden; }},
      {"node_may_not_sign", true, "node a:1", "without a token",
       [](Facts& f) {
         OneNode(f);
         f.nodes[0].has_token = false;
         f.nodes[0].may_sign = kForbidden;
       }},
      {"node_may_not_sign", true, "node a:1", "no such method",
       [](Facts& f) {
         OneNode(f);
         f.nodes[0].may_sign = absl::UnimplementedError("method not found");
       }},
      {"node_rights_unknown", false, "node a:1", "could not be learnt",
       [](Facts& f) { f.nodes[0].may_push = kSilent; }},
      {"nodes_of_different_networks", true, "[Common.API]", "b:1: calibrationnet",
       [](Facts& f) { f.nodes[1].network = std::string("calibrationnet"); }},
      {"node_on_other_branch", false, "node b:1", "epoch 1003",
       [](Facts& f) {
         f.nodes[0].head->weight = 10;
         f.nodes[1].head->weight = 9;
         f.nodes[1].head->epoch = filecoin::ChainEpoch(1003);
         f.nodes[0].settled = filecoin::TipSetKey();
         f.nodes[1].settled = filecoin::TipSetKey({filecoin::Cid()});
       }},
      {"clock_behind", false, "clock of this machine", "NTP",
       [](Facts& f) { f.nodes[0].head->time = kNow + absl::Seconds(20); }},
      // ---- miners and senders
      {"miner_unknown", true, "miner f01000", "Actor",
       [](Facts& f) { M(f).proof_type = absl::NotFoundError("actor not found"); }},
      {"miner_not_checked", false, "miner f01000", "no answer within",
       [](Facts& f) { M(f).proof_type = kSilent; }},
      {"no_sender", true, "miner f01000", "import the key",
       [](Facts& f) {
         for (CheckedSender& one : M(f).senders) one.in_wallet = {{"a:1", false}, {"b:1", false}};
       }},
      {"no_sender", true, "miner f01000", "Senders",
       [](Facts& f) {
         M(f).senders[0].facts.configured = true;
         M(f).senders[0].in_wallet = {{"a:1", false}, {"b:1", kSilent}};
       }},
      {"senders_not_checked", false, "miner f01000", "no answer within",
       [](Facts& f) {
         for (CheckedSender& one : M(f).senders)
           one.in_wallet = {{"a:1", kSilent}, {"b:1", kSilent}};
       }},
      {"sender_unknown", false, "miner f01000 sender f099", "does not know",
       [](Facts& f) {
         M(f).senders[0].facts.configured = true;
         CheckedSender stranger;
         stranger.facts.id = filecoin::Address::FromId(99);
         stranger.facts.configured = true;
         stranger.facts.key_read = absl::NotFoundError("actor not found");
         M(f).senders.push_back(stranger);
       }},
      {"sender_not_of_miner", false, "miner f01000 sender f099", "neither owner",
       [](Facts& f) {
         M(f).senders[0].facts.configured = true;
         CheckedSender stranger = GoodSender(99, std::nullopt);
         stranger.facts.configured = true;
         M(f).senders.push_back(stranger);
       }},
      {"sender_without_key", false, "miner f01000 sender f011", "Senders",
       [](Facts& f) {
         M(f).senders[0].facts.configured = M(f).senders[1].facts.configured = true;
         M(f).senders[0].in_wallet = {{"a:1", false}, {"b:1", false}};
       }},
      {"wallets_differ", false, "miner f01000 sender f012", "not in the wallet of b:1",
       [](Facts& f) { M(f).senders[1].in_wallet["b:1"] = false; }},
      {"sender_balance_unknown", false, "miner f01000 sender f011", "no answer within",
       [](Facts& f) {
         M(f).senders[0].facts.balance.reset();
         M(f).senders[0].facts.balance_read = kSilent;
       }},
      {"sender_low", false, "miner f01000 sender f011", "for 3 messages at a time",
       [](Facts& f) { M(f).senders[0].facts.balance = filecoin::Fil(1); }},
      {"sender_low", false, "miner f01000 sender f011", "single message",
       [](Facts& f) { M(f).senders[0].facts.balance = filecoin::TokenAmount(5); }},
      {"sender_low", true, "miner f01000 sender f011", "put money",
       [](Facts& f) {
         M(f).senders.resize(1);
         M(f).senders[0].facts.balance = filecoin::TokenAmount(5);
       }},
      {"sender_low", false, "miner f01000 sender f012", "pending messages give 100 FIL away",
       [](Facts& f) {
         Waiting(M(f).senders[1], {7}, 8);
         M(f).senders[1].facts.lane[0].message.value = filecoin::Fil(100);
       }},
      {"sender_low", true, "miner f01000 sender f011", "single message",
       [](Facts& f) {
         M(f).senders.resize(1);
         Waiting(M(f).senders[0], {7, 8}, 9);
         for (auto& one : M(f).senders[0].facts.lane) one.message.value = filecoin::Fil(60);
       }},
      {"sender_blocked", false, "miner f01000 sender f012", "nonce 7",
       [](Facts& f) {
         Waiting(M(f).senders[1], {7, 8}, 9, 1000);
       }},
      {"sender_blocked", true, "miner f01000 sender f011", "another address",
       [](Facts& f) {
         M(f).senders.resize(1);
         Waiting(M(f).senders[0], {7, 8}, 9, 1000);
       }},
      {"sender_nonce_gap", false, "miner f01000 sender f011",
       "nonce 7 is missing: its messages from 8 on wait for it",
       [](Facts& f) {
         Waiting(M(f).senders[0], {5, 6, 8, 9}, 7);
       }},
      {"sender_nonce_gap", false, "miner f01000 sender f011", "--nonce 7",
       [](Facts& f) {
         M(f).senders.resize(1);
         Waiting(M(f).senders[0], {9}, 7);
       }},
      {"sender_lane_full", true, "miner f01000 sender f011", "1000 of its messages are pending",
       [](Facts& f) {
         M(f).senders.resize(1);
         std::vector<std::uint64_t> many(1000);
         std::iota(many.begin(), many.end(), 7);
         Waiting(M(f).senders[0], many, 1007);
       }},
      {"sender_lane_unknown", false, "miner f01000 sender f011", "no answer within",
       [](Facts& f) { M(f).senders[0].facts.lane_read = kSilent; }},
      // ---- the index against the chain
      {"index_empty", true, "miner f01000", "none of its 50 sectors",
       [](Facts& f) {
         for (DeadlineFacts& one : *M(f).deadlines) one.missing_count = one.live;
       }},
      {"sectors_not_indexed", true, "miner f01000 deadline 5", "sectors 3, 7",
       [](Facts& f) {
         D(f, 1).missing_count = 2;
         D(f, 1).missing = {3, 7};
       }},
      {"sectors_not_indexed", false, "miner f01000 deadline 5", "attach",
       [](Facts& f) {
         D(f, 1).missing_count = D(f, 1).missing_faulty = 2;
         D(f, 1).missing = {3, 7};
       }},
      {"sectors_not_indexed", true, "miner f01000 later deadlines", "3 sectors of 2 deadlines",
       [](Facts& f) {
         D(f, 3).missing_count = 1;
         D(f, 4).missing_count = 2;
       }},
      {"deadlines_not_checked", false, "miner f01000", "no answer within",
       [](Facts& f) { M(f).deadlines = kSilent; }},
      {"deadlines_not_checked", false, "miner f01000", "5 of 48",
       [](Facts& f) { M(f).deadlines_total = 48; }},
      // ---- workers and parameters
      {"no_worker", true, "miner f01000", "w1 is not connected; w2 has no parameters",
       [](Facts& f) {
         (*f.workers)[0].connected = false;
         (*f.workers)[1].capabilities.verifying_keys.clear();
       }},
      {"no_worker", true, "miner f01000", "of deadlines 5, 8",
       [](Facts& f) {
         D(f, 1).stores = D(f, 4).stores = {"st-1", "st-9"};
       }},
      {"no_worker", true, "miner f01000", "w1 does not take them by its configuration",
       [](Facts& f) {
         for (auto& one : *f.workers) one.capabilities.threads = {{.miners = {2000}}};
       }},
      {"no_worker", true, "miner f01000", "no worker has connected",
       [](Facts& f) { f.workers->clear(); }},
      {"no_verifying_key", true, "parameters of 32GiB", "/params",
       [](Facts& f) { f.parameters->verifiable.clear(); }},
      {"no_parameters", true, "parameters of 32GiB", "--worker-prover",
       [](Facts& f) { f.proves_itself = true; }},
      {"parameters_not_checked", false, "parameters", "mounted",
       [](Facts& f) { f.parameters = kSilent; }},
      // ---- stores: a worker that has it proves what lies there
      {"store_not_configured", false, "store st-1", "a connected worker has it",
       [](Facts& f) { S(f).configured = false; }},
      {"store_not_configured", true, "store st-7", "50 sectors lie in store",
       [](Facts& f) {
         S(f).name = "st-7";
         S(f).configured = false;
       }},
      {"store_not_configured", false, "store st-7", "not known yet whether a worker has it",
       [](Facts& f) {
         S(f).name = "st-7";
         S(f).configured = false;
         f.workers = absl::UnavailableError("the manager has just started");
       }},
      {"store_empty", true, "store st-7", "is its disk mounted?",
       [](Facts& f) {
         S(f).name = "st-7";
         S(f).sight.condition = storage::StoreCondition::kEmpty;
       }},
      {"store_absent", true, "store st-7", "/mnt/1",
       [](Facts& f) {
         S(f).name = "st-7";
         S(f).sight.condition = storage::StoreCondition::kAbsent;
       }},
      {"store_not_answering", true, "store st-7", "mend its mount",
       [](Facts& f) {
         S(f).name = "st-7";
         S(f).sight.condition = storage::StoreCondition::kNotAnswering;
       }},
      {"store_unreadable", true, "store st-7", "Permission denied",
       [](Facts& f) {
         S(f).name = "st-7";
         S(f).sight = {storage::StoreCondition::kUnreadable, "Permission denied"};
       }},
      {"stores_not_checked", false, "stores", "no answer within",
       [](Facts& f) { f.stores = kSilent; }},
      // ---- this machine
      {"worker_clock_differs", false, "worker w2", "it is 600.0 s behind",
       [](Facts& f) { (*f.workers)[1].clock_ahead = absl::Minutes(-10); }},
      {"disk_low", false, "home (/home)", "1023 MiB",
       [](Facts& f) { f.disks[0].space->free_bytes = (1ull << 30) - 1; }},
      {"disk_full", true, "home (/home)", "make room",
       [](Facts& f) { f.disks[0].space->free_bytes = 1000; }},
      {"disk_not_checked", false, "home (/home)", "no answer within",
       [](Facts& f) { f.disks[0].space = kSilent; }},
      {"secret_readable", false, "/etc/m.cfg", "chmod 600 /etc/m.cfg",
       [](Facts& f) { f.readable_secrets = {"/etc/m.cfg"}; }},
  };
}

std::string Whole(const rpc::Finding& finding) {
  return finding.what + " | " + finding.detail + " | " + finding.remedy;
}

TEST(JudgeTest, WhatIsAsItShouldBeIsNamedAndNothingIsFound) {
  const rpc::CheckReport report = Judge(GoodFacts());
  for (const rpc::Finding& finding : report.findings) ADD_FAILURE() << finding.kind;
  EXPECT_TRUE(report.not_learnt.empty());
  std::string fine;
  for (const std::string& one : report.in_order) fine += one + "\n";
  for (const char* subject : {"node a:1", "node b:1", "sender f011", "its 50 sectors", "store st-1",
                              "parameters of 32GiB", "home (/home)", "a connected worker can"}) {
    EXPECT_THAT(fine, HasSubstr(subject));
  }
}

TEST(JudgeTest, EachFaultIsFoundOnceWithItsPlaceItsWeightAndItsRemedy) {
  for (const Case& one : Cases()) {
    SCOPED_TRACE(std::string(one.kind) + ": " + one.text);
    Facts facts = GoodFacts();
    one.spoil(facts);
    const rpc::CheckReport report = Judge(facts);
    ASSERT_EQ(report.findings.size(), 1u)
        << (report.findings.empty() ? "" : report.findings.back().kind);
    const rpc::Finding& finding = report.findings[0];
    EXPECT_EQ(finding.kind, one.kind);
    EXPECT_EQ(finding.costs_window, one.costs);
    EXPECT_EQ(finding.subject, one.subject);
    EXPECT_THAT(Whole(finding), HasSubstr(one.text));
    EXPECT_FALSE(finding.what.empty());
    EXPECT_FALSE(finding.remedy.empty());
  }
}

// Every kind that there is stands in the operators' table, with its cases above.
TEST(JudgeTest, OperationsListsTheKinds) {
  std::set<std::string> documented;
  std::ifstream in(std::string(DAMOCLES_SOURCE_DIR) + "/docs/operations.md");
  const std::regex row(R"re(^\| `check ([a-z_]+)` \|)re");
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_search(line, match, row)) documented.insert(match[1]);
  }
  std::set<std::string> known;
  for (const Case& one : Cases()) known.insert(one.kind);
  EXPECT_EQ(documented, known);
}

TEST(JudgeTest, OwnersKeyMayBeElsewhereAndNobodyNeedsAllOfThem) {
  Facts facts = GoodFacts();
  M(facts).senders[1].in_wallet = {{"a:1", false}, {"b:1", false}};
  M(facts).senders[2].in_wallet = {{"a:1", false}, {"b:1", false}};
  EXPECT_TRUE(Judge(facts).findings.empty());
}

// While no node answers nothing is known of the miners, which is no second fault.
TEST(JudgeTest, DeadNodesAreNotToldAgainForEachMiner) {
  Facts facts = GoodFacts();
  for (NodeFacts& node : facts.nodes) {
    node.answers = kSilent;
    node.head = kSilent;
    node.network = kSilent;
  }
  M(facts).proof_type = absl::UnavailableError("no node tells its head");
  const rpc::CheckReport report = Judge(facts);
  ASSERT_EQ(report.findings.size(), 2u);
  for (const rpc::Finding& finding : report.findings) {
    EXPECT_EQ(finding.kind, "node_unreachable");
    EXPECT_TRUE(finding.costs_window);
  }
  EXPECT_THAT(report.not_learnt, ::testing::Contains("miner f01000"));
}

TEST(JudgeTest, WithoutTheRightToAskTheTokenIsTheOnlyFault) {
  Facts facts = GoodFacts();
  OneNode(facts);
  facts.nodes[0].may_push = kForbidden;
  for (CheckedSender& one : M(facts).senders) one.in_wallet = {{"a:1", kForbidden}};
  const rpc::CheckReport report = Judge(facts);
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].kind, "node_may_not_push");
}

TEST(JudgeTest, WithoutPosterNoNodeAndNoMinerIsAsked) {
  Facts facts = GoodFacts();
  facts.poster = false;
  facts.nodes.clear();
  facts.parameters = kSilent;
  EXPECT_TRUE(Judge(facts).findings.empty());
}

TEST(JudgeTest, WhatCostsAWindowComesFirst) {
  Facts facts = GoodFacts();
  facts.readable_secrets = {"/f"};
  facts.workers->clear();
  const rpc::CheckReport report = Judge(facts);
  ASSERT_EQ(report.findings.size(), 2u);
  EXPECT_EQ(report.findings[0].kind, "no_worker");
}

rpc::Finding Found(const char* kind, const char* subject, const char* what = "x",
                   const char* detail = "", bool costs = false) {
  return {.kind = kind,
          .costs_window = costs,
          .subject = subject,
          .what = what,
          .detail = detail,
          .remedy = "r"};
}

std::vector<std::string> Kinds(const std::vector<rpc::Finding>& findings) {
  std::vector<std::string> kinds;
  for (const rpc::Finding& finding : findings) kinds.push_back(finding.kind);
  return kinds;
}

TEST(NewsTest, AFindingIsToldOnceThenWhenItChangesThenWhenItIsMended) {
  rpc::CheckReport report;
  report.findings = {Found("a", "s"), Found("b", "s")};
  CheckNews news = NewsOf({}, report);
  EXPECT_EQ(Kinds(news.appeared), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(news.mended.empty());

  // Ages and numbers move at each look.
  report.findings[0].detail = "head 7 is 90 s old";
  news = NewsOf(news.standing, report);
  EXPECT_TRUE(news.appeared.empty());

  report.findings[0].costs_window = true;
  report.findings[1].what = "y";
  report.findings.push_back(Found("a", "t"));
  news = NewsOf(news.standing, report);
  EXPECT_EQ(Kinds(news.appeared), (std::vector<std::string>{"a", "b", "a"}));
  EXPECT_TRUE(news.mended.empty());

  report.findings.erase(report.findings.begin());
  news = NewsOf(news.standing, report);
  EXPECT_TRUE(news.appeared.empty());
  ASSERT_EQ(news.mended.size(), 1u);
  EXPECT_EQ(news.mended[0].subject, "s");
  EXPECT_EQ(news.standing.size(), 2u);
}

// A node that does not answer for once does not mend the sender that has no money.
TEST(NewsTest, WhatCouldNotBeLearntStands) {
  rpc::CheckReport report;
  report.findings = {Found("sender_low", "miner f01000 sender f011"),
                     Found("no_sender", "miner f01000"), Found("no_sender", "miner f010001")};
  CheckNews news = NewsOf({}, report);
  rpc::CheckReport blind;
  blind.not_learnt = {"miner f01000"};
  news = NewsOf(news.standing, blind);
  ASSERT_EQ(news.mended.size(), 1u);
  EXPECT_EQ(news.mended[0].subject, "miner f010001") << "another miner of a longer number";
  EXPECT_EQ(news.standing.size(), 2u);
  news = NewsOf(news.standing, report);
  EXPECT_EQ(Kinds(news.appeared), (std::vector<std::string>{"no_sender"}));
  news = NewsOf(news.standing, {});
  EXPECT_EQ(news.mended.size(), 3u);
}

}  // namespace
}  // namespace damocles::manager
