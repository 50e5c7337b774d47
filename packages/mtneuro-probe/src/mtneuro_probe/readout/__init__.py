"""Read features and regions out of embeddings with linear models, and score how well that works."""
