"""Training of a dual encoder: BERT_q and BERT_p from questions with their passages."""
