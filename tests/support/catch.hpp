// Catch2, version 2 (Debian 12) or 3.
#pragma once
#ifdef EDDY_CATCH2_V3
#include <catch2/catch_all.hpp>
using Catch::Approx;
// Version 2 calls it Contains.
namespace Catch {
inline auto Contains(const std::string& text) { return Matchers::ContainsSubstring(text); }
}  // namespace Catch
#else
#include <catch2/catch.hpp>
#endif
