#!/bin/sh
# Every mode of eddy_bench once, on a tiny model: what its lines say. usage: bench_test.sh EDDY_BENCH BENCH_FOLDER
set -u
bench=$1 folder=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }
# says MODE PATTERN...: one iteration ends well, and its last line has every pattern
says() {
  mode=$1
  shift
  "$bench" $mode --config model.json --batch 2 --iterations 1 --threads 2 >lines 2>stderr || { fail "$mode"; cat stderr; }
  for pattern; do
    tail -n 1 lines | grep -Eq -- "$pattern" || { fail "$mode lacks $pattern"; tail -n 1 lines; }
  done
}

cat >model.json <<'END'
{"unet":{"sample_size":8,"in_channels":1,"out_channels":1,"block_out_channels":[8,16],"layers_per_block":1,
 "down_block_types":["DownBlock2D","AttnDownBlock2D"],"up_block_types":["AttnUpBlock2D","UpBlock2D"],
 "norm_num_groups":4,"attention_head_dim":8,"num_class_embeds":3}}
END

says peak '"gflops":[1-9]'
says train '"losses":\[[0-9.]+,[0-9.]+,[0-9.]+\]' '"asked_after_first_step":0,' '"checkpoint":false' '"weights":45065,'
says "train --checkpoint" '"asked_after_first_step":0,' '"checkpoint":true'
says forward '"rms":0\.[1-9]' '"peak_mib":[1-9]' '"values":\[(-?[0-9.e-]+,){7}-?[0-9.e-]+\]'
says ddim '"median_s":0\.'
says threads '"same_losses":true' '"share":[0-9]' '"step_gain":[0-9]'
says idle '"most_ms":[0-9](\.|,|})'
"$bench" samplers --scheduler '{"timestep_spacing":"trailing","clip_sample":false}' --steps 7 >lines 2>stderr || { fail samplers; cat stderr; }
grep -Eq '"distance":0\.1[0-9]+,"evaluations":7,"sampler":"ddim","steps":7' lines || { fail "samplers lacks its distance"; cat lines; }
"$bench" train >lines 2>stderr && fail "train without a model"
for model in small quickstart cifar10; do
  "$bench" forward --config "$folder/$model.json" --batch 1 --iterations 1 >lines 2>stderr || { fail "$model"; cat stderr; }
done
[ $failures -eq 0 ] && echo "bench: every mode runs"
exit $failures
