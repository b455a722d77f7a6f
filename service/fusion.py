"""How ``hybrid`` fuses here: the server's default, what a request asks for instead, and how a response tells it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from dpr.errors import DataError, RequestError
from dpr.search.fusion import Fusion
from dpr.search.open import HYBRID_LISTS
from dpr.search.tuned import read_fusion
from service.schemas import FusionMethod, FusionOut, RetrieveRequest
from service.settings import RetrieverName


def default_fusion(file: Path | None) -> Fusion:
    """Return the fusion of requests that name none: that of a file of ``dpr tune``, or z-scores of equal weights.

    Raises:
        DataError: the file cannot be read, or its weights are not for the lists that ``hybrid`` fuses.
    """
    if file is None:
        return Fusion()
    fusion = read_fusion(file)
    try:
        fusion.weights_for(HYBRID_LISTS)
    except RequestError as error:
        raise DataError.at(file, None, str(error)) from None
    return fusion


def fusion_of(request: RetrieveRequest, retriever: RetrieverName, default: Fusion) -> Fusion | None:
    """Return how to fuse for a request, None for a retriever of one list, which refuses to be told.

    A request that names a method or weights gets just these: weights that were fitted for another method, or beside
    the ones given, would be neither's.

    Raises:
        RequestError: the retriever fuses nothing, or the weights are for other lists than it fuses.
    """
    given = {name: getattr(request, name) for name in ("fusion", "weights") if getattr(request, name) is not None}
    if retriever != "hybrid":
        if not given:
            return None
        field = next(iter(given))
        raise RequestError(f"the retriever {retriever} fuses nothing; leave {field} out, or ask hybrid", field=field)
    if not given:
        return default
    fusion = Fusion(request.fusion or Fusion().method, request.weights)
    fusion.weights_for(HYBRID_LISTS)
    return fusion


def fusion_out(fusion: Fusion) -> FusionOut:
    """Return what a response says of the fusion."""
    return FusionOut(
        method=cast("FusionMethod", fusion.method),
        weights=fusion.weights_for(HYBRID_LISTS),
        missing_rule=fusion.missing_rule,
        hangul=fusion_out(fusion.hangul) if fusion.hangul else None,
    )
