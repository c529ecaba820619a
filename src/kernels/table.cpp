// The tables of all instruction sets of this build, each gathered from the objects that were compiled for it.
#include "kernels/table.hpp"

// One set's sub-tables are strong symbols of its objects; this file alone is compiled without special flags.
#define EDDY_TABLE(isa)                                                                          \
  namespace isa {                                                                                \
  extern const ActivationKernels<float> activation_kernels;                                      \
  extern const AttentionKernels<float> attention_kernels;                                        \
  extern const ConvKernels conv_kernels;                                                         \
  extern const GroupNormKernels<float> group_norm_kernels;                                       \
  extern const LinearKernels linear_kernels;                                                     \
  extern const MseKernels<float> mse_kernels;                                                    \
  extern const OptimizerKernels optimizer_kernels;                                               \
  const KernelTable& table() noexcept {                                                          \
    static const KernelTable all{activation_kernels, attention_kernels, conv_kernels,            \
                                 group_norm_kernels, linear_kernels,    mse_kernels,             \
                                 optimizer_kernels};                                             \
    return all;                                                                                  \
  }                                                                                              \
  }

namespace eddy::inline v0_1 {

EDDY_TABLE(baseline)
#if defined(EDDY_HAS_AVX2)
EDDY_TABLE(avx2)
#endif
#if defined(EDDY_HAS_AVX512)
EDDY_TABLE(avx512)
#endif

const KernelTable* kernel_table(Isa isa) noexcept {
  switch (isa) {
#if defined(__aarch64__)
    case Isa::neon:
#else
    case Isa::baseline:
#endif
      return &baseline::table();
#if defined(EDDY_HAS_AVX2)
    case Isa::avx2:
      return &avx2::table();
#endif
#if defined(EDDY_HAS_AVX512)
    case Isa::avx512:
      return &avx512::table();
#endif
    default:
      return nullptr;
  }
}

}  // namespace eddy::inline v0_1
