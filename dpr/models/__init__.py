"""BERT_q and BERT_p: checkpoints, tokenization, encoding."""
