// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// How values and JSON trees become each other.  Codec<T> has
//   static Json Write(const T& value);
//   static absl::Status Read(const Json& json, T& out);   // `out` fresh; null is judged by the
//   type
// A struct needs only Shape<T>, its members in the node's order.

#pragma once

#include <concepts>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"

#include "damocles/base/status.h"
#include "damocles/chain/lotus_json.h"

namespace damocles::chain::internal {

// Members stay in the order in which they were added.
using Json = nlohmann::ordered_json;

template <typename T>
struct Codec;

// Specialised with
//   template <typename V, typename S> static void Visit(V& v, S& s) { v("Name", s.name); ... }
template <typename T>
struct Shape;

template <typename T>
concept Shaped = requires {
  typename Shape<T>::IsShape;
};

// The member `name` in any case; of several the last.  Null if there is none.
const Json* FindMember(const Json& object, std::string_view name);

absl::Status WrongKind(const Json& json, std::string_view wanted);

// Names the list member in the error of a value inside it.
absl::Status AtIndex(absl::Status status, std::size_t index);

absl::StatusOr<Json> ParseJson(std::string_view text);
// With the escapes of Go's encoder for <, > and &.
std::string DumpJson(const Json& json);

class ShapeWriter {
 public:
  template <typename T>
  void operator()(const char* name, const T& value) {
    json_[name] = Codec<T>::Write(value);
  }
  template <typename T>
  void Required(const char* name, const T& value) {
    (*this)(name, value);
  }
  // A list that Go makes before it knows what is in it: [] when empty.
  template <typename T>
  void MadeList(const char* name, const std::vector<T>& values) {
    json_[name] = values.empty() ? Json::array() : Codec<std::vector<T>>::Write(values);
  }
  // A member that is always the same on the wire and not read.
  void Constant(const char* name, Json value) { json_[name] = std::move(value); }
  Json Take() { return std::move(json_); }

 private:
  Json json_ = Json::object();
};

class ShapeReader {
 public:
  explicit ShapeReader(const Json& json) : json_(json) {}

  template <typename T>
  void operator()(const char* name, T& value) {
    if (!status_.ok()) return;
    const Json* member = FindMember(json_, name);
    if (member == nullptr) return;
    status_ = Annotate(Codec<T>::Read(*member, value), name);
  }
  // A member without which the value means nothing.
  template <typename T>
  void Required(const char* name, T& value) {
    if (status_.ok() && FindMember(json_, name) == nullptr) {
      status_ = absl::InvalidArgumentError(std::string(name) + ": is missing");
    }
    (*this)(name, value);
  }
  template <typename T>
  void MadeList(const char* name, std::vector<T>& values) {
    (*this)(name, values);
  }
  void Constant(const char* /*name*/, const Json& /*value*/) {}
  const absl::Status& status() const { return status_; }

 private:
  const Json& json_;
  absl::Status status_;
};

template <Shaped T>
struct Codec<T> {
  static Json Write(const T& value) {
    ShapeWriter writer;
    Shape<T>::Visit(writer, value);
    return writer.Take();
  }
  static absl::Status Read(const Json& json, T& out) {
    if (json.is_null()) return absl::OkStatus();  // Go leaves a struct as it is
    if (!json.is_object()) return WrongKind(json, "an object");
    ShapeReader reader(json);
    Shape<T>::Visit(reader, out);
    return reader.status();
  }
};

template <typename T>
struct Codec<std::optional<T>> {
  static Json Write(const std::optional<T>& value) {
    return value ? Codec<T>::Write(*value) : Json(nullptr);
  }
  static absl::Status Read(const Json& json, std::optional<T>& out) {
    out.reset();
    if (json.is_null()) return absl::OkStatus();
    return Codec<T>::Read(json, out.emplace());
  }
};

// An empty list is null, as Go writes a nil slice.
template <typename T>
struct Codec<std::vector<T>> {
  static Json Write(const std::vector<T>& values) {
    if (values.empty()) return nullptr;
    Json out = Json::array();
    for (const T& value : values) out.push_back(Codec<T>::Write(value));
    return out;
  }
  static absl::Status Read(const Json& json, std::vector<T>& out) {
    out.clear();
    if (json.is_null()) return absl::OkStatus();
    if (!json.is_array()) return WrongKind(json, "a list");
    out.reserve(json.size());
    for (const Json& item : json) {
      absl::Status status = Codec<T>::Read(item, out.emplace_back());
      if (!status.ok()) return AtIndex(std::move(status), out.size() - 1);
    }
    return absl::OkStatus();
  }
};

template <typename T>
absl::StatusOr<T> FromText(std::string_view text) {
  DAMOCLES_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  T value{};
  DAMOCLES_RETURN_IF_ERROR(Codec<T>::Read(json, value));
  return value;
}

}  // namespace damocles::chain::internal

// Makes FromLotusJson and ToLotusJson for the types named (in namespace damocles::chain).
#define DAMOCLES_JSON_TYPE(...)                                                   \
  template <>                                                                     \
  absl::StatusOr<__VA_ARGS__> FromLotusJson<__VA_ARGS__>(std::string_view text) { \
    return internal::FromText<__VA_ARGS__>(text);                                 \
  }                                                                               \
  template <>                                                                     \
  std::string ToLotusJson<__VA_ARGS__>(const __VA_ARGS__& value) {                \
    return internal::DumpJson(internal::Codec<__VA_ARGS__>::Write(value));        \
  }
