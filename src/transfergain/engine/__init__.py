"""The one training loop, evaluation, batching and numeric precision. Knows no task and no arm by name."""
