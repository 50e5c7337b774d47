import pytest
import torch
from mtneuro_ssl._shared.compilation import check_compiler, compilation_errors_named
from torch._dynamo.exc import TorchDynamoException


def test_a_cpu_needs_a_compiler_on_the_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ValueError, match=r"needs a C\+\+ compiler on a CPU, found none of g\+\+, clang\+\+"):
        check_compiler(torch.device("cpu"))


def test_the_compiler_that_cxx_names_is_looked_for(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match="found none of no-such-compiler: install one"):
        check_compiler(torch.device("cpu"))


def test_a_gpu_needs_triton(monkeypatch):
    monkeypatch.setattr("mtneuro_ssl._shared.compilation.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="compile needs Triton on a GPU"):
        check_compiler(torch.device("cuda"))


def test_an_error_of_the_compiler_names_the_setting():
    with pytest.raises(ValueError, match="got: no such type; set compile=false"), compilation_errors_named():
        raise TorchDynamoException("no such type\nin a graph of many lines")


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="another"), compilation_errors_named():
        raise RuntimeError("another")
