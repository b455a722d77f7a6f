"""Office files are ZIP archives: refuse those that are encrypted, damaged, or unpack to too much."""

from __future__ import annotations

import zipfile
from pathlib import Path

from dpr.errors import DocumentError

LARGEST_RATIO = 100
"""The largest ratio of unpacked to packed size, of an archive that unpacks to more than `RATIO_COUNTS_FROM_BYTES`."""

RATIO_COUNTS_FROM_BYTES = 1 << 26

MOST_MEMBERS = 20_000
"""A presentation of a thousand slides has some five thousand."""


def check_archive(path: Path, member: str) -> None:
    """Look at the directory of an archive, before anything is unpacked.

    A size that the directory understates does no harm: no more than stated is unpacked.

    Raises:
        DocumentError: it is damaged or encrypted, has no such ``member``, or unpacks to too much.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DocumentError(f"is damaged ({error}); open and save it anew, or fetch it again") from None
    unpacked, packed = sum(item.file_size for item in members), path.stat().st_size
    if len(members) > MOST_MEMBERS:
        raise DocumentError(f"holds {len(members):,} files, more than the {MOST_MEMBERS:,} of any document")
    if unpacked > max(RATIO_COUNTS_FROM_BYTES, LARGEST_RATIO * packed):
        raise DocumentError(
            f"unpacks to {unpacked >> 20:,} MiB, more than {LARGEST_RATIO} times its size; open it and check it"
        )
    if any(item.flag_bits & 1 for item in members):
        raise DocumentError("is encrypted; save it without a password")
    if member not in (item.filename for item in members):
        raise DocumentError(f"is a ZIP archive without {member}, so it is another kind of file; check its ending")
