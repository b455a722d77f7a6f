#!/usr/bin/env bash
# Train, tune and measure models/reader-small-ko-en. Some four hours on two CPU cores with bf16 arithmetic, and one and a
# half more, with fp32, for the last two trainings.
#
#   examples/train-reader-small-ko-en.sh DATA OUTPUT
#
# DATA holds squad/, qed/, squadshifts/, korquad/ and kobest-boolq/ as published. Of the 44 SQuAD articles the last 4 are held out, of
# KorQuAD's 140 the last 40: 20 to choose by, 20 to measure on. SQuAD dev is only read to measure.
# The training goes on where it was interrupted when the script is called again.
set -euo pipefail
data=${1:?the folder of the data sets}
output=${2:?the folder of the reader}
here=$(dirname "$0")
settings=$here/reader-small-ko-en.toml
squad=squad:$data/squad/train-v1.1-44-articles.json
korquad=korquad:$data/korquad/KorQuAD_v1.0_dev.json

# Two trainings: the second goes on from the first with half its learning rate and more of the English questions that are not
# about Wikipedia. It forgets some Korean; the weighted mean of both keeps it.
processes=$(python -c 'import torch; print(torch.cuda.device_count() or 2)')
train() {
    [ -f "$1/training.json" ] || OMP_NUM_THREADS=1 torchrun --nproc-per-node "$processes" -m dpr train-reader \
        --config "$settings" --output "$1" \
        --data "$squad@:40" --data-weight "$2" \
        --data "$korquad@:100" --data-weight 2.5 \
        --data "qed:$data/qed/nq-train-qed.jsonl" --data-weight "$3" \
        --data "squad:$data/squadshifts/reddit_v1.0.json" --data-weight "$4" \
        --data "squad:$data/squadshifts/amazon_reviews_v1.0.json" --data-weight "$4" \
        --validate "$squad@40:" --validate "$korquad@100:120" "${@:5}"
}
train "$output.first" 1.3 0.6 0.1
train "$output.second" 1 0.4 0.3 --start-from "$output.first" --learning-rate 4e-4 --seed 2
dpr average --encoder "$output.first" --share 0.25 --encoder "$output.second" --share 0.75 --output "$output.mean"

# The adapter at half its rank.
dpr export --reader "$output.mean" --output "$output.published" --form as-is --dtype fp16 --lora-rank 32

# Two more trainings from there: with mostly questions of examples/questions, then with more published ones, so that the reader ends
# with their cut of answers. The mean of what they end with and what they began with is better than either.
written() {
    [ -f "$output.$1.json" ] || python "$here/written-questions.py" --questions "$here/questions/$1.jsonl.gz" \
        --passages "$2" --join "$3" --output "$output.$1.json"
}
written korquad "$korquad" 1
written boolq "boolq:$data/kobest-boolq/train.tsv" 2
written squad "$squad" 1
written qed "qed:$data/qed/nq-train-qed.jsonl" 1
# further OUTPUT START, then how often an epoch uses the written questions on KorQuAD, BoolQ, SQuAD and QED, and published SQuAD,
# KorQuAD and QED.
further() {
    [ -f "$1/training.json" ] || OMP_NUM_THREADS=1 torchrun --nproc-per-node "$processes" -m dpr train-reader \
        --config "$here/reader-small-ko-en-written.toml" --output "$1" --start-from "$2" \
        --data "squad:$output.korquad.json" --data-weight "$3" --data "squad:$output.boolq.json" --data-weight "$4" \
        --data "squad:$output.squad.json" --data-weight "$5" --data "squad:$output.qed.json" --data-weight "$6" \
        --data "$squad@:40" --data-weight "$7" --data "$korquad@:100" --data-weight "$8" "${@:9}"
}
further "$output.third" "$output.published" 0.6 0.17 0.27 0.13 0.13 0.25
further "$output.fourth" "$output.third" 0.09 0.02 0.04 0.02 0.1 0.25 \
    --data "qed:$data/qed/nq-train-qed.jsonl" --data-weight 0.02 --learning-rate 3e-4 --seed 23
dpr average --encoder "$output.published" --share 0.5 --encoder "$output.fourth" --share 0.5 --output "$output.both"
dpr export --reader "$output.both" --output "$output" --form as-is --dtype fp8

# Korean answers lose their particle, which is worth 6.8 points of exact match on the articles to choose by.
sed -i 's/"trim_particles": false/"trim_particles": true/' "$output/reader.json"

# Threshold, weights and probability, on the held-out articles, over an index of all articles of both.
dpr-index build --corpus "$squad" --corpus "$korquad" --output "$output.index"
dpr tune-reader --reader "$output" --data "$squad@40:" --data "$korquad@100:120" --negatives \
    --index "$output.index" --questions "$squad@40:" --questions "$korquad@100:120" --k 10

dpr evaluate-reader --reader "$output" --data "squad:$data/squad/dev-v1.1.json"
dpr evaluate-reader --reader "$output" --data "squad:$data/squad/dev-v2.0.json"
dpr evaluate-reader --reader "$output" --data "squad:$data/squad/dev-v2.0.json" --folds 2
dpr evaluate-reader --reader "$output" --data "$korquad@120:"
