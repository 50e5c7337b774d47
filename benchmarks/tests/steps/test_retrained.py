import json
from typing import Any

from mtneuro_seg import TrainSettings, load_model

from mtneuro_suite.steps import Retrained

KEY: dict[str, Any] = {
    "model": "mine",
    "task": "t",
    "training_set": "t:train+val",
    "test_set": "t:test",
    "seed": 7,
}


def test_a_network_is_trained_as_the_search_chose_with_its_own_seed(arrays_folder, dark_and_bright, tmp_path):
    images, _ = dark_and_bright
    folder = arrays_folder("all", images, masks=images > 120, class_names=("background", "cell"))
    base = TrainSettings(model="unet", classes=2, filters=4, levels=2, steps=1, batch_size=2, device="cpu")
    chosen = base.model_copy(update={"batch_size": 3, "learning_rate": 0.01, "optimiser": "sgd", "seed": 1})
    choice = tmp_path / "choice"
    choice.mkdir()
    found = {"extra": {"settings": chosen.model_dump(mode="json")}}
    (choice / "result.json").write_text(json.dumps(found))
    step = Retrained(**KEY, train=base.model_copy(update={"seed": 7}))
    roles = {"choice": [choice], "train": [folder], "test": [folder]}
    outcome = step.run(roles, tmp_path, lambda done, total: None)
    trained = load_model(tmp_path / "model").settings
    assert (trained.batch_size, trained.learning_rate, trained.optimiser) == (3, 0.01, "sgd")
    assert trained.seed == 7
    assert {row.seed for row in outcome.rows} == {7}
    assert step.kind == "retrained"
