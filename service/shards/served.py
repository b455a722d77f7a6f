"""The shard of a node: the generation that answers, and the one before it, which routers may still ask."""

from __future__ import annotations

from functools import partial

from dpr.pipeline import QA
from service.errors import OtherCollectionError
from service.indexes import WARM_UP_QUESTIONS, ServedIndex
from service.models import Models
from service.settings import NamedIndex
from service.shards.node import check_shard, warm_up


class NodeIndex(ServedIndex):
    """One shard. A router goes on to the next collection only when all shards have it, and asks the former till then.

    Attributes:
        former: the generation before the one that answers; None where there is none.
    """

    def __init__(self, folder: NamedIndex, models: Models) -> None:
        """Load nothing yet."""
        super().__init__(folder.name, partial(models.open_node, folder.path), folder.path, models.lock)
        self.former: QA | None = None

    def generations(self) -> list[QA]:
        """Return the generations that answer, the newest first.

        Raises:
            NotReadyError: none is loaded yet.
        """
        return [qa for qa in (self.snapshot, self.former) if qa is not None]

    def generation_of(self, collection: str) -> QA:
        """Return the generation that is of a collection.

        Raises:
            OtherCollectionError: none is.
        """
        for qa in self.generations():
            if check_shard(qa).collection == collection:
                return qa
        raise OtherCollectionError(f"this node serves no shard of the collection {collection}; look again")

    def _warm_up(self, qa: QA) -> None:
        warm_up(qa, WARM_UP_QUESTIONS)
        self.former = self._snapshot
