// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What each method takes, needs and answers, over one chain: those of the client's table
// (chain/methods.h), as a call or as JSON, and further ones of a node, as JSON alone.

#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "damocles/chain/json_rpc.h"
#include "damocles/chain/methods.h"
#include "damocles/devnet/chain.h"

namespace damocles::devnet::internal {

struct RpcAnswer {
  std::string result;  // raw JSON
  std::optional<chain::RpcError> error;
};

class MethodTable {
 public:
  explicit MethodTable(Chain& chain);
  MethodTable(const MethodTable&) = delete;
  MethodTable& operator=(const MethodTable&) = delete;

  using Params = std::vector<std::string>;
  struct Method {
    chain::Permission permission = chain::Permission::kRead;
    std::size_t params = 0;
    // `name` with its name space.  Empty: one of those that wait.
    std::function<RpcAnswer(const std::string& name, const Params& params)> answer;
  };
  // By its name without the name space; null if there is none.  `v0`: in the older shape.
  const Method* Find(const std::string& name, bool v0) const;

  // Answers at once, also where a node would wait.  UNIMPLEMENTED: not among them.
  absl::Status Answer(chain::Call& call) const;

 private:
  using Methods = std::map<std::string, Method, std::less<>>;

  // `function` takes the values of Wanted, a tuple, and returns a T or StatusOr<T> that has JSON.
  template <typename Wanted, typename Function>
  static Method AsJson(chain::Permission permission, Function function);
  // A method of the client's table.
  template <auto member, typename Function>
  void Serve(Function function);
  template <auto member, typename Function>
  void ServeCalls(Function function);
  // One that only others ask.
  template <typename... Wanted, typename Function>
  void Add(const char* name, Function function,
           chain::Permission permission = chain::Permission::kRead);
  void AnswersMadeList(const char* name);
  void AddChain();
  void AddMiners();
  void AddRandomness();
  void AddWallet();
  void AddMessages();
  void AddV0();
  void AddWaiting();

  Chain& chain_;
  Methods methods_;
  Methods v0_;  // where it differs
  std::map<const chain::MethodInfo*, std::function<absl::Status(chain::Call&)>> calls_;
};

}  // namespace damocles::devnet::internal
