"""Read and write data files: passages, questions and their labels."""
