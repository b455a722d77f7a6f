"""Asking the nodes of a router: one node of each shard, all shards at once, within a deadline.

One thread with an event loop of its own does all of the waiting. It looks at every node once in a while; a node that
failed a request is not asked again before it has answered such a look. Of several nodes with one shard (replicas), the
next one is asked when one fails, and also when one has taken half of the deadline.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import orjson

from dpr.client.bytes_client import BytesClient
from dpr.client.connection import opened_address
from dpr.errors import RefusedByServerError, RequestError, ServerError, ServerTimeoutError
from service.shards.nodes import Node, Nodes, note_late
from service.shards.wire import SHARD_PATH, NodeAnswerError, read_states

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

OF_THIS_NODE = frozenset({401, 403, 404, 408, 409})
"""Refusals that are the node's own trouble: no key, no shard, too slow, another generation."""

LOOK_S = 2.0
"""Time that a node gets to say what it serves; it is not asked any more where two looks in a row take longer."""

STOPPING_S = 5.0
"""Time beyond the deadline after which nothing answers any more, because the router stops."""


class NodeFailedError(Exception):
    """A node did not answer; the message says why."""


@dataclass(frozen=True, slots=True)
class ShardCall(Generic[Answer]):
    """A request to the nodes of one shard, and what reads their answer; it is told the rows of the shard."""

    path: str
    body: Mapping[str, object]
    read: Callable[[bytes, range], Answer]


@dataclass(frozen=True, slots=True)
class LostShard:
    """A shard that did not answer, and why."""

    cause: str


@dataclass(frozen=True, slots=True)
class NodeAttempt:
    """A request to a node, for metrics: the shard, what became of it, and the seconds it took."""

    shard: int
    outcome: str
    seconds: float


class Cluster:
    """Knows the nodes, and asks them; from any thread.

    Attributes:
        nodes: the nodes, and what they serve.
        partial_searches: how many searches went without a shard.
        observe: called with each attempt to ask a node.

    Args:
        urls: the addresses of the nodes.
        key: the API key that they ask for; empty without one.
        timeout_s: seconds in which a shard has to answer.
        look_s: seconds between two looks at a node.
        client: what carries requests; None: one with the key.

    Raises:
        ConfigError: an address or the key cannot be one.
    """

    def __init__(
        self,
        urls: Sequence[str],
        key: str = "",
        timeout_s: float = 2.0,
        look_s: float = 1.0,
        client: BytesClient | None = None,
    ) -> None:
        self.nodes = Nodes([str(opened_address(url)).rstrip("/") for url in urls])
        self.timeout_s = timeout_s
        self.partial_searches = 0
        self.observe: Callable[[NodeAttempt], None] = lambda _attempt: None
        self._look_s = look_s
        self._client = client or BytesClient(key)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="nodes", daemon=True)

    def start(self) -> None:
        """Begin to look at the nodes; call it once."""
        self._loop = asyncio.new_event_loop()
        self._thread.start()

    def stop(self) -> None:
        """Look at no node any more, and close the connections."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(STOPPING_S)

    def ask(self, collection: str, calls: Mapping[int, ShardCall[Answer]]) -> dict[int, Answer | LostShard]:
        """Ask a node of each shard at the same time; return each shard's answer, or why there is none.

        Raises:
            RequestError: the request cannot be answered by any node.
        """
        if self._loop is None or not self._thread.is_alive():
            return dict.fromkeys(calls, LostShard("the router stops"))
        waiting = asyncio.run_coroutine_threadsafe(self._ask_all(collection, calls), self._loop)
        try:
            return waiting.result(self.timeout_s + STOPPING_S)
        except TimeoutError:  # the loop was stopped meanwhile
            return dict.fromkeys(calls, LostShard("the router stops"))

    def _run(self) -> None:
        loop = self._loop
        if loop is None:
            return
        for node in self.nodes:
            loop.create_task(self._watch(node))
        try:
            loop.run_forever()
        finally:
            while tasks := asyncio.all_tasks(loop):  # a request may have come as the loop stopped
                for task in tasks:
                    task.cancel()
                loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.run_until_complete(self._client.close())
            loop.run_until_complete(loop.shutdown_asyncgens())  # bodies that were cancelled while they were read
            loop.close()

    async def _watch(self, node: Node) -> None:
        while True:
            node.look_now.clear()
            await self._look(node)
            try:
                async with asyncio.timeout(self._look_s):
                    await node.look_now.wait()
                    await asyncio.sleep(0.05 * self._look_s)  # a node that fails each request is not asked all the time
            except TimeoutError:
                continue

    async def _look(self, node: Node) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                body = await self._client.send(node.url + SHARD_PATH, None, LOOK_S)
            states = {state.shard.collection: state for state in read_states(body)}
            self.nodes.refuse_contradiction(node, states)
        except (TimeoutError, ServerTimeoutError):
            self._note_late_look(node)
        except (ServerError, NodeAnswerError) as error:
            self._fail(node, problem_of(error), looks_again=False)
        except Exception as error:  # whatever a node answers, the others go on
            logger.exception("the node %s cannot be looked at", node.url)
            self._fail(node, f"what it answers cannot be used ({type(error).__name__})", looks_again=False)
        else:
            node.states = states
            if node.problem:
                titles = ", ".join(state.shard.title for state in states.values())
                logger.info("the node %s serves %s", node.url, titles)
            node.problem, node.late_looks = "", 0

    def _note_late_look(self, node: Node) -> None:
        """Look again at once at a node that is late for the first time: it may be this router that is busy."""
        node.late_looks += 1
        if node.problem or node.late_looks > 1:
            self._fail(node, f"it does not answer within {LOOK_S:g} s", looks_again=False)
        else:
            note_late([node])
            node.look_now.set()

    async def _ask_all(self, collection: str, calls: Mapping[int, ShardCall[Answer]]) -> dict[int, Answer | LostShard]:
        asking = []
        for number, call in calls.items():
            of_shard = self._ask_shard(collection, number, call)
            asking.append(asyncio.create_task(of_shard))
        try:
            return dict(zip(calls, await asyncio.gather(*asking), strict=True))
        finally:  # after a refusal, nobody waits for the other shards
            for task in asking:
                task.cancel()

    async def _ask_shard(self, collection: str, number: int, call: ShardCall[Answer]) -> Answer | LostShard:
        """Ask the nodes of a shard, the next one when one fails or is late; return the first answer."""
        nodes = self.nodes.in_turn(collection, number)
        if not nodes:
            return LostShard(self.nodes.cause(collection, number))
        rows = nodes[0].states[collection].rows  # replicas have the same
        waiting = list(nodes if len(nodes) > 1 else nodes * 2)  # a lone node may have closed an idle connection
        running: set[asyncio.Task[Answer]] = set()
        cause, deadline = "", time.monotonic() + self.timeout_s
        try:
            while (waiting or running) and time.monotonic() < deadline:
                if waiting:
                    running.add(asyncio.create_task(self._attempt(waiting.pop(0), collection, number, rows, call)))
                has_replicas = bool(waiting) and len(nodes) > 1
                patience_s = max(0.0, self.timeout_s / 2 if has_replicas else deadline - time.monotonic())
                finished, running = await asyncio.wait(running, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                if not finished and has_replicas:
                    note_late(nodes[: len(nodes) - len(waiting)])
                for task in finished:
                    error = task.exception()
                    if error is None:
                        return task.result()
                    if not isinstance(error, NodeFailedError):
                        raise error
                    cause = str(error)
        finally:
            for task in running:
                task.cancel()
        if time.monotonic() >= deadline:
            cause = f"no node answered within {self.timeout_s:g} s"
            note_late(nodes)
            self._tell(NodeAttempt(number, "late", self.timeout_s))
        return LostShard(cause)

    async def _attempt(self, node: Node, collection: str, number: int, rows: range, call: ShardCall[Answer]) -> Answer:
        """Ask one node.

        Raises:
            NodeFailedError: it does not answer, or with something else; it is not asked again before it was looked at.
            RequestError: it refuses what every node refuses.
        """
        started = time.monotonic()
        try:
            body = orjson.dumps({"collection": collection, **call.body})
            answer = call.read(await self._client.send(node.url + call.path, body, self.timeout_s), rows)
        except (ServerError, NodeAnswerError) as error:
            if isinstance(error, RefusedByServerError) and error.status not in OF_THIS_NODE:
                raise RequestError(str(error), error.field) from error
            self._fail(node, problem_of(error))
            self._tell(NodeAttempt(number, "failed", time.monotonic() - started))
            raise NodeFailedError(f"a node fails: {problem_of(error)}") from error
        self._tell(NodeAttempt(number, "answered", time.monotonic() - started))
        return answer

    def _fail(self, node: Node, problem: str, looks_again: bool = True) -> None:
        if not node.problem:
            logger.warning("the node %s is not asked for now: %s", node.url, problem)
        node.problem = problem
        if looks_again:
            node.look_now.set()

    def _tell(self, attempt: NodeAttempt) -> None:
        try:
            self.observe(attempt)
        except Exception:
            logger.exception("an attempt could not be observed")


def problem_of(error: ServerError | NodeAnswerError) -> str:
    """Return what is wrong with a node, for everybody who asks the router: without its address."""
    if isinstance(error, NodeAnswerError):
        return str(error)
    if isinstance(error, ServerTimeoutError):
        return "it did not answer in time"
    return f"it answered {error.status} ({error.code})" if error.status else "it cannot be reached"
