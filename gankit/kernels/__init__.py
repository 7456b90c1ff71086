"""Fused operations: the torch reference of each and, beside it, its Triton form; the device chooses between them."""
