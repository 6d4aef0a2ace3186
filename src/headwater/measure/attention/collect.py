"""What each attention looks at, from the queries and keys (or the softmax) that autograd saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from headwater.graph import AttentionSite, Graph, GraphOp, attention_sites, joined_stream, users
from headwater.measure.attention.positions import differences, mixed, values
from headwater.measure.attention.rows import Maps, fused_maps, judge, written_maps
from headwater.measure.units import feeders
from headwater.records import AttentionRecord, Trace

_JOINT = -1


class Attention:
    """Reads the attentions of one forward and backward pass: `observe` each operation, then `records`."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._sites = attention_sites(graph)
        self._cores = {site.core.index: site for site in self._sites}
        self._by_value = {site.value.op.index: site for site in self._sites}
        self._maps: dict[int, Maps] = {}
        self._values: dict[int, torch.Tensor] = {}

    def observe(self, op: GraphOp) -> None:
        """Takes samples of what autograd saved, while it can still be read."""
        site = self._by_value.get(op.index)
        if site is not None:
            value = values(self._graph, site)
            if value is not None:
                self._values[site.core.index] = value
        site = self._cores.get(op.index)
        if site is not None:
            maps = fused_maps(op) if site.fused else written_maps(site)
            if maps is not None:
                self._maps[op.index] = maps

    def records(
        self, trace: Trace, norms: Mapping[tuple[int, int], float], names: Mapping[int, str]
    ) -> tuple[AttentionRecord, ...]:
        """Returns one record for each attention, input to output.

        Args:
            trace: of the same pass.
            norms: by (operation, slot), as `backward` returned them.
            names: names of the layers, by operation.
        """
        below, above = feeders(self._graph), users(self._graph)
        found: list[AttentionRecord] = []
        for site in self._sites:
            if site.core.index in self._maps:
                layer = below[site.core.index].layer
                record = self._record(site, trace, norms, names.get(layer) if layer is not None else None)
                stream = joined_stream(above, site)
                if stream is not None:
                    gradient = norms.get((stream.op.index, _JOINT))
                    record = replace(record, normalised_stream=stream.normalised, stream_gradient=gradient)
                found.append(record)
        return tuple(found)

    def _record(
        self, site: AttentionSite, trace: Trace, norms: Mapping[tuple[int, int], float], layer: str | None
    ) -> AttentionRecord:
        op, maps, value = trace.ops[site.core.index], self._maps[site.core.index], self._values.get(site.core.index)
        rows = judge(maps)
        several = value is not None and value.shape[-2] > 1
        positions = differences(value) if value is not None and several else None
        return AttentionRecord(
            name=op.module,
            layer=layer,
            queries=maps.queries,
            keys=maps.keys,
            entropy=rows.entropy,
            relative_entropy=rows.relative,
            one_hot=rows.one_hot,
            collapsed=rows.collapsed,
            token_spread=positions.spread if positions else None,
            query_gradient=norms.get((site.query.op.index, site.query.slot)),
            key_gradient=norms.get((site.key.op.index, site.key.slot)),
            value_gradient=norms.get((site.value.op.index, site.value.slot)),
            output_gradient=norms.get((site.value.op.index, _JOINT), 0.0),
            file=op.file,
            line=op.line,
            fused=site.fused,
            heads=maps.heads,
            one_hot_by_head=rows.by_head,
            runners_up=rows.runners_up,
            token_share=positions.share if positions else None,
            token_cosine=positions.cosine if positions else None,
            mixed_spread=mixed(maps, value) if value is not None and several else None,
        )


def with_lines(records: tuple[AttentionRecord, ...], first: tuple[AttentionRecord, ...]) -> tuple[AttentionRecord, ...]:
    """Returns records with the source lines of the first step, the only one that knows them."""
    if [each.name for each in records] != [each.name for each in first]:
        return records
    return tuple(replace(now, file=then.file, line=then.line) for now, then in zip(records, first, strict=True))
