"""Read the classes of pixels off the feature maps of a frozen encoder, and score it as networks are."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from jaxtyping import Real
from mtneuro_ssl import PixelProbeSettings

from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.step import Outcome, Progress, Roles
from mtneuro_suite.steps.reading import labelled_arrays
from mtneuro_suite.steps.segmentation_scores import ScoredNetwork, scored_prediction
from mtneuro_suite.steps.trained_encoder import trained_encoder

if TYPE_CHECKING:
    from mtneuro_ssl import Model

NO_MAPS = "no feature maps"
"""Note of a row whose encoder has none."""


def why_no_maps(model: "Model", images: Real[np.ndarray, "n *size"]) -> str:
    """Return why a model has no feature maps of some images; nothing where it has."""
    try:
        next(iter(model.feature_maps(images[:1])))
    except ValueError as error:
        return str(error)
    return ""


class Dense(ScoredNetwork):
    """Fit a head to the encoder of role ``encoder`` on role ``train``, and score it on role ``test``.

    The encoder is given whole images, of Task 2's resolution.
    """

    kind: ClassVar = "dense"

    frozen: str
    """The encoder's row in Task 1."""

    probe: PixelProbeSettings
    """What head is fitted, and how."""

    place: Literal["auto", "cpu", "cuda", "mps"] = "cpu"
    """Where it computes."""

    @property
    def device(self) -> str:
        """Where the encoder and the head compute."""
        return self.place

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write a probe's folder, ``model``, and examples; return the scores.

        Those of an encoder without feature maps are empty, and say so.
        """
        from mtneuro_ssl import fit_pixel_probe

        model = trained_encoder(roles["encoder"][0], device=self.place)
        data, masks = labelled_arrays(roles["train"])
        if reason := why_no_maps(model, data.images):
            return Outcome(self._empty_rows(data.class_names), {NO_MAPS: reason})
        probe = fit_pixel_probe(
            model, data.images, masks, self.probe, class_names=data.class_names, progress=progress
        )
        probe.save(out / "model")
        test, truth = labelled_arrays(roles["test"])
        extra = {"images": len(data.images), "converged": probe.converged}
        return scored_prediction(probe.predict(test.images), test, truth, self, out, extra=extra)

    def _empty_rows(self, names: tuple[str, ...]) -> list[Row]:
        named = [(metric, name) for metric in ("f1", "iou") for name in (*names, "average")]
        return [
            Row(**self.key, metric=metric, class_name=name, value=None, n=0, note=NO_MAPS)
            for metric, name in (*named, ("accuracy", ""), ("balanced_accuracy", ""))
        ]
