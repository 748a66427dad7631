"""The Hub's real client against a stand-in server at HF_ENDPOINT: what is fetched, pinned and cached, and every failure."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.checkpoints import build_checkpoint
from support.hub import StandIn, commit_of
from support.old_weights import write_bin
from support.tiny import findings

RESOLVE = """
import hashlib, json, sys
from pathlib import Path
from transfergain.checkpoint import resolve
from transfergain.errors import UserError
try:
    found = vars(resolve(*sys.argv[1:]))
    files = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in Path(found["path"]).iterdir()}
    print(json.dumps(found | {"path": files}))  # its private folder goes with this process
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


LAYOUTS = {
    "marian": ["source.spm", "target.spm", "vocab.json", "tokenizer_config.json", "generation_config.json"],
    "t5": ["spiece.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"],
    "xlm-roberta": ["sentencepiece.bpe.model", "tokenizer.json", "tokenizer_config.json"],
    "mbart": ["sentencepiece.bpe.model", "tokenizer_config.json", "special_tokens_map.json"],
    "nllb": ["sentencepiece.bpe.model", "tokenizer.json", "added_tokens.json"],
    "bert": ["vocab.txt", "tokenizer_config.json"],
    "gpt2": ["vocab.json", "merges.txt", "tokenizer.json"],
    "modernbert": ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"],
    "deberta-v2": ["spm.model", "tokenizer_config.json"],
    "phobert": ["vocab.txt", "bpe.codes"],
    "prophetnet": ["prophetnet.tokenizer"],
}
"""Kind -> what a repository of it has beside config and weights, as published."""
UNWANTED = ["pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "rust_model.ot", "README.md", "modeling_x.py"]


@pytest.fixture(scope="module")
def published(folders, tmp_path_factory):
    """Id of a repository -> its folder, laid out as those of its kind, with files that are not to be fetched."""
    laid = {}
    for kind, files in LAYOUTS.items():
        folder = laid[f"org/{kind}"] = tmp_path_factory.mktemp(kind)
        for file in ("config.json", "model.safetensors"):
            (folder / file).write_bytes((folders["main"] / file).read_bytes())
        for file in [*files, *UNWANTED]:
            (folder / file).write_text("{}")
    return laid


def test_every_file_that_a_tokenizer_asks_for_arrives_and_is_loaded(hub, published, tmp_path):
    """One process for all: its client is the slow part."""
    hub.repos |= {name: {"main": folder} for name, folder in published.items()}
    code = (
        "import json, os, sys\nfrom transfergain.checkpoint import resolve\n"
        "print(json.dumps({name: sorted(os.listdir(resolve(name).path)) for name in sys.argv[1:]}))"
    )
    known = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    env = {**known, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code, *published], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted = {f"org/{kind}": sorted(["config.json", "model.safetensors", *files]) for kind, files in LAYOUTS.items()}
    assert json.loads(done.stdout) == wanted
    assert not set(UNWANTED) & set(hub.downloaded())


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
    there = (folders["main"] / "model.safetensors").read_bytes()
    assert found["path"]["model.safetensors"] == hashlib.sha256(there).hexdigest()
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
    assert resolve("org/pickled")["refused"].endswith(
        "convert it once: transfergain convert org/pickled pickled-safetensors"
    )
    assert "pytorch_model.bin" not in hub.downloaded()


def test_a_model_that_is_a_pickle_alone_is_converted_as_the_line_says(hub, folders, resolve, tmp_path):
    """With weights of TensorFlow and Flax beside it, which stay where they are."""
    from transformers import AutoModel

    old = Path(shutil.copytree(folders["main"], tmp_path / "old"))
    write_bin(old, AutoModel.from_pretrained(folders["main"]))
    for other in ("tf_model.h5", "flax_model.msgpack"):
        (old / other).write_bytes(b"x")
    hub.repos["org/old"] = {"main": old}
    line = resolve("org/old")["refused"].rpartition("convert it once: ")[2]
    known = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    env = {**known, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", *line.split()]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "old-safetensors written: BertModel" in done.stdout
    weights = [name for name in hub.downloaded() if name.endswith((".bin", ".h5", ".msgpack", ".safetensors"))]
    assert weights == ["pytorch_model.bin"]
    assert "refused" not in resolve(str(tmp_path / "old-safetensors"))


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
