"""A study from flags and files: what overrides what, what is refused, and the budgets and learning rates it expands to."""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from support.fakes import dataset
from transfergain.analysis import words
from transfergain.analysis.entries import StudyRequest
from transfergain.arms import DEFAULT_ARMS
from transfergain.data.draws import budget_sizes, max_budget
from transfergain.errors import UserError
from transfergain.options import Option, OptionKind
from transfergain.report.toml import study_toml
from transfergain.running.planner import REPLICATES_PER_SEED, Planner, StudyCell, auto_budgets, budgets_for
from transfergain.running.search import LEARNING_RATES, at_edge, learning_rates
from transfergain.split import TEST, shift
from transfergain.study import Study, TaskEntry, load
from transfergain.study.fields import with_options_of
from transfergain.tasks import TASKS
from transfergain.types import Recipe, TrialSpec


@pytest.fixture
def study_file(tmp_path):
    def write(content):
        path = tmp_path / "study.toml"
        path.write_text(content)
        return str(path)

    return write


STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.toml"))


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.name)
def test_the_shipped_studies_cover_the_five_tasks_and_the_demo_one(file):
    """What the README sends people to: each names its tasks once, and builtin data that is there."""
    tasks = load({}, str(file)).entries()
    assert sorted(entry.task for entry in tasks) == (["sentiment"] if file.name == "demo.toml" else sorted(TASKS))
    assert all(entry.dataset_name == f"builtin:{entry.task}" for entry in tasks)


def test_flags_override_the_file_and_the_file_the_defaults(study_file):
    file = study_file('train_file = "a.csv"\nseeds = 3\ntune = 2\narms = ["scratch", "lora"]\n')
    study = load({"seeds": 5, "budgets": "64,32,64"}, file)
    assert (study.train_file, study.seeds, study.tune, study.arms) == ("a.csv", 5, 2, ["scratch", "lora"])
    assert study.budgets == [32, 64]
    assert study.epochs == Study().epochs
    assert load({}).arms == DEFAULT_ARMS == ["scratch", "full", "probe", "probe-random", "lora"]


def test_tasks_inherit_the_top_level_and_override_it(study_file):
    file = study_file(
        'max_length = 64\ntext_column = "body"\nbudgets = [50]\n'
        '[[tasks]]\ntrain_file = "a/films.csv"\n'
        '[[tasks]]\ntask = "classification"\ntrain_file = "b/news.csv"\ntext_column = "story"\nbudgets = "auto"\n'
        'shift = { blogs = "c.csv" }\n'
    )
    first, second = load({}, file).entries()
    assert (first.task, first.train_file, first.text_column, first.max_length, first.budgets) == (
        "sentiment", "a/films.csv", "body", 64, [50],
    )  # fmt: skip
    assert (second.task, second.text_column, second.max_length, second.budgets, second.shift) == (
        "classification", "story", 64, "auto", {"blogs": "c.csv"},
    )  # fmt: skip
    assert load({}, file).folder() == "runs/films-news"


def test_budgets_as_a_flag_override_those_of_every_task(study_file):
    file = study_file('[[tasks]]\ntrain_file = "a.csv"\nbudgets = [50]\n[[tasks]]\ntrain_file = "b.csv"\n')
    assert [entry.budgets for entry in load({"budgets": "20,30"}, file).entries()] == [[20, 30], [20, 30]]


def test_data_sets_may_differ_in_seeds_and_warm_up_and_a_flag_sets_all(study_file):
    file = study_file(
        'seeds = 2\n[[tasks]]\ntrain_file = "a.csv"\nseeds = 4\nwarmup_steps = 6\n[[tasks]]\ntrain_file = "b.csv"\n'
    )
    study = load({}, file)
    assert [(entry.seeds, entry.warmup_steps) for entry in study.entries()] == [(4, 6), (2, 50)]
    datasets = {"a": dataset("a"), "b": dataset("b")}
    plan = Planner(study.model_copy(update={"tasks": [e.model_copy(update={"budgets": [10]}) for e in study.tasks]}),
                   datasets, "sha256:0", "fp32")  # fmt: skip
    asked = {name: plan.reporting(StudyCell(data, "full", 10), plan.recipe(data, 1e-3)) for name, data in datasets.items()}
    assert {name: (len(specs), specs[0].recipe.warmup_steps) for name, specs in asked.items()} == {
        "a": (4, 6),
        "b": (2, 50),
    }
    asked = [StudyRequest.of(each.model_dump()).seeds for each in (study, load({"seeds": 5}, file))]
    assert asked == [(2, 4), (5,)]
    assert list(map(words.planned_seeds, asked)) == ["2 to 4 seeds", "5 seeds"]


def test_data_flags_beside_tasks_are_refused(study_file):
    with pytest.raises(UserError, match="--train-file cannot be given beside the"):
        load({"train_file": "x.csv"}, study_file('[[tasks]]\ntrain_file = "a.csv"\n'))


def test_shifts_as_flags_and_as_a_table(study_file):
    assert load({"shift": ["a=x.csv", "b = y=z.csv"]}).shift == {"a": "x.csv", "b": "y=z.csv"}
    assert load({}, study_file('[shift]\na = "x.csv"\n')).shift == {"a": "x.csv"}
    assert load({}, study_file('shift = "a=x.csv"\n')).shift == {"a": "x.csv"}


def test_a_quick_study_is_scratch_and_full_with_three_seeds_and_default_rates_whatever_the_file_says(study_file):
    decided = (["scratch", "full"], 3, 0)
    file = study_file('train_file = "a.csv"\nseeds = 8\ntune = 4\narms = ["scratch", "lora"]\n')
    study = load({"quick": True}, file)
    assert (study.arms, study.seeds, study.tune) == decided and study.train_file == "a.csv"
    several = load(
        {"quick": True}, study_file('[[tasks]]\ntrain_file = "a.csv"\nseeds = 8\n[[tasks]]\ntrain_file = "b.csv"\n')
    )
    assert [entry.seeds for entry in several.entries()] == [3, 3]
    written = load({}, study_file("quick = true\n"))
    assert (written.arms, written.seeds, written.tune) == decided
    again = load({}, study_file(study_toml(written.model_dump(mode="json"))))
    assert again == written, "as the page writes it down"


def test_a_quick_studys_trials_are_among_those_of_the_whole_one():
    datasets = {"reviews": dataset()}
    quick, whole = (Planner(load(flags), datasets, "sha256:0", "fp32") for flags in ({"quick": True}, {}))
    ids = [{spec.id for cell in p.cells() for spec in p.reporting(cell, p.recipe(cell.data, 1e-3))} for p in (quick, whole)]
    assert ids[0] < ids[1]


@pytest.mark.parametrize("flags", [{"seeds": "5"}, {"tune": 4}, {"arms": "scratch,lora"}])
def test_what_a_quick_study_decides_cannot_be_given_beside_it(study_file, flags):
    flag = "--" + next(iter(flags))
    with pytest.raises(UserError, match=f"{flag} cannot be given beside --quick, which decides --arms, --seeds, --tune"):
        load({"quick": True, **flags})
    with pytest.raises(UserError, match=f"{flag} cannot be given beside --quick"):
        load(flags, study_file("quick = true\n"))
    with pytest.raises(UserError, match=r"study\.toml: seeds cannot be given beside --quick"):
        load({}, study_file("quick = true\nseeds = 5\n"))
    assert load({"quick": False, **flags}, study_file("quick = true\n")).quick is False


def test_folder_is_named_after_the_data_unless_given():
    assert load({"train_file": "a/films.csv"}).folder() == "runs/films"
    assert load({"train_file": "a/films.csv", "output_dir": "here"}).folder() == "here"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("budget = [64]", r'study\.toml: unknown key "budget"\. Did you mean "budgets"\?'),
        ("colour = 1", r'study\.toml: unknown key "colour"\. Known: adapt, answers_column, arms, batch_size'),
        ('[[tasks]]\ntrain_fil = "a"', r'unknown key "train_fil"\. Did you mean "train_file"\?'),
        ("[[tasks]]\ntune = 3", r'"tune" belongs above the \[\[tasks\]\]'),
        ("tasks = 3", r"study\.toml: tasks"),
        ("tasks = [3]", r"study\.toml: tasks\.0"),
        ('seeds = "many"', r"study\.toml: seeds: .*\(given: 'many'\)"),
        ("seeds = 0", r"study\.toml: seeds: .*greater than or equal to 1 \(given: 0\)"),
        ("budgets = [64, 5]", r"study\.toml: budgets\.0: .*10 \(given: 5\)"),
        ("budgets = [64.5]", r"study\.toml: budgets: must be whole numbers"),
        ("budgets = [true]", r"study\.toml: budgets: must be whole numbers"),
        ("budgets = []", r"study\.toml: budgets: must be whole numbers"),
        ("budgets = 64", r"study\.toml: budgets: must be whole numbers"),
        ('budgets = "all"', r"study\.toml: budgets: must be whole numbers"),
        ("[[tasks]]\nbudgets = [2]", r"study\.toml: tasks\.0\.budgets\.0: "),
        ("shift = 3", r"study\.toml: shift: must be name=FILE"),
        ("[shift]\na = 3", r"study\.toml: shift\.a: "),
        ("arms = 3", r"study\.toml: arms: must be arms such as"),
        ('arms = [["scratch"]]', r"study\.toml: arms: must be arms such as"),
        ("arms = []", r"study\.toml: arms: must name an arm"),
        ('arms = ["scratch", "lorra"]', r'unknown arm "lorra"\. Did you mean "lora"'),
        ('task = "sentimant"', r'study\.toml: task: unknown task "sentimant"\. Did you mean "sentiment"'),
        ('precision = "fp64"', r"study\.toml: precision: "),
        ("margin = nan", r"study\.toml: margin: "),
        ("tune = 2\nseeds 3", r"study\.toml: not valid TOML \(.*line 2"),
    ],
)
def test_a_file_is_refused_with_its_key_and_what_is_near(study_file, content, says):
    with pytest.raises(UserError, match=says) as caught:
        load({}, study_file(content))
    assert "\n" not in str(caught.value)
    assert "constrained" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="no such study file"):
        load({}, str(tmp_path / "none.toml"))
    with pytest.raises(UserError, match="cannot be read as a study file"):
        load({}, str(tmp_path))
    (tmp_path / "latin.toml").write_bytes(b'task = "caf\xe9"')
    with pytest.raises(UserError, match="not valid TOML"):
        load({}, str(tmp_path / "latin.toml"))


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"seeds": 0}, r"^--seeds: .*\(given: 0\)"),
        ({"budgets": "64,many"}, r"^--budgets: must be whole numbers .*\(given: '64,many'\)"),
        ({"budgets": ","}, "^--budgets: must be whole numbers"),
        ({"arms": ""}, "^--arms: must name an arm"),
        ({"shift": ["x.csv"]}, r'^--shift: "x\.csv" is not of the form name=FILE'),
        ({"shift": ["=x.csv"]}, "^--shift: .* is not of the form"),
        ({"shift": ["a=x.csv", "a=y.csv"]}, '^--shift: two files are called "a"'),
        ({"keep_models": "some"}, "^--keep-models: "),
        ({"batch_size": 0}, "^--batch-size: "),
    ],
)
def test_a_flag_is_refused_by_its_name(flags, says):
    with pytest.raises(UserError, match=says):
        load(flags)


def test_a_flag_is_named_where_flag_and_file_are_both_there(study_file):
    with pytest.raises(UserError, match=r"^--seeds: "):
        load({"seeds": -1}, study_file("seeds = 3\n"))


@given(small=st.integers(0, 64), large=st.integers(0, 64))
def test_learning_rates_nest_and_stay_in_the_space(small, large):
    low, high = LEARNING_RATES
    rates = learning_rates(large)
    assert len(set(rates)) == large
    assert all(low <= rate <= high for rate in rates)
    assert rates[: min(small, large)] == learning_rates(min(small, large))


def test_learning_rates_are_spread_over_the_log_of_the_space():
    low, high = (math.log(rate) for rate in LEARNING_RATES)
    assert learning_rates(1) == [pytest.approx(math.sqrt(LEARNING_RATES[0] * LEARNING_RATES[1]), rel=1e-2)]
    for count in (2, 4, 8, 16):
        points = sorted((math.log(rate) - low) / (high - low) for rate in learning_rates(count))
        gaps = [b - a for a, b in zip([0, *points], [*points, 1], strict=True)]
        assert max(gaps) < 2 / count


def test_edge_needs_three_to_have_an_inside():
    assert not at_edge(1e-4, [1e-4, 1e-3])
    assert at_edge(1e-4, [1e-4, 1e-3, 1e-2])
    assert not at_edge(1e-3, [1e-4, 1e-3, 1e-2])


@given(n_train=st.integers(10, 10**5), n_dev=st.integers(10, 10**5), classes=st.integers(2, 200))
def test_auto_budgets_end_with_all_labels_and_fit_the_data(n_train, n_dev, classes):
    budgets = auto_budgets(n_train, n_dev, classes)
    assert budgets == sorted(set(budgets))
    assert 1 <= len(budgets) <= 4
    assert budgets[-1] == max_budget(n_train, n_dev)
    assert all(budget >= 2 * classes and budget >= 32 for budget in budgets[:-1])
    for smaller, larger in itertools.pairwise(budgets):
        assert abs(larger / 4 - smaller) < 1
    for budget in budgets:
        budget_sizes(budget, n_train, n_dev)


def test_budgets_are_checked_against_the_data():
    data = dataset("films")
    assert budgets_for(Study(budgets=[10, 30]), data) == [10, 30]
    assert budgets_for(Study(), data) == auto_budgets(24, 6, 2)
    with pytest.raises(UserError, match="--budgets: films: a budget of 31 labels is larger than the data: 30 is the most"):
        budgets_for(Study(budgets=[31]), data)


def planner(**keys):
    study = Study(**{"arms": "scratch,full", "budgets": [10, 20], "seeds": 3, "tune": 2} | keys)
    return Planner(study, {"reviews": dataset(shift=True)}, "sha256:0", "fp32")


def test_arms_of_the_largest_budget_alone_are_left_out_below_it():
    plan = planner(arms="scratch,full,probe", largest_only="probe")
    cells = [(arm, budget) for _, arm, budget, _ in plan.cells()]
    assert cells == [("scratch", 10), ("full", 10), ("scratch", 20), ("full", 20), ("probe", 20)]


def test_the_reference_runs_at_every_budget():
    with pytest.raises(UserError, match='--largest-only: must not name "scratch"'):
        load({"largest_only": "scratch,probe"})


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"task": "sentiment", "num_beams": 4}, "--num-beams is for the task translation, not for sentiment"),
        ({"task": "ner", "doc_stride": 8}, "--doc-stride is for the task qa, not for ner"),
        ({"task": "qa", "label_column": "y"}, "--label-column is for the tasks sentiment, classification, not for qa"),
        ({"doc_stride": 8}, "--doc-stride is for the task qa, and none given means sentiment; add --task qa"),
    ],
)
def test_an_option_of_another_task_is_refused(keys, says):
    with pytest.raises(UserError, match=says):
        load(keys)


def test_tasks_that_share_an_option_agree_on_its_type():
    option = Option("weight", 1, "how heavy", OptionKind.READING, type=int)
    agreeing = replace(TASKS["ner"], options=(replace(option, default=2, help="how light"),))
    fields = with_options_of([replace(TASKS["qa"], options=(option,)), agreeing])(BaseModel).model_fields
    assert fields["weight"].metadata[0].help == "qa: how heavy (default: 1); ner: how light (default: 2)"
    with pytest.raises(ValueError, match='the tasks qa, ner declare "weight" with different types or bounds'):
        with_options_of([replace(TASKS["qa"], options=(option,)), replace(TASKS["ner"], options=(replace(option, ge=0),))])


def test_an_option_above_the_tasks_may_be_for_some_of_them(study_file):
    study = load(
        {}, study_file('max_length = 64\nlabel_column = "y"\n[[tasks]]\ntask = "ner"\n[[tasks]]\ntask = "sentiment"')
    )
    assert [entry.source().options for entry in study.entries()] == [{}, {"label_column": "y"}]


def test_the_tasks_settings_are_part_of_the_recipe():
    entry = TaskEntry(task="qa", doc_stride=32)
    assert dict(entry.encoding()) == dict(TASKS["qa"].defaults(OptionKind.ENCODING)) | {"doc_stride": 32}
    assert entry.tokens() == TASKS["qa"].max_length
    spec = planner().reporting(StudyCell(dataset(shift=True), "full", 20), Recipe(1e-4, options=entry.encoding()))[0]
    assert TrialSpec.from_json(spec.to_json()) == spec


def test_tuning_sees_no_sealed_split_and_no_seed_that_is_reported():
    plan = planner(seed=2, seeds=500)
    data = plan.datasets["reviews"]
    tuning = plan.tuning(StudyCell(data, "full", 20))
    reports = plan.reporting(StudyCell(data, "full", 20), plan.recipe(data, 1e-4))
    assert all(spec.splits == () and spec.phase == "tune" for spec in tuning)
    assert not {spec.replicate for spec in tuning} & {spec.replicate for spec in reports}
    assert {spec.replicate // REPLICATES_PER_SEED for spec in tuning + reports} == {2}
    assert [split for split, _ in reports[0].splits] == [TEST, shift("tweets")]


def test_arms_get_the_same_trials_but_for_their_name():
    plan = planner()
    data = plan.datasets["reviews"]
    mine, theirs = (plan.tuning(StudyCell(data, arm, 20)) for arm in ("scratch", "full"))
    assert [vars(a) | {"arm": ""} for a in mine] == [vars(b) | {"arm": ""} for b in theirs]


def test_a_larger_study_holds_the_trials_of_the_smaller_one():
    def ids(plan):
        specs = plan.floors()
        for data, arm, budget, _ in plan.cells():
            specs += plan.tuning(StudyCell(data, arm, budget))
            specs += plan.reporting(StudyCell(data, arm, budget), plan.recipe(data, 1e-4))
        return {spec.id for spec in specs}

    small, large = ids(planner()), ids(planner(seeds=5, tune=3, budgets=[10, 20, 30], arms="full,lora,scratch"))
    assert small < large
    assert ids(planner(workers=3, device="cpu", threads=2, output_dir="x", keep_models="all")) == small
    assert not ids(planner(seed=1)) & small
    assert ids(planner(tune=4)) < ids(planner(tune=8))


def test_floors_are_planned_for_every_seed_and_budget():
    assert len(planner().floors()) == len(TASKS["sentiment"].floors) * 2 * 3
    assert all(spec.checkpoint_revision == "" and spec.recipe is None for spec in planner().floors())
