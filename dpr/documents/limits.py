"""What a document may take: bytes, seconds, memory."""

from __future__ import annotations

from dataclasses import dataclass

from dpr.errors import ConfigError

LONGEST_TEXT_BYTES = 1 << 25
"""The longest text of a document, 32 MiB, as of a row of a file."""

LEAST_MEMORY_MIB = 256
"""The converter itself needs some hundred MiB of addresses."""


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """The limits of a document; one that exceeds them is skipped, or refused.

    Attributes:
        mib: size of its file, unpacked, in MiB.
        seconds: time to convert it.
        memory_mib: addresses that its converter may use, in MiB.

    Raises:
        ConfigError: a limit is out of range.
    """

    mib: int = 256
    seconds: int = 60
    memory_mib: int = 768

    def __post_init__(self) -> None:
        if min(self.mib, self.seconds) < 1:
            raise ConfigError(f"documents of {self.mib} MiB and {self.seconds} s are none; choose at least 1 of each")
        if self.memory_mib < LEAST_MEMORY_MIB:
            raise ConfigError(
                f"a converter cannot run in {self.memory_mib} MiB of memory; choose at least {LEAST_MEMORY_MIB}"
            )


DEFAULT_LIMITS = DocumentLimits()
