import logging
import signal
import tempfile
from pickle import UnpicklingError

import pytest
import torch
from lightning.pytorch import Callback, LightningModule
from mtneuro_ssl._shared.trainer import fit, new_trainer
from mtneuro_ssl.loop import Steps


class Line(LightningModule):
    """One weight that follows the gradient of its square."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def training_step(self, batch, batch_idx):
        return self.weight.square().sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class At(Callback):
    """Does something at a step."""

    def __init__(self, step, act):
        self.step, self.act = step, act

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == self.step:
            self.act(trainer)


def trainer(folder, *callbacks: Callback):
    return new_trainer(
        accelerator="cpu", devices=1, max_steps=4, callbacks=list(callbacks), default_root_dir=folder
    )


def test_training_goes_on_from_a_checkpoint(tmp_path):
    saved = At(2, lambda trainer: trainer.save_checkpoint(tmp_path / "a.ckpt"))
    whole, resumed = Line(), Line()
    fit(trainer(tmp_path, saved), whole, loader=Steps(4), checkpoint=tmp_path / "none.ckpt")
    fit(trainer(tmp_path), resumed, loader=Steps(4), checkpoint=tmp_path / "a.ckpt")
    assert whole.weight.item() == pytest.approx(0.8**4)
    assert torch.equal(resumed.weight, whole.weight)


def test_a_checkpoint_never_passes_through_the_folder_for_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    saved = At(2, lambda trainer: trainer.save_checkpoint(tmp_path / "out" / "a.ckpt"))
    fit(trainer(tmp_path, saved), Line(), loader=Steps(4), checkpoint=tmp_path / "none.ckpt")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.ckpt"]


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    class Planted:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    torch.save({"state_dict": {}, "planted": Planted()}, tmp_path / "a.ckpt")
    with pytest.raises(UnpicklingError, match="Weights only load failed"):
        fit(trainer(tmp_path), Line(), loader=Steps(4), checkpoint=tmp_path / "a.ckpt")
    assert not (tmp_path / "executed").exists()


def test_ctrl_c_is_a_keyboard_interrupt_and_can_be_given_again(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    at = At(2, lambda trainer: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        fit(trainer(tmp_path, at), Line(), loader=Steps(4), checkpoint=tmp_path / "none.ckpt")
    assert signal.getsignal(signal.SIGINT) is before


def test_lightning_announces_nothing_and_its_logger_is_left_as_it_was(tmp_path, caplog):
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    fit(trainer(tmp_path), Line(), loader=Steps(4), checkpoint=tmp_path / "none.ckpt")
    assert caplog.text == ""
    assert logger.level == before
