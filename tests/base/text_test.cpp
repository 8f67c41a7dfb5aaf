// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/text.h"

#include <string>

#include "gtest/gtest.h"

namespace damocles {
namespace {

TEST(TextTest, ControlCharactersAreSeenAndEscaped) {
  for (const auto& [text, printed] :
       {std::pair("a\x1b[2Jb", "a\\x1b[2Jb"), std::pair("a\nb\r", "a\\x0ab\\x0d"),
        std::pair("\x7f", "\\x7f"), std::pair("a\xc2\x9b", "a\\x9b"),
        // No UTF-8: alone, cut short, too long a form, half of a pair, beyond the last.
        std::pair("\x9b", "\\x9b"), std::pair("\xc2", "\\xc2"), std::pair("\xe2\x82", "\\xe2\\x82"),
        std::pair("\xc0\x9b", "\\xc0\\x9b"), std::pair("\xe0\x82\x9b", "\\xe0\\x82\\x9b"),
        std::pair("\xed\xa0\x80", "\\xed\\xa0\\x80"),
        std::pair("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"), std::pair("\xff", "\\xff"),
        // Not seen, but obeyed.
        std::pair("a\xe2\x80\xae"
                  "b",
                  "a\\u202e"
                  "b"),
        std::pair("\xe2\x80\x8b", "\\u200b"), std::pair("\xe2\x81\xa6", "\\u2066"),
        std::pair("\xef\xbb\xbf", "\\ufeff"), std::pair("\xe2\x80\xa8", "\\u2028"),
        std::pair("\xd8\x9c", "\\u061c"), std::pair("\xf3\xa0\x81\x81", "\\ue0041")}) {
    EXPECT_TRUE(HasControlCharacter(text)) << printed;
    EXPECT_EQ(Printable(text), printed);
    EXPECT_FALSE(HasControlCharacter(Printable(text)));
  }
  for (const char* text :
       {"", "store-1", "Zo\xc3\xab \xc2\xa9", "\xe2\x82\xac", "\xf0\x9f\x97\xa1", "\xef\xbf\xbd"}) {
    EXPECT_FALSE(HasControlCharacter(text)) << text;
    EXPECT_EQ(Printable(text), text);
  }
  EXPECT_TRUE(HasControlCharacter(std::string(1, '\0')));
}

TEST(TextTest, LongTextsAreCutBetweenCharacters) {
  EXPECT_EQ(Printable("abc", 3), "abc");
  EXPECT_EQ(Printable("abcd", 3), "abc... (1 bytes more)");
  EXPECT_EQ(Printable("ab\xe2\x82\xac", 4), "ab... (3 bytes more)");
  EXPECT_EQ(Printable("\x1b\x1b\x1b", 2), "\\x1b\\x1b... (1 bytes more)");
}

}  // namespace
}  // namespace damocles
