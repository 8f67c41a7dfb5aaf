# SPDX-License-Identifier: Apache-2.0 OR MIT
@0xd3a1c5f0b7e24a91;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("damocles::schema");

# Numbers are never reused.  A method or field that is replaced stays under its number with a
# DEPRECATED note.

const protocolVersion :UInt32 = 1;
# Both ends say it when they connect.  A manager refuses a peer with another number.

struct Status {
  # What became of a call.  Domain errors are data; an exception on the wire is a lost connection,
  # an overload or a bug.
  code @0 :UInt16;      # absl::StatusCode; 0 is OK
  message @1 :Text;
}

struct Sector {
  # One sector of a proof, with the NAMES of the stores that hold its files.
  number @0 :UInt64;
  commR @1 :Data;       # 32 bytes, a little-endian field element
  upgraded @2 :Bool;    # its replica lies in update/ and update-cache/
  sealedStore @3 :Text;
  cacheStore @4 :Text;
}

struct Fault {
  sector @0 :UInt64;
  reason @1 :Text;
}
