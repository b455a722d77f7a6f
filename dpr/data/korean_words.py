"""Punctuation around a word, and the most common Korean particles at its end."""

from __future__ import annotations

import re

PARTICLE = re.compile(
    r"(?<=[\uac00-\ud7a3]{2})(?:은|는|이|가|을|를|의|에|에서|에게|으로|로|와|과|도|만|까지|부터|이다|하다|한다|했다|하였다)$"
)
"""The particle or copula at the end of a Korean word of three syllables or more."""

EDGES = " .,:;!?…。，、！？\"'“”‘’«»()[]{}<>〈〉《》「」『』·-–—~"
"""Characters around a word that are not part of it; they must be removed to find a particle."""
