// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Folders that hold sealed sectors.  A store is known everywhere by its name (in the index, in
// jobs, in the [[attached]] list of a worker); each machine maps names to its own paths.

#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/filecoin/sector.h"

namespace damocles::storage {

struct PersistStore {
  std::string name;  // never empty, unique
  std::string path;  // absolute
  bool read_only = false;
  bool strict = false;  // refuse symbolic links and what is not a regular file
  std::uint64_t weight = 1;
  std::vector<filecoin::ActorId> allow_miners = {};
  std::vector<filecoin::ActorId> deny_miners = {};
  std::map<std::string, std::string> meta = {};
  friend bool operator==(const PersistStore&, const PersistStore&) = default;
};

// The name of the file that makes a folder a store when ScanPersistStores looks for it.
inline constexpr std::string_view kSectorStoreFile = "sectorstore.json";

// The content of a sectorstore.json for `store`; its path is not in it: it is the folder's.
std::string EncodeSectorStoreJson(const PersistStore& store, std::string_view id);

// Reads the sectorstore.json of `folder`.  Keys as Lotus and damocles write them (ID, Name, Strict,
// ReadOnly, Weight, AllowMiners, DenyMiners, Meta, in any case; others are passed over); an empty
// Name means the ID, and without either the name is the folder.  Only what keeps the store from
// being found and named is an error (NOT_FOUND, INVALID_ARGUMENT, naming the file); other keys of a
// wrong type are passed over, each with a line in `notes`.
absl::StatusOr<PersistStore> ReadSectorStoreJson(const std::string& folder,
                                                 std::vector<std::string>* notes = nullptr);

struct StoreScan {
  std::vector<PersistStore> stores = {};  // sorted by path; names differ
  // What could not be read, each with its place and remedy: the stores there are missing.
  std::vector<std::string> problems = {};
  // What was passed over without harm, and patterns that find nothing.
  std::vector<std::string> notes = {};
};

// The stores that the folders matching `patterns` (shell globs, "~" allowed) declare: a folder
// without a sectorstore.json is passed over.  One with a spoiled one, or with a name that another
// has, is left out and named; the others are there.
StoreScan ScanPersistStores(const std::vector<std::string>& patterns);

struct Space {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;  // for an ordinary user
};

// Stores by name.  Constant after it is made: safe from several threads.
class StoreRegistry {
 public:
  StoreRegistry() = default;

  // Makes paths absolute, also as names where none is given, and checks that each name is used once
  // (ALREADY_EXISTS).  What is wrong with a path keeps nobody from starting: Problems.  Stores at
  // one of the paths `unseen` are taken as they are, without a look at the disk.
  static absl::StatusOr<StoreRegistry> Open(std::vector<PersistStore> stores,
                                            const std::set<std::string>& unseen = {});

  // Null if there is none.
  const PersistStore* Find(std::string_view name) const;
  // NOT_FOUND: "persist store X is not configured here (known: a, b)".
  absl::StatusOr<std::string> PathOf(std::string_view name) const;
  // The store that lies at `path`, whatever its spelling; null if there is none, the first one if
  // several do.  Looks at `path` on disk, and may block there, where it is not spelled as in the
  // configuration.  Of the stores only those are looked at, for a second each, whose folder was not
  // there when the registry was opened.
  const PersistStore* FindByPath(const std::string& path) const;

  // In the order of the configuration.
  const std::vector<PersistStore>& Stores() const { return stores_; }
  std::vector<std::string> Names() const;
  // Folders that are not there, or that two stores share, each with its remedy.  Such a store is
  // taken as it is configured: it may be mounted later, and what the index has under either name of
  // a shared folder is found there.
  const std::vector<std::string>& Problems() const { return problems_; }

 private:
  std::vector<PersistStore> stores_;
  // Of each store: its path with all links resolved; empty: not seen.
  std::vector<std::string> canonical_;
  std::vector<std::string> problems_;
};

// Total and free bytes of the file system under `path`.  May block on a hung network mount: call it
// off the event loop.
absl::StatusOr<Space> SpaceAt(const std::string& path);

}  // namespace damocles::storage
