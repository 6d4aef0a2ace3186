"""Networks in which something is zero, frozen, tied or unused by design."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.zoo import timm_models, transformers_models
from benchmarks.zoo.entry import SIZE, Entry, Problem, tokens

VOCABULARY = 200


class TokenClassifier(nn.Module):
    """Mean of embeddings, one hidden layer; the gradient of the table can be sparse."""

    def __init__(self, *, sparse: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 32, sparse=sparse)
        self.body = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 5))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.body(self.embed(ids).mean(dim=1))


class TiedLanguageModel(nn.Module):
    """The output weight is the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, VOCABULARY, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.embed(ids)))


class Scaled(nn.Module):
    """Residual blocks whose branches start at a small scale (layer scale), or at zero (ReZero, SkipInit)."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(20, 64), nn.Linear(64, 5)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(64), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 64)) for _ in range(12)
        )
        self.scales = nn.ParameterList(nn.Parameter(torch.full((64,), scale)) for _ in range(12))
        self.unused = nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for branch, scale in zip(self.branches, self.scales, strict=True):
            x = x + scale * branch(x)
        return self.last(x)


def _vectors() -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.randn(32, 20), torch.randint(0, 5, (32,))) for _ in range(3)]


def _ids() -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(tokens(VOCABULARY), torch.randint(0, 5, (SIZE,))) for _ in range(3)]


def _tied() -> Problem:
    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    return Problem(TiedLanguageModel(), [(ids := tokens(VOCABULARY), ids.roll(-1, 1)) for _ in range(3)], loss)


def _frozen() -> Problem:
    problem = timm_models.build("resnet18")
    problem.model.requires_grad_(False)
    problem.model.fc.requires_grad_(True)
    return problem


def _late_layers() -> Problem:
    problem = timm_models.build("resnet18")
    for name, parameter in problem.model.named_parameters():
        parameter.requires_grad_(name.startswith(("layer4", "fc")))
    return problem


def _zero_head() -> Problem:
    problem = timm_models.build("vit_tiny_patch16_224")
    nn.init.zeros_(problem.model.head.weight)
    return problem


def _checkpointed() -> Problem:
    problem = timm_models.build("vit_tiny_patch16_224")
    problem.model.set_grad_checkpointing()
    return problem


def _lora(name: str, targets: list[str]) -> Problem:
    import peft

    entry = next(entry for entry in transformers_models.ENTRIES if entry.name == name)
    problem = entry.build()
    adapted = peft.get_peft_model(problem.model, peft.LoraConfig(r=4, target_modules=targets))
    return Problem(adapted, problem.batches)


ENTRIES = [
    Entry("LoRA on GPT2", "special", lambda: _lora("GPT2 causal", ["c_attn"])),
    Entry("LoRA on Llama", "special", lambda: _lora("Llama causal", ["q_proj", "v_proj"])),
    Entry("frozen backbone, new head", "special", _frozen),
    Entry("only the last stage trains", "special", _late_layers),
    Entry("tied embedding", "special", _tied),
    Entry("sparse embedding", "special", lambda: Problem(TokenClassifier(sparse=True), _ids(), F.cross_entropy)),
    Entry("dense embedding", "special", lambda: Problem(TokenClassifier(sparse=False), _ids(), F.cross_entropy)),
    Entry("layer scale 1e-5, unused layer", "special", lambda: Problem(Scaled(1e-5), _vectors(), F.cross_entropy)),
    Entry("ReZero, unused layer", "special", lambda: Problem(Scaled(0.0), _vectors(), F.cross_entropy)),
    Entry("head of zeros", "special", _zero_head),
    Entry("activation checkpointing", "special", _checkpointed),
]
