"""The formulas by which results are judged: ranking metrics, answer scores, paired tests, and TREC files."""
