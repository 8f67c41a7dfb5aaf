// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What `damocles-devnet report --json` says: every deadline that ended, and every
// proof that was taken, so that a foreign verifier can check it.

#pragma once

#include <string>

#include "damocles/devnet/chain.h"

namespace damocles::devnet {

// One JSON object {"deadlines": [...], "proofs": [...]}, indented.
//
// A deadline: miner, period (its start), deadline, partition, open, close, live, must_be_posted,
// posted, missed, message (CID or null), epoch (of inclusion or null), exit_code (of that message,
// or of the last refused one, or null), error (its text if it was refused), skipped (sector
// numbers), verified, refused (number of messages for the partition that failed). A proof: kind,
// sector_size, api_version, circuit, miner, randomness, sectors, proof as in a golden case; also
// message, epoch, deadline, partitions, verified.
std::string ReportJson(const Chain& chain);

}  // namespace damocles::devnet
