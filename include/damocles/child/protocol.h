// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// How a process that has work and a child process that proves talk over the child's standard input
// and output: one JSON object a line.  The child first prints `<stage> processor ready`.
//
//   request   {"id":1,"task":{"miner_id":1000,"proof_type":"StackedDrgWindow32GiBV1_2",
//              "replicas":[{"sector_id":7,"comm_r":[32 numbers],"cache_dir":"...",
//              "sealed_file":"..."}],"seed":[32 numbers]}}
//   response  {"id":1,"err_msg":null,"output":{"proofs":["base64"],"faults":[]}}
//
// Many requests are under way at once and are answered in any order.  This is what programs written
// for ipfs-force-community/damocles speak (damocles-manager/pkg/extproc), and they are served and
// used unchanged.  What goes beyond it (why a sector cannot be proven, taking a request back, the
// time a sector may take) is said only between a parent that sets kExtensionsVariable and a child
// that answers it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/prover/window_prover.h"

namespace damocles::child {

enum class Stage { kWindowPost, kWinningPost };
// "window_post", "winning_post".
std::string_view NameOf(Stage stage);

// With its newline, to the byte.
std::string ReadyLine(Stage stage);
// Without a newline; blanks around it are nothing.
bool IsReadyLine(Stage stage, std::string_view line);

// In the child's environment, "1": the parent understands the extensions.  A child that does too
// says so in a line of its own before the ready line: kExtensionsLine.
inline constexpr char kExtensionsVariable[] = "DAMOCLES_CHILD_EXTENSIONS";
inline constexpr std::string_view kExtensionsLine = "{\"damocles_extensions\":1}\n";

// A full partition of 32 GiB sectors is half a megabyte of request, a message of three 1.7 MB.
inline constexpr std::size_t kRequestBytesMax = std::size_t{64} << 20;
// An answer that names each of 25,000 sectors with a reason stays below.
inline constexpr std::size_t kResponseBytesMax = std::size_t{8} << 20;

// Lines with their newline.  `task.sectors` may be in any order; one number twice is one sector.
std::string EncodeRequest(std::uint64_t id, const prover::WindowPostTask& task, bool extensions);
std::string EncodeCancel(std::uint64_t id);

struct Request {
  std::uint64_t id = 0;
  bool cancel = false;  // of `id`; no task
  // The task, or what is wrong with it, to be answered.
  absl::StatusOr<prover::WindowPostTask> task = absl::UnknownError("no task");
};
// Without a newline.  INVALID_ARGUMENT if not even the id can be read.
absl::StatusOr<Request> DecodeRequest(std::string_view line);

using Outcome = absl::StatusOr<prover::WindowPostOutcome>;

// In a stage without faults in its answer (winning_post) they are an error that names them.
std::string EncodeResponse(Stage stage, std::uint64_t id, const Outcome& outcome, bool extensions);

struct Response {
  std::uint64_t id = 0;
  // An error that the child says is INTERNAL with its text, unless the extensions give its code; so
  // is an answer that names its id and is wrong otherwise.
  Outcome outcome = absl::UnknownError("no outcome");
};
// Without a newline.  INVALID_ARGUMENT if it is no response: no object, or no id.
absl::StatusOr<Response> DecodeResponse(std::string_view line);
bool IsExtensionsLine(std::string_view line);

// Cuts what a pipe brings into lines.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t line_max) : line_max_(line_max) {}

  // Whole lines, without their newlines; what has no newline yet is kept.  RESOURCE_EXHAUSTED, for
  // good, once a line is longer than it may be.
  absl::StatusOr<std::vector<std::string>> Take(std::string_view bytes);

 private:
  const std::size_t line_max_;
  std::string rest_;
  bool broken_ = false;
};

}  // namespace damocles::child
