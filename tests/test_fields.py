"""Kinds of fields: sample batches, checks, what users write, how values are drawn."""

from __future__ import annotations

import pytest
import torch

from gankit.fields import Field, Label, Mask, Picture, Segmentation, Vector

KINDS: list[tuple[Field, tuple[int, ...], torch.dtype]] = [
    (Picture(5), (5, 4, 6), torch.float32),
    (Mask(of="a"), (1, 4, 6), torch.float32),
    (Segmentation(7), (7, 4, 6), torch.float32),
    (Label(3), (), torch.int64),
    (Vector(2), (2,), torch.float32),
]


@pytest.mark.parametrize(("field", "shape", "dtype"), KINDS, ids=lambda x: type(x).__name__)
def test_a_drawn_batch_is_what_the_field_says(field: Field, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    batch = field.draw(9, (4, 6), torch.Generator().manual_seed(0))
    assert batch.shape == (9, *shape) and batch.dtype == dtype and field.shape((4, 6)) == shape
    assert [field.fault(item) for item in batch] == [None] * 9
    assert len(batch.unique()) > 1, "a constant is no sample"
    assert torch.equal(batch, field.draw(9, (4, 6), torch.Generator().manual_seed(0)))
    empty = field.empty(9, (4, 6))
    assert empty.shape == batch.shape and empty.dtype == dtype and empty.is_meta


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (Picture(3), torch.zeros(1, 4, 4), "is (1, 4, 4), but it is declared as a picture of 3 channels"),
        (Picture(3), torch.zeros(3, 4, 4, dtype=torch.uint8), "is (3, 4, 4) of torch.uint8, but"),
        (Picture(3), torch.tensor(1), "is () of torch.int64, but"),
        (Mask(), torch.full((1, 2, 2), 0.5), "holds other values than 0 and 1"),
        (Segmentation(2), torch.ones(2, 2, 2), "is not 1 at one class of each pixel and 0 elsewhere"),
        (Segmentation(2), torch.zeros(3, 2, 2), "is (3, 2, 2), but it is declared as a segmentation map of 2 classes"),
        (Label(3), torch.tensor(3), "is 3, but it is declared as a whole number from 0 to 2"),
        (Label(3), torch.tensor(-1), "is -1, but"),
        (Label(3), torch.tensor(1.0), "is () of torch.float32, but"),
        (Label(3), 1, "is a int, not a whole number from 0 to 2"),
        (Vector(2), torch.zeros(3), "is (3,), but it is declared as 2 numbers"),
    ],
)
def test_what_is_not_the_field_is_told_in_words(field: Field, value: object, words: str) -> None:
    assert (field.fault(value) or "").startswith(words)


def test_texts() -> None:
    assert Label(3).read(" 2").equal(torch.tensor(2))
    assert Vector(2).read("0.5, -1").equal(torch.tensor([0.5, -1.0]))
    for field, text in ((Label(3), "3"), (Label(3), "-1"), (Label(3), "x"), (Label(3), "1.0")):
        with pytest.raises(ValueError, match=f"'{text}' is not a whole number from 0 to 2"):
            field.read(text)
    for text in ("1", "1,2,3", "a,b", "nan,1", ""):
        with pytest.raises(ValueError, match="is not 2 numbers, separated by commas"):
            Vector(2).read(text)
    for field in (Picture(3), Mask(), Segmentation(2)):
        with pytest.raises(ValueError, match="is not a "):
            field.read("2")


def test_pixels() -> None:
    pixels = torch.tensor([[[0, 255], [128, 127]]], dtype=torch.uint8)
    assert Mask().of_pixels(pixels).equal(torch.tensor([[[0.0, 1], [1, 0]]]))
    assert Picture(1).of_pixels(pixels[..., :1, :]).equal(torch.tensor([[[-1.0, 1]]]))
    classes = torch.tensor([[[0, 2], [255, 1]]], dtype=torch.uint8)
    encoded = Segmentation(3).of_pixels(classes)
    assert encoded.argmax(0).tolist() == [[0, 2], [0, 1]] and encoded.sum(0).tolist() == [[1, 1], [0, 1]]
    assert Segmentation(3).of_pixels(classes[None]).equal(encoded[None])
    with pytest.raises(ValueError, match="holds the value 2; the values of a map of 2 classes are 0 to 1, and 255"):
        Segmentation(2).of_pixels(classes)


def test_what_takes_what() -> None:
    assert Picture(3).accepts(Picture(3)) and Picture(4).accepts(Segmentation(4, of="b"))
    assert Mask().accepts(Mask(of="a")) and Label(3).accepts(Label(3))
    for one, other in ((Picture(3), Picture(1)), (Label(3), Label(4)), (Label(3), Vector(3)), (Picture(1), Label(1))):
        assert not one.accepts(other) and not other.accepts(one)


def test_how_they_are_drawn() -> None:
    shown = Segmentation(12).shown(Segmentation(12).encode(torch.arange(12).view(1, 3, 4)))
    assert isinstance(shown, torch.Tensor) and shown.shape == (3, 3, 4) and float(shown.abs().max()) <= 1
    assert len(shown.flatten(1).T.unique(dim=0)) == 12, "two classes of one colour"
    none = Segmentation(2).shown(torch.zeros(2, 1, 1))
    assert isinstance(none, torch.Tensor) and none.eq(-1).all()
    assert Label(3).shown(torch.tensor(2)) == "2"
    assert Vector(4).shown(torch.tensor([0.5, 1, 2, 3])) == "0.5,1,2,..."
    assert Mask().shown(torch.ones(1, 1, 1)).eq(1).all()


def test_how_they_are_asked_for() -> None:
    assert Label(5).asked("label") == "--given label=2" and Label(2).asked("label") == "--given label=1"
    assert (
        Vector(2).asked("pose") == "--given pose=0.1,0.2" and Vector(8).asked("pose") == "--given pose=0.1,0.2,-0.3,..."
    )
    assert "0 to 11" in Segmentation(12).asked("segmentation")
