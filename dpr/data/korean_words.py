"""What stands around and at the end of a word in running text: signs, and the commonest Korean particles."""

from __future__ import annotations

import re

PARTICLE = re.compile(
    r"(?<=[\uac00-\ud7a3]{2})(?:은|는|이|가|을|를|의|에|에서|에게|으로|로|와|과|도|만|까지|부터|이다|하다|한다|했다|하였다)$"
)
"""The particle or copula at the end of a Korean word of three syllables or more."""

EDGES = " .,:;!?…。，、！？\"'“”‘’«»()[]{}<>〈〉《》「」『』·-–—~"
"""What stands around a word without being of it; a particle is found only once it is gone."""
