// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/post/parameter_id.h"

#include <array>

#include "absl/strings/str_format.h"

#include "damocles/base/hex.h"
#include "damocles/hash/sha256.h"

namespace damocles::post {
namespace {

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr std::uint64_t kGiB = 1024 * kMiB;

struct PublishedEntry {
  std::uint64_t sector_bytes;
  PostKind kind;
  PublishedParameters files;
};

constexpr std::array<PublishedEntry, 10> kPublished = {{
    {2 * kKiB,
     PostKind::kWindow,
     {{"7610b9f82bfc88405b7a832b651ce2f6", "QmVxjFRyhmyQaZEtCh7nk2abc7LhFkzhnRX4rcHqCCpikR"},
      {"0e0958009936b9d5e515ec97b8cb792d", "QmcS5JZs8X3TdtkEBpHAdUYjdNDqcL7fWQFtQz69mpnu2X"}}},
    {2 * kKiB,
     PostKind::kWinning,
     {{"82c88066be968bb550a05e30ff6c2413", "QmcSTqDcFVLGGVYz1njhUZ7B6fkKtBumsLUwx4nkh22TzS"},
      {"ffd79788d614d27919ae5bd2d94eacb6", "QmSTCXF2ipGA3f6muVo6kHc2URSx6PzZxGUqu7uykaH5KU"}}},
    {8 * kMiB,
     PostKind::kWindow,
     {{"c49499bb76a0762884896f9683403f55", "QmdNEL2RtqL52GQNuj8uz6mVj5Z34NVnbaJ1yMyh1oXtBx"},
      {"34d4feeacd9abf788d69ef1bb4d8fd00", "QmUiVYCQUgr6Y13pZFr8acWpSM4xvTXUdcvGmxyuHbKhsc"}}},
    {8 * kMiB,
     PostKind::kWinning,
     {{"700171ecf7334e3199437c930676af82", "QmU9SBzJNrcjRFDiFc4GcApqdApN6z9X7MpUr66mJ2kAJP"},
      {"79ebb55f56fda427743e35053edad8fc", "QmbmUMa3TbbW3X5kFhExs6WgC4KeWT18YivaVmXDkB6ANG"}}},
    {512 * kMiB,
     PostKind::kWindow,
     {{"1a7d4a9c8a502a497ed92a54366af33f", "QmUiRx71uxfmUE8V3H9sWAsAXoM88KR4eo1ByvvcFNeTLR"},
      {"4dae975de4f011f101f5a2f86d1daaba", "QmfCeddjFpWtavzfEzZpJfzSajGNwfL4RjFXWAvA9TSnTV"}}},
    {512 * kMiB,
     PostKind::kWinning,
     {{"827359440349fe8f5a016e7598993b79", "QmVgCsJFRXKLuuUhT3aMYwKVGNA9rDeR6DCrs7cAe8riBT"},
      {"bd2cd62f65c1ab84f19ca27e97b7c731", "QmfA31fbCWojSmhSGvvfxmxaYCpMoXP95zEQ9sLvBGHNaN"}}},
    {32 * kGiB,
     PostKind::kWindow,
     {{"2cf49eb26f1fee94c85781a390ddb4c8", "QmaUmfcJt6pozn8ndq1JVBzLRjRJdHMTPd4foa8iw5sjBZ"},
      {"0f8ec542485568fa3468c066e9fed82b", "QmR9i9KL3vhhAqTBGj1bPPC7LvkptxrH9RvxJxLN1vvsBE"}}},
    {32 * kGiB,
     PostKind::kWinning,
     {{"d84f79a16fe40e9e25a36e2107bb1ba0", "Qmdtczp7p4wrbDofmHdGhiixn9irAcN77mV9AEHZBaTt1i"},
      {"fc02943678dd119e69e7fab8420e8819", "QmZCvxKcKP97vDAk8Nxs9R1fWtqpjQrAhhfXPoCi1nkDoF"}}},
    {64 * kGiB,
     PostKind::kWindow,
     {{"3810b7780ac0e299b22ae70f1f94c9bc", "QmeAN4vuANhXsF8xP2Lx5j2L6yMSdogLzpcvqCJThRGK1V"},
      {"59d2bf1857adc59a4f08fcf2afaa916b", "QmWV8rqZLxs1oQN9jxNWmnT1YdgLwCcscv94VARrhHf1T7"}}},
    {64 * kGiB,
     PostKind::kWinning,
     {{"2170a91ad5bae22ea61f2ea766630322", "QmVkrXc1SLcpgcudK5J25HH93QvR9tNsVhVTYHm5UymXAz"},
      {"6d3789148fb6466d07ee1e24d6292fd6", "QmbfQjPD7EpzjhWGmvWAsyN2mAZ4PcYhsf3ujuhU9CSuBm"}}},
}};

std::string FileName(const CircuitShape& circuit, const char* ending) {
  return "v28-" + ParameterId(circuit) + ending;
}

}  // namespace

std::string ParameterIdent(const CircuitShape& circuit) {
  return absl::StrFormat(
      "FallbackPoSt::PublicParams{sector_size: %d, challenge_count: %d, sector_count: %d}",
      circuit.tree.sector_bytes, circuit.challenges, circuit.sectors);
}

std::string ParameterId(const CircuitShape& circuit) {
  return absl::StrFormat("proof-of-spacetime-fallback-merkletree-poseidon_hasher-%s-%s",
                         circuit.tree.Name(),
                         ToHex(hash::Sha256Of(AsBytes(ParameterIdent(circuit)))));
}

std::string ParamsFileName(const CircuitShape& circuit) {
  return FileName(circuit, ".params");
}
std::string VkFileName(const CircuitShape& circuit) {
  return FileName(circuit, ".vk");
}
std::string MetaFileName(const CircuitShape& circuit) {
  return FileName(circuit, ".meta");
}

absl::StatusOr<CircuitShape> CircuitOfFileName(std::string_view file_name) {
  const std::size_t slash = file_name.rfind('/');
  const std::string_view base =
      slash == std::string_view::npos ? file_name : file_name.substr(slash + 1);
  const std::string_view stem = base.substr(0, base.rfind('.'));
  const std::string_view ending = base.substr(stem.size());
  if (ending == ".params" || ending == ".vk" || ending == ".meta") {
    for (const merkle::TreeShape& tree : merkle::AllShapes()) {
      for (PostKind kind : {PostKind::kWindow, PostKind::kWinning}) {
        const CircuitShape circuit = CircuitShapeOf(kind, tree);
        if (FileName(circuit, "") == stem) return circuit;
      }
    }
  }
  return absl::NotFoundError(absl::StrFormat(
      "%s: is not the name of a parameter file of one of the network's circuits", file_name));
}

std::optional<PublishedParameters> PublishedParametersOf(const CircuitShape& circuit) {
  for (const PublishedEntry& entry : kPublished) {
    if (entry.sector_bytes == circuit.tree.sector_bytes && entry.kind == circuit.kind &&
        circuit == CircuitShapeOf(circuit.kind, circuit.tree)) {
      return entry.files;
    }
  }
  return std::nullopt;
}

}  // namespace damocles::post
