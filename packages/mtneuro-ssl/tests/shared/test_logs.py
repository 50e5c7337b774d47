import json
import sys
from pathlib import Path

import pytest
from mtneuro_ssl._shared.logs import check_logs, log_row, logged, run_loggers

SETTINGS = {"method": "byol", "views": {"crop": 0.5}, "start_from": "https://me:hunter2@host/a?key=hunter2"}


@pytest.fixture
def wandb(monkeypatch, tmp_path):
    """Weights & Biases, which sends nothing."""
    library = pytest.importorskip("wandb", reason="needs the extra 'wandb'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_API_KEY", "hunter2" * 6)
    yield library
    library.teardown()


@pytest.fixture
def mlflow(monkeypatch, tmp_path):
    """MLflow's client of a folder of files, which is faster than a database."""
    library = pytest.importorskip("mlflow", reason="needs the extra 'mlflow'")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    return library.MlflowClient((tmp_path / "runs").as_uri())


def log(name: str, out: Path, *steps: int, run: str | None = None) -> None:
    """Log some steps of a training, as a process does that is then interrupted or ends."""
    out.with_name(f"{out.name}.partial").mkdir(exist_ok=True)
    loggers = run_loggers([name], out=out, run=run)
    with logged(loggers, SETTINGS):
        for step in steps:
            log_row(loggers, {"step": step, "loss": 1 / step, "val_iou": float("nan")}, step=step)


def written(folder: Path) -> bytes:
    """Return all that stands in a folder's files."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_tensorboard_shows_each_step_of_a_resumed_training_once(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs the extra 'tensorboard'"
    )
    log("tensorboard", tmp_path / "byol", 1, 2, 3)
    log("tensorboard", tmp_path / "byol", 3, 4)
    events = accumulator.EventAccumulator(str(tmp_path / "logs" / "byol")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4]
    assert events.Tags()["scalars"] == ["loss"]
    assert b"byol" in (tmp_path / "logs" / "byol" / "hparams.yaml").read_bytes()


def test_wandb_goes_on_in_the_same_run_and_sees_no_key(tmp_path, wandb):
    log("wandb", tmp_path / "byol", 1, 2, run="BYOL, seed 1")
    log("wandb", tmp_path / "byol", 2, 3, run="BYOL, seed 1")
    wandb.teardown()  # waits until all is written
    name = json.loads((tmp_path / "byol.partial" / "logs.json").read_text())["wandb"]
    logs = sorted((tmp_path / "logs" / "wandb").glob("offline-run-*/*.wandb"))
    assert {path.name for path in logs} == {f"run-{name}.wandb"}
    for path in logs:
        text = path.read_bytes()
        for part in (b"BYOL, seed 1", b"loss", b"trainer/global_step", b"crop", b"https://host/a"):
            assert part in text
    everything = written(tmp_path)
    for part in (b"hunter2", b"val_iou"):
        assert part not in everything


def test_another_training_has_a_run_of_its_own(tmp_path, wandb):
    for name in ("a", "b"):
        log("wandb", tmp_path / name, 1)
    wandb.teardown()
    assert len(list((tmp_path / "logs" / "wandb").glob("offline-run-*"))) == 2


def test_mlflow_goes_on_in_the_same_run(tmp_path, mlflow, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    log("mlflow", tmp_path / "byol", 1, 2)
    log("mlflow", tmp_path / "byol", 2, 3)
    experiment = mlflow.get_experiment_by_name("mine")
    (run,) = mlflow.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("byol", "FINISHED")
    assert run.data.params == {"method": "byol", "views/crop": "0.5", "start_from": "https://host/a"}
    found = {each.step: each.value for each in mlflow.get_metric_history(run.info.run_id, "loss")}
    assert found == {1: 1, 2: 0.5, 3: pytest.approx(1 / 3)}
    assert b"hunter2" not in written(tmp_path)


def test_a_training_that_fails_is_marked_so_in_mlflow(tmp_path, mlflow):
    (tmp_path / "byol.partial").mkdir()
    loggers = run_loggers(["mlflow"], out=tmp_path / "byol")
    with pytest.raises(KeyboardInterrupt), logged(loggers, SETTINGS):
        raise KeyboardInterrupt
    experiment = mlflow.get_experiment_by_name("mtneuro")
    (run,) = mlflow.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mlflow_writes_a_database_where_no_server_is_named(tmp_path, monkeypatch):
    client = pytest.importorskip("mlflow", reason="needs the extra 'mlflow'").MlflowClient
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for steps in ((1, 2), (2, 3)):
        log("mlflow", tmp_path / "byol", *steps)
    found = client(f"sqlite:///{tmp_path / 'logs' / 'mlflow.db'}")
    (run,) = found.search_runs([found.get_experiment_by_name("mtneuro").experiment_id])
    assert run.data.metrics["loss"] == pytest.approx(1 / 3)
    assert run.info.artifact_uri.startswith((tmp_path / "logs" / "mlflow").as_uri())


@pytest.mark.parametrize("name", ["mlflow", "tensorboard", "wandb"])
def test_a_log_without_its_package_names_the_extra(monkeypatch, tmp_path, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=rf"pip install 'mtneuro-ssl\[{name}\]'"):
        run_loggers([name], out=tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_wandb_that_is_to_send_needs_a_key(tmp_path, wandb, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr("wandb.login", lambda **_: False)
    with pytest.raises(ValueError, match="found none: run `wandb login`, or set WANDB_MODE=offline"):
        check_logs(["wandb"], folder=tmp_path / "logs")
    assert not list(tmp_path.iterdir())


def test_a_server_that_does_not_answer_is_told_in_a_line(tmp_path, mlflow, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(OSError, match=r"MLflow must take the training's log, got: .*127\.0\.0\.1") as raised:
        run_loggers(["mlflow"], out=tmp_path / "model")
    assert "\n" not in str(raised.value)
