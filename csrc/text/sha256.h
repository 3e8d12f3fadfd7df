// SHA-256 (FIPS 180-4): tells whether a text is a certain one that gesso must not carry itself.
#pragma once

#include <string>
#include <string_view>

namespace gesso::text {

// 64 hexadecimal digits in lower case.
std::string sha256(std::string_view bytes);

}  // namespace gesso::text
