// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/child/serve.h"

#include <unistd.h>

#include <cerrno>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/file.h"
#include "damocles/base/io_error.h"
#include "damocles/base/log.h"
#include "damocles/base/mutex.h"
#include "damocles/base/status.h"
#include "damocles/base/thread_pool.h"

namespace damocles::child {
namespace {

class Server {
 public:
  Server(Stage stage, const ProveFn& prove, int output, bool extensions)
      : stage_(stage), prove_(prove), output_(output), extensions_(extensions) {}

  ~Server() {
    const MutexLock lock(mutex_);
    for (auto& [id, stop] : under_way_) stop.request_stop();
  }

  absl::Status Write(std::string_view line) {
    const MutexLock lock(write_mutex_);
    return WriteAll(output_, line, "the parent's pipe");
  }

  void Take(std::string_view line) {
    auto request = DecodeRequest(line);
    if (!request.ok()) {
      LogWarning("child", "request_not_understood", {{"error", request.status()}});
    } else if (request->cancel) {
      Cancel(request->id);
    } else if (!request->task.ok()) {
      Answer(request->id, request->task.status());
    } else {
      Begin(request->id, *std::move(request->task));
    }
  }

 private:
  void Answer(std::uint64_t id, const Outcome& outcome) {
    const absl::Status written = Write(EncodeResponse(stage_, id, outcome, extensions_));
    if (!written.ok()) LogError("child", "answer_not_written", {{"id", id}, {"error", written}});
  }

  void Cancel(std::uint64_t id) {
    const MutexLock lock(mutex_);
    const auto at = under_way_.find(id);
    if (at != under_way_.end()) at->second.request_stop();
  }

  void Begin(std::uint64_t id, prover::WindowPostTask task) {
    std::stop_token stop;
    {
      const MutexLock lock(mutex_);
      const auto [at, is_new] = under_way_.try_emplace(id);
      stop = at->second.get_token();
      if (!is_new) {
        LogWarning("child", "request_twice", {{"id", id}});
        return;
      }
    }
    threads_.Run([this, id, stop, task = std::move(task)] {
      LogInfo("child", "proof_begun",
              {{"id", id}, {"miner", task.miner}, {"sectors", task.sectors.size()}});
      const Outcome outcome =
          stop.stop_requested() ? absl::CancelledError("it was taken back") : Prove(task, stop);
      {
        const MutexLock lock(mutex_);
        under_way_.erase(id);
      }
      LogInfo("child", "proof_ended", {{"id", id}, {"status", outcome.status()}});
      Answer(id, outcome);
    });
  }

  // Whatever happens, the parent hears of it.
  Outcome Prove(const prover::WindowPostTask& task, const std::stop_token& stop) {
    try {
      return prove_(task, stop);
    } catch (const std::exception& exception) {
      return absl::InternalError(absl::StrFormat("the proof failed: %s", exception.what()));
    } catch (...) {
      return absl::InternalError("the proof failed with an exception of unknown type");
    }
  }

  const Stage stage_;
  const ProveFn& prove_;
  const int output_;
  const bool extensions_;
  Mutex write_mutex_;
  Mutex mutex_;
  std::map<std::uint64_t, std::stop_source> under_way_ ABSL_GUARDED_BY(mutex_);
  ThreadPool threads_{kServedAtOnce};  // last: joined before what its jobs use goes
};

}  // namespace

absl::Status Serve(Stage stage, const ProveFn& prove, int input, int output, bool extensions) {
  Server server(stage, prove, output, extensions);
  // First: from the ready line on there may be requests.
  if (extensions) DAMOCLES_RETURN_IF_ERROR(server.Write(kExtensionsLine));
  DAMOCLES_RETURN_IF_ERROR(server.Write(ReadyLine(stage)));
  LineSplitter splitter(kRequestBytesMax);
  std::string chunk(std::size_t{256} << 10, '\0');
  while (true) {
    const ssize_t got = read(input, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return IoError(errno, "read", "the parent's pipe");
    if (got == 0) return absl::OkStatus();
    DAMOCLES_ASSIGN_OR_RETURN(
        const std::vector<std::string> lines,
        splitter.Take(std::string_view(chunk).substr(0, static_cast<std::size_t>(got))));
    for (const std::string& line : lines) server.Take(line);
  }
}

}  // namespace damocles::child
