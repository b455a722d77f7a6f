#!/usr/bin/env bash
# Train, tune and measure models/reader-mini-ko-en. Some four hours on two CPU cores with bf16 arithmetic.
#
#   examples/train-reader-mini-ko-en.sh DATA OUTPUT
#
# DATA holds squad/, qed/, squadshifts/, korquad/ and kobest-boolq/ as published. Of the 44 SQuAD articles the last 4 are
# held out, of KorQuAD's 140 the last 40: 20 to choose by, 20 to measure on. SQuAD dev is only read to measure.
set -euo pipefail
data=${1:?the folder of the data sets}
output=${2:?the folder of the reader}
here=$(dirname "$0")
squad=squad:$data/squad/train-v1.1-44-articles.json
korquad=korquad:$data/korquad/KorQuAD_v1.0_dev.json

# Questions made of Korean paragraphs, which teach to read Korean at all: there are few real ones.
dpr cloze --answers --window 500 --questions 4 --seed 1 --output "$output.cloze.json" --text "$korquad@:100" \
    --text "boolq:$data/kobest-boolq/train.tsv" --text "boolq:$data/kobest-boolq/dev.tsv" \
    --text "boolq:$data/kobest-boolq/test.tsv"

# Two processes of one thread each; an interrupted run goes on when the script is called again.
OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 -m dpr train-reader --config "$here/reader-mini-ko-en.toml" \
    --output "$output" \
    --data "$squad@:40" --data "qed:$data/qed/nq-train-qed.jsonl" \
    --data "squad:$data/squadshifts/reddit_v1.0.json" --data "squad:$data/squadshifts/amazon_reviews_v1.0.json" \
    --data "$korquad@:100" --data "dpr:$output.cloze.json" \
    --data-weight 1 --data-weight 1 --data-weight 1 --data-weight 1 --data-weight 1.5 --data-weight 0.5 \
    --validate "$squad@40:" --validate "$korquad@100:120"

# Threshold, probability and weights, on the held-out articles; the index holds all 44 SQuAD articles.
dpr-index build --corpus "$squad" --encoder dpr-mini-ko-en --output "$output.index"
dpr tune-reader --reader "$output" --data "$squad@40:" --data "$korquad@100:120" --negatives \
    --index "$output.index" --questions "$squad@40:" --k 10

dpr evaluate-reader --reader "$output" --data "squad:$data/squad/dev-v1.1.json"
dpr evaluate-reader --reader "$output" --data "squad:$data/squad/dev-v2.0.json"
dpr evaluate-reader --reader "$output" --data "squad:$data/squad/dev-v2.0.json" --folds 2
dpr evaluate-reader --reader "$output" --data "$korquad@120:"
