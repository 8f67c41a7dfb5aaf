// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poseidon/poseidon.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "lib/poseidon/permutation.h"

#include "damocles/base/hex.h"
#include "damocles/base/random.h"
#include "damocles/hash/sha256.h"
#include "damocles/poseidon/constants.h"

namespace damocles::poseidon {
namespace {

std::string Hex(const Fr& value) {
  return ToHex(bls12_381::ToBytesLe(value));
}

// As an integer: most significant digit first.
std::string BigEndianHex(const Fr& value) {
  Bytes32 bytes = bls12_381::ToBytesLe(value);
  std::reverse(bytes.begin(), bytes.end());
  return ToHex(bytes);
}

Fr FromHexLe(const std::string& text) {
  return bls12_381::FrFromBytesLe(FromHex(text).value()).value();
}

std::vector<Fr> Same(std::size_t count, const Fr& value) {
  return std::vector<Fr>(count, value);
}

std::vector<Fr> Counting(std::size_t count) {
  std::vector<Fr> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(Fr::FromU64(i));
  return out;
}

void AddCanonical(hash::Sha256& digest, std::span<const Fr> values) {
  for (const Fr& value : values) digest.Update(bls12_381::ToBytesLe(value));
}

void AddMontgomery(hash::Sha256& digest, std::span<const Fr> values) {
  for (const Fr& value : values) {
    for (std::uint64_t limb : value.limb) {
      std::array<std::uint8_t, 8> bytes;
      StoreLe64(limb, bytes.data());
      digest.Update(bytes);
    }
  }
}

template <typename AddValues>
std::string TableDigest(const Constants& c, AddValues add) {
  hash::Sha256 digest;
  add(digest, c.compressed);
  add(digest, c.mds);
  add(digest, c.pre_sparse);
  for (const SparseMatrix& sparse : c.sparse) {
    add(digest, sparse.w_hat);
    add(digest, sparse.v_rest);
  }
  return ToHex(digest.Finish());
}

struct TableDigests {
  std::size_t arity;
  std::size_t elements;
  const char* canonical;
  const char* montgomery;  // also the digest of the tables that supra_seal publishes
  const char* plain;
};

// Of another implementation.
constexpr TableDigests kTableDigests[] = {
    {2, 372, "fc71c797c2fd445f511fce65625312bbcfd6cd6efb8e6f81d36be0317ed44727",
     "c41d7cd3b2ba28ae887a38f81bac9351270f005400748d37210c9b566f9da416",
     "cf4dfb7448132022e22b32e3dce6b125cb06329448f9e8d8fe53a71c73cbe6d4"},
    {4, 650, "cfb0245dfc2424697dc1038c47bfe6a9826e8777d380787b011ac38878110667",
     "6509aff40161052b84d6401c4887e7fca124bd92cfd479c2e45e1bc1126b9d92",
     "91e463d6553415b3901b9f26b2ad53e6298ac3e5ab0ef260d397bafe8bdde98e"},
    {8, 1260, "4a7eacdb40d5de8deea941af668547a3b4ad261f47bc3886deba3a0ad0ae8621",
     "b814f78a11c131128fb62e1b0bd517f8c8d10ecabaf6acdfde5294e867f9f404",
     "9a4a743575f0eaf285c93d73f8adaf4e7ef4042c2445b42bddaf1a64e5face72"},
    {11, 1752, "0ec8f8f08d5d2e4721134043c6506446ae75ab01b14bcf8b19898ec1d942b150",
     "1826150ebfe44dcc63e146d1379e8bb9b877b0f67bb7fa0377f984429fac3682",
     "479dc0d71d694cd50d853dec0c94aeb37df2a69929eaa23b545a52b1226aec06"},
};

TEST(PoseidonConstantsTest, TablesHaveThePublishedDigests) {
  for (const TableDigests& want : kTableDigests) {
    SCOPED_TRACE(want.arity);
    const Constants& c = ConstantsFor(want.arity);
    std::size_t elements = c.compressed.size() + c.mds.size() + c.pre_sparse.size();
    for (const SparseMatrix& sparse : c.sparse) {
      elements += sparse.w_hat.size() + sparse.v_rest.size();
    }
    EXPECT_EQ(elements, want.elements);
    EXPECT_EQ(TableDigest(c, AddCanonical), want.canonical);
    EXPECT_EQ(TableDigest(c, AddMontgomery), want.montgomery);
    hash::Sha256 plain;
    AddCanonical(plain, c.round_constants);
    EXPECT_EQ(ToHex(plain.Finish()), want.plain);
  }
}

TEST(PoseidonConstantsTest, SingleValues) {
  const Constants& two = ConstantsFor(2);
  const Constants& eight = ConstantsFor(8);
  EXPECT_EQ(BigEndianHex(two.round_constants[0]),
            "669f064bfa3ae17a23bd51861dbb4a24501eac92a2758b36a7320a009d6ed3d8");
  EXPECT_EQ(BigEndianHex(eight.round_constants.back()),
            "3b3a75eb91b0f723bcc4ab7e449e4a011b8960063efe74670c05e545519d9a8c");
  EXPECT_EQ(BigEndianHex(eight.compressed[9]),
            "3d60b7f170f1dc97472bc3a15c1fdf425fd4d52c7d629a9c8e2c0447b6f38bc6");
  EXPECT_EQ(BigEndianHex(eight.Mds(0, 1)),
            "22c74bcc2615a595a8f7c0cf3616f401991f4acdb332b532e66666661999999a");
  EXPECT_EQ(BigEndianHex(eight.PreSparse(0, 1)),
            "48a2a8dd9fda9644ef97501c5a819cddf743c3aab06762eea537d5a901dc24b8");
  EXPECT_EQ(eight.PreSparse(1, 0), eight.Mds(0, 1));
  EXPECT_EQ(BigEndianHex(two.sparse[0].w_hat[1]),
            "59d39397f9b91a3745685546ac8e905f0374bec2c68a96278d2f73d4d6a692a2");
  EXPECT_EQ(BigEndianHex(eight.sparse[0].v_rest[0]),
            "50a53720d3629e00e1de3338e264d11c6da56b4cda00fcf7804903ca1e16d1ea");
  const Fr tagged = eight.domain_tag + eight.compressed[0];
  EXPECT_EQ(BigEndianHex(tagged.Pow(5) + eight.compressed[9]),
            "21f44132bc8ade72b235dce8349d8ae2ad4b86980f79cedf31ba6cc1c35043b5");
}

struct Vector {
  std::size_t arity;
  const char* counting;
  const char* zeros;
  const char* ones;
  const char* minus_ones;
};

// Of another implementation.
constexpr Vector kVectors[] = {
    {2, "ffe7029a363c202e9da6059d33a9fba661e1ef02d90f9e736ba5765ed7086539",
     "d413460e7f14e58b413d1defe188d36fb761afe5c6a733db6c6f1931130bfe48",
     "b308150c2b95ae6c3f7a347b15fe5b130960e79e179d361597dd297e02dc3541",
     "db23584ec925eff92b24b7d749910d9cc8248dcccb70cbdb6c3206ac3c824c06"},
    {4, "5d076266ff149801ec2713bf05466bfb99932279653cdb008a84e5a9104ba558",
     "bc11972b952e47641b62832393589af9eed366b878b8130f5f7e1ed875c4ce65",
     "9f33d9c1cc96f86000cdabc491eb7c56cb869abb9c83121f601694c658814000",
     "33fea4226f992066d43b78f777d38adbb59e3ae2688509256c9496e443758546"},
    {8, "e6a5386df534992ad9aec49c9d2e684b777067114200011255dea5a31d619423",
     "3a9bffca31b48234d189b30de60b7c33f529c08b0836a004f98938b614e6793f",
     "604d4b6466f12d787e0e59439bed013e7288b0da1e2fb63c1f5add06afc00b23",
     "394bcd30e7d92489ce008bc5d8a0ccd99e8f2143abb5e40129ce8e32379d1a13"},
    {11, "6331692bc3bbe3cec18fb0ccd8dcf3097ae8eb32e237a56c287f22e5b2c10f0c",
     "94fe4fc1d1b7c885c9538810707ed5691b68a11db65e2118cf928634ea2d1f44",
     "5102d12d7e40fcddd74b12d7841c9eb8a361bf652cd80afd8750bc644b37d508",
     "9dfdd5fb8430a62917a92c2747e3fda9c69cf85e975a1d5673da4ebbc4b25e06"},
};

TEST(PoseidonTest, PublishedVectors) {
  for (const Vector& want : kVectors) {
    SCOPED_TRACE(want.arity);
    EXPECT_EQ(Hex(Hash(Counting(want.arity))), want.counting);
    EXPECT_EQ(Hex(Hash(Same(want.arity, Fr::Zero()))), want.zeros);
    EXPECT_EQ(Hex(Hash(Same(want.arity, Fr::One()))), want.ones);
    EXPECT_EQ(Hex(Hash(Same(want.arity, -Fr::One()))), want.minus_ones);
  }
  const Fr zero_one = Hash2(Fr::Zero(), Fr::One());
  const Fr one_zero = Hash2(Fr::One(), Fr::Zero());
  EXPECT_EQ(Hex(one_zero), "5e0b807960ff39b3af9430dcb30759ec264fa274cc03c093c36b78beff942f04");
  EXPECT_EQ(Hex(Hash2(one_zero, zero_one)),
            "71e691e2e38bbbefd25a2bcbb872cc77ae746bae8563eb30ebd96ab2b7ebff1e");
}

TEST(PoseidonTest, EightNodesOfARealTree) {
  const std::array<Fr, 8> nodes = {
      FromHexLe("f743111428ecda9b74a18826f1cc62d48ae1510de17e58645997559f86442f31"),
      FromHexLe("197a6efa37086e3a37108f8460c52bc810e2781aff0091bfd7b74e3f6f752f02"),
      FromHexLe("01c2c12f7930bbb59e3b36dae1c694b33ac6b3f199ec32a8665fadb8338f4f21"),
      FromHexLe("bbe672a853f65cdb2563339ca61d6ad648473b4b4ce44bf3a48486424b865a2d"),
      FromHexLe("937d57295f488cea8099f5525958f1af39c6241614b917835292e8e2314cf908"),
      FromHexLe("3272570cd8ba38c1183629ca72d5e9149d76786ed22c1d591db3d2bccfa7d308"),
      FromHexLe("2d3fc90e11aaf601bd1beae80fc3aba15a9e1f886d8140533ce36cda3dd9f936"),
      FromHexLe("0a017e264d0728bfcd2edb3c6c60cc5a05a02af31a71cdd7bb2da27616f5f630")};
  EXPECT_EQ(Hex(Hash8(nodes)), "0737ca506df7d4544f8512df35aaa07ed8a40691e96ae868c23320220fec6866");
}

TEST(PoseidonTest, OptimisedFormEqualsTheTextbook) {
  SeededRandom random(1);
  for (std::size_t arity : {2U, 4U, 8U, 11U}) {
    SCOPED_TRACE(arity);
    for (int i = 0; i < 50; ++i) {
      std::vector<Fr> preimage(arity);
      for (Fr& element : preimage) element = bls12_381::RandomFr(random);
      EXPECT_EQ(Hash(preimage), HashPlain(preimage));
    }
    EXPECT_EQ(Hash(Same(arity, -Fr::One())), HashPlain(Same(arity, -Fr::One())));
  }
}

TEST(PoseidonTest, RowIsHashedNodeByNode) {
  SeededRandom random(2);
  std::vector<Fr> children(64);
  for (Fr& child : children) child = bls12_381::RandomFr(random);
  std::vector<Fr> parents(8);
  HashRow8(children, parents);
  for (std::size_t i = 0; i < parents.size(); ++i) {
    EXPECT_EQ(parents[i], Hash8(std::span<const Fr, 8>(children.data() + 8 * i, 8)));
  }
}

}  // namespace
}  // namespace damocles::poseidon
