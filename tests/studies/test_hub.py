"""The Hub's real client against a stand-in server at HF_ENDPOINT: what is fetched, pinned and cached, and every failure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.checkpoints import build_checkpoint
from support.hub import StandIn, commit_of
from support.tiny import findings

RESOLVE = """
import json, sys
from transfergain.checkpoint import resolve
from transfergain.errors import UserError
try:
    print(json.dumps(vars(resolve(*sys.argv[1:]))))
except UserError as error:
    print(json.dumps({"refused": str(error)}))
"""
FETCHED = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two checkpoints of one name, the first with a pickle beside its weights, and one of a pickle alone."""
    root = tmp_path_factory.mktemp("repos")
    main, old = (Path(build_checkpoint("bert", root / name, seed=seed)) for seed, name in enumerate(("main", "old")))
    (main / "pytorch_model.bin").write_bytes(b"no model")
    (main / "README.md").write_text("a card")
    pickled = root / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text('{"model_type": "bert"}')
    (pickled / "pytorch_model.bin").write_bytes(b"no model")
    return {"main": main, "old": old, "pickled": pickled}


@pytest.fixture
def hub(folders):
    repos = {"org/tiny": {"main": folders["main"], "v1": folders["old"]}, "org/pickled": {"main": folders["pickled"]}}
    with StandIn(repos) as server:
        yield server


@pytest.fixture
def resolve(hub, tmp_path):
    """Resolves a checkpoint in a fresh process, as its client reads the environment once; the answer as a dict."""

    def call(*arguments, **variables):
        known = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        env = {**known, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache")} | variables
        done = subprocess.run([sys.executable, "-c", RESOLVE, *arguments], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert "\n" not in answer.get("refused", "")
        return answer

    return call


def test_download_fetches_what_is_needed_once_and_pins_the_commit(hub, resolve, folders):
    found = resolve("org/tiny")
    assert hub.downloaded() == FETCHED  # no pickle, no card
    assert found["revision"] == commit_of(folders["main"])
    here, there = (Path(folder) / "model.safetensors" for folder in (found["path"], folders["main"]))
    assert here.read_bytes() == there.read_bytes()
    hub.seen.clear()
    assert resolve("org/tiny") == found
    assert hub.downloaded() == []


def test_a_tag_and_its_commit_are_the_same_revision(hub, resolve, folders):
    by_tag = resolve("org/tiny", "v1")
    assert by_tag["revision"] == commit_of(folders["old"]) != commit_of(folders["main"])
    hub.seen.clear()
    assert resolve("org/tiny", by_tag["revision"]) == by_tag
    assert hub.downloaded() == []


def test_the_cache_answers_offline_and_when_the_hub_is_down(hub, resolve):
    found = resolve("org/tiny")
    hub.seen.clear()
    assert resolve("org/tiny", HF_HUB_OFFLINE="1") == found
    assert hub.seen == []
    hub.broken = 503
    assert resolve("org/tiny") == found
    assert resolve("org/tiny", HF_ENDPOINT="http://127.0.0.1:9") == found


def test_without_a_cache_offline_and_down_are_one_line_each(hub, resolve, tmp_path):
    said = resolve("org/tiny", HF_HUB_OFFLINE="1")["refused"]
    assert f"not whole in the cache {tmp_path / 'cache' / 'hub'}, and HF_HUB_OFFLINE" in said
    assert hub.seen == []
    said = resolve("org/tiny", HF_ENDPOINT="http://127.0.0.1:9")["refused"]
    assert "the Hub at http://127.0.0.1:9 cannot be reached" in said
    hub.broken = 500
    assert "500" in resolve("org/tiny")["refused"]


def test_a_private_model_takes_a_token(hub, resolve):
    hub.token = "hf_secret"
    for variables in ({}, {"HF_TOKEN": "hf_wrong"}):
        said = resolve("org/tiny", **variables)["refused"]
        assert said.startswith('--model "org/tiny" is neither a folder here nor a model that the Hub at http://127.0.0.1:')
        assert "set HF_TOKEN" in said and "hf_wrong" not in said
    assert "path" in resolve("org/tiny", HF_TOKEN="hf_secret")


def test_a_gated_model_says_how_to_get_it(hub, resolve):
    hub.gated.add("org/tiny")
    assert "is gated: accept its terms" in resolve("org/tiny")["refused"]


def test_unknown_names_and_revisions(resolve):
    assert "check the name" in resolve("org/none")["refused"]
    assert resolve("org/tiny", "v9")["refused"].startswith('--revision "v9": the Hub at http://127.0.0.1:')
    assert "well-formed Hub id" in resolve("not a/hub/id")["refused"]


def test_weights_that_are_pickles_are_refused_and_not_fetched(hub, resolve):
    assert "no safetensors weights" in resolve("org/pickled")["refused"]
    assert "pytorch_model.bin" not in hub.downloaded()


def test_a_cut_connection_is_one_line_and_the_next_run_goes_on(hub, resolve, tmp_path):
    hub.cut.add("model.safetensors")
    said = resolve("org/tiny")["refused"]
    assert "broke off" in said and "run again, which continues the download" in said
    part = tmp_path / "cache" / "hub" / "models--org--tiny"
    assert not any(part.glob("snapshots/*/model.safetensors"))
    said = resolve("org/tiny", HF_HUB_OFFLINE="1")["refused"]  # half a model is none
    assert "not whole in the cache" in said
    hub.cut.clear()
    assert "path" in resolve("org/tiny")


def test_a_cache_that_cannot_be_written_is_named(hub, resolve, tmp_path):
    (tmp_path / "file").write_text("")
    said = resolve("org/tiny", HF_HOME=str(tmp_path / "file"))["refused"]
    assert f"cannot be stored in {tmp_path / 'file' / 'hub'}" in said and "HF_HOME" in said


def test_a_study_of_a_cached_model_runs_offline(hub, resolve, tmp_path, reviews, folders):
    resolve("org/tiny", "v1")
    hub.seen.clear()
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    keys = "--model org/tiny --revision v1 --arms scratch,full --budgets 40 --seeds 1 --tune 0 --epochs 1 --min-steps 10"
    places = ["--device", "cpu", "--workers", "1", "--train-file", reviews, "--output-dir", str(tmp_path / "run")]
    command = [sys.executable, "-m", "transfergain", "run", *keys.split(), "--precision", "fp32", *places]
    done = subprocess.run(command, env=env, capture_output=True)
    assert (done.returncode, hub.seen) == (0, [])
    assert findings(tmp_path / "run")["study"]["revision"] == commit_of(folders["old"])
