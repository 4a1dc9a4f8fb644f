"""From logits to a token: temperature, then top-k, then top-p, then one draw, in the order that transformers uses.

Knows nothing of models, text or requests.
"""

from __future__ import annotations

import torch

from gpt_notebook.protocol import SamplingOptions


def distribution(logits: torch.Tensor, options: SamplingOptions) -> torch.Tensor:
    """Return the probabilities that the next token is drawn from.

    Args:
        logits: the model's logits, float32, shape (vocabulary,).
        options: `temperature` above 0, `top_k` and `top_p`.

    Returns:
        Probabilities, float64, shape (vocabulary,), on the CPU; tokens that top-k or top-p leave out have 0.

    Sources: top-p is "nucleus sampling", Holtzman et al. 2020, https://arxiv.org/abs/1904.09751; top-k is Fan et al.
    2018, https://arxiv.org/abs/1805.04833.
    """
    # In double precision, and with the largest at 0, the tiniest temperature and top_p leave the best token its chance.
    logits = logits.cpu().double()
    logits = (logits - logits.max()) / options.temperature
    if 0 < options.top_k < logits.shape[0]:
        smallest_kept = logits.topk(options.top_k).values[-1]
        logits = logits.masked_fill(logits < smallest_kept, -torch.inf)
    probabilities = logits.softmax(-1)
    if options.top_p < 1:
        ranked, order = probabilities.sort(descending=True)  # (vocabulary,) each
        # A token stays when those before it have not reached top_p yet, so the most probable one always stays.
        surplus = ranked.cumsum(-1) - ranked >= options.top_p
        probabilities = probabilities.index_fill(0, order[surplus], 0.0)
        probabilities = probabilities / probabilities.sum()
    return probabilities


def choose(logits: torch.Tensor, options: SamplingOptions, generator: torch.Generator) -> int:
    """Return the id of the next token.

    Args:
        logits: the model's logits, float32, shape (vocabulary,).
        options: a temperature of 0 takes the most probable token, without a draw.
        generator: a CPU generator, so that a seed gives the same text on every device.
    """
    if options.temperature == 0:
        return int(logits.argmax())
    probabilities = distribution(logits, options)
    return int(torch.multinomial(probabilities, 1, generator=generator))


def top_logprobs(logprobs: torch.Tensor, k: int) -> list[tuple[int, float]]:
    """Return the ids and natural-log probabilities of the k most probable tokens, most probable first.

    Args:
        logprobs: log-softmax of the logits, shape (vocabulary,).
        k: how many; all of them when there are fewer.
    """
    best = logprobs.topk(min(k, logprobs.shape[0]))
    return list(zip(best.indices.tolist(), best.values.tolist(), strict=True))
