from __future__ import annotations

import pytest

from gpt_notebook.byte_sizes import size


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1 kB"),
        (150_600, "151 kB"),
        (14_240_000, "14.2 MB"),
        (999_900_000, "1,000 MB"),
        (4_200_000_000, "4.2 GB"),
        (128_000 * 10**9, "128,000 GB"),
    ],
)
def test_sizes_have_three_digits_and_a_unit(count, shown):
    assert size(count) == shown
