"""Limit the kernels that oneDNN keeps for shapes that a training does not meet again.

On a CPU, oneDNN multiplies in bf16. It makes a primitive for each pair of shapes and keeps the last 1,024; torch keeps
the descriptions of as many in each thread. Each takes a quarter of a megabyte. The chunks of a training have ever new
shapes, so it rarely uses one again in a later step. They lie between the blocks that activations leave free, which can
then neither be joined nor given back (docs/decisions/0015-training-memory.md).
"""

from __future__ import annotations

import os

KEPT = 64
"""Primitives to keep: more than one chunk needs, whose layers have about 30 pairs of shapes, backward pass included."""

VARIABLES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
"""What oneDNN and torch read when they make their first primitive."""


def keep_few_primitives() -> None:
    """Keep `KEPT` primitives, unless the environment says how many.

    Call it before the first product in bf16; later it has no effect.
    """
    for variable in VARIABLES:
        os.environ.setdefault(variable, str(KEPT))
