"""The examples that the OpenAPI document shows; a test holds each to its schema."""

from __future__ import annotations

from typing import Any

PASSAGE: dict[str, Any] = {
    "id": "8c1f0a9be2d47711",
    "title": "Hangul",
    "text": "King Sejong had the new script ready around the end of 1443.",
    "document_id": "",
    "start": 0,
    "end": 60,
    "metadata": {"category": "history", "year": 1443, "tags": ["script"]},
}

HIT: dict[str, Any] = {
    "rank": 1,
    "score": 1.62,
    "passage": PASSAGE,
    "lists": {
        "dense": {"rank": 2, "score": 0.61, "contribution": 0.7},
        "bm25": {"rank": 1, "score": 11.4, "contribution": 0.92},
    },
    "window": None,
    "first_stage": None,
}

FUSION: dict[str, Any] = {
    "method": "zscore",
    "weights": {"dense": 0.25, "bm25": 0.75},
    "coverage_power": 2.0,
    "missing_rule": "a passage absent from a list takes the lowest value that the list gave",
}

WEIGHING: dict[str, Any] = {"weights": {"dense": 0.42, "bm25": 0.58}, "coverage": {"bm25": 0.68}}

RETRIEVE_RESPONSE: dict[str, Any] = {
    "index": "default",
    "generation": "000001",
    "retriever": "hybrid",
    "rerank": False,
    "fusion": FUSION,
    "shards": None,
    "timings": {"retrieve_ms": 6.1, "total_ms": 6.4},
    "results": [{"question": "Who created Hangul?", "hits": [HIT], "weighing": WEIGHING, "note": None}],
}

QUERY_RESPONSE: dict[str, Any] = {
    **RETRIEVE_RESPONSE,
    "timings": {"retrieve_ms": 6.1, "read_ms": 48.0, "total_ms": 54.3},
    "results": [
        {
            "question": "Who created Hangul?",
            "hits": [HIT],
            "weighing": WEIGHING,
            "is_answered": True,
            "no_answer_score": -9.3,
            "probability": 0.84,
            "answers": [
                {
                    "text": "King Sejong",
                    "passage_id": PASSAGE["id"],
                    "document_id": "",
                    "start": 0,
                    "end": 11,
                    "document_start": 0,
                    "document_end": 11,
                    "score": 9.8,
                    "span_score": 12.5,
                    "null_score": 3.2,
                }
            ],
            "evidence": [PASSAGE],
            "text": None,
            "cited": [],
            "note": None,
            "error": None,
        }
    ],
}

QUERY_EVENTS = """\
event: passages
data: {"generation": "000001", "retriever": "hybrid", …, "results": [{"question": "Who created …", "hits": […], …}]}

event: answer
data: {"index": 0, "question": "Who created Hangul?", "is_answered": true, "answers": [{"text": "King Sejong", …}], …}

event: done
data: {"generation": "000001", "timings": {"retrieve_ms": 6.1, "read_ms": 48.0, "total_ms": 54.3}}

"""

RETRIEVE_REQUESTS: dict[str, Any] = {
    "one question": {"value": {"question": "Who created Hangul?", "k": 5}},
    "한국어": {"value": {"question": "한글은 누가 만들었는가?", "retriever": "bm25", "k": 5}},
    "a batch, fused with weights": {
        "value": {
            "questions": ["Who created Hangul?", "한글은 누가 만들었는가?"],
            "retriever": "hybrid",
            "fusion": "zscore",
            "weights": {"dense": 0.4, "bm25": 0.6},
            "k": 10,
        }
    },
    "filtered": {
        "value": {
            "question": "Who created Hangul?",
            "filter": {
                "operator": "AND",
                "conditions": [
                    {"field": "category", "operator": "==", "value": "history"},
                    {"field": "published", "operator": ">=", "value": "2024-01-01"},
                ],
            },
        }
    },
}

FACETS: dict[str, Any] = {
    "index": "default",
    "generation": "000001",
    "passages": 48,
    "fields": {
        "category": {
            "type": "string",
            "passages": 48,
            "values": [{"value": "history", "passages": 30}, {"value": "city", "passages": 18}],
            "distinct": 2,
            "least": None,
            "greatest": None,
        },
        "published": {
            "type": "date",
            "passages": 40,
            "values": [],
            "distinct": None,
            "least": "2019-03-01",
            "greatest": "2026-10-31",
        },
    },
}

EXPLAIN_RESPONSE: dict[str, Any] = {
    "index": "default",
    "generation": "000001",
    "retriever": "hybrid",
    "rerank": False,
    "fusion": FUSION,
    "timings": {"total_ms": 7.2},
    "explanation": {
        "question": "Who created Hangul?",
        "passage": PASSAGE,
        "rank": 1,
        "score": 1.62,
        "lists": {
            "dense": {
                "rank": 2,
                "score": 0.61,
                "terms": None,
                "window": None,
                "fused": {
                    "score": 0.61,
                    "statistics": {"mean": 0.31, "deviation": 0.18, "share": 1.0},
                    "value": 1.67,
                    "base_weight": 0.25,
                    "coverage": 1.0,
                    "weight": 0.42,
                    "contribution": 0.7,
                },
            },
            "bm25": {
                "rank": 1,
                "score": 11.4,
                "terms": [
                    {"term": "hangul", "share": 11.4, "count": 1, "question_count": 1, "document_frequency": 7},
                    {"term": "creat", "share": 0.0, "count": 0, "question_count": 1, "document_frequency": 4},
                ],
                "window": None,
                "fused": {
                    "score": 11.4,
                    "statistics": {"mean": 8.22, "deviation": 2.0, "share": 1.0},
                    "value": 1.59,
                    "base_weight": 0.75,
                    "coverage": 0.68,
                    "weight": 0.58,
                    "contribution": 0.92,
                },
            },
        },
        "fusion": {
            "method": "zscore",
            "formula": "(score - mean) / deviation * share, and 0 where the deviation is 0",
            "missing_rule": "a passage absent from a list takes the lowest value that the list gave",
            "coverage_power": 2.0,
        },
        "weighing": WEIGHING,
        "first_stage": None,
    },
}

EXPLAIN_REQUESTS: dict[str, Any] = {
    "the best hit": {"value": {"question": "Who created Hangul?"}},
    "the third hit of BM25": {"value": {"question": "Who created Hangul?", "retriever": "bm25", "rank": 3}},
    "a passage by its id": {"value": {"question": "Who created Hangul?", "passage_id": PASSAGE["id"]}},
}

EMBEDDINGS_RESPONSE: dict[str, Any] = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.031, -0.052, 0.118]}],
    "model": "dpr-small-ko-en",
    "usage": {"prompt_tokens": 5, "total_tokens": 5},
    "generation": "000001",
}

EMBEDDINGS_REQUESTS: dict[str, Any] = {
    "a question": {"value": {"model": "dpr-small-ko-en", "input": "Who created Hangul?"}},
    "passages": {
        "value": {"model": "dpr-small-ko-en", "input": ["한글은 1443년에 만들어졌다."], "input_type": "passage"}
    },
}

QUERY_REQUESTS: dict[str, Any] = {
    "one question": {"value": {"question": "Who created Hangul?", "k": 5, "n_best": 3}},
    "한국어": {"value": {"question": "한글은 누가 만들었는가?", "k": 5}},
    "a batch": {"value": {"questions": ["Who created Hangul?", "한글은 누가 만들었는가?"], "retriever": "bm25"}},
    "events": {"value": {"question": "Who created Hangul?", "stream": True}},
}

ALIVE = {"status": "alive"}

READY = {"status": "ready", "generation": "000001", "is_current": True, "shards": None}

INDEX: dict[str, Any] = {
    "name": "default",
    "is_default": True,
    "generation": "000001",
    "passages": 48,
    "encoder": {"name": "dpr-small-ko-en", "fingerprint": "4f1d2c", "dimension": 384},
    "retrievers": ["dense", "bm25", "tfidf", "hybrid"],
    "retriever_default": "hybrid",
    "problem": None,
}

INDEXES = {"indexes": [INDEX]}

RELOAD = {"changed": ["default"], "indexes": [INDEX]}

INFO: dict[str, Any] = {
    "version": "0.1.0",
    "index": "default",
    "generation": "000001",
    "passages": 48,
    "problem": None,
    "encoder": {"name": "dpr-small-ko-en", "fingerprint": "4f1d2c", "dimension": 384},
    "analyzer": {"name": "ko-en", "version": "1"},
    "dense_kind": "flat",
    "retrievers": ["dense", "bm25", "tfidf", "rank-bm25", "hybrid"],
    "retriever_default": "hybrid",
    "fusion_default": FUSION,
    "fusions": {"rrf": "a passage absent from a list gets nothing from it"},
    "reranker": None,
    "rerank_depth": None,
    "reader": "reader-small-ko-en",
    "generator": None,
    "takes_documents": False,
    "limits": {
        "question_characters": 1_000,
        "batch": 64,
        "k": 100,
        "n_best": 20,
        "passages": 6_400,
        "timeout_s": 120,
        "body_bytes": 1_048_576,
        "in_flight": 32,
    },
}

DOCUMENTS: dict[str, Any] = {
    "a document": {
        "value": {
            "title": "Hangul",
            "text": "King Sejong created Hangul in 1443.",
            "metadata": {"category": "history", "published": "2024-01-31"},
        }
    },
    "한국어": {"value": {"title": "한글", "text": "세종대왕은 1443년에 한글을 만들었다."}},
}

JOB: dict[str, Any] = {
    "id": "019ac9f0a1b2-5f0c9a1e",
    "index": "default",
    "kind": "put",
    "documents": 1,
    "state": "queued",
    "stage": None,
    "completed": None,
    "total": None,
    "accepted_utc": "2026-11-29T10:00:00Z",
    "finished_utc": None,
    "generation": None,
    "error": None,
}

JOBS = {"jobs": [JOB]}

IMPORT_REQUEST = '{"id": "a", "title": "Hangul", "text": "King Sejong created Hangul in 1443."}\n{"id": "b"}\n'

IMPORT_RESPONSE = (
    '{"line":1,"id":"a","status":"accepted","error":null}\n'
    '{"line":2,"id":null,"status":"refused","error":"the field \'text\' is missing"}\n'
    '{"job":{"id":"019ac9f0a1b2-5f0c9a1e","index":"default","kind":"import","documents":1,"state":"queued",…},'
    '"accepted":1,"replaced":0,"refused":1}\n'
)
