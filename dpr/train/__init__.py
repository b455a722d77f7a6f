"""Training of BERT_q and BERT_p."""
