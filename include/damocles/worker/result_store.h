// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/worker/session.h"

namespace damocles::worker {

// A finished proof that its manager has not taken yet.
struct StoredResult {
  std::string manager;
  AttemptId attempt;
  absl::Time close_time;  // of its deadline, by this machine's clock: an estimate
  Bytes proof;
};

// Finished proofs on disk, one file each (docs/formats/result.md), so that neither a dead manager
// nor a dead worker costs one.  One process and one thread at a time.
class ResultStore {
 public:
  // Makes the folder if it is absent.
  static absl::StatusOr<ResultStore> Open(std::string folder);

  // On disk when this returns OK.
  absl::Status Save(const StoredResult& result);
  absl::Status Remove(const std::string& manager, const AttemptId& attempt);

  struct Listing {
    std::vector<StoredResult> results;
    // Files that are there and could not be read just now, or are of a newer program.
    std::size_t unread = 0;
  };
  // What is there for `manager`.  A file that is not ours or is damaged is set aside under the name
  // *.corrupt and logged; one that cannot be read, or is of a newer program, is logged and left:
  // none of them stops the others.
  absl::StatusOr<Listing> List(std::string_view manager);

 private:
  explicit ResultStore(std::string folder) : folder_(std::move(folder)) {}
  std::string PathOf(std::string_view manager, const AttemptId& attempt) const;
  std::string folder_;
};

// The name of a result's file in the folder, and its content.  DATA_LOSS for anything that is none
// or has another name, FAILED_PRECONDITION for what a newer program wrote.
std::string ResultFileName(std::string_view manager, const AttemptId& attempt);
std::string EncodeResult(const StoredResult& result);
absl::StatusOr<StoredResult> DecodeResult(std::string_view name, std::string_view content);

}  // namespace damocles::worker
