"""The zoo: which networks are tried, at which size, and at which layer an expert would look.

Of each family the smallest member, at a size at which its last map still has several cells. The expected layer is that
of somebody who knows the network: of a CNN the last map before pooling, with the norm and activation that follow; of a
transformer that pools its patches the last norm or block before that; of one with a class token the first norm of its
last block, since what the patch tokens become after it is never read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from seewhy.models.shim import ready_torchvision

CLASSES = 10
Library = Literal["torchvision", "timm", "transformers"]


@dataclass(frozen=True)
class Network:
    """One network of the zoo.

    `layer` is the expected default; several names, with spaces between, are branches that end side by side, of which
    each carries a part of the score. `relu` says that all it is made of is linear, ReLU or max-pooling, so that LRP-0
    is input × gradient; `stages`, how many of them at least keep a grid.
    """

    library: Library
    name: str
    size: int
    layer: str
    options: Mapping[str, Any] = field(default_factory=dict)
    relu: bool = False
    stages: int = 3

    @property
    def full(self) -> str:
        """What it is called in results: `timm:resnet18`."""
        return f"{self.library}:{self.name}"

    def build(self) -> nn.Module:
        """The network with random weights, of `CLASSES` classes; call it with a seed set."""
        ready_torchvision()
        return _BUILDERS[self.library](self.name, dict(self.options))


def _torchvision(name: str, options: dict[str, Any]) -> nn.Module:
    from torchvision.models import get_model

    return get_model(name, weights=None, num_classes=CLASSES, **options)


def _timm(name: str, options: dict[str, Any]) -> nn.Module:
    import timm

    return timm.create_model(name, pretrained=False, num_classes=CLASSES, **options)


def _transformers(name: str, options: dict[str, Any]) -> nn.Module:
    import transformers

    family, _, head = name.partition("-")  # some have several heads
    network: Any = getattr(transformers, f"{family}ForImageClassification{head}")
    config = network.config_class(num_labels=CLASSES, **options)
    return network(config)


_BUILDERS = {"torchvision": _torchvision, "timm": _timm, "transformers": _transformers}

TORCHVISION = (
    Network("torchvision", "alexnet", 96, "features.11", relu=True),
    Network("torchvision", "convnext_tiny", 96, "features.7"),
    Network("torchvision", "densenet121", 96, "features", relu=True),
    Network("torchvision", "efficientnet_b0", 96, "features.8"),
    Network("torchvision", "efficientnet_v2_s", 96, "features.7"),
    Network(
        "torchvision", "googlenet", 96, "inception5b", options={"aux_logits": False, "init_weights": False}, relu=True
    ),
    Network(
        "torchvision", "inception_v3", 160, "Mixed_7c", options={"aux_logits": False, "init_weights": False}, relu=True
    ),
    Network("torchvision", "maxvit_t", 224, "blocks.3"),
    Network("torchvision", "mnasnet0_5", 96, "layers.16", relu=True),
    Network("torchvision", "mobilenet_v2", 96, "features.18"),
    Network("torchvision", "mobilenet_v3_small", 96, "features.12"),
    Network("torchvision", "mobilenet_v3_large", 96, "features.16"),
    Network("torchvision", "regnet_x_400mf", 96, "trunk_output.block4", relu=True),
    Network("torchvision", "regnet_y_400mf", 96, "trunk_output.block4"),
    Network("torchvision", "resnet18", 96, "layer4", relu=True),
    Network("torchvision", "resnet50", 96, "layer4", relu=True),
    Network("torchvision", "resnext50_32x4d", 96, "layer4", relu=True),
    Network("torchvision", "wide_resnet50_2", 96, "layer4", relu=True),
    Network("torchvision", "shufflenet_v2_x0_5", 96, "conv5", relu=True),
    Network("torchvision", "squeezenet1_0", 96, "features.12", relu=True),
    Network("torchvision", "swin_t", 96, "norm"),
    Network("torchvision", "swin_v2_t", 96, "norm"),
    Network("torchvision", "vgg11", 64, "features.19", relu=True),
    Network("torchvision", "vgg11_bn", 64, "features.27", relu=True),
    Network("torchvision", "vit_b_16", 64, "encoder.layers.encoder_layer_11.ln_1", options={"image_size": 64}),
)

TIMM = (
    Network("timm", "botnet26t_256", 96, "stages.3", options={"img_size": 96}),
    Network("timm", "eca_halonext26ts", 256, "stages.3", options={"img_size": 256}),
    Network("timm", "lambda_resnet26t", 96, "stages.3", options={"img_size": 96}),
    Network("timm", "bat_resnext26ts", 256, "stages.3", options={"img_size": 256}),
    Network("timm", "gcresnext26ts", 96, "stages.3", options={"img_size": 96}),
    Network("timm", "gernet_s", 96, "final_conv", options={"img_size": 96}, relu=True),
    Network("timm", "mobileone_s4", 64, "stages.3", options={"img_size": 64}),
    Network("timm", "regnetz_b16", 96, "final_conv", options={"img_size": 96}),
    Network("timm", "repvgg_a0", 96, "stages.3", options={"img_size": 96}, relu=True),
    Network("timm", "resnet50_clip", 96, "stages.3", options={"img_size": 96}),
    Network("timm", "beit_base_patch16_224", 64, "blocks.3", options={"img_size": 64, "depth": 4}),
    Network("timm", "cait_xxs24_224", 64, "blocks_token_only.1.norm1", options={"img_size": 64}),
    Network("timm", "coat_lite_tiny", 96, "serial_blocks4.1.norm1", options={"img_size": 96}),
    Network(
        "timm",
        "coat_tiny",
        96,
        "parallel_blocks.5.norm12 parallel_blocks.5.norm13 parallel_blocks.5.norm14",
        options={"img_size": 96},
    ),
    Network("timm", "convit_tiny", 64, "blocks.11.norm1", options={"img_size": 64}),
    Network(
        "timm", "crossvit_tiny_240", 240, "blocks.2.fusion.0.norm1 blocks.2.fusion.1.norm1", options={"img_size": 240}
    ),
    Network("timm", "deit_tiny_distilled_patch16_224", 64, "blocks.11.norm1", options={"img_size": 64}),
    Network("timm", "deit3_small_patch16_224", 64, "blocks.11.norm1", options={"img_size": 64}),
    Network("timm", "eva02_tiny_patch14_224", 56, "blocks.11", options={"img_size": 56}),
    Network("timm", "vit_tiny_patch16_dinov3_qkvb", 64, "norm", options={"img_size": 64}),
    Network("timm", "vit_small_patch16_rope_mixed_224", 64, "blocks.11.norm1", options={"img_size": 64}),
    Network("timm", "vit_pe_core_tiny_patch16_384", 64, "norm", options={"img_size": 64}),
    Network("timm", "vit_tiny_patch16_224", 64, "blocks.11.norm1", options={"img_size": 64}),
    Network("timm", "vit_base_patch32_siglip_256", 96, "norm", options={"img_size": 96, "depth": 4}),
    Network("timm", "vit_medium_patch16_reg1_gap_256", 64, "blocks.5", options={"img_size": 64, "depth": 6}),
    Network("timm", "vit_base_patch14_reg4_dinov2", 56, "blocks.3.norm1", options={"img_size": 56, "depth": 4}),
    Network("timm", "vit_tiny_r_s16_p8_224", 96, "blocks.11.norm1", options={"img_size": 96}),
    Network("timm", "vit_relpos_small_patch16_224", 64, "blocks.11", options={"img_size": 64}),
    Network(
        "timm", "samvit_base_patch16", 64, "neck", options={"img_size": 64, "depth": 4, "global_attn_indexes": [1, 3]}
    ),
    Network("timm", "vitamin_small_224", 64, "blocks", options={"img_size": 64}),
    Network("timm", "volo_d1_224", 64, "post_network.1.norm1 norm", options={"img_size": 64}),
    Network("timm", "xcit_nano_12_p16_224", 64, "cls_attn_blocks.1.norm1", options={"img_size": 64}),
    Network("timm", "tnt_s_patch16_224", 64, "blocks.11.norm_out", options={"img_size": 64}),
    Network("timm", "twins_pcpvt_small", 96, "norm", options={"img_size": 96}),
    Network("timm", "tiny_vit_5m_224", 96, "stages.3"),
    Network("timm", "levit_128s", 96, "stages.2", options={"img_size": 96}),
    Network("timm", "pit_ti_224", 96, "transformers.2.blocks.3.norm1", options={"img_size": 96}),
    Network("timm", "pit_ti_distilled_224", 96, "transformers.2.blocks.3.norm1", options={"img_size": 96}),
    Network("timm", "nest_tiny", 64, "norm", options={"img_size": 64}),
    Network("timm", "naflexvit_base_patch16_gap", 64, "blocks.3", options={"img_size": 64, "depth": 4}),
    Network("timm", "qwen3_vit_88m", 64, "encoder", options={"img_size": 64, "depth": 4}),
    Network("timm", "mvitv2_tiny", 96, "norm", options={"img_size": 96}),
    Network("timm", "mvitv2_small_cls", 96, "stages.3.blocks.1.norm1", options={"img_size": 96}),
    Network("timm", "hiera_tiny_224", 96, "blocks.11", options={"img_size": 96}),
    Network("timm", "sam2_hiera_tiny", 96, "blocks.11"),
    Network("timm", "focalnet_tiny_srf", 96, "norm"),
    Network("timm", "gcvit_xxtiny", 96, "stages.3", options={"img_size": 96}),
    Network("timm", "davit_tiny", 96, "stages.3"),
    Network("timm", "swin_tiny_patch4_window7_224", 96, "norm", options={"img_size": 96}),
    Network("timm", "swinv2_tiny_window8_256", 96, "norm", options={"img_size": 96}),
    Network("timm", "swinv2_cr_tiny_224", 96, "stages.3", options={"img_size": 96}),
    Network("timm", "pvt_v2_b0", 96, "stages.3"),
    Network("timm", "nextvit_small", 96, "norm"),
    Network("timm", "efficientformer_l1", 224, "norm", options={"img_size": 224}),
    Network("timm", "efficientformerv2_s0", 96, "norm", options={"img_size": 96}),
    Network("timm", "efficientvit_b0", 96, "head.in_conv"),
    Network("timm", "efficientvit_m0", 128, "stages.2", options={"img_size": 128}),
    Network("timm", "efficientvim_m1", 128, "norm.3"),
    Network("timm", "swiftformer_xs", 96, "norm", options={"img_size": 96}),
    Network("timm", "shvit_s1", 128, "stages.2"),
    Network("timm", "repvit_m0_9", 96, "stages.3", options={"img_size": 96}),
    Network("timm", "edgenext_xx_small", 96, "stages.3"),
    Network("timm", "fastvit_t8", 96, "final_conv"),
    Network("timm", "iformer_t", 96, "stages.3"),
    Network("timm", "mobilevit_xxs", 96, "final_conv", options={"img_size": 96}),
    Network("timm", "mobilevitv2_050", 96, "stages.4", options={"img_size": 96}),
    Network("timm", "lowformer_b0", 96, "in_conv"),
    Network("timm", "cpubone_nano", 96, "head.in_conv"),
    Network("timm", "csatv2", 128, "stages.3"),
    Network("timm", "mambaout_femto", 96, "stages.3"),
    Network("timm", "visformer_tiny", 96, "norm", options={"img_size": 96}),
    Network("timm", "coatnet_pico_rw_224", 96, "norm", options={"img_size": 96}),
    Network("timm", "maxxvit_rmlp_nano_rw_256", 96, "norm", options={"img_size": 96}),
    Network("timm", "sequencer2d_s", 64, "norm", options={"img_size": 64}),
    Network("timm", "gmixer_12_224", 64, "norm", options={"img_size": 64}),
    Network("timm", "gmlp_ti16_224", 64, "norm", options={"img_size": 64}),
    Network("timm", "mixer_s32_224", 96, "norm", options={"img_size": 96}),
    Network("timm", "resmlp_12_224", 64, "norm", options={"img_size": 64}),
    Network("timm", "convmixer_768_32", 64, "blocks"),
    Network("timm", "poolformer_s12", 96, "stages.3"),
    Network("timm", "caformer_s18", 96, "stages.3"),
    Network("timm", "convnext_atto", 96, "stages.3"),
    Network("timm", "convnext_zepto_rms", 96, "stages.3"),
    Network("timm", "convnextv2_atto", 96, "stages.3"),
    Network("timm", "cs3darknet_focus_s", 96, "stages.3"),
    Network("timm", "cspnext_tiny", 96, "stages.3"),
    Network("timm", "densenetblur121d", 96, "features", relu=True),
    Network("timm", "dla46_c", 96, "level5", relu=True),
    Network("timm", "dpn48b", 96, "features"),
    Network("timm", "efficientnet_cc_b0_4e", 96, "bn2"),
    Network("timm", "tf_efficientnetv2_b0", 96, "bn2"),
    Network("timm", "mixnet_s", 96, "bn2"),
    Network("timm", "fasternet_t0", 96, "stages.3"),
    Network("timm", "ghostnet_050", 96, "blocks"),
    Network("timm", "ghostnetv3_050", 96, "blocks"),
    Network("timm", "hgnetv2_b0", 96, "stages.3"),
    Network("timm", "hrnet_w18_small", 96, "final_layer", relu=True),
    Network("timm", "inception_next_atto", 96, "stages.3"),
    Network("timm", "inception_resnet_v2", 160, "conv2d_7b", relu=True),
    Network("timm", "inception_v4", 160, "features", relu=True),
    Network("timm", "mobilenetv4_hybrid_medium_075", 96, "blocks"),
    Network("timm", "nasnetalarge", 96, "act", options={"num_features": 480}, relu=True),
    Network("timm", "eca_nfnet_l0", 96, "final_act"),
    Network("timm", "nf_regnet_b0", 96, "final_act"),
    Network("timm", "rdnet_tiny", 96, "dense_stages"),
    Network("timm", "regnety_002", 96, "s4"),
    Network("timm", "repghostnet_050", 96, "blocks"),
    Network("timm", "res2net50_14w_8s", 96, "layer4", relu=True),
    Network("timm", "resnest14d", 96, "layer4"),
    Network("timm", "resnetv2_50x1_bit", 96, "norm"),
    Network("timm", "resnetv2_50d_evos", 96, "norm"),
    Network("timm", "rexnet_100", 96, "features"),
    Network("timm", "selecsls42", 96, "head", relu=True),
    Network("timm", "legacy_seresnet18", 96, "layer4"),
    Network("timm", "skresnet18", 96, "layer4"),
    Network("timm", "starnet_s050", 96, "norm"),
    Network("timm", "tresnet_m", 96, "body"),
    Network("timm", "ese_vovnet19b_slim", 96, "stages.3"),
    Network("timm", "legacy_xception", 96, "act4", relu=True),
    Network("timm", "xception41", 96, "blocks", relu=True),
)
