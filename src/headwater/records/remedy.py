"""The vocabulary by which findings name remedies."""

from __future__ import annotations

REMEDIES: dict[str, str] = {
    "init-matched": "initialise each weight for the activation that follows it (He for ReLU, Xavier for tanh)",
    "activation-swap": "use ReLU or GELU in place of sigmoid or tanh in hidden layers, with a matching initialisation",
    "normalisation": "add batch or layer normalisation between the weights and the activation",
    "normalise-elsewhere": "normalise over several features, and not right before an average over the same ones",
    "residual": "lead a residual connection around each block, with its branch scaled or zero-initialised",
    "adaptive-optimizer": "use Adam or AdamW, which rescale each layer's step (helps while the gradient is not lost)",
    "clip-gradient": "clip the gradient by its norm",
    "lower-rate": "lower the learning rate, or warm it up",
    "leaky-activation": "use leaky ReLU, which has a slope on both sides (ELU and GELU: a little below zero only)",
    "standardise-inputs": "standardise each input feature to mean 0 and standard deviation 1",
    "standardise-targets": "standardise the targets, and undo it on the predictions",
    "remove-softmax": "pass raw logits: the loss applies the (log-)softmax or sigmoid itself",
    "remove-output-activation": "drop the activation on the output",
    "match-loss": "use the loss that matches the output",
    "match-shapes": "give outputs and targets the same shape (squeeze the output or unsqueeze the target)",
    "register-parameters": "build the optimizer from model.parameters() once the model has its final layers",
    "reconnect": "keep the path in tensors: no detach(), .data, .item(), numpy() or argmax on the way to the loss",
    "scale-logits": "divide the attention's scores by the square root of the head's width",
    "normalise-queries": "normalise queries and keys before their product (QK-norm)",
    "pre-norm": "normalise inside each branch (pre-norm), not on the stream",
    "scale-residual": "scale the stream up against its branches (DeepNorm), or the branches down by 1/sqrt(depth)",
    "random-init": "draw the weights at random, so that units differ",
    "gated-recurrence": "replace the plain recurrent layer by an LSTM or a GRU, whose gates hold a state once open",
    "forget-bias": "start the gates open: forget bias (LSTM) or update bias (GRU) of ln(T - 1) for lags up to T",
    "chrono-init": "draw the gates' biases for all lags up to T: b_f = ln U[1, T - 1], and b_i = -b_f in an LSTM",
    "orthogonal-recurrence": "start the recurrent weights orthogonal, or at the identity under ReLU",
    "find-non-finite": "stop what overflows: lower the rate, guard log, sqrt and division, or raise the precision",
}
"""Code of each remedy and what it says in one line."""
