"""What is trained for the tables of docs/benchmark.md and docs/experiments.md: recipes, and what of them is set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DRAWN_FOLDER = "{drawn}"


@dataclass(frozen=True)
class Row:
    """A recipe, and what of it is set. `{drawn}` stands for the folder of drawn pictures.

    cell: the method and the task, where the row is what the grid of methods and tasks shows of them.
    """

    name: str
    title: str
    recipe: str
    sets: tuple[str, ...] = ()
    cell: tuple[str, str] | None = None


TASKS = ("texture", "colour", "season", "geometry", "mixed", "light")


def row_of(recipe: str, method: str, task: str, conditions: str, *sets: str, name: str = "") -> Row:
    """A row of the grid."""
    name = name or f"{recipe.removeprefix('demo-')}-{task}"
    return Row(name, f"{method}, `{task}`, {conditions}", recipe, sets, (method, task))


def rows_of(recipe: str, method: str, conditions: str, *tasks: str, name: str = "") -> list[Row]:
    """Rows of the grid, in which nothing but the task is set."""
    name = name or recipe.removeprefix("demo-")
    return [row_of(recipe, method, task, conditions, f"data.task={task}", name=f"{name}-{task}") for task in tasks]


AGREEMENT = (
    "losses.agreement={type: pixel, distance: l2, weight: 1, from_step: 600, "
    "on: {output: attention, target: returned_attention}}"
)
"""AGIT's map, and the map that the other direction finds on the output, are to be alike."""
AGIT_LONG = (
    "train.steps=2000",
    "train.schedule.decay_from=0.8",
    "method.whole_image_until_epoch=18",
    "method.attention.channels=32",
    AGREEMENT,
)
ROWS = [
    row_of("demo", "AGIT", "texture", "64 px, 2000 steps", *AGIT_LONG, name="agit-texture"),
    Row("demo", "the demo: AGIT, `texture`, 64 px, 700 steps", "demo"),
    *rows_of("demo", "AGIT", "64 px, 700 steps", "colour", "season", "geometry", "mixed", name="agit"),
    row_of(
        "demo-cyclegan", "CycleGAN", "texture", "48 px, 1600 steps", "data.task=texture", "losses.identity.weight=5"
    ),
    row_of("demo-cyclegan", "CycleGAN", "season", "48 px, 1600 steps"),
    *rows_of("demo-cyclegan", "CycleGAN", "48 px, 1600 steps", "colour", "geometry", "mixed"),
    *rows_of("demo-ugatit", "U-GAT-IT light", "48 px, 1000 steps", "season", "texture", "geometry", "mixed", "colour"),
    row_of("demo-munit", "MUNIT", "light", "48 px, 1200 steps, style of an example"),
    *rows_of("demo-munit", "MUNIT", "48 px, 1200 steps, style of an example", "texture", "colour", "season"),
    row_of("demo-cut", "CUT", "season", "48 px, 1000 steps"),
    *rows_of("demo-cut", "CUT", "48 px, 1000 steps", "texture", "colour", "geometry", "mixed"),
    *rows_of("demo-pix2pix", "pix2pix (pairs)", "48 px, 1000 steps", "texture", "season", "colour"),
    row_of("demo-pix2pix", "pix2pix (pairs)", "geometry", "48 px, 2000 steps", "train.steps=2000"),
    row_of("demo-pix2pix", "pix2pix (pairs)", "mixed", "48 px, 4000 steps", "data.task=mixed", "train.steps=4000"),
]

WITHOUT_CAM = ("method.generator.attention=null", "method.discriminator.cam=false", "losses.cam.weight=0")
RECIPES = Path(__file__).resolve().parent / "recipes"
INPAINTING, LBAM, PCONV, ENLARGING, FACADES = (
    str(RECIPES / f"{name}.yaml")
    for name in ("inpainting", "inpainting-lbam", "inpainting-pconv", "enlarging", "facades")
)
DRAWN = (f"data.root={DRAWN_FOLDER}",)
WIDE = "method.generator.channels=32"
NORMS = ("adain", "instance", "layer", "group", "bin")
CYCLEGAN = ("train.steps=800",)
AGIT = ("train.steps=1000", "method.whole_image_until_epoch=6")
ONE_PHASE = "method.whole_image_until_epoch=10"
"""Critics of whole pictures to the end, in up to 1000 steps."""
NOISE = ("data.task=noise", "data.size=64")
UGATIT = ("train.steps=400", "method.generator.residual_image=true", "method.discriminator.channels=16")
NAFNET = (
    "method.generator={type: nafnet, channels: 16, encoder: [1, 1, 2], middle: 2, decoder: [1, 1, 1]}",
    "method.init=default",
)
RELATIVISTIC = (
    "losses.adversarial=relativistic",
    "losses.real_penalty.weight=1e-3",
    "losses.fake_penalty.weight=1e-3",
)
MODERN = {
    "mixed": ("gradient penalty on a mix of real and fake, 0.04", "losses.mixed.weight=0.04"),
    "r1-r2": (
        "R1 and R2, 1e-3, each fourth step",
        "losses.real_penalty.weight=1e-3",
        "losses.fake_penalty.weight=1e-3",
    ),
    "relativistic": (
        "each fake against a real picture, R1 and R2 (gankit-r3gan)",
        *RELATIVISTIC,
    ),
    "consistency": ("critics consistent under flips and shifts, 10", "losses.consistency.weight=10"),
    "spectra": ("focal frequency loss on the cycle, 10", "losses.spectra.weight=10"),
    "structure": ("MS-SSIM on the cycle, 1", "losses.structure.weight=1"),
    "dino": (
        "self-similarity of DINOv2's keys, 1, each fourth step (needs weights)",
        "losses.dino={type: dino_structure, weight: 1, every: 4, "
        "backbone: {type: vit_keys, model: vit_small_patch14_dinov2.lvd142m, image_size: 112}}",
    ),
    "unet-critic": ("U-Net critics", "method.discriminator.type=unet_critic"),
    "cutmix": (
        "U-Net critics with CutMix, 1",
        "method.discriminator.type=unet_critic",
        "losses.cutmix.weight=1",
    ),
    "stylegan2-critic": (
        "StyleGAN2's critics, of patches",
        "method.discriminator={type: stylegan2, channels: 16, image_size: 64, ends: patch}",
    ),
    "deviation": (
        "critics with minibatch standard deviation",
        "method.discriminator={type: minibatch_deviation, discriminator: {type: patch, channels: 32}}",
    ),
    "memory": (
        "UVCGAN v2's critics with a memory",
        "method.type=uvcgan2",
        "method.discriminator={type: batch_head, discriminator: {type: patch, channels: 32}}",
    ),
    "nafnet": ("NAFNet generators", *NAFNET),
    "uvcgan": (
        "UVCGAN generators",
        "method.generator={type: uvcgan, channels: 16, downs: 3, norm: none, width: 64, heads: 4, blocks: 2}",
    ),
    "attentiongan": (
        "AttentionGAN's generators, four masks, no norms",
        "method.generator={type: attentiongan, channels: 16, blocks: 3, masks: 4, norm: none}",
    ),
    "stylegan2": (
        "generators of StyleGAN2's layers",
        "method.generator={type: stylegan2_resnet, channels: 16, downs: 2, blocks: 4}",
        "method.init=default",
    ),
    "together": (
        "the parts and weights of `cyclegan-modern`",
        "method.type=uvcgan2",
        "method.generator={type: uvcgan, channels: 16, downs: 3, norm: none, width: 64, heads: 4, blocks: 2}",
        "method.discriminator={type: batch_head, discriminator: {type: patch, channels: 32, spectral_norm: true}}",
        "losses.cycle.weight=5",
        "losses.identity.weight=2.5",
        "losses.mixed.weight=0.04",
        "losses.spectra.weight=1",
    ),
}
"""Parts of gankit-modern: what each is called, and what of its recipe demo-cyclegan-modern is set."""
NOT_ON_PHOTOS = ("memory", "together", "attentiongan", "dino", "unet-critic", "cutmix")
"""A method of its own, twice; what keeps to the source's structure, twice; critics that take seven times as long."""
PHOTOS = ("data.root=datasets/facades",)
EXPERIMENTS = [
    Row("cyclegan", "CycleGAN, `season`, 800 steps: least squares, identity 2", "demo-cyclegan", CYCLEGAN),
    Row("cyclegan-no-identity", "... without identity loss", "demo-cyclegan", (*CYCLEGAN, "losses.identity.weight=0")),
    Row("cyclegan-cross-entropy", "... cross entropy", "demo-cyclegan", (*CYCLEGAN, "losses.adversarial=vanilla")),
    Row(
        "cyclegan-saturating",
        "... cross entropy, the generator by log(1 - D)",
        "demo-cyclegan",
        (*CYCLEGAN, "losses.adversarial={type: vanilla, saturating: true}"),
    ),
    *(
        Row(f"modern-{name}", f"... {title}", "demo-cyclegan-modern", (*CYCLEGAN, *sets))
        for name, (title, *sets) in MODERN.items()
    ),
    Row(
        "modern-nafnet-relativistic",
        "... NAFNet generators, each fake against a real picture, R1 and R2 (gankit-r3gan)",
        "demo-cyclegan-modern",
        (*CYCLEGAN, *NAFNET, *RELATIVISTIC),
    ),
    Row(
        "modern-attentiongan-texture",
        "AttentionGAN, `texture`, 800 steps, four masks, instance norms, cycle 4, no identity loss",
        "demo-cyclegan-modern",
        (
            *CYCLEGAN,
            "data.task=texture",
            "method.generator={type: attentiongan, channels: 24, blocks: 3, masks: 4}",
            "losses.cycle.weight=4",
            "losses.identity.weight=0",
        ),
    ),
    Row(
        "modern-nafnet-mixed",
        "CycleGAN, `mixed`, 1600 steps, with NAFNet generators",
        "demo-cyclegan-modern",
        ("data.task=mixed", *NAFNET),
    ),
    Row(
        "modern-nafnet-relativistic-mixed",
        "... each fake against a real picture, R1 and R2 (gankit-r3gan)",
        "demo-cyclegan-modern",
        ("data.task=mixed", *NAFNET, *RELATIVISTIC),
    ),
    Row(
        "cut-hdce",
        "CUT, `season`, 1000 steps, with hDCE (gamma 50) in place of PatchNCE",
        "demo-cut",
        (
            "losses.patches={type: hdce, gamma: 50, weight: 0.5}",
            "losses.identity_patches={type: hdce, gamma: 50, weight: 0.5, "
            "on: {query: identity_query, key: identity_key}}",
        ),
    ),
    Row(
        "cut-relation",
        "... with PatchNCE and the semantic relation, 0.05",
        "demo-cut",
        ("losses.relation={type: semantic_relation, weight: 0.05}",),
    ),
    Row("agit", "AGIT, `texture`, 1000 steps: attended critic in the last 400", "demo", AGIT),
    Row(
        "agit-one-phase",
        "... critics of whole pictures to the end",
        "demo",
        ("train.steps=1000", ONE_PHASE),
    ),
    Row(
        "agit-sees-attended",
        "... the generator sees the attended picture",
        "demo",
        (*AGIT, "method.generator_sees=attended"),
    ),
    Row("denoising", "pairs, `noise`, 64 px, 700 steps: U-Net", "demo-pix2pix", (*NOISE, "train.steps=700")),
    Row("denoising-nafnet", "... gankit-modern's NAFNet", "demo-pix2pix", (*NOISE, "train.steps=700", *NAFNET)),
    Row(
        "denoising-attention",
        "... with AGIT's attention, composition, critics and averaged weights",
        "demo",
        (*NOISE, "data.paired=true", "losses.cycle.weight=0", "losses.l1={type: l1, weight: 100}", ONE_PHASE),
    ),
    Row("denoising-unpaired", "... AGIT without pairs, cycle 1", "demo", (*NOISE, "losses.cycle.weight=1", ONE_PHASE)),
    Row("ugatit", "U-GAT-IT light, `season`, 400 steps, no gate, narrow critics: AdaLIN, CAM", "demo-ugatit", UGATIT),
    *(
        Row(f"ugatit-{norm}", f"... norm `{norm}`", "demo-ugatit", (*UGATIT, f"method.generator.norm={norm}"))
        for norm in NORMS
    ),
    *(
        Row(
            f"ugatit-geometry-{norm}",
            f"U-GAT-IT light, `geometry`, 1000 steps, norm `{norm}`",
            "demo-ugatit",
            ("data.task=geometry", f"method.generator.norm={norm}"),
        )
        for norm in NORMS
    ),
    Row("ugatit-no-cam", "... without CAM", "demo-ugatit", (*UGATIT, *WITHOUT_CAM)),
    Row("lbam", "LBAM, strokes of 20 to 40 %, 64 px, 600 steps", INPAINTING, DRAWN),
    *(
        Row(f"lbam-{name}", f"... {title}", INPAINTING, (*DRAWN, f"method.generator.{key}"))
        for name, title, key in (
            ("unlearned", "unlearned masks", "masks=fixed"),
            ("forward", "forward maps only", "reverse=false"),
            ("sigmoid", "maps by sigmoid", "attention=sigmoid"),
            ("relu", "maps by ReLU", "attention=relu"),
            ("leaky-relu", "maps by LeakyReLU", "attention=leaky_relu"),
        )
    ),
    Row("pconv", "PConv, the same otherwise", INPAINTING, (*DRAWN, "method.generator.type=pconv")),
    Row("lbam-wide", "LBAM of 32 channels", INPAINTING, (*DRAWN, WIDE)),
    Row("pconv-wide", "PConv of 32 channels", INPAINTING, (*DRAWN, WIDE, "method.generator.type=pconv")),
    Row("lbam-long", "LBAM, 2400 steps", INPAINTING, (*DRAWN, "train.steps=2400")),
    Row("pconv-long", "PConv, 2400 steps", INPAINTING, (*DRAWN, "method.generator.type=pconv", "train.steps=2400")),
    Row("lbam-all", "LBAM with all of its losses, 1200 steps (needs `distilled_vgg19`)", LBAM, DRAWN),
    Row("pconv-all", "PConv with all of its losses, 1200 steps (needs `distilled_vgg19`)", PCONV, DRAWN),
    Row("facades", "pix2pix, real facades into labels, 64 px, 1000 steps", FACADES, PHOTOS),
    Row("facades-no-critic", "... without a critic: L1 alone", FACADES, (*PHOTOS, "losses.adversarial.weight=0")),
    *(
        Row(f"facades-{name}", f"... {title.replace('the cycle', 'the output')}", FACADES, (*PHOTOS, *sets))
        for name, (title, *sets) in MODERN.items()
        if name not in NOT_ON_PHOTOS
    ),
    Row("enlarging", "super-resolution x4, 64 px, 1000 steps, by pixels", ENLARGING, DRAWN),
    Row(
        "enlarging-features",
        "... by features of relu2_1 (needs `distilled_vgg19`)",
        ENLARGING,
        (*DRAWN, "losses.content={type: perceptual, layers: [relu2_1], backbone: distilled_vgg19}"),
    ),
]
PAGES = {"benchmark": ROWS, "experiments": EXPERIMENTS}
