#!/usr/bin/env bash
# Train the English pair on 44 SQuAD articles and QED, with three seeds, and measure it on SQuAD dev.
# About half an hour a seed on one CPU core with bf16 arithmetic.
#
#   examples/train-dpr-mini-en.sh DATA OUTPUT
#
# DATA holds squad/ and qed/ as published. Settings were chosen by training on the first 36 articles and validating on
# the others; SQuAD dev is only read at the end, to measure.
set -euo pipefail
data=${1:?the folder of the data sets}
output=${2:?the folder of the pairs, indexes and reports}
here=$(dirname "$0")
squad=$data/squad/train-v1.1-44-articles.json
dev=$data/squad/dev-v1.1.json

for seed in 1 2 3; do
    dpr train --config "$here/dpr-mini-en.toml" --seed "$seed" --output "$output/pair-$seed" \
        --data "squad:$squad" --data-weight 1 \
        --data "qed:$data/qed/nq-train-qed.jsonl" --data-weight 0.5
    dpr-index build --corpus "squad:$dev" --encoder "$output/pair-$seed" --output "$output/index-$seed"
    dpr benchmark --index "$output/index-$seed" --questions "squad:$dev" --output "$output/report-$seed"
done

# Fusion weights, fitted on articles that this further pair was not trained on.
dpr train --config "$here/dpr-mini-en.toml" --output "$output/pair-36" \
    --data "squad:$squad@:36" --data-weight 1 \
    --data "qed:$data/qed/nq-train-qed.jsonl" --data-weight 0.5
dpr-index build --corpus "squad:$squad" --encoder "$output/pair-36" --output "$output/index-36"
dpr tune --index "$output/index-36" --questions "squad:$squad@36:" --output "$output/fusion.json"
dpr benchmark --index "$output/index-1" --questions "squad:$dev" --fusion-file "$output/fusion.json" \
    --retrievers bm25,dense,hybrid --output "$output/report-fitted"
dpr compare --qrels "$output/report-fitted/qrels.trec" --metric recall@1 --metric recall@20 \
    --run "$output/report-fitted/bm25.trec" --run "$output/report-fitted/hybrid.trec"
