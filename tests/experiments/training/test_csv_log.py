import pytest

from hirl_experiments.training.csv_log import CsvLog


def test_a_row_that_was_cut_off_is_not_read(tmp_path):
    log = CsvLog(tmp_path / "log.csv")
    for step in (0, 1):
        log.write({"step": step, "gain": 12.5})
    log.path.write_bytes(log.path.read_bytes()[:-4])
    assert log.read() == [{"step": "0", "gain": "12.5"}]
    log.rewrite(log.read())
    log.write({"step": 1, "gain": 13.0})
    assert [row["gain"] for row in log.read()] == ["12.5", "13.0"]


def test_other_columns_do_not_come_under_the_same_header(tmp_path):
    log = CsvLog(tmp_path / "log.csv")
    log.write({"step": 0, "mild": 12.5})
    with pytest.raises(ValueError, match="has the columns step, mild, and this is measured on step, noise-25"):
        log.write({"step": 1, "noise-25": 3.0})
