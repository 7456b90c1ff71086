"""SPADE for gankit: pictures from label maps. It is imported whenever gankit lists its parts, without torch."""

from gankit import hookimpl

gankit_api = 1


@hookimpl
def gankit_components(add) -> None:
    add("norm", "spade", "gankit_spade.norm:SPADE", "scale and offset of each pixel come from a segmentation map")
    add("generator", "spade", "gankit_spade.generator:SPADEGenerator", "a picture from a segmentation map")
    add("method", "spade", "gankit_spade.method:LabelToPicture", "paired: from a map to a picture (GauGAN)")
    add("dataset", "layouts", "gankit_spade.layouts:Layouts", "drawn segmentation maps with the pictures that follow")
    add(
        "metric",
        "map_error",
        "gankit_spade.metric:MapError",
        "distance to the truth, beside one colour a class",
    )


@hookimpl
def gankit_recipes(add) -> None:
    add("spade", "gankit_spade:recipes/spade.yaml")
    add("spade-layouts", "gankit_spade:recipes/spade-layouts.yaml")
