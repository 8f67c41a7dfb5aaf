# SPDX-License-Identifier: Apache-2.0 OR MIT
@0xe86d0a4fb3c1d527;

using Cxx = import "/capnp/c++.capnp";
using Common = import "common.capnp";
using Job = import "job.capnp";
$Cxx.namespace("damocles::schema");

struct WorkerInfo {
  name @0 :Text;
  connected @1 :Bool;
  lastSeenUnixMs @2 :Int64;
  address @3 :Text;
  offer @4 :Job.Offer;
  running @5 :List(Text);     # job ids
  clockMeasured @6 :Bool;
  clockAheadMs @7 :Int64;     # of its wall clock, against the manager's
}

struct Store {
  name @0 :Text;
  path @1 :Text;
  readOnly @2 :Bool;
  totalBytes @3 :UInt64;      # 0 with a status other than OK
  freeBytes @4 :UInt64;
  sectors @5 :UInt64;         # rows of the index that name it
  status @6 :Common.Status;
  trouble @7 :Text;           # why the sectors in it cannot be seen, with the remedy; "": nothing
}

struct SectorPlace {
  found @0 :Bool;
  sealedStore @1 :Text;
  cacheStore @2 :Text;
}

struct BatchRecord {
  partitions @0 :List(UInt64);
  state @1 :Text;
  jobId @2 :Text;
  messageCid @3 :Text;
  skipped @4 :List(Common.Fault);
  error @5 :Text;
  proofs @6 :UInt32;
}

struct DeadlineRecord {
  miner @0 :UInt64;
  deadlineIndex @1 :UInt64;
  periodStart @2 :Int64;
  openEpoch @3 :Int64;
  closeEpoch @4 :Int64;
  state @5 :Text;
  reason @6 :Text;
  batches @7 :List(BatchRecord);
  provenEpoch @8 :Int64;      # when the last batch was proven; -1: not yet, as below
  confirmedEpoch @9 :Int64;
  skippedSectors @10 :UInt64; # all; `skipped` of the batches names the first of them
}

struct FaultySector {
  partition @0 :UInt64;
  number @1 :UInt64;
  why @2 :Text;               # it is not declared recovered; or what became of its declaration
  messageCid @3 :Text;        # that declares it; empty: none
}

struct RecoveryRecord {
  # One look at a deadline for sectors that are faulty and may be declared recovered.
  miner @0 :UInt64;
  deadlineIndex @1 :UInt64;
  openEpoch @2 :Int64;        # of the window before which they are to be declared
  state @3 :Text;
  note @4 :Text;
  sectors @5 :List(FaultySector);
}

struct AttachReport {
  store @0 :Text;
  added @1 :UInt64;
  known @2 :UInt64;
  problems @3 :List(Text);
}

struct Finding {
  kind @0 :Text;              # one word, the same in every release
  costsWindow @1 :Bool;       # otherwise a warning
  subject @2 :Text;
  what @3 :Text;
  detail @4 :Text;
  remedy @5 :Text;
}

struct CheckReport {
  atUnixMs @0 :Int64;
  findings @1 :List(Finding);
  inOrder @2 :List(Text);
  notLearnt @3 :List(Text);   # subjects of which nothing is known this time
}

interface Progress {
  step @0 (done :UInt64, total :UInt64, what :Text) -> ();
  # `total` 0: not known.
}

interface Reader {
  # What anybody who may look may do.
  jobs @0 (all :Bool) -> (status :Common.Status, jobs :List(Job.Job));
  workers @1 () -> (status :Common.Status, workers :List(WorkerInfo));
  stores @2 () -> (status :Common.Status, stores :List(Store));
  findSector @3 (miner :UInt64, number :UInt64) -> (status :Common.Status, sector :SectorPlace, upgrade :SectorPlace, troubles :List(Text));
  # `troubles`: of the stores named, as Store.trouble.
  deadlines @4 (hasMiner :Bool, miner :UInt64, fromEpoch :Int64, limit :UInt32)
      -> (status :Common.Status, deadlines :List(DeadlineRecord));
  # Newest first: of one miner or of all, that opened at `fromEpoch` or later.  `limit` 0: as many
  # as a listing shows by default; the server has a limit of its own besides.
  check @5 () -> (status :Common.Status, report :CheckReport);
  # Looks now at everything a window will need; may take a minute.  Older managers do not have it.
  recoveries @6 (hasMiner :Bool, miner :UInt64)
      -> (status :Common.Status, recoveries :List(RecoveryRecord));
  # The latest of each deadline.
}

interface Admin extends(Reader) {
  resetJobs @0 (ids :List(Text)) -> (status :Common.Status, results :List(Common.Status));
  removeJobs @1 (ids :List(Text)) -> (status :Common.Status, results :List(Common.Status));
  removeAllJobs @2 () -> (status :Common.Status, removed :UInt64);
  attach @3 (path :Text, name :Text, readOnly :Bool, progress :Progress, replace :Bool)
      -> (status :Common.Status, report :AttachReport);
}

interface Gate {
  # The first object a connection gets.  It gives out what the token's role may use, and nothing
  # else: there is no method to refuse because there is no object to call it on.
  open @0 (token :Text, protocolVersion :UInt32, software :Text)
      -> (status :Common.Status, role :Text, reader :Reader, admin :Admin, workerHub :Job.WorkerHub);
  # No token: what the manager grants on loopback.  Objects beyond the role are null.
}
