"""Pretraining: its losses are those of `transformers`, a run that was killed goes on, and what comes out is a checkpoint."""

import gzip
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from rich.console import Console

from support.checkpoints import build_tokenizer
from support.fakes import dataset
from support.texts import FILLER, GOOD, sentences
from transfergain import checkpoint as checkpoints_
from transfergain.course import has_learned
from transfergain.data import unlabelled
from transfergain.engine.batching import IGNORED_LABEL
from transfergain.engine.flops import count
from transfergain.engine.pretraining import Asked, loop, pretrain, whole
from transfergain.engine.pretraining.model import LabelledPositions, build, on_labelled_positions
from transfergain.engine.pretraining.objectives import OBJECTIVES, Alphabet, objective_of
from transfergain.engine.pretraining.packing import Frame, pack
from transfergain.engine.saves import Saves
from transfergain.errors import UserError
from transfergain.running import pretraining as command
from transfergain.running.planner import Planner
from transfergain.running.tryout import fresh_rate, quiet_libraries
from transfergain.seeds import generator
from transfergain.study import Study

pytestmark = pytest.mark.long

KINDS = {
    "bert": "masked",
    "roberta": "masked",
    "distilbert": "masked",
    "gpt2": "next",
    "bart": "infilling",
    "t5": "infilling",
}
FAST = Asked(steps=6, batch_size=4, max_length=16, precision="fp32", device="cpu", learning_rate=1e-3)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def quiet():
    with quiet_libraries():
        yield


@pytest.fixture(scope="module")
def texts():
    return unlabelled.collect([[text for text, _ in sentences(200)]])


def packed(kind, texts, length=16, batch=4):
    return pack(texts, build_tokenizer(kind), length, batch)


def run(checkpoint, texts, folder, asked=FAST, **more):
    return pretrain(checkpoints_.resolve(checkpoint), texts, asked, folder, **more)


def weights(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_out_is_a_checkpoint_here_and_there(kind, checkpoints, texts, tmp_path):
    done = run(checkpoints(kind), texts, tmp_path / "out")
    assert (done.objective, done.steps, done.curve[-1].step) == (KINDS[kind], 6, 6)
    assert done.flops > 0 and math.isfinite(done.loss)
    auto = getattr(transformers, OBJECTIVES[KINDS[kind]].auto_class)
    model, info = auto.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not info["missing_keys"] and not info["mismatched_keys"]
    again = checkpoints_.resolve(str(tmp_path / "out"))
    tokenizer = checkpoints_.load_tokenizer(again)
    assert tokenizer("good film")["input_ids"] == build_tokenizer(kind)("good film")["input_ids"]
    before = transformers.AutoModel.from_pretrained(checkpoints(kind))
    name, moved = next((n, p) for n, p in before.named_parameters() if p.ndim == 2 and "embed" not in n and "wpe" not in n)
    own = dict(getattr(model, "base_model", model).named_parameters())[name]
    assert own.shape == moved.shape and not torch.equal(own, moved)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_drawn_afresh_learn_at_the_rate_of_their_architecture(kind, checkpoints, texts, tmp_path):
    """In the command and in a study alike; what a checkpoint has learned moves at one rate."""
    checkpoint = checkpoints_.resolve(checkpoints(kind))
    fresh = {"masked": 2.5e-4, "next": 5e-4, "infilling": 5e-4}[KINDS[kind]]
    asked = replace(FAST, steps=1, learning_rate=None, from_scratch=True)
    assert run(checkpoints(kind), texts, tmp_path / "fresh", asked).learning_rate == fresh
    assert run(checkpoints(kind), texts, tmp_path / "further", replace(asked, from_scratch=False)).learning_rate == 1e-4
    data = dataset("reviews")
    study = Study(arms="scratch,self,adapted", budgets=[20], max_length=16)
    planner = Planner(study, {"reviews": data}, checkpoint.revision, "fp32", fresh_rate=fresh_rate(checkpoint))
    rates = {arm: planner.pretrainings("reviews", arm)[0].recipe.learning_rate for arm in ("self", "adapted")}
    assert rates == {"self": fresh, "adapted": 1e-4}


def test_the_masked_loss_is_that_of_the_library_on_the_same_masks(checkpoints, texts):
    tokenizer = build_tokenizer("bert")
    tokenizer.add_special_tokens({"mask_token": "[UNK]"})
    model = transformers.AutoModelForMaskedLM.from_pretrained(checkpoints("bert")).eval()
    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    torch.manual_seed(0)
    rows = [tokenizer(text) for text in texts.files[0][:32]]
    batch = collator(rows)
    theirs = model(**batch).loss
    theirs.backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    ours = LabelledPositions(model)(**{k: v for k, v in batch.items() if k != "token_type_ids"})
    ours.loss.backward()
    assert abs(ours.loss.item() - theirs.item()) < 1e-5
    assert ours.logits.shape[1] == int((batch["labels"] != IGNORED_LABEL).sum()) < batch["labels"].numel() / 3
    for name, p in model.named_parameters():
        if name in expected:
            assert torch.allclose(p.grad, expected[name], atol=1e-5), name


@pytest.mark.parametrize("kind", ["bert", "gpt2", "bart"])
def test_the_operations_are_those_of_the_batches_that_were_trained_on(kind, checkpoints, texts):
    """How many positions are masked varies from step to step, and so does what a step costs."""
    checkpoint = checkpoints_.resolve(checkpoints(kind))
    objective = OBJECTIVES[KINDS[kind]]
    ready = whole._get_ready(checkpoint, texts, FAST, None)
    what = loop.Pretraining(ready.packed, objective, ready.alphabet, ready.recipe, 3, 0, 4)
    module = on_labelled_positions(ready.built.model, objective, what.features(0), 0)
    exact = [count(module, what.features(step), 0) for step in range(4)]
    assert loop.pretrain(ready.built.model, what).flops == sum(exact)
    assert (len(set(exact)) == 1) == (kind == "gpt2")


def test_masks_are_of_whole_words_of_all_kinds_and_new_each_time(texts):
    tokenizer = build_tokenizer("bert")
    blocks, alphabet = packed("bert", texts, 64, 8), Alphabet.of(tokenizer, len(tokenizer))
    corrupt = OBJECTIVES["masked"].corrupt
    tokens = blocks.batch_of(0, 0)
    features = [corrupt(tokens, alphabet, generator("t", step=i)) for i in range(60)]
    labels = np.array([[f["labels"] for f in some] for some in features])
    inputs = np.array([[f["input_ids"] for f in some] for some in features])
    special = alphabet.is_special(tokens.ids)
    chosen = labels != IGNORED_LABEL
    assert not chosen[:, special].any()
    assert abs(chosen[:, ~special].mean() - 0.15) < 0.01
    assert (chosen[0] != chosen[1]).any()
    kept = (inputs == tokens.ids)[chosen].mean()
    masked = (inputs == alphabet.mask)[chosen].mean()
    assert abs(masked - 0.8) < 0.03 and abs(kept - 0.1) < 0.03
    assert (inputs == tokens.ids)[~chosen].all() and (labels == tokens.ids)[chosen].all()


def test_the_tokens_of_a_word_are_masked_together():
    from transfergain.engine.pretraining.packing import Tokens

    ids = np.arange(10, 30, dtype=np.int32)[None]
    starts = np.array([[i % 4 == 0 for i in range(20)]])
    alphabet = Alphabet(100, 3, frozenset({0, 1, 2, 3}))
    for i in range(20):
        (feature,) = OBJECTIVES["masked"].corrupt(Tokens(ids, starts), alphabet, generator("w", step=i))
        chosen = np.array(feature["labels"]).reshape(5, 4) != IGNORED_LABEL
        assert (chosen.all(axis=1) == chosen.any(axis=1)).all() and chosen.any()


def test_infilling_takes_stretches_out_and_asks_for_the_whole(texts):
    tokenizer = build_tokenizer("bart")
    blocks, alphabet = packed("bart", texts, 64, 8), Alphabet.of(tokenizer, len(tokenizer))
    shares = []
    for i in range(20):
        tokens = blocks.batch_of(i, 0)
        features = OBJECTIVES["infilling"].corrupt(tokens, alphabet, generator("t", step=i))
        for feature, ids in zip(features, tokens.ids.tolist(), strict=True):
            inputs = feature["input_ids"]
            assert feature["labels"] == ids and len(inputs) < len(ids)
            assert inputs[0] == ids[0] and inputs[-1] == ids[-1]
            masks = inputs.count(alphabet.mask)
            shares.append((len(ids) - len(inputs) + masks) / len(ids))
            rest = iter(ids)
            assert all(token in rest for token in inputs if token != alphabet.mask)  # in the same order
            assert masks >= 1
    assert 0.2 < np.mean(shares) < 0.4


def test_texts_are_packed_without_padding_and_the_end_is_held_out(texts):
    tokenizer = build_tokenizer("bert")
    blocks = packed("bert", texts)
    frame = Frame.of(tokenizer)
    assert (frame.prefix, frame.suffix, frame.separator) == ((2,), (3,), 3)
    tokens = blocks.batch_of(3, 0)
    assert tokens.ids.shape == (4, 16) and (tokens.ids[:, 0] == 2).all() and (tokens.ids[:, -1] == 3).all()
    assert not (tokens.ids == tokenizer.pad_token_id).any()
    held_out = len(blocks.held_out.ids) / (len(blocks.held_out.ids) + len(blocks.train.ids))
    assert 0.04 < held_out < 0.1 and blocks.train.ids[-1] == frame.separator
    epoch = [blocks.batch_of(step, 0).ids for step in range(blocks.steps_an_epoch)]
    rows = {tuple(row) for ids in epoch for row in ids.tolist()}
    assert len(rows) == blocks.steps_an_epoch * 4  # each sequence once
    assert not np.array_equal(epoch[0], blocks.batch_of(blocks.steps_an_epoch, 0).ids)


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_run_that_was_killed_ends_with_the_same_weights(kind, checkpoints, texts, tmp_path):
    class Killed(Exception):
        pass

    whole = run(checkpoints(kind), texts, tmp_path / "whole")

    def kill(at):
        def progress(step, steps, score):
            if step == at:
                raise Killed

        return progress

    state = tmp_path / "state"
    for at in (2, 5):
        with pytest.raises(Killed):
            run(checkpoints(kind), texts, tmp_path / "killed", progress=kill(at), saves=Saves(state, 0.0))
        assert state.exists() and not (tmp_path / "killed").exists()
    steps = []
    again = run(
        checkpoints(kind), texts, tmp_path / "killed", progress=lambda step, *_: steps.append(step), saves=Saves(state, 0.0)
    )
    assert steps == [5, 6]
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    assert [p.loss for p in again.curve] == [p.loss for p in whole.curve] and not state.exists()


def test_a_decoder_learns_more_than_how_often_each_token_occurs(checkpoints, tmp_path):
    """Planted: every second word follows from the one before it."""
    rng = generator("planted")
    pairs = dict(zip(FILLER, [*GOOD, *GOOD], strict=False))
    rows = [" ".join(w for one in rng.choice(list(pairs), 6) for w in (one, pairs[one])) for _ in range(300)]
    asked = Asked(
        steps=150, batch_size=8, max_length=16, precision="fp32", device="cpu", from_scratch=True, learning_rate=3e-3
    )
    done = run(checkpoints("gpt2"), unlabelled.collect([rows]), tmp_path / "out", asked)
    assert done.loss < done.unigram_loss - 0.3
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    ids = torch.tensor([build_tokenizer("gpt2")(" ".join(rows[0].split()[:8]))["input_ids"]])
    assert model(input_ids=ids, labels=ids).loss.item() < done.unigram_loss


def test_a_new_head_learns_alone_first_and_the_poolers_come_along(checkpoints, texts, tmp_path):
    """Tiny `bert` is a bare encoder: it has no head for masked tokens, but a pooler."""
    folder = checkpoints("bert")
    seen = {}

    def look(step, *_):
        seen[step] = step

    asked = Asked(steps=20, batch_size=4, max_length=16, precision="fp32", device="cpu", learning_rate=1e-3)
    run(folder, texts, tmp_path / "out", asked, progress=look)
    before = transformers.AutoModel.from_pretrained(folder).state_dict()
    after = transformers.AutoModel.from_pretrained(tmp_path / "out").state_dict()
    assert torch.equal(before["pooler.dense.weight"], after["pooler.dense.weight"])
    assert not torch.equal(before["embeddings.word_embeddings.weight"], after["embeddings.word_embeddings.weight"])
    model = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "out")
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight


def test_the_body_stands_still_while_a_new_head_learns(checkpoints, texts):
    from transfergain.arms.base import Blueprint
    from transfergain.types import Recipe

    checkpoint = checkpoints_.resolve(checkpoints("bert"))
    tokenizer = checkpoints_.load_tokenizer(checkpoint)
    config = checkpoints_.load_config(checkpoint, tokenizer, ())
    objective = objective_of(config, "x")
    built = build(Blueprint(checkpoint, objective.auto_class, config, 0), objective, from_scratch=False)
    assert built.new and all(name.startswith("cls.") for name in built.new)
    recipe = Recipe(1e-3, batch_size=4, max_length=16)
    what = loop.Pretraining(
        packed("bert", texts), objective, Alphabet.of(tokenizer, len(tokenizer)), recipe, 0, 0, 30, None, built.new
    )
    before = {name: p.detach().clone() for name, p in built.model.named_parameters()}
    moved = {}

    def look(step, *_):
        moved[step] = {name for name, p in built.model.named_parameters() if not torch.equal(p, before[name])}

    loop.pretrain(built.model, what, look)
    assert moved[3] <= built.new and len(moved[3]) > 2
    assert len(moved[4]) > len(built.new)


def test_from_scratch_with_a_tokenizer_of_its_own_needs_a_config_alone(texts, tmp_path):
    shape = tmp_path / "shape"
    shape.mkdir()
    config = transformers.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64)
    config.save_pretrained(shape)
    keys = {"unlabelled_file": [_file(tmp_path, texts)], "steps": 3, "batch_size": 4, "max_length": 16, "device": "cpu"}
    done = command.pretrain(
        Console(quiet=True), output_dir=str(tmp_path / "out"), model=str(shape), from_scratch=True, train_tokenizer=400,
        threads=1, **keys,
    )  # fmt: skip
    model = transformers.AutoModelForCausalLM.from_pretrained(done.folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(done.folder)
    assert model.config.vocab_size == len(tokenizer) <= 400
    assert tokenizer.decode(tokenizer("ünï good film")["input_ids"]) == "ünï good film"
    with pytest.raises(UserError, match="no tokenizer"):
        command.pretrain(Console(quiet=True), output_dir=str(tmp_path / "b"), model=str(shape), from_scratch=True, **keys)


def test_from_scratch_needs_no_weights(checkpoints, texts, tmp_path):
    """What is drawn afresh has no use for them, and a folder without them is what one writes for a new architecture."""
    shape = tmp_path / "shape"
    transformers.AutoConfig.from_pretrained(checkpoints("bert")).save_pretrained(shape)
    transformers.AutoTokenizer.from_pretrained(checkpoints("bert")).save_pretrained(shape)
    keys = {"unlabelled_file": [_file(tmp_path, texts)], "steps": 3, "batch_size": 4, "max_length": 16, "device": "cpu"}
    done = command.pretrain(
        Console(quiet=True), output_dir=str(tmp_path / "out"), model=str(shape), from_scratch=True, threads=1, **keys
    )
    assert transformers.AutoModelForMaskedLM.from_pretrained(done.folder).config.vocab_size > 0
    with pytest.raises(UserError, match="holds no weights"):
        command.pretrain(Console(quiet=True), output_dir=str(tmp_path / "b"), model=str(shape), threads=1, **keys)


def test_a_mask_without_an_embedding_is_not_used():
    """Published models of the BART kind that summarise lack it."""
    tokenizer = build_tokenizer("bart")
    tokenizer.add_special_tokens({"mask_token": "<mask>"})
    with_mask = Alphabet.of(tokenizer, len(tokenizer))
    without = Alphabet.of(tokenizer, tokenizer.mask_token_id)
    assert with_mask.mask == tokenizer.mask_token_id and without.mask == tokenizer.unk_token_id
    assert without.size <= tokenizer.mask_token_id


def test_a_model_that_copies_has_not_learned(checkpoints, texts, tmp_path):
    """An encoder-decoder writes the whole text, of which it sees most: only what is taken out is to be learned."""
    counting = {}
    for kind in ("bert", "bart"):
        counting[kind] = packed(kind, texts).unigram_loss()
        assert run(checkpoints(kind), texts, tmp_path / kind).unigram_loss == pytest.approx(
            counting[kind] * (0.3 if kind == "bart" else 1.0)
        )
    assert not has_learned(0.29 * counting["bart"], 0.3 * counting["bart"])


def test_the_state_is_kept_until_the_model_is_saved(checkpoints, texts, tmp_path, monkeypatch):
    state = tmp_path / "state"

    def full_disk(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(whole, "save", full_disk)
        with pytest.raises(OSError, match="no space"):
            run(checkpoints("bert"), texts, tmp_path / "out", saves=Saves(state, 0.0))
    assert state.exists()
    run(checkpoints("bert"), texts, tmp_path / "out", saves=Saves(state, 0.0))
    assert not state.exists()


def _file(folder, texts, name="texts.txt"):
    (folder / name).write_text("\n".join(t for own in texts.files for t in own), "utf-8")
    return str(folder / name)


def test_the_command_writes_a_folder_with_its_story_and_does_nothing_twice(
    checkpoints, texts, tmp_path, monkeypatch, capsys
):
    from support.tiny import command as cli

    arguments = ["pretrain", "--model", checkpoints("bert"), "--unlabelled-file", _file(tmp_path, texts), "--steps", 3,
                 "--batch-size", 4, "--max-length", 16, "--output-dir", tmp_path / "out", "--threads", 1]  # fmt: skip
    assert cli(monkeypatch, *arguments) == 0
    out = capsys.readouterr()
    assert "3 steps" in out.out and "unigram model" in out.out and "--model" in out.out and "step 3 of 3" in out.err
    assert "learned little yet" in out.out + out.err
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert texts.fingerprint in card and "| 3 |" in card and str(tmp_path) not in card
    result = json.loads((tmp_path / "out" / "pretraining.json").read_text("utf-8"))
    assert result["steps"] == 3 and result["curve"][-1][0] == 3
    assert not (tmp_path / "out" / ".pretraining").exists()
    before = weights(tmp_path / "out")
    assert cli(monkeypatch, *arguments) == 0 and "done already" in capsys.readouterr().out
    assert weights(tmp_path / "out") == before
    assert cli(monkeypatch, *arguments, "--seed", 1) == 2
    assert "another pretraining" in capsys.readouterr().err


def test_text_is_read_from_all_kinds_of_files(tmp_path):
    (tmp_path / "a.txt").write_text("\ufeffone\n\n two \none\n", "utf-8")
    (tmp_path / "b.csv").write_text("id,text\n1,three\n2,\n", "utf-8")
    (tmp_path / "c.jsonl").write_text('{"text": "four"}\n{"text": "ONE"}\n', "utf-8")
    with gzip.open(tmp_path / "d.txt.gz", "wt", encoding="utf-8") as file:
        file.write("five\n")
    (tmp_path / "e.png").write_bytes(b"\x89PNG")
    found = unlabelled.read([tmp_path])
    assert found.files == (("one", "two"), ("three",), ("four",), ("five",)) and found.repeated == 2
    assert unlabelled.read([tmp_path / "b.csv"], "id").files == (("1", "2"),)
    assert found.fingerprint != unlabelled.read([tmp_path / "a.txt"]).fingerprint
    texts = [text for own in found.files for text in own]
    assert found.fingerprint != unlabelled.collect([texts]).fingerprint, "the end of each file is held out"


def test_a_side_of_parallel_text_is_a_text_a_line(tmp_path):
    for name, text in (("train.fr", "un\ndeux\n"), ("train.deu_Latn", "eins\n")):
        (tmp_path / name).write_text(text, "utf-8")
    with gzip.open(tmp_path / "train.en.gz", "wt", encoding="utf-8") as file:
        file.write("one\ntwo\n")
    found = unlabelled.read([tmp_path / name for name in ("train.fr", "train.en.gz", "train.deu_Latn")])
    assert found.files == (("un", "deux"), ("one", "two"), ("eins",))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("e.txt", b"", "holds no text"),
        ("e.txt", b"\n \n", "holds no text"),
        ("long.txt", b"a" * 3000, "line 1 has more than"),
        ("b.txt", b"text\n\x00\x01\x02", "line 2 holds a zero byte"),
        ("b.txt", b"text\n\xff\xd8", "line 2: byte 0xff is not UTF-8"),
        ("u.txt", "text".encode("utf-16"), "UTF-16"),
        ("c.csv", b"id,body\n1,some words\n", "--text-column"),
        ("c.jsonl", b'{"text": 3}\n', "is no text but int"),
        ("x.png", b"\x89PNG", "unknown format .png"),
        ("z.txt.gz", b"not gzip", "not a readable gzip"),
        ("small.txt", b"good film\n", "fewer than a batch"),
        ("greek.txt", "καλη ταινια πολυ\nαλλη μια\nκακη\n".encode() * 1, "fewer than a batch"),
    ],
)
def test_a_bad_corpus_is_refused_in_one_line(name, content, said, checkpoints, tmp_path, monkeypatch, capsys):
    from support.tiny import command as cli

    monkeypatch.setattr(unlabelled, "LONGEST_LINE", 2000)
    (tmp_path / name).write_bytes(content)
    arguments = ["pretrain", "--model", checkpoints("bert"), "--unlabelled-file", tmp_path / name, "--steps", 2,
                 "--batch-size", 4, "--max-length", 16, "--output-dir", tmp_path / "out", "--threads", 1]  # fmt: skip
    assert cli(monkeypatch, *arguments) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()[-1:]) == 1 and "Traceback" not in err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"steps": None}, "--steps: say how long"),
        ({"steps": 0}, "--steps 0: give 1 or more"),
        ({"time_limit": "20"}, "--time-limit: needs a unit"),
        ({"train_tokenizer": 500}, "add --from-scratch"),
        ({"train_tokenizer": 5, "from_scratch": True}, "--train-tokenizer 5: give 300"),
        ({"max_length": 4096}, "--max-length 4096"),
        ({"unlabelled_file": []}, "--unlabelled-file: give the text"),
        ({"stepps": 3}, 'unknown key "stepps". Did you mean "steps"?'),
    ],
)
def test_what_cannot_be_asked_is_said(more, said, checkpoints, texts, tmp_path):
    keys = {"unlabelled_file": [_file(tmp_path, texts)], "steps": 2, "batch_size": 4, "max_length": 16, "device": "cpu"}
    with pytest.raises(UserError) as refused:
        command.pretrain(
            Console(quiet=True), output_dir=str(tmp_path / "out"), model=checkpoints("bert"), threads=1, **keys | more
        )
    assert said in str(refused.value)


def test_another_script_is_refused_with_the_share_of_unknown_tokens(checkpoints, tmp_path):
    texts = unlabelled.collect([[f"καλη ταινια πολυ ωραια {i}" for i in range(300)]])
    with pytest.raises(UserError, match=r"100 % of the tokens are unknown.*--train-tokenizer"):
        run(checkpoints("bert"), texts, tmp_path / "out")


def test_in_python(checkpoints, texts, tmp_path):
    import transfergain as tg

    done = tg.pretrain(
        model=checkpoints("bert"), unlabelled_file=_file(tmp_path, texts), output_dir=tmp_path / "out", steps=2,
        batch_size=4, max_length=16, device="cpu", threads=1, quiet=True,
    )  # fmt: skip
    assert done.steps == 2 and done.curve[-1][0] == 2 and math.isfinite(done.loss)
    with pytest.raises(tg.UserError, match="text_column"):
        (tmp_path / "c.csv").write_text("id,body\n1,x\n", "utf-8")
        tg.pretrain(unlabelled_file=tmp_path / "c.csv", output_dir=tmp_path / "o2", steps=2, quiet=True)
