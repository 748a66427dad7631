"""A study file that `init` wrote runs as it is."""

from support.tiny import command, findings, ran

assert ran  # a fixture


def test_init_then_run(tmp_path, monkeypatch, reviews, checkpoints, ran):
    monkeypatch.chdir(tmp_path)
    small = ["--model", checkpoints("bert"), "--budgets", "40", "--seeds", 2, "--tune", 0]
    assert command(monkeypatch, "init", reviews, *small) == 0
    quick = ["--min-steps", 10, "--epochs", 1, "--precision", "fp32", "--device", "cpu", "--workers", 1]
    assert command(monkeypatch, "run", "study.toml", *quick) == 0
    assert findings(tmp_path / "runs" / "reviews")["trials"]["failed"] == 0
    assert {spec.arm for spec in ran} >= {"scratch", "full", "probe", "lora"}
