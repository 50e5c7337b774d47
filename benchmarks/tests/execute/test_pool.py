from mtneuro_suite.execute import pool


def test_each_worker_of_this_machine_has_one_gpu_of_those_that_may_be_used(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    visible = [pool._worker(index, 2)["options"]["env"] for index in range(3)]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in visible] == ["2", "5", "2"]
    assert pool._worker(0, 2)["options"]["resources"] == {"GPU": 1}
    assert "resources" not in pool._worker(0, 0)["options"]
