"""Measurements while training."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch

from gankit.core.errors import BuildError
from gankit.core.recipe import Recipe
from gankit.core.sections import Measure
from gankit.data.dataset import Dataset
from gankit.evaluation import choose
from gankit.evaluation.evaluate import evaluate, measured
from gankit.evaluation.measure import Reference
from gankit.methods.base import Method


class Ruler:
    """Measures a method on pictures that it is not trained on, as `train.measure` of a recipe says.

    Calling it gives the rows of figures, JSON-able; the method, all random states and the training stay as they are.
    Raises RecipeError for a metric that cannot be built; whether there are pictures `check_data` looks.
    """

    def __init__(self, dataset: Dataset, recipe: Recipe, device: torch.device) -> None:
        assert recipe.train.measure is not None
        self.settings: Measure = recipe.train.measure
        self._whole, self.device = dataset, device
        self.reference: Reference = recipe.evaluate.reference
        try:
            self.metrics = choose.built(self.settings.metrics, place=("train", "measure", "metrics")) or None
        except BuildError as error:
            raise recipe.error(error) from error

    @cached_property
    def dataset(self) -> Dataset:
        """The pictures that are measured: found once, and not for every measurement."""
        return measured(self._whole, self.settings.split)

    def __call__(self, method: Method) -> list[dict[str, Any]]:
        evaluation = evaluate(
            method,
            self.dataset,
            device=self.device,
            limit=self.settings.samples,
            metrics=self.metrics,
            reference=self.reference,
            split=self.settings.split,
            asked=self.metrics is not None,
        )
        return evaluation.as_dict()["results"]
