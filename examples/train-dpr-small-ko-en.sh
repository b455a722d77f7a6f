#!/usr/bin/env bash
# Train and measure models/dpr-small-ko-en. It takes two CPU cores, 20 GB of memory and jq. The first two of its three trainings
# took 36 and 55 minutes with bf16 arithmetic, the third took 59 minutes without.
#
#   examples/train-dpr-small-ko-en.sh DATA OUTPUT
#
# DATA holds squad/, qed/, korquad/, kobest-boolq/, korean-pairs/ and korean-text/ as published. Of the 44 SQuAD articles
# the last 4 are held out, of KorQuAD's 140 the last 40: 20 to choose by, 20 to measure on, whose passages are no negatives
# either. SQuAD dev is only read to measure. The training goes on where it was interrupted when the script is called again.
set -euo pipefail
data=${1:?the folder of the data sets}
output=${2:?the folder of the pair; indexes and training files are made beside it}
here=$(dirname "$0")
squad=squad:$data/squad/train-v1.1-44-articles.json
qed=qed:$data/qed/nq-train-qed.jsonl
boolq=$data/kobest-boolq
korquad=korquad:$data/korquad/KorQuAD_v1.0_dev.json
work=$output.work
mkdir -p "$work"

# Hard negatives: what the base and BM25 find together. For sentences across languages, what the base finds: mostly
# passages in the question's own language.
jq -c '.data |= .[:120]' "$data/korquad/KorQuAD_v1.0_dev.json" > "$work/korquad-120.json"
python "$here/cross-language-pairs.py" --lines 6 --output "$work/docs.jsonl" "$data/korean-text/python-docs-en-ko.tsv.gz"
python "$here/cross-language-pairs.py" --output "$work/sentences.jsonl" "$data/korean-pairs/sts-en-ko.tsv.gz"
[ -d "$work/index" ] || dpr-index build --encoder e5-small-ko-en --output "$work/index" \
    --corpus "korquad:$work/korquad-120.json" --corpus "boolq:$boolq/train.tsv" --corpus "$squad" --corpus "$qed"
[ -d "$work/docs-index" ] || dpr-index build --encoder e5-small-ko-en --output "$work/docs-index" --corpus "pairs:$work/docs.jsonl"
mine() {
    [ -f "$work/$1.mining.json" ] || dpr mine --output "$work/$1.json" "${@:2}"
}
hybrid=(--index "$work/index" --retriever hybrid --count 15 --max-share 0.98)
mine squad "${hybrid[@]}" --questions "$squad@:40"
mine qed "${hybrid[@]}" --questions "$qed"
mine korquad "${hybrid[@]}" --questions "korquad:$work/korquad-120.json@:100"
mine boolq "${hybrid[@]}" --questions "boolq:$boolq/train.tsv"
mine docs --index "$work/docs-index" --retriever dense --count 4 --ranks 1:20 --questions "pairs:$work/docs.jsonl"

# The base without the direction that tells Korean from English.
[ -d "$work/base" ] || python "$here/make-language-neutral.py" --encoder e5-small-ko-en --output "$work/base" \
    --first "korquad:$work/korquad-120.json" --first "boolq:$boolq/train.tsv" --second "$squad" --second "$qed"

# English questions on Korean passages: glosses, with what the base finds for them as negatives, mostly English passages.
for set in korquad boolq; do
    python "$here/english-glosses.py" --parallel "$data/korean-pairs/sts-en-ko.tsv.gz" \
        --parallel "$data/korean-text/python-docs-en-ko.tsv.gz" --questions "$work/$set.json" --output "$work/plain-$set-glosses.json"
    mine "$set-glosses" --index "$work/index" --retriever dense --count 4 --ranks 1:20 --questions "dpr:$work/plain-$set-glosses.json"
done

# train OUTPUT BASE SEED RATE, then how often an epoch sees SQuAD, QED, KorQuAD, BoolQ, documentation, sentences and the
# glosses of KorQuAD and of BoolQ; - leaves a set out.
processes=$(python -c 'import torch; print(torch.cuda.device_count() or 2)')
train() {
    local folder=$1 base=$2 seed=$3 rate=$4 sets=() source
    shift 4
    for source in dpr:squad.json dpr:qed.json dpr:korquad.json dpr:boolq.json dpr:docs.json pairs:sentences.jsonl \
        dpr:korquad-glosses.json dpr:boolq-glosses.json; do
        [ "$1" = - ] || sets+=(--data "${source%%:*}:$work/${source#*:}" --data-weight "$1")
        shift
    done
    [ -f "$work/$folder/training.json" ] || OMP_NUM_THREADS=1 torchrun --nproc-per-node "$processes" -m dpr train \
        --config "$here/dpr-small-ko-en.toml" --base "$work/$base" --output "$work/$folder" --seed "$seed" \
        --learning-rate "$rate" "${sets[@]}" --validate "$squad@40:" --validate "$korquad@100:120"
}
train first base 1 1e-4 0.4 0.15 0.8 0.2 0.15 0.5 - -
train second first 2 1e-4 0.5 0.15 0.5 0.2 0.15 0.4 1 0.5

# The second has learned which Korean passages answer English questions, and forgotten some of the rest; the mean keeps both.
dpr average --encoder "$work/first" --share 0.25 --encoder "$work/second" --share 0.75 --output "$work/mean"

# as_bundled MODEL OUTPUT OPTION…: adapters on the bundled base by its name; the tokenizer is the base's. They read what the base reads.
as_bundled() {
    dpr export --encoder "$1" --output "$2" --form as-is "${@:3}"
    sed -i 's/"passage_tokens": [0-9]*/"passage_tokens": 512/' "$2/encoder.json"
    for role in question passage; do
        sed -i 's/"max_seq_length": [0-9]*/"max_seq_length": 512/' "$2/$role/sentence_bert_config.json"
        sed -i 's#"base_model_name_or_path": "[^"]*"#"base_model_name_or_path": "e5-small-ko-en"#' "$2/$role/adapter_config.json"
        rm -f "$2/$role/tokenizer.json" "$2/$role/tokenizer_config.json"
    done
}

# A quarter of the rank holds all of it.
[ -d "$work/published" ] || as_bundled "$work/mean" "$work/published" --dtype fp16 --lora-rank 16

# Questions that were written for training, by their language, with negatives that this pair finds. For questions across
# languages, what is nearest in both.
[ -d "$work/written-index" ] || dpr-index build --encoder "$work/published" --output "$work/written-index" \
    --corpus "korquad:$work/korquad-120.json" --corpus "boolq:$boolq/train.tsv" --corpus "$squad" --corpus "$qed"
written=(--index "$work/written-index")
for source in "korquad korquad:$work/korquad-120.json" "boolq boolq:$boolq/train.tsv" "squad $squad" "qed $qed"; do
    name=${source%% *}
    python "$here/written-questions.py" --questions "$here/questions/$name.jsonl.gz" --passages "${source#* }" --output "$work/$name-all.json"
    for language in ko en; do
        jq -c --arg language $language '.data |= (map(.paragraphs |= (map(.qas |= map(select((.answers | length > 0) and
            ((.question | test("[가-힣]")) == ($language == "ko"))))) | map(select(.qas | length > 0)))) |
            map(select(.paragraphs | length > 0)))' "$work/$name-all.json" > "$work/$name-$language.json"
    done
done
for set in korquad-ko boolq-ko squad-en qed-en; do
    mine "written-$set" "${written[@]}" --retriever hybrid --count 15 --max-share 0.98 --questions "squad:$work/$set.json"
done
for set in korquad-en boolq-en qed-ko; do
    mine "written-$set" "${written[@]}" --retriever dense --count 8 --ranks 1:25 --questions "squad:$work/$set.json"
done
mine korquad-again "${written[@]}" --retriever hybrid --count 15 --max-share 0.98 --questions "korquad:$work/korquad-120.json@:100"

# Pages of invented organizations, each by itself: what answers a question in one may stand in another, too.
organizations=()
for pages in "$here"/pages/*.json.gz; do
    name=$(basename "$pages" .json.gz)
    [ "$name" = carparts ] && continue  # to choose by
    jq -c '.data |= map(.paragraphs |= map(.qas |= map(select(.answers | length > 0))))' <(gzip -dc "$pages") > "$work/$name.json"
    [ -d "$work/$name-index" ] || dpr-index build --encoder "$work/published" --output "$work/$name-index" --corpus "squad:$work/$name.json"
    mine "pages-$name" --index "$work/$name-index" --retriever dense --count 5 --ranks 1:6 --keep-answers --questions "squad:$work/$name.json"
    organizations+=(--data "dpr:$work/pages-$name.json" --data-weight 0.8)
done

[ -f "$work/third/training.json" ] || OMP_NUM_THREADS=1 torchrun --nproc-per-node "$processes" -m dpr train \
    --config "$here/dpr-small-ko-en-written.toml" --base "$work/published" --output "$work/third" --seed 3 \
    --data "dpr:$work/written-korquad-ko.json" --data-weight 0.5 --data "dpr:$work/written-boolq-ko.json" --data-weight 0.4 \
    --data "dpr:$work/written-squad-en.json" --data-weight 0.35 --data "dpr:$work/written-qed-en.json" --data-weight 0.25 \
    --data "dpr:$work/written-korquad-en.json" --data-weight 1 --data "dpr:$work/written-boolq-en.json" --data-weight 0.9 \
    --data "dpr:$work/written-qed-ko.json" --data-weight 0.7 "${organizations[@]}" \
    --data "dpr:$work/korquad-again.json" --data-weight 0.3 --data "$squad@:40" --data-weight 0.12 --data "$qed" --data-weight 0.1 \
    --data "boolq:$boolq/train.tsv" --data-weight 0.1 --data "pairs:$work/sentences.jsonl" --data-weight 0.1 \
    --validate "$squad@40:" --validate "$korquad@100:120"

# The third has learned other words for the same thing, and lost a little of the rest; the mean keeps both.
dpr average --encoder "$work/published" --share 0.3 --encoder "$work/third" --share 0.7 --output "$work/last-mean"
as_bundled "$work/last-mean" "$output" --dtype fp8

# Korean over KorQuAD and BoolQ, English over SQuAD dev.
measure() {
    dpr-index build --encoder "$output" --output "$work/$1" "${@:3}"
    dpr benchmark --index "$work/$1" --questions "$2" --output "$work/$1-report"
    dpr compare --qrels "$work/$1-report/qrels.trec" --run "$work/$1-report/bm25.trec" --run "$work/$1-report/hybrid.trec"
}
measure korean "$korquad@120:" --corpus "$korquad" \
    --corpus "boolq:$boolq/train.tsv" --corpus "boolq:$boolq/dev.tsv" --corpus "boolq:$boolq/test.tsv"
measure english "squad:$data/squad/dev-v1.1.json" --corpus "squad:$data/squad/dev-v1.1.json"
