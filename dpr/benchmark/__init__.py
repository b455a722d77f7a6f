"""How good is it: retrieval, a reader, whole answers, an encoder, measured on questions and written as reports."""
