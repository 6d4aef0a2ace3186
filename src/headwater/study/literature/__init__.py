"""Published results, each with its source and with what measures it here."""

from headwater.study.literature import gained, remembered, rounded, trainable
from headwater.study.literature.claim import Claim, Judged, in_words, judged, tolerance

CLAIMS: tuple[Claim, ...] = (*trainable.CLAIMS, *gained.CLAIMS, *remembered.CLAIMS, *rounded.CLAIMS)
"""In the order of the table."""

__all__ = ["CLAIMS", "Claim", "Judged", "in_words", "judged", "tolerance"]
