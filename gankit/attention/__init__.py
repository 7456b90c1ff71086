"""Attention heads: made with `channels`; the forward returns `Attended(features, map, logits)`."""
