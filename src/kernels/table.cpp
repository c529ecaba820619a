// The tables of all instruction sets of this build, each gathered from the objects that were compiled for it.
#include "kernels/table.hpp"

namespace eddy::inline v0_1 {
extern const NormConvKernels norm_conv_kernels;  // the same of all sets
}

// One set's sub-tables are strong symbols of its objects; this file alone is compiled without special flags.
#define EDDY_TABLE(isa)                                                                          \
  namespace isa {                                                                                \
  extern const ActivationKernels<float> activation_kernels;                                      \
  extern const AttentionKernels<float> attention_kernels;                                        \
  extern const ConvKernels conv_kernels;                                                         \
  extern const FirKernels fir_kernels;                                                           \
  extern const GroupNormKernels<float> group_norm_kernels;                                       \
  extern const LinearKernels linear_kernels;                                                     \
  extern const MseKernels<float> mse_kernels;                                                    \
  extern const OptimizerKernels optimizer_kernels;                                               \
  const KernelTable& table() noexcept {                                                          \
    static const KernelTable all{activation_kernels, attention_kernels,  conv_kernels,           \
                                 fir_kernels,        group_norm_kernels, linear_kernels,         \
                                 mse_kernels,        norm_conv_kernels,  optimizer_kernels};     \
    return all;                                                                                  \
  }                                                                                              \
  }

// The table of AVX-512 with other products; what is null in those stays.
#define EDDY_PRODUCTS(unit)                                                 \
  namespace unit {                                                          \
  extern const ConvKernels conv_kernels;                                    \
  extern const LinearKernels linear_kernels;                                \
  const KernelTable& table() noexcept {                                     \
    static const KernelTable all = [] {                                     \
      KernelTable t = avx512::table();                                      \
      const ConvKernels conv = t.conv2d;                                    \
      const LinearKernels linear = t.linear;                                \
      t.conv2d = conv_kernels;                                              \
      t.linear = linear_kernels;                                            \
      t.linear.column_sums = linear.column_sums;                            \
      if (t.conv2d.backward_weight == nullptr) {                            \
        t.conv2d.backward_weight = conv.backward_weight;                    \
        t.conv2d.backward_weight_scratch = conv.backward_weight_scratch;    \
      }                                                                     \
      if (t.linear.backward_weight == nullptr) {                            \
        t.linear.backward_weight = linear.backward_weight;                  \
        t.linear.backward_weight_scratch = linear.backward_weight_scratch;  \
      }                                                                     \
      return t;                                                             \
    }();                                                                    \
    return all;                                                             \
  }                                                                         \
  }

namespace eddy::inline v0_1 {

#if defined(EDDY_HAS_NEON)
EDDY_TABLE(neon)
#else
EDDY_TABLE(baseline)
#endif
#if defined(EDDY_HAS_AVX2)
EDDY_TABLE(avx2)
#endif
#if defined(EDDY_HAS_AVX512)
EDDY_TABLE(avx512)
#endif
#if defined(EDDY_HAS_AMX)
EDDY_PRODUCTS(amx)
#endif
#if defined(EDDY_HAS_AVX512_BF16)
EDDY_PRODUCTS(avx512_bf16)
#endif
#if defined(EDDY_HAS_AMX_BF16)
EDDY_PRODUCTS(amx_bf16)
#endif

const KernelTable* kernel_table(Isa isa) noexcept {
  switch (isa) {
#if defined(EDDY_HAS_NEON)
    case Isa::baseline:
    case Isa::neon:
      return &neon::table();
#else
    case Isa::baseline:
      return &baseline::table();
#endif
#if defined(EDDY_HAS_AVX2)
    case Isa::avx2:
      return &avx2::table();
#endif
#if defined(EDDY_HAS_AVX512)
    case Isa::avx512:
      return &avx512::table();
#endif
#if defined(EDDY_HAS_AMX)
    case Isa::amx:
      return &amx::table();
#endif
    default:
      return nullptr;
  }
}

const KernelTable* product_table(Products products) noexcept {
  switch (products) {
#if defined(EDDY_HAS_AVX512_BF16)
    case Products::bf16_avx512:
      return &avx512_bf16::table();
#endif
#if defined(EDDY_HAS_AMX_BF16)
    case Products::bf16_amx:
      return &amx_bf16::table();
#endif
    default:
      return nullptr;
  }
}

}  // namespace eddy::inline v0_1
