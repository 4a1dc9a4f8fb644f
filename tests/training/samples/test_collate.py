from __future__ import annotations

import numpy as np

from gpt_notebook.training.samples import collate
from gpt_notebook.training.samples.samples import Sample


def sample(ids, counted):
    return Sample(np.array(ids, np.int32), np.array(counted, bool), row=0)


TWO = [sample([5, 6, 7], [0, 0, 1]), sample([8, 9], [0, 1])]


def test_padded_samples_are_side_by_side_and_padding_neither_counts_nor_is_seen():
    batch = {name: tensor.tolist() for name, tensor in collate.padded(TWO, pad_id=1).items()}
    assert batch == {
        "input_ids": [[5, 6, 7], [8, 9, 1]],
        "attention_mask": [[1, 1, 1], [1, 1, 0]],
        "labels": [[-100, -100, 7], [-100, 9, -100]],
    }


def test_packed_samples_are_end_to_end_and_positions_begin_again():
    batch = {name: tensor.tolist() for name, tensor in collate.packed(TWO).items()}
    assert batch == {
        "input_ids": [[5, 6, 7, 8, 9]],
        "position_ids": [[0, 1, 2, 0, 1]],
        "labels": [[-100, -100, 7, -100, 9]],
    }


def test_the_first_token_of_a_packed_sample_is_never_predicted_from_the_one_before():
    batch = collate.packed([TWO[0], sample([8, 9], [1, 1])])
    assert batch["labels"].tolist() == [[-100, -100, 7, -100, 9]]
