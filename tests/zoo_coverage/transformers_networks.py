"""The zoo's networks of the transformers library: one for each of its image classifiers, by a tiny configuration.

Not here: ImageGPT and ShieldGemma 2 (they read tokens, not pixels), SigLIP 2 in its flexible form (patches with their
shapes), DiNAT (needs a library of kernels), and the wrapper round timm, which adds nothing to timm itself.
"""

from __future__ import annotations

from typing import Any

from zoo_coverage.networks import Network

TINY: dict[str, Any] = {
    "hidden_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "image_size": 64,
    "patch_size": 16,
}
STAGES: dict[str, Any] = {"embedding_size": 16, "hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 2, 1]}
SWIN: dict[str, Any] = {"image_size": 64, "patch_size": 2, "embed_dim": 24, "depths": [1, 1, 2, 1], "window_size": 4,
                        "num_heads": [1, 2, 4, 8]}  # fmt: skip
FOUR: dict[str, Any] = {"hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 2, 1]}
PYRAMID: dict[str, Any] = {
    "hidden_sizes": [16, 32, 48, 64],
    "depths": [1, 1, 2, 1],
    "num_attention_heads": [1, 2, 3, 4],
}


def _of(name: str, size: int, layer: str, relu: bool = False, stages: int = 3, **options: Any) -> Network:
    return Network("transformers", name, size, layer, options, relu, stages)


TRANSFORMERS = (
    _of("Beit", 64, "beit.layers.3", **TINY),
    _of("Bit", 96, "bit.norm", num_groups=4, **STAGES),
    _of("CLIP", 64, "vision_model.encoder.layers.3", vision_config=TINY),
    _of("ConvNext", 96, "convnext.encoder.stages.3", **FOUR),
    _of("ConvNextV2", 96, "convnextv2.encoder.stages.3", **FOUR),
    _of(
        "Cvt",
        64,
        "cvt.encoder.stages.2.layers.2.layernorm_before",
        embed_dim=[16, 32, 64],
        num_heads=[1, 2, 4],
        depth=[1, 2, 3],
    ),
    _of("Data2VecVision", 64, "data2vec_vision.encoder.layer.3", **TINY),
    _of("DeiT", 64, "deit.layers.3.layernorm_before", **TINY),
    _of("DeiT-WithTeacher", 64, "deit.layers.3.layernorm_before", **TINY),
    _of("Dinov2", 64, "dinov2.layernorm", **TINY),
    _of("Dinov2WithRegisters", 64, "dinov2_with_registers.layernorm", **TINY),
    _of("DonutSwin", 64, "donut.encoder.layers.3", **SWIN),
    _of(
        "EfficientNet",
        96,
        "efficientnet.encoder.top_activation",
        width_coefficient=0.25,
        depth_coefficient=0.25,
        hidden_dim=320,
        image_size=96,
    ),
    _of(
        "FocalNet",
        64,
        "focalnet.layernorm",
        image_size=64,
        embed_dim=24,
        hidden_sizes=[24, 48, 96, 192],
        depths=[1, 1, 2, 1],
        focal_levels=[2, 2, 2, 2],
        focal_windows=[3, 3, 3, 3],
    ),
    _of("HGNetV2", 96, "encoder.stages.3"),
    _of(
        "Hiera",
        64,
        "hiera.encoder.stages.3",
        stages=2,  # in between, patches lie in the order of their windows
        image_size=[64, 64],
        embed_dim=24,
        depths=[1, 1, 2, 1],
        num_heads=[1, 2, 4, 8],
    ),
    _of("IJepa", 64, "ijepa.layernorm", **TINY),
    _of(
        "Levit",
        128,
        "levit.encoder.stages.2",
        image_size=128,
        hidden_sizes=[32, 48, 64],
        num_attention_heads=[2, 3, 4],
        depths=[1, 1, 2],
        key_dim=[8, 8, 8],
    ),
    _of(
        "Levit-WithTeacher",
        128,
        "levit.encoder.stages.2",
        image_size=128,
        hidden_sizes=[32, 48, 64],
        num_attention_heads=[2, 3, 4],
        depths=[1, 1, 2],
        key_dim=[8, 8, 8],
    ),
    _of("MetaClip2", 64, "vision_model.encoder.layers.3", vision_config=TINY),
    _of("MobileNetV1", 96, "mobilenet_v1.layer.25", depth_multiplier=0.25, image_size=96),
    _of("MobileNetV2", 96, "mobilenet_v2.conv_1x1", depth_multiplier=0.35, image_size=96),
    _of(
        "MobileViT",
        64,
        "mobilevit.conv_1x1_exp",
        image_size=64,
        hidden_sizes=[32, 40, 48],
        neck_hidden_sizes=[8, 16, 24, 32, 40, 48, 96],
    ),
    _of("MobileViTV2", 64, "mobilevitv2.encoder.layer.4", image_size=64, width_multiplier=0.5),
    _of(
        "Perceiver-Learned",
        64,
        "perceiver.encoder.cross_attention.attention.self.layernorm2",
        stages=1,  # latents have no place in the picture
        image_size=64,
        num_latents=16,
        d_latents=32,
        num_blocks=1,
        num_self_attends_per_block=2,
        num_self_attention_heads=4,
        num_cross_attention_heads=4,
        qk_channels=None,
    ),
    _of(
        "Perceiver-ConvProcessing",
        64,
        "perceiver.encoder.cross_attention.attention.self.layernorm2",
        stages=1,  # latents have no place in the picture
        num_latents=16,
        d_latents=32,
        num_blocks=1,
        num_self_attends_per_block=2,
        num_self_attention_heads=4,
        num_cross_attention_heads=1,
    ),
    _of("PoolFormer", 96, "norm", **FOUR),
    _of("PPLCNet", 96, "encoder.blocks.4", scale=0.25),
    _of("Pvt", 64, "pvt.encoder.block.3.0.layer_norm_1", image_size=64, **PYRAMID),
    _of("PvtV2", 64, "pvt_v2.encoder.layers.3.layer_norm", image_size=64, **PYRAMID),
    _of("RegNet", 96, "regnet.encoder.stages.3", relu=True, layer_type="x", groups_width=8, **STAGES),
    _of("ResNet", 96, "resnet.encoder.stages.3", relu=True, **STAGES),
    _of("Segformer", 64, "segformer.stages.3", **PYRAMID),
    _of("Siglip", 64, "vision_model.post_layernorm", vision_config=TINY),
    _of("SwiftFormer", 96, "norm", image_size=96, depths=[1, 1, 2, 1], embed_dims=[16, 32, 48, 64]),
    _of("Swin", 64, "swin.layernorm", **SWIN),
    _of("Swinv2", 64, "swinv2.layernorm", **SWIN),
    _of("TextNet", 96, "textnet.encoder.stages.3"),
    _of("ViT", 64, "vit.layers.3.layernorm_before", **TINY),
    _of("ViTMSN", 64, "vit.layers.3.layernorm_before", **TINY),
)
