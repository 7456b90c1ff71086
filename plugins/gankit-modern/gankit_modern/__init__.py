"""Modern parts of unpaired translation. This module is imported whenever gankit lists its parts, so without torch."""

from gankit import hookimpl

gankit_api = 1


@hookimpl
def gankit_components(add) -> None:
    add("loss", "focal_frequency", "gankit_modern.frequency:FocalFrequency", "spectra, the worst frequencies first")
    add("loss", "ms_ssim", "gankit_modern.similarity:MultiScaleSSIM", "1 - MS-SSIM: structure in several sizes")
    add("loss", "r2", "gankit_modern.penalties:R2", "zero-centred gradient penalty on fakes")
    add("loss", "mixed_penalty", "gankit_modern.penalties:MixedPenalty", "gradient penalty on mixtures (UVCGAN v2)")
    add("loss", "consistency", "gankit_modern.consistency:Consistency", "critics judge a moved picture alike (CR, bCR)")
    add(
        "loss",
        "cutmix_consistency",
        "gankit_modern.cutmix:CutMixConsistency",
        "a critic of pixels judges mixtures alike",
    )
    add("augment", "flip_shift", "gankit_modern.consistency:FlipShift", "pictures mirrored and moved by a few pixels")
    add("discriminator", "unet_critic", "gankit_modern.unet_critic:UNetCritic", "a U-Net: judges picture and pixels")
    add("discriminator", "projected", "gankit_modern.projected:ProjectedCritic", "of a frozen network's features")
    add(
        "discriminator",
        "minibatch_deviation",
        "gankit_modern.batch_critics:MinibatchDeviation",
        "a critic that sees how much pictures of a batch differ (StyleGAN2)",
    )
    add(
        "discriminator",
        "batch_head",
        "gankit_modern.batch_critics:BatchHead",
        "a head that compares pictures (UVCGAN 2)",
    )
    add("generator", "nafnet", "gankit_modern.nafnet:NAFNet", "NAFBlocks in a U-Net")
    add("generator", "uvcgan", "gankit_modern.uvcgan:UVCGANGenerator", "U-Net with a transformer over pixels inside")
    add("generator", "attentiongan", "gankit_modern.attentiongan:AttentionGANGenerator", "contents shared out by masks")
    add(
        "generator", "stylegan2_resnet", "gankit_modern.stylegan2:StyleGAN2Resnet", "StyleGAN2's layers, no norms (CUT)"
    )
    add("discriminator", "stylegan2", "gankit_modern.stylegan2:StyleGAN2Critic", "StyleGAN2's critic, whole or patches")
    add("method", "uvcgan2", "gankit_modern.method:UVCGAN2", "CycleGAN whose critics remember earlier pictures")
    add("method", "masked_autoencoder", "gankit_modern.masked:MaskedAutoencoder", "pre-training: holes are painted in")
    add("schedule", "cosine_restarts", "gankit_modern.masked:CosineRestarts", "cosines down, again and again (SGDR)")
    add("loss", "hdce", "gankit_modern.contrastive:HDCE", "patches against near negatives, for gankit-cut")
    add("loss", "semantic_relation", "gankit_modern.contrastive:SemanticRelation", "patches relate as the source's do")
    add("backbone", "vit_keys", "gankit_modern.structure:ViTKeys", "keys of a vision transformer of timm")
    add("loss", "dino_structure", "gankit_modern.structure:DINOStructure", "self-similarity of a transformer's keys")


@hookimpl
def gankit_recipes(add) -> None:
    for name in ("cyclegan-modern", "demo-cyclegan-modern", "uvcgan", "uvcgan-pretrain", "attentiongan"):
        add(name, f"gankit_modern:recipes/{name}.yaml")
