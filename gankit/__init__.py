"""gankit: image-to-image GANs from parts. The names below are loaded when they are first used."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gankit.api import build as build
    from gankit.api import evaluate as evaluate
    from gankit.api import load as load
    from gankit.api import train as train
    from gankit.core.errors import BuildError as BuildError
    from gankit.core.errors import CheckpointError as CheckpointError
    from gankit.core.errors import ComponentError as ComponentError
    from gankit.core.errors import DataError as DataError
    from gankit.core.errors import GankitError as GankitError
    from gankit.core.errors import PluginError as PluginError
    from gankit.core.errors import RecipeError as RecipeError
    from gankit.core.errors import TrainingError as TrainingError
    from gankit.core.listing import components as components
    from gankit.core.plugins import hookimpl as hookimpl
    from gankit.core.recipe import Recipe as Recipe
    from gankit.core.register import register as register
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(
        __name__,
        build="gankit.api",
        evaluate="gankit.api",
        load="gankit.api",
        train="gankit.api",
        Recipe="gankit.core.recipe",
        components="gankit.core.listing",
        hookimpl="gankit.core.plugins",
        register="gankit.core.register",
        GankitError="gankit.core.errors",
        RecipeError="gankit.core.errors",
        BuildError="gankit.core.errors",
        ComponentError="gankit.core.errors",
        PluginError="gankit.core.errors",
        DataError="gankit.core.errors",
        CheckpointError="gankit.core.errors",
        TrainingError="gankit.core.errors",
    )
