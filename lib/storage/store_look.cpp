// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/storage/store_look.h"

#include <dirent.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/mutex.h"
#include "damocles/storage/sector_paths.h"

namespace damocles::storage {
namespace {

std::string ErrorText(int error) {
  return std::generic_category().message(error);
}

// 1: it has an entry; 0: it has none, or is absent; otherwise -errno.
int HasEntry(const std::string& folder) {
  DIR* const opened = opendir(folder.c_str());
  if (opened == nullptr) return errno == ENOENT ? 0 : -errno;
  int found = 0;
  errno = 0;
  // The stream is this call's own: readdir is safe.  NOLINTNEXTLINE(concurrency-mt-unsafe)
  while (const dirent* const entry = readdir(opened)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    found = 1;
    break;
  }
  if (found == 0 && errno != 0) found = -errno;
  closedir(opened);
  return found;
}

struct Sights {
  Mutex mutex;
  CondVar changed;
  std::map<std::string, StoreSight> seen ABSL_GUARDED_BY(mutex);
};

}  // namespace

StoreSight LookAtStore(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return {StoreCondition::kAbsent, ""};
    return {StoreCondition::kUnreadable, ErrorText(errno)};
  }
  if (!S_ISDIR(info.st_mode)) return {StoreCondition::kUnreadable, "it is not a folder"};
  int trouble = 0;
  for (const Variant variant : {Variant::kSealed, Variant::kUpgraded}) {
    for (const std::string_view folder : {ReplicaFolder(variant), CacheFolder(variant)}) {
      const int found = HasEntry(absl::StrFormat("%s/%s", path, folder));
      if (found > 0) return {StoreCondition::kShowsSectors, ""};
      if (found < 0) trouble = -found;
    }
  }
  if (trouble != 0) return {StoreCondition::kUnreadable, ErrorText(trouble)};
  return {StoreCondition::kEmpty, ""};
}

StoreLook OneLookAtATime(StoreLook look) {
  struct Outstanding {
    Mutex mutex;
    std::set<std::string> paths ABSL_GUARDED_BY(mutex);
  };
  return [look = std::move(look),
          outstanding = std::make_shared<Outstanding>()](const std::string& path) {
    {
      const MutexLock lock(outstanding->mutex);
      if (!outstanding->paths.insert(path).second) {
        return StoreSight{StoreCondition::kNotAnswering, ""};
      }
    }
    StoreSight sight = look(path);
    const MutexLock lock(outstanding->mutex);
    outstanding->paths.erase(path);
    return sight;
  };
}

std::map<std::string, StoreSight> LookAtStores(const std::vector<std::string>& paths,
                                               absl::Duration patience, const StoreLook& look) {
  const auto sights = std::make_shared<Sights>();
  std::map<std::string, StoreSight> seen;
  for (const std::string& path : paths) {
    if (!seen.try_emplace(path, StoreSight{StoreCondition::kNotAnswering, ""}).second) continue;
    try {
      std::thread([sights, path, look] {
        StoreSight sight = look(path);
        const MutexLock lock(sights->mutex);
        sights->seen.insert_or_assign(path, std::move(sight));
        sights->changed.NotifyAll();
      }).detach();
    } catch (const std::system_error&) {
      const MutexLock lock(sights->mutex);
      sights->seen.insert_or_assign(path, StoreSight{StoreCondition::kUnreadable,
                                                     "the system gives no thread to look at it"});
    }
  }
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(patience);
  const MutexLock lock(sights->mutex);
  while (sights->seen.size() < seen.size() && std::chrono::steady_clock::now() < end) {
    sights->changed.WaitUntil(sights->mutex, end);
  }
  for (const auto& [path, sight] : sights->seen) seen.insert_or_assign(path, sight);
  return seen;
}

std::string DescribeSight(const StoreSight& sight, const std::string& path) {
  switch (sight.condition) {
    case StoreCondition::kShowsSectors:
      return "";
    case StoreCondition::kEmpty:
      return absl::StrFormat("%s holds no sector: is its disk mounted?", path);
    case StoreCondition::kAbsent:
      return absl::StrFormat("the folder %s does not exist: mount its disk, or correct the path",
                             path);
    case StoreCondition::kUnreadable:
      return absl::StrFormat("%s cannot be looked at (%s): mend its mount or its rights", path,
                             sight.error);
    case StoreCondition::kNotAnswering:
      return absl::StrFormat("the file system of %s does not answer: mend its mount", path);
  }
  return "";
}

}  // namespace damocles::storage
