"""gankit-modern's losses on features, held to their reference code (tests/plugins/modern/golden/ORIGIN.md)."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gankit.testing import check_component
from tests.plugins.modern.formula import deviation, drawn, fill, golden, thinned
from tests.plugins.modern.parts import modern as modern


def unit(name: str, *shape: int) -> Tensor:
    return F.normalize(drawn(name, *shape), dim=-1)


@pytest.mark.parametrize(("case", "gamma"), [("one", 1.0), ("sharp", 0.1)])
def test_the_gradient_of_hdce_is_the_papers(case: str, gamma: float) -> None:
    from gankit_modern.contrastive import HDCE

    query, key = unit("hdce.q", 1, 9, 5).requires_grad_(), unit("hdce.k", 1, 9, 5)
    HDCE(gamma=gamma)(query, key).backward()
    assert query.grad is not None
    theirs = golden("contrastive")[f"hdce.{case}.gradient"]
    assert deviation({"gradient": query.grad}, {"gradient": theirs}) < 1e-4


def test_semantic_relation_is_the_papers() -> None:
    from gankit_modern.contrastive import SemanticRelation

    query, key = unit("hdce.q", 1, 9, 5).requires_grad_(), unit("hdce.k", 1, 9, 5)
    loss = SemanticRelation()(F.normalize(query, dim=2), key)  # the gradient of the direction, as their code has it
    loss.backward()
    assert query.grad is not None
    theirs = {k.removeprefix("src."): v for k, v in golden("contrastive").items() if k.startswith("src.")}
    assert deviation({"loss": loss.detach(), "gradient": query.grad}, theirs) < 1e-4


def test_patches_of_several_layers_and_such_that_do_not_match() -> None:
    from gankit_modern.contrastive import HDCE, SemanticRelation

    first, second = (unit("a", 2, 4, 3), unit("b", 2, 4, 3)), (unit("c", 2, 6, 8), unit("d", 2, 6, 8))
    for loss in (HDCE(), SemanticRelation()):
        both = loss(*zip(first, second, strict=True))
        torch.testing.assert_close(both, (loss(*first) + loss(*second)) / 2)
        assert loss(first[0], first[0]) < loss(first[0], first[0].flip(1))
        with pytest.raises(ValueError, match="two at least"):
            loss(first[0][:, :1], first[1][:, :1])
        with pytest.raises(ValueError, match="the same layers"):
            loss(first[0], second)


def test_self_similarity_is_splices() -> None:
    from gankit_modern.structure import DINOStructure, ViTKeys, alike

    loss = DINOStructure(partial(ViTKeys, model="test_vit", weights="random"))
    fill(loss)
    side = loss.backbone.body.model.patch_embed.img_size[0]
    x, y = drawn("splice.x", 1, 3, side, side).requires_grad_(), drawn("splice.y", 1, 3, side, side)
    value = loss(x, y)
    value.backward()
    assert x.grad is not None
    [name] = loss.layers
    own = alike(loss.features(x)[name])[0, :40, :40].detach()
    ours = {"loss": value.detach(), "gradient": thinned(x.grad, 8), "alike": own}
    assert deviation(ours, golden("dino_structure")) < 5e-4


def test_self_similarity_is_exact_in_half_precision() -> None:
    from gankit_modern.structure import alike

    keys = drawn("keys", 1, 16, 9, 1)
    with torch.autocast("cpu", torch.bfloat16):
        found = alike(keys)
    torch.testing.assert_close(found, alike(keys), atol=1e-6, rtol=0)


def test_keys_come_from_the_blocks_that_are_asked_for() -> None:
    from gankit_modern.structure import ViTKeys

    net = ViTKeys(("0", "2"), model="test_vit", weights="random")
    found = net(drawn("x", 2, 3, 40, 24), ("2", "0"))
    assert list(found) == ["2", "0"] and found["2"].ndim == 4 and not torch.equal(found["0"], found["2"])
    with pytest.raises(ValueError, match="up to block 2, not to 3"):
        net(drawn("x", 1, 3, 40, 24), ("3",))
    for other in ("test_resnet", "eva02_tiny_patch14_224"):  # of which the second has blocks, and calls them otherwise
        with pytest.raises(ValueError, match="no vision transformer"):
            ViTKeys((), model=other, weights="random")


def test_keys_of_smaller_pictures() -> None:
    from gankit_modern.structure import ViTKeys

    usual, small = (ViTKeys(("0",), model="test_vit", weights="random", image_size=s) for s in (None, 32))
    x = drawn("x", 2, 3, 40, 24)
    assert [net(x, ("0",))["0"].shape[2] for net in (usual, small)] == [1 + 10 * 10, 1 + 2 * 2]
    assert usual.key != small.key
    with pytest.raises(ValueError, match=r"patches of test_vit are 16 px wide: .* multiple of that, say 32"):
        ViTKeys((), model="test_vit", weights="random", image_size=35)
    with pytest.raises(ValueError, match="looks at patches of 16 px, and a side has 4"):  # logits, bound by mistake
        small(drawn("x", 1, 1, 4, 24), ("0",))


PATCHES = {"query": unit("q", 2, 6, 5), "key": unit("k", 2, 6, 5)}
TINY = {"type": "gankit-modern/vit_keys", "model": "test_vit", "weights": "random"}


@pytest.mark.parametrize("name", ["hdce", "semantic_relation"])
def test_the_losses_keep_their_contract(name: str) -> None:
    check_component("loss", f"gankit-modern/{name}", inputs=PATCHES)


def test_the_keys_and_their_loss_keep_their_contract() -> None:
    check_component("backbone", "gankit-modern/vit_keys", overrides={k: v for k, v in TINY.items() if k != "type"})
    check_component("loss", "gankit-modern/dino_structure", overrides={"backbone": TINY})
