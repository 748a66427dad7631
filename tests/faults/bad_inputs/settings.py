"""Flags, study files, and options of another task."""

from bad_inputs.world import case, flags, in_file, in_tasks, train

# Flags.
case("--task", "no data for --task sentiment", "--train-file", name="no data at all")(lambda w: ["run"])
case("--dataset-name and --train-file", name="two sources of data")(flags("--dataset-name", "builtin:sentiment"))
case("--test-file goes with --train-file", name="test file beside a data set")(
    lambda w: ["run", "--dataset-name", "builtin:sentiment", "--test-file", w.csv("t.csv")]
)
case('"builtin:sentimnt"', 'Did you mean "builtin:sentiment"', name="unknown built-in data set")(
    lambda w: ["run", "--dataset-name", "builtin:sentimnt"]
)
case("--task", 'unknown task "sentimant"', 'Did you mean "sentiment"', name="unknown task")(flags("--task", "sentimant"))
case("--arms", 'unknown arm "lorra"', 'Did you mean "lora"', name="unknown arm")(flags("--arms", "scratch,lorra"))
case("--arms", "must name an arm", name="no arm")(flags("--arms", ""))
case("--shift", '"tweets.csv" is not of the form name=FILE', name="shift without a name")(flags("--shift", "tweets.csv"))
case("--shift", 'two files are called "a"', name="two shifts of one name")(flags("--shift", "a=x", "--shift", "a=y"))
case("--seeds", "greater than or equal to 1", "0", name="no seeds")(flags("--seeds", "0"))
case("--seeds", "whole number", name="seeds that are no number")(flags("--seeds", "many"))
case("--budgets", "whole numbers", "'64,lots'", name="budget that is no number")(flags("--budgets", "64,lots"))
case("--budgets", "greater than or equal to 10", "0", name="budget of nothing")(flags("--budgets", "0"))
case("--tune", "greater than or equal to 0", "-1", name="negative tuning")(flags("--tune=-1"))
case("--budgets", "greater than or equal to 10", "-64", name="negative budget")(flags("--budgets=-64"))
case("--precision", "fp32", "'fp8'", name="unknown precision")(flags("--precision", "fp8"))
case("--margin", "less than 1", name="margin of a hundred")(flags("--margin", "100"))
case("--executor", 'unknown executor "slurm"', "local", name="unknown executor")(flags("--executor", "slurm"))
case("--sedes", "--seeds", name="unknown flag")(flags("--sedes", "3"))
case("'repot'", "'report'", name="unknown command")(lambda w: ["repot", "runs"])
case("DIR", name="report of nothing")(lambda w: ["report"])
case("--budgets: reviews: a budget of 5,000 labels", "240 is the most", name="budget larger than the data")(
    lambda w: [*train(w), "--budgets", "64,5000", "--model", w.model("tiny")]
)
case("--device tpu", "cuda", name="unknown device")(lambda w: [*train(w), "--device", "tpu", "--model", w.model("tiny")])
case("--max-length 4000", "at most 128 tokens", name="longer texts than the model has positions for")(
    lambda w: [*train(w), "--max-length", "4000", "--model", w.model("tiny")]
)

# Study files.
case("study.toml", 'unknown key "budget"', 'Did you mean "budgets"', name="unknown key")(in_file("budget = [64]"))
case("study.toml", "not valid TOML", "line 2", name="no TOML")(in_file("seeds 3"))
case("none.toml: no such study file", name="missing study file")(lambda w: ["run", "none.toml"])
case("folder: cannot be read as a study file", name="folder for a study file")(
    lambda w: w.put("folder/x", "") and ["run", "folder"]
)
case("study.toml", "b.toml", name="two study files")(
    lambda w: ["run", w.put("study.toml", ""), "--config", w.put("b.toml", "")]
)
case("study.toml: arms: must be arms", name="arms of a wrong type")(in_file("arms = 3"))
case("study.toml: shift: must be name=FILE", name="shift of a wrong type")(in_file("shift = 3"))
case("study.toml: budgets: must be whole", name="broken budget")(in_file("budgets = [64.5]"))

# Options of another task.
case("--num-beams", "none given means sentiment; add --task translation", name="beams for a classifier")(
    flags("--num-beams", "4")
)
case("--doc-stride", "is for the task qa, not for classification", name="windows for a classifier")(
    flags("--task", "classification", "--doc-stride", "64")
)
case("study.toml: label_map", "is for the task ner, and none given means sentiment", name="foreign key in a study file")(
    in_file('label_map = "a=b"')
)
case("study.toml: tasks.1.label_column", "not for qa", name="foreign key in one of several data sets")(
    in_tasks('task = "ner"\n[[tasks]]\ntask = "qa"\nlabel_column = "answers"')
)
case("study.toml: task", "valid string", name="task of a wrong type")(in_file('task = ["ner"]'))
case("study.toml: tasks.0.task", "valid string", name="task of a wrong type in one of several data sets")(
    in_tasks('task = ["ner"]')
)
