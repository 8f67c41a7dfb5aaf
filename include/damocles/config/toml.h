// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A typed TOML reader that knows where each value stands and which keys nobody asked for.
//
//   DAMOCLES_ASSIGN_OR_RETURN(Document document, Document::Parse(text, "worker.toml"));
//   TableReader root = document.Root();
//   TableReader worker = root.Table("worker");
//   worker.Read("name", config.name);
//   worker.Read("port", config.port, {.min = 1, .max = 65535});
//   DAMOCLES_RETURN_IF_ERROR(document.Finish(UnknownKeys::kRefuse));
//
// Problems are collected, so that one run tells all of them, each as
// "worker.toml:3:1: worker.naem: unknown key (did you mean "name"?)".

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/config/secret.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::config {

struct Node;  // a value of the document with its place; private to lib/config

enum class UnknownKeys { kRefuse, kWarn };
// Whether "post" is read for "PoSt" where nothing is spelled as asked: the existing system's
// manager reads its files so, its worker does not.
enum class KeyCase { kExact, kAny };

template <typename T>
struct Range {
  T min;
  T max;
};

// Reads one table.  A table that is absent reads as empty.  A value of a wrong type or out of range
// is noted as a problem and leaves the target as it was, as does an absent key: defaults are what
// the target held before.  Each reader is asked for each key at most once.
//
// Cheap to copy; the Document outlives it.
class TableReader {
 public:
  bool Has(std::string_view key) const;
  bool Exists() const { return node_ != nullptr; }
  // False where nothing stands in the table but empty tables, or comments.
  bool HasValues() const;
  bool HasEmptyList(std::string_view key) const;

  void Read(std::string_view key, bool& out);
  void Read(std::string_view key, std::uint64_t& out, Range<std::uint64_t> range);
  void Read(std::string_view key, std::uint32_t& out, Range<std::uint32_t> range);
  void Read(std::string_view key, double& out, Range<double> range);
  void Read(std::string_view key, std::string& out);
  void Read(std::string_view key, std::vector<std::string>& out);
  void Read(std::string_view key, std::vector<std::uint64_t>& out);
  // Numbers of miner actors: 1000, "f01000", "t01000" or "1000".
  void ReadMiners(std::string_view key, std::vector<std::uint64_t>& out);
  void Read(std::string_view key, std::map<std::string, std::string>& out);
  void Read(std::string_view key, Secret& out);                 // a token: see MayBeToken
  void Read(std::string_view key, filecoin::TokenAmount& out);  // "5 nanoFIL"
  void Read(std::string_view key, filecoin::Address& out);
  void Read(std::string_view key, std::vector<filecoin::Address>& out);
  void Read(std::string_view key, std::vector<filecoin::SectorSize>& out);  // "32GiB"
  // One string or a list of them.
  void ReadOneOrMany(std::string_view key, std::vector<std::string>& out);
  // "1m30s" (Go), "1min 30s" (humantime), or an integer of nanoseconds as Go writes it.
  void Read(std::string_view key, absl::Duration& out, Range<absl::Duration> range);

  TableReader Table(std::string_view key);
  std::vector<TableReader> Tables(std::string_view key);  // [[key]]
  // [key] or [[key]]
  std::vector<TableReader> OneOrManyTables(std::string_view key);
  // The entries of a table with free keys, as readers' keys for Read.
  std::vector<std::string> Keys() const;

  // Known to the existing system, but without a meaning here: accepted with a warning
  // "ignored: not part of this version" and `hint`, one for each key however often it stands.
  void Ignore(std::string_view key, std::string_view hint = "");
  // The whole table is passed over, with a warning that says why.
  void IgnoreTable(std::string_view why);
  // Read and checked, but nothing follows from it yet: a warning "no effect in this version".
  void NoEffect(std::string_view key);
  // An old spelling: a warning that names the new one.
  void Deprecated(std::string_view key, std::string_view instead);

  // Notes a problem or a warning at `key` (or at the table, if the key is absent).
  void Problem(std::string_view key, std::string_view text);
  void Warn(std::string_view key, std::string_view text);
  // "file:line:column" of the key, or of the table.
  std::string Where(std::string_view key) const;
  // "Common.Proving"
  const std::string& Path() const { return path_; }

 private:
  friend class Document;
  struct State;
  TableReader(const Node* node, std::string path, State* state)
      : node_(node), path_(std::move(path)), state_(state) {}
  const Node* Find(std::string_view key) const;
  const Node* Take(std::string_view key);
  void IgnoreBelow(const Node& node);
  std::string PathTo(std::string_view key) const;
  void WrongType(std::string_view key, const Node& node, std::string_view want);

  const Node* node_;
  std::string path_;
  State* state_;
};

class Document {
 public:
  // INVALID_ARGUMENT "file:line:column: why" for what is not TOML.
  static absl::StatusOr<Document> Parse(std::string_view text, std::string_view file,
                                        KeyCase spelling = KeyCase::kExact);
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  TableReader Root();

  // Judges what was read: INVALID_ARGUMENT with one line for each problem, in order of lines.  Keys
  // that no reader asked for are problems or warnings.
  absl::Status Finish(UnknownKeys unknown);

  // After Finish: lines for the log.
  const std::vector<std::string>& Warnings() const;

 private:
  Document();
  std::unique_ptr<Node> root_;
  std::unique_ptr<TableReader::State> state_;
};

// Go's durations: "1h2m3.5s", units ns us µs ms s m h; a sign is not accepted.
absl::StatusOr<absl::Duration> ParseGoDuration(std::string_view text);
// humantime's: "1h 30m", "15s", "1min", "2days".
absl::StatusOr<absl::Duration> ParseHumanDuration(std::string_view text);
// As Go prints it: "1m0s", "25h0m0s", "7.5s".
std::string FormatGoDuration(absl::Duration duration);

}  // namespace damocles::config
