"""Reads the autograd graph: nodes in order, kinds of operation, owners (module, source line). No numbers."""

from headwater.graph.attention import AttentionSite, attention_sites, joined_stream, softmax_dim, users
from headwater.graph.kinds import kind_of, role_of
from headwater.graph.lines import settle, source_lines
from headwater.graph.owners import Guard, Owners, class_of, owners, source_line, unguarded
from headwater.graph.walk import Graph, GraphOp, walk

__all__ = [
    "AttentionSite",
    "Graph",
    "GraphOp",
    "Guard",
    "Owners",
    "attention_sites",
    "class_of",
    "joined_stream",
    "kind_of",
    "owners",
    "role_of",
    "settle",
    "softmax_dim",
    "source_line",
    "source_lines",
    "unguarded",
    "users",
    "walk",
]
