"""What a part of each kind may declare about itself: the one place that reads it.

A part declares by an attribute of its class or object. Code asks the contract of its kind, which knows the default:

    GeneratorContract(network).size_multiple

Nothing else of gankit reads an attribute by its name in text. One file a kind: what it is made with, called with and
gives, an example, and the attributes with their types and defaults. The page docs/contracts.md is made from them.
"""

from __future__ import annotations

from typing import Any

from gankit.contracts.attention import AttentionContract
from gankit.contracts.augment import AugmentContract
from gankit.contracts.backbone import BackboneContract
from gankit.contracts.callback import CallbackContract
from gankit.contracts.codec import CodecContract
from gankit.contracts.dataset import DatasetContract
from gankit.contracts.declared import Contract, Declared
from gankit.contracts.discriminator import DiscriminatorContract
from gankit.contracts.generator import GeneratorContract
from gankit.contracts.loss import LossContract
from gankit.contracts.method import MethodContract
from gankit.contracts.metric import MetricContract
from gankit.contracts.module import ModuleContract
from gankit.contracts.network import NetworkContract
from gankit.contracts.norm import NormContract
from gankit.contracts.optimizer import OptimizerContract
from gankit.contracts.schedule import ScheduleContract

__all__ = [
    "CONTRACTS",
    "AttentionContract",
    "AugmentContract",
    "BackboneContract",
    "CallbackContract",
    "CodecContract",
    "Contract",
    "DatasetContract",
    "Declared",
    "DiscriminatorContract",
    "GeneratorContract",
    "LossContract",
    "MethodContract",
    "MetricContract",
    "ModuleContract",
    "NetworkContract",
    "NormContract",
    "OptimizerContract",
    "ScheduleContract",
    "contract_of",
]

CONTRACTS: dict[str, type[Contract]] = {
    contract.kind: contract
    for contract in (
        GeneratorContract,
        DiscriminatorContract,
        AttentionContract,
        NormContract,
        LossContract,
        BackboneContract,
        MethodContract,
        DatasetContract,
        MetricContract,
        OptimizerContract,
        ScheduleContract,
        AugmentContract,
        CodecContract,
        CallbackContract,
    )
}
"""By kind."""


def contract_of(kind: str, part: Any) -> Contract:
    """The contract of a part of that kind."""
    return CONTRACTS[kind](part)
