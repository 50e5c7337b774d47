"""The smallest model of every family of timm embeds images of any size, with random weights."""

import numpy as np
import pytest
import timm
import torch
from mtneuro_ssl import TrainSettings, feature_maps, tried_settings, untrained

SIZES = ((32, 32), (64, 64), (128, 128), (100, 60))

QUICK = ("convnext_atto", "efficientformerv2_s0", "levit_128s", "regnetx_002")

SLOW = """
    vit_small_patch14_dinov2 vit_small_patch14_reg4_dinov2 vit_small_patch16_dinov3 samvit_base_patch16_224
    beit_base_patch16_224 botnet26t_256 cait_xxs24_224 coat_lite_tiny coatnet_pico_rw_224 convit_tiny
    convmixer_768_32 cpubone_nano crossvit_tiny_240 cs3darknet_focus_s csatv2 davit_tiny
    deit_tiny_distilled_patch16_224 densenet121 dla46_c dpn48b edgenext_xx_small efficientformer_l1
    efficientnet_b0 efficientvim_m1 efficientvit_b0 efficientvit_m0 ese_vovnet19b_slim
    eva02_tiny_patch14_224 fasternet_t0 fastvit_t8 focalnet_tiny_srf gcvit_xxtiny ghostnet_050 gmlp_s16_224
    hardcorenas_a hgnetv2_b0 hiera_tiny_224 hieradet_small hrnet_w18_small inception_next_atto inception_v3
    lcnetv2_small legacy_seresnet18 legacy_xception lowformer_b0 mambaout_femto maxvit_pico_rw_256
    mixer_s32_224 mobilenetv3_small_050 mobileone_s0 mobilevit_xxs mobilevitv2_050 mvitv2_tiny
    naflexvit_base_patch16_gap nest_tiny nextvit_small nf_regnet_b0 pit_xs_224 poolformer_s12 pvt_v2_b0
    qwen3_vit_88m rdnet_tiny repghostnet_050 repvit_m0_9 res2net50_14w_8s resmlp_12_224 resnest14d resnet18
    resnetv2_18 rexnet_100 selecsls42 sequencer2d_s shvit_s1 skresnet18 starnet_s050 swiftformer_xs
    swin_tiny_patch4_window7_224 swinv2_cr_tiny_224 swinv2_tiny_window8_256 tiny_vit_5m_224
    tnt_s_legacy_patch16_224 tresnet_m twins_pcpvt_small twins_svt_small vgg11 visformer_tiny
    vit_relpos_small_patch16_224 vit_tiny_r_s16_p8_224 vitamin_small_224 volo_d1_224 xception41
    xcit_nano_12_p16_224
"""

WITHOUT_MAPS = {"crossvit_tiny_240", "vitamin_small_224"}
"""Those that have several maps of different patches, or maps of whole patches alone."""

NAMES = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW.split())]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_embeds_images_of_any_size(name):
    if not timm.is_model(name):
        pytest.skip(f"this timm has no {name}")
    asked = TrainSettings(method="untrained", encoder=f"timm/{name}", latent_dim=None, device="cpu")
    model = untrained(tried_settings(asked, sizes=SIZES))
    draw = np.random.default_rng(0)
    for size in SIZES:
        images = draw.integers(0, 256, (2, *size), dtype=np.uint8)
        embeddings = model.embed(images)
        assert embeddings.shape == (2, model.dim)
        assert model.dim > 0
        assert np.isfinite(embeddings).all()
        if name not in WITHOUT_MAPS:
            maps = feature_maps(model.encoder, torch.from_numpy(images)[:, None].float())
            assert maps.shape[0] == 2
            assert min(maps.shape[2:]) > 0
