"""GANs: what is drawn, in which order the players move, what is refused, and what a run without a source can do."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import gankit
from gankit.cli.main import app
from gankit.codecs.images import read_image
from gankit.core.errors import DataError, RecipeError
from gankit.discriminators.dcgan import DCGANDiscriminator
from gankit.discriminators.mlp import MLPDiscriminator
from gankit.generators.dcgan import DCGANGenerator
from gankit.generators.mlp import MLPGenerator
from gankit.generators.resnet import ResnetGenerator
from gankit.inspect.graph import draw
from gankit.inspect.recipe import check_recipe, summarize_recipe
from gankit.losses.adversarial import Vanilla
from gankit.methods.gan import GAN
from gankit.training.devices import Devices
from gankit.training.step import Stepper
from tests.data.idx_files import write_idx


def small(size: int = 16, **options) -> GAN:
    torch.manual_seed(0)
    return GAN(
        partial(DCGANGenerator, channels=2, image_size=size),
        partial(DCGANDiscriminator, channels=2, image_size=size),
        latent=5,
        **options,
    )


@pytest.mark.parametrize("size", [8, 16, 64, 128])
def test_any_power_of_two(size: int) -> None:
    method = small(size)
    made = method.translate(method.draw(2) or {})
    assert made.shape == (2, 3, size, size)
    assert method.network("discriminator", "a2b")(made).shape == (2, 1, 1, 1)
    assert method.fixed_size == size


@pytest.mark.parametrize("size", [4, 12, 48])
def test_no_other_size(size: int) -> None:
    for network in (partial(DCGANGenerator, 4, 3), partial(DCGANDiscriminator, 3)):
        with pytest.raises(ValueError, match="power of two"):
            network(image_size=size)


def test_widths_stop_at_the_widest() -> None:
    made = DCGANGenerator(4, 3, channels=1, image_size=256, widest=4)
    assert [layer.norm.num_features for layer in made.layers] == [4, 4, 4, 4, 2, 1]  # type: ignore[union-attr]
    judged = DCGANDiscriminator(3, channels=1, image_size=256, widest=4)
    assert judged.head.in_channels == 4 and len(judged.layers) == 5


def test_the_papers_weights() -> None:
    assert sum(p.numel() for p in DCGANGenerator(100, 3).parameters()) == 3_576_704  # pytorch/examples' own
    assert sum(p.numel() for p in DCGANDiscriminator(3).parameters()) == 2_765_568


def test_perceptrons() -> None:
    made = MLPGenerator(64, 1)(torch.randn(3, 64, 1, 1))
    assert made.shape == (3, 1, 28, 28)
    assert MLPDiscriminator(1)(made).shape == (3, 1)
    with pytest.raises(ValueError, match="28"):
        MLPDiscriminator(1)(torch.zeros(1, 1, 32, 32))
    with pytest.raises(ValueError, match="noise"):
        MLPGenerator(64, 1)(torch.randn(3, 64))


def test_what_does_not_fit_together() -> None:
    with pytest.raises(ValueError, match="takes noise"):
        GAN(partial(ResnetGenerator, channels=2, blocks=1))
    with pytest.raises(ValueError, match="32 px and the discriminator judges 64"):
        GAN(partial(DCGANGenerator, image_size=32))
    with pytest.raises(ValueError, match="judges 28"):
        GAN(partial(DCGANGenerator, image_size=32), MLPDiscriminator)


def test_first_weights() -> None:
    method = GAN(partial(DCGANGenerator, channels=32), partial(DCGANDiscriminator, channels=32))
    weights = dict(method.named_parameters())
    first = weights["networks.generator_a2b.layers.0.conv.weight"]
    norm = weights["networks.generator_a2b.layers.0.norm.weight"]
    assert abs(first.std().item() - 0.02) < 1e-3 and abs(first.mean().item()) < 1e-3
    assert abs(norm.mean().item() - 1) < 0.01 and 0.01 < norm.std().item() < 0.03


def test_both_players_see_the_same_fakes() -> None:
    method = small()
    stepper = Stepper(method, {"gan": Vanilla(halve=False)}, pool_size=0, devices=Devices(torch.device("cpu")))
    seen: list[torch.Tensor] = []
    method.network("discriminator", "a2b").register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    calls: list[int] = []
    method.network("generator", "a2b").register_forward_hook(lambda *_: calls.append(1))
    real = torch.rand(4, 3, 16, 16) * 2 - 1
    losses = stepper.step({"a": real})
    assert list(losses) == ["discriminator/gan/a2b", "generator/gan/a2b"]
    assert len(calls) == 1 and len(seen) == 3
    assert torch.equal(seen[0], real) and torch.equal(seen[1], seen[2])


def test_noise() -> None:
    torch.manual_seed(3)
    first = small().draw(2)
    normal = GAN(latent=400, generator=MLPGenerator, discriminator=MLPDiscriminator, channels_a=1)
    uniform = GAN(
        latent=400, generator=MLPGenerator, discriminator=MLPDiscriminator, channels_a=1, distribution="uniform"
    )
    assert first is not None and first["noise"].shape == (2, 5, 1, 1)
    target = torch.zeros(8, 1, 28, 28)
    assert normal.noise(target).abs().max() > 2
    drawn = uniform.noise(target)
    assert drawn.abs().max() <= 1 and abs(drawn.std().item() - 3**-0.5) < 0.02


# -- runs ------------------------------------------------------------------------------------------------------------
TINY = [
    "method.generator={type: mlp, hidden: [8], image_size: 8}",
    "method.discriminator={type: mlp, hidden: [8], image_size: 8}",
    "method.latent=3",
    "data.size=8",
    "data.resize=bilinear",
    "train.steps=2",
    "train.batch_size=4",
    "train.samples=9",
    "train.device=cpu",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gan")
    write_idx(folder / "t10k-images-idx3-ubyte.gz", 60)
    return gankit.train("gan-mnist", folder / "run", sets=[*TINY, f"data.root={folder}"]).run_dir


def test_a_run_leaves_samples_and_a_report(run: Path) -> None:
    assert read_image(run / "samples" / "step_000002.png").shape[1:] == (512 // 24 * 8 * 3 + 8,) * 2
    assert (run / "evaluation.json").is_file() and (run / "evaluation.png").is_file()
    assert (run / "report.html").stat().st_size > 1000


def test_sample(run: Path, tmp_path: Path) -> None:
    model = gankit.load(run, device="cpu")
    five, three = model.sample(5, seed=1), model.sample(3, seed=1)
    assert five.shape == (5, 1, 8, 8) and five.abs().max() <= 1
    torch.testing.assert_close(five[:3], three)
    assert not torch.equal(three, model.sample(3, seed=2))
    arguments = ["sample", str(run), "--count", "3", "--seed", "1", "--grid", "--device", "cpu", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    assert [Path(line).name for line in done.stdout.split()] == ["000000.png", "000001.png", "000002.png", "grid.png"]
    stored = read_image(tmp_path / "000002.png", 1).float() / 127.5 - 1
    torch.testing.assert_close(stored, three[2], atol=0.005, rtol=0)
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2 and "--overwrite" in again.stderr
    assert CliRunner().invoke(app, [*arguments, "--overwrite"]).exit_code == 0


def test_nothing_to_translate(run: Path, tmp_path: Path) -> None:
    model = gankit.load(run, device="cpu")
    with pytest.raises(DataError, match="gankit sample"):
        model.translate(torch.zeros(1, 8, 8))
    refused = CliRunner().invoke(app, ["translate", str(run), str(run / "samples"), "--out", str(tmp_path / "out")])
    assert refused.exit_code == 2 and "gankit sample" in refused.stderr


def test_evaluate_and_report(run: Path) -> None:
    measured = CliRunner().invoke(app, ["evaluate", str(run), "--device", "cpu", "--json"])
    assert measured.exit_code == 0
    assert CliRunner().invoke(app, ["report", str(run)]).exit_code == 0


def test_sampling_a_run_that_translates() -> None:
    from gankit.inference.sample import sample
    from tests.methods.small import cyclegan

    with pytest.raises(DataError, match="gankit translate"):
        sample(cyclegan(), 1)


@pytest.mark.parametrize("name", ["gan-mnist", "dcgan", "dcgan-mnist"])
def test_recipes_are_measured_and_drawn(name: str) -> None:
    summary = summarize_recipe(gankit.core.recipe.Recipe.load(name))
    assert [turn.name for turn in summary.turns] == ["discriminator", "generator"]
    assert "noise" in draw(summary)


def test_a_recipe_whose_sizes_differ(tmp_path: Path) -> None:
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", 60)
    sets = [*TINY, f"data.root={tmp_path}"]
    check_recipe(gankit.core.recipe.Recipe.load("gan-mnist", sets))
    with pytest.raises(RecipeError, match="8 x 8 px only"):
        gankit.train("gan-mnist", tmp_path / "run", sets=[*sets, "data.size=16"])
