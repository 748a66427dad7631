import pytest

from transfergain.errors import UserError
from transfergain.study import Study, load
from transfergain.study.times import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("20m", 1200), ("1h30m", 5400), ("2h", 7200), ("1H 5s", 3605), (" 3m ", 180)]
)
def test_a_length_of_time_is_read(text, seconds):
    assert seconds_of(text) == seconds
    assert load({"time_limit": text}).seconds() == seconds


@pytest.mark.parametrize("text", ["20", "0", "0s", "", "m", "1.5h", "30m1h", "20 minutes", "-5m", "soon"])
def test_what_is_no_length_of_time_is_refused_in_one_line(text):
    with pytest.raises(UserError, match=r"^--time-limit: needs a unit: write \d+m for \d+ minutes, 90s or 1h30m"):
        load({"time_limit": text})


def test_a_plain_number_is_refused_with_what_to_write(tmp_path):
    with pytest.raises(UserError, match=r"^--time-limit: needs a unit: write 45m for 45 minutes"):
        load({"time_limit": "45"})
    (tmp_path / "study.toml").write_text("time_limit = 45\n")
    with pytest.raises(UserError, match=r"study\.toml: time_limit: needs a unit: write 45m for 45 minutes"):
        load({}, str(tmp_path / "study.toml"))


def test_without_a_limit_there_is_none():
    assert Study().seconds() is None
