"""What an embedding knows: semantic features of label volumes, linear readouts, and UMAP."""
