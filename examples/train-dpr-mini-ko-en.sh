#!/usr/bin/env bash
# Train models/dpr-mini-ko-en: new Korean WordPieces on the offline base; Korean and English pairs together; again with
# BM25 as a teacher; from the mean of both once more, with a sketch of the words; then even out the vectors and write the
# added word embeddings in a byte a number. About three hours on two CPU cores with bf16 arithmetic and 24 GB.
#
#   examples/train-dpr-mini-ko-en.sh DATA OUTPUT [SETTINGS]
#
# DATA holds squad/, squadshifts/, qed/, korquad/, kobest-boolq/ and korean-text/ as published. Trained on are KorQuAD's
# first 100 articles; the last 20 are only read at the end, to measure, and the 20 between fit the fusion weights.
# SETTINGS, for all trainings, are examples/dpr-mini-ko-en.toml, -second.toml and -third.toml unless given; -gpu.toml is for
# a GPU, with a sketch from the first training on.
set -euo pipefail
data=${1:?the folder of the data sets}
output=${2:?the folder of the pair, its data, indexes and reports}
here=$(dirname "$0")
settings=${3:-$here/dpr-mini-ko-en.toml}
second=${3:-$here/dpr-mini-ko-en-second.toml}
third=${3:-$here/dpr-mini-ko-en-third.toml}
korquad=korquad:$data/korquad/KorQuAD_v1.0_dev.json
boolq=boolq:$data/kobest-boolq
dev=squad:$data/squad/dev-v1.1.json
mkdir -p "$output"

gzip -dc "$data/korean-text/ms-docs-ko.txt.gz" | awk 'NR <= 20000' | gzip > "$output/docs.txt.gz"
gzip -dc "$data/korean-text/nsmc-reviews.txt.gz" | awk 'NR <= 20000' | gzip > "$output/reviews.txt.gz"
dpr adapt --config "$here/dpr-mini-ko-en-vocabulary.toml" --output "$output/base" \
    --text "$korquad@:100" --text "$boolq/train.tsv" --text "$output/docs.txt.gz" --text "$output/reviews.txt.gz"

dpr cloze --text "$korquad@:100" --text "$boolq/train.tsv" --questions 6 --seed 2 --output "$output/wiki.json"
dpr cloze --text "$data/korean-text/ms-docs-ko.txt.gz" --limit 14000 --questions 1 --seed 2 --output "$output/docs.json"
dpr cloze --text "$data/korean-text/nsmc-reviews.txt.gz" --limit 8000 --questions 1 --seed 2 \
    --output "$output/reviews.json"

processes=$(python -c 'import torch; print(torch.cuda.device_count() or 2)')
export OMP_NUM_THREADS=1
torchrun --nproc-per-node "$processes" -m dpr train --config "$settings" --base "$output/base" \
    --output "$output/first" \
    --data "$korquad@:100" --data-weight 3 \
    --data "$boolq/train.tsv" --data-weight 2 \
    --data "dpr:$output/wiki.json" --data-weight 1.5 \
    --data "dpr:$output/docs.json" --data-weight 0.6 \
    --data "dpr:$output/reviews.json" --data-weight 0.6 \
    --data "squad:$data/squad/train-v1.1-44-articles.json" --data-weight 1 \
    --data "qed:$data/qed/nq-train-qed.jsonl" --data-weight 0.5

dpr cloze --text "$korquad@:100" --text "$boolq/train.tsv" --questions 8 --seed 3 --output "$output/wiki-2.json"
dpr cloze --text "$data/korean-text/nsmc-reviews.txt.gz" --limit 30000 --questions 1 --seed 3 \
    --output "$output/reviews-2.json"
torchrun --nproc-per-node "$processes" -m dpr train --config "$second" --base "$output/first" \
    --output "$output/second" \
    --data "$korquad@:100" --data-weight 8 \
    --data "$boolq/train.tsv" --data-weight 1.5 \
    --data "dpr:$output/wiki-2.json" --data-weight 2.5 \
    --data "dpr:$output/reviews-2.json" --data-weight 0.4 \
    --data "squad:$data/squad/train-v1.1-44-articles.json" --data-weight 2.5 \
    --data "qed:$data/qed/nq-train-qed.jsonl" --data-weight 0.5
dpr average --encoder "$output/first" --share 0.4 --encoder "$output/second" --share 0.6 --output "$output/mean" --overwrite
torchrun --nproc-per-node "$processes" -m dpr train --config "$third" --base "$output/mean" \
    --output "$output/third" \
    --data "$korquad@:100" --data-weight 1 \
    --data "$boolq/train.tsv" --data-weight 0.2 \
    --data "dpr:$output/wiki-2.json" --data-weight 0.4 \
    --data "dpr:$output/reviews-2.json" --data-weight 0.04 \
    --data "squad:$data/squad/train-v1.1-44-articles.json" --data-weight 0.9 \
    --data "qed:$data/qed/nq-train-qed.jsonl" --data-weight 0.12
unset OMP_NUM_THREADS
dpr whiten --encoder "$output/third" --output "$output/even" --overwrite --power 0.5 \
    --data "$korquad@:100" --data "$boolq/train.tsv" \
    --data "squad:$data/squad/train-v1.1-44-articles.json" --data "qed:$data/qed/nq-train-qed.jsonl"
dpr export --encoder "$output/even" --output "$output/pair" --overwrite --form as-is --dtype int8

# Fusion weights, on questions that no training saw.
shifts=squad:$data/squadshifts
pool=(--corpus "$korquad" --corpus "$boolq/train.tsv" --corpus "$boolq/dev.tsv" --corpus "$boolq/test.tsv")
dpr-index build --encoder "$output/pair" --output "$output/index-both" "${pool[@]}" \
    --corpus "$shifts/reddit_v1.0.json" --corpus "$shifts/amazon_reviews_v1.0.json"
dpr tune --index "$output/index-both" --output "$output/pair/fusion.json" \
    --questions "$korquad@100:120" \
    --questions "$shifts/reddit_v1.0.json" --questions "$shifts/amazon_reviews_v1.0.json"

# Korean over all passages of KorQuAD and BoolQ; English over those of SQuAD dev.
dpr-index build --encoder "$output/pair" --output "$output/index-ko" "${pool[@]}"
dpr-index build --encoder "$output/pair" --output "$output/index-en" --corpus "$dev"
dpr benchmark --index "$output/index-ko" --questions "$korquad@-20:" \
    --retrievers bm25,dense,hybrid --output "$output/report-ko"
dpr benchmark --index "$output/index-en" --questions "$dev" \
    --retrievers bm25,dense,hybrid --output "$output/report-en"
for report in "$output/report-ko" "$output/report-en"; do
    dpr compare --qrels "$report/qrels.trec" --metric recall@1 --metric recall@20 \
        --run "$report/bm25.trec" --run "$report/hybrid.trec"
done
