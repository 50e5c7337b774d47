import csv

from mtneuro_suite.report.expense import by_kind, expense_csv, shown_columns, summed


def cost(kind="encoder", **known):
    return {"kind": kind, "seconds": 10.0, "peak_memory_mib": 5, **known}


def test_kinds_of_runs_are_summed_and_their_memory_is_the_most():
    costs = [cost(cpu_seconds=4.0), cost(cpu_seconds=5.0, peak_memory_mib=9), cost("arrays", cpu_seconds=1.0)]
    encoder, arrays = by_kind(costs)
    assert (encoder["kind"], encoder["runs"], encoder["seconds"]) == ("encoder", 2, 20)
    assert (encoder["cpu_seconds"], encoder["peak_memory_mib"]) == (9, 9)
    assert (arrays["runs"], arrays["partly"]) == (1, {"gpu_seconds"})


def test_a_sum_says_where_it_lacks_some_and_an_energy_that_none_knows_is_left_out():
    costs = [cost(cpu_seconds=4.0, gpu_seconds=0.0, cpu_kwh=0.5), cost(cpu_seconds=4.0, gpu_seconds=0.0)]
    found = summed(costs, kind="all")
    assert (found["cpu_kwh"], found["partly"]) == (0.5, {"cpu_kwh"})
    assert "gpu_kwh" not in found
    assert shown_columns(costs) == {"cpu_seconds": "processor time", "cpu_kwh": "processor, kWh"}


def test_costs_are_written_a_line_a_run_and_energies_only_where_known(finished):
    plan, store, _ = finished
    rows = list(csv.DictReader(expense_csv(plan, store).splitlines()))
    assert [row["run"] for row in rows] == [run.id for run in plan.runs]
    assert all(float(row["seconds"]) > 0 for row in rows)
    assert {"cpu_seconds", "gpu_seconds", "device"} <= rows[0].keys()
    assert "gpu_kwh" not in rows[0]
    assert all((row["cpu_kwh"] == "") == (row["kind"] == "arrays") for row in rows)
