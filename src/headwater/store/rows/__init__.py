"""Down-sampled rows of a run, for pictures: queries by DuckDB over its segments, without the run in memory.

A picture has a few hundred columns, a run may have millions of rows. Steps are put into buckets of a power of two,
which do not shift while a run grows or a picture is panned. A look at many rows is answered from buckets that are
computed once for each segment and kept (`headwater.store.rows.cache`), since a segment never changes; a look at few
goes to the file.

Of several processes that train together the first one's rows are taken; norms of what is sharded are joined
(`headwater.store.rows.relation`).
"""

from headwater.store.rows.history import history
from headwater.store.rows.outline import Outline, outline
from headwater.store.rows.series import series

__all__ = ["Outline", "history", "outline", "series"]
