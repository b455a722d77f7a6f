"""The demo: index a small corpus in English and Korean, serve it, ask it five questions.

    python examples/demo/run.py           stays up until Ctrl-C
    python examples/demo/run.py --once    ends after the answers

It uses nothing but the installed commands and HTTP, as any other program would.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

HERE = Path(__file__).resolve().parent
INDEX = HERE.parent.parent / ".demo" / "index"
CORPUS = (HERE / "english.json", HERE / "korean.json")

QUESTIONS = (
    "Who was the first person to set foot on the Moon?",
    "What is the whistling sound made by the women divers of Jeju called?",
    "Which company built the computer Deep Blue?",
    "한라산 정상에 있는 화구호의 이름은 무엇인가?",
    "세종이 훈민정음을 반포한 해는 언제인가?",
)

HOST = "127.0.0.1"
PREFERRED_PORT = 8000
READY_TIMEOUT_S = 3600.0
"""A server that loads for as long hangs; on a busy machine, minutes are usual."""

WAIT_LINE_EVERY_S = 15.0
"""Seconds after which the demo says again what it waits for."""

ANSWER_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0

console = Console()


class DemoError(Exception):
    """The demo cannot go on; the message is one sentence."""


def build_index() -> None:
    """Build a fresh index of the bundled corpus; the builder shows its own progress."""
    shutil.rmtree(INDEX, ignore_errors=True)
    sources = [argument for path in CORPUS for argument in ("--corpus", f"squad:{path}")]
    command = [installed("dpr-index"), "build", *sources, "--output", str(INDEX)]
    console.rule("Index")
    console.print(f"$ {shlex.join(command)}", style="dim", soft_wrap=True, highlight=False)
    exit_code = subprocess.run(command, check=False).returncode
    if exit_code:
        raise DemoError(f"dpr-index ended with exit code {exit_code}; its message is above")


@contextmanager
def serving(index: Path = INDEX, options: Sequence[str] = ()) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Serve an index with options of ``dpr-serve``; yield the server and its address once it is ready; end it."""
    port = free_port()
    address = f"http://{HOST}:{port}"
    command = [installed("dpr-serve"), "--index", str(index), "--host", HOST, "--port", str(port)]
    command += [*options, "--log-level", "warning"]
    console.rule("Serve")
    console.print(f"$ {shlex.join(command)}", style="dim", soft_wrap=True, highlight=False)
    server = subprocess.Popen(command, stdout=sys.stderr)
    try:
        wait_until_ready(server, address)
        yield server, address
    finally:
        stop(server)


def wait_until_ready(server: subprocess.Popen[bytes], address: str) -> None:
    began_s = time.monotonic()
    next_line_s = began_s + WAIT_LINE_EVERY_S
    console.print("waiting for dpr-serve, which loads the index, the encoder and the reader", highlight=False)
    while not is_ready(address):
        if server.poll() is not None:
            raise DemoError(f"dpr-serve ended with exit code {server.returncode}; its message is above")
        now_s = time.monotonic()
        if now_s - began_s > READY_TIMEOUT_S:
            raise DemoError(f"dpr-serve was not ready within {READY_TIMEOUT_S:.0f} s; run it by hand to see why")
        if now_s >= next_line_s:
            next_line_s = now_s + WAIT_LINE_EVERY_S
            console.print(f"dpr-serve is still loading after {now_s - began_s:.0f} s; Ctrl-C ends it", highlight=False)
        time.sleep(0.2)


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def ask(address: str, question: str) -> dict[str, Any]:
    """Return the server's result for one question."""
    try:
        response = httpx.post(f"{address}/v1/query", json={"question": question}, timeout=ANSWER_TIMEOUT_S)
    except httpx.TransportError as error:
        raise DemoError(f"dpr-serve does not answer ({error}); its message is above") from None
    if response.status_code != httpx.codes.OK:
        raise DemoError(f"dpr-serve answered {response.status_code}: {response.json()['error']['message']}")
    result: dict[str, Any] = response.json()["results"][0]
    return result


def show(result: dict[str, Any]) -> None:
    """Print a question and its answer, how likely it is right and where it stands, or the best passage without one."""
    answers, hits = result["answers"], result["hits"]
    body = Text()
    if result["is_answered"]:
        best, passage = answers[0], result["evidence"][0]
        evidence = Text(passage["text"])
        evidence.stylize("bold black on yellow", best["start"], best["end"])
        body.append(best["text"], style="bold green").append(f"   likely right: {result['probability']:.0%}\n\n")
        body.append(f"{passage['title']}: ", style="bold").append_text(evidence)
    elif hits:
        passage = hits[0]["passage"]
        guess = f" (its best guess: {answers[0]['text']})" if answers else ""
        body.append(f"The reader found no answer that it is sure of{guess}; the first passage:\n\n", style="yellow")
        body.append(f"{passage['title']}: ", style="bold").append(passage["text"])
    else:
        body.append("no passage was found", style="yellow")
    console.print(Panel(body, title=Text(result["question"], style="bold"), title_align="left"))


def stay(server: subprocess.Popen[bytes], address: str) -> None:
    """Print how to ask, and wait until Ctrl-C."""
    body = json.dumps({"question": QUESTIONS[0]})
    console.rule("Ask it yourself")
    console.print(f"Open {address} in a browser; {address}/docs describes the interface.", highlight=False)
    console.print("Or ask from a terminal. Ctrl-C stops the server.", highlight=False)
    line = f"curl -s {address}/v1/query -H 'content-type: application/json' -d {shlex.quote(body)}"
    console.print(line, style="bold", soft_wrap=True, highlight=False)
    exit_code = server.wait()
    raise DemoError(f"dpr-serve ended with exit code {exit_code}; its message is above")


def stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def installed(command: str) -> str:
    """Return the path of an installed command, beside this Python or on the path."""
    beside = Path(sys.executable).with_name(command)
    path = str(beside) if beside.is_file() else shutil.which(command)
    if path is None:
        raise DemoError(f"the command {command} is not installed; run: pip install '.[service]'")
    return path


def free_port() -> int:
    """Return the preferred port where it is free, any free one otherwise."""
    for port in (PREFERRED_PORT, 0):
        try:
            with socket.create_server((HOST, port)) as listener:
                port_number: int = listener.getsockname()[1]
                return port_number
        except OSError:
            continue
    raise DemoError(f"no port of {HOST} is free; stop another server first")


def main() -> int:
    parser = argparse.ArgumentParser(description="Index a small corpus, serve it, ask it five questions.")
    parser.add_argument("--once", action="store_true", help="end after the answers")
    once = parser.parse_args().once
    # A demo in the background is ended by SIGTERM, and its server with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        build_index()
        with serving() as (server, address):
            console.rule("Ask")
            for question in QUESTIONS:
                show(ask(address, question))
            if not once:
                stay(server, address)
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        console.print("\nstopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
