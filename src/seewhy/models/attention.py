"""Whether a network attends: every token of a picture to every other, as vision transformers do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode
from typing_extensions import override

FEWEST_TOKENS = 4
_OF_QUERIES = {"scaled_dot_product_attention", "multi_head_attention_forward", "_native_multi_head_attention"}


class Attending(TorchFunctionMode):
    """Notes, while it is on, among how many tokens each attention of one picture is.

    Attention within windows, of which there are several side by side, counts as among none.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tokens: list[int] = []

    @property
    def everywhere(self) -> bool:
        """Whether there was attention, and all of it among all tokens."""
        return len(set(self._tokens)) == 1 and self._tokens[0] >= FEWEST_TOKENS

    @override
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found, name = func(*args, **(kwargs or {})), getattr(func, "__name__", "")
        given = [*args, *(kwargs or {}).values()]
        if name in _OF_QUERIES:
            query, key = (each for each in given[:2] if isinstance(each, Tensor))
            # Multi-head attention has the batch second, unless told otherwise: the tokens are the longer.
            multi_head = "multi_head" in name
            tokens = max(query.shape[:2]) if multi_head else query.shape[-2]
            alone = min(query.shape[:2]) == 1 if multi_head else query.shape[0] == 1
            self._tokens.append(tokens if alone and query.shape == key.shape else 0)
        elif name in {"softmax", "_softmax"} and isinstance(found, Tensor) and is_attention(found):
            self._tokens.append(found.shape[-1] if found.shape[0] == 1 else 0)
        return found


def is_attention(weights: Tensor) -> bool:
    """Whether what a softmax gave are weights of tokens for as many tokens, `(…, T, T)`."""
    return weights.dim() in {3, 4} and weights.shape[-1] == weights.shape[-2] >= FEWEST_TOKENS
