// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/common/rpc_call.h"

#include <kj/compat/http.h>

#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"
#include "damocles/chain/endpoint.h"

namespace damocles::cli {
namespace {

constexpr kj::Duration kTimeout = 30 * kj::SECONDS;
constexpr std::size_t kAnswerBytesMax = std::size_t{256} << 20;
constexpr int kMethodNotFound = -32601;

struct HttpAnswer {
  std::uint32_t status = 0;
  std::string body;
};
using Answer = absl::StatusOr<HttpAnswer>;

absl::Status RefusalOf(std::uint32_t status, const std::string& name, bool has_token) {
  if (status == 401 || status == 403) {
    const std::string text =
        absl::StrFormat("the node at %s %s (HTTP status %d): use a token that it gave out", name,
                        has_token ? "refused the token" : "wants a token", status);
    return status == 401 ? absl::UnauthenticatedError(text) : absl::PermissionDeniedError(text);
  }
  return absl::UnavailableError(
      absl::StrFormat("the node at %s answered with HTTP status %d", name, status));
}

kj::Promise<Answer> Post(kj::Timer& timer, kj::Network& network, const chain::Endpoint& endpoint,
                         const std::string& token, std::string body) {
  struct Client {
    kj::HttpHeaderTable::Builder builder;
    kj::HttpHeaderId authorization = builder.add("Authorization");
    kj::Own<kj::HttpHeaderTable> table = builder.build();
    kj::Own<kj::HttpClient> http;
  };
  auto client = kj::heap<Client>();
  client->http = kj::newHttpClient(timer, *client->table, network, nullptr);
  kj::HttpHeaders headers(*client->table);
  headers.set(kj::HttpHeaderId::CONTENT_TYPE, "application/json");
  if (!token.empty()) {
    headers.set(client->authorization, kj::str("Bearer ", token.c_str()));
  }
  auto request = client->http->request(kj::HttpMethod::POST, endpoint.Url().c_str(), headers,
                                       std::uint64_t{body.size()});
  auto text = kj::heap<std::string>(std::move(body));
  auto writing = request.body->write(text->data(), text->size());
  return writing
      .then([request = kj::mv(request)]() mutable {
        request.body = nullptr;  // the end of the body
        return kj::mv(request.response);
      })
      .then([](kj::HttpClient::Response&& response) {
        const std::uint32_t status = response.statusCode;
        auto reading = response.body->readAllText(kAnswerBytesMax);
        return reading.attach(kj::mv(response.body)).then([status](kj::String&& content) -> Answer {
          return HttpAnswer{status, std::string(content.cStr(), content.size())};
        });
      })
      .attach(kj::mv(text), kj::mv(client));
}

}  // namespace

async::Task<absl::StatusOr<nlohmann::json>> CallNode(kj::Timer& timer, kj::Network& network,
                                                     std::string url, std::string token,
                                                     std::string method) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const chain::Endpoint endpoint, chain::ParseEndpoint(url));
  if (endpoint.tls) co_return absl::UnimplementedError("only http:// addresses are asked this way");
  // KJ would throw what it cannot send, and with it the token.
  if (!token.empty() && !MayBeToken(token)) {
    co_return absl::InvalidArgumentError(
        absl::StrFormat("the token for the node at %s %s", endpoint.Name(), kNoToken));
  }
  const nlohmann::json request = {
      {"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", nlohmann::json::array()}};
  const std::string name = endpoint.Name();
  auto posting =
      Post(timer, network, endpoint, token, request.dump())
          .catch_([name](kj::Exception&& exception) -> Answer {
            return absl::UnavailableError(absl::StrFormat("cannot ask the node at %s: %s", name,
                                                          exception.getDescription().cStr()));
          });
  auto late = timer.afterDelay(kTimeout).then([name]() -> Answer {
    return absl::UnavailableError(absl::StrFormat("the node at %s does not answer", name));
  });
  auto racing = posting.exclusiveJoin(kj::mv(late));
  const Answer answer = co_await kj::mv(racing);
  if (!answer.ok()) co_return answer.status();
  // Some nodes send errors of JSON-RPC with a status of their own: what it says counts first.
  const nlohmann::json parsed =
      nlohmann::json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
  const bool refused = answer->status == 401 || answer->status == 403;
  if (refused || !parsed.is_object() || (!parsed.contains("error") && !parsed.contains("result"))) {
    if (answer->status != 200) co_return RefusalOf(answer->status, name, !token.empty());
    co_return absl::UnavailableError(
        absl::StrFormat("what listens at %s gave no JSON-RPC answer", name));
  }
  if (const auto error = parsed.find("error"); error != parsed.end() && error->is_object()) {
    const std::string message = error->value("message", "an error without a text");
    if (error->value("code", 0) == kMethodNotFound) co_return absl::UnimplementedError(message);
    co_return absl::UnknownError(absl::StrFormat("the node at %s: %s", name, message));
  }
  co_return parsed.value("result", nlohmann::json());
}

}  // namespace damocles::cli
