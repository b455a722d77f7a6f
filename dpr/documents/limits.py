"""What a document may take: bytes, seconds, memory."""

from __future__ import annotations

from dataclasses import dataclass

from dpr.errors import ConfigError

LONGEST_TEXT_BYTES = 1 << 24
"""The longest text of a document, 16 MiB: some five thousand pages."""

MOST_BLOCKS = 100_000
"""The most headings, paragraphs and tables of a document; each takes some hundred bytes beside its text."""

LEAST_MEMORY_MIB = 256

LEAST_SHARE_MIB = 128
"""Of each converter; without a document it has 90 MiB of addresses."""


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """The limits of a document; one that exceeds them is skipped, or refused.

    Attributes:
        mib: size of its file, unpacked, in MiB.
        seconds: time to convert it.
        memory_mib: addresses that all converters together may use, in MiB. Each has its share; a document that needs
            more is converted again, alone, with all of it.

    Raises:
        ConfigError: a limit is out of range.
    """

    mib: int = 256
    seconds: int = 60
    memory_mib: int = 512

    def __post_init__(self) -> None:
        if min(self.mib, self.seconds) < 1:
            raise ConfigError(
                f"a limit of {self.mib} MiB and {self.seconds} s admits no document; choose at least 1 of each"
            )
        if self.memory_mib < LEAST_MEMORY_MIB:
            raise ConfigError(
                f"documents cannot be converted in {self.memory_mib} MiB of memory; choose at least {LEAST_MEMORY_MIB}"
            )


DEFAULT_LIMITS = DocumentLimits()
