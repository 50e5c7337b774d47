import dataclasses
from typing import Any

import pytest
from mtneuro_data import TaskSpec, builtin_task
from mtneuro_data.provenance import Provenance, provenance_of

PAGE = "https://api.bossdb.io/v1/mgmt/resources/"


def test_the_benchmarks_volume_and_the_phantom_have_licence_papers_and_statements() -> None:
    real = provenance_of(builtin_task("roi-c1"))
    assert (real.license, real.page) == ("CC-BY-4.0", "https://bossdb.org/project/prasad2020")
    assert [work.year for work in real.works] == [2022, 2020]
    computed = provenance_of(builtin_task("roi-c1").with_source("phantom?seed=7"))
    assert "Not a real brain" in str(computed.statements["dataLimitations"])
    assert "IACUC" in str(real.statements["personalSensitiveInformation"])
    assert "IACUC" not in str(computed.statements)


def test_what_is_said_of_labels_is_of_those_that_the_task_reads() -> None:
    regions, pixels = (provenance_of(builtin_task(name)).statements for name in ("roi-c1", "semantics"))
    assert "interpolated" in str(regions["dataAnnotationProtocol"])
    assert "machineAnnotationTools" not in regions
    assert "U-Net" in str(pixels["dataAnnotationProtocol"])
    assert "dataImputationProtocol" not in pixels
    # Statements on one subject are joined: those of the volume, and that of its axons.
    assert len(pixels["dataLimitations"]) == len(regions["dataLimitations"]) + 1


@pytest.mark.parametrize(
    ("image", "known"),
    [
        ("bossdb://prasad/prasad2020/image", True),
        ("bossdb://prasad/prasad2020/image/2", True),
        (f"{PAGE}prasad/prasad2020/image/", True),
        ("phantom://image?shape=40,150,200", True),
        ("bossdb://prasad/prasad2020/image2", False),
        ("bossdb://notprasad/prasad2020/image", False),
        ("bossdb://prasad/prasad_analysis/pixel_labels", False),
        ("prasad/prasad2020/image", False),
        ("phantom://pixel_labels", False),
        ("lab.npy", False),
    ],
)
def test_only_the_benchmarks_volume_and_the_phantom_are_known(
    task: TaskSpec, image: str, known: bool
) -> None:
    assert bool(provenance_of(task.replaced(image=image)).title) == known


def test_of_labels_of_ones_own_nothing_is_said(task: TaskSpec) -> None:
    own = provenance_of(task.replaced(image="bossdb://prasad/prasad2020/image"))
    assert own.license == "CC-BY-4.0"
    assert (own.labels_made, own.statements.keys() & {"dataAnnotationProtocol"}) == ((), set())
    crossed: dict[str, Any] = {
        "image": "phantom://image",
        "annotation": "bossdb://prasad/prasad_analysis/pixel_labels",
    }
    assert provenance_of(task.replaced(**crossed)).labels_made == ()


def test_nothing_known_is_empty(task: TaskSpec) -> None:
    assert provenance_of(task) == Provenance()
    assert not any(getattr(Provenance(), each.name) for each in dataclasses.fields(Provenance))


def test_a_paper_is_an_entry_of_bibtex() -> None:
    paper = provenance_of(builtin_task("roi-c1")).works[1]
    head, *fields, end = paper.bibtex.splitlines()
    assert (head, end) == ("@article{prasad2020thalamocortical,", "}")
    parsed = dict(line.strip().removesuffix(",").split(" = ", 1) for line in fields)
    assert parsed["journal"] == "{Scientific Data}"
    assert parsed["doi"] == "{10.1038/s41597-020-00692-y}"
    assert parsed["author"].count(" and ") == len(paper.authors) - 1
    assert paper.in_words.startswith("Prasad et al., A three-dimensional thalamocortical dataset")
