"""Read regions off one encoder by further probes than the paper's: neighbours, and attentive pooling."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from jaxtyping import Int64

from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.dense import NO_MAPS, why_no_maps
from mtneuro_suite.steps.embedder import Embedder, ModelEmbedder, Samples, embedder
from mtneuro_suite.steps.regions import accuracy_rows, confusion_of, tests_of

if TYPE_CHECKING:
    from mtneuro_ssl import Model

VECTORS_ALONE = "embeddings of a file are a vector a sample, without the places that pooling attends to"
"""Why attentive pooling cannot learn from them."""

Probe = Literal["knn", "attentive"]


class Probes(Step):
    """Read regions off the encoder of role ``encoder``, as learnt from role ``train``, on each ``test TASK``.

    Samples are the corners of images, as for the paper's linear readout. Role ``encoder`` may be embeddings
    that were given in its place, whose neighbours are asked too.
    """

    kind: ClassVar = "probes"

    model: str
    seed: int
    training_set: str
    probes: tuple[Probe, ...]
    neighbours: int
    """Nearest training samples, by cosine, whose most common region is a sample's."""

    place: Literal["auto", "cpu", "cuda", "mps"] = "cpu"
    """Where it computes."""

    @property
    def device(self) -> str:
        """Where the encoder and the attentive pooling compute."""
        return self.place

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Return accuracies and confusion matrices."""
        reader = embedder(roles["encoder"][0], device=self.place)
        model = reader.model if isinstance(reader, ModelEmbedder) else None
        train = Samples(folders=roles["train"], view="corners")
        tests = {task: Samples(folders=folders, view="corners") for task, folders in tests_of(roles).items()}
        rows: list[Row] = []
        extra: dict[str, Any] = {}
        for done, probe in enumerate(self.probes, start=1):
            found: dict[str, Int64[np.ndarray, " n"]] = {}
            if probe == "knn":
                found = self._by_neighbours(reader, train, tests)
            elif model is None:
                extra[NO_MAPS] = VECTORS_ALONE
            elif reason := why_no_maps(model, train.arrays.images):
                extra[NO_MAPS] = reason
            else:
                found = self._by_attention(model, train, tests)
            for task, test in tests.items():
                confusion = None
                if task in found:
                    truth = test.arrays
                    confusion = confusion_of(truth.region, found[task], len(truth.region_names))
                    extra[f"confusion {task} {probe}"] = confusion.tolist()
                rows += self._rows(probe, task, confusion)
            progress(done, len(self.probes))
        return Outcome(rows, {**extra, "region_names": list(train.arrays.region_names)})

    def _by_neighbours(
        self, reader: Embedder, train: Samples, tests: Mapping[str, Samples]
    ) -> dict[str, Int64[np.ndarray, " n"]]:
        from mtneuro_probe import region_readout

        known = reader.embed(train)
        return {
            task: region_readout(
                known,
                train.arrays.region,
                reader.embed(test),
                test.arrays.region,
                class_names=train.arrays.region_names,
                classifier="knn",
                n_neighbors=self.neighbours,
            ).predicted
            for task, test in tests.items()
        }

    def _by_attention(
        self, model: "Model", train: Samples, tests: Mapping[str, Samples]
    ) -> dict[str, Int64[np.ndarray, " n"]]:
        from mtneuro_ssl import AttentiveProbeSettings, fit_attentive_probe

        probe = fit_attentive_probe(
            model,
            train.arrays.images,
            train.arrays.region,
            AttentiveProbeSettings(seed=self.seed),
            classes=len(train.arrays.region_names),
        )
        return {task: probe.predict(test.arrays.images) for task, test in tests.items()}

    def _rows(self, probe: str, task: str, confusion: Int64[np.ndarray, "c c"] | None) -> list[Row]:
        key = self.model_dump(include={"model", "seed", "training_set"})
        if confusion is not None:
            return accuracy_rows(confusion, f"corners_{probe}", task=task, **key)
        return [
            Row(
                **key,
                task=task,
                test_set=f"{task}:test",
                metric=f"{metric}_corners_{probe}",
                value=None,
                n=0,
                note=NO_MAPS,
            )
            for metric in ("accuracy", "balanced_accuracy")
        ]
