from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ragctl.providers.local.batches import pack


@given(st.lists(st.integers(1, 256), max_size=80), st.integers(1, 3000), st.integers(0, 10_000))
def test_every_input_is_in_one_batch_whole(lengths: list[int], batch_tokens: int, first: int) -> None:
    inputs = [np.arange(1, length + 1, dtype=np.int32) * (i + 1) for i, length in enumerate(lengths)]
    seen = []
    for batch in pack(inputs, batch_tokens=batch_tokens, first=first):
        assert batch.ids.size <= batch_tokens or len(batch.positions) == 1
        assert batch.ids.shape == (len(batch.positions), batch.ids.shape[1])
        for position, row, length in zip(batch.positions, batch.ids, batch.lengths, strict=True):
            assert np.array_equal(row[:length], inputs[position - first])
            assert not row[length:].any()
        seen += batch.positions
    assert sorted(seen) == [first + i for i in range(len(inputs))]


def test_inputs_of_like_length_share_a_batch() -> None:
    inputs = [np.ones(length, np.int32) for length in (8, 200, 8, 200, 8)]
    assert [batch.positions for batch in pack(inputs, batch_tokens=400)] == [(1, 3), (0, 2, 4)]
