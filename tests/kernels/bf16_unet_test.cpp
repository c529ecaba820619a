// A whole U-Net with bfloat16 products.
#include "kernels/bf16.hpp"
#include "support/unet_golden.hpp"

using namespace eddy;
using namespace eddy::test;

TEST_CASE("bf16 unet: outputs and gradients are within bfloat16 of diffusers' in double", "[bf16]") {
  const std::string file = GENERATE("ddpm", "classes", "resnet", "middle", "nomiddle");
  for (const Products unit : product_units_here()) {
    CAPTURE(file, name(unit));
    const Context context = with_products(unit);
    const Golden golden("unet_" + file);
    const UNet unet = golden_unet(golden, context);
    std::vector<Tensor> leaves{golden.tensor("in.x", context).variable()};
    for (const Parameter& parameter : unet.parameters()) leaves.push_back(parameter.value());
    const Tensor y = unet(leaves[0], golden.tensor("in.t", context), golden_condition(golden, context));
    const double off = relative_l2(y.values(), golden.tensor("out.y").values());
    CHECK(off < 0.012);
    CHECK(off > 1e-4);  // float32 is 1e-6 off
    const std::vector<Tensor> found = gradients(y, leaves, golden.tensor("in.seed", context));
    // "nomiddle" has ReLUs, whose slope jumps: float32 with rounded weights is 0.12 off as well.
    const double most = file == "nomiddle" ? 0.2 : 0.02;
    CHECK(relative_l2(found[0].values(), golden.tensor("out.dx").values()) < most);
    double all = 0, difference = 0;
    for (std::size_t i = 0; i < unet.parameters().size(); ++i) {
      const Tensor expected = golden.tensor("grad." + unet.parameters()[i].name());
      all = std::hypot(all, norm(expected.values()));
      difference = std::hypot(difference, relative_l2(found[i + 1].values(), expected.values()) * norm(expected.values()));
    }
    CHECK(difference / all < most);
  }
}

TEST_CASE("bf16 unet: a sample alone, in a batch and with other threads has the same bytes", "[bf16]") {
  const UNetConfig config{.in_channels = 2,
                          .out_channels = 2,
                          .down_block_types = {DownBlock::down, DownBlock::attn_down},
                          .up_block_types = {UpBlock::attn_up, UpBlock::up},
                          .block_out_channels = {12, 40},
                          .layers_per_block = 1,
                          .attention_head_dim = 8,
                          .norm_num_groups = 4};
  for (const Products products : product_units_here()) {
    std::vector<float> reference;
    for (const int threads : {1, 2, 3}) {
      const Context context = with_products(products, threads);
      const UNet unet(config, {.seed = 3, .initialisation = Initialisation::torch, .context = context});
      const Tensor x = normals({7, 11, 14, 2}, 1, context), t = Tensor::full({7}, 500, context);
      const NoGrad no_grad;
      for (const std::int64_t batch : {7, 3, 1}) {
        std::vector<float> all;
        for (std::int64_t first = 0; first < 7; first += batch) {
          const std::int64_t n = std::min<std::int64_t>(batch, 7 - first);
          const Tensor y = unet(x.rows(first, n), t.rows(first, n));
          all.insert(all.end(), y.values().begin(), y.values().end());
        }
        if (reference.empty()) reference = all;
        CAPTURE(name(products), threads, batch);
        CHECK(all == reference);
      }
    }
  }
}
