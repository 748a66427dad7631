"""Checkpoints."""

from bad_inputs.world import case, flags, train

case("builtin:minlm", 'Did you mean "builtin:minilm"', name="unknown built-in model")(flags("--model", "builtin:minlm"))
case("--model", "neither a folder here nor a well-formed Hub id", name="no Hub id")(flags("--model", "./no/such/folder"))
case("--model empty: no config.json", name="model folder without config")(
    lambda w: w.put("empty/notes.txt", "x") and [*train(w), "--model", "empty"]
)
case("--model weights.bin is a file", name="file for a model")(lambda w: [*train(w), "--model", w.put("weights.bin", "x")])
case("--model tiny", "config.json", "JSON", name="model with a broken config")(
    lambda w: [*train(w), "--model", w.model("tiny", config_json="{")]
)
case("--model tiny", "pytorch_model.bin", "safetensors", name="model of pickles")(
    lambda w: [
        *train(w),
        "--model",
        w.model("tiny", "model.safetensors") and w.put("tiny/pytorch_model.bin", "pickle").split("/")[0],
    ]
)
case("--model tiny", "no weights", name="model without weights")(
    lambda w: [*train(w), "--model", w.model("tiny", "model.safetensors")]
)
case("--model tiny", "model.safetensors", "damaged", name="model with broken weights")(
    lambda w: [*train(w), "--model", w.model("tiny", model_safetensors="\xff" * 64)]
)
case("--model tiny", "no tokenizer", name="model without tokenizer")(
    lambda w: [*train(w), "--model", w.model("tiny", "tokenizer.json")]
)
case("--model tiny", "tokenizer cannot be read", name="model with a broken tokenizer")(
    lambda w: [*train(w), "--model", w.model("tiny", tokenizer_json="{}")]
)
