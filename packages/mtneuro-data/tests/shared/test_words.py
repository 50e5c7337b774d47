"""Error messages: unknown names, and errors as one line."""

import pytest
from mtneuro_data._shared.words import one_line, unknown_name
from pydantic import BaseModel, ConfigDict, ValidationError


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    epochs: int = 1


def test_the_nearest_name_is_found_whatever_its_case():
    assert unknown_name("encoder", "RESNET18", ["resnet18", "unet"]).endswith("did you mean 'resnet18'?")


def test_a_name_like_no_other_gets_no_guess():
    assert (
        unknown_name("split", "qqqqq", ["train", "test"]) == "split must be one of train, test, got 'qqqqq'"
    )


def test_a_long_list_is_written_out_only_where_no_name_is_near():
    names = [f"setting_{number}" for number in range(30)]
    assert unknown_name("a key", "seting_7", names).startswith("a key must be one of 30 known names, got")
    assert unknown_name("a key", "qqqqq", names).startswith("a key must be one of setting_0, setting_1, ")


def test_a_models_error_says_where_and_what_was_got():
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({"epochs": "many"})
    assert one_line(caught.value).startswith("epochs must be a whole number")
    assert one_line(caught.value).endswith("got 'many'")


def test_a_value_that_is_missing_is_told_in_plain_words():
    class Needs(BaseModel):
        name: str

    with pytest.raises(ValidationError) as caught:
        Needs.model_validate({})
    assert one_line(caught.value) == "name must be given"


def test_a_file_that_is_no_json_is_not_shown_whole():
    with pytest.raises(ValidationError) as caught:
        Model.model_validate_json(b"# A page\n" * 1000)
    assert one_line(caught.value).startswith("Invalid JSON: ")
    assert "page" not in one_line(caught.value)


def test_every_fault_of_a_model_is_told_on_the_line():
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({"epochs": "many", "steps": 3})
    assert one_line(caught.value).count(";") == 1


def test_an_error_of_the_system_is_told_in_words_and_not_by_number():
    assert one_line(OSError(28, "No space left on device")) == "No space left on device"


def test_the_systems_number_is_left_out_of_a_librarys_text_too():
    error = ValueError("it cannot be read: [Errno 28] No space left on device, [Errno -2] Name unknown")
    assert one_line(error) == "it cannot be read: No space left on device, Name unknown"
