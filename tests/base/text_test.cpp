// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/text.h"

#include <string>

#include "gtest/gtest.h"

namespace damocles {
namespace {

TEST(TextTest, ControlCharactersAreSeenAndEscaped) {
  for (const auto& [text, printed] :
       {std::pair("a\x1b[2Jb", "a\\x1b[2Jb"), std::pair("a\nb\r", "a\\x0ab\\x0d"),
        std::pair("\x7f", "\\x7f"), std::pair("a\xc2\x9b", "a\\x9b")}) {
    EXPECT_TRUE(HasControlCharacter(text)) << printed;
    EXPECT_EQ(Printable(text), printed);
  }
  for (const char* text : {"", "store-1", "Zo\xc3\xab \xc2\xa9", "\xc2"}) {
    EXPECT_FALSE(HasControlCharacter(text)) << text;
    EXPECT_EQ(Printable(text), text);
  }
  EXPECT_TRUE(HasControlCharacter(std::string(1, '\0')));
}

}  // namespace
}  // namespace damocles
