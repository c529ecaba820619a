// Convolutions of any kernel, stride and padding, the factors rounded to bfloat16.
//
// x is rounded into pictures with zeros around them, one behind the other. A tap of output (r, c) then stands at
// stride (r row + c) + y row + x, where `row` is the length of a padded row: sixteen outputs in a line are sixteen rows of the
// left factor for every tap, and nothing is gathered. Outputs of one line that lie behind the end of a row are not stored.
// One zero serves as the end of a row and the beginning of the next one.
//
// Backward of x is the same over dy with zeros between its pixels for a stride, and with turned weights; backward of the
// weights is Gradient, over the positions of the pictures.
#include "kernels/conv2d.hpp"

#include "kernels/bf16_product.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

// Pixel i of a source lies at i spacing; `before` zeros come first. `outputs` at distance `stride` read `taps` pixels each.
struct Axis {
  std::int64_t source, spacing, before, taps, stride, outputs;

  // Of a picture in the line of pictures.
  std::int64_t length() const {
    const std::int64_t extent = (source - 1) * spacing + 1, needed = (outputs - 1) * stride + taps;
    const std::int64_t after = needed - before - extent;
    const bool shared = before >= 0 && after >= 0 && lower(before, after) < taps;
    return shared ? extent + (before > after ? before : after) : needed;
  }
  // The source's row at a place, or -1.
  std::int64_t at(std::int64_t place) const {
    const std::int64_t i = place - before;
    return i >= 0 && i % spacing == 0 && i / spacing < source ? i / spacing : -1;
  }
};

struct Pictures {
  Axis y, x;
  std::int64_t n, channels;
  std::int64_t row, size, pixel;  // pixels of a padded row and picture, elements of a pixel

  Pictures(const Axis& vertical, const Axis& horizontal, std::int64_t samples, std::int64_t c)
      : y(vertical), x(horizontal), n(samples), channels(c), row(x.length()), size(y.length() * row),
        pixel(spread(round_up(c, kSide))) {}

  // Behind the last picture: its own zeros, and what the last lines of outputs read beyond it.
  std::int64_t behind() const { return (y.taps + y.stride) * row + x.taps + 2 * kHalf * x.stride; }
  std::int64_t elements() const { return (n * size + behind()) * pixel; }

  void fill(const Launch& launch, const float* source, Bf* to) const {
    const std::int64_t rows = size / row;
    parallel(launch, n * rows, [&](std::int64_t tile, int) {
      Bf* begin = to + tile * row * pixel;
      const std::int64_t r = y.at(tile % rows);
      if (r < 0) return round_row(nullptr, 0, begin, row * pixel);
      const float* from = source + (tile / rows * y.source + r) * x.source * channels;
      std::int64_t done = 0;  // pixels
      for (std::int64_t c = 0; c < x.source; ++c, from += channels) {
        const std::int64_t place = x.before + c * x.spacing;
        if (place < 0 || place >= row) continue;
        round_row(nullptr, 0, begin + done * pixel, (place - done) * pixel);
        round_row(from, channels, begin + place * pixel, pixel);
        done = place + 1;
      }
      round_row(nullptr, 0, begin + done * pixel, (row - done) * pixel);
    });
    round_row(nullptr, 0, to + n * size * pixel, behind() * pixel);
  }
};

// Goes along the pictures' positions.
struct Place {
  std::int64_t sample, r, c;  // row and column of the padded picture

  Place(const Pictures& p, std::int64_t position)
      : sample(position / p.size), r(position % p.size / p.row), c(position % p.row) {}
  void next(const Pictures& p) {
    if (++c < p.row) return;
    c = 0;
    if (++r < p.size / p.row) return;
    r = 0;
    ++sample;
  }
};

// Sixteen outputs in a line: along all rows, or along each row alone where that takes no more of them.
struct Lines {
  std::int64_t row, height, width, a_row, a_sample;

  Lines(std::int64_t row_length, std::int64_t out_height, std::int64_t out_width)
      : row(row_length), height(out_height), width(out_width) {
    const std::int64_t through = ceil_div((height - 1) * row + width, kHalf), each = ceil_div(width, kHalf);
    a_row = height * each <= through ? each : 0;
    a_sample = a_row > 0 ? height * each : through;
  }
  std::int64_t begin(std::int64_t line) const {
    return a_row > 0 ? line / a_row * row + line % a_row * kHalf : line * kHalf;
  }
  // f(i, output pixel) for those of a line that are outputs.
  template <class F>
  void each(std::int64_t line, F&& f) const {
    std::int64_t r = begin(line) / row, c = begin(line) % row;
    for (std::int64_t i = 0; i < kHalf; ++i, ++c) {
      if (a_row == 0 && c == row) {
        ++r;
        c = 0;
      }
      if (c < width && r < height) f(i, r * width + c);
    }
  }
};

void convolve(const Launch& launch, const Pictures& p, std::int64_t out, const float* source, const float* packed,
              const Added& add, float* y, float* scratch) {
  Bf* pictures = reinterpret_cast<Bf*>(scratch);
  p.fill(launch, source, pictures);
  constexpr std::int64_t kTogether = 16;  // lines of a tile
  const Lines lines(p.row, p.y.outputs, p.x.outputs);
  const std::int64_t all = p.n * lines.a_sample, tiles_m = ceil_div(all, kTogether), panels = ceil_div(out, kSide);
  const std::int64_t per_tile = tiles_m >= 8 ? panels : ceil_div(panels, 8), tiles_n = ceil_div(panels, per_tile);
  const std::int64_t taps = p.y.taps * p.x.taps, pixels = p.y.outputs * p.x.outputs;
  parallel(launch, tiles_m * tiles_n, [&](std::int64_t tile, int) {
    const Unit unit;
    const std::int64_t first = tile / tiles_n * kTogether, last = lower(first + kTogether, all);
    const std::int64_t from = tile % tiles_n * per_tile;
    const auto begin = [&](std::int64_t line) {
      return pictures + (line / lines.a_sample * p.size + p.x.stride * lines.begin(line % lines.a_sample)) * p.pixel;
    };
    for (std::int64_t panel = from; panel < lower(from + per_tile, panels); ++panel) {
      const Bf* b = reinterpret_cast<const Bf*>(packed) + panel * panel_elements(p.channels, taps);
      for (std::int64_t line = first; line < last; line += 2) {
        alignas(64) float c[kBlock];
        const bool two = line + 1 < last;
        block({begin(line), begin(two ? line + 1 : line), p.x.stride * p.pixel, ceil_div(p.channels, kSide), p.y.taps, p.x.taps,
               p.row * p.pixel, p.pixel},
              b, false, c);
        for (std::int64_t l = line; l < line + (two ? 2 : 1); ++l) {
          const std::int64_t sample = l / lines.a_sample;
          lines.each(l % lines.a_sample, [&](std::int64_t i, std::int64_t output) {
            store_row(c + ((l - line) * kHalf + i) * kSide, add, sample, sample * pixels + output, panel * kSide, out, y);
          });
        }
      }
    }
  });
}

std::int64_t taps_of(const ConvShape& s) { return s.kernel_height * s.kernel_width; }

Pictures of_x(const ConvShape& s) {
  return {{s.height, 1, s.pad_top, s.kernel_height, s.stride, s.out_height},
          {s.width, 1, s.pad_left, s.kernel_width, s.stride, s.out_width}, s.n, s.in};
}
Pictures of_dy(const ConvShape& s) {
  return {{s.out_height, s.stride, s.kernel_height - 1 - s.pad_top, s.kernel_height, 1, s.height},
          {s.out_width, s.stride, s.kernel_width - 1 - s.pad_left, s.kernel_width, 1, s.width}, s.n, s.out};
}

int forward_algorithm(const ConvShape&) { return 0; }

std::int64_t forward_packed(const ConvShape& s) { return floats_for(packed_elements(s.in, s.out, taps_of(s))); }
std::int64_t forward_scratch(const ConvShape& s, int) { return floats_for(of_x(s).elements()); }
void pack_forward(const Launch& launch, const ConvShape& s, const float* weight, float* packed) {
  const std::int64_t taps = taps_of(s);
  pack(launch, {weight, s.in, s.out, taps, s.in * taps, taps}, reinterpret_cast<Bf*>(packed));
}
void forward(const Launch& launch, const ConvShape& s, const float* x, const float*, const float* packed, const float* bias,
             const float* sample_bias, const float* residual, float* y, float* scratch) {
  convolve(launch, of_x(s), s.out, x, packed, {bias, sample_bias, residual}, y, scratch);
}

std::int64_t backward_data_packed(const ConvShape& s) { return floats_for(packed_elements(s.out, s.in, taps_of(s))); }
std::int64_t backward_data_scratch(const ConvShape& s, int) { return floats_for(of_dy(s).elements()); }
void pack_backward_data(const Launch& launch, const ConvShape& s, const float* weight, float* packed) {
  const std::int64_t taps = taps_of(s);
  pack(launch, {weight, s.out, s.in, s.in * taps, taps, taps, true}, reinterpret_cast<Bf*>(packed));
}
void backward_data(const Launch& launch, const ConvShape& s, const float* dy, const float*, const float* packed, float* dx,
                   float* scratch) {
  convolve(launch, of_dy(s), s.in, dy, packed, {nullptr, nullptr, nullptr}, dx, scratch);
}

Gradient gradient_of(const ConvShape& s, const Pictures& p) {
  return {s.out, s.in, s.n * p.size, s.kernel_height, s.kernel_width, p.row};
}
std::int64_t backward_weight_scratch(const ConvShape& s, int slots) { return gradient_of(s, of_x(s)).scratch(slots); }
void backward_weight(const Launch& launch, const ConvShape& s, const float* x, const float* dy, float* dw,
                     float* scratch) {
  const Pictures p = of_x(s);
  const auto dy_at = [&](std::int64_t first, std::int64_t count, const float** from) {
    Place at(p, first);
    for (std::int64_t i = 0; i < count; ++i, at.next(p)) {
      std::int64_t r = at.r, c = at.c;
      if (s.stride > 1) {
        const std::int64_t place = r * p.row + c;
        r = place % s.stride == 0 ? place / s.stride / p.row : s.out_height;
        c = place / s.stride % p.row;
      }
      const bool output = r < s.out_height && c < s.out_width;
      from[i] = output ? dy + ((at.sample * s.out_height + r) * s.out_width + c) * s.out : nullptr;
    }
  };
  const auto x_at = [&](std::int64_t first, std::int64_t count, const float** from) {
    Place at(p, first);
    for (std::int64_t i = 0; i < count; ++i, at.next(p)) {
      const std::int64_t r = at.r - s.pad_top, c = at.c - s.pad_left;
      const bool inside = r >= 0 && r < s.height && c >= 0 && c < s.width;
      from[i] = inside ? x + ((at.sample * s.height + r) * s.width + c) * s.in : nullptr;
    }
  };
  gradient_of(s, p).run(launch, dy_at, x_at, dw, s.in * taps_of(s), scratch);
}

}  // namespace

extern const ConvKernels conv_kernels;
const ConvKernels conv_kernels{forward_algorithm,    forward_packed,       forward_scratch,       pack_forward,       forward,
                               backward_data_packed, backward_data_scratch, pack_backward_data, backward_data,
                               backward_weight_scratch, backward_weight};

}  // namespace eddy::inline v0_1::EDDY_ISA
