"""Which files of a folder an importer takes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gankit.interop import from_cyclegan, from_munit, from_single
from gankit.interop.files import Given, UnfitFile


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        torch.save({"x": torch.zeros(1)}, folder / name)
    return folder


def taken(folder: Path, epoch: str | None = None, **patterns) -> tuple[list[str], str]:
    given = Given([folder], epoch)
    name, maker = patterns.get("of", (from_cyclegan.NAME, from_cyclegan.GENERATOR))
    return sorted(path.name for _, path in given.files(name, maker)), " ".join(given.notes)


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (["iter_1000", "iter_5000", "latest"], "latest"),
        (["best", "latest"], "latest"),
        (["iter_1000", "iter_5000", "iter_900"], "iter_5000"),
        (["5", "100", "best"], "100"),
        (["5", "100", "iter_20000"], "iter_20000"),
        (["best"], "best"),
    ],
)
def test_latest_or_else_the_highest_number(tmp_path: Path, there: list[str], chosen: str) -> None:
    touched(tmp_path, *(f"{epoch}_net_G.pth" for epoch in there))
    names, note = taken(tmp_path)
    assert names == [f"{chosen}_net_G.pth"]
    assert note == "" if len(there) == 1 else f"{chosen}_net_G.pth. It has other epochs too" in note
    for epoch in there:
        assert taken(tmp_path, epoch)[0] == [f"{epoch}_net_G.pth"]


def test_epochs_that_nothing_tells_apart(tmp_path: Path) -> None:
    touched(tmp_path, "best_net_G.pth", "final_net_G.pth")
    with pytest.raises(UnfitFile, match=r"several epochs \(best, final\): choose by --epoch NAME"):
        taken(tmp_path)
    with pytest.raises(UnfitFile, match=r"nothing in it is of epoch '7'; there are best, final"):
        taken(tmp_path, "7")


def test_an_epoch_without_a_generator_is_of_no_use(tmp_path: Path) -> None:
    munit = from_munit.NAME, from_munit.GENERATOR
    touched(tmp_path, "gen_00000200.pt", "dis_00000200.pt", "dis_00000300.pt", "optimizer.pt")
    assert taken(tmp_path, of=munit)[0] == ["dis_00000200.pt", "gen_00000200.pt"]
    touched(tmp_path, "gen_00000400.pt")
    assert taken(tmp_path, of=munit)[0] == ["gen_00000400.pt"]  # not with the critics of another step
    assert taken(tmp_path, "200", of=munit)[0] == ["dis_00000200.pt", "gen_00000200.pt"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["netG_epoch_9.pth", "netG_epoch_24.pth", "netD_epoch_24.pth"], ["netD_epoch_24.pth", "netG_epoch_24.pth"]),
        (["500000.pth", "1000000.pth"], ["1000000.pth"]),
        (["LBAM_100.pth", "LBAM_500.pth"], ["LBAM_500.pth"]),
        (["mlp_gan_G.safetensors", "mlp_gan_D.safetensors"], ["mlp_gan_D.safetensors", "mlp_gan_G.safetensors"]),
    ],
)
def test_names_of_other_projects(tmp_path: Path, names: list[str], expected: list[str]) -> None:
    assert taken(touched(tmp_path, *names), of=(from_single.NUMBERED, from_single.MAKER))[0] == expected


def test_files_of_two_epochs_are_joined_with_a_word(tmp_path: Path) -> None:
    touched(tmp_path, "100_net_G.pth", "200_net_D.pth")
    given = Given([tmp_path / "100_net_G.pth", tmp_path / "200_net_D.pth"])
    assert len(given.files(from_cyclegan.NAME, from_cyclegan.GENERATOR)) == 2
    assert "of different epochs" in given.notes[0]
