"""Tiny configurations of the architectures of Hugging Face transformers, with random weights."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.zoo.entry import SIZE, Entry, Problem, register_missing_operators, tokens

VOCABULARY = 100
_BODY = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
_TEXT = {**_BODY, "vocab_size": VOCABULARY, "max_position_embeddings": 64}
_SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_GROUPED = {**_TEXT, **_SPECIAL, "num_key_value_heads": 2}
_SEQ2SEQ = {
    **{
        "vocab_size": VOCABULARY,
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "max_position_embeddings": 64,
    },
    **{"encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64},
    **{**_SPECIAL, "decoder_start_token_id": 1, "forced_eos_token_id": None},
}
_T5 = {
    **{"vocab_size": VOCABULARY, "d_model": 32, "d_ff": 64, "d_kv": 8, "num_layers": 2, "num_heads": 4},
    **{"decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 2},
}
_IMAGE = {**_BODY, "image_size": 32, "patch_size": 8, "num_labels": 10}

CAUSAL: dict[str, dict[str, Any]] = {
    "GPT2": {"vocab_size": VOCABULARY, "n_positions": 64, "n_embd": 32, "n_layer": 3, "n_head": 4, **_SPECIAL},
    "GPTNeo": {
        **{"vocab_size": VOCABULARY, "hidden_size": 32, "num_layers": 2, "num_heads": 4, "max_position_embeddings": 64},
        **{"attention_types": [[["global", "local"], 1]], "window_size": 8, **_SPECIAL},
    },
    "GPTJ": {"vocab_size": VOCABULARY, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4},
    "GPTNeoX": _TEXT | _SPECIAL,
    "OPT": {
        **{
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "ffn_dim": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
        },
        **{"max_position_embeddings": 64, "word_embed_proj_dim": 32, "pad_token_id": 1},
    },
    "Bloom": {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4, **_SPECIAL},
    "Llama": _GROUPED,
    "Mistral": _GROUPED,
    "Qwen2": _GROUPED,
    "Qwen3": {**_GROUPED, "head_dim": 8},
    "Gemma": {**_GROUPED, "head_dim": 8},
    "Gemma2": {**_GROUPED, "head_dim": 8},
    "Phi": _GROUPED,
    "Phi3": _GROUPED,
    "StableLm": _GROUPED,
    "Olmo": _GROUPED,
    "Falcon": {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        **_SPECIAL,
    },
    "Mixtral": {**_GROUPED, "num_local_experts": 4},
    "Qwen2Moe": {
        **{**_GROUPED, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
        **{"shared_expert_intermediate_size": 32},
    },
    "Olmo2": _GROUPED,
    "Cohere": _GROUPED,
    "Olmoe": {**_GROUPED, "num_experts": 4, "num_experts_per_tok": 2},
    "RecurrentGemma": {
        **_GROUPED,
        "lru_width": 32,
        "attention_window_size": 8,
        "block_types": ["recurrent", "attention"],
    },
    "Mamba2": {
        **{"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, **_SPECIAL},
        **{"head_dim": 8, "num_heads": 8, "n_groups": 2, "chunk_size": 8},
    },
    "Mamba": {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, **_SPECIAL},
    "Rwkv": {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "context_length": 32, **_SPECIAL},
}

CLASSIFIERS: dict[str, dict[str, Any]] = {
    "Bert": _TEXT,
    "Roberta": _TEXT | _SPECIAL,
    "Electra": {**_TEXT, "embedding_size": 16},
    "DebertaV2": {**_TEXT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "DistilBert": {"vocab_size": VOCABULARY, "dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 64},
    "Albert": {**_TEXT, "embedding_size": 16},
    "MPNet": _TEXT,
    "XLNet": {"vocab_size": VOCABULARY, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64},
    "ConvBert": {**_TEXT, "embedding_size": 16, "head_ratio": 2},
    "Longformer": {**_TEXT, "attention_window": 8},
    "Funnel": {"vocab_size": VOCABULARY, "block_sizes": [1, 1], "d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 64},
    "RoFormer": {**_TEXT, "embedding_size": 32},
    "FNet": {key: value for key, value in _TEXT.items() if key != "num_attention_heads"},
    "ModernBert": {**_TEXT, **_SPECIAL, "cls_token_id": 1, "sep_token_id": 2},
    "MobileBert": {**_TEXT, "embedding_size": 16, "intra_bottleneck_size": 16, "true_hidden_size": 16},
}

SEQ2SEQ: dict[str, dict[str, Any]] = {
    "T5": _T5,
    "MT5": _T5,
    "SwitchTransformers": {**_T5, "num_experts": 4, "num_sparse_encoder_layers": 1, "num_sparse_decoder_layers": 1},
    "Bart": _SEQ2SEQ,
    "MBart": _SEQ2SEQ,
    "Pegasus": _SEQ2SEQ,
    "M2M100": _SEQ2SEQ,
    "Marian": _SEQ2SEQ,
}

IMAGE_CLASSIFIERS: dict[str, dict[str, Any]] = {
    "ViT": _IMAGE,
    "DeiT": _IMAGE,
    "Beit": _IMAGE,
    "Swin": {
        "image_size": 32,
        "patch_size": 2,
        "embed_dim": 16,
        "depths": [1, 1],
        "num_heads": [2, 2],
        "window_size": 4,
    },
    "ConvNext": {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 1, 1], "image_size": 32},
    "ResNet": {"hidden_sizes": [8, 16], "depths": [1, 1], "embedding_size": 8},
    "Segformer": {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 2, 4]},
}

AUDIO_CLASSIFIERS: dict[str, dict[str, Any]] = {
    name: {
        **{**_BODY, "conv_dim": (16, 16), "conv_stride": (5, 2), "conv_kernel": (10, 3), "num_feat_extract_layers": 2},
        **{"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "mask_time_prob": 0.0},
    }
    for name in ("Wav2Vec2", "Hubert")
}


def _model(name: str, head: str, config: dict[str, Any]) -> Any:
    register_missing_operators()
    import transformers

    transformers.logging.set_verbosity_error()
    model_class = getattr(transformers, name + head)
    return model_class(getattr(transformers, f"{name}Config")(**config))


def _causal(name: str) -> Problem:
    head = "LMHeadModel" if name == "GPT2" else "ForCausalLM"
    batches = [{"input_ids": (ids := tokens(VOCABULARY)), "labels": ids} for _ in range(2)]
    return Problem(_model(name, head, CAUSAL[name]), batches)


def _classifier(name: str) -> Problem:
    batches = [{"input_ids": tokens(VOCABULARY), "labels": torch.randint(0, 2, (SIZE,))} for _ in range(2)]
    return Problem(_model(name, "ForSequenceClassification", CLASSIFIERS[name]), batches)


def _seq2seq(name: str) -> Problem:
    head = "MTModel" if name == "Marian" else "ForConditionalGeneration"
    batches = [{"input_ids": tokens(VOCABULARY), "labels": tokens(VOCABULARY, 12)} for _ in range(2)]
    return Problem(_model(name, head, SEQ2SEQ[name]), batches)


def _image(name: str) -> Problem:
    model = _model(name, "ForImageClassification", {**IMAGE_CLASSIFIERS[name], "num_labels": 10})
    batches = [
        {"pixel_values": torch.randn(SIZE, 3, 32, 32), "labels": torch.randint(0, 10, (SIZE,))} for _ in range(2)
    ]
    return Problem(model, batches)


def _audio(name: str) -> Problem:
    model = _model(name, "ForSequenceClassification", AUDIO_CLASSIFIERS[name])
    batches = [{"input_values": torch.randn(SIZE, 1600), "labels": torch.randint(0, 2, (SIZE,))} for _ in range(2)]
    return Problem(model, batches)


def _whisper() -> Problem:
    own = {"num_mel_bins": 16, "max_source_positions": 16, "max_target_positions": 32}
    shared = {key: value for key, value in _SEQ2SEQ.items() if key != "max_position_embeddings"}
    config = {**shared, **own, "suppress_tokens": None, "begin_suppress_tokens": None}
    batches = [{"input_features": torch.randn(SIZE, 16, 32), "labels": tokens(VOCABULARY, 12)} for _ in range(2)]
    return Problem(_model("Whisper", "ForConditionalGeneration", config), batches)


def _pairs(name: str) -> Problem:
    """Texts and images of one batch; the loss tells which belong together."""
    vision = {**_BODY, "image_size": 32, "patch_size": 8}
    model = _model(name, "Model", {"text_config": _TEXT | _SPECIAL, "vision_config": vision})
    batches = [
        {"input_ids": tokens(VOCABULARY), "pixel_values": torch.randn(SIZE, 3, 32, 32), "return_loss": True}
        for _ in range(2)
    ]
    return Problem(model, batches)


ENTRIES = [
    *(Entry(f"{name} causal", "transformers", lambda name=name: _causal(name)) for name in CAUSAL),
    *(Entry(f"{name} classifier", "transformers", lambda name=name: _classifier(name)) for name in CLASSIFIERS),
    *(Entry(f"{name} seq2seq", "transformers", lambda name=name: _seq2seq(name)) for name in SEQ2SEQ),
    *(Entry(f"{name} image", "transformers", lambda name=name: _image(name)) for name in IMAGE_CLASSIFIERS),
    *(Entry(f"{name} audio", "transformers", lambda name=name: _audio(name)) for name in AUDIO_CLASSIFIERS),
    Entry("Whisper audio to text", "transformers", _whisper),
    *(Entry(f"{name} pairs", "transformers", lambda name=name: _pairs(name)) for name in ("CLIP", "Siglip")),
]
