"""The record of a shard: which part of which collection an index holds."""

from __future__ import annotations

from dataclasses import dataclass

from dpr.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """An index that holds some rows of a collection, with the collection's statistics: see `index_builder.split`.

    Attributes:
        collection: the hash that the shards of one collection share.
        number: the number of this shard, from 1.
        shards: how many shards the collection has.
        first_row: the row in the collection of the shard's first passage.
        passages: how many passages the collection has.
    """

    collection: str
    number: int
    shards: int
    first_row: int
    passages: int

    @property
    def title(self) -> str:
        """The shard in words."""
        return f"shard {self.number} of {self.shards}"


def refuse_shard(shard: ShardRecord | None) -> None:
    """Refuse to change an index that is a shard: its statistics are those of all shards.

    Raises:
        ConfigError: it is one.
    """
    if shard is not None:
        raise ConfigError(
            f"this index is {shard.title} of a collection and shares its statistics; change the whole index, and split "
            "that again with dpr-index split"
        )
