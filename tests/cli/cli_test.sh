#!/bin/sh
# The program from outside: exit statuses, what goes to stdout, messages. usage: cli_test.sh [EMULATOR] EDDY
set -u
garments=$(cd "$(dirname "$0")/../../models/fashion-mnist" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
eddy=$1
if [ $# -gt 1 ]; then
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$1" "$2" >"$work/eddy"
  chmod +x "$work/eddy"
  eddy=$work/eddy
fi
cd "$work" || exit 1
failures=0
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }
# expect STATUS DESCRIPTION COMMAND...: stdout and stderr go to files of that name
expect() {
  wanted=$1 what=$2
  shift 2
  "$@" >stdout 2>stderr
  status=$?
  [ $status -eq "$wanted" ] || { fail "$what: status $status, expected $wanted"; cat stderr; }
}
has() { grep -q -- "$2" "$1" || { fail "$1 lacks: $2"; cat "$1"; }; }
# tells FILE.png KEY=VALUE: a text chunk of it
tells() { tr '\000' '=' <"$1" | grep -qa "tEXt$2" || fail "$1 does not tell $2"; }

expect 0 version "$eddy" --version
has stdout '^eddy [0-9]'
expect 0 help "$eddy" train --help
has stdout 'Examples:'
for group in Data Model Optimiser Run; do has stdout "^$group:"; done
expect 1 "an unknown instruction set" env EDDY_ISA=foo "$eddy" train --help
has stderr '^eddy: error: .*foo'
expect 1 "no threads" env EDDY_THREADS=0 "$eddy" info x
has stderr '^eddy: error: .*EDDY_THREADS'
expect 2 "no command" "$eddy"
has stderr '^eddy: error: a command is needed: train, sample, convert, info'
expect 2 "no samples" "$eddy" sample x --out a.png --num 0
has stderr 'num: must be a whole number above 0, got 0'
expect 2 "unknown command" "$eddy" foo
has stderr '^eddy: error: unknown command foo; the commands are train, sample, convert, info'
expect 2 "unknown flag of no command" "$eddy" --nope
has stderr '^eddy: error: unknown flag --nope'
expect 2 "unknown flag" "$eddy" train --out x --learning-rate 1
has stderr '^eddy: error: unknown flag --learning-rate; is --lr meant?'
expect 2 "misspelt flag" "$eddy" train --out x --batchsize=3
has stderr 'unknown flag --batchsize; is --batch-size meant?'
expect 2 "unexpected argument" "$eddy" train --out x data
has stderr 'unexpected argument data'
expect 2 "a missing flag" "$eddy" train
has stderr '^eddy: error: --out is required'
expect 2 "steps and minutes" "$eddy" train --data x --out y --steps 1 --minutes 1
expect 2 "a rate that is no number" "$eddy" train --data x --out y --lr nan
has stderr 'must be a number, got nan'
expect 2 "an endless norm" "$eddy" train --data x --out y --max-grad-norm inf
expect 2 "no minutes" "$eddy" train --data x --out y --minutes 0
has stderr 'must be above 0, got 0$'
expect 1 "missing data" "$eddy" train --data /nowhere --out run
has stderr '^eddy: error: .*nowhere'
expect 1 "missing model" "$eddy" sample /nowhere --out a.png
expect 1 "wrong ending" "$eddy" sample /nowhere --out a.jpg

# Sixty-four pictures, from a tiny model's samples.
cat >config.json <<'END'
{"unet":{"block_out_channels":[8,16],"down_block_types":["DownBlock2D","DownBlock2D"],"up_block_types":["UpBlock2D","UpBlock2D"],
 "norm_num_groups":4,"attention_head_dim":8}}
END
python_free_pictures() {  # binary IDX: 64 pictures of 8 x 8
  mkdir data
  { printf '\000\000\010\003\000\000\000\100\000\000\000\010\000\000\000\010'; head -c 4096 /dev/zero | tr '\000' '\177'; } >data/train-images-idx3-ubyte
}
python_free_pictures
expect 0 train "$eddy" train --config config.json --data data --out run --steps 6 --batch_size 16 --save_every 3
has stdout 'run/model'
has stderr 'warning: the data set has only'
has stderr '^eddy: data: 64 pictures of 8 x 8, gray$'
expect 0 "a finished run" "$eddy" train --config config.json --data data --out run --steps 6 --batch-size 16 --save-every 3
has stderr 'finished'
expect 1 "another rate" "$eddy" train --data data --out run --lr 0.5
has stderr 'train.learning_rate was 0.002, asked for is 0.5'
expect 1 "another schedule" "$eddy" train --data data --out run --lr-schedule linear
has stderr 'train.lr_schedule was "cosine", asked for is "linear"'
expect 1 "no cycles of linear" "$eddy" train --data data --out none --lr-schedule linear --lr-cycles 2
has stderr '^eddy: error: --lr-cycles: must be left out: lr_schedule linear does not take it, got 2'
expect 0 "diffusers' options" "$eddy" train --config config.json --data data --out script --steps 4 --batch-size 16 --accumulate 2 \
  --prediction sample --loss snr --lr 1e-4 --lr-schedule polynomial --warmup 1 --lr-steps 8 --lr-power 2 --lr-end 1e-6 \
  --adam-beta1 0.95 --adam-beta2 0.99 --adam-eps 1e-7 --weight-decay 1e-6 --ema-decay 0.999 --ema-power 0.75 \
  --ema-inv-gamma 2 --ema-update-after-step 0 --ema-min-decay 0.1 --min-snr-gamma 4 --sample-every 0 --held-out-every 0
for field in '"adam_beta1": 0.95' '"adam_beta2": 0.99' '"adam_eps": 1e-07' '"ema_decay": 0.999' '"ema_inv_gamma": 2.0' \
  '"ema_min_decay": 0.1' '"ema_power": 0.75' '"ema_update_after_step": 0' '"loss": "snr"' '"lr_end": 1e-06' '"lr_power": 2.0' \
  '"lr_schedule": "polynomial"' '"lr_steps": 8' '"min_snr_gamma": 4.0' '"weight_decay": 1e-06'; do
  has script/config.json "$field"
done
[ "$(sed -n 2p script/metrics.csv | cut -d, -f4)" = 0 ] || fail "a warm-up must begin with a rate of 0"
expect 0 "rules of the rate" "$eddy" train --config config.json --data data --out rules --steps 3 --batch-size 16 --lr 1e-4 \
  --lr-schedule piecewise_constant --lr-rules 1:1,0.5:2,0.25 --sample-every 0 --held-out-every 0
[ "$(cut -d, -f4 rules/metrics.csv | tr '\n' ' ')" = "lr 0.0001 5e-05 2.5e-05 " ] || fail "rates: $(cut -d, -f4 rules/metrics.csv)"
expect 1 "no steps" "$eddy" train --data data --out none --steps 0
has stderr '^eddy: error: --steps: must be an integer of at least 1, got 0$'
expect 1 "cycles beside a file" "$eddy" train --config config.json --data data --out none --lr-schedule linear --lr-cycles 2
has stderr '^eddy: error: --lr-cycles: must be left out'
expect 1 "no labels to hide" "$eddy" train --config config.json --data data --out none --label-dropout 0.5
has stderr '^eddy: error: --label-dropout needs a model with classes$'
printf '{"train":{"lr_schedule":"linear","lr_cycles":3}}' >wrong.json
expect 1 "the file's cycles" "$eddy" train --config wrong.json --data data --out none --lr 1e-3
has stderr '^eddy: error: wrong.json: train: lr_cycles: must be left out'
[ -e none ] && fail "a refused run left a folder"
expect 0 "what changes nothing" "$eddy" train --config config.json --data data --out idle --steps 2 --batch-size 16 --sample-every 0 \
  --held-out-every 0 --min-snr-gamma 4 --warmup 10
has stderr "^eddy: warning: min_snr_gamma (--min-snr-gamma) counts for .*; the run's loss is mse$"
has stderr '^eddy: warning: the rate does not come up to the learning rate: its warmup (--warmup) takes 10 steps, the run has 2$'
expect 1 "no such resume" "$eddy" train --data data --out run --resume sometimes
has stderr 'auto, no, or'
expect 1 "a size of IDX files" "$eddy" train --data data --out none --size 64
has stderr '(8, 8, 1)'
expect 1 "no overwriting" "$eddy" train --data data --out run --resume no

expect 2 "unknown products" "$eddy" sample run --out a.png --products fp8
# Products of bfloat16 work, or the message says what is missing.
expect 0 "float32 products" "$eddy" sample run --out f32.npy --num 2 --steps 2
if "$eddy" sample run --out bf16.npy --num 2 --steps 2 --products bf16 >stdout 2>stderr; then
  cmp -s f32.npy bf16.npy && fail "bf16 products change nothing"
  expect 1 "other products" "$eddy" train --data data --out run --products bf16
  has stderr 'products'
else
  expect 1 "no bf16 products" "$eddy" sample run --out bf16.npy --products bf16
  has stderr 'bf16 products are not possible: '
fi

expect 0 "a grid" "$eddy" sample run --out a.png --num 4 --steps 3 --trajectory strip.png
has stdout 'a.png'
has stdout 'strip.png'
grep -qa 'sampler' a.png || fail "a.png has no text chunk"
expect 0 "an array" "$eddy" sample run --out a.npy --num 5 --steps 3 --batch-size 2
[ "$(wc -c <a.npy)" -eq $((128 + 5 * 64 * 4)) ] || fail "a.npy has $(wc -c <a.npy) bytes"
expect 0 pictures "$eddy" sample run --out many/ --num 3 --steps 2
[ "$(ls many | wc -l)" -eq 3 ] || fail "many/ should hold three pictures"
expect 1 "a class of a model without" "$eddy" sample run --out a.png --class 1

# What an output or a flag lacks is said before anything is drawn.
for place in nodir/x.png many a.png/ a.png/deep/; do
  expect 1 "no place for $place" "$eddy" sample run --out "$place" --num 1 --steps 2
  has stderr "^eddy: error: --out"
done
expect 1 "a folder of that name" "$eddy" sample run --out . --num 1 --steps 2
mkdir folder.png
expect 1 "a folder of that name" "$eddy" sample run --out folder.png --num 1 --steps 2
has stderr 'is a folder'
expect 1 "no place for the trajectory" "$eddy" sample run --out early.png --num 1 --steps 2 --trajectory nodir/t.png
[ -e early.png ] && fail "early.png was written before the trajectory was looked at"
expect 1 "a trajectory of another kind" "$eddy" sample run --out a.png --num 1 --steps 2 --trajectory t.jpg
has stderr 'must end in .png'
expect 0 "capitals" "$eddy" sample run --out x.PNG --num 1 --steps 1
has stderr '1 sample, ddim, 1 step,'
grep -q '?' stderr && fail "a pace of nothing is shown"
expect 1 "a negative seed" "$eddy" sample run --out a.png --seed -1
has stderr 'seed must be'
# A picture tells the flags that draw it again, by their names, and nothing of what was not given.
for text in model=run num=1 guidance=1.0 sampler=ddim steps=1 seed=0 noise=eddy products=f32; do tells x.PNG $text; done
for key in variant size class eta sigmas spacing picture mask; do
  grep -qa "tEXt$key" x.PNG && fail "x.PNG tells a $key that was not given"
done
expect 0 "evaluations" "$eddy" sample run --out fast.png --num 1 --sampler dpm_fast --steps 7 --eta 0.25
has stderr '1 sample, dpm_fast, 7 steps,'
for text in steps=7 eta=0.25; do tells fast.png $text; done
expect 0 "repaint" "$eddy" sample run --out told.png --num 2 --sampler repaint --steps 3 --picture many/00000.png --mask many/00001.png \
  --noise torch
for text in sampler=repaint steps=3 picture=many/00000.png mask=many/00001.png noise=torch; do tells told.png $text; done
expect 0 "places" "$eddy" sample run --out places.png --num 1 --steps 2 --sampler euler --sigmas karras --spacing trailing
for text in sigmas=karras spacing=trailing; do tells places.png $text; done
# Another size, and a model that names none.
expect 0 "a size" "$eddy" sample run --out wide.npy --num 1 --steps 1 --size 6x10
[ "$(wc -c <wide.npy)" -eq $((128 + 60 * 4)) ] || fail "wide.npy has $(wc -c <wide.npy) bytes"
expect 0 "a size" "$eddy" sample run --out wide.png --num 1 --steps 1 --size 6x10
tells wide.png size=6x10
expect 2 "a size of nothing" "$eddy" sample run --out a.npy --size 0
has stderr '^eddy: error: --size: must be N or HxW, got 0'
cp -r run/model sizeless && sed 's/"sample_size": 8/"sample_size": null/' run/model/unet/config.json >sizeless/unet/config.json
expect 1 "no size" "$eddy" sample sizeless --out a.npy --num 1 --steps 1
has stderr 'give height and width (--size)'
expect 0 "its size" "$eddy" sample sizeless --out a.npy --num 1 --steps 1 --size 8
expect 0 "a picture of its size" "$eddy" sample sizeless --out a.npy --num 1 --steps 2 --size 8 --sampler repaint --picture many/00000.png \
  --mask many/00001.png
# Steps: who chooses them, how many there are, and how many there may be.
expect 0 "steps of a sampler that has its own" "$eddy" sample run --out a.npy --num 1 --sampler dpm_adaptive --steps 5
has stderr '^eddy: warning: .*(--steps) counts for nothing: dpm_adaptive chooses its steps by a tolerance$'
expect 0 "steps of its own" "$eddy" sample "$garments" --out own.png --num 1 --sampler dpm_adaptive
has stderr 'eddy: 1 sample, dpm_adaptive, seed 0'
grep -qa 'tEXtsteps' own.png && fail "own.png tells steps that dpm_adaptive does not take"
expect 1 "too many steps" "$eddy" sample run --out a.npy --steps 1001
has stderr '^eddy: error: --steps: the number of steps must be in 1 to 1000, got 1001$'
"$eddy" sample --help | tr -s ' \n' ' ' >help
for item in LCMScheduler/lcm/4 TCDScheduler/tcd/4 CMStochasticIterativeScheduler/consistency/1 SCMScheduler/scm/2 UnCLIPScheduler/unclip/25 \
  EulerDiscreteScheduler/euler/50 IPNDMScheduler/ipndm/100 FlowMatchHeunDiscreteScheduler/flow_heun/28; do
  class=${item%%/*} steps=${item##*/} name=${item#*/}
  name=${name%/*}
  rm -rf default && cp -r run/model default && printf '{"_class_name":"%s"}' "$class" >default/scheduler/scheduler_config.json
  sed "s/DDIMScheduler/$class/" run/model/model_index.json >default/model_index.json
  expect 0 "steps of $name" "$eddy" sample default --out a.npy --num 1
  has stderr "1 sample, $name, $steps step"
done
has help 'dpm_adaptive takes none \[50; ddpm, score_ve: all of training; score_vp: 1000 of them; repaint: 250; '
has help 'ipndm: 100; flows: 28; unclip: 25; lcm, tcd: 4; scm: 2; consistency: 1\]'
# Noise: ancestral samplers may have more of it than ddim.
expect 0 "much noise" "$eddy" sample run --out a.npy --num 1 --steps 2 --sampler euler_ancestral --eta 1.5
expect 1 "too much noise" "$eddy" sample run --out a.npy --num 1 --steps 2 --sampler ddim --eta 1.5
has stderr '^eddy: error: --eta: eta must be in \[0, 1\]'
for eta in -1 nan x; do
  expect 2 "eta $eta" "$eddy" sample run --out a.npy --eta=$eta
  has stderr "^eddy: error: --eta: must be a number of at least 0, got $eta"
done
# Names that are near.
expect 2 "a slip" "$eddy" sample run --out a.npy --sampler Eular
has stderr '^eddy: error: --sampler: there is no sampler Eular; is euler meant?$'
expect 2 "a beginning" "$eddy" sample run --out a.npy --sampler euler_a
has stderr 'is euler or euler_ancestral meant?$'
expect 2 "a class of diffusers" "$eddy" sample run --out a.npy --sampler KDPM2DiscreteScheduler
has stderr '^eddy: error: --sampler: there is no sampler KDPM2DiscreteScheduler; KDPM2DiscreteScheduler is called dpm_2 here$'
expect 2 "its beginning" "$eddy" sample run --out a.npy --sampler EulerDiscrete
has stderr '; EulerDiscreteScheduler is called euler here$'
expect 2 "nothing near" "$eddy" sample run --out a.npy --sampler photoshop
has stderr 'there is no sampler photoshop$'
expect 1 "a sampler for other networks" "$eddy" sample run --out a.npy --sampler unclip
has stderr "^eddy: error: sample: sampler unclip (--sampler) does not go with the model's scheduler: .*prediction_type"
# Where the sigmas and the timesteps are.
expect 0 "sigmas" "$eddy" sample run --out karras.npy --num 2 --steps 4 --sampler euler --sigmas karras
expect 0 "spacing" "$eddy" sample run --out trailing.npy --num 2 --steps 4 --sampler euler --spacing trailing
cmp -s karras.npy trailing.npy && fail "--sigmas and --spacing change nothing"
expect 1 "no sigmas" "$eddy" sample run --out a.npy --sampler ddim --sigmas karras
has stderr 'ddim has no list of sigmas'
expect 2 "no such sigmas" "$eddy" sample run --out a.npy --sampler euler --sigmas round
expect 0 "a step of one sample" "$eddy" train --config config.json --data data --out one --steps 1 --batch-size 1
has stderr 'a step sees only 1 sample:'

# Classes by number or by name.
expect 0 "classes by name" "$eddy" sample "$garments" --out named.npy --num 2 --steps 1 --class 'bag,ankle Boot'
expect 0 "classes by number" "$eddy" sample "$garments" --out numbered.npy --num 2 --steps 1 --class 8,9
cmp named.npy numbered.npy || fail "bag and ankle boot are not 8 and 9"
expect 1 "a class of no model" "$eddy" sample "$garments" --out a.npy --class 9,boot
has stderr "no class 'boot'.*8 Bag, 9 Ankle boot"
expect 1 "a number too high" "$eddy" sample "$garments" --out a.npy --num 2 --steps 1 --class 9,10
has stderr '9 Ankle boot'

expect 0 "a run as a model folder" "$eddy" convert run half --dtype f16
has stdout half
expect 0 "the converted model" "$eddy" sample half --out b.npy --num 2 --steps 2
expect 1 "convert in its own place" "$eddy" convert half half/
has stderr '^eddy: error: half/: is or holds what is converted, half; choose another folder$'
expect 1 "convert a run over its model" "$eddy" convert run run/model --dtype f16 --overwrite
has stderr 'run/model: is or holds what is converted'
expect 1 "convert over a model" "$eddy" convert run half
has stderr '^eddy: error: half: holds a model already; choose another folder, or overwrite it (--overwrite)$'
expect 0 "convert over a model, asked for" "$eddy" convert run half --dtype f32 --overwrite
expect 1 "convert over other files" "$eddy" convert run many
has stderr 'holds 00000.png'
[ "$(ls many | wc -l)" -eq 3 ] || fail "many/ has changed"
expect 0 info "$eddy" info run/model
has stdout 'parameters:'
if [ -w /dev/full ]; then
  "$eddy" info run/model >/dev/full 2>stderr && fail "info into a full device ends well"
  has stderr '^eddy: error: .*stdout'
fi
expect 0 "info of a run" "$eddy" info run
has stdout '^step: 6$'
has stdout '^loss: [0-9.]*$'
has stdout '^  loss_of_average: [0-9.]*$'
[ "$(grep -n '^config:' stdout | cut -d: -f1)" -gt "$(grep -n '^step:' stdout | cut -d: -f1)" ] || fail "a run's step is behind its config"
mkdir -p folders/p folders/q && cp many/00000.png folders/p && cp many/00001.png folders/q
expect 0 "info of class folders" "$eddy" info folders --class-folders --size 4x6 --channels 1
has stdout 'class_names: \["p","q"\]'
has stdout 'shape: \[4,6,1\]'
expect 1 "info of nothing" "$eddy" info nope
has stderr 'nope: there is no such file or folder'
expect 1 "info of a text" "$eddy" info config.json
has stderr 'config.json: neither weights'
expect 1 "sample of a file" "$eddy" sample config.json --out a.png
has stderr 'config.json: is a file'
mkdir young && cp run/config.json young
expect 1 "sample of a run without a checkpoint" "$eddy" sample young --out a.png
has stderr 'neither a model/ nor a checkpoint yet'
# A U-Net alone: what makes a model of it.
mkdir alone && cp -r run/model/unet alone && cp -r run/model/scheduler alone
expect 1 "a U-Net beside a scheduler" "$eddy" sample alone --out a.png
has stderr '^eddy: error: alone: a U-Net alone, without a model_index.json; .eddy convert alone/unet/diffusion_pytorch'
has stderr ' FOLDER --config alone/unet/config.json --scheduler alone/scheduler/scheduler_config.json. makes a model folder of it$'
expect 0 "the command that was told" $(sed "s/.*.\(eddy convert .*\). makes a model.*/\1/;s|^eddy|$eddy|;s/FOLDER/joined/" stderr)
expect 0 "the model that it makes" "$eddy" sample joined --out joined.npy --num 2 --steps 2
expect 0 "the model itself" "$eddy" sample run --out whole.npy --num 2 --steps 2
cmp joined.npy whole.npy || fail "the U-Net, made a model folder again, draws something else"
expect 1 "a U-Net without a folder" "$eddy" sample alone/unet --out a.png
has stderr 'alone/unet: a U-Net alone.* --scheduler FILE. makes a model folder'
# Weights that are not there, or not all.
cp -r run/model torn && weights=unet/diffusion_pytorch_model.safetensors
for cut in 5 3000 20000; do
  head -c $cut run/model/$weights >torn/$weights
  expect 1 "weights of $cut bytes" "$eddy" sample torn --out a.png
  has stderr "^eddy: error: torn/$weights: safetensors: the file is cut short.*; download or copy it again$"
done
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 454741108\n' >torn/$weights
expect 1 "a pointer" "$eddy" sample torn --out a.png
has stderr "torn/$weights: is a pointer of Git LFS, not the weights themselves, a file of 454741108 bytes; fetch them with"
has stderr 'git lfs pull'
printf '<!DOCTYPE html><html></html>' >torn/$weights
expect 1 "a page" "$eddy" sample torn --out a.png
has stderr 'is no safetensors file'
# A broken checkpoint: which, and how to go on.
cp -r run broken && rm -r broken/model broken/checkpoints/ckpt-00000006/state.json
expect 1 "a broken checkpoint" "$eddy" train --config config.json --data data --out broken --steps 6 --batch-size 16 --save-every 3
has stderr 'ckpt-00000006/state.json.*; --resume broken/checkpoints/ckpt-00000003 goes on'
expect 0 "an older checkpoint" "$eddy" train --data data --out broken --steps 6 --resume broken/checkpoints/ckpt-00000003
expect 0 "info as JSON" "$eddy" info run --json
has stdout '"kind": "run"'

# Folders of weights: shards, variants, other names.
expect 0 "convert" "$eddy" convert "$garments" half --dtype f16 --max-shard-size 500KB --save-variant fp16 --overwrite
has stdout '^half$'
ls half/unet | grep -q 'diffusion_pytorch_model.fp16-00001-of-0000' || fail "no shards: $(ls half/unet)"
cmp "$garments/model_index.json" half/model_index.json || fail "model_index.json has changed"
cmp "$garments/scheduler/scheduler_config.json" half/scheduler/scheduler_config.json || fail "scheduler_config.json has changed"
expect 0 "info of a variant" "$eddy" info half --variant fp16
has stdout '^pipeline: DDIMPipeline'
has stdout 'F16: '
has stdout 'variants_there: \["fp16"\]'
has stdout '^ignored: '
expect 0 "sample of a variant" "$eddy" sample half --variant fp16 --out half.png --num 1 --steps 1
tells half.png variant=fp16
expect 0 "in one file" "$eddy" convert "$garments" whole --dtype f32
expect 0 "convert back" "$eddy" convert half back --variant fp16 --dtype f32
cmp whole/unet/diffusion_pytorch_model.safetensors back/unet/diffusion_pytorch_model.safetensors || fail "by way of shards in half precision, weights differ"
expect 1 "no such variant" "$eddy" sample half --out a.png
has stderr 'give one (--variant fp16)'
expect 1 "a size without a unit" "$eddy" convert half x --max-shard-size 500
has stderr 'max-shard-size must be as 500MB (units KB, MB, GB, TB), got 500'
for size in 0KB -1MB nanGB 1e30TB MB 5XB; do
  expect 1 "a size of $size" "$eddy" convert half x --variant fp16 --max-shard-size $size
  has stderr 'max-shard-size must be'
done
expect 2 "a type of no weights" "$eddy" convert half x --dtype f8
printf 'x' >model.ckpt
expect 1 "a pickle" "$eddy" convert model.ckpt x
has stderr 'python -c .*torch.load'
expect 1 "info of a pickle" "$eddy" info model.ckpt
has stderr 'python -c .*torch.load'
expect 1 "weights without a configuration" "$eddy" convert back/unet/diffusion_pytorch_model.safetensors x
has stderr 'give the model.s config.json (--config FILE)'
expect 0 "weights and a configuration" "$eddy" convert back/unet/diffusion_pytorch_model.safetensors bare \
  --config back/unet/config.json --scheduler back/scheduler/scheduler_config.json
cmp back/unet/diffusion_pytorch_model.safetensors bare/unet/diffusion_pytorch_model.safetensors || fail "bare weights differ"
expect 1 "a run has its configuration" "$eddy" convert run x --config back/unet/config.json
has stderr 'run: is no model folder'
[ -e x ] && fail "a refused conversion left x"
expect 0 "help of convert" "$eddy" convert --help
for layout in DhariwalUNet guided-diffusion "DDPM's PyTorch port" SongUNet; do has stdout "$layout"; done

# A signal saves first.
"$eddy" train --config config.json --data data --out long --steps 1000000 --sample-every 0 --held-out-every 0 --save-every 0 >stdout 2>stderr &
pid=$!
sleep 3
kill -TERM $pid
wait $pid
[ $? -eq 143 ] || fail "SIGTERM: another status than 143"
has stderr 'saved in long/checkpoints/ckpt-.*the same command goes on'
ls long/checkpoints | grep -q '^ckpt-[0-9]*$' || fail "SIGTERM left no checkpoint"

[ $failures -eq 0 ] && echo "program: all is well"
exit $failures
