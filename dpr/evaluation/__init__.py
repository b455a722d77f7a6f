"""How good results are: ranking metrics, TREC files, answer scores, and the report that keeps them."""
