"""StarGAN: translation between several domains with one generator (Choi et al. 2018, arXiv 1711.09020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from gankit.contracts import GeneratorContract
from gankit.fields import Field, Label, Picture
from gankit.init import Init, initialize
from gankit.methods import Translation, Turn, image_of, tensor
from gankit.slots import Discriminator, Ge, Generator, Gt, Translated
from gankit_stargan.discriminator import Judged, StarGANDiscriminator
from gankit_stargan.generator import StarGANGenerator


class StarGAN(Translation):
    """StarGAN (arXiv 1711.09020): pictures of several domains, and one generator that is told which one to make.

    The data gives pictures `a` with their `domain`, a label. In a step each picture is translated to a domain drawn
    from all with equal chance, by torch's global generator; the critic compares the translations with the pictures
    themselves and learns to name domains on these; the generator must be named right, and must find its source again
    when it is given the first label. The critic moves in each step, the generator in the first of every
    `critic_steps`. Pictures (N, C, H, W) in [-1, 1].

    Offers of the one direction a2b: domain (the target's label, (N,)), source_domain (the source's), output,
    reconstruction, identity, fake_logits, real_logits, fake_classes and real_classes (what the critic names,
    (N, domains)), critic. For measuring also translations, the source in each domain, (N, domains, C, H, W),
    translated_classes, (N, domains, domains), and counterparts, the truth of translations where the data has it. A
    translation needs `source` and `domain`.

    Parameters
    ----------
    generator: takes the label `domain` beside the picture, as `stargan` does.
    discriminator: has `heads(x)`, which names the domain too, as `stargan` does.
    critic_steps: updates of the critic for each of the generator.
    init: how weights start; the paper's code leaves what torch draws.

    Raises ValueError for a generator without the label, a critic that names no domains, or two that know different
    numbers of them.
    """

    directions: ClassVar[tuple[str, ...]] = ("a2b",)
    fields: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "a2b": {"source": "a", "target": "a", "source_domain": "domain", "truths": "truths"}
    }
    inputs: ClassVar[tuple[str, ...]] = ("source", "domain")
    optional: ClassVar[tuple[str, ...]] = ("source_domain",)
    carried: ClassVar[tuple[str, ...]] = ("output", "domain")

    def __init__(
        self,
        generator: Generator = StarGANGenerator,
        discriminator: Discriminator = StarGANDiscriminator,
        *,
        channels_a: Annotated[int, Ge(1)] = 3,
        critic_steps: Annotated[int, Ge(1)] = 5,
        init: Init = "default",
        init_gain: Annotated[float, Gt(0)] = 0.02,
    ) -> None:
        super().__init__()
        self.critic_steps = critic_steps
        maker, critic = generator(channels_a, channels_a), discriminator(channels_a)
        self.domains = _domains(maker, critic)
        self.takes: Mapping[str, Field] = {
            "a": Picture(channels_a),
            "domain": Label(self.domains),
            "source_domain": Label(self.domains),
            "truths": Picture(channels_a * self.domains),
        }
        self.add("generator", "a2b", maker)
        self.add("discriminator", "a2b", critic)
        initialize(self.networks, init, init_gain)

    def turns(self) -> list[Turn]:
        return [
            Turn("discriminator", "discriminator", ("discriminator",)),
            Turn("generator", "generator", ("generator",), every=self.critic_steps),
        ]

    # -- training ------------------------------------------------------------------------------------------------------
    @tensor
    def domain(self, source_domain: Tensor) -> Tensor:
        """The domains to translate to, (N,), drawn anew for each batch."""
        return torch.randint_like(source_domain, self.domains)

    @tensor
    def translated(self, generator: nn.Module, source: Tensor, domain: Tensor) -> Tensor | Translated:
        """What the generator returns for the source and the target's label."""
        return generator(source, domain=domain)

    @tensor
    def reconstruction(self, generator: nn.Module, output: Tensor, source_domain: Tensor) -> Tensor:
        """The translation brought back to the source's domain."""
        return image_of(generator(output, domain=source_domain))

    @tensor
    def identity(self, generator: nn.Module, target: Tensor, source_domain: Tensor) -> Tensor:
        """The picture translated to the domain in which it is already. The paper has no loss on it."""
        return image_of(generator(target, domain=source_domain))

    @tensor
    def fake_judged(self, discriminator: Any, output: Tensor) -> Judged:
        """Both heads of the critic on the translation."""
        return discriminator.heads(output)

    @tensor
    def real_judged(self, discriminator: Any, target: Tensor) -> Judged:
        """Both heads of the critic on real pictures."""
        return discriminator.heads(target)

    @tensor
    def fake_logits(self, fake_judged: Judged) -> Tensor:
        """How real the critic finds the translation, patch by patch."""
        return fake_judged.logits

    @tensor
    def real_logits(self, real_judged: Judged) -> Tensor:
        """How real the critic finds real pictures, patch by patch."""
        return real_judged.logits

    @tensor
    def fake_classes(self, fake_judged: Judged) -> Tensor:
        """Which domain the critic names for the translation, (N, domains), before the softmax."""
        return fake_judged.classes

    @tensor
    def real_classes(self, real_judged: Judged) -> Tensor:
        """Which domain the critic names for real pictures, (N, domains), before the softmax."""
        return real_judged.classes

    # -- measuring -----------------------------------------------------------------------------------------------------
    @tensor
    def translations(self, source: Tensor) -> Tensor:
        """The source in each domain, (N, domains, C, H, W) in [-1, 1]."""
        labels = torch.arange(self.domains, device=source.device)
        made = [self.translate({"source": source, "domain": label.expand(len(source))}) for label in labels]
        return torch.stack(made, 1)

    @tensor
    def translated_classes(self, discriminator: Any, translations: Tensor) -> Tensor:
        """Which domain the critic names for each of the translations, (N, domains, domains)."""
        return torch.stack([discriminator.heads(made).classes for made in translations.unbind(1)], 1)

    @tensor
    def counterparts(self, truths: Tensor) -> Tensor:
        """The true counterpart of the source in each domain, (N, domains, C, H, W), where the data knows it."""
        return truths.unflatten(1, (self.domains, -1))

    def inputs_of(self, batch: Mapping[str, Tensor], direction: str = "a2b") -> dict[str, Tensor] | None:
        """Source, a drawn target, and the source's own domain, from which a reconstruction follows."""
        inputs = super().inputs_of(batch, direction)
        return inputs and {**inputs, "source_domain": batch["domain"]}


@runtime_checkable
class NamesDomains(Protocol):
    """A critic that also names the domain of a picture."""

    domains: int

    def heads(self, x: Tensor) -> Any: ...


def _domains(maker: nn.Module, critic: nn.Module) -> int:
    """The number of domains. ValueError, in words, for networks that cannot play."""
    label = GeneratorContract(maker).takes.get("domain")
    if not isinstance(label, Label):
        text = "stargan tells its generator the target as the label `domain`, which {} does not take; stargan does"
        raise ValueError(text.format(type(maker).__name__))
    if not isinstance(critic, NamesDomains):
        text = "stargan needs a critic that names the domain too (`heads`, `domains`), which {} does not; stargan does"
        raise ValueError(text.format(type(critic).__name__))
    if critic.domains != label.classes:
        raise ValueError(
            f"the generator makes {label.classes} domains and the critic names {critic.domains}: give both the same "
            "`domains`"
        )
    return label.classes
