"""What each attention looks at, and what its queries and keys learn from that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AttentionRecord:
    """One attention at the last step. A map is one head on one sample; a row is one query.

    Attributes:
        name: path of the module that computes it.
        layer: name of the layer nearest below it.
        queries, keys: number of positions on either side.
        entropy: mean entropy of the rows, in nats; rows that may look at one key only are left out, here and below.
        relative_entropy: mean of each row's entropy over the logarithm of the keys that it may look at.
        one_hot: share of the rows that put more than 0.99 on one key.
        collapsed: share of the maps nine tenths of whose rows are so.
        token_spread: ``|v - mean over the positions|_F / |v|_F`` of the values, per map and sample: 0 when all
            positions hold the same; ``None`` with a single key.
        query_gradient, key_gradient, value_gradient: Frobenius norms of the gradient, over the whole batch; ``None``
            where no gradient is asked for.
        output_gradient: that of the gradient which reaches the attention's output.
        normalised_stream: whether the stream that the attention joins is itself normalised (post-norm) or only its
            branch (pre-norm); ``None`` where it joins no stream, or there is no normalisation.
        file, line: the user's source line, when it is known.
        fused: whether one operation computes it, or a softmax between two matrix products.
        heads: how many; ``None`` where they are not told from the samples.
        one_hot_by_head: `one_hot` of each head.
        runners_up: mean relative entropy of the one-hot rows without the key that they look at: near 1 when that key
            alone stands out, near 0 when all logits are far apart; ``None`` without such rows.
        token_share: ``|v - mean over the positions|_F / |v - mean over samples and positions|_F``: of what varies at
            all, the part that varies within a sample; a vector that all hold does not count. ``None`` for one sample.
        token_cosine: mean cosine between the values of two positions.
        mixed_spread: as `token_spread`, of what the queries get: the values, averaged by the rows.
        stream_gradient: norm of the gradient on the stream where the attention joins it.
    """

    name: str
    layer: str | None
    queries: int
    keys: int
    entropy: float | None
    relative_entropy: float | None
    one_hot: float | None
    collapsed: float | None
    token_spread: float | None
    query_gradient: float | None
    key_gradient: float | None
    value_gradient: float | None
    output_gradient: float
    normalised_stream: bool | None = None
    file: str | None = None
    line: int | None = None
    fused: bool = True
    heads: int | None = None
    one_hot_by_head: tuple[float, ...] = ()
    runners_up: float | None = None
    token_share: float | None = None
    token_cosine: float | None = None
    mixed_spread: float | None = None
    stream_gradient: float | None = None
