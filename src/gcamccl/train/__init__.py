"""Training of gCAM-CCL over replicates: random splits and permuted labels."""
