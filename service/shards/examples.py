"""The examples of a node's routes in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from service.examples import PASSAGE

COLLECTION = "c73e50d4e9d41f87"

SHARD: dict[str, Any] = {
    "generations": [
        {
            "manifest": {
                "generation": 1,
                "passages": 24,
                "…": "…",
                "shard": {"collection": COLLECTION, "number": 1, "shards": 2, "first_row": 0, "passages": 48},
            },
            "lists": ["dense", "bm25", "tfidf"],
        }
    ]
}

LISTS_REQUESTS: dict[str, Any] = {
    "bm25": {"value": {"collection": COLLECTION, "questions": ["Who created Hangul?"], "lists": ["bm25"], "k": 2}}
}

LISTS: dict[str, Any] = {
    "lists": {
        "bm25": {
            "rows": [[7, 3]],
            "scores": [[11.4, 2.5]],
            "ids": [[PASSAGE["id"], "1f0c7a55be2d0911"]],
            "windows": None,
            "coverage": [0.9],
        }
    }
}

PASSAGES_REQUESTS: dict[str, Any] = {"one": {"value": {"collection": COLLECTION, "rows": [7]}}}

PASSAGES: dict[str, Any] = {"passages": [PASSAGE]}

EXPLANATION_REQUESTS: dict[str, Any] = {
    "bm25": {
        "value": {
            "collection": COLLECTION,
            "questions": ["Who created Hangul?"],
            "lists": ["bm25"],
            "id": PASSAGE["id"],
        }
    }
}

EXPLANATION: dict[str, Any] = {
    "row": 7,
    "id": PASSAGE["id"],
    "lists": {
        "bm25": {
            "rank": None,
            "score": 11.4,
            "terms": [{"term": "hangul", "share": 11.4, "count": 3, "question_count": 1, "document_frequency": 2}],
            "window": None,
            "fused": None,
        }
    },
}

FACETS_REQUESTS: dict[str, Any] = {"all": {"value": {"collection": COLLECTION}}}

FACETS: dict[str, Any] = {
    "language": {
        "type": "string",
        "passages": 48,
        "values": [["en", 30], ["ko", 18]],
        "distinct": 2,
        "least": None,
        "greatest": None,
    }
}
