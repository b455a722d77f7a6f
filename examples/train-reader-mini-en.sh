#!/usr/bin/env bash
# Train, tune and measure models/reader-mini-en. About an hour on two CPU cores with bf16 arithmetic.
#
#   examples/train-reader-mini-en.sh DATA OUTPUT
#
# DATA holds squad/, qed/ and squadshifts/ as published. The last 4 of the 44 SQuAD articles are kept out of training:
# the null threshold is chosen on them. SQuAD dev is only read at the end, to measure.
set -euo pipefail
data=${1:?the folder of the data sets}
output=${2:?the folder of the reader}
squad=$data/squad/train-v1.1-44-articles.json

dpr train-reader --config "$(dirname "$0")/reader-mini-en.toml" --output "$output" \
    --data "squad:$squad@:40" \
    --data "qed:$data/qed/nq-train-qed.jsonl" \
    --data "squad:$data/squadshifts/reddit_v1.0.json" \
    --data "squad:$data/squadshifts/amazon_reviews_v1.0.json"

dpr tune-reader --reader "$output" --data "squad:$squad@40:" --negatives
dpr evaluate-reader --reader "$output" --data "squad:$data/squad/dev-v1.1.json"
dpr evaluate-reader --reader "$output" --data "squad:$data/squad/dev-v2.0.json"
