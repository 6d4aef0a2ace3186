"""From a measurement to findings: one rule a file, pure functions on plain data. No torch."""

from headwater.rules.judge import judge
from headwater.rules.registry import RULES, rule
from headwater.rules.rule import Rule

__all__ = ["RULES", "Rule", "judge", "rule"]
