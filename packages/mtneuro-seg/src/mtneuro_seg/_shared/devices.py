"""Choose the device to compute on."""

import torch


def chosen_device(name: str | None = None, /) -> torch.device:
    """Return the device of that name; ``"auto"`` and None take a CUDA GPU if there is one, else the CPU.

    Raises
    ------
    ValueError
        If it is ``"cuda"`` and there is none, or any other name.

    Examples
    --------
    >>> chosen_device("cpu")
    device(type='cpu')
    """
    if name not in (None, "auto", "cpu", "cuda"):
        raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', got {name!r}")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ValueError("device 'cuda' needs a CUDA GPU and driver, found none; use 'auto' or 'cpu'")
    return torch.device("cuda" if available and name != "cpu" else "cpu")
