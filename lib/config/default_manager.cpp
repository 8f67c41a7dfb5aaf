// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/config/ext_prover.h"
#include "damocles/config/manager.h"

namespace damocles::config {

std::string DefaultManagerConfig() {
  return R"toml(# Default config:
# Values that are commented out are the defaults, but for Name, Path and Actor in the blocks
# [[...]], which are examples; docs/config.md explains every key.

[Common]
# Shell patterns; each matching folder with a sectorstore.json is a persist store.
#ScanPersistStores = []

[Common.API]
# Chain nodes (Lotus v1 API), tried in this order: a multiaddr or a URL, with "TOKEN:" in front if
# a node has a token of its own: Chain = ["/ip4/127.0.0.1/tcp/1234"].  A poster needs one at least.
#Chain = []
# Token for those that have none of their own.
#Token = ""
# How often the head is asked for where no notification comes.
#ChainEventInterval = "1m0s"

[Common.RPC]
# Want a token from this machine too, not only from elsewhere: for whoever lets workers in through a
# tunnel that ends here, or shares the machine.
#RequireToken = false

# One block for each folder with sealed sectors.
#[[Common.PersistStores]]
# The name that the index, jobs and workers use; the path if left out.
#Name = "store-1"
#Path = "/mnt/store-1"
#ReadOnly = false
# Refuse symbolic links and what is not a regular file.
#Strict = false
#Weight = 1
#AllowMiners = []
#DenyMiners = []

[Common.Proving]
# Sectors that are checked at the same time; 0: no limit.
#ParallelCheckLimit = 128
# A sector whose files do not answer in this time counts as bad; "0s": no limit.
#SingleCheckTimeout = "10m0s"
# Time for the checks of one partition; "0s": no limit.
#PartitionCheckTimeout = "20m0s"

[Common.Proving.WorkerProver]
# Tries of a job before it fails for good (until it is reset).
#JobMaxTry = 2
# A worker that is silent for so long has lost the job.
#HeartbeatTimeout = "15s"
# Finished jobs are deleted after this time.
#JobLifetime = "25h0m0s"
# Reset a job that used up its tries when its deadline would be missed otherwise.
#AutoResetBeforeClose = true

# One block for each miner.
#[[Miners]]
# 1000 for f01000.
#Actor = 1000

#[Miners.PoSt]
#Enabled = true
# Addresses that may send the messages (owner, worker, control addresses); the one with the highest
# balance does.  Left out: all of these.
#Senders = []
# Read one challenge of every sector before proving.
#StrictCheck = true
# Prove the batches of a deadline at the same time; false: one after the other.
#Parallel = true
# Gas limit as a multiple of what the node's dry run used.
#GasOverEstimation = 1.2
# Premium as a multiple of the node's estimate; 0: the node's own premium.
#GasOverPremium = 0.0
# Highest price of a unit of gas; "0": the node's own highest fee of a message decides.
#GasFeeCap = "5 nanoFIL"
# How far that is raised for a message that waits because the base fee is higher.
#MaxGasFeeCap = "50 nanoFIL"
# Epochs until a message on the chain counts as final.
#Confidence = 5
# Submit from the deadline's opening + this many epochs.
#SubmitConfidence = 1
# Prove from the challenge epoch + this many epochs.
#ChallengeConfidence = 2
# Sectors declared recovered in one deadline; 0: no limit.
#MaxRecoverSectorLimit = 0
# 0: as many as the network allows.
#MaxPartitionsPerPoStMessage = 0
# 0: no limit.
#MaxPartitionsPerRecoveryMessage = 0

#[Miners.Proof]
# Answer winning PoSt requests for this miner: no effect in this version.
#Enabled = false
)toml";
}

std::string DefaultExtProverConfig() {
  return R"toml(# Default config:
# Child processes that prove for the manager (daemon run --ext-prover), one block each: no effect in
# this version.
#
#[[WdPost]]
# The program; damocles-worker beside the manager if left out.
#Bin = "/path/to/program"
# Arguments for Bin; without Bin they are "processor window_post".
#Args = ["args1", "args2", "args3"]
# Tasks that the child takes at the same time.
#Concurrent = 1
#Weight = 1
# How long the child may take to say that it is ready.
#ReadyTimeoutSecs = 5
#[WdPost.Envs]
#CUDA_VISIBLE_DEVICES = "0"
#TMPDIR = "/tmp/worker0"

#[[WinPost]]
#Bin = "/path/to/program"
#Args = ["args1", "args2", "args3"]
#Concurrent = 1
#Weight = 1
#ReadyTimeoutSecs = 5
#[WinPost.Envs]
#CUDA_VISIBLE_DEVICES = "0"
)toml";
}

}  // namespace damocles::config
