"""Speed and memory of our trainer against sentence-transformers' SentenceTransformerTrainer.

    python -m benchmarks.train --data squad:train-v1.1.json

Every run is a new process that trains the same base on the same pairs, those of the first batches that ``dpr train``
makes of the data, in batches of the same size, cut to the same lengths. All get the environment that the ``dpr``
command gives itself (OMP_WAIT_POLICY=passive, GOMP_SPINCOUNT=10000) and the same number of threads. The contestants
take turns within each round, and the ratios are medians over rounds, so that a machine that is also busy with other
work slows both sides alike; CPU time stands beside wall time. Steps of the warm-up, loading and saving are not timed;
tokenizing is.

Each side has its own defaults: sentence-transformers trains one BERT with the checkpoint's dropout, we train two
without. Our batches also hold fewer passages than questions, since questions of one passage come together: "nothing
shared" gives each question a passage of its own, as the other side has it, so that what is left is how a batch is run.

Memory is the most that a process ever held (VmHWM), over one epoch of two large batches' pairs. On a CUDA device the
speed of two sizes of BERT is measured, too, and which share of the card's bf16 speed it is; padding is no work there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from rich.console import Console

from benchmarks.machine import describe_machine, spread, write_report
from benchmarks.train_tables import Report, print_tables, shown_memory

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
THEIRS = "sentence-transformers"
PACKAGES = ("torch", "transformers", THEIRS, "accelerate", "datasets", "tokenizers")
ALONE = {"questions_per_passage": 1, "document_passages": 1}
SPEED: dict[str, Report] = {
    f"{THEIRS} fp32": {"system": THEIRS, "precision": "fp32"},
    f"{THEIRS} bf16": {"system": THEIRS, "precision": "bf16"},
    "ours": {},
    "ours fp32": {"precision": "fp32"},
    "ours, nothing shared": {"shares_passages": False, "settings": ALONE},
    "ours fp32, nothing shared": {"shares_passages": False, "settings": ALONE, "precision": "fp32"},
    "ours, nothing shared, dropout 0.1": {"shares_passages": False, "settings": {**ALONE, "dropout": 0.1}},
}
"""The contestants on a CPU; "ours" alone is what ``dpr train`` does."""

CUDA: dict[str, Report] = {
    f"{THEIRS} bf16": {"system": THEIRS, "precision": "bf16"},
    "ours": {},
    "ours, nothing shared": {"shares_passages": False, "settings": ALONE},
}
COMPILED: dict[str, Report] = {"ours, compiled": {"settings": {"compile": True}}}

SPEED_TARGETS = {f"{THEIRS} fp32": 5.0, f"{THEIRS} bf16": 2.5}
"""How many times as fast as each of these "ours" is to be."""

MEMORY_TARGET = 1.3
"""How much more than a plain small batch a large one may take with the gradient cache."""

PEAK_TFLOPS = {"B200": 2250, "H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362, "RTX 4090": 165}
"""Dense bf16 operations with fp32 sums by a part of the device's name, the first that fits; from the makers' sheets."""

SPARE_MEMORY = 2**30
"""A run is stopped when less than this is left to the machine, in bytes."""


def main() -> None:
    options = parse_options()
    console = Console()
    data_name = f"{options.data.partition(':')[0]}:{Path(options.data.partition(':')[2]).name}"
    settings = {name: value for name, value in vars(options).items() if name != "output"} | {"data": data_name}
    report: Report = {"machine": describe_machine(PACKAGES), "settings": settings}
    for part in options.parts:
        report[part] = PARTS[part](options, console)
        if options.output:
            write_report(options.output, report)
    print_tables(console, report, SPEED_TARGETS)
    if options.output:
        console.print(f"written to {options.output}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="SOURCE", help="kind:PATH of questions with their passages")
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--model", default=MINILM, help="the base of the runs on a CPU")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--large-batch", type=int, default=512, help="whose memory is measured")
    parser.add_argument("--question-tokens", type=int, default=64)
    parser.add_argument("--passage-tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=2, help="steps that are not timed")
    parser.add_argument("--steps", type=int, default=6, help="steps that are timed")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of each run on a CPU")
    parser.add_argument("--cuda-batch", type=int, default=256)
    parser.add_argument("--cuda-warm-up", type=int, default=6)
    parser.add_argument("--cuda-steps", type=int, default=34)
    parser.add_argument("--compile", action="store_true", help="on a CUDA device, measure compiled models as well")
    parser.add_argument("--peak-tflops", type=float, help="bf16 speed of a CUDA device that this program does not know")
    parser.add_argument("--quick", action="store_true", help="one round of few steps, and no file: does it run at all?")
    parser.add_argument("--output", type=Path, help="[default: results/train.json beside this file]")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.warm_up, options.steps, options.large_batch = 1, 1, 1, 2 * options.batch_size
    elif options.output is None:
        options.output = Path(__file__).parent / "results" / "train.json"
    return options


def measure_speed(options: argparse.Namespace, console: Console) -> Report:
    common = contest_of(options) | {
        "warm_up": options.warm_up,
        "pairs": options.batch_size * (options.warm_up + options.steps),
    }
    runs = take_turns(SPEED, common, options.rounds, cpu_environment(options), console)
    return {"contestants": {name: summary(of) for name, of in runs.items()}, "ratios": ratios_of(runs)}


def measure_memory(options: argparse.Namespace, console: Console) -> Report:
    """Return the MiB of processes that have loaded everything, and the most that those that train ever hold."""
    small, large = {"batch_size": options.batch_size}, {"batch_size": options.large_batch}
    cached = {**large, "gradient_cache": True}
    theirs = {"system": THEIRS, "precision": "bf16"}
    contests: dict[str, Report] = {
        "ours, loaded": {"takes_steps": False},
        f"{THEIRS}, loaded": {**theirs, "takes_steps": False},
        f"ours, plain, batch {options.batch_size}": small,
        f"ours, gradient cache, batch {options.large_batch}": cached,
        f"{THEIRS} bf16, gradient cache, batch {options.large_batch}": {**theirs, **cached},
        f"ours, plain, batch {options.large_batch}": large,
    }
    common = contest_of(options) | {"pairs": 2 * options.large_batch, "warm_up": 1}
    runs: Report = {}
    for name, contest in contests.items():
        runs[name] = run(common | contest, cpu_environment(options))
        console.print(f"memory: {name}: {shown_memory(runs[name])}")
    ours_loaded, theirs_loaded, plain, gradient_cache, *_ = runs.values()
    for contest, measured in zip(contests.values(), runs.values(), strict=True):
        loaded = theirs_loaded if contest.get("system") == THEIRS else ours_loaded
        if "memory_mib" in measured:
            measured["beyond_loaded_mib"] = measured["memory_mib"] - loaded["memory_mib"]
    ratio = gradient_cache["memory_mib"] / plain["memory_mib"]
    return {"runs": runs, "gradient_cache_ratio": ratio, "target": MEMORY_TARGET}


def measure_cuda(options: argparse.Namespace, console: Console) -> Report:
    import torch

    if not torch.cuda.is_available():
        return {"left_out": "there is no CUDA device"}
    device = torch.cuda.get_device_name()
    known = next((speed for name, speed in PEAK_TFLOPS.items() if name in device), None)
    peak = options.peak_tflops or known
    common = contest_of(options) | {
        "batch_size": options.cuda_batch,
        "warm_up": options.cuda_warm_up,
        "pairs": options.cuda_batch * (options.cuda_warm_up + options.cuda_steps),
    }
    contests = CUDA | (COMPILED if options.compile else {})
    report: Report = {"device": device, "peak_tflops": peak, "models": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name, model in {"MiniLM": options.model, "BERT-base": make_bert_base(options.model, Path(folder))}.items():
            console.print(f"{name} on {device}")
            runs = take_turns(contests, common | {"model": str(model)}, options.rounds, {}, console)
            of_model = {contestant: summary(of, peak) for contestant, of in runs.items()}
            report["models"][name] = {"contestants": of_model, "ratios": ratios_of(runs)}
    return report


def make_bert_base(model: str, folder: Path) -> Path:
    """Save a BERT of the usual size with random weights and another model's tokenizer."""
    from transformers import BertConfig, BertModel

    from dpr.models.checkpoint import load_tokenizer, resolve

    tokenizer = load_tokenizer(resolve(model))
    BertModel(BertConfig(vocab_size=len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def contest_of(options: argparse.Namespace) -> Report:
    shared = ("data", "model", "batch_size", "question_tokens", "passage_tokens")
    return {"system": "ours"} | {name: getattr(options, name) for name in shared}


def cpu_environment(options: argparse.Namespace) -> dict[str, str]:
    return {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": str(options.threads)}


def take_turns(
    contests: Mapping[str, Report], common: Report, rounds: int, environment: Mapping[str, str], console: Console
) -> dict[str, list[Report]]:
    """Return the runs of each contestant, one for each round; the order turns round after each."""
    runs: dict[str, list[Report]] = {name: [] for name in contests}
    for number in range(rounds):
        for name in sorted(contests, key=list(contests).index, reverse=number % 2 == 1):
            measured = run(common | contests[name] | {"seed": number + 1}, environment)
            if "left_out" in measured:
                sys.exit(f"{name}: {measured['left_out']}; give smaller batches")
            runs[name].append(measured)
            console.print(f"round {number + 1}: {name}: {measured['questions'] / measured['wall_s']:,.2f} pairs/s")
    return runs


def run(contest: Report, environment: Mapping[str, str]) -> Report:
    """Run one contestant in a new process; stop it when it leaves the machine too little memory."""
    root = Path(__file__).resolve().parent.parent
    paths = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    fixed = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "10000", "HF_HUB_OFFLINE": "1", "PYTHONPATH": paths}
    with tempfile.TemporaryDirectory() as folder:
        output, log = Path(folder) / "result.json", Path(folder) / "log"
        program = str(root / "benchmarks" / "train_contestant.py")
        # -P: the files beside the program are no modules, whatever their names
        command = [sys.executable, "-P", program, json.dumps(contest), str(output)]
        with log.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                command, env={**os.environ, **fixed, **environment}, stdout=file, stderr=subprocess.STDOUT
            )
            stopped = wait_while_memory_lasts(process)
        if stopped:
            return {"left_out": stopped}
        if process.returncode:
            sys.exit(f"{json.dumps(contest)} failed:\n{log.read_text(encoding='utf-8')[-3000:]}")
        report: Report = json.loads(output.read_text(encoding="utf-8"))
    return report


def wait_while_memory_lasts(process: subprocess.Popen[bytes]) -> str:
    """Wait for a process's end; return why it was stopped, or nothing."""
    try:
        while process.poll() is None:
            if psutil.virtual_memory().available < SPARE_MEMORY:
                held = psutil.Process(process.pid).memory_info().rss / 2**20
                return f"stopped at {held:,.0f} MiB, when less than {SPARE_MEMORY // 2**20:,} MiB were left"
            time.sleep(0.2)
    finally:
        process.kill()
        process.wait()
    return ""


def summary(runs: Sequence[Report], peak_tflops: float | None = None) -> Report:
    """Return a contestant's figures over the rounds; the share of the peak where operations and peak are known."""
    found: Report = {
        "precision": runs[0]["precision"],
        "passages_per_question": sum(one["passages"] for one in runs) / sum(one["questions"] for one in runs),
        "pairs_per_s": spread([one["questions"] / one["wall_s"] for one in runs]),
        "pairs_per_cpu_s": spread([one["questions"] / one["cpu_s"] for one in runs]),
        "memory_mib": spread([one["memory_mib"] for one in runs]),
        "runs": list(runs),
    }
    if "operations" in runs[0]:
        found["tokens_per_s"] = spread([one["tokens"] / one["wall_s"] for one in runs])
        found["tflops"] = spread([one["operations"] / one["wall_s"] / 1e12 for one in runs])
        if peak_tflops:
            found["share_of_peak"] = spread([one["operations"] / one["wall_s"] / 1e12 / peak_tflops for one in runs])
    return found


def ratios_of(runs: Mapping[str, Sequence[Report]]) -> Report:
    """Return how many times as fast as each of theirs each of ours is, round by round."""
    others = [name for name in runs if name.startswith(THEIRS)]
    ratios: Report = {}
    for name in runs.keys() - set(others):
        ratios[name] = {
            other: {
                kind: spread([ratio_of(*pair, kind) for pair in zip(runs[name], runs[other], strict=True)])
                for kind in ("wall_s", "cpu_s")
            }
            for other in others
        }
    return {name: ratios[name] for name in runs if name in ratios}


def ratio_of(ours: Report, theirs: Report, kind: str) -> float:
    rates = [float(one["questions"]) / float(one[kind]) for one in (ours, theirs)]
    return rates[0] / rates[1]


PARTS = {"speed": measure_speed, "memory": measure_memory, "cuda": measure_cuda}


if __name__ == "__main__":
    main()
