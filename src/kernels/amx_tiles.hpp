// AMX's registers: eight tiles of sixteen rows of 64 bytes.
#pragma once

#include "kernels/vec.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

struct TileShapes {
  std::uint8_t palette = 1, start = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
alignas(64) constexpr TileShapes kTileShapes;

// The thread's tile registers, for as long as it lives.
struct Unit {
  Unit() { _tile_loadconfig(&kTileShapes); }
  ~Unit() { _tile_release(); }
  Unit(const Unit&) = delete;
  Unit& operator=(const Unit&) = delete;
};

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
