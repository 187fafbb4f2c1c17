"""Encoders from local folders: what a download leaves in the cache."""

from __future__ import annotations

import torch

import zoo
from seewhy.models.load import SOURCES, load_encoder


def test_a_timm_network_loses_its_classes(tmp_path):
    from timm.models import save_for_hf

    torch.manual_seed(0)
    module = SOURCES["timm"].build("test_resnet", 3)
    save_for_hf(module, tmp_path, safe_serialization=True)
    encoder = load_encoder(f"hf-hub:{tmp_path}", device="cpu")
    images = zoo.photos(2)
    wanted = module.forward_head(module.forward_features(encoder.network.preprocess(images)), pre_logits=True)
    torch.testing.assert_close(encoder(images), wanted.detach())
    assert encoder.network.grid(encoder.layer)
    assert encoder.layer == "layer4"


def test_a_clip_network_gives_its_projected_vectors(tmp_path):
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = {**small, "image_size": 32, "patch_size": 8}
    config = CLIPConfig(text_config={**small, "vocab_size": 64}, vision_config=vision, projection_dim=24)
    module = CLIPModel(config).eval()
    module.save_pretrained(tmp_path)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    encoder = load_encoder(f"hf-hub:{tmp_path}", device="cpu")
    images = zoo.photos(2)
    x = encoder.network.preprocess(images)
    with torch.no_grad():
        wanted = module.visual_projection(module.vision_model(pixel_values=x).pooler_output)
    torch.testing.assert_close(encoder(images), wanted)
    assert encoder.network.grid(encoder.layer).prefix == 1


def test_any_other_model_gives_what_goes_into_its_last_layer():
    encoder = load_encoder("py:cli.nets:named", device="cpu")
    images = zoo.photos(2)
    torch.testing.assert_close(encoder(images), encoder.network.embed(encoder.network.preprocess(images)))
    assert encoder.layer == encoder.network.default_layer
