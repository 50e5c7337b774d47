"""Tell TensorBoard, Weights & Biases or MLflow of a training: its settings, and rows of its history."""

import json
import logging
import math
import os
import secrets
from abc import abstractmethod
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from typing_extensions import override

from .extras import check_extra
from .files import written_beside
from .words import one_line, unknown_name

if TYPE_CHECKING:
    from mlflow import MlflowClient

PROJECT = "mtneuro"
"""Project of Weights & Biases, and experiment of MLflow, where the environment names none."""

IDS = "logs.json"
"""File beside a training's checkpoints: the ids of its logs, by which a resumed training goes on in them."""


class RunLogger(Logger):
    """One of Lightning's loggers, which goes on with the log of a training that was interrupted.

    Lightning's own is made when there is something to log: by then the folder of the checkpoints is this
    training's.

    Parameters
    ----------
    folder
        Where what is logged is written, unless it is sent.
    run
        Name of the training among others.
    ids
        File that keeps the ids.
    """

    called: ClassVar[str]
    """What people call it."""

    def __init__(self, folder: Path, *, run: str, ids: Path) -> None:
        super().__init__()
        self._folder, self._run, self._ids = folder, run, ids
        self._own: Logger | None = None

    @classmethod
    @abstractmethod
    def check(cls, folder: Path) -> None:
        """Raise unless it can log into a folder, or wherever the environment says."""

    @abstractmethod
    def begun(self) -> Logger:
        """Return Lightning's logger of a new log, or of the one that goes on."""

    @property
    @override
    def name(self) -> str:
        """The training's name."""
        return self._run

    @property
    @override
    def version(self) -> str:
        """Nothing: a training has one log."""
        return ""

    @override
    @rank_zero_only
    def log_hyperparams(self, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:
        """Begin the log with the training's settings."""
        with _errors_named(self.called):
            self._own = self._own or self.begun()
            self._own.log_hyperparams(dict(params))

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log the values of a step."""
        with _errors_named(self.called):
            self._own = self._own or self.begun()
            self._own.log_metrics(dict(metrics), step)

    @override
    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the log."""
        if self._own is not None:
            with _errors_named(self.called):
                self._own.finalize(status)

    def kept_id(self, kind: str) -> str | None:
        """Return the id of the log that an interrupted training left, if there is one."""
        return self._kept().get(kind)

    def keep_id(self, kind: str, value: str) -> str:
        """Keep the id of a log for the next start, and return it."""
        with written_beside(self._ids) as beside:
            beside.write_text(json.dumps(self._kept() | {kind: value}), encoding="utf-8")
        return value

    def _kept(self) -> dict[str, str]:
        return json.loads(self._ids.read_text(encoding="utf-8")) if self._ids.is_file() else {}


class _TensorBoard(RunLogger):
    called = "TensorBoard"

    def __init__(self, folder: Path, *, run: str, ids: Path) -> None:
        super().__init__(folder, run=run, ids=ids)
        self._params: Mapping[str, Any] = {}
        self._first: int | None = None

    @classmethod
    @override
    def check(cls, folder: Path) -> None:
        check_extra("tensorboard", extra="tensorboard", what="a TensorBoard log")

    @override
    def begun(self) -> Logger:
        from lightning.pytorch.loggers import TensorBoardLogger

        # What an interrupted training had logged from the first step on is hidden.
        return TensorBoardLogger(
            self._folder, name="", version=self._run, default_hp_metric=False, purge_step=self._first
        )

    @override
    @rank_zero_only
    def log_hyperparams(self, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:
        # Written with the first values, since the step that hides earlier ones is known by then.
        self._params = params

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if self._own is None:
            self._first = step
            super().log_hyperparams(self._params)
        super().log_metrics(metrics, step)
        # A row can take an hour: without this, it would be seen late.
        getattr(self._own, "experiment").flush()  # noqa: B009  # of Lightning's TensorBoardLogger


class _Wandb(RunLogger):
    called = "Weights & Biases"

    @classmethod
    @override
    def check(cls, folder: Path) -> None:
        check_extra("wandb", extra="wandb", what="a Weights & Biases log")
        import wandb

        mode = os.environ.get("WANDB_MODE") or wandb.setup().settings.mode
        if mode in ("online", "shared") and not wandb.login(prompt=False, verify=False):
            raise ValueError(
                "a Weights & Biases log needs an account's key, found none: run `wandb login`, or set "
                "WANDB_MODE=offline, which writes a log here and sends nothing"
            )

    @override
    def begun(self) -> Logger:
        import wandb
        from lightning.pytorch.loggers import WandbLogger

        self._folder.mkdir(parents=True, exist_ok=True)
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            name=self._run,
            id=self.kept_id("wandb") or self.keep_id("wandb", secrets.token_hex(4)),
            dir=os.fspath(self._folder),
            resume="allow",
            reinit="create_new",
            # Settings and values only: nothing of the machine, its command lines, its screen or its code.
            settings=wandb.Settings(
                mode=os.environ.get("WANDB_MODE") or None,  # pyright: ignore[reportArgumentType]  # checked there
                console="off",
                save_code=False,
                disable_code=True,
                disable_git=True,
                x_disable_meta=True,
                x_disable_stats=True,
                x_disable_machine_info=True,
            ),
        )
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        return WandbLogger(experiment=run)

    @override
    @rank_zero_only
    def finalize(self, status: str) -> None:
        super().finalize(status)
        if self._own is not None:
            with _errors_named(self.called):
                getattr(self._own, "experiment").finish(exit_code=int(status != "success"))  # noqa: B009


class _MLflow(RunLogger):
    called = "MLflow"

    @classmethod
    @override
    def check(cls, folder: Path) -> None:
        check_extra("mlflow", extra="mlflow", what="an MLflow log")
        if "MLFLOW_TRACKING_URI" not in os.environ:
            check_extra("alembic", extra="mlflow", what="an MLflow log")
        with _errors_named(cls.called):
            _experiment(_mlflow_client(folder), folder)

    @override
    def begun(self) -> Logger:
        from lightning.pytorch.loggers import MLFlowLogger

        uri = _mlflow_uri(self._folder)
        client = _mlflow_client(self._folder)
        # Another server has runs of its own. An address may hold a key, so its digest is kept.
        kind = f"mlflow {sha256(uri.encode()).hexdigest()[:16]}"
        found = self.kept_id(kind)
        if found is None:
            experiment = _experiment(client, self._folder)
            made = client.create_run(experiment, run_name=self._run)
            found = self.keep_id(kind, made.info.run_id)
        else:
            client.update_run(found, status="RUNNING")
        return MLFlowLogger(tracking_uri=uri, run_id=found)


def _mlflow_uri(folder: Path) -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder / 'mlflow.db').resolve().as_posix()}"


def _mlflow_client(folder: Path) -> "MlflowClient":
    # Read when the library is loaded: without it, it tells its makers how it is used.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # Half a minute for a server that does not answer, not four.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
    from mlflow import MlflowClient

    # It announces the tables of a new database.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    if "MLFLOW_TRACKING_URI" not in os.environ:
        folder.mkdir(parents=True, exist_ok=True)
    return MlflowClient(_mlflow_uri(folder))


def _experiment(client: "MlflowClient", folder: Path) -> str:
    """Return the id of the experiment, made where there is none."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
    found = client.get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    beside = None if "MLFLOW_TRACKING_URI" in os.environ else (folder / "mlflow").resolve().as_uri()
    return client.create_experiment(name, artifact_location=beside)


KINDS: dict[str, type[RunLogger]] = {"mlflow": _MLflow, "tensorboard": _TensorBoard, "wandb": _Wandb}


def check_logs(names: Iterable[str], /, *, folder: str | os.PathLike[str]) -> None:
    """Raise, before any work, unless trainings can be logged so.

    Parameters
    ----------
    names
        As for `run_loggers`.
    folder
        Where logs are written.

    Raises
    ------
    ValueError
        If a name is unknown, its package is not installed, or Weights & Biases has no key and is to send.
    OSError
        If MLflow's server does not answer, or the folder cannot be written.
    """
    for name in names:
        if name not in KINDS:
            raise ValueError(unknown_name("log", name, KINDS))
        KINDS[name].check(Path(folder))


def run_loggers(
    names: Sequence[str],
    /,
    *,
    out: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    run: str | None = None,
) -> list[Logger]:
    """Return loggers for `train`, by name; an interrupted training goes on in the same logs.

    Weights & Biases and MLflow are set by their own variables of the environment. ``WANDB_MODE=offline``
    sends nothing; without ``MLFLOW_TRACKING_URI`` MLflow writes ``mlflow.db`` into the folder.

    Parameters
    ----------
    names
        Of ``"tensorboard"``, ``"wandb"`` (Weights & Biases) and ``"mlflow"``, each an extra of this package.
    out
        The training's model folder, beside which the logs' ids are kept until it is whole.
    folder
        Where logs are written; by default ``logs`` beside ``out``.
    run
        What the training is called there; by default the name of ``out``.

    Raises
    ------
    ValueError, OSError
        As `check_logs`.

    Examples
    --------
    >>> run_loggers(["tensorbord"], out="model")
    Traceback (most recent call last):
    ValueError: log must be one of mlflow, tensorboard, wandb, got 'tensorbord'; did you mean 'tensorboard'?
    """
    out = Path(out)
    folder = out.parent / "logs" if folder is None else Path(folder)
    check_logs(names, folder=folder)
    ids = out.with_name(f"{out.name}.partial") / IDS
    return [KINDS[name](folder, run=run or out.name, ids=ids) for name in dict.fromkeys(names)]


@contextmanager
def logged(loggers: Sequence[Logger], settings: Mapping[str, Any]) -> Generator[None]:
    """Give loggers the settings of the training inside the block, and end the logs with it."""
    told = _without_keys(settings)
    for logger in loggers:
        logger.log_hyperparams(told)
    status = "failed"
    try:
        yield
        status = "success"
    finally:
        for logger in loggers:
            logger.finalize(status)


def log_row(loggers: Sequence[Logger], row: Mapping[str, float], *, step: int) -> None:
    """Give loggers the values of a row of the history that are numbers."""
    values = {name: value for name, value in row.items() if name != "step" and not math.isnan(value)}
    for logger in loggers:
        logger.log_metrics(values, step)


def _without_keys(value: Any) -> Any:
    """Return settings whose addresses have no user, password and query, in which keys may stand.

    Examples
    --------
    >>> _without_keys({"start": ["https://me:key@host/a?token=1"], "seed": 1})
    {'start': ['https://host/a'], 'seed': 1}
    """
    if isinstance(value, Mapping):
        return {name: _without_keys(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_keys(each) for each in value]
    if isinstance(value, str) and "://" in value:
        parts = urlsplit(value)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return value


@contextmanager
def _errors_named(called: str) -> Generator[None]:
    """Turn the errors of a library that logs into one that says what to do."""
    try:
        yield
    except Exception as error:
        raise OSError(
            f"{called} must take the training's log, got: {one_line(error)}; give the same command again "
            "when it does, which goes on from the last checkpoint, or leave this log out"
        ) from error
