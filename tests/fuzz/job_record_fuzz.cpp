// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Rows of jobs: what decodes says the same when written again.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "damocles/base/check.h"
#include "damocles/job/record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace job = damocles::job;
  const damocles::ByteSpan bytes(data, size);
  if (const auto spec = job::DecodeSpec(bytes); spec.ok()) {
    const auto again = job::DecodeSpec(job::EncodeSpec(*spec));
    DAMOCLES_CHECK(again.ok());
    DAMOCLES_CHECK(again->sectors == spec->sectors);
    DAMOCLES_CHECK(job::WorkDigest(*again) == job::WorkDigest(*spec));
  }
  const auto id = job::JobId::FromNumber(1);
  const auto spec = std::make_shared<const job::JobSpec>();
  if (const auto record = job::DecodeRecord(id, spec, bytes); record.ok()) {
    const damocles::Bytes written = job::EncodeRecord(*record);
    if (written[0] == bytes[0]) {
      DAMOCLES_CHECK(written == damocles::Bytes(bytes.begin(), bytes.end()));
    } else {  // an older format, written in the present one
      const auto again = job::DecodeRecord(id, spec, written);
      DAMOCLES_CHECK(again.ok() && job::EncodeRecord(*again) == written);
    }
  }
  (void)job::JobId::Parse(damocles::AsText(bytes));
  return 0;
}
