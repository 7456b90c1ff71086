"""The projects whose weights `gankit import` takes: one line each. Strings alone, so that listing imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A project. about: its name. files: what it is given, in words. read: "module:function" that makes Parts of it."""

    about: str
    files: str
    read: str


SOURCES: dict[str, Source] = {
    "junyanz": Source(
        "pytorch-CycleGAN-and-pix2pix and CUT",
        "latest_net_G_A.pth, G_B, and D_A, D_B if you have them; or latest_net_G.pth, and D; or their folder",
        "gankit.interop.from_cyclegan:junyanz",
    ),
    "gan-compression": Source(
        "gan-compression (CycleGAN, ResNets of free widths)",
        "latest_net_G.pth, or the same files as for junyanz",
        "gankit.interop.from_cyclegan:gan_compression",
    ),
    "ugatit": Source(
        "UGATIT-pytorch, light and full", "name_params_0100000.pt, all networks", "gankit.interop.from_ugatit:ugatit"
    ),
    "aggan": Source(
        "AGIT's TensorFlow code",
        "agit.npz, all variables by their names in the graph",
        "gankit.interop.from_aggan:aggan",
    ),
    "munit": Source(
        "MUNIT",
        "gen_01000000.pt, and dis_01000000.pt if you have it; or their folder",
        "gankit.interop.from_munit:munit",
    ),
    "fast-neural-style": Source(
        "pytorch/examples' fast_neural_style, old and new", "candy.pth", "gankit.interop.from_single:fast_neural_style"
    ),
    "lbam": Source("LBAM_Pytorch", "the generator's file", "gankit.interop.from_single:lbam"),
    "pconv": Source("naoto0804's partial convolutions", "the network's file", "gankit.interop.from_single:pconv"),
    "dcgan": Source(
        "pytorch/examples' dcgan", "netG_epoch_24.pth, and netD_epoch_24.pth", "gankit.interop.from_single:dcgan"
    ),
    "mlp-gan": Source(
        "vanilla GANs of perceptrons (csinva/gan-vae-pretrained-pytorch)",
        "the generator's file, and the critic's",
        "gankit.interop.from_single:mlp_gan",
    ),
}
