"""The gCAM-CCL network: architecture, loss, inputs, weights on disk."""
