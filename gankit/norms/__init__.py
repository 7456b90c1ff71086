"""Normalizations. Each is made with `channels`; an adaptive one takes gamma and beta (N, C) in its forward."""
