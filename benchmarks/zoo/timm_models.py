"""Image models of timm, one or two of each family, the smallest that there is."""

from __future__ import annotations

import torch.nn.functional as F

from benchmarks.zoo.entry import Entry, Problem, images, register_missing_operators

NAMES = """
resnet18 resnet26d resnet50 resnext50_32x4d seresnet50 resnetv2_50 wide_resnet50_2 ecaresnet26t
res2net50_26w_4s resnest14d skresnet18 selecsls42 dla34 dpn68 densenet121 vovnet39a
vgg11 vgg11_bn inception_v3 inception_v4 legacy_xception xception41
mobilenetv2_050 mobilenetv3_small_050 mobilenetv4_conv_small efficientnet_b0 efficientnetv2_rw_t mixnet_s
ghostnet_050 hardcorenas_a fbnetv3_b lcnet_050 rexnet_100 regnetx_002 regnety_002 repvgg_a0 gernet_s
hrnet_w18_small cspresnet50 darknet17 convnext_atto convnextv2_atto inception_next_atto starnet_s1 mambaout_femto
nf_resnet50 nf_regnet_b0 dm_nfnet_f0 nfnet_l0 rdnet_tiny fasternet_t0 repvit_m0_9 repghostnet_050
vit_tiny_patch16_224 vit_relpos_small_patch16_224 deit_tiny_patch16_224 deit3_small_patch16_224 eva02_tiny_patch14_224
beit_base_patch16_224 cait_xxs24_224 xcit_nano_12_p16_224 convit_tiny crossvit_tiny_240 tnt_s_patch16_224 pit_ti_224
swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 twins_svt_small nest_tiny coat_tiny coat_lite_tiny levit_128
mobilevit_xxs mobilevitv2_050 edgenext_xx_small efficientformer_l1 efficientvit_b0 fastvit_t8 focalnet_tiny_srf
gcvit_xxtiny davit_tiny maxvit_rmlp_pico_rw_256 coatnet_pico_rw_224 mvitv2_tiny pvt_v2_b0 poolformer_s12 caformer_s18
hiera_tiny_224 tiny_vit_5m_224 visformer_tiny volo_d1_224 sequencer2d_s convmixer_1024_20_ks9_p14
halonet26t botnet26t_256 mixer_s32_224 resmlp_12_224 gmlp_ti16_224 gmixer_12_224
legacy_seresnet18 tresnet_m hgnetv2_b0 lcnetv2_small cspnext_tiny cpubone_b0_bfrobust csatv2 iformer_t lowformer_b0
efficientformerv2_s0 efficientvim_m1 efficientvit_m0 shvit_s1 swiftformer_xs vit_tiny_r_s16_p8_224
""".split()

SMALL = 96
"""Side of the images for models that take any size: a ninth of the work of 224 would be less than a layer's stride."""


def build(name: str) -> Problem:
    """Creates the model with random weights and ten classes, and images of a size that it takes."""
    register_missing_operators()
    import timm

    model = timm.create_model(name, pretrained=False, num_classes=10)
    config = model.pretrained_cfg
    channels, height, width = config["input_size"]
    if not config.get("fixed_input_size") and height > SMALL and not _wants_its_size(name):
        height = width = SMALL
    return Problem(model, images(channels, height, width), F.cross_entropy)


def _wants_its_size(name: str) -> bool:
    """Whether parts of the model (windows, relative positions, many strides) are built for its own image size."""
    return any(part in name for part in ("vit", "net26t", "maxvit", "coat", "swin", "nest", "hrnet", "inception"))


ENTRIES = [Entry(name, "timm", lambda name=name: build(name)) for name in NAMES]
