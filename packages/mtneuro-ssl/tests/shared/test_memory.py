import pytest
import torch
from mtneuro_ssl._shared.memory import memory_errors_named


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("tried to allocate 80 GiB"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_each_way_to_run_out_of_memory_names_the_remedy(error):
    with (
        pytest.raises(ValueError, match=r"^embedding must fit into memory, got: .*; lower batch_size$"),
        memory_errors_named("embedding", remedy="lower batch_size"),
    ):
        raise error


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shape"), memory_errors_named("embedding", remedy="lower it"):
        raise RuntimeError("shape mismatch")
