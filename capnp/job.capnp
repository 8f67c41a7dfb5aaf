# SPDX-License-Identifier: Apache-2.0 OR MIT
@0xb1f7c02e9d5e4c38;

using Cxx = import "/capnp/c++.capnp";
using Common = import "common.capnp";
$Cxx.namespace("damocles::schema");

struct JobSpec {
  miner @0 :UInt64;           # actor id
  proofType @1 :UInt32;       # registered PoSt proof number, 10..14
  deadlineIndex @2 :UInt64;
  partitions @3 :List(UInt64);
  openEpoch @4 :Int64;
  closeEpoch @5 :Int64;
  closeUnixMs @6 :Int64;      # DEPRECATED: see leftMs of the assignment
  randomness @7 :Data;        # 32 bytes, masked
  sectors @8 :List(Common.Sector);
}

enum JobState {
  readyToRun @0;
  running @1;
  succeeded @2;
  faults @3;
  failed @4;
}

struct Job {
  # A job as listings show it; sectors and proof are counted, not sent.
  id @0 :Text;
  miner @1 :UInt64;
  proofType @2 :UInt32;
  deadlineIndex @3 :UInt64;
  partitions @4 :List(UInt64);
  openEpoch @5 :Int64;
  closeEpoch @6 :Int64;
  closeUnixMs @7 :Int64;
  sectors @8 :UInt64;
  workers @9 :List(Text);     # who runs it now, or who ran it last
  state @10 :JobState;
  faults @11 :List(Common.Fault);
  tries @12 :UInt32;
  triesMax @13 :UInt32;
  createdUnixMs @14 :Int64;
  startedUnixMs @15 :Int64;   # 0: not yet, as all times below
  finishedUnixMs @16 :Int64;
  heartbeatUnixMs @17 :Int64;
  error @18 :Text;
}

struct Assignment {
  id @0 :Text;
  attempt @1 :UInt64;         # to be repeated with every heartbeat and with the result
  spec @2 :JobSpec;
  leftMs @3 :Int64 = -1;      # until the close; the clocks of two machines differ.  -1: not told, see
                              # closeUnixMs; the greatest number: nobody knows
}

struct VerifyingKey {
  proofType @0 :UInt32;
  digest @1 :Text;            # SHA-256 of the .vk file, hex
}

struct JobFilter {
  # The jobs that one thread of a worker takes.
  miners @0 :List(UInt64);          # empty: all
  proofTypes @1 :List(UInt32);      # empty: all
}

struct Offer {
  # What a worker can do.
  name @0 :Text;
  miners @1 :List(UInt64);          # DEPRECATED: see threads
  proofTypes @2 :List(UInt32);      # DEPRECATED: see threads
  stores @3 :List(Text);            # names of the attached stores
  slots @4 :UInt32;                 # proofs at one time
  verifyingKeys @5 :List(VerifyingKey);  # of the types that it has parameters for: it gets no others
  software @6 :Text;
  practiceTypes @8 :List(UInt32);   # keys made from secrets that somebody knows: devnets only
  instance @7 :Text;                # one process of the worker: random, new at every start
  threads @9 :List(JobFilter);      # a job must pass one of them; none: every job
}

enum Verdict {
  continue @0;
  cancel @1;                  # closed, removed, reset or proven elsewhere: stop the work
}

enum FailureKind {
  attempt @0;                 # an error of the work itself; burns a try
  mapping @1;                 # a store of the job is not attached here; burns none, excludes the worker
}

struct Heartbeat {
  id @0 :Text;
  attempt @1 :UInt64;
}

interface WorkerSession {
  # What a registered worker may do.  Dropping it is not a failure of its jobs: the lease decides.

  allocate @0 (waitMs :UInt32) -> (status :Common.Status, assignment :Assignment);
  # The most urgent job that this worker can do; waits up to `waitMs` for one.  No assignment (null)
  # if none came.

  heartbeat @1 (beats :List(Heartbeat), leaving :Bool, unixMs :Int64)
      -> (status :Common.Status, verdicts :List(Verdict), intervalMs :UInt32, unixMs :Int64);
  # `beats`: everything that arrived and is not done with, results that wait included.  What was
  # given out and is missing in two heartbeats in a row never arrived and goes to somebody else; in
  # one if `leaving`: then the worker takes no more work and reads no answer to `allocate` any more.
  # One verdict a beat, in order.  `intervalMs`: when the next heartbeat is wanted.  `unixMs`: the wall
  # clocks of both, so that each can tell how far they differ; 0: not told.

  finish @2 (id :Text, attempt :UInt64, proof :Data)
      -> (status :Common.Status, accepted :Bool, refusal :Text);
  # The manager verifies first.  Not accepted: the worker forgets it; `refusal` says why the proof is
  # wrong, and is empty if only nobody needs it any more.  A status other than OK: deliver again later.

  faults @3 (id :Text, attempt :UInt64, faults :List(Common.Fault)) -> (status :Common.Status);
  fail @4 (id :Text, attempt :UInt64, kind :FailureKind, reason :Text) -> (status :Common.Status);
}

interface WorkerHub {
  # What the worker role may do.
  register @0 (offer :Offer, unixMs :Int64)
      -> (status :Common.Status, session :WorkerSession, intervalMs :UInt32, unixMs :Int64);
  # FAILED_PRECONDITION if a verifying key differs from the manager's, or if another process has the
  # name and is alive: the message names both.  `intervalMs`: how often heartbeats are wanted.
}
