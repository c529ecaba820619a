// Lines marked with `wrong` must be refused, for the reason that follows as a regular expression (what g++ says | what
// clang++ says); every other line is the right way beside it, and must compile.
#include <eddy/eddy.hpp>

using namespace eddy;

void scopes() {
  NoGrad outer;
  NoGrad copy(outer);           // wrong: use of deleted function|call to deleted constructor
  EnableGrad opened;
  opened = EnableGrad();        // wrong: use of deleted function|selected deleted operator
  CancelToken token;
  CancelScope scope(token);
  CancelScope implied = token;  // wrong: to non-scalar type|no viable
  DropoutScope dropping(DropoutKey{1, 2});
  DropoutScope same(dropping);  // wrong: use of deleted function|call to deleted constructor
}

void enumerations(const Tensor& x) {
  activate(x, Activation::silu);
  activate(x, true);                                    // wrong: cannot convert|no matching function
  activate(x, "silu");                                  // wrong: cannot convert|no matching function
  Clip clip{.kind = Clip::Kind::range};
  Clip flag{.kind = true};                              // wrong: cannot convert|cannot initialize
  Spacing spacing = Spacing::leading;
  Spacing text = "leading";                             // wrong: cannot convert|cannot initialize
  int number = static_cast<int>(Isa::avx2);
  int implied = Isa::avx2;                              // wrong: cannot convert|cannot initialize
  RunOptions run{.out = "run", .resume = Resume::no};
  RunOptions again{.out = "run", .resume = false};      // wrong: cannot convert|cannot initialize
}

void options(const Tensor& x) {
  group_norm(x, x, x, {.groups = 4});
  group_norm(x, x, x, {.group = 4});                 // wrong: initialization of ref|no matching function
  UNetConfig config{.layers_per_block = 1};
  UNetConfig unknown{.layers = 1};                   // wrong: no non-static data member|not refer to any field
  ContextOptions two{.threads = 2};
  ContextOptions narrow{.threads = 2.5};             // wrong: narrowing conversion|cannot be narrowed
  Context context(two);
  Context number(2);                                 // wrong: no matching function|no matching constructor
  Context implied = two;                             // wrong: to non-scalar type|no viable
}

void tensors(Tensor& x, const Tensor& constant) {
  x.mutable_values()[0] = 1;
  x.values()[0] = 1;                                     // wrong: read-only location|cannot assign to return value
  constant.mutable_values();                             // wrong: discards qualifiers|not marked const
  Tensor three = Tensor::from({1.0f, 2.0f, 3.0f}, {3});
  Tensor doubles = Tensor::from({1.0, 2.0, 3.0}, {3});   // wrong: no matching function|ambiguous
  Tensor number = 3.0f;                                  // wrong: to non-scalar type|no viable
  if (x.defined()) return;
  if (x) return;                                         // wrong: could not convert|is not contextually convertible
}

void sampling(const UNet& unet, const Tensor& x, std::span<const Step> steps, const std::vector<NoiseLevel>& levels) {
  NoiseSource noise = philox_noise(0);
  sample_ddim(from_v(unet), x, steps, noise);
  sample_ddim(unet, x, steps, noise);                    // wrong: initialization of ref|no matching function
  sample_ddim(from_v(unet), x, levels, noise);           // wrong: could not convert|no matching function
  sample_ddim(from_v(unet), x, steps, 7);                // wrong: initialization of ref|no matching function
  sample_ddim(from_v(unet), x, steps, noise, {{}, 0.5});
  sample_ddim(from_v(unet), x, steps, noise, 0.5);       // wrong: initialization of ref|no matching function
  noise.normal(x.shape(), {kStepNoise, 3});
  noise.normal(x.shape(), 3);                            // wrong: invalid conversion|could not bind
}

struct Empty : Dataset {};
struct Counted : Dataset {
  std::int64_t size() const override { return 0; }
  Shape sample_shape() const override { return {1}; }
  std::int64_t fetch(std::int64_t, std::span<float>) const override { return -1; }
};
Counted counted;
Empty empty;  // wrong: abstract type|abstract class
