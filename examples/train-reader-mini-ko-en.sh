#!/usr/bin/env bash
# Train, tune and measure models/reader-mini-ko-en. Some seven hours on two CPU cores with bf16 arithmetic.
#
#   examples/train-reader-mini-ko-en.sh DATA OUTPUT
#
# DATA holds squad/, qed/, squadshifts/, korquad/ and kobest-boolq/ as published. Of the 44 SQuAD articles the last 4 are
# held out, of KorQuAD's 140 the last 40: 20 to choose by, 20 to measure on. SQuAD dev is only read to measure.
# Every training goes on where it was interrupted when the script is called again.
set -euo pipefail
data=${1:?the folder of the data sets}
output=${2:?the folder of the reader}
settings=$(dirname "$0")/reader-mini-ko-en
squad=squad:$data/squad/train-v1.1-44-articles.json
korquad=korquad:$data/korquad/KorQuAD_v1.0_dev.json
qed=qed:$data/qed/nq-train-qed.jsonl
reddit=squad:$data/squadshifts/reddit_v1.0.json
amazon=squad:$data/squadshifts/amazon_reviews_v1.0.json

train() { # NAME SETTINGS ARGUMENTS: two processes of one thread each
    [ -f "$1/training.json" ] || OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 -m dpr train-reader --output "$1" \
        --config "$settings/$2.toml" "${@:3}"
}

# Questions made of Korean paragraphs, which teach to read Korean at all: there are few real ones.
dpr cloze --answers --window 500 --questions 4 --seed 1 --output "$output.cloze.json" --text "$korquad@:100" \
    --text "boolq:$data/kobest-boolq/train.tsv" --text "boolq:$data/kobest-boolq/dev.tsv" \
    --text "boolq:$data/kobest-boolq/test.tsv"

train "$output.first" first \
    --data "$squad@:40" --data "$qed" --data "$reddit" --data "$amazon" --data "$korquad@:100" \
    --data "dpr:$output.cloze.json" \
    --data-weight 1 --data-weight 1 --data-weight 1 --data-weight 1 --data-weight 1.5 --data-weight 0.5 \
    --validate "$squad@40:" --validate "$korquad@100:120"
train "$output.second" second --start-from "$output.first" --data "$squad@:40" --data "$korquad@:100" \
    --validate "$squad@40:" --validate "$korquad@100:120"
train "$output.adapter" teacher-adapter --data "$squad@:40" --data "$qed" --data "$reddit" --data "$amazon"
train "$output.whole" teacher-whole --data "$squad@:40" --data "$qed" --data-weight 1 --data-weight 0.35

train "$output.third" last --start-from "$output.second" \
    --teacher "$output.second" --teacher "$output.whole" --teacher "$output.adapter" \
    --data "$squad@:40" --data "$korquad@:100" --data "$qed" --data "$reddit" --data "$amazon" \
    --data-weight 2 --data-weight 2 --data-weight 0.8 --data-weight 0.3 --data-weight 0.3 \
    --validate "$squad@40:" --validate "$korquad@100:120"

# What the last training forgot of the second, their mean has.
dpr average --encoder "$output.second" --share 0.25 --encoder "$output.third" --share 0.75 --output "$output" --overwrite

# Threshold and weights, on the held-out articles; the index holds all 44 SQuAD articles.
dpr-index build --corpus "$squad" --encoder dpr-mini-ko-en --output "$output.index"
dpr tune-reader --reader "$output" --data "$squad@40:" --data "$korquad@100:120" --negatives \
    --index "$output.index" --questions "$squad@40:" --k 10

# The probability that an answer is right, in both languages; this index holds KorQuAD's articles, too.
dpr-index build --corpus "$squad" --corpus "$korquad" --encoder dpr-mini-ko-en --output "$output.both.index"
dpr tune-reader --reader "$output" --no-weights --index "$output.both.index" \
    --questions "$squad@40:" --questions "$korquad@100:120" --k 10

dpr evaluate-reader --reader "$output" --data "squad:$data/squad/dev-v1.1.json"
dpr evaluate-reader --reader "$output" --data "squad:$data/squad/dev-v2.0.json"
dpr evaluate-reader --reader "$output" --data "squad:$data/squad/dev-v2.0.json" --folds 2
dpr evaluate-reader --reader "$output" --data "$korquad@120:"
