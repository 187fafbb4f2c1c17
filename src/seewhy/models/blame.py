"""What a network raised, as one error of seewhy's that says on what input, and what is likely to cure it."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from seewhy.errors import ExplainError, ModelError, SeewhyError

MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
# Sizes that networks are made for, tried where one does not take the size it was given.
SIZES = (28, 32, 64, 96, 112, 128, 160, 192, 224, 227, 240, 256, 288, 299, 300, 320, 331, 336, 384, 448, 512)
ABOUT_SIZE = ("shape", "size", "dimension", "match", "small", "want", "expect", "resolution", "x")
WRAPPER = (
    "class OneInput(torch.nn.Module):\n"
    "    def __init__(self, network): super().__init__(); self.network = network\n"
    "    def forward(self, x): return self.network({call})\n"
)


def short_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, which a smaller batch may cure."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in str(error) for word in MEMORY)


def said(error: BaseException) -> str:
    """The kind of an error and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def blamed(error: Exception, module: nn.Module, x: Tensor, *, trying: bool = False) -> Exception:
    """What a network raised on an input, as a `ModelError` with the likely cure; memory that ran out stays what it is.

    `trying` looks for a size of pictures that the network takes, by running it.
    """
    if short_of_memory(error):
        return error
    if _is_own(error):
        return ExplainError(
            f"seewhy's own rules failed on this network: {said(error)} – on an input {described(x)}; please report it"
        )
    cure = next(_cures(error, module, x, trying=trying), None)
    what = f"the network raised {said(error)} – on an input {described(x)}"
    return ModelError(f"{what}; {cure}" if cure else what)


def described(x: Tensor) -> str:
    """An input in words: shape, dtype, device and range."""
    numbers = ""
    if x.numel() and not x.is_meta:
        with torch._C.DisableTorchFunction():  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - no rule's business
            numbers = ", from {:.3g} to {:.3g}".format(*map(float, x.detach().aminmax()))
    return f"{tuple(x.shape)} of {x.dtype} on {x.device}{numbers}"


@contextmanager
def explaining(what: str) -> Generator[None]:
    """Whatever else is raised while `what`, such as a method's name, is at work becomes an `ExplainError`."""
    try:
        yield
    except SeewhyError:
        raise
    except Exception as error:
        if short_of_memory(error):
            raise ExplainError(
                f"memory ran out in {what}; explain fewer or smaller pictures at once, or free memory"
            ) from error
        whose = "; this may be a fault of seewhy itself: please report it" if _is_own(error) else ""
        raise ExplainError(f"{what} failed on this network: {said(error)}{whose}") from error


def _is_own(error: BaseException) -> bool:
    """Whether an error was raised by a line of the engines, which rules run in, and not by the network or PyTorch."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "").startswith(("seewhy.engines.", "seewhy.methods."))


def _cures(error: Exception, module: nn.Module, x: Tensor, *, trying: bool) -> Iterator[str]:
    """Likely cures, the likeliest first."""
    text = str(error)
    yield from _of_inputs(text, module)
    if any(word in text for word in ("CUDA", "cuda", "NVIDIA", "same device", "MPS")):
        yield "it moves tensors to a device of its own: let it use x.device, or move it by classifier.to(…)"
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    if first is not None and first.in_channels != x.shape[1] and "channels" in text:
        statistics = f"({', '.join(['0.5'] * first.in_channels)},)"
        yield (
            f"its first layer takes {first.in_channels} channels, not {x.shape[1]}: "
            f"Preprocessing(mean={statistics}, std={statistics}), or the statistics that it learned with"
        )
    if "size()[0] ==" in text:
        yield "it was exported for batches of one size: export it with a dynamic batch, or for a batch of 1"
    if any(word in text for word in ("dtype", "scalar type", "input type", "Input type")):
        yield "its parts are of different precision: network.float() makes them one"
    if isinstance(error, AssertionError) or any(word in text.casefold() for word in ABOUT_SIZE):
        if trying and (size := _size_taken(module, x)):
            yield f"it takes pictures of {size} × {size}: Preprocessing(size=({size}, {size}))"
        yield "is it made for inputs of this shape? Preprocessing(size=(height, width)) says what it gets"


def _of_inputs(text: str, module: nn.Module) -> Iterator[str]:
    """Cures for networks that do not take one tensor."""
    if getattr(type(module), "forward", None) is nn.Module.forward:
        yield "it has no forward: write one, or wrap the part that answers"
    wanted = _wanted(module)
    if "input_ids" in wanted and "pixel_values" not in wanted:
        yield "it reads text (input_ids), and seewhy explains networks that see pictures"
    if "input_ids" in wanted or len(wanted) > 1 or "missing" in text or "NoneType" in text:
        named = "pixel_values" in wanted
        others = [name for name in wanted if name != "pixel_values"][0 if named else 1 :]
        call = ", ".join(["pixel_values=x" if named else "x", *(f"{name}=…" for name in others)] + ["…"] * (not others))
        yield "it wants more than a picture; wrap it in a network that takes one input:\n" + WRAPPER.format(call=call)
    if any(words in text for words in ("got str", "object has no attribute", "too many indices", "tuple of ints")):
        yield "it wants a dict; wrap it in a network that takes a tensor:\n" + WRAPPER.format(call='{"image": x}')


def _wanted(module: nn.Module) -> list[str]:
    """The inputs that forward cannot do without, and those that the transformers library names."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        each.name
        for each in parameters
        if each.kind in kinds and (each.default is each.empty or each.name in {"input_ids", "pixel_values"})
    ]


def _size_taken(module: nn.Module, x: Tensor) -> int | None:
    """The smallest usual size of pictures that the network runs on."""
    for size in SIZES:
        with suppress(Exception), torch.no_grad():
            answer: Any = module(x.new_zeros(1, x.shape[1], size, size))
            return size if answer is not None else None
    return None
