// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/token_amount.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/base/status.h"

namespace damocles::filecoin {
namespace {

constexpr std::size_t kFilPlaces = 18;
// What a message of an error repeats, and what is parsed at all: 127 bytes are 306 digits.
constexpr std::size_t kAmountTextMax = 400;

bool AllDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

BigInt PowerOfTen(std::size_t exponent) {
  BigInt power = 1;
  for (std::size_t i = 0; i < exponent; ++i) power *= 10;
  return power;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Takes "fil" with an optional prefix off the end of lower-case `text`; returns how many places the
// unit has.
std::size_t TakeUnit(std::string_view& text) {
  constexpr std::array<std::pair<std::string_view, std::size_t>, 7> kUnits = {{{"attofil", 0},
                                                                               {"femtofil", 3},
                                                                               {"picofil", 6},
                                                                               {"nanofil", 9},
                                                                               {"microfil", 12},
                                                                               {"millifil", 15},
                                                                               {"fil", 18}}};
  for (const auto& [name, places] : kUnits) {
    if (text.ends_with(name)) {
      text = Trim(text.substr(0, text.size() - name.size()));
      return places;
    }
  }
  return kFilPlaces;
}

}  // namespace

void BigInt::Assign(std::uint64_t value) {
  mpz_import(value_.get_mpz_t(), 1, 1, sizeof(value), 0, 0, &value);
}

void BigInt::Assign(std::int64_t value) {
  const bool is_negative = value < 0;
  const auto bits = static_cast<std::uint64_t>(value);
  Assign(is_negative ? ~bits + 1 : bits);
  if (is_negative) value_ = -value_;
}

absl::StatusOr<BigInt> BigInt::Parse(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || text.size() > kAmountTextMax || !AllDigits(digits)) {
    return absl::InvalidArgumentError(absl::StrFormat("\"%s\" is not a whole number in decimal",
                                                      std::string(text.substr(0, kAmountTextMax))));
  }
  BigInt result;
  result.value_.set_str(std::string(text), 10);
  if (!result.FitsCbor()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "a number of %d digits: the chain's have at most %d bytes", digits.size(), kBytesMax - 1));
  }
  return result;
}

BigInt BigInt::FromBytesBe(ByteSpan magnitude, bool negative) {
  BigInt result;
  mpz_import(result.value_.get_mpz_t(), magnitude.size(), 1, 1, 0, 0, magnitude.data());
  return negative ? -result : result;
}

std::string BigInt::ToString() const {
  return value_.get_str(10);
}

Bytes BigInt::MagnitudeBe() const {
  if (IsZero()) return {};
  Bytes bytes((mpz_sizeinbase(value_.get_mpz_t(), 2) + 7) / 8);
  mpz_export(bytes.data(), nullptr, 1, 1, 0, 0, value_.get_mpz_t());
  return bytes;
}

bool BigInt::FitsCbor() const {
  return mpz_sizeinbase(value_.get_mpz_t(), 2) <= (kBytesMax - 1) * 8;
}

std::optional<std::int64_t> BigInt::ToInt64() const {
  static_assert(sizeof(long) == sizeof(std::int64_t));  // NOLINT(google-runtime-int): GMP's type
  if (!value_.fits_slong_p()) return std::nullopt;
  return value_.get_si();
}

std::optional<std::uint64_t> BigInt::ToUint64() const {
  if (!value_.fits_ulong_p()) return std::nullopt;
  return value_.get_ui();
}

BigInt& BigInt::operator+=(const BigInt& b) {
  value_ += b.value_;
  return *this;
}

BigInt& BigInt::operator-=(const BigInt& b) {
  value_ -= b.value_;
  return *this;
}

BigInt& BigInt::operator*=(const BigInt& b) {
  value_ *= b.value_;
  return *this;
}

BigInt& BigInt::operator/=(const BigInt& b) {
  DAMOCLES_CHECK(!b.IsZero());
  value_ /= b.value_;
  return *this;
}

BigInt& BigInt::operator%=(const BigInt& b) {
  DAMOCLES_CHECK(!b.IsZero());
  value_ %= b.value_;
  return *this;
}

BigInt operator-(const BigInt& a) {
  BigInt result;
  result.value_ = -a.value_;
  return result;
}

void BigInt::WriteCbor(cbor::Writer& writer) const {
  Bytes content;
  if (!IsZero()) {
    content.push_back(Sign() < 0 ? 1 : 0);
    Append(content, MagnitudeBe());
  }
  DAMOCLES_CHECK(content.size() <= kBytesMax);
  writer.ByteString(content);
}

absl::StatusOr<BigInt> BigInt::ReadCbor(cbor::Reader& reader) {
  DAMOCLES_ASSIGN_OR_RETURN(const Bytes content, reader.ReadByteString(kBytesMax));
  if (content.empty()) return BigInt();
  if (content[0] > 1) {
    return absl::InvalidArgumentError(
        absl::StrFormat("big integer with sign byte %d, only 0 and 1 are taken", content[0]));
  }
  return FromBytesBe(ByteSpan(content).subspan(1), content[0] == 1);
}

TokenAmount Fil(std::int64_t count) {
  return BigInt(count) * PowerOfTen(kFilPlaces);
}

absl::StatusOr<TokenAmount> ParseFil(std::string_view text) {
  const auto error = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrFormat("amount \"%s\": %s, want a decimal number and a unit such as \"0.5 FIL\"",
                        std::string(text.substr(0, kAmountTextMax)), std::string(why)));
  };
  if (text.size() > kAmountTextMax) return error("too long");
  const std::string lower = absl::AsciiStrToLower(std::string(text));
  std::string_view number = Trim(lower);
  const std::size_t places = TakeUnit(number);
  const bool is_negative = number.starts_with('-');
  if (is_negative) number.remove_prefix(1);
  const std::size_t point = number.find('.');
  const std::string_view whole = number.substr(0, point);
  const std::string_view fraction =
      point == std::string_view::npos ? std::string_view() : number.substr(point + 1);
  if (whole.empty() || !AllDigits(whole)) return error("not a number");
  if (point != std::string_view::npos && (fraction.empty() || !AllDigits(fraction))) {
    return error("not a number");
  }
  if (fraction.size() > places) return error("parts of an attoFIL");
  DAMOCLES_ASSIGN_OR_RETURN(BigInt amount,
                            BigInt::Parse(std::string(whole) + std::string(fraction)));
  amount *= PowerOfTen(places - fraction.size());
  if (!amount.FitsCbor()) return error("more than the chain can write");
  return is_negative ? -amount : amount;
}

std::string FormatFil(const TokenAmount& amount) {
  std::string digits = (amount.Sign() < 0 ? -amount : amount).ToString();
  if (digits.size() <= kFilPlaces) digits.insert(0, kFilPlaces + 1 - digits.size(), '0');
  std::string fraction = digits.substr(digits.size() - kFilPlaces);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  std::string text = amount.Sign() < 0 ? "-" : "";
  text += digits.substr(0, digits.size() - kFilPlaces);
  if (!fraction.empty()) text += "." + fraction;
  return text + " FIL";
}

}  // namespace damocles::filecoin
