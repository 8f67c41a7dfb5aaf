// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/storage/persist_store.h"

#include <glob.h>
#include <strings.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

#include "damocles/base/file.h"
#include "damocles/base/patience.h"
#include "damocles/base/status.h"
#include "damocles/base/text.h"

namespace damocles::storage {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// For a store whose folder was not there at the start.
constexpr absl::Duration kCanonicalPatience = absl::Seconds(1);

// What the path leads to, links resolved; the path itself if it leads nowhere.
std::string Canonical(const std::string& path) {
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(AbsolutePath(path), error);
  return error ? AbsolutePath(path) : canonical.string();
}

// Empty: it is one.
std::string WhyNoFolder(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::directory) return "";
  if (status.type() == fs::file_type::not_found) {
    return absl::StrFormat(
        "folder %s does not exist: mount or make it, or take it out of the configuration", path);
  }
  if (error) return absl::StrFormat("cannot look at %s: %s", path, error.message());
  return absl::StrFormat("%s is not a folder: correct the path", path);
}

// Go reads JSON keys without regard to case, so files with any spelling exist.
const Json* Member(const Json& object, const char* key) {
  for (auto at = object.begin(); at != object.end(); ++at) {
    if (strcasecmp(at.key().c_str(), key) == 0) return at->is_null() ? nullptr : &*at;
  }
  return nullptr;
}

// A miner as Lotus and damocles write it: 1000, "1000", "f01000" or "t01000".
std::optional<filecoin::ActorId> MinerOf(const Json& item) {
  if (item.is_number_unsigned()) return item.get<filecoin::ActorId>();
  if (!item.is_string()) return std::nullopt;
  std::string_view digits = item.get_ref<const std::string&>();
  if (digits.starts_with("f0") || digits.starts_with("t0")) digits.remove_prefix(2);
  filecoin::ActorId miner = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), miner);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return miner;
}

// Reads members; what has a wrong type is left out and noted.
class JsonReader {
 public:
  explicit JsonReader(const Json& object) : object_(object) {}

  void Read(const char* key, std::string& out) {
    if (const Json* value = Want(key, &Json::is_string)) out = value->get<std::string>();
  }
  void Read(const char* key, bool& out) {
    if (const Json* value = Want(key, &Json::is_boolean)) out = value->get<bool>();
  }
  void Read(const char* key, std::uint64_t& out) {
    if (const Json* value = Want(key, &Json::is_number_unsigned)) out = value->get<std::uint64_t>();
  }
  void Read(const char* key, std::vector<filecoin::ActorId>& out) {
    const Json* list = Want(key, &Json::is_array);
    if (list == nullptr) return;
    for (const Json& item : *list) {
      if (const auto miner = MinerOf(item); miner.has_value()) {
        out.push_back(*miner);
      } else {
        Note(key, "holds what is no miner");
      }
    }
  }
  void Read(const char* key, std::map<std::string, std::string>& out) {
    const Json* map = Want(key, &Json::is_object);
    if (map == nullptr) return;
    for (auto at = map->begin(); at != map->end(); ++at) {
      if (at->is_string()) {
        out[at.key()] = at->get<std::string>();
      } else {
        Note(key, "holds what is no text");
      }
    }
  }
  std::vector<std::string> TakeNotes() { return std::move(notes_); }

 private:
  const Json* Want(const char* key, bool (Json::*is)() const noexcept) {
    const Json* value = Member(object_, key);
    if (value == nullptr) return nullptr;
    if ((value->*is)()) return value;
    Note(key, "has a wrong type");
    return nullptr;
  }
  void Note(const char* key, const char* what) {
    std::string note = absl::StrFormat("%s %s", key, what);
    if (std::ranges::find(notes_, note) == notes_.end()) notes_.push_back(std::move(note));
  }
  const Json& object_;
  std::vector<std::string> notes_;
};

// glob(3) hands no context to what it calls.
thread_local std::vector<std::pair<std::string, int>> unreadable_folders;

int NoteUnreadable(const char* path, int error) {
  // What a pattern leads to that is no folder is no trouble.
  if (error != ENOTDIR && error != ENOENT) unreadable_folders.emplace_back(path, error);
  return 0;  // goes on
}

class GlobResult {
 public:
  GlobResult() = default;
  GlobResult(const GlobResult&) = delete;
  GlobResult& operator=(const GlobResult&) = delete;
  ~GlobResult() { globfree(&result_); }
  glob_t* Get() { return &result_; }
  std::vector<std::string> Paths() const {
    return {result_.gl_pathv, result_.gl_pathv + result_.gl_pathc};
  }

 private:
  glob_t result_{};
};

}  // namespace

std::string EncodeSectorStoreJson(const PersistStore& store, std::string_view id) {
  Json out;
  out["ID"] = std::string(id);
  out["Name"] = store.name;
  out["Strict"] = store.strict;
  out["ReadOnly"] = store.read_only;
  out["Weight"] = store.weight;
  out["AllowMiners"] = store.allow_miners;
  out["DenyMiners"] = store.deny_miners;
  out["PluginName"] = "";
  out["Meta"] = Json::object();
  for (const auto& [key, value] : store.meta) out["Meta"][key] = value;
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<PersistStore> ReadSectorStoreJson(const std::string& folder,
                                                 std::vector<std::string>* notes) {
  const std::string file = absl::StrFormat("%s/%s", AbsolutePath(folder), kSectorStoreFile);
  DAMOCLES_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, 1 << 20));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: is not a JSON object", file));
  }
  PersistStore store;
  store.path = AbsolutePath(folder);
  // The name is what the index and the jobs know the store by: a wrong one is worse than none.
  std::string id;
  JsonReader naming(json);
  naming.Read("Name", store.name);
  if (store.name.empty()) naming.Read("ID", id);
  if (const std::vector<std::string> wrong = naming.TakeNotes(); !wrong.empty()) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: %s", file, wrong.front()));
  }
  if (store.name.empty()) store.name = id;
  if (store.name.empty()) store.name = store.path;
  if (HasControlCharacter(store.name)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: Name \"%s\" holds a control character: write one without", file,
                        Printable(store.name)));
  }
  // All else is about new sectors, or less: it never keeps those that are here from being proven.
  JsonReader reader(json);
  reader.Read("Strict", store.strict);
  reader.Read("ReadOnly", store.read_only);
  reader.Read("Weight", store.weight);
  reader.Read("AllowMiners", store.allow_miners);
  reader.Read("DenyMiners", store.deny_miners);
  reader.Read("Meta", store.meta);
  for (const std::string& note : reader.TakeNotes()) {
    if (notes != nullptr) notes->push_back(absl::StrFormat("%s: %s: passed over", file, note));
  }
  return store;
}

StoreScan ScanPersistStores(const std::vector<std::string>& patterns) {
  StoreScan scan;
  std::set<std::string> folders;
  for (const std::string& pattern : patterns) {
    GlobResult found;
    unreadable_folders.clear();
    // Only with GLOB_TILDE is it not safe.  NOLINTNEXTLINE(concurrency-mt-unsafe)
    const int error = glob(ExpandHome(pattern).c_str(), 0, NoteUnreadable, found.Get());
    for (const auto& [folder, why] : unreadable_folders) {
      scan.problems.push_back(absl::StrFormat(
          "%s: cannot read the folder for \"%s\" (%s): mount it, give the right to read it, or "
          "write a pattern that passes it by",
          folder, pattern, std::generic_category().message(why)));
    }
    if (error != 0 && error != GLOB_NOMATCH) {
      scan.problems.push_back(absl::StrFormat("\"%s\" cannot be followed (%s)", pattern,
                                              std::generic_category().message(errno)));
      continue;
    }
    const std::size_t before = folders.size();
    bool known = false;
    for (const std::string& path : found.Paths()) {
      if (!PathExists(absl::StrFormat("%s/%s", path, kSectorStoreFile))) continue;
      known = !folders.insert(AbsolutePath(path)).second || known;
    }
    if (folders.size() == before && !known && unreadable_folders.empty()) {
      scan.notes.push_back(absl::StrFormat(
          "\"%s\" finds no folder with a %s: is everything mounted?", pattern, kSectorStoreFile));
    }
  }
  std::map<std::string, std::string> folder_of;  // by name
  for (const std::string& folder : folders) {
    absl::StatusOr<PersistStore> store = ReadSectorStoreJson(folder, &scan.notes);
    if (!store.ok()) {
      scan.problems.emplace_back(store.status().message());
      continue;
    }
    const auto [other, is_new] = folder_of.emplace(store->name, folder);
    if (!is_new) {
      scan.problems.push_back(
          absl::StrFormat("%s/%s: \"%s\" is the name of the store in %s too: write another Name",
                          folder, kSectorStoreFile, store->name, other->second));
      continue;
    }
    scan.stores.push_back(*std::move(store));
  }
  return scan;
}

absl::StatusOr<StoreRegistry> StoreRegistry::Open(std::vector<PersistStore> stores,
                                                  const std::set<std::string>& unseen) {
  StoreRegistry registry;
  for (PersistStore& store : stores) {
    store.path = AbsolutePath(store.path);
    if (store.name.empty()) store.name = store.path;
    if (const PersistStore* other = registry.Find(store.name); other != nullptr) {
      return absl::AlreadyExistsError(absl::StrFormat(
          "persist store name \"%s\" is used twice, for %s and %s: names must differ", store.name,
          other->path, store.path));
    }
    std::string canonical;
    if (!unseen.contains(store.path)) {
      const std::string trouble = WhyNoFolder(store.path);
      if (trouble.empty()) {
        canonical = Canonical(store.path);
        const auto same = std::ranges::find(registry.canonical_, canonical);
        if (same != registry.canonical_.end()) {
          registry.problems_.push_back(absl::StrFormat(
              "persist stores \"%s\" and \"%s\" are one folder, %s: take one of them out of the "
              "configuration; what the index has under its name is found under the other's",
              registry.stores_[static_cast<std::size_t>(same - registry.canonical_.begin())].name,
              store.name, canonical));
        }
      } else {
        registry.problems_.push_back(
            absl::StrFormat("persist store \"%s\": %s", store.name, trouble));
      }
    }
    registry.canonical_.push_back(std::move(canonical));
    registry.stores_.push_back(std::move(store));
  }
  return registry;
}

const PersistStore* StoreRegistry::Find(std::string_view name) const {
  for (const PersistStore& store : stores_) {
    if (store.name == name) return &store;
  }
  return nullptr;
}

absl::StatusOr<std::string> StoreRegistry::PathOf(std::string_view name) const {
  if (const PersistStore* store = Find(name); store != nullptr) return store->path;
  return absl::NotFoundError(absl::StrFormat(
      "persist store \"%s\" is not configured here (known: %s): give it back its entry "
      "and its name, or attach the store that has its sectors now",
      name, stores_.empty() ? "none" : absl::StrJoin(Names(), ", ")));
}

const PersistStore* StoreRegistry::FindByPath(const std::string& path) const {
  // As text first: that needs no file system, which may hang.
  const std::string absolute = AbsolutePath(path);
  for (const PersistStore& store : stores_) {
    if (store.path == absolute) return &store;
  }
  const std::string canonical = Canonical(path);
  for (std::size_t i = 0; i < stores_.size(); ++i) {
    if (canonical_[i] == canonical) return &stores_[i];
  }
  // What was not there at the start may be now, or hang still.
  for (std::size_t i = 0; i < stores_.size(); ++i) {
    if (!canonical_[i].empty()) continue;
    const std::optional<std::string> now = Within<std::string>(
        kCanonicalPatience, [store = stores_[i].path] { return Canonical(store); });
    if (now == canonical) return &stores_[i];
  }
  return nullptr;
}

std::vector<std::string> StoreRegistry::Names() const {
  std::vector<std::string> names;
  for (const PersistStore& store : stores_) names.push_back(store.name);
  return names;
}

absl::StatusOr<Space> SpaceAt(const std::string& path) {
  struct statvfs info;
  if (statvfs(path.c_str(), &info) != 0) {
    return absl::UnavailableError(absl::StrFormat("%s: cannot ask for its free space: %s", path,
                                                  std::generic_category().message(errno)));
  }
  return Space{.total_bytes = std::uint64_t{info.f_blocks} * info.f_frsize,
               .free_bytes = std::uint64_t{info.f_bavail} * info.f_frsize};
}

}  // namespace damocles::storage
