"""Tiny random checkpoints of seven architectures, as `transformers` saves them."""

from typing import Any

from support.texts import WORDS

SPECIALS = {
    "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
    "distilbert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
    "roberta": ["<s>", "<pad>", "</s>", "<unk>"],
    "gpt2": ["<|endoftext|>"],
    "t5": ["<pad>", "</s>", "<unk>"],
    "bart": ["<s>", "<pad>", "</s>", "<unk>"],
    "marian": ["</s>", "<unk>"],
}
TEMPLATES = {
    "bert": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"),
    "distilbert": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]"),
    "roberta": ("<s> $A </s>", "<s> $A </s> </s> $B </s>"),
    "t5": ("$A </s>", "$A </s> $B </s>"),
    "bart": ("<s> $A </s>", "<s> $A </s> </s> $B </s>"),
    "marian": ("$A </s>", "$A $B </s>"),
}
"""One text and a pair of them, as each architecture's own tokenizer writes them; GPT-2's adds nothing."""
NAMED = {
    "bert": {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"},
    "roberta": {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"},
    "t5": {"pad_token": "<pad>", "eos_token": "</s>"},
    "gpt2": {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"},
}
NAMED |= {"distilbert": NAMED["bert"], "bart": NAMED["roberta"], "marian": NAMED["t5"]}


def build_tokenizer(kind):
    """A word-level tokenizer with the special tokens and templates of the architecture's own."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    last = ["<pad>"] if kind == "marian" else []
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys([*SPECIALS[kind], *WORDS, *last]))}
    unknown = next((s for s in SPECIALS[kind] if "unk" in s.lower()), SPECIALS[kind][0])
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if kind in TEMPLATES:
        single, pair = TEMPLATES[kind]
        used = [(s, vocabulary[s]) for s in SPECIALS[kind] if s in single]
        tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=used)
    names = ["input_ids", *(["token_type_ids"] if kind == "bert" else []), "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=128, unk_token=unknown, model_input_names=names, **NAMED[kind]
    )


GENERATION = {
    "bart": {"num_beams": 4, "no_repeat_ngram_size": 3, "early_stopping": True, "max_length": 20},
    "marian": {"num_beams": 6, "max_length": 512, "renormalize_logits": True},
}
"""What published checkpoints of these kinds would rather have, and a recipe overrides."""


def build_checkpoint(kind, folder, seed=0, auto_class="AutoModel", spread=0.02):
    """A tiny random model of the architecture with its tokenizer, written by `save_pretrained`.

    `spread` is the standard deviation of weights, but for T5, which has its own; 0.02 is usual, and says much the same of
    every text.
    """
    import torch
    import transformers as t

    tokenizer = build_tokenizer(kind)
    v = len(tokenizer)
    pad = tokenizer.pad_token_id
    encoder: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = {
        "bert": lambda: t.BertConfig(vocab_size=v, pad_token_id=pad, max_position_embeddings=128, **encoder),
        "roberta": lambda: t.RobertaConfig(vocab_size=v, pad_token_id=pad, max_position_embeddings=130, **encoder),
        "distilbert": lambda: t.DistilBertConfig(
            vocab_size=v, pad_token_id=pad, max_position_embeddings=128, dim=32, n_layers=2, n_heads=2, hidden_dim=64
        ),
        "gpt2": lambda: t.GPT2Config(vocab_size=v, n_positions=128, n_embd=32, n_layer=2, n_head=2, bos_token_id=0,
                                     eos_token_id=0),
        "t5": lambda: t.T5Config(vocab_size=v,  # type: ignore[call-arg]
                                  pad_token_id=pad, eos_token_id=tokenizer.eos_token_id,
                                 decoder_start_token_id=pad, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2),
        "bart": lambda: t.BartConfig(vocab_size=v, pad_token_id=pad, bos_token_id=0, eos_token_id=tokenizer.eos_token_id,
                                     decoder_start_token_id=tokenizer.eos_token_id, d_model=32, encoder_layers=2,
                                     decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
                                     encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=128),
        "marian": lambda: t.MarianConfig(vocab_size=v, pad_token_id=pad, eos_token_id=tokenizer.eos_token_id,
                                         forced_eos_token_id=tokenizer.eos_token_id, decoder_start_token_id=pad, d_model=32,
                                         encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
                                         decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64,
                                         max_position_embeddings=128),
    }[kind]()  # fmt: skip
    for name in {"initializer_range", "init_std"} & vars(config).keys():
        setattr(config, name, spread)
    torch.manual_seed(seed)
    model = getattr(t, auto_class).from_config(config)
    if model.can_generate():
        for name, value in GENERATION.get(kind, {}).items():
            setattr(model.generation_config, name, value)
        if kind == "marian":
            model.generation_config.bad_words_ids = [[pad]]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
